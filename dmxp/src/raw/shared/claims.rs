//! The claims that a shared handle has handed out, and the tokens that stand for them.

use crate::error::Error;
use crate::layout::CELLS;
use core::fmt;

/// As many as a handle can have out, on both rings of a channel with priorities.
const PLACES: usize = 2 * CELLS;

/// Stands for a claim of a shared handle: which handle, which of its places, and how often that was used before. None is ever given
/// twice in a process, and one that was used up, or that another handle gave, is an error and nothing worse. Copies are good as long as
/// the claim is out.
///
/// As two words it fits any language; all zeros stand for no claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    handle: u64,
    /// The use in the upper bits, the place in the lower ones.
    claim: u64,
}

impl Token {
    const PLACE_BITS: u32 = PLACES.trailing_zeros();

    /// The token of two words that [`words`](Self::words) gave. Any others are of a token that is refused.
    #[must_use]
    pub const fn of_words([handle, claim]: [u64; 2]) -> Self {
        Self { handle, claim }
    }

    /// As two words.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        [self.handle, self.claim]
    }

    fn place(self) -> usize {
        (self.claim % PLACES as u64) as usize
    }

    /// Whether it can be of the handle with that number.
    pub(super) fn check(self, handle: u64) -> Result<(), TokenError> {
        match self.handle {
            0 => Err(TokenError::Empty),
            given if given != handle => Err(TokenError::Foreign),
            _ => Ok(()),
        }
    }
}

/// Why nothing was done with the claim of a token.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// The token stands for no claim.
    Empty,
    /// The claim is another handle's.
    Foreign,
    /// The claim was finished already.
    Finished,
    /// The handle cannot be used, or the claim not published.
    Runtime(Error),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => {
                "the claim is empty: nothing was claimed or received into it, or it was finished already; claim or receive again"
            }
            Self::Foreign => "the claim is another handle's; finish it with the handle that made it",
            Self::Finished => "the claim was finished already: published, aborted, released or given back",
            Self::Runtime(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for TokenError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Runtime(error) => Some(error),
            Self::Empty | Self::Foreign | Self::Finished => None,
        }
    }
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        Self::Runtime(error)
    }
}

/// The claims that are out, by place.
#[derive(Debug)]
pub(super) struct Claims<C> {
    handle: u64,
    places: [Place<C>; PLACES],
}

#[derive(Debug)]
struct Place<C> {
    /// How many claims it has had.
    uses: u64,
    claim: Option<C>,
}

const _: () = assert!(PLACES.is_power_of_two());

impl<C> Claims<C> {
    pub(super) fn new(handle: u64) -> Self {
        Self {
            handle,
            places: core::array::from_fn(|_| Place { uses: 0, claim: None }),
        }
    }

    /// Keeps a claim; gives it back where there is no place for it, which a handle does not let happen.
    pub(super) fn keep(&mut self, claim: C) -> Result<Token, C> {
        let Some((index, place)) = self
            .places
            .iter_mut()
            .enumerate()
            .find(|(_, place)| place.claim.is_none())
        else {
            return Err(claim);
        };
        place.uses += 1;
        place.claim = Some(claim);
        Ok(Token {
            handle: self.handle,
            claim: place.uses << Token::PLACE_BITS | index as u64,
        })
    }

    /// The claim of a token of this handle.
    pub(super) fn get(&self, token: Token) -> Result<&C, TokenError> {
        let place = &self.places[token.place()];
        let claim = place.claim.as_ref().filter(|_| place.is_of(token));
        claim.ok_or(TokenError::Finished)
    }

    /// The same, which is not here any more then.
    pub(super) fn take(&mut self, token: Token) -> Result<C, TokenError> {
        let place = &mut self.places[token.place()];
        let claim = if place.is_of(token) { place.claim.take() } else { None };
        claim.ok_or(TokenError::Finished)
    }
}

impl<C> Place<C> {
    fn is_of(&self, token: Token) -> bool {
        self.uses == token.claim >> Token::PLACE_BITS
    }
}

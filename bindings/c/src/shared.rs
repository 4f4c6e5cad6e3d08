//! What C gets of a handle that threads share: tokens for its claims. The runtime keeps the claims.

use crate::status::{Failure, dmxp_status};
use dmxp::raw::{Token, TokenError, WaitHooks};

/// What says which claim a struct stands for. Leave it alone; copies of it are good as long as the claim is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dmxp_token {
    handle: u64,
    claim: u64,
}

impl dmxp_token {
    /// Stands for no claim.
    pub(crate) const NONE: Self = Self { handle: 0, claim: 0 };

    /// The runtime's token, or one that it refuses.
    pub(crate) fn get(self) -> Token {
        Token::of_words([self.handle, self.claim])
    }
}

impl From<Token> for dmxp_token {
    fn from(token: Token) -> Self {
        let [handle, claim] = token.words();
        Self { handle, claim }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Runtime(error) => error.into(),
            stale => Self::new(dmxp_status::DMXP_STALE, stale.to_string()),
        }
    }
}

/// C waits in one go, and knows no more of threads than the system.
pub(crate) struct Hooks;

impl WaitHooks for Hooks {
    type Error = Failure;
}

/// An address that a call was given, for its attempts, whichever thread runs them.
#[derive(Clone, Copy)]
pub(crate) struct Address<T>(*mut T);

// SAFETY: an address; what is done with it is justified where it is done.
unsafe impl<T> Send for Address<T> {}
// SAFETY: as for Send.
unsafe impl<T> Sync for Address<T> {}

impl<T> Address<T> {
    pub(crate) fn of(pointer: *mut T) -> Self {
        Self(pointer)
    }

    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

//! The consuming end of a channel, shared.

use super::{Shared, State, Token, TokenError, WaitHooks};
use crate::error::{Error, Result};
use crate::layout::CELLS;
use crate::raw::{Consumer, Fitting, ReadClaim, Wait};

/// What came of a message that was to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied<R> {
    /// It was read, and is released.
    Read(R),
    /// It has so many bytes, more than there is room for, and is where it was.
    TooLong(usize),
}

impl Shared<Consumer> {
    /// The most messages that a call which takes as many as there are may ask for.
    #[must_use]
    pub fn largest_batch(&self) -> usize {
        self.capacity().min(u64::from(crate::ring::word::MAX_BATCH)) as usize
    }

    /// Receives one message. `look` says what is to be known of it: where its payload lies, above all. A message that it refuses is set
    /// aside: see [`Consumer::put_back`].
    ///
    /// The payload is there, and nobody writes it, until the claim is finished or the handle dropped.
    ///
    /// # Errors
    /// Those of [`call`](Self::call) and of [`Consumer::claim`]; inside, what `look` says of a message that cannot be read.
    #[inline]
    pub fn receive<W: WaitHooks, R: Send, E: Send>(
        &self,
        wait: Wait,
        hooks: &mut W,
        mut look: impl FnMut(&Consumer, &ReadClaim) -> Result<R, E> + Send,
    ) -> Result<Result<(Token, R), E>, W::Error> {
        self.until(1, wait, hooks, |state, wait| {
            let claim = state.handle.claim(1, 1, wait)?;
            state.lend(claim, &mut look)
        })
    }

    /// Receives the newest message of a latest channel, whether it was received before or not, and does not wait.
    ///
    /// # Errors
    /// Those of [`Consumer::claim_newest`]; inside, what `look` says of a message that cannot be read.
    pub fn newest<R, E>(
        &self,
        look: impl FnOnce(&Consumer, &ReadClaim) -> Result<R, E>,
    ) -> Result<Result<(Token, R), E>> {
        let mut state = self.lock()?;
        let claim = state.handle.claim_newest()?;
        state.lend(claim, look)
    }

    /// Receives at least `min` and at most `max` messages with one claim. `look` says what is to be known of them, or which of them cannot be
    /// read: that one is set aside then, and the others are put back as they were: see [`Consumer::put_back`].
    ///
    /// # Errors
    /// Those of [`call`](Self::call) and of [`Consumer::claim`]; inside, what `look` says of a message that cannot be read.
    #[inline]
    pub fn receive_batch<W: WaitHooks, R: Send, E: Send>(
        &self,
        (min, max): (usize, usize),
        wait: Wait,
        hooks: &mut W,
        mut look: impl FnMut(&Consumer, &ReadClaim) -> Result<R, (u32, E)> + Send,
    ) -> Result<Result<(Token, R), E>, W::Error> {
        self.until(min, wait, hooks, |state, wait| {
            let claim = state.handle.claim(min, max, wait)?;
            match look(&state.handle, &claim) {
                Ok(seen) => Ok(Ok((state.keep(claim)?, seen))),
                Err((bad, error)) => {
                    state.handle.put_back(claim, Some(bad));
                    Ok(Err(error))
                }
            }
        })
    }

    /// Has `read` read the next message, which is released then, if it has at most `room` bytes. A longer one stays where it is, as if the
    /// call had not been made: see [`Consumer::claim_fitting`].
    ///
    /// # Errors
    /// Those of [`call`](Self::call) and of [`Consumer::claim`]; inside, what `read` says of a message that cannot be read, which is set
    /// aside.
    #[inline]
    pub fn read<W: WaitHooks, R: Send, E: Send>(
        &self,
        room: usize,
        wait: Wait,
        hooks: &mut W,
        mut read: impl FnMut(&Consumer, &ReadClaim) -> Result<R, E> + Send,
    ) -> Result<Copied<Result<R, E>>, W::Error> {
        self.call(1, wait, hooks, |consumer, wait| {
            Ok(match consumer.claim_fitting(room, wait)? {
                Fitting::Claimed(claim) => {
                    let seen = read(consumer, &claim);
                    match seen {
                        Ok(_) => consumer.release(claim),
                        Err(_) => consumer.put_back(claim, Some(0)),
                    }
                    Copied::Read(seen)
                }
                Fitting::TooLong(len) => Copied::TooLong(len),
            })
        })
    }

    /// Calls `look` with the messages of a token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn look_at<R>(&self, token: Token, look: impl FnOnce(&Consumer, &ReadClaim) -> R) -> Result<R, TokenError> {
        token.check(self.number)?;
        let state = self.lock()?;
        Ok(look(&state.handle, state.claims.get(token)?))
    }

    /// Hands the slots of a claim back to producers.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn release(&self, token: Token) -> Result<(), TokenError> {
        self.finish(token, |_, _| Ok(()), |consumer, claim, ()| consumer.release(claim))
    }

    /// Returns the messages of a claim to the channel; see [`Consumer::give_back`].
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn give_back(&self, token: Token) -> Result<(), TokenError> {
        self.finish(token, |_, _| Ok(()), |consumer, claim, ()| consumer.give_back(claim))
    }
}

impl State<Consumer> {
    /// Hands a claim on one message out, or sets it aside if it cannot be read.
    fn lend<R, E>(
        &mut self,
        claim: ReadClaim,
        look: impl FnOnce(&Consumer, &ReadClaim) -> Result<R, E>,
    ) -> Result<Result<(Token, R), E>> {
        match look(&self.handle, &claim) {
            Ok(seen) => Ok(Ok((self.keep(claim)?, seen))),
            Err(error) => {
                self.handle.put_back(claim, Some(0));
                Ok(Err(error))
            }
        }
    }

    fn keep(&mut self, claim: ReadClaim) -> Result<Token> {
        self.claims.keep(claim).map_err(|claim| {
            self.handle.give_back(claim);
            Error::TooManyClaims { limit: CELLS }
        })
    }
}

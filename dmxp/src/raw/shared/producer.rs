//! The producing end of a channel, shared.

use super::{Shared, State, Token, TokenError, WaitHooks};
use crate::error::{Error, Result};
use crate::layout::CELLS;
use crate::raw::{Producer, Wait, WriteClaim};
use crate::ring::word::MAX_BATCH;
use core::ptr::NonNull;
use dmxp_schema::codec::Checks;
use dmxp_schema::model::Schema;

/// A slot that was claimed.
#[derive(Clone, Copy, Debug)]
pub struct Lent {
    /// Where the payload goes: so many zeros. They are there, and nobody else reads or writes them, until the claim is finished or the handle
    /// dropped.
    pub payload: NonNull<[u8]>,
    /// The id that the message will have.
    pub message_id: u64,
}

// SAFETY: an address; what is done with it is justified where it is done.
unsafe impl Send for Lent {}
// SAFETY: as for Send.
unsafe impl Sync for Lent {}

impl Shared<Producer> {
    /// The application's number for the messages that follow, on untyped channels.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn set_message_type(&self, message_type: u32) -> Result<()> {
        self.lock()?.handle.set_message_type(message_type);
        Ok(())
    }

    /// The most messages that a call which sends as many as there is room for may be given.
    #[must_use]
    pub fn largest_batch(&self) -> usize {
        self.capacity().min(u64::from(MAX_BATCH)) as usize
    }

    /// Has what is sent checked against the schema that its writer goes by; see [`check_payload`](Self::check_payload).
    #[must_use]
    pub fn checking(self, schema: &Schema) -> Self {
        let checks = Some(Checks::of(schema)).filter(|checks| !checks.accept_all());
        Self { checks, ..self }
    }

    /// Whether any bytes of the right length may be sent.
    #[must_use]
    pub fn accepts_all(&self) -> bool {
        self.checks.is_none()
    }

    /// Checks a payload to be sent: its length, and where the schema is known ([`checking`](Self::checking)) what is in it, as its
    /// receivers will. Does not count what is wrong with it.
    ///
    /// # Errors
    /// Those of [`check_length`](Self::check_length); [`Error::InvalidArgument`] for a message that is not valid.
    #[inline]
    pub fn check_payload(&self, payload: &[u8]) -> Result<()> {
        self.check_length(payload.len())?;
        self.check_values(payload)
    }

    /// The same of a message whose length is known to be right.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a message that is not valid.
    #[inline]
    pub fn check_values(&self, payload: &[u8]) -> Result<()> {
        let Some(checks) = &self.checks else { return Ok(()) };
        checks
            .check(payload)
            .map_err(|invalid| Error::invalid(format!("not a valid message, and not sent: {invalid}")))
    }

    /// Checks the length of a payload to be sent, and does not count what is wrong with it.
    ///
    /// # Errors
    /// [`Error::PayloadTooLarge`]; [`Error::InvalidArgument`] where it is not the size of the channel's messages.
    pub fn check_length(&self, len: usize) -> Result<()> {
        let limit = self.payload_capacity();
        if len > limit {
            return Err(Error::PayloadTooLarge { len, limit });
        }
        match self.message_size() {
            Some(size) if size as usize != len => Err(Error::invalid(format!(
                "payload of {len} bytes; the messages of this channel have {size} bytes"
            ))),
            _ => Ok(()),
        }
    }

    /// Sends at least `min` and at most `max` messages, which become visible at once: `write` fills each slot, of which it is told the
    /// index, and says how many bytes the message has. The id of the first one, and how many; of none, (0, 0).
    ///
    /// # Errors
    /// Those of [`call`](Self::call), of [`Producer::claim`], and of [`Producer::publish`].
    #[inline]
    pub fn send<W: WaitHooks>(
        &self,
        (min, max): (usize, usize),
        wait: Wait,
        hooks: &mut W,
        write: impl Fn(usize, &mut [u8]) -> usize + Send + Sync,
    ) -> Result<(u64, usize), W::Error> {
        if max == 0 {
            return Ok((0, 0));
        }
        let write = |index, slot: &mut [u8]| Ok(write(index as usize, slot));
        self.call(min, wait, hooks, |producer, wait| {
            producer.send_with(min, max, wait, write)
        })
    }

    /// Claims a slot for a message of `len` bytes, a length that [`check_length`](Self::check_length) allows.
    ///
    /// # Errors
    /// Those of [`call`](Self::call) and of [`Producer::claim`]; [`Error::PayloadTooLarge`].
    #[inline]
    pub fn claim<W: WaitHooks>(&self, len: usize, wait: Wait, hooks: &mut W) -> Result<(Token, Lent), W::Error> {
        self.check_room(len)?;
        self.until(1, wait, hooks, |state, wait| {
            let mut claim = state.handle.claim(1, 1, wait)?;
            let lent = lend(&state.handle, &mut claim, 0, len);
            Ok((state.keep(claim, len)?, lent))
        })
    }

    /// The same of `count` slots, each of which is given to `give`, with its index.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub fn claim_batch<W: WaitHooks>(
        &self,
        count: usize,
        len: usize,
        wait: Wait,
        hooks: &mut W,
        mut give: impl FnMut(usize, Lent) + Send,
    ) -> Result<Token, W::Error> {
        self.check_room(len)?;
        self.until(count, wait, hooks, |state, wait| {
            let mut claim = state.handle.claim(count, count, wait)?;
            for index in 0..claim.count() {
                give(index as usize, lend(&state.handle, &mut claim, index, len));
            }
            state.keep(claim, len)
        })
    }

    fn check_room(&self, len: usize) -> Result<()> {
        match self.payload_capacity() {
            limit if len > limit => Err(Error::PayloadTooLarge { len, limit }),
            _ => Ok(()),
        }
    }

    /// Makes the messages of a claim visible. `len` gives the bytes of each, if it has not as many as were claimed; it is told how many
    /// messages there are.
    ///
    /// # Errors
    /// [`TokenError`]: that of a token, and as [`Producer::publish`]. A length that is not possible, a message that is not valid, as
    /// [`check_payload`](Self::check_payload) says, and an error of `lens`, leave the claim as it was.
    pub fn publish<E: From<TokenError>, L: Fn(usize) -> Option<usize>>(
        &self,
        token: Token,
        lens: impl FnOnce(usize) -> Result<L, E>,
    ) -> Result<(), E> {
        let check = |producer: &Producer, (claim, claimed): &(WriteClaim, usize)| -> Result<L, E> {
            let count = claim.count() as usize;
            let lens = lens(count)?;
            for len in (0..count).filter_map(&lens) {
                if len > *claimed {
                    let what = format!("a message of {len} bytes in a slot claimed for {claimed} bytes");
                    return Err(TokenError::from(Error::invalid(what)).into());
                }
                self.check_length(len).map_err(TokenError::from)?;
            }
            if !self.accepts_all() {
                for index in 0..claim.count() {
                    let len = lens(index as usize).unwrap_or(*claimed);
                    let written = producer.written(claim, index).get(..len).unwrap_or_default();
                    self.check_values(written).map_err(TokenError::from)?;
                }
            }
            Ok(lens)
        };
        self.finish(token, check, |producer, (claim, claimed), lens| {
            producer.publish(claim, |index| lens(index as usize).unwrap_or(claimed))
        })?
        .map_err(|error| TokenError::from(error).into())
    }

    /// Gives a claim up; consumers never see its messages.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn abort(&self, token: Token) -> Result<(), TokenError> {
        self.finish(token, |_, _| Ok(()), |producer, (claim, _), ()| producer.abort(claim))
    }
}

/// The first `len` bytes of a claimed slot, as zeros.
fn lend(producer: &Producer, claim: &mut WriteClaim, index: u32, len: usize) -> Lent {
    let message_id = claim.message_id(index);
    let payload = &mut producer.payload_mut(claim, index)[..len];
    payload.fill(0);
    Lent {
        payload: NonNull::from(payload),
        message_id,
    }
}

impl State<Producer> {
    fn keep(&mut self, claim: WriteClaim, len: usize) -> Result<Token> {
        self.claims.keep((claim, len)).map_err(|(claim, _)| {
            self.handle.abort(claim);
            Error::TooManyClaims { limit: CELLS }
        })
    }
}

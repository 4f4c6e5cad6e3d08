//! Consuming bytes.

use super::{Fitting, ReadClaim, Wait, Waiter};
use crate::delivery::Receiver;
use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::ring::strided::Strided;
use crate::table::delivery::Delivery;
use crate::table::lives::StreamInfo;
use core::fmt;
use core::ptr::NonNull;
use dmxp_schema::codec::Checks;
use dmxp_schema::model::Schema;

/// A consumer of bytes.
// Aligned so that guards find room beside its address; see `typed::guard`.
#[repr(align(16))]
pub struct Consumer {
    pub(super) receiver: Receiver,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}

handle_accessors!(Consumer);

impl Consumer {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self { receiver }
    }

    #[inline(always)]
    pub(super) fn handle(&self) -> &Handle {
        self.receiver.handle()
    }

    /// Messages that this side sees waiting: of both rings, where there are two.
    fn waiting(&self) -> u64 {
        self.receiver.len()
    }

    /// What this consumer waits for: data.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter::new(self.handle(), self.receiver.urgent(), true)
    }

    /// Claims at least `min` and at most `max` messages, with one atomic operation. Urgent messages come first, and what is there
    /// of them is enough: a claim is of one priority. Of each, returned messages come first, one at a time; an aborted claim
    /// between messages, an expired message, and the end of the stream make a claim smaller than `min`.
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::Timeout`]; [`Error::Closed`] when the stream has ended and all of it was claimed;
    /// [`Error::BatchTooLarge`], [`Error::Removed`], [`Error::WouldDeadlock`], [`Error::TooManyClaims`], [`Error::Forked`],
    /// [`Error::Evicted`].
    #[inline(always)]
    pub fn claim(&self, min: usize, max: usize, wait: Wait) -> Result<ReadClaim> {
        if min == 1 && wait.is_none() && self.is_just_empty(wait) {
            return Err(Error::Empty);
        }
        let (min, max) = self
            .handle()
            .sizes(min, max)
            .map_err(|error| self.handle().failing(error))?;
        // With `?`, which moves the claim out of the cold call's answer: the answer itself has a place in memory, the claim none.
        Ok(match self.receiver.try_claim(min, max) {
            Some(claim) => claim,
            None => self.claim_later(min, max, wait)?,
        })
    }

    /// Claims the next message if it has at most `room` bytes. A longer one is [put back](Self::put_back), as if the call had not been made:
    /// for this consumer and others, not marked as delivered before, and at no cost to a redelivery limit. A lossy subscriber may be overrun before
    /// it comes back for it.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    pub fn claim_fitting(&self, room: usize, wait: Wait) -> Result<Fitting> {
        if wait.is_none() && self.is_just_empty(wait) {
            return Err(Error::Empty);
        }
        let attempt = || self.receiver.attempt_fitting(room);
        match attempt() {
            Ok(fitting) => Ok(fitting),
            Err(error) => self.wait_after(Err(error), 1, wait, attempt),
        }
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet; there is nothing left
    /// to do then. A consumer that polls is to see a message as soon as it is there: so this comes before anything else, and a call that
    /// finds a message pays a look at its slot for it.
    #[inline(always)]
    pub(crate) fn is_just_empty(&self, wait: Wait) -> bool {
        let is_just_empty = self.receiver.sees_nothing();
        if is_just_empty {
            self.handle().polled_without_result(wait.is_counted());
        }
        is_just_empty
    }

    /// What a call does whose first attempt gave nothing: waits, if it may. The caller's fast path carries nothing of it.
    #[cold]
    #[inline(never)]
    fn claim_later(&self, min: u32, max: u32, wait: Wait) -> Result<ReadClaim> {
        let receiver = &self.receiver;
        self.wait_after(receiver.rest(min, max), min, wait, || receiver.attempt(min, max))
    }

    /// Waits, if the call may, after an attempt that found nothing. Counts a call that fails.
    pub(super) fn wait_after<R>(
        &self,
        first: Result<R>,
        min: u32,
        wait: Wait,
        attempt: impl FnMut() -> Result<R>,
    ) -> Result<R> {
        let (handle, receiver) = (self.handle(), &self.receiver);
        let outcome = match (first, wait.deadline()) {
            (Err(Error::Empty), None) => {
                handle.polled();
                if let Some(urgent) = receiver.urgent() {
                    urgent.polled();
                }
                Err(Error::Empty)
            }
            (Err(Error::Empty), Some(deadline)) => {
                handle.wait(receiver.urgent(), deadline, min, attempt, || receiver.has_more())
            }
            (outcome, _) => outcome,
        };
        outcome.map_err(|error| handle.failing_call(error, wait.is_counted()))
    }

    /// A claim of one message after a shorter way gave none.
    #[cold]
    #[inline(never)]
    pub(crate) fn claim_one_later(&self, wait: Wait) -> Result<ReadClaim> {
        self.claim(1, 1, wait)
    }

    /// Has `read` look at the next message and is done with it, where nothing is in the way; see
    /// [`Receiver::read_at_once`].
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        self.receiver.read_at_once(read)
    }

    /// Claims the next message where nothing is in the way; see [`Receiver::claim_at_once`].
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, len: usize) -> Option<NonNull<u8>> {
        self.receiver.claim_at_once(len)
    }

    /// The number of a claim's entry.
    pub(crate) fn entry_of(&self, claim: &ReadClaim) -> usize {
        self.receiver.entry_of(claim)
    }

    /// The claim that an entry has.
    #[inline]
    pub(crate) fn claim_of(&self, entry: usize) -> ReadClaim {
        self.receiver.claim_of(entry)
    }

    /// Releases the claim of an entry, on one message of `len` bytes.
    #[inline(always)]
    pub(crate) fn release_entry(&self, entry: usize, len: usize) {
        if !self.receiver.release_at_once(len) {
            self.release_entry_later(entry);
        }
    }

    #[inline(never)]
    fn release_entry_later(&self, entry: usize) {
        self.receiver.release(self.receiver.claim_of(entry));
    }

    /// Counts a call that fails with this error.
    pub(crate) fn failing(&self, error: Error) -> Error {
        self.handle().failing(error)
    }

    /// The metadata of message `index` of a claim.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    #[must_use]
    pub fn metadata(&self, claim: &ReadClaim, index: u32) -> Metadata {
        self.receiver.metadata(claim, index)
    }

    /// The newest message of a latest channel, whether this consumer has seen it or not.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing was sent yet; [`Error::InvalidArgument`] on other channels; [`Error::TooManyClaims`],
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn claim_newest(&self) -> Result<ReadClaim> {
        self.receiver.claim_newest()
    }

    /// How many messages this subscriber missed in all; see [`dmxp::Consumer::missed`](crate::Consumer::missed).
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.receiver.missed()
    }

    /// The payload of message `index` of a claim, in place.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] when the length written there exceeds the slot; [`Error::ChecksumMismatch`].
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline(always)]
    pub fn payload<'a>(&'a self, claim: &'a ReadClaim, index: u32) -> Result<&'a [u8]> {
        let len = self.receiver.payload_len(claim, index);
        let Some(bytes) = self.receiver.bytes(claim, index, len) else {
            let error = self.beyond_the_slot(claim.message_id(index), len);
            return Err(self.receiver.handle_of(claim).failing(error));
        };
        if self.handle().properties.checksums() {
            let stored = self.receiver.read_meta(claim, index).checksum;
            verify(claim.message_id(index), bytes, stored)
                .map_err(|error| self.receiver.handle_of(claim).failing(error))?;
        }
        Ok(bytes)
    }

    /// The payload of message `index` of a claim, in place, if it is a message as `checks` have it.
    ///
    /// # Errors
    /// Those of [`payload`](Self::payload); [`Error::InvalidMessage`] for another length and for parts that are not valid.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    pub fn valid_payload<'a>(&'a self, claim: &'a ReadClaim, index: u32, checks: &Checks) -> Result<&'a [u8]> {
        let payload = self.payload(claim, index)?;
        match checks.check(payload) {
            Ok(()) => Ok(payload),
            Err(invalid) => Err(self.refuse(claim, index, invalid.to_string())),
        }
    }

    /// Error for message `index` of a claim, which its receiver finds invalid; it is counted, as if the library had found it so.
    ///
    /// # Panics
    /// When the claim is another handle's.
    #[cold]
    pub fn refuse(&self, claim: &ReadClaim, index: u32, reason: String) -> Error {
        let message_id = claim.message_id(index);
        let error = Error::InvalidMessage { message_id, reason };
        self.receiver.handle_of(claim).failing(error)
    }

    #[cold]
    fn beyond_the_slot(&self, message_id: u64, len: u32) -> Error {
        let limit = self.payload_capacity();
        let reason = format!("its sender says {len} bytes, a slot holds {limit}");
        Error::InvalidMessage { message_id, reason }
    }

    /// Where the messages of a claim lie, if each has `len` bytes.
    #[inline]
    pub(crate) fn strided(&self, claim: &ReadClaim, len: usize) -> Option<Strided> {
        self.receiver.strided(claim, len)
    }

    /// Whether messages have checksums.
    #[inline]
    pub(crate) fn has_checksums(&self) -> bool {
        self.handle().properties.checksums()
    }

    /// Hands the slots of a claim back to producers.
    ///
    /// # Panics
    /// When the claim is another handle's.
    #[inline(always)]
    pub fn release(&self, claim: ReadClaim) {
        // In a forked child, or after eviction, the slots are not ours to touch, and stay as they are.
        self.receiver.release(claim);
    }

    /// Returns the messages of a claim to the channel, to be delivered again, flagged, to the consumer that comes first; a message that is
    /// returned more often than the channel's limit goes to the dead letters, or is dropped and counted
    /// ([`ChannelInfo::dropped`](crate::ChannelInfo::dropped)). On a broadcast or latest channel the others have the message
    /// anyway: this subscriber gets it once more, if it was the last that it got.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn give_back(&self, claim: ReadClaim) {
        self.receiver.give_back(claim);
    }

    /// Returns the messages of a claim to the channel as if they had not been claimed, for a call that failed: neither are they flagged
    /// nor does it count against the channel's limit. The consumer that comes first gets them.
    ///
    /// Message `bad`, one that cannot be read, does not come again: it goes to the dead letters, or is dropped and counted
    /// ([`ChannelInfo::dropped`](crate::ChannelInfo::dropped)). A subscriber of a broadcast or latest channel is only not handed it again.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn put_back(&self, claim: ReadClaim, bad: Option<u32>) {
        self.receiver.put_back(claim, bad);
    }
}

/// Compares a payload with the checksum stored with it.
fn verify(message_id: u64, payload: &[u8], stored: u32) -> Result<()> {
    match crc32fast::hash(payload) {
        computed if computed == stored => Ok(()),
        computed => Err(Error::ChecksumMismatch {
            message_id,
            stored,
            computed,
        }),
    }
}

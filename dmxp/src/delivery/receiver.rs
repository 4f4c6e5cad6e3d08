//! The consuming side of a channel, of whatever kind: one match a call.

use super::metadata::Metadata;
use super::{broadcast, packed, priority, queue};
use crate::error::Result;
use crate::handle::Handle;
use crate::layout::MessageMeta;
use crate::ring::claim::{Fitting, ReadClaim};
use crate::ring::strided::Strided;
use core::ptr::NonNull;

/// The consuming side of a channel.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a queue, the usual kind, is reached without a pointer"
)]
#[repr(u8)]
pub(crate) enum Receiver {
    Queue(queue::Receiver),
    Broadcast(Box<broadcast::Subscriber>),
    // Last, side by side: what the shortest way does elsewhere for both is found by one comparison.
    Packed(Box<packed::Receiver>),
    Priority(Box<priority::Receiver>),
}

/// In the number of a guard's entry: the claim is on the ring for urgent messages.
const URGENT: usize = 8;

/// The same call on whatever kind it is; on a queue with priorities, on the ring that has the claim.
macro_rules! of_the_claim {
    ($receiver:expr, $claim:expr, $kind:ident => $call:expr) => {
        match $receiver {
            Receiver::Queue($kind) => $call,
            Receiver::Priority(both) => {
                let $kind = both.that_claimed($claim);
                $call
            }
            Receiver::Broadcast($kind) => $call,
            Receiver::Packed($kind) => $call,
        }
    };
}

impl Receiver {
    /// The handle to the channel's own ring.
    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        match self {
            Self::Queue(queue) => queue.handle(),
            Self::Priority(both) => both.main.handle(),
            Self::Broadcast(subscriber) => subscriber.handle(),
            Self::Packed(receiver) => receiver.handle(),
        }
    }

    /// That to the ring for urgent messages, where there is one.
    pub(crate) fn urgent(&self) -> Option<&Handle> {
        match self {
            Self::Priority(both) => Some(both.urgent.handle()),
            Self::Queue(_) | Self::Broadcast(_) | Self::Packed(_) => None,
        }
    }

    /// The handle to the ring that has the claim.
    #[inline]
    pub(crate) fn handle_of(&self, claim: &ReadClaim) -> &Handle {
        of_the_claim!(self, claim, kind => kind.handle())
    }

    /// Has `read` look at the next message and is done with it, where nothing is in the way. `None` where anything is, and for a message
    /// that `read` cannot read, which it says by `None`: it is there as it was then, and the usual way finds out what. Nothing is checked
    /// but the length that a slot has.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        match self {
            Self::Queue(queue) => queue.read_at_once(read),
            Self::Broadcast(subscriber) => subscriber.read_at_once(read),
            Self::Packed(receiver) => receiver.read_at_once(read),
            Self::Priority(_) => None,
        }
    }

    /// Claims the next message where nothing is in the way: its payload. The claim has entry 0. A message whose length is not `len`, or
    /// whose checksum is to be looked at, is not for this way.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, len: usize) -> Option<NonNull<u8>> {
        match self {
            Self::Queue(queue) => queue.claim_at_once(len),
            Self::Broadcast(subscriber) => subscriber.claim_at_once(len),
            Self::Packed(_) | Self::Priority(_) => self.claim_elsewhere(len),
        }
    }

    /// [`claim_at_once`](Self::claim_at_once) apart: with fewer kinds in each call, a comparison or two finds the kind.
    #[inline(never)]
    fn claim_elsewhere(&self, len: usize) -> Option<NonNull<u8>> {
        match self {
            Self::Packed(receiver) => receiver.claim_at_once(len),
            Self::Queue(_) | Self::Broadcast(_) | Self::Priority(_) => None,
        }
    }

    /// Releases the only claim, on one message of `len` bytes, where nothing is in the way; whether that was done.
    #[inline(always)]
    pub(crate) fn release_at_once(&self, len: usize) -> bool {
        match self {
            Self::Queue(queue) => queue.release_at_once(len),
            Self::Broadcast(subscriber) => subscriber.release_at_once(len),
            Self::Packed(_) | Self::Priority(_) => false,
        }
    }

    /// The number of a claim's entry, as guards have it.
    #[inline]
    pub(crate) fn entry_of(&self, claim: &ReadClaim) -> usize {
        match self {
            Self::Priority(both) if both.urgent.has_claimed(claim) => claim.entry() | URGENT,
            _ => claim.entry(),
        }
    }

    /// The claim that an entry has.
    #[inline]
    pub(crate) fn claim_of(&self, entry: usize) -> ReadClaim {
        let handle = match self {
            Self::Priority(both) if entry & URGENT != 0 => both.urgent.handle(),
            _ => self.handle(),
        };
        handle.ring.reading(handle.held.claim(entry % URGENT))
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet, as far as can be told
    /// at once.
    #[inline(always)]
    pub(crate) fn sees_nothing(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.sees_nothing(),
            Self::Priority(_) => false,
            Self::Broadcast(subscriber) => subscriber.sees_nothing(),
            Self::Packed(receiver) => receiver.sees_nothing(),
        }
    }

    /// Claims at least `min` and at most `max` messages where that is short. `None` says nothing: [`attempt`](Self::attempt) finds out.
    #[inline(always)]
    pub(crate) fn try_claim(&self, min: u32, max: u32) -> Option<ReadClaim> {
        match self {
            Self::Queue(queue) => queue.try_claim(min, max),
            Self::Priority(_) | Self::Broadcast(_) | Self::Packed(_) => None,
        }
    }

    /// What [`try_claim`](Self::try_claim) leaves to be done after it gave none: an attempt, and why it failed.
    #[inline(never)]
    pub(crate) fn rest(&self, min: u32, max: u32) -> Result<ReadClaim> {
        match self {
            Self::Queue(queue) => queue.rest(min, max),
            Self::Priority(both) => both.attempt(min, max),
            Self::Broadcast(subscriber) => subscriber.attempt(min, max),
            Self::Packed(receiver) => receiver.attempt(min, max),
        }
    }

    /// An attempt, and why it failed.
    pub(crate) fn attempt(&self, min: u32, max: u32) -> Result<ReadClaim> {
        match self.try_claim(min, max) {
            Some(claim) => Ok(claim),
            None => self.rest(min, max),
        }
    }

    /// An attempt to claim the next message if it has at most `room` bytes, and why it failed. A longer one is put back as it was.
    pub(crate) fn attempt_fitting(&self, room: usize) -> Result<Fitting> {
        let claim = self.attempt(1, 1)?;
        let len = self.payload_len(&claim, 0);
        // What no slot holds is no length: such a message is claimed, and found to be invalid.
        if len as usize <= room || len > self.handle().properties.slots.payload_capacity {
            return Ok(Fitting::Claimed(claim));
        }
        self.put_back(claim, None);
        Ok(Fitting::TooLong(len as usize))
    }

    /// Whether another waiting consumer may find a message too. On broadcast and latest channels each publication wakes everybody.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.has_more(),
            Self::Priority(both) => both.has_more(),
            Self::Broadcast(_) | Self::Packed(_) => false,
        }
    }

    /// The newest message of a latest channel, seen before or not.
    pub(crate) fn claim_newest(&self) -> Result<ReadClaim> {
        match self {
            Self::Broadcast(subscriber) => subscriber.claim_newest(),
            Self::Queue(_) | Self::Priority(_) | Self::Packed(_) => Err(broadcast::subscribe::not_latest()),
        }
    }

    /// How many messages were missed in all.
    pub(crate) fn missed(&self) -> u64 {
        match self {
            Self::Broadcast(subscriber) => subscriber.missed(),
            Self::Packed(receiver) => receiver.missed(),
            Self::Queue(_) | Self::Priority(_) => 0,
        }
    }

    /// The metadata of message `index` of a claim.
    #[inline]
    pub(crate) fn metadata(&self, claim: &ReadClaim, index: u32) -> Metadata {
        of_the_claim!(self, claim, kind => kind.metadata(claim, index))
    }

    /// The same as it lies there.
    #[inline]
    pub(crate) fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        of_the_claim!(self, claim, kind => kind.read_meta(claim, index))
    }

    /// What the metadata says of a message's length.
    #[inline]
    pub(crate) fn payload_len(&self, claim: &ReadClaim, index: u32) -> u32 {
        match self {
            Self::Queue(queue) => queue.payload_len(claim, index),
            Self::Priority(both) => both.that_claimed(claim).payload_len(claim, index),
            Self::Broadcast(subscriber) => subscriber.payload_len(claim, index),
            Self::Packed(receiver) => receiver.size() as u32,
        }
    }

    /// Where the messages of a claim lie, if each has `len` bytes.
    #[inline]
    pub(crate) fn strided(&self, claim: &ReadClaim, len: usize) -> Option<Strided> {
        of_the_claim!(self, claim, kind => kind.strided(claim, len))
    }

    /// The first `len` bytes of message `index` of a claim; `None` when a slot does not hold so many.
    #[inline]
    pub(crate) fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        of_the_claim!(self, claim, kind => kind.bytes(claim, index, len))
    }

    /// Is done with the messages of a claim, which were received.
    #[inline]
    pub(crate) fn release(&self, claim: ReadClaim) {
        of_the_claim!(self, &claim, kind => kind.release(claim));
    }

    /// Returns the messages of a claim to the channel.
    pub(crate) fn give_back(&self, claim: ReadClaim) {
        of_the_claim!(self, &claim, kind => kind.give_back(claim));
    }

    /// Returns the messages of a claim to the channel as if they had not been claimed, but for message `bad`, which nobody can read.
    pub(crate) fn put_back(&self, claim: ReadClaim, bad: Option<u32>) {
        of_the_claim!(self, &claim, kind => kind.put_back(claim, bad));
    }

    /// The consuming side of packed slots, if that is what the channel has.
    #[inline(always)]
    pub(crate) fn as_packed(&self) -> Option<&packed::Receiver> {
        match self {
            Self::Packed(receiver) => Some(receiver),
            Self::Queue(_) | Self::Priority(_) | Self::Broadcast(_) => None,
        }
    }

    /// Messages waiting, as a consumer has it.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Queue(queue) => queue.len(),
            Self::Priority(both) => both.len(),
            Self::Broadcast(subscriber) => subscriber.len(),
            Self::Packed(receiver) => receiver.len(),
        }
    }
}

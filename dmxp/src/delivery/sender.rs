//! The producing side of a channel, of whatever kind: one match a call.

use super::metadata::MetaTemplate;
use super::{broadcast, packed, queue};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::ring::claim::WriteClaim;
use core::ptr::NonNull;

/// The producing side of a channel.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a queue, the usual kind, is reached without a pointer"
)]
#[repr(u8)]
pub(crate) enum Sender {
    Queue(queue::Sender),
    Broadcast(Box<broadcast::Publisher>),
    Packed(Box<packed::Sender>),
}

/// The same call on whatever kind it is.
macro_rules! of_each {
    ($sender:expr, $kind:ident => $call:expr) => {
        match $sender {
            Sender::Queue($kind) => $call,
            Sender::Broadcast($kind) => $call,
            Sender::Packed($kind) => $call,
        }
    };
}

impl Sender {
    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        of_each!(self, kind => kind.handle())
    }

    pub(crate) fn meta(&self) -> &MetaTemplate {
        of_each!(self, kind => kind.meta())
    }

    pub(crate) fn meta_mut(&mut self) -> &mut MetaTemplate {
        of_each!(self, kind => kind.meta_mut())
    }

    /// Sends one message, whose length was checked, where nothing is in the way; its id. `None` where anything is: nothing was sent
    /// then, and the usual way finds out what.
    #[inline(always)]
    pub(crate) fn send_at_once(&self, payload: &[u8]) -> Option<u64> {
        of_each!(self, kind => kind.send_at_once(payload))
    }

    /// Claims one message to be written in place where nothing is in the way: where its payload is to go. The claim has entry 0.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self) -> Option<NonNull<u8>> {
        of_each!(self, kind => kind.claim_at_once())
    }

    /// Publishes the only claim, of one message of `len` bytes, which was checked, where nothing is in the way; its id. `None` where
    /// anything is, and nothing was done; the usual way finds out what.
    #[inline(always)]
    pub(crate) fn publish_at_once(&self, len: usize) -> Option<u64> {
        match self {
            Self::Queue(queue) => queue.publish_at_once(len),
            Self::Broadcast(publisher) => publisher.publish_at_once(len),
            Self::Packed(_) => None,
        }
    }

    /// Publishes the claim of an entry, of one message of `len` bytes, which was checked; its id. Gives it up where that cannot be done.
    pub(crate) fn publish_entry(&self, entry: usize, len: usize) -> Result<u64> {
        match self {
            Self::Queue(queue) => queue.publish_entry(entry, len),
            Self::Broadcast(publisher) => publisher.publish_entry(entry, len),
            Self::Packed(sender) => sender.publish_entry(entry),
        }
    }

    /// The claim that an entry has.
    #[inline(always)]
    pub(crate) fn claim_of(&self, entry: usize) -> WriteClaim {
        let handle = self.handle();
        handle.ring.writing(handle.held.claim(entry))
    }

    /// Claims at least `min` and at most `max` messages. `None` for whatever reason; [`why_not`](Self::why_not) finds it.
    #[inline(always)]
    pub(crate) fn try_claim(&self, min: u32, max: u32) -> Option<WriteClaim> {
        of_each!(self, kind => kind.try_claim(min, max))
    }

    /// Claims, writes and publishes in one; the first message's id, and how many. `None` for whatever reason. The lengths of the
    /// payloads were checked.
    #[inline]
    pub(crate) fn try_send<'a>(&self, min: u32, max: u32, payload: impl Fn(u32) -> &'a [u8]) -> Option<(u64, u32)> {
        of_each!(self, kind => kind.try_send(min, max, payload))
    }

    /// Whether an attempt gave nothing for no other reason than that there is no room, as far as can be told at once.
    #[inline]
    pub(crate) fn is_just_full(&self, min: u32) -> bool {
        match self {
            Self::Queue(queue) => queue.is_just_full(min),
            Self::Broadcast(_) | Self::Packed(_) => false,
        }
    }

    /// Frees what producers gave up and nobody has stepped over. Whether there is room that was not there.
    pub(crate) fn make_room(&self, min: u32) -> bool {
        match self {
            Self::Queue(queue) => queue.make_room(min),
            // Subscribers step over what was given up, each for itself, and hold nobody back by it.
            Self::Broadcast(_) | Self::Packed(_) => false,
        }
    }

    /// Why an attempt gave nothing.
    #[cold]
    pub(crate) fn why_not(&self, min: u32) -> Error {
        let why = match self {
            Self::Queue(queue) => queue.why_not(min),
            Self::Broadcast(publisher) => publisher.why_not(min),
            Self::Packed(sender) => sender.why_not(),
        };
        let handle = self.handle();
        if matches!(why, Error::Full) && handle.registration().has_lost_region() {
            return handle.ring.attachment().lost();
        }
        why
    }

    /// Whether another waiting producer may find room too. On broadcast and latest channels each publication wakes everybody.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.has_more(),
            Self::Broadcast(_) | Self::Packed(_) => false,
        }
    }

    /// The bytes of message `index` of a claim, as many as a slot holds, to be written.
    #[inline(always)]
    pub(crate) fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        of_each!(self, kind => kind.payload_mut(claim, index))
    }

    /// The same, to look at.
    #[inline]
    pub(crate) fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        of_each!(self, kind => kind.written(claim, index))
    }

    /// Writes the metadata of message `index` of a claim, whose payload of `len` bytes, a checked length, is there.
    #[inline(always)]
    pub(crate) fn describe(&self, claim: &mut WriteClaim, index: u32, len: usize, timestamp_ns: u64) {
        match self {
            Self::Queue(queue) => queue.describe(claim, index, len, timestamp_ns),
            Self::Broadcast(publisher) => publisher.describe(claim, index, len, timestamp_ns),
            Self::Packed(_) => {}
        }
    }

    /// Makes a claim visible whose messages are all described. Gives it up where that cannot be done.
    #[inline]
    pub(crate) fn publish(&self, claim: WriteClaim) -> Result<()> {
        of_each!(self, kind => kind.publish(claim))
    }

    /// Gives a claim up; consumers never see its messages.
    pub(crate) fn abort(&self, claim: WriteClaim) {
        of_each!(self, kind => kind.abort(claim));
    }

    /// The producing side of packed slots, if that is what the channel has.
    #[inline(always)]
    pub(crate) fn as_packed(&self) -> Option<&packed::Sender> {
        match self {
            Self::Packed(sender) => Some(sender),
            Self::Queue(_) | Self::Broadcast(_) => None,
        }
    }

    /// Messages waiting, as a producer has it.
    pub(crate) fn len(&self) -> u64 {
        of_each!(self, kind => kind.len())
    }
}

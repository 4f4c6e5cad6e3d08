//! Consuming on a queue.

use crate::delivery::end_error;
use crate::delivery::metadata::Metadata;
use crate::delivery::queue::Sender;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{MessageMeta, waiters};
use crate::ring::claim::ReadClaim;
use crate::ring::mapped::View;
use crate::ring::memory::RingMemory;
use crate::ring::queue::consume;
use crate::ring::queue::consume::Look;
use crate::ring::strided::Strided;
use crate::ring::word::Phase;
use crate::sync::Ordering;
use crate::sync::planted::{Bug, planted};
use crate::wait::barrier;
use core::cell::Cell;
use core::ptr::NonNull;

/// The consuming side of a queue.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(super) handle: Handle,
    /// Where messages go that were returned too often.
    pub(super) dead_letters: Option<Box<Sender>>,
    /// How far this handle has looked for returned messages.
    pub(super) look: Cell<Look>,
}

/// How a message that was claimed at the head, or taken from the returned ones, ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// The consumer is done with it; so many bytes of payload.
    Received(u64),
    /// It was too old.
    Expired,
    /// It was returned too often, and is a dead letter now.
    DeadLettered,
    /// It was returned too often.
    Dropped,
    /// It goes back to the channel: a delivery without result.
    Returned,
    /// It goes back to the channel as it was, but for the message with that index, which nobody can have.
    PutBack { bad: u32 },
}

impl Receiver {
    pub(crate) fn new(handle: Handle, dead_letters: Option<Handle>) -> Self {
        let properties = &handle.properties;
        // No checksums, no expiry, and waiters run our barriers: what the shortest way does without.
        handle
            .held
            .set_usual(!properties.checksums() && properties.expiry_ns == 0 && barrier::is_light());
        Self {
            handle,
            dead_letters: dead_letters.map(|handle| Box::new(Sender::new(handle, 0))),
            look: Cell::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Claims the message at the head where nothing is in the way, not even another claim; its position. The claim has cell 0, and is
    /// not entered in the table yet.
    #[inline(always)]
    fn claim_one(&self, ring: View<'_>) -> Option<u64> {
        let handle = &self.handle;
        // First: a consumer that polls sees a message as soon as it is there.
        let first = consume::readable_head(&ring).ok()?;
        if !handle.held.can_hold_only()
            || !handle.is_ours()
            || handle.ring.may_have_returned(self.look.get().seen)
            || !consume::claim_head(&ring, handle.ring.cell(0), first)
        {
            return None;
        }
        if let Some(soon) = Handle::soon(first, handle.ready.get()) {
            ring.prefetch_take(soon);
        }
        Some(first)
    }

    /// Has `read` look at the message at the head and releases it, where nothing is in the way. `None` where anything is: nothing was
    /// done then but what the usual way does as well. `read` gives `None` for a message that it cannot read; it goes back as it was
    /// then, for the usual way to say what is wrong.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        let ring = self.handle.ring.view();
        let first = self.claim_one(ring)?;
        // SAFETY: the position is claimed by this call, which releases it after the bytes were read.
        let payload = unsafe { ring.read(first) };
        let len = payload.map_or(0, <[u8]>::len);
        // Nothing of the user's runs before the release, and what reads never panics: the claim needs no entry.
        let Some(value) = payload.and_then(read) else {
            self.leave(first);
            return None;
        };
        self.release_one(ring, first, len);
        Some(value)
    }

    /// Claims the message at the head where nothing is in the way: its payload. The claim has entry 0. A message whose length is not
    /// `len` is not for this way; it goes back as it was.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, len: usize) -> Option<NonNull<u8>> {
        let ring = self.handle.ring.view();
        let first = self.claim_one(ring)?;
        if ring.len_at(first) as usize != len || len > self.handle.ring.payload_capacity() as usize {
            self.leave(first);
            return None;
        }
        self.handle.held.hold_only(first);
        Some(ring.payload(first))
    }

    /// Puts back what was claimed the shortest way, and is not for it.
    #[cold]
    #[inline(never)]
    fn leave(&self, first: u64) {
        let handle = &self.handle;
        handle.held.hold_only(first);
        self.put_back(handle.ring.reading(handle.held.claim(0)), None);
    }

    /// Hands the slot of a received message back to producers.
    #[inline(always)]
    fn release_one(&self, ring: View<'_>, first: u64, len: usize) {
        let handle = &self.handle;
        consume::release_one(&ring, first);
        handle.space().notify_lightly(1);
        if handle.count(1, len as u64) {
            handle.look_ahead();
        }
    }

    /// Releases the only claim, on one message of `len` bytes, where nothing is in the way; whether that was done.
    #[inline(always)]
    pub(crate) fn release_at_once(&self, len: usize) -> bool {
        let handle = &self.handle;
        let Some(first) = handle.held.only() else {
            return false;
        };
        // In a forked child, or after eviction, the slot is not ours to touch.
        if handle.is_ours() {
            handle.held.let_go_only();
            self.release_one(handle.ring.view(), first, len);
        }
        true
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet. Where the stream has
    /// ended, or may have, [`rest`](Self::rest) finds it.
    #[inline(always)]
    pub(crate) fn sees_nothing(&self) -> bool {
        match consume::readable_head(&self.handle.ring) {
            Err((head, word)) => word == head && self.is_just_empty(head),
            Ok(_) => false,
        }
    }

    #[inline(never)]
    fn is_just_empty(&self, head: u64) -> bool {
        let handle = &self.handle;
        !handle.ring.may_have_returned(self.look.get().seen)
            && handle.can_claim()
            && handle.ended_for_consumer() == 0
            && !handle.holds_slots_of(head, 1)
    }

    /// Claims at least `min` and at most `max` messages, returned ones first, one at a time. `None` for whatever reason;
    /// [`rest`](Self::rest) finds it.
    #[inline(always)]
    pub(crate) fn try_claim(&self, min: u32, max: u32) -> Option<ReadClaim> {
        let handle = &self.handle;
        if !handle.is_ours() {
            return None;
        }
        let entry = handle.held.free()?;
        if handle.ring.may_have_returned(self.look.get().seen)
            && let Some(claim) = self.try_returned(entry)
        {
            return Some(claim);
        }
        Some(handle.holding_read(self.claim_at_head(entry, min, max)?))
    }

    #[inline(always)]
    fn claim_at_head(&self, entry: usize, min: u32, max: u32) -> Option<ReadClaim> {
        match self.handle.properties.expiry_ns {
            0 => self.claim_dividing(entry, min, max, |_| false),
            expiry_ns => self.claim_unexpired(entry, min, max, expiry_ns),
        }
    }

    /// Claims at the head messages that are all stale or all not.
    #[inline(always)]
    pub(super) fn claim_dividing(
        &self,
        entry: usize,
        min: u32,
        max: u32,
        stale: impl Fn(u64) -> bool,
    ) -> Option<ReadClaim> {
        let mut aborted = 0;
        let claim = self.handle.ring.claim_read(entry, min, max, stale, || aborted += 1);
        if aborted > 0 {
            super::stepped_over(&self.handle, aborted);
        }
        claim
    }

    /// Nothing was claimed: is that the end, or not yet?
    #[cold]
    pub(crate) fn rest(&self, min: u32, max: u32) -> Result<ReadClaim> {
        let handle = &self.handle;
        handle.check_claiming()?;
        let ended = handle.ended_for_consumer();
        // SeqCst: see Sender::may_keep. The flag before the tail is what counts. Of the head, which never passes the tail, an older
        // value only makes the two differ.
        let head = handle.ring.head().load(Ordering::SeqCst);
        if ended != 0 {
            // The flag was read before the tail: see Sender::may_keep. What is left may be less than `min`.
            if handle.ring.tail().load(Ordering::SeqCst) == head || planted(Bug::EndWithoutTail) {
                return self.at_the_end(ended, max);
            }
            if min > 1 {
                return self.try_claim(1, max).ok_or(Error::Empty);
            }
            return Err(Error::Empty);
        }
        Err(if handle.holds_slots_of(head, min) {
            Error::WouldDeadlock
        } else {
            Error::Empty
        })
    }

    /// Every message was claimed, and no other will come but those that their consumers give back, or leave when they die. It is the
    /// end once a sweep has found no dead consumer with one.
    fn at_the_end(&self, ended: u32, max: u32) -> Result<ReadClaim> {
        let handle = &self.handle;
        // Nothing is delivered again on a channel that was removed.
        let swept = ended & waiters::REMOVED != 0 || planted(Bug::EndUnswept) || handle.sweep_now()?;
        if let Some(claim) = self.try_claim(1, max) {
            return Ok(claim);
        }
        // Not all of the dead are swept yet, or so many messages were returned too often that this call left some.
        if !swept || handle.ring.may_have_returned(self.look.get().seen) {
            return Err(Error::Empty);
        }
        Err(end_error(&self.handle, ended))
    }

    /// Whether producers have ever come to this ring.
    pub(crate) fn had_producers(&self) -> bool {
        let handle = &self.handle;
        let record = handle.ring.attachment().mapping().record(handle.properties.id);
        // Acquire: pairs with lives::enter_producer.
        record.arrivals.load(Ordering::Acquire) != 0
    }

    /// Whether another waiting consumer may find a message too.
    pub(crate) fn has_more(&self) -> bool {
        consume::is_readable(&self.handle.ring)
    }

    /// Whether the claim is this side's.
    #[inline]
    pub(crate) fn has_claimed(&self, claim: &ReadClaim) -> bool {
        self.handle.ring.has_claimed(claim)
    }

    #[inline]
    pub(crate) fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        self.handle.ring.read_meta(claim, index)
    }

    pub(crate) fn metadata(&self, claim: &ReadClaim, index: u32) -> Metadata {
        Metadata::new(&self.read_meta(claim, index), claim.times())
    }

    #[inline]
    pub(crate) fn payload_len(&self, claim: &ReadClaim, index: u32) -> u32 {
        self.handle.ring.payload_len(claim, index)
    }

    /// Where the messages of a claim lie, if each has `len` bytes.
    #[inline]
    pub(crate) fn strided(&self, claim: &ReadClaim, len: usize) -> Option<Strided> {
        self.handle.ring.own_read(claim);
        let (ring, range) = (self.handle.ring.view(), claim.range());
        ring.have_length(range, len).then(|| ring.payloads(range.first))
    }

    #[inline]
    pub(crate) fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        self.handle.ring.bytes(claim, index, len)
    }

    /// Hands the slots of received messages back to producers.
    #[inline(always)]
    pub(crate) fn release(&self, claim: ReadClaim) {
        let ring = &self.handle.ring;
        ring.own_read(&claim);
        if self.handle.is_ours() {
            let mut bytes = 0;
            for index in 0..claim.count() {
                bytes += u64::from(ring.payload_len(&claim, index).min(ring.payload_capacity()));
            }
            self.end(claim, Ending::Received(bytes));
        }
    }

    /// Returns the messages of a claim to the channel.
    pub(crate) fn give_back(&self, claim: ReadClaim) {
        self.handle.ring.own_read(&claim);
        if self.handle.is_ours() {
            self.end(claim, Ending::Returned);
        }
    }

    /// Returns the messages of a claim to the channel as they were, as if they had not been claimed. Message `bad`, if there is one,
    /// cannot be read: it is set aside.
    pub(crate) fn put_back(&self, claim: ReadClaim, bad: Option<u32>) {
        self.handle.ring.own_read(&claim);
        if self.handle.is_ours() {
            if claim.times() > 0 {
                // It was counted when it was taken.
                self.handle.ring.record().redelivered.fetch_sub(1, Ordering::Relaxed);
            }
            let bad = bad.filter(|&bad| bad < claim.count());
            if let Some(bad) = bad {
                self.set_aside(&claim, bad);
            }
            let bad = bad.unwrap_or(u32::MAX);
            self.end(claim, Ending::PutBack { bad });
        }
    }

    /// The one place where messages that were claimed end, but for the shortest way, which is [`release_one`](Self::release_one).
    ///
    /// Counters of messages that nobody received come first: a process that dies in between leaves the messages to be returned, and
    /// counted again, and none is lost uncounted. The message that [`put_back`](Self::put_back) sets aside is counted there.
    #[inline]
    pub(super) fn end(&self, claim: ReadClaim, how: Ending) {
        let handle = &self.handle;
        let record = handle.ring.record();
        let count = claim.count();
        let counter = match how {
            Ending::Received(_) | Ending::Returned | Ending::PutBack { .. } => None,
            Ending::Expired => Some(&record.expired),
            Ending::DeadLettered => Some(&record.dead_lettered),
            Ending::Dropped => Some(&record.dropped),
        };
        if let Some(counter) = counter {
            counter.fetch_add(u64::from(count), Ordering::Relaxed);
        }
        handle.held.let_go(claim.entry());
        match how {
            Ending::Returned => handle.ring.give_back(claim),
            Ending::PutBack { bad } => handle.ring.put_back_but(claim, bad),
            _ => handle.ring.release(claim),
        }
        if matches!(how, Ending::Returned | Ending::PutBack { .. }) {
            handle.data().notify(count, true);
        }
        handle.space().notify(count, false);
        if let Ending::Received(bytes) = how
            && handle.count(count, bytes)
        {
            handle.look_ahead();
        }
    }

    /// Messages that no consumer has claimed.
    pub(crate) fn len(&self) -> u64 {
        super::send::waiting(&self.handle)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        super::forget_claims(&self.handle, Phase::Consume);
    }
}

//! Consuming bytes.

use crate::delivery::broadcast::subscribe::not_latest;
use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::MessageMeta;
use crate::open::{Opened, OpenedRing};
use crate::raw::{Producer, ReadClaim, Wait, Waiter, end_error};
use crate::ring::memory::RingMemory;
use crate::ring::queue::consume::is_readable;
use crate::sync::{AtomicU64, Ordering};
use crate::table::delivery::Delivery;
use core::cell::LazyCell;
use core::fmt;
use dmxp_schema::model::Schema;

/// Messages that one attempt takes off the channel because they were returned too often. Each costs a look through the ring;
/// where there are more, the next attempt goes on.
const DISCARDS: usize = 8;

/// A consumer of bytes.
pub struct Consumer {
    pub(crate) handle: Handle,
    /// Where messages go that were returned too often.
    dead_letters: Option<Box<Producer>>,
    /// The ring for urgent messages, which is read first.
    high: Option<Box<Consumer>>,
    /// A queue that has no such ring, and no checksums.
    is_plain: bool,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

handle_accessors!(Consumer);

impl Consumer {
    pub(crate) fn new(opened: Opened) -> Self {
        let (high, ring) = (opened.high.map(|high| Box::new(Self::of(high))), Self::of(opened.ring));
        Self {
            is_plain: ring.is_plain && high.is_none(),
            high,
            ..ring
        }
    }

    fn of(ring: OpenedRing) -> Self {
        let OpenedRing { handle, dead_letters } = ring;
        Self {
            is_plain: handle.subscriber.is_none() && handle.packed.is_none() && !handle.properties.checksums(),
            handle,
            dead_letters: dead_letters.map(|handle| Box::new(Producer::to(handle, 0))),
            high: None,
        }
    }

    fn reads_first(&self) -> Option<&Self> {
        self.high.as_deref()
    }

    /// The consumer of the ring that the claim is of.
    #[inline]
    fn that_claimed(&self, claim: &ReadClaim) -> &Self {
        match &self.high {
            Some(high) if high.handle.ring.has_claimed(claim) => high,
            _ => self,
        }
    }

    /// What this consumer waits for: data.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter::new(&self.handle, self.high.as_ref().map(|high| &high.handle), true)
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
        if min == 1 && matches!(wait, Wait::No) && self.sees_nothing() {
            return Err(Error::Empty);
        }
        let handle = &self.handle;
        if let Some(receiver) = handle.receiver() {
            return self.claim_packed(receiver, min, max, wait);
        }
        if let Some(subscriber) = &handle.subscriber {
            // As below: the claim has no place in memory on its way.
            return Ok(match subscriber.take_at_once(handle, min, max) {
                Some(claim) => claim,
                None => subscriber.claim(handle, min, max, wait)?,
            });
        }
        let min = handle.check_batch(min).map_err(|error| handle.failing(error))?;
        let max = handle.clamp_batch(max).max(min);
        if let Some(high) = &self.high {
            return self
                .claim_by_priority(high, min, max, wait)
                .map_err(|error| handle.failing(error));
        }
        // With `?`, which moves the claim out of the cold call's answer: the answer itself has a place in memory, the claim none.
        Ok(match self.try_claim(min, max) {
            Some(claim) => claim,
            None => self.claim_later(min, max, wait)?,
        })
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet; it is counted then,
    /// and there is nothing left to do. Whoever polls is to see a message as soon as it is there: so this comes before anything else,
    /// and a call that finds a message pays a look at its slot for it.
    #[inline(always)]
    pub(crate) fn sees_nothing(&self) -> bool {
        let handle = &self.handle;
        if let Some(receiver) = handle.receiver() {
            return receiver.sees_nothing(handle);
        }
        if let Some(subscriber) = &handle.subscriber {
            return subscriber.sees_nothing(handle);
        }
        // Acquire: as in consume::claim; nothing is read through them.
        let head = handle.ring.head().load(Ordering::Acquire);
        handle.ring.sequence(head).load(Ordering::Acquire) == head && self.is_just_empty(head)
    }

    /// As [`Producer::is_just_full`]. Where the stream has ended, or may have, [`claim_rest`](Self::claim_rest) finds it.
    #[inline(never)]
    fn is_just_empty(&self, head: u64) -> bool {
        let handle = &self.handle;
        if self.high.is_some()
            || handle.ring.may_have_returned(handle.hint_seen.get())
            || !handle.can_claim()
            || handle.ended() != 0
            || handle.holds_slots_of(head, 1)
        {
            return false;
        }
        handle.polled_in_vain();
        handle.count_in_vain();
        true
    }

    /// What a call does whose first attempt gave nothing. The caller's fast path carries nothing of it.
    #[cold]
    #[inline(never)]
    fn claim_later(&self, min: u32, max: u32, wait: Wait) -> Result<ReadClaim> {
        let handle = &self.handle;
        let outcome = match (self.claim_rest(min, max), wait.deadline()) {
            (Err(Error::Empty), None) => {
                handle.polled_in_vain();
                Err(Error::Empty)
            }
            (Err(Error::Empty), Some(deadline)) => {
                let attempt = || self.attempt(min, max);
                handle.wait(handle.data(), deadline, min, attempt, || is_readable(&handle.ring))
            }
            (outcome, _) => outcome,
        };
        outcome.map_err(|error| handle.failing(error))
    }

    /// As [`claim`](Self::claim), on a channel with priorities.
    #[inline(never)]
    fn claim_by_priority(&self, high: &Self, min: u32, max: u32, wait: Wait) -> Result<ReadClaim> {
        let handle = &self.handle;
        match self.try_claim_by_priority(high, min, max) {
            Err(Error::Empty) => {}
            other => return other,
        }
        let Some(deadline) = wait.deadline() else {
            handle.polled_in_vain();
            high.handle.polled_in_vain();
            return Err(Error::Empty);
        };
        let attempt = || self.try_claim_by_priority(high, min, max);
        // Who publishes to the other ring notifies the same event: what came before a consumer's look at it is found, and what comes
        // after it finds the consumer waiting.
        let more = || is_readable(&high.handle.ring) || is_readable(&handle.ring);
        handle.wait_with(Some(&high.handle), handle.data(), deadline, min, attempt, more)
    }

    fn try_claim_by_priority(&self, high: &Self, min: u32, max: u32) -> Result<ReadClaim> {
        let holds_all_urgent = match high.attempt(1, max) {
            Err(Error::Empty | Error::Closed | Error::Removed) => false,
            Err(Error::WouldDeadlock) => true,
            other => return other,
        };
        match self.attempt(min, max) {
            // An urgent message may come yet.
            Err(Error::WouldDeadlock) if !holds_all_urgent => Err(Error::Empty),
            // The end was marked, and is seen from now on: whoever claimed an urgent position before has it in the tail. See
            // Producer::try_claim.
            Err(Error::Closed | Error::Removed) => high.attempt(1, max),
            other => other,
        }
    }

    /// An attempt, and why it failed.
    fn attempt(&self, min: u32, max: u32) -> Result<ReadClaim> {
        match self.try_claim(min, max) {
            Some(claim) => Ok(claim),
            None => self.claim_rest(min, max),
        }
    }

    /// `None` for whatever reason; [`claim_rest`](Self::claim_rest) finds it.
    #[inline(always)]
    fn try_claim(&self, min: u32, max: u32) -> Option<ReadClaim> {
        let handle = &self.handle;
        if !handle.is_ours() {
            return None;
        }
        if handle.ring.may_have_returned(handle.hint_seen.get())
            && let Some(claim) = self.try_returned()
        {
            return Some(claim);
        }
        let cell = handle.free_cell()?;
        Some(handle.holding_read(self.claim_at_head(cell, min, max)?))
    }

    /// Claims a message if this is a queue without priorities or checksums, and one is there. `None` says nothing: ask
    /// [`claim_else`](Self::claim_else). For [`payload_on_queue`](Self::payload_on_queue) and
    /// [`release_on_queue`](Self::release_on_queue), with which the claim stays in registers: it goes to no function of its own
    /// by reference.
    #[inline(always)]
    pub(crate) fn claim_on_queue(&self) -> Option<ReadClaim> {
        if !self.is_plain {
            return None;
        }
        self.try_claim(1, 1)
    }

    /// A claim of one, after [`claim_on_queue`](Self::claim_on_queue) gave none: as [`claim`](Self::claim), without trying twice.
    #[inline(always)]
    pub(crate) fn claim_else(&self, wait: Wait) -> Result<ReadClaim> {
        if !self.is_plain {
            return self.claim(1, 1, wait);
        }
        self.claim_later(1, 1, wait)
    }

    /// The payload of a claim of [`claim_on_queue`](Self::claim_on_queue); `None` if the length written there exceeds the slot.
    #[inline(always)]
    pub(crate) fn payload_on_queue<'a>(&'a self, claim: &'a ReadClaim) -> Option<&'a [u8]> {
        let ring = &self.handle.ring;
        ring.bytes(claim, 0, ring.payload_len(claim, 0))
    }

    /// Releases a claim of [`claim_on_queue`](Self::claim_on_queue) whose message had so many bytes.
    #[inline(always)]
    pub(crate) fn release_on_queue(&self, claim: ReadClaim, len: usize) {
        let handle = &self.handle;
        if handle.is_ours() {
            handle.ring.own_read(&claim);
            handle.returning_read(&claim);
            handle.ring.release(claim);
            handle.space().notify(1, false);
            handle.count(1, len as u64);
        }
    }

    /// Counts a call that fails with this error.
    pub(crate) fn failing(&self, error: Error) -> Error {
        self.handle.failing(error)
    }

    /// Takes a returned message, if there is one.
    #[cold]
    fn try_returned(&self) -> Option<ReadClaim> {
        let handle = &self.handle;
        let mut seen = handle.hint_seen.get();
        for _ in 0..DISCARDS {
            let Some(claim) = handle.ring.take_returned(handle.index as u16, &mut seen) else {
                break;
            };
            let claim = handle.holding_read(claim);
            if u32::from(claim.times()) <= handle.properties.redelivery_limit {
                if self.has_expired(&claim) {
                    self.let_expire(claim);
                    continue;
                }
                handle.ring.record().redelivered.fetch_add(1, Ordering::Relaxed);
                handle.hint_seen.set(seen);
                return Some(claim);
            }
            self.discard(claim);
        }
        handle.hint_seen.set(seen);
        None
    }

    /// Takes a message that was returned too often off the channel: moves it to the dead letters, or drops it.
    ///
    /// It is held as every taken message is: if this process dies at it, it is returned once more, and the next one who takes
    /// it tries again, as long as the sequence can count. So it may arrive twice, but is not lost. The copy's publication, and the
    /// count, come before the release of the original, which is one.
    #[cold]
    fn discard(&self, claim: ReadClaim) {
        let record = self.handle.ring.record();
        let moved = self
            .dead_letters
            .as_ref()
            .is_some_and(|letters| letters.put(self, &claim).is_ok());
        let counter = if moved { &record.dead_lettered } else { &record.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
        self.let_go(claim);
    }

    #[inline(always)]
    fn claim_at_head(&self, cell: usize, min: u32, max: u32) -> Option<ReadClaim> {
        match self.handle.properties.expiry_ns {
            0 => self.claim_dividing(cell, min, max, |_| false),
            expiry_ns => {
                let claim = self.claim_unexpired(cell, min, max, expiry_ns)?;
                Some(claim)
            }
        }
    }

    /// Claims at the head what is young enough to be delivered, and lets go of what is not. Each round claims a range that is of one
    /// kind, so that nothing has to be given back; who dies in the middle held messages like any other, and they are returned.
    #[inline(never)]
    fn claim_unexpired(&self, cell: usize, min: u32, max: u32, expiry_ns: u64) -> Option<ReadClaim> {
        let ring = &self.handle.ring;
        // Asked when there is a message, and once: what was stale when it was claimed is stale when it is looked at again.
        let now = LazyCell::new(crate::os::clock::boot_ns);
        let stale = |position| is_older(ring.published_ns(position), expiry_ns, *now);
        let mut expired = 0;
        // A lap at most: producers that send faster than messages expire must not keep a call that has a bound.
        while expired < ring.capacity() {
            let claim = self.claim_dividing(cell, min, max, stale)?;
            if !stale(claim.range().first) {
                return Some(claim);
            }
            expired += u64::from(claim.count());
            self.let_expire(claim);
        }
        None
    }

    /// Whether a returned message is not to be delivered again.
    fn has_expired(&self, claim: &ReadClaim) -> bool {
        let (ring, expiry_ns) = (&self.handle.ring, self.handle.properties.expiry_ns);
        expiry_ns != 0
            && is_older(
                ring.published_ns(claim.range().first),
                expiry_ns,
                crate::os::clock::boot_ns(),
            )
    }

    /// Releases expired messages. Counted first: who dies in between leaves them to be returned, and expired again.
    fn let_expire(&self, claim: ReadClaim) {
        let expired = &self.handle.ring.record().expired;
        expired.fetch_add(u64::from(claim.count()), Ordering::Relaxed);
        self.let_go(claim);
    }

    #[inline(always)]
    fn claim_dividing(&self, cell: usize, min: u32, max: u32, stale: impl Fn(u64) -> bool) -> Option<ReadClaim> {
        let mut aborted = 0;
        let claim = self.handle.ring.claim_read(cell, min, max, stale, || aborted += 1);
        if aborted > 0 {
            self.stepped_over(aborted);
        }
        claim
    }

    /// There are slots that nobody will release.
    #[cold]
    fn stepped_over(&self, aborted: u32) {
        self.handle
            .ring
            .record()
            .aborted
            .fetch_add(u64::from(aborted), Ordering::Relaxed);
        self.handle.space().notify(aborted, false);
    }

    /// Nothing was claimed: is that the end, or not yet?
    #[cold]
    fn claim_rest(&self, min: u32, max: u32) -> Result<ReadClaim> {
        let handle = &self.handle;
        handle.check_claiming()?;
        let ended = handle.ended();
        // SeqCst: see Producer::try_claim. The flag before the tail is what counts. Of the head, which never passes the tail, an older
        // value only makes the two differ.
        let head = handle.ring.head().load(Ordering::SeqCst);
        if ended != 0 {
            // The flag was read before the tail: see Producer::try_claim. What is left may be less than `min`.
            if handle.ring.tail().load(Ordering::SeqCst) == head {
                return Err(end_error(ended));
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

    /// The metadata of message `index` of a claim.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    #[must_use]
    pub fn metadata(&self, claim: &ReadClaim, index: u32) -> Metadata {
        let this = self.that_claimed(claim);
        if let Some(receiver) = this.handle.receiver() {
            let missed = match (index, claim.cell()) {
                (0, Some(cell)) => receiver.missed_before(cell),
                _ => 0,
            };
            let metadata = Metadata::new(&this.read_meta(claim, index), 0);
            return Metadata { missed, ..metadata };
        }
        let metadata = Metadata::new(&this.read_meta(claim, index), claim.times());
        match &this.handle.subscriber {
            Some(subscriber) => subscriber.add_missed(metadata, claim, index),
            None => metadata,
        }
    }

    #[inline]
    fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        if self.handle.packed.is_some() {
            return self.packed_meta(claim, index);
        }
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.read_meta(&self.handle.ring, claim, index),
            None => self.handle.ring.read_meta(claim, index),
        }
    }

    /// What the metadata says of a message's length.
    #[inline]
    fn payload_len(&self, claim: &ReadClaim, index: u32) -> u32 {
        if self.handle.packed.is_some() {
            return self.handle.properties.slots.payload_capacity;
        }
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.payload_len(&self.handle.ring, claim, index),
            None => self.handle.ring.payload_len(claim, index),
        }
    }

    #[inline]
    fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        if let Some(receiver) = self.handle.receiver() {
            let start = index as usize * receiver.ring().size();
            return self.packed_bytes(receiver, claim).get(start..start + len as usize);
        }
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.bytes(&self.handle.ring, claim, index, len),
            None => self.handle.ring.bytes(claim, index, len),
        }
    }

    /// Has `read` look at the next message, and is done with it, where nothing is in the way; see [`Subscriber::take_at_once`].
    /// `None`, and nothing was done, where anything is different or `read` gives `None`: [`claim`](Self::claim) finds out what.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        let handle = &self.handle;
        if let Some(receiver) = handle.receiver() {
            let value = receiver.read_at_once(handle, read)?;
            let ring = receiver.ring();
            ring.handle().count(1, ring.size() as u64);
            return Some(value);
        }
        let subscriber = handle.subscriber.as_ref()?;
        if handle.properties.checksums() {
            return None;
        }
        let (value, len) = subscriber.read_at_once(handle, read)?;
        handle.count(1, u64::from(len));
        Some(value)
    }

    /// The newest message of a latest channel, whether this consumer has seen it or not.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing was sent yet; [`Error::InvalidArgument`] on other channels; [`Error::TooManyClaims`],
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn claim_newest(&self) -> Result<ReadClaim> {
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.claim_newest(&self.handle),
            None => Err(not_latest()),
        }
    }

    /// How many messages this subscriber missed in all; see [`dmxp::Consumer::missed`](crate::Consumer::missed).
    #[must_use]
    pub fn missed(&self) -> u64 {
        if let Some(receiver) = self.handle.receiver() {
            return receiver.missed();
        }
        self.handle
            .subscriber
            .as_ref()
            .map_or(0, |subscriber| subscriber.missed())
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
        let this = self.that_claimed(claim);
        let handle = &this.handle;
        let len = this.payload_len(claim, index);
        let Some(bytes) = this.bytes(claim, index, len) else {
            let error = self.beyond_the_slot(claim.message_id(index), len);
            return Err(handle.failing(error));
        };
        if handle.properties.checksums() {
            let stored = this.read_meta(claim, index).checksum;
            verify(claim.message_id(index), bytes, stored).map_err(|error| handle.failing(error))?;
        }
        Ok(bytes)
    }

    #[cold]
    fn beyond_the_slot(&self, message_id: u64, len: u32) -> Error {
        let limit = self.handle.ring.payload_capacity();
        let reason = format!("its sender says {len} bytes, a slot holds {limit}");
        Error::InvalidMessage { message_id, reason }
    }

    /// The whole slot of message `index` of a claim, checked before.
    #[inline]
    pub(crate) fn slot<'a>(&'a self, claim: &'a ReadClaim, index: u32) -> &'a [u8] {
        let this = self.that_claimed(claim);
        this.bytes(claim, index, this.handle.properties.slots.payload_capacity)
            .unwrap_or_default()
    }

    /// Hands the slots of a claim back to producers.
    ///
    /// # Panics
    /// When the claim is another handle's.
    #[inline(always)]
    pub fn release(&self, claim: ReadClaim) {
        // In a forked child, or after eviction, the slots are not ours to touch.
        let this = self.that_claimed(&claim);
        let handle = &this.handle;
        if let Some(receiver) = handle.receiver() {
            handle.ring.own_read(&claim);
            if let Some(cell) = claim.cell().filter(|_| handle.is_ours()) {
                let ring = receiver.ring();
                let count = claim.count();
                ring.handle().count(count, u64::from(count) * ring.size() as u64);
                receiver.release(handle, cell);
            }
            return;
        }
        if handle.is_ours() {
            let limit = handle.ring.payload_capacity();
            let (count, mut bytes) = (claim.count(), 0);
            for index in 0..count {
                bytes += u64::from(this.payload_len(&claim, index).min(limit));
            }
            this.let_go(claim);
            handle.count(count, bytes);
        }
    }

    /// Hands back slots whose messages nobody received, or were counted, in a process whose handle this is.
    #[inline(always)]
    fn let_go(&self, claim: ReadClaim) {
        let count = claim.count();
        self.handle.ring.own_read(&claim);
        if let Some(subscriber) = &self.handle.subscriber {
            return subscriber.release(&self.handle, &claim);
        }
        self.handle.returning_read(&claim);
        self.handle.ring.release(claim);
        self.handle.space().notify(count, false);
    }

    /// Returns the messages of a claim to the channel, to be delivered again, flagged, to whoever comes first; a message that is
    /// returned more often than the channel's limit goes to the dead letters, or is dropped and counted
    /// ([`ChannelInfo::dropped`](crate::ChannelInfo::dropped)). On a broadcast or latest channel the others have the message
    /// anyway: this subscriber gets it once more, if it was the last that it got.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn give_back(&self, claim: ReadClaim) {
        self.give_back_but(claim, u32::MAX);
    }

    /// [`give_back`](Self::give_back), but releases message `bad`, one that cannot be read.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn give_back_but(&self, claim: ReadClaim, bad: u32) {
        let handle = &self.that_claimed(&claim).handle;
        if handle.is_ours() {
            let count = claim.count();
            handle.ring.own_read(&claim);
            if let (Some(receiver), Some(cell)) = (handle.receiver(), claim.cell()) {
                return receiver.give_back(handle, cell, bad);
            }
            if let Some(subscriber) = &handle.subscriber {
                return subscriber.give_back(handle, &claim, bad);
            }
            handle.returning_read(&claim);
            handle.ring.give_back_but(claim, bad);
            handle.data().notify(count, true);
            handle.space().notify(count, false);
        }
    }
}

/// Whether a message published then is older than that. Relaxed: the caller acquired the sequence with which the time was released.
/// A time that has not come yet is no age.
fn is_older(published_ns: &AtomicU64, expiry_ns: u64, now_ns: u64) -> bool {
    now_ns.saturating_sub(published_ns.load(Ordering::Relaxed)) > expiry_ns
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

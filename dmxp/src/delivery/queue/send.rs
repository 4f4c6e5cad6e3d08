//! Producing on a queue.

use crate::delivery::end_error;
use crate::delivery::metadata::MetaTemplate;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::ring::Range;
use crate::ring::claim::WriteClaim;
use crate::ring::mapped::View;
use crate::ring::memory::RingMemory;
use crate::ring::queue::{consume, produce};
use crate::ring::word::Phase;
use crate::sync::Ordering;
use crate::sync::planted::{Bug, planted};
use crate::wait::barrier;
use core::ptr::NonNull;

/// The producing side of a queue.
#[derive(Debug)]
pub(crate) struct Sender {
    handle: Handle,
    meta: MetaTemplate,
}

impl Sender {
    pub(crate) fn new(handle: Handle, message_type: u32) -> Self {
        let properties = &handle.properties;
        // No checksums, no expiry, no programs that know only v1, and waiters run our barriers: what the shortest way does without.
        handle.held.set_usual(
            !properties.checksums() && properties.expiry_ns == 0 && !properties.v1_peers() && barrier::is_light(),
        );
        Self {
            meta: MetaTemplate::new(&handle, message_type),
            handle,
        }
    }

    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn meta(&self) -> &MetaTemplate {
        &self.meta
    }

    pub(crate) fn meta_mut(&mut self) -> &mut MetaTemplate {
        &mut self.meta
    }

    /// Claims one slot where nothing is in the way, not even another claim; its position. The claim has cell 0, and is not entered in
    /// the table yet.
    #[inline(always)]
    fn claim_one(&self, ring: View<'_>) -> Option<u64> {
        let handle = &self.handle;
        if !handle.held.can_hold_only() || !handle.is_ours() {
            return None;
        }
        let first = produce::claim_one(&ring, handle.ring.cell(0))?;
        if let Some(soon) = Handle::soon(first, handle.ready.get()) {
            ring.prefetch_write(soon);
        }
        self.may_keep(Range { first, count: 1 }).then_some(first)
    }

    /// Whether a claim that was just made may be used: the stream has not ended. It is given up otherwise.
    ///
    /// After the claim: a consumer that has seen the flag and then a tail that equals the head tells its user that the stream is
    /// over. Tail CAS, flag store, this load and the consumer's two loads are all SeqCst, so either the consumer sees this claim in
    /// the tail, or this producer sees the flag and gives the claim up.
    #[inline(always)]
    fn may_keep(&self, range: Range) -> bool {
        if self.handle.ended() == 0 || planted(Bug::KeptAfterEnd) {
            return true;
        }
        self.give_up(range);
        false
    }

    #[cold]
    fn give_up(&self, range: Range) {
        self.handle.ring.forget(Phase::Produce, range);
        self.handle.data().notify(1, self.always());
    }

    /// Makes one written position readable, and says so; its id. `None`, and it was not done, when the handle is not this process's any
    /// more.
    #[inline(always)]
    fn publish_one(&self, ring: View<'_>, first: u64, len: usize) -> Option<u64> {
        let handle = &self.handle;
        let id = first.wrapping_add(1);
        let meta = self.meta.plain(id, len);
        // SAFETY: the callers have claimed the position, and nobody else writes there.
        unsafe { ring.describe(first, meta) };
        if !handle.is_ours() {
            // Nor is the slot ours to give up.
            return None;
        }
        produce::publish_one(&ring, first);
        handle.data().notify_lightly(1);
        if handle.count(1, len as u64) {
            handle.look_ahead();
        }
        Some(id)
    }

    /// Sends one message, whose length was checked, where nothing is in the way; its id. `None` where anything is: nothing was sent
    /// then, and the usual way finds out what.
    #[inline(always)]
    pub(crate) fn send_at_once(&self, payload: &[u8]) -> Option<u64> {
        let ring = self.handle.ring.view();
        let first = self.claim_one(ring)?;
        // From here to the publication nothing panics or fails that would leave the claim behind: it needs no entry.
        // SAFETY: the position is claimed, by this call alone, and the length was checked.
        unsafe { ring.fill(first, payload) };
        self.publish_one(ring, first, payload.len())
    }

    /// Claims one slot to be written in place where nothing is in the way: where its payload lies. The claim has entry 0.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self) -> Option<NonNull<u8>> {
        let ring = self.handle.ring.view();
        let first = self.claim_one(ring)?;
        self.handle.held.hold_only(first);
        Some(ring.payload(first))
    }

    /// Publishes the only claim, of one message of `len` bytes, which was checked, where nothing is in the way; its id. `None` where
    /// anything is, and nothing was done; the usual way finds out what.
    #[inline(always)]
    pub(crate) fn publish_at_once(&self, len: usize) -> Option<u64> {
        let held = &self.handle.held;
        let first = held.only()?;
        let id = self.publish_one(self.handle.ring.view(), first, len)?;
        held.let_go_only();
        Some(id)
    }

    /// Publishes the claim of an entry, of one message of `len` bytes, which was checked; its id.
    #[inline(never)]
    pub(crate) fn publish_entry(&self, entry: usize, len: usize) -> Result<u64> {
        let handle = &self.handle;
        let mut claim = handle.ring.writing(handle.held.claim(entry));
        let id = claim.message_id(0);
        self.describe(&mut claim, 0, len, self.meta.now_ns());
        self.publish(claim)?;
        Ok(id)
    }

    /// Claims at least `min` and at most `max` slots. `None` for whatever reason; [`why_not`](Self::why_not) finds it.
    #[inline(always)]
    pub(crate) fn try_claim(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let handle = &self.handle;
        if !handle.is_ours() {
            return None;
        }
        let entry = handle.held.free()?;
        let claim = handle.ring.claim_write(entry, min, max)?;
        self.may_keep(claim.range()).then(|| handle.holding_write(claim))
    }

    /// Claims, writes and publishes; the first message's id, and how many. `payload` gives the bytes of each message, the same each time;
    /// their lengths were checked. `None` for whatever reason.
    #[inline]
    pub(crate) fn try_send<'a>(&self, min: u32, max: u32, payload: impl Fn(u32) -> &'a [u8]) -> Option<(u64, u32)> {
        let claim = self.try_claim(min, max)?;
        let (id, range, ring) = (claim.message_id(0), claim.range(), self.handle.ring.view());
        let timestamp_ns = self.meta.now_ns();
        for (index, position) in (0..range.count).zip(range.positions()) {
            let payload = payload(index);
            // SAFETY: the position is claimed, by this call alone, and the length was checked.
            unsafe { ring.fill(position, payload) };
            let meta = self.meta.of(position.wrapping_add(1), payload, timestamp_ns);
            // SAFETY: as above.
            unsafe { ring.describe(position, meta) };
        }
        // A handle that is lost meanwhile is found to be by the usual way.
        self.publish(claim).ok().map(|()| (id, range.count))
    }

    /// After an attempt that found no room for `min` messages: frees what was given up at the head. There may be no consumer that does.
    /// Whether there is room that was not there.
    #[cold]
    pub(crate) fn make_room(&self, min: u32) -> bool {
        let handle = &self.handle;
        if !handle.can_claim() || !produce::is_behind_aborted(&handle.ring, min) {
            return false;
        }
        let freed = consume::step_over_aborted(&handle.ring);
        if freed > 0 {
            super::stepped_over(handle, freed);
        }
        freed > 0
    }

    /// Whether an attempt gave nothing for no other reason than that the ring is full, which is noted then. It answers in a bit, since
    /// an error is large, and a caller that polls would copy it at each step on its way.
    #[inline(never)]
    pub(crate) fn is_just_full(&self, min: u32) -> bool {
        let handle = &self.handle;
        if !handle.can_claim()
            || handle.ended() != 0
            || handle.holds_slots_of(self.tail_seen(), min)
            || self.make_room(min)
        {
            return false;
        }
        handle.saw_no_room(min);
        true
    }

    /// Why an attempt gave nothing.
    #[cold]
    pub(crate) fn why_not(&self, min: u32) -> Error {
        let handle = &self.handle;
        if let Err(error) = handle.check_claiming() {
            return error;
        }
        match handle.ended() {
            0 => {}
            ended => return end_error(&self.handle, ended),
        }
        if handle.holds_slots_of(self.tail_seen(), min) {
            return Error::WouldDeadlock;
        }
        Error::Full
    }

    /// The tail, for what error to give only; as new as the attempt that failed.
    fn tail_seen(&self) -> u64 {
        self.handle.ring.tail().load(Ordering::Acquire)
    }

    /// Whether another waiting producer may find room too.
    pub(crate) fn has_more(&self) -> bool {
        produce::is_writable(&self.handle.ring)
    }

    #[inline]
    fn always(&self) -> bool {
        self.handle.properties.v1_peers()
    }

    /// The bytes of message `index` of a claim, as many as a slot holds.
    #[inline(always)]
    pub(crate) fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        self.handle.ring.bytes_mut(claim, index)
    }

    /// The same, to look at.
    #[inline]
    pub(crate) fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        self.handle.ring.written(claim, index)
    }

    /// Writes the metadata of message `index` of a claim, whose payload of `len` bytes, a checked length, is there.
    #[inline(always)]
    pub(crate) fn describe(&self, claim: &mut WriteClaim, index: u32, len: usize, timestamp_ns: u64) {
        let ring = &self.handle.ring;
        let payload = &ring.written(claim, index)[..len];
        let meta = self.meta.of(claim.message_id(index), payload, timestamp_ns);
        ring.write_meta(claim, index, meta);
    }

    /// Makes a claim visible whose messages are all described.
    #[inline]
    pub(crate) fn publish(&self, claim: WriteClaim) -> Result<()> {
        let handle = &self.handle;
        handle.ring.own_write(&claim);
        if !handle.is_ours() {
            // Nor are the slots ours to give up.
            return Err(handle.lost());
        }
        let mut bytes = 0;
        for index in 0..claim.count() {
            bytes += u64::from(handle.ring.written_len(&claim, index));
        }
        if handle.properties.expiry_ns != 0 {
            handle.ring.date(claim.range(), crate::os::clock::boot_ns());
        }
        let (count, entry) = (claim.count(), claim.entry());
        handle.ring.publish(claim);
        handle.held.let_go(entry);
        handle.data().notify(count, self.always());
        if handle.count(count, bytes) {
            handle.look_ahead();
        }
        Ok(())
    }

    /// Gives a claim up; consumers never see its messages.
    pub(crate) fn abort(&self, claim: WriteClaim) {
        let handle = &self.handle;
        handle.ring.own_write(&claim);
        // In a forked child, or after eviction, the slots are not ours to touch.
        if handle.is_ours() {
            let (count, entry) = (claim.count(), claim.entry());
            handle.ring.abort(claim);
            handle.held.let_go(entry);
            handle.data().notify(count, self.always());
        }
    }

    /// Messages that no consumer has claimed.
    pub(crate) fn len(&self) -> u64 {
        waiting(&self.handle)
    }
}

/// Messages between the cursors of a queue.
pub(super) fn waiting(handle: &Handle) -> u64 {
    // Head before tail, which the acquire keeps; nothing is read through either.
    let head = handle.ring.head().load(Ordering::Acquire);
    let tail = handle.ring.tail().load(Ordering::Acquire);
    tail.saturating_sub(head).min(handle.ring.capacity())
}

impl Drop for Sender {
    fn drop(&mut self) {
        super::forget_claims(&self.handle, Phase::Produce);
    }
}

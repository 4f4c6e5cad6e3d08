//! Producing on a broadcast or latest channel.
//!
//! Where lossy subscribers may be looking, a slot is written word by word while it is being published: a claim's messages are written
//! into memory of the handle, and put into their slots then. What is sent by reference goes into the slot directly. Where the channel
//! admits no lossy subscribers, nobody looks at a slot that is being written, and claims are written in the slots themselves.

use crate::delivery::end_error;
use crate::delivery::metadata::MetaTemplate;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::CELLS;
use crate::ring::Range;
use crate::ring::broadcast::limit::Known;
use crate::ring::broadcast::mapped::{Messages, write};
use crate::ring::broadcast::{begin, publish, several, single};
use crate::ring::claim::{Rest, WriteClaim};
use crate::ring::mapped::{MappedRing, View};
use crate::ring::memory::RingMemory;
use crate::ring::word::Sequence;
use crate::sync::{Ordering, fence};
use crate::table::delivery::Delivery;
use crate::wait::barrier;
use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::compiler_fence;

/// The producing side of a broadcast or latest channel.
#[derive(Debug)]
pub(crate) struct Publisher {
    handle: Handle,
    meta: MetaTemplate,
    single: bool,
    latest: bool,
    /// Nobody looks at what is being written.
    direct: bool,
    /// A single producer, direct, on a channel without checksums, where waiters run our barriers: the shortest way is for it.
    is_plain: bool,
    /// Positions below it can be written the shortest way: what is known to be free, and 0 while that is not the way.
    free_below: Cell<u64>,
    /// The position that comes next, of a single producer: nobody else moves the tail.
    next: Cell<u64>,
    known: Known,
    /// Messages of claims by entry, where claims are not written in the slots. A single producer uses the first.
    staged: [Messages; CELLS],
}

impl Publisher {
    /// For a handle that was just registered. A single producer begins at `next`, where it was repaired.
    pub(crate) fn new(handle: Handle, message_type: u32, next: Option<u64>) -> Self {
        let latest = handle.properties.delivery == Delivery::Latest;
        let direct = !latest && !handle.properties.admits_lossy();
        let is_plain = direct && next.is_some() && !handle.properties.checksums() && barrier::is_light();
        handle.held.set_usual(is_plain);
        Self {
            meta: MetaTemplate::new(&handle, message_type),
            direct,
            is_plain,
            free_below: Cell::new(0),
            handle,
            single: next.is_some(),
            latest,
            next: Cell::new(next.unwrap_or(0)),
            known: Known::of(latest),
            staged: Default::default(),
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

    /// Sends one message whose length was checked where nothing is in the way. `None`, and nothing was done, where anything is;
    /// [`try_send`](Self::try_send) finds out what.
    #[inline(always)]
    pub(crate) fn send_at_once(&self, payload: &[u8]) -> Option<u64> {
        let ring = self.handle.ring.view();
        let Some(first) = self.begin_at_once(ring) else {
            return if self.is_plain { None } else { self.send_one(payload) };
        };
        // SAFETY: the position is this producer's alone, no subscriber looks at it before it is published, and the length was
        // checked.
        unsafe { ring.fill(first, payload) };
        Some(self.show_one(ring, first, payload.len()))
    }

    /// [`try_send`](Self::try_send) of one message.
    #[inline(never)]
    fn send_one(&self, payload: &[u8]) -> Option<u64> {
        self.try_send(1, 1, |_| payload).map(|(id, _)| id)
    }

    /// Claims one message to be written in place where nothing is in the way: where its payload is to go. The claim has entry 0.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self) -> Option<NonNull<u8>> {
        let ring = self.handle.ring.view();
        let first = self.begin_at_once(ring)?;
        self.free_below.set(0);
        self.handle.held.hold_only(first);
        Some(ring.payload(first))
    }

    /// The next position, where nothing is in the way of one message, as nearly always: it is announced then, as
    /// [`announce`] does. `None` where anything is different; the usual way finds out what.
    #[inline(always)]
    fn begin_at_once(&self, ring: View<'_>) -> Option<u64> {
        let handle = &self.handle;
        let (first, free_below) = (self.next.get(), self.free_below.get());
        if first >= free_below || !handle.is_ours() {
            return None;
        }
        if let Some(soon) = Handle::soon(first, free_below) {
            ring.prefetch_write(soon);
        }
        // Relaxed, and the barrier, which is light: as in `announce`.
        ring.sequence(first).store(first, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if handle.ended() != 0 {
            self.take_back(Range { first, count: 1 });
            return None;
        }
        Some(first)
    }

    /// Makes one announced and written position visible; the message's id.
    #[inline(always)]
    fn show_one(&self, ring: View<'_>, first: u64, len: usize) -> u64 {
        let handle = &self.handle;
        let id = first.wrapping_add(1);
        let meta = self.meta.plain(id, len);
        // SAFETY: as in `send_at_once`.
        unsafe { ring.describe(first, meta) };
        // Release: as in ring::broadcast::publish.
        ring.sequence(first).store(id, Ordering::Release);
        single::advance(&ring, Range { first, count: 1 });
        self.next.set(id);
        handle.data().notify_lightly(u32::MAX);
        handle.count(1, len as u64);
        id
    }

    /// Up to where the shortest way may go on.
    #[inline]
    fn find_free(&self) {
        let is_free = self.is_plain && !self.handle.held.has_first();
        self.free_below.set(if is_free { self.known.verified() } else { 0 });
    }

    /// Publishes the only claim, of one message of `len` bytes, which was checked, where nothing is in the way; its id. `None` where
    /// anything is, and nothing was done; the usual way finds out what.
    #[inline(always)]
    pub(crate) fn publish_at_once(&self, len: usize) -> Option<u64> {
        let handle = &self.handle;
        let first = handle.held.only()?;
        if !handle.is_ours() {
            return None;
        }
        handle.held.let_go_only();
        self.free_below.set(self.known.verified());
        Some(self.show_one(handle.ring.view(), first, len))
    }

    /// Publishes the claim of an entry, of one message of `len` bytes, which was checked; its id.
    #[inline(never)]
    pub(crate) fn publish_entry(&self, entry: usize, len: usize) -> Result<u64> {
        let claim = self.handle.ring.writing(self.handle.held.claim(entry));
        if self.direct {
            self.publish_entry_described(claim, len)
        } else {
            self.publish_entry_staged(claim, len)
        }
    }

    fn publish_entry_described(&self, mut claim: WriteClaim, len: usize) -> Result<u64> {
        let id = claim.message_id(0);
        self.describe(&mut claim, 0, len, self.meta.now_ns());
        self.publish(claim)?;
        Ok(id)
    }

    /// The same of a claim that is not written in its slot: as [`describe`](Self::describe) and [`publish`](Self::publish).
    fn publish_entry_staged(&self, claim: WriteClaim, len: usize) -> Result<u64> {
        let handle = &self.handle;
        let (entry, id) = (claim.entry(), claim.message_id(0));
        // SAFETY: they are written through the claim only, which is here.
        let payload = unsafe { self.staged[entry].bytes(0, len) }.unwrap_or_default();
        let meta = self.meta.of(id, payload, self.meta.now_ns());
        let range = Range {
            first: claim.range().first,
            count: 1,
        };
        let shown = handle.check().and_then(|()| {
            let ring = handle.ring.view();
            self.write_and_show(ring, range, |_, position| write(ring, position, &meta, payload))
        });
        if let Err(error) = shown {
            self.abort(claim);
            return Err(error);
        }
        handle.held.let_go(entry);
        self.find_free();
        handle.count(1, payload.len() as u64);
        Ok(id)
    }

    /// Claims at least `min` and at most `max` positions. `None` for whatever reason; [`why_not`](Self::why_not) finds it.
    #[inline]
    pub(crate) fn try_claim(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let handle = &self.handle;
        let claim = self.claim_positions(min, max)?;
        if self.direct {
            if self.single {
                // Here, and not at the publication: from now on the slots are being written.
                if announce(handle, claim.range().first) != 0 {
                    return None;
                }
                begin(&handle.ring, claim.range());
            }
        } else {
            // SAFETY: whatever was borrowed of it borrowed an earlier claim with the same entry, which is used up.
            unsafe { self.staged[claim.entry()].prepare(claim.count(), handle.ring.payload_capacity()) };
        }
        handle.held.hold(claim.range().first, claim.rest());
        self.find_free();
        Some(claim)
    }

    /// Claims positions, without an entry in the table.
    #[inline(always)]
    fn claim_positions(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let handle = &self.handle;
        if !handle.is_ours() || handle.ended() != 0 {
            return None;
        }
        if self.single {
            self.claim_single(min, max)
        } else {
            self.claim_several(min, max)
        }
    }

    #[inline]
    fn claim_single(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let handle = &self.handle;
        if handle.held.has_first() {
            return None;
        }
        let first = self.next.get();
        let count = self.known.room(&handle.ring, first, (min, max), true)?;
        self.fetch_after(Range { first, count });
        Some(handle.ring.writing((first, Rest::new(count, 0))))
    }

    #[inline(always)]
    fn claim_several(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let handle = &self.handle;
        let ring = &handle.ring;
        let entry = handle.held.free()?;
        let range = several::claim(&ring.view(), &self.known, ring.cell(entry), min, max)?;
        // After the claim, as on the queue: queue::Sender::may_keep says why.
        if handle.ended() != 0 {
            self.abort_range(range);
            return None;
        }
        self.fetch_after(range);
        Some(ring.writing((range.first, Rest::new(range.count, entry as u8))))
    }

    /// Has the lines fetched of a slot that comes soon after `range`.
    #[inline(always)]
    fn fetch_after(&self, range: Range) {
        let ring = self.handle.ring.view();
        if range.count > 1 {
            for position in range.positions() {
                ring.prefetch_write(position);
            }
        } else if self.single
            && let Some(soon) = Handle::soon(range.first, self.known.verified())
        {
            ring.prefetch_write(soon);
        }
    }

    /// Why an attempt gave nothing.
    #[cold]
    pub(crate) fn why_not(&self, min: u32) -> Error {
        let handle = &self.handle;
        if let Err(error) = handle.check() {
            return error;
        }
        match handle.ended() {
            0 => {}
            ended => return end_error(&self.handle, ended),
        }
        let limit = if self.single { 1 } else { CELLS };
        if handle.held.claims().count() >= limit {
            return Error::TooManyClaims { limit };
        }
        if self.single {
            return Error::Full;
        }
        // For what error to give only. A claim of this handle, one lap before, is in the way of itself.
        let end = handle.ring.tail().load(Ordering::Acquire).wrapping_add(u64::from(min));
        // On a latest channel the value before it is to stay.
        let room = handle.ring.capacity() - u64::from(self.latest);
        let in_the_way = |held: Range| end.wrapping_sub(held.first) > room;
        if handle.held.ranges().any(in_the_way) {
            Error::WouldDeadlock
        } else {
            Error::Full
        }
    }

    /// The bytes of message `index` of a claim, to be written.
    #[inline(always)]
    pub(crate) fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        let ring = &self.handle.ring;
        if self.direct {
            return ring.bytes_mut(claim, index);
        }
        ring.own_write(claim);
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        // SAFETY: only this claim leads to its entry's bytes, and it is borrowed uniquely.
        unsafe { self.staged[claim.entry()].bytes_mut(index, ring.payload_capacity() as usize) }
    }

    /// The same, to look at.
    #[inline(always)]
    pub(crate) fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        let ring = &self.handle.ring;
        if self.direct {
            return ring.written(claim, index);
        }
        ring.own_write(claim);
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        // SAFETY: they are written through the claim only, which is borrowed.
        let bytes = unsafe { self.staged[claim.entry()].bytes(index, ring.payload_capacity() as usize) };
        bytes.unwrap_or_default()
    }

    /// Sets the metadata of message `index` of a claim, whose payload of `len` bytes, a checked length, is there.
    #[inline(always)]
    pub(crate) fn describe(&self, claim: &mut WriteClaim, index: u32, len: usize, timestamp_ns: u64) {
        let payload = &self.written(claim, index)[..len];
        let meta = self.meta.of(claim.message_id(index), payload, timestamp_ns);
        if self.direct {
            self.handle.ring.write_meta(claim, index, meta);
        } else {
            self.staged[claim.entry()].set_meta(index, meta);
        }
    }

    /// Publishes a claim whose messages are all described. Gives it up where that cannot be done.
    pub(crate) fn publish(&self, claim: WriteClaim) -> Result<()> {
        let handle = &self.handle;
        let (ring, range, entry) = (&handle.ring, claim.range(), claim.entry());
        ring.own_write(&claim);
        handle.check()?;
        let bytes = Cell::new(0);
        if self.direct {
            if !self.single {
                begin(ring, range);
            }
            for index in 0..claim.count() {
                bytes.set(bytes.get() + u64::from(ring.written_len(&claim, index)));
            }
            self.show(ring.view(), range);
        } else {
            let staged = &self.staged[entry];
            let put = |index: u32, position: u64| {
                let meta = staged.meta(index);
                // SAFETY: they are written through the claim only, which is here.
                let payload = unsafe { staged.bytes(index, meta.payload_len as usize) };
                write(ring.view(), position, &meta, payload.unwrap_or_default());
                bytes.set(bytes.get() + u64::from(meta.payload_len));
            };
            if let Err(error) = self.write_and_show(ring.view(), range, put) {
                self.abort(claim);
                return Err(error);
            }
        }
        handle.held.let_go(entry);
        self.find_free();
        handle.count(range.count, bytes.get());
        Ok(())
    }

    /// Claims, writes and publishes without a detour; the first message's id, and how many. `payload` gives the bytes of each message,
    /// the same each time; their lengths were checked. `None` as for [`try_claim`](Self::try_claim).
    #[inline(always)]
    pub(crate) fn try_send<'a>(&self, min: u32, max: u32, payload: impl Fn(u32) -> &'a [u8]) -> Option<(u64, u32)> {
        let claim = self.claim_positions(min, max)?;
        let id = claim.message_id(0);
        // A constant where both are one, which the claim promises.
        let range = Range {
            first: claim.range().first,
            count: claim.count().clamp(min, max),
        };
        let ring = self.handle.ring.view();
        let timestamp_ns = self.meta.now_ns();
        let bytes = Cell::new(0);
        let put = |index: u32, position: u64| {
            let payload = payload(index);
            let meta = self.meta.of(position.wrapping_add(1), payload, timestamp_ns);
            write(ring, position, &meta, payload);
            bytes.set(bytes.get() + payload.len() as u64);
        };
        match self.write_and_show(ring, range, put) {
            Ok(()) => {
                self.find_free();
                self.handle.count(range.count, bytes.get());
                Some((id, range.count))
            }
            Err(_) => {
                self.abort_unwritten(range);
                None
            }
        }
    }

    /// Has `put` write the slot of each claimed position, and makes all visible at once. The caller has seen that the handle is this
    /// process's.
    #[inline(always)]
    fn write_and_show(&self, ring: View<'_>, range: Range, put: impl Fn(u32, u64)) -> Result<()> {
        if self.single {
            match announce(&self.handle, range.first) {
                0 => {}
                ended => return Err(end_error(&self.handle, ended)),
            }
        }
        begin(&ring, range);
        for index in 0..range.count {
            put(index, range.first.wrapping_add(u64::from(index)));
        }
        self.show(ring, range);
        Ok(())
    }

    /// Makes written positions visible.
    #[inline(always)]
    fn show(&self, ring: View<'_>, range: Range) {
        let handle = &self.handle;
        publish(&ring, range, self.latest);
        if self.single {
            single::advance(&ring, range);
            self.next.set(range.first.wrapping_add(u64::from(range.count)));
        }
        handle.data().notify(u32::MAX, false);
        self.vacated();
    }

    /// Gives a claim up. A single producer's positions are then those of its next messages.
    pub(crate) fn abort(&self, claim: WriteClaim) {
        let handle = &self.handle;
        handle.ring.own_write(&claim);
        if handle.is_ours() {
            handle.held.let_go(claim.entry());
            self.find_free();
            self.abort_written(claim.range());
        }
    }

    /// Gives up positions that may have been written to.
    fn abort_written(&self, range: Range) {
        if self.single && self.direct {
            self.take_back(range);
        } else {
            self.abort_unwritten(range);
        }
    }

    fn abort_unwritten(&self, range: Range) {
        if !self.single && self.handle.is_ours() {
            self.abort_range(range);
        }
    }

    /// Takes the marks back that a single producer's claim put into slots: nothing is there, and what was there a lap before may be
    /// overwritten.
    #[cold]
    fn take_back(&self, range: Range) {
        for position in range.positions().rev() {
            // A word that says both, as in single::repair. Release: as each sequence.
            let spoilt = Sequence::aborted(position.wrapping_sub(1));
            self.handle.ring.sequence(position).store(spoilt, Ordering::Release);
        }
        // A consumer of a stream that has ended waits for what is marked.
        self.handle.data().notify(u32::MAX, false);
    }

    fn abort_range(&self, range: Range) {
        let aborted = &self.handle.ring.record().aborted;
        // Relaxed: a counter.
        aborted.fetch_add(u64::from(range.count), Ordering::Relaxed);
        several::abort(&self.handle.ring, range, self.latest);
        self.handle.data().notify(u32::MAX, false);
        self.vacated();
    }

    /// Wakes producers that wait for the slots of what was published or given up, to write them for the next lap.
    #[inline]
    fn vacated(&self) {
        if !self.single {
            self.handle.space().notify(u32::MAX, false);
        }
    }

    /// Messages that the slowest reliable subscriber has yet to get.
    pub(crate) fn len(&self) -> u64 {
        if self.latest {
            return 0;
        }
        let ring: &MappedRing = &self.handle.ring;
        let tail = ring.tail().load(Ordering::Acquire);
        tail.saturating_sub(self.known.lowest_cursor(ring, tail))
            .min(ring.capacity())
    }
}

impl Drop for Publisher {
    /// Gives up what was claimed and lost.
    fn drop(&mut self) {
        if self.handle.is_ours() {
            for range in self.handle.held.ranges() {
                self.abort_written(range);
            }
        }
    }
}

/// Says that the message of `first` is about to be written, and looks whether the stream has ended: of this word and the closed
/// flag, either the consumer that finds the flag sees the word, or this producer sees the flag. What [`Handle::ended`] says; unless
/// that is 0, the word is again what it was.
#[inline(always)]
fn announce(handle: &Handle, first: u64) -> u32 {
    let word = handle.ring.sequence(first);
    // Relaxed: only this producer writes it.
    let before = word.load(Ordering::Relaxed);
    word.store(first, Ordering::Relaxed);
    // Pairs with the barrier in Subscriber::rest.
    barrier::light();
    let ended = handle.ended();
    if ended != 0 {
        // The message of the lap before is still whole. Release: as it was published.
        fence(Ordering::Release);
        word.store(before, Ordering::Release);
    }
    ended
}

//! Consuming on a channel with packed slots.
//!
//! A reliable subscriber borrows messages where they lie: the producer comes no further than the cursor that it shows plus the
//! capacity, and it shows none that is above a message it holds. A lossy one copies, and finds out afterwards what was overwritten
//! meanwhile.

use super::pace::Pace;
use crate::delivery::end_error;
use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{CELLS, MessageMeta, ROLE_PRODUCER, waiters};
use crate::liveness::RecordState;
use crate::ring::broadcast::limit::Beginning;
use crate::ring::claim::{ReadClaim, Rest};
use crate::ring::memory::RingMemory;
use crate::ring::packed::consume::{Reader, is_pending, lost, show};
use crate::ring::packed::mapped::PackedSlots;
use crate::ring::packed::outside::Outside;
use crate::ring::strided::Strided;
use crate::ring::{RETRIES, Range};
use crate::sync::Ordering;
use crate::wait::barrier;
use core::cell::Cell;
use core::ptr::NonNull;

/// Most messages between two stores of a cursor, which is also at most a sixteenth of the capacity.
const STRIDE: u64 = 64;

/// The consuming side of a channel with packed slots.
#[derive(Debug)]
pub(crate) struct Receiver {
    handle: Handle,
    slots: PackedSlots,
    is_lossy: bool,
    reader: Reader,
    /// A reliable subscriber that holds no claim, and has nothing to pass over: the shortest way is for it.
    is_plain: Cell<bool>,
    pace: Pace,
    /// The cursor that the producer sees.
    shown: Cell<u64>,
    stride: u64,
    /// Messages of a lossy subscriber, by entry of the claim.
    copies: [Outside; CELLS],
    /// How many were missed in all, since the last message, and before each claim.
    missed: Cell<u64>,
    missed_since: Cell<u64>,
    /// By entry of the claim, with the claim's first position: what was taken the shortest way says nothing here.
    missed_before: [Cell<(u64, u64)>; CELLS],
    /// A message that is not to be handed out again: it could not be read, and what came with it was given back.
    bad: Cell<Option<u64>>,
}

impl Receiver {
    pub(crate) fn new(handle: Handle, slots: PackedSlots, is_lossy: bool, beginning: Beginning) -> Self {
        let receiver = Self {
            is_lossy,
            reader: Reader::new(beginning),
            is_plain: Cell::new(false),
            pace: Pace::default(),
            shown: Cell::new(beginning.skip),
            stride: (slots.capacity() / 16).clamp(1, STRIDE),
            copies: Default::default(),
            missed: Cell::new(beginning.missed),
            missed_since: Cell::new(beginning.missed),
            missed_before: Default::default(),
            bad: Cell::new(None),
            handle,
            slots,
        };
        receiver.settle();
        receiver
    }

    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Bytes of a message.
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.slots.size()
    }

    /// Whether the shortest way is for what comes next, from now on.
    fn settle(&self) {
        let is_plain =
            !self.is_lossy && self.handle.held.is_empty() && self.bad.get().is_none() && self.missed_since.get() == 0;
        self.is_plain.set(is_plain);
        if is_plain {
            self.reader.unbar();
        } else {
            self.reader.bar();
        }
    }

    /// The next message where nothing is in the way, as nearly always. `None`, and nothing was done, where anything is; the usual way
    /// finds out what.
    #[inline(always)]
    fn next_at_once(&self) -> Option<u64> {
        let position = self.reader.next();
        let is_there = self.reader.is_ready(position) || self.look_at_once();
        (is_there && self.handle.is_ours()).then_some(position)
    }

    #[inline(always)]
    fn look_at_once(&self) -> bool {
        if !self.is_plain.get() {
            return false;
        }
        self.pace.look(|| self.reader.look_at_once(&self.handle.ring)) > 0
    }

    /// Has `read` look at the next message, and is done with it, where nothing is in the way. `None`, and it is still the next one,
    /// where anything is, and when `read` gives that.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        let position = self.next_at_once()?;
        // SAFETY: published; the cursor that the producer sees is not above it before the last line but two.
        let value = read(unsafe { self.slots.message(position) })?;
        let next = position.wrapping_add(1);
        self.reader.go_to(next);
        self.pass(next);
        self.count(1);
        Some(value)
    }

    /// Claims the next message where nothing is in the way: where it lies. The claim has entry 0.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, len: usize) -> Option<NonNull<u8>> {
        if len != self.slots.size() {
            return None;
        }
        let position = self.next_at_once()?;
        // As in `take_in_place`.
        if self.shown.get() != position && self.is_awaited() {
            self.show();
        }
        self.reader.go_to(position.wrapping_add(1));
        self.handle.held.hold(position, Rest::new(1, 0));
        self.is_plain.set(false);
        self.reader.bar();
        Some(self.slots.place(position))
    }

    /// Counts what was received. How many bytes these are is known from the size of the slots.
    #[inline(always)]
    fn count(&self, messages: u32) {
        self.handle.ring.handle().count_messages(messages);
    }

    /// As [`show_if`](Self::show_if) there is a stride to show, where all messages before `next` are done with.
    #[inline(always)]
    fn pass(&self, next: u64) {
        if next.wrapping_sub(self.shown.get()) >= self.stride || self.is_awaited() {
            self.show();
        }
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet.
    #[inline]
    pub(crate) fn sees_nothing(&self) -> bool {
        self.reader.known() == 0 && self.reader.look(&self.handle.ring) == 0 && self.is_just_empty()
    }

    #[inline(never)]
    fn is_just_empty(&self) -> bool {
        let (handle, next) = (&self.handle, self.reader.next());
        let is_at_rest = handle.held.is_empty() && (self.is_lossy || self.shown.get() == next);
        if !is_at_rest || !handle.is_ours() || handle.ended_for_consumer() != 0 {
            return false;
        }
        let found_nothing_at = &handle.registration().found_nothing_at;
        found_nothing_at.store(next, Ordering::Relaxed);
        true
    }

    /// An attempt to claim at least `min` and at most `max` messages, and why it failed. They lie in one piece: where the ring ends
    /// between them, fewer than `min` are enough.
    #[inline]
    pub(crate) fn attempt(&self, min: u32, max: u32) -> Result<ReadClaim> {
        let handle = &self.handle;
        handle.check()?;
        let entry = handle.held.free().ok_or(Error::TooManyClaims { limit: CELLS })?;
        match self.take(entry, min, max)? {
            Some(claim) => Ok(claim),
            None => self.rest(entry, min, max),
        }
    }

    #[inline]
    fn take(&self, entry: usize, min: u32, max: u32) -> Result<Option<ReadClaim>> {
        let taken = if self.is_lossy {
            self.take_copies(entry, min, max)
        } else {
            self.take_in_place(min, max)?
        };
        Ok(taken.map(|range| self.hold(entry, range)))
    }

    #[inline]
    fn hold(&self, entry: usize, range: Range) -> ReadClaim {
        let rest = Rest::new(range.count, entry as u8);
        self.handle.held.hold(range.first, rest);
        self.is_plain.set(false);
        self.reader.bar();
        self.missed_before[entry].set((range.first, self.missed_since.replace(0)));
        self.handle.ring.reading((range.first, rest))
    }

    /// How many messages of `max` are next in one piece, if that is enough. `None`: too few are there.
    #[inline]
    fn in_one_piece(&self, there: u64, (min, max): (u32, u32)) -> Option<u32> {
        let piece = self.slots.in_one_piece(self.reader.next()).min(self.before_bad());
        let count = there.min(u64::from(max)).min(piece) as u32;
        (count > 0 && (count >= min || u64::from(count) == piece)).then_some(count)
    }

    /// How many messages there are before one that is not to be handed out again.
    #[inline]
    fn before_bad(&self) -> u64 {
        self.bad
            .get()
            .map_or(u64::MAX, |bad| bad.saturating_sub(self.reader.next()))
    }

    /// How many messages are there, after a look if it is not known that `max` are.
    #[inline]
    fn there(&self, max: u32) -> u64 {
        match self.reader.known() {
            known if known >= u64::from(max) => known,
            _ => self.pace.look(|| self.reader.look(&self.handle.ring)),
        }
    }

    #[inline]
    fn take_in_place(&self, min: u32, max: u32) -> Result<Option<Range>> {
        // What was released before and not shown, in case that the producer waits for it since.
        if self.shown.get() != self.reader.next() {
            self.show_if(u64::MAX);
        }
        self.pass_over_bad();
        let there = self.there(max);
        if there > self.slots.capacity() {
            return Err(self.was_overrun());
        }
        let Some(count) = self.in_one_piece(there, (min, max)) else {
            return Ok(None);
        };
        let first = self.reader.next();
        self.reader.go_to(first.wrapping_add(u64::from(count)));
        Ok(Some(Range { first, count }))
    }

    #[cold]
    fn was_overrun(&self) -> Error {
        Error::corrupt(format!(
            "message {} of channel {} was overwritten while a reliable subscriber needed it",
            self.reader.next().wrapping_add(1),
            self.handle.properties.label()
        ))
    }

    /// Steps over a message that is not to be handed out again, if it comes next.
    #[inline]
    fn pass_over_bad(&self) {
        if let Some(bad) = self.bad.get().filter(|&bad| bad <= self.reader.next()) {
            self.bad.set(None);
            self.reader.go_to(self.reader.next().max(bad.wrapping_add(1)));
        }
    }

    fn take_copies(&self, entry: usize, min: u32, max: u32) -> Option<Range> {
        for _ in 0..RETRIES {
            self.pass_over_bad();
            let there = self.there_for_a_copy(max);
            let count = self.in_one_piece(there, (min, max))?;
            let len = count as usize * self.slots.size();
            // SAFETY: the entry has no claim, and what was borrowed of it borrowed one.
            let copies = unsafe { self.copies[entry].prepare(len) };
            // SAFETY: room for as many.
            if let Some(range) = unsafe { self.copy(copies.as_mut_ptr(), count) } {
                return Some(range);
            }
        }
        None
    }

    /// How many messages are there, at most a lap of them.
    #[inline]
    fn there_for_a_copy(&self, max: u32) -> u64 {
        let mut there = self.there(max);
        if there > self.slots.capacity() {
            // More than a lap behind: what is gone is said by the announcement.
            self.miss(lost(&self.handle.ring, self.reader.next()));
            there = self.reader.known();
        }
        there.min(self.slots.capacity())
    }

    /// Copies the `count` messages that come next, of which those are lost that may have been overwritten meanwhile: the rest lies at the
    /// beginning of `to`. `None`: all are. For a lossy subscriber, whose channel admits such.
    ///
    /// # Safety
    /// `to` is good for writes of `count` messages.
    #[inline]
    unsafe fn copy(&self, to: *mut u8, count: u32) -> Option<Range> {
        let first = self.reader.next();
        // SAFETY: as the caller says; no more than a lap; all writers of the slots store words.
        unsafe { self.slots.copy_out(first, count, to) };
        let lost = lost(&self.handle.ring, first);
        if lost == 0 {
            self.reader.go_to(first.wrapping_add(u64::from(count)));
            return Some(Range { first, count });
        }
        self.miss(lost);
        let left = u64::from(count).saturating_sub(lost) as u32;
        if left == 0 {
            return None;
        }
        let (skipped, len) = (lost as usize * self.slots.size(), left as usize * self.slots.size());
        // SAFETY: both lie within what was copied.
        unsafe { to.copy_from(to.wrapping_add(skipped), len) };
        let first = first.wrapping_add(lost);
        self.reader.go_to(first.wrapping_add(u64::from(left)));
        Some(Range { first, count: left })
    }

    /// An attempt to copy at most `max` messages to `to`, which are done with then; in two pieces where the ring ends between them.
    ///
    /// # Safety
    /// `to` is good for writes of `max` messages.
    pub(crate) unsafe fn attempt_copy(&self, to: *mut u8, max: u32) -> Result<Range> {
        if !self.is_lossy {
            let claim = self.attempt(1, max)?;
            let messages = self.stretch(&claim);
            // SAFETY: no more than `max` messages, and the ring is nobody's buffer.
            unsafe { to.copy_from_nonoverlapping(messages.as_ptr(), messages.len()) };
            let range = claim.range();
            self.release(claim);
            return Ok(range);
        }
        self.handle.check()?;
        let mut ended = 0;
        for _ in 0..RETRIES {
            self.pass_over_bad();
            let count = self.there_for_a_copy(max).min(u64::from(max)).min(self.before_bad()) as u32;
            if count == 0 {
                if ended != 0 {
                    return Err(end_error(&self.handle, ended));
                }
                ended = self.end_of_stream()?;
                continue;
            }
            // SAFETY: as the caller says.
            if let Some(range) = unsafe { self.copy(to, count) } {
                self.missed_since.set(0);
                self.count(range.count);
                return Ok(range);
            }
        }
        Err(Error::Empty)
    }

    /// Goes on behind messages that are gone.
    fn miss(&self, count: u64) {
        self.missed.set(self.missed.get().saturating_add(count));
        self.missed_since.set(self.missed_since.get().saturating_add(count));
        self.reader.go_to(self.reader.next().saturating_add(count));
    }

    /// Nothing to take: is that the end, or not yet?
    #[cold]
    fn rest(&self, entry: usize, min: u32, max: u32) -> Result<ReadClaim> {
        if self.waits_for_itself(min) && self.handle.ended_for_consumer() == 0 {
            return Err(Error::WouldDeadlock);
        }
        let ended = self.end_of_stream()?;
        // What is left may be less than `min`.
        self.take(entry, 1, max)?.ok_or_else(|| end_error(&self.handle, ended))
    }

    /// Fails with "empty" unless the stream has ended: then what is published by now is all that there will be, and this gives what
    /// ended it.
    #[cold]
    fn end_of_stream(&self) -> Result<u32> {
        let handle = &self.handle;
        self.show();
        let found_nothing_at = &handle.registration().found_nothing_at;
        found_nothing_at.store(self.reader.next(), Ordering::Relaxed);
        let ended = handle.ended_for_consumer();
        if ended == 0 {
            return Err(Error::Empty);
        }
        // Pairs with the barrier in Sender::begin: a producer that did not see the flag has said before the next line what it is about to
        // send. Where this process cannot have others run a barrier and the producer relies on it, what is being sent at this very
        // moment may be missed.
        barrier::heavy();
        if self.is_coming() { Err(Error::Empty) } else { Ok(ended) }
    }

    /// Whether a living producer is about to publish something, on a channel that was closed before.
    fn is_coming(&self) -> bool {
        let (handle, mapping) = (&self.handle, self.handle.ring.attachment().mapping());
        (0..mapping.plan().handles)
            .map(|index| mapping.handle(index))
            .any(|record| {
                // Acquire: pairs with open::register for the fields.
                matches!(
                    RecordState::decode(record.state.load(Ordering::Acquire)),
                    RecordState::Live { .. }
                ) && record.role.load(Ordering::Relaxed) == ROLE_PRODUCER
                    && record.channel_id.load(Ordering::Relaxed) == handle.properties.id
                    && record.channel_generation.load(Ordering::Relaxed) == handle.properties.generation
                    && is_pending(
                        &handle.ring,
                        // Where it began is in the place of a subscriber's cursor.
                        record.cursor.load(Ordering::Relaxed),
                        record.messages.load(Ordering::Relaxed),
                    )
            })
    }

    /// Whether the messages that this subscriber holds keep the producer from sending what it waits for.
    fn waits_for_itself(&self, min: u32) -> bool {
        !self.is_lossy
            && !self.handle.held.is_empty()
            && self
                .reader
                .next()
                .saturating_add(u64::from(min))
                .saturating_sub(self.lowest())
                > self.slots.capacity()
    }

    /// The lowest position that is held or will be read.
    #[inline]
    fn lowest(&self) -> u64 {
        let next = self.reader.next();
        if self.handle.held.is_empty() {
            return next;
        }
        let ranges = self.handle.held.ranges();
        ranges.fold(next, |lowest, range| lowest.min(range.first))
    }

    /// Whether the producer waits for slots. Relaxed: one that falls asleep at this moment is seen by the next look.
    #[inline(always)]
    fn is_awaited(&self) -> bool {
        self.handle.ring.record().space_waiters.load(Ordering::Relaxed) & waiters::ARMED != 0
    }

    /// Shows the producer what is not needed any more.
    #[inline(never)]
    fn show(&self) {
        self.show_if(1);
    }

    /// The same when there are `stride` positions to show, or the producer waits for one.
    #[inline]
    fn show_if(&self, stride: u64) {
        if self.is_lossy {
            return;
        }
        let lowest = self.lowest();
        let more = lowest.saturating_sub(self.shown.get());
        if more >= stride || (more > 0 && self.is_awaited()) {
            show(&self.handle.ring.handle().cursor, lowest);
            self.shown.set(lowest);
            self.handle.space().notify(u32::MAX, false);
        }
    }

    /// The bytes of a claim's messages, side by side: in place for a reliable subscriber, a copy of this handle's for a lossy one.
    #[inline]
    pub(crate) fn stretch<'a>(&'a self, claim: &'a ReadClaim) -> &'a [u8] {
        self.handle.ring.own_read(claim);
        let range = claim.range();
        if self.is_lossy {
            // SAFETY: they change when the entry is claimed anew, after this claim, which is borrowed.
            unsafe { self.copies[claim.entry()].bytes(range.count as usize * self.slots.size()) }
        } else {
            // SAFETY: published, and no cursor above what is claimed is shown before the claim, which is borrowed, is released.
            unsafe { self.slots.bytes(range) }
        }
    }

    /// Where the messages of a claim lie, if each has `len` bytes.
    #[inline]
    pub(crate) fn strided(&self, claim: &ReadClaim, len: usize) -> Option<Strided> {
        let base = NonNull::from(self.stretch(claim)).cast();
        (len == self.slots.size()).then(|| Strided::side_by_side(base, len))
    }

    /// The bytes of message `index` of a claim; `None` when a message does not have `len`.
    #[inline]
    pub(crate) fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        let size = self.slots.size();
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        let message = &self.stretch(claim)[index as usize * size..][..size];
        message.get(..len as usize)
    }

    /// What is said of message `index` of a claim.
    pub(crate) fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        self.handle.ring.own_read(claim);
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        MessageMeta {
            message_id: claim.message_id(index),
            channel_id: self.handle.properties.id,
            payload_len: self.slots.size() as u32,
            ..MessageMeta::default()
        }
    }

    /// The same as users see it.
    pub(crate) fn metadata(&self, claim: &ReadClaim, index: u32) -> Metadata {
        let missed = if index == 0 { self.missed_before(claim) } else { 0 };
        Metadata {
            missed,
            ..Metadata::new(&self.read_meta(claim, index), 0)
        }
    }

    /// How many were missed just before the messages of a claim.
    fn missed_before(&self, claim: &ReadClaim) -> u64 {
        let (first, missed) = self.missed_before[claim.entry()].get();
        if first == claim.range().first { missed } else { 0 }
    }

    /// Is done with the messages of a claim.
    #[inline]
    pub(crate) fn release(&self, claim: ReadClaim) {
        self.handle.ring.own_read(&claim);
        if self.handle.is_ours() {
            self.let_go(claim.entry(), claim.count());
        }
    }

    #[inline]
    fn let_go(&self, entry: usize, count: u32) {
        self.handle.held.let_go(entry);
        self.settle();
        self.show_if(self.stride);
        self.count(count);
    }

    /// The first `count` messages of a claim, if it is the last that was taken: the others come next again.
    pub(crate) fn keep(&self, claim: ReadClaim, count: u32) -> ReadClaim {
        self.handle.ring.own_read(&claim);
        let range = claim.range();
        let is_last = range.first.wrapping_add(u64::from(range.count)) == self.reader.next();
        if !is_last || count >= range.count {
            return claim;
        }
        self.reader.go_to(range.first.wrapping_add(u64::from(count)));
        let rest = Rest::new(count, claim.entry() as u8);
        self.handle.held.hold(range.first, rest);
        self.handle.ring.reading((range.first, rest))
    }

    /// Returns the messages of a claim, as [`put_back`](Self::put_back) does.
    pub(crate) fn give_back(&self, claim: ReadClaim) {
        self.put_back(claim, None);
    }

    /// Goes back to the first message of a claim, if it is the last taken; otherwise only lets go of it. Message `bad`,
    /// which cannot be read, is not handed out again.
    pub(crate) fn put_back(&self, claim: ReadClaim, bad: Option<u32>) {
        if bad == Some(0) && claim.count() == 1 {
            return self.release(claim);
        }
        self.handle.ring.own_read(&claim);
        if !self.handle.is_ours() {
            return;
        }
        let range = claim.range();
        let is_last = range.first.wrapping_add(u64::from(range.count)) == self.reader.next();
        self.handle.held.let_go(claim.entry());
        if is_last {
            self.reader.go_to(range.first);
            let bad = bad.filter(|&bad| bad < range.count);
            self.bad.set(bad.map(|bad| range.first.wrapping_add(u64::from(bad))));
            // What was missed before these messages is missed before them again.
            let missed = self.missed_before(&claim);
            self.missed_since.set(self.missed_since.get().saturating_add(missed));
        }
        self.settle();
        self.show();
    }

    /// How many messages were missed in all.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Messages that were sent and that this subscriber has yet to get.
    pub(crate) fn len(&self) -> u64 {
        let tail = self.handle.ring.tail().load(Ordering::Acquire);
        tail.saturating_sub(self.reader.next()).min(self.slots.capacity())
    }
}

impl Drop for Receiver {
    /// The producer need not wait for this subscriber any more.
    fn drop(&mut self) {
        let handle = &self.handle;
        if !self.is_lossy && handle.is_ours() {
            show(&handle.ring.handle().cursor, u64::MAX);
            handle.space().notify(u32::MAX, false);
        }
    }
}

//! Consuming on a channel with packed slots.
//!
//! A reliable subscriber borrows messages where they lie: the producer comes no further than the cursor that it shows plus the
//! capacity, and it shows none that is above a message it holds. A lossy one copies, and finds out afterwards what was overwritten
//! meanwhile.

use super::pace::Pace;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{CELLS, ROLE_PRODUCER, waiters};
use crate::liveness::RecordState;
use crate::raw::end_error;
use crate::ring::broadcast::limit::Beginning;
use crate::ring::broadcast::memory::Limited;
use crate::ring::packed::consume::{Reader, is_pending, lost, show};
use crate::ring::packed::mapped::PackedRing;
use crate::ring::packed::outside::Outside;
use crate::ring::{RETRIES, Range};
use crate::sync::Ordering;
use crate::wait::barrier;
use core::cell::Cell;

/// Most messages between two stores of a cursor, which is also at most a sixteenth of the capacity.
const STRIDE: u64 = 64;

/// What a consumer has beside its handle.
#[derive(Debug)]
pub(crate) struct Receiver {
    ring: PackedRing,
    is_lossy: bool,
    reader: Reader,
    pace: Pace,
    /// The cursor that the producer sees.
    shown: Cell<u64>,
    stride: u64,
    /// The messages handed out.
    held: [Cell<Option<Range>>; CELLS],
    holding: Cell<u32>,
    /// Whether the next message is to be had as nearly always: in place, nothing is held, and nothing to be passed over.
    is_plain: Cell<bool>,
    /// Messages of lossy subscribers, by claim.
    copies: [Outside; CELLS],
    /// How many were missed in all, since the last message, and before each claim.
    missed: Cell<u64>,
    missed_since: Cell<u64>,
    missed_before: [Cell<u64>; CELLS],
    /// A message that is not to be handed out again: it could not be read, and what came with it was given back.
    bad: Cell<Option<u64>>,
}

impl Receiver {
    pub(crate) fn new(ring: PackedRing, is_lossy: bool, beginning: Beginning) -> Self {
        Self {
            is_lossy,
            reader: Reader::new(beginning),
            pace: Pace::default(),
            shown: Cell::new(beginning.skip),
            stride: (ring.capacity() / 16).clamp(1, STRIDE),
            held: Default::default(),
            holding: Cell::new(0),
            is_plain: Cell::new(!is_lossy),
            copies: Default::default(),
            missed: Cell::new(beginning.missed),
            missed_since: Cell::new(beginning.missed),
            missed_before: Default::default(),
            bad: Cell::new(None),
            ring,
        }
    }

    pub(crate) fn ring(&self) -> &PackedRing {
        &self.ring
    }

    /// How many messages are there, as far as it is known, or after a look if none are known.
    #[inline(always)]
    fn there(&self) -> u64 {
        match self.reader.known() {
            0 => self.pace.look(|| self.reader.look(&self.ring)),
            known => known,
        }
    }

    /// Has `read` look at the next message, and is done with it, where nothing is in the way, as nearly always: a reliable
    /// subscriber that holds none, and it is there. `None`, and it is still the next one, where anything is different or `read`
    /// gives that; [`try_take`](Self::try_take) finds out what.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, handle: &Handle, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        if !self.is_plain.get() || self.there() == 0 || !handle.is_ours() {
            return None;
        }
        let position = self.reader.next();
        // SAFETY: published; the cursor that the producer sees is not above it before the last line but one.
        let value = read(unsafe { self.ring.message(position) })?;
        self.reader.go_to(position.wrapping_add(1));
        self.missed_since.set(0);
        self.show_if(handle, self.stride);
        Some(value)
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet. It is counted then.
    #[inline(always)]
    pub(crate) fn sees_nothing(&self, handle: &Handle) -> bool {
        self.there() == 0 && self.is_just_empty(handle)
    }

    #[inline(never)]
    fn is_just_empty(&self, handle: &Handle) -> bool {
        let next = self.reader.next();
        let is_at_rest = self.is_lossy || (self.is_plain.get() && self.shown.get() == next);
        if !is_at_rest || !handle.is_ours() || handle.ended() != 0 {
            return false;
        }
        handle.registration().found_nothing_at.store(next, Ordering::Relaxed);
        handle.polled_in_vain();
        handle.count_in_vain();
        true
    }

    /// Takes at least `min` and at most `max` messages that are there, and holds them: those up to the end of the ring, in one piece, of
    /// which fewer than `min` are enough. The cell that holds them, and which.
    #[inline]
    pub(crate) fn try_take(&self, handle: &Handle, min: u32, max: u32) -> Result<(usize, Range)> {
        handle.check()?;
        let cell = self.free_cell()?;
        match self.take(handle, cell, min, max)? {
            Some(range) => Ok((cell, range)),
            None => self.rest(handle, cell, min, max),
        }
    }

    #[inline]
    fn free_cell(&self) -> Result<usize> {
        if self.holding.get() == 0 {
            return Ok(0);
        }
        let cell = self.held.iter().position(|held| held.get().is_none());
        cell.ok_or(Error::TooManyClaims { limit: CELLS })
    }

    #[inline]
    fn take(&self, handle: &Handle, cell: usize, min: u32, max: u32) -> Result<Option<Range>> {
        let taken = if self.is_lossy {
            self.take_copies(cell, min, max)
        } else {
            self.take_in_place(handle, min, max)?
        };
        if let Some(range) = taken {
            self.hold(cell, range);
        }
        Ok(taken)
    }

    /// How many messages of `max` are next in one piece, if that is enough. `None`: too few are there.
    #[inline]
    fn in_one_piece(&self, there: u64, (min, max): (u32, u32)) -> Option<u32> {
        let next = self.reader.next();
        // Not beyond a message that is not to be handed out again.
        let before_bad = self.bad.get().map_or(u64::MAX, |bad| bad.wrapping_sub(next));
        let piece = self.ring.in_one_piece(next).min(before_bad);
        let count = there.min(u64::from(max)).min(piece) as u32;
        (count > 0 && (count >= min || u64::from(count) == piece)).then_some(count)
    }

    #[inline]
    fn take_in_place(&self, handle: &Handle, min: u32, max: u32) -> Result<Option<Range>> {
        // What was released before and not shown, in case that the producer waits for it since.
        if self.shown.get() != self.reader.next() {
            self.show_if(handle, u64::MAX);
        }
        self.pass_over_bad();
        let mut there = self.reader.known();
        if there < u64::from(max) {
            there = self.pace.look(|| self.reader.look(&self.ring));
        }
        if there > self.ring.capacity() {
            return Err(self.was_overrun(handle));
        }
        let Some(count) = self.in_one_piece(there, (min, max)) else {
            return Ok(None);
        };
        let first = self.reader.next();
        self.reader.go_to(first.wrapping_add(u64::from(count)));
        Ok(Some(Range { first, count }))
    }

    #[cold]
    fn was_overrun(&self, handle: &Handle) -> Error {
        Error::corrupt(format!(
            "message {} of channel {} was overwritten while a reliable subscriber needed it",
            self.reader.next().wrapping_add(1),
            handle.properties.label()
        ))
    }

    /// Steps over a message that is not to be handed out again, if it comes next.
    #[inline]
    fn pass_over_bad(&self) {
        if let Some(bad) = self.bad.get()
            && bad <= self.reader.next()
        {
            self.bad.set(None);
            self.reader.go_to(self.reader.next().max(bad.wrapping_add(1)));
            self.settle();
        }
    }

    fn settle(&self) {
        self.is_plain
            .set(!self.is_lossy && self.holding.get() == 0 && self.bad.get().is_none());
    }

    fn take_copies(&self, cell: usize, min: u32, max: u32) -> Option<Range> {
        for _ in 0..RETRIES {
            self.pass_over_bad();
            let there = self.there_for_a_copy(u64::from(max));
            let count = self.in_one_piece(there, (min, max))?;
            let len = count as usize * self.ring.size();
            // SAFETY: the cell holds nothing, and what was borrowed of it borrowed what it held.
            let copies = unsafe { self.copies[cell].prepare(len) };
            // SAFETY: room for as many, and a lossy subscriber's channel admits such.
            if let Some(range) = unsafe { self.copy(copies.as_mut_ptr(), count) } {
                return Some(range);
            }
        }
        None
    }

    /// How many messages are there, at most a lap of them.
    #[inline]
    fn there_for_a_copy(&self, max: u64) -> u64 {
        let mut there = self.reader.known();
        if there < max {
            there = self.pace.look(|| self.reader.look(&self.ring));
        }
        if there > self.ring.capacity() {
            // A look at what may be overwritten is due.
            self.miss(lost(&self.ring, self.reader.next()));
            there = self.reader.look(&self.ring);
        }
        there.min(self.ring.capacity())
    }

    /// Copies the `count` messages that come next, of which those were lost that may have been overwritten meanwhile: the rest lies at the
    /// beginning of `to`. `None`: all were.
    ///
    /// # Safety
    /// `to` is good for writes of `count` messages; lossy subscribers are admitted.
    #[inline]
    unsafe fn copy(&self, to: *mut u8, count: u32) -> Option<Range> {
        let first = self.reader.next();
        // SAFETY: as the caller says; no more than a lap.
        unsafe { self.ring.copy_out(first, count, to) };
        let lost = lost(&self.ring, first);
        if lost == 0 {
            self.reader.go_to(first.wrapping_add(u64::from(count)));
            return Some(Range { first, count });
        }
        self.miss(lost);
        let left = u64::from(count).saturating_sub(lost) as u32;
        if left == 0 {
            return None;
        }
        let (skipped, len) = (lost as usize * self.ring.size(), left as usize * self.ring.size());
        // SAFETY: both lie within what was copied.
        unsafe { to.copy_from(to.add(skipped), len) };
        let first = first.wrapping_add(lost);
        self.reader.go_to(first.wrapping_add(u64::from(left)));
        Some(Range { first, count: left })
    }

    /// As [`try_take`](Self::try_take), but copies the messages to `to`, and holds nothing. Where the ring ends is not seen.
    ///
    /// # Safety
    /// `to` is good for writes of `max` messages.
    pub(crate) unsafe fn try_copy(&self, handle: &Handle, to: *mut u8, max: u32) -> Result<Range> {
        if !self.is_lossy {
            let (cell, range) = self.try_take(handle, 1, max)?;
            let messages = self.bytes(cell);
            // SAFETY: no more than `max` messages, and the ring is nobody's buffer.
            unsafe { to.copy_from_nonoverlapping(messages.as_ptr(), messages.len()) };
            self.release(handle, cell);
            return Ok(range);
        }
        handle.check()?;
        let mut ended = 0;
        for _ in 0..RETRIES {
            self.pass_over_bad();
            let there = self.there_for_a_copy(u64::from(max));
            let before_bad = self
                .bad
                .get()
                .map_or(u64::MAX, |bad| bad.wrapping_sub(self.reader.next()));
            let count = there.min(u64::from(max)).min(before_bad) as u32;
            if count == 0 {
                if ended != 0 {
                    return Err(end_error(ended));
                }
                ended = self.end_of_stream(handle)?;
                continue;
            }
            // SAFETY: as the caller says; a lossy subscriber's channel admits such.
            if let Some(range) = unsafe { self.copy(to, count) } {
                self.missed_since.set(0);
                return Ok(range);
            }
        }
        Err(Error::Empty)
    }

    fn miss(&self, count: u64) {
        self.missed.set(self.missed.get().saturating_add(count));
        self.missed_since.set(self.missed_since.get().saturating_add(count));
        self.reader.go_to(self.reader.next().saturating_add(count));
    }

    #[inline]
    fn hold(&self, cell: usize, range: Range) {
        self.held[cell].set(Some(range));
        self.holding.set(self.holding.get() + 1);
        self.is_plain.set(false);
        self.missed_before[cell].set(self.missed_since.replace(0));
    }

    /// Nothing to take: is that the end, or not yet?
    #[cold]
    fn rest(&self, handle: &Handle, cell: usize, min: u32, max: u32) -> Result<(usize, Range)> {
        if self.waits_for_itself(min) && handle.ended() == 0 {
            return Err(Error::WouldDeadlock);
        }
        let ended = self.end_of_stream(handle)?;
        // What is left may be less than `min`.
        match self.take(handle, cell, 1, max)? {
            Some(range) => Ok((cell, range)),
            None => Err(end_error(ended)),
        }
    }

    /// Fails with "empty" unless the stream has ended: then what is published by now is all that there will be, and this gives what
    /// ended it.
    #[cold]
    fn end_of_stream(&self, handle: &Handle) -> Result<u32> {
        self.show(handle);
        let found_nothing_at = &handle.registration().found_nothing_at;
        found_nothing_at.store(self.reader.next(), Ordering::Relaxed);
        let ended = handle.ended();
        if ended == 0 {
            return Err(Error::Empty);
        }
        // Pairs with the barrier in Sender::begin: a producer that did not see the flag has said before the next line what it is about to
        // send. Where this process cannot have others run a barrier and the producer relies on it, what is being sent at this very
        // moment may be missed.
        barrier::heavy();
        if self.is_coming(handle) {
            Err(Error::Empty)
        } else {
            Ok(ended)
        }
    }

    /// Whether a living producer is about to publish something, on a channel that was closed before.
    fn is_coming(&self, handle: &Handle) -> bool {
        let mapping = self.ring.attachment().mapping();
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
                        &self.ring,
                        // Where it began is in place of the cursor of a subscriber.
                        record.cursor.load(Ordering::Relaxed),
                        record.messages.load(Ordering::Relaxed),
                    )
            })
    }

    /// Whether the messages that this subscriber holds keep the producer from sending what it waits for.
    fn waits_for_itself(&self, min: u32) -> bool {
        !self.is_lossy
            && self.holding.get() > 0
            && self
                .reader
                .next()
                .saturating_add(u64::from(min))
                .saturating_sub(self.lowest())
                > self.ring.capacity()
    }

    /// The lowest position that is held or will be read.
    #[inline]
    fn lowest(&self) -> u64 {
        let next = self.reader.next();
        if self.holding.get() == 0 {
            return next;
        }
        let held = self.held.iter().filter_map(Cell::get).map(|range| range.first);
        held.fold(next, u64::min)
    }

    /// Shows the producer what is not needed any more.
    fn show(&self, handle: &Handle) {
        if !self.is_lossy {
            self.show_if(handle, 1);
        }
    }

    /// The same when there are `stride` positions to show, or the producer waits for one.
    #[inline(always)]
    fn show_if(&self, handle: &Handle, stride: u64) {
        let lowest = self.lowest();
        let more = lowest.saturating_sub(self.shown.get());
        // Relaxed: a producer that falls asleep at this moment is seen by the next look.
        let asleep = || self.ring.record().space_waiters.load(Ordering::Relaxed) & waiters::ARMED != 0;
        if more >= stride || (more > 0 && asleep()) {
            self.show_now(handle, lowest);
        }
    }

    fn show_now(&self, handle: &Handle, lowest: u64) {
        show(&self.ring.handle().cursor, lowest);
        self.shown.set(lowest);
        handle.space().notify(u32::MAX, false);
    }

    /// The bytes of what a cell holds, side by side. They stay until it is released or given back.
    ///
    /// # Panics
    /// When the cell holds nothing.
    #[inline]
    pub(crate) fn bytes(&self, cell: usize) -> &[u8] {
        let range = self.held[cell].get().expect("a cell that holds messages");
        if self.is_lossy {
            // SAFETY: the cell is prepared anew when it holds nothing; the caller does not use them any more then.
            unsafe { self.copies[cell].bytes(range.count as usize * self.ring.size()) }
        } else {
            // SAFETY: published, and no cursor above what is held is shown; the caller does not use them when it is released.
            unsafe { self.ring.bytes(range) }
        }
    }

    /// What a cell holds.
    #[inline]
    pub(crate) fn range(&self, cell: usize) -> Option<Range> {
        self.held[cell].get()
    }

    /// Lets go of what a cell holds.
    #[inline]
    pub(crate) fn release(&self, handle: &Handle, cell: usize) {
        self.let_go(cell);
        if !self.is_lossy {
            self.show_if(handle, self.stride);
        }
    }

    /// Lets go of all but the first `count` messages of what a cell holds, if these are the last that were taken: they come next then.
    #[inline]
    pub(crate) fn keep(&self, cell: usize, count: u32) {
        if let Some(range) = self.held[cell].get()
            && range.first.wrapping_add(u64::from(range.count)) == self.reader.next()
            && count < range.count
        {
            self.held[cell].set(Some(Range { count, ..range }));
            self.reader.go_to(range.first.wrapping_add(u64::from(count)));
        }
    }

    #[inline]
    fn let_go(&self, cell: usize) {
        if self.held[cell].take().is_some() {
            self.holding.set(self.holding.get() - 1);
            self.settle();
        }
    }

    /// Goes back to the first message of what a cell holds, if it is the last taken; otherwise only lets go of it. Message `bad` is not
    /// handed out again.
    pub(crate) fn give_back(&self, handle: &Handle, cell: usize, bad: u32) {
        let Some(range) = self.held[cell].get() else { return };
        let is_last = range.first.wrapping_add(u64::from(range.count)) == self.reader.next();
        self.let_go(cell);
        if is_last {
            self.reader.go_to(range.first);
            self.bad
                .set((bad < range.count).then(|| range.first.wrapping_add(u64::from(bad))));
            self.settle();
            // What was missed before these messages is missed before them again.
            let before = self.missed_before[cell].get();
            self.missed_since.set(self.missed_since.get().saturating_add(before));
        }
        self.show(handle);
    }

    /// How many messages were missed just before what a cell holds.
    pub(crate) fn missed_before(&self, cell: usize) -> u64 {
        self.missed_before[cell].get()
    }

    /// How many messages were missed in all.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Messages that were sent and that this subscriber has yet to get.
    pub(crate) fn len(&self) -> u64 {
        let tail = self.ring.tail().load(Ordering::Acquire);
        tail.saturating_sub(self.reader.next()).min(self.ring.capacity())
    }

    /// The producer need not wait for this subscriber any more. The handle is about to go.
    pub(crate) fn leave(&self, handle: &Handle) {
        if !self.is_lossy {
            self.show_now(handle, u64::MAX);
        }
    }
}

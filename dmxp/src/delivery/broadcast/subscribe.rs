//! Consuming on a broadcast or latest channel.
//!
//! A reliable subscriber borrows messages where they lie: producers come no further than the cursor that it shows plus the
//! capacity, and it shows none that is above a message it holds. A lossy one, and a reader of latest values, copies each message and
//! looks afterwards whether it was overwritten meanwhile.

use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{CELLS, MessageMeta, ROLE_PRODUCER, waiters};
use crate::liveness::RecordState;
use crate::raw::{Wait, end_error};
use crate::ring::broadcast::is_unpublished;
use crate::ring::broadcast::limit::Beginning;
use crate::ring::broadcast::mapped::Messages;
use crate::ring::broadcast::read;
use crate::ring::broadcast::read::{Newest, Next, Place};
use crate::ring::mapped::{MappedRing, ReadClaim};
use crate::ring::memory::RingMemory;
use crate::ring::word::{Standing, standing};
use crate::ring::{RETRIES, Range};
use crate::sync::Ordering;
use crate::wait::barrier;
use core::cell::Cell;

/// Most messages between two stores of a cursor, which is also at most a sixteenth of the capacity.
const STRIDE: u64 = 64;

/// How a subscriber gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Reliable,
    Lossy,
    Latest,
}

/// What a consumer of a broadcast or latest channel has beside its handle.
#[derive(Debug)]
pub(crate) struct Subscriber {
    mode: Mode,
    /// Whether the channel has one producer at a time.
    single: bool,
    place: Place,
    /// The cursor that producers see.
    shown: Cell<u64>,
    stride: u64,
    /// The messages handed out: the first position of each claim.
    held: [Cell<Option<Range>>; CELLS],
    holding: Cell<u32>,
    /// Messages of lossy subscribers, by claim.
    copies: [Messages; CELLS],
    /// How many were missed in all, since the last message, and before each claim.
    missed: Cell<u64>,
    missed_since: Cell<u64>,
    missed_before: [Cell<u64>; CELLS],
    /// A message that is not to be handed out again: it could not be read, and what came with it was given back.
    bad: Cell<Option<u64>>,
}

impl Subscriber {
    pub(crate) fn new(mode: Mode, single: bool, beginning: Beginning, capacity: u64) -> Self {
        Self {
            mode,
            single,
            shown: Cell::new(beginning.skip),
            stride: (capacity / 16).clamp(1, STRIDE),
            held: Default::default(),
            holding: Cell::new(0),
            copies: Default::default(),
            missed: Cell::new(beginning.missed),
            missed_since: Cell::new(beginning.missed),
            missed_before: Default::default(),
            bad: Cell::new(None),
            place: Place::new(beginning),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The next message where nothing is in the way, as nearly always: a reliable subscriber that holds none, and it is there.
    /// `None`, and nothing was done, where anything is different; the usual way finds out what.
    #[inline(always)]
    fn next_at_once(&self, handle: &Handle) -> Option<ReadClaim> {
        let is_free = self.mode == Mode::Reliable && self.holding.get() == 0 && self.bad.get().is_none();
        let position = self.place.next.get();
        if !is_free || position < self.place.skip.get() || !handle.is_ours() {
            return None;
        }
        // Acquire: as in Place::look.
        let word = handle.ring.sequence(position).load(Ordering::Acquire);
        let range = Range {
            first: position,
            count: 1,
        };
        if word != position.wrapping_add(1) {
            return None;
        }
        if let Some(soon) = handle.soon(range, handle.ready.get()) {
            handle.ring.prefetch_read(soon);
        }
        Some(handle.ring.reading(range, 0))
    }

    /// As [`Consumer::sees_nothing`](crate::raw::Consumer).
    #[inline(always)]
    pub(crate) fn sees_nothing(&self, handle: &Handle) -> bool {
        // Acquire: as in Place::look; nothing is read through it.
        let position = self.place.next.get();
        let word = handle.ring.sequence(position).load(Ordering::Acquire);
        word != position.wrapping_add(1) && self.is_just_empty(handle, position, word)
    }

    /// Whether `word` says that the message of `position`, which comes next, is yet to be published, and a look at everything else would
    /// bring nothing. It is a poll in vain then, and counted as one.
    #[inline(never)]
    fn is_just_empty(&self, handle: &Handle, position: u64, word: u64) -> bool {
        let lap_before = position.wrapping_add(1).wrapping_sub(handle.ring.capacity());
        let is_coming = word == lap_before || is_unpublished(word, position);
        let is_at_rest = self.mode == Mode::Reliable
            && self.holding.get() == 0
            && self.bad.get().is_none()
            && position >= self.place.skip.get()
            && self.shown.get() == position;
        if !is_coming || !is_at_rest || !handle.is_ours() || handle.ended() != 0 {
            return false;
        }
        handle
            .registration()
            .found_nothing_at
            .store(position, Ordering::Relaxed);
        handle.polled_in_vain();
        handle.count_in_vain();
        true
    }

    /// Takes it, if one is asked for.
    #[inline(always)]
    pub(crate) fn take_at_once(&self, handle: &Handle, min: usize, max: usize) -> Option<ReadClaim> {
        if (min, max) != (1, 1) {
            return None;
        }
        let claim = self.next_at_once(handle)?;
        // As in `take_reliable`.
        if self.shown.get() != self.place.needed() {
            self.show_if(handle, u64::MAX);
        }
        self.place.next.set(claim.range().first.wrapping_add(1));
        self.hold(0, claim.range());
        Some(claim)
    }

    /// Has `read` look at it, and is done with it. Gives its length too. `None`, and it is still the next one, when `read` gives that.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, handle: &Handle, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<(R, u32)> {
        let claim = self.next_at_once(handle)?;
        let len = handle.ring.payload_len(&claim, 0);
        // The cursor that producers see is not above the message before the next line but one.
        let value = read(handle.ring.bytes(&claim, 0, len)?)?;
        self.place.next.set(claim.range().first.wrapping_add(1));
        self.missed_since.set(0);
        self.show_if(handle, self.stride);
        Some((value, len))
    }

    #[inline]
    fn hold(&self, cell: usize, range: Range) {
        self.held[cell].set(Some(range));
        self.holding.set(self.holding.get() + 1);
        self.missed_before[cell].set(self.missed_since.replace(0));
    }

    /// As [`Consumer::claim`](crate::raw::Consumer::claim), by the usual way. Counts a call that fails.
    #[inline(never)]
    pub(crate) fn claim(&self, handle: &Handle, min: usize, max: usize, wait: Wait) -> Result<ReadClaim> {
        self.claim_waiting(handle, min, max, wait)
            .map_err(|error| handle.failing(error))
    }

    #[inline]
    fn claim_waiting(&self, handle: &Handle, min: usize, max: usize, wait: Wait) -> Result<ReadClaim> {
        let min = handle.check_batch(min)?;
        let max = handle.clamp_batch(max).max(min);
        if self.mode == Mode::Latest && min > 1 {
            return Err(Error::BatchTooLarge {
                count: min as usize,
                limit: 1,
            });
        }
        handle.check()?;
        match self.try_claim(handle, min, max) {
            Err(Error::Empty) => {}
            other => return other,
        }
        match wait.deadline() {
            None => {
                handle.polled_in_vain();
                Err(Error::Empty)
            }
            Some(deadline) => {
                let attempt = || {
                    handle.check()?;
                    self.try_claim(handle, min, max)
                };
                handle.wait(handle.data(), deadline, min, attempt, || false)
            }
        }
    }

    #[inline]
    fn try_claim(&self, handle: &Handle, min: u32, max: u32) -> Result<ReadClaim> {
        let cell = self.free_cell()?;
        match self.take(handle, cell, min, max)? {
            Some(claim) => Ok(claim),
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

    /// What is there, if it is enough.
    #[inline]
    fn take(&self, handle: &Handle, cell: usize, min: u32, max: u32) -> Result<Option<ReadClaim>> {
        let ring = &handle.ring;
        let range = match self.mode {
            Mode::Reliable => self.take_reliable(handle, min, max)?,
            Mode::Lossy => self.take_lossy(ring, cell, min, max),
            Mode::Latest => self.take_newest(ring, cell, self.place.next.get()),
        };
        let Some(range) = range else { return Ok(None) };
        self.hold(cell, range);
        Ok(Some(ring.reading(range, cell)))
    }

    #[inline]
    fn take_reliable(&self, handle: &Handle, min: u32, max: u32) -> Result<Option<Range>> {
        // What was released before and not shown, in case that somebody waits for it since.
        if self.shown.get() != self.place.needed() {
            self.show_if(handle, u64::MAX);
        }
        match self.look(&handle.ring, min, max) {
            Next::Messages(range) => {
                self.place.next.set(range.first.wrapping_add(u64::from(range.count)));
                Ok(Some(range))
            }
            Next::Nothing => Ok(None),
            Next::Overrun => Err(Error::corrupt(format!(
                "message {} of channel {} was overwritten while a reliable subscriber needed it",
                self.place.next.get().wrapping_add(1),
                handle.properties.label()
            ))),
        }
    }

    /// As [`Place::look`], around a message that is not to be handed out again.
    #[inline]
    fn look(&self, ring: &MappedRing, min: u32, max: u32) -> Next {
        // Overrun, a subscriber may have left it behind.
        let Some(bad) = self.bad.get().filter(|&bad| bad >= self.place.next.get()) else {
            return self.place.look(ring, min, max);
        };
        if self.place.next.get() == bad {
            self.bad.set(None);
            self.place.next.set(bad.wrapping_add(1));
            return self.place.look(ring, min, max);
        }
        let before = bad.saturating_sub(self.place.next.get()).clamp(1, u64::from(max)) as u32;
        self.place.look(ring, min.min(before), before)
    }

    fn take_lossy(&self, ring: &MappedRing, cell: usize, min: u32, max: u32) -> Option<Range> {
        let copies = &self.copies[cell];
        for _ in 0..RETRIES {
            match self.look(ring, min, max) {
                Next::Nothing => return None,
                Next::Overrun => self.miss(self.place.jump(ring, self.single)),
                Next::Messages(Range { first, count }) => {
                    // SAFETY: the cell has no claim, and what was borrowed borrowed one.
                    unsafe { copies.prepare(count, ring.payload_capacity()) };
                    let is_whole = |index: &u32| {
                        // SAFETY: as above.
                        unsafe { copies.copy_out(ring, first.wrapping_add(u64::from(*index)), *index) }
                    };
                    let whole = (0..count).take_while(is_whole).count() as u32;
                    if whole > 0 {
                        self.place.next.set(first.wrapping_add(u64::from(whole)));
                        return Some(Range { first, count: whole });
                    }
                }
            }
        }
        None
    }

    /// The newest message, if its position is not below `from`.
    fn take_newest(&self, ring: &MappedRing, cell: usize, from: u64) -> Option<Range> {
        let copies = &self.copies[cell];
        for _ in 0..RETRIES {
            match read::newest(ring, from) {
                Newest::Nothing { .. } => return None,
                Newest::Overrun => {}
                Newest::Message(position) => {
                    // SAFETY: the cell has no claim, and what was borrowed borrowed one.
                    unsafe { copies.prepare(1, ring.payload_capacity()) };
                    // SAFETY: as above.
                    if unsafe { copies.copy_out(ring, position, 0) } {
                        let seen = self.place.next.get();
                        // The first look misses nothing.
                        if seen != 0 && position > seen {
                            self.miss(position - seen);
                        }
                        self.place.next.set(seen.max(position.wrapping_add(1)));
                        return Some(Range {
                            first: position,
                            count: 1,
                        });
                    }
                }
            }
        }
        None
    }

    /// The newest message of a latest channel, seen before or not.
    pub(crate) fn claim_newest(&self, handle: &Handle) -> Result<ReadClaim> {
        if self.mode != Mode::Latest {
            return Err(not_latest());
        }
        handle.check()?;
        let cell = self.free_cell()?;
        let range = self.take_newest(&handle.ring, cell, 0).ok_or(Error::Empty)?;
        self.hold(cell, range);
        Ok(handle.ring.reading(range, cell))
    }

    fn miss(&self, count: u64) {
        self.missed.set(self.missed.get().saturating_add(count));
        self.missed_since.set(self.missed_since.get().saturating_add(count));
    }

    /// Nothing to take: is that the end, or not yet?
    #[cold]
    fn rest(&self, handle: &Handle, cell: usize, min: u32, max: u32) -> Result<ReadClaim> {
        self.show(handle);
        let found_nothing_at = &handle.registration().found_nothing_at;
        found_nothing_at.store(self.place.next.get(), Ordering::Relaxed);
        let ended = handle.ended();
        if ended == 0 {
            return Err(if self.waits_for_itself(&handle.ring, min) {
                Error::WouldDeadlock
            } else {
                Error::Empty
            });
        }
        if self.single {
            // Pairs with the barrier in publisher::announce: a producer that did not see the flag has marked its slot before the
            // next line. Where this process cannot have others run a barrier and the producer relies on it, what is being sent at
            // this very moment may be missed.
            barrier::heavy();
        }
        // What is left may be less than `min`.
        if let Some(claim) = self.take(handle, cell, 1, max)? {
            return Ok(claim);
        }
        Err(if self.is_coming(handle) {
            Error::Empty
        } else {
            end_error(ended)
        })
    }

    /// Whether somebody may yet publish what this subscriber would get, on a channel that was closed before the call.
    fn is_coming(&self, handle: &Handle) -> bool {
        let ring = &handle.ring;
        // Before the words: a producer that has gone by now has published what it was sending.
        let alive = self.single && has_producer(handle);
        // SeqCst: of the flag and the tail, as on the queue; see raw::Producer::try_claim. Of a single producer before the look for
        // the newest: what is published meanwhile lies at this tail.
        let tail = ring.tail().load(Ordering::SeqCst);
        let newest = |pending| match read::newest(ring, self.place.next.get()) {
            Newest::Message(_) | Newest::Overrun => true,
            Newest::Nothing { pending: found } => found && pending,
        };
        // Acquire: as in `Place::look`.
        let there = |position| standing(ring.sequence(position).load(Ordering::Acquire), position);
        if self.single {
            let next = self.place.next.get();
            return match (self.mode, there(if self.mode == Mode::Latest { tail } else { next })) {
                // Of a latest channel what lies at the tail is published when the tail has moved.
                (Mode::Latest, standing) => newest(false) || (standing != Standing::Behind && alive),
                // Published since the caller looked, or overwritten.
                (_, Standing::Readable | Standing::Aborted | Standing::Passed | Standing::Ahead) => true,
                (_, Standing::Free) => alive,
                (_, Standing::Behind) => false,
            };
        }
        match self.mode {
            Mode::Latest => newest(true),
            Mode::Reliable | Mode::Lossy => self.place.next.get() < tail,
        }
    }

    /// Whether the messages that this subscriber holds keep producers from sending what it waits for.
    fn waits_for_itself(&self, ring: &MappedRing, min: u32) -> bool {
        self.mode == Mode::Reliable
            && self.holding.get() > 0
            && self
                .place
                .needed()
                .saturating_add(u64::from(min))
                .saturating_sub(self.lowest())
                > ring.capacity()
    }

    /// The lowest position that is held or will be read.
    #[inline]
    fn lowest(&self) -> u64 {
        let needed = self.place.needed();
        if self.holding.get() == 0 {
            return needed;
        }
        let held = self.held.iter().filter_map(Cell::get).map(|range| range.first);
        held.fold(needed, u64::min)
    }

    /// Shows producers what is not needed any more.
    fn show(&self, handle: &Handle) {
        if self.mode == Mode::Reliable {
            self.show_if(handle, 1);
        }
    }

    /// The same when there are `stride` positions to show, or a producer waits for one.
    #[inline]
    fn show_if(&self, handle: &Handle, stride: u64) {
        let lowest = self.lowest();
        let more = lowest.saturating_sub(self.shown.get());
        // Relaxed: a producer that falls asleep at this moment is seen by the next look.
        let asleep = || handle.ring.record().space_waiters.load(Ordering::Relaxed) & waiters::ARMED != 0;
        if more >= stride || (more > 0 && asleep()) {
            // Release: pairs with the acquire in mapped::look; the reads of what lies before are over.
            handle.ring.handle().cursor.store(lowest, Ordering::Release);
            self.shown.set(lowest);
            handle.space().notify(u32::MAX, false);
        }
    }

    /// Lets go of a claim.
    #[inline]
    pub(crate) fn release(&self, handle: &Handle, claim: &ReadClaim) {
        self.drop_claim(claim);
        if self.mode == Mode::Reliable {
            self.show_if(handle, self.stride);
        }
    }

    #[inline]
    fn drop_claim(&self, claim: &ReadClaim) {
        if let Some(cell) = claim.cell() {
            self.held[cell].set(None);
            self.holding.set(self.holding.get() - 1);
        }
    }

    /// Goes back to the first message of a claim, if it is the last one taken; otherwise only lets go of it. Message `bad` is not
    /// handed out again.
    pub(crate) fn give_back(&self, handle: &Handle, claim: &ReadClaim, bad: u32) {
        let range = claim.range();
        let is_last = range.first.wrapping_add(u64::from(range.count)) == self.place.next.get();
        self.drop_claim(claim);
        if is_last {
            self.place.next.set(range.first);
            self.bad
                .set((bad < range.count).then(|| range.first.wrapping_add(u64::from(bad))));
            // What was missed before these messages is missed before them again.
            if let Some(cell) = claim.cell() {
                self.missed_since
                    .set(self.missed_since.get().saturating_add(self.missed_before[cell].get()));
            }
        }
        self.show(handle);
    }

    /// The metadata of message `index` of a claim.
    #[inline]
    pub(crate) fn read_meta(&self, ring: &MappedRing, claim: &ReadClaim, index: u32) -> MessageMeta {
        match (self.mode, claim.cell()) {
            (Mode::Lossy | Mode::Latest, Some(cell)) => {
                ring.own_read(claim);
                assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
                self.copies[cell].meta(index)
            }
            _ => ring.read_meta(claim, index),
        }
    }

    /// What the metadata says of a message's length.
    #[inline]
    pub(crate) fn payload_len(&self, ring: &MappedRing, claim: &ReadClaim, index: u32) -> u32 {
        match self.mode {
            Mode::Reliable => ring.payload_len(claim, index),
            Mode::Lossy | Mode::Latest => self.read_meta(ring, claim, index).payload_len,
        }
    }

    /// The first `len` bytes of message `index` of a claim; `None` when a message does not have so many.
    #[inline]
    pub(crate) fn bytes<'a>(
        &'a self,
        ring: &'a MappedRing,
        claim: &'a ReadClaim,
        index: u32,
        len: u32,
    ) -> Option<&'a [u8]> {
        match (self.mode, claim.cell()) {
            (Mode::Lossy | Mode::Latest, Some(cell)) => {
                ring.own_read(claim);
                assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
                if len > ring.payload_capacity() {
                    return None;
                }
                // SAFETY: they change when the cell is claimed anew, after this claim, which is borrowed.
                unsafe { self.copies[cell].bytes(index, len as usize) }
            }
            _ => ring.bytes(claim, index, len),
        }
    }

    pub(crate) fn add_missed(&self, metadata: Metadata, claim: &ReadClaim, index: u32) -> Metadata {
        let missed = match (index, claim.cell()) {
            (0, Some(cell)) => self.missed_before[cell].get(),
            _ => 0,
        };
        Metadata { missed, ..metadata }
    }

    pub(crate) fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Messages that were sent and that this subscriber has yet to get.
    pub(crate) fn len(&self, ring: &MappedRing) -> u64 {
        let tail = ring.tail().load(Ordering::Acquire);
        let ahead = tail.saturating_sub(self.place.needed()).min(ring.capacity());
        if self.mode == Mode::Latest { ahead.min(1) } else { ahead }
    }

    /// Producers need not wait for this subscriber any more. The handle is about to go.
    pub(crate) fn leave(&self, handle: &Handle) {
        if self.mode == Mode::Reliable {
            // Release: its reads are over.
            handle.ring.handle().cursor.store(u64::MAX, Ordering::Release);
            handle.space().notify(u32::MAX, false);
        }
    }
}

/// Whether a living handle may be sending on the channel.
fn has_producer(handle: &Handle) -> bool {
    let mapping = handle.ring.attachment().mapping();
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
        })
}

pub(crate) fn not_latest() -> Error {
    Error::invalid("newest is for latest channels only; receive what comes on this one")
}

//! Consuming on a broadcast or latest channel.
//!
//! A reliable subscriber borrows messages where they lie: producers come no further than the cursor that it shows plus the
//! capacity, and it shows none that is above a message it holds. A lossy one, and a reader of latest values, copies each message and
//! looks afterwards whether it was overwritten meanwhile.

use crate::delivery::end_error;
use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{CELLS, MessageMeta, ROLE_PRODUCER, waiters};
use crate::liveness::RecordState;
use crate::ring::broadcast::is_unpublished;
use crate::ring::broadcast::limit::Beginning;
use crate::ring::broadcast::mapped::Messages;
use crate::ring::broadcast::read;
use crate::ring::broadcast::read::{Newest, Next, Place};
use crate::ring::claim::{ReadClaim, Rest};
use crate::ring::mapped::{MappedRing, View};
use crate::ring::memory::RingMemory;
use crate::ring::strided::Strided;
use crate::ring::word::{Standing, standing};
use crate::ring::{RETRIES, Range};
use crate::sync::Ordering;
use crate::wait::barrier;
use core::cell::Cell;
use core::ptr::NonNull;

/// Most messages between two stores of a cursor, which is also at most a sixteenth of the capacity.
const STRIDE: u64 = 64;

/// How a subscriber gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Reliable,
    Lossy,
    Latest,
}

/// The consuming side of a broadcast or latest channel.
#[derive(Debug)]
pub(crate) struct Subscriber {
    handle: Handle,
    mode: Mode,
    /// Whether the channel has one producer at a time.
    single: bool,
    place: Place,
    /// The cursor that producers see.
    shown: Cell<u64>,
    stride: u64,
    /// Messages of lossy subscribers, by entry of the claim.
    copies: [Messages; CELLS],
    /// How many were missed in all, since the last message, and before each claim.
    missed: Cell<u64>,
    missed_since: Cell<u64>,
    /// By entry of the claim, with the claim's first position: what was taken the shortest way says nothing here.
    missed_before: [Cell<(u64, u64)>; CELLS],
    /// A message that is not to be handed out again: it could not be read, and what came with it was given back.
    bad: Cell<Option<u64>>,
}

impl Subscriber {
    pub(crate) fn new(handle: Handle, mode: Mode, beginning: Beginning) -> Self {
        let capacity = handle.properties.capacity;
        let unchecked = !handle.properties.checksums();
        // As in `look_for_apart`.
        handle.held.set_usual(
            mode == Mode::Reliable && unchecked && beginning.next >= beginning.skip && beginning.missed == 0,
        );
        Self {
            mode,
            single: handle.properties.single_producer(),
            handle,
            shown: Cell::new(beginning.skip),
            stride: (capacity / 16).clamp(1, STRIDE),
            copies: Default::default(),
            missed: Cell::new(beginning.missed),
            missed_since: Cell::new(beginning.missed),
            missed_before: Default::default(),
            bad: Cell::new(None),
            place: Place::new(beginning),
        }
    }

    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The next message where nothing is in the way, as nearly always: a reliable subscriber that holds none, and it is there.
    /// `None`, and nothing was done, where anything is different; the usual way finds out what.
    #[inline(always)]
    fn next_at_once(&self, ring: View<'_>) -> Option<u64> {
        let handle = &self.handle;
        let position = self.place.next.get();
        // Acquire: as in Place::look.
        let word = ring.sequence(position).load(Ordering::Acquire);
        if word != position.wrapping_add(1) {
            return None;
        }
        if !handle.held.can_hold_only() || !handle.is_ours() {
            return None;
        }
        if let Some(soon) = Handle::soon(position, handle.ready.get()) {
            ring.prefetch_read(soon);
        }
        Some(position)
    }

    /// Whether a call that does not wait finds nothing, for no other reason than that nothing was published yet.
    #[inline(always)]
    pub(crate) fn sees_nothing(&self) -> bool {
        let position = self.place.next.get();
        if self.mode == Mode::Latest {
            // The tail, which is stored last. A slot's line would be taken from the producer between its mark and its publication.
            return self.has_seen_newest(position);
        }
        // Acquire: as in Place::look; nothing is read through it.
        let word = self.handle.ring.sequence(position).load(Ordering::Acquire);
        word != position.wrapping_add(1) && self.is_just_empty(position, word)
    }

    /// Whether `word` says that the message of `position`, which comes next, is yet to be published, and a look at everything else would
    /// bring nothing.
    #[inline(never)]
    fn is_just_empty(&self, position: u64, word: u64) -> bool {
        let handle = &self.handle;
        let lap_before = position.wrapping_add(1).wrapping_sub(handle.ring.capacity());
        let is_coming = word == lap_before || is_unpublished(word, position);
        let is_at_rest = self.mode == Mode::Reliable
            && handle.held.is_empty()
            && self.bad.get().is_none()
            && position >= self.place.skip.get()
            && self.shown.get() == position;
        if !is_coming || !is_at_rest || !handle.is_ours() || handle.ended_for_consumer() != 0 {
            return false;
        }
        handle
            .registration()
            .found_nothing_at
            .store(position, Ordering::Relaxed);
        true
    }

    /// Whether nothing was claimed on a latest channel that this consumer has not seen, on one that goes on.
    #[inline]
    fn has_seen_newest(&self, next: u64) -> bool {
        let handle = &self.handle;
        // SeqCst: as in read::newest.
        let is_seen = handle.ring.tail().load(Ordering::SeqCst) <= next;
        if !is_seen || !handle.can_claim() || handle.ended_for_consumer() != 0 {
            return false;
        }
        handle.registration().found_nothing_at.store(next, Ordering::Relaxed);
        true
    }

    /// Claims the next message where nothing is in the way: its payload. The claim has entry 0. A message whose length is not `len` is
    /// not for this way, and stays the next one.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, len: usize) -> Option<NonNull<u8>> {
        let (handle, ring) = (&self.handle, self.handle.ring.view());
        let position = self.next_at_once(ring)?;
        if ring.len_at(position) as usize != len || len > handle.ring.payload_capacity() as usize {
            return None;
        }
        // As in `take_reliable`.
        if self.shown.get() != position && self.is_awaited() {
            self.show();
        }
        self.place.next.set(position.wrapping_add(1));
        handle.held.hold_only(position);
        Some(ring.payload(position))
    }

    /// Has `read` look at the next message, and is done with it, where nothing is in the way. `None`, and it is still the next one,
    /// where anything is, and when `read` gives that.
    #[inline(always)]
    pub(crate) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        let (handle, ring) = (&self.handle, self.handle.ring.view());
        let Some(position) = self.next_at_once(ring) else {
            return if self.mode == Mode::Latest {
                self.read_newest(read)
            } else {
                None
            };
        };
        // SAFETY: the cursor that producers see is not above the position before it is read.
        let payload = unsafe { ring.read(position)? };
        let len = payload.len();
        let value = read(payload)?;
        let next = position.wrapping_add(1);
        self.place.next.set(next);
        self.pass(next);
        if handle.count(1, len as u64) {
            handle.look_ahead();
        }
        Some(value)
    }

    /// The same of the newest message of a latest channel: has `read` look at a copy.
    #[inline(never)]
    fn read_newest<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        let (handle, ring, copies) = (&self.handle, self.handle.ring.view(), &self.copies[0]);
        if !handle.held.is_empty() || handle.properties.checksums() || !handle.is_ours() {
            return None;
        }
        let seen = self.place.next.get();
        let Newest::Message(position, word) = read::newest(&ring, seen) else {
            return None;
        };
        // The first time there is no room; the usual way makes it.
        // SAFETY: there is no claim, and what was borrowed borrowed one.
        let payload = unsafe { copies.copy_payload(ring, position, word)? };
        let len = payload.len();
        let value = read(payload)?;
        self.pass_over(position);
        // Nobody asks what was missed before this message.
        self.missed_since.set(0);
        if handle.count(1, len as u64) {
            handle.look_ahead();
        }
        Some(value)
    }

    /// Goes on behind a message of a latest channel.
    #[inline]
    fn pass_over(&self, position: u64) {
        let seen = self.place.next.get();
        // The first look misses nothing.
        if seen != 0 && position > seen {
            self.miss(position - seen);
        }
        self.place.next.set(seen.max(position.wrapping_add(1)));
    }

    /// Releases the only claim, on one message of `len` bytes, where nothing is in the way; whether that was done.
    #[inline(always)]
    pub(crate) fn release_at_once(&self, len: usize) -> bool {
        let handle = &self.handle;
        if handle.held.only().is_none() {
            return false;
        }
        if handle.is_ours() {
            handle.held.let_go_only();
            self.pass(self.place.next.get());
            if handle.count(1, len as u64) {
                handle.look_ahead();
            }
        }
        true
    }

    /// As [`show_if`](Self::show_if) there is a stride to show, where all messages before `next` are done with.
    #[inline(always)]
    fn pass(&self, next: u64) {
        if next.wrapping_sub(self.shown.get()) >= self.stride || self.is_awaited() {
            self.show();
        }
    }

    #[inline]
    fn hold(&self, entry: usize, range: Range) -> ReadClaim {
        let rest = Rest::new(range.count, entry as u8);
        self.handle.held.hold(range.first, rest);
        self.missed_before[entry].set((range.first, self.missed_since.replace(0)));
        self.handle.ring.reading((range.first, rest))
    }

    /// An attempt, and why it failed.
    #[inline]
    pub(crate) fn attempt(&self, min: u32, max: u32) -> Result<ReadClaim> {
        if self.mode == Mode::Latest && min == 1 && self.has_seen_newest(self.place.next.get()) {
            return Err(Error::Empty);
        }
        if self.mode == Mode::Latest && min > 1 {
            return Err(Error::BatchTooLarge {
                count: min as usize,
                limit: 1,
            });
        }
        let handle = &self.handle;
        handle.check()?;
        let entry = handle.held.free().ok_or(Error::TooManyClaims { limit: CELLS })?;
        match self.take(entry, min, max)? {
            Some(claim) => Ok(claim),
            None => self.rest(entry, min, max),
        }
    }

    /// What is there, if it is enough.
    #[inline]
    fn take(&self, entry: usize, min: u32, max: u32) -> Result<Option<ReadClaim>> {
        let range = match self.mode {
            Mode::Reliable => self.take_reliable(min, max)?,
            Mode::Lossy => self.take_lossy(entry, min, max),
            Mode::Latest => self.take_newest(entry, self.place.next.get()),
        };
        let claim = range.map(|range| self.hold(entry, range));
        self.look_for_apart();
        Ok(claim)
    }

    #[inline]
    fn take_reliable(&self, min: u32, max: u32) -> Result<Option<Range>> {
        // What was released before and not shown, in case that somebody waits for it since.
        if self.shown.get() != self.place.needed() {
            self.show_if(u64::MAX);
        }
        match self.look(&self.handle.ring, min, max) {
            Next::Messages(range) => {
                self.place.next.set(range.first.wrapping_add(u64::from(range.count)));
                Ok(Some(range))
            }
            Next::Nothing => Ok(None),
            Next::Overrun => Err(Error::corrupt(format!(
                "message {} of channel {} was overwritten while a reliable subscriber needed it",
                self.place.next.get().wrapping_add(1),
                self.handle.properties.label()
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

    fn take_lossy(&self, entry: usize, min: u32, max: u32) -> Option<Range> {
        let (ring, copies) = (&self.handle.ring, &self.copies[entry]);
        for _ in 0..RETRIES {
            match self.look(ring, min, max) {
                Next::Nothing => return None,
                Next::Overrun => self.miss(self.place.jump(ring, self.single)),
                Next::Messages(Range { first, count }) => {
                    // SAFETY: the cell has no claim, and what was borrowed borrowed one.
                    unsafe { copies.prepare(count, ring.payload_capacity()) };
                    let is_whole = |index: &u32| {
                        let position = first.wrapping_add(u64::from(*index));
                        // SAFETY: as above.
                        unsafe { copies.copy_out(ring, position, position.wrapping_add(1), *index) }
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
    fn take_newest(&self, entry: usize, from: u64) -> Option<Range> {
        let (ring, copies) = (&self.handle.ring, &self.copies[entry]);
        for _ in 0..RETRIES {
            match read::newest(ring, from) {
                Newest::Nothing { .. } => return None,
                Newest::Overrun => {}
                Newest::Message(position, word) => {
                    // SAFETY: the cell has no claim, and what was borrowed borrowed one.
                    unsafe { copies.prepare(1, ring.payload_capacity()) };
                    // SAFETY: as above.
                    if unsafe { copies.copy_out(ring, position, word, 0) } {
                        self.pass_over(position);
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
    pub(crate) fn claim_newest(&self) -> Result<ReadClaim> {
        if self.mode != Mode::Latest {
            return Err(not_latest());
        }
        let handle = &self.handle;
        handle.check()?;
        let entry = handle.held.free().ok_or(Error::TooManyClaims { limit: CELLS })?;
        let range = self.take_newest(entry, 0).ok_or(Error::Empty)?;
        Ok(self.hold(entry, range))
    }

    fn miss(&self, count: u64) {
        self.missed.set(self.missed.get().saturating_add(count));
        self.missed_since.set(self.missed_since.get().saturating_add(count));
    }

    /// Nothing to take: is that the end, or not yet?
    #[cold]
    fn rest(&self, entry: usize, min: u32, max: u32) -> Result<ReadClaim> {
        let handle = &self.handle;
        self.show();
        let found_nothing_at = &handle.registration().found_nothing_at;
        found_nothing_at.store(self.place.next.get(), Ordering::Relaxed);
        let ended = handle.ended_for_consumer();
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
        if let Some(claim) = self.take(entry, 1, max)? {
            return Ok(claim);
        }
        Err(if self.is_coming() {
            Error::Empty
        } else {
            end_error(&self.handle, ended)
        })
    }

    /// Whether somebody may yet publish what this subscriber would get, on a channel that was closed before the call.
    fn is_coming(&self) -> bool {
        let (handle, ring) = (&self.handle, &self.handle.ring);
        // Before the words: a producer that has gone by now has published what it was sending.
        let alive = self.single && has_producer(handle);
        // SeqCst: of the flag and the tail, as on the queue; see raw::Producer::try_claim. Of a single producer before the look for
        // the newest: what is published meanwhile lies at this tail.
        let tail = ring.tail().load(Ordering::SeqCst);
        let newest = |pending| match read::newest(ring, self.place.next.get()) {
            Newest::Message(..) | Newest::Overrun => true,
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
            && !self.handle.held.is_empty()
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
        self.handle
            .held
            .ranges()
            .fold(needed, |lowest, range| lowest.min(range.first))
    }

    /// Whether the shortest way is for what comes next: for a reliable subscriber without a message that could not be read and without
    /// positions to be passed over, on a channel without checksums.
    fn look_for_apart(&self) {
        let is_apart =
            self.bad.get().is_some() || self.place.next.get() < self.place.skip.get() || self.missed_since.get() != 0;
        let is_usual = self.mode == Mode::Reliable && !is_apart && !self.handle.properties.checksums();
        self.handle.held.set_usual(is_usual);
    }

    /// Whether a producer waits for slots. Relaxed: one that falls asleep at this moment is seen by the next look.
    #[inline(always)]
    fn is_awaited(&self) -> bool {
        self.handle.ring.record().space_waiters.load(Ordering::Relaxed) & waiters::ARMED != 0
    }

    /// Shows producers what is not needed any more.
    fn show(&self) {
        if self.mode == Mode::Reliable {
            self.show_if(1);
        }
    }

    /// The same when there are `stride` positions to show, or a producer waits for one.
    #[inline(always)]
    fn show_if(&self, stride: u64) {
        let handle = &self.handle;
        let lowest = if handle.held.is_empty() {
            self.place.needed()
        } else {
            self.lowest()
        };
        let more = lowest.saturating_sub(self.shown.get());
        if more >= stride || (more > 0 && self.is_awaited()) {
            // Release: pairs with the acquire in mapped::look; the reads of what lies before are over.
            handle.ring.handle().cursor.store(lowest, Ordering::Release);
            self.shown.set(lowest);
            handle.space().notify(u32::MAX, false);
        }
    }

    /// Lets go of received messages.
    #[inline]
    pub(crate) fn release(&self, claim: ReadClaim) {
        let (handle, ring) = (&self.handle, &self.handle.ring);
        ring.own_read(&claim);
        if handle.is_ours() {
            let (count, mut bytes) = (claim.count(), 0);
            for index in 0..count {
                bytes += u64::from(self.payload_len(&claim, index).min(ring.payload_capacity()));
            }
            handle.held.let_go(claim.entry());
            if self.mode == Mode::Reliable {
                self.show_if(self.stride);
            }
            if handle.count(count, bytes) {
                handle.look_ahead();
            }
        }
    }

    /// Returns the messages of a claim, as [`put_back`](Self::put_back) does.
    pub(crate) fn give_back(&self, claim: ReadClaim) {
        self.put_back(claim, None);
    }

    /// Goes back to the first message of a claim, if it is the last one taken; otherwise only lets go of it. Message `bad`,
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
        let is_last = range.first.wrapping_add(u64::from(range.count)) == self.place.next.get();
        self.handle.held.let_go(claim.entry());
        if is_last {
            self.place.next.set(range.first);
            let bad = bad.filter(|&bad| bad < range.count);
            self.bad.set(bad.map(|bad| range.first.wrapping_add(u64::from(bad))));
            self.look_for_apart();
            // What was missed before these messages is missed before them again.
            let missed = self.missed_before(&claim);
            self.missed_since.set(self.missed_since.get().saturating_add(missed));
        }
        self.show();
    }

    /// The metadata of message `index` of a claim.
    #[inline]
    pub(crate) fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        let ring = &self.handle.ring;
        if self.mode == Mode::Reliable {
            return ring.read_meta(claim, index);
        }
        ring.own_read(claim);
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        self.copies[claim.entry()].meta(index)
    }

    /// What the metadata says of a message's length.
    #[inline]
    pub(crate) fn payload_len(&self, claim: &ReadClaim, index: u32) -> u32 {
        match self.mode {
            Mode::Reliable => self.handle.ring.payload_len(claim, index),
            Mode::Lossy | Mode::Latest => self.read_meta(claim, index).payload_len,
        }
    }

    /// Where the messages of a claim lie, if each has `len` bytes.
    #[inline]
    pub(crate) fn strided(&self, claim: &ReadClaim, len: usize) -> Option<Strided> {
        let ring = &self.handle.ring;
        ring.own_read(claim);
        let range = claim.range();
        if self.mode == Mode::Reliable {
            let ring = ring.view();
            return ring.have_length(range, len).then(|| ring.payloads(range.first));
        }
        let copies = &self.copies[claim.entry()];
        let is_usual = copies.have_length(range.count, len);
        is_usual.then(|| copies.strided(range.count, len)).flatten()
    }

    /// The first `len` bytes of message `index` of a claim; `None` when a message does not have so many.
    #[inline]
    pub(crate) fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        let ring = &self.handle.ring;
        if self.mode == Mode::Reliable {
            return ring.bytes(claim, index, len);
        }
        ring.own_read(claim);
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        if len > ring.payload_capacity() {
            return None;
        }
        // SAFETY: they change when the entry is claimed anew, after this claim, which is borrowed.
        unsafe { self.copies[claim.entry()].bytes(index, len as usize) }
    }

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

    pub(crate) fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Messages that were sent and that this subscriber has yet to get.
    pub(crate) fn len(&self) -> u64 {
        let ring = &self.handle.ring;
        let tail = ring.tail().load(Ordering::Acquire);
        let ahead = tail.saturating_sub(self.place.needed()).min(ring.capacity());
        if self.mode == Mode::Latest { ahead.min(1) } else { ahead }
    }
}

impl Drop for Subscriber {
    /// Producers need not wait for this subscriber any more.
    fn drop(&mut self) {
        let handle = &self.handle;
        if self.mode == Mode::Reliable && handle.is_ours() {
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

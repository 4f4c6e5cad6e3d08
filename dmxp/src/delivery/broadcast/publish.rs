//! Producing on a broadcast or latest channel.
//!
//! A slot is written word by word, while lossy readers may be looking: a claim's messages are therefore written into memory of the
//! handle, and put into their slots when they are published. What is sent by reference goes into the slot directly.

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{CELLS, MessageMeta};
use crate::raw::{Producer, Wait, end_error};
use crate::ring::Range;
use crate::ring::broadcast::limit::Known;
use crate::ring::broadcast::mapped::{Messages, write};
use crate::ring::broadcast::{begin, publish, several, single};
use crate::ring::mapped::{MappedRing, WriteClaim};
use crate::ring::memory::RingMemory;
use crate::sync::{Ordering, fence};
use crate::wait::barrier;
use core::cell::Cell;

/// What a producer of a broadcast or latest channel has beside its handle.
#[derive(Debug)]
pub(crate) struct Publisher {
    single: bool,
    latest: bool,
    /// The position that comes next, of a single producer: nobody else moves the tail.
    next: Cell<u64>,
    known: Known,
    /// The ranges claimed through each cell. A single producer uses the first.
    held: [Cell<Option<Range>>; CELLS],
    staged: [Messages; CELLS],
}

impl Publisher {
    /// For a handle that was just registered. A single producer begins at `next`, where it was repaired.
    pub(crate) fn new(next: Option<u64>, latest: bool) -> Self {
        Self {
            single: next.is_some(),
            latest,
            next: Cell::new(next.unwrap_or(0)),
            known: Known::of(latest),
            held: Default::default(),
            staged: Default::default(),
        }
    }

    /// The next position, where nothing is in the way of one message, as nearly always: a single producer that holds
    /// no claim and knows of room. `None` where anything is different; the usual way finds out what.
    #[inline(always)]
    fn free_at_once(&self, handle: &Handle) -> Option<Range> {
        let first = self.next.get();
        let is_free = self.single && self.held[0].get().is_none() && first < self.known.verified();
        if !is_free || !handle.is_ours() {
            return None;
        }
        let range = Range { first, count: 1 };
        self.fetch_after(handle, range);
        Some(range)
    }

    /// As [`claim`](Self::claim) of one, where nothing is in the way. The claim has no place in memory on its way: it would be stored in
    /// parts and loaded whole, for which a processor waits until what it stored before has left for the slots.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self, handle: &Handle, min: usize, max: usize) -> Option<WriteClaim> {
        if (min, max) != (1, 1) || handle.ended() != 0 {
            return None;
        }
        let range = self.free_at_once(handle)?;
        self.held[0].set(Some(range));
        // SAFETY: as in `claim`.
        unsafe { self.staged[0].prepare(1, handle.ring.payload_capacity()) };
        Some(handle.ring.writing(range, 0))
    }

    /// As [`Producer::claim`], by the usual way. Counts a call that fails.
    #[inline(never)]
    pub(crate) fn claim(&self, handle: &Handle, min: usize, max: usize, wait: Wait) -> Result<WriteClaim> {
        let claim = self
            .claim_positions(handle, min, max, wait)
            .map_err(|error| handle.failing(error))?;
        let staged = &self.staged[claim.cell()];
        // SAFETY: whatever was borrowed of it borrowed an earlier claim with the same cell, which is used up.
        unsafe { staged.prepare(claim.count(), handle.ring.payload_capacity()) };
        Ok(claim)
    }

    #[inline]
    fn claim_positions(&self, handle: &Handle, min: usize, max: usize, wait: Wait) -> Result<WriteClaim> {
        let min = handle.check_batch(min)?;
        let max = handle.clamp_batch(max).max(min);
        handle.check()?;
        match self.try_claim(handle, min, max) {
            Err(Error::Full) => {}
            other => return other,
        }
        match wait.deadline() {
            None => {
                handle.polled_in_vain();
                Err(Error::Full)
            }
            Some(deadline) => {
                let attempt = || {
                    handle.check()?;
                    self.try_claim(handle, min, max)
                };
                handle.wait(handle.space(), deadline, min, attempt, || false)
            }
        }
    }

    #[inline]
    fn try_claim(&self, handle: &Handle, min: u32, max: u32) -> Result<WriteClaim> {
        match handle.ended() {
            0 => {}
            ended => return Err(end_error(ended)),
        }
        if self.single {
            self.try_claim_single(handle, min, max)
        } else {
            self.try_claim_several(handle, min, max)
        }
    }

    #[inline]
    fn try_claim_single(&self, handle: &Handle, min: u32, max: u32) -> Result<WriteClaim> {
        if self.held[0].get().is_some() {
            return Err(Error::TooManyClaims { limit: 1 });
        }
        let first = self.next.get();
        let count = self
            .known
            .room(&handle.ring, first, (min, max), true)
            .ok_or(Error::Full)?;
        let range = Range { first, count };
        self.fetch_after(handle, range);
        self.held[0].set(Some(range));
        Ok(handle.ring.writing(range, 0))
    }

    fn try_claim_several(&self, handle: &Handle, min: u32, max: u32) -> Result<WriteClaim> {
        let ring = &handle.ring;
        let cell = self.held.iter().position(|held| held.get().is_none());
        let cell = cell.ok_or(Error::TooManyClaims { limit: CELLS })?;
        let Some(range) = several::claim(ring, &self.known, &ring.handle().cells[cell], min, max) else {
            return Err(self.why_full(ring, min));
        };
        // After the claim, as on the queue: raw::Producer::try_claim says why.
        match handle.ended() {
            0 => {}
            ended => {
                self.abort_range(handle, range);
                return Err(end_error(ended));
            }
        }
        self.fetch_after(handle, range);
        self.held[cell].set(Some(range));
        Ok(ring.writing(range, cell))
    }

    /// Has the lines fetched of a slot that comes soon after `range`.
    #[inline(always)]
    fn fetch_after(&self, handle: &Handle, range: Range) {
        if let Some(soon) = handle.soon(range, self.known.verified()) {
            handle.ring.prefetch_write(soon);
        }
    }

    #[cold]
    fn why_full(&self, ring: &MappedRing, min: u32) -> Error {
        // For what error to give only. A claim of this handle, one lap before, is in the way of itself.
        let end = ring.tail().load(Ordering::Acquire).wrapping_add(u64::from(min));
        // On a latest channel the value before it is to stay.
        let room = ring.capacity() - u64::from(self.latest);
        let in_the_way = |held: Range| end.wrapping_sub(held.first) > room;
        if self.held.iter().filter_map(Cell::get).any(in_the_way) {
            Error::WouldDeadlock
        } else {
            Error::Full
        }
    }

    /// The bytes of message `index` of a claim of this ring, to be written.
    #[inline(always)]
    pub(crate) fn bytes_mut<'a>(&'a self, ring: &MappedRing, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        // SAFETY: only this claim leads to its cell's bytes, and it is borrowed uniquely.
        unsafe { self.staged[claim.cell()].bytes_mut(index, ring.payload_capacity() as usize) }
    }

    /// The bytes of message `index` of a claim of this ring, to be looked at.
    #[inline(always)]
    pub(crate) fn bytes<'a>(&'a self, ring: &MappedRing, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        // SAFETY: they are written through the claim only, which is borrowed.
        let bytes = unsafe { self.staged[claim.cell()].bytes(index, ring.payload_capacity() as usize) };
        bytes.unwrap_or_default()
    }

    /// Sets the metadata of message `index` of the claim with that cell.
    #[inline(always)]
    pub(crate) fn describe(&self, cell: usize, index: u32, meta: MessageMeta) {
        self.staged[cell].set_meta(index, meta);
    }

    /// Publishes positions that were claimed through `cell`, written and described. The bytes of their payloads.
    pub(crate) fn publish_staged(&self, handle: &Handle, range: Range, cell: usize) -> Result<u64> {
        let (staged, sum) = (&self.staged[cell], Cell::new(0));
        let put = |index: u32, position: u64| {
            let meta = staged.meta(index);
            // SAFETY: they are written through the claim only, which the caller has, whom nobody can interrupt.
            let payload = unsafe { staged.bytes(index, meta.payload_len as usize) };
            write(&handle.ring, position, &meta, payload.unwrap_or_default());
            sum.set(sum.get() + u64::from(meta.payload_len));
        };
        self.publish(handle, range, cell, put)?;
        Ok(sum.get())
    }

    /// Sends one message whose length was checked where nothing is in the way. `None`, and nothing was done, where anything is;
    /// [`send`](Self::send) finds out what.
    #[inline]
    pub(crate) fn send_at_once(&self, producer: &Producer, handle: &Handle, payload: &[u8]) -> Option<u64> {
        let range = self.free_at_once(handle)?;
        let (ring, position) = (&handle.ring, range.first);
        let id = position.wrapping_add(1);
        let meta = producer.meta(id, payload, crate::os::clock::now_ns());
        if announce(handle, position) != 0 {
            return None;
        }
        begin(ring, range);
        write(ring, position, &meta, payload);
        publish(ring, range, self.latest);
        single::advance(ring, range);
        self.next.set(id);
        handle.data().notify(u32::MAX, false);
        Some(id)
    }

    /// Claims, writes and publishes without a detour. `payload` gives the bytes of each message, the same each time.
    #[inline]
    pub(crate) fn send<'a>(
        &self,
        producer: &Producer,
        handle: &Handle,
        (min, max): (usize, usize),
        wait: Wait,
        payload: impl Fn(u32) -> &'a [u8],
    ) -> Result<(u64, usize)> {
        let claim = self.claim_positions(handle, min, max, wait)?;
        let (id, count) = (claim.message_id(0), claim.count());
        for index in 0..count {
            if let Err(error) = producer.check_length(payload(index).len()) {
                self.abort(handle, claim);
                return Err(error);
            }
        }
        let timestamp_ns = crate::os::clock::now_ns();
        let put = |index: u32, position: u64| {
            let payload = payload(index);
            let meta = producer.meta(position.wrapping_add(1), payload, timestamp_ns);
            write(&handle.ring, position, &meta, payload);
        };
        match self.publish(handle, claim.range(), claim.cell(), put) {
            Ok(()) => Ok((id, count as usize)),
            Err(error) => {
                self.abort(handle, claim);
                Err(error)
            }
        }
    }

    /// Has `put` write the slot of each claimed position, and makes all visible at once.
    #[inline]
    fn publish(&self, handle: &Handle, range: Range, cell: usize, put: impl Fn(u32, u64)) -> Result<()> {
        let ring = &handle.ring;
        handle.check()?;
        if self.single {
            match announce(handle, range.first) {
                0 => {}
                ended => return Err(end_error(ended)),
            }
        }
        begin(ring, range);
        for (index, position) in range.positions().enumerate() {
            put(index as u32, position);
        }
        publish(ring, range, self.latest);
        if self.single {
            single::advance(ring, range);
            self.next.set(range.first.wrapping_add(u64::from(range.count)));
        }
        self.held[cell].set(None);
        handle.data().notify(u32::MAX, false);
        self.vacated(handle);
        Ok(())
    }

    /// Gives a claim up. A single producer's positions are then those of its next messages.
    pub(crate) fn abort(&self, handle: &Handle, claim: WriteClaim) {
        handle.ring.own_write(&claim);
        if handle.check().is_ok() {
            self.held[claim.cell()].set(None);
            if !self.single {
                self.abort_range(handle, claim.range());
            }
        }
    }

    fn abort_range(&self, handle: &Handle, range: Range) {
        let aborted = &handle.ring.record().aborted;
        // Relaxed: a counter.
        aborted.fetch_add(u64::from(range.count), Ordering::Relaxed);
        several::abort(&handle.ring, range);
        handle.data().notify(u32::MAX, false);
        self.vacated(handle);
    }

    /// Wakes producers that wait for the slots of what was published or given up, to write them for the next lap.
    #[inline]
    fn vacated(&self, handle: &Handle) {
        if !self.single {
            handle.space().notify(u32::MAX, false);
        }
    }

    /// Gives up what was claimed and lost. The handle is about to go.
    pub(crate) fn leave(&self, handle: &Handle) {
        for held in &self.held {
            if let Some(range) = held.take()
                && !self.single
            {
                self.abort_range(handle, range);
            }
        }
    }

    /// Messages that the slowest reliable subscriber has yet to get.
    pub(crate) fn len(&self, ring: &MappedRing) -> u64 {
        if self.latest {
            return 0;
        }
        let tail = ring.tail().load(Ordering::Acquire);
        tail.saturating_sub(self.known.lowest_cursor(ring, tail))
            .min(ring.capacity())
    }
}

/// Says that the message of `first` is about to be written, and looks whether the stream has ended: of this word and the closed
/// flag, either the consumer that finds the flag sees the word, or this producer sees the flag. What [`Handle::ended`] says; unless
/// that is 0, the word is again what it was.
#[inline]
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

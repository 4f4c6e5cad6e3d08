//! Producing on a channel with packed slots.
//!
//! Messages are written where they will lie, and one store of the tail publishes them. Two kinds of claims are written outside of
//! their slots first: those whose slots lie in two pieces, around the end of the ring, and all of them where lossy subscribers are
//! admitted, who may be reading what is written.

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::raw::end_error;
use crate::ring::Range;
use crate::ring::broadcast::memory::Limited;
use crate::ring::packed::mapped::PackedRing;
use crate::ring::packed::memory::Producing;
use crate::ring::packed::outside::Outside;
use crate::ring::packed::produce::Writer;
use crate::sync::Ordering;
use crate::wait::barrier;
use core::cell::Cell;

/// What a producer has beside its handle.
#[derive(Debug)]
pub(crate) struct Sender {
    ring: PackedRing,
    writer: Writer,
    /// What is claimed and not yet published, of which there is one claim.
    claimed: Cell<Option<Range>>,
    outside: Outside,
}

impl Sender {
    /// For a handle that was just registered, under the management lock: no other producer lives.
    pub(crate) fn new(ring: PackedRing) -> Self {
        Self {
            writer: Writer::new(&ring),
            ring,
            claimed: Cell::new(None),
            outside: Outside::default(),
        }
    }

    pub(crate) fn ring(&self) -> &PackedRing {
        &self.ring
    }

    /// Sends one message where nothing is in the way, as nearly always; its id. `None`, and nothing was done, where anything is;
    /// [`try_send_one`](Self::try_send_one) finds out what.
    #[inline(always)]
    pub(crate) fn send_at_once(&self, handle: &Handle, message: &[u8]) -> Option<u64> {
        let position = self.writer.room_at_once(1)?;
        if !handle.is_ours() || !self.begin(handle, 1) {
            return None;
        }
        // SAFETY: the position comes next and may be written, as the writer says; while a claim is held it says no.
        unsafe { self.ring.write(position, message) };
        self.end(handle, 1);
        Some(position.wrapping_add(1))
    }

    /// Sends one message; its id.
    #[inline]
    pub(crate) fn try_send_one(&self, handle: &Handle, message: &[u8]) -> Result<u64> {
        if let Some(id) = self.send_at_once(handle, message) {
            return Ok(id);
        }
        self.room(handle, 1, 1)?;
        // The writer knows of room now: only the end of the stream can be in the way.
        self.send_at_once(handle, message)
            .ok_or_else(|| end_error(handle.ended()))
    }

    /// Sends at least `min` of the messages, from the first on, which lie side by side; the id of the first, and how many.
    #[inline]
    pub(crate) fn try_send_all(&self, handle: &Handle, messages: &[u8], min: u32) -> Result<(u64, u32)> {
        let size = self.ring.size();
        let max = u32::try_from(messages.len() / size).unwrap_or(u32::MAX);
        let room = self.room_for(handle, min, max)?;
        let first = self.start(handle, room)?;
        // SAFETY: the positions come next and may be written, as the writer says.
        unsafe { self.ring.write_all(first, &messages[..room as usize * size]) };
        self.end(handle, room);
        Ok((first.wrapping_add(1), room))
    }

    /// The same of messages that lie anywhere. `message` gives each, of the size of this channel's messages, the same each time.
    pub(crate) fn try_send_each<'a>(
        &self,
        handle: &Handle,
        (min, max): (u32, u32),
        message: impl Fn(u32) -> &'a [u8],
    ) -> Result<(u64, u32)> {
        let room = self.room_for(handle, min, max)?;
        let first = self.start(handle, room)?;
        for index in 0..room {
            let position = first.wrapping_add(u64::from(index));
            // SAFETY: as in `try_send_all`. Should `message` panic, nothing was published.
            unsafe { self.ring.write(position, message(index)) };
        }
        self.end(handle, room);
        Ok((first.wrapping_add(1), room))
    }

    /// How many of `max` messages there is room for, if for `min`.
    #[inline]
    fn room_for(&self, handle: &Handle, min: u32, max: u32) -> Result<u32> {
        if self.writer.room_at_once(u64::from(max)).is_some() && handle.is_ours() {
            return Ok(max);
        }
        self.room(handle, min, max)
    }

    #[cold]
    fn room(&self, handle: &Handle, min: u32, max: u32) -> Result<u32> {
        handle.check()?;
        if self.claimed.get().is_some() {
            return Err(Error::TooManyClaims { limit: 1 });
        }
        match handle.ended() {
            0 => self.writer.room(&self.ring, min, max).ok_or(Error::Full),
            ended => Err(end_error(ended)),
        }
    }

    /// The first of `count` positions that are about to be sent, unless the stream has ended.
    #[inline]
    fn start(&self, handle: &Handle, count: u32) -> Result<u64> {
        if self.begin(handle, count) {
            Ok(self.writer.next())
        } else {
            Err(end_error(handle.ended()))
        }
    }

    /// Says that `count` messages are about to be sent, and looks whether the stream has ended: either a subscriber that finds the flag
    /// sees what is said, or this producer sees the flag. `false`: it has.
    #[inline(always)]
    fn begin(&self, handle: &Handle, count: u32) -> bool {
        let sent = self.writer.intend(&self.ring, u64::from(count));
        // Relaxed: a counter, in the line that `intend` has just written.
        let bytes = &self.ring.handle().bytes;
        bytes.store(sent.wrapping_mul(self.ring.size() as u64), Ordering::Relaxed);
        // Pairs with the barrier in Receiver::rest.
        barrier::light();
        handle.ended() == 0 || self.desist()
    }

    #[cold]
    #[inline(never)]
    fn desist(&self) -> bool {
        self.writer.desist(&self.ring);
        let sent = self.ring.sent().load(Ordering::Relaxed);
        let bytes = &self.ring.handle().bytes;
        bytes.store(sent.wrapping_mul(self.ring.size() as u64), Ordering::Relaxed);
        false
    }

    /// Makes `count` messages visible that are written.
    #[inline(always)]
    fn end(&self, handle: &Handle, count: u32) {
        self.writer.publish(&self.ring, u64::from(count));
        handle.data().notify(u32::MAX, false);
    }

    /// Claims at least `min` and at most `max` positions, to be written with [`bytes_mut`](Self::bytes_mut). They hold whatever was there
    /// before.
    pub(crate) fn try_claim(&self, handle: &Handle, min: u32, max: u32) -> Result<Range> {
        let count = self.room(handle, min, max)?;
        let first = self.writer.next();
        let range = Range { first, count };
        if self.is_outside(range) {
            // SAFETY: whatever was borrowed of it borrowed an earlier claim, which is used up.
            unsafe { self.outside.prepare(self.len_of(range)) };
        }
        self.claimed.set(Some(range));
        self.writer.hold();
        Ok(range)
    }

    fn len_of(&self, range: Range) -> usize {
        range.count as usize * self.ring.size()
    }

    /// Whether a claim is written outside of its slots.
    #[inline]
    fn is_outside(&self, range: Range) -> bool {
        self.ring.admits_lossy() || !self.ring.is_in_one_piece(range)
    }

    /// The claim that is held.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    #[track_caller]
    fn held(&self) -> Range {
        self.claimed.get().expect("a claim that is held")
    }

    /// The bytes of the claim's messages, side by side, to be written.
    ///
    /// # Safety
    /// Nobody else has borrowed them, and they are not used after the claim is published or given up.
    ///
    /// # Panics
    /// When nothing is claimed.
    #[expect(clippy::mut_from_ref, reason = "the caller promises what a unique borrow would")]
    #[inline]
    pub(crate) unsafe fn bytes_mut(&self) -> &mut [u8] {
        let range = self.held();
        if self.is_outside(range) {
            // SAFETY: as the caller says.
            unsafe { self.outside.bytes_mut(self.len_of(range)) }
        } else {
            // SAFETY: claimed, not published, no lossy subscribers; and as the caller says.
            unsafe { self.ring.bytes_mut(range) }
        }
    }

    /// The bytes of the claim's messages, to be looked at.
    ///
    /// # Safety
    /// Nobody writes them while they are borrowed, and they are not used after the claim is published or given up.
    ///
    /// # Panics
    /// When nothing is claimed.
    #[inline]
    pub(crate) unsafe fn bytes(&self) -> &[u8] {
        let range = self.held();
        if self.is_outside(range) {
            // SAFETY: as the caller says.
            unsafe { self.outside.bytes(self.len_of(range)) }
        } else {
            // SAFETY: claimed, and as the caller says.
            unsafe { self.ring.bytes(range) }
        }
    }

    /// Publishes the claim. Given up where that fails.
    ///
    /// # Panics
    /// When nothing is claimed.
    pub(crate) fn publish(&self, handle: &Handle) -> Result<()> {
        let range = self.held();
        let outcome = handle.check().and_then(|()| {
            let first = self.start(handle, range.count)?;
            if self.is_outside(range) {
                // SAFETY: nobody writes them any more: who publishes has the claim.
                let staged = unsafe { self.outside.bytes(self.len_of(range)) };
                // SAFETY: claimed, and not published yet.
                unsafe { self.ring.write_all(first, staged) };
            }
            self.end(handle, range.count);
            Ok(())
        });
        self.abort();
        outcome
    }

    /// Gives the claim up, if there is one. Nobody saw anything of it.
    pub(crate) fn abort(&self) {
        if self.claimed.take().is_some() {
            self.writer.let_go();
        }
    }

    /// Messages that the slowest reliable subscriber has yet to get.
    pub(crate) fn len(&self) -> u64 {
        self.writer.unread(&self.ring)
    }

    /// Most messages that can be sent at once.
    #[inline]
    pub(crate) fn largest_batch(&self) -> u64 {
        self.ring.capacity().min(u64::from(u32::MAX))
    }
}

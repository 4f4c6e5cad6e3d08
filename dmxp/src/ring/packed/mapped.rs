//! The messages of a packed ring in a mapped region. Its words, and the subscribers' records, are those that every ring has.

use super::memory::Producing;
use super::words;
use crate::region::Attachment;
use crate::ring::Range;
use crate::ring::mapped::{MappedRing, Place};
use crate::ring::prefetch;
use crate::sync::AtomicU64;
use core::ptr::NonNull;
use std::sync::Arc;

/// Bytes of a line.
const LINE: usize = 64;
/// How many bytes ahead of what is written lines are fetched.
const AHEAD: usize = 8 * LINE;

/// The slots of a packed ring in a region.
#[derive(Debug)]
pub(crate) struct PackedSlots {
    slots: NonNull<u8>,
    mask: u64,
    /// Bytes of a message, and of a slot.
    size: usize,
    /// Whether lossy subscribers may be reading what is written.
    by_words: bool,
    /// Positions with zeros here begin a line, or come at most as often as lines do.
    line_mask: u64,
    /// How many positions ahead lines are fetched.
    ahead: u64,
    /// Keeps the mapping.
    _attachment: Arc<Attachment>,
}

// SAFETY: the pointer leads into the mapping, which the attachment keeps and which is not tied to a thread; what may be done with the
// slots the methods that reach them leave to their callers.
unsafe impl Send for PackedSlots {}

impl Producing for MappedRing {
    #[inline(always)]
    fn sent(&self) -> &AtomicU64 {
        &self.handle().messages
    }
}

impl PackedSlots {
    /// The slots at `place`; `None` when they do not lie in the region's ring space, or are not packed. `lossy`: whether lossy
    /// subscribers are admitted.
    pub(crate) fn new(attachment: Arc<Attachment>, place: Place, lossy: bool) -> Option<Self> {
        let Place {
            offset,
            capacity,
            slots,
            ..
        } = place;
        let size = slots.stride as usize;
        if !slots.is_packed() || size == 0 || !capacity.is_power_of_two() || !offset.is_multiple_of(64) {
            return None;
        }
        let slots = attachment
            .mapping()
            .ring_space(offset, capacity.checked_mul(size as u64)?)?;
        Some(Self {
            slots,
            mask: capacity - 1,
            size,
            by_words: lossy,
            line_mask: (LINE / size).checked_ilog2().map_or(0, |bits| (1 << bits) - 1),
            ahead: (AHEAD / size).max(1) as u64,
            _attachment: attachment,
        })
    }

    #[inline(always)]
    pub(crate) fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Bytes of a message.
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether lossy subscribers may be reading what is written.
    #[inline(always)]
    pub(crate) fn by_words(&self) -> bool {
        self.by_words
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> NonNull<u8> {
        let index = (position & self.mask) as usize;
        // SAFETY: `index < capacity`, and `new` checked that capacity times size bytes from `slots` are mapped.
        unsafe { self.slots.add(index * self.size) }
    }

    /// The position whose line is to be fetched when `position` is written, if it is time for one.
    #[inline(always)]
    pub(crate) fn soon(&self, position: u64) -> Option<u64> {
        (position & self.line_mask == 0).then(|| position.wrapping_add(self.ahead))
    }

    /// Has the processor fetch the slot of a position, or the beginning of a long one, for writing.
    #[inline(always)]
    pub(crate) fn prefetch_write(&self, position: u64) {
        let slot = self.slot(position).as_ptr();
        prefetch::to_write(slot);
        if self.size > LINE {
            prefetch::to_write(slot.wrapping_add(LINE));
        }
    }

    /// How many slots there are from that of `position` to the end of the ring.
    #[inline(always)]
    pub(crate) fn in_one_piece(&self, position: u64) -> u64 {
        self.capacity() - (position & self.mask)
    }

    /// Whether a range lies in the ring in one piece.
    #[inline(always)]
    pub(crate) fn is_in_one_piece(&self, range: Range) -> bool {
        u64::from(range.count) <= self.in_one_piece(range.first)
    }

    /// Copies the message of `position` into its slot, which is then still to be published.
    ///
    /// # Safety
    /// The position may be written, and it is this handle that writes it: it is the ring's producer, the position is not below its tail
    /// and below what is verified, and nobody holds a reference to the slot. `message` has the size of the ring's messages.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, position: u64, message: &[u8]) {
        debug_assert!(message.len() == self.size, "a message of another size");
        let index = (position & self.mask) as usize;
        // SAFETY: as in `slot`; the message's length, which the compiler may know, is the size.
        let slot = unsafe { self.slots.add(index * message.len()) }.as_ptr();
        if self.by_words {
            // SAFETY: a slot of that size; others only copy what is there, with `take`, or look at it once it is published.
            unsafe { words::put(slot, message.as_ptr(), message.len(), message.len()) };
        } else {
            // SAFETY: a slot of that size, which nobody else touches, as the caller says.
            unsafe { slot.copy_from_nonoverlapping(message.as_ptr(), message.len()) };
        }
    }

    /// Copies messages that lie side by side into the slots from `first` on, in two pieces where the ring ends between them.
    ///
    /// # Safety
    /// As [`write`](Self::write), for each of them.
    ///
    /// # Panics
    /// When there are more than slots, or their bytes are not a multiple of the size.
    #[inline]
    pub(crate) unsafe fn write_all(&self, first: u64, messages: &[u8]) {
        let whole = messages.len().is_multiple_of(self.size) && (messages.len() / self.size) as u64 <= self.capacity();
        assert!(whole, "{} bytes of messages of {}", messages.len(), self.size);
        let before_the_end = (self.in_one_piece(first) as usize).saturating_mul(self.size);
        let (head, rest) = messages.split_at(before_the_end.min(messages.len()));
        for (place, part) in [(self.slot(first), head), (self.slots, rest)] {
            if self.by_words {
                // SAFETY: as many slots are there; others only copy what is there, with `take`, or look at it once it is published.
                unsafe { words::put(place.as_ptr(), part.as_ptr(), part.len(), self.size) };
            } else {
                // SAFETY: as many slots are there, which nobody else touches, as the caller says.
                unsafe { place.as_ptr().copy_from_nonoverlapping(part.as_ptr(), part.len()) };
            }
        }
    }

    /// The bytes of slots that lie in one piece, to be written in place.
    ///
    /// # Safety
    /// As [`write`](Self::write), for each of them and while they are borrowed; and no lossy subscribers are admitted.
    ///
    /// # Panics
    /// When they lie in two pieces.
    #[expect(clippy::mut_from_ref, reason = "the caller promises what a unique borrow would")]
    #[inline]
    pub(crate) unsafe fn bytes_mut(&self, range: Range) -> &mut [u8] {
        assert!(self.is_in_one_piece(range), "slots in two pieces");
        let place = self.slot(range.first).as_ptr();
        // SAFETY: in bounds; initialised, being file memory; nobody else touches them, as the caller says.
        unsafe { core::slice::from_raw_parts_mut(place, range.count as usize * self.size) }
    }

    /// The bytes of messages that lie in one piece.
    ///
    /// # Safety
    /// They are published, and stay while they are borrowed: this handle is a reliable subscriber that shows no cursor above them. Or it
    /// is the producer that claimed them, and nobody writes them.
    ///
    /// # Panics
    /// When they lie in two pieces.
    #[inline(always)]
    pub(crate) unsafe fn bytes(&self, range: Range) -> &[u8] {
        assert!(self.is_in_one_piece(range), "messages in two pieces");
        let place = self.slot(range.first).as_ptr();
        // SAFETY: in bounds and initialised, and nobody writes them, as the caller says.
        unsafe { core::slice::from_raw_parts(place, range.count as usize * self.size) }
    }

    /// The bytes of one message.
    ///
    /// # Safety
    /// As [`bytes`](Self::bytes).
    #[inline(always)]
    pub(crate) unsafe fn message(&self, position: u64) -> &[u8] {
        let place = self.slot(position).as_ptr();
        // SAFETY: in bounds and initialised, and nobody writes them, as the caller says.
        unsafe { core::slice::from_raw_parts(place, self.size) }
    }

    /// Where the message of a position lies.
    #[inline(always)]
    pub(crate) fn place(&self, position: u64) -> NonNull<u8> {
        self.slot(position)
    }

    /// Copies what lies in the slots from `first` on, in two pieces where the ring ends between them, while it may be overwritten. The
    /// bytes are a message only if `consume::lost` says so afterwards.
    ///
    /// # Safety
    /// `to` is good for writes of `count` messages. Lossy subscribers are admitted, or nobody writes the slots.
    ///
    /// # Panics
    /// When `count` is more than there are slots.
    #[inline]
    pub(crate) unsafe fn copy_out(&self, first: u64, count: u32, to: *mut u8) {
        assert!(u64::from(count) <= self.capacity(), "more messages than slots");
        let before_the_end = u64::from(count).min(self.in_one_piece(first)) as usize;
        let rest = count as usize - before_the_end;
        let (bytes, left) = (before_the_end * self.size, rest * self.size);
        // SAFETY: as many slots are there, and what writes them stores words of the same size; `to` has room, as the caller says.
        unsafe { words::take(to, self.slot(first).as_ptr(), bytes, self.size) };
        // SAFETY: as above.
        unsafe { words::take(to.wrapping_add(bytes), self.slots.as_ptr(), left, self.size) };
    }
}

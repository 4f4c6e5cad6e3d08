//! The queue's algorithms and nothing around them, for the benchmark of what they cost: a ring in ordinary memory, with the slots of
//! the format.

use crate::layout::{INLINE_PAYLOAD, PAYLOAD_OFFSET, SLOT_STRIDE};
use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::queue::{consume, produce};
use crate::sync::AtomicU64;
use core::cell::UnsafeCell;

const REST: usize = SLOT_STRIDE as usize - size_of::<u64>();

#[repr(C, align(64))]
struct Slot {
    sequence: AtomicU64,
    rest: UnsafeCell<[u8; REST]>,
}

/// A word alone in its 128 bytes.
#[repr(align(128))]
struct Alone(AtomicU64);

/// A claim cell, as a handle has it in its record.
#[derive(Debug)]
#[repr(align(128))]
pub struct ClaimCell(AtomicU64);

impl Default for ClaimCell {
    fn default() -> Self {
        Self(AtomicU64::new(crate::ring::word::Cell::EMPTY))
    }
}

/// A queue with claim cells and without anything else: no channel, no metadata, nobody to wake.
pub struct BareRing {
    tail: Alone,
    head: Alone,
    hint: AtomicU64,
    slots: Box<[Slot]>,
}

// SAFETY: the bytes of a slot are touched between a claim and its publication or release only, and claims are exclusive.
unsafe impl Sync for BareRing {}

impl core::fmt::Debug for BareRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BareRing").field("capacity", &self.slots.len()).finish()
    }
}

impl RingMemory for BareRing {
    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail.0
    }

    fn head(&self) -> &AtomicU64 {
        &self.head.0
    }

    fn returned_hint(&self) -> &AtomicU64 {
        &self.hint
    }

    #[inline]
    fn sequence(&self, position: u64) -> &AtomicU64 {
        &self.slots[(position & (self.slots.len() as u64 - 1)) as usize].sequence
    }

    fn count_dropped(&self) {}

    fn uncount_dropped(&self) {}
}

impl BareRing {
    /// A ring of `capacity` slots, a power of two.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two() && capacity > 1, "capacity {capacity}");
        let slot = |position| Slot {
            sequence: AtomicU64::new(position as u64),
            rest: UnsafeCell::new([0; REST]),
        };
        Self {
            tail: Alone(AtomicU64::new(0)),
            head: Alone(AtomicU64::new(0)),
            hint: AtomicU64::new(0),
            slots: (0..capacity).map(slot).collect(),
        }
    }

    #[inline]
    fn payload(&self, position: u64) -> *mut u8 {
        let slot = &self.slots[(position & (self.slots.len() as u64 - 1)) as usize];
        slot.rest
            .get()
            .cast::<u8>()
            .wrapping_add(PAYLOAD_OFFSET - size_of::<u64>())
    }

    /// Sends a payload; `false` when the ring is full.
    #[inline]
    pub fn push<const N: usize>(&self, cell: &ClaimCell, payload: &[u8; N]) -> bool {
        const { assert!(N <= INLINE_PAYLOAD as usize) };
        let at_once = produce::claim_one(self, &cell.0).map(|first| Range { first, count: 1 });
        let Some(range) = at_once.or_else(|| produce::claim(self, &cell.0, 1, 1)) else {
            return false;
        };
        // SAFETY: N bytes from there lie in the slot, which is claimed for writing.
        unsafe { self.payload(range.first).copy_from_nonoverlapping(payload.as_ptr(), N) };
        produce::publish(self, range);
        true
    }

    /// Receives a payload; `false` when the ring is empty.
    #[inline]
    pub fn pop<const N: usize>(&self, cell: &ClaimCell, payload: &mut [u8; N]) -> bool {
        const { assert!(N <= INLINE_PAYLOAD as usize) };
        let head = consume::readable_head(self).ok();
        let at_once = head.filter(|&first| consume::claim_head(self, &cell.0, first));
        let range = at_once.map(|first| Range { first, count: 1 });
        let Some(range) = range.or_else(|| consume::claim(self, &cell.0, 1, 1, |_| false, || {})) else {
            return false;
        };
        // SAFETY: N bytes from there lie in the slot, which is claimed for reading.
        unsafe {
            payload
                .as_mut_ptr()
                .copy_from_nonoverlapping(self.payload(range.first), N)
        };
        consume::release(self, range);
        true
    }
}

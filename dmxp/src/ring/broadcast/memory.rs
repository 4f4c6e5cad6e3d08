//! What broadcast needs of the memory it works on, beyond the words of a ring.

use crate::ring::memory::RingMemory;
use crate::sync::{AtomicU32, AtomicU64};

/// The words of a broadcast ring, and the subscribers' cursors. Regions and loom models both implement it.
pub(crate) trait BroadcastMemory: RingMemory {
    /// The slot of a position as words, its sequence first.
    fn words(&self, position: u64) -> &[AtomicU64];
    /// How far producers may write.
    fn limits(&self) -> Limits<'_>;
    /// Places where a subscriber may have its record.
    fn places(&self) -> u32;
    /// What is at such a place. State first, then the cursor, then the state again, all with acquire.
    fn look(&self, place: u32) -> Look;
}

/// The same as far as the limits are concerned: of a ring whose slots have words of their own, and of one whose slots are packed.
pub(crate) trait Limited {
    /// Slots, a power of two.
    fn capacity(&self) -> u64;
    /// Next position to produce.
    fn tail(&self) -> &AtomicU64;
    /// How far producers may write.
    fn limits(&self) -> Limits<'_>;
    /// Places where a subscriber may have its record.
    fn places(&self) -> u32;
    /// What is at such a place, as [`BroadcastMemory::look`] says it.
    fn look(&self, place: u32) -> Look;
}

impl<R: BroadcastMemory> Limited for R {
    #[inline]
    fn capacity(&self) -> u64 {
        RingMemory::capacity(self)
    }

    #[inline]
    fn tail(&self) -> &AtomicU64 {
        RingMemory::tail(self)
    }

    fn limits(&self) -> Limits<'_> {
        BroadcastMemory::limits(self)
    }

    fn places(&self) -> u32 {
        BroadcastMemory::places(self)
    }

    fn look(&self, place: u32) -> Look {
        BroadcastMemory::look(self, place)
    }
}

/// The words of a channel that say how far producers may write.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// Positions below it may be written.
    pub(crate) verified: &'a AtomicU64,
    /// What somebody was about to verify at most.
    pub(crate) announced: &'a AtomicU64,
    /// Counts the reliable subscribers that came.
    pub(crate) joins: &'a AtomicU32,
}

/// What a place for a subscriber holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// No live reliable subscriber of the channel.
    Nobody,
    /// One that needs the messages from this position on.
    Needs(u64),
    /// The record changed while it was read.
    Changing,
}

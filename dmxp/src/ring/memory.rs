//! What the ring's algorithms need of the memory they work on.

use crate::sync::AtomicU64;

/// The words of one queue. Mapped regions and loom models both implement it.
pub(crate) trait RingMemory {
    /// Slots, a power of two.
    fn capacity(&self) -> u64;
    /// Next position to produce.
    fn tail(&self) -> &AtomicU64;
    /// Next position to consume.
    fn head(&self) -> &AtomicU64;
    /// Counts the times a message was returned.
    fn returned_hint(&self) -> &AtomicU64;
    /// The sequence of the slot that `position` falls on.
    fn sequence(&self, position: u64) -> &AtomicU64;
    /// Has the payload of a position that was seen readable fetched while the claim of it goes on, where that means anything: a
    /// locked instruction lets no later load begin.
    fn prefetch_payload(&self, _position: u64) {}
    /// Counts a message that is about to be dropped; before it is, so that none is lost uncounted. Relaxed is enough: the release
    /// that frees the slot comes after it.
    fn count_dropped(&self);
    /// Takes [`count_dropped`](Self::count_dropped) back: somebody else had acted on the message.
    fn uncount_dropped(&self);
}

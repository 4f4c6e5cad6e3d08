//! What the algorithms of packed slots need of the memory they work on.

use crate::ring::broadcast::memory::Limited;
use crate::sync::AtomicU64;

/// The words of a packed ring, seen by its producer. Mapped regions and loom models both implement it.
pub(crate) trait Producing: Limited {
    /// How many messages this producer has sent since it came, counted before they are visible. In a line that only it writes.
    fn sent(&self) -> &AtomicU64;
}

//! The words that say who waits: `data_waiters` and `space_waiters` of a channel's record.

/// Somebody may be asleep.
pub(crate) const ARMED: u32 = 1;
/// A process that cannot call membarrier waits here: publishers must fence.
pub(crate) const FENCE: u32 = 2;
/// The stream has ended (`data_waiters`).
pub(crate) const CLOSED: u32 = 4;
/// The channel was removed by force.
pub(crate) const REMOVED: u32 = 8;
/// Somebody asleep needs several at once: each publication wakes everybody.
pub(crate) const SEVERAL: u32 = 16;
/// One announcement; the bits from here on count them.
pub(crate) const TICKET: u32 = 32;

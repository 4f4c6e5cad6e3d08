//! Finding the dead and repairing what they left. See `ring::queue::sweep` for the protocol.
//!
//! - [`sweep`]: what is repaired, ring by ring
//! - [`tick`]: what those that wait do each tick, one of them for all
//! - [`report`]: the same for a whole region on request, with what it found

pub(crate) mod report;
pub(crate) mod sweep;
pub(crate) mod tick;

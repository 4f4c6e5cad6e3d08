//! Finding the dead and repairing what they left. See `ring::queue::sweep` for the protocol.
//!
//! - [`sweep`]: what every waiting process does by itself each tick
//! - [`report`]: the same for a whole region on request, with what it found

pub(crate) mod report;
pub(crate) mod sweep;

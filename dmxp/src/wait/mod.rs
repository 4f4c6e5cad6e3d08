//! Waiting: spin a little, then sleep on a futex, without lost wake-ups and without a system call when nobody waits.
//!
//! - [`event`]: the protocol between those who wait for something and those who make it happen
//! - [`futex`]: the system calls
//! - [`barrier`]: who pays for the ordering between publishing and announcing
//! - [`deadline`]: absolute time limits

pub(crate) mod barrier;
mod deadline;
mod event;
mod futex;

pub(crate) use deadline::{Deadline, coarse_clock};
pub(crate) use event::{Event, TICK};

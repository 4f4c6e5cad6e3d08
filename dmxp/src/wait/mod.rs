//! Waiting: spin a little, then sleep on a futex, without lost wake-ups and without a system call when nobody waits.
//!
//! - [`until`]: the loop around an attempt that does not succeed yet
//! - [`strategy`]: what a call does while it waits
//! - [`event`]: the protocol between those who wait for something and those who make it happen
//! - [`futex`]: the system calls
//! - [`barrier`]: who pays for the ordering between publishing and announcing
//! - [`deadline`]: absolute time limits

#[cfg(not(loom))]
pub(crate) mod barrier;
mod deadline;
mod event;
#[cfg(not(loom))]
mod futex;
#[cfg(all(test, loom))]
mod interleavings;
#[cfg(loom)]
mod kernel;
mod strategy;
mod until;

pub(crate) use deadline::{Deadline, coarse_clock};
pub(crate) use event::{Event, TICK};
#[cfg(loom)]
use kernel::{barrier, futex};
pub(crate) use strategy::Spinning;
pub use strategy::WaitStrategy;
pub(crate) use until::{Waiting, until};

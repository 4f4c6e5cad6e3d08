//! Waiting: spin a little, then sleep on a futex, without lost wake-ups and without a system call when nobody waits.
//!
//! - [`until`]: the loop around an attempt that does not succeed yet
//! - [`any`]: sleeping on many things at once
//! - [`bell`]: a word of this process that ends such a sleep
//! - [`strategy`]: what a call does while it waits
//! - [`event`]: the protocol between those who wait for something and those who make it happen
//! - [`line`](mod@line): waiting in turn for a lock that the kernel frees
//! - [`futex`]: the system calls
//! - [`barrier`]: which side pays for the ordering between publishing and announcing
//! - [`deadline`]: absolute time limits
//! - [`signal`]: signals that end a sleep

mod any;
#[cfg(not(loom))]
pub(crate) mod barrier;
#[cfg(not(loom))]
mod bell;
mod deadline;
mod event;
#[cfg(not(loom))]
mod futex;
#[cfg(all(test, loom))]
mod interleavings;
#[cfg(loom)]
mod kernel;
mod line;
mod signal;
mod strategy;
mod until;

pub(crate) use any::Any;
#[cfg(not(loom))]
pub(crate) use any::{DIRECT, sleep_on_any};
#[cfg(not(loom))]
pub(crate) use bell::Bell;
pub(crate) use deadline::Deadline;
pub(crate) use event::{Event, Rest, TICK};
#[cfg(loom)]
use kernel::{barrier, futex};
#[cfg(not(loom))]
pub(crate) use line::{Line, Patience, Waited};
pub(crate) use signal::Watch as SignalWatch;
pub(crate) use strategy::Spinning;
pub use strategy::WaitStrategy;
pub(crate) use until::{Waiting, until};

//! Looking at a region without touching it: what works on a region that is attached read-only.
//!
//! - [`list`]: the channels, and who holds them open
//! - [`statistics`]: what happened on them
//! - [`blockage`]: who waits for whom, with [`broadcast`] for the channels of that kind
//! - [`peek`]: the messages on a channel

pub(crate) mod blockage;
mod broadcast;
pub(crate) mod list;
pub(crate) mod peek;
pub(crate) mod statistics;

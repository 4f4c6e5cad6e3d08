//! Handles to broadcast and latest channels: what differs from a queue's.
//!
//! - [`publisher`]: the producing side
//! - [`subscriber`]: the consuming side

pub(crate) mod publisher;
pub(crate) mod subscriber;

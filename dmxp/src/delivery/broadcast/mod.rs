//! Handles to broadcast and latest channels: what differs from a queue's.
//!
//! - [`publish`]: the producing side
//! - [`subscribe`]: the consuming side

pub(crate) mod publish;
pub(crate) mod subscribe;

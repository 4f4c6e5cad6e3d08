//! Broadcast and latest channels: every subscriber reads by itself.
//!
//! - [`publish`]: the producing side
//! - [`subscribe`]: the consuming side

pub(crate) mod publish;
pub(crate) mod subscribe;

pub(crate) use publish::Publisher;
pub(crate) use subscribe::{Mode, Subscriber};

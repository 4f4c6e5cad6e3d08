//! Channels with packed slots: one producer, and subscribers that each get everything.
//!
//! - [`send`]: the producing side
//! - [`receive`]: the consuming side
//! - [`pace`]: when a subscriber that has caught up looks for more

mod pace;
pub(crate) mod receive;
pub(crate) mod send;

pub(crate) use receive::Receiver;
pub(crate) use send::Sender;

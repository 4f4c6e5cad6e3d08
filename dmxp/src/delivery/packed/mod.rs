//! Handles to channels with packed slots: one producer, and subscribers that each get everything.
//!
//! - [`send`]: the producing side
//! - [`receive`]: the consuming side
//! - [`pace`]: when a subscriber that has caught up looks for more

use receive::Receiver;
use send::Sender;

/// One of both, as a handle has it.
#[derive(Debug)]
pub(crate) enum Packed {
    Sender(Sender),
    Receiver(Receiver),
}

mod pace;
pub(crate) mod receive;
pub(crate) mod send;

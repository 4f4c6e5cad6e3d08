//! What handles do on each kind of channel: a room for each, none of which knows another, and one enum for each side.
//!
//! - [`queue`]: each message goes to one of the consumers, which compete
//! - [`priority`]: the same with a second ring for urgent messages
//! - [`broadcast`]: broadcast and latest channels
//! - [`packed`]: broadcast channels whose slots hold the messages and nothing else
//! - [`metadata`]: what comes with each message
//!
//! Nothing here waits, or counts a call that fails: `raw` does, the same for every kind.

pub(crate) mod broadcast;
pub(crate) mod metadata;
pub(crate) mod packed;
pub(crate) mod priority;
pub(crate) mod queue;
mod receiver;
mod sender;

pub(crate) use receiver::Receiver;
pub(crate) use sender::Sender;

use crate::error::Error;
use crate::handle::Handle;
use crate::handle::producers::{GONE, LOST};
use crate::layout::waiters;

/// The error of a stream that has ended, by the bits that say so.
pub(crate) fn end_error(handle: &Handle, ended: u32) -> Error {
    if ended & waiters::REMOVED != 0 {
        Error::Removed
    } else if ended & waiters::CLOSED != 0 {
        Error::Closed
    } else if ended & GONE != 0 {
        Error::NoProducers
    } else {
        debug_assert_eq!(ended, LOST);
        handle.ring.attachment().lost()
    }
}

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
use crate::handle::producers::GONE;
use crate::layout::waiters;

/// The error of a stream that has ended, by the bits that say so.
pub(crate) fn end_error(ended: u32) -> Error {
    if ended & waiters::REMOVED != 0 {
        Error::Removed
    } else if ended & waiters::CLOSED != 0 {
        Error::Closed
    } else {
        debug_assert_eq!(ended, GONE);
        Error::NoProducers
    }
}

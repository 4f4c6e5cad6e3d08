//! Queues: each message goes to one of the consumers, which compete.
//!
//! - [`send`]: the producing side
//! - [`receive`]: the consuming side, and the one place where a message ends
//! - [`redelivery`]: messages that were returned, and what becomes of those that were returned too often
//! - [`expiry`]: messages that are too old to be delivered

mod expiry;
pub(crate) mod receive;
mod redelivery;
pub(crate) mod send;

pub(crate) use receive::Receiver;
pub(crate) use send::Sender;

use crate::handle::Handle;
use crate::ring::word::Phase;

/// Gives up, or back, what was claimed through a handle that is about to go and was never finished (leaked by its owner).
fn forget_claims(handle: &Handle, phase: Phase) {
    if handle.held.is_empty() || !handle.is_ours() {
        return;
    }
    let mut took = false;
    for (range, rest) in handle.held.claims() {
        if rest.is_returned() {
            took = true;
        } else {
            handle.ring.forget(phase, range);
        }
    }
    if took {
        handle.ring.forget_taken(handle.index as u16);
    }
    handle.data().notify(u32::MAX, true);
    handle.space().notify(u32::MAX, true);
}

//! Claiming the next message if it is short enough, and leaving it where it is otherwise.

use super::receive::Receiver;
use crate::error::{Error, Result};
use crate::layout::CELLS;
use crate::ring::RETRIES;
use crate::ring::claim::{Fitting, ReadClaim};
use crate::ring::memory::RingMemory;
use crate::ring::queue::consume;
use crate::sync::{Ordering, fence};

impl Receiver {
    /// An attempt to claim the next message if it has at most `room` bytes, and why it failed. A longer message is not touched, and says
    /// how long it is.
    ///
    /// The length is looked at before the message is claimed, and counts only if the message was there, claimed by nobody, afterwards
    /// too: either the claim that follows succeeds, or the head has not moved.
    pub(crate) fn attempt_fitting(&self, room: usize) -> Result<Fitting> {
        let handle = &self.handle;
        handle.check()?;
        let entry = handle.held.free().ok_or(Error::TooManyClaims { limit: CELLS })?;
        if handle.ring.may_have_returned(self.hint_seen.get())
            && let Some(claim) = self.try_returned(entry)
        {
            let len = self.payload_len(&claim, 0);
            if !self.exceeds(len, room) {
                return Ok(Fitting::Claimed(claim));
            }
            self.put_back(claim);
            return Ok(Fitting::TooLong(len as usize));
        }
        for _ in 0..RETRIES {
            // At least two, and at most one: that claims no message, but aborted and expired ones that come first are passed over.
            if let Some(claim) = self.claim_at_head(entry, 2, 1) {
                return Ok(Fitting::Claimed(handle.holding_read(claim)));
            }
            let Ok(first) = consume::readable_head(&handle.ring) else {
                break;
            };
            if self.is_stale(first) {
                continue;
            }
            let len = handle.ring.view().len_seen(first);
            if self.exceeds(len, room) {
                // Pairs with the release fence in produce::claim: if the length was a later message's, this sees the head moved, which
                // that message's producer had seen.
                fence(Ordering::Acquire);
                // Relaxed: after the fence, so that it is no older than the length.
                if handle.ring.head().load(Ordering::Relaxed) == first {
                    return Ok(Fitting::TooLong(len as usize));
                }
            } else if consume::claim_head(&handle.ring, handle.ring.cell(entry), first) {
                return Ok(Fitting::Claimed(self.entered(first, entry)));
            }
        }
        self.rest(1, 1).map(Fitting::Claimed)
    }

    /// Whether a message does not fit. What no slot holds is no length: such a message is claimed, and found to be invalid.
    fn exceeds(&self, len: u32, room: usize) -> bool {
        len as usize > room && len <= self.handle.ring.payload_capacity()
    }

    /// Returns a message that was returned before, as if this handle had not taken it.
    fn put_back(&self, claim: ReadClaim) {
        let handle = &self.handle;
        handle.ring.record().redelivered.fetch_sub(1, Ordering::Relaxed);
        handle.held.let_go(claim.entry());
        handle.ring.put_back(claim);
        handle.data().notify(1, true);
    }
}

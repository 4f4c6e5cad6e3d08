//! Messages that are too old to be delivered.

use super::receive::{Ending, Receiver};
use crate::os::clock::boot_ns;
use crate::ring::claim::ReadClaim;
use crate::ring::memory::RingMemory;
use crate::sync::{AtomicU64, Ordering};
use core::cell::LazyCell;

impl Receiver {
    /// Claims at the head what is young enough to be delivered, and lets go of what is not. Each round claims a range that is of one
    /// kind, so that nothing has to be given back; a process that dies in the middle held messages like any other, and they are
    /// returned.
    #[inline(never)]
    pub(super) fn claim_unexpired(&self, entry: usize, min: u32, max: u32, expiry_ns: u64) -> Option<ReadClaim> {
        let ring = &self.handle.ring;
        // Asked when there is a message, and once: what was stale when it was claimed is stale when it is looked at again.
        let now = LazyCell::new(boot_ns);
        let stale = |position| is_older(ring.published_ns(position), expiry_ns, *now);
        let mut expired = 0;
        // A lap at most: producers that send faster than messages expire must not keep a call that has a bound.
        while expired < ring.capacity() {
            let claim = self.claim_dividing(entry, min, max, stale)?;
            if !stale(claim.range().first) {
                return Some(claim);
            }
            expired += u64::from(claim.count());
            self.end(claim, Ending::Expired);
        }
        None
    }

    /// Whether a returned message is not to be delivered again.
    pub(super) fn has_expired(&self, claim: &ReadClaim) -> bool {
        let (ring, expiry_ns) = (&self.handle.ring, self.handle.properties.expiry_ns);
        expiry_ns != 0 && is_older(ring.published_ns(claim.range().first), expiry_ns, boot_ns())
    }
}

/// Whether a message published then is older than that. Relaxed: the caller acquired the sequence with which the time was released.
/// A time that has not come yet is no age.
fn is_older(published_ns: &AtomicU64, expiry_ns: u64, now_ns: u64) -> bool {
    now_ns.saturating_sub(published_ns.load(Ordering::Relaxed)) > expiry_ns
}

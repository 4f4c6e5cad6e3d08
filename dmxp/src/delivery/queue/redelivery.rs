//! Messages that were returned by consumers that died or gave them back, and those that nobody can have.

use super::receive::{Ending, Receiver};
use super::send::Sender;
use crate::error::{Error, Result};
use crate::layout::META_FLAG_DEAD_LETTER;
use crate::ring::claim::ReadClaim;
use crate::sync::Ordering;

/// Messages that one attempt takes off the channel because they were returned too often. Each costs a look through the ring;
/// where there are more, the next attempt goes on.
const DISCARDS: usize = 8;

impl Receiver {
    /// Takes a returned message into an entry, if there is one.
    #[cold]
    pub(super) fn try_returned(&self, entry: usize) -> Option<ReadClaim> {
        let handle = &self.handle;
        let mut look = self.look.get();
        for _ in 0..DISCARDS {
            let Some(claim) = handle.ring.take_returned(handle.index as u16, entry, &mut look) else {
                break;
            };
            let claim = handle.holding_read(claim);
            if u32::from(claim.times()) <= handle.properties.redelivery_limit {
                if self.has_expired(&claim) {
                    self.end(claim, Ending::Expired);
                    continue;
                }
                if claim.times() > 0 {
                    handle.ring.record().redelivered.fetch_add(1, Ordering::Relaxed);
                }
                self.look.set(look);
                return Some(claim);
            }
            self.discard(claim);
        }
        self.look.set(look);
        None
    }

    /// Takes a message that was returned too often off the channel: moves it to the dead letters, or drops it.
    ///
    /// It is held as every taken message is: if this process dies at it, it is returned once more, and the next consumer that takes
    /// it tries again, as long as the sequence can count. So it may arrive twice, but is not lost. The copy's publication, and the
    /// count, come before the release of the original, which is one.
    #[cold]
    fn discard(&self, claim: ReadClaim) {
        let how = if self.bury(&claim, 0) {
            Ending::DeadLettered
        } else {
            Ending::Dropped
        };
        self.end(claim, how);
    }

    /// Deals with message `index` of a claim, which cannot be read: moves it to the dead letters, or counts it as dropped. Its position is
    /// still held; what is said of [`discard`](Self::discard) holds here too.
    #[cold]
    pub(super) fn set_aside(&self, claim: &ReadClaim, index: u32) {
        let record = self.handle.ring.record();
        let counter = if self.bury(claim, index) {
            &record.dead_lettered
        } else {
            &record.dropped
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Copies a message to the channel for dead letters; `false` where there is none, or no room.
    fn bury(&self, claim: &ReadClaim, index: u32) -> bool {
        self.dead_letters
            .as_ref()
            .is_some_and(|letters| letters.put(self, claim, index).is_ok())
    }
}

impl Sender {
    /// Copies a message of another channel to this one, metadata and all, and marks it as a dead letter.
    fn put(&self, from: &Receiver, letter: &ReadClaim, index: u32) -> Result<()> {
        let capacity = from.handle.ring.payload_capacity();
        let slot = from.bytes(letter, index, capacity).unwrap_or_default();
        let (len, limit) = (slot.len(), self.handle().ring.payload_capacity() as usize);
        if len > limit {
            return Err(Error::PayloadTooLarge { len, limit });
        }
        let mut claim = self
            .try_claim(1, 1)
            .ok_or_else(|| self.handle().failing(self.why_not(1)))?;
        let mut meta = from.read_meta(letter, index);
        meta.flags |= META_FLAG_DEAD_LETTER;
        if self.handle().properties.checksums() && !from.handle.properties.checksums() {
            // Of the bytes that its sender meant. A length that is none is found wrong by itself.
            let meant = slot.get(..meta.payload_len as usize).unwrap_or(slot);
            meta.checksum = crc32fast::hash(meant);
        }
        self.payload_mut(&mut claim, 0)[..len].copy_from_slice(slot);
        self.handle().ring.write_meta(&mut claim, 0, meta);
        self.publish(claim)
    }
}

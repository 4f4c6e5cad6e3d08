//! A handle's record in the region's table, as its owner sees it.

use crate::handle::obstruction;
use crate::handle::obstruction::Blocked;
use crate::handle::producers::Producers;
use crate::layout::{HandleRecord, waiters};
use crate::liveness::RecordState;
use crate::os::fork::fork_epoch;
use crate::region::{Attachment, Management};
use crate::sync::{AtomicU64, Ordering};
use crate::table::properties::Properties;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

/// A handle's place in the region's table. While it is taken, the channel's space is not used anew. It is given back when the
/// handle and all waits with it have ended: they may end in other threads, and later.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) attachment: Arc<Attachment>,
    pub(crate) index: u32,
    pub(crate) state: u64,
    pub(crate) channel: u32,
    /// Of a consumer on a broadcast or latest channel, for waits without the handle: the position where it found nothing. Relaxed: of
    /// this process alone, and a waiter has what the last call with the handle stored.
    pub(crate) found_nothing_at: AtomicU64,
    /// Whether the handle goes on when the region's file is removed. Relaxed: set before the handle is used.
    keeps_removed_region: AtomicBool,
    /// Of a consumer: what it knows of the producers' lives.
    pub(crate) producers: Producers,
}

impl Registration {
    pub(crate) fn new(attachment: Arc<Attachment>, (index, state): (u32, u64), channel: u32) -> Self {
        Self {
            attachment,
            index,
            state,
            channel,
            found_nothing_at: AtomicU64::new(0),
            keeps_removed_region: AtomicBool::new(false),
            producers: Producers::default(),
        }
    }

    /// From now on the handle goes on when the region's file is removed.
    pub(crate) fn keep_removed_region(&self) {
        self.keeps_removed_region.store(true, Relaxed);
    }

    pub(crate) fn keeps_removed_region(&self) -> bool {
        self.keeps_removed_region.load(Relaxed)
    }

    /// Whether the region's file was found to be removed, and the handle does not go on without.
    #[inline]
    pub(crate) fn has_lost_region(&self) -> bool {
        self.attachment.is_lost() && !self.keeps_removed_region.load(Relaxed)
    }

    /// The record, as long as it is this one's: not in a forked child, nor once recovery took this process for dead. Relaxed: nothing
    /// is read through the state.
    fn record(&self) -> Option<&HandleRecord> {
        let record = self.attachment.mapping().handle(self.index);
        let ours = self.attachment.epoch() == fork_epoch() && record.state.load(Ordering::Relaxed) == self.state;
        ours.then_some(record)
    }

    /// Whether the record is this one's.
    pub(crate) fn is_ours(&self) -> bool {
        self.record().is_some()
    }

    /// Says since when the handle waits, and what for; `false` if the record is not this one's any more.
    pub(crate) fn note(&self, properties: &Properties, blocked: Blocked, since_ns: u64) -> bool {
        let Some(record) = self.record() else { return false };
        // Each time: another thread that waited with this handle has cleared it when it was done.
        record.waiting_since_ns.store(since_ns, Ordering::Relaxed);
        obstruction::note(self.attachment.mapping(), properties, blocked);
        true
    }

    /// The handle does not wait any more.
    pub(crate) fn end_note(&self) {
        if let Some(record) = self.record() {
            record.waiting_since_ns.store(0, Ordering::Relaxed);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(record) = self.record() else { return };
        // Release: the slots were dealt with before the record is free. Pairs with the acquires of open::free_handle and of sweeps.
        // Failure: this process was taken for dead.
        let freed = record
            .state
            .compare_exchange(self.state, RecordState::FREE, Ordering::Release, Ordering::Relaxed)
            .is_ok();
        // Relaxed: a removal that is being made at this moment may be missed here, as this handle's end may be there; its maker has
        // the lock that we would need.
        let mapping = self.attachment.mapping();
        let channel = mapping.record(self.channel);
        let removed = channel.data_waiters.load(Ordering::Relaxed) & waiters::REMOVED != 0;
        if freed && removed {
            // If the lock is busy, the next process that opens a channel does this.
            if let Ok(Some(management)) = Management::try_lock(&self.attachment) {
                crate::table::removal::purge_removed(&management);
            }
        }
    }
}

//! The lock under which tables change: one lock byte between processes, with a [`Line`] before it, a mutex within this one, and a dirty
//! word that tells the next holder that the last one died at work.
//!
//! The lock byte orders its holders, as does the kernel's freeing it when one dies: what is only touched under the lock is
//! accessed relaxed. Releases under it are for readers without the lock.

use super::Attachment;
use super::lock_byte::LockByte;
use super::space;
use crate::error::{Error, LockBusy, Result};
use crate::layout::{
    CHANNEL_CREATING, CHANNEL_FLAGS_NOT_V1, CHANNEL_FREE, CHANNEL_FREEING, CHANNEL_LIVE, CHANNEL_MAKING,
    CHANNEL_REMOVED, ControlHeader, MAX_CHANNELS, MODE_QUEUE, SLOT_STRIDE, UNUSED_CHANNEL, waiters,
};
use crate::liveness::{self, HolderState, RecordState};
use crate::sync::{Ordering, fence};
use crate::wait::{Line, Patience, Waited};
use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// How long to wait: a holder that runs at all is done long before, and so is a line of as many processes as there can be.
const PATIENCE: Patience = Patience {
    standstill: Duration::from_secs(10),
    whole: Duration::from_secs(60),
};

/// The management lock, held.
pub(crate) struct Management<'a> {
    pub(crate) attachment: &'a Attachment,
    /// The last holder had died at work, and what it left was repaired when this one took the lock.
    pub(crate) repaired: bool,
    _local: MutexGuard<'a, ()>,
}

impl<'a> Management<'a> {
    /// Takes the lock, and repairs what a dead holder left half done. Waits in line for it: at most ten seconds for one holder, and a
    /// minute in all.
    pub(crate) fn lock(attachment: &'a Attachment) -> Result<Self> {
        let local = attachment
            .local_management()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        attachment.registration()?;
        let line = line(attachment.mapping().control());
        match line.enter(|| attachment.try_lock(LockByte::Management), PATIENCE)? {
            Ok(()) => Self::begin(attachment, local),
            Err(waited) => Err(busy(attachment, waited)),
        }
    }

    /// Takes the lock if nobody holds it.
    pub(crate) fn try_lock(attachment: &'a Attachment) -> Result<Option<Self>> {
        let local = match attachment.local_management().try_lock() {
            Ok(local) => local,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        if !attachment.try_lock(LockByte::Management)? {
            return Ok(None);
        }
        Self::begin(attachment, local).map(Some)
    }

    fn begin(attachment: &'a Attachment, local: MutexGuard<'a, ()>) -> Result<Self> {
        let mut management = Self {
            attachment,
            repaired: false,
            _local: local,
        };
        let control = attachment.mapping().control();
        // Acquire: pairs with the release in drop. That what is stored from here on is seen with the word set needs no order: a
        // process that looks at it comes after this holder's end, and has all of it.
        if control.dirty.swap(1, Ordering::Acquire) != 0 {
            management.repair();
            management.repaired = true;
        }
        control.lock_holder_pid.store(attachment.pid(), Ordering::Relaxed);
        Ok(management)
    }

    /// Brings the v1 table in line with the channel records, whose state says what is so: a record that was being written is
    /// dropped, one that was complete is kept.
    fn repair(&self) {
        let mapping = self.attachment.mapping();
        for id in 0..MAX_CHANNELS {
            let record = mapping.record(id);
            // Acquire: pairs with the store that made the record what it is; the dead holder's lock byte says the same.
            match record.state.load(Ordering::Acquire) {
                // One that is being made is its maker's, or freed when that is dead.
                CHANNEL_FREE | CHANNEL_MAKING => {}
                CHANNEL_LIVE => self.show_to_v1(id),
                CHANNEL_REMOVED => {
                    self.hide_from_v1(id);
                    // Its handles learn of it at the latest with their next tick. SeqCst: as Event::raise.
                    record.data_waiters.fetch_or(waiters::REMOVED, Ordering::SeqCst);
                    record.space_waiters.fetch_or(waiters::REMOVED, Ordering::SeqCst);
                }
                CHANNEL_FREEING => {
                    self.hide_from_v1(id);
                    self.free_channel(id);
                }
                _ => {
                    self.hide_from_v1(id);
                    // Release: pairs with the acquire in space::used; the record is read no more.
                    record.state.store(CHANNEL_FREE, Ordering::Release);
                }
            }
        }
        self.count_channels();
    }

    /// Fills the v1 entry of a live queue; capacity last and with release, because a v1 program takes it as the sign that the rest
    /// is there. A channel that v1 programs cannot read gets none: its entry is taken, and without a v1 channel.
    pub(crate) fn show_to_v1(&self, id: u32) {
        let (record, entry) = (
            self.attachment.mapping().record(id),
            self.attachment.mapping().entry(id),
        );
        if record.mode.load(Ordering::Relaxed) != MODE_QUEUE
            || record.slot_stride.load(Ordering::Relaxed) != SLOT_STRIDE
            || record.flags.load(Ordering::Relaxed) & CHANNEL_FLAGS_NOT_V1 != 0
        {
            entry.channel_id.store(id, Ordering::Release);
            return;
        }
        entry
            .band_offset
            .store(record.ring_offset.load(Ordering::Relaxed), Ordering::Relaxed);
        entry.flags.store(0, Ordering::Relaxed);
        entry.channel_id.store(id, Ordering::Relaxed);
        entry
            .capacity
            .store(record.capacity.load(Ordering::Relaxed), Ordering::Release);
    }

    pub(crate) fn hide_from_v1(&self, id: u32) {
        let entry = self.attachment.mapping().entry(id);
        // Release: v1 programs never find the id gone and the capacity there. What is done to the channel next comes after a release
        // of its own.
        entry.capacity.store(0, Ordering::Release);
        entry.channel_id.store(UNUSED_CHANNEL, Ordering::Release);
    }

    /// Recomputes `channel_count`.
    pub(crate) fn count_channels(&self) {
        let mapping = self.attachment.mapping();
        let count = (0..MAX_CHANNELS)
            .filter(|&id| {
                mapping.record(id).state.load(Ordering::Relaxed) == CHANNEL_LIVE
                    || mapping.entry(id).capacity.load(Ordering::Relaxed) != 0
            })
            .count();
        // Release: a v1 program that acquires the number finds the entries it counts.
        mapping.header().channel_count.store(count as u32, Ordering::Release);
    }

    /// A number no channel, process or handle of this region had before. Relaxed: it is written to a record, which is published by
    /// its own state.
    pub(crate) fn next_generation(&self) -> u64 {
        self.attachment
            .mapping()
            .control()
            .next_generation
            .fetch_add(1, Ordering::Relaxed)
    }

    /// Marks the record as being written; found so by a later holder, it is dropped.
    pub(crate) fn begin_channel(&self, id: u32) {
        self.attachment
            .mapping()
            .record(id)
            .state
            .store(CHANNEL_CREATING, Ordering::Release);
        // Before the fields change: pairs with the loads and the fence in Properties::read, which has this state with any of them.
        fence(Ordering::Release);
    }
}

impl Management<'_> {
    /// Frees the record of a channel that nobody has open, and its space.
    pub(crate) fn free_channel(&self, id: u32) {
        let record = self.attachment.mapping().record(id);
        // Before its memory goes: a look that finds the channel there has its lock, under which none goes. Release, here and below:
        // pairs with Properties::read and space::used.
        record.state.store(CHANNEL_FREEING, Ordering::Release);
        let (offset, len) = (
            record.ring_offset.load(Ordering::Relaxed),
            record.ring_len.load(Ordering::Relaxed),
        );
        // Before the record is free: afterwards the space may be another channel's.
        space::give_back(self.attachment, offset, len);
        record.state.store(CHANNEL_FREE, Ordering::Release);
    }
}

impl Drop for Management<'_> {
    fn drop(&mut self) {
        let control = self.attachment.mapping().control();
        control.lock_holder_pid.store(0, Ordering::Relaxed);
        // A panic under the lock leaves the word set, and the next holder repairs.
        if !std::thread::panicking() {
            // Release: pairs with the swap in begin, as the lock byte does.
            control.dirty.store(0, Ordering::Release);
        }
        let line = line(control);
        let is_kept = line.keep_turn();
        // It can only fail after a fork, in the child, where the byte is not held any more.
        if self.attachment.unlock(LockByte::Management).is_ok() {
            line.ring(is_kept);
        }
    }
}

fn line(control: &ControlHeader) -> Line<'_> {
    Line {
        bell: &control.line_bell,
        armed: &control.line_armed,
        waiting: &control.line_waiting,
        kept_until_ns: &control.line_kept_until_ns,
    }
}

/// Why the lock could not be had. Relaxed, all loads: for the message only.
pub(super) fn busy(attachment: &Attachment, waited: Waited) -> Error {
    let mapping = attachment.mapping();
    let pid = mapping.control().lock_holder_pid.load(Ordering::Relaxed);
    let state = || {
        let mut processes = (0..mapping.plan().processes).map(|index| mapping.process(index));
        let holder = processes.find(|process| {
            let state = RecordState::decode(process.state.load(Ordering::Relaxed));
            matches!(state, RecordState::Live { .. }) && process.pid.load(Ordering::Relaxed) == pid
        });
        // One that is about to attach has no record.
        holder.map_or(HolderState::Unknown, |holder| {
            liveness::state_of(pid, holder.start_time.load(Ordering::Relaxed))
        })
    };
    let reason = match waited.turns {
        0 => match state() {
            HolderState::Stopped => LockBusy::Stopped,
            HolderState::Running => LockBusy::Running,
            HolderState::Dead | HolderState::Unknown => LockBusy::Unknown,
        },
        turns => LockBusy::InTurn { turns },
    };
    Error::ManagementLockBusy { pid, reason }
}

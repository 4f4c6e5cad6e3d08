//! Finding the dead and repairing what they left. See `ring::sweep` for the protocol.

use crate::channel::properties::Properties;
use crate::error::Result;
use crate::layout::{HandleRecord, MAX_CHANNELS, ROLE_CONSUMER, ROLE_PRODUCER};
use crate::liveness::RecordState;
use crate::region::{Attachment, LockByte, Management, Mapping};
use crate::ring::mapped::RingWords;
use crate::ring::sweep::{Dead, Owner, Swept, sweep};
use crate::ring::word::{Cell, Phase};
use crate::sync::{AtomicU64, Ordering};
use crate::wait::Event;
use std::sync::Arc;

/// Sweeps the dead handles of every channel, and frees the records of dead processes that have none left.
pub(crate) fn sweep_region(management: &Management<'_>) -> Result<()> {
    let attachment = management.attachment;
    declare_dead(attachment)?;
    for id in 0..MAX_CHANNELS {
        // A damaged channel must not keep the others from being repaired.
        if let Ok(Some(properties)) = Properties::read(attachment.mapping(), id) {
            sweep_handles(attachment, &properties);
        }
    }
    free_processes(attachment);
    Ok(())
}

/// Sweeps the dead handles of one channel, and wakes who waits there.
pub(crate) fn sweep_channel(attachment: &Arc<Attachment>, properties: &Properties) -> Result<()> {
    // The channel may be gone since its properties were read.
    if attachment
        .mapping()
        .record(properties.id)
        .generation
        .load(Ordering::Acquire)
        != properties.generation
    {
        return Ok(());
    }
    declare_dead(attachment)?;
    sweep_handles(attachment, properties);
    free_processes(attachment);
    Ok(())
}

/// Marks the records of processes whose lock byte nobody holds.
fn declare_dead(attachment: &Attachment) -> Result<()> {
    let mapping = attachment.mapping();
    let own = attachment.registration()?.process;
    let probe = attachment.probe()?;
    for index in (0..mapping.plan().processes).filter(|&index| index != own) {
        let record = mapping.process(index);
        // Acquire: pairs with registration; the byte was taken before the record said LIVE.
        let word = record.state.load(Ordering::Acquire);
        if let RecordState::Live { generation } = RecordState::decode(word)
            && !probe.is_locked_elsewhere(LockByte::Process(index))?
        {
            let dead = RecordState::Dead { generation }.encode();
            // Failure: somebody else declared it, or it left in an orderly way.
            let _ = record
                .state
                .compare_exchange(word, dead, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Whether the owner of a live handle record is dead: its process record is not the one the handle was registered under.
fn owner_is_dead(attachment: &Attachment, record: &HandleRecord) -> bool {
    let mapping = attachment.mapping();
    let process = record.process.load(Ordering::Relaxed);
    process >= mapping.plan().processes
        || mapping.process(process).state.load(Ordering::Acquire) != record.process_generation.load(Ordering::Relaxed)
}

/// Whether a handle record belongs to the channel.
fn is_of(record: &HandleRecord, properties: &Properties) -> bool {
    record.channel_id.load(Ordering::Relaxed) == properties.id
        && record.channel_generation.load(Ordering::Relaxed) == properties.generation
}

fn sweep_handles(attachment: &Attachment, properties: &Properties) {
    let mapping = attachment.mapping();
    let handles = mapping.plan().handles;
    let mut dead = Vec::new();
    // All are declared dead before any is swept: two that died trying the same position must not wait for each other.
    for index in 0..handles {
        let record = mapping.handle(index);
        let word = record.state.load(Ordering::Acquire);
        match RecordState::decode(word) {
            RecordState::Dead { .. } if is_of(record, properties) => dead.push((index, word)),
            RecordState::Live { generation } if is_of(record, properties) && owner_is_dead(attachment, record) => {
                let state = RecordState::Dead { generation }.encode();
                // Failure: it was closed, or declared dead by somebody else, who will sweep it.
                if record
                    .state
                    .compare_exchange(word, state, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
                {
                    dead.push((index, state));
                }
            }
            _ => {}
        }
    }
    let ring = RingWords {
        mapping,
        place: properties.place(),
    };
    let mut swept = Swept::default();
    let mut freed = false;
    for &(index, state) in &dead {
        let handle = DeadHandle {
            mapping,
            properties,
            index,
            state,
        };
        // The slots come before the record that may be taken again; the CAS tells this death from a later one.
        if sweep(&ring, &handle, &mut swept) {
            let state_word = &mapping.handle(index).state;
            freed |= state_word
                .compare_exchange(state, RecordState::FREE, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        }
    }
    if freed || swept != Swept::default() {
        let record = mapping.record(properties.id);
        record.dropped.fetch_add(swept.dropped, Ordering::Relaxed);
        Event {
            signal: &mapping.entry(properties.id).signal,
            waiters: &record.data_waiters,
        }
        .notify(u32::MAX, true);
        Event {
            signal: &record.space_signal,
            waiters: &record.space_waiters,
        }
        .notify(u32::MAX, true);
    }
}

/// A handle record that was seen dead.
struct DeadHandle<'a> {
    mapping: &'a Mapping,
    properties: &'a Properties,
    index: u32,
    state: u64,
}

impl Dead for DeadHandle<'_> {
    fn cells(&self) -> &[AtomicU64] {
        &self.mapping.handle(self.index).cells
    }

    fn handle(&self) -> u16 {
        self.index as u16
    }

    fn phase(&self) -> Phase {
        match self.mapping.handle(self.index).role.load(Ordering::Relaxed) {
            ROLE_CONSUMER => Phase::Consume,
            _ => Phase::Produce,
        }
    }

    fn is_still_dead(&self) -> bool {
        self.mapping.handle(self.index).state.load(Ordering::Acquire) == self.state
    }

    fn owner_of(&self, phase: Phase, position: u64) -> Owner {
        let role = match phase {
            Phase::Produce => ROLE_PRODUCER,
            Phase::Consume => ROLE_CONSUMER,
        };
        // A v1 program has no cells: that nobody names the position proves nothing where one may take part. On a channel that
        // was removed it does not matter any more.
        let mut answer = if self.properties.v1_peers() && !self.properties.removed {
            Owner::Unknown
        } else {
            Owner::Nobody
        };
        for index in (0..self.mapping.plan().handles).filter(|&index| index != self.index) {
            let record = self.mapping.handle(index);
            // The state before the cells: read after them, a death in between would make a claim that was since owned, and
            // perhaps half published, look like one that was never made.
            let state = record.state.load(Ordering::Acquire);
            if state == RecordState::FREE
                || record.role.load(Ordering::Relaxed) != role
                || !is_of(record, self.properties)
            {
                continue;
            }
            let mut claims = Owner::Nobody;
            for cell in &record.cells {
                match Cell::decode(cell.load(Ordering::Acquire)) {
                    Cell::Owned(claim) if claim.phase == phase && claim.covers(position) => claims = Owner::Owned,
                    Cell::Trying(claim)
                        if claims == Owner::Nobody
                            && claim.phase == phase
                            && claim.covers(position)
                            && matches!(RecordState::decode(state), RecordState::Live { .. }) =>
                    {
                        claims = Owner::Unknown;
                    }
                    _ => {}
                }
            }
            // A record that changed hands meanwhile may have been read half for one channel and half for another.
            let unchanged = record.state.load(Ordering::Acquire) == state;
            match claims {
                Owner::Owned if unchanged => return Owner::Owned,
                Owner::Nobody if unchanged => {}
                _ => answer = Owner::Unknown,
            }
        }
        answer
    }
}

/// Frees the records of dead processes that have no handle left.
fn free_processes(attachment: &Attachment) {
    let mapping = attachment.mapping();
    let plan = mapping.plan();
    for index in 0..plan.processes {
        let record = mapping.process(index);
        let word = record.state.load(Ordering::Acquire);
        let RecordState::Dead { generation } = RecordState::decode(word) else {
            continue;
        };
        let registered_under = RecordState::Live { generation }.encode();
        let has_handles = (0..plan.handles).map(|handle| mapping.handle(handle)).any(|handle| {
            handle.state.load(Ordering::Acquire) != RecordState::FREE
                && handle.process.load(Ordering::Relaxed) == index
                && handle.process_generation.load(Ordering::Relaxed) == registered_under
        });
        if !has_handles {
            let _ = record
                .state
                .compare_exchange(word, RecordState::FREE, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

//! Finding the dead and repairing what they left. See `ring::sweep` for the protocol.

use crate::channel::properties::Properties;
use crate::error::Result;
use crate::layout::{HandleRecord, MAX_CHANNELS, ROLE_CONSUMER, ROLE_PRODUCER};
use crate::liveness::RecordState;
use crate::region::{Attachment, Management};
use crate::ring::mapped::RingWords;
use crate::ring::sweep::{Owner, Swept, sweep};
use crate::ring::word::{Cell, Phase};
use crate::wait::Event;
use core::sync::atomic::Ordering;
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
    declare_dead(attachment)?;
    sweep_handles(attachment, properties);
    free_processes(attachment);
    Ok(())
}

/// Marks the records of processes whose lock byte nobody holds.
fn declare_dead(attachment: &Attachment) -> Result<()> {
    let mapping = attachment.mapping();
    for index in 0..mapping.plan().processes {
        let record = mapping.process(index);
        // Acquire: pairs with registration; the byte was taken before the record said LIVE.
        let word = record.state.load(Ordering::Acquire);
        if let RecordState::Live { generation } = RecordState::decode(word)
            && attachment.is_dead(index)?
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

fn sweep_handles(attachment: &Attachment, properties: &Properties) {
    let mapping = attachment.mapping();
    let handles = mapping.plan().handles;
    let mut repaired = false;
    for index in 0..handles {
        let record = mapping.handle(index);
        let mut word = record.state.load(Ordering::Acquire);
        if record.channel_id.load(Ordering::Relaxed) != properties.id
            || record.channel_generation.load(Ordering::Relaxed) != properties.generation
        {
            continue;
        }
        if let RecordState::Live { generation } = RecordState::decode(word)
            && owner_is_dead(attachment, record)
        {
            let dead = RecordState::Dead { generation }.encode();
            if record
                .state
                .compare_exchange(word, dead, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                word = dead;
            }
        }
        if let RecordState::Dead { .. } = RecordState::decode(word) {
            repaired |= sweep_handle(attachment, properties, index, word);
        }
    }
    if repaired {
        let record = mapping.record(properties.id);
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

/// Sweeps one dead handle and frees its record; `false` when it has to be done again.
fn sweep_handle(attachment: &Attachment, properties: &Properties, index: u32, dead: u64) -> bool {
    let mapping = attachment.mapping();
    let ring = RingWords {
        mapping,
        place: properties.place(),
    };
    let record = mapping.handle(index);
    let mut swept = Swept::default();
    let finished = sweep(
        &ring,
        &record.cells,
        index as u16,
        |phase, position| owner_of(attachment, properties, index, phase, position),
        &mut swept,
    );
    // Release: the slots come before the record that may be taken again.
    finished
        && record
            .state
            .compare_exchange(dead, RecordState::FREE, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
}

/// What the other handles of the channel say of a position.
fn owner_of(attachment: &Attachment, properties: &Properties, but: u32, phase: Phase, position: u64) -> Owner {
    let mapping = attachment.mapping();
    let role = match phase {
        Phase::Produce => ROLE_PRODUCER,
        Phase::Consume => ROLE_CONSUMER,
    };
    let mut owner = Owner::Nobody;
    for index in (0..mapping.plan().handles).filter(|&index| index != but) {
        let record = mapping.handle(index);
        let state = RecordState::decode(record.state.load(Ordering::Acquire));
        if state == RecordState::Free
            || record.role.load(Ordering::Relaxed) != role
            || record.channel_id.load(Ordering::Relaxed) != properties.id
            || record.channel_generation.load(Ordering::Relaxed) != properties.generation
        {
            continue;
        }
        for cell in &record.cells {
            // Acquire: after the sequence was read, before the CAS on it.
            match Cell::decode(cell.load(Ordering::Acquire)) {
                Cell::Owned(claim) if claim.phase == phase && claim.covers(position) => return Owner::Owned,
                Cell::Trying(claim)
                    if claim.phase == phase
                        && claim.covers(position)
                        && matches!(state, RecordState::Live { .. })
                        && !owner_is_dead(attachment, record) =>
                {
                    owner = Owner::LiveTrying;
                }
                _ => {}
            }
        }
    }
    owner
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

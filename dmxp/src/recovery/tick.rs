//! What is done once a tick for all that wait in a region: one process asks which others are dead, and the others see that it was done.
//!
//! Asking takes a system call for each process, and the kernel's lists make that longer the more there are. So a waiter whose tick comes
//! asks only if nobody has asked within [`PERIOD`]: it writes the time into `asked_ns` of the control area by a CAS, which one wins, asks,
//! declares the dead, marks the channels that they had open as *bereaved*, and wakes those that wait there. Then it writes that time into
//! `answered_ns`. What each waiter does at each tick is a look at these two words, and at its own channel's mark; if that is set, it
//! takes the mark back and sweeps.
//!
//! All of it can be done twice, and anybody may die or be stopped at any step. An answer that does not come within [`GRACE`] is
//! looked for by the next waiter whose tick comes. Each time, the marks are set anew as long as a dead process has handles, so
//! one that was taken back by a sweeper that died comes again. Times in the future are none, and no time is taken for recent longer than
//! a tick: whatever stands there, a waiter asks within two.
//!
//! Those that wait say so in their process records, with the time, at each tick; where there are [`MANY`] processes, such a one
//! is not asked about before it has missed one. A process says so only while it waits, so what a process does that holds a message
//! and does not wait is noticed as with few.

use crate::error::Result;
use crate::layout::MAX_CHANNELS;
use crate::liveness::RecordState;
use crate::os::clock::{instant, monotonic_ns};
use crate::recovery::sweep::{
    Death, SWEEPING, declare_dead, find_dead_among, free_processes, owner_is_dead, sweep_handles,
};
use crate::region::{Attachment, Mapping};
use crate::sync::Ordering;
use crate::sync::planted::{Bug, planted};
use crate::table::properties::Properties;
use crate::wait::{Event, TICK};
use std::time::Duration;

/// What was asked so recently need not be asked again. Less than a tick, so that a waiter that is alone asks at each.
const PERIOD: Duration = Duration::from_millis(30);
const _: () = assert!(PERIOD.as_millis() < TICK.as_millis());

/// How long a process that asks may take before others do it too.
const GRACE: Duration = Duration::from_millis(2);

/// From so many processes on, those that wait are believed to live for [`BELIEVED`].
const MANY: u32 = 64;

/// A tick, and how late one may come.
const BELIEVED: Duration = Duration::from_millis(45);

/// Whether a time that was written into the region is one of the last `span`. Times that are yet to come are not: they are forged, or of
/// another time namespace.
fn is_recent(then: u64, now: u64, span: Duration) -> bool {
    then != 0 && now.wrapping_sub(then) < span.as_nanos() as u64
}

/// What a process that waits, or polls, does each tick: asks which processes are dead if it is its turn, and sweeps these rings where one died.
/// Their places are kept meanwhile.
pub(crate) fn look_after<'a>(attachment: &Attachment, rings: impl IntoIterator<Item = &'a Properties>) -> Result<()> {
    let now = monotonic_ns();
    let control = attachment.mapping().control();
    // Relaxed, both: nothing is read through them. A process that finds an answer has its effects at the latest when it finds them in its way.
    let answered = control.answered_ns.load(Ordering::Relaxed);
    if !is_recent(answered, now, PERIOD) {
        let asked = control.asked_ns.load(Ordering::Relaxed);
        if !is_recent(asked, now, GRACE)
            && control
                .asked_ns
                .compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            ask(attachment, now)?;
            control.answered_ns.store(now, Ordering::Relaxed);
        }
    }
    rings
        .into_iter()
        .try_for_each(|ring| sweep_if_bereaved(attachment, ring))
}

/// Asks which processes are dead, declares them so, and marks what they had open.
fn ask(attachment: &Attachment, now: u64) -> Result<()> {
    let mapping = attachment.mapping();
    let processes = 0..mapping.plan().processes;
    let lives = |index: u32| {
        // Relaxed: it is looked at again before anything is done.
        let state = mapping.process(index).state.load(Ordering::Relaxed);
        matches!(RecordState::decode(state), RecordState::Live { .. })
    };
    let many = processes
        .clone()
        .filter(|&index| lives(index))
        .take(MANY as usize)
        .count()
        == MANY as usize;
    let deaths = find_dead_among(attachment, processes.clone(), |record| {
        !many || !is_recent(record.waiting_ns.load(Ordering::Relaxed), now, BELIEVED)
    })?;
    declare_dead(attachment, &deaths);
    // Acquire: pairs with declare_dead.
    let is_dead = |index: u32| {
        let state = mapping.process(index).state.load(Ordering::Acquire);
        matches!(RecordState::decode(state), RecordState::Dead { .. })
    };
    // As long as they have handles: see free_processes.
    if processes.clone().any(is_dead) {
        mark_bereaved(attachment, &deaths);
        free_processes(attachment);
    }
    Ok(())
}

/// Marks the channels that have handles of dead processes, and wakes those that wait there.
fn mark_bereaved(attachment: &Attachment, deaths: &[Death]) {
    let mapping = attachment.mapping();
    let mut bereaved = [false; MAX_CHANNELS as usize];
    for index in 0..mapping.plan().handles {
        let record = mapping.handle(index);
        // Acquire: as in dead_handles, which looks again.
        let dead = match RecordState::decode(record.state.load(Ordering::Acquire)) {
            RecordState::Dead { .. } => true,
            RecordState::Live { .. } => owner_is_dead(attachment, deaths, record),
            RecordState::Free => false,
        };
        if dead && let Some(mark) = bereaved.get_mut(record.channel_id.load(Ordering::Relaxed) as usize) {
            *mark = true;
        }
    }
    for id in (0..MAX_CHANNELS).filter(|&id| bereaved[id as usize]) {
        // Release: pairs with the acquire in sweep_if_bereaved, which then finds the dead declared. If the channel is another one by
        // now, its next waiter looks in vain.
        if mapping.record(id).bereaved.swap(1, Ordering::AcqRel) == 0 {
            wake(mapping, id);
        }
    }
}

/// Wakes those that wait at a ring: what they wait for has not come, and they look around.
fn wake(mapping: &Mapping, id: u32) {
    let Ok(Some(properties)) = Properties::read(mapping, id) else {
        return;
    };
    let listeners = properties.listeners();
    let data = Event {
        signal: &mapping.entry(listeners).signal,
        waiters: &mapping.record(listeners).data_waiters,
    };
    let record = mapping.record(id);
    let space = Event {
        signal: &record.space_signal,
        waiters: &record.space_waiters,
    };
    data.notify(u32::MAX, false);
    space.notify(u32::MAX, false);
}

/// Sweeps a ring that is marked.
fn sweep_if_bereaved(attachment: &Attachment, properties: &Properties) -> Result<()> {
    let record = attachment.mapping().record(properties.id);
    // Relaxed: decides only whether it is looked at again.
    if record.bereaved.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    // The channel may be gone since its properties were read: as in sweep_channel.
    if record.generation.load(Ordering::Acquire) != properties.generation {
        return Ok(());
    }
    // Before the sweep, so that what is marked meanwhile stays so. Acquire: pairs with the release in mark_bereaved.
    if record.bereaved.swap(0, Ordering::AcqRel) != 0 && !planted(Bug::BereavedUnswept) {
        let done = sweep_handles(attachment, properties, &[], false, instant() + SWEEPING);
        if done.deferred > 0 {
            // Some must wait for a living one. Relaxed: what it says was acquired by us, and is by the next that sweeps.
            record.bereaved.store(1, Ordering::Relaxed);
        }
        free_processes(attachment);
    }
    Ok(())
}

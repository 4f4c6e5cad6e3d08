//! Finding the dead and repairing what they left. See `ring::queue::sweep` for the protocol.

use crate::error::Result;
use crate::layout::{HandleRecord, ProcessRecord, ROLE_CONSUMER, ROLE_PRODUCER, SUBSCRIPTION_RELIABLE};
use crate::liveness::RecordState;
use crate::os::clock::instant;
use crate::region::{Attachment, LockByte, Management, Mapping};
use crate::ring::Range;
use crate::ring::broadcast::several;
use crate::ring::mapped::RingWords;
use crate::ring::memory::RingMemory;
use crate::ring::queue::owners::Owners;
use crate::ring::queue::sweep::{Dead, Swept, sweep, sweep_unexplained};
use crate::ring::word::{Cell, Phase};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, fence};
use crate::table::delivery::Delivery;
use crate::table::holders::is_of;
use crate::table::properties::Properties;
use crate::table::rings::every_ring;
use crate::wait::Event;
use std::time::{Duration, Instant};

/// How long a waiting process sweeps before it looks at what it waits for again. A handle takes microseconds; only a forged
/// table can hold more than a tick's work, and what is left is done at the next one.
pub(super) const SWEEPING: Duration = Duration::from_millis(20);
/// The same for a sweep of a whole region, under the management lock.
pub(super) const SWEEPING_REGION: Duration = Duration::from_secs(1);

/// Sweeps the dead handles of every channel, and frees the records of dead processes that have none left.
pub(crate) fn sweep_region(management: &Management<'_>) -> Result<()> {
    let until = instant() + SWEEPING_REGION;
    let attachment = management.attachment;
    let deaths = find_dead(attachment)?;
    declare_dead(attachment, &deaths);
    // A damaged ring must not keep the others from being repaired.
    for properties in every_ring(attachment.mapping()).filter_map(|(_, read)| read.ok()) {
        sweep_handles(attachment, &properties, &deaths, false, until);
    }
    free_processes(attachment);
    Ok(())
}

/// Sweeps the dead handles of one ring, and wakes the waiters there: at once, and without what may have been found out a while ago. Asks
/// only about processes whose deaths would leave something. `false`: some could not be swept yet.
pub(crate) fn sweep_channel(attachment: &Attachment, properties: &Properties) -> Result<bool> {
    // The channel may be gone since its properties were read. Nothing rests on this look, which may be too old: handles of another
    // channel are not touched (is_of). Acquire: with a newer generation comes the fence of Management::begin_channel.
    if attachment
        .mapping()
        .record(properties.id)
        .generation
        .load(Ordering::Acquire)
        != properties.generation
    {
        return Ok(true);
    }
    let deaths = find_dead_among(
        attachment,
        owners_with_something_to_leave(attachment, properties),
        |_| true,
    )?;
    declare_dead(attachment, &deaths);
    let done = sweep_handles(attachment, properties, &deaths, false, instant() + SWEEPING);
    if done != ChannelSwept::default() {
        free_processes(attachment);
    }
    Ok(done.deferred == 0)
}

/// The processes that have a handle to the channel and hold a claim or a message there, or a place that producers wait for: with the
/// others goes nothing that anybody misses before the next tick.
fn owners_with_something_to_leave(attachment: &Attachment, properties: &Properties) -> Vec<u32> {
    let mapping = attachment.mapping();
    // Acquire: pairs with bump_hint. Messages that were returned and taken again are in no cell.
    let some_are_taken = properties.delivery == Delivery::Queue
        && mapping.entry(properties.id).returned_hint.load(Ordering::Acquire) != 0;
    let mut processes: Vec<u32> = (0..mapping.plan().handles)
        .map(|index| mapping.handle(index))
        .filter(|record| {
            // Acquire: pairs with open::register. Cells too, as in owners(): with a cursor that was seen moved comes the claim.
            let state = RecordState::decode(record.state.load(Ordering::Acquire));
            matches!(state, RecordState::Live { .. })
                && is_of(record, properties)
                && (some_are_taken && record.role.load(Ordering::Relaxed) == ROLE_CONSUMER
                    || record.subscription.load(Ordering::Relaxed) == SUBSCRIPTION_RELIABLE
                    || record
                        .cells
                        .iter()
                        .any(|cell| cell.load(Ordering::Acquire) != Cell::EMPTY))
        })
        .map(|record| record.process.load(Ordering::Relaxed))
        .filter(|&process| process < mapping.plan().processes)
        .collect();
    processes.sort_unstable();
    processes.dedup();
    processes
}

/// A process whose lock byte nobody holds.
pub(super) struct Death {
    pub(super) index: u32,
    /// Its record's state word when it was found dead.
    state: u64,
}

/// The processes whose records say that they live, and whose lock byte nobody holds.
pub(super) fn find_dead(attachment: &Attachment) -> Result<Vec<Death>> {
    find_dead_among(attachment, 0..attachment.mapping().plan().processes, |_| true)
}

/// The same of some processes, but for those that `doubts` says nothing against.
pub(super) fn find_dead_among(
    attachment: &Attachment,
    processes: impl IntoIterator<Item = u32>,
    doubts: impl Fn(&ProcessRecord) -> bool,
) -> Result<Vec<Death>> {
    let mapping = attachment.mapping();
    let own = attachment.registration()?.process;
    let probe = attachment.probe()?;
    let mut deaths = Vec::new();
    for index in processes.into_iter().filter(|&index| index != own) {
        let record = mapping.process(index);
        // Acquire: pairs with Attachment::register; the byte was taken before the record said LIVE.
        let state = record.state.load(Ordering::Acquire);
        if let RecordState::Live { .. } = RecordState::decode(state)
            && doubts(record)
            && !probe.is_locked_elsewhere(LockByte::Process(index))?
        {
            deaths.push(Death { index, state });
        }
    }
    Ok(deaths)
}

/// Marks the records of the dead. Release: a process that acquires the mark (owner_is_dead, free_processes) has all that the dead one did,
/// as we have from the kernel. Acquire: as in the load of [`find_dead`].
pub(super) fn declare_dead(attachment: &Attachment, deaths: &[Death]) {
    for death in deaths {
        if let RecordState::Live { generation } = RecordState::decode(death.state) {
            let dead = RecordState::Dead { generation }.encode();
            // Failure: somebody else declared it, or it left in an orderly way.
            let _ = attachment.mapping().process(death.index).state.compare_exchange(
                death.state,
                dead,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }
}

/// Whether the owner of a live handle record is dead: one of `deaths`, or its process record is not the one the handle was
/// registered under.
///
/// Relaxed reads of the record: the caller acquired its state, with which they were released. If they are a newcomer's already, the
/// CAS from that state fails. Acquire of the process's state: pairs with the process that declared it dead, or freed it.
pub(super) fn owner_is_dead(attachment: &Attachment, deaths: &[Death], record: &HandleRecord) -> bool {
    let mapping = attachment.mapping();
    let process = record.process.load(Ordering::Relaxed);
    let registered = record.process_generation.load(Ordering::Relaxed);
    process >= mapping.plan().processes
        || mapping.process(process).state.load(Ordering::Acquire) != registered
        || deaths
            .iter()
            .any(|death| death.index == process && death.state == registered)
}

/// What a sweep of one channel did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChannelSwept {
    /// Dead handles, by role.
    pub(super) producers: u32,
    pub(super) consumers: u32,
    pub(super) swept: Swept,
    /// Dead handles whose sweep must wait for a living one that is in the middle of a claim, or for which there was no time.
    pub(super) deferred: u32,
}

/// Handles of the channel that are dead: index and the state word that says so, or will; in the order of the indices.
pub(super) fn dead_handles(attachment: &Attachment, properties: &Properties, deaths: &[Death]) -> Vec<(u32, u64)> {
    let mapping = attachment.mapping();
    (0..mapping.plan().handles)
        .filter_map(|index| {
            let record = mapping.handle(index);
            // Acquire: pairs with open::register, or with the CAS in sweep_handles that declared it dead.
            let word = record.state.load(Ordering::Acquire);
            let dead = match RecordState::decode(word) {
                RecordState::Dead { .. } => is_of(record, properties) && !planted(Bug::DeadLeftToTheirSweeper),
                RecordState::Live { .. } => is_of(record, properties) && owner_is_dead(attachment, deaths, record),
                RecordState::Free => false,
            };
            dead.then_some((index, word))
        })
        .collect()
}

/// Sweeps the dead handles of a channel, and begins no further one after `until`. `force`: also what no handle explains.
pub(super) fn sweep_handles(
    attachment: &Attachment,
    properties: &Properties,
    deaths: &[Death],
    force: bool,
    until: Instant,
) -> ChannelSwept {
    let mapping = attachment.mapping();
    // All are declared dead before any is swept: two that died trying the same position must not wait for each other.
    let mut dead = dead_handles(attachment, properties, deaths);
    dead.retain_mut(|(index, word)| match RecordState::decode(*word) {
        RecordState::Live { generation } => {
            let live = core::mem::replace(word, RecordState::Dead { generation }.encode());
            // Failure: it was closed, or another process declared it dead and will sweep it. Release: a process that acquires the mark
            // has what the dead one did, as in declare_dead. Nothing rests on the acquire: `live` was acquired.
            let state = &mapping.handle(*index).state;
            state
                .compare_exchange(live, *word, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        }
        _ => true,
    });
    let ring = RingWords {
        mapping,
        place: properties.place(),
    };
    let free = |index: u32, state: u64| {
        // The slots come before the record that may be taken again (release, pairs with open::free_handle); the CAS tells this death
        // from a later one. Nothing rests on the acquire.
        let record = mapping.handle(index);
        record
            .state
            .compare_exchange(state, RecordState::FREE, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    };
    let done = sweep_over(&ring, mapping, properties, &dead, (force, until), free);
    let freed = done.producers + done.consumers;
    if freed > 0 || done.swept != Swept::default() {
        let record = mapping.record(properties.id);
        record.recovered.fetch_add(u64::from(freed), Ordering::Relaxed);
        if properties.delivery != Delivery::Queue {
            // Subscribers step over them one by one; they are counted here.
            record.aborted.fetch_add(done.swept.aborted, Ordering::Relaxed);
        }
        Event {
            signal: &mapping.entry(properties.listeners()).signal,
            waiters: &mapping.record(properties.listeners()).data_waiters,
        }
        .notify(u32::MAX, true);
        Event {
            signal: &record.space_signal,
            waiters: &record.space_waiters,
        }
        .notify(u32::MAX, true);
    }
    done
}

/// The sweep of `dead` over a ring, the real one or a copy of its words; `how` is as in [`sweep_handles`]. `free` is asked to
/// free each record that is done.
pub(super) fn sweep_over(
    ring: &impl RingMemory,
    mapping: &Mapping,
    properties: &Properties,
    dead: &[(u32, u64)],
    how: (bool, Instant),
    free: impl Fn(u32, u64) -> bool,
) -> ChannelSwept {
    let (force, until) = how;
    let mut done = ChannelSwept::default();
    let others = || Others {
        mapping,
        properties,
        dead,
        force,
    };
    let handles: Vec<DeadHandle<'_>> = dead
        .iter()
        .map(|&(index, state)| DeadHandle {
            others: others(),
            index,
            state,
        })
        .collect();
    let has_time = || instant() < until;
    let finished = match properties.delivery {
        // A producer leaves nothing behind its tail, and a subscriber's cursor ends with its record.
        _ if properties.slots.is_packed() => vec![true; handles.len()],
        Delivery::Queue => sweep(ring, &handles, has_time, &mut done.swept),
        Delivery::Broadcast | Delivery::Latest => {
            let latest = properties.delivery == Delivery::Latest;
            let mut sweep = |handle| has_time() && several::sweep(ring, handle, latest, &mut done.swept);
            handles.iter().map(&mut sweep).collect()
        }
    };
    for (handle, finished) in handles.iter().zip(finished) {
        if !finished {
            done.deferred += 1;
        } else if free(handle.index, handle.state) {
            match handle.phase() {
                Phase::Produce => done.producers += 1,
                Phase::Consume => done.consumers += 1,
            }
        }
    }
    // Only v1 programs leave what no handle explains, and they know queues only.
    if force && properties.delivery == Delivery::Queue {
        let others = others();
        let owners = |phase, range| others.owners(phase, range, None);
        sweep_unexplained(ring, properties.drops(), owners, &mut done.swept);
    }
    done
}

/// A handle record that was seen dead.
struct DeadHandle<'a> {
    others: Others<'a>,
    index: u32,
    state: u64,
}

impl DeadHandle<'_> {
    fn record(&self) -> &HandleRecord {
        self.others.mapping.handle(self.index)
    }
}

impl Dead for DeadHandle<'_> {
    fn cells(&self) -> &[AtomicU64] {
        &self.record().cells
    }

    fn handle(&self) -> u16 {
        self.index as u16
    }

    fn phase(&self) -> Phase {
        // Relaxed: released with the state that was seen dead. A newcomer's role does no harm: taken slots are checked against
        // the state, and the record is not freed under another.
        match self.record().role.load(Ordering::Relaxed) {
            ROLE_CONSUMER => Phase::Consume,
            _ => Phase::Produce,
        }
    }

    fn is_still_dead(&self) -> bool {
        // What was read of the record stays before this look at its state; pairs with the fence in open::register.
        fence(Ordering::Acquire);
        self.record().state.load(Ordering::Acquire) == self.state
    }

    fn drops(&self) -> bool {
        self.others.properties.drops()
    }

    fn owners(&self, phase: Phase, range: Range) -> Owners {
        self.others.owners(phase, range, Some(self.index))
    }
}

/// The handles of a channel, asked which one owns a position.
struct Others<'a> {
    mapping: &'a Mapping,
    properties: &'a Properties,
    /// Those known to be dead, by index and state word, in that order.
    dead: &'a [(u32, u64)],
    /// That no cell names a position is taken as proof, also where v1 programs may take part.
    force: bool,
}

impl Others<'_> {
    /// What the handles but `except` say of the positions of a range.
    fn owners(&self, phase: Phase, range: Range, except: Option<u32>) -> Owners {
        let role = match phase {
            Phase::Produce => ROLE_PRODUCER,
            Phase::Consume => ROLE_CONSUMER,
        };
        let mut owners = Owners::of_range(range);
        // A v1 program has no cells: that nobody names the position proves nothing where one may take part. On a channel that
        // was removed it does not matter any more.
        if self.properties.v1_peers() && !self.properties.removed && !self.force {
            owners.doubt();
        }
        for index in (0..self.mapping.plan().handles).filter(|&index| Some(index) != except) {
            let record = self.mapping.handle(index);
            // The state before the cells: read after them, a death in between would make a claim that was since owned, and
            // perhaps half published, look like one that was never made. Acquire: pairs with open::register, whose fields and
            // empty cells it brings; with the CAS that declares the handle dead; and with the process that freed the record, whose
            // repairs then come before our CAS. A record passed over for a newcomer's role or channel was freed too, and the
            // fence that each caller has before its CAS says the same of it.
            let state = record.state.load(Ordering::Acquire);
            if state == RecordState::FREE
                || record.role.load(Ordering::Relaxed) != role
                || !is_of(record, self.properties)
            {
                continue;
            }
            let lives = matches!(RecordState::decode(state), RecordState::Live { .. })
                && self.dead.binary_search(&(index, state)).is_err();
            // Acquire: pairs with all stores to cells in produce and consume. A cell that was reused comes with its earlier
            // claim's end, and the CAS that follows fails.
            let cells = record
                .cells
                .each_ref()
                .map(|cell| Cell::decode(cell.load(Ordering::Acquire)));
            // A record that changed hands meanwhile may have been read half for one channel and half for another.
            // Pairs with the fence in open::register, as above.
            fence(Ordering::Acquire);
            if record.state.load(Ordering::Acquire) != state {
                owners.doubt();
                continue;
            }
            for cell in cells {
                match cell {
                    Cell::Owned(claim) if claim.phase == phase => owners.own(claim),
                    Cell::Trying(claim) if lives && claim.phase == phase => owners.try_for(claim),
                    _ => {}
                }
            }
        }
        owners
    }
}

/// Frees the records of dead processes that have no handle left.
pub(super) fn free_processes(attachment: &Attachment) {
    let mapping = attachment.mapping();
    let plan = mapping.plan();
    for index in 0..plan.processes {
        let record = mapping.process(index);
        // Acquire: pairs with declare_dead; the handles that the dead process had registered are seen.
        let word = record.state.load(Ordering::Acquire);
        let RecordState::Dead { generation } = RecordState::decode(word) else {
            continue;
        };
        let registered_under = RecordState::Live { generation }.encode();
        // Acquire: pairs with open::register and with the process that freed them. A newcomer's fields beside an old state say that the
        // handle of the dead one is freed, which is what we ask.
        let has_handles = (0..plan.handles).map(|handle| mapping.handle(handle)).any(|handle| {
            handle.state.load(Ordering::Acquire) != RecordState::FREE
                && handle.process.load(Ordering::Relaxed) == index
                && handle.process_generation.load(Ordering::Relaxed) == registered_under
        });
        if !has_handles {
            // Release: pairs with the acquire of Attachment::free_place. Nothing rests on the acquire.
            let _ = record
                .state
                .compare_exchange(word, RecordState::FREE, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

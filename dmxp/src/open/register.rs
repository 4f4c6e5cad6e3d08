//! Taking a handle record for a newcomer.

use crate::delivery::broadcast::Mode;
use crate::error::{Error, Result};
use crate::handle::{Handle, Role};
use crate::layout::{ROLE_PRODUCER, SUBSCRIPTION_LOSSY, SUBSCRIPTION_NONE, SUBSCRIPTION_RELIABLE};
use crate::liveness::RecordState;
use crate::open::request::Request;
use crate::region::{Management, Region};
use crate::ring::broadcast::limit;
use crate::ring::broadcast::limit::From as Beginning;
use crate::ring::broadcast::single;
use crate::ring::mapped::MappedRing;
use crate::ring::memory::RingMemory;
use crate::ring::packed::mapped::PackedSlots;
use crate::ring::word::Cell;
use crate::sync::{Ordering, fence};
use crate::table::delivery::{Delivery, Start, Subscription};
use crate::table::holders::{open_handles, pid_of};
use crate::table::properties::Properties;

/// Takes a handle record: cells empty and fields written before the state says that it lives. The release of that store pairs with
/// the acquires of all that look for handles: sweeps, lists, blockages.
pub(crate) fn register(
    management: &Management<'_>,
    region: &Region,
    properties: Properties,
    role: Role,
    request: &Request,
) -> Result<(Handle, Begins)> {
    let index = match free_handle(management) {
        Some(index) => index,
        None => {
            crate::recovery::sweep::sweep_region(management)?;
            let limit = management.attachment.mapping().plan().handles;
            free_handle(management).ok_or(Error::HandleTableFull { limit })?
        }
    };
    let registration = management.attachment.registration()?;
    let ring = MappedRing::new(region.attachment.clone(), properties.place(), index)
        .ok_or_else(|| Error::corrupt(format!("channel {} does not lie in the region", properties.label())))?;
    let mode = match (role, properties.delivery) {
        (Role::Producer, _) | (_, Delivery::Queue) => None,
        (Role::Consumer, Delivery::Latest) => Some(Mode::Latest),
        (Role::Consumer, Delivery::Broadcast) => Some(match request.subscription.unwrap_or_default() {
            Subscription::Reliable => Mode::Reliable,
            Subscription::Lossy => Mode::Lossy,
        }),
    };
    let from = match request.start.unwrap_or_default() {
        // Everything, but only the last of it is looked at.
        _ if mode == Some(Mode::Latest) => Beginning::Position(0),
        Start::Newest => limit::newest(&ring),
        Start::Oldest => Beginning::Oldest,
        Start::Position(position) => Beginning::Position(position),
    };
    let record = ring.handle();
    // Before the fields change: pairs with the fences in recovery. A slow sweeper that reads one of them then sees that the record
    // is no longer the dead one's. Pairs also with the fence in statistics::unchanged.
    fence(Ordering::Release);
    crate::handle::counters::hand_over(management.attachment.mapping(), record);
    for cell in &record.cells {
        cell.store(Cell::EMPTY, Ordering::Relaxed);
    }
    record.process.store(registration.process, Ordering::Relaxed);
    record.process_generation.store(registration.state, Ordering::Relaxed);
    record.role.store(role as u32, Ordering::Relaxed);
    record.channel_id.store(properties.id, Ordering::Relaxed);
    record
        .channel_generation
        .store(properties.generation, Ordering::Relaxed);
    record.thread.store(crate::os::fork::thread_id(), Ordering::Relaxed);
    record.opened_ns.store(crate::os::clock::now_ns(), Ordering::Relaxed);
    record.waiting_since_ns.store(0, Ordering::Relaxed);
    let (subscription, cursor) = match mode {
        // Where the producer begins, for those that want to know at the end of the stream what it was about to send. No other moves
        // the tail.
        None if properties.slots.is_packed() => (SUBSCRIPTION_NONE, ring.tail().load(Ordering::Acquire)),
        None => (SUBSCRIPTION_NONE, 0),
        Some(Mode::Reliable) => (SUBSCRIPTION_RELIABLE, limit::guess(&ring, from)),
        Some(Mode::Lossy | Mode::Latest) => (SUBSCRIPTION_LOSSY, 0),
    };
    record.cursor.store(cursor, Ordering::Relaxed);
    record.subscription.store(subscription, Ordering::Relaxed);
    let state = RecordState::Live {
        generation: management.next_generation(),
    }
    .encode();
    record.state.store(state, Ordering::Release);
    let handle = Handle::new(ring, index, state, role, properties);
    let (ring, properties) = (&handle.ring, &handle.properties);
    let packed = || {
        let slots = PackedSlots::new(region.attachment.clone(), properties.place(), properties.admits_lossy());
        slots.ok_or_else(|| Error::corrupt(format!("channel {} does not lie in the region", properties.label())))
    };
    let packed = properties.slots.is_packed().then(packed).transpose()?;
    let single = properties.single_producer();
    let begins = match mode {
        Some(mode) => {
            let cursor = (mode == Mode::Reliable).then(|| &ring.handle().cursor);
            let beginning = match mode {
                Mode::Latest => limit::Beginning {
                    next: 0,
                    skip: 0,
                    missed: 0,
                },
                Mode::Reliable | Mode::Lossy => {
                    let mut beginning = limit::join(ring, cursor, from, single);
                    if request.start.unwrap_or_default() == Start::Newest {
                        // What was sent while it subscribed, and is gone, is not what it asked for.
                        beginning.missed = 0;
                    }
                    beginning
                }
            };
            handle
                .registration()
                .found_nothing_at
                .store(beginning.next, Ordering::Relaxed);
            match packed {
                Some(slots) => Begins::Packed(slots, Some((mode == Mode::Lossy, beginning))),
                None => Begins::Subscriber(mode, beginning),
            }
        }
        None if properties.slots.is_packed() => packed.map_or(Begins::Queue, |slots| Begins::Packed(slots, None)),
        None if properties.delivery != Delivery::Queue => Begins::Publisher(single.then(|| single::repair(ring))),
        None => Begins::Queue,
    };
    Ok((handle, begins))
}

/// Where a handle begins.
#[derive(Debug)]
pub(crate) enum Begins {
    /// At the cursors, as every handle to a queue.
    Queue,
    /// A single producer of a broadcast or latest channel, at this position; one of several, at the tail.
    Publisher(Option<u64>),
    /// A consumer of such a channel.
    Subscriber(Mode, limit::Beginning),
    /// A handle to packed slots: the producer at the tail, a consumer, lossy or not, where it says.
    Packed(PackedSlots, Option<(bool, limit::Beginning)>),
}

/// Refuses a second producer beside one that lives.
pub(crate) fn refuse_second_producer(management: &Management<'_>, properties: &Properties) -> Result<()> {
    let mapping = management.attachment.mapping();
    let producers = || -> Vec<u32> {
        // Under the lock nobody registers.
        open_handles(mapping, properties)
            .filter(|record| record.role.load(Ordering::Relaxed) == ROLE_PRODUCER)
            .map(|record| pid_of(mapping, record))
            .collect()
    };
    if producers().is_empty() {
        return Ok(());
    }
    // It may be dead.
    crate::recovery::sweep::sweep_region(management)?;
    match producers() {
        pids if pids.is_empty() => Ok(()),
        pids => Err(Error::ChannelInUse {
            channel: format!("{}, which has one producer at a time,", properties.label()),
            pids,
        }),
    }
}

fn free_handle(management: &Management<'_>) -> Option<u32> {
    let mapping = management.attachment.mapping();
    // Acquire: pairs with the process that freed the record, in Handle::drop or after a sweep: its claims are done with before it is ours.
    (0..mapping.plan().handles).find(|&index| mapping.handle(index).state.load(Ordering::Acquire) == RecordState::FREE)
}

//! Opening a handle under the management lock: the channel is found, and compared with what is asked for, or created, and the
//! handle registered.

pub(crate) mod create;
mod remove;
pub(crate) mod request;

use crate::delivery::broadcast::publish::Publisher;
use crate::delivery::broadcast::subscribe::{Mode, Subscriber};
use crate::error::{Error, Result};
use crate::handle::{Handle, Role};
use crate::layout::{
    MAX_CHANNELS, ROLE_PRODUCER, SUBSCRIPTION_LOSSY, SUBSCRIPTION_NONE, SUBSCRIPTION_RELIABLE, waiters,
};
use crate::liveness::RecordState;
use crate::open::create::{create, stored_form};
use crate::open::request::Request;
use crate::region::{Management, Region};
use crate::ring::broadcast::limit;
use crate::ring::broadcast::limit::From as Beginning;
use crate::ring::broadcast::single;
use crate::ring::mapped::MappedRing;
use crate::ring::word::Cell;
use crate::sync::{Ordering, fence};
use crate::table::delivery::{Delivery, Start, Subscription};
use crate::table::holders::HolderInfo;
use crate::table::properties::{DeadConsumers, Properties};
use crate::wait::WaitStrategy;
use dmxp_schema::compat;

/// A handle to each ring of a channel.
pub(crate) struct Opened {
    pub(crate) ring: OpenedRing,
    /// The ring for urgent messages, where the channel has priorities.
    pub(crate) high: Option<OpenedRing>,
}

impl Opened {
    pub(crate) fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.ring.handle.set_wait_strategy(strategy);
        if let Some(high) = &mut self.high {
            high.handle.set_wait_strategy(strategy);
        }
    }
}

/// A handle, and for consumers where they put what was returned too often.
pub(crate) struct OpenedRing {
    pub(crate) handle: Handle,
    pub(crate) dead_letters: Option<Handle>,
}

/// Opens a handle, creating the channel if it does not exist and the request allows it.
pub(crate) fn open(region: &Region, request: &Request, role: Role) -> Result<Opened> {
    request.check()?;
    region.attachment.check()?;
    let management = Management::lock(&region.attachment)?;
    crate::table::removal::purge_removed(&management);
    let properties = match find(&management, request)? {
        Some(properties) => {
            compare(&management, &properties, request, role)?;
            properties
        }
        None if request.open_only => {
            return Err(Error::ChannelNotFound {
                channel: request.label(),
            });
        }
        None => {
            // Before it is made: a consumer that is refused must not leave a channel behind that refuses the others.
            if role == Role::Consumer {
                request.check_subscription(request.delivery.unwrap_or_default())?;
            }
            create(&management, request)?
        }
    };
    if role == Role::Consumer {
        request.check_subscription(properties.delivery)?;
    }
    if role == Role::Producer && properties.single_producer() {
        refuse_second_producer(&management, &properties)?;
    }
    let high = match properties.partner(region.attachment.mapping()) {
        None if properties.has_priorities() => {
            let label = properties.label();
            return Err(Error::corrupt(format!(
                "the ring for urgent messages of channel {label} is not there"
            )));
        }
        high => high,
    };
    let OpenedRing { handle, dead_letters } = open_ring(&management, region, properties, role, request)?;
    let mut high = high
        .map(|high| open_ring(&management, region, high, role, request))
        .transpose()?;
    if let Some(high) = &mut high {
        high.handle.keep(&handle);
    }
    if role == Role::Producer {
        // The next producer reopens a closed stream. SeqCst: in one order with Event::raise and the looks at the bit.
        handle
            .ring
            .record()
            .data_waiters
            .fetch_and(!waiters::CLOSED, Ordering::SeqCst);
    }
    drop(management);
    // What the dead left is dealt with now, and not at the first wait.
    crate::recovery::sweep::sweep_channel(&region.attachment, &handle.properties)?;
    if let Some(high) = &high {
        crate::recovery::sweep::sweep_channel(&region.attachment, &high.handle.properties)?;
    }
    let ring = OpenedRing { handle, dead_letters };
    Ok(Opened { ring, high })
}

fn open_ring(
    management: &Management<'_>,
    region: &Region,
    properties: Properties,
    role: Role,
    request: &Request,
) -> Result<OpenedRing> {
    let letters = match role {
        Role::Consumer => properties.dead_letters(region.attachment.mapping()),
        Role::Producer => None,
    };
    let handle = register(management, region, properties, role, request)?;
    let dead_letters = letters
        .map(|letters| register(management, region, letters, Role::Producer, &Request::default()))
        .transpose()?;
    Ok(OpenedRing { handle, dead_letters })
}

/// The channel that the request means, if it exists. Everything of its record has been checked.
pub(crate) fn find(management: &Management<'_>, request: &Request) -> Result<Option<Properties>> {
    let mapping = management.attachment.mapping();
    let found = match (request.id, &request.name) {
        (Some(id), _) => Properties::read(mapping, id)?,
        (None, Some(name)) => by_name(management, name)?,
        (None, None) => None,
    };
    let Some(properties) = found else {
        // Acquire: pairs with a v1 program's store of the capacity; nothing else of the entry is read.
        if let Some(id) = request.id
            && mapping.entry(id).capacity.load(Ordering::Acquire) != 0
        {
            let asked = "one that dmxp made".into();
            let existing = "one that a v1 program made, without a control record".into();
            return Err(Error::ChannelMismatch {
                channel: id.to_string(),
                property: "origin",
                existing,
                asked,
            });
        }
        if let (Some(_), Some(name)) = (request.id, &request.name)
            && let Some(other) = by_name(management, name)?
        {
            return Err(mismatch(&other, "id", other.id, request.label()));
        }
        return Ok(None);
    };
    if properties.is_high() {
        let label = properties.label();
        return Err(Error::invalid(format!(
            "channel {label} is the ring for urgent messages of another one: open that, by its name or id {}",
            properties.listeners()
        )));
    }
    if properties.removed {
        let pids = crate::table::holders::holders(management.attachment, &properties)
            .into_iter()
            .map(|holder| holder.pid)
            .collect();
        return Err(Error::ChannelInUse {
            channel: format!("{} (removed)", properties.label()),
            pids,
        });
    }
    match &request.name {
        Some(name) if properties.name.as_ref() != Some(name) => {
            let existing = properties.name.clone().unwrap_or_else(|| "(none)".into());
            Err(mismatch(&properties, "name", existing, name))
        }
        _ => Ok(Some(properties)),
    }
}

fn by_name(management: &Management<'_>, name: &str) -> Result<Option<Properties>> {
    let mapping = management.attachment.mapping();
    for id in 0..MAX_CHANNELS {
        // One damaged record must not hide the others.
        if let Ok(Some(properties)) = Properties::read(mapping, id)
            && !properties.removed
            && !properties.is_high()
            && properties.name.as_deref() == Some(name)
        {
            return Ok(Some(properties));
        }
    }
    Ok(None)
}

pub(crate) fn mismatch(
    properties: &Properties,
    property: &'static str,
    existing: impl ToString,
    asked: impl ToString,
) -> Error {
    let (existing, asked) = (existing.to_string(), asked.to_string());
    Error::ChannelMismatch {
        channel: properties.label(),
        property,
        existing,
        asked,
    }
}

/// Compares what was asked for with what exists. Writes nothing.
pub(crate) fn compare(
    management: &Management<'_>,
    properties: &Properties,
    request: &Request,
    role: Role,
) -> Result<()> {
    // First: who made a queue by leaving the delivery out has left out the rest as well, and this is the difference to tell.
    if let Some(asked) = request.delivery.filter(|&asked| asked != properties.delivery) {
        return Err(mismatch(properties, "delivery", properties.delivery, asked));
    }
    if let Some(capacity) = request.capacity.filter(|&capacity| capacity != properties.capacity) {
        return Err(mismatch(properties, "capacity", properties.capacity, capacity));
    }
    if let Some(limit) = request
        .redelivery_limit
        .filter(|&limit| limit != properties.redelivery_limit)
    {
        return Err(mismatch(
            properties,
            "redelivery limit",
            properties.redelivery_limit,
            limit,
        ));
    }
    if let Some(asked) = request.expiry.filter(|&asked| Some(asked) != properties.expiry()) {
        let existing = properties
            .expiry()
            .map_or_else(|| "(none)".into(), |expiry| format!("{expiry:?}"));
        return Err(mismatch(properties, "expiry", existing, format!("{asked:?}")));
    }
    if let Some(asked) = &request.dead_letters {
        let letters = properties.dead_letters(management.attachment.mapping());
        let existing = letters
            .and_then(|letters| letters.name)
            .unwrap_or_else(|| "(none)".into());
        if existing != *asked {
            return Err(mismatch(properties, "dead letters", existing, asked));
        }
    }
    if let Some(asked) = request
        .payload_capacity
        .filter(|&asked| asked != properties.slots.payload_capacity)
    {
        return Err(mismatch(
            properties,
            "payload capacity",
            properties.slots.payload_capacity,
            asked,
        ));
    }
    let drops = request.dead_consumers.map(|policy| policy == DeadConsumers::Drop);
    let switches = [
        ("compact slots", properties.slots.is_compact(), request.compact),
        ("v1_peers", properties.v1_peers(), request.v1_peers),
        ("checksums", properties.checksums(), request.checksums),
        ("single producer", properties.single_producer(), request.single_producer),
        ("priorities", properties.has_priorities(), request.priorities),
        ("drops messages of dead consumers", properties.drops(), drops),
    ];
    for (property, existing, asked) in switches {
        if let Some(asked) = asked.filter(|&asked| asked != existing) {
            return Err(mismatch(properties, property, existing, asked));
        }
    }
    let mapping = management.attachment.mapping();
    let Some(mine) = &request.schema else {
        return if properties.is_typed() {
            let existing = properties
                .schema(mapping)?
                .map_or_else(String::new, |schema| schema.name().to_owned());
            Err(mismatch(properties, "message type", existing, "untyped bytes"))
        } else {
            Ok(())
        };
    };
    if !properties.is_typed() {
        return Err(mismatch(properties, "message type", "untyped bytes", mine.name()));
    }
    let same_numbers = properties.schema_fingerprint == mine.schema_fingerprint()
        && properties.layout_fingerprint == mine.layout_fingerprint();
    // Equal fingerprints are not proof; the stored bytes are.
    if same_numbers && properties.schema_bytes(mapping)? == stored_form(mine)? {
        return Ok(());
    }
    let Some(theirs) = properties.schema(mapping)? else {
        return Ok(());
    };
    let (comparison, words) = match role {
        Role::Producer => (compat::compare(mine, &theirs), ("here", "in the channel")),
        Role::Consumer => (compat::compare(&theirs, mine), ("in the channel", "here")),
    };
    if comparison.is_compatible() {
        return Ok(());
    }
    Err(Error::SchemaMismatch {
        channel: properties.label(),
        differences: comparison.describe(words.0, words.1),
    })
}

/// Takes a handle record: cells empty and fields written before the state says that it lives. The release of that store pairs with
/// the acquires of all who look for handles: sweeps, lists, blockages.
fn register(
    management: &Management<'_>,
    region: &Region,
    properties: Properties,
    role: Role,
    request: &Request,
) -> Result<Handle> {
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
    let mut handle = Handle::new(ring, index, state, role, properties);
    let (ring, properties) = (&handle.ring, &handle.properties);
    let single = properties.single_producer();
    if let Some(mode) = mode {
        let cursor = (mode == Mode::Reliable).then(|| &ring.handle().cursor);
        let beginning = match mode {
            Mode::Latest => limit::Beginning {
                next: 0,
                skip: 0,
                missed: 0,
            },
            Mode::Reliable | Mode::Lossy => limit::join(ring, cursor, from, single),
        };
        handle.seat().found_nothing_at.store(beginning.next, Ordering::Relaxed);
        let subscriber = Subscriber::new(mode, single, beginning, properties.capacity);
        handle.subscriber = Some(Box::new(subscriber));
    } else if properties.delivery != Delivery::Queue {
        let next = single.then(|| single::repair(ring));
        let latest = properties.delivery == Delivery::Latest;
        handle.publisher = Some(Box::new(Publisher::new(next, latest)));
    }
    Ok(handle)
}

/// Refuses a second producer beside one that lives.
fn refuse_second_producer(management: &Management<'_>, properties: &Properties) -> Result<()> {
    let mapping = management.attachment.mapping();
    let producers = || -> Vec<u32> {
        (0..mapping.plan().handles)
            .map(|index| mapping.handle(index))
            .filter(|record| {
                // Acquire: pairs with the release in `register`, and with who freed it. Under the lock nobody registers.
                record.state.load(Ordering::Acquire) != RecordState::FREE
                    && record.role.load(Ordering::Relaxed) == ROLE_PRODUCER
                    && record.channel_id.load(Ordering::Relaxed) == properties.id
                    && record.channel_generation.load(Ordering::Relaxed) == properties.generation
            })
            .map(|record| HolderInfo::of(management.attachment, record).pid)
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
    // Acquire: pairs with who freed the record, in Handle::drop or after a sweep: its claims are done with before it is ours.
    (0..mapping.plan().handles).find(|&index| mapping.handle(index).state.load(Ordering::Acquire) == RecordState::FREE)
}

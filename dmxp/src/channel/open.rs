//! Finding or creating a channel under the management lock, and registering a handle to it.

use super::broadcast::publisher::Publisher;
use super::broadcast::subscriber::{Mode, Subscriber};
use super::delivery::{Delivery, Start, Subscription};
use super::handle::{Handle, Role};
use super::list::HolderInfo;
use super::properties::{
    DEFAULT_REDELIVERIES, DeadConsumers, MAX_REDELIVERIES, MAX_SCHEMA, Properties, check_capacity, check_name,
};
use crate::error::{Error, Result};
use crate::layout::{
    CHANNEL_FLAG_CHECKSUMS, CHANNEL_FLAG_DEAD_LETTERS, CHANNEL_FLAG_DROP, CHANNEL_FLAG_EXPIRY, CHANNEL_FLAG_HIGH,
    CHANNEL_FLAG_PRIORITIES, CHANNEL_FLAG_SINGLE_PRODUCER, CHANNEL_FLAG_V1_PEERS, CHANNEL_LIVE, INLINE_PAYLOAD,
    MAX_CHANNELS, MODE_BROADCAST, MODE_LATEST, MODE_QUEUE, ROLE_PRODUCER, SUBSCRIPTION_LOSSY, SUBSCRIPTION_NONE,
    SUBSCRIPTION_RELIABLE, Slot, SlotShape, waiters,
};
use crate::liveness::RecordState;
use crate::region::{Management, Region, find_space, reserve_space};
use crate::ring::broadcast::limit::{self, From as Beginning};
use crate::ring::broadcast::{single, untouched};
use crate::ring::mapped::MappedRing;
use crate::ring::word::Cell;
use crate::sync::{Ordering, fence};
use crate::wait::WaitStrategy;
use dmxp_schema::compat;
use dmxp_schema::model::Schema;
use std::time::Duration;

/// Slots of a channel whose creator does not say.
pub(crate) const DEFAULT_CAPACITY: u64 = 1_024;
/// The same for latest channels: one value is read, and the others are the time that a reader has to copy it.
pub(crate) const DEFAULT_CAPACITY_LATEST: u64 = 16;

/// What is asked of a channel when a handle is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) id: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) capacity: Option<u64>,
    pub(crate) schema: Option<Schema>,
    pub(crate) compact: Option<bool>,
    /// Of the compact slots of a channel of bytes.
    pub(crate) payload_capacity: Option<u32>,
    pub(crate) v1_peers: Option<bool>,
    pub(crate) checksums: Option<bool>,
    pub(crate) dead_consumers: Option<DeadConsumers>,
    pub(crate) redelivery_limit: Option<u32>,
    pub(crate) dead_letters: Option<String>,
    pub(crate) expiry: Option<Duration>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) single_producer: Option<bool>,
    /// Of the consumer that is opened, as the next.
    pub(crate) subscription: Option<Subscription>,
    pub(crate) start: Option<Start>,
    pub(crate) priorities: Option<bool>,
    pub(crate) open_only: bool,
}

impl Request {
    fn label(&self) -> String {
        match (&self.name, self.id) {
            (Some(name), Some(id)) => format!("`{name}` ({id})"),
            (Some(name), None) => format!("`{name}`"),
            (None, Some(id)) => id.to_string(),
            (None, None) => "without id and name".into(),
        }
    }

    fn check(&self) -> Result<()> {
        if let Some(id) = self.id.filter(|&id| id >= MAX_CHANNELS) {
            return Err(Error::invalid(format!(
                "channel id {id}: ids are 0 to {}",
                MAX_CHANNELS - 1
            )));
        }
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        if let Some(capacity) = self.capacity {
            check_capacity(capacity)?;
        }
        if let Some(limit) = self.redelivery_limit.filter(|&limit| limit > MAX_REDELIVERIES) {
            return Err(Error::invalid(format!(
                "redelivery limit {limit}: give 0 to {MAX_REDELIVERIES}"
            )));
        }
        if let Some(letters) = &self.dead_letters {
            check_name(letters)?;
            if self.name.as_ref() == Some(letters) {
                return Err(Error::invalid(format!(
                    "channel `{letters}` cannot be its own for dead letters"
                )));
            }
        }
        if self.v1_peers == Some(true) && self.checksums == Some(true) {
            return Err(Error::invalid(
                "a channel for v1 peers cannot have checksums: v1 programs neither write nor check them",
            ));
        }
        self.check_expiry()?;
        if self.v1_peers == Some(true) && self.priorities == Some(true) {
            return Err(Error::invalid(
                "a channel for v1 peers cannot have priorities: v1 programs know of one ring only",
            ));
        }
        self.check_slots()?;
        self.check_delivery()?;
        if self.id.is_none() && self.name.is_none() {
            return Err(Error::invalid("give a channel id (0 to 255) or a channel name"));
        }
        if let Some(schema) = self.schema.as_ref().filter(|schema| schema.size() > INLINE_PAYLOAD) {
            let (len, limit) = (schema.size() as usize, INLINE_PAYLOAD as usize);
            return Err(Error::PayloadTooLarge { len, limit });
        }
        Ok(())
    }

    fn check_expiry(&self) -> Result<()> {
        let Some(expiry) = self.expiry else { return Ok(()) };
        if expiry.is_zero() || u64::try_from(expiry.as_nanos()).is_err() {
            return Err(Error::invalid(format!(
                "expiry {expiry:?}: give 1 ns to 584 years, or leave it out"
            )));
        }
        if self.v1_peers == Some(true) {
            return Err(Error::invalid(
                "messages cannot expire on a channel for v1 peers: v1 programs neither say when they send nor skip what is old",
            ));
        }
        Ok(())
    }

    fn check_delivery(&self) -> Result<()> {
        let delivery = self.delivery.unwrap_or_default();
        if delivery == Delivery::Queue {
            return match (self.delivery, self.single_producer) {
                (Some(_), Some(true)) => Err(Error::invalid(
                    "a queue has any number of producers; one at a time is for broadcast and latest channels",
                )),
                _ => Ok(()),
            };
        }
        let of_queues = [
            ("v1 peers", self.v1_peers == Some(true), "v1 programs know queues only"),
            (
                "dead letters",
                self.dead_letters.is_some(),
                "nothing is delivered again there",
            ),
            (
                "a redelivery limit",
                self.redelivery_limit.is_some(),
                "nothing is delivered again there",
            ),
            (
                "messages that expire",
                self.expiry.is_some(),
                "what is older is overwritten, or was sent to everybody",
            ),
            (
                "priorities",
                self.priorities == Some(true),
                "everybody reads what was sent in the order in which it was sent",
            ),
            (
                "a policy for messages of dead consumers",
                self.dead_consumers.is_some(),
                "nothing is delivered again there",
            ),
        ];
        match of_queues.into_iter().find(|(_, asked, _)| *asked) {
            Some((what, _, why)) => Err(Error::invalid(format!(
                "a {delivery} channel cannot have {what}: {why}"
            ))),
            None => Ok(()),
        }
    }

    /// What a consumer asks for that its channel cannot give.
    fn check_subscription(&self, delivery: Delivery) -> Result<()> {
        let asked = match (delivery, self.subscription, self.start) {
            (Delivery::Broadcast, ..) | (_, None, None) => return Ok(()),
            (_, Some(Subscription::Reliable), _) => "a reliable subscription",
            (_, Some(Subscription::Lossy), _) => "a lossy subscription",
            (_, None, Some(_)) => "a start",
        };
        let why = match delivery {
            Delivery::Latest => "its consumers read the newest value",
            Delivery::Queue | Delivery::Broadcast => {
                "its consumers share what comes (who comes first makes the channel, a queue unless the delivery is given)"
            }
        };
        Err(Error::invalid(format!(
            "a {delivery} channel cannot have {asked}: {why}"
        )))
    }

    fn check_slots(&self) -> Result<()> {
        if self.v1_peers == Some(true) && self.compact == Some(true) {
            return Err(Error::invalid(
                "a channel for v1 peers cannot have compact slots: v1 programs know slots of 1,088 bytes only",
            ));
        }
        let Some(asked) = self.payload_capacity else {
            return Ok(());
        };
        if self.schema.is_some() {
            return Err(Error::invalid(format!(
                "payload capacity {asked}: the slots of a channel with a message type are sized to the type"
            )));
        }
        if self.compact == Some(false) {
            return Err(Error::invalid(format!(
                "payload capacity {asked}: slots that are not compact hold {INLINE_PAYLOAD} bytes"
            )));
        }
        if SlotShape::compact(asked).is_none() {
            return Err(Error::invalid(format!(
                "payload capacity {asked}: give 1 to {INLINE_PAYLOAD} bytes"
            )));
        }
        Ok(())
    }

    /// The slots of the channel if it is made. The request has been checked.
    fn slots(&self) -> Result<SlotShape> {
        if self.compact != Some(true) {
            return Ok(SlotShape::V1);
        }
        self.payload_capacity
            .or(self.schema.as_ref().map(Schema::size))
            .and_then(SlotShape::compact)
            .ok_or_else(|| {
                Error::invalid("compact slots for bytes need a payload capacity: the most bytes that a message has")
            })
    }
}

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
    super::list::purge_removed(&management);
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
    crate::recovery::sweep_channel(&region.attachment, &handle.properties)?;
    if let Some(high) = &high {
        crate::recovery::sweep_channel(&region.attachment, &high.handle.properties)?;
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
fn find(management: &Management<'_>, request: &Request) -> Result<Option<Properties>> {
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
        let pids = super::list::holders(management.attachment, &properties)
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

fn mismatch(properties: &Properties, property: &'static str, existing: impl ToString, asked: impl ToString) -> Error {
    let (existing, asked) = (existing.to_string(), asked.to_string());
    Error::ChannelMismatch {
        channel: properties.label(),
        property,
        existing,
        asked,
    }
}

/// Compares what was asked for with what exists. Writes nothing.
fn compare(management: &Management<'_>, properties: &Properties, request: &Request, role: Role) -> Result<()> {
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

/// The bytes of a schema as they are stored: notes are kept as far as they fit.
pub(crate) fn stored_form(schema: &Schema) -> Result<Vec<u8>> {
    dmxp_schema::binary::encode_to_fit(schema, MAX_SCHEMA)
        .map_err(|error| Error::invalid(format!("the schema of `{}` cannot be stored: {error}", schema.name())))
}

fn create(management: &Management<'_>, request: &Request) -> Result<Properties> {
    let shape = request.slots()?;
    // First: one that our death leaves alone harms nobody.
    let letters = request
        .dead_letters
        .as_ref()
        .map(|name| find_or_create_dead_letters(management, request, shape, name))
        .transpose()?;
    let id = match request.id {
        Some(id) => id,
        None => unused_id(management, None)?,
    };
    let generation = management.next_generation();
    let letters = letters.map(|letters| (letters.id, letters.generation));
    let mut ring = NewRing {
        shape,
        id,
        generation,
        letters,
        partner: None,
    };
    if request.priorities == Some(true) {
        // Before the channel that it belongs to: without that, it is nobody's, and list::purge_removed frees it.
        let high = NewRing {
            id: unused_id(management, Some(id))?,
            generation: management.next_generation(),
            partner: Some((CHANNEL_FLAG_HIGH, id, generation)),
            ..ring
        };
        ring.partner = Some((CHANNEL_FLAG_PRIORITIES, high.id, high.generation));
        make_ring(management, request, high)?;
        return make_ring(management, request, ring).inspect_err(|_| {
            super::list::purge_removed(management);
        });
    }
    make_ring(management, request, ring)
}

/// A ring that is about to be made.
#[derive(Clone, Copy)]
struct NewRing {
    shape: SlotShape,
    id: u32,
    generation: u64,
    /// Id and generation of the channel for dead letters.
    letters: Option<(u32, u64)>,
    /// Which of two rings it is, as a flag, and id and generation of the other.
    partner: Option<(u32, u32, u64)>,
}

fn make_ring(management: &Management<'_>, request: &Request, ring: NewRing) -> Result<Properties> {
    let NewRing {
        shape,
        id,
        generation,
        letters,
        partner,
    } = ring;
    let attachment = management.attachment;
    let mapping = attachment.mapping();
    let schema = request
        .schema
        .as_ref()
        .map(stored_form)
        .transpose()?
        .unwrap_or_default();
    let delivery = request.delivery.unwrap_or_default();
    if delivery == Delivery::Queue && request.single_producer == Some(true) {
        return Err(Error::invalid(
            "a queue has any number of producers; one at a time is for broadcast and latest channels",
        ));
    }
    let capacity = request.capacity.unwrap_or(match delivery {
        Delivery::Latest => DEFAULT_CAPACITY_LATEST,
        Delivery::Queue | Delivery::Broadcast => DEFAULT_CAPACITY,
    });
    let slots = shape.bytes(capacity);
    let len = (slots + schema.len() as u64).next_multiple_of(128);
    let offset = find_space(mapping, len)?;
    reserve_space(attachment.file()?, offset, len)?;

    management.begin_channel(id);
    // Relaxed, all that follows: after the fence in begin_channel, and before the release below.
    let record = mapping.record(id);
    let flag = |on: Option<bool>, flag: u32| if on == Some(true) { flag } else { 0 };
    let drops = request.dead_consumers.map(|policy| policy == DeadConsumers::Drop);
    let flags = flag(request.v1_peers, CHANNEL_FLAG_V1_PEERS)
        | flag(request.checksums, CHANNEL_FLAG_CHECKSUMS)
        | flag(drops, CHANNEL_FLAG_DROP)
        | flag(Some(request.expiry.is_some()), CHANNEL_FLAG_EXPIRY)
        | flag(Some(letters.is_some()), CHANNEL_FLAG_DEAD_LETTERS)
        | flag(request.single_producer, CHANNEL_FLAG_SINGLE_PRODUCER)
        | partner.map_or(0, |(flag, ..)| flag);
    let mode = match delivery {
        Delivery::Queue => MODE_QUEUE,
        Delivery::Broadcast => MODE_BROADCAST,
        Delivery::Latest => MODE_LATEST,
    };
    record.generation.store(generation, Ordering::Relaxed);
    record.mode.store(mode, Ordering::Relaxed);
    record.flags.store(flags, Ordering::Relaxed);
    record.payload_capacity.store(shape.payload_capacity, Ordering::Relaxed);
    record.slot_stride.store(shape.stride, Ordering::Relaxed);
    record
        .message_size
        .store(request.schema.as_ref().map_or(0, Schema::size), Ordering::Relaxed);
    record.capacity.store(capacity, Ordering::Relaxed);
    record.ring_offset.store(offset, Ordering::Relaxed);
    record.ring_len.store(len, Ordering::Relaxed);
    record.schema_offset.store(offset + slots, Ordering::Relaxed);
    record.schema_len.store(schema.len() as u32, Ordering::Relaxed);
    record
        .schema_checksum
        .store(crc32fast::hash(&schema), Ordering::Relaxed);
    let fingerprint = |of: fn(&Schema) -> u64| request.schema.as_ref().map_or(0, of);
    record
        .layout_fingerprint
        .store(fingerprint(Schema::layout_fingerprint), Ordering::Relaxed);
    record
        .schema_fingerprint
        .store(fingerprint(Schema::schema_fingerprint), Ordering::Relaxed);
    record.created_ns.store(crate::clock::now_ns(), Ordering::Relaxed);
    record.creator_pid.store(attachment.pid(), Ordering::Relaxed);
    let limit = match delivery {
        Delivery::Queue => request.redelivery_limit.unwrap_or(DEFAULT_REDELIVERIES),
        Delivery::Broadcast | Delivery::Latest => 0,
    };
    record.redelivery_limit.store(limit, Ordering::Relaxed);
    let expiry_ns = request.expiry.map_or(0, |expiry| expiry.as_nanos() as u64);
    record.expiry_ns.store(expiry_ns, Ordering::Relaxed);
    let (letters_id, letters_generation) = letters.unwrap_or_default();
    record.dead_letters_id.store(letters_id, Ordering::Relaxed);
    record
        .dead_letters_generation
        .store(letters_generation, Ordering::Relaxed);
    let (_, partner_id, partner_generation) = partner.unwrap_or_default();
    record.partner_id.store(partner_id, Ordering::Relaxed);
    record.partner_generation.store(partner_generation, Ordering::Relaxed);
    for word in [
        &record.aborted,
        &record.redelivered,
        &record.dropped,
        &record.dead_lettered,
        &record.recovered,
        &record.expired,
        &record.blocked_head,
        &record.blocked_head_ns,
        &record.blocked_tail,
        &record.blocked_tail_ns,
        &record.verified,
        &record.announced,
    ] {
        word.store(0, Ordering::Relaxed);
    }
    super::counters::begin(record);
    let name = request
        .name
        .as_deref()
        .unwrap_or_default()
        .bytes()
        .chain(core::iter::repeat(0));
    for (place, byte) in record.name.iter().zip(name) {
        place.store(byte, Ordering::Relaxed);
    }
    record.joins.store(0, Ordering::Relaxed);
    record.data_waiters.store(0, Ordering::Relaxed);
    record.space_signal.store(0, Ordering::Relaxed);
    record.space_waiters.store(0, Ordering::Relaxed);

    let entry = mapping.entry(id);
    entry.tail.store(0, Ordering::Relaxed);
    entry.head.store(0, Ordering::Relaxed);
    entry.returned_hint.store(0, Ordering::Relaxed);
    entry.signal.store(0, Ordering::Relaxed);
    let outside = || Error::corrupt(format!("no ring space at {offset}"));
    const META: usize = core::mem::offset_of!(Slot, meta);
    let nothing = [0_u8; core::mem::offset_of!(Slot, payload) - META];
    for position in 0..capacity {
        let slot = offset + shape.bytes(position);
        // Metadata of a removed channel must not be taken for this one's; payloads are never read before they are written.
        mapping.copy_in(slot + META as u64, &nothing).ok_or_else(outside)?;
        // An atomic store: who looks at blockages may still look at the channel that was here before.
        let sequence = match delivery {
            Delivery::Queue => position,
            Delivery::Broadcast | Delivery::Latest => untouched(position, capacity),
        };
        mapping.word(slot).store(sequence, Ordering::Relaxed);
    }
    mapping.copy_in(offset + slots, &schema).ok_or_else(outside)?;
    // Release: whoever sees the channel live sees all of it; pairs with the acquire in Properties::read, without which nobody looks
    // at the ring.
    record.state.store(CHANNEL_LIVE, Ordering::Release);
    management.show_to_v1(id);
    management.count_channels();
    // Relaxed: a counter.
    mapping.control().channels_created.fetch_add(1, Ordering::Relaxed);
    Properties::read(mapping, id)?.ok_or_else(|| Error::corrupt(format!("channel {id} vanished while it was made")))
}

/// The channel for dead letters of a channel that is about to be created with these slots. One that is there may have other
/// slots, if they hold the messages.
fn find_or_create_dead_letters(
    management: &Management<'_>,
    of: &Request,
    slots: SlotShape,
    name: &str,
) -> Result<Properties> {
    let request = Request {
        id: None,
        name: Some(name.to_owned()),
        schema: of.schema.clone(),
        checksums: of.checksums,
        delivery: Some(Delivery::Queue),
        ..Request::default()
    };
    match find(management, &request)? {
        Some(properties) => {
            compare(management, &properties, &request, Role::Producer)?;
            let (existing, needed) = (properties.slots.payload_capacity, slots.payload_capacity);
            if existing < needed {
                return Err(mismatch(&properties, "payload capacity", existing, needed));
            }
            Ok(properties)
        }
        None => create(
            management,
            &Request {
                id: Some(unused_id(management, of.id)?),
                capacity: of.capacity,
                compact: of.compact,
                payload_capacity: of.payload_capacity,
                ..request
            },
        ),
    }
}

/// From the far end: the low ids are those that programs choose for themselves.
fn unused_id(management: &Management<'_>, kept: Option<u32>) -> Result<u32> {
    (0..MAX_CHANNELS)
        .rev()
        .find(|&id| Some(id) != kept && is_unused(management, id))
        .ok_or(Error::ChannelTableFull)
}

fn is_unused(management: &Management<'_>, id: u32) -> bool {
    let mapping = management.attachment.mapping();
    // Relaxed: nothing of the entry is read.
    matches!(Properties::read(mapping, id), Ok(None)) && mapping.entry(id).capacity.load(Ordering::Relaxed) == 0
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
            crate::recovery::sweep_region(management)?;
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
        Start::Newest => Beginning::Newest,
        Start::Oldest => Beginning::Oldest,
        Start::Position(position) => Beginning::Position(position),
    };
    let record = ring.handle();
    // Before the fields change: pairs with the fences in recovery. A slow sweeper that reads one of them then sees that the record
    // is no longer the dead one's. Pairs also with the fence in statistics::unchanged.
    fence(Ordering::Release);
    super::counters::hand_over(management.attachment.mapping(), record);
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
    record.thread.store(crate::region::thread_id(), Ordering::Relaxed);
    record.opened_ns.store(crate::clock::now_ns(), Ordering::Relaxed);
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
    crate::recovery::sweep_region(management)?;
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

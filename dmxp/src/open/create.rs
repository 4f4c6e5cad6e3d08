//! Making a channel under the management lock: its rings, their slots and what the record says of them, and the channel for dead
//! letters that it may need. A ring is there for others when its record says that it lives, which is written last.

use crate::error::{Error, Result};
use crate::handle::Role;
use crate::layout::{
    CHANNEL_FLAG_CHECKSUMS, CHANNEL_FLAG_DEAD_LETTERS, CHANNEL_FLAG_DROP, CHANNEL_FLAG_EXPIRY, CHANNEL_FLAG_NO_LOSSY,
    CHANNEL_FLAG_NO_TIMESTAMPS, CHANNEL_FLAG_PACKED, CHANNEL_FLAG_SHORT_HEADS, CHANNEL_FLAG_SINGLE_PRODUCER,
    CHANNEL_FLAG_V1_PEERS, CHANNEL_FREE, CHANNEL_LIVE, MAX_CHANNELS, MODE_BROADCAST, MODE_LATEST, MODE_QUEUE,
    SlotShape,
};
use crate::open::compare::{compare, mismatch};
use crate::open::find::find;
use crate::open::making::{Halt, Making, Plan, write_name};
use crate::open::options::{SetBy, check_on};
use crate::open::request::Request;
use crate::region::{Management, find_space, reserve_space};
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::properties::{DEFAULT_REDELIVERIES, DeadConsumers, MAX_SCHEMA, Properties, check_capacity};
use crate::table::rings::{RingId, RingName, link};
use dmxp_schema::model::Schema;

/// Slots of a channel whose creator does not say.
const DEFAULT_CAPACITY: u64 = 1_024;
/// The same for latest channels: one value is read, and the others are the time that a reader has to copy it.
const DEFAULT_CAPACITY_LATEST: u64 = 16;

/// Makes the channel that the request means, which is not there. The rings that were made go to `making`, whatever the outcome.
pub(super) fn create(
    management: &Management<'_>,
    request: &Request,
    making: &mut Making,
) -> core::result::Result<Properties, Halt> {
    check_on(request, request.delivery.unwrap_or_default(), SetBy::Creator)?;
    let shape = request.slots()?;
    // First: one that our death leaves alone harms nobody.
    let letters = request
        .dead_letters
        .as_ref()
        .map(|name| find_or_create_dead_letters(management, request, shape, name, making))
        .transpose()?;
    let schema = request
        .schema
        .as_ref()
        .map(stored_form)
        .transpose()?
        .unwrap_or_default();
    let plan = plan(request, shape, &schema)?;
    let has_begun = making.has_begun(request, plan);
    if !has_begun {
        // What is there was begun for a channel that has changed meanwhile.
        making.discard_unmade(management);
    }
    let mut rings = Vec::new();
    for &name in RingName::of_new(request.priorities == Some(true)) {
        if let Some(unmade) = making.unmade(request, name) {
            rings.push(unmade.ring);
            continue;
        }
        let id = match (name, request.id) {
            (RingName::Main, Some(id)) => id,
            _ => unused_id(management, rings.first().map(|main: &RingId| main.id))?,
        };
        let generation = management.next_generation();
        rings.push(RingId { name, id, generation });
    }
    if plan.is_large() && !has_begun {
        making.begin(management, request, &rings, plan)?;
        return Err(Halt::Unprepared);
    }
    let letters = letters.map(|letters| (letters.id, letters.generation));
    let mut main = None;
    // The main ring last: without it, the others are nobody's, and purge_removed frees them if this process dies.
    for ring in rings.iter().rev() {
        let prepared = making.unmade(request, ring.name).map(|unmade| unmade.offset);
        let properties = make_ring(management, request, (plan, &schema, prepared), letters, (ring, &rings))?;
        making.made.push(properties.clone());
        main = Some(properties);
    }
    making.has_made(request);
    main.ok_or_else(|| Error::corrupt("a channel without a ring").into())
}

/// What each ring of the channel takes.
fn plan(request: &Request, shape: SlotShape, schema: &[u8]) -> Result<Plan> {
    let delivery = request.delivery.unwrap_or_default();
    let capacity = request.capacity.unwrap_or(match delivery {
        Delivery::Latest => DEFAULT_CAPACITY_LATEST,
        Delivery::Queue | Delivery::Broadcast => DEFAULT_CAPACITY,
    });
    check_capacity(capacity, Some(delivery))?;
    Ok(Plan {
        delivery,
        shape,
        capacity,
        payload_offset: request.payload_offset(),
        len: (shape.bytes(capacity) + schema.len() as u64).next_multiple_of(128),
    })
}

/// Makes one ring of a channel, whose rings will be `rings`: where it was prepared, if it was. `letters`: id and generation of the channel
/// for dead letters.
fn make_ring(
    management: &Management<'_>,
    request: &Request,
    (plan, schema, prepared): (Plan, &[u8], Option<u64>),
    letters: Option<(u32, u64)>,
    (ring, rings): (&RingId, &[RingId]),
) -> Result<Properties> {
    let &RingId { id, generation, .. } = ring;
    let (link_flags, partner) = link(ring, rings);
    let attachment = management.attachment;
    let mapping = attachment.mapping();
    let Plan {
        delivery,
        shape,
        capacity,
        len,
        ..
    } = plan;
    let slots = shape.bytes(capacity);
    let offset = match prepared {
        // Its record says since then that it is being made.
        Some(offset) => offset,
        None => {
            let offset = find_space(mapping, len)?;
            reserve_space(attachment.file()?, offset, len)?;
            management.begin_channel(id);
            offset
        }
    };
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
        | flag(request.packed_slots, CHANNEL_FLAG_PACKED)
        | flag(Some(request.has_short_heads()), CHANNEL_FLAG_SHORT_HEADS)
        | flag(
            Some(delivery == Delivery::Broadcast && !request.admits_lossy()),
            CHANNEL_FLAG_NO_LOSSY,
        )
        | flag(request.timestamps.map(|yes| !yes), CHANNEL_FLAG_NO_TIMESTAMPS)
        | link_flags;
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
    record.schema_checksum.store(crc32fast::hash(schema), Ordering::Relaxed);
    let fingerprint = |of: fn(&Schema) -> u64| request.schema.as_ref().map_or(0, of);
    record
        .layout_fingerprint
        .store(fingerprint(Schema::layout_fingerprint), Ordering::Relaxed);
    record
        .schema_fingerprint
        .store(fingerprint(Schema::schema_fingerprint), Ordering::Relaxed);
    record.created_ns.store(crate::os::clock::now_ns(), Ordering::Relaxed);
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
    let (partner_id, partner_generation) = partner.unwrap_or_default();
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
    crate::handle::counters::begin(record);
    write_name(record, request.name.as_deref());
    record.joins.store(0, Ordering::Relaxed);
    record.arrivals.store(0, Ordering::Relaxed);
    record.stream_start.store(0, Ordering::Relaxed);
    record.streams.store(0, Ordering::Relaxed);
    record.bereaved.store(0, Ordering::Relaxed);
    record.data_waiters.store(0, Ordering::Relaxed);
    record.space_signal.store(0, Ordering::Relaxed);
    record.space_waiters.store(0, Ordering::Relaxed);

    let entry = mapping.entry(id);
    entry.tail.store(0, Ordering::Relaxed);
    entry.head.store(0, Ordering::Relaxed);
    entry.returned_hint.store(0, Ordering::Relaxed);
    entry.signal.store(0, Ordering::Relaxed);
    if prepared.is_none() {
        plan.write_slots(mapping, offset, || Ok(()))?;
    }
    mapping
        .copy_in(offset + slots, schema)
        .ok_or_else(|| Error::corrupt(format!("no ring space at {offset}")))?;
    // Release: a process that sees the channel live sees all of it; pairs with the acquire in Properties::read, without which nobody looks
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
    making: &mut Making,
) -> core::result::Result<Properties, Halt> {
    let request = Request {
        id: None,
        name: Some(name.to_owned()),
        schema: of.schema.clone(),
        checksums: of.checksums,
        delivery: Some(Delivery::Queue),
        ..Request::default()
    };
    match find(management, &request, making)? {
        Some(properties) => {
            compare(management, &properties, &request, Role::Producer)?;
            let (existing, needed) = (properties.slots.payload_capacity, slots.payload_capacity);
            if existing < needed {
                return Err(mismatch(&properties, "payload capacity", existing, needed).into());
            }
            Ok(properties)
        }
        None => create(
            management,
            &Request {
                id: Some(unused_id(management, of.id)?),
                capacity: of.capacity,
                compact_slots: of.compact_slots,
                payload_capacity: of.payload_capacity,
                ..request
            },
            making,
        ),
    }
}

/// Makes the channel for dead letters anew that an existing channel had, and that was removed, if it is asked for.
pub(super) fn restore_dead_letters(
    management: &Management<'_>,
    request: &Request,
    properties: Properties,
    making: &mut Making,
) -> core::result::Result<Properties, Halt> {
    let mapping = management.attachment.mapping();
    let Some(name) = &request.dead_letters else {
        return Ok(properties);
    };
    if properties.dead_letters.is_none() || properties.dead_letters(mapping).is_some() {
        return Ok(properties);
    }
    let of = Request {
        capacity: Some(properties.capacity),
        checksums: Some(properties.checksums()),
        ..request.clone()
    };
    let letters = find_or_create_dead_letters(management, &of, properties.slots, name, making)?;
    let record = mapping.record(properties.id);
    // Relaxed: under the lock, and readers without it compare the generation with that of the channel.
    record.dead_letters_id.store(letters.id, Ordering::Relaxed);
    record
        .dead_letters_generation
        .store(letters.generation, Ordering::Relaxed);
    Ok(Properties {
        dead_letters: Some((letters.id, letters.generation)),
        ..properties
    })
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
    // Relaxed, both: the lock orders the one, and nothing of the other is read.
    mapping.record(id).state.load(Ordering::Relaxed) == CHANNEL_FREE
        && mapping.entry(id).capacity.load(Ordering::Relaxed) == 0
}

/// The bytes of a schema as they are stored: notes are kept as far as they fit.
pub(crate) fn stored_form(schema: &Schema) -> Result<Vec<u8>> {
    dmxp_schema::binary::encode_to_fit(schema, MAX_SCHEMA)
        .map_err(|error| Error::invalid(format!("the schema of `{}` cannot be stored: {error}", schema.name())))
}

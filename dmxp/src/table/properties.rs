//! What a channel is, read from its record and checked before anything of it is used.

use crate::error::{Error, Result};
use crate::layout::{
    CHANNEL_CREATING, CHANNEL_FLAG_CHECKSUMS, CHANNEL_FLAG_DEAD_LETTERS, CHANNEL_FLAG_DROP, CHANNEL_FLAG_EXPIRY,
    CHANNEL_FLAG_HIGH, CHANNEL_FLAG_NO_LOSSY, CHANNEL_FLAG_NO_TIMESTAMPS, CHANNEL_FLAG_PACKED, CHANNEL_FLAG_PRIORITIES,
    CHANNEL_FLAG_SHORT_HEADS, CHANNEL_FLAG_SINGLE_PRODUCER, CHANNEL_FLAG_V1_PEERS, CHANNEL_FLAGS, CHANNEL_FLAGS_NOT_V1,
    CHANNEL_FREE, CHANNEL_FREEING, CHANNEL_LIVE, CHANNEL_MAKING, CHANNEL_REMOVED, ChannelRecord, MAX_CHANNELS,
    MAX_NAME, MODE_BROADCAST, MODE_LATEST, MODE_QUEUE, PAYLOAD_OFFSET, SHORT_PAYLOAD_ALIGN, SHORT_PAYLOAD_OFFSET,
    SlotShape,
};
use crate::region::Mapping;
use crate::ring::mapped::Place;
use crate::ring::word::MAX_RETURNS;
use crate::sync::{Ordering, fence};
use crate::table::delivery::Delivery;
use dmxp_schema::model::Schema;
use std::time::Duration;

/// Largest capacity of a channel: positions are compared in their low bits.
pub(crate) const MAX_CAPACITY: u64 = 1 << 32;
/// Largest capacity of a queue: a consumer that is told of returned messages looks through all slots, and so does a sweep for those that
/// the dead had taken. It takes some milliseconds then.
pub(crate) const MAX_QUEUE_CAPACITY: u64 = 1 << 20;
/// Smallest capacity: with one slot, "readable" and "released" would be the same sequence.
pub(crate) const MIN_CAPACITY: u64 = 2;
/// Largest stored schema in bytes.
pub(crate) const MAX_SCHEMA: usize = 16 << 10;
/// Most times that a channel may have a message delivered again: what a sequence can count, less two attempts to move it to
/// the dead letters.
pub(crate) const MAX_REDELIVERIES: u32 = MAX_RETURNS as u32 - 2;
/// How often a message is delivered again unless the channel's maker says otherwise.
pub(crate) const DEFAULT_REDELIVERIES: u32 = 10;

/// What does not change in the life of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Properties {
    pub(crate) id: u32,
    pub(crate) generation: u64,
    pub(crate) removed: bool,
    pub(crate) name: Option<String>,
    pub(crate) capacity: u64,
    pub(crate) slots: SlotShape,
    pub(crate) delivery: Delivery,
    pub(crate) flags: u32,
    pub(crate) ring_offset: u64,
    pub(crate) ring_len: u64,
    pub(crate) message_size: u32,
    pub(crate) schema_offset: u64,
    pub(crate) schema_len: u32,
    pub(crate) schema_checksum: u32,
    pub(crate) layout_fingerprint: u64,
    pub(crate) schema_fingerprint: u64,
    pub(crate) created_ns: u64,
    pub(crate) creator_pid: u32,
    pub(crate) redelivery_limit: u32,
    /// Age beyond which a message is not delivered; 0 where messages do not expire.
    pub(crate) expiry_ns: u64,
    /// Id and generation of the channel for what is returned too often.
    pub(crate) dead_letters: Option<(u32, u64)>,
    /// Id and generation of the other ring of a channel with priorities.
    pub(crate) partner: Option<(u32, u64)>,
}

/// What happens to the messages that a consumer held when it died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadConsumers {
    /// They are delivered again, flagged: [`Metadata::redelivered`](crate::Metadata::redelivered) is not 0.
    #[default]
    DeliverAgain,
    /// They are dropped, and counted in [`ChannelInfo::dropped`](crate::ChannelInfo::dropped): each message is delivered at
    /// most once.
    Drop,
}

impl Properties {
    /// Reads the record of channel `id`: `None` when there is no channel.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the record contradicts the format or itself.
    pub(crate) fn read(mapping: &Mapping, id: u32) -> Result<Option<Self>> {
        let record = mapping.record(id);
        // Acquire, and before the state: pairs with the fence in Management::begin_channel. A thread that reads a new channel's
        // generation here cannot read the old one's state next, and takes that state's release for all that follows.
        let generation = record.generation.load(Ordering::Acquire);
        // Acquire: pairs with the release in create::make_ring that makes the record live.
        let state = record.state.load(Ordering::Acquire);
        let removed = match state {
            CHANNEL_FREE | CHANNEL_CREATING | CHANNEL_MAKING | CHANNEL_FREEING => return Ok(None),
            CHANNEL_LIVE => false,
            CHANNEL_REMOVED => true,
            _ => {
                return Err(Error::corrupt(format!(
                    "channel {id} is in state {state}, which does not exist"
                )));
            }
        };
        let properties = Self::read_fields(mapping, id, generation, removed);
        // A removal or a new channel in the meantime would have mixed two records, whatever they look like. The fence pairs with
        // the one in Management::begin_channel: a thread that read a field of a newer channel sees that the record was being written, or,
        // acquired with its new state, the newer generation.
        fence(Ordering::Acquire);
        let unchanged =
            record.state.load(Ordering::Acquire) == state && record.generation.load(Ordering::Relaxed) == generation;
        if unchanged {
            properties.map(Some)
        } else {
            Err(Error::ChannelNotFound {
                channel: id.to_string(),
            })
        }
    }

    /// Relaxed: what makes the fields those of one channel is around this, in [`read`](Self::read).
    fn read_fields(mapping: &Mapping, id: u32, generation: u64, removed: bool) -> Result<Self> {
        let record = mapping.record(id);
        let mode = record.mode.load(Ordering::Relaxed);
        let delivery = match mode {
            MODE_QUEUE => Delivery::Queue,
            MODE_BROADCAST => Delivery::Broadcast,
            MODE_LATEST => Delivery::Latest,
            _ => {
                return Err(Error::corrupt(format!(
                    "channel {id} has mode {mode}, which does not exist"
                )));
            }
        };
        let properties = Self {
            delivery,
            id,
            generation,
            removed,
            name: read_name(record, id)?,
            capacity: record.capacity.load(Ordering::Relaxed),
            slots: SlotShape {
                stride: record.slot_stride.load(Ordering::Relaxed),
                payload_capacity: record.payload_capacity.load(Ordering::Relaxed),
            },
            flags: record.flags.load(Ordering::Relaxed),
            ring_offset: record.ring_offset.load(Ordering::Relaxed),
            ring_len: record.ring_len.load(Ordering::Relaxed),
            message_size: record.message_size.load(Ordering::Relaxed),
            schema_offset: record.schema_offset.load(Ordering::Relaxed),
            schema_len: record.schema_len.load(Ordering::Relaxed),
            schema_checksum: record.schema_checksum.load(Ordering::Relaxed),
            layout_fingerprint: record.layout_fingerprint.load(Ordering::Relaxed),
            schema_fingerprint: record.schema_fingerprint.load(Ordering::Relaxed),
            created_ns: record.created_ns.load(Ordering::Relaxed),
            creator_pid: record.creator_pid.load(Ordering::Relaxed),
            redelivery_limit: record.redelivery_limit.load(Ordering::Relaxed),
            expiry_ns: record.expiry_ns.load(Ordering::Relaxed),
            dead_letters: (record.flags.load(Ordering::Relaxed) & CHANNEL_FLAG_DEAD_LETTERS != 0).then(|| {
                let generation = record.dead_letters_generation.load(Ordering::Relaxed);
                (record.dead_letters_id.load(Ordering::Relaxed), generation)
            }),
            partner: (record.flags.load(Ordering::Relaxed) & (CHANNEL_FLAG_PRIORITIES | CHANNEL_FLAG_HIGH) != 0).then(
                || {
                    let generation = record.partner_generation.load(Ordering::Relaxed);
                    (record.partner_id.load(Ordering::Relaxed), generation)
                },
            ),
        };
        let unknown = properties.flags & !CHANNEL_FLAGS;
        if unknown != 0 {
            return Err(Error::corrupt(format!(
                "channel {id} has unknown flags {unknown} where 0 is possible"
            )));
        }
        properties.check(mapping)?;
        Ok(properties)
    }

    fn check(&self, mapping: &Mapping) -> Result<()> {
        let id = self.id;
        let wrong = |what: String| Err(Error::corrupt(format!("channel {id}: {what}")));
        let largest = largest_capacity(self.delivery);
        if !self.capacity.is_power_of_two() || !(MIN_CAPACITY..=largest).contains(&self.capacity) {
            return wrong(format!("capacity {}", self.capacity));
        }
        let size = self.slots.payload_capacity;
        let of_that_size = [SlotShape::compact(size, self.payload_offset()), SlotShape::packed(size)];
        if self.slots != SlotShape::V1 && !of_that_size.contains(&Some(self.slots)) {
            let SlotShape {
                stride,
                payload_capacity,
            } = self.slots;
            return wrong(format!("slots of {stride} bytes for payloads of {payload_capacity}"));
        }
        if self.slots.is_compact() && self.v1_peers() {
            return wrong(format!("slots of {} bytes for v1 peers", self.slots.stride));
        }
        if self.has_short_heads() && (!self.slots.is_compact() || self.flags & CHANNEL_FLAG_EXPIRY != 0) {
            return wrong(format!(
                "slots of {} bytes with flags {:#x}",
                self.slots.stride, self.flags
            ));
        }
        let of_queues = CHANNEL_FLAG_V1_PEERS | CHANNEL_FLAG_DROP | CHANNEL_FLAG_DEAD_LETTERS;
        let wrong_flags = match self.delivery {
            Delivery::Queue => self.flags & (CHANNEL_FLAG_SINGLE_PRODUCER | CHANNEL_FLAG_NO_LOSSY),
            Delivery::Broadcast | Delivery::Latest => self.flags & of_queues,
        };
        if wrong_flags != 0 {
            return wrong(format!("flags {wrong_flags} on a {} channel", self.delivery));
        }
        self.check_packed()?;
        let slots = self.slots.bytes(self.capacity);
        if !mapping.is_ring_space(self.ring_offset, self.ring_len) || self.ring_len < slots {
            let (offset, len) = (self.ring_offset, self.ring_len);
            return wrong(format!(
                "ring of {len} bytes at {offset} does not hold {} slots in the region",
                self.capacity
            ));
        }
        if !self.ring_offset.is_multiple_of(64) {
            return wrong(format!("ring at {}, not aligned to 64", self.ring_offset));
        }
        if (self.expiry_ns != 0) != (self.flags & CHANNEL_FLAG_EXPIRY != 0) {
            return wrong(format!("expiry of {} ns with flags {:#x}", self.expiry_ns, self.flags));
        }
        if self.v1_peers() && self.flags & CHANNEL_FLAGS_NOT_V1 != 0 {
            return wrong(format!("flags {:#x} for v1 peers", self.flags));
        }
        if let Some((id, _)) = self.partner.filter(|_| !self.has_sound_links()) {
            return wrong(format!("flags {:#x}, and the other ring is channel {id}", self.flags));
        }
        let schema_end = self.schema_offset.checked_add(u64::from(self.schema_len));
        let after_slots = self.schema_offset >= self.ring_offset + slots
            && schema_end.is_some_and(|end| end <= self.ring_offset + self.ring_len);
        if self.redelivery_limit > MAX_REDELIVERIES {
            return wrong(format!("redelivery limit {}", self.redelivery_limit));
        }
        if let Some((id, _)) = self
            .dead_letters
            .filter(|(id, _)| *id >= MAX_CHANNELS || *id == self.id)
        {
            return wrong(format!("dead letters go to channel {id}"));
        }
        if self.schema_len as usize > MAX_SCHEMA || (self.schema_len != 0 && !after_slots) {
            return wrong(format!("schema of {} bytes at {}", self.schema_len, self.schema_offset));
        }
        if self.message_size > self.slots.payload_capacity || (self.message_size == 0) != (self.schema_len == 0) {
            return wrong(format!(
                "message of {} bytes with a schema of {}",
                self.message_size, self.schema_len
            ));
        }
        Ok(())
    }

    /// What slots that hold the message and nothing else go with.
    fn check_packed(&self) -> Result<()> {
        let id = self.id;
        let is_packed = self.flags & CHANNEL_FLAG_PACKED != 0;
        if is_packed != self.slots.is_packed() {
            return Err(Error::corrupt(format!(
                "channel {id}: slots of {} bytes for payloads of {} with flags {:#x}",
                self.slots.stride, self.slots.payload_capacity, self.flags
            )));
        }
        let fitting =
            CHANNEL_FLAG_PACKED | CHANNEL_FLAG_SINGLE_PRODUCER | CHANNEL_FLAG_NO_LOSSY | CHANNEL_FLAG_NO_TIMESTAMPS;
        let others = self.flags & !fitting;
        let whole = self.message_size == 0 || self.message_size == self.slots.stride;
        if is_packed && (self.delivery != Delivery::Broadcast || !self.single_producer() || others != 0 || !whole) {
            return Err(Error::corrupt(format!(
                "channel {id}: packed slots of {} bytes for messages of {} on a {} channel with flags {:#x}",
                self.slots.stride, self.message_size, self.delivery, self.flags
            )));
        }
        Ok(())
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            channel: self.id,
            offset: self.ring_offset,
            capacity: self.capacity,
            slots: self.slots,
            payload_offset: self.payload_offset(),
            listeners: self.listeners(),
        }
    }

    pub(crate) fn is_typed(&self) -> bool {
        self.message_size != 0
    }

    fn has_short_heads(&self) -> bool {
        self.flags & CHANNEL_FLAG_SHORT_HEADS != 0
    }

    /// Where payloads begin in slots.
    fn payload_offset(&self) -> usize {
        if self.has_short_heads() {
            SHORT_PAYLOAD_OFFSET
        } else {
            PAYLOAD_OFFSET
        }
    }

    /// Whether payloads lie as messages of this type must.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when they do not: no library makes such a channel.
    pub(crate) fn check_align(&self, schema: &Schema) -> Result<()> {
        if self.has_short_heads() && schema.align() > SHORT_PAYLOAD_ALIGN {
            return Err(Error::corrupt(format!(
                "channel {}: payloads at {} in slots, of a type aligned to {}",
                self.id,
                self.payload_offset(),
                schema.align()
            )));
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn v1_peers(&self) -> bool {
        self.flags & CHANNEL_FLAG_V1_PEERS != 0
    }

    pub(crate) fn single_producer(&self) -> bool {
        self.flags & CHANNEL_FLAG_SINGLE_PRODUCER != 0
    }

    /// Whether a subscriber may be overrun.
    pub(crate) fn admits_lossy(&self) -> bool {
        self.flags & CHANNEL_FLAG_NO_LOSSY == 0
    }

    /// Whether messages bear the time of their publication.
    pub(crate) fn timestamps(&self) -> bool {
        self.flags & CHANNEL_FLAG_NO_TIMESTAMPS == 0
    }

    #[inline]
    pub(crate) fn checksums(&self) -> bool {
        self.flags & CHANNEL_FLAG_CHECKSUMS != 0
    }

    pub(crate) fn drops(&self) -> bool {
        self.flags & CHANNEL_FLAG_DROP != 0
    }

    /// Age beyond which a message is not delivered.
    pub(crate) fn expiry(&self) -> Option<Duration> {
        (self.expiry_ns != 0).then(|| Duration::from_nanos(self.expiry_ns))
    }

    pub(crate) fn dead_consumers(&self) -> DeadConsumers {
        if self.drops() {
            DeadConsumers::Drop
        } else {
            DeadConsumers::DeliverAgain
        }
    }

    /// The channel for dead letters, if there is one and it still exists.
    pub(crate) fn dead_letters(&self, mapping: &Mapping) -> Option<Self> {
        let (id, generation) = self.dead_letters?;
        Self::read(mapping, id)
            .ok()
            .flatten()
            .filter(|letters| letters.generation == generation && !letters.removed)
    }

    /// The stored bytes of the schema, checked against their checksum; empty on untyped channels.
    pub(crate) fn schema_bytes(&self, mapping: &Mapping) -> Result<Vec<u8>> {
        if self.schema_len == 0 {
            return Ok(Vec::new());
        }
        let bytes = mapping
            .copy_out(self.schema_offset, self.schema_len as usize)
            .ok_or_else(|| Error::corrupt(format!("the schema of channel {} lies outside the region", self.id)))?;
        let computed = crc32fast::hash(&bytes);
        if computed != self.schema_checksum {
            return Err(Error::corrupt(format!(
                "the schema of channel {} has checksum {computed:#010x}, and {:#010x} was stored",
                self.id, self.schema_checksum
            )));
        }
        Ok(bytes)
    }

    /// The stored schema; `None` on untyped channels.
    pub(crate) fn schema(&self, mapping: &Mapping) -> Result<Option<Schema>> {
        let bytes = self.schema_bytes(mapping)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let schema = dmxp_schema::binary::decode(&bytes)
            .map_err(|error| Error::corrupt(format!("the schema of channel {}: {error}", self.id)))?;
        if schema.size() != self.message_size {
            return Err(Error::corrupt(format!(
                "channel {} says {} bytes a message, its schema {}",
                self.id,
                self.message_size,
                schema.size()
            )));
        }
        Ok(Some(schema))
    }

    /// [`schema`](Self::schema) for those who have no handle: the channel may be removed meanwhile, and its space be another's.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`] where it was removed; those of `schema`.
    pub(crate) fn schema_as_it_lies(&self, mapping: &Mapping) -> Result<Option<Schema>> {
        let schema = self.schema(mapping);
        self.still_there(mapping)?;
        schema
    }

    /// Whether what was read of the channel's ring was of that channel: a removal gives the space to others.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`].
    pub(crate) fn still_there(&self, mapping: &Mapping) -> Result<()> {
        // Pairs with the release fences of those that write into the space since: Management::begin_channel, after the record was freed,
        // and those that ring::peek::look_again names.
        fence(Ordering::Acquire);
        let record = mapping.record(self.id);
        let state = record.state.load(Ordering::Relaxed);
        let generation = record.generation.load(Ordering::Relaxed);
        if matches!(state, CHANNEL_LIVE | CHANNEL_REMOVED) && generation == self.generation {
            return Ok(());
        }
        Err(Error::ChannelNotFound { channel: self.label() })
    }

    /// How errors name the channel.
    pub(crate) fn label(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| self.id.to_string(), |name| format!("`{name}` ({})", self.id))
    }
}

pub(crate) fn read_name(record: &ChannelRecord, id: u32) -> Result<Option<String>> {
    let bytes: Vec<u8> = record
        .name
        .iter()
        .map(|byte| byte.load(Ordering::Relaxed))
        .take_while(|&byte| byte != 0)
        .collect();
    if bytes.is_empty() {
        return Ok(None);
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Error::corrupt(format!("the name of channel {id} is not UTF-8")))
}

/// Checks a name given by a user.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "channel name {name:?}: give 1 to {MAX_NAME} bytes without control characters"
        )));
    }
    Ok(())
}

/// Checks a capacity given by a user, for a channel of that delivery if it is known.
pub(crate) fn check_capacity(capacity: u64, delivery: Option<Delivery>) -> Result<()> {
    let largest = delivery.map_or(MAX_CAPACITY, largest_capacity);
    if !capacity.is_power_of_two() || !(MIN_CAPACITY..=largest).contains(&capacity) {
        let limits = match delivery {
            Some(_) => format!("{largest}"),
            None => format!("{MAX_QUEUE_CAPACITY}, or {MAX_CAPACITY} on broadcast and latest channels"),
        };
        return Err(Error::invalid(format!(
            "capacity {capacity}: give a power of two from {MIN_CAPACITY} to {limits}"
        )));
    }
    Ok(())
}

/// Most slots of a channel.
pub(crate) fn largest_capacity(delivery: Delivery) -> u64 {
    match delivery {
        Delivery::Queue => MAX_QUEUE_CAPACITY,
        Delivery::Broadcast | Delivery::Latest => MAX_CAPACITY,
    }
}

//! What to open or create, and what a channel is.

use crate::argument;
use crate::region::{default_options, dmxp_region};
use crate::status::{Failure, Result};
use dmxp::raw::{End, Shared};
use dmxp::schema::model::Schema;
use dmxp::{ChannelBuilder, ChannelInfo, DeadConsumers, Delivery, Start, Subscription, WaitStrategy};
use std::ffi::c_char;
use std::time::Duration;

/// What happens to the messages that a consumer held when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_dead_consumers {
    /// They are delivered again, with `metadata.redelivered` counted up.
    DMXP_DELIVER_AGAIN = 1,
    /// They are dropped and counted: each message is delivered at most once.
    DMXP_DROP = 2,
}

/// Who gets a message of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_delivery {
    /// One of the consumers, which compete.
    DMXP_QUEUE = 1,
    /// Every consumer, each at its own pace.
    DMXP_BROADCAST = 2,
    /// Whoever looks gets the newest message; older ones are overwritten, and nobody holds producers back.
    DMXP_LATEST = 3,
}

/// What happens when a consumer of a broadcast channel is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_subscription {
    /// Producers wait for it: it gets every message from its start on.
    DMXP_RELIABLE = 1,
    /// It is overrun, and told how many messages it missed.
    DMXP_LOSSY = 2,
}

/// Where a consumer of a broadcast channel begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_start {
    /// With what is sent from now on.
    DMXP_START_NEWEST = 1,
    /// With the oldest message that no producer may overwrite any more: of what was sent, at least the last three quarters of
    /// the capacity.
    DMXP_START_OLDEST = 2,
    /// At `start_position`, the id less one of its message: waits for it if it was not sent yet. Messages that are gone already
    /// count as missed.
    DMXP_START_POSITION = 3,
}

/// What calls of a handle do while they wait. Whatever it is, somebody who died is noticed, and time limits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_wait_strategy {
    /// They look again and again, and never sleep: the fastest, for a thread that has a core of its own.
    DMXP_SPIN = 1,
    /// They look again for some tens of microseconds, then sleep; where the machine or the container has a single core, they
    /// sleep at once.
    DMXP_SPIN_THEN_SLEEP = 2,
    /// They sleep at once: for cores that others need, and for messages that come seldom.
    DMXP_SLEEP = 3,
}

/// Which channel to open, and how to make it if it does not exist. Begin with DMXP_CHANNEL_OPTIONS_INIT, or with `struct_size` alone.
/// What is left zero is taken as the channel has it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_channel_options {
    /// sizeof(dmxp_channel_options).
    pub struct_size: usize,
    /// Its name, 1 to 64 bytes; NULL to go by `channel_id`.
    pub name: *const c_char,
    /// The schema of its messages as one line of text, such as the <NAME>_SCHEMA of a generated header; NULL for an untyped
    /// channel, whose messages are bytes. A channel with other messages is refused with DMXP_SCHEMA_MISMATCH. A consumer that gives NULL
    /// receives from any channel there is: dmxp_region_get_schema tells what its messages are.
    pub schema: *const c_char,
    /// Name of the channel that gets the messages which were returned more often than the limit; NULL for what the channel
    /// has, or none for a new one. It is created with this one if it does not exist. What arrives there has
    /// DMXP_FLAG_DEAD_LETTER in `metadata.flags`, and is otherwise as its sender made it.
    pub dead_letters: *const c_char,
    /// Slots: a power of two from 2 to 2^20, or 2^32 on broadcast and latest channels; 1,088 bytes each if they are not compact. 0 for what the channel has, or 1,024 for
    /// a new one, 16 for a new one of delivery DMXP_LATEST.
    pub capacity: u64,
    /// Age in nanoseconds beyond which a message is not delivered: consumers skip it and count it. 0 for what the channel has, or
    /// none for a new one. The age counts from the publication, on a clock that nobody sets (CLOCK_BOOTTIME).
    pub expiry_ns: u64,
    /// Where a consumer begins if `start` is DMXP_START_POSITION, and 0 otherwise: the id less one of the message.
    pub start_position: u64,
    /// Its number, 0 to 255; counts if `name` is NULL or `id_and_name` is not 0.
    pub channel_id: u32,
    /// For producers of untyped channels: the application's number in the metadata of the messages.
    pub message_type: u32,
    /// For untyped channels: makes slots compact, for messages of at most that many bytes, 1 to 960; or, with `packed_slots`, for
    /// messages of exactly that many. 0 if that does not matter.
    pub payload_capacity: u32,
    /// How often a message is delivered again at most, 1 to 12, or -1 for never; 0 for what the channel has, or 10 for a new
    /// one. One that was returned more often, by consumers that died or gave it back, goes to the dead letters or is dropped.
    pub redelivery_limit: i16,
    /// Not 0: both `channel_id` and `name` count. 0: a name alone takes any free id.
    pub id_and_name: u8,
    /// Not 0: neither the region nor the channel is created.
    pub open_only: u8,
    /// 1 if slots are sized to the messages, 48 bytes and the size of the type, rounded up to 64; -1 if they have 1,088 bytes;
    /// 0 for what the channel has, or 1,088 for a new one. Programs that know only the v1 format cannot use compact slots.
    pub compact_slots: i8,
    /// 1 if slots hold the messages and nothing else, for streams of small records of one producer, which consumers read as
    /// stretches (dmxp_consumer_recv_stretch); -1 if not; 0 for what the channel has, or not for a new one. Such a channel is a
    /// broadcast channel with a single producer. On untyped ones each message has exactly `payload_capacity` bytes.
    pub packed_slots: i8,
    /// 1 if programs that know only the v1 format take part, -1 if not, 0 for what the channel has, or not for a new one.
    pub v1_peers: i8,
    /// 1 if each message carries a CRC-32 that is checked when it is received, -1 if not, 0 for what the channel has, or not
    /// for a new one.
    pub checksums: i8,
    /// 1 for two rings under one name, of which dmxp_producer_high sends to the one that is read first; -1 for one; 0 for what
    /// the channel has, or one for a new one. Programs that know only the v1 format cannot use such a channel.
    pub priorities: i8,
    /// For broadcast and latest channels: 1 if there is one producer at a time, which makes sending faster, -1 if there are
    /// several, 0 for what the channel has, or several for a new one. A second one is refused with DMXP_CHANNEL_IN_USE. Such a
    /// producer holds one claim at a time.
    pub single_producer: i8,
    /// For broadcast channels: 1 if they admit lossy subscribers, -1 if not, which makes claims that are written in place faster; 0 for
    /// what the channel has. A new one of a single producer admits none then, unless a lossy subscriber makes it, and others do.
    pub lossy_subscribers: i8,
    /// 1 if messages bear the time of their publication, -1 if not, which makes sending faster, 0 for what the channel has; they do on
    /// a new one.
    pub timestamps: i8,
    /// A dmxp_dead_consumers; 0 for what the channel has, or DMXP_DELIVER_AGAIN for a new one.
    pub dead_consumers: u8,
    /// A dmxp_delivery; 0 for what the channel has, or DMXP_QUEUE for a new one.
    pub delivery: u8,
    /// For consumers of broadcast channels: a dmxp_subscription; 0 is DMXP_RELIABLE.
    pub subscription: u8,
    /// For consumers of broadcast channels: a dmxp_start; 0 is DMXP_START_NEWEST.
    pub start: u8,
    /// A dmxp_wait_strategy, of this handle alone; 0 is DMXP_SPIN_THEN_SLEEP.
    pub wait_strategy: u8,
    /// For consumers, not 0: the stream ends with DMXP_NO_PRODUCERS when the last producer has gone, its handle destroyed or its process
    /// proven dead, and all was received. Before the first producer has come there is no end. Not on channels with v1 peers.
    pub end_without_producers: u8,
    /// Not 0: a channel that exists with other properties, or other messages, is made anew, without what is in it, if nobody has it open.
    pub replace_if_unused: u8,
    /// Not 0: this handle goes on when the region's file is removed or replaced. 0: it answers DMXP_REGION_REMOVED then, when it is
    /// opened and within 40 ms of waiting.
    pub keep_removed_region: u8,
    /// Zeros.
    pub reserved: [u8; 8],
}

/// A channel at one moment.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_channel_info {
    /// sizeof(dmxp_channel_info), set by the program.
    pub struct_size: usize,
    /// Slots.
    pub capacity: u64,
    /// Bytes of the region it takes.
    pub bytes: u64,
    /// Messages sent or being sent since it was made.
    pub tail: u64,
    /// Messages received or being received since it was made; on a broadcast channel, the lowest position that a reliable
    /// subscriber needs, or `tail` if there is none, as on a latest one. `tail - head` messages wait.
    pub head: u64,
    /// When it was made, nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// Messages that no consumer had to the end: returned more often than the limit and not moved to the dead letters, or held
    /// by a consumer that died where the policy is to drop them.
    pub dropped: u64,
    /// Its number, 0 to 255.
    pub id: u32,
    /// Bytes of payload that a slot holds.
    pub payload_capacity: u32,
    /// Bytes of each message; 0 on untyped channels.
    pub message_size: u32,
    /// Who made it.
    pub creator_pid: u32,
    /// Producers open.
    pub producers: u32,
    /// Consumers open.
    pub consumers: u32,
    /// 1: made to be shared with programs that know only v1.
    pub v1_peers: u8,
    /// 1: each message carries a CRC-32.
    pub checksums: u8,
    /// 1: the stream has ended.
    pub closed: u8,
    /// 1: removed by force while handles were open.
    pub removed: u8,
    /// A dmxp_dead_consumers.
    pub dead_consumers: u8,
    /// How often a message is delivered again at most.
    pub redelivery_limit: u8,
    /// A dmxp_delivery.
    pub delivery: u8,
    /// 1: a broadcast or latest channel has one producer at a time.
    pub single_producer: u8,
    /// Its name, NUL-terminated; empty if it has none.
    pub name: [c_char; 72],
    /// Positions claimed by producers that gave up or died, stepped over by consumers.
    pub aborted: u64,
    /// Deliveries of messages that had been delivered before.
    pub redelivered: u64,
    /// Messages moved to the channel for dead letters.
    pub dead_lettered: u64,
    /// Handles that died and were swept.
    pub recovered: u64,
    /// Name of the channel for dead letters, NUL-terminated; empty if there is none.
    pub dead_letters: [c_char; 72],
    /// Bytes from one slot to the next: 1,088, or fewer where slots are compact.
    pub slot_size: u32,
    /// Where the channel has priorities, the number of the ring for urgent messages, of which dmxp_region_get_channel tells; -1 where
    /// it has none. All else here is of the ring for the others.
    pub high_id: i32,
    /// Age in nanoseconds beyond which a message is not delivered; 0 if messages do not expire.
    pub expiry_ns: u64,
    /// Messages that expired before a consumer had them.
    pub expired: u64,
    /// 1: it admits subscribers that may be overrun.
    pub lossy_subscribers: u8,
    /// 1: messages bear the time of their publication.
    pub timestamps: u8,
    /// Zeros.
    pub reserved: [u8; 6],
}

/// The channel of a producer or consumer.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dmxp_handle_info {
    /// sizeof(dmxp_handle_info), set by the program.
    pub struct_size: usize,
    /// Slots.
    pub capacity: u64,
    /// Messages waiting, among them those claimed and not yet published: on a broadcast channel for this consumer, or, asked of
    /// a producer, for the slowest reliable one; on a latest channel 1 when there is a message that this consumer has not seen.
    pub len: u64,
    /// The channel's number, 0 to 255.
    pub channel_id: u32,
    /// Bytes of payload that a slot holds.
    pub payload_capacity: u32,
    /// Bytes of each message; 0 on untyped channels.
    pub message_size: u32,
    /// A dmxp_delivery.
    pub delivery: u32,
    /// Messages that this consumer missed in all: on a broadcast channel those overwritten before a lossy one came to them, and
    /// those before its start that were gone; on a latest channel those that were replaced before it looked. 0 on queues, and of
    /// producers. What one of several producers gave up counts as missed if it lies among missed messages.
    pub missed: u64,
}

impl Default for dmxp_channel_info {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            capacity: 0,
            bytes: 0,
            tail: 0,
            head: 0,
            created_ns: 0,
            dropped: 0,
            id: 0,
            payload_capacity: 0,
            message_size: 0,
            creator_pid: 0,
            producers: 0,
            consumers: 0,
            v1_peers: 0,
            checksums: 0,
            closed: 0,
            removed: 0,
            dead_consumers: 0,
            redelivery_limit: 0,
            delivery: 0,
            single_producer: 0,
            name: [0; 72],
            aborted: 0,
            redelivered: 0,
            dead_lettered: 0,
            recovered: 0,
            dead_letters: [0; 72],
            slot_size: 0,
            high_id: -1,
            expiry_ns: 0,
            expired: 0,
            lossy_subscribers: 0,
            timestamps: 0,
            reserved: [0; 6],
        }
    }
}

/// A channel's name as it stands in structs; empty for none.
pub(crate) fn name_field(name: Option<&str>) -> [c_char; 72] {
    let mut field = [0; 72];
    // The last place stays NUL: names have at most 64 bytes.
    for (place, byte) in field[..71].iter_mut().zip(name.unwrap_or_default().bytes()) {
        *place = byte as c_char;
    }
    field
}

/// What of a channel C gets to see.
pub(crate) fn info(channel: &ChannelInfo) -> dmxp_channel_info {
    dmxp_channel_info {
        struct_size: size_of::<dmxp_channel_info>(),
        capacity: channel.capacity,
        bytes: channel.bytes,
        tail: channel.tail,
        head: channel.head,
        created_ns: channel.created_ns,
        dropped: channel.dropped,
        id: channel.id,
        payload_capacity: channel.payload_capacity,
        message_size: channel.schema.as_ref().map_or(0, Schema::size),
        creator_pid: channel.creator_pid,
        producers: channel.producers.len() as u32,
        consumers: channel.consumers.len() as u32,
        v1_peers: channel.v1_peers.into(),
        checksums: channel.checksums.into(),
        closed: channel.closed.into(),
        removed: channel.removed.into(),
        dead_consumers: match channel.dead_consumers {
            DeadConsumers::DeliverAgain => dmxp_dead_consumers::DMXP_DELIVER_AGAIN as u8,
            DeadConsumers::Drop => dmxp_dead_consumers::DMXP_DROP as u8,
        },
        redelivery_limit: channel.redelivery_limit as u8,
        delivery: delivery(channel.delivery) as u8,
        single_producer: channel.single_producer.into(),
        name: name_field(channel.name.as_deref()),
        aborted: channel.aborted,
        redelivered: channel.redelivered,
        dead_lettered: channel.dead_lettered,
        recovered: channel.recovered,
        dead_letters: name_field(channel.dead_letters.as_deref()),
        slot_size: channel.slot_size,
        high_id: channel.high.as_ref().map_or(-1, |high| high.id as i32),
        expiry_ns: channel.expiry.map_or(0, |expiry| expiry.as_nanos() as u64),
        expired: channel.expired,
        lossy_subscribers: channel.lossy_subscribers.into(),
        timestamps: channel.timestamps.into(),
        reserved: [0; 6],
    }
}

/// A delivery as C has it.
pub(crate) fn delivery(delivery: Delivery) -> dmxp_delivery {
    match delivery {
        Delivery::Queue => dmxp_delivery::DMXP_QUEUE,
        Delivery::Broadcast => dmxp_delivery::DMXP_BROADCAST,
        Delivery::Latest => dmxp_delivery::DMXP_LATEST,
    }
}

/// What of a handle C gets to see.
pub(crate) fn handle_info<H: End>(handle: &Shared<H>, len: u64, missed: u64) -> dmxp_handle_info {
    dmxp_handle_info {
        struct_size: size_of::<dmxp_handle_info>(),
        capacity: handle.capacity(),
        len,
        missed,
        channel_id: handle.channel_id(),
        payload_capacity: handle.payload_capacity() as u32,
        message_size: handle.message_size().unwrap_or(0),
        delivery: delivery(handle.delivery()) as u32,
    }
}

/// A builder with the options, in the region or the default one; the number and the schema of messages that they give.
///
/// # Safety
/// `region` is NULL or an open region; `options` is NULL or points to options of the size that they say, whose texts are NULL or
/// NUL-terminated.
pub(crate) unsafe fn builder(
    region: *const dmxp_region,
    options: *const dmxp_channel_options,
) -> Result<(ChannelBuilder, u32, Option<Schema>)> {
    // SAFETY: the caller's promise.
    let options = unsafe { argument::given(options, "options") }?;
    if options.reserved != [0; 8] {
        return Err(Failure::invalid(
            "dmxp_channel_options.reserved is not zero; begin with DMXP_CHANNEL_OPTIONS_INIT",
        ));
    }
    // SAFETY: the caller's promise.
    let name = unsafe { argument::text(options.name, "options->name") }?;
    // SAFETY: the caller's promise.
    let dead_letters = unsafe { argument::text(options.dead_letters, "options->dead_letters") }?;
    // SAFETY: the caller's promise.
    let schema = unsafe { argument::text(options.schema, "options->schema") }?;
    let mut builder = ChannelBuilder::new();
    let mut known = None;
    if name.is_none() || options.id_and_name != 0 {
        builder = builder.with_channel_id(options.channel_id);
    }
    if let Some(name) = name {
        builder = builder.with_name(name);
    }
    if options.capacity != 0 {
        builder = builder.with_capacity(options.capacity);
    }
    if let Some(text) = schema {
        let schema: Schema = text
            .parse()
            .map_err(|error| Failure::invalid(format!("`options->schema` is not a schema: {error}")))?;
        known = Some(schema.clone());
        builder = builder.with_schema(schema);
        if options.message_type != 0 {
            return Err(Failure::invalid(
                "`options->message_type` is for untyped channels; on typed ones it is the schema's fingerprint",
            ));
        }
    }
    if options.payload_capacity != 0 {
        builder = builder.with_payload_capacity(options.payload_capacity);
    }
    if let Some(yes) = switch(options.compact_slots, "compact_slots")? {
        builder = builder.with_compact_slots(yes);
    }
    if let Some(yes) = switch(options.packed_slots, "packed_slots")? {
        builder = builder.with_packed_slots(yes);
    }
    if let Some(yes) = switch(options.v1_peers, "v1_peers")? {
        builder = builder.with_v1_peers(yes);
    }
    if let Some(yes) = switch(options.priorities, "priorities")? {
        builder = builder.with_priorities(yes);
    }
    if let Some(yes) = switch(options.checksums, "checksums")? {
        builder = builder.with_checksums(yes);
    }
    builder = match options.redelivery_limit {
        0 => builder,
        -1 => builder.with_redelivery_limit(0),
        times => builder.with_redelivery_limit(u32::try_from(times).map_err(|_| {
            Failure::invalid(format!(
                "`options->redelivery_limit` is {times}; give 1 to 12, -1 for never, or 0"
            ))
        })?),
    };
    builder = match options.dead_consumers {
        0 => builder,
        1 => builder.with_dead_consumers(DeadConsumers::DeliverAgain),
        2 => builder.with_dead_consumers(DeadConsumers::Drop),
        other => {
            return Err(Failure::invalid(format!(
                "`options->dead_consumers` is {other}; give DMXP_DELIVER_AGAIN, DMXP_DROP, or 0"
            )));
        }
    };
    if let Some(name) = dead_letters {
        builder = builder.with_dead_letters(name);
    }
    if options.expiry_ns != 0 {
        builder = builder.with_expiry(Duration::from_nanos(options.expiry_ns));
    }
    builder = of_delivery(builder, &options)?;
    if options.end_without_producers != 0 {
        builder = builder.with_end_without_producers(true);
    }
    if options.replace_if_unused != 0 {
        builder = builder.with_replace_if_unused(true);
    }
    if options.keep_removed_region != 0 {
        builder = builder.with_keep_removed_region(true);
    }
    let open_only = options.open_only != 0;
    if open_only {
        builder = builder.open_only();
    }
    let region = match region.is_null() {
        true => None,
        // SAFETY: the caller's promise.
        false => Some(unsafe { argument::referred(region, "region") }?),
    };
    let builder = match region {
        Some(region) => builder.with_region(region.region()),
        // Not the builder's own default, which would send as Rust.
        None if open_only => builder.with_region(&default_options().open()?),
        None => builder.with_region(&default_options().open_or_create()?),
    };
    Ok((builder, options.message_type, known))
}

/// The builder with who gets a message, where a consumer of a broadcast channel begins, and how the handle waits.
fn of_delivery(mut builder: ChannelBuilder, options: &dmxp_channel_options) -> Result<ChannelBuilder> {
    let refuse = |what: &str, value: u8, choice: &str| {
        Err(Failure::invalid(format!(
            "`options->{what}` is {value}; give {choice}, or 0"
        )))
    };
    builder = match options.delivery {
        0 => builder,
        1 => builder.with_delivery(Delivery::Queue),
        2 => builder.with_delivery(Delivery::Broadcast),
        3 => builder.with_delivery(Delivery::Latest),
        other => return refuse("delivery", other, "DMXP_QUEUE, DMXP_BROADCAST, DMXP_LATEST"),
    };
    if let Some(yes) = switch(options.single_producer, "single_producer")? {
        builder = builder.with_single_producer(yes);
    }
    if let Some(yes) = switch(options.lossy_subscribers, "lossy_subscribers")? {
        builder = builder.with_lossy_subscribers(yes);
    }
    if let Some(yes) = switch(options.timestamps, "timestamps")? {
        builder = builder.with_timestamps(yes);
    }
    builder = match options.subscription {
        0 => builder,
        1 => builder.with_subscription(Subscription::Reliable),
        2 => builder.with_subscription(Subscription::Lossy),
        other => return refuse("subscription", other, "DMXP_RELIABLE, DMXP_LOSSY"),
    };
    builder = match (options.start, options.start_position) {
        (3, position) => builder.with_start(Start::Position(position)),
        (0..=2, position @ 1..) => {
            return Err(Failure::invalid(format!(
                "`options->start_position` is {position}, and `options->start` is not DMXP_START_POSITION"
            )));
        }
        (0, _) => builder,
        (1, _) => builder.with_start(Start::Newest),
        (2, _) => builder.with_start(Start::Oldest),
        (other, _) => {
            let choice = "DMXP_START_NEWEST, DMXP_START_OLDEST, DMXP_START_POSITION";
            return refuse("start", other, choice);
        }
    };
    Ok(match options.wait_strategy {
        0 => builder,
        1 => builder.with_wait_strategy(WaitStrategy::Spin),
        2 => builder.with_wait_strategy(WaitStrategy::SpinThenSleep),
        3 => builder.with_wait_strategy(WaitStrategy::Sleep),
        other => return refuse("wait_strategy", other, "DMXP_SPIN, DMXP_SPIN_THEN_SLEEP, DMXP_SLEEP"),
    })
}

fn switch(value: i8, what: &str) -> Result<Option<bool>> {
    match value {
        0 => Ok(None),
        1 => Ok(Some(true)),
        -1 => Ok(Some(false)),
        other => Err(Failure::invalid(format!(
            "`options->{what}` is {other}; give 1 for yes, -1 for no, or 0"
        ))),
    }
}

argument::growing!(dmxp_channel_options, dmxp_handle_info);
argument::growing!(dmxp_channel_info {
    nothing: Self::default()
});
const _: () = assert!(size_of::<dmxp_channel_options>() == 96);
const _: () = assert!(size_of::<dmxp_channel_info>() == 296);
const _: () = assert!(size_of::<dmxp_handle_info>() == 48);

//! What to open or create.

use crate::error::{Error, Result};
use crate::handle::Role;
use crate::message::DmxpMessage;
use crate::open::open;
use crate::open::request::Request;
use crate::raw;
use crate::region::{Region, RegionOptions};
use crate::table::delivery::{Delivery, Start, Subscription};
use crate::table::properties::DeadConsumers;
use crate::typed::consumer::Consumer;
use crate::typed::producer::Producer;
use crate::wait::WaitStrategy;
use core::fmt;
use core::marker::PhantomData;
use dmxp_schema::descriptor::StructDescriptor;
use dmxp_schema::model::Schema;
use std::time::Duration;

/// A channel for messages of type `T`: the place to start from.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// #[dmxp::message]
/// struct Pose {
///     x: f32,
///     y: f32,
///     heading: f32,
/// }
/// # let name = format!("doc-channel-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// let poses = dmxp::Channel::<Pose>::builder().with_region(&region).with_name("poses").with_capacity(256);
/// let producer = poses.build_producer()?;
/// let consumer = poses.build_consumer()?;
/// producer.send(&Pose { x: 1.0, y: 2.0, heading: 0.5 })?;
/// assert_eq!(consumer.recv()?.heading, 0.5);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
pub struct Channel<T>(PhantomData<fn(T)>);

impl<T> Channel<T> {
    /// A builder for handles to a channel of this type.
    // The bound stands here, so that the error for a type that is no message is the trait's own.
    pub fn builder() -> ChannelBuilder<T>
    where
        T: DmxpMessage,
    {
        ChannelBuilder {
            request: Request::default(),
            descriptor: Some(T::SCHEMA),
            region: None,
            strategy: WaitStrategy::default(),
            message: PhantomData,
        }
    }
}

/// Opens producers and consumers, and creates the channel if it does not exist.
///
/// `ChannelBuilder::new()` is for bytes; [`Channel::builder`] for typed messages. Either an id or a name is needed. What is
/// left out is taken as the channel has it, or its default if the channel is created.
///
/// # The first handle makes the channel
/// A consumer may come before the producers. It then makes the channel, and a [queue](Delivery::Queue) if its builder says no
/// delivery; a producer that asks for something else is refused, now and later, since channels outlive processes. So let all programs
/// share a function that gives the builder, or let all but one say [`open_only`](Self::open_only). Subscription, start and wait strategy
/// are each handle's own.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// # let name = format!("doc-builder-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// use dmxp::ChannelBuilder;
/// let builder = ChannelBuilder::new().with_region(&region).with_channel_id(0).with_capacity(1024);
/// let producer = builder.build_producer()?;
/// let consumer = builder.build_consumer()?;
///
/// producer.send("Hello, World!")?;
/// assert_eq!(consumer.receive()?, Some(b"Hello, World!".to_vec()));
/// assert_eq!(consumer.receive()?, None);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
#[must_use]
pub struct ChannelBuilder<T: ?Sized = [u8]> {
    request: Request,
    /// The message type; becomes the request's schema.
    descriptor: Option<&'static StructDescriptor>,
    region: Option<Region>,
    strategy: WaitStrategy,
    message: PhantomData<fn(&T)>,
}

// By hand, here and below: a derive would ask the same of the message type.
impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

impl<T: ?Sized> Clone for ChannelBuilder<T> {
    fn clone(&self) -> Self {
        Self {
            request: self.request.clone(),
            descriptor: self.descriptor,
            region: self.region.clone(),
            strategy: self.strategy,
            message: PhantomData,
        }
    }
}

impl<T: ?Sized> fmt::Debug for ChannelBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder")
            .field("request", &self.request)
            .field("region", &self.region)
            .field("strategy", &self.strategy)
            .finish()
    }
}

impl ChannelBuilder<[u8]> {
    /// A builder for handles to a channel of bytes.
    pub fn new() -> Self {
        Self {
            request: Request::default(),
            descriptor: None,
            region: None,
            strategy: WaitStrategy::default(),
            message: PhantomData,
        }
    }

    /// Makes slots [compact](Self::with_compact_slots), for messages of at most that many bytes, 1 to 960; or, with
    /// [packed slots](Self::with_packed_slots), for messages of exactly that many. Payloads in compact slots are aligned to 16 bytes.
    pub fn with_payload_capacity(mut self, bytes: u32) -> Self {
        self.request.payload_capacity = Some(bytes);
        self
    }

    /// Makes the channel carry messages of a schema known only at run time: lengths are checked, values are not. What
    /// language bindings open their typed channels with.
    pub fn with_schema(mut self, schema: Schema) -> Self {
        self.request.schema = Some(schema);
        self
    }
}

impl Default for ChannelBuilder<[u8]> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized> ChannelBuilder<T> {
    /// The region of the channel; the default region if left out.
    pub fn with_region(mut self, region: &Region) -> Self {
        self.region = Some(region.clone());
        self
    }

    /// The channel's number, 0 to 255.
    pub fn with_channel_id(mut self, id: u32) -> Self {
        self.request.id = Some(id);
        self
    }

    /// The channel's name, 1 to 64 bytes. A channel that is created with a name and no id takes the highest free one.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.request.name = Some(name.into());
        self
    }

    /// Slots, a power of two from 2 to 2^20, or 2^32 on broadcast and latest channels; 1,024 if left out, 16 on latest channels. Each takes 1,088 bytes, or [fewer](Self::with_compact_slots).
    pub fn with_capacity(mut self, slots: u64) -> Self {
        self.request.capacity = Some(slots);
        self
    }

    /// Whether slots are sized to the messages: 48 bytes and the size of the type, rounded up to 64. A message of at most 16 bytes then
    /// lies in one cache line with its metadata. Where [messages expire](Self::with_expiry), or are aligned to more than 16 bytes, it is 64
    /// bytes and the size of the type. Others take 1,088 bytes each. Programs that know only the v1 format cannot use such a channel.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// #[dmxp::message]
    /// struct Tick {
    ///     price: f64,
    /// }
    /// # let name = format!("doc-compact-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let ticks = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks").with_compact_slots(true);
    /// let producer = ticks.build_producer()?;
    /// producer.send(&Tick { price: 1.5 })?;
    /// assert_eq!(region.channel_named("ticks")?.slot_size, 64);
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_compact_slots(mut self, yes: bool) -> Self {
        self.request.compact_slots = Some(yes);
        self
    }

    /// Whether slots hold the messages and nothing else, side by side: for streams of small records, with one producer at a time, that
    /// consumers read as slices ([`Consumer::recv_slice`]). Every consumer gets every message, as on a
    /// [broadcast](Delivery::Broadcast) channel, which this makes the channel. A message has its position, and so its id, and
    /// nothing more: no time, no sender, no checksum. Of bytes, each message has exactly the
    /// [payload capacity](ChannelBuilder::with_payload_capacity).
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-packed-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// use dmxp::Wait;
    /// #[dmxp::message]
    /// struct Sample {
    ///     volts: f32,
    ///     amperes: f32,
    /// }
    /// let samples = dmxp::Channel::<Sample>::builder()
    ///     .with_region(&region)
    ///     .with_name("samples")
    ///     .with_capacity(65_536)
    ///     .with_packed_slots(true);
    /// let consumer = samples.build_consumer()?;
    /// let producer = samples.build_producer()?;
    /// producer.send_batch(&[Sample { volts: 5.0, amperes: 0.5 }; 100], Wait::Forever)?;
    /// let slice = consumer.recv_slice(usize::MAX, Wait::Forever)?; // borrowed in place
    /// assert_eq!(slice.iter().map(|sample| sample.volts).sum::<f32>(), 500.0);
    /// # drop(slice);
    /// # drop((producer, consumer));
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_packed_slots(mut self, yes: bool) -> Self {
        self.request.packed_slots = Some(yes);
        self
    }

    /// Whether programs that know only the v1 format read or write here too. Then every publish wakes sleepers with a system
    /// call, since those do not say that they sleep.
    pub fn with_v1_peers(mut self, yes: bool) -> Self {
        self.request.v1_peers = Some(yes);
        self
    }

    /// Whether each message carries a CRC-32 of its payload, checked when it is received.
    pub fn with_checksums(mut self, yes: bool) -> Self {
        self.request.checksums = Some(yes);
        self
    }

    /// What happens to the messages that a consumer held when it died; they are delivered again if left out.
    pub fn with_dead_consumers(mut self, policy: DeadConsumers) -> Self {
        self.request.dead_consumers = Some(policy);
        self
    }

    /// How often a message is delivered again at most, 0 to 12; 10 if left out. One that was returned more often, by consumers
    /// that died or gave it back, would have every consumer after them too: it goes to the dead letters, or is dropped and
    /// counted.
    pub fn with_redelivery_limit(mut self, times: u32) -> Self {
        self.request.redelivery_limit = Some(times);
        self
    }

    /// Name of the channel that gets the messages which were returned more often than the limit. It is created with this one
    /// if it does not exist, for the same messages and with the same capacity. A dead letter keeps its metadata, id and
    /// channel included, with [`Metadata::is_dead_letter`](crate::Metadata::is_dead_letter) set. When the channel is full or
    /// closed, a message that should go there is dropped and counted.
    pub fn with_dead_letters(mut self, channel: impl Into<String>) -> Self {
        self.request.dead_letters = Some(channel.into());
        self
    }

    /// Age beyond which a message is not delivered: consumers skip it and count it ([`ChannelInfo::expired`]). Messages do not
    /// expire if left out.
    ///
    /// The age counts from the publication, on a clock that no setting of the time moves and that goes on while the machine
    /// sleeps (`CLOCK_BOOTTIME`), and is looked at when a message is received, also for the second time: what a consumer has, it
    /// keeps. A batch ends before an expired message. One that was returned too often is a dead letter, expired or not. Expired
    /// messages keep their slots until a consumer comes by, so that a channel without consumers is full in the end all the same.
    /// The clock is that of the time namespace: all users of the channel must be in the same one. It costs two readings of the
    /// clock a message, some 50 ns, and programs that know only the v1 format cannot use such a channel.
    ///
    /// [`ChannelInfo::expired`]: crate::ChannelInfo::expired
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-expiry-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// use std::time::Duration;
    /// let quotes = dmxp::ChannelBuilder::new()
    ///     .with_region(&region)
    ///     .with_name("quotes")
    ///     .with_expiry(Duration::from_millis(50));
    /// let (producer, consumer) = (quotes.build_producer()?, quotes.build_consumer()?);
    /// producer.send("old")?;
    /// std::thread::sleep(Duration::from_millis(60));
    /// producer.send("new")?;
    /// assert_eq!(consumer.receive()?, Some(b"new".to_vec()));
    /// assert_eq!(region.channel_named("quotes")?.expired, 1);
    /// # drop((producer, consumer));
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_expiry(mut self, age: Duration) -> Self {
        self.request.expiry = Some(age);
        self
    }

    /// Which consumers get a message; as the channel has it if left out, and a [queue](Delivery::Queue) if it is created. Everything else
    /// is the same: handles, calls, what happens when a process dies.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-delivery-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// use dmxp::{ChannelBuilder, Delivery, Subscription};
    /// let news = ChannelBuilder::new().with_region(&region).with_name("news").with_delivery(Delivery::Broadcast);
    /// let archive = news.build_consumer()?;
    /// let ticker = news.clone().with_subscription(Subscription::Lossy).build_consumer()?;
    /// let agency = news.build_producer()?;
    /// agency.send("rain")?;
    /// assert_eq!(&archive.recv()?[..], b"rain");
    /// assert_eq!(&ticker.recv()?[..], b"rain");
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.request.delivery = Some(delivery);
        self
    }

    /// Whether a broadcast or latest channel has one producer at a time, which makes sending faster. A second one is refused with
    /// [`Error::ChannelInUse`](crate::Error::ChannelInUse), which names the process that has it; the place of a dead one can be
    /// taken. Such a producer holds one claim at a time.
    pub fn with_single_producer(mut self, yes: bool) -> Self {
        self.request.single_producer = Some(yes);
        self
    }

    /// Whether a broadcast channel admits [lossy](Subscription::Lossy) subscribers. Where it does not, nobody looks at a message that
    /// is being written, and claims are written in the slots themselves, which makes them the fastest way to send. If left out,
    /// channels of a [single producer](Self::with_single_producer) admit none, unless a lossy subscriber makes them, and others do.
    pub fn with_lossy_subscribers(mut self, yes: bool) -> Self {
        self.request.lossy_subscribers = Some(yes);
        self
    }

    /// Whether messages bear the time of their publication; they do if left out.
    /// [`Metadata::timestamp_ns`](crate::Metadata::timestamp_ns) is 0 otherwise, and sending is faster by some 10 to 25 ns.
    pub fn with_timestamps(mut self, yes: bool) -> Self {
        self.request.timestamps = Some(yes);
        self
    }

    /// What happens when a consumer of a broadcast channel is too slow; [`Subscription::Reliable`] if left out. It is the
    /// consumer's own, and others may subscribe otherwise.
    pub fn with_subscription(mut self, subscription: Subscription) -> Self {
        self.request.subscription = Some(subscription);
        self
    }

    /// Where a consumer of a broadcast channel begins; [`Start::Newest`] if left out. As with the subscription, say the delivery too
    /// when this consumer may be the first to come: one that would make a queue is refused.
    pub fn with_start(mut self, start: Start) -> Self {
        self.request.start = Some(start);
        self
    }

    /// Whether producers may send urgent messages, with [`Producer::high`](crate::Producer::high), which consumers receive before
    /// all others that wait.
    ///
    /// Such a channel is two rings under one name, each with the capacity, the slots and the policies that are asked for, and so
    /// takes twice the room, two of the region's ids, and two handle records for each handle. Each keeps its producers' order. The
    /// others starve as long as there are urgent messages: a consumer looks at them only when it finds no urgent one. A batch is of
    /// one priority. A consumer that must wait for an urgent message to be published, because its sender is stopped in the middle, receives
    /// the others meanwhile. Programs that know only the v1 format cannot use such a channel.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-priorities-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let orders = dmxp::ChannelBuilder::new().with_region(&region).with_name("orders").with_priorities(true);
    /// let (producer, consumer) = (orders.build_producer()?, orders.build_consumer()?);
    /// producer.send("buy")?;
    /// producer.high()?.send("cancel everything")?;
    /// assert_eq!(&*consumer.recv()?, b"cancel everything");
    /// assert_eq!(&*consumer.recv()?, b"buy");
    /// # drop((producer, consumer));
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_priorities(mut self, yes: bool) -> Self {
        self.request.priorities = Some(yes);
        self
    }

    /// What calls of the handle do while they wait; [`WaitStrategy::SpinThenSleep`] if left out. It is the handle's own, and the
    /// others of the channel may wait otherwise.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-strategy-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// use dmxp::{ChannelBuilder, WaitStrategy};
    /// let ticks = ChannelBuilder::new().with_region(&region).with_name("ticks");
    /// let trader = ticks.clone().with_wait_strategy(WaitStrategy::Spin).build_consumer()?;
    /// let logger = ticks.clone().with_wait_strategy(WaitStrategy::Sleep).build_consumer()?;
    /// # drop((trader, logger));
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_wait_strategy(mut self, strategy: WaitStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Opens only what exists: neither region nor channel is created.
    pub fn open_only(mut self) -> Self {
        self.request.open_only = true;
        self
    }

    /// Consumers: the stream ends for this consumer, with [`Error::NoProducers`](crate::Error::NoProducers), when the last producer has
    /// gone and all was received: also what dead consumers held, and what living ones gave back. Iteration, futures and wait sets end as
    /// they do on a closed channel. Off by default, since channels outlive processes.
    ///
    /// A producer has gone when its handle is dropped, or when its process is proven dead, which takes 100 ms at most while this consumer
    /// waits or polls. Before the first producer has come there is no end, and the next one that comes after the last begins a new
    /// stream, which is received as usual: see [`Consumer::stream`]. A consumer that is opened when they have gone receives what they
    /// left, and its end. Those that move messages to a channel for dead letters, consumers of another channel, are producers of it.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-no-producers-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let channel = dmxp::ChannelBuilder::new().with_region(&region).with_name("jobs");
    /// let consumer = channel.clone().with_end_without_producers(true).build_consumer()?;
    /// let producer = channel.build_producer()?;
    /// producer.send(b"the last job")?;
    /// drop(producer);
    ///
    /// assert_eq!(&consumer.recv()?[..], b"the last job");
    /// assert!(matches!(consumer.recv(), Err(dmxp::Error::NoProducers)));
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn with_end_without_producers(mut self, yes: bool) -> Self {
        self.request.end_without_producers = Some(yes);
        self
    }

    /// Makes the channel anew if it exists with other properties than are asked for, or another message type, and no living process has
    /// it open. The messages in it are lost. Where one has, opening fails with [`Error::ChannelInUse`](crate::Error::ChannelInUse). A
    /// channel that has what is asked for is opened as it is, whoever has it.
    pub fn with_replace_if_unused(mut self, yes: bool) -> Self {
        self.request.replace_if_unused = Some(yes);
        self
    }

    /// This handle goes on when the region's file is removed or replaced under its users, with those that are attached already. Otherwise
    /// it fails then with [`Error::RegionRemoved`](crate::Error::RegionRemoved): when it is opened, and within a tick of waiting, 40 ms;
    /// a consumer first receives what is there. See [`Region::is_current`](crate::Region::is_current).
    pub fn with_keep_removed_region(mut self, yes: bool) -> Self {
        self.request.keep_removed_region = Some(yes);
        self
    }

    /// Opens a producer.
    ///
    /// # Errors
    /// [`Error::ChannelMismatch`](crate::Error::ChannelMismatch) and
    /// [`Error::SchemaMismatch`](crate::Error::SchemaMismatch) when the channel exists and is different;
    /// [`Error::RegionFull`](crate::Error::RegionFull), [`Error::OutOfMemory`](crate::Error::OutOfMemory),
    /// [`Error::ChannelTableFull`](crate::Error::ChannelTableFull) when it cannot be created;
    /// [`Error::ChannelNotFound`](crate::Error::ChannelNotFound) when it may not be;
    /// [`Error::HandleTableFull`](crate::Error::HandleTableFull);
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for impossible ids, names and capacities; those of opening
    /// the region.
    pub fn build_producer(&self) -> Result<Producer<T>> {
        self.build_raw_producer().map(Producer::new)
    }

    /// Opens a consumer.
    ///
    /// # Errors
    /// As [`build_producer`](Self::build_producer).
    pub fn build_consumer(&self) -> Result<Consumer<T>> {
        self.build_raw_consumer().map(Consumer::new)
    }

    /// Opens a producer of bytes on whatever the channel carries, for language bindings.
    ///
    /// # Errors
    /// As [`build_producer`](Self::build_producer).
    pub fn build_raw_producer(&self) -> Result<raw::Producer> {
        let request = self.request()?;
        let message_type = request
            .schema
            .as_ref()
            .map_or(0, |schema| schema.schema_fingerprint() as u32);
        let mut opened = open(&self.region()?, &request, Role::Producer)?;
        opened.set_wait_strategy(self.strategy);
        let (sender, urgent) = opened.into_senders(message_type);
        Ok(raw::Producer::new(sender, urgent))
    }

    /// Opens a consumer of bytes on whatever the channel carries, for language bindings.
    ///
    /// # Errors
    /// As [`build_producer`](Self::build_producer).
    pub fn build_raw_consumer(&self) -> Result<raw::Consumer> {
        let mut opened = open(&self.region()?, &self.request()?, Role::Consumer)?;
        opened.set_wait_strategy(self.strategy);
        if self.request.end_without_producers == Some(true) {
            opened.end_without_producers();
        }
        Ok(raw::Consumer::new(opened.into_receiver()))
    }

    fn request(&self) -> Result<Request> {
        let mut request = self.request.clone();
        if let Some(descriptor) = self.descriptor {
            let schema = Schema::try_from(descriptor);
            request.schema = Some(schema.map_err(|error| Error::invalid(format!("`{}`: {error}", descriptor.name)))?);
        }
        Ok(request)
    }

    fn region(&self) -> Result<Region> {
        match &self.region {
            Some(region) => Ok(region.clone()),
            None if self.request.open_only => RegionOptions::new().open(),
            None => RegionOptions::new().open_or_create(),
        }
    }
}

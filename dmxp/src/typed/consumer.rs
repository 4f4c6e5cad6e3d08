//! Consumers of messages and of bytes.

use crate::error::{Error, Result};
use crate::message::field::DmxpMessage;
use crate::raw;
use crate::raw::Wait;
use crate::table::lives::StreamInfo;
use crate::typed::guard::{Batch, ByteBatch, Bytes, Message, copy_out};
use crate::typed::slice::{Slice, copy_slice};
use core::fmt;
use core::marker::PhantomData;
use std::time::Duration;

/// A consumer of messages of type `T`, or of bytes where `T` is `[u8]`. Consumers of a queue compete: each message goes to one of
/// them. On a [broadcast](crate::Delivery::Broadcast) channel each gets them all, on a [latest](crate::Delivery::Latest) one the
/// newest when it looks.
///
/// A consumer can be moved to another thread but not shared between threads: open one for each.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// # #[dmxp::message]
/// # struct Tick {
/// #     price: f64,
/// #     volume: u64,
/// # }
/// # let name = format!("doc-consumer-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// # let producer = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks").build_producer()?;
/// # producer.send(&Tick { price: 99.5, volume: 10 })?;
/// let consumer = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks").build_consumer()?;
///
/// let tick = consumer.recv()?; // borrowed in place; dropping it releases the slot
/// assert_eq!(tick.price, 99.5);
/// # drop(tick);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
pub struct Consumer<T: ?Sized> {
    raw: raw::Consumer,
    message: PhantomData<fn(&T)>,
}

impl<T: ?Sized> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<T: ?Sized> Consumer<T> {
    pub(crate) fn new(raw: raw::Consumer) -> Self {
        Self {
            raw,
            message: PhantomData,
        }
    }

    /// The handle underneath: claims as values, channel properties.
    #[must_use]
    pub fn as_raw(&self) -> &raw::Consumer {
        &self.raw
    }

    /// The channel's id.
    #[must_use]
    pub fn channel_id(&self) -> u32 {
        self.raw.channel_id()
    }

    /// Slots of the channel.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.raw.capacity()
    }

    /// Messages waiting, among them those claimed and not yet published.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.raw.len()
    }

    /// Whether no message is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether as many messages are waiting as there are slots.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.raw.is_full()
    }

    /// How many messages this subscriber missed in all: those that were overwritten before a [lossy](crate::Subscription::Lossy)
    /// one came to them, and those before a [start](crate::Start::Position) that were gone. Received and missed messages
    /// together are those that were sent, but that a position which one of several producers gave up counts as missed if it
    /// lies among missed ones. On a latest channel, the values that were replaced before they were looked at. 0 on queues.
    /// [`Metadata::missed`](crate::Metadata::missed) tells it for each message.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.raw.missed()
    }

    /// How many producers the channel has: live handles, of any process. Producers of dead processes are not counted.
    ///
    /// # Errors
    /// [`Error::Removed`], [`Error::Forked`], [`Error::Evicted`].
    pub fn producers(&self) -> Result<usize> {
        Ok(self.producer_processes()?.len())
    }

    /// The process ids of the channel's producers, one for each handle, as those processes have them.
    ///
    /// # Errors
    /// Those of [`producers`](Self::producers).
    pub fn producer_processes(&self) -> Result<Vec<u32>> {
        self.raw.waiter().peers()
    }

    /// Waits until the channel has at least `count` producers, and gives how many it has. It sleeps meanwhile, and is woken when one
    /// comes.
    ///
    /// # Errors
    /// [`Error::Timeout`], with [`Wait::No`] at once; those of [`producers`](Self::producers).
    pub fn wait_for_producers(&self, count: usize, wait: Wait) -> Result<usize> {
        self.raw.waiter().wait_for_peers(count, wait)
    }

    /// The newest stream of the channel: its number, and the id of its first message. A producer that comes to a channel without
    /// producers, or to one that was closed, begins a stream; one that comes while another lives continues it. So a consumer that
    /// remembers the number tells a stream that was begun anew from one that goes on, and a message of it from those before:
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-stream-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// # let channel = dmxp::ChannelBuilder::new().with_region(&region).with_name("jobs");
    /// # let consumer = channel.build_consumer()?;
    /// channel.build_producer()?.send(b"of a program")?; // and its producer is dropped
    /// channel.build_producer()?.send(b"of its next run")?;
    ///
    /// let stream = consumer.stream()?;
    /// assert_eq!(stream.number, 2);
    /// assert!(consumer.recv()?.metadata().message_id < stream.first_message);
    /// assert_eq!(consumer.recv()?.metadata().message_id, stream.first_message);
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// Urgent messages are numbered by themselves. Messages that were delivered before, and those of programs that know only v1, may
    /// be of any stream.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn stream(&self) -> Result<StreamInfo> {
        self.raw.stream()
    }

    /// Ends the stream; see [`Producer::close`](crate::Producer::close).
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn close(&self) -> Result<()> {
        self.raw.close()
    }
}

/// # Messages
impl<T> Consumer<T> {
    /// Waits for a message and borrows it in place. Dropping the guard releases the slot.
    ///
    /// # Errors
    /// [`Error::Closed`] when the stream has ended and all of it was received; [`Error::NoProducers`] where this consumer
    /// [asked for that end](crate::ChannelBuilder::with_end_without_producers); [`Error::Removed`];
    /// [`Error::InvalidMessage`] and [`Error::ChecksumMismatch`] for a message that cannot be read (it goes to the dead letters
    /// then, or is dropped and counted); [`Error::WouldDeadlock`] and [`Error::TooManyClaims`] when this consumer holds messages that stand in the way;
    /// [`Error::Forked`], [`Error::Evicted`].
    #[inline(always)]
    pub fn recv(&self) -> Result<Message<'_, T>>
    where
        T: DmxpMessage,
    {
        Message::claim(&self.raw, Wait::Forever)
    }

    /// [`recv`](Self::recv) that does not wait.
    ///
    /// # Errors
    /// [`Error::Empty`], and those of `recv`.
    #[inline(always)]
    pub fn try_recv(&self) -> Result<Message<'_, T>>
    where
        T: DmxpMessage,
    {
        Message::claim(&self.raw, Wait::No)
    }

    /// [`recv`](Self::recv) that waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`], and those of `recv`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message<'_, T>>
    where
        T: DmxpMessage,
    {
        Message::claim(&self.raw, Wait::For(timeout))
    }

    /// The newest message of a [latest](crate::Delivery::Latest) channel, seen before or not.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing was sent yet; [`Error::InvalidArgument`] on other channels; and those of
    /// [`recv`](Self::recv) for a message that cannot be read.
    pub fn newest(&self) -> Result<Message<'_, T>>
    where
        T: DmxpMessage,
    {
        Message::newest(&self.raw)
    }

    /// Waits for a message and borrows it in place; `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv), but for [`Error::Closed`].
    pub fn recv_or_end(&self) -> Result<Option<Message<'_, T>>>
    where
        T: DmxpMessage,
    {
        or_end(self.recv())
    }

    /// Waits for a message and copies it out: the copy is made first and validated then, so that it is what it was whatever
    /// its sender does to the slot.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv); with [`Wait::No`] [`Error::Empty`], with [`Wait::For`] [`Error::Timeout`].
    #[inline(always)]
    pub fn recv_copy(&self, wait: Wait) -> Result<T>
    where
        T: DmxpMessage,
    {
        copy_out(&self.raw, wait)
    }

    /// Waits for a message and then borrows all that are there, at most `max`, claimed with one atomic operation. Dropping
    /// the guard releases them. A `max` of 0 waits for nothing, and gets none.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv); with [`Wait::No`] [`Error::Empty`], with [`Wait::For`] [`Error::Timeout`]. A batch with
    /// a message that cannot be read is refused as a whole: the others go back to the channel as they were, which is no delivery.
    pub fn recv_up_to(&self, max: usize, wait: Wait) -> Result<Batch<'_, T>>
    where
        T: DmxpMessage,
    {
        Batch::claim(&self.raw, 1, max, wait)
    }

    /// Waits until `count` messages are there and borrows them together, claimed with one atomic operation. It gets fewer only
    /// where an aborted claim divides them, for messages that are delivered again, and at the end of the stream.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`], and those of [`recv_up_to`](Self::recv_up_to).
    pub fn recv_batch(&self, count: usize, wait: Wait) -> Result<Batch<'_, T>>
    where
        T: DmxpMessage,
    {
        Batch::claim(&self.raw, count, count, wait)
    }

    /// Waits for a message and then borrows all that are there, at most `max`, as one slice, on a channel with
    /// [packed slots](crate::ChannelBuilder::with_packed_slots). It ends where the ring ends: the rest comes with the next call. Dropping
    /// it releases them. A lossy subscriber gets a copy.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv); with [`Wait::No`] [`Error::Empty`], with [`Wait::For`] [`Error::Timeout`];
    /// [`Error::InvalidArgument`] on other channels. A message that is not valid ends the slice before it; the next call refuses it,
    /// and steps over it.
    #[inline]
    pub fn recv_slice(&self, max: usize, wait: Wait) -> Result<Slice<'_, T>>
    where
        T: DmxpMessage,
    {
        Slice::claim(&self.raw, max, wait)
    }

    /// [`recv_slice`](Self::recv_slice) by copy: appends the messages to `to`, and releases them. How many. For a lossy subscriber it is
    /// the only copy.
    ///
    /// # Errors
    /// Those of `recv_slice`.
    pub fn recv_slice_copy(&self, to: &mut Vec<T>, max: usize, wait: Wait) -> Result<usize>
    where
        T: DmxpMessage,
    {
        copy_slice(&self.raw, to, max, wait)
    }

    /// Messages as they come, copied out, until the stream is closed; errors other than that are items.
    pub fn iter(&self) -> Iter<'_, T>
    where
        T: DmxpMessage,
    {
        Iter { consumer: self }
    }
}

impl<'a, T: DmxpMessage> IntoIterator for &'a Consumer<T> {
    type Item = Result<T>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// Messages of a consumer as they come; see [`Consumer::iter`].
pub struct Iter<'a, T: ?Sized> {
    consumer: &'a Consumer<T>,
}

impl<T: ?Sized> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(self.consumer).finish()
    }
}

impl Iterator for Iter<'_, [u8]> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        or_end(self.consumer.recv_copy(Wait::Forever)).transpose()
    }
}

impl<'a> IntoIterator for &'a Consumer<[u8]> {
    type Item = Result<Vec<u8>>;
    type IntoIter = Iter<'a, [u8]>;

    fn into_iter(self) -> Iter<'a, [u8]> {
        self.iter()
    }
}

impl<T: DmxpMessage> Iterator for Iter<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        or_end(self.consumer.recv_copy(Wait::Forever)).transpose()
    }
}

/// # Bytes
impl Consumer<[u8]> {
    /// Takes a message if there is one.
    ///
    /// # Errors
    /// [`Error::Closed`] when the stream has ended and all of it was received; and the other errors of a typed
    /// [`recv`](Consumer::recv).
    pub fn receive(&self) -> Result<Option<Vec<u8>>> {
        match self.try_recv() {
            Ok(message) => Ok(Some(message.to_vec())),
            Err(Error::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for a message and borrows it in place. Dropping the guard releases the slot.
    ///
    /// # Errors
    /// Those of a typed [`recv`](Consumer::recv), but for [`Error::InvalidMessage`]: all bytes are valid.
    #[inline(always)]
    pub fn recv(&self) -> Result<Bytes<'_>> {
        Bytes::claim(&self.raw, Wait::Forever)
    }

    /// [`recv`](Self::recv) that does not wait.
    ///
    /// # Errors
    /// [`Error::Empty`], and those of `recv`.
    #[inline(always)]
    pub fn try_recv(&self) -> Result<Bytes<'_>> {
        Bytes::claim(&self.raw, Wait::No)
    }

    /// [`recv`](Self::recv) that waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`], and those of `recv`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Bytes<'_>> {
        Bytes::claim(&self.raw, Wait::For(timeout))
    }

    /// Waits for a message and copies it out.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv); with [`Wait::No`] [`Error::Empty`], with [`Wait::For`] [`Error::Timeout`].
    pub fn recv_copy(&self, wait: Wait) -> Result<Vec<u8>> {
        Bytes::claim(&self.raw, wait).map(|message| message.to_vec())
    }

    /// Waits for a message and then borrows all that are there, at most `max`, claimed with one atomic operation. Dropping the guard
    /// releases them. A `max` of 0 waits for nothing, and gets none.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-byte-batch-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// use dmxp::Wait;
    /// let lines = dmxp::ChannelBuilder::new().with_region(&region).with_name("lines");
    /// let (producer, consumer) = (lines.build_producer()?, lines.build_consumer()?);
    /// producer.send_batch(&["one", "two", "three"], Wait::Forever)?;
    /// for line in &consumer.recv_up_to(10, Wait::Forever)? {
    ///     println!("{}", String::from_utf8_lossy(line));
    /// }
    /// assert!(consumer.is_empty());
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of a typed [`recv_up_to`](Consumer::recv_up_to), but for [`Error::InvalidMessage`]: all bytes are valid.
    pub fn recv_up_to(&self, max: usize, wait: Wait) -> Result<ByteBatch<'_>> {
        ByteBatch::claim(&self.raw, 1, max, wait)
    }

    /// Waits until `count` messages are there and borrows them together; see a typed [`recv_batch`](Consumer::recv_batch).
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`], and those of [`recv_up_to`](Self::recv_up_to).
    pub fn recv_batch(&self, count: usize, wait: Wait) -> Result<ByteBatch<'_>> {
        ByteBatch::claim(&self.raw, count, count, wait)
    }

    /// Messages as they come, copied out, until the stream is closed; errors other than that are items.
    pub fn iter(&self) -> Iter<'_, [u8]> {
        Iter { consumer: self }
    }

    /// Waits for a message and then borrows the bytes of all that are there, at most `max`, side by side, on a channel with
    /// [packed slots](crate::ChannelBuilder::with_packed_slots), where each has as many bytes as the payload capacity says.
    ///
    /// # Errors
    /// Those of a typed [`recv_slice`](Consumer::recv_slice).
    pub fn recv_slice(&self, max: usize, wait: Wait) -> Result<Slice<'_, u8>> {
        Slice::of_bytes(&self.raw, max, wait)
    }

    /// The newest message of a [latest](crate::Delivery::Latest) channel, seen before or not.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing was sent yet; [`Error::InvalidArgument`] on other channels; and those of
    /// [`recv`](Self::recv).
    pub fn newest(&self) -> Result<Bytes<'_>> {
        Bytes::newest(&self.raw)
    }

    /// Waits for a message and borrows it in place; `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv), but for [`Error::Closed`].
    pub fn recv_or_end(&self) -> Result<Option<Bytes<'_>>> {
        or_end(self.recv())
    }
}

/// The end of the stream as a value instead of an error.
pub(crate) fn or_end<M>(received: Result<M>) -> Result<Option<M>> {
    match received {
        Ok(message) => Ok(Some(message)),
        Err(Error::Closed | Error::NoProducers) => Ok(None),
        Err(error) => Err(error),
    }
}

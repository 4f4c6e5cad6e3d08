//! Producers of messages and of bytes.

use crate::error::{Error, Result};
use crate::message::{DmxpMessage, bytes_of, bytes_of_all};
use crate::raw;
use crate::raw::Wait;
use crate::table::lives::StreamInfo;
use crate::typed::guard::{ByteClaim, ByteClaimBatch, Claim, ClaimBatch, UninitClaim};
use crate::typed::slice::SliceClaim;
use core::fmt;
use core::marker::PhantomData;
use std::time::Duration;

/// A producer of messages of type `T`, or of bytes where `T` is `[u8]`.
///
/// A producer can be moved to another thread but not shared between threads: open one for each, which costs a record of 256
/// bytes in the region.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// #[dmxp::message]
/// struct Tick {
///     price: f64,
///     volume: u64,
/// }
/// # let name = format!("doc-producer-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// let producer = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks").build_producer()?;
///
/// producer.send(&Tick { price: 99.5, volume: 10 })?;
///
/// let mut slot = producer.claim()?; // or in place: a guard that derefs to `&mut Tick` inside the slot
/// slot.price = 99.75;
/// slot.volume = 3;
/// slot.publish()?;
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
pub struct Producer<T: ?Sized> {
    raw: raw::Producer,
    /// For urgent messages.
    high: Option<Box<Self>>,
    message: PhantomData<fn(&T)>,
}

impl<T: ?Sized> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<T: ?Sized> Producer<T> {
    pub(crate) fn new(mut raw: raw::Producer) -> Self {
        Self {
            high: raw.take_high().map(|high| Box::new(Self::new(high))),
            raw,
            message: PhantomData,
        }
    }

    /// The handle underneath: claims as values, channel properties.
    #[must_use]
    pub fn as_raw(&self) -> &raw::Producer {
        &self.raw
    }

    /// The producer of urgent messages, on a channel with [priorities](crate::ChannelBuilder::with_priorities): a producer like
    /// this one, whose messages are received before all others that wait.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels.
    pub fn high(&self) -> Result<&Self> {
        self.high.as_deref().ok_or_else(|| self.raw.no_priorities())
    }

    /// The same, borrowed uniquely: what a future keeps may go to another thread.
    #[cfg(feature = "async")]
    pub(crate) fn high_mut(&mut self) -> Result<&mut Self> {
        match &mut self.high {
            Some(high) => Ok(high),
            None => Err(self.raw.no_priorities()),
        }
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

    /// Messages waiting, among them those claimed and not yet published; on a broadcast channel, for the slowest reliable
    /// subscriber.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.raw.len()
    }

    /// Whether no message is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Whether a message would have to wait for a free slot.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.raw.is_full()
    }

    /// How many consumers the channel has: live handles, of any process. Consumers of dead processes are not counted.
    ///
    /// # Errors
    /// [`Error::Removed`], [`Error::Forked`], [`Error::Evicted`].
    pub fn consumers(&self) -> Result<usize> {
        Ok(self.consumer_processes()?.len())
    }

    /// The process ids of the channel's consumers, one for each handle, as those processes have them.
    ///
    /// # Errors
    /// Those of [`consumers`](Self::consumers).
    pub fn consumer_processes(&self) -> Result<Vec<u32>> {
        self.raw.waiter().peers()
    }

    /// Waits until the channel has at least `count` consumers, and gives how many it has. It sleeps meanwhile, and is woken when one
    /// comes.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-consumers-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// # let channel = dmxp::ChannelBuilder::new().with_region(&region).with_name("jobs");
    /// let producer = channel.build_producer()?;
    /// assert!(matches!(producer.wait_for_consumers(1, dmxp::Wait::No), Err(dmxp::Error::Timeout)));
    ///
    /// let consumer = channel.build_consumer()?; // usually in another process
    /// assert_eq!(producer.wait_for_consumers(1, dmxp::Wait::Forever)?, 1);
    /// # drop(consumer);
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Timeout`], with [`Wait::No`] at once; those of [`consumers`](Self::consumers).
    pub fn wait_for_consumers(&self, count: usize, wait: Wait) -> Result<usize> {
        self.raw.waiter().wait_for_peers(count, wait)
    }

    /// The newest stream of the channel; see [`Consumer::stream`](crate::Consumer::stream).
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn stream(&self) -> Result<StreamInfo> {
        self.raw.stream()
    }

    /// Ends the stream: sending fails from now on, consumers drain what is there, and what dead ones held, and then get
    /// [`Error::Closed`]. The next producer that is opened reopens it. Dropping a producer does not end the stream: channels outlive
    /// processes.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn close(&self) -> Result<()> {
        self.raw.close()
    }
}

/// # Messages
impl<T> Producer<T> {
    #[inline]
    fn send_messages(&self, messages: &[T], min: usize, wait: Wait) -> Result<(u64, usize)>
    where
        T: DmxpMessage,
    {
        if self.raw.is_packed() {
            return self.raw.send_stretch(bytes_of_all(messages), min, wait);
        }
        self.raw
            .send_messages(min, messages.len(), wait, |index| bytes_of(&messages[index as usize]))
    }

    /// Copies a message into the channel, waiting for a free slot. Returns the message's id.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Removed`]; [`Error::WouldDeadlock`] and [`Error::TooManyClaims`] when this producer holds
    /// claims that stand in the way; [`Error::Forked`], [`Error::Evicted`].
    #[inline(always)]
    pub fn send(&self, message: &T) -> Result<u64>
    where
        T: DmxpMessage,
    {
        self.raw.send_typed(bytes_of(message), Wait::Forever)
    }

    /// [`send`](Self::send) that does not wait.
    ///
    /// # Errors
    /// [`Error::Full`], and those of `send`.
    #[inline(always)]
    pub fn try_send(&self, message: &T) -> Result<u64>
    where
        T: DmxpMessage,
    {
        self.raw.send_typed(bytes_of(message), Wait::No)
    }

    /// [`send`](Self::send) that waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`], and those of `send`.
    pub fn send_timeout(&self, message: &T, timeout: Duration) -> Result<u64>
    where
        T: DmxpMessage,
    {
        self.raw.send_typed(bytes_of(message), Wait::For(timeout))
    }

    /// Sends all messages or none, with one atomic claim; they become visible at once. Returns the first one's id; the others
    /// follow without a gap. Of no messages, 0.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] when they are more than the channel's capacity or 32,767; with [`Wait::No`] [`Error::Full`],
    /// with [`Wait::For`] [`Error::Timeout`]; and those of [`send`](Self::send).
    pub fn send_batch(&self, messages: &[T], wait: Wait) -> Result<u64>
    where
        T: DmxpMessage,
    {
        Ok(self.send_messages(messages, messages.len(), wait)?.0)
    }

    /// Sends as many of the messages as there is room for, from the first on, and at least one. Returns how many.
    ///
    /// # Errors
    /// With [`Wait::No`] [`Error::Full`], with [`Wait::For`] [`Error::Timeout`]; and those of [`send`](Self::send).
    pub fn send_up_to(&self, messages: &[T], wait: Wait) -> Result<usize>
    where
        T: DmxpMessage,
    {
        if messages.is_empty() {
            return Ok(0);
        }
        Ok(self.send_messages(messages, 1, wait)?.1)
    }

    /// Claims a slot, to write the message in place. It starts as all zeros. A type for which they are no valid value (a closed enum
    /// without the value 0) is refused when this is compiled: take [`claim_with`](Self::claim_with) or
    /// [`claim_uninit`](Self::claim_uninit).
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    #[inline(always)]
    pub fn claim(&self) -> Result<Claim<'_, T>>
    where
        T: DmxpMessage,
    {
        Claim::zeroed(&self.raw, Wait::Forever)
    }

    /// [`claim`](Self::claim) that does not wait.
    ///
    /// # Errors
    /// [`Error::Full`], and those of `claim`.
    #[inline(always)]
    pub fn try_claim(&self) -> Result<Claim<'_, T>>
    where
        T: DmxpMessage,
    {
        Claim::zeroed(&self.raw, Wait::No)
    }

    /// [`claim`](Self::claim) that waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`], and those of `claim`.
    pub fn claim_timeout(&self, timeout: Duration) -> Result<Claim<'_, T>>
    where
        T: DmxpMessage,
    {
        Claim::zeroed(&self.raw, Wait::For(timeout))
    }

    /// Claims a slot and puts `message` there, to be finished in place.
    ///
    /// # Errors
    /// Those of [`send`](Self::send); with [`Wait::No`] [`Error::Full`], with [`Wait::For`] [`Error::Timeout`].
    #[inline(always)]
    pub fn claim_with(&self, message: &T, wait: Wait) -> Result<Claim<'_, T>>
    where
        T: DmxpMessage,
    {
        Claim::holding(&self.raw, message, wait)
    }

    /// Claims a slot for a message that is written whole, so that nothing need be put there before.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # #[dmxp::message]
    /// # struct Tick {
    /// #     price: f64,
    /// #     volume: u64,
    /// # }
    /// # let name = format!("doc-claim-uninit-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// # let producer = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks").build_producer()?;
    /// let slot = producer.claim_uninit(dmxp::Wait::Forever)?;
    /// slot.write(Tick { price: 99.5, volume: 10 }).publish()?; // put together in the slot itself
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`send`](Self::send); with [`Wait::No`] [`Error::Full`], with [`Wait::For`] [`Error::Timeout`].
    #[inline(always)]
    pub fn claim_uninit(&self, wait: Wait) -> Result<UninitClaim<'_, T>>
    where
        T: DmxpMessage,
    {
        UninitClaim::new(&self.raw, wait)
    }

    /// Claims `count` slots with one atomic operation, to write messages in place. They start as all zeros and become visible
    /// at once.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`]; with [`Wait::No`] [`Error::Full`], with [`Wait::For`]
    /// [`Error::Timeout`]; and those of [`send`](Self::send).
    pub fn claim_batch(&self, count: usize, wait: Wait) -> Result<ClaimBatch<'_, T>>
    where
        T: DmxpMessage,
    {
        ClaimBatch::zeroed(&self.raw, count, wait)
    }

    /// [`claim_batch`](Self::claim_batch) as one slice, on a channel with [packed slots](crate::ChannelBuilder::with_packed_slots).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels; and those of `claim_batch`.
    pub fn claim_slice(&self, count: usize, wait: Wait) -> Result<SliceClaim<'_, T>>
    where
        T: DmxpMessage,
    {
        SliceClaim::zeroed(&self.raw, count, wait)
    }
}

/// # Bytes
impl Producer<[u8]> {
    /// Sends bytes, at most [`payload_capacity`](raw::Producer::payload_capacity), waiting for a free slot. Returns the message's id.
    ///
    /// # Errors
    /// [`Error::PayloadTooLarge`]; and those of a typed [`send`](Producer::send).
    #[inline]
    pub fn send(&self, payload: impl AsRef<[u8]>) -> Result<u64> {
        self.raw.send_one(payload.as_ref(), Wait::Forever)
    }

    /// [`send`](Self::send) that does not wait.
    ///
    /// # Errors
    /// [`Error::Full`], and those of `send`.
    #[inline]
    pub fn try_send(&self, payload: impl AsRef<[u8]>) -> Result<u64> {
        self.raw.send_one(payload.as_ref(), Wait::No)
    }

    /// [`send`](Self::send) that waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`], and those of `send`.
    pub fn send_timeout(&self, payload: impl AsRef<[u8]>, timeout: Duration) -> Result<u64> {
        self.raw.send_one(payload.as_ref(), Wait::For(timeout))
    }

    /// Sends all payloads or none, with one atomic claim; they become visible at once. Returns the first one's id; of no payloads, 0.
    ///
    /// # Errors
    /// [`Error::PayloadTooLarge`] (nothing is sent then), [`Error::BatchTooLarge`]; with [`Wait::No`] [`Error::Full`], with
    /// [`Wait::For`] [`Error::Timeout`]; and those of [`send`](Self::send).
    pub fn send_batch(&self, payloads: &[impl AsRef<[u8]>], wait: Wait) -> Result<u64> {
        self.check_lengths(payloads)?;
        Ok(self.send_payloads(payloads, payloads.len(), wait)?.0)
    }

    /// Sends as many of the payloads as there is room for, from the first on, and at least one. Returns how many.
    ///
    /// # Errors
    /// As [`send_batch`](Self::send_batch), but for [`Error::BatchTooLarge`].
    pub fn send_up_to(&self, payloads: &[impl AsRef<[u8]>], wait: Wait) -> Result<usize> {
        if payloads.is_empty() {
            return Ok(0);
        }
        self.check_lengths(payloads)?;
        Ok(self.send_payloads(payloads, 1, wait)?.1)
    }

    /// Claims a slot, to write `len` bytes in place. They start as zeros.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn claim(&self, len: usize) -> Result<ByteClaim<'_>> {
        ByteClaim::zeroed(&self.raw, len, Wait::Forever)
    }

    /// [`claim`](Self::claim) that does not wait.
    ///
    /// # Errors
    /// [`Error::Full`], and those of `claim`.
    pub fn try_claim(&self, len: usize) -> Result<ByteClaim<'_>> {
        ByteClaim::zeroed(&self.raw, len, Wait::No)
    }

    /// [`claim`](Self::claim) that waits at most `timeout`.
    ///
    /// # Errors
    /// [`Error::Timeout`], and those of `claim`.
    pub fn claim_timeout(&self, len: usize, timeout: Duration) -> Result<ByteClaim<'_>> {
        ByteClaim::zeroed(&self.raw, len, Wait::For(timeout))
    }

    /// Claims `count` slots with one atomic operation, to write `len` bytes in each in place. They start as zeros and become visible at
    /// once.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`]; with [`Wait::No`] [`Error::Full`], with [`Wait::For`] [`Error::Timeout`]; and those of
    /// [`send`](Self::send).
    pub fn claim_batch(&self, count: usize, len: usize, wait: Wait) -> Result<ByteClaimBatch<'_>> {
        ByteClaimBatch::zeroed(&self.raw, count, len, wait)
    }

    /// [`claim_batch`](Self::claim_batch) as one slice, on a channel with [packed slots](crate::ChannelBuilder::with_packed_slots), where
    /// each message has as many bytes as the payload capacity says.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels; and those of `claim_batch`.
    pub fn claim_slice(&self, count: usize, wait: Wait) -> Result<SliceClaim<'_, u8>> {
        SliceClaim::of_bytes(&self.raw, count, wait)
    }

    fn check_lengths(&self, payloads: &[impl AsRef<[u8]>]) -> Result<()> {
        let limit = self.raw.payload_capacity();
        match payloads
            .iter()
            .map(|payload| payload.as_ref().len())
            .find(|&len| len > limit)
        {
            Some(len) => Err(Error::PayloadTooLarge { len, limit }),
            None => Ok(()),
        }
    }

    #[inline]
    fn send_payloads(&self, payloads: &[impl AsRef<[u8]>], min: usize, wait: Wait) -> Result<(u64, usize)> {
        self.raw.send_with(min, payloads.len(), wait, |index, slot| {
            // Asked once: what it says now need not be what it said when the lengths were checked.
            let payload = payloads[index as usize].as_ref();
            let (len, limit) = (payload.len(), slot.len());
            slot.get_mut(..len)
                .ok_or(Error::PayloadTooLarge { len, limit })?
                .copy_from_slice(payload);
            Ok(len)
        })
    }
}

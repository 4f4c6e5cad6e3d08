//! Producers whose calls are futures.

use super::watch::Watch;
use crate::error::{Error, Result};
use crate::message::{DmxpMessage, bytes_of};
use crate::raw::{Wait, WriteClaim};
use crate::typed::guard::{ByteClaim, Claim, ClaimBatch};
use crate::typed::producer::Producer;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use futures_sink::Sink;

/// A [`Producer`] whose calls are futures; see [`AsyncConsumer`](crate::AsyncConsumer) for an example. A future that is dropped has
/// sent nothing: it claims a slot only in the poll that publishes it, or returns the claim.
///
/// Also a [`Sink`] of `T`, or of `Vec<u8>` where `T` is `[u8]`. A message that the sink has taken is in the channel at once, if there is
/// room; else it is kept, one at a time, and sent by the next [`poll_ready`](Sink::poll_ready) or [`poll_flush`](Sink::poll_flush).
/// [`poll_close`](Sink::poll_close) flushes, and does not end the stream, which others may send on: [`Producer::close`] does.
///
/// ```
/// # #[derive(Default)]
/// # struct Idle;
/// # impl std::task::Wake for Idle { fn wake(self: std::sync::Arc<Self>) {} }
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let waker = std::sync::Arc::new(Idle).into();
/// #     let mut future = std::pin::pin!(future);
/// #     loop {
/// #         if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) { return output }
/// #         std::thread::yield_now();
/// #     }
/// # }
/// # fn main() -> dmxp::Result<()> {
/// # let name = format!("doc-async-producer-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// # #[dmxp::message]
/// # struct Tick {
/// #     price: f64,
/// #     volume: u64,
/// # }
/// async fn sell(ticks: &mut dmxp::AsyncProducer<Tick>) -> dmxp::Result<()> {
///     let mut tick = ticks.claim().await?; // in place
///     tick.price = 99.5;
///     tick.publish()?;
///     ticks.send_batch(&[Tick { price: 99.25, volume: 1 }; 10]).await?;
///     ticks.high()?.send(&Tick { price: 0.0, volume: 0 }).await?; // before all others
///     Ok(())
/// }
///
/// let ticks = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks").with_priorities(true);
/// let mut producer = ticks.build_producer()?.into_async();
/// block_on(sell(&mut producer))?;
/// let mut consumer = ticks.build_consumer()?.into_async();
/// assert_eq!(block_on(consumer.recv())?.price, 0.0);
/// assert_eq!(block_on(consumer.recv_up_to(100))?.len(), 11);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
pub struct AsyncProducer<T: ?Sized> {
    producer: Producer<T>,
    watch: Watch,
    /// For the ring of urgent messages.
    high: Option<Watch>,
    /// The bytes of a message that the sink has taken and there was no room for.
    kept: Option<Vec<u8>>,
}

impl<T: ?Sized> fmt::Debug for AsyncProducer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncProducer").field(&self.producer).finish()
    }
}

impl<T: ?Sized> From<Producer<T>> for AsyncProducer<T> {
    fn from(producer: Producer<T>) -> Self {
        Self {
            watch: Watch::new(producer.as_raw().waiter()),
            high: producer.high().ok().map(|high| Watch::new(high.as_raw().waiter())),
            producer,
            kept: None,
        }
    }
}

impl<T: ?Sized> Producer<T> {
    /// The same producer, with calls that are futures.
    #[must_use]
    pub fn into_async(self) -> AsyncProducer<T> {
        self.into()
    }
}

impl<T: ?Sized> AsyncProducer<T> {
    /// The producer underneath, for calls that do not wait.
    pub fn get_ref(&self) -> &Producer<T> {
        &self.producer
    }

    /// The producer, with calls that block. A message that was given to the sink and not flushed is not sent.
    #[must_use]
    pub fn into_inner(self) -> Producer<T> {
        self.producer
    }

    /// The producer of urgent messages; see [`Producer::high`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on channels without priorities.
    pub fn high(&mut self) -> Result<AsyncHigh<'_, T>> {
        let no_priorities = || self.producer.as_raw().no_priorities();
        let watch = self.high.as_ref().ok_or_else(no_priorities)?;
        Ok(AsyncHigh {
            producer: self.producer.high_mut()?,
            watch,
        })
    }

    async fn claim_raw(&mut self, count: usize) -> Result<WriteClaim> {
        let producer = &mut self.producer;
        self.watch
            .until(move || producer.as_raw().claim(count, count, Wait::No))
            .await
    }

    /// Sends what the sink has kept.
    fn poll_kept(&mut self, context: &Context<'_>) -> Poll<Result<()>> {
        let Some(kept) = &self.kept else {
            return Poll::Ready(Ok(()));
        };
        let producer = self.producer.as_raw();
        let sent = ready!(self.watch.poll(context, || producer.send_one(kept, Wait::No)));
        // What cannot be sent is not kept either: the error says so once.
        self.kept = None;
        Poll::Ready(sent.map(drop))
    }

    fn take(&mut self, message: &[u8]) -> Result<()> {
        // After one that is kept, if the caller has not asked whether the sink is ready.
        if self.kept.is_some() {
            return Err(Error::Full);
        }
        match self.producer.as_raw().send_one(message, Wait::No) {
            Err(Error::Full) => self.kept = Some(message.to_vec()),
            outcome => drop(outcome?),
        }
        Ok(())
    }
}

/// # Messages
impl<T: DmxpMessage> AsyncProducer<T> {
    /// Copies a message into the channel, waiting for a free slot. Returns the message's id.
    ///
    /// # Errors
    /// Those of [`Producer::send`], and [`Error::Io`](crate::Error::Io) when the thread that wakes futures cannot be started.
    pub async fn send(&mut self, message: &T) -> Result<u64> {
        let producer = &mut self.producer;
        self.watch.until(move || producer.try_send(message)).await
    }

    /// Sends all messages or none, waiting until there is room for all; see [`Producer::send_batch`].
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`]; and those of [`send`](Self::send).
    pub async fn send_batch(&mut self, messages: &[T]) -> Result<u64> {
        let producer = &mut self.producer;
        self.watch.until(move || producer.send_batch(messages, Wait::No)).await
    }

    /// Sends as many of the messages as there is room for, waiting for room for one; see [`Producer::send_up_to`].
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn send_up_to(&mut self, messages: &[T]) -> Result<usize> {
        let producer = &mut self.producer;
        self.watch.until(move || producer.send_up_to(messages, Wait::No)).await
    }

    /// Waits for a free slot and claims it, to write the message in place; see [`Producer::claim`]. The claim cannot be sent to another
    /// thread, so a task that keeps it over an `.await` runs on executors of one thread only.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn claim(&mut self) -> Result<Claim<'_, T>> {
        let claim = self.claim_raw(1).await?;
        Claim::of(self.producer.as_raw(), claim)
    }

    /// [`claim`](Self::claim) of a slot that starts as `message`.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn claim_with(&mut self, message: &T) -> Result<Claim<'_, T>> {
        let claim = self.claim_raw(1).await?;
        Claim::of_message(self.producer.as_raw(), claim, message)
    }

    /// Waits until `count` slots are free and claims them, to write messages in place; see [`Producer::claim_batch`].
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`]; and those of [`send`](Self::send).
    pub async fn claim_batch(&mut self, count: usize) -> Result<ClaimBatch<'_, T>> {
        if count == 0 {
            return self.producer.claim_batch(0, Wait::No);
        }
        let claim = self.claim_raw(count).await?;
        ClaimBatch::of(self.producer.as_raw(), claim)
    }
}

/// # Bytes
impl AsyncProducer<[u8]> {
    /// Sends bytes, waiting for a free slot. Returns the message's id.
    ///
    /// # Errors
    /// [`Error::PayloadTooLarge`](crate::Error::PayloadTooLarge); and those of a typed [`send`](AsyncProducer::send).
    pub async fn send(&mut self, payload: impl AsRef<[u8]>) -> Result<u64> {
        let producer = &mut self.producer;
        self.watch.until(move || producer.try_send(payload.as_ref())).await
    }

    /// Sends all payloads or none, waiting until there is room for all; see [`Producer::send_batch`].
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`]; and those of [`send`](Self::send).
    pub async fn send_batch(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<u64> {
        let producer = &mut self.producer;
        self.watch.until(move || producer.send_batch(payloads, Wait::No)).await
    }

    /// Sends as many of the payloads as there is room for, waiting for room for one; see [`Producer::send_up_to`].
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn send_up_to(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<usize> {
        let producer = &mut self.producer;
        self.watch.until(move || producer.send_up_to(payloads, Wait::No)).await
    }

    /// Waits for a free slot and claims it, to write `len` bytes in place; see a typed [`claim`](AsyncProducer::claim).
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn claim(&mut self, len: usize) -> Result<ByteClaim<'_>> {
        self.producer.as_raw().check_length(len)?;
        let claim = self.claim_raw(1).await?;
        ByteClaim::of(self.producer.as_raw(), claim, len)
    }
}

/// The producer of urgent messages of an [`AsyncProducer`].
pub struct AsyncHigh<'a, T: ?Sized> {
    producer: &'a mut Producer<T>,
    watch: &'a Watch,
}

impl<T: ?Sized> fmt::Debug for AsyncHigh<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncHigh").field(&self.producer).finish()
    }
}

/// # Messages
impl<T: DmxpMessage> AsyncHigh<'_, T> {
    /// Sends an urgent message; see [`AsyncProducer::send`].
    ///
    /// # Errors
    /// Those of [`AsyncProducer::send`].
    pub async fn send(self, message: &T) -> Result<u64> {
        let producer = self.producer;
        self.watch.until(move || producer.try_send(message)).await
    }

    /// Sends all messages or none; see [`AsyncProducer::send_batch`].
    ///
    /// # Errors
    /// Those of [`AsyncProducer::send_batch`].
    pub async fn send_batch(self, messages: &[T]) -> Result<u64> {
        let producer = self.producer;
        self.watch.until(move || producer.send_batch(messages, Wait::No)).await
    }
}

/// # Bytes
impl AsyncHigh<'_, [u8]> {
    /// Sends urgent bytes; see [`AsyncProducer::send`].
    ///
    /// # Errors
    /// Those of [`AsyncProducer::send`].
    pub async fn send(self, payload: impl AsRef<[u8]>) -> Result<u64> {
        let producer = self.producer;
        self.watch.until(move || producer.try_send(payload.as_ref())).await
    }
}

/// Nothing in it is pinned.
impl<T: ?Sized> Unpin for AsyncProducer<T> {}

impl<T: DmxpMessage> Sink<T> for AsyncProducer<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_kept(context)
    }

    fn start_send(self: Pin<&mut Self>, message: T) -> Result<()> {
        self.get_mut().take(bytes_of(&message))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_kept(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_kept(context)
    }
}

impl Sink<Vec<u8>> for AsyncProducer<[u8]> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_kept(context)
    }

    fn start_send(self: Pin<&mut Self>, payload: Vec<u8>) -> Result<()> {
        self.get_mut().take(&payload)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_kept(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_kept(context)
    }
}

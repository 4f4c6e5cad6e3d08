//! Consumers whose calls are futures.

use super::watch::Watch;
use crate::error::Result;
use crate::message::DmxpMessage;
use crate::raw::{ReadClaim, Wait};
use crate::typed::consumer::{Consumer, or_end};
use crate::typed::guard::{Batch, ByteBatch, Bytes, Message};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;

/// A [`Consumer`] whose calls are futures, of messages of type `T`, or of bytes where `T` is `[u8]`. Also a [`Stream`] of
/// `Result<T>`, or of `Result<Vec<u8>>`, which ends where the channel is closed and drained.
///
/// It works on any executor: one thread of the process waits for all such handles and wakes their futures. It is started when the
/// first future has to wait, and sleeps while none does.
///
/// A future that is dropped has received nothing: what [`tokio::select!`] or a time limit cuts off stays in the channel. A future
/// claims a message only in the poll that returns it.
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
/// # let name = format!("doc-async-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// #[dmxp::message]
/// struct Tick {
///     price: f64,
///     volume: u64,
/// }
///
/// async fn forward(mut from: dmxp::AsyncConsumer<Tick>, mut to: dmxp::AsyncProducer<Tick>) -> dmxp::Result<()> {
///     let mut tick = from.recv().await?;
///     tick.volume += 1;
///     to.send(&tick).await?;
///     Ok(())
/// }
///
/// let channel = |name| dmxp::Channel::<Tick>::builder().with_region(&region).with_name(name);
/// # channel("in").build_producer()?.send(&Tick { price: 99.5, volume: 10 })?;
/// let from = channel("in").build_consumer()?.into_async();
/// let to = channel("out").build_producer()?.into_async();
/// block_on(forward(from, to))?; // usually a task of tokio, or of any other executor
/// # assert_eq!(channel("out").build_consumer()?.recv()?.volume, 11);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
///
/// [`tokio::select!`]: https://docs.rs/tokio/latest/tokio/macro.select.html
pub struct AsyncConsumer<T: ?Sized> {
    consumer: Consumer<T>,
    watch: Watch,
}

impl<T: ?Sized> fmt::Debug for AsyncConsumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncConsumer").field(&self.consumer).finish()
    }
}

impl<T: ?Sized> From<Consumer<T>> for AsyncConsumer<T> {
    fn from(consumer: Consumer<T>) -> Self {
        let watch = Watch::new(consumer.as_raw().waiter());
        Self { consumer, watch }
    }
}

impl<T: ?Sized> Consumer<T> {
    /// The same consumer, with calls that are futures.
    #[must_use]
    pub fn into_async(self) -> AsyncConsumer<T> {
        self.into()
    }
}

impl<T: ?Sized> AsyncConsumer<T> {
    /// The consumer underneath, for calls that do not wait.
    pub fn get_ref(&self) -> &Consumer<T> {
        &self.consumer
    }

    /// The consumer, with calls that block.
    #[must_use]
    pub fn into_inner(self) -> Consumer<T> {
        self.consumer
    }
}

/// # Messages
impl<T: DmxpMessage> AsyncConsumer<T> {
    /// Waits for a message and copies it out.
    ///
    /// # Errors
    /// Those of [`Consumer::recv`], and [`Error::Io`](crate::Error::Io) when the thread that wakes futures cannot be started.
    pub async fn recv(&mut self) -> Result<T> {
        let consumer = &mut self.consumer;
        self.watch.until(move || consumer.recv_copy(Wait::No)).await
    }

    /// Waits for a message and borrows it in place. Dropping the guard releases the slot.
    ///
    /// A guard that is kept over an `.await` keeps its slot for as long: producers stop when they have come round to it, and nobody
    /// else frees it while this process lives. It cannot be sent to another thread, so a task that keeps one over an `.await` runs on
    /// executors of one thread only.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn recv_ref(&mut self) -> Result<Message<'_, T>> {
        let consumer = &mut self.consumer;
        let claim = self
            .watch
            .until(move || consumer.as_raw().claim(1, 1, Wait::No))
            .await?;
        Message::of(self.consumer.as_raw(), claim)
    }

    /// Waits for a message and then borrows all that are there, at most `max`, claimed with one atomic operation. Dropping the guard
    /// releases them; what [`recv_ref`](Self::recv_ref) says of guards over an `.await` holds for this one. A `max` of 0 waits for nothing,
    /// and gets none.
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv). A batch with a message that cannot be read is refused as a whole, as by
    /// [`Consumer::recv_up_to`].
    pub async fn recv_up_to(&mut self, max: usize) -> Result<Batch<'_, T>> {
        if max == 0 {
            return Batch::claim(self.consumer.as_raw(), 1, 0, Wait::No);
        }
        let claim = self.claim_several(1, max).await?;
        Batch::of(self.consumer.as_raw(), claim)
    }

    /// Waits until `count` messages are there and borrows them together; see [`Consumer::recv_batch`].
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`](crate::Error::BatchTooLarge), and those of [`recv_up_to`](Self::recv_up_to).
    pub async fn recv_batch(&mut self, count: usize) -> Result<Batch<'_, T>> {
        if count == 0 {
            return Batch::claim(self.consumer.as_raw(), 1, 0, Wait::No);
        }
        let claim = self.claim_several(count, count).await?;
        Batch::of(self.consumer.as_raw(), claim)
    }

    /// The newest message of a [latest](crate::Delivery::Latest) channel, seen before or not: it waits for nothing.
    ///
    /// # Errors
    /// Those of [`Consumer::newest`].
    pub fn newest(&mut self) -> Result<Message<'_, T>> {
        self.consumer.newest()
    }
}

impl<T: ?Sized> AsyncConsumer<T> {
    async fn claim_several(&mut self, min: usize, max: usize) -> Result<ReadClaim> {
        let consumer = &mut self.consumer;
        self.watch
            .until(move || consumer.as_raw().claim(min, max, Wait::No))
            .await
    }
}

/// # Bytes
impl AsyncConsumer<[u8]> {
    /// Waits for a message and copies it out.
    ///
    /// # Errors
    /// Those of a typed [`recv`](AsyncConsumer::recv), but for [`Error::InvalidMessage`](crate::Error::InvalidMessage): all bytes are
    /// valid.
    pub async fn recv(&mut self) -> Result<Vec<u8>> {
        let consumer = &mut self.consumer;
        self.watch.until(move || copy_bytes(consumer)).await
    }

    /// Waits for a message and borrows it in place; see a typed [`recv_ref`](AsyncConsumer::recv_ref).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn recv_ref(&mut self) -> Result<Bytes<'_>> {
        let consumer = &mut self.consumer;
        let claim = self
            .watch
            .until(move || consumer.as_raw().claim(1, 1, Wait::No))
            .await?;
        Bytes::of(self.consumer.as_raw(), claim)
    }

    /// Waits for a message and then borrows all that are there, at most `max`; see a typed [`recv_up_to`](AsyncConsumer::recv_up_to).
    ///
    /// # Errors
    /// Those of [`recv`](Self::recv).
    pub async fn recv_up_to(&mut self, max: usize) -> Result<ByteBatch<'_>> {
        if max == 0 {
            return ByteBatch::claim(self.consumer.as_raw(), 1, 0, Wait::No);
        }
        let claim = self.claim_several(1, max).await?;
        ByteBatch::of(self.consumer.as_raw(), claim)
    }

    /// Waits until `count` messages are there and borrows them together; see [`Consumer::recv_batch`].
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`](crate::Error::BatchTooLarge), and those of [`recv_up_to`](Self::recv_up_to).
    pub async fn recv_batch(&mut self, count: usize) -> Result<ByteBatch<'_>> {
        if count == 0 {
            return ByteBatch::claim(self.consumer.as_raw(), 1, 0, Wait::No);
        }
        let claim = self.claim_several(count, count).await?;
        ByteBatch::of(self.consumer.as_raw(), claim)
    }

    /// The newest message of a [latest](crate::Delivery::Latest) channel, seen before or not: it waits for nothing.
    ///
    /// # Errors
    /// Those of [`Consumer::newest`].
    pub fn newest(&mut self) -> Result<Bytes<'_>> {
        self.consumer.newest()
    }
}

fn copy_bytes(consumer: &Consumer<[u8]>) -> Result<Vec<u8>> {
    consumer.try_recv().map(|message| message.to_vec())
}

impl<T: DmxpMessage> Stream for AsyncConsumer<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let this = self.get_mut();
        this.watch
            .poll(context, || this.consumer.recv_copy(Wait::No))
            .map(|received| or_end(received).transpose())
    }
}

impl Stream for AsyncConsumer<[u8]> {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        let this = self.get_mut();
        this.watch
            .poll(context, || copy_bytes(&this.consumer))
            .map(|received| or_end(received).transpose())
    }
}

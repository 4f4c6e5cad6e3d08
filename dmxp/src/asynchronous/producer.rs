//! Producers whose calls are futures.

use super::watch::Watch;
use crate::error::Result;
use crate::message::DmxpMessage;
use crate::typed::producer::Producer;
use core::fmt;

/// A [`Producer`] whose calls are futures; see [`AsyncConsumer`](crate::AsyncConsumer) for an example. A future that is dropped has
/// sent nothing: it claims a slot only in the poll that publishes it.
pub struct AsyncProducer<T: ?Sized> {
    producer: Producer<T>,
    watch: Watch,
}

impl<T: ?Sized> fmt::Debug for AsyncProducer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncProducer").field(&self.producer).finish()
    }
}

impl<T: ?Sized> From<Producer<T>> for AsyncProducer<T> {
    fn from(producer: Producer<T>) -> Self {
        let watch = Watch::new(producer.as_raw().waiter());
        Self { producer, watch }
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

    /// The producer, with calls that block.
    #[must_use]
    pub fn into_inner(self) -> Producer<T> {
        self.producer
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
}

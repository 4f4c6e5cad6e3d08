//! Handles over bytes, with claims as values. The typed handles and the language bindings are built on these.
//!
//! - `producer`, `consumer`: the handles
//! - `waiter`: waiting without the handle
//! - `shared`: handles that threads share, with claims as tokens: what bindings use
//!
//! A claim that is dropped without being published, aborted or released keeps its slots until its handle is dropped; the typed
//! handles and the bindings wrap claims so that this cannot happen by accident.

// Before the modules that use it.
macro_rules! handle_accessors {
    ($name:ident) => {
        impl $name {
            /// The channel's id.
            #[must_use]
            pub fn channel_id(&self) -> u32 {
                self.handle().properties.id
            }

            /// The channel's name, if it has one.
            #[must_use]
            pub fn channel_name(&self) -> Option<&str> {
                self.handle().properties.name.as_deref()
            }

            /// Slots of the channel.
            #[must_use]
            pub fn capacity(&self) -> u64 {
                self.handle().properties.capacity
            }

            /// Bytes of payload a message can have.
            #[must_use]
            pub fn payload_capacity(&self) -> usize {
                self.handle().properties.slots.payload_capacity as usize
            }

            /// Size of the message type in bytes; `None` on untyped channels.
            #[must_use]
            pub fn message_size(&self) -> Option<u32> {
                self.handle()
                    .properties
                    .is_typed()
                    .then_some(self.handle().properties.message_size)
            }

            /// The schema stored with the channel; `None` on untyped channels.
            ///
            /// # Errors
            /// [`Error::Corrupt`] when what is stored is not a schema.
            pub fn schema(&self) -> Result<Option<Schema>> {
                self.handle()
                    .properties
                    .schema(self.handle().ring.attachment().mapping())
            }

            /// Messages waiting, among them those claimed and not yet published: on a queue for its consumers, on a broadcast
            /// channel for this subscriber, or, asked by a producer, for the slowest reliable one. On a latest channel 1 when there
            /// is a value that this consumer has not seen.
            #[must_use]
            pub fn len(&self) -> u64 {
                self.waiting()
            }

            /// Whether no message is waiting.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether as many messages are waiting as there are slots: for a producer, that it would have to wait. A latest channel
            /// never is.
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.len() == self.capacity()
            }

            /// Which consumers get a message of the channel.
            #[must_use]
            pub fn delivery(&self) -> Delivery {
                self.handle().properties.delivery
            }

            /// The newest stream of the channel: which one, and where it begins.
            ///
            /// # Errors
            /// [`Error::Forked`], [`Error::Evicted`].
            pub fn stream(&self) -> Result<StreamInfo> {
                self.waiter().stream()
            }

            /// Ends the stream: sending fails from now on, consumers drain what is there and then get [`Error::Closed`]. The
            /// next producer that is opened reopens it.
            ///
            /// # Errors
            /// [`Error::Forked`], [`Error::Evicted`].
            pub fn close(&self) -> Result<()> {
                self.handle().close()
            }
        }
    };
}

mod consumer;
mod packed;
mod producer;
mod shared;
mod waiter;

use crate::wait::Deadline;
use std::time::Duration;

pub use crate::ring::claim::{Fitting, ReadClaim, WriteClaim};
pub use consumer::Consumer;
pub use producer::Producer;
pub(crate) use producer::Writing;
pub use shared::{Copied, End, Lent, Shared, Token, TokenError, WaitHooks};
pub use waiter::{LongWait, Waiter};

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: the call fails with [`Error::Full`](crate::Error::Full) or [`Error::Empty`](crate::Error::Empty).
    No,
    /// At most this long; then the call fails with [`Error::Timeout`](crate::Error::Timeout).
    For(Duration),
    /// As long as it takes.
    Forever,
    /// As `No`, and a call that finds nothing, or no room, is not counted: for the attempts of a wait that is made of several calls,
    /// such as [`Waiter::wait`](crate::raw::Waiter::wait), and counts as one. Errors that end such a wait are counted.
    Attempt,
}

impl Wait {
    pub(crate) fn deadline(self) -> Option<Deadline> {
        match self {
            Self::No | Self::Attempt => None,
            Self::For(timeout) => Some(Deadline::after(timeout)),
            Self::Forever => Some(Deadline::NEVER),
        }
    }

    /// Whether the call may not wait.
    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::No | Self::Attempt)
    }

    /// Whether statistics count a call that finds nothing, or no room.
    #[inline(always)]
    pub(crate) fn is_counted(self) -> bool {
        self != Self::Attempt
    }
}

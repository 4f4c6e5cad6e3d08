//! What comes with each message.

use crate::layout::{META_FLAG_DEAD_LETTER, META_FLAG_HIGH, MessageMeta};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What comes with a message besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Position in the channel plus one: unique per channel, increasing in the order of claims.
    pub message_id: u64,
    /// When it was published, nanoseconds since the Unix epoch. Follows the sender's `CLOCK_REALTIME` to within 1 us, and its
    /// steps within milliseconds; what one thread sends never bears an earlier time than what it sent before, unless that clock is
    /// set back by more than a quarter of a millisecond.
    pub timestamp_ns: u64,
    /// The channel.
    pub channel_id: u32,
    /// Low 32 bits of the sender's schema fingerprint on typed channels, the application's number on others.
    pub message_type: u32,
    /// The sender's process id, in the sender's PID namespace.
    pub sender_pid: u32,
    /// The sender's language: 1 Rust, 2 Python, 3 C, 4 C++, 5 Go, 6 Node ([`Runtime`](crate::Runtime)).
    pub sender_runtime: u16,
    /// Flag bits of the format; 0 for ordinary messages; 4 for dead letters, 8 for urgent messages.
    pub flags: u16,
    /// Bytes of payload.
    pub payload_len: u32,
    /// How often the message was delivered before, to consumers that did not release it.
    pub redelivered: u8,
    /// How many messages this subscriber missed just before it, because it was overrun; 0 on queues. On a latest channel, how many
    /// were replaced before it looked.
    pub missed: u64,
}

impl Metadata {
    pub(crate) fn new(meta: &MessageMeta, redelivered: u8) -> Self {
        Self {
            message_id: meta.message_id,
            timestamp_ns: meta.timestamp_ns,
            channel_id: meta.channel_id,
            message_type: meta.message_type,
            sender_pid: meta.sender_pid,
            sender_runtime: meta.sender_runtime,
            flags: meta.flags,
            payload_len: meta.payload_len,
            redelivered,
            missed: 0,
        }
    }

    /// Whether the message was returned too often on the channel that `channel_id` names, and moved to this one. All else here
    /// is as its sender wrote it.
    #[must_use]
    pub fn is_dead_letter(&self) -> bool {
        self.flags & META_FLAG_DEAD_LETTER != 0
    }

    /// Whether the message was sent as urgent, on a channel with [priorities](crate::ChannelBuilder::with_priorities). Then
    /// `channel_id` and `message_id` are those of the ring for urgent messages.
    #[must_use]
    pub fn is_high_priority(&self) -> bool {
        self.flags & META_FLAG_HIGH != 0
    }

    /// `timestamp_ns` as a [`SystemTime`].
    #[must_use]
    pub fn timestamp(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.timestamp_ns)
    }
}

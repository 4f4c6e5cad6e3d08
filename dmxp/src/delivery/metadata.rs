//! What comes with each message.

use crate::handle::Handle;
use crate::layout::{META_FLAG_DEAD_LETTER, META_FLAG_HIGH, MessageMeta};
use crate::os::clock::now_ns;
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

/// What every message of a sender says besides its payload, put together once.
#[derive(Debug)]
pub(crate) struct MetaTemplate {
    meta: MessageMeta,
    checksums: bool,
    timestamps: bool,
}

impl MetaTemplate {
    pub(crate) fn new(handle: &Handle, message_type: u32) -> Self {
        let attachment = handle.ring.attachment();
        Self {
            meta: MessageMeta {
                message_id: 0,
                timestamp_ns: 0,
                channel_id: handle.properties.id,
                message_type,
                sender_pid: attachment.pid(),
                sender_runtime: attachment.runtime() as u16,
                flags: handle.properties.message_flags(),
                payload_len: 0,
                checksum: 0,
            },
            checksums: handle.properties.checksums(),
            timestamps: handle.properties.timestamps(),
        }
    }

    /// The application's number for the messages that follow.
    pub(crate) fn set_message_type(&mut self, message_type: u32) {
        self.meta.message_type = message_type;
    }

    /// The time for messages that are published now.
    #[inline(always)]
    pub(crate) fn now_ns(&self) -> u64 {
        if self.timestamps { now_ns() } else { 0 }
    }

    /// That of a message of `len` bytes on a channel without checksums.
    #[inline(always)]
    pub(crate) fn plain(&self, message_id: u64, len: usize) -> MessageMeta {
        MessageMeta {
            message_id,
            timestamp_ns: self.now_ns(),
            payload_len: len as u32,
            ..self.meta
        }
    }

    /// That of a message.
    #[inline(always)]
    pub(crate) fn of(&self, message_id: u64, payload: &[u8], timestamp_ns: u64) -> MessageMeta {
        MessageMeta {
            message_id,
            timestamp_ns,
            payload_len: payload.len() as u32,
            checksum: if self.checksums { crc32fast::hash(payload) } else { 0 },
            ..self.meta
        }
    }
}

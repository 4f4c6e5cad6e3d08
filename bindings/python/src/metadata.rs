//! What comes with a message.

use pyo3::prelude::*;

/// What comes with a message besides its payload; a copy, which outlives the message.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct Metadata {
    /// Position in the channel plus one: unique per channel, increasing.
    message_id: u64,
    /// When it was published, nanoseconds since the Unix epoch.
    timestamp_ns: u64,
    /// The channel.
    channel_id: u32,
    /// Low 32 bits of the sender's schema fingerprint on typed channels, the application's number on others.
    message_type: u32,
    /// The sender's process id.
    sender_pid: u32,
    /// The sender's language: 1 Rust, 2 Python, 3 C, 4 C++, 5 Go, 6 Node.
    sender_runtime: u16,
    /// Flag bits of the format; 0 for ordinary messages, 4 for dead letters, 8 for urgent messages.
    flags: u16,
    /// Bytes of payload.
    payload_len: u32,
    /// How often the message was delivered before.
    redelivered: u8,
    /// How many messages this subscriber missed just before it, because it was overrun; on a latest channel, how many were
    /// replaced before it looked. 0 on queues.
    missed: u64,
    /// Whether the message was returned too often on the channel that `channel_id` names, and moved to this one. All else here
    /// is as its sender wrote it.
    is_dead_letter: bool,
    /// Whether the message was sent as urgent, on a channel with priorities. Then `channel_id` and `message_id` are those of the ring
    /// for urgent messages.
    is_high_priority: bool,
}

impl From<dmxp::Metadata> for Metadata {
    fn from(metadata: dmxp::Metadata) -> Self {
        Self {
            message_id: metadata.message_id,
            timestamp_ns: metadata.timestamp_ns,
            channel_id: metadata.channel_id,
            message_type: metadata.message_type,
            sender_pid: metadata.sender_pid,
            sender_runtime: metadata.sender_runtime,
            flags: metadata.flags,
            payload_len: metadata.payload_len,
            redelivered: metadata.redelivered,
            missed: metadata.missed,
            is_dead_letter: metadata.is_dead_letter(),
            is_high_priority: metadata.is_high_priority(),
        }
    }
}

#[pymethods]
impl Metadata {
    fn __repr__(&self) -> String {
        let Self {
            message_id,
            timestamp_ns,
            channel_id,
            message_type,
            sender_pid,
            sender_runtime,
            flags,
            payload_len,
            redelivered,
            missed,
            // Some of the flags.
            is_dead_letter: _,
            is_high_priority: _,
        } = self;
        format!(
            "Metadata(message_id={message_id}, timestamp_ns={timestamp_ns}, channel_id={channel_id}, \
             message_type={message_type}, sender_pid={sender_pid}, sender_runtime={sender_runtime}, flags={flags}, \
             payload_len={payload_len}, redelivered={redelivered}, missed={missed})"
        )
    }
}

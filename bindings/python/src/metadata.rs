//! What comes with a message.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

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

/// The fields of a record of [`records`], as numpy has them.
const RECORD: [(&str, &str); 10] = [
    ("message_id", "<u8"),
    ("timestamp_ns", "<u8"),
    ("missed", "<u8"),
    ("channel_id", "<u4"),
    ("message_type", "<u4"),
    ("sender_pid", "<u4"),
    ("payload_len", "<u4"),
    ("sender_runtime", "<u2"),
    ("flags", "<u2"),
    ("redelivered", "<u1"),
];

/// A read-only numpy array with a record for each message.
pub(crate) fn records<'py>(py: Python<'py>, all: &[dmxp::Metadata]) -> PyResult<Bound<'py, PyAny>> {
    let mut bytes = Vec::with_capacity(all.len() * 45);
    for metadata in all {
        for wide in [metadata.message_id, metadata.timestamp_ns, metadata.missed] {
            bytes.extend_from_slice(&wide.to_le_bytes());
        }
        let usual = [
            metadata.channel_id,
            metadata.message_type,
            metadata.sender_pid,
            metadata.payload_len,
        ];
        for word in usual {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for short in [metadata.sender_runtime, metadata.flags] {
            bytes.extend_from_slice(&short.to_le_bytes());
        }
        bytes.push(metadata.redelivered);
    }
    let numpy = py.import("numpy")?;
    numpy.call_method1("frombuffer", (PyBytes::new(py, &bytes), RECORD.to_vec()))
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

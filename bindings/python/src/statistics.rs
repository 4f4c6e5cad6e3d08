//! What was sent and received, refused and lost, by channel and by handle.

use crate::channel_info::HolderInfo;
use dmxp::{ErrorKind, HandleRole};
use pyo3::prelude::*;

/// What happened on a channel since it was made, by all handles it ever had; see `Region.statistics`.
///
/// Numbers are read one by one while others count: each is right by itself, and when nobody sends or receives they are exact, but for
/// what a death loses.
#[pyclass(frozen, get_all, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct ChannelStatistics {
    /// The channel's number, 0 to 255.
    id: u32,
    /// Its name, if it has one.
    name: Option<String>,
    /// Slots.
    capacity: u64,
    /// Messages waiting now, among them those claimed and not yet published.
    fill: u64,
    /// The most slots that were seen occupied. A producer of a queue looks with every 64th message it sends and each time it finds no
    /// room; what is there now counts too. A peak between two looks may have been higher, by up to 64 messages (or one batch) of each
    /// producer.
    highest_fill: u64,
    /// Messages published.
    sent: u64,
    /// Bytes of payload in them.
    sent_bytes: u64,
    /// Messages that a consumer took off the channel, or let go of on a broadcast or latest channel: counted when the message is
    /// released, once for each subscriber that had it.
    received: u64,
    /// Bytes of payload in them.
    received_bytes: u64,
    /// Calls that found no room. One that waits counts at most once, for its first attempt.
    refused: u64,
    /// Calls that found no message, counted as `refused`.
    empty: u64,
    /// Positions that producers gave up or died with.
    aborted: u64,
    /// Deliveries of messages that had been delivered before.
    redelivered: u64,
    /// Messages that no consumer had to the end; see `ChannelInfo.dropped`.
    dropped: u64,
    /// Messages moved to the channel for dead letters.
    dead_lettered: u64,
    /// Messages that expired before a consumer had them.
    expired: u64,
    /// Handles that died and were swept.
    recovered: u64,
    /// The last error that a call of any handle gave, other than full, empty and timed out: a `LastError`, or None.
    last_error: Option<LastError>,
    /// The handles that are open now, and dead ones not yet swept: a list of `HandleStatistics`.
    handles: Vec<HandleStatistics>,
    /// How full the channel is: occupied slots to all slots, 0 to 1.
    utilisation: f64,
    /// Which part of the messages that were sent no consumer had or will have: those dropped and those expired to those sent, 0 to 1; 0
    /// when none was sent. Refused sends are no part of it: their callers know, and may have tried again.
    drop_rate: f64,
}

impl From<dmxp::ChannelStatistics> for ChannelStatistics {
    fn from(statistics: dmxp::ChannelStatistics) -> Self {
        Self {
            utilisation: statistics.utilisation(),
            drop_rate: statistics.drop_rate(),
            id: statistics.id,
            name: statistics.name,
            capacity: statistics.capacity,
            fill: statistics.fill,
            highest_fill: statistics.highest_fill,
            sent: statistics.sent,
            sent_bytes: statistics.sent_bytes,
            received: statistics.received,
            received_bytes: statistics.received_bytes,
            refused: statistics.refused,
            empty: statistics.empty,
            aborted: statistics.aborted,
            redelivered: statistics.redelivered,
            dropped: statistics.dropped,
            dead_lettered: statistics.dead_lettered,
            expired: statistics.expired,
            recovered: statistics.recovered,
            last_error: statistics.last_error.map(LastError::from),
            handles: statistics.handles.iter().map(HandleStatistics::from).collect(),
        }
    }
}

#[pymethods]
impl ChannelStatistics {
    fn __repr__(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(|| "None".into(), |name| format!("{name:?}"));
        format!(
            "ChannelStatistics(id={}, name={name}, sent={}, received={}, fill={}, refused={}, empty={}, dropped={}, handles={})",
            self.id,
            self.sent,
            self.received,
            self.fill,
            self.refused,
            self.empty,
            self.dropped,
            self.handles.len()
        )
    }
}

/// What one open handle did.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HandleStatistics {
    /// Whose it is, a `HolderInfo`.
    holder: HolderInfo,
    /// Which end: "producer" or "consumer".
    role: &'static str,
    /// Messages sent, or received.
    messages: u64,
    /// Bytes of payload in them.
    bytes: u64,
    /// Calls that found no room, or no message.
    in_vain: u64,
    /// The most slots that this producer saw occupied; 0 of consumers.
    highest_fill: u64,
    /// The last error of its calls, other than full, empty and timed out: a `LastError`, or None.
    last_error: Option<LastError>,
}

impl From<&dmxp::HandleStatistics> for HandleStatistics {
    fn from(handle: &dmxp::HandleStatistics) -> Self {
        Self {
            holder: HolderInfo::from(&handle.holder),
            role: match handle.role {
                HandleRole::Producer => "producer",
                HandleRole::Consumer => "consumer",
                // What a later version may add.
                _ => "other",
            },
            messages: handle.messages,
            bytes: handle.bytes,
            in_vain: handle.in_vain,
            highest_fill: handle.highest_fill,
            last_error: handle.last_error.map(LastError::from),
        }
    }
}

#[pymethods]
impl HandleStatistics {
    fn __repr__(&self) -> String {
        format!(
            "HandleStatistics(pid={}, role={:?}, messages={}, bytes={}, in_vain={})",
            self.holder.pid, self.role, self.messages, self.bytes, self.in_vain
        )
    }
}

/// An error that a call of a handle gave, in any language.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LastError {
    /// Which, as the name of the exception, such as "Closed"; "Error" for those that are not told apart.
    kind: &'static str,
    /// When, nanoseconds since the Unix epoch.
    at_ns: u64,
}

impl From<dmxp::LastError> for LastError {
    fn from(error: dmxp::LastError) -> Self {
        Self {
            kind: match error.kind {
                ErrorKind::PayloadTooLarge => "PayloadTooLarge",
                ErrorKind::BatchTooLarge => "BatchTooLarge",
                ErrorKind::InvalidArgument => "InvalidArgument",
                ErrorKind::Closed => "Closed",
                ErrorKind::NoProducers => "NoProducers",
                ErrorKind::Removed => "Removed",
                ErrorKind::WouldDeadlock => "WouldDeadlock",
                ErrorKind::TooManyClaims => "TooManyClaims",
                ErrorKind::InvalidMessage => "InvalidMessage",
                ErrorKind::ChecksumMismatch => "ChecksumMismatch",
                _ => "Error",
            },
            at_ns: error.at_ns,
        }
    }
}

#[pymethods]
impl LastError {
    fn __repr__(&self) -> String {
        format!("LastError(kind={:?}, at_ns={})", self.kind, self.at_ns)
    }
}

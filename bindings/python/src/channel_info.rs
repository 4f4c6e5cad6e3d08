//! What a channel is, and who holds it open.

use crate::delivery;
use dmxp::{DeadConsumers, HolderState};
use pyo3::prelude::*;

/// Somebody who holds a channel open.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HolderInfo {
    /// Its process.
    pub(crate) pid: u32,
    /// The thread that opened the handle.
    thread: u32,
    /// When it was opened, nanoseconds since the Unix epoch.
    opened_ns: u64,
    /// "running"; "stopped" (SIGSTOP, a debugger: alive, and waited for); "dead", and what it left is not yet repaired; or
    /// "unknown", where the pid does not say: another PID namespace, or no `/proc`.
    state: &'static str,
    /// How a consumer of a broadcast channel subscribes, "reliable" or "lossy"; None of others. Readers of latest values are lossy.
    subscription: Option<&'static str>,
    /// The position from which on a reliable subscriber needs messages; None of others.
    position: Option<u64>,
}

impl From<&dmxp::HolderInfo> for HolderInfo {
    fn from(holder: &dmxp::HolderInfo) -> Self {
        Self {
            pid: holder.pid,
            thread: holder.thread,
            opened_ns: holder.opened_ns,
            state: match holder.state {
                HolderState::Running => "running",
                HolderState::Stopped => "stopped",
                HolderState::Dead => "dead",
                // What a later version may add.
                _ => "unknown",
            },
            subscription: holder.subscription.map(delivery::subscription),
            position: holder.position,
        }
    }
}

#[pymethods]
impl HolderInfo {
    pub(crate) fn __repr__(&self) -> String {
        let Self {
            pid,
            thread,
            opened_ns,
            state,
            subscription,
            position,
        } = self;
        let mut text = format!("HolderInfo(pid={pid}, thread={thread}, opened_ns={opened_ns}, state={state:?}");
        if let Some(subscription) = subscription {
            text += &format!(", subscription={subscription:?}");
        }
        if let Some(position) = position {
            text += &format!(", position={position}");
        }
        text + ")"
    }
}

/// A channel at one moment.
#[pyclass(frozen, get_all, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct ChannelInfo {
    /// Its number, 0 to 255.
    id: u32,
    /// Its name, if it has one.
    name: Option<String>,
    /// Slots: messages it holds at most.
    capacity: u64,
    /// Bytes of payload that a slot holds.
    payload_capacity: u32,
    /// Bytes from one slot to the next: 1,088, or fewer where slots are compact.
    slot_size: u32,
    /// Bytes of the region it takes.
    bytes: u64,
    /// The message type in its one-line form; None on untyped channels.
    schema: Option<String>,
    /// Who gets a message: one of the consumers ("queue"), all of them ("broadcast"), or whoever looks the newest ("latest").
    delivery: &'static str,
    /// Whether a broadcast or latest channel has one producer at a time.
    single_producer: bool,
    /// Whether it admits subscribers that may be overrun.
    lossy_subscribers: bool,
    /// Whether messages bear the time of their publication.
    timestamps: bool,
    /// Made to be shared with programs that know only the v1 format.
    v1_peers: bool,
    /// Each message carries a CRC-32.
    checksums: bool,
    /// Positions claimed by producers since the channel was made.
    tail: u64,
    /// Positions claimed by consumers since the channel was made; on a broadcast channel, the lowest that a reliable subscriber
    /// needs, or the tail if there is none, as on a latest one.
    head: u64,
    /// What happens to the messages that a consumer held when it died: "deliver_again" or "drop".
    dead_consumers: &'static str,
    /// How often a message is delivered again at most.
    redelivery_limit: u32,
    /// Name of the channel for messages that were returned more often, if there is one. It may have been removed.
    dead_letters: Option<String>,
    /// Age in seconds beyond which a message is not delivered; None where messages do not expire.
    expiry: Option<f64>,
    /// Messages that expired before a consumer had them. One may be counted twice if the process that skips it dies at it.
    expired: u64,
    /// Where the channel has priorities, the number of the ring for urgent messages, of which `Region.channel` tells. All else here is
    /// of the ring for the others.
    high_id: Option<u32>,
    /// Of which channel this is the ring for urgent messages.
    high_of: Option<u32>,
    /// Positions claimed by producers that gave up or died, stepped over by consumers.
    aborted: u64,
    /// Deliveries of messages that had been delivered before.
    redelivered: u64,
    /// Messages that no consumer had to the end: returned more often than the limit and not moved to the dead letters, or held
    /// by a consumer that died where the policy is to drop them. One may be counted twice if who drops it dies at it.
    dropped: u64,
    /// Messages moved to the channel for dead letters. One may be moved twice if the process that moves it dies at it.
    dead_lettered: u64,
    /// Producers and consumers that died and were swept.
    recovered: u64,
    /// The stream has ended.
    closed: bool,
    /// Removed by force while these handles were open.
    removed: bool,
    /// When it was made, nanoseconds since the Unix epoch.
    created_ns: u64,
    /// Who made it.
    creator_pid: u32,
    /// Open producers, a list of `HolderInfo`.
    producers: Vec<HolderInfo>,
    /// Open consumers, a list of `HolderInfo`.
    consumers: Vec<HolderInfo>,
}

impl From<dmxp::ChannelInfo> for ChannelInfo {
    fn from(info: dmxp::ChannelInfo) -> Self {
        Self {
            id: info.id,
            name: info.name,
            capacity: info.capacity,
            payload_capacity: info.payload_capacity,
            slot_size: info.slot_size,
            bytes: info.bytes,
            schema: info.schema.as_ref().map(dmxp_schema::text::write),
            delivery: delivery::delivery(info.delivery),
            single_producer: info.single_producer,
            lossy_subscribers: info.lossy_subscribers,
            timestamps: info.timestamps,
            v1_peers: info.v1_peers,
            checksums: info.checksums,
            tail: info.tail,
            head: info.head,
            dead_consumers: match info.dead_consumers {
                DeadConsumers::DeliverAgain => DELIVER_AGAIN,
                DeadConsumers::Drop => DROP,
            },
            redelivery_limit: info.redelivery_limit,
            dead_letters: info.dead_letters,
            expiry: info.expiry.map(|age| age.as_secs_f64()),
            expired: info.expired,
            high_id: info.high.as_ref().map(|high| high.id),
            high_of: info.high_of,
            aborted: info.aborted,
            redelivered: info.redelivered,
            dropped: info.dropped,
            dead_lettered: info.dead_lettered,
            recovered: info.recovered,
            closed: info.closed,
            removed: info.removed,
            created_ns: info.created_ns,
            creator_pid: info.creator_pid,
            producers: info.producers.iter().map(HolderInfo::from).collect(),
            consumers: info.consumers.iter().map(HolderInfo::from).collect(),
        }
    }
}

#[pymethods]
impl ChannelInfo {
    /// Messages waiting, among them those claimed and not yet published.
    fn __len__(&self) -> usize {
        self.tail.saturating_sub(self.head) as usize
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __repr__(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(|| "None".into(), |name| format!("{name:?}"));
        format!(
            "ChannelInfo(id={}, name={name}, capacity={}, waiting={}, producers={}, consumers={})",
            self.id,
            self.capacity,
            self.__len__(),
            self.producers.len(),
            self.consumers.len()
        )
    }
}

const DELIVER_AGAIN: &str = "deliver_again";
const DROP: &str = "drop";

/// The policy of that name.
pub(crate) fn dead_consumers(policy: &str) -> dmxp::Result<DeadConsumers> {
    match policy {
        DELIVER_AGAIN => Ok(DeadConsumers::DeliverAgain),
        DROP => Ok(DeadConsumers::Drop),
        _ => Err(dmxp::Error::InvalidArgument {
            what: format!("dead_consumers is {policy:?}; give \"{DELIVER_AGAIN}\" or \"{DROP}\""),
        }),
    }
}

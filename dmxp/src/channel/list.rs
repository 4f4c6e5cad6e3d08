//! Listing and removing channels.

use super::delivery::{Delivery, Subscription};
use super::properties::{DeadConsumers, Properties};
use crate::error::{Error, Result};
use crate::layout::{
    CHANNEL_FLAG_HIGH, CHANNEL_FREE, CHANNEL_LIVE, CHANNEL_REMOVED, HandleRecord, MAX_CHANNELS, ROLE_CONSUMER,
    ROLE_PRODUCER, SLOT_STRIDE, SUBSCRIPTION_LOSSY, SUBSCRIPTION_RELIABLE, waiters,
};
use crate::liveness::{self, HolderState, RecordState};
use crate::region::{Attachment, Management, Region, give_back_space};
use crate::sync::Ordering;
use crate::wait::Event;
use dmxp_schema::model::Schema;
use std::time::Duration;

/// A channel as it is at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its number, 0 to 255.
    pub id: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Slots: messages it holds at most.
    pub capacity: u64,
    /// Bytes of payload a slot holds.
    pub payload_capacity: u32,
    /// Bytes from one slot to the next: 1,088, or fewer where [slots are compact](crate::ChannelBuilder::with_compact_slots).
    pub slot_size: u32,
    /// Bytes of the region it takes.
    pub bytes: u64,
    /// The message type; `None` on untyped channels.
    pub schema: Option<Schema>,
    /// Who gets a message.
    pub delivery: Delivery,
    /// Whether a broadcast or latest channel has one producer at a time.
    pub single_producer: bool,
    /// Made to be shared with programs that know only v1.
    pub v1_peers: bool,
    /// Each message carries a CRC-32.
    pub checksums: bool,
    /// Positions claimed by producers since the channel was made.
    pub tail: u64,
    /// Positions claimed by consumers since the channel was made; on a broadcast channel, the lowest that a reliable subscriber needs,
    /// and on others the tail.
    pub head: u64,
    /// Whether messages of dead consumers are delivered again or dropped.
    pub dead_consumers: DeadConsumers,
    /// How often a message is delivered again at most.
    pub redelivery_limit: u32,
    /// Name of the channel for messages that were returned more often, if there is one. It may have been removed.
    pub dead_letters: Option<String>,
    /// Age beyond which a message is not delivered; `None` where messages [do not expire](crate::ChannelBuilder::with_expiry).
    pub expiry: Option<Duration>,
    /// Messages that expired before a consumer had them. One may be counted twice if who skips it dies at it.
    pub expired: u64,
    /// The ring for urgent messages, where the channel has [priorities](crate::ChannelBuilder::with_priorities). All else here is of
    /// the ring for the others.
    pub high: Option<Box<ChannelInfo>>,
    /// Of which channel this is the ring for urgent messages.
    pub high_of: Option<u32>,
    /// Positions claimed by producers that gave up or died, stepped over by consumers.
    pub aborted: u64,
    /// Deliveries of messages that had been delivered before.
    pub redelivered: u64,
    /// Messages that no consumer had to the end: returned more often than the limit and not moved to the dead letters, or held
    /// by a consumer that died where the policy is to drop them. One may be counted twice if who drops it dies at it.
    pub dropped: u64,
    /// Messages moved to the channel for dead letters. One may be moved twice if who moves it dies at it.
    pub dead_lettered: u64,
    /// Handles that died and were swept.
    pub recovered: u64,
    /// The stream has ended.
    pub closed: bool,
    /// Removed by force while these handles were open.
    pub removed: bool,
    /// When it was made, nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// Who made it.
    pub creator_pid: u32,
    /// Open producers.
    pub producers: Vec<HolderInfo>,
    /// Open consumers.
    pub consumers: Vec<HolderInfo>,
}

impl ChannelInfo {
    /// Messages waiting, among them those claimed and not yet published.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tail.saturating_sub(self.head)
    }

    /// Whether slots are [sized to the messages](crate::ChannelBuilder::with_compact_slots).
    #[must_use]
    pub fn is_compact(&self) -> bool {
        self.slot_size != SLOT_STRIDE
    }

    /// Whether no message is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Somebody who holds a channel open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HolderInfo {
    /// Its process.
    pub pid: u32,
    /// The thread that opened the handle.
    pub thread: u32,
    /// When it was opened, nanoseconds since the Unix epoch.
    pub opened_ns: u64,
    /// Whether it runs, as far as this process can see.
    pub state: HolderState,
    /// How a consumer of a broadcast channel subscribes.
    pub subscription: Option<Subscription>,
    /// The position from which on a reliable subscriber needs messages.
    pub position: Option<u64>,
}

impl core::fmt::Display for HolderInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let state = match self.state {
            HolderState::Running | HolderState::Unknown => "",
            HolderState::Stopped => " (stopped)",
            HolderState::Dead => " (dead)",
        };
        write!(f, "{}{state}", self.pid)
    }
}

impl HolderInfo {
    /// Who a handle record belongs to. Relaxed: for info only; the caller has acquired the record's state, the process's is acquired
    /// here. A record that changes hands meanwhile may be taken for its next owner's.
    pub(crate) fn of(attachment: &Attachment, record: &HandleRecord) -> Self {
        let mapping = attachment.mapping();
        let index = record.process.load(Ordering::Relaxed);
        let (mut pid, mut state) = (0, HolderState::Dead);
        if index < mapping.plan().processes {
            let process = mapping.process(index);
            pid = process.pid.load(Ordering::Relaxed);
            let registered = process.state.load(Ordering::Acquire) == record.process_generation.load(Ordering::Relaxed);
            if registered && attachment.holds_byte(index) {
                state = liveness::state_of(pid, process.start_time.load(Ordering::Relaxed));
            }
        }
        let subscription = match record.subscription.load(Ordering::Relaxed) {
            SUBSCRIPTION_RELIABLE => Some(Subscription::Reliable),
            SUBSCRIPTION_LOSSY => Some(Subscription::Lossy),
            _ => None,
        };
        Self {
            pid,
            thread: record.thread.load(Ordering::Relaxed),
            opened_ns: record.opened_ns.load(Ordering::Relaxed),
            state,
            subscription,
            position: (subscription == Some(Subscription::Reliable)).then(|| record.cursor.load(Ordering::Relaxed)),
        }
    }
}

struct Holder {
    role: u32,
    info: HolderInfo,
}

fn handles_of<'a>(attachment: &'a Attachment, properties: &'a Properties) -> impl Iterator<Item = Holder> + 'a {
    let mapping = attachment.mapping();
    (0..mapping.plan().handles)
        .map(|index| mapping.handle(index))
        .filter_map(move |record| {
            // Acquire: pairs with open::register for the fields, and with who freed the record. Under the management lock no record
            // gets a new owner, and the answer is exact but for handles that are closed meanwhile.
            let state = RecordState::decode(record.state.load(Ordering::Acquire));
            let here = state != RecordState::Free
                && record.channel_id.load(Ordering::Relaxed) == properties.id
                && record.channel_generation.load(Ordering::Relaxed) == properties.generation;
            here.then(|| Holder {
                role: record.role.load(Ordering::Relaxed),
                info: HolderInfo::of(attachment, record),
            })
        })
}

/// Who holds the channel open, dead handles that were not yet swept included.
pub(crate) fn holders(attachment: &Attachment, properties: &Properties) -> Vec<HolderInfo> {
    handles_of(attachment, properties).map(|holder| holder.info).collect()
}

pub(super) fn info(attachment: &Attachment, properties: Properties) -> Result<ChannelInfo> {
    let mapping = attachment.mapping();
    let (entry, record) = (mapping.entry(properties.id), mapping.record(properties.id));
    let of_role = |role: u32| {
        handles_of(attachment, &properties)
            .filter(|holder| holder.role == role)
            .map(|holder| holder.info)
            .collect()
    };
    // Head before tail, which the acquire keeps: the difference is never negative, and never more than was there at some time
    // between. Nothing is read through these numbers; counters are relaxed.
    let head = entry.head.load(Ordering::Acquire);
    let tail = entry.tail.load(Ordering::Acquire);
    let consumers: Vec<HolderInfo> = of_role(ROLE_CONSUMER);
    let head = match properties.delivery {
        Delivery::Queue => head,
        Delivery::Broadcast | Delivery::Latest => consumers
            .iter()
            .filter_map(|holder| holder.position)
            .fold(tail, u64::min),
    };
    let high = match properties.partner(mapping) {
        Some(high) if properties.has_priorities() => Some(Box::new(info(attachment, high)?)),
        _ => None,
    };
    Ok(ChannelInfo {
        high,
        high_of: properties.is_high().then(|| properties.listeners()),
        id: properties.id,
        capacity: properties.capacity,
        payload_capacity: properties.slots.payload_capacity,
        slot_size: properties.slots.stride,
        bytes: properties.ring_len,
        schema: properties.schema(mapping)?,
        delivery: properties.delivery,
        single_producer: properties.single_producer(),
        v1_peers: properties.v1_peers(),
        checksums: properties.checksums(),
        tail,
        head,
        dead_consumers: properties.dead_consumers(),
        redelivery_limit: properties.redelivery_limit,
        dead_letters: properties.dead_letters(mapping).and_then(|letters| letters.name),
        expiry: properties.expiry(),
        expired: record.expired.load(Ordering::Relaxed),
        aborted: record.aborted.load(Ordering::Relaxed),
        redelivered: record.redelivered.load(Ordering::Relaxed),
        dropped: record.dropped.load(Ordering::Relaxed),
        dead_lettered: record.dead_lettered.load(Ordering::Relaxed),
        recovered: record.recovered.load(Ordering::Relaxed),
        closed: mapping
            .record(properties.listeners())
            .data_waiters
            .load(Ordering::Acquire)
            & waiters::CLOSED
            != 0,
        removed: properties.removed,
        created_ns: properties.created_ns,
        creator_pid: properties.creator_pid,
        producers: of_role(ROLE_PRODUCER),
        consumers,
        name: properties.name,
    })
}

impl Region {
    /// The channels of the region, by id. Rings for urgent messages are in the [`high`](ChannelInfo::high) of theirs.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a channel's record or schema contradicts the format.
    pub fn channels(&self) -> Result<Vec<ChannelInfo>> {
        let attachment = &self.attachment;
        (0..MAX_CHANNELS)
            .filter_map(|id| match Properties::read(attachment.mapping(), id) {
                // Removed while we were looking.
                Err(Error::ChannelNotFound { .. }) => None,
                Ok(Some(properties)) if properties.is_high() => None,
                other => other.transpose(),
            })
            .map(|properties| info(attachment, properties?))
            .collect()
    }

    /// The channel with that id.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`]; [`Error::Corrupt`].
    pub fn channel(&self, id: u32) -> Result<ChannelInfo> {
        let properties = if id < MAX_CHANNELS {
            Properties::read(self.attachment.mapping(), id)?
        } else {
            None
        };
        info(
            &self.attachment,
            properties.ok_or_else(|| Error::ChannelNotFound {
                channel: id.to_string(),
            })?,
        )
    }

    /// The channel with that name.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`]; [`Error::Corrupt`].
    pub fn channel_named(&self, name: &str) -> Result<ChannelInfo> {
        let found = self
            .channels()?
            .into_iter()
            .find(|channel| !channel.removed && channel.name.as_deref() == Some(name));
        found.ok_or_else(|| Error::ChannelNotFound {
            channel: format!("`{name}`"),
        })
    }

    /// Removes a channel and gives its space back.
    ///
    /// With `force`, also while handles are open: its name goes at once, the handles' calls fail with [`Error::Removed`]
    /// (consumers first drain what is there), and its id and space follow with the last of them.
    ///
    /// # Errors
    /// [`Error::ChannelInUse`] with the pids, unless forced; [`Error::ChannelNotFound`]; [`Error::ReadOnly`];
    /// [`Error::ManagementLockBusy`].
    pub fn remove_channel(&self, id: u32, force: bool) -> Result<()> {
        self.attachment.check()?;
        let management = Management::lock(&self.attachment)?;
        let mapping = self.attachment.mapping();
        let not_found = || Error::ChannelNotFound {
            channel: id.to_string(),
        };
        if id >= MAX_CHANNELS {
            return Err(not_found());
        }
        let properties = Properties::read(mapping, id)?
            .filter(|found| !found.removed)
            .ok_or_else(not_found)?;
        if properties.is_high() {
            return Err(Error::invalid(format!(
                "channel {} is the ring for urgent messages of channel {}: remove that",
                properties.label(),
                properties.listeners()
            )));
        }
        let high = properties.partner(mapping);
        let holders = || {
            let rings = core::iter::once(&properties).chain(&high);
            rings
                .flat_map(|ring| holders(&self.attachment, ring))
                .collect::<Vec<_>>()
        };
        if !holders().is_empty() {
            // Some of them may be dead.
            crate::recovery::sweep_region(&management)?;
        }
        let left = holders();
        if left.is_empty() {
            // The other ring last: without its channel, it is nobody's, also for who finds it after our death.
            free(&management, &properties);
            if let Some(high) = &high {
                free(&management, high);
            }
            return Ok(());
        }
        if !force {
            let mut pids: Vec<u32> = left.into_iter().map(|holder| holder.pid).collect();
            pids.dedup();
            return Err(Error::ChannelInUse {
                channel: properties.label(),
                pids,
            });
        }
        management.hide_from_v1(id);
        let record = mapping.record(id);
        // Release: pairs with Properties::read, who reads the same fields as before.
        record.state.store(CHANNEL_REMOVED, Ordering::Release);
        management.count_channels();
        Event {
            signal: &mapping.entry(id).signal,
            waiters: &record.data_waiters,
        }
        .raise(waiters::REMOVED);
        Event {
            signal: &record.space_signal,
            waiters: &record.space_waiters,
        }
        .raise(waiters::REMOVED);
        if let Some(high) = &high {
            // Its handles heed the mark of the channel. Who waits for space there looks.
            let record = mapping.record(high.id);
            Event {
                signal: &record.space_signal,
                waiters: &record.space_waiters,
            }
            .raise(waiters::REMOVED);
        }
        // The dead need nothing of it any more.
        crate::recovery::sweep_region(&management)?;
        purge_removed(&management);
        Ok(())
    }
}

/// Frees the removed channels whose last handle is gone, rings for urgent messages of channels that are not there included, and
/// returns their ids.
pub(crate) fn purge_removed(management: &Management<'_>) -> Vec<u32> {
    let mut purged = Vec::new();
    let mapping = management.attachment.mapping();
    for id in 0..MAX_CHANNELS {
        // Relaxed: the lock orders it.
        let record = mapping.record(id);
        let state = record.state.load(Ordering::Relaxed);
        let may_be_nobodys = state == CHANNEL_LIVE && record.flags.load(Ordering::Relaxed) & CHANNEL_FLAG_HIGH != 0;
        if (state == CHANNEL_REMOVED || may_be_nobodys)
            // A damaged record must not keep others from being opened.
            && let Ok(Some(properties)) = Properties::read(mapping, id)
            && (state == CHANNEL_REMOVED || properties.partner(mapping).is_none_or(|channel| channel.removed))
            && holders(management.attachment, &properties).is_empty()
        {
            free(management, &properties);
            purged.push(id);
        }
    }
    purged
}

fn free(management: &Management<'_>, properties: &Properties) {
    let record = management.attachment.mapping().record(properties.id);
    management.hide_from_v1(properties.id);
    // Whoever finds the record so after our death goes on from here. Release, here and below: pairs with Properties::read and
    // space::used.
    record.state.store(CHANNEL_REMOVED, Ordering::Release);
    // Before the record is free: afterwards the space may be another channel's.
    if let Ok(file) = management.attachment.file() {
        give_back_space(file, properties.ring_offset, properties.ring_len);
    }
    record.state.store(CHANNEL_FREE, Ordering::Release);
    management.count_channels();
}

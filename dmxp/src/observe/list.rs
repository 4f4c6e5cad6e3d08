//! Listing channels.

use crate::table::holders::{HandlesByChannel, HolderInfo, Owners, open_among};

use crate::error::{Error, Result};
use crate::layout::{MAX_CHANNELS, ROLE_CONSUMER, ROLE_PRODUCER, SlotShape, waiters};
use crate::os::thread::sleep;
use crate::region::{Attachment, Region};
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::properties::{DeadConsumers, Properties};
use crate::table::rings::{RingName, Rings, every_ring};
use crate::wait::Deadline;
use core::cell::RefCell;
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
    /// Which consumers get a message.
    pub delivery: Delivery,
    /// Whether a broadcast or latest channel has one producer at a time.
    pub single_producer: bool,
    /// Whether it admits subscribers that may be overrun.
    pub lossy_subscribers: bool,
    /// Whether messages bear the time of their publication.
    pub timestamps: bool,
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
    /// Messages that expired before a consumer had them. One may be counted twice if the consumer that skips it dies at it.
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
    /// by a consumer that died where the policy is to drop them. One may be counted twice if the process that drops it dies at it.
    pub dropped: u64,
    /// Messages moved to the channel for dead letters. One may be moved twice if the process that moves it dies at it.
    pub dead_lettered: u64,
    /// Handles that died and were swept.
    pub recovered: u64,
    /// The stream has ended.
    pub closed: bool,
    /// Removed by force while these handles were open.
    pub removed: bool,
    /// When it was made, nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// The process that made it.
    pub creator_pid: u32,
    /// Open producers.
    pub producers: Vec<HolderInfo>,
    /// Open consumers.
    pub consumers: Vec<HolderInfo>,
}

/// Kinds of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slots {
    /// Those of the published format: 1,088 bytes with all metadata.
    Usual,
    /// [Sized to the messages](crate::ChannelBuilder::with_compact_slots), with all metadata.
    Compact,
    /// [The message](crate::ChannelBuilder::with_packed_slots), and nothing else.
    Packed,
}

impl core::fmt::Display for Slots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Usual => "usual",
            Self::Compact => "compact",
            Self::Packed => "packed",
        })
    }
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
        self.slots() == Slots::Compact
    }

    /// What a slot holds besides the payload.
    #[must_use]
    pub fn slots(&self) -> Slots {
        let shape = SlotShape {
            stride: self.slot_size,
            payload_capacity: self.payload_capacity,
        };
        match shape {
            _ if shape.is_packed() => Slots::Packed,
            _ if shape.is_compact() => Slots::Compact,
            _ => Slots::Usual,
        }
    }

    /// Whether no message is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Time between two looks for a channel that is waited for.
const LOOKS: Duration = Duration::from_millis(5);

/// A channel that was removed by force, and whose handles are still open, is not there for newcomers.
fn not_removed(channel: ChannelInfo) -> Result<ChannelInfo> {
    if channel.removed {
        let channel = channel.id.to_string();
        return Err(Error::ChannelNotFound { channel });
    }
    Ok(channel)
}

/// What a look at channels asks once.
pub(crate) struct Looks<'a> {
    attachment: &'a Attachment,
    pub(crate) owners: Owners<'a>,
    handles: RefCell<HandlesByChannel>,
}

impl<'a> Looks<'a> {
    pub(crate) fn new(attachment: &'a Attachment) -> Self {
        Self {
            attachment,
            owners: Owners::new(attachment),
            handles: RefCell::new(HandlesByChannel::read(attachment.mapping())),
        }
    }

    pub(crate) fn attachment(&self) -> &'a Attachment {
        self.attachment
    }

    /// The handle records that may name the channel.
    pub(crate) fn handles(&self, channel: u32) -> Vec<u32> {
        self.handles
            .borrow_mut()
            .of(self.attachment.mapping(), channel)
            .to_vec()
    }
}

pub(crate) fn info(looks: &Looks<'_>, properties: Properties) -> Result<ChannelInfo> {
    let mapping = looks.attachment.mapping();
    let mut rings = Rings::of(mapping, properties);
    let urgent = rings.take(RingName::Urgent);
    let high = urgent.map(|urgent| info(looks, urgent)).transpose()?.map(Box::new);
    let properties = rings.main;
    let (entry, record) = (mapping.entry(properties.id), mapping.record(properties.id));
    let of_role = |role: u32| {
        open_among(mapping, &properties, looks.handles(properties.id))
            .filter(|record| record.role.load(Ordering::Relaxed) == role)
            .map(|record| looks.owners.of(record))
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
    Ok(ChannelInfo {
        high,
        high_of: (properties.ring_name() == RingName::Urgent).then(|| properties.listeners()),
        id: properties.id,
        capacity: properties.capacity,
        payload_capacity: properties.slots.payload_capacity,
        slot_size: properties.slots.stride,
        bytes: properties.ring_len,
        schema: properties.schema_as_it_lies(mapping)?,
        delivery: properties.delivery,
        single_producer: properties.single_producer(),
        lossy_subscribers: properties.delivery != Delivery::Queue && properties.admits_lossy(),
        timestamps: properties.timestamps(),
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
        let _looking = attachment.looking()?;
        let looks = Looks::new(attachment);
        every_ring(attachment.mapping())
            .filter_map(|(_, read)| match read {
                // Removed while we were looking.
                Err(Error::ChannelNotFound { .. }) => None,
                Ok(properties) if properties.ring_name() != RingName::Main => None,
                other => Some(other),
            })
            .map(|properties| info(&looks, properties?))
            .filter(|info| !matches!(info, Err(Error::ChannelNotFound { .. })))
            .collect()
    }

    /// The channel with that id.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`]; [`Error::Corrupt`].
    pub fn channel(&self, id: u32) -> Result<ChannelInfo> {
        let _looking = self.attachment.looking()?;
        let properties = if id < MAX_CHANNELS {
            Properties::read(self.attachment.mapping(), id)?
        } else {
            None
        };
        info(
            &Looks::new(&self.attachment),
            properties.ok_or_else(|| Error::ChannelNotFound {
                channel: id.to_string(),
            })?,
        )
    }

    /// The channel with that name, as soon as it exists, which another process makes. Looks each few milliseconds, and sleeps between.
    ///
    /// # Errors
    /// [`Error::Timeout`] when there is none within `timeout`; [`Error::RegionRemoved`] when the region's file goes meanwhile;
    /// [`Error::Corrupt`].
    pub fn wait_for_channel(&self, name: &str, timeout: Duration) -> Result<ChannelInfo> {
        self.wait_for(timeout, || self.channel_named(name))
    }

    /// The same by the channel's id.
    ///
    /// # Errors
    /// As [`wait_for_channel`](Self::wait_for_channel).
    pub fn wait_for_channel_id(&self, id: u32, timeout: Duration) -> Result<ChannelInfo> {
        self.wait_for(timeout, || self.channel(id).and_then(not_removed))
    }

    fn wait_for(&self, timeout: Duration, look: impl Fn() -> Result<ChannelInfo>) -> Result<ChannelInfo> {
        let deadline = Deadline::after(timeout);
        loop {
            match look() {
                Err(Error::ChannelNotFound { .. }) => self.attachment.expect_file()?,
                outcome => return outcome,
            }
            sleep(deadline.left(LOOKS).ok_or(Error::Timeout)?);
        }
    }

    /// The channel with that name.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`]; [`Error::Corrupt`].
    pub fn channel_named(&self, name: &str) -> Result<ChannelInfo> {
        let _looking = self.attachment.looking()?;
        let found = every_ring(self.attachment.mapping())
            .filter_map(|(_, read)| match read {
                // Removed while we were looking.
                Err(Error::ChannelNotFound { .. }) => None,
                read => Some(read),
            })
            .find(|read| {
                read.as_ref().map_or(true, |ring| {
                    !ring.removed && ring.ring_name() == RingName::Main && ring.name.as_deref() == Some(name)
                })
            });
        let looked = found.map(|properties| info(&Looks::new(&self.attachment), properties?));
        let found = match looked {
            // The same.
            Some(Err(Error::ChannelNotFound { .. })) => None,
            looked => looked.transpose()?,
        };
        found.ok_or_else(|| Error::ChannelNotFound {
            channel: format!("`{name}`"),
        })
    }
}

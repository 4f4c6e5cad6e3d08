//! Statistics: what was sent and received, refused and lost, by channel and by handle, for any process that is attached.

use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::handle::counters::bytes_of;
use crate::layout::{HandleRecord, MAX_CHANNELS, ROLE_CONSUMER, ROLE_PRODUCER, SlotShape};
use crate::liveness::RecordState;
use crate::observe::list::{ChannelInfo, Looks};
use crate::region::{Mapping, Region};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::table::holders::{HolderInfo, Owners};
use crate::table::properties::Properties;
use std::time::Duration;

/// How often a call starts over because the handle table was being changed, and how long it waits each time: a change takes some
/// microseconds, and a process that is killed or stopped in the middle of one must not keep the reader, however many channels it
/// asks for.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_micros(100);

/// What happened on a channel since it was made, by all handles it ever had.
///
/// Numbers are read one by one while others count: each is right by itself, and when nobody sends or receives they are exact, but
/// for what [a death](Region::statistics) loses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChannelStatistics {
    /// The channel's id.
    pub id: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Slots.
    pub capacity: u64,
    /// Messages waiting now, among them those claimed and not yet published; see [`ChannelInfo::len`].
    pub fill: u64,
    /// The most slots that were seen occupied. A producer of a queue looks with every 64th message it sends and each time it
    /// finds no room; what is there when this is read counts too. A peak between two looks may have been higher, by up to 64
    /// messages (or one batch) of each producer.
    pub highest_fill: u64,
    /// Messages published.
    pub sent: u64,
    /// Bytes of payload in them.
    pub sent_bytes: u64,
    /// Messages that a consumer took off the channel, or let go of on a broadcast or latest channel: counted when the guard goes,
    /// once for each subscriber that had it.
    pub received: u64,
    /// Bytes of payload in them.
    pub received_bytes: u64,
    /// Calls that found no room: [`Error::Full`] and [`Error::Timeout`] of producers.
    pub refused: u64,
    /// Calls that found no message: [`Error::Empty`] and [`Error::Timeout`] of consumers, counted as `refused`.
    pub empty: u64,
    /// Positions that producers gave up or died with; see [`ChannelInfo::aborted`].
    pub aborted: u64,
    /// Deliveries of messages that had been delivered before.
    pub redelivered: u64,
    /// Messages that no consumer had to the end; see [`ChannelInfo::dropped`].
    pub dropped: u64,
    /// Messages moved to the channel for dead letters.
    pub dead_lettered: u64,
    /// Messages that expired before a consumer had them.
    pub expired: u64,
    /// Handles that died and were swept.
    pub recovered: u64,
    /// The last error that a call of any handle gave, other than full, empty and timed out.
    pub last_error: Option<LastError>,
    /// The handles that are open now, and dead ones not yet swept.
    pub handles: Vec<HandleStatistics>,
}

impl ChannelStatistics {
    /// How full the channel is: occupied slots to all slots, 0 to 1.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        if self.capacity == 0 {
            return 0.0;
        }
        self.fill.min(self.capacity) as f64 / self.capacity as f64
    }

    /// Which part of the messages that were sent no consumer had or will have: those dropped and those expired to those sent, 0 to
    /// 1; 0 when none was sent. Refused sends are no part of it: their callers know, and may have tried again.
    #[must_use]
    pub fn drop_rate(&self) -> f64 {
        if self.sent == 0 {
            return 0.0;
        }
        (self.dropped.saturating_add(self.expired) as f64 / self.sent as f64).min(1.0)
    }
}

/// Which end of a channel a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleRole {
    /// It sends.
    Producer,
    /// It receives.
    Consumer,
}

/// What one open handle did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandleStatistics {
    /// Whose it is.
    pub holder: HolderInfo,
    /// Which end.
    pub role: HandleRole,
    /// Messages sent, or received.
    pub messages: u64,
    /// Bytes of payload in them.
    pub bytes: u64,
    /// Calls that found no room, or no message.
    pub in_vain: u64,
    /// The most slots that this producer saw occupied; 0 of consumers.
    pub highest_fill: u64,
    /// The last error of its calls, other than full, empty and timed out.
    pub last_error: Option<LastError>,
}

/// An error that a call of a handle gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastError {
    /// Which.
    pub kind: ErrorKind,
    /// When, nanoseconds since the Unix epoch.
    pub at_ns: u64,
}

/// Relaxed, as all reading here: see [`counters`](crate::handle::counters). A kind may be read with the time of the one after it.
fn last_error(kind: &AtomicU32, at_ns: &AtomicU64) -> Option<LastError> {
    match at_ns.load(Ordering::Relaxed) {
        0 => None,
        at_ns => Some(LastError {
            kind: ErrorKind::stored(kind.load(Ordering::Relaxed)),
            at_ns,
        }),
    }
}

fn later(one: Option<LastError>, other: Option<LastError>) -> Option<LastError> {
    let at = |error: Option<LastError>| error.map_or(0, |error| error.at_ns);
    if at(other) > at(one) { other } else { one }
}

/// Reads while no handle record changes hands, so that no count is seen in two places, or in none; after this many `tries`, which it
/// counts down, anyway.
fn unchanged<R>(mapping: &Mapping, tries: &mut u32, read: impl Fn() -> R) -> R {
    let control = mapping.control();
    while *tries > 0 {
        // Each registration takes a generation under the lock, and the word says that the lock is held. Acquire, in this order: a
        // process that takes the lock after the second load has changed the first word when it is done.
        let generation = control.next_generation.load(Ordering::Acquire);
        let free = control.dirty.load(Ordering::Acquire) == 0;
        let outcome = free.then(&read);
        // Pairs with the fence in open::register: a thread that has read a moved count sees the word set, or the generation changed.
        fence(Ordering::Acquire);
        let still =
            control.dirty.load(Ordering::Acquire) == 0 && control.next_generation.load(Ordering::Acquire) == generation;
        if let Some(outcome) = outcome.filter(|_| still) {
            return outcome;
        }
        *tries -= 1;
        std::thread::sleep(PAUSE);
    }
    read()
}

fn of_handle(owners: &Owners<'_>, record: &HandleRecord, slots: SlotShape) -> Option<HandleStatistics> {
    let role = match record.role.load(Ordering::Relaxed) {
        ROLE_PRODUCER => HandleRole::Producer,
        ROLE_CONSUMER => HandleRole::Consumer,
        _ => return None,
    };
    Some(HandleStatistics {
        holder: owners.of(record),
        role,
        messages: record.messages.load(Ordering::Relaxed),
        bytes: bytes_of(record, slots),
        in_vain: record.in_vain.load(Ordering::Relaxed),
        highest_fill: record.highest_fill.load(Ordering::Relaxed),
        last_error: last_error(&record.last_error, &record.last_error_ns),
    })
}

fn of_channel(looks: &Looks<'_>, channel: &ChannelInfo, generation: u64) -> ChannelStatistics {
    let mapping = looks.attachment().mapping();
    let record = mapping.record(channel.id);
    let fill = channel.len().min(channel.capacity);
    let counter = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut statistics = ChannelStatistics {
        id: channel.id,
        name: channel.name.clone(),
        capacity: channel.capacity,
        fill,
        highest_fill: fill.max(u64::from(record.highest_fill.load(Ordering::Relaxed))),
        sent: counter(&record.sent),
        sent_bytes: counter(&record.sent_bytes),
        received: counter(&record.received),
        received_bytes: counter(&record.received_bytes),
        refused: counter(&record.refused),
        empty: counter(&record.empty),
        aborted: channel.aborted,
        redelivered: channel.redelivered,
        dropped: channel.dropped,
        dead_lettered: channel.dead_lettered,
        expired: channel.expired,
        recovered: channel.recovered,
        last_error: last_error(&record.last_error, &record.last_error_ns),
        handles: Vec::new(),
    };
    let slots = SlotShape {
        stride: channel.slot_size,
        payload_capacity: channel.payload_capacity,
    };
    for index in looks.handles(channel.id) {
        let handle = mapping.handle(index);
        // Acquire: pairs with open::register, for the fields.
        let state = RecordState::decode(handle.state.load(Ordering::Acquire));
        let here = handle.channel_id.load(Ordering::Relaxed) == channel.id
            && handle.channel_generation.load(Ordering::Relaxed) == generation;
        let Some(own) = here.then(|| of_handle(&looks.owners, handle, slots)).flatten() else {
            continue;
        };
        let totals = match own.role {
            HandleRole::Producer => [
                &mut statistics.sent,
                &mut statistics.sent_bytes,
                &mut statistics.refused,
            ],
            HandleRole::Consumer => [
                &mut statistics.received,
                &mut statistics.received_bytes,
                &mut statistics.empty,
            ],
        };
        for (total, own) in totals.into_iter().zip([own.messages, own.bytes, own.in_vain]) {
            *total = total.wrapping_add(own);
        }
        statistics.highest_fill = statistics.highest_fill.max(own.highest_fill);
        statistics.last_error = later(statistics.last_error, own.last_error);
        if state != RecordState::Free {
            statistics.handles.push(own);
        }
    }
    statistics.highest_fill = statistics.highest_fill.min(channel.capacity);
    statistics
}

fn statistics_of(looks: &Looks<'_>, id: u32, tries: &mut u32) -> Result<Option<ChannelStatistics>> {
    let mapping = looks.attachment().mapping();
    unchanged(mapping, tries, || {
        let Some(properties) = Properties::read(mapping, id)? else {
            return Ok(None);
        };
        let generation = properties.generation;
        let channel = crate::observe::list::info(looks, properties)?;
        Ok(Some(of_channel(looks, &channel, generation)))
    })
}

impl Region {
    /// What happened on each channel, and what each open handle did. Always counted, and read without stopping anybody; a process
    /// that is attached read-only can read it too.
    ///
    /// # What a death can lose
    /// A handle's counts stay when it is closed or its process killed. A process that is killed in the middle of a call may have
    /// published or released messages of that call and not counted them; one that is killed while it opens a handle may lose one
    /// number of the ended handle whose place it takes.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a channel's record or schema contradicts the format.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-statistics-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let builder = dmxp::ChannelBuilder::new().with_region(&region).with_name("log").with_capacity(4);
    /// let (producer, consumer) = (builder.build_producer()?, builder.build_consumer()?);
    /// producer.send(b"one")?;
    /// producer.send(b"three")?;
    /// drop(consumer.recv()?);
    ///
    /// let log = &region.statistics()?[0];
    /// assert_eq!((log.sent, log.sent_bytes), (2, 8));
    /// assert_eq!((log.received, log.received_bytes), (1, 3));
    /// assert_eq!(log.utilisation(), 0.25); // one message in four slots
    /// for handle in &log.handles {
    ///     println!("{:?} of process {}: {} messages", handle.role, handle.holder.pid, handle.messages);
    /// }
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    pub fn statistics(&self) -> Result<Vec<ChannelStatistics>> {
        let mut tries = TRIES;
        let looks = Looks::new(&self.attachment);
        (0..MAX_CHANNELS)
            .filter_map(|id| match statistics_of(&looks, id, &mut tries) {
                // Removed while we were looking.
                Err(Error::ChannelNotFound { .. }) => None,
                other => other.transpose(),
            })
            .collect()
    }

    /// The statistics of one channel; see [`statistics`](Self::statistics).
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`]; [`Error::Corrupt`].
    pub fn channel_statistics(&self, id: u32) -> Result<ChannelStatistics> {
        let found = if id < MAX_CHANNELS {
            statistics_of(&Looks::new(&self.attachment), id, &mut { TRIES })?
        } else {
            None
        };
        found.ok_or_else(|| Error::ChannelNotFound {
            channel: id.to_string(),
        })
    }
}

//! Who waits for whom.

use crate::error::{Error, Result};
use crate::handle::obstruction::{Blocked, notes, now_ns, obstructed, waiting};
use crate::layout::MAX_CHANNELS;
use crate::liveness::RecordState;
use crate::observe::broadcast;
use crate::region::{Attachment, Mapping, Region};
use crate::ring::queue::sweep::stuck_at;
use crate::ring::word::{Cell, Phase, Sequence};
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::holders::{HolderInfo, Owners, is_of};
use crate::table::properties::Properties;
use core::fmt;
use std::time::Duration;

/// A position that others cannot get past, and who could change that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blockage {
    /// The channel.
    pub channel: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The side that is kept from going on.
    pub blocked: Blocked,
    /// The position; the message there has, or would have, this id less one.
    pub position: u64,
    /// What is the matter with it.
    pub obstacle: Obstacle,
    /// The holder of the position; `None` where it is none of ours.
    pub holder: Option<HolderInfo>,
    /// How long it has been in the way, as far as waiters have noticed; they look each tick (40 ms). `None` when nobody
    /// has waited for as long as that.
    pub age: Option<Duration>,
    /// The waiters that have slept for a tick at least.
    pub waiters: Vec<Waiting>,
}

/// Why a position cannot be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// A producer has claimed it and writes.
    Writing,
    /// A consumer has claimed it and reads.
    Reading,
    /// A message is there that no consumer has claimed: the channel is full.
    Unread,
    /// A message was returned and waits to be taken again.
    Returned,
    /// A reliable subscriber of a broadcast channel has not come to it yet, or holds it. It is the slowest, and its state says whether
    /// it is stopped.
    Subscriber,
    /// It was claimed, and no handle says that it did: a program that knows only v1, alive or not. See
    /// [`RecoverOptions::force`](crate::RecoverOptions::force).
    Unexplained,
}

/// A waiter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// The handle that waits.
    pub who: HolderInfo,
    /// For how long.
    pub since: Duration,
}

impl fmt::Display for Blockage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = self
            .name
            .as_ref()
            .map_or_else(|| self.channel.to_string(), |name| format!("`{name}`"));
        let who = match self.blocked {
            Blocked::Consumers => "consumers",
            Blocked::Producers => "producers",
        };
        let pid = self
            .holder
            .as_ref()
            .map_or_else(|| "nobody".to_owned(), |holder| format!("process {holder}"));
        write!(f, "channel {channel}: {who} wait at position {} ", self.position)?;
        match self.obstacle {
            Obstacle::Writing => write!(f, "for {pid}, who has claimed it and not published")?,
            Obstacle::Reading => write!(f, "for {pid}, who has received it and not released")?,
            Obstacle::Unread => f.write_str("for somebody to receive what fills the channel")?,
            Obstacle::Returned => f.write_str("for somebody to receive a returned message")?,
            Obstacle::Subscriber => write!(f, "for {pid}, a subscriber that still needs the message there")?,
            Obstacle::Unexplained => {
                f.write_str("for a program that keeps no record (v1); if none is running, recover with force")?;
            }
        }
        if let Some(age) = self.age {
            write!(f, ", for {age:.1?}")?;
        }
        if !self.waiters.is_empty() {
            f.write_str("; waiting:")?;
        }
        for waiting in &self.waiters {
            write!(f, " process {} ({:.1?})", waiting.who, waiting.since)?;
        }
        Ok(())
    }
}

impl Region {
    /// Who waits for whom, on every channel, at this moment: the positions that keep producers or consumers from going on, who
    /// holds them, and who waits. Only looks; works on a region opened read-only.
    ///
    /// A claim or a message that a living process holds is waited for, however long; this names it. That of a dead one is here
    /// for as long as it takes a waiter to notice.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-blockages-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let channel = dmxp::ChannelBuilder::new().with_region(&region).with_name("bytes");
    /// let producer = channel.build_producer()?;
    /// let claim = producer.try_claim(8)?; // claimed, and not published
    /// let blockages = region.blockages()?;
    /// assert_eq!(blockages[0].blocked, dmxp::Blocked::Consumers);
    /// assert_eq!(blockages[0].holder.as_ref().map(|holder| holder.pid), Some(std::process::id()));
    /// # drop(claim);
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a channel's record contradicts the format.
    pub fn blockages(&self) -> Result<Vec<Blockage>> {
        let _looking = self.attachment.looking()?;
        let mut blockages = Vec::new();
        let owners = Owners::new(&self.attachment);
        for id in 0..MAX_CHANNELS {
            let properties = match Properties::read(self.attachment.mapping(), id) {
                Ok(Some(properties)) => properties,
                // Removed while we were looking.
                Ok(None) | Err(Error::ChannelNotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            for blocked in [Blocked::Consumers, Blocked::Producers] {
                blockages.extend(look(&self.attachment, &owners, &properties, blocked));
            }
        }
        Ok(blockages)
    }
}

/// What keeps one side of a channel from going on. A full channel that nobody waits for is not worth a word.
///
/// Only looks, as do the functions below, so nothing is done for what it finds. Acquires as in the code that acts: cursors, then sequences,
/// then records with their cells, each as new as what led to it. A record that changes hands meanwhile may be named for its next owner.
fn look(attachment: &Attachment, owners: &Owners<'_>, properties: &Properties, blocked: Blocked) -> Option<Blockage> {
    let mapping = attachment.mapping();
    let (position, word) = obstructed(mapping, properties, blocked)?;
    let (obstacle, holder) = match Sequence::decode(word) {
        _ if properties.delivery != Delivery::Queue => broadcast::cause(mapping, properties, blocked, (position, word)),
        Sequence::Taken { handle, .. } => (Obstacle::Reading, Some(u32::from(handle))),
        Sequence::Returned { .. } => (Obstacle::Returned, None),
        _ => {
            let phases = [(Phase::Produce, Obstacle::Writing), (Phase::Consume, Obstacle::Reading)];
            let claimed = phases.into_iter().find(|(phase, _)| word == stuck_at(*phase, position));
            match claimed {
                Some((Phase::Consume, _)) if mapping.entry(properties.id).head.load(Ordering::Acquire) <= position => {
                    (Obstacle::Unread, None)
                }
                Some((phase, obstacle)) => match claimer(mapping, properties, phase, position) {
                    Some(handle) => (obstacle, Some(handle)),
                    None => (Obstacle::Unexplained, None),
                },
                None => (Obstacle::Unexplained, None),
            }
        }
    };
    let (mine, since) = notes(mapping, properties, blocked);
    // Acquire: pairs with the releases in note. A position comes with the 0 before it, so that a time which has not changed
    // since is not an earlier position's; a time comes with its position.
    let since_ns = since.load(Ordering::Acquire);
    let noticed =
        mine.load(Ordering::Acquire) == position && since_ns != 0 && since.load(Ordering::Relaxed) == since_ns;
    let now = now_ns();
    let waiters: Vec<Waiting> = waiting(mapping, properties, blocked)
        .map(|(record, waiting_since)| Waiting {
            who: owners.of(record),
            since: Duration::from_nanos(now.saturating_sub(waiting_since)),
        })
        .collect();
    if matches!(obstacle, Obstacle::Unread | Obstacle::Subscriber) && waiters.is_empty() {
        return None;
    }
    // The position may have become free while we looked.
    if obstructed(mapping, properties, blocked) != Some((position, word)) {
        return None;
    }
    Some(Blockage {
        channel: properties.id,
        name: properties.name.clone(),
        blocked,
        position,
        obstacle,
        holder: holder
            .filter(|&index| index < mapping.plan().handles)
            .map(|index| owners.of(mapping.handle(index))),
        age: noticed.then(|| Duration::from_nanos(now.saturating_sub(since_ns))),
        waiters,
    })
}

/// The handle whose cell names a position.
pub(crate) fn claimer(mapping: &Mapping, properties: &Properties, phase: Phase, position: u64) -> Option<u32> {
    (0..mapping.plan().handles).find(|&index| {
        let record = mapping.handle(index);
        record.state.load(Ordering::Acquire) != RecordState::FREE
            && is_of(record, properties)
            && record
                .cells
                .iter()
                .any(|cell| match Cell::decode(cell.load(Ordering::Acquire)) {
                    Cell::Owned(claim) | Cell::Trying(claim) => claim.phase == phase && claim.covers(position),
                    Cell::None => false,
                })
    })
}

//! The rings of a channel. Most have one; a channel with priorities has a second one for urgent messages.
//!
//! Each ring is a record of its own. The *main* ring has the channel's id, and its flags say which others there are; those say with a
//! flag which one they are, and their links lead back. A ring that its main ring does not name is nobody's: it was made by a process
//! that died before it made the main ring, or is left of a channel that is gone, and is freed by
//! [`purge_removed`](crate::table::removal::purge_removed).
//!
//! What a channel with another ring needs here: a name, its flags, and when a new channel has it. Everything else walks.

use crate::error::{Error, Result};
use crate::layout::{CHANNEL_FLAG_HIGH, CHANNEL_FLAG_PRIORITIES, MAX_CHANNELS, META_FLAG_HIGH};
use crate::region::Mapping;
use crate::table::holders::{open_handles, pid_of};
use crate::table::properties::Properties;

/// Which of its channel's rings a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingName {
    /// The one that every channel has.
    Main,
    /// For urgent messages, which consumers read first.
    Urgent,
}

impl RingName {
    /// The rings of a new channel, the main one first.
    pub(crate) fn of_new(priorities: bool) -> &'static [Self] {
        if priorities {
            &[Self::Main, Self::Urgent]
        } else {
            &[Self::Main]
        }
    }

    /// Which ring has a record with these flags.
    pub(crate) fn of_flags(flags: u32) -> Self {
        if flags & CHANNEL_FLAG_HIGH != 0 {
            Self::Urgent
        } else {
            Self::Main
        }
    }

    /// What a record of it alone says.
    pub(crate) fn flag(self) -> u32 {
        match self {
            Self::Main => 0,
            Self::Urgent => CHANNEL_FLAG_HIGH,
        }
    }

    /// What errors call it.
    fn describe(self) -> &'static str {
        match self {
            Self::Main => "the ring",
            Self::Urgent => "the ring for urgent messages",
        }
    }
}

/// Where a ring's record is, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingId {
    pub(crate) name: RingName,
    pub(crate) id: u32,
    pub(crate) generation: u64,
}

/// What the record of `ring` says of the others of its channel, `rings`: flags, and id and generation of the ring that its link
/// leads to.
pub(crate) fn link(ring: &RingId, rings: &[RingId]) -> (u32, Option<(u32, u64)>) {
    let flag = match ring.name {
        RingName::Main => CHANNEL_FLAG_PRIORITIES,
        RingName::Urgent => CHANNEL_FLAG_HIGH,
    };
    let other = rings.iter().find(|other| other.name != ring.name);
    other.map_or((0, None), |other| (flag, Some((other.id, other.generation))))
}

/// The rings of one channel, each read from its record and checked.
#[derive(Debug)]
pub(crate) struct Rings {
    pub(crate) main: Properties,
    pub(crate) others: Vec<(RingName, Properties)>,
}

impl Rings {
    /// The rings of the channel with this main ring, as far as they are there.
    pub(crate) fn of(mapping: &Mapping, main: Properties) -> Self {
        let other = linked(mapping, &main).filter(|_| main.ring_name() == RingName::Main);
        let others = other.map(|other| (other.ring_name(), other)).into_iter().collect();
        Self { main, others }
    }

    /// The same, all of them.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when one is missing.
    pub(crate) fn all_of(mapping: &Mapping, main: Properties) -> Result<Self> {
        let rings = Self::of(mapping, main);
        let expected = RingName::of_new(rings.main.has_priorities());
        match expected
            .iter()
            .find(|&&name| rings.iter().all(|(there, _)| there != name))
        {
            None => Ok(rings),
            Some(missing) => {
                let (what, label) = (missing.describe(), rings.main.label());
                Err(Error::corrupt(format!("{what} of channel {label} is not there")))
            }
        }
    }

    /// The main ring first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RingName, &Properties)> {
        let others = self.others.iter().map(|(name, properties)| (*name, properties));
        core::iter::once((RingName::Main, &self.main)).chain(others)
    }

    /// Takes one of the others.
    pub(crate) fn take(&mut self, name: RingName) -> Option<Properties> {
        let index = self.others.iter().position(|(other, _)| *other == name)?;
        Some(self.others.swap_remove(index).1)
    }

    /// The pids of the handles that hold any of them open.
    pub(crate) fn holders(&self, mapping: &Mapping) -> Vec<u32> {
        self.iter()
            .flat_map(|(_, properties)| open_handles(mapping, properties))
            .map(|record| pid_of(mapping, record))
            .collect()
    }
}

/// The ring that a ring's link leads to, if both say so of each other.
pub(crate) fn linked(mapping: &Mapping, ring: &Properties) -> Option<Properties> {
    let (id, generation) = ring.partner?;
    Properties::read(mapping, id).ok().flatten().filter(|other| {
        other.generation == generation
            && other.partner == Some((ring.id, ring.generation))
            && other.ring_name() != ring.ring_name()
    })
}

/// Every ring of a region that is there, by id, removed ones included; an error stands for one whose record is damaged or changes.
pub(crate) fn every_ring(mapping: &Mapping) -> impl Iterator<Item = (u32, Result<Properties>)> {
    (0..MAX_CHANNELS).filter_map(|id| Properties::read(mapping, id).transpose().map(|read| (id, read)))
}

impl Properties {
    /// Which of its channel's rings it is.
    pub(crate) fn ring_name(&self) -> RingName {
        RingName::of_flags(self.flags)
    }

    /// Whether there is another ring for urgent messages.
    pub(crate) fn has_priorities(&self) -> bool {
        self.flags & CHANNEL_FLAG_PRIORITIES != 0
    }

    /// Flag bits of every message that is sent here.
    pub(crate) fn message_flags(&self) -> u16 {
        match self.ring_name() {
            RingName::Main => 0,
            RingName::Urgent => META_FLAG_HIGH,
        }
    }

    /// The id of the main ring, which is the channel's: consumers of any ring wait on its event, and are told there that the channel
    /// was closed or removed.
    pub(crate) fn listeners(&self) -> u32 {
        match (self.ring_name(), self.partner) {
            (RingName::Main, _) | (_, None) => self.id,
            (_, Some((id, _))) => id,
        }
    }

    /// Whether the ring belongs to no channel.
    pub(crate) fn is_nobodys(&self, mapping: &Mapping) -> bool {
        self.ring_name() != RingName::Main && linked(mapping, self).is_none_or(|main| main.removed)
    }

    /// Whether the links make sense by themselves.
    pub(crate) fn has_sound_links(&self) -> bool {
        let is_both = self.ring_name() != RingName::Main && self.has_priorities();
        self.partner
            .is_none_or(|(id, _)| id < MAX_CHANNELS && id != self.id && !is_both)
    }

    /// Refuses a ring that is not the main one of its channel where a channel is asked for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]; `instead` says what to do, given the channel's id.
    pub(crate) fn expect_main(&self, instead: impl FnOnce(u32) -> String) -> Result<()> {
        match self.ring_name() {
            RingName::Main => Ok(()),
            name => Err(Error::invalid(format!(
                "channel {} is {} of {}",
                self.label(),
                name.describe(),
                instead(self.listeners())
            ))),
        }
    }
}

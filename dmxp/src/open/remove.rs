//! Removing a channel on request.

use crate::error::{Error, Result};
use crate::layout::{CHANNEL_REMOVED, MAX_CHANNELS, waiters};
use crate::recovery::sweep::sweep_region;
use crate::region::{Management, Mapping, Region};
use crate::sync::Ordering;
use crate::table::properties::Properties;
use crate::table::removal::{free, purge_removed};
use crate::table::rings::{RingName, Rings};
use crate::wait::Event;

/// Fails where a channel's dead letters go to this one.
pub(super) fn refuse_as_letters(mapping: &Mapping, letters: &Properties) -> Result<()> {
    let source = (0..MAX_CHANNELS)
        .filter_map(|id| Properties::read(mapping, id).ok().flatten())
        .find(|source| !source.removed && source.dead_letters == Some((letters.id, letters.generation)));
    match source {
        None => Ok(()),
        Some(source) => Err(Error::invalid(format!(
            "channel {} gets the dead letters of channel {}: remove that first, or this with force; what is returned there too often is \
             dropped then, and counted",
            letters.label(),
            source.label()
        ))),
    }
}

/// Removes a channel that no living process has open.
pub(super) fn remove_unused(management: &Management<'_>, properties: Properties) -> Result<()> {
    let attachment = management.attachment;
    let rings = Rings::of(attachment.mapping(), properties);
    if !rings.holders(attachment.mapping()).is_empty() {
        // Some of them may be dead.
        sweep_region(management)?;
    }
    let mut pids = rings.holders(attachment.mapping());
    if !pids.is_empty() {
        pids.dedup();
        return Err(Error::ChannelInUse {
            channel: rings.main.label(),
            pids,
        });
    }
    // The main ring first: without it, the others are nobody's, also for a process that finds them after our death.
    for (_, properties) in rings.iter() {
        free(management, properties);
    }
    Ok(())
}

impl Region {
    /// [`remove_channel`](Self::remove_channel) of the channel with this name.
    ///
    /// # Errors
    /// Those of `remove_channel`.
    pub fn remove_channel_named(&self, name: &str, force: bool) -> Result<()> {
        self.attachment.check()?;
        let management = Management::lock(&self.attachment)?;
        let mapping = self.attachment.mapping();
        for id in 0..MAX_CHANNELS {
            let found = Properties::read(mapping, id)?.filter(|found| !found.removed);
            if found.is_some_and(|found| found.ring_name() == RingName::Main && found.name.as_deref() == Some(name)) {
                return self.remove_locked(&management, id, force);
            }
        }
        Err(Error::ChannelNotFound {
            channel: format!("`{name}`"),
        })
    }

    /// Removes a channel and gives its space back.
    ///
    /// With `force`, also while handles are open: its name goes at once, the handles' calls fail with [`Error::Removed`]
    /// (consumers first drain what is there), and its id and space follow with the last of them.
    ///
    /// # Errors
    /// [`Error::ChannelInUse`] with the pids, and [`Error::InvalidArgument`] while another channel's dead letters go there, unless
    /// forced; [`Error::ChannelNotFound`]; [`Error::ReadOnly`];
    /// [`Error::ManagementLockBusy`].
    pub fn remove_channel(&self, id: u32, force: bool) -> Result<()> {
        self.attachment.check()?;
        let management = Management::lock(&self.attachment)?;
        self.remove_locked(&management, id, force)
    }

    fn remove_locked(&self, management: &Management<'_>, id: u32, force: bool) -> Result<()> {
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
        properties.expect_main(|channel| format!("channel {channel}: remove that"))?;
        if !force {
            refuse_as_letters(mapping, &properties)?;
        }
        let properties = match remove_unused(management, properties.clone()) {
            Err(Error::ChannelInUse { .. }) if force => properties,
            outcome => return outcome,
        };
        let rings = Rings::of(mapping, properties);
        management.hide_from_v1(id);
        let record = mapping.record(id);
        // Release: pairs with Properties::read, which reads the same fields as before.
        record.state.store(CHANNEL_REMOVED, Ordering::Release);
        management.count_channels();
        Event {
            signal: &mapping.entry(id).signal,
            waiters: &record.data_waiters,
        }
        .raise(waiters::REMOVED);
        // Handles to the other rings heed the mark of the main one. A process that waits for space there looks.
        for (_, properties) in rings.iter() {
            let record = mapping.record(properties.id);
            Event {
                signal: &record.space_signal,
                waiters: &record.space_waiters,
            }
            .raise(waiters::REMOVED);
        }
        // The dead need nothing of it any more.
        sweep_region(management)?;
        purge_removed(management);
        Ok(())
    }
}

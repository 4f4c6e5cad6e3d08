//! Removing a channel on request.

use crate::error::{Error, Result};
use crate::layout::{CHANNEL_REMOVED, MAX_CHANNELS, waiters};
use crate::region::{Management, Region};
use crate::sync::Ordering;
use crate::table::holders::holders;
use crate::table::properties::Properties;
use crate::table::removal::{free, purge_removed};
use crate::wait::Event;

impl Region {
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
            crate::recovery::sweep::sweep_region(&management)?;
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
        crate::recovery::sweep::sweep_region(&management)?;
        purge_removed(&management);
        Ok(())
    }
}

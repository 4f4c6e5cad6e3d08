//! Removing a channel on request.

use crate::error::{Error, Result};
use crate::layout::{CHANNEL_REMOVED, MAX_CHANNELS, waiters};
use crate::recovery::sweep::sweep_region;
use crate::region::{Management, Region};
use crate::sync::Ordering;
use crate::table::properties::Properties;
use crate::table::removal::{free, purge_removed};
use crate::table::rings::Rings;
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
        properties.expect_main(|channel| format!("channel {channel}: remove that"))?;
        let rings = Rings::of(mapping, properties);
        if !rings.holders(mapping).is_empty() {
            // Some of them may be dead.
            sweep_region(&management)?;
        }
        let left = rings.holders(mapping);
        if left.is_empty() {
            // The main ring first: without it, the others are nobody's, also for a process that finds them after our death.
            for (_, properties) in rings.iter() {
                free(&management, properties);
            }
            return Ok(());
        }
        if !force {
            let mut pids = left;
            pids.dedup();
            return Err(Error::ChannelInUse {
                channel: rings.main.label(),
                pids,
            });
        }
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
        sweep_region(&management)?;
        purge_removed(&management);
        Ok(())
    }
}

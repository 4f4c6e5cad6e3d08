//! Freeing removed channels.

use crate::layout::{CHANNEL_LIVE, CHANNEL_REMOVED, MAX_CHANNELS};
use crate::region::Management;
use crate::sync::Ordering;
use crate::table::holders::open_handles;
use crate::table::properties::Properties;
use crate::table::rings::RingName;

/// Frees the removed channels whose last handle is gone, rings that belong to no channel included, and
/// returns their ids.
pub(crate) fn purge_removed(management: &Management<'_>) -> Vec<u32> {
    let mut purged = Vec::new();
    let mapping = management.attachment.mapping();
    for id in 0..MAX_CHANNELS {
        // Relaxed: the lock orders it.
        let record = mapping.record(id);
        let state = record.state.load(Ordering::Relaxed);
        let may_be_nobodys =
            state == CHANNEL_LIVE && RingName::of_flags(record.flags.load(Ordering::Relaxed)) != RingName::Main;
        if (state == CHANNEL_REMOVED || may_be_nobodys)
            // A damaged record must not keep others from being opened.
            && let Ok(Some(properties)) = Properties::read(mapping, id)
            && (state == CHANNEL_REMOVED || properties.is_nobodys(mapping))
            && open_handles(mapping, &properties).next().is_none()
        {
            free(management, &properties);
            purged.push(id);
        }
    }
    purged
}

pub(crate) fn free(management: &Management<'_>, properties: &Properties) {
    management.hide_from_v1(properties.id);
    management.free_channel(properties.id);
    management.count_channels();
}

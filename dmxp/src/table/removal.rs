//! Freeing removed channels.

use crate::layout::{CHANNEL_FREE, CHANNEL_LIVE, CHANNEL_REMOVED, MAX_CHANNELS};
use crate::region::{Management, give_back_space};
use crate::sync::Ordering;
use crate::table::holders::holders;
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
            && holders(management.attachment, &properties).is_empty()
        {
            free(management, &properties);
            purged.push(id);
        }
    }
    purged
}

pub(crate) fn free(management: &Management<'_>, properties: &Properties) {
    let record = management.attachment.mapping().record(properties.id);
    management.hide_from_v1(properties.id);
    // A process that finds the record so after our death goes on from here. Release, here and below: pairs with Properties::read and
    // space::used.
    record.state.store(CHANNEL_REMOVED, Ordering::Release);
    // Before the record is free: afterwards the space may be another channel's.
    if let Ok(file) = management.attachment.file() {
        give_back_space(file, properties.ring_offset, properties.ring_len);
    }
    record.state.store(CHANNEL_FREE, Ordering::Release);
    management.count_channels();
}

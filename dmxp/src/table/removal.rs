//! Freeing removed channels, and rings that were never finished.

use crate::layout::{CHANNEL_LIVE, CHANNEL_MAKING, CHANNEL_REMOVED, ChannelRecord, MAX_CHANNELS};
use crate::liveness::RecordState;
use crate::region::{Attachment, Management};
use crate::sync::Ordering;
use crate::table::holders::open_handles;
use crate::table::properties::Properties;
use crate::table::rings::RingName;

/// Frees the removed channels whose last handle is gone, rings that belong to no channel included, and rings whose makers died before
/// they were made. Returns their ids.
pub(crate) fn purge_removed(management: &Management<'_>) -> Vec<u32> {
    let mut purged = Vec::new();
    let mapping = management.attachment.mapping();
    for id in 0..MAX_CHANNELS {
        // Relaxed: the lock orders it.
        let record = mapping.record(id);
        let state = record.state.load(Ordering::Relaxed);
        if state == CHANNEL_MAKING && !maker_lives(management.attachment, record) {
            free_record(management, id);
            purged.push(id);
            continue;
        }
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
    free_record(management, properties.id);
    management.count_channels();
}

/// Frees a record that may be no channel's yet.
pub(crate) fn free_record(management: &Management<'_>, id: u32) {
    management.hide_from_v1(id);
    management.free_channel(id);
}

/// Whether the process lives that makes the ring of this record.
pub(crate) fn maker_lives(attachment: &Attachment, record: &ChannelRecord) -> bool {
    let mapping = attachment.mapping();
    // Relaxed: the state was acquired, or the lock orders them. A damaged record has no maker.
    let state = record.verified.load(Ordering::Relaxed);
    let index = u32::try_from(record.announced.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    matches!(RecordState::decode(state), RecordState::Live { .. })
        && index < mapping.plan().processes
        // Acquire: pairs with Attachment::register; the byte was taken before.
        && mapping.process(index).state.load(Ordering::Acquire) == state
        && attachment.holds_byte(index)
}

/// Frees a ring if it is still what it was, and nobody has it open.
pub(crate) fn free_if_unused(management: &Management<'_>, properties: &Properties) {
    let mapping = management.attachment.mapping();
    let record = mapping.record(properties.id);
    // Relaxed, both: the lock orders them.
    if record.generation.load(Ordering::Relaxed) == properties.generation
        && record.state.load(Ordering::Relaxed) == CHANNEL_LIVE
        && open_handles(mapping, properties).next().is_none()
    {
        free(management, properties);
    }
}

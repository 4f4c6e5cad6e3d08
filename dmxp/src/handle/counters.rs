//! What a handle counts, and what becomes of it.
//!
//! Each handle counts in its own record, in a line that nobody else writes, with plain loads and stores: no instruction there
//! is shared with anybody. When a handle ends, whether it was closed or swept, its record keeps the counts, with the name of the
//! channel they belong to. The process that takes the record next holds the management lock, and moves them to the channel's record
//! before it begins its own. So a channel's totals are its record's and those of all handle records that name it, free ones too.
//!
//! What a death can lose: a producer or consumer that is killed between publishing or releasing and counting has not counted
//! that claim; a process that dies while it moves the counts of a record loses at most the one number it was moving. A process that has
//! lost its place without noticing may in that very instant count in a record that is no longer its own. Nothing rests on
//! these numbers, and all accesses are relaxed.

use crate::error::Error;
use crate::error::kind::ErrorKind;
use crate::layout::{ChannelRecord, HandleRecord, MAX_CHANNELS, ROLE_CONSUMER, ROLE_PRODUCER, SlotShape};
use crate::region::Mapping;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// A handle looks ahead when its count of messages passes a multiple of this; a slow consumer of a queue more often.
pub(super) const LOOK_EVERY: u64 = 64;

/// For the only writer of the counter.
#[inline]
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl HandleRecord {
    /// Counts messages sent or received; for the record's owner. Whether the count has passed a multiple of `every`, a power of two.
    #[inline]
    pub(crate) fn count(&self, messages: u32, bytes: u64, every: u64) -> bool {
        let before = self.messages.load(Ordering::Relaxed);
        let after = before.wrapping_add(u64::from(messages));
        self.messages.store(after, Ordering::Relaxed);
        add(&self.bytes, bytes);
        (before ^ after) >= every
    }

    /// Counts messages of packed slots, whose bytes follow from their number; for the record's owner.
    #[inline(always)]
    pub(crate) fn count_messages(&self, messages: u32) {
        add(&self.messages, u64::from(messages));
    }

    /// Notes how many slots were seen occupied; for the record's owner.
    pub(crate) fn count_fill(&self, fill: u64) {
        let highest = self.highest_fill.load(Ordering::Relaxed).max(fill);
        self.highest_fill.store(highest, Ordering::Relaxed);
    }

    /// Counts a call that found nothing, or no room; for the record's owner.
    #[inline]
    pub(crate) fn count_in_vain(&self) {
        add(&self.in_vain, 1);
    }

    /// Notes a call that failed; for the record's owner.
    pub(crate) fn count_failure(&self, error: &Error) {
        match error {
            Error::Full | Error::Empty | Error::Timeout => self.count_in_vain(),
            error => {
                self.last_error.store(ErrorKind::of(error).number(), Ordering::Relaxed);
                self.last_error_ns.store(crate::os::clock::now_ns(), Ordering::Relaxed);
            }
        }
    }
}

/// Bytes of payload in the messages that a handle sent or received. In packed slots they follow from their number, and are not counted.
pub(crate) fn bytes_of(record: &HandleRecord, slots: SlotShape) -> u64 {
    if slots.is_packed() {
        let messages = record.messages.load(Ordering::Relaxed);
        messages.wrapping_mul(u64::from(slots.stride))
    } else {
        record.bytes.load(Ordering::Relaxed)
    }
}

/// The totals of a channel to which a role's messages, bytes and vain calls go.
pub(crate) fn totals(channel: &ChannelRecord, role: u32) -> Option<[&AtomicU64; 3]> {
    match role {
        ROLE_PRODUCER => Some([&channel.sent, &channel.sent_bytes, &channel.refused]),
        ROLE_CONSUMER => Some([&channel.received, &channel.received_bytes, &channel.empty]),
        _ => None,
    }
}

/// Moves the counts of a record whose handle has ended to the channel they belong to, if that still exists. For the holder of the
/// management lock that is about to take the record.
pub(crate) fn hand_over(mapping: &Mapping, record: &HandleRecord) {
    let id = record.channel_id.load(Ordering::Relaxed);
    let role = record.role.load(Ordering::Relaxed);
    let channel = (id < MAX_CHANNELS).then(|| mapping.record(id)).filter(|channel| {
        channel.generation.load(Ordering::Relaxed) == record.channel_generation.load(Ordering::Relaxed)
    });
    let own = [&record.messages, &record.bytes, &record.in_vain];
    if let Some(channel) = channel
        && let Some(totals) = totals(channel, role)
    {
        let slots = SlotShape {
            stride: channel.slot_stride.load(Ordering::Relaxed),
            payload_capacity: channel.payload_capacity.load(Ordering::Relaxed),
        };
        record.bytes.store(bytes_of(record, slots), Ordering::Relaxed);
        for (total, own) in totals.into_iter().zip(own) {
            add(total, own.swap(0, Ordering::Relaxed));
        }
        let fill = record.highest_fill.load(Ordering::Relaxed).min(u64::from(u32::MAX)) as u32;
        let highest = channel.highest_fill.load(Ordering::Relaxed).max(fill);
        channel.highest_fill.store(highest, Ordering::Relaxed);
        // Written whichever is the later one: that no step depends on what happened before keeps the attack tests simple.
        let error = |at: &AtomicU64, kind: &AtomicU32| (at.load(Ordering::Relaxed), kind.load(Ordering::Relaxed));
        let (at, kind) =
            error(&channel.last_error_ns, &channel.last_error).max(error(&record.last_error_ns, &record.last_error));
        channel.last_error.store(kind, Ordering::Relaxed);
        channel.last_error_ns.store(at, Ordering::Relaxed);
    }
    for counter in own {
        counter.store(0, Ordering::Relaxed);
    }
    record.highest_fill.store(0, Ordering::Relaxed);
    record.last_error_ns.store(0, Ordering::Relaxed);
    record.last_error.store(0, Ordering::Relaxed);
}

/// Begins the totals of a new channel.
pub(crate) fn begin(channel: &ChannelRecord) {
    let counters: [&AtomicU64; 7] = [
        &channel.sent,
        &channel.sent_bytes,
        &channel.received,
        &channel.received_bytes,
        &channel.refused,
        &channel.empty,
        &channel.last_error_ns,
    ];
    for counter in counters {
        counter.store(0, Ordering::Relaxed);
    }
    let small: [&AtomicU32; 2] = [&channel.highest_fill, &channel.last_error];
    for counter in small {
        counter.store(0, Ordering::Relaxed);
    }
}

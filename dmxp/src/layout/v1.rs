//! The published format, version 1: what programs in any language may rely on.

use super::assert_layout;
use crate::sync::{AtomicU32, AtomicU64};

/// `GlobalHeader::magic`.
pub(crate) const MAGIC: u64 = 0x444D_5850_5F4D_454D;
/// `GlobalHeader::version`.
pub(crate) const VERSION: u32 = 1;
/// Entries in the channel table; ids are 0 to 255.
pub(crate) const MAX_CHANNELS: u32 = 256;
/// `ChannelEntry::channel_id` of an entry that is not in use.
pub(crate) const UNUSED_CHANNEL: u32 = u32::MAX;
/// Where the first ring starts.
pub(crate) const FIRST_RING: u64 = size_of::<GlobalHeader>() as u64;
/// Bytes of payload in a slot.
pub(crate) const INLINE_PAYLOAD: u32 = 960;
/// Bytes from one slot to the next.
pub(crate) const SLOT_STRIDE: u32 = size_of::<Slot>() as u32;
/// Where the payload starts in a slot.
pub(crate) const PAYLOAD_OFFSET: usize = core::mem::offset_of!(Slot, payload);
/// The same in slots with short heads, which are ours: behind the metadata.
pub(crate) const SHORT_PAYLOAD_OFFSET: usize = core::mem::offset_of!(Slot, published_ns);
/// What a payload behind a short head is aligned to.
pub(crate) const SHORT_PAYLOAD_ALIGN: u32 = 16;
const _: () = assert!(SHORT_PAYLOAD_OFFSET == 48 && SHORT_PAYLOAD_OFFSET.is_multiple_of(SHORT_PAYLOAD_ALIGN as usize));

/// Bit of `MessageMeta::flags`: returned too often on the channel that `channel_id` names, and moved here. Ours: v1 has bits 0 and 1.
pub(crate) const META_FLAG_DEAD_LETTER: u16 = 4;

/// Bit of `MessageMeta::flags`: sent as urgent, on a channel with priorities. Ours.
pub(crate) const META_FLAG_HIGH: u16 = 8;

/// Start of the region.
#[repr(C, align(128))]
pub(crate) struct GlobalHeader {
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) max_channels: AtomicU32,
    pub(crate) channel_count: AtomicU32,
    pub(crate) reserved: AtomicU32,
    /// Ours from here on: 0 nothing, 1 lock ready, 2 ready.
    pub(crate) init_state: AtomicU32,
    pub(crate) extension_revision: AtomicU32,
    pub(crate) region_size: AtomicU64,
    pub(crate) region_id: [AtomicU64; 2],
    pub(crate) control_offset: AtomicU64,
    pub(crate) control_size: AtomicU64,
    free: [u8; 56],
    pub(crate) entries: [ChannelEntry; MAX_CHANNELS as usize],
}

assert_layout!(GlobalHeader, size 98_432, align 128, {
    magic @ 0, version @ 8, max_channels @ 12, channel_count @ 16, reserved @ 20, init_state @ 24, extension_revision @ 28,
    region_size @ 32, region_id @ 40, control_offset @ 56, control_size @ 64, free @ 72, entries @ 128,
});

/// One channel.
#[repr(C, align(128))]
pub(crate) struct ChannelEntry {
    pub(crate) channel_id: AtomicU32,
    pub(crate) flags: AtomicU32,
    /// Slots; 0 says that there is no v1 channel here.
    pub(crate) capacity: AtomicU64,
    pub(crate) band_offset: AtomicU64,
    /// Futex word: bumped when data arrives and somebody waits (always on channels made for v1 peers).
    pub(crate) signal: AtomicU32,
    free: [u8; 100],
    /// Next position to produce, alone in its 128 bytes.
    pub(crate) tail: AtomicU64,
    free_tail: [u8; 120],
    /// Next position to consume.
    pub(crate) head: AtomicU64,
    /// Ours: bumped when a message was returned; read together with `head`.
    pub(crate) returned_hint: AtomicU64,
    free_head: [u8; 112],
}

assert_layout!(ChannelEntry, size 384, align 128, {
    channel_id @ 0, flags @ 4, capacity @ 8, band_offset @ 16, signal @ 24, free @ 28, tail @ 128, free_tail @ 136,
    head @ 256, returned_hint @ 264, free_head @ 272,
});

/// What is said of a message besides its payload.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MessageMeta {
    pub(crate) message_id: u64,
    pub(crate) timestamp_ns: u64,
    pub(crate) channel_id: u32,
    pub(crate) message_type: u32,
    pub(crate) sender_pid: u32,
    pub(crate) sender_runtime: u16,
    /// `META_FLAG_` bits.
    pub(crate) flags: u16,
    pub(crate) payload_len: u32,
    /// v1 leaves these four bytes free; ours: CRC-32 of the payload on channels that ask for it.
    pub(crate) checksum: u32,
}

assert_layout!(MessageMeta, size 40, align 8, {
    message_id @ 0, timestamp_ns @ 8, channel_id @ 16, message_type @ 20, sender_pid @ 24, sender_runtime @ 28, flags @ 30,
    payload_len @ 32, checksum @ 36,
});

/// One message. The structure documents and asserts the format; the ring reaches the parts through their offsets.
#[repr(C, align(64))]
pub(crate) struct Slot {
    pub(crate) sequence: AtomicU64,
    pub(crate) meta: MessageMeta,
    /// Ours, on channels whose messages expire: when the message was published, nanoseconds of CLOCK_BOOTTIME.
    pub(crate) published_ns: AtomicU64,
    free: [u8; 8],
    pub(crate) payload: [u8; INLINE_PAYLOAD as usize],
    free_end: [u8; 64],
}

assert_layout!(Slot, size 1_088, align 64, { sequence @ 0, meta @ 8, published_ns @ 48, free @ 56, payload @ 64, free_end @ 1024 });

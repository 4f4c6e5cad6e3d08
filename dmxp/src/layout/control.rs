//! The control area at the far end of the region: ours, unknown to v1 programs.
//!
//! Order: header, user locks, channel records, process records, handle records. The two tables' lengths are chosen when the
//! region is made; every offset follows from them, so a stored offset that differs is corruption.

use super::{INLINE_PAYLOAD, MAX_CHANNELS, PAYLOAD_OFFSET, SHORT_PAYLOAD_OFFSET, SLOT_STRIDE, Slot, assert_layout};
use crate::sync::{AtomicU8, AtomicU32, AtomicU64};

/// `ControlHeader::magic`: "DMXPCTRL" read as a little-endian number.
pub(crate) const CONTROL_MAGIC: u64 = u64::from_le_bytes(*b"DMXPCTRL");
/// `ControlHeader::revision` and `GlobalHeader::extension_revision`.
pub(crate) const EXTENSION_REVISION: u32 = 2;
/// Processes that can be attached at once unless the region's maker says otherwise.
pub(crate) const DEFAULT_PROCESSES: u32 = 256;
/// Handles that can be open at once unless the region's maker says otherwise.
pub(crate) const DEFAULT_HANDLES: u32 = 1_024;
/// The lock bytes of processes allow no more.
pub(crate) const MAX_PROCESSES: u32 = 4_096;
/// The 14 handle bits of a slot sequence allow no more.
pub(crate) const MAX_HANDLES: u32 = 1 << 14;
/// Claims a handle may hold at once: one cache line of cells.
pub(crate) const CELLS: usize = 8;
/// Longest channel name in bytes.
pub(crate) const MAX_NAME: usize = 64;
/// User locks of a region.
pub(crate) const USER_LOCKS: u64 = 8;
/// Bytes of a user lock.
const USER_LOCK_SIZE: u64 = 64;
/// The control area begins and ends on a page.
pub(crate) const PAGE: u64 = 4_096;

/// Start of the control area.
#[repr(C, align(128))]
pub(crate) struct ControlHeader {
    pub(crate) magic: AtomicU64,
    pub(crate) revision: AtomicU32,
    /// Set while the holder of the management lock changes something; found set by the next holder, it repairs.
    pub(crate) dirty: AtomicU32,
    pub(crate) process_count: AtomicU32,
    pub(crate) handle_count: AtomicU32,
    pub(crate) process_offset: AtomicU64,
    pub(crate) handle_offset: AtomicU64,
    pub(crate) channel_offset: AtomicU64,
    pub(crate) user_lock_offset: AtomicU64,
    /// The holder of the management lock, for error messages; 0 nobody.
    pub(crate) lock_holder_pid: AtomicU32,
    free: [u8; 4],
    /// Source of the generations of channels, processes and handles.
    pub(crate) next_generation: AtomicU64,
    pub(crate) channels_created: AtomicU64,
    /// What a process must give to attach; zeros when nothing.
    pub(crate) secret: [AtomicU64; 2],
    /// The inode number of the region's lock file; 0 there is none.
    pub(crate) lock_file: AtomicU64,
    free_middle: [u8; 24],
    /// The line before the management lock, as the next three: see [`crate::wait::Line`]. A futex word.
    pub(crate) line_bell: AtomicU32,
    pub(crate) line_armed: AtomicU32,
    pub(crate) line_waiting: AtomicU32,
    free_line: [u8; 4],
    pub(crate) line_kept_until_ns: AtomicU64,
    free_after_line: [u8; 40],
    /// When a process began to ask which others are dead, for all that wait: nanoseconds of CLOCK_MONOTONIC.
    pub(crate) asked_ns: AtomicU64,
    /// When the last one that has finished began.
    pub(crate) answered_ns: AtomicU64,
    free_end: [u8; 304],
}

assert_layout!(ControlHeader, size 512, align 128, {
    magic @ 0, revision @ 8, dirty @ 12, process_count @ 16, handle_count @ 20, process_offset @ 24, handle_offset @ 32,
    channel_offset @ 40, user_lock_offset @ 48, lock_holder_pid @ 56, free @ 60, next_generation @ 64,
    channels_created @ 72, secret @ 80, lock_file @ 96, free_middle @ 104, line_bell @ 128, line_armed @ 132, line_waiting @ 136,
    free_line @ 140, line_kept_until_ns @ 144, free_after_line @ 152, asked_ns @ 192, answered_ns @ 200, free_end @ 208,
});

/// An attached process. `state` is [`crate::liveness::RecordState`].
#[repr(C, align(64))]
pub(crate) struct ProcessRecord {
    pub(crate) state: AtomicU64,
    pub(crate) pid: AtomicU32,
    pub(crate) runtime: AtomicU32,
    pub(crate) attached_ns: AtomicU64,
    /// Start time of the process in clock ticks since boot, as `/proc/PID/stat` has it; 0 unknown. Tells a reused pid apart.
    pub(crate) start_time: AtomicU64,
    /// When one of its threads that wait was last awake: nanoseconds of CLOCK_MONOTONIC; 0 once a wait has ended.
    pub(crate) waiting_ns: AtomicU64,
    free: [u8; 24],
}

assert_layout!(ProcessRecord, size 64, align 64, {
    state @ 0, pid @ 8, runtime @ 12, attached_ns @ 16, start_time @ 24, waiting_ns @ 32, free @ 40,
});

/// An open producer or consumer: who it is, and the cache line in which it says what it claims.
#[repr(C, align(128))]
pub(crate) struct HandleRecord {
    pub(crate) state: AtomicU64,
    /// Index of its process record.
    pub(crate) process: AtomicU32,
    /// [`ROLE_PRODUCER`] or [`ROLE_CONSUMER`].
    pub(crate) role: AtomicU32,
    pub(crate) process_generation: AtomicU64,
    pub(crate) channel_id: AtomicU32,
    /// Thread id of the opener, for info.
    pub(crate) thread: AtomicU32,
    pub(crate) channel_generation: AtomicU64,
    pub(crate) opened_ns: AtomicU64,
    /// Since when it sleeps, nanoseconds of CLOCK_MONOTONIC; 0 when it does not.
    pub(crate) waiting_since_ns: AtomicU64,
    free: [u8; 8],
    pub(crate) cells: [AtomicU64; CELLS],
    // Counters from here to `last_error`, in a line that only the handle writes: relaxed, nothing is read through them.
    // They stay when the handle ends, until the record is taken again.
    /// Messages sent, or received.
    pub(crate) messages: AtomicU64,
    /// Bytes of payload in them.
    pub(crate) bytes: AtomicU64,
    /// Calls that found no room, or no message.
    pub(crate) in_vain: AtomicU64,
    /// The most slots that a producer saw occupied.
    pub(crate) highest_fill: AtomicU64,
    /// When the last error was, nanoseconds since the Unix epoch; 0 there was none.
    pub(crate) last_error_ns: AtomicU64,
    /// Which: [`crate::ErrorKind`] as a number.
    pub(crate) last_error: AtomicU32,
    free_counters: [u8; 20],
    /// A subscriber's line, which only it writes: the lowest position that it still needs.
    pub(crate) cursor: AtomicU64,
    /// One of the `SUBSCRIPTION_` values.
    pub(crate) subscription: AtomicU32,
    free_end: [u8; 52],
}

assert_layout!(HandleRecord, size 256, align 128, {
    state @ 0, process @ 8, role @ 12, process_generation @ 16, channel_id @ 24, thread @ 28, channel_generation @ 32,
    opened_ns @ 40, waiting_since_ns @ 48, free @ 56, cells @ 64, messages @ 128, bytes @ 136,
    in_vain @ 144, highest_fill @ 152, last_error_ns @ 160, last_error @ 168, free_counters @ 172,
    cursor @ 192, subscription @ 200, free_end @ 204,
});

pub(crate) const ROLE_PRODUCER: u32 = 1;
pub(crate) const ROLE_CONSUMER: u32 = 2;

/// Producers and consumers of queues.
pub(crate) const SUBSCRIPTION_NONE: u32 = 0;
/// Holds producers back until it has seen everything.
pub(crate) const SUBSCRIPTION_RELIABLE: u32 = 1;
/// Is overrun, and counts what it missed. So are readers of latest values.
pub(crate) const SUBSCRIPTION_LOSSY: u32 = 2;

/// A channel, beyond what v1 says of it.
#[repr(C, align(128))]
pub(crate) struct ChannelRecord {
    /// Differs between any two channels the region ever had.
    pub(crate) generation: AtomicU64,
    /// One of the `CHANNEL_` states.
    pub(crate) state: AtomicU32,
    /// 0 queue, 1 broadcast, 2 latest.
    pub(crate) mode: AtomicU32,
    /// `CHANNEL_FLAG_` bits.
    pub(crate) flags: AtomicU32,
    pub(crate) payload_capacity: AtomicU32,
    pub(crate) slot_stride: AtomicU32,
    /// Size of the message type; 0 on untyped channels.
    pub(crate) message_size: AtomicU32,
    pub(crate) capacity: AtomicU64,
    pub(crate) ring_offset: AtomicU64,
    /// Bytes from `ring_offset` that belong to the channel: the slots, then its schema.
    pub(crate) ring_len: AtomicU64,
    pub(crate) schema_offset: AtomicU64,
    pub(crate) schema_len: AtomicU32,
    /// CRC-32 of the stored schema.
    pub(crate) schema_checksum: AtomicU32,
    pub(crate) layout_fingerprint: AtomicU64,
    pub(crate) schema_fingerprint: AtomicU64,
    pub(crate) created_ns: AtomicU64,
    pub(crate) creator_pid: AtomicU32,
    /// Times a message is delivered again at most.
    pub(crate) redelivery_limit: AtomicU32,
    /// Messages taken off the channel without a consumer having had them to the end: returned too often, or dropped because
    /// that is the channel's policy.
    pub(crate) dropped: AtomicU64,
    /// Generation and id of the channel for what is returned too often, if the flags say that there is one.
    pub(crate) dead_letters_generation: AtomicU64,
    pub(crate) dead_letters_id: AtomicU32,
    free_end: [u8; 4],
    /// UTF-8, filled with NUL; all NUL when the channel has no name.
    pub(crate) name: [AtomicU8; MAX_NAME],
    // From here to `recovered`, and `dropped` above, counters: relaxed, nothing is read through them. `dropped` and `dead_lettered`
    // are counted before the release that frees the slot, so that none is missed when the process dies in between.
    /// Claims that were given up and stepped over, in positions.
    pub(crate) aborted: AtomicU64,
    /// Deliveries of messages that had been delivered before.
    pub(crate) redelivered: AtomicU64,
    /// Messages moved to the channel for dead letters.
    pub(crate) dead_lettered: AtomicU64,
    /// Handles that died and were swept.
    pub(crate) recovered: AtomicU64,
    /// The position at the head that consumers were last seen to wait for, and since when (CLOCK_MONOTONIC). For info only.
    pub(crate) blocked_head: AtomicU64,
    pub(crate) blocked_head_ns: AtomicU64,
    /// The same at the tail, for producers.
    pub(crate) blocked_tail: AtomicU64,
    pub(crate) blocked_tail_ns: AtomicU64,
    /// The word of [`crate::wait::Event`] for consumers; alone in its 128 bytes, read by every publish.
    pub(crate) data_waiters: AtomicU32,
    free_data: [u8; 4],
    /// Age in nanoseconds beyond which a message is not delivered, if the flags say that messages expire; else 0.
    pub(crate) expiry_ns: AtomicU64,
    /// A counter as those above: messages that expired before a consumer had them.
    pub(crate) expired: AtomicU64,
    /// Generation and id of the other ring of a channel with priorities, if the flags say that this is one of them.
    pub(crate) partner_generation: AtomicU64,
    pub(crate) partner_id: AtomicU32,
    /// Not 0: handles of dead processes are here, and nobody is known to sweep them. Set by the process that finds them, taken back by
    /// the one that begins to sweep. A hint: each process that asks which processes are dead sets it anew.
    pub(crate) bereaved: AtomicU32,
    free_partner: [u8; 24],
    /// Of broadcast channels, as the two after it: positions below it may be written. Only grows.
    pub(crate) verified: AtomicU64,
    /// What somebody was about to verify at most. Only grows, and comes before `verified`.
    pub(crate) announced: AtomicU64,
    /// Counts the reliable subscribers that came, so that a producer that knows them need not look for new ones.
    pub(crate) joins: AtomicU32,
    /// Counts the producers that came, by two each: odd while one is being entered. Written under the management lock, as the next two.
    pub(crate) arrivals: AtomicU32,
    /// Where the newest stream begins: the position of the tail when a producer came to a channel that had none.
    pub(crate) stream_start: AtomicU64,
    /// Counts the streams.
    pub(crate) streams: AtomicU32,
    free_limits: [u8; 28],
    /// Futex word bumped when slots become free and somebody waits.
    pub(crate) space_signal: AtomicU32,
    /// The word of [`crate::wait::Event`] for producers; read by every release.
    pub(crate) space_waiters: AtomicU32,
    free_space: [u8; 56],
    // Totals of the handles that have ended and whose records were taken again. Written under the management lock, relaxed.
    /// Messages published.
    pub(crate) sent: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    /// Messages released by consumers.
    pub(crate) received: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    /// Calls of producers that found no room.
    pub(crate) refused: AtomicU64,
    /// Calls of consumers that found no message.
    pub(crate) empty: AtomicU64,
    /// As in handle records.
    pub(crate) last_error_ns: AtomicU64,
    pub(crate) last_error: AtomicU32,
    /// The most slots that were seen occupied, at most 2^32 - 1.
    pub(crate) highest_fill: AtomicU32,
}

assert_layout!(ChannelRecord, size 512, align 128, {
    generation @ 0, state @ 8, mode @ 12, flags @ 16, payload_capacity @ 20, slot_stride @ 24, message_size @ 28,
    capacity @ 32, ring_offset @ 40, ring_len @ 48, schema_offset @ 56, schema_len @ 64, schema_checksum @ 68,
    layout_fingerprint @ 72, schema_fingerprint @ 80, created_ns @ 88, creator_pid @ 96,
    redelivery_limit @ 100, dropped @ 104, dead_letters_generation @ 112, dead_letters_id @ 120, free_end @ 124, name @ 128,
    aborted @ 192, redelivered @ 200, dead_lettered @ 208, recovered @ 216, blocked_head @ 224, blocked_head_ns @ 232,
    blocked_tail @ 240, blocked_tail_ns @ 248, data_waiters @ 256, free_data @ 260, expiry_ns @ 264, expired @ 272,
    partner_generation @ 280, partner_id @ 288, bereaved @ 292, free_partner @ 296,
    verified @ 320, announced @ 328, joins @ 336, arrivals @ 340, stream_start @ 344, streams @ 352, free_limits @ 356, space_signal @ 384, space_waiters @ 388, free_space @ 392,
    sent @ 448, sent_bytes @ 456, received @ 464, received_bytes @ 472, refused @ 480, empty @ 488, last_error_ns @ 496,
    last_error @ 504, highest_fill @ 508,
});

/// No channel; the record may be taken.
pub(crate) const CHANNEL_FREE: u32 = 0;
/// Being written; a record found so belongs to a creator that died.
pub(crate) const CHANNEL_CREATING: u32 = 1;
/// In use.
pub(crate) const CHANNEL_LIVE: u32 = 2;
/// Removed by force: the name is gone, the space and the id follow with the last handle.
pub(crate) const CHANNEL_REMOVED: u32 = 3;
/// Gone; its memory is being given back, and nobody looks at it. A record found so belongs to a process that died at it.
pub(crate) const CHANNEL_FREEING: u32 = 4;
/// A process makes a large ring here without the lock: name, place and maker (`announced` its index, `verified` its record's state) are
/// there, and `created_ns` changes while it goes on.
pub(crate) const CHANNEL_MAKING: u32 = 5;

/// Programs that know only v1 read or write here too.
pub(crate) const CHANNEL_FLAG_V1_PEERS: u32 = 1;
/// Each message carries a CRC-32 of its payload.
pub(crate) const CHANNEL_FLAG_CHECKSUMS: u32 = 2;
/// Messages of dead consumers are dropped and not delivered again.
pub(crate) const CHANNEL_FLAG_DROP: u32 = 4;
/// There is a channel for what is returned too often.
pub(crate) const CHANNEL_FLAG_DEAD_LETTERS: u32 = 8;
/// Messages expire.
pub(crate) const CHANNEL_FLAG_EXPIRY: u32 = 16;
/// There is another ring for urgent messages, which is read first; here lie the others, and here consumers wait.
pub(crate) const CHANNEL_FLAG_PRIORITIES: u32 = 32;
/// The ring for the urgent messages of another channel.
pub(crate) const CHANNEL_FLAG_HIGH: u32 = 64;
/// A broadcast or latest channel that has one producer at a time.
pub(crate) const CHANNEL_FLAG_SINGLE_PRODUCER: u32 = 256;
/// A broadcast channel whose subscribers are all reliable.
pub(crate) const CHANNEL_FLAG_NO_LOSSY: u32 = 512;
/// Slots that hold the message and nothing else, of a broadcast channel that has one producer at a time.
pub(crate) const CHANNEL_FLAG_PACKED: u32 = 1_024;
/// Messages bear no time.
pub(crate) const CHANNEL_FLAG_NO_TIMESTAMPS: u32 = 2_048;
/// Compact slots whose payloads begin at [`SHORT_PAYLOAD_OFFSET`](super::SHORT_PAYLOAD_OFFSET): there is no place for the time by which
/// messages expire.
pub(crate) const CHANNEL_FLAG_SHORT_HEADS: u32 = 4_096;
/// Bits of `ChannelRecord::flags` that mean something.
pub(crate) const CHANNEL_FLAGS: u32 = CHANNEL_FLAG_V1_PEERS
    | CHANNEL_FLAG_CHECKSUMS
    | CHANNEL_FLAG_DROP
    | CHANNEL_FLAG_DEAD_LETTERS
    | CHANNEL_FLAG_EXPIRY
    | CHANNEL_FLAG_SINGLE_PRODUCER
    | CHANNEL_FLAG_NO_LOSSY
    | CHANNEL_FLAG_NO_TIMESTAMPS
    | CHANNEL_FLAG_PRIORITIES
    | CHANNEL_FLAG_HIGH
    | CHANNEL_FLAG_PACKED
    | CHANNEL_FLAG_SHORT_HEADS;
/// Channels with one of these are not for programs that know only v1, which neither write nor heed what they say.
pub(crate) const CHANNEL_FLAGS_NOT_V1: u32 = CHANNEL_FLAG_EXPIRY | CHANNEL_FLAG_PRIORITIES | CHANNEL_FLAG_HIGH;

/// Queue delivery in `ChannelRecord::mode`.
pub(crate) const MODE_QUEUE: u32 = 0;
/// Every subscriber gets every message.
pub(crate) const MODE_BROADCAST: u32 = 1;
/// A consumer that looks gets the newest message.
pub(crate) const MODE_LATEST: u32 = 2;

/// The slots of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotShape {
    /// Bytes from one to the next: a multiple of 64, but for packed slots.
    pub(crate) stride: u32,
    /// Bytes of payload that one holds.
    pub(crate) payload_capacity: u32,
}

impl SlotShape {
    /// Those of the published format.
    pub(crate) const V1: Self = Self {
        stride: SLOT_STRIDE,
        payload_capacity: INLINE_PAYLOAD,
    };

    /// The smallest for payloads of that many bytes, which begin at `payload_offset`; `None` where there are no slots for that many.
    /// The stride is never that of v1, so that it tells which kind of slots a channel has.
    pub(crate) const fn compact(payload_capacity: u32, payload_offset: usize) -> Option<Self> {
        if payload_capacity == 0 || payload_capacity > INLINE_PAYLOAD {
            return None;
        }
        let stride = (payload_offset as u32 + payload_capacity).next_multiple_of(align_of::<Slot>() as u32);
        Some(Self {
            stride,
            payload_capacity,
        })
    }

    /// Those that hold a message of that many bytes and nothing else; `None` where there are no messages of so many.
    pub(crate) const fn packed(size: u32) -> Option<Self> {
        if size == 0 || size > INLINE_PAYLOAD {
            return None;
        }
        Some(Self {
            stride: size,
            payload_capacity: size,
        })
    }

    pub(crate) fn is_compact(self) -> bool {
        self.stride != SLOT_STRIDE && !self.is_packed()
    }

    /// No other slots are as large as their payload.
    pub(crate) fn is_packed(self) -> bool {
        self.stride == self.payload_capacity
    }

    /// Bytes of that many slots. No channel has more than 2^32.
    pub(crate) fn bytes(self, count: u64) -> u64 {
        count * u64::from(self.stride)
    }
}

/// Asserts the stride of compact slots.
macro_rules! assert_strides {
    ($($payload:expr, $offset:expr => $stride:literal;)+) => {$(
        const _: () = assert!(matches!(SlotShape::compact($payload, $offset), Some(SlotShape { stride: $stride, .. })));
    )+};
}

assert_strides! {
    1, SHORT_PAYLOAD_OFFSET => 64;
    16, SHORT_PAYLOAD_OFFSET => 64;
    17, SHORT_PAYLOAD_OFFSET => 128;
    INLINE_PAYLOAD, SHORT_PAYLOAD_OFFSET => 1_024;
    1, PAYLOAD_OFFSET => 128;
    64, PAYLOAD_OFFSET => 128;
    65, PAYLOAD_OFFSET => 192;
    INLINE_PAYLOAD, PAYLOAD_OFFSET => 1_024;
}

/// Where the parts of a control area with these tables lie, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlPlan {
    pub(crate) processes: u32,
    pub(crate) handles: u32,
    pub(crate) user_locks: u64,
    pub(crate) channels: u64,
    pub(crate) process_table: u64,
    pub(crate) handle_table: u64,
    /// Bytes in all, a multiple of [`PAGE`].
    pub(crate) size: u64,
}

impl ControlPlan {
    pub(crate) const fn new(processes: u32, handles: u32) -> Self {
        let user_locks = size_of::<ControlHeader>() as u64;
        let channels = user_locks + USER_LOCKS * USER_LOCK_SIZE;
        let process_table = channels + MAX_CHANNELS as u64 * size_of::<ChannelRecord>() as u64;
        let handle_table = process_table + processes.next_multiple_of(2) as u64 * size_of::<ProcessRecord>() as u64;
        let end = handle_table + handles as u64 * size_of::<HandleRecord>() as u64;
        Self {
            processes,
            handles,
            user_locks,
            channels,
            process_table,
            handle_table,
            size: end.next_multiple_of(PAGE),
        }
    }
}

// The numbers the documents state for the default tables.
const _: () = assert!(ControlPlan::new(DEFAULT_PROCESSES, DEFAULT_HANDLES).size == 413_696);

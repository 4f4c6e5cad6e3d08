//! What was sent and received, refused and lost, by channel and by handle.

use crate::argument;
use crate::channel::{dmxp_subscription, name_field};
use crate::recovery::state_of;
use crate::region::dmxp_region;
use crate::status::{answer, dmxp_status};
use dmxp::{ChannelStatistics, ErrorKind, HandleRole, HandleStatistics, LastError, Subscription};
use std::ffi::c_char;

/// Which end of a channel a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_role {
    /// It sends.
    DMXP_ROLE_PRODUCER = 1,
    /// It receives.
    DMXP_ROLE_CONSUMER = 2,
}

/// What happened on a channel since it was made, by all handles it ever had.
///
/// Numbers are read one by one while others count: each is right by itself, and when nobody sends or receives they are exact,
/// but that a process which is killed in the middle of a call may have published or released messages and not counted them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_channel_statistics {
    /// sizeof(dmxp_channel_statistics), set by the program.
    pub struct_size: usize,
    /// Slots.
    pub capacity: u64,
    /// Messages waiting now, among them those claimed and not yet published.
    pub fill: u64,
    /// The most slots that were seen occupied. A producer of a queue looks with every 64th message it sends and each time it
    /// finds no room; what is there now counts too. A peak between two looks may have been higher, by up to 64 messages (or one
    /// batch) of each producer.
    pub highest_fill: u64,
    /// Messages published.
    pub sent: u64,
    /// Bytes of payload in them.
    pub sent_bytes: u64,
    /// Messages that a consumer took off the channel, or let go of on a broadcast or latest channel: counted when the message is
    /// released, once for each subscriber that had it.
    pub received: u64,
    /// Bytes of payload in them.
    pub received_bytes: u64,
    /// Calls that found no room, or timed out waiting for it. Calls from Python that wait count if their first attempt found none,
    /// also when they got it in the end.
    pub refused: u64,
    /// Calls that found no message, counted as `refused`.
    pub empty: u64,
    /// Positions that producers gave up or died with.
    pub aborted: u64,
    /// Deliveries of messages that had been delivered before.
    pub redelivered: u64,
    /// Messages that no consumer had to the end; see dmxp_channel_info.
    pub dropped: u64,
    /// Messages moved to the channel for dead letters.
    pub dead_lettered: u64,
    /// Messages that expired before a consumer had them.
    pub expired: u64,
    /// Handles that died and were swept.
    pub recovered: u64,
    /// When the last error was, nanoseconds since the Unix epoch; 0 if there was none.
    pub last_error_ns: u64,
    /// The last error that a call of any handle gave, in any language, other than full, empty and timed out: a dmxp_status,
    /// DMXP_OK if there was none, DMXP_OTHER for those that are not told apart.
    pub last_error: i32,
    /// The channel's number, 0 to 255.
    pub id: u32,
    /// Handles that are open now, and dead ones not yet swept.
    pub handles: u32,
    /// Zeros.
    pub reserved: [u8; 44],
    /// The channel's name, NUL-terminated; empty if it has none.
    pub name: [c_char; 72],
}

/// What one open handle did.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_handle_statistics {
    /// sizeof(dmxp_handle_statistics), set by the program.
    pub struct_size: usize,
    /// Messages sent, or received.
    pub messages: u64,
    /// Bytes of payload in them.
    pub bytes: u64,
    /// Calls that found no room, or no message.
    pub in_vain: u64,
    /// The most slots that this producer saw occupied; 0 of consumers.
    pub highest_fill: u64,
    /// When the last error of its calls was, nanoseconds since the Unix epoch; 0 if there was none.
    pub last_error_ns: u64,
    /// When the handle was opened, nanoseconds since the Unix epoch.
    pub opened_ns: u64,
    /// The position from which on a reliable subscriber needs messages; 0 of others.
    pub position: u64,
    /// The last error of its calls, other than full, empty and timed out: a dmxp_status, DMXP_OK if there was none.
    pub last_error: i32,
    /// Which end it is, a dmxp_role; 0 for what a later version may add.
    pub role: u32,
    /// Its process.
    pub pid: u32,
    /// The thread that opened it.
    pub thread: u32,
    /// Whether the process runs, a dmxp_holder_state.
    pub state: u32,
    /// How a consumer of a broadcast channel subscribes, a dmxp_subscription; 0 of others.
    pub subscription: u32,
    /// Zeros.
    pub reserved: [u8; 16],
}

/// Which error, and when.
fn error_fields(error: Option<LastError>) -> (i32, u64) {
    let Some(error) = error else {
        return (dmxp_status::DMXP_OK as i32, 0);
    };
    let status = match error.kind {
        ErrorKind::PayloadTooLarge => dmxp_status::DMXP_PAYLOAD_TOO_LARGE,
        ErrorKind::BatchTooLarge => dmxp_status::DMXP_BATCH_TOO_LARGE,
        ErrorKind::InvalidArgument => dmxp_status::DMXP_INVALID_ARGUMENT,
        ErrorKind::Closed => dmxp_status::DMXP_CLOSED,
        ErrorKind::NoProducers => dmxp_status::DMXP_NO_PRODUCERS,
        ErrorKind::Removed => dmxp_status::DMXP_REMOVED,
        ErrorKind::WouldDeadlock => dmxp_status::DMXP_WOULD_DEADLOCK,
        ErrorKind::TooManyClaims => dmxp_status::DMXP_TOO_MANY_CLAIMS,
        ErrorKind::InvalidMessage => dmxp_status::DMXP_INVALID_MESSAGE,
        ErrorKind::ChecksumMismatch => dmxp_status::DMXP_CHECKSUM_MISMATCH,
        _ => dmxp_status::DMXP_OTHER,
    };
    (status as i32, error.at_ns)
}

fn of_channel(statistics: &ChannelStatistics) -> dmxp_channel_statistics {
    let (last_error, last_error_ns) = error_fields(statistics.last_error);
    dmxp_channel_statistics {
        struct_size: size_of::<dmxp_channel_statistics>(),
        capacity: statistics.capacity,
        fill: statistics.fill,
        highest_fill: statistics.highest_fill,
        sent: statistics.sent,
        sent_bytes: statistics.sent_bytes,
        received: statistics.received,
        received_bytes: statistics.received_bytes,
        refused: statistics.refused,
        empty: statistics.empty,
        aborted: statistics.aborted,
        redelivered: statistics.redelivered,
        dropped: statistics.dropped,
        dead_lettered: statistics.dead_lettered,
        expired: statistics.expired,
        recovered: statistics.recovered,
        last_error_ns,
        last_error,
        id: statistics.id,
        handles: statistics.handles.len() as u32,
        reserved: [0; 44],
        name: name_field(statistics.name.as_deref()),
    }
}

fn of_handle(handle: &HandleStatistics) -> dmxp_handle_statistics {
    let (last_error, last_error_ns) = error_fields(handle.last_error);
    let holder = &handle.holder;
    dmxp_handle_statistics {
        struct_size: size_of::<dmxp_handle_statistics>(),
        messages: handle.messages,
        bytes: handle.bytes,
        in_vain: handle.in_vain,
        highest_fill: handle.highest_fill,
        last_error_ns,
        opened_ns: holder.opened_ns,
        position: holder.position.unwrap_or(0),
        last_error,
        role: match handle.role {
            HandleRole::Producer => dmxp_role::DMXP_ROLE_PRODUCER as u32,
            HandleRole::Consumer => dmxp_role::DMXP_ROLE_CONSUMER as u32,
            // What a later version may add.
            _ => 0,
        },
        pid: holder.pid,
        thread: holder.thread,
        state: state_of(holder) as u32,
        subscription: match holder.subscription {
            None => 0,
            Some(Subscription::Reliable) => dmxp_subscription::DMXP_RELIABLE as u32,
            Some(Subscription::Lossy) => dmxp_subscription::DMXP_LOSSY as u32,
        },
        reserved: [0; 16],
    }
}

/// Lists what happened on each channel, by id: writes the first `max` to `statistics` and how many there are in all to `count`.
/// 256 places are always enough; `statistics` may be NULL if `max` is 0. Always counted, and read without stopping anybody; works
/// on a region opened read-only.
///
/// # Safety
/// `region` is NULL or an open region; `statistics` points to places for `max` results, of which the first
/// begins with the size of each, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_list_statistics(
    region: *const dmxp_region,
    statistics: *mut dmxp_channel_statistics,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let found = region.statistics()?;
        // SAFETY: the caller's promise.
        unsafe { argument::put_all_growing(found.iter().map(of_channel), statistics, max, count, "statistics") }
    })
}

/// What happened on the channel with an id, 0 to 255, and what each handle did that is open now: writes the first `max` of these to
/// `handles`; how many there are in all is in `out`. `handles` may be NULL if `max` is 0. Works on a region opened read-only. Answers
/// DMXP_CHANNEL_NOT_FOUND if there is no such channel.
///
/// # Safety
/// `region` is NULL or an open region; `out` points to a place for the result, which begins with its size, `handles` to places for
/// `max` results, of which the first begins with the size of each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_get_statistics(
    region: *const dmxp_region,
    id: u32,
    out: *mut dmxp_channel_statistics,
    handles: *mut dmxp_handle_statistics,
    max: usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let found = region.channel_statistics(id)?;
        // SAFETY: the caller's promise.
        unsafe { argument::put_all_growing(found.handles.iter().map(of_handle), handles, max, &mut 0, "handles") }?;
        out.put(of_channel(&found));
        Ok(())
    })
}

argument::growing!(dmxp_channel_statistics, dmxp_handle_statistics);
const _: () = assert!(size_of::<dmxp_channel_statistics>() == 264);
const _: () = assert!(size_of::<dmxp_handle_statistics>() == 104);

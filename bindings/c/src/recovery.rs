//! What the dead left, and who waits for whom.

use crate::argument;
use crate::channel::name_field;
use crate::handle;
use crate::region::dmxp_region;
use crate::status::{Failure, Result, answer};
use dmxp::{Blockage, Blocked, HolderInfo, HolderState, Obstacle, RecoverOptions, Recovery};
use std::ffi::{CString, c_char};
use std::ptr;

/// A bit of `flags` in dmxp_metadata: the message was returned too often on the channel that `channel_id` names, and moved to
/// this one. All else in the metadata is as its sender wrote it.
pub const DMXP_FLAG_DEAD_LETTER: u16 = 4;

/// A bit of `flags` in dmxp_metadata: the message was sent as urgent, on a channel with priorities. `channel_id` and `message_id` are
/// those of the ring for urgent messages.
pub const DMXP_FLAG_HIGH: u16 = 8;

/// How to recover. Begin with DMXP_RECOVER_OPTIONS_INIT, or with `struct_size` alone: that repairs what dead processes left, and
/// nothing else.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_recover_options {
    /// sizeof(dmxp_recover_options).
    pub struct_size: usize,
    /// Not 0: only look, and report what would be done.
    pub dry_run: u8,
    /// Not 0: also repair positions that are claimed and that no handle explains, which programs left that know only the v1
    /// format. Nobody can tell whether such a program is dead: whoever forces says that none of them is running.
    pub force: u8,
    /// Zeros.
    pub reserved: [u8; 6],
}

/// What a recovery found and did, or would do.
#[derive(Debug)]
pub struct dmxp_recovery {
    recovery: Recovery,
    text: CString,
}

handle::handle!(dmxp_recovery, 5, "dmxp_region_recover");

/// A recovery in numbers; those of messages and handles are sums over all channels.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dmxp_recovery_info {
    /// sizeof(dmxp_recovery_info), set by the program.
    pub struct_size: usize,
    /// Claimed and never published positions; consumers step over them.
    pub aborted: u64,
    /// Messages that will be delivered again, flagged.
    pub returned: u64,
    /// Messages dropped: returned too often, or because that is the channel's policy.
    pub dropped: u64,
    /// Processes that died attached.
    pub dead_processes: u32,
    /// Producers that died.
    pub dead_producers: u32,
    /// Consumers that died.
    pub dead_consumers: u32,
    /// Dead handles that cannot be dealt with yet, since a living process is in the middle of a claim on the same position. Try
    /// again; dmxp_region_list_blockages names it if it is stopped.
    pub deferred: u32,
    /// Channels on which something was found.
    pub channels: u32,
    /// Channels removed by force whose last handle was a dead one's: gone now.
    pub removed_channels: u32,
    /// Channels that could not be looked at; the text says why.
    pub damaged_channels: u32,
    /// 1: nothing was found.
    pub clean: u8,
    /// 1: nothing was done.
    pub dry_run: u8,
    /// 1: somebody had died while changing the tables; they were repaired.
    pub tables_repaired: u8,
    /// Zeros.
    pub reserved: [u8; 9],
}

/// What a recovery found on one channel.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_channel_recovery {
    /// sizeof(dmxp_channel_recovery), set by the program.
    pub struct_size: usize,
    /// Claimed and never published positions; consumers step over them.
    pub aborted: u64,
    /// Messages that will be delivered again, flagged.
    pub returned: u64,
    /// Messages dropped: returned too often, or because that is the channel's policy.
    pub dropped: u64,
    /// The channel's number.
    pub id: u32,
    /// Producers that died.
    pub dead_producers: u32,
    /// Consumers that died.
    pub dead_consumers: u32,
    /// Dead handles that cannot be dealt with yet.
    pub deferred: u32,
    /// The channel's name, NUL-terminated; empty if it has none.
    pub name: [c_char; 72],
}

/// Which end of a channel cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_blocked {
    /// Consumers: the message that comes next was claimed and is not published.
    DMXP_BLOCKED_CONSUMERS = 1,
    /// Producers: the slot that comes next is occupied.
    DMXP_BLOCKED_PRODUCERS = 2,
}

/// Why a position cannot be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_obstacle {
    /// For another reason, which dmxp_region_describe_blockages says.
    DMXP_OBSTACLE_OTHER = 0,
    /// A producer has claimed it and writes.
    DMXP_OBSTACLE_WRITING = 1,
    /// A consumer has claimed it and reads.
    DMXP_OBSTACLE_READING = 2,
    /// A message is there that no consumer has claimed: the channel is full.
    DMXP_OBSTACLE_UNREAD = 3,
    /// A message was returned and waits to be taken again.
    DMXP_OBSTACLE_RETURNED = 4,
    /// It was claimed, and no handle says that it did: a program that knows only v1, alive or not.
    DMXP_OBSTACLE_UNEXPLAINED = 5,
    /// A reliable subscriber of a broadcast channel has not come to it yet, or holds it. It is the slowest, and `holder_state` says
    /// whether it is stopped.
    DMXP_OBSTACLE_SUBSCRIBER = 6,
}

/// Whether a process that holds something runs, as far as this one can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_holder_state {
    /// Nobody holds it.
    DMXP_HOLDER_NONE = 0,
    /// It is there.
    DMXP_HOLDER_RUNNING = 1,
    /// It is stopped (SIGSTOP, a debugger): alive, and waited for.
    DMXP_HOLDER_STOPPED = 2,
    /// It is dead, and what it left is not yet repaired.
    DMXP_HOLDER_DEAD = 3,
    /// Its pid does not say: another PID namespace, or no /proc.
    DMXP_HOLDER_UNKNOWN = 4,
}

/// A position that others cannot get past, and who could change that.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_blockage {
    /// sizeof(dmxp_blockage), set by the program.
    pub struct_size: usize,
    /// The position: the id of the message there, or to be there, less one.
    pub position: u64,
    /// Nanoseconds that it has been in the way, as far as those who wait have noticed, who look every 40 ms. 0 while nobody has
    /// waited for as long as that.
    pub age_ns: u64,
    /// The channel.
    pub channel_id: u32,
    /// Who is kept from going on, a dmxp_blocked.
    pub blocked: u32,
    /// What is the matter with the position, a dmxp_obstacle.
    pub obstacle: u32,
    /// Process that holds the position, 0 if none is known.
    pub holder_pid: u32,
    /// The thread that opened the handle which holds it, 0 if none is known.
    pub holder_thread: u32,
    /// Whether the holder runs, a dmxp_holder_state.
    pub holder_state: u32,
    /// How many handles wait, and have slept for 40 ms at least.
    pub waiters: u32,
    /// The processes of the first of them; zeros after the last.
    pub waiter_pids: [u32; 7],
    /// The channel's name, NUL-terminated; empty if it has none.
    pub name: [c_char; 72],
}

/// What C is told of whether a process runs.
pub(crate) fn state_of(holder: &HolderInfo) -> dmxp_holder_state {
    match holder.state {
        HolderState::Running => dmxp_holder_state::DMXP_HOLDER_RUNNING,
        HolderState::Stopped => dmxp_holder_state::DMXP_HOLDER_STOPPED,
        HolderState::Dead => dmxp_holder_state::DMXP_HOLDER_DEAD,
        // What a later version may add.
        _ => dmxp_holder_state::DMXP_HOLDER_UNKNOWN,
    }
}

fn blockage(found: &Blockage) -> dmxp_blockage {
    let mut waiter_pids = [0; 7];
    for (place, waiting) in waiter_pids.iter_mut().zip(&found.waiters) {
        *place = waiting.who.pid;
    }
    let holder = found.holder.as_ref();
    dmxp_blockage {
        struct_size: size_of::<dmxp_blockage>(),
        position: found.position,
        age_ns: found.age.map_or(0, |age| age.as_nanos() as u64),
        channel_id: found.channel,
        blocked: match found.blocked {
            Blocked::Consumers => dmxp_blocked::DMXP_BLOCKED_CONSUMERS,
            Blocked::Producers => dmxp_blocked::DMXP_BLOCKED_PRODUCERS,
        } as u32,
        obstacle: match found.obstacle {
            Obstacle::Writing => dmxp_obstacle::DMXP_OBSTACLE_WRITING,
            Obstacle::Reading => dmxp_obstacle::DMXP_OBSTACLE_READING,
            Obstacle::Unread => dmxp_obstacle::DMXP_OBSTACLE_UNREAD,
            Obstacle::Returned => dmxp_obstacle::DMXP_OBSTACLE_RETURNED,
            Obstacle::Unexplained => dmxp_obstacle::DMXP_OBSTACLE_UNEXPLAINED,
            Obstacle::Subscriber => dmxp_obstacle::DMXP_OBSTACLE_SUBSCRIBER,
            _ => dmxp_obstacle::DMXP_OBSTACLE_OTHER,
        } as u32,
        holder_pid: holder.map_or(0, |holder| holder.pid),
        holder_thread: holder.map_or(0, |holder| holder.thread),
        holder_state: holder.map_or(dmxp_holder_state::DMXP_HOLDER_NONE, state_of) as u32,
        waiters: found.waiters.len() as u32,
        waiter_pids,
        name: name_field(found.name.as_deref()),
    }
}

/// # Safety
/// `options` is NULL or points to options.
unsafe fn read(options: *const dmxp_recover_options) -> Result<RecoverOptions> {
    if options.is_null() {
        return Ok(RecoverOptions::new());
    }
    // SAFETY: the caller's promise.
    let options = unsafe { argument::given(options, "options") }?;
    if options.reserved != [0; 6] {
        return Err(Failure::invalid(
            "dmxp_recover_options.reserved is not zero; begin with DMXP_RECOVER_OPTIONS_INIT",
        ));
    }
    Ok(RecoverOptions::new()
        .dry_run(options.dry_run != 0)
        .force(options.force != 0))
}

/// Repairs at once, for the whole region, what dead processes left, and says what it found. Processes that wait do the same for
/// their channel, within 100 ms; this is for those who want to know, or to see a region clean, and the only way to repair what
/// programs left that know only v1 (`force`). `options` may be NULL. The report in `out` is given back with
/// dmxp_recovery_destroy.
///
/// Answers, among others, DMXP_READ_ONLY, and DMXP_MANAGEMENT_LOCK_BUSY after ten seconds.
///
/// # Safety
/// `region` is NULL or an open region; `options` is NULL or points to options; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_recover(
    region: *const dmxp_region,
    options: *const dmxp_recover_options,
    out: *mut *mut dmxp_recovery,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        // SAFETY: the caller's promise.
        let recovery = region.recover(unsafe { read(options) }?)?;
        let text = CString::new(recovery.to_string()).unwrap_or_default();
        *out = handle::give(dmxp_recovery { recovery, text })?;
        Ok(())
    })
}

/// The report in words, a line for each process and channel; NULL if `recovery` is NULL. Valid until the report is given back.
///
/// # Safety
/// `recovery` is NULL or a report.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_recovery_text(recovery: *const dmxp_recovery) -> *const c_char {
    handle::find(recovery, "recovery").map_or(ptr::null(), |recovery| recovery.text.as_ptr())
}

/// The report in numbers.
///
/// # Safety
/// `recovery` is NULL or a report; `out` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_recovery_get_info(recovery: *const dmxp_recovery, out: *mut dmxp_recovery_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let recovery = &unsafe { argument::referred(recovery, "recovery") }?.recovery;
        let channels = &recovery.channels;
        out.put(dmxp_recovery_info {
            struct_size: size_of::<dmxp_recovery_info>(),
            aborted: channels.iter().map(|channel| channel.aborted).sum(),
            returned: channels.iter().map(|channel| channel.returned).sum(),
            dropped: channels.iter().map(|channel| channel.dropped).sum(),
            dead_processes: recovery.dead_processes.len() as u32,
            dead_producers: channels.iter().map(|channel| channel.dead_producers).sum(),
            dead_consumers: channels.iter().map(|channel| channel.dead_consumers).sum(),
            deferred: channels.iter().map(|channel| channel.deferred).sum(),
            channels: channels.len() as u32,
            removed_channels: recovery.removed_channels.len() as u32,
            damaged_channels: recovery.damaged.len() as u32,
            clean: recovery.is_clean().into(),
            dry_run: recovery.dry_run.into(),
            tables_repaired: recovery.tables_repaired.into(),
            reserved: [0; 9],
        });
        Ok(())
    })
}

/// Lists the processes that died attached: writes the first `max` pids, each of its own PID namespace, to `pids` and how many
/// there are in all to `count`. `pids` may be NULL if `max` is 0.
///
/// # Safety
/// `recovery` is NULL or a report; `pids` points to places for `max` results, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_recovery_list_processes(
    recovery: *const dmxp_recovery,
    pids: *mut u32,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let recovery = &unsafe { argument::referred(recovery, "recovery") }?.recovery;
        let dead = recovery.dead_processes.iter().copied();
        // SAFETY: the caller's promise.
        unsafe { argument::put_all(dead, pids, max, count, "pids") }
    })
}

/// Lists the channels on which something was found: writes the first `max` to `channels` and how many there are in all to
/// `count`. 256 places are always enough; `channels` may be NULL if `max` is 0.
///
/// # Safety
/// `recovery` is NULL or a report; `channels` points to places for `max` results, of which the first
/// begins with the size of each, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_recovery_list_channels(
    recovery: *const dmxp_recovery,
    channels: *mut dmxp_channel_recovery,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let recovery = &unsafe { argument::referred(recovery, "recovery") }?.recovery;
        let found = recovery.channels.iter().map(|channel| dmxp_channel_recovery {
            struct_size: size_of::<dmxp_channel_recovery>(),
            aborted: channel.aborted,
            returned: channel.returned,
            dropped: channel.dropped,
            id: channel.id,
            dead_producers: channel.dead_producers,
            dead_consumers: channel.dead_consumers,
            deferred: channel.deferred,
            name: name_field(channel.name.as_deref()),
        });
        // SAFETY: the caller's promise.
        unsafe { argument::put_all_growing(found, channels, max, count, "channels") }
    })
}

/// Gives a report back; NULL is allowed.
///
/// # Safety
/// `recovery` is NULL, or came from dmxp_region_recover and was not given back before; nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_recovery_destroy(recovery: *mut dmxp_recovery) -> i32 {
    answer(|| {
        drop(handle::take(recovery, "recovery")?);
        Ok(())
    })
}

/// Lists who waits for whom, on every channel, at this moment: the positions that keep producers or consumers from going on,
/// who holds them, and who waits. Writes the first `max` to `blockages` and how many there are in all to `count`. 512 places are
/// always enough; `blockages` may be NULL if `max` is 0. Only looks, and works on a region opened read-only.
///
/// # Safety
/// `region` is NULL or an open region; `blockages` points to places for `max` results, of which the first
/// begins with the size of each, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_list_blockages(
    region: *const dmxp_region,
    blockages: *mut dmxp_blockage,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let found = region.blockages()?;
        // SAFETY: the caller's promise.
        unsafe { argument::put_all_growing(found.iter().map(blockage), blockages, max, count, "blockages") }
    })
}

/// Who waits for whom, in words, a line for each position: writes them to `text`, NUL included, and their length without the
/// NUL to `len`; empty if nobody is kept from going on. If `room` bytes are too few, answers DMXP_BUFFER_TOO_SMALL, writes only
/// `len`, and `text` may be NULL.
///
/// # Safety
/// `region` is NULL or an open region; `text` points to `room` bytes, `len` to a place for the length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_describe_blockages(
    region: *const dmxp_region,
    text: *mut c_char,
    room: usize,
    len: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let len = unsafe { argument::result(len, 0, "len") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let lines: Vec<String> = region.blockages()?.iter().map(Blockage::to_string).collect();
        // SAFETY: the caller's promise.
        unsafe { argument::put_text(lines.join("\n"), text, room, len, "the description") }
    })
}

argument::growing!(
    dmxp_recover_options,
    dmxp_recovery_info,
    dmxp_channel_recovery,
    dmxp_blockage
);
const _: () = assert!(size_of::<dmxp_recover_options>() == 16);
const _: () = assert!(size_of::<dmxp_recovery_info>() == 72);
const _: () = assert!(size_of::<dmxp_channel_recovery>() == 120);
const _: () = assert!(size_of::<dmxp_blockage>() == 152);

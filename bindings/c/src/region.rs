//! Regions, and the channels in them.

use crate::argument;
use crate::channel::{dmxp_channel_info, info};
use crate::handle;
use crate::status::{Failure, Result, answer};
use dmxp::{Region, RegionOptions, Runtime};
use std::ffi::{CString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

/// Which language's program sends; stands in the metadata of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_runtime {
    /// Rust.
    DMXP_RUNTIME_RUST = 1,
    /// Python.
    DMXP_RUNTIME_PYTHON = 2,
    /// C.
    DMXP_RUNTIME_C = 3,
    /// C++.
    DMXP_RUNTIME_CPP = 4,
    /// Go.
    DMXP_RUNTIME_GO = 5,
    /// Node.js.
    DMXP_RUNTIME_NODE = 6,
}

/// How to create or open a region. Begin with DMXP_REGION_OPTIONS_INIT, or with `struct_size` alone. All else zeros is the default
/// region: 128 MiB in /dev/shm/dmxp_alloc, or where the environment variables DMXP_DIR and DMXP_REGION say.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_region_options {
    /// sizeof(dmxp_region_options).
    pub struct_size: usize,
    /// Its file name, 1 to 200 bytes; NULL for the default.
    pub name: *const c_char,
    /// Its directory, which should be on a tmpfs; NULL for the default.
    pub dir: *const c_char,
    /// Bytes, rounded up to whole pages. A region that exists with another size answers DMXP_REGION_MISMATCH. 0 for what it has, or the
    /// default.
    pub size: u64,
    /// Processes that can be attached at once, 1 to 4,096; compared as `size`. 0 for what the region has, or 256.
    pub max_processes: u32,
    /// Producers and consumers that can be open at once, 1 to 16,384; compared as `size`. 0 for what the region has, or 1,024.
    pub max_handles: u32,
    /// A dmxp_runtime that the messages of this process name as their sender's; 0 for DMXP_RUNTIME_C. The first attachment of
    /// a process to a region decides.
    pub runtime: u32,
    /// With `accept_owner`: the user whose region may be opened.
    pub owner: u32,
    /// Not 0: opens the region also when its file belongs to the user `owner`; otherwise it must be this process's own user's, or
    /// root's. A region without a name is then received from that user as well.
    pub accept_owner: u8,
    /// Not 0: the region is shared with a group. One that is created can be read and written by the group of its file; one that is
    /// opened may belong to another user, if its file is open to a group that this process is in.
    pub group_access: u8,
    /// Not 0: dmxp_region_open_or_create makes a region anew, without what is in it, that exists with another size, other tables or no group
    /// access, if no process is attached; DMXP_REGION_IN_USE if one is.
    pub replace_if_unused: u8,
    /// Zeros.
    pub reserved: [u8; 5],
    /// The region's secret: given to it when it is created, compared whenever it is attached to, for looking too, and when it is
    /// removed without force. Zeros for none. It guards against mistakes and is no access control: whoever may open the file can
    /// read it there.
    pub secret: [u8; 16],
}

/// Numbers of a region at one moment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dmxp_region_info {
    /// sizeof(dmxp_region_info), set by the program.
    pub struct_size: usize,
    /// Bytes in all.
    pub size: u64,
    /// Bytes of the control area, part of `size`.
    pub control_size: u64,
    /// Bytes free for channels.
    pub free: u64,
    /// The longest free run: the largest channel that fits.
    pub largest_free: u64,
    /// Whether it was opened for looking only: 0 or 1.
    pub read_only: u64,
    /// Channels.
    pub channels: u32,
    /// Processes attached.
    pub processes: u32,
    /// Places for attached processes.
    pub max_processes: u32,
    /// Producers and consumers open.
    pub handles: u32,
    /// Places for producers and consumers.
    pub max_handles: u32,
    /// Zero.
    pub reserved: u32,
}

handle::handle!(
    dmxp_region,
    3,
    "a call that opens, creates, attaches to or receives a region"
);

/// A region this process is attached to.
#[derive(Debug)]
pub struct dmxp_region {
    region: Region,
    path: CString,
}

impl dmxp_region {
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }
}

/// The default region as a C program opens it.
pub(crate) fn default_options() -> RegionOptions {
    RegionOptions::new().runtime(Runtime::C)
}

/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated.
unsafe fn read(options: *const dmxp_region_options) -> Result<RegionOptions> {
    let mut read = default_options();
    if options.is_null() {
        return Ok(read);
    }
    // SAFETY: the caller's promise.
    let options = unsafe { argument::given(options, "options") }?;
    if options.reserved != [0; 5] {
        return Err(Failure::invalid(
            "dmxp_region_options.reserved is not zero; begin with DMXP_REGION_OPTIONS_INIT",
        ));
    }
    // SAFETY: the caller's promise.
    if let Some(name) = unsafe { argument::text(options.name, "options->name") }? {
        read = read.name(name);
    }
    // SAFETY: the caller's promise.
    if let Some(dir) = unsafe { argument::text(options.dir, "options->dir") }? {
        read = read.dir(dir);
    }
    if options.size != 0 {
        read = read.size(options.size);
    }
    if options.max_processes != 0 {
        read = read.max_processes(options.max_processes);
    }
    if options.max_handles != 0 {
        read = read.max_handles(options.max_handles);
    }
    if options.accept_owner != 0 {
        read = read.accept_owner(options.owner);
    }
    if options.secret != [0; 16] {
        read = read.secret(options.secret);
    }
    read = read
        .group_access(options.group_access != 0)
        .replace_if_unused(options.replace_if_unused != 0);
    Ok(read.runtime(match options.runtime {
        0 | 3 => Runtime::C,
        1 => Runtime::Rust,
        2 => Runtime::Python,
        4 => Runtime::Cpp,
        5 => Runtime::Go,
        6 => Runtime::Node,
        other => {
            return Err(Failure::invalid(format!(
                "runtime {other}: give one of dmxp_runtime, 1 to 6, or 0 for C"
            )));
        }
    }))
}

/// # Safety
/// As for [`read`], and `out` is NULL or a place for a pointer.
pub(crate) unsafe fn attach(
    options: *const dmxp_region_options,
    out: *mut *mut dmxp_region,
    open: impl FnOnce(&RegionOptions) -> Result<Region>,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
    // SAFETY: the caller's promise.
    let options = unsafe { read(options) }?;
    let region = open(&options)?;
    let path = CString::new(region.path().as_os_str().as_bytes()).unwrap_or_default();
    *out = handle::give(dmxp_region { region, path })?;
    Ok(())
}

/// Creates a region and attaches to it. `options` may be NULL for the default region. The result in `out` is given back with
/// dmxp_region_close.
///
/// Answers, among others, DMXP_REGION_EXISTS, DMXP_OUT_OF_MEMORY, DMXP_INVALID_ARGUMENT.
///
/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_create(options: *const dmxp_region_options, out: *mut *mut dmxp_region) -> i32 {
    // SAFETY: the caller's promise.
    answer(|| unsafe { attach(options, out, |options| Ok(options.create()?)) })
}

/// Attaches to an existing region. `options` may be NULL for the default region. The result in `out` is given back with
/// dmxp_region_close.
///
/// Answers, among others, DMXP_REGION_NOT_FOUND, DMXP_INVALID_MAGIC, DMXP_NOT_A_REGION, DMXP_CORRUPT,
/// DMXP_SECRET_MISMATCH, DMXP_PROCESS_TABLE_FULL.
///
/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_open(options: *const dmxp_region_options, out: *mut *mut dmxp_region) -> i32 {
    // SAFETY: the caller's promise.
    answer(|| unsafe { attach(options, out, |options| Ok(options.open()?)) })
}

/// Attaches to a region, and creates it if there is none. `options` may be NULL for the default region. The result in `out` is
/// given back with dmxp_region_close.
///
/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_open_or_create(
    options: *const dmxp_region_options,
    out: *mut *mut dmxp_region,
) -> i32 {
    // SAFETY: the caller's promise.
    answer(|| unsafe { attach(options, out, |options| Ok(options.open_or_create()?)) })
}

/// Attaches for looking only: nothing is written, channels can be listed but not opened. `options` may be NULL for the default
/// region. The result in `out` is given back with dmxp_region_close.
///
/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_open_read_only(
    options: *const dmxp_region_options,
    out: *mut *mut dmxp_region,
) -> i32 {
    // SAFETY: the caller's promise.
    answer(|| unsafe { attach(options, out, |options| Ok(options.open_read_only()?)) })
}

/// Attaches to a region as soon as it exists, which another process makes, waiting at most `timeout_ns`. `options` may be NULL for the
/// default region. The result in `out` is given back with dmxp_region_close.
///
/// Answers DMXP_TIMEOUT, with DMXP_NO_WAIT at once; otherwise as dmxp_region_open.
///
/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_for_region(
    options: *const dmxp_region_options,
    timeout_ns: i64,
    out: *mut *mut dmxp_region,
) -> i32 {
    let timeout = argument::duration(timeout_ns);
    // SAFETY: the caller's promise.
    answer(|| unsafe { attach(options, out, |options| Ok(options.wait_for_region(timeout)?)) })
}

/// Tells of the channel with that name as soon as it exists, which another process makes, waiting at most `timeout_ns`. `out` may be NULL.
///
/// Answers DMXP_TIMEOUT, with DMXP_NO_WAIT at once; DMXP_REGION_REMOVED, DMXP_CORRUPT.
///
/// # Safety
/// `region` is NULL or an open region; `name` is NULL or NUL-terminated; `out` is NULL or points to a place for the result, which begins
/// with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_for_channel(
    region: *const dmxp_region,
    name: *const c_char,
    timeout_ns: i64,
    out: *mut dmxp_channel_info,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        // SAFETY: the caller's promise.
        let name = unsafe { argument::text(name, "name") }?.ok_or_else(|| Failure::invalid("`name` is NULL"))?;
        let channel = region.wait_for_channel(name, argument::duration(timeout_ns))?;
        if !out.is_null() {
            // SAFETY: the caller's promise.
            unsafe { argument::place(out, "out") }?.put(info(&channel));
        }
        Ok(())
    })
}

/// Whether a process that opens the region by its path now finds this one: writes 1 to `current`, or 0 when its file was removed, renamed
/// or replaced. A region without a name is always current.
///
/// # Safety
/// `region` is NULL or an open region; `current` points to a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_is_current(region: *const dmxp_region, current: *mut u8) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let current = unsafe { argument::result(current, 0, "current") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        *current = region.is_current().into();
        Ok(())
    })
}

/// Removes a region's file; no new process can join. Handles of attached processes answer DMXP_REGION_REMOVED when they wait, unless they
/// were opened with `options->keep_removed_region`. Refused with
/// DMXP_REGION_IN_USE while processes are attached, this one included, unless `force` is not 0. `options` may be NULL for the
/// default region.
///
/// # Safety
/// `options` is NULL or points to options of the size that they say, whose texts are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_remove(options: *const dmxp_region_options, force: i32) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let options = unsafe { read(options) }?;
        Ok(options.remove(force != 0)?)
    })
}

/// Gives a region back; NULL is allowed. Producers and consumers that were opened with it stay good.
///
/// # Safety
/// `region` is NULL, or came from a function here that attaches and was not given back before; nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_close(region: *mut dmxp_region) -> i32 {
    answer(|| {
        drop(handle::take(region, "region")?);
        Ok(())
    })
}

/// The region's file, or for one without a name `memfd:` and its label; NULL if `region` is NULL. Valid until the region is
/// given back.
///
/// # Safety
/// `region` is NULL or an open region.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_path(region: *const dmxp_region) -> *const c_char {
    handle::find(region, "region").map_or(ptr::null(), |region| region.path.as_ptr())
}

/// Size, tables and free space of a region.
///
/// # Safety
/// `region` is NULL or an open region; `out` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_get_info(region: *const dmxp_region, out: *mut dmxp_region_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let info = region.info();
        out.put(dmxp_region_info {
            struct_size: size_of::<dmxp_region_info>(),
            size: info.size,
            control_size: info.control_size,
            free: info.free,
            largest_free: info.largest_free,
            read_only: region.is_read_only().into(),
            channels: info.channels,
            processes: info.processes,
            max_processes: info.max_processes,
            handles: info.handles,
            max_handles: info.max_handles,
            reserved: 0,
        });
        Ok(())
    })
}

/// Lists the channels of a region by id: writes the first `max` to `channels` and how many there are in all to `count`. 256
/// places are always enough; `channels` may be NULL if `max` is 0.
///
/// # Safety
/// `region` is NULL or an open region; `channels` points to places for `max` results, of which the first
/// begins with the size of each, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_list_channels(
    region: *const dmxp_region,
    channels: *mut dmxp_channel_info,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let found = region.channels()?;
        // SAFETY: the caller's promise.
        unsafe { argument::put_all_growing(found.iter().map(info), channels, max, count, "channels") }
    })
}

/// The channel with an id, 0 to 255. Answers DMXP_CHANNEL_NOT_FOUND if there is none.
///
/// # Safety
/// `region` is NULL or an open region; `out` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_get_channel(
    region: *const dmxp_region,
    id: u32,
    out: *mut dmxp_channel_info,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        out.put(info(&region.channel(id)?));
        Ok(())
    })
}

/// The channel with a name. Answers DMXP_CHANNEL_NOT_FOUND if there is none.
///
/// # Safety
/// `region` is NULL or an open region; `name` is NULL or NUL-terminated; `out` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_find_channel(
    region: *const dmxp_region,
    name: *const c_char,
    out: *mut dmxp_channel_info,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        // SAFETY: the caller's promise.
        let name = unsafe { argument::text(name, "name") }?;
        let name = name.ok_or_else(|| Failure::invalid("`name` is NULL"))?;
        out.put(info(&region.channel_named(name)?));
        Ok(())
    })
}

/// The schema of a channel as one line of text: writes it to `text`, NUL included, and its length without the NUL to `len`; the
/// text of an untyped channel is empty. If `room` bytes are too few, answers DMXP_BUFFER_TOO_SMALL, writes only `len`, and
/// `text` may be NULL.
///
/// # Safety
/// `region` is NULL or an open region; `text` points to `room` bytes, `len` to a place for the length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_get_schema(
    region: *const dmxp_region,
    id: u32,
    text: *mut c_char,
    room: usize,
    len: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let len = unsafe { argument::result(len, 0, "len") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        let schema = region.channel(id)?.schema.map(|schema| schema.to_string());
        // SAFETY: the caller's promise.
        unsafe { argument::put_text(schema.unwrap_or_default(), text, room, len, "the schema") }
    })
}

/// Removes a channel and gives its space back. Unless `force` is not 0, that is refused with DMXP_CHANNEL_IN_USE while producers or
/// consumers of it are open, and with DMXP_INVALID_ARGUMENT while another channel's dead letters go there. With it the name goes at once,
/// calls of its handles fail with DMXP_REMOVED (consumers first drain what is there), and the space follows with the last of them.
///
/// # Safety
/// `region` is NULL or an open region.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_remove_channel(region: *const dmxp_region, id: u32, force: i32) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        Ok(region.remove_channel(id, force != 0)?)
    })
}

/// dmxp_region_remove_channel of the channel with this name.
///
/// # Safety
/// `region` is NULL or an open region; `name` is NULL or a text that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_remove_channel_named(
    region: *const dmxp_region,
    name: *const c_char,
    force: i32,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        // SAFETY: the caller's promise.
        let name = unsafe { argument::text(name, "name") }?.ok_or_else(|| Failure::invalid("`name` is NULL"))?;
        Ok(region.remove_channel_named(name, force != 0)?)
    })
}

argument::growing!(dmxp_region_options, dmxp_region_info);
const _: () = assert!(size_of::<dmxp_region_options>() == 72);
const _: () = assert!(size_of::<dmxp_region_info>() == 72);

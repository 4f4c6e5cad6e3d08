//! Checking a file before anything of it is used: whose it is, and what its headers say. Everything is read into copies;
//! nothing is mapped yet.

use super::RegionOptions;
use super::companion::Pairing;
use super::secret::Secret;
use crate::error::{Error, Result};
use crate::layout::{
    CONTROL_MAGIC, ControlHeader, ControlPlan, EXTENSION_REVISION, FIRST_RING, GlobalHeader, MAGIC, MAX_CHANNELS,
    MAX_HANDLES, MAX_PROCESSES, PAGE, VERSION,
};
use core::mem::offset_of;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Checks type, names, owner and mode of a file that was opened by its name: anybody can put one where a region is looked for.
pub(super) fn named(data: &Metadata, path: &Path, options: &RegionOptions, writable: bool) -> Result<()> {
    let refuse = |reason: String| Error::NotARegion {
        path: path.to_owned(),
        reason,
    };
    if !data.is_file() {
        return Err(refuse("it is not a regular file".into()));
    }
    match data.nlink() {
        0 => return Err(Error::RegionNotFound { path: path.to_owned() }),
        1 => {}
        links => {
            return Err(refuse(format!(
                "it has {links} names (hard links), and a region has one"
            )));
        }
    }
    check_owner(data, options, writable).map_err(refuse)
}

/// Checks whose file it is, and who else may write to it.
pub(super) fn check_owner(data: &Metadata, options: &RegionOptions, writable: bool) -> Result<(), String> {
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    // SAFETY: nor has getegid.
    let group = unsafe { libc::getegid() };
    let (owner, mode) = (data.uid(), data.mode() & 0o7777);
    if mode & 0o002 != 0 {
        return Err(format!(
            "its mode {mode:o} lets everybody write to it; take that away (chmod o-w)"
        ));
    }
    let is_of_our_group = data.gid() == group || groups().contains(&data.gid());
    let shared = options.group_access && mode & 0o060 == 0o060 && is_of_our_group && !is_unmapped_group(data.gid());
    // Root may look at everything.
    let looks = user == 0 && !writable;
    let is_nobody = is_unmapped_user(owner);
    if owner == user && !is_nobody || owner == 0 || options.accepted_owner == Some(owner) || shared || looks {
        return Ok(());
    }
    if is_nobody {
        return Err(format!(
            "it belongs to a user without a number in this user namespace, whom the system shows as {owner} (mode {mode:o}): that \
             may be anybody; if it is meant, say so (RegionOptions::accept_owner)"
        ));
    }
    Err(format!(
        "it belongs to user {owner} (mode {mode:o}), and this process is user {user}; if that is meant, say so \
         (RegionOptions::accept_owner, or group_access where the file is open to a group of this process)"
    ))
}

/// The error for a file that this process may not open.
pub(super) fn not_for_us(path: &Path, source: io::Error) -> Error {
    let Ok(data) = path.symlink_metadata() else {
        return Error::io(format!("opening {}", path.display()))(source);
    };
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    let (owner, mode) = (data.uid(), data.mode() & 0o7777);
    Error::NotARegion {
        path: path.to_owned(),
        reason: format!(
            "it belongs to user {owner} (mode {mode:o}), and this process, of user {user}, may not open it ({source}); use a region \
             of your own (another name, or DMXP_REGION), or have its owner share it with a group of both (group_access)"
        ),
    }
}

/// Whether the system shows users that have no number in this user namespace as that one.
pub(super) fn is_unmapped_user(user: u32) -> bool {
    is_unmapped(user, "/proc/sys/kernel/overflowuid", "/proc/self/uid_map")
}

fn is_unmapped_group(group: u32) -> bool {
    is_unmapped(group, "/proc/sys/kernel/overflowgid", "/proc/self/gid_map")
}

/// Where `/proc` does not say, the number is nobody's.
fn is_unmapped(number: u32, overflow: &str, map: &str) -> bool {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let shown_as = read(overflow).and_then(|text| text.trim().parse().ok());
    number == shown_as.unwrap_or(OVERFLOW) && !read(map).is_some_and(|map| is_mapped(number, &map))
}

/// What the system shows unless it is told otherwise.
const OVERFLOW: u32 = 65_534;

/// Whether a map of a user namespace (user_namespaces(7)) has the number inside.
fn is_mapped(number: u32, map: &str) -> bool {
    map.lines().any(|line| {
        let mut fields = line
            .split_ascii_whitespace()
            .map(|field| field.parse::<u32>().unwrap_or(0));
        let (first, _, count) = (fields.next(), fields.next(), fields.next());
        number
            .checked_sub(first.unwrap_or(0))
            .is_some_and(|beyond| beyond < count.unwrap_or(0))
    })
}

/// The supplementary groups of this process.
fn groups() -> Vec<libc::gid_t> {
    // SAFETY: with a length of 0 nothing is written.
    let count = unsafe { libc::getgroups(0, core::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: the buffer has room for `count` groups; with more in the meantime the call fails.
    let got = unsafe { libc::getgroups(count.max(0), groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(got).unwrap_or(0));
    groups
}

/// What the headers of a file say.
pub(super) struct Headers {
    /// Where the parts of the control area lie.
    pub(super) plan: ControlPlan,
    pub(super) secret: Secret,
    pub(super) pairing: Pairing,
}

/// Checks the length of a file, and its two headers.
pub(super) fn headers(file: &File, len: u64, path: &Path) -> Result<Headers> {
    let refuse = |reason: String| Error::NotARegion {
        path: path.to_owned(),
        reason,
    };
    let read = |offset: u64, bytes: &mut [u8]| {
        file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refuse(format!(
                "it ends after {len} bytes; the header alone takes {FIRST_RING}"
            )),
            _ => Error::Io {
                context: format!("reading {}", path.display()),
                source: error,
            },
        })
    };
    let mut header = [0; 128];
    read(0, &mut header)?;
    let u32_at = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));

    let magic = u64_at(&header, offset_of!(GlobalHeader, magic));
    if magic != MAGIC {
        return Err(Error::InvalidMagic {
            path: path.to_owned(),
            found: magic,
        });
    }
    let version = u32_at(&header, offset_of!(GlobalHeader, version));
    if version != VERSION {
        return Err(refuse(format!(
            "its format has version {version}; this library reads version {VERSION}"
        )));
    }
    let max_channels = u32_at(&header, offset_of!(GlobalHeader, max_channels));
    if max_channels != MAX_CHANNELS {
        return Err(refuse(format!(
            "its table has {max_channels} channels; version 1 has {MAX_CHANNELS}"
        )));
    }
    let revision = u32_at(&header, offset_of!(GlobalHeader, extension_revision));
    if revision == 0 {
        return Err(refuse(
            "a program that knows only v1 made it, without a control area; let dmxp create the region".into(),
        ));
    }
    if revision != EXTENSION_REVISION || u32_at(&header, offset_of!(GlobalHeader, init_state)) != 2 {
        return Err(refuse(format!(
            "its extension has revision {revision}; this library reads {EXTENSION_REVISION}: use one version of dmxp, or remove the region"
        )));
    }
    let size = u64_at(&header, offset_of!(GlobalHeader, region_size));
    if size != len || !size.is_multiple_of(PAGE) {
        return Err(refuse(format!("its header says {size} bytes, the file has {len}")));
    }
    let control_offset = u64_at(&header, offset_of!(GlobalHeader, control_offset));
    let control_size = u64_at(&header, offset_of!(GlobalHeader, control_size));
    if control_offset.checked_add(control_size) != Some(size) || control_offset < FIRST_RING {
        return Err(refuse(format!(
            "its control area of {control_size} bytes at {control_offset} is not its last part"
        )));
    }

    let mut control = [0; size_of::<ControlHeader>()];
    read(control_offset, &mut control)?;
    let processes = u32_at(&control, offset_of!(ControlHeader, process_count));
    let handles = u32_at(&control, offset_of!(ControlHeader, handle_count));
    let plan = ControlPlan::new(processes.clamp(1, MAX_PROCESSES), handles.clamp(1, MAX_HANDLES));
    let found = [
        u64_at(&control, offset_of!(ControlHeader, magic)),
        u64::from(u32_at(&control, offset_of!(ControlHeader, revision))),
        u64::from(processes),
        u64::from(handles),
        u64_at(&control, offset_of!(ControlHeader, process_offset)),
        u64_at(&control, offset_of!(ControlHeader, handle_offset)),
        u64_at(&control, offset_of!(ControlHeader, channel_offset)),
        u64_at(&control, offset_of!(ControlHeader, user_lock_offset)),
        control_size,
    ];
    let expected = [
        CONTROL_MAGIC,
        u64::from(EXTENSION_REVISION),
        u64::from(plan.processes),
        u64::from(plan.handles),
        plan.process_table,
        plan.handle_table,
        plan.channels,
        plan.user_locks,
        plan.size,
    ];
    if found != expected {
        return Err(Error::corrupt(format!(
            "the control area of {} says {found:?} and not {expected:?}",
            path.display()
        )));
    }
    let secret = &control[offset_of!(ControlHeader, secret)..][..16];
    let id = &header[offset_of!(GlobalHeader, region_id)..][..16];
    Ok(Headers {
        plan,
        secret: Secret::new(secret.try_into().expect("sixteen bytes")),
        pairing: Pairing {
            id: u128::from_le_bytes(id.try_into().expect("sixteen bytes")),
            inode: u64_at(&control, offset_of!(ControlHeader, lock_file)),
        },
    })
}

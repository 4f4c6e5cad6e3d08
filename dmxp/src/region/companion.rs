//! The lock file beside a region's: `.NAME.ID.locks`, empty, in which processes lock the bytes that say which of them live, and which one
//! holds the management lock.
//!
//! Whoever may read a file can lock bytes of it for reading, and keep others from locking them exclusively. So these bytes are not those of
//! the region's file, which its owner may let others read, but of a file that nobody can open who may not also write.
//!
//! The lock file is there before the region has its name, and goes after it: a region that has a name has its lock file. It is never made
//! again for a region that exists, since those that locked the earlier one would be taken for dead. The region's id in its name keeps apart
//! the regions that have one name one after the other. Its creator holds a lock in it until the region has its name.

use super::RegionOptions;
use super::create::random_id;
use super::lock_byte::{LockByte, identity, is_any_locked, lock_unwatched};
use super::verify;
use crate::error::{Error, Result};
use crate::layout::{GlobalHeader, MAGIC};
use core::mem::offset_of;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the names of lock files end with.
const SUFFIX: &str = ".locks";
/// Files that a creator makes at most, where others take them for those of the dead.
const ATTEMPTS: u32 = 16;

/// The path of the lock file of the region at `region` with that id.
pub(super) fn path(region: &Path, id: u128) -> PathBuf {
    region.with_file_name(format!("{}{id:032x}{SUFFIX}", prefix(region)))
}

/// What the names of lock files and hidden files of a region begin with; 32 hexadecimal digits follow.
pub(super) fn prefix(region: &Path) -> String {
    format!(".{}.", region.file_name().unwrap_or_default().to_string_lossy())
}

/// The id that a name has behind `prefix`, if `suffix` is what follows it.
pub(super) fn id_in(name: &str, prefix: &str, suffix: &str) -> Option<u128> {
    let id = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    let is_id = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| u128::from_str_radix(id, 16).ok()).flatten()
}

fn options() -> OpenOptions {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    options
}

/// The lock file of a region that is being made. Removed when dropped, unless the region got its name.
pub(super) struct NewCompanion {
    /// Holds the lock of the creator.
    _file: File,
    path: PathBuf,
    pub(super) pairing: Pairing,
    is_kept: bool,
}

/// What tells a region's lock file from all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairing {
    /// The region's, drawn at random; part of the file's name.
    pub(super) id: u128,
    /// The file's inode number, as the region's control area has it: another file of that name holds none of the region's locks.
    pub(super) inode: u64,
}

impl NewCompanion {
    /// Makes one, for a region that is about to be made at `region`.
    pub(super) fn create(region: &Path, group_access: bool) -> Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let id = u128::from_le_bytes(random_id()?);
            let path = path(region, id);
            let file = options()
                .create_new(true)
                .open(&path)
                .map_err(Error::io(format!("creating {}", path.display())))?;
            let looking = Error::io(format!("looking at {}", path.display()));
            let inode = file.metadata().map_err(looking)?.ino();
            let is_locked = lock_unwatched(&file, LockByte::Creation);
            let companion = Self {
                _file: file,
                path,
                pairing: Pairing { id, inode },
                is_kept: false,
            };
            match is_locked.and_then(|locked| Ok(locked && companion._file.metadata()?.nlink() == 1)) {
                Ok(true) => {
                    if group_access {
                        // Not at opening: the umask would take it away again.
                        let mode = Permissions::from_mode(0o660);
                        let context = || format!("giving the group access to {}", companion.path.display());
                        companion._file.set_permissions(mode).map_err(Error::io(context()))?;
                    }
                    return Ok(companion);
                }
                // Another creator took it for a dead one's before it was locked.
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
        }
        let source = last.unwrap_or_else(|| io::Error::from(io::ErrorKind::ResourceBusy));
        Err(Error::io(format!("locking a new file beside {}", region.display()))(
            source,
        ))
    }

    /// The region has its name.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewCompanion {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing to be done if it fails: the next creator removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the lock file of the region with that id, whose file is open as `file`, and checks whose it is.
pub(super) fn open(region: &Path, pairing: Pairing, file: &File, options: &RegionOptions) -> Result<File> {
    let path = path(region, pairing.id);
    let refuse = |reason: String| Error::NotARegion {
        path: region.to_owned(),
        reason: format!("its lock file {} {reason}", path.display()),
    };
    let opened = match self::options().open(&path) {
        Ok(opened) => opened,
        Err(error) => {
            return Err(match error.raw_os_error() {
                Some(libc::ENOENT) => missing(region, file, refuse),
                Some(libc::ELOOP) => refuse("is a symbolic link".into()),
                Some(libc::EACCES | libc::EPERM) => refuse(not_for_us(&path, &error)),
                _ => Error::io(format!("opening {}", path.display()))(error),
            });
        }
    };
    let data = opened
        .metadata()
        .map_err(Error::io(format!("looking at {}", path.display())))?;
    if data.is_file() && data.nlink() == 0 {
        return Err(missing(region, file, refuse));
    }
    check(&data, options).map_err(refuse)?;
    if data.ino() != pairing.inode {
        return Err(refuse(
            "is not the one that the region was made with, and nobody can tell which of its processes live; end the processes that use \
             the region, and remove it with force (RegionOptions::remove, or rm)"
                .into(),
        ));
    }
    Ok(opened)
}

/// Opens a lock file that was checked before.
pub(super) fn reopen(path: &Path) -> Result<File> {
    options()
        .open(path)
        .map_err(Error::io(format!("opening {}", path.display())))
}

/// Checks type, names, mode and owner of a lock file.
fn check(data: &Metadata, options: &RegionOptions) -> Result<(), String> {
    if !data.is_file() {
        return Err("is not a regular file".into());
    }
    if data.nlink() != 1 {
        return Err(format!("has {} names (hard links), and should have one", data.nlink()));
    }
    let mode = data.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(format!(
            "is open to everybody (mode {mode:o}): any process could keep the region from being opened; take that away (chmod o=)"
        ));
    }
    verify::check_owner(data, options, true).map_err(|reason| format!("is not for this process: {reason}"))
}

/// The region itself has gone, and its lock file with it; or somebody has removed that one alone.
fn missing(region: &Path, file: &File, refuse: impl FnOnce(String) -> Error) -> Error {
    let there = region.symlink_metadata().map(|data| (data.dev(), data.ino()));
    match identity(file) {
        Ok(opened) if there.is_ok_and(|there| there == opened) => refuse(
            "is missing, without which nobody can tell which of its processes live; end the processes that use the region, and remove it \
             with force (RegionOptions::remove, or rm)"
                .into(),
        ),
        Ok(_) => Error::RegionNotFound {
            path: region.to_owned(),
        },
        Err(error) => error,
    }
}

fn not_for_us(path: &Path, error: &io::Error) -> String {
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    match path.symlink_metadata() {
        Ok(data) => format!(
            "belongs to user {} (mode {:o}), and this process, of user {user}, may not open it ({error}); whoever is to use the region \
             needs to read and write both files (group_access when it is created)",
            data.uid(),
            data.mode() & 0o7777
        ),
        Err(_) => format!("cannot be opened by user {user} ({error})"),
    }
}

/// The id of the region at a path, as far as the file there says one.
fn id_at(region: &Path) -> io::Result<Option<u128>> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(region)?;
    let mut header = [0; 128];
    if !file.metadata()?.is_file() || file.read_exact_at(&mut header, 0).is_err() {
        return Ok(None);
    }
    let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let at = offset_of!(GlobalHeader, region_id);
    let is_region = word(offset_of!(GlobalHeader, magic)) == MAGIC;
    Ok(is_region.then(|| u128::from(word(at + 8)) << 64 | u128::from(word(at))))
}

/// Removes a region's file, and its lock file with it.
pub(super) fn remove_with_region(region: &Path) -> Result<()> {
    let id = id_at(region).ok().flatten();
    unlink(region)?;
    if let Some(id) = id {
        // What stays is removed by the next creator of that name.
        let _ = std::fs::remove_file(path(region, id));
    }
    Ok(())
}

fn unlink(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::RegionNotFound { path: path.to_owned() },
        _ => Error::Io {
            context: format!("removing {}", path.display()),
            source,
        },
    })
}

/// Removes lock files of this user that belong to no region: of creators that died, and of regions that were removed by hand, when
/// nobody holds a lock in them.
pub(super) fn remove_those_of_the_dead(region: &Path) {
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    let prefix = prefix(region);
    let entries = std::fs::read_dir(region.parent().unwrap_or(Path::new(".")));
    for entry in entries.into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| id_in(name, &prefix, SUFFIX)) else {
            continue;
        };
        let Ok(file) = options().open(entry.path()) else {
            continue;
        };
        let is_ours = file
            .metadata()
            .is_ok_and(|data| data.is_file() && data.uid() == user && data.nlink() == 1);
        // Its creator holds that lock until the region has its name. So whether this is the file of the region there is asked afterwards;
        // where that cannot be told, it stays.
        if !is_ours || !lock_unwatched(&file, LockByte::Creation).unwrap_or(false) {
            continue;
        }
        let is_needed = match id_at(region) {
            Ok(found) => found == Some(id),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if !is_needed && !is_any_locked(&file).unwrap_or(true) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

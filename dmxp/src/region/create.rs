//! Making the file of a region so that nobody ever sees half of one.
//!
//! The file is made without a name (or under a hidden one where the file system needs one), filled, and then linked to its
//! name; link(2) fails if the name is taken, so that of several creators one wins and nobody's region is truncated. A hidden name becomes the
//! region's in one step (renameat2(2)), where the system can do that.
//!
//! The creator of a hidden file locks a byte of it. One that nobody holds was left by a creator that died, and is removed by the next one. The
//! region's [lock file](super::companion) is there before the region has its name.

use super::companion::{self, NewCompanion, Pairing, id_in, prefix};
use super::lock_byte::{LockByte, lock_unwatched};
use super::secret::Secret;
use super::space::reserve;
use super::{Mapping, RegionOptions};
use crate::error::{Error, Result};
use crate::layout::{
    CONTROL_MAGIC, ControlPlan, EXTENSION_REVISION, FIRST_RING, MAGIC, MAX_CHANNELS, PAGE, UNUSED_CHANNEL, VERSION,
};
use crate::sync::Ordering;
use std::ffi::CStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hidden files that a creator makes at most, where others take them for those of the dead.
const ATTEMPTS: u32 = 16;
/// Milliseconds that a file with two names is given.
const SETTLING: u32 = 100;

/// Creates the region's file.
pub(super) fn create(options: &RegionOptions, path: &Path) -> Result<()> {
    let plan = options.plan()?;
    let size = options.rounded_size(&plan)?;
    if path.symlink_metadata().is_ok() {
        return Err(Error::RegionExists { path: path.to_owned() });
    }
    remove_drafts_of_the_dead(path);
    companion::remove_those_of_the_dead(path);
    let companion = NewCompanion::create(path, options.group_access)?;
    let pairing = companion.pairing;
    // The nameless way needs O_TMPFILE and /proc; what it fails with says less than what the other one fails with.
    match Draft::nameless(path).and_then(|draft| draft.complete(options, path, size, &plan, pairing)) {
        Err(Error::Io { .. }) => Draft::hidden(path)?.complete(options, path, size, &plan, pairing)?,
        other => other?,
    }
    companion.keep();
    Ok(())
}

/// Gives the new file its length. Beyond the process's limit the kernel would kill it (SIGXFSZ).
pub(super) fn set_len(file: &File, size: u64, path: &Path) -> Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes the structure, which is there, and nothing else.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    if known && size > limit.rlim_cur {
        let context = format!(
            "making {} of {size} bytes, where this process may make files of {} (RLIMIT_FSIZE, `ulimit -f`)",
            path.display(),
            limit.rlim_cur
        );
        return Err(Error::io(context)(io::Error::from_raw_os_error(libc::EFBIG)));
    }
    file.set_len(size)
        .map_err(Error::io(format!("setting the size of {}", path.display())))
}

/// Gives header and control area memory, and writes them. The file is empty, of its full length, and nobody else's yet.
pub(super) fn fill(file: &File, size: u64, plan: &ControlPlan, secret: Secret, pairing: Pairing) -> Result<()> {
    reserve(file, 0, FIRST_RING.next_multiple_of(PAGE))?;
    reserve(file, size - plan.size, plan.size)?;
    let mapping = Mapping::new(file, size, *plan, true)?;
    write_tables(&mapping, size, plan, secret, pairing);
    Ok(())
}

fn write_tables(mapping: &Mapping, size: u64, plan: &ControlPlan, secret: Secret, pairing: Pairing) {
    // Relaxed: the file is nobody else's until it is linked or passed on, and a process that opens it comes after that.
    let control = mapping.control();
    control.revision.store(EXTENSION_REVISION, Ordering::Relaxed);
    control.process_count.store(plan.processes, Ordering::Relaxed);
    control.handle_count.store(plan.handles, Ordering::Relaxed);
    control.process_offset.store(plan.process_table, Ordering::Relaxed);
    control.handle_offset.store(plan.handle_table, Ordering::Relaxed);
    control.channel_offset.store(plan.channels, Ordering::Relaxed);
    control.user_lock_offset.store(plan.user_locks, Ordering::Relaxed);
    control.next_generation.store(1, Ordering::Relaxed);
    for (word, part) in control.secret.iter().zip(secret.words()) {
        word.store(part, Ordering::Relaxed);
    }
    control.lock_file.store(pairing.inode, Ordering::Relaxed);
    control.magic.store(CONTROL_MAGIC, Ordering::Relaxed);

    let header = mapping.header();
    header.version.store(VERSION, Ordering::Relaxed);
    header.max_channels.store(MAX_CHANNELS, Ordering::Relaxed);
    header.extension_revision.store(EXTENSION_REVISION, Ordering::Relaxed);
    header.region_size.store(size, Ordering::Relaxed);
    for (word, bytes) in header.region_id.iter().zip(pairing.id.to_le_bytes().as_chunks::<8>().0) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    header.control_offset.store(mapping.control_offset(), Ordering::Relaxed);
    header.control_size.store(plan.size, Ordering::Relaxed);
    for entry in &header.entries {
        entry.channel_id.store(UNUSED_CHANNEL, Ordering::Relaxed);
    }
    header.init_state.store(2, Ordering::Relaxed);
    // Release: a v1 program that maps the file and finds the magic finds everything before it.
    header.magic.store(MAGIC, Ordering::Release);
}

pub(super) fn random_id() -> Result<[u8; 16]> {
    let mut id = [0_u8; 16];
    // SAFETY: the buffer is valid for its length; 16 bytes are never cut short (getrandom(2)).
    let got = unsafe { libc::getrandom(id.as_mut_ptr().cast(), id.len(), 0) };
    if got != id.len() as isize {
        return Err(Error::io("reading random bytes for the region id")(
            io::Error::last_os_error(),
        ));
    }
    Ok(id)
}

/// A file that is not yet under its name.
struct Draft {
    file: File,
    hidden: Option<PathBuf>,
}

impl Draft {
    fn options() -> OpenOptions {
        let mut options = File::options();
        options.read(true).write(true).mode(0o600);
        options
    }

    fn nameless(path: &Path) -> Result<Self> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let opened = Self::options()
            .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
            .open(dir);
        let file = opened.map_err(Error::io(format!("creating a region in {}", dir.display())))?;
        Ok(Self { file, hidden: None })
    }

    fn hidden(path: &Path) -> Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let hidden = path.with_file_name(format!("{}{:032x}", prefix(path), u128::from_le_bytes(random_id()?)));
            let file = Self::options()
                .create_new(true)
                .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
                .open(&hidden)
                .map_err(Error::io(format!("creating {}", hidden.display())))?;
            let is_locked = lock_unwatched(&file, LockByte::Creation);
            let draft = Self {
                file,
                hidden: Some(hidden),
            };
            match is_locked.and_then(|locked| Ok(locked && draft.file.metadata()?.nlink() == 1)) {
                Ok(true) => return Ok(draft),
                // Another creator took it for a dead one's before it was locked.
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
        }
        let source = last.unwrap_or_else(|| io::Error::from(io::ErrorKind::ResourceBusy));
        Err(Error::io(format!("locking a new file beside {}", path.display()))(
            source,
        ))
    }

    /// Fills the file and gives it its name.
    fn complete(
        self,
        options: &RegionOptions,
        path: &Path,
        size: u64,
        plan: &ControlPlan,
        pairing: Pairing,
    ) -> Result<()> {
        if options.group_access {
            // Not at opening: the umask would take it away again.
            self.file
                .set_permissions(Permissions::from_mode(0o660))
                .map_err(Error::io(format!("giving the group access to {}", path.display())))?;
        }
        set_len(&self.file, size, path)?;
        fill(&self.file, size, plan, Secret::given(options)?, pairing)?;
        self.link(path)
    }

    fn link(&self, path: &Path) -> Result<()> {
        let (source, flags) = match &self.hidden {
            Some(hidden) => (hidden.clone(), 0),
            // The entry in /proc is a link to the nameless file.
            None => (
                PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd())),
                libc::AT_SYMLINK_FOLLOW,
            ),
        };
        let name = |path: &Path| {
            std::ffi::CString::new(path.as_os_str().as_encoded_bytes())
                .map_err(|_| Error::invalid(format!("{} contains NUL", path.display())))
        };
        let (from, to) = (name(&source)?, name(path)?);
        if self.hidden.is_some() && rename(&from, &to).is_ok() {
            return Ok(());
        }
        // Where the system cannot rename to a name that must be free, the file has two names for a moment: see `settle`.
        // SAFETY: both are NUL-terminated strings that live through the call.
        let answer = unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) };
        if answer == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(match error.kind() {
            io::ErrorKind::AlreadyExists => Error::RegionExists { path: path.to_owned() },
            _ => Error::Io {
                context: format!("linking the new region to {}", path.display()),
                source: error,
            },
        })
    }
}

/// Renames unless the new name is taken.
fn rename(from: &CStr, to: &CStr) -> io::Result<()> {
    // SAFETY: both are NUL-terminated strings that live through the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The hidden files beside a region's.
fn drafts(path: &Path) -> Vec<PathBuf> {
    let prefix = prefix(path);
    let is_draft = |name: &str| id_in(name, &prefix, "").is_some();
    let entries = std::fs::read_dir(path.parent().unwrap_or(Path::new(".")));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_draft))
        .map(|entry| entry.path())
        .collect()
}

/// Removes the hidden files of this user beside a region's that no living creator holds. What cannot be removed stays: it is hidden, and
/// holds no messages.
fn remove_drafts_of_the_dead(path: &Path) {
    // SAFETY: geteuid has no preconditions.
    let user = unsafe { libc::geteuid() };
    for draft in drafts(path) {
        let opened = Draft::options()
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(&draft);
        let Ok(file) = opened else { continue };
        let is_ours = file.metadata().is_ok_and(|data| data.is_file() && data.uid() == user);
        // The name is this file's, or that of nothing: names are drawn from 2^128.
        if is_ours && lock_unwatched(&file, LockByte::Creation).unwrap_or(false) {
            let _ = std::fs::remove_file(&draft);
        }
    }
}

/// Waits until a region's file that has two names has one, if the other is the hidden one of its creator, which is about to remove it; and
/// removes it if the creator has died.
pub(super) fn settle(file: &File, path: &Path) -> io::Result<()> {
    for _ in 0..SETTLING {
        if file.metadata()?.nlink() != 2 {
            break;
        }
        let identity = |data: std::fs::Metadata| (data.dev(), data.ino());
        let own = identity(file.metadata()?);
        let is_its = |draft: &PathBuf| draft.symlink_metadata().is_ok_and(|data| identity(data) == own);
        if !drafts(path).iter().any(is_its) {
            break;
        }
        remove_drafts_of_the_dead(path);
        crate::os::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            // Nothing to be done if it fails: the file is hidden and holds no messages.
            let _ = std::fs::remove_file(hidden);
        }
    }
}

//! Making the file of a region so that nobody ever sees half of one.
//!
//! The file is made without a name (or under a hidden one where the file system needs one), filled, and then linked to its
//! name; link(2) fails if the name is taken, so that of several creators one wins and nobody's region is truncated.

use super::secret::Secret;
use super::space::reserve;
use super::{Mapping, RegionOptions};
use crate::error::{Error, Result};
use crate::layout::{
    CONTROL_MAGIC, ControlPlan, EXTENSION_REVISION, FIRST_RING, MAGIC, MAX_CHANNELS, PAGE, UNUSED_CHANNEL, VERSION,
};
use crate::sync::Ordering;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Creates the region's file.
pub(super) fn create(options: &RegionOptions, path: &Path) -> Result<()> {
    let plan = options.plan()?;
    let size = options.rounded_size(&plan)?;
    if path.symlink_metadata().is_ok() {
        return Err(Error::RegionExists { path: path.to_owned() });
    }
    // The nameless way needs O_TMPFILE and /proc; what it fails with says less than what the other one fails with.
    match Draft::nameless(path).and_then(|draft| draft.complete(options, path, size, &plan)) {
        Err(Error::Io { .. }) => Draft::hidden(path)?.complete(options, path, size, &plan),
        other => other,
    }
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
pub(super) fn fill(file: &File, size: u64, plan: &ControlPlan, secret: Secret) -> Result<()> {
    reserve(file, 0, FIRST_RING.next_multiple_of(PAGE))?;
    reserve(file, size - plan.size, plan.size)?;
    let mapping = Mapping::new(file, size, *plan, true)?;
    write_tables(&mapping, size, plan, secret)
}

fn write_tables(mapping: &Mapping, size: u64, plan: &ControlPlan, secret: Secret) -> Result<()> {
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
    control.magic.store(CONTROL_MAGIC, Ordering::Relaxed);

    let header = mapping.header();
    header.version.store(VERSION, Ordering::Relaxed);
    header.max_channels.store(MAX_CHANNELS, Ordering::Relaxed);
    header.extension_revision.store(EXTENSION_REVISION, Ordering::Relaxed);
    header.region_size.store(size, Ordering::Relaxed);
    for (word, bytes) in header.region_id.iter().zip(random_id()?.as_chunks::<8>().0) {
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
    Ok(())
}

fn random_id() -> Result<[u8; 16]> {
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
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let id = u128::from_le_bytes(random_id()?);
        let hidden = path.with_file_name(format!(".{name}.{id:032x}"));
        let file = Self::options()
            .create_new(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&hidden)
            .map_err(Error::io(format!("creating {}", hidden.display())))?;
        Ok(Self {
            file,
            hidden: Some(hidden),
        })
    }

    /// Fills the file and gives it its name.
    fn complete(self, options: &RegionOptions, path: &Path, size: u64, plan: &ControlPlan) -> Result<()> {
        if options.group_access {
            // Not at opening: the umask would take it away again.
            self.file
                .set_permissions(Permissions::from_mode(0o660))
                .map_err(Error::io(format!("giving the group access to {}", path.display())))?;
        }
        set_len(&self.file, size, path)?;
        fill(&self.file, size, plan, Secret::given(options)?)?;
        self.link(path)
    }

    fn link(&self, path: &Path) -> Result<()> {
        let source = match &self.hidden {
            Some(hidden) => hidden.clone(),
            None => PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd())),
        };
        let name = |path: &Path| {
            std::ffi::CString::new(path.as_os_str().as_encoded_bytes())
                .map_err(|_| Error::invalid(format!("{} contains NUL", path.display())))
        };
        let (from, to) = (name(&source)?, name(path)?);
        // AT_SYMLINK_FOLLOW: the entry in /proc is a link to the nameless file.
        // SAFETY: both are NUL-terminated strings that live through the call.
        let answer = unsafe {
            libc::linkat(
                libc::AT_FDCWD,
                from.as_ptr(),
                libc::AT_FDCWD,
                to.as_ptr(),
                libc::AT_SYMLINK_FOLLOW,
            )
        };
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

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            // Nothing to be done if it fails: the file is hidden and holds no messages.
            let _ = std::fs::remove_file(hidden);
        }
    }
}

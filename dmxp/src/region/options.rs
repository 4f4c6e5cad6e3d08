//! What to create or open, and where.

use super::secret::Secret;
use super::{MakeRoom, Place, Region};
use crate::error::{Error, Result};
use crate::layout::{
    ControlPlan, DEFAULT_HANDLES, DEFAULT_PROCESSES, FIRST_RING, MAX_HANDLES, MAX_PROCESSES, PAGE, SLOT_STRIDE,
};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where regions lie unless `DMXP_DIR` says otherwise.
const DEFAULT_DIR: &str = "/dev/shm";
/// The region that is used unless `DMXP_REGION` says otherwise.
const DEFAULT_NAME: &str = "dmxp_alloc";
const DEFAULT_SIZE: u64 = 128 << 20;

/// The language runtime of a process, as it stands in the metadata of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Runtime {
    /// A program in Rust.
    Rust = 1,
    /// A program in Python.
    Python = 2,
    /// A program in C.
    C = 3,
    /// A program in C++.
    Cpp = 4,
    /// A program in Go.
    Go = 5,
    /// A program of Node.js.
    Node = 6,
}

/// How to create or open a region: its name, directory, size and the lengths of its tables.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// let name = format!("doc-options-{}", std::process::id());
/// let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// assert_eq!(region.info().size, 4 << 20);
/// dmxp::RegionOptions::new().name(&name).remove(true)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RegionOptions {
    pub(super) dir: Option<PathBuf>,
    pub(super) name: Option<String>,
    pub(super) size: Option<u64>,
    processes: Option<u32>,
    handles: Option<u32>,
    pub(super) replace_if_unused: bool,
    pub(super) runtime: Runtime,
    pub(super) group_access: bool,
    pub(super) accepted_owner: Option<u32>,
    pub(super) secret: Option<Secret>,
}

impl Default for RegionOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl RegionOptions {
    /// The default region: `dmxp_alloc` in `/dev/shm`, 128 MiB. The environment variables `DMXP_REGION` and `DMXP_DIR` change
    /// name and directory for programs that do not set them.
    ///
    /// The default region belongs to the user that made it. Where `dmxp_alloc` is another user's, and neither the program nor the
    /// environment names a region, this user's is `dmxp_alloc-UID`; it stays that as long as it exists. A program that is to share the
    /// other one says so, by [`group_access`](Self::group_access) or [`accept_owner`](Self::accept_owner).
    #[must_use]
    pub fn new() -> Self {
        Self {
            dir: None,
            name: None,
            size: None,
            processes: None,
            handles: None,
            replace_if_unused: false,
            runtime: Runtime::Rust,
            group_access: false,
            accepted_owner: None,
            secret: None,
        }
    }

    /// The file name of the region.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The directory of the region. It should be on tmpfs: anything else writes messages to a disk.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Size in bytes, rounded up to whole pages, 128 MiB by default. A region that exists with another one is refused
    /// ([`Error::RegionMismatch`]); leave it out to take what is there. Memory is taken only for the channels that are made.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Processes that can be attached at once: 1 to 4,096, default 256, 64 bytes each. As [`size`](Self::size), a region that exists
    /// with another number is refused.
    #[must_use]
    pub fn max_processes(mut self, count: u32) -> Self {
        self.processes = Some(count);
        self
    }

    /// Producers and consumers that can be open at once: 1 to 16,384, default 1,024, 256 bytes each. As [`size`](Self::size), a region
    /// that exists with another number is refused.
    #[must_use]
    pub fn max_handles(mut self, count: u32) -> Self {
        self.handles = Some(count);
        self
    }

    /// With [`open_or_create`](Self::open_or_create): a region that exists and does not have what these options ask for (size, tables,
    /// group access) is removed and made anew, with the messages in it, if no process is attached. Otherwise the call fails with
    /// [`Error::RegionInUse`]. A region that has what is asked for is opened as it is.
    #[must_use]
    pub fn replace_if_unused(mut self, yes: bool) -> Self {
        self.replace_if_unused = yes;
        self
    }

    /// The runtime that messages of this process name as their sender's. For language bindings.
    #[must_use]
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Whether the region is shared with the members of a group. One that is created can then be read and written by the group
    /// of its file and its lock file (mode 0660, whatever the umask says) and not only by their owner (0600). One that is opened may belong to
    /// another user, if its file is open to a group that this process is in; one that is not open to its group is refused.
    #[must_use]
    pub fn group_access(mut self, yes: bool) -> Self {
        self.group_access = yes;
        self
    }

    /// Opens the region also when its file belongs to this user; otherwise it must be this process's own user's, or root's. In
    /// `/dev/shm` anybody can put a file under any name that is free.
    #[must_use]
    pub fn accept_owner(mut self, uid: u32) -> Self {
        self.accepted_owner = Some(uid);
        self
    }

    /// The region's secret: given to the region when it is created, and compared, in constant time, whenever it is attached to, for
    /// looking too, and when it is removed without force. A process that attaches must give the same, and none where there is none.
    /// Any 16 bytes but zeros.
    ///
    /// It guards against mistakes, as when two installations use the same name. It is no access control: any process that may open the
    /// file can read it there.
    #[must_use]
    pub fn secret(mut self, secret: [u8; 16]) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// The region's file.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the name is empty, longer than 200 bytes, starts with a dot or contains `/` or NUL.
    pub fn path(&self) -> Result<PathBuf> {
        self.path_for(false)
    }

    /// As [`path`](Self::path); `looks`: for a process that only looks, which root may at every user's.
    fn path_for(&self, looks: bool) -> Result<PathBuf> {
        let from_environment = |key: &str| std::env::var(key).ok().filter(|value| !value.is_empty());
        let dir = self
            .dir
            .clone()
            .or_else(|| from_environment("DMXP_DIR").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DIR));
        let name = self
            .name
            .clone()
            .or_else(|| from_environment("DMXP_REGION"))
            .unwrap_or_else(|| self.default_name(&dir, looks));
        Self::check_name(&name)?;
        Ok(dir.join(name))
    }

    /// The name of the default region for this user.
    fn default_name(&self, dir: &Path, looks: bool) -> String {
        let owner = |path: PathBuf| path.symlink_metadata().ok().map(|data| data.uid());
        // SAFETY: geteuid has no preconditions.
        let user = unsafe { libc::geteuid() };
        let own = format!("{DEFAULT_NAME}-{user}");
        if self.group_access || self.accepted_owner.is_some() {
            return DEFAULT_NAME.into();
        }
        // First: when the shared one goes, its user's processes must not part.
        if owner(dir.join(&own)) == Some(user) {
            return own;
        }
        match owner(dir.join(DEFAULT_NAME)) {
            Some(owner) if owner != user && owner != 0 && !(looks && user == 0) => own,
            _ => DEFAULT_NAME.into(),
        }
    }

    pub(super) fn check_name(name: &str) -> Result<()> {
        if name.is_empty() || name.len() > 200 || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(Error::invalid(format!(
                "region name {name:?}: give 1 to 200 bytes, not starting with a dot, without '/' and NUL"
            )));
        }
        Ok(())
    }

    pub(super) fn plan(&self) -> Result<ControlPlan> {
        let (processes, handles) = (
            self.processes.unwrap_or(DEFAULT_PROCESSES),
            self.handles.unwrap_or(DEFAULT_HANDLES),
        );
        for (what, count, limit) in [
            ("processes", processes, MAX_PROCESSES),
            ("handles", handles, MAX_HANDLES),
        ] {
            if count == 0 || count > limit {
                return Err(Error::invalid(format!("{count} {what}; 1 to {limit} are possible")));
            }
        }
        Ok(ControlPlan::new(processes, handles))
    }

    /// Compares what is asked for with a region that exists; `mode` is that of its file, if it has one.
    pub(super) fn compare(&self, path: &Path, len: u64, plan: &ControlPlan, mode: Option<u32>) -> Result<()> {
        let differs = |property, existing: String, asked: String| {
            Err(Error::RegionMismatch {
                path: path.to_owned(),
                property,
                existing,
                asked,
            })
        };
        if let Some(size) = self.size
            && size.checked_next_multiple_of(PAGE) != Some(len)
        {
            return differs("size", len.to_string(), size.to_string());
        }
        for (property, existing, asked) in [
            ("max_processes", plan.processes, self.processes),
            ("max_handles", plan.handles, self.handles),
        ] {
            if let Some(asked) = asked
                && asked != existing
            {
                return differs(property, existing.to_string(), asked.to_string());
            }
        }
        match mode {
            Some(mode) if self.group_access && mode & 0o060 != 0o060 => {
                differs("mode", format!("{mode:o}"), "660 (group_access)".into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn rounded_size(&self, plan: &ControlPlan) -> Result<u64> {
        let size = self.size.unwrap_or(DEFAULT_SIZE);
        let least = (FIRST_RING + 2 * u64::from(SLOT_STRIDE) + plan.size).next_multiple_of(PAGE);
        match size.checked_next_multiple_of(PAGE) {
            Some(rounded) if rounded >= least && rounded <= 1 << 46 => Ok(rounded),
            _ => Err(Error::invalid(format!(
                "region size {size}: header, control area ({} bytes) and one channel of two slots take {least} bytes; at most \
                 2^46 are possible",
                plan.size
            ))),
        }
    }

    /// As [`create`](Self::create); `make_room` is for attaching.
    pub(crate) fn create_making_room(&self, make_room: MakeRoom) -> Result<Region> {
        super::create::create(self, &self.path()?)?;
        self.open_making_room(make_room)
    }

    /// As [`open`](Self::open).
    pub(crate) fn open_making_room(&self, make_room: MakeRoom) -> Result<Region> {
        super::attach::open(self, Place::Named(&self.path()?), make_room)
    }

    /// As [`open_or_create`](Self::open_or_create).
    pub(crate) fn open_or_create_making_room(&self, make_room: MakeRoom) -> Result<Region> {
        let path = self.path()?;
        // Somebody may create or remove the region between our steps; a few rounds settle it.
        let mut last = Error::RegionNotFound { path: path.clone() };
        for _ in 0..16 {
            match super::attach::open(self, Place::Named(&path), make_room) {
                Err(Error::RegionNotFound { .. }) => {}
                Err(Error::RegionMismatch { .. }) if self.replace_if_unused => {
                    match super::attach::remove_unused(self, &path) {
                        Ok(()) | Err(Error::RegionNotFound { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                other => return other,
            }
            match super::create::create(self, &path) {
                Ok(()) => {}
                Err(error @ Error::RegionExists { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Attaches for looking only: the mapping is read-only, nothing is registered, and channels can be listed but not opened.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_read_only(&self) -> Result<Region> {
        super::attach::open_read_only(self, Place::Named(&self.path_for(true)?))
    }

    /// Removes the region's file and its lock file; no new process can join. Attached processes notice: their handles fail with
    /// [`Error::RegionRemoved`] when they wait, and when they are opened, unless they are to
    /// [go on](crate::ChannelBuilder::with_keep_removed_region).
    ///
    /// # Errors
    /// [`Error::RegionInUse`] with the pids when processes are attached and `force` is not set; [`Error::RegionNotFound`];
    /// without `force` also the errors of [`open_read_only`](Self::open_read_only).
    pub fn remove(&self, force: bool) -> Result<()> {
        let path = self.path()?;
        if force {
            super::companion::remove_with_region(&path)
        } else {
            super::attach::remove_unused(self, &path)
        }
    }
}

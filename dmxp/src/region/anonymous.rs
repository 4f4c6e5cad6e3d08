//! Regions without a name: memory of their own (memfd_create(2)), sealed so that nobody can change its length.
//!
//! Every process has open file descriptions of its own: one for its locks, one that it maps. A descriptor that was inherited or
//! received shares its description with the process it came from, and with it the locks; so it is only used to open the memory
//! anew, through `/proc`.

use super::MakeRoom;
use super::Place;
use super::RegionOptions;
use super::attach::{self, Region};
use super::companion::Pairing;
use super::create;
use super::secret::Secret;
use crate::error::{Error, Result};
use crate::os::fork;
use core::mem::MaybeUninit;
use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What every anonymous region is sealed with, and what errors call it.
const SEALS: [(libc::c_int, &str); 3] = [
    (libc::F_SEAL_SHRINK, "shrinking (F_SEAL_SHRINK)"),
    (libc::F_SEAL_GROW, "growing (F_SEAL_GROW)"),
    (libc::F_SEAL_SEAL, "further seals (F_SEAL_SEAL)"),
];
/// What no region can be written with.
const READ_ONLY_SEALS: libc::c_int = libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE;

impl RegionOptions {
    /// As [`create_anonymous`](Self::create_anonymous); `make_room` is for attaching.
    pub(crate) fn create_anonymous_making_room(&self, make_room: MakeRoom) -> Result<Region> {
        let plan = self.plan()?;
        let size = self.rounded_size(&plan)?;
        let (label, secret) = (self.label()?, Secret::given(self)?);
        let file = memory(&label).map_err(Error::io(format!("making {}", label.display())))?;
        create::set_len(&file, size, &label)?;
        let id = u128::from_le_bytes(create::random_id()?);
        create::fill(&file, size, &plan, secret, Pairing { id, inode: 0 })?;
        seal(&file).map_err(Error::io(format!("sealing {}", label.display())))?;
        attach::open(self, Place::Anonymous(file.as_fd(), &label), make_room)
    }

    /// As [`attach`](Self::attach).
    pub(crate) fn attach_making_room(&self, descriptor: impl AsFd, make_room: MakeRoom) -> Result<Region> {
        let (descriptor, label) = (descriptor.as_fd(), self.label()?);
        check(descriptor, &label, true)?;
        attach::open(self, Place::Anonymous(descriptor, &label), make_room)
    }

    /// Attaches to an anonymous region for looking only, as [`open_read_only`](Self::open_read_only) does to one with a name.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn attach_read_only(&self, descriptor: impl AsFd) -> Result<Region> {
        let (descriptor, label) = (descriptor.as_fd(), self.label()?);
        check(descriptor, &label, false)?;
        attach::open_read_only(self, Place::Anonymous(descriptor, &label))
    }

    /// What stands where a region with a name has its path.
    fn label(&self) -> Result<PathBuf> {
        if self.dir.is_some() {
            return Err(Error::invalid(
                "an anonymous region lies in no directory; leave RegionOptions::dir out",
            ));
        }
        let name = self.name.as_deref().unwrap_or("dmxp");
        Self::check_name(name)?;
        Ok(PathBuf::from(format!("memfd:{name}")))
    }
}

impl Region {
    /// A descriptor of this anonymous region, to be inherited by another process or sent to one. It holds no locks; close it when it
    /// is passed on. Any process that has it can read and write the region.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the region has a name; [`Error::ReadOnly`], [`Error::Forked`], [`Error::Evicted`]; [`Error::Io`].
    pub fn descriptor(&self) -> Result<OwnedFd> {
        self.attachment.check()?;
        if !self.is_anonymous() {
            return Err(Error::invalid(format!(
                "{} has a name, by which others can open it; only anonymous regions are passed on by descriptor",
                self.path().display()
            )));
        }
        let lock = self.attachment.file()?;
        reopen(lock.as_fd(), self.path(), true).map(OwnedFd::from)
    }
}

/// Memory without a name in any directory, with nothing in it yet.
fn memory(label: &Path) -> io::Result<File> {
    let label = label.to_string_lossy();
    let name = CString::new(label.trim_start_matches("memfd:"))?;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let file = create_memory(&name, flags | libc::MFD_NOEXEC_SEAL).or_else(|error| match error.raw_os_error() {
        // Kernels before 6.3 do not know that flag.
        Some(libc::EINVAL) => create_memory(&name, flags),
        _ => Err(error),
    })?;
    // Only a process that has a descriptor can come to it at all, and a receiver that runs as another user must be able to open it anew.
    file.set_permissions(Permissions::from_mode(0o666))?;
    Ok(file)
}

fn create_memory(name: &CString, flags: libc::c_uint) -> io::Result<File> {
    // SAFETY: the name is NUL-terminated and lives through the call.
    let descriptor = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened it, for nobody else.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

fn seal(file: &File) -> io::Result<()> {
    let seals = SEALS.iter().fold(0, |all, (seal, _)| all | seal);
    // SAFETY: plain integers and an open descriptor.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Refuses whatever is not sealed memory, before it is opened anew: opening, say, a device can have effects of its own.
fn check(descriptor: BorrowedFd<'_>, label: &Path, writable: bool) -> Result<()> {
    let refuse = |reason: String| Error::NotARegion {
        path: label.to_owned(),
        reason,
    };
    // SAFETY: plain integers and an open descriptor.
    let seals = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 {
        let error = io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::EINVAL) => refuse("the descriptor is not one of sealed memory (memfd_create)".into()),
            _ => Error::io("looking at the seals of a descriptor")(error),
        });
    }
    let missing: Vec<&str> = SEALS
        .iter()
        .filter(|(seal, _)| seals & seal == 0)
        .map(|(_, name)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(refuse(format!("it is not sealed against {}", missing.join(", "))));
    }
    if writable && seals & READ_ONLY_SEALS != 0 {
        return Err(refuse(
            "it is sealed against writing; it can be attached for looking only".into(),
        ));
    }
    if file_system(descriptor)? == libc::HUGETLBFS_MAGIC {
        // They can run out under a process that uses them, which is then killed by SIGBUS.
        return Err(refuse("it lies on huge pages, and regions do not".into()));
    }
    Ok(())
}

/// The magic number of the file system that `descriptor` is open on.
fn file_system(descriptor: BorrowedFd<'_>) -> Result<libc::c_long> {
    let mut data = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the buffer is large enough for what fstatfs writes.
    let answer = unsafe { libc::fstatfs(descriptor.as_raw_fd(), data.as_mut_ptr()) };
    if answer != 0 {
        return Err(Error::io("looking at the file system of a descriptor")(
            io::Error::last_os_error(),
        ));
    }
    // SAFETY: fstatfs succeeded and filled it.
    Ok(unsafe { data.assume_init() }.f_type)
}

/// Another open file description of the memory behind `descriptor`.
pub(super) fn reopen(descriptor: BorrowedFd<'_>, label: &Path, writable: bool) -> Result<File> {
    // Of this thread: the process's directory shows the main thread's descriptors, and is empty when that has ended.
    let link = format!("/proc/thread-self/fd/{}", descriptor.as_raw_fd());
    let opened = File::options().read(true).write(writable).open(&link);
    let file = opened.map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::NotFound => "; is /proc mounted?",
            _ => "",
        };
        Error::Io {
            context: format!("opening {} through {link}{hint}", label.display()),
            source,
        }
    })?;
    if fork::open_on(file.as_raw_fd()) != fork::open_on(descriptor.as_raw_fd()) {
        return Err(Error::NotARegion {
            path: label.to_owned(),
            reason: format!("{link} leads to another file; is /proc what it should be?"),
        });
    }
    Ok(file)
}

//! Locks on single bytes far beyond any data: of the [lock file](super::companion) of a region with a name, or of the region's own.
//!
//! They are open-file-description locks (`F_OFD_SETLK`, fcntl(2)): held by one descriptor of this process, freed by the
//! kernel when the process ends, whatever the PID namespace.

use crate::error::{Error, Result};
use crate::os::fork;
use crate::os::fork::Ticket;
use core::mem::ManuallyDrop;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

/// The management lock's byte; the others lie around it, and no region file reaches them.
const BASE: i64 = 1 << 62;

/// A byte to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockByte {
    /// The management lock.
    Management,
    /// Shared by those that look at rings without a handle; always of the region's own file, which is all that they can open.
    Looks,
    /// The life of the process that makes the region, as long as that has no name: of its lock file, and of a hidden file that becomes
    /// the region's.
    Creation,
    /// The life of the process at this index.
    Process(u32),
}

/// How a byte is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// By any number at once. A descriptor that only reads can have it.
    Shared,
    /// By one.
    Exclusive,
}

impl LockByte {
    fn range(self, kind: libc::c_int) -> libc::flock {
        let start = match self {
            Self::Creation => BASE - 16,
            Self::Looks => BASE - 1,
            Self::Management => BASE,
            Self::Process(index) => BASE + 1 + i64::from(index),
        };
        libc::flock {
            l_type: kind as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: start,
            l_len: 1,
            l_pid: 0,
        }
    }
}

/// The descriptor that holds this process's locks on a region. Closed in forked children by [`crate::os::fork`].
#[derive(Debug)]
pub(crate) struct LockFile {
    /// Not closed by its own drop: in a forked child, and where something else has closed it, the number may be a stranger's.
    file: ManuallyDrop<File>,
    ticket: Ticket,
    epoch: u64,
    identity: (u64, u64),
}

impl LockFile {
    /// Opens a descriptor that is shared with nothing else, and has it closed in forked children.
    ///
    /// Nothing may be mapped through it: a mapping keeps the open file description, and with it the locks, for as long as any
    /// child has it.
    pub(crate) fn open(open: impl FnOnce() -> Result<File>) -> Result<Self> {
        fork::install().map_err(Error::io("preparing for forks"))?;
        fork::without_forks(|| {
            let file = open()?;
            let identity = identity(&file)?;
            let ticket = fork::watch(file.as_raw_fd(), identity).map_err(Error::io("preparing for forks"))?;
            Ok(Self {
                file: ManuallyDrop::new(file),
                ticket,
                epoch: fork::fork_epoch(),
                identity,
            })
        })
    }

    /// Device and inode of the file.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// The file, as long as the descriptor is still this one's.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child; [`Error::Evicted`] when something closed the descriptor, whatever has its number now.
    pub(crate) fn file(&self) -> Result<&File> {
        if self.epoch != fork::fork_epoch() {
            fork::notice_fork();
            return Err(Error::Forked);
        }
        let ours = fork::is_watched(&self.ticket) && identity(&self.file).is_ok_and(|found| found == self.identity);
        if ours { Ok(&self.file) } else { Err(Error::Evicted) }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self, byte: LockByte, access: Access) -> Result<bool> {
        let kind = match access {
            Access::Shared => libc::F_RDLCK,
            Access::Exclusive => libc::F_WRLCK,
        };
        match fcntl(self.file()?, libc::F_OFD_SETLK, &mut byte.range(kind)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(Error::io("taking a lock on the region")(error)),
        }
    }

    pub(crate) fn unlock(&self, byte: LockByte) -> Result<()> {
        fcntl(self.file()?, libc::F_OFD_SETLK, &mut byte.range(libc::F_UNLCK))
            .map_err(Error::io("giving back a lock on the region"))
    }

    /// A look at who holds which lock, for a few looks in a row.
    pub(crate) fn probe(&self) -> Result<Probe<'_>> {
        self.file().map(Probe)
    }
}

/// See [`LockFile::probe`].
pub(crate) struct Probe<'a>(&'a File);

impl Probe<'_> {
    /// Whether another open file description holds the lock, and alone. Takes nothing. Never ask for a byte that is locked through the
    /// probing descriptor. A shared lock does not count: whoever can read the file can have one, and prove with it that the dead live.
    pub(crate) fn is_locked_elsewhere(&self, byte: LockByte) -> Result<bool> {
        let mut range = byte.range(libc::F_RDLCK);
        fcntl(self.0, libc::F_OFD_GETLK, &mut range).map_err(Error::io("probing a lock on the region"))?;
        Ok(range.l_type != libc::F_UNLCK as i16)
    }
}

/// Locks a byte through a descriptor that nobody watches, if it is free: for as long as the descriptor is open.
pub(super) fn lock_unwatched(file: &File, byte: LockByte) -> io::Result<bool> {
    match fcntl(file, libc::F_OFD_SETLK, &mut byte.range(libc::F_WRLCK)) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether another open file description holds any lock, of whatever kind.
pub(super) fn is_any_locked(file: &File) -> io::Result<bool> {
    let mut range = LockByte::Creation.range(libc::F_WRLCK);
    // To the end of all that can be locked.
    range.l_len = 0;
    fcntl(file, libc::F_OFD_GETLK, &mut range)?;
    Ok(range.l_type != libc::F_UNLCK as i16)
}

/// Device and inode.
pub(crate) fn identity(file: &File) -> Result<(u64, u64)> {
    let data = file.metadata().map_err(Error::io("looking at the region's file"))?;
    Ok((data.dev(), data.ino()))
}

fn fcntl(file: &File, command: libc::c_int, range: &mut libc::flock) -> io::Result<()> {
    crate::sync::point();
    loop {
        // SAFETY: `range` is a valid flock for the whole call, and the three OFD commands read and write nothing else.
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, core::ptr::from_mut(range)) };
        if answer == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        fork::without_forks(|| {
            if self.file().is_ok() {
                // SAFETY: the file is not used after this; the descriptor is still ours, as was just seen.
                unsafe { ManuallyDrop::drop(&mut self.file) };
            }
            if self.epoch == fork::fork_epoch() {
                fork::unwatch(&self.ticket);
            }
        });
    }
}

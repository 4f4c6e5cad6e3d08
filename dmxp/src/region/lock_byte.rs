//! Locks on single bytes far beyond the data of the region file.
//!
//! They are open-file-description locks (`F_OFD_SETLK`, fcntl(2)): held by one descriptor of this process, freed by the
//! kernel when the process ends, whatever the PID namespace.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

/// First lock byte; no region file reaches it.
const BASE: i64 = 1 << 62;

/// A byte to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockByte {
    /// The management lock.
    Management,
    /// The life of the process at this index.
    Process(u32),
}

impl LockByte {
    fn range(self, kind: libc::c_int) -> libc::flock {
        let start = match self {
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

/// The descriptor that holds this process's locks on a region. Closed in forked children by [`super::fork`].
#[derive(Debug)]
pub(crate) struct LockFile {
    fd: RawFd,
    epoch: u64,
}

impl LockFile {
    /// Takes over a descriptor of its own, opened for reading and writing and shared with nothing else.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let fd = file.as_raw_fd();
        super::fork::watch(fd)?;
        Ok(Self {
            fd: file.into_raw_fd(),
            epoch: super::fork_epoch(),
        })
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self, byte: LockByte) -> io::Result<bool> {
        match self.fcntl(libc::F_OFD_SETLK, &mut byte.range(libc::F_WRLCK)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn unlock(&self, byte: LockByte) -> io::Result<()> {
        self.fcntl(libc::F_OFD_SETLK, &mut byte.range(libc::F_UNLCK))
    }

    /// Whether another open file description holds the lock. Takes nothing. Never ask for a byte that is locked here.
    pub(crate) fn is_locked_elsewhere(&self, byte: LockByte) -> io::Result<bool> {
        let mut range = byte.range(libc::F_WRLCK);
        self.fcntl(libc::F_OFD_GETLK, &mut range)?;
        Ok(range.l_type != libc::F_UNLCK as i16)
    }

    fn fcntl(&self, command: libc::c_int, range: &mut libc::flock) -> io::Result<()> {
        if self.epoch != super::fork_epoch() {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        loop {
            // SAFETY: `range` is a valid flock for the whole call, and the three OFD commands read and write nothing else.
            let answer = unsafe { libc::fcntl(self.fd, command, core::ptr::from_mut(range)) };
            if answer == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // In a forked child the fork handler has closed the descriptor; the number may be somebody else's by now.
        if self.epoch == super::fork_epoch() {
            super::fork::unwatch(self.fd);
            // SAFETY: the descriptor came from a File, is ours alone, and is not used after this.
            unsafe { libc::close(self.fd) };
        }
    }
}

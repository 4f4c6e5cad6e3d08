//! Waiting until something appears in a directory: inotify(7), and where there is none, short sleeps.

use crate::os::clock::instant;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// How long a sleep is where the system does not tell.
const UNTOLD: Duration = Duration::from_millis(20);
/// How long where it does: the directory may be another one by then.
const TOLD: Duration = Duration::from_secs(1);

/// Watches a directory for names that are new.
#[derive(Debug)]
pub(crate) struct NewNames(Option<OwnedFd>);

impl NewNames {
    /// From now on. What is there already is for the caller to find.
    pub(crate) fn watch(directory: &Path) -> Self {
        Self(Self::open(directory))
    }

    fn open(directory: &Path) -> Option<OwnedFd> {
        let name = CString::new(directory.as_os_str().as_encoded_bytes()).ok()?;
        // SAFETY: plain integers.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if descriptor < 0 {
            return None;
        }
        // SAFETY: the call has just opened it, for nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let events = libc::IN_CREATE | libc::IN_MOVED_TO | libc::IN_ATTRIB | libc::IN_ONLYDIR;
        // SAFETY: the name is NUL-terminated and lives through the call.
        let watch = unsafe { libc::inotify_add_watch(descriptor.as_raw_fd(), name.as_ptr(), events) };
        (watch >= 0).then_some(descriptor)
    }

    /// Sleeps until there may be a new name, at most `timeout`; for no reason now and then.
    pub(crate) fn sleep(&self, timeout: Duration) {
        let Some(descriptor) = &self.0 else {
            return crate::os::thread::sleep(timeout.min(UNTOLD));
        };
        let until = instant() + timeout.min(TOLD);
        let mut waits = libc::pollfd {
            fd: descriptor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let left = until.saturating_duration_since(instant()).as_millis() as libc::c_int;
        // Rounded up, or the last millisecond would be spent looking.
        // SAFETY: one structure, which lives through the call.
        unsafe { libc::poll(&raw mut waits, 1, left.saturating_add(1)) };
        let mut events = [0_u8; 4_096];
        loop {
            // SAFETY: the buffer is valid for its length. Nothing is read of what comes: the caller looks for itself.
            let got = unsafe { libc::read(descriptor.as_raw_fd(), events.as_mut_ptr().cast(), events.len()) };
            if got <= 0 {
                break;
            }
        }
    }
}

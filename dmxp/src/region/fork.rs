//! What happens to attachments in a forked child.
//!
//! A child inherits the descriptors that hold its parent's lock bytes; if it kept them, the parent would seem alive for as
//! long as the child lives. The fork handler closes them, and counts the fork, so that inherited handles can tell that they
//! are not this process's.

use std::io;
use std::os::fd::RawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Descriptors to close in a child. A fixed table of atomics: a fork handler may neither lock nor allocate.
static WATCHED: [AtomicI32; 1_024] = [const { AtomicI32::new(-1) }; 1_024];
static EPOCH: AtomicU64 = AtomicU64::new(0);
static INSTALL: Once = Once::new();

/// How many forks lie between the start of the first process and this one. Handles remember it and compare.
#[inline]
pub(crate) fn fork_epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

pub(super) fn watch(fd: RawFd) -> io::Result<()> {
    INSTALL.call_once(|| {
        // SAFETY: the handler is a plain function that only touches atomics and calls close, which is async-signal-safe.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    WATCHED
        .iter()
        .any(|place| {
            place
                .compare_exchange(-1, fd, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
        .then_some(())
        .ok_or_else(|| io::Error::other("this process has 1,024 regions open, the most it can"))
}

pub(super) fn unwatch(fd: RawFd) {
    let _ = WATCHED.iter().any(|place| {
        place
            .compare_exchange(fd, -1, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    });
}

extern "C" fn in_child() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    for place in &WATCHED {
        let fd = place.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the descriptor belongs to a LockFile of the parent, which no longer uses it here: the epoch differs.
            unsafe { libc::close(fd) };
        }
    }
}

/// The kernel's id of this thread, for info.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }.unsigned_abs()
}

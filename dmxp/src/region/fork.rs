//! What happens to attachments in a forked child.
//!
//! A child inherits the descriptors that hold its parent's lock bytes; if it kept them, the parent would seem alive for as
//! long as the child lives. The fork handler closes them, and counts the fork, so that inherited handles can tell that they
//! are not this process's.

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Descriptors to close in a child. A fixed table of atomics: a fork handler may not allocate.
static WATCHED: [AtomicI32; 1_024] = [const { AtomicI32::new(-1) }; 1_024];
static EPOCH: AtomicU64 = AtomicU64::new(0);
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// Held over each fork, and wherever a fork must not come between two steps.
struct ForkLock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a pthread mutex is made to be used by several threads; it is only touched through the pthread functions.
unsafe impl Sync for ForkLock {}

static FORK_LOCK: ForkLock = ForkLock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

extern "C" fn lock_forks() {
    // SAFETY: initialised statically, never moved or destroyed. No thread locks it twice: `without_forks` does not nest.
    unsafe { libc::pthread_mutex_lock(FORK_LOCK.0.get()) };
}

extern "C" fn unlock_forks() {
    // SAFETY: as above; it is called by the thread that holds the lock, or by that thread's image in the child.
    unsafe { libc::pthread_mutex_unlock(FORK_LOCK.0.get()) };
}

/// Runs `steps` with no fork between them. Must not nest, and must not drop a [`super::lock_byte::LockFile`].
pub(super) fn without_forks<R>(steps: impl FnOnce() -> R) -> R {
    struct Unlock;
    impl Drop for Unlock {
        fn drop(&mut self) {
            unlock_forks();
        }
    }
    lock_forks();
    let _unlock = Unlock;
    steps()
}

/// Installs the fork handlers, once.
pub(super) fn install() -> io::Result<()> {
    let installed = *INSTALLED.get_or_init(|| {
        // SAFETY: the handlers only touch atomics, the fork lock and close(2), all of which a fork handler may.
        unsafe { libc::pthread_atfork(Some(lock_forks), Some(unlock_forks), Some(in_child)) == 0 }
    });
    if installed {
        Ok(())
    } else {
        Err(io::Error::other("the fork handler could not be installed"))
    }
}

/// How many forks lie between the start of the first process and this one. Handles remember it and compare.
#[inline]
pub(crate) fn fork_epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

pub(super) fn watch(fd: RawFd) -> io::Result<()> {
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
    unlock_forks();
}

/// The kernel's id of this thread, for info.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }.unsigned_abs()
}

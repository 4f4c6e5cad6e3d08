//! What happens to attachments in a forked child.
//!
//! A child inherits the descriptors that hold its parent's lock bytes; if it kept them, the parent would seem alive for as
//! long as the child lives. The fork handler closes them, and counts the fork, so that inherited handles can tell that they
//! are not this process's.
//!
//! The system calls `fork` and `clone`, made without the C library, run no fork handlers. Their children find that the page of the count was
//! wiped (`MADV_WIPEONFORK`, madvise(2)), the first time that they use anything of this library: then they do what the handler would have
//! done. A child that never does keeps its parent's locks for as long as it lives, unless it calls `exec`. So does one that shares its
//! parent's memory (`vfork`, `CLONE_VM`), whose page is not wiped; and all of them where the kernel is older than Linux 4.14.

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A descriptor to close in a child, and the file it must still be open on for that.
///
/// Relaxed, all of it: the table is written with forks locked out, so the mutex orders the writers, and the child has what the
/// forking thread had after it took the mutex. A ticket is looked at without it; nothing is read through that.
struct Watched {
    /// Serial number and descriptor; 0 when the place is free.
    ticket: AtomicU64,
    device: AtomicU64,
    inode: AtomicU64,
}

/// A fixed table of atomics: a fork handler may not allocate.
static WATCHED: [Watched; 2_048] = [const {
    Watched {
        ticket: AtomicU64::new(0),
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
    }
}; 2_048];
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);
/// The number of forks so far, plus one, when this process began.
static BEFORE: AtomicU64 = AtomicU64::new(0);
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// No page is larger where this library runs.
const LARGEST_PAGE: usize = if cfg!(target_arch = "x86_64") {
    4 << 10
} else {
    64 << 10
};

/// What the kernel is asked to wipe in children: zeros, here and there. Nothing else may lie on its pages.
#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(65536)))]
struct Wiped {
    /// How many forks lie between the start of the first process and this one, plus one; 0 in a child that ran no fork handler, and before
    /// anything was opened.
    epoch: AtomicU64,
    /// A thread of such a child is at it.
    adopting: AtomicU64,
    rest: [u8; LARGEST_PAGE - 16],
}
const _: () = assert!(size_of::<Wiped>() == LARGEST_PAGE && align_of::<Wiped>() == LARGEST_PAGE);

/// All zeros, so that it lies in memory that no file is behind: only that is wiped.
static WIPED: Wiped = Wiped {
    epoch: AtomicU64::new(0),
    adopting: AtomicU64::new(0),
    rest: [0; LARGEST_PAGE - 16],
};

/// Held over each fork, and wherever a fork must not come between two steps. A program that forks in a signal handler, or opens
/// regions in a fork handler of its own, can lock itself out here.
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

/// Runs `steps` with no fork between them. Must not nest, and must not drop a [`crate::region::lock_byte::LockFile`].
pub(crate) fn without_forks<R>(steps: impl FnOnce() -> R) -> R {
    struct Unlock;
    impl Drop for Unlock {
        fn drop(&mut self) {
            unlock_forks();
        }
    }
    notice_fork();
    lock_forks();
    let _unlock = Unlock;
    steps()
}

/// Installs the fork handlers, once. In a child that none has run in, does what they would have done.
pub(crate) fn install() -> io::Result<()> {
    let installed = *INSTALLED.get_or_init(|| {
        // Before there is anything that remembers it.
        WIPED.epoch.store(1, Ordering::Relaxed);
        BEFORE.store(1, Ordering::Relaxed);
        let page = (&raw const WIPED).cast_mut();
        // SAFETY: the address is that of a static of this size, whose pages hold nothing else. In this process the call changes nothing
        // of what they hold. Where the kernel refuses, children that run no fork handler are not found.
        unsafe { libc::madvise(page.cast(), size_of::<Wiped>(), libc::MADV_WIPEONFORK) };
        // SAFETY: the handlers only touch atomics, the fork lock and close(2), all of which a fork handler may.
        unsafe { libc::pthread_atfork(Some(lock_forks), Some(unlock_forks), Some(in_child)) == 0 }
    });
    notice_fork();
    if installed {
        Ok(())
    } else {
        Err(io::Error::other("the fork handler could not be installed"))
    }
}

/// How many forks lie between the start of the first process and this one, plus one; 0 in a child that has not noticed yet that it is one.
/// Handles remember it and compare. Relaxed: it changes only while the process has one thread.
#[inline]
pub(crate) fn fork_epoch() -> u64 {
    WIPED.epoch.load(Ordering::Relaxed)
}

/// Does in a child that was made without the C library what the fork handler does in others; nothing elsewhere. To be called where the
/// epoch differs, and before anything is opened.
#[cold]
pub(crate) fn notice_fork() {
    if fork_epoch() != 0 || INSTALLED.get().is_none() {
        return;
    }
    // Acquire: pairs with the release below, for the threads that come second.
    if WIPED.adopting.swap(1, Ordering::Acquire) != 0 {
        while WIPED.epoch.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        return;
    }
    // Another thread of the parent may have had the lock, and is not here to give it back.
    // SAFETY: the mutex is not held in this process, whose threads all wait above until the epoch is there before they use it: whatever
    // takes the lock opens something or has a handle, and came by here. A new value is written where one lay that is never looked at again.
    unsafe { FORK_LOCK.0.get().write(libc::PTHREAD_MUTEX_INITIALIZER) };
    begin_child();
}

/// Proof that a descriptor was opened by the holder, and not since then by anybody else.
#[derive(Debug)]
pub(crate) struct Ticket {
    place: usize,
    ticket: u64,
}

/// Has `fd`, open on the file with that device and inode, closed in children. Called with forks locked out.
pub(crate) fn watch(fd: RawFd, (device, inode): (u64, u64)) -> io::Result<Ticket> {
    for watched in &WATCHED {
        let earlier = watched.ticket.load(Ordering::Relaxed);
        if earlier != 0 && earlier as u32 == fd.unsigned_abs() {
            // The number was given out again: its earlier owner has lost it.
            watched.ticket.store(0, Ordering::Relaxed);
        }
    }
    let full =
        || io::Error::other("this process has as many regions open as it can: 1,024 with names, or 2,048 without");
    let place = WATCHED
        .iter()
        .position(|watched| watched.ticket.load(Ordering::Relaxed) == 0)
        .ok_or_else(full)?;
    let ticket = NEXT_SERIAL.fetch_add(1, Ordering::Relaxed) << 32 | u64::from(fd.unsigned_abs());
    WATCHED[place].device.store(device, Ordering::Relaxed);
    WATCHED[place].inode.store(inode, Ordering::Relaxed);
    WATCHED[place].ticket.store(ticket, Ordering::Relaxed);
    Ok(Ticket { place, ticket })
}

/// Whether the descriptor is still the ticket holder's, as far as this library knows.
pub(crate) fn is_watched(ticket: &Ticket) -> bool {
    WATCHED[ticket.place].ticket.load(Ordering::Relaxed) == ticket.ticket
}

/// Called with forks locked out.
pub(crate) fn unwatch(ticket: &Ticket) {
    let place = &WATCHED[ticket.place].ticket;
    let _ = place.compare_exchange(ticket.ticket, 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// Device and inode of what `fd` is open on. For fork handlers: allocates nothing.
pub(crate) fn open_on(fd: RawFd) -> Option<(u64, u64)> {
    let mut data = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the buffer is large enough for what fstat writes; a bad descriptor is an error.
    let answer = unsafe { libc::fstat(fd, data.as_mut_ptr()) };
    if answer != 0 {
        return None;
    }
    // SAFETY: fstat succeeded and filled it.
    let data = unsafe { data.assume_init() };
    Some((data.st_dev, data.st_ino))
}

extern "C" fn in_child() {
    begin_child();
    unlock_forks();
}

fn begin_child() {
    for watched in &WATCHED {
        let ticket = watched.ticket.swap(0, Ordering::Relaxed);
        let fd = ticket as u32 as RawFd;
        let file = (
            watched.device.load(Ordering::Relaxed),
            watched.inode.load(Ordering::Relaxed),
        );
        if ticket != 0 && open_on(fd) == Some(file) {
            // SAFETY: the descriptor belongs to a LockFile of the parent, which no longer uses it here: the epoch differs.
            unsafe { libc::close(fd) };
        }
    }
    let epoch = BEFORE.fetch_add(1, Ordering::Relaxed) + 1;
    // Release: pairs with the acquire in `notice_fork`.
    WIPED.epoch.store(epoch, Ordering::Release);
}

/// The kernel's id of this thread, for info.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }.unsigned_abs()
}

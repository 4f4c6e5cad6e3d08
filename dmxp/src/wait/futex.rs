//! futex(2) and futex_waitv(2), shared between processes.

use super::signal;
use crate::os::clock::monotonic_clock;
use crate::sync::AtomicU32;
use core::ptr;
use std::io;
use std::time::Duration;

/// Words that one call can wait for.
pub(super) const MOST: usize = 128;

/// How long [`wait_any`] sleeps at a time where the kernel has no futex_waitv (before Linux 5.16), or a filter forbids it.
const POLL: Duration = Duration::from_millis(1);

/// One word of futex_waitv(2).
#[repr(C)]
#[derive(Clone, Copy)]
struct Waitv {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// `FUTEX2_SIZE_U32`; without `FUTEX2_PRIVATE`, the same futexes as those of futex(2) that are shared.
const WORD: u32 = 2;

/// Sleeps while `word` is `expected`, at most `timeout`. Returns early for wakes, signals and no reason at all.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    crate::sync::point();
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return scheduler.wait(&[(word.as_ptr(), expected)], timeout);
    }
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word outlives the call, and the kernel reads the timespec only. Every error means: look again.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            ptr::from_ref(&timeout),
            ptr::null::<u32>(),
            0,
        )
    };
    if answer < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) {
        signal::note();
    }
}

/// Sleeps while each word is what is expected of it, at most `timeout`. Returns early for wakes of any of them, signals and no reason
/// at all. Takes [`MOST`] words; what is beyond is not waited for. Where futex_waitv is missing it returns after [`POLL`].
pub(super) fn wait_any<'a>(words: impl IntoIterator<Item = (&'a AtomicU32, u32)>, timeout: Duration) {
    let mut list = [Waitv {
        value: 0,
        address: 0,
        flags: WORD,
        reserved: 0,
    }; MOST];
    let mut count = 0;
    let mut first = None;
    for ((word, expected), place) in words.into_iter().zip(&mut list) {
        first.get_or_insert((word, expected));
        place.value = expected.into();
        place.address = word.as_ptr().expose_provenance() as u64;
        count += 1;
    }
    let Some((first, expected)) = first else { return };
    if count == 1 {
        return wait(first, expected, timeout);
    }
    crate::sync::point();
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        let words = list[..count as usize].iter();
        let words: Vec<_> = words
            .map(|word| (ptr::with_exposed_provenance(word.address as usize), word.value as u32))
            .collect();
        return scheduler.wait(&words, timeout);
    }
    let end = monotonic_clock().saturating_add(timeout);
    let end = libc::timespec {
        tv_sec: end.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: end.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the list has `count` entries whose words are borrowed for longer than the call, and the kernel reads list and timespec
    // only.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            list.as_ptr(),
            count,
            0,
            ptr::from_ref(&end),
            libc::CLOCK_MONOTONIC,
        )
    };
    if answer < 0 {
        // Every other error means: look again.
        let error = io::Error::last_os_error().raw_os_error();
        if error == Some(libc::EINTR) {
            signal::note();
        }
        if matches!(error, Some(libc::ENOSYS | libc::EPERM | libc::EACCES)) {
            wait(first, expected, timeout.min(POLL));
        }
    }
}

/// Wakes at most `count` sleepers and returns how many there were.
pub(super) fn wake(word: &AtomicU32, count: u32) -> u32 {
    let count = count.min(i32::MAX as u32) as i32;
    crate::sync::point();
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return scheduler.wake(word.as_ptr(), count as u32);
    }
    // SAFETY: FUTEX_WAKE only uses the address of the word.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}

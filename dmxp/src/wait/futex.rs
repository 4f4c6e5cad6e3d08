//! futex(2), shared between processes.

use crate::sync::AtomicU32;
use core::ptr;
use std::time::Duration;

/// Sleeps while `word` is `expected`, at most `timeout`. Returns early for wakes, signals and no reason at all.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    crate::sync::point();
    // SAFETY: the word outlives the call, and the kernel reads the timespec only. Every error means: look again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            ptr::from_ref(&timeout),
            ptr::null::<u32>(),
            0,
        );
    }
}

/// Wakes at most `count` sleepers and returns how many there were.
pub(super) fn wake(word: &AtomicU32, count: u32) -> u32 {
    let count = count.min(i32::MAX as u32) as i32;
    crate::sync::point();
    // SAFETY: FUTEX_WAKE only uses the address of the word.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}

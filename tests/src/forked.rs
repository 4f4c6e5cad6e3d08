//! Children made by fork(2) that go on as a copy of the test.

use crate::PATIENCE;
use std::time::{Duration, Instant};

/// Runs `work` in a forked child, which ends with it. The status is then 0, or 1 << 8 after a panic: see [`status_of_forked`].
#[must_use]
pub fn forked(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child runs code of the library and the allocator, which glibc keeps usable in children, and leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!done)) }
        }
        child => child,
    }
}

/// Waits for the end of a forked child, which it kills after [`PATIENCE`], and returns its status as waitpid(2) has it: 0 is
/// success, the code that it left with is in the second byte.
///
/// # Panics
/// When it is no child of this process, or was waited for.
#[must_use]
pub fn status_of_forked(child: libc::pid_t) -> i32 {
    let started = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes an integer.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            return status;
        }
        assert_eq!(ended, 0, "it is a child");
        if started.elapsed() > PATIENCE {
            // SAFETY: two integers; the child was not waited for, so the number is its own.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

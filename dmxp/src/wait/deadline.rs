//! Absolute time limits.

use std::time::{Duration, Instant};

/// When a call must return; `None` never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Self = Self(None);

    /// A limit too far away to be counted is none.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// What is left, at most `longest`; `None` when the time is over.
    pub(crate) fn left(self, longest: Duration) -> Option<Duration> {
        match self.0 {
            None => Some(longest),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| left.min(longest))
            }
        }
    }
}

/// Time on the clock that futex_waitv(2) is given.
pub(super) fn monotonic_clock() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

/// Time on a clock that never jumps, as coarse as the kernel's tick (some milliseconds), without a system call.
pub(crate) fn coarse_clock() -> Duration {
    clock(libc::CLOCK_MONOTONIC_COARSE)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both clocks exist on every Linux, and the kernel writes a timespec.
    unsafe { libc::clock_gettime(id, &raw mut now) };
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

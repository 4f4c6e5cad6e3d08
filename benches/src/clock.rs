//! The clock of the benchmarks: the processor's counter where there is one, since asking the kernel costs about as much as a
//! message. All cores have the same time.

use std::time::Duration;

/// Nanoseconds of the kernel's monotonic clock, the same in all processes.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the timespec only.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(answer, 0, "CLOCK_MONOTONIC is always there");
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The counter. Where the processor has none that all cores share, nanoseconds.
#[inline]
#[must_use]
pub fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 processor has the counter.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(target_arch = "x86_64"))]
    monotonic_ns()
}

/// What ticks are worth, measured over the time that it lived.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    ticks: u64,
    ns: u64,
}

impl Scale {
    /// Begins to measure.
    #[must_use]
    pub fn start() -> Self {
        Self {
            ticks: ticks(),
            ns: monotonic_ns(),
        }
    }

    /// Nanoseconds a tick. Waits until a millisecond has gone by since the start: less is too short to tell.
    #[must_use]
    pub fn ns_per_tick(self) -> f64 {
        let elapsed = || monotonic_ns() - self.ns;
        if elapsed() < 1_000_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (ticks, ns) = (ticks() - self.ticks, elapsed());
        ns as f64 / ticks as f64
    }
}

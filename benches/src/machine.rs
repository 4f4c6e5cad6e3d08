//! The machine that is measured on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Ties this thread to a core; `false` where the system refuses.
pub fn pin(core: usize) -> bool {
    // SAFETY: an all-zero set is an empty one.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the set is large enough for core numbers below CPU_SETSIZE, and larger ones are ignored.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: reads a set of that size.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0 }
}

#[repr(align(128))]
struct Line(AtomicU64);

/// What two cores need at least: the time for a number to go to the other core in one cache line and come back in another, in
/// nanoseconds, the median of nine runs.
#[must_use]
pub fn round_trip_ns() -> f64 {
    const TRIPS: u64 = 50_000;
    let run = || {
        let (there, back) = (Line(AtomicU64::new(0)), Line(AtomicU64::new(0)));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                pin(1);
                for number in 1..=TRIPS {
                    while there.0.load(Ordering::Acquire) != number {}
                    back.0.store(number, Ordering::Release);
                }
            });
            pin(0);
            let started = Instant::now();
            for number in 1..=TRIPS {
                there.0.store(number, Ordering::Release);
                while back.0.load(Ordering::Acquire) != number {}
            }
            started.elapsed().as_nanos() as f64 / TRIPS as f64
        })
    };
    let mut runs: Vec<f64> = (0..9).map(|_| run()).collect();
    runs.sort_by(f64::total_cmp);
    runs[4]
}

//! The clocks: one for metadata, one for ticks, one for ages.
//!
//! Every message carries the time, so telling it must be cheap: [`now_ns`] reads the processor's counter ([`counter`]) and
//! converts by a line ([`calibration`]); a thread that finds it older than a millisecond renews it from the kernel's clock. There is
//! no thread for it, and nobody waits for another: a thread that finds the line expired, missing, or being renewed asks the kernel's
//! clock, and so do all threads where the counter is not to be trusted, and for a second where it failed too often. All of it belongs
//! to this process alone.

mod calibration;
mod counter;
#[cfg(test)]
mod tests;

use crate::os::fork::fork_epoch;
use calibration::{Calibration, LIFETIME_NS, Line, Reading};
use core::cell::Cell;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, within 1 us of `CLOCK_REALTIME`, which it follows within milliseconds when that is stepped.
/// What one thread is told never goes back, unless `CLOCK_REALTIME` is set back by more than a quarter of a millisecond.
#[inline]
pub fn now_ns() -> u64 {
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return SCHEDULED_EPOCH_NS + scheduler.now_ns();
    }
    static CLOCK: Clock = Clock::new();
    CLOCK.now_ns()
}

/// The low half of the processor's counter of time, in steps of its own, after all that comes before; 0 where there is none. For pauses
/// that are bounded otherwise: whether it deserves trust is not asked.
#[inline]
pub(crate) fn ordered_ticks() -> u32 {
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return scheduler.now_ns() as u32;
    }
    counter::ordered_ticks() as u32
}

/// What every clock says when a scheduler's clock stands at 0.
#[cfg(dmxp_stops)]
const SCHEDULED_EPOCH_NS: u64 = 1_000_000_000_000;

/// The time that limits are counted from.
#[inline]
pub(crate) fn instant() -> Instant {
    #[cfg(dmxp_stops)]
    if let Some(now) = crate::sync::schedule::instant() {
        return now;
    }
    Instant::now()
}

/// Milliseconds on a clock that never jumps, a few milliseconds coarse and cheap enough for every failed poll.
pub(crate) fn coarse_ms() -> u64 {
    coarse_clock().as_millis() as u64
}

/// Nanoseconds on a clock that never jumps and goes on while the machine sleeps, the same for every process of a time namespace:
/// what ages are taken from.
pub(crate) fn boot_ns() -> u64 {
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return SCHEDULED_EPOCH_NS + scheduler.now_ns();
    }
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and the kernel writes a timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Time on the clock that futex_waitv(2) is given.
pub(crate) fn monotonic_clock() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

/// The same in nanoseconds, the same for every process of a time namespace; never 0.
pub(crate) fn monotonic_ns() -> u64 {
    (monotonic_clock().as_nanos() as u64).max(1)
}

/// Time on a clock that never jumps, as coarse as the kernel's tick (some milliseconds), without a system call.
pub(crate) fn coarse_clock() -> Duration {
    clock(libc::CLOCK_MONOTONIC_COARSE)
}

fn clock(id: libc::clockid_t) -> Duration {
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        let coarse = if id == libc::CLOCK_MONOTONIC_COARSE {
            4_000_000
        } else {
            1
        };
        return Duration::from_nanos((SCHEDULED_EPOCH_NS + scheduler.now_ns()) / coarse * coarse);
    }
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both clocks exist on every Linux, and the kernel writes a timespec.
    unsafe { libc::clock_gettime(id, &raw mut now) };
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The kernel's clock.
fn system_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

/// A thread that is given an earlier time than before, by up to this, is told the time before again. Lines differ from each other
/// and from the clock by less than a microsecond, and at the end of a line by up to a fifth of its lifetime when the clock's slewing
/// turns round (adjtimex slews by a tenth at most).
const HELD_NS: u64 = LIFETIME_NS / 4;

/// Not known yet; the counter; the kernel's clock for good; the kernel's clock for [`REST_NS`].
const UNDECIDED: u8 = 0;
const COUNTER: u8 = 1;
const SYSTEM: u8 = 2;
const RESTING: u8 = 3;

/// How long the kernel's clock is asked after the counter failed too often: a virtual machine whose cores are taken away again and
/// again cannot be told from one whose counter is bad, but for what comes later.
const REST_NS: u64 = 1_000_000_000;

/// A calibration that everyone reads and one at a time renews.
#[repr(align(64))]
struct Clock {
    /// Odd while the words below are being written.
    version: AtomicU64,
    line: [AtomicU64; 4],
    /// The rest of the [`Calibration`], for the thread that renews it.
    learnt: [AtomicU64; 3],
    renewal: Renewal,
}

/// Apart from what everyone reads.
#[repr(align(64))]
struct Renewal {
    /// The epoch, plus one, of the process in which a thread is renewing; 0 when none is. A fork takes no other thread along: an
    /// epoch that is not this process's is that of a thread that does not exist here. (The fork handlers are in place before
    /// anybody asks for the time: attaching to a region comes first.)
    epoch: AtomicU64,
    source: AtomicU8,
    rests_since_ns: AtomicU64,
}

impl Clock {
    const fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            line: [const { AtomicU64::new(0) }; 4],
            learnt: [const { AtomicU64::new(0) }; 3],
            renewal: Renewal {
                epoch: AtomicU64::new(0),
                source: AtomicU8::new(UNDECIDED),
                rests_since_ns: AtomicU64::new(0),
            },
        }
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        not_back(self.estimate().unwrap_or_else(|| self.read()))
    }

    /// The time by the line; `None` when there is none that holds now.
    #[inline]
    fn estimate(&self) -> Option<u64> {
        // Pairs with the store that ends `store`.
        let version = self.version.load(Ordering::Acquire);
        let line = self.line();
        if line.lifetime == 0 {
            return None;
        }
        // Pairs with the fence in `store`: a thread that has read a new word sees the odd version.
        fence(Ordering::Acquire);
        if version & 1 == 1 || self.version.load(Ordering::Relaxed) != version {
            return None;
        }
        line.at(counter::ticks())
    }

    #[inline]
    fn line(&self) -> Line {
        let [ticks, ns, speed, lifetime] = &self.line;
        Line {
            ticks: ticks.load(Ordering::Relaxed),
            ns: ns.load(Ordering::Relaxed),
            speed: speed.load(Ordering::Relaxed),
            lifetime: lifetime.load(Ordering::Relaxed),
        }
    }

    /// The time by the kernel's clock; the line is renewed from it if nobody else does that.
    #[cold]
    fn read(&self) -> u64 {
        let source = &self.renewal.source;
        match source.load(Ordering::Relaxed) {
            UNDECIDED => {
                let decision = if counter::is_trusted() { COUNTER } else { SYSTEM };
                source.store(decision, Ordering::Relaxed);
                system_ns()
            }
            COUNTER => self.renew().unwrap_or_else(system_ns),
            RESTING => {
                let now = system_ns();
                // A clock that was set back ends the pause too.
                if now.wrapping_sub(self.renewal.rests_since_ns.load(Ordering::Relaxed)) >= REST_NS {
                    source.store(COUNTER, Ordering::Relaxed);
                }
                now
            }
            _ => system_ns(),
        }
    }

    /// The time by the kernel's clock, from which the line was renewed; `None` when another thread is at it.
    fn renew(&self) -> Option<u64> {
        let (ours, found) = (fork_epoch().max(1) + 1, self.renewal.epoch.load(Ordering::Relaxed));
        if found == ours {
            return None;
        }
        // Pairs with the store at the end: what the last one learnt is seen.
        self.renewal
            .epoch
            .compare_exchange(found, ours, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        let mut calibration = if found == 0 {
            self.calibration()
        } else {
            Calibration::default() // half written, perhaps, when the fork came
        };
        let reading = read_both(calibration.width.saturating_mul(2));
        calibration.learn(reading);
        if calibration.is_hopeless() {
            calibration = Calibration::default();
            self.renewal.rests_since_ns.store(reading.ns, Ordering::Relaxed);
            self.renewal.source.store(RESTING, Ordering::Relaxed);
        }
        self.store(&calibration);
        self.renewal.epoch.store(0, Ordering::Release);
        Some(reading.ns)
    }

    /// For the thread that renews: nobody else writes.
    fn calibration(&self) -> Calibration {
        let [width, failures, successes] = &self.learnt;
        Calibration {
            line: self.line(),
            width: width.load(Ordering::Relaxed),
            failures: failures.load(Ordering::Relaxed),
            successes: successes.load(Ordering::Relaxed),
        }
    }

    /// For the thread that renews. Readers take no notice of what they read meanwhile.
    fn store(&self, calibration: &Calibration) {
        let writing = self.version.load(Ordering::Relaxed) | 1;
        self.version.store(writing, Ordering::Relaxed);
        // Pairs with the fence in `estimate`.
        fence(Ordering::Release);
        let line = calibration.line;
        for (word, value) in self.line.iter().zip([line.ticks, line.ns, line.speed, line.lifetime]) {
            word.store(value, Ordering::Relaxed);
        }
        let learnt = [calibration.width, calibration.failures, calibration.successes];
        for (word, value) in self.learnt.iter().zip(learnt) {
            word.store(value, Ordering::Relaxed);
        }
        // Pairs with the first load of `estimate`.
        self.version.store(writing.wrapping_add(1), Ordering::Release);
    }
}

/// Counter and clock, the narrower of two tries, or of three where both are more than `enough` ticks wide: one may have been
/// interrupted, and the first is several times too wide where the kernel's page has left the cache since the last renewal. The true
/// moment of the clock's reading lies between the counter's two, since both, and the kernel's own look at the counter, are ordered.
fn read_both(enough: u64) -> Reading {
    let read = || {
        let before = counter::ordered_ticks();
        let ns = system_ns();
        let width = counter::ordered_ticks().wrapping_sub(before);
        Reading {
            ticks: before.wrapping_add(width / 2),
            ns,
            width,
        }
    };
    let narrower = |one: Reading, other: Reading| if other.width < one.width { other } else { one };
    let two = narrower(read(), read());
    if two.width > enough { narrower(two, read()) } else { two }
}

/// `time`, or what this thread was told before if that is later by no more than [`HELD_NS`].
#[inline]
fn not_back(time: u64) -> u64 {
    thread_local! {
        static TOLD: Cell<u64> = const { Cell::new(0) };
    }
    TOLD.with(|told| {
        let before = told.get();
        // A later time wraps round to far more.
        if before.wrapping_sub(time) <= HELD_NS {
            before
        } else {
            told.set(time);
            time
        }
    })
}

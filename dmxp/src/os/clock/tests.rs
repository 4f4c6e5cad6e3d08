//! The clock of this machine against its kernel's, asked just before and just after. An answer is judged only when those two are
//! within a microsecond, so that no interruption counts against it.

use crate::os::clock::{
    COUNTER, Clock, HELD_NS, Ordering, REST_NS, RESTING, SYSTEM, UNDECIDED, counter, not_back, system_ns,
};
use crate::os::fork::{fork_epoch, install};
use std::time::{Duration, Instant};

const MICROSECOND: u64 = 1_000;

impl Clock {
    /// The switch to the kernel's clock.
    fn without_counter() -> Self {
        let clock = Self::new();
        clock.renewal.source.store(SYSTEM, Ordering::Relaxed);
        clock
    }

    fn source(&self) -> u8 {
        self.renewal.source.load(Ordering::Relaxed)
    }

    /// Asks until there is a line, for at most ten seconds; whether there is one.
    fn settles(&self) -> bool {
        let started = Instant::now();
        while self.estimate().is_none() && started.elapsed() < Duration::from_secs(10) {
            self.now_ns();
        }
        self.estimate().is_some()
    }
}

#[derive(Debug, Default)]
struct Comparison {
    judged: u64,
    /// More than a microsecond outside of what the kernel's clock showed before and after.
    off: u64,
    /// The farthest outside.
    worst: u64,
    /// Earlier than the answer before.
    back: u64,
    previous: u64,
}

impl Comparison {
    fn ask(&mut self, clock: &Clock) {
        let before = system_ns();
        let time = clock.now_ns();
        let after = system_ns();
        self.back += u64::from(time < self.previous);
        self.previous = time;
        if after.wrapping_sub(before) < MICROSECOND {
            let outside = before.saturating_sub(time).max(time.saturating_sub(after));
            self.judged += 1;
            self.off += u64::from(outside > MICROSECOND);
            self.worst = self.worst.max(outside);
        }
    }

    /// Asks until `count` answers were judged, with pauses in which lines expire; gives up after `limit`.
    fn until(clock: &Clock, count: u64, limit: Duration) -> Self {
        let (started, mut comparison) = (Instant::now(), Self::default());
        while comparison.judged < count && started.elapsed() < limit {
            for _ in 0..10_000 {
                comparison.ask(clock);
            }
            std::thread::sleep(Duration::from_millis(comparison.judged % 7 * 25));
        }
        comparison
    }

    fn assert_honest(&self, count: u64) {
        assert!(self.judged >= count, "too few answers could be judged: {self:?}");
        assert!(self.off * 1_000 <= self.judged, "more than 0.1 % are off: {self:?}");
        assert_eq!(self.back, 0, "a thread was told an earlier time: {self:?}");
    }
}

#[test]
fn nearly_all_answers_are_within_a_microsecond_of_the_kernels_clock() {
    let clock = Clock::new();
    let comparison = Comparison::until(&clock, 400_000, Duration::from_secs(60));
    println!("{comparison:?}, source {}", clock.source());
    comparison.assert_honest(100_000);
}

#[test]
fn a_trusted_counter_is_used() {
    let clock = Clock::new();
    assert_eq!(clock.source(), UNDECIDED);
    if counter::is_trusted() {
        assert!(clock.settles(), "no line after ten seconds");
        assert_eq!(clock.source(), COUNTER);
    } else {
        clock.now_ns();
        assert_eq!(clock.source(), SYSTEM);
        println!("not looked at: this machine's counter is not to be trusted");
    }
}

#[test]
fn a_counter_that_failed_too_often_is_tried_again_after_a_rest() {
    let clock = Clock::new();
    clock.now_ns();
    if clock.source() == SYSTEM {
        println!("not looked at: this machine's counter is not to be trusted");
        return;
    }
    let rested = |for_ns: u64| {
        let since = system_ns() - for_ns;
        clock.renewal.rests_since_ns.store(since, Ordering::Relaxed);
        clock.renewal.source.store(RESTING, Ordering::Relaxed);
        clock.version.store(0, Ordering::Relaxed);
        clock.line[3].store(0, Ordering::Relaxed);
    };
    rested(0);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(100) {
        clock.now_ns();
    }
    assert_eq!(clock.source(), RESTING);
    assert!(clock.estimate().is_none(), "a line while it rests");
    rested(REST_NS);
    assert!(clock.settles(), "no line after the rest");
    assert_eq!(clock.source(), COUNTER);
}

#[test]
fn several_threads_are_each_told_the_time_and_never_an_earlier_one() {
    let clock = Clock::new();
    std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| Comparison::until(&clock, 50_000, Duration::from_secs(60))));
        for thread in threads {
            let comparison = thread.join().expect("the thread only compares");
            println!("{comparison:?}");
            comparison.assert_honest(25_000);
        }
    });
}

#[test]
fn a_thread_is_told_a_time_again_rather_than_one_a_little_earlier() {
    let tell_all = || {
        let now = 1_700_000_000_000_000_000;
        assert_eq!(not_back(now), now);
        assert_eq!(not_back(now - 1), now);
        assert_eq!(not_back(now - HELD_NS), now);
        assert_eq!(not_back(now + 5), now + 5);
        let set_back = now + 5 - HELD_NS - 1;
        assert_eq!(not_back(set_back), set_back);
        assert_eq!(not_back(0), 0, "the clock was set to 1970");
        assert_eq!(not_back(now), now);
    };
    tell_all();
    // Each thread by itself.
    std::thread::spawn(tell_all).join().expect("as in the first");
}

#[test]
fn without_the_counter_the_answers_are_the_kernels() {
    let clock = Clock::without_counter();
    let comparison = Comparison::until(&clock, 50_000, Duration::from_secs(60));
    comparison.assert_honest(25_000);
    assert_eq!(comparison.worst, 0, "{comparison:?}");
    assert_eq!(clock.source(), SYSTEM);
    assert!(clock.estimate().is_none());
}

#[test]
fn while_another_thread_renews_the_answers_are_the_kernels() {
    let clock = Clock::new();
    clock.settles();
    clock.renewal.epoch.store(fork_epoch().max(1) + 1, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(5));
    let comparison = Comparison::until(&clock, 1_000, Duration::from_secs(10));
    assert_eq!((comparison.worst, comparison.back), (0, 0), "{comparison:?}");
    assert!(clock.estimate().is_none(), "nobody has renewed the line");
}

#[test]
fn a_renewal_that_a_fork_cut_off_is_begun_anew_by_the_child() {
    if !counter::is_trusted() {
        println!("not looked at: this machine's counter is not to be trusted");
        return;
    }
    let clock = Clock::new();
    clock.settles();
    // What the child of a process finds whose other thread was writing, or worse: no sense in the words, and another epoch's.
    clock.version.fetch_add(1, Ordering::Relaxed);
    for word in clock.line.iter().chain(&clock.learnt) {
        word.store(u64::MAX, Ordering::Relaxed);
    }
    clock.renewal.epoch.store(fork_epoch().max(1) + 2, Ordering::Relaxed);
    assert!(clock.estimate().is_none());
    assert!(clock.settles(), "the child does without the counter for ever");
    Comparison::until(&clock, 10_000, Duration::from_secs(30)).assert_honest(5_000);
}

#[test]
fn a_forked_child_is_told_the_time() {
    // As attaching to a region does.
    install().expect("fork handlers");
    let clock = Clock::new();
    clock.settles();
    let epoch = fork_epoch();
    // SAFETY: the child asks clocks, which are atomics and system calls, and leaves with _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let comparison = Comparison::until(&clock, 20_000, Duration::from_secs(30));
        let honest = comparison.judged >= 10_000 && comparison.off * 1_000 <= comparison.judged && comparison.back == 0;
        let settled = clock.settles() || !counter::is_trusted();
        let failure = i32::from(!honest) | i32::from(!settled) << 1 | i32::from(fork_epoch() == epoch) << 2;
        // SAFETY: ends the child without running what belongs to its parent.
        unsafe { libc::_exit(failure) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above, and writes an integer.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(
        (waited, status),
        (child, 0),
        "1: dishonest, 2: no line, 4: no fork noticed (in the second byte)"
    );
}

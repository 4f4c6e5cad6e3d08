//! A scheduler of the test's own: it is asked before each access to shared memory, and has sleep, wake-ups and time in its hands.
//!
//! Only with `--cfg dmxp_stops`. A process that gives itself a scheduler ([`obey`]) does nothing that others can see without asking
//! it, and learns of time and of wake-ups from it alone: what several such processes do is then a function of the scheduler's choices.
//! `tests/src/bin/schedules` draws them from a seed.

pub use super::stepping::Access;
use core::panic::Location;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a process asks its scheduler.
pub trait Scheduler: Sync {
    /// Comes before each access to shared memory, and each system call that others can see. It returns when this process may make it.
    fn step(&self, place: &'static Location<'static>, access: Access);

    /// Nanoseconds on the scheduler's clock, which every clock of the library follows.
    fn now_ns(&self) -> u64;

    /// Sleeps while each word is what stands beside it, as futex(2) and futex_waitv(2) do: until [`wake`](Self::wake), or for that
    /// long. The words are in what was [`mapped`](Self::mapped), or of this process alone.
    fn wait(&self, words: &[(*const u32, u32)], timeout: Duration);

    /// Wakes at most `count` processes that sleep on the word, and returns how many there were.
    fn wake(&self, word: *const u32, count: u32) -> u32;

    /// Lets time pass.
    fn sleep(&self, time: Duration);

    /// Comes between two looks of a waiter that spins.
    fn pause(&self);

    /// Whether the process may use membarrier(2); it is not called in either case, since steps come one after the other.
    fn has_membarrier(&self) -> bool;

    /// A region of `len` bytes is mapped from `base` on.
    fn mapped(&self, base: *const u8, len: u64);
}

static SCHEDULER: OnceLock<&'static dyn Scheduler> = OnceLock::new();

/// From here on, this process and its children ask `scheduler`. The first call decides.
pub fn obey(scheduler: &'static dyn Scheduler) {
    SCHEDULER.get_or_init(|| scheduler);
}

#[inline]
pub(crate) fn scheduler() -> Option<&'static dyn Scheduler> {
    SCHEDULER.get().copied()
}

/// The time, if a scheduler has it, as an [`Instant`].
pub(crate) fn instant() -> Option<Instant> {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    let now = scheduler()?.now_ns();
    Some(*BEGINNING.get_or_init(Instant::now) + Duration::from_nanos(now))
}

//! The protocol between those who wait for something and those who make it happen.
//!
//! Two words: `signal`, a futex word that is bumped to wake, and `waiters`, whose bit 0 says that somebody may be asleep and
//! whose upper bits count announcements. The other low bits say what every publisher must know: that it has to fence, that the
//! channel is closed, that it is removed.
//!
//! A waiter reads `signal`, announces itself in `waiters`, runs a barrier, looks once more, and sleeps only while `signal` is
//! what it read. A publisher publishes, runs a barrier, and looks at `waiters`; if bit 0 is set it bumps `signal` and wakes.
//! When that wakes nobody it clears bit 0, by a CAS from the value it saw: any announcement since has changed the count and
//! keeps the bit. `signal` is read before the announcement, so a publisher that saw an older announcement bumps `signal`
//! after it was read, and the waiter does not fall asleep. `interleavings` runs this source under loom, and
//! `tests/protocol-model` searches the same steps with more waiters, and with membarrier.
//!
//! Two things cost a sleeper a tick, which is why nobody sleeps longer: a publisher that is killed before it has woken anybody, or
//! a waiter that is killed once it was chosen to be woken; and the first waiter of a channel that cannot call membarrier, which
//! a publisher may not have been told when it looked.

use super::{barrier, futex};
use crate::layout::waiters::{ARMED, FENCE, SEVERAL, TICKET};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU32, Ordering, fence};
use core::sync::atomic::compiler_fence;
use std::time::Duration;

/// Nobody sleeps longer without looking around: the bound on everything that a dead peer may have left undone.
/// With the time that a sweep takes it leaves room below the 100 ms in which a blocked peer goes on.
pub(crate) const TICK: Duration = Duration::from_millis(40);

/// What a waiter sleeps on: one thing to wait for, or a set of them.
pub(crate) trait Rest {
    /// What is left of the last sleep of one wait.
    type Announced: Default;

    /// Sleeps until somebody notifies, `timeout` is over, or for no reason, unless `ready` says that there is no need to.
    /// `several`: one publication may not be enough for this waiter, which would use up a wake that another one could use.
    ///
    /// `ready` is asked once, after the announcement; what it finds is for it to keep. Not where an earlier announcement of the same wait
    /// still stands: the caller has looked since it was woken.
    fn sleep(&self, announced: &mut Self::Announced, several: bool, timeout: Duration, ready: impl FnOnce() -> bool);

    /// There is more than this waiter got: wakes another one.
    fn pass_on(&self);
}

/// The barrier between announcements and the look that follows: one for all of them.
pub(super) fn settle<'a>(announced: impl IntoIterator<Item = Event<'a>>) {
    if !barrier::heavy() {
        for event in announced {
            // SeqCst, and the fence: the same again, for publishers that fence because of this bit.
            event.waiters.fetch_or(FENCE, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
    }
}

/// The two words of one thing to wait for.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) signal: &'a AtomicU32,
    pub(crate) waiters: &'a AtomicU32,
}

impl Rest for Event<'_> {
    /// The signal as it was read before the announcement.
    type Announced = Option<u32>;

    fn sleep(&self, announced: &mut Option<u32>, several: bool, timeout: Duration, ready: impl FnOnce() -> bool) {
        // An announcement stands as long as the signal is what was read before it: a publisher bumps that before it takes an announcement
        // back. So a waiter that slept for a tick goes on sleeping without a barrier, and one that finds something later is woken, or
        // finds the signal changed. Acquire: as in `announce`, which follows if it is another one.
        let signal = announced.map(|_| self.signal.load(Ordering::Acquire));
        let seen = match signal {
            Some(signal) if *announced == Some(signal) || planted(Bug::AnnouncementTakenForGranted) => signal,
            _ => {
                let seen = self.announce(several);
                settle([*self]);
                *announced = Some(seen);
                if !planted(Bug::SleepWithoutLook) && ready() {
                    return;
                }
                seen
            }
        };
        futex::wait(self.signal, seen, timeout);
    }

    fn pass_on(&self) {
        self.notify(1, false);
    }
}

impl Event<'_> {
    /// Announces a waiter. What it gives is what the signal must still be when the waiter falls asleep; before that come
    /// [`settle`] and one more look.
    pub(super) fn announce(self, several: bool) -> u32 {
        // Acquire: pairs with the release of the bumps in `wake` and `raise`. A waiter that reads a bump has what was published before it;
        // and what the bumper had read of `waiters` is older than the announcement below, which therefore cannot be the one that
        // the bumper found and cleared.
        let mut seen = self.signal.load(Ordering::Acquire);
        let bits = if several { ARMED | SEVERAL } else { ARMED };
        let announce = |word: u32| Some(word.wrapping_add(TICKET) | bits);
        // SeqCst: with the barrier in `settle`, pairs with the publisher's barrier and load: of publication and announcement, one is
        // seen by the other side. Relaxed where it fails: it is tried again.
        let _ = self.waiters.fetch_update(Ordering::SeqCst, Ordering::Relaxed, announce);
        if planted(Bug::SignalReadAfterAnnouncement) {
            seen = self.signal.load(Ordering::Acquire);
        }
        seen
    }

    /// As [`notify`](Self::notify), by a process whose barrier [is light](barrier::is_light).
    #[inline(always)]
    pub(crate) fn notify_lightly(self, count: u32) {
        // As `light`; then as in `notify`.
        compiler_fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) & (FENCE | ARMED) != 0 {
            self.notify_all_the_same(count);
        }
    }

    #[cold]
    fn notify_all_the_same(self, count: u32) {
        self.notify(count, false);
    }

    /// Tells waiters that up to `count` of them have something to do. `always`: also where no waiter is announced,
    /// because peers that know only v1 wait without announcing.
    #[inline]
    pub(crate) fn notify(self, count: u32, always: bool) {
        barrier::light();
        // Relaxed: ordered behind the publication by the barrier, and again by the fence, which pairs with those in `sleep`. Nothing
        // is read through the word.
        let mut word = self.waiters.load(Ordering::Relaxed);
        if word & FENCE != 0 {
            fence(Ordering::SeqCst);
            word = self.waiters.load(Ordering::Relaxed);
        }
        if word & ARMED != 0 || always {
            self.wake(word, count);
        }
    }

    #[cold]
    fn wake(self, word: u32, count: u32) {
        // Release: pairs with the acquire in `sleep`. A waiter that reads the new value has everything we published before it, and
        // comes after our look at `waiters`. Acquire: takes over from the bump before, for the one that this wakes (see `until`).
        self.signal.fetch_add(1, Ordering::AcqRel);
        let count = if word & SEVERAL != 0 { u32::MAX } else { count };
        if futex::wake(self.signal, count) == 0 && word & ARMED != 0 {
            // Failure: another waiter has armed the word since, and its bits stay. Nothing rests on the order: it follows from the
            // kernel's answer after the bump. Nothing is read through a cleared bit. Announcements around it stay visible through any RMW.
            let idle = word & !(ARMED | SEVERAL);
            if planted(Bug::WaitersClearedBlindly) {
                return self.waiters.store(idle, Ordering::Release);
            }
            let _ = self
                .waiters
                .compare_exchange(word, idle, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Sets bits that concern everyone (closed, removed) and wakes all.
    pub(crate) fn raise(self, bits: u32) {
        // SeqCst: stands in one order with the cursors and the looks at the bits (raw::Producer::try_claim). Then as in `wake`.
        self.waiters.fetch_or(bits, Ordering::SeqCst);
        self.signal.fetch_add(1, Ordering::AcqRel);
        futex::wake(self.signal, u32::MAX);
    }
}

//! The line of those that wait for a lock which the kernel frees when its holder dies.
//!
//! The lock itself is the kernel's, and the only truth: a process has it if it could take it. The words here only say when to try.
//! A process that finds the lock held announces itself, tries once more, and sleeps on the bell. A holder that leaves gives the lock
//! back, and if somebody is announced rings: it bumps the bell and wakes the first that sleeps there, in the kernel's order, which is that
//! of falling asleep. For that one it has kept the turn: meanwhile newcomers do not try, but join the line.
//!
//! Nothing rests on anybody's coming. The turn is kept for [`KEPT`] at most. A holder that dies frees the lock and rings for nobody, and
//! one that was woken may die or be stopped: so those in the line try by themselves too, the sooner the fewer they are, and at
//! different times. As with an [`Event`](super::Event), a ring that wakes nobody takes the announcement back, by a CAS from the word
//! that it saw, and where that fails somebody has come since, for whom it rings again.

#[cfg(all(test, loom))]
mod interleavings;

use super::event::TICK;
use super::{Deadline, futex};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

/// How long a turn is kept for the process that was woken: time for it to come on a busy machine.
const KEPT: Duration = Duration::from_millis(10);

/// Of `armed`: somebody may be asleep. Above it, announcements are counted.
const ARMED: u32 = 1;
const TICKET: u32 = 2;

/// How much later than after a tick one of those in line tries by itself, at most, for each that is in line: so many tries come in all,
/// however long the line is.
const APART: Duration = Duration::from_millis(4);
/// As many are counted.
const COUNTED: u32 = 1_024;

/// Rings that find nobody, of one holder that leaves: each answers an announcement that came during the one before.
const RINGS: u32 = 64;

/// How long to wait in line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// While the lock does not change hands.
    pub(crate) standstill: Duration,
    /// In all.
    pub(crate) whole: Duration,
}

/// A process that has left the line without the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    /// How often the lock changed hands meanwhile, as far as was seen.
    pub(crate) turns: u32,
}

/// The words of the line.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// A futex word, bumped for each turn that is given to one in line.
    pub(crate) bell: &'a AtomicU32,
    /// Whether somebody may be asleep, and announcements.
    pub(crate) armed: &'a AtomicU32,
    /// How many are in line, the dead not taken out: a hint.
    pub(crate) waiting: &'a AtomicU32,
    /// Until when the turn is kept for the one that was woken, nanoseconds of CLOCK_MONOTONIC; 0 it is not.
    pub(crate) kept_until_ns: &'a AtomicU64,
}

#[cfg(not(loom))]
fn now_ns() -> u64 {
    crate::os::clock::monotonic_ns()
}

/// Loom's scenarios have no time.
#[cfg(loom)]
fn now_ns() -> u64 {
    1
}

impl Line<'_> {
    /// Waits for a turn and takes the lock with `take`, which says whether it was free. `Ok(Err)`: patience is over.
    ///
    /// # Errors
    /// Those of `take`.
    pub(crate) fn enter<E>(
        &self,
        mut take: impl FnMut() -> Result<bool, E>,
        patience: Patience,
    ) -> Result<Result<(), Waited>, E> {
        if !self.is_kept() && take()? {
            return Ok(Ok(()));
        }
        // Relaxed, both: a hint.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let outcome = self.wait_for_turn(take, patience);
        let one_less = |count: u32| count.checked_sub(1);
        let _ = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        outcome
    }

    fn wait_for_turn<E>(
        &self,
        mut take: impl FnMut() -> Result<bool, E>,
        patience: Patience,
    ) -> Result<Result<(), Waited>, E> {
        // Acquire, as all loads of the bell: a bump comes with what its maker did before. Nothing rests on it here.
        let first = self.bell.load(Ordering::Acquire);
        let mut turns = 0;
        let whole = Deadline::after(patience.whole);
        let mut standstill = Deadline::after(patience.standstill);
        let mut is_ours = false;
        loop {
            // Before the announcement: a holder that takes that one back has bumped the bell since, and we do not fall asleep.
            let seen = self.bell.load(Ordering::Acquire);
            if seen.wrapping_sub(first) != turns {
                turns = seen.wrapping_sub(first);
                standstill = Deadline::after(patience.standstill);
            }
            let ticket = self.announce();
            // A turn that is kept has a holder behind it that has not rung yet, or will see the announcement when it takes it back; or it
            // is kept for one that will, when it leaves in its turn. Without one, the holder that keeps us from taking the lock sees it.
            if (is_ours || !self.is_kept()) && take()? {
                break;
            }
            let left = standstill.left(self.longest_sleep(ticket));
            let Some(left) = left.and_then(|left| whole.left(left)) else {
                return Ok(Err(Waited { turns }));
            };
            futex::wait(self.bell, seen, left);
            // It is, or the one whose it was does not come.
            is_ours = true;
        }
        // SeqCst: in one order with the looks at it and with announcements.
        self.kept_until_ns.store(0, Ordering::SeqCst);
        Ok(Ok(()))
    }

    /// To be called by the holder before it gives the lock back: from then on the turn is kept for somebody in line. The answer is for
    /// [`ring`](Self::ring).
    pub(crate) fn keep_turn(&self) -> bool {
        // Relaxed: a process that is missed here is rung for all the same.
        let is_kept = self.armed.load(Ordering::Relaxed) & ARMED != 0;
        if is_kept {
            // SeqCst: as in `enter`.
            self.kept_until_ns
                .store(now_ns().saturating_add(KEPT.as_nanos() as u64), Ordering::SeqCst);
        }
        is_kept
    }

    /// To be called after that: wakes the first in line.
    pub(crate) fn ring(&self, mut is_kept: bool) {
        for _ in 0..RINGS {
            // Pairs with the fence in `announce`: that announcement is seen here, or the lock was free when it was tried after it.
            fence(Ordering::SeqCst);
            let word = self.armed.load(Ordering::Relaxed);
            if word & ARMED == 0 {
                // An earlier holder, which rang late, took back the announcement for which the turn is kept. A process that came
                // since, and found it kept, is seen at the second look.
                if !is_kept || planted(Bug::TurnKeptForNobody) {
                    return;
                }
                is_kept = false;
                self.kept_until_ns.store(0, Ordering::SeqCst);
                continue;
            }
            // Release: before our look at the kernel's answer; pairs with the loads of the bell.
            self.bell.fetch_add(1, Ordering::AcqRel);
            if futex::wake(self.bell, 1) != 0 {
                return;
            }
            is_kept = false;
            self.kept_until_ns.store(0, Ordering::SeqCst);
            self.waiting.store(0, Ordering::Relaxed);
            // Failure: somebody has come since, and may have found the turn kept.
            let taken_back = self
                .armed
                .compare_exchange(word, word & !ARMED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
            if taken_back {
                return;
            }
        }
    }

    fn announce(&self) -> u32 {
        let announce = |word: u32| Some(word.wrapping_add(TICKET) | ARMED);
        // SeqCst, and the fence: pairs with the one in `ring`.
        let word = self
            .armed
            .fetch_update(Ordering::SeqCst, Ordering::Relaxed, announce)
            .unwrap_or_default();
        fence(Ordering::SeqCst);
        word
    }

    fn is_kept(&self) -> bool {
        // SeqCst: with the stores, and behind the announcement.
        let until = self.kept_until_ns.load(Ordering::SeqCst);
        let left = until.wrapping_sub(now_ns());
        until != 0 && left != 0 && left <= KEPT.as_nanos() as u64
    }

    /// How long one in line sleeps before it tries by itself.
    fn longest_sleep(&self, ticket: u32) -> Duration {
        let span = APART.as_nanos() as u64 * u64::from(self.waiting.load(Ordering::Relaxed).min(COUNTED)).max(1);
        // A different time for each announcement (Fibonacci hashing).
        let share = u64::from((ticket / TICKET).wrapping_mul(0x9e37_79b9) >> 16);
        TICK + Duration::from_nanos(span / 65_536 * share)
    }
}

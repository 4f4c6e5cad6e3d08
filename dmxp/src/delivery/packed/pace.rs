//! When a subscriber that has caught up looks for more.
//!
//! A look at the tail takes its line away from the producer, who needs it for every message. Where lines are slow to come, a
//! subscriber that looks after each message makes the producer wait for the line as often. So looks that find something, one after
//! the other, are kept apart: the next one comes when as much time has passed as the last one took, which is the time in which the
//! producer gets the line back. Messages that come seldom are seen at once: after a look in vain, or when the time has passed
//! anyway, there is no pause.

use core::cell::Cell;

/// The longest pause, in steps of the processor's counter: a few hundred nanoseconds.
const LONGEST: u64 = 1_024;
/// Most turns of a pause, for counters that go backwards, or stand still.
const TURNS: u32 = 64;

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The counter after the last look, if it found something; else 0.
    found_at: Cell<u64>,
    pause: Cell<u64>,
}

impl Pace {
    /// Looks with `look`, after a pause if there is to be one. What it gives is how much there is.
    #[inline(always)]
    pub(super) fn look(&self, look: impl FnOnce() -> u64) -> u64 {
        let last = self.found_at.get();
        if last == 0 {
            let found = look();
            if found > 0 {
                self.found_at.set(crate::os::clock::ticks());
            }
            return found;
        }
        let mut before = crate::os::clock::ticks();
        let mut turns = 0;
        while before.wrapping_sub(last) < self.pause.get() && turns < TURNS {
            core::hint::spin_loop();
            before = crate::os::clock::ticks();
            turns += 1;
        }
        let found = look();
        if found == 0 {
            self.found_at.set(0);
            self.pause.set(0);
        } else {
            let after = crate::os::clock::ticks();
            self.pause.set(after.wrapping_sub(before).min(LONGEST));
            self.found_at.set(after);
        }
        found
    }
}

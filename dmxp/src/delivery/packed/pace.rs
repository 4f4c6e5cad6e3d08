//! When a subscriber that has caught up looks for more.
//!
//! A look at the tail takes its line away from the producer, who needs it for every message. Where lines are slow to come, a
//! subscriber that looks after each message makes the producer wait for the line as often. So looks that find something are kept
//! apart: the next one comes half as long after the last one as that came after the one before. In a stream that is the time that
//! a look takes, whatever that is here, and as much of it belongs to the producer. Whoever waits for an answer does not notice: it
//! cannot come sooner. Messages that come seldom are looked for without a pause, and no pause is longer than [`LONGEST`].

use crate::os::clock::ticks;
use core::cell::Cell;

/// The longest pause, in steps of the processor's counter: a few hundred nanoseconds.
const LONGEST: u32 = 1_024;
/// Messages that are further apart come seldom.
const SELDOM: u32 = 4 * LONGEST;
/// Most turns of a pause, for counters that go backwards, or stand still.
const TURNS: u32 = 64;

/// The low half of the counter is enough: what is taken for a short time once in a while costs no more than a pause.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The counter at the last look that found something.
    found_at: Cell<u32>,
    /// How long after it the next look comes; 0 once that was in vain.
    pause: Cell<u32>,
}

impl Pace {
    /// Looks with `look`, after a pause if there is to be one. What it gives is how much there is.
    #[inline(always)]
    pub(super) fn look(&self, look: impl FnOnce() -> u64) -> u64 {
        let pause = self.pause.get();
        let mut now = 0;
        if pause != 0 {
            now = ticks();
            if now.wrapping_sub(self.found_at.get()) < pause {
                now = self.wait(pause);
            }
        }
        let found = look();
        if found == 0 {
            self.pause.set(0);
            return 0;
        }
        if pause == 0 {
            now = ticks();
        }
        let apart = now.wrapping_sub(self.found_at.replace(now));
        self.pause
            .set(if apart < SELDOM { (apart / 2).min(LONGEST) } else { 0 });
        found
    }

    #[inline(never)]
    fn wait(&self, pause: u32) -> u32 {
        for _ in 0..TURNS {
            core::hint::spin_loop();
            let now = ticks();
            if now.wrapping_sub(self.found_at.get()) >= pause {
                return now;
            }
        }
        ticks()
    }
}

//! When a subscriber that has caught up looks for more.
//!
//! A look at the tail takes its line away from the producer, which needs it for every message. Where lines are slow to come, a
//! subscriber that looks after each message makes the producer wait for the line as often. So looks that find something are kept
//! apart: the next one comes as long after the last one as a look takes here, and as much time belongs to the producer. A subscriber
//! that waits for an answer does not notice: it cannot come sooner. How long a look takes is measured once in a while. Where it is short,
//! as with both sides on one core, there are no pauses, and none is longer than [`LONGEST`].

use crate::os::clock::ordered_ticks;
use core::cell::Cell;

/// The longest pause, in steps of the processor's counter: a few hundred nanoseconds.
const LONGEST: u32 = 1_024;
/// A shorter one is not worth its price.
const SHORTEST: u32 = 128;
/// Looks that find something between two that are measured.
const LOOKS: u32 = 16;
/// Most turns of a pause, for counters that go backwards, or stand still.
const TURNS: u32 = 64;

/// The low half of the counter is enough: what is taken for a short time once in a while costs no more than a pause.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many looks that find something are still made without a pause, and without a measurement.
    free: Cell<u32>,
    /// How many are made with a pause before the next measurement.
    paced: Cell<u32>,
    pause: Cell<u32>,
    /// The counter after the last look, if that found something, and if there are pauses.
    found_at: Cell<Option<u32>>,
}

impl Pace {
    /// Looks with `look`, after a pause if there is to be one. What it gives is how much there is.
    #[inline(always)]
    pub(super) fn look(&self, look: impl Fn() -> u64) -> u64 {
        let free = self.free.get();
        if free == 0 {
            return self.look_at_leisure(&look);
        }
        let found = look();
        if found > 0 {
            self.free.set(free - 1);
        }
        found
    }

    #[cold]
    #[inline(never)]
    fn look_at_leisure(&self, look: &dyn Fn() -> u64) -> u64 {
        if let Some(found_at) = self.found_at.take() {
            let is_over = || ordered_ticks().wrapping_sub(found_at) >= self.pause.get();
            for _ in 0..TURNS {
                if is_over() {
                    break;
                }
                core::hint::spin_loop();
            }
        }
        let before = ordered_ticks();
        let found = look();
        if found > 0 {
            let after = ordered_ticks();
            match self.paced.get() {
                0 => {
                    // Once more, now that the line is here: the difference is its way.
                    look();
                    let without = ordered_ticks().wrapping_sub(after);
                    self.measured(after.wrapping_sub(before).saturating_sub(without));
                }
                paced => self.paced.set(paced - 1),
            }
            self.found_at.set((self.free.get() == 0).then_some(after));
        }
        found
    }

    fn measured(&self, transfer: u32) {
        if transfer < SHORTEST {
            self.free.set(LOOKS);
        } else {
            self.paced.set(LOOKS);
            self.pause.set(transfer.min(LONGEST));
        }
    }
}

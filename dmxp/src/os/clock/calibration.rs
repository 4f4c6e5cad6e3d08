//! What is known of the counter's relation to the clock, learnt from readings of both: no processor and no shared state here.
//!
//! Between two readings the clock is taken for a straight [`Line`], and only for [`LIFETIME_NS`]; then the clock itself is read.
//! So whatever happens to clock or counter, what a line says is wrong for at most that long, by the counter. (A counter that stands
//! still stops the kernel's clock as well, which is computed from it.) A line is drawn only when
//! - the speed since the last reading is the speed of the time before, to [`SPEED_TOLERANCE`]: a clock that was stepped, a
//!   counter that jumped, stopped or goes at another speed (a machine that was suspended, or moved) does not pass;
//! - the readings are so narrow that they cannot make it wrong by more than [`UNCERTAINTY_NS`].
//!
//! Together that is 1 us for a line that holds, and for a clock that begins to be slewed by 500 millionths, what NTP does at most.
//! Where it does not pass, nothing is drawn and learning starts again; a counter that fails too often is left alone for a while.

#[cfg(test)]
mod simulation;

/// How long a line is used: what a step or a change of speed goes unnoticed, and what divides the cost of a reading.
pub(super) const LIFETIME_NS: u64 = 1_000_000;
/// Readings nearer to each other say too little of the speed.
const SHORTEST_NS: u64 = LIFETIME_NS / 2;
/// Readings farther from each other say nothing of it now.
const LONGEST_NS: u64 = 1_000_000_000;
/// How much the speed may change between two intervals: one part in this.
const SPEED_TOLERANCE: u64 = 2_000;
/// How much the width of the readings may put a line out, at its end.
const UNCERTAINTY_NS: u128 = 500;
/// Failures after which the counter is left alone.
const MOST_FAILURES: u64 = 16;
/// Successes in a row after which failures are forgotten.
const FORGIVEN_AFTER: u64 = 32;

/// The clock as a function of the counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins: the counter, and the clock at the same moment.
    pub(super) ticks: u64,
    pub(super) ns: u64,
    /// Nanoseconds a tick, times 2^32; 0 while unknown.
    pub(super) speed: u64,
    /// Ticks for which it may be used; 0 when not at all.
    pub(super) lifetime: u64,
}

impl Line {
    /// The time when the counter shows `ticks`; `None` when that is before the line's beginning or after its end.
    #[inline]
    pub(super) fn at(&self, ticks: u64) -> Option<u64> {
        let age = ticks.wrapping_sub(self.ticks);
        // No overflow: lifetime * speed is at most LIFETIME_NS * 2^32, below 2^52.
        (age < self.lifetime).then(|| self.ns.saturating_add((age * self.speed) >> 32))
    }
}

/// Counter and clock at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The counter, halfway between just before and just after the clock was read.
    pub(super) ticks: u64,
    pub(super) ns: u64,
    /// Ticks from just before to just after.
    pub(super) width: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calibration {
    pub(super) line: Line,
    /// Of the reading where the line begins.
    pub(super) width: u64,
    pub(super) failures: u64,
    /// Successes since the last failure, or since failures were forgotten.
    pub(super) successes: u64,
}

impl Calibration {
    /// Learns from a reading of now.
    pub(super) fn learn(&mut self, reading: Reading) {
        let Self { line, width, .. } = *self;
        let (interval, ticks) = (reading.ns.checked_sub(line.ns), reading.ticks.checked_sub(line.ticks));
        if ticks.is_some() && interval.is_some_and(|ns| ns < SHORTEST_NS) {
            return;
        }
        self.width = reading.width;
        self.line = Line {
            ticks: reading.ticks,
            ns: reading.ns,
            speed: line.speed,
            lifetime: 0,
        };
        // Set back, one of them.
        let (Some(interval), Some(ticks)) = (interval, ticks) else {
            return self.fail(0);
        };
        // The first reading comes here too: the time before it began in 1970.
        if interval > LONGEST_NS {
            return;
        }
        match (interval << 32).checked_div(ticks) {
            None | Some(0) => self.fail(0),
            Some(speed) if uncertainty_ns([width, reading.width], interval, speed) > UNCERTAINTY_NS => self.fail(0),
            Some(speed) if line.speed == 0 => self.line.speed = speed,
            Some(speed) if speed.abs_diff(line.speed) > line.speed / SPEED_TOLERANCE => self.fail(speed),
            Some(speed) => self.draw(speed),
        }
    }

    fn draw(&mut self, speed: u64) {
        self.line.speed = speed;
        self.line.lifetime = (LIFETIME_NS << 32) / speed;
        self.successes += 1;
        if self.successes == FORGIVEN_AFTER {
            (self.failures, self.successes) = (0, 0);
        }
    }

    /// The line is not drawn; `speed` is what the next interval is compared with, 0 when there is nothing to compare with.
    fn fail(&mut self, speed: u64) {
        self.line.speed = speed;
        self.failures += 1;
        self.successes = 0;
    }

    /// Whether the counter is so bad, or reading it beside the clock so slow, that trying costs more than it brings.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failures >= MOST_FAILURES
    }
}

/// How far the end of a line can be from the clock, given the widths of the readings at both ends of the interval from which it was
/// drawn: each reading is at most half its width out, the last one moves the line, and both turn it.
fn uncertainty_ns(widths: [u64; 2], interval: u64, speed: u64) -> u128 {
    let [earlier, last] = widths.map(|ticks| (u128::from(ticks) * u128::from(speed)) >> 32);
    last / 2 + (earlier + last) / 2 * u128::from(LIFETIME_NS) / u128::from(interval)
}

//! What the sender computes of what it sends, and each consumer of what it receives.

use crate::tick::Tick;
use dmxp::message::Timestamp;
use std::fmt;

pub(crate) struct Summary {
    ticks: u64,
    /// Shares.
    volume: u64,
    /// What they cost together, in cents.
    turnover: u64,
    /// Prices, in cents.
    lowest: u32,
    highest: u32,
    last: Timestamp,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self {
            ticks: 0,
            volume: 0,
            turnover: 0,
            lowest: u32::MAX,
            highest: 0,
            last: Timestamp::UNIX_EPOCH,
        }
    }

    /// Loops over a slice, which the compiler turns into vector instructions.
    pub(crate) fn add(&mut self, ticks: &[Tick]) {
        self.ticks += ticks.len() as u64;
        for tick in ticks {
            self.volume += u64::from(tick.quantity);
            self.turnover += u64::from(tick.quantity) * u64::from(tick.price);
            self.lowest = self.lowest.min(tick.price);
            self.highest = self.highest.max(tick.price);
        }
        self.last = ticks.last().map_or(self.last, |tick| tick.time);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ticks, {} shares for {} cents, at {} to {}, the last one at {} ns",
            self.ticks,
            self.volume,
            self.turnover,
            self.lowest,
            self.highest,
            self.last.as_nanos()
        )
    }
}

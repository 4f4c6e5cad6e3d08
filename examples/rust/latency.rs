//! How long messages were on their way: from their publication, of which each carries the time, to their reception.

use std::fmt;
use std::time::{Duration, SystemTime};

#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, published: SystemTime) {
        // Nothing, if the clock was set back in between.
        self.0.push(published.elapsed().unwrap_or_default());
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |part: usize| sorted.get((sorted.len() * part / 100).min(sorted.len().saturating_sub(1)));
        let at = |part: usize| at(part).copied().unwrap_or_default();
        write!(
            f,
            "latency {:?} median, {:?} for 99 of 100, {:?} at most",
            at(50),
            at(99),
            at(100)
        )
    }
}

//! Quantiles. A figure is never shown without its spread.

use serde::{Deserialize, Serialize};

/// The quantile of sorted figures, `part` from 0 to 1.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// First quartile, median and third quartile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// A quarter of the figures is below.
    pub low: f64,
    /// Half of them is below.
    pub median: f64,
    /// Three quarters are below.
    pub high: f64,
}

impl Spread {
    /// Of some figures; `None` of none.
    #[must_use]
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        if figures.is_empty() {
            return None;
        }
        figures.sort_by(f64::total_cmp);
        Some(Self {
            low: quantile(&figures, 0.25),
            median: quantile(&figures, 0.5),
            high: quantile(&figures, 0.75),
        })
    }
}

/// How long single messages took in one run, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: f64,
    /// 99 of a hundred took no longer.
    pub p99: f64,
    /// 999 of a thousand took no longer.
    pub p999: f64,
}

impl Latency {
    /// Of samples in ticks; `None` of none.
    #[must_use]
    pub fn of(ticks: &[u64], ns_per_tick: f64) -> Option<Self> {
        let mut samples: Vec<f64> = ticks.iter().map(|&ticks| ticks as f64 * ns_per_tick).collect();
        if samples.is_empty() {
            return None;
        }
        samples.sort_by(f64::total_cmp);
        Some(Self {
            p50: quantile(&samples, 0.5),
            p99: quantile(&samples, 0.99),
            p999: quantile(&samples, 0.999),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Latency, Spread};

    #[test]
    fn quartiles_are_those_of_the_sorted_figures() {
        let spread = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(
            spread,
            Some(Spread {
                low: 2.0,
                median: 3.0,
                high: 4.0
            })
        );
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn one_slow_message_of_a_thousand_shows_in_none_of_the_quantiles() {
        let mut ticks = vec![10; 1_001];
        ticks[500] = 1_000_000;
        let latency = Latency::of(&ticks, 0.5).expect("there are samples");
        assert_eq!((latency.p50, latency.p99, latency.p999), (5.0, 5.0, 5.0));
        ticks[501] = 1_000_000;
        assert_eq!(Latency::of(&ticks, 0.5).map(|latency| latency.p999), Some(500_000.0));
    }
}

//! What dmxp set itself, as ratios within a block, and what came of it.

use crate::plan::Subject;
use crate::results::{Block, Metric, Results};
use crate::statistics::Spread;
use crate::transports::Kind;
use serde::Serialize;

/// One side of a ratio.
#[derive(Clone, Debug)]
enum Side {
    /// A figure of the same block.
    Of(Kind, Metric),
    /// The same of another case's block, of the same repetition.
    Elsewhere(&'static str, Kind, Metric),
    /// The raw round trip of the block.
    Raw,
    /// The lowest figure of all who are not dmxp.
    BestPeer(Metric),
}

/// A ratio that should not be exceeded.
struct Target {
    what: &'static str,
    case: &'static str,
    ours: (Kind, Metric),
    other: Side,
    /// Ours divided by the other's is at most this.
    at_most: f64,
    /// Whether it is told as how much faster ours is.
    as_speed: bool,
}

/// What came of a target.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What was to be reached.
    pub target: String,
    /// The ratios of the blocks.
    pub reached: Option<Spread>,
    /// Whether the median reaches it.
    pub met: Option<bool>,
    /// Blocks in the machine's slow state in which the order turned round, of how many.
    pub turned_when_slow: Option<(usize, usize)>,
}

fn subject(kind: Kind) -> Subject {
    Subject {
        kind,
        processes: kind.between_processes(),
    }
}

fn targets() -> Vec<Target> {
    use Metric::{P50, P999, PerMessage};
    // At least `times` as fast.
    let faster = |what, case, ours, other, times: f64| Target {
        what,
        case,
        ours: (ours, PerMessage),
        other: Side::Of(other, PerMessage),
        at_most: 1.0 / times,
        as_speed: true,
    };
    let at_most = |what, case, ours, other, at_most| Target {
        what,
        case,
        ours,
        other,
        at_most,
        as_speed: false,
    };
    // What a typed channel is when speed matters; the usual slots are in the tables.
    let queue = Kind::CompactQueue;
    let mut targets = Vec::new();
    targets.extend([
        faster(
            "queue 1:1, 64 bytes, to ArrayQueue between threads",
            "throughput-1-1-64",
            queue,
            Kind::ArrayQueue,
            1.1,
        ),
        faster(
            "queue 1:1, 960 bytes, in place, to ArrayQueue between threads",
            "throughput-1-1-960",
            Kind::CompactQueueInPlace,
            Kind::ArrayQueue,
            1.3,
        ),
        faster(
            "SPSC, 64 bytes, compact slots, to rtrb between threads",
            "throughput-1-1-64",
            Kind::CompactSpsc,
            Kind::Rtrb,
            1.5,
        ),
        faster(
            "SPSC, 64 bytes, slots of 1,088 bytes, to rtrb between threads",
            "throughput-1-1-64",
            Kind::Spsc,
            Kind::Rtrb,
            1.2,
        ),
        at_most(
            "round trip, 64 bytes, p50, to the raw round trip",
            "round-trip-64",
            (queue, P50),
            Side::Raw,
            2.2,
        ),
        at_most(
            "receiving in place, 960 bytes, to 8 bytes",
            "receiving-960",
            (Kind::CompactQueueInPlace, PerMessage),
            Side::Elsewhere("receiving-8", Kind::CompactQueueInPlace, PerMessage),
            1.05,
        ),
        at_most(
            "waking a sleeper, p50, to a bare futex",
            "wake-64",
            (queue, P50),
            Side::Of(Kind::BareFutex, P50),
            1.5,
        ),
        at_most(
            "p99.9 of busy processes, to the best peer",
            "busy-round-trip-64",
            (queue, P999),
            Side::BestPeer(P999),
            1.25,
        ),
    ]);
    #[cfg(feature = "iceoryx2")]
    targets.extend([
        faster(
            "queue 1:1, 64 bytes, to iceoryx2",
            "throughput-1-1-64",
            queue,
            Kind::Iceoryx2,
            10.0,
        ),
        at_most(
            "round trip, 64 bytes, p50, to iceoryx2's",
            "round-trip-64",
            (queue, P50),
            Side::Of(Kind::Iceoryx2, P50),
            0.25,
        ),
    ]);
    #[cfg(feature = "aeron")]
    targets.extend([
        faster(
            "queue 1:1, 64 bytes, to Aeron IPC",
            "throughput-1-1-64",
            queue,
            Kind::Aeron,
            1.2,
        ),
        faster(
            "SPSC, 64 bytes, compact slots, to Aeron IPC",
            "throughput-1-1-64",
            Kind::CompactSpsc,
            Kind::Aeron,
            2.0,
        ),
        at_most(
            "round trip, 64 bytes, p50, to Aeron's",
            "round-trip-64",
            (queue, P50),
            Side::Of(Kind::Aeron, P50),
            0.9,
        ),
    ]);
    targets
}

impl Target {
    /// Ours divided by the other's.
    fn ratio(&self, results: &Results, block: &Block) -> Option<f64> {
        let ours = block.figure(subject(self.ours.0), self.ours.1)?;
        let other = match self.other {
            Side::Of(kind, metric) => block.figure(subject(kind), metric)?,
            Side::Raw => block.raw_ns(),
            Side::Elsewhere(case, kind, metric) => results
                .blocks(case)
                .find(|other| other.repetition == block.repetition)?
                .figure(subject(kind), metric)?,
            Side::BestPeer(metric) => block
                .runs
                .iter()
                .filter(|(other, _)| !other.kind.is_ours())
                .filter_map(|(other, _)| block.figure(*other, metric))
                .min_by(f64::total_cmp)?,
        };
        Some(ours / other)
    }

    fn verdict(&self, results: &Results) -> Verdict {
        let ratios: Vec<(f64, bool)> = results
            .blocks(self.case)
            .filter_map(|block| Some((self.ratio(results, block)?, block.is_slow())))
            .collect();
        let slow = ratios.iter().filter(|(_, slow)| *slow);
        // An order that was the right way round cannot turn where the bound allows either.
        let turned = (self.at_most <= 1.0).then(|| {
            let turned = slow.clone().filter(|(ratio, _)| *ratio > 1.0).count();
            (turned, slow.count())
        });
        let told = |ratio: f64| if self.as_speed { 1.0 / ratio } else { ratio };
        let reached = Spread::of(ratios.iter().map(|(ratio, _)| told(*ratio)).collect());
        let bound = told(self.at_most);
        let (met, side) = if self.as_speed {
            (reached.map(|reached| reached.median >= bound), "at least")
        } else {
            (reached.map(|reached| reached.median <= bound), "at most")
        };
        Verdict {
            target: format!("{}: {side} {bound:.2}", self.what),
            reached,
            met,
            turned_when_slow: turned,
        }
    }
}

/// Of all targets.
#[must_use]
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = targets().iter().map(|target| target.verdict(results)).collect();
    for (what, at_least) in [("borrowed", 3e6), ("numpy", 20e6)] {
        let rates = results.python.iter().filter(|run| run.what == what);
        let reached = Spread::of(rates.map(|run| run.per_second / 1e6).collect());
        verdicts.push(Verdict {
            target: format!("Python, {what}: at least {} million a second", at_least / 1e6),
            met: reached.map(|reached| reached.median * 1e6 >= at_least),
            reached,
            turned_when_slow: None,
        });
    }
    verdicts
}

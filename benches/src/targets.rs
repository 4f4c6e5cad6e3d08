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
    /// The best of these counts.
    ours: &'static [Kind],
    metric: Metric,
    /// Whether ours waits inside the call, by its default strategy.
    blocking: bool,
    /// Whether ours connects threads, as what it is compared with.
    threads: bool,
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
    /// The ratios of the blocks in which the machine was fast.
    pub fast: Option<Spread>,
    /// The ratios of the others.
    pub slow: Option<Spread>,
    /// Whether the median reaches it where the machine is fast; targets say nothing of the slow state.
    pub met: Option<bool>,
}

fn subject(kind: Kind) -> Subject {
    Subject {
        kind,
        processes: kind.between_processes(),
        blocking: false,
    }
}

/// What a typed channel is when speed matters; the usual slots are in the tables.
const QUEUE: &[Kind] = &[Kind::CompactQueue];
const QUEUE_IN_PLACE: &[Kind] = &[Kind::CompactQueueInPlace];
const SPSC: &[Kind] = &[Kind::CompactSpsc];
/// For a round trip both will do.
const EITHER: &[Kind] = &[Kind::CompactQueue, Kind::CompactSpsc];

/// At least `times` as fast.
fn faster(what: &'static str, case: &'static str, ours: &'static [Kind], other: Kind, times: f64) -> Target {
    Target {
        as_speed: true,
        ..at_most(
            what,
            case,
            (ours, Metric::PerMessage),
            Side::Of(other, Metric::PerMessage),
            1.0 / times,
        )
    }
}

fn at_most(
    what: &'static str,
    case: &'static str,
    (ours, metric): (&'static [Kind], Metric),
    other: Side,
    at_most: f64,
) -> Target {
    Target {
        what,
        case,
        ours,
        metric,
        blocking: false,
        threads: false,
        other,
        at_most,
        as_speed: false,
    }
}

/// Packed slots beside rings of one sender and one receiver that hold nothing but messages either: rtrb between threads, shaq between
/// processes.
fn packed() -> impl Iterator<Item = Target> {
    const PACKED: &[Kind] = &[Kind::Packed];
    [
        (
            [
                "packed, 8 bytes, to rtrb between threads",
                "packed, 8 bytes, to shaq SPSC",
            ],
            "throughput-1-1-8",
            PACKED,
            1.5,
        ),
        (
            [
                "packed, 8 bytes, lossy subscribers admitted, to rtrb between threads",
                "packed, 8 bytes, lossy subscribers admitted, to shaq SPSC",
            ],
            "throughput-1-1-8",
            &[Kind::PackedLossy],
            0.7,
        ),
        (
            [
                "packed, 64 bytes, to rtrb between threads",
                "packed, 64 bytes, to shaq SPSC",
            ],
            "throughput-1-1-64",
            PACKED,
            1.0,
        ),
        (
            [
                "packed, 8 bytes, batches of 64, to rtrb between threads",
                "packed, 8 bytes, batches of 64, to shaq SPSC",
            ],
            "batch-64-8",
            PACKED,
            1.0,
        ),
        (
            [
                "packed, 64 bytes, batches of 64, to rtrb between threads",
                "packed, 64 bytes, batches of 64, to shaq SPSC",
            ],
            "batch-64-64",
            PACKED,
            1.0,
        ),
    ]
    .into_iter()
    .flat_map(|([to_rtrb, to_shaq], case, ours, times)| {
        [
            Target {
                threads: true,
                ..faster(to_rtrb, case, ours, Kind::Rtrb, times)
            },
            faster(to_shaq, case, ours, Kind::Shaq, times),
        ]
    })
}

fn targets() -> Vec<Target> {
    use Metric::{P50, P999, PerMessage};
    let mut targets = Vec::new();
    targets.extend([
        at_most(
            "queue 1:1, 64 bytes, in place, to copied",
            "throughput-1-1-64",
            (QUEUE_IN_PLACE, PerMessage),
            Side::Of(Kind::CompactQueue, PerMessage),
            0.95,
        ),
        at_most(
            "queue 1:1, 960 bytes, in place, to copied",
            "throughput-1-1-960",
            (QUEUE_IN_PLACE, PerMessage),
            Side::Of(Kind::CompactQueue, PerMessage),
            0.9,
        ),
        at_most(
            "SPSC, 64 bytes, in place, to copied",
            "throughput-1-1-64",
            (&[Kind::CompactSpscInPlace], PerMessage),
            Side::Of(Kind::CompactSpsc, PerMessage),
            0.95,
        ),
        at_most(
            "SPSC, 960 bytes, in place, to copied",
            "throughput-1-1-960",
            (&[Kind::CompactSpscInPlace], PerMessage),
            Side::Of(Kind::CompactSpsc, PerMessage),
            0.9,
        ),
        at_most(
            "queue 1:1, 960 bytes, in place, written whole, to copied",
            "throughput-1-1-960",
            (&[Kind::CompactQueueWhole], PerMessage),
            Side::Of(Kind::CompactQueue, PerMessage),
            0.7,
        ),
        at_most(
            "SPSC, 960 bytes, in place, written whole, to copied",
            "throughput-1-1-960",
            (&[Kind::CompactSpscWhole], PerMessage),
            Side::Of(Kind::CompactSpsc, PerMessage),
            0.7,
        ),
        faster(
            "queue 1:1, 64 bytes, to ArrayQueue between threads",
            "throughput-1-1-64",
            QUEUE,
            Kind::ArrayQueue,
            1.1,
        ),
        faster(
            "queue 1:1, 960 bytes, in place, to ArrayQueue between threads",
            "throughput-1-1-960",
            QUEUE_IN_PLACE,
            Kind::ArrayQueue,
            1.5,
        ),
        faster(
            "SPSC, 64 bytes, compact slots, to rtrb between threads",
            "throughput-1-1-64",
            SPSC,
            Kind::Rtrb,
            1.5,
        ),
        faster(
            "SPSC, 64 bytes, slots of 1,088 bytes, to rtrb between threads",
            "throughput-1-1-64",
            &[Kind::Spsc],
            Kind::Rtrb,
            1.2,
        ),
        at_most(
            "round trip, 8 bytes, p50, to the raw round trip",
            "round-trip-8",
            (EITHER, P50),
            Side::Raw,
            1.5,
        ),
        at_most(
            "round trip, 64 bytes, p50, to the raw round trip",
            "round-trip-64",
            (QUEUE, P50),
            Side::Raw,
            2.2,
        ),
        at_most(
            "round trip, 64 bytes, p50, latest to broadcast",
            "round-trip-64",
            (&[Kind::Latest], P50),
            Side::Of(Kind::Broadcast, P50),
            1.4,
        ),
        at_most(
            "receiving in place, 960 bytes, to 8 bytes",
            "receiving-960",
            (QUEUE_IN_PLACE, PerMessage),
            Side::Elsewhere("receiving-8", Kind::CompactQueueInPlace, PerMessage),
            1.05,
        ),
        at_most(
            "waking a sleeper, p50, to a bare futex",
            "wake-64",
            (QUEUE, P50),
            Side::Of(Kind::BareFutex, P50),
            1.5,
        ),
    ]);
    targets.extend(packed());
    for (what, metric) in [
        ("p50 of busy processes, default strategy, to the best peer", P50),
        ("p99.9 of busy processes, default strategy, to the best peer", P999),
    ] {
        targets.push(Target {
            blocking: true,
            ..at_most(
                what,
                "busy-round-trip-64",
                (QUEUE, metric),
                Side::BestPeer(metric),
                1.25,
            )
        });
    }
    #[cfg(feature = "iceoryx2")]
    targets.extend([
        faster(
            "queue 1:1, 64 bytes, to iceoryx2",
            "throughput-1-1-64",
            QUEUE,
            Kind::Iceoryx2,
            10.0,
        ),
        at_most(
            "round trip, 64 bytes, p50, to iceoryx2's",
            "round-trip-64",
            (EITHER, P50),
            Side::Of(Kind::Iceoryx2, P50),
            0.25,
        ),
    ]);
    #[cfg(feature = "aeron")]
    targets.extend([
        faster(
            "queue 1:1, 64 bytes, to Aeron IPC",
            "throughput-1-1-64",
            QUEUE,
            Kind::Aeron,
            1.2,
        ),
        faster(
            "SPSC, 64 bytes, compact slots, to Aeron IPC",
            "throughput-1-1-64",
            SPSC,
            Kind::Aeron,
            2.0,
        ),
        at_most(
            "round trip, 64 bytes, p50, to Aeron's",
            "round-trip-64",
            (EITHER, P50),
            Side::Of(Kind::Aeron, P50),
            1.1,
        ),
        at_most(
            "round trip, 64 bytes, without timestamps, p50, to Aeron's",
            "round-trip-64",
            (&[Kind::CompactQueueUntimed, Kind::CompactSpscUntimed], P50),
            Side::Of(Kind::Aeron, P50),
            0.95,
        ),
    ]);
    targets
}

impl Target {
    /// Ours divided by the other's.
    fn ratio(&self, results: &Results, block: &Block) -> Option<f64> {
        let subjects = self.ours.iter().map(|&kind| Subject {
            blocking: self.blocking,
            processes: !self.threads && kind.between_processes(),
            ..subject(kind)
        });
        let ours = subjects
            .filter_map(|ours| block.figure(ours, self.metric))
            .min_by(f64::total_cmp)?;
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
        let told = |ratio: f64| if self.as_speed { 1.0 / ratio } else { ratio };
        let of = |fast: bool| {
            let blocks = results.blocks(self.case).filter(|block| block.is_fast() == fast);
            Spread::of(
                blocks
                    .filter_map(|block| self.ratio(results, block))
                    .map(told)
                    .collect(),
            )
        };
        let (fast, bound) = (of(true), told(self.at_most));
        let (met, side) = if self.as_speed {
            (fast.map(|fast| fast.median >= bound), "at least")
        } else {
            (fast.map(|fast| fast.median <= bound), "at most")
        };
        Verdict {
            target: format!("{}: {side} {bound:.2}", self.what),
            fast,
            slow: of(false),
            met,
        }
    }
}

/// Of all targets whose case was measured.
#[must_use]
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let measured = |target: &&Target| results.cases.iter().any(|case| case.id == target.case);
    let targets = targets();
    let mut verdicts: Vec<Verdict> = targets
        .iter()
        .filter(measured)
        .map(|target| target.verdict(results))
        .collect();
    for (what, at_least) in [("borrowed", 3e6), ("numpy", 20e6), ("packed", 500e6)] {
        let rates = results.python.iter().filter(|run| run.what == what);
        let Some(reached) = Spread::of(rates.map(|run| run.per_second / 1e6).collect()) else {
            continue;
        };
        // These runs have no raw round trip of their own.
        let fast = results.is_fast();
        verdicts.push(Verdict {
            target: format!("Python, {what}: at least {} million a second", at_least / 1e6),
            met: fast.then_some(reached.median * 1e6 >= at_least),
            fast: fast.then_some(reached),
            slow: (!fast).then_some(reached),
        });
    }
    verdicts
}

//! What a whole measurement has brought, and what is made of it: quartiles over the blocks, and ratios within them.

use crate::plan::{Case, Sizes, Subject};
use crate::python::PythonRun;
use crate::run::Measured;
use crate::statistics::{Latency, Spread};
use serde::Serialize;

/// A raw round trip shorter than this, in nanoseconds, is the fast state of a machine; some virtual machines are in a slow one at times.
pub const FAST: f64 = 150.0;

/// Everything, as the JSON report has it.
#[derive(Debug, Serialize)]
pub struct Results {
    /// The machine.
    pub machine: String,
    /// When, in seconds since 1970.
    pub at: u64,
    /// How much was done.
    pub sizes: Sizes,
    /// What was measured.
    pub cases: Vec<Case>,
    /// In the order of measuring.
    pub blocks: Vec<Block>,
    /// Python, if it was there.
    pub python: Vec<PythonRun>,
    /// Why there is none, if there is none.
    pub python_missing: Option<String>,
}

/// All subjects of a case, once, one right after the other.
#[derive(Clone, Debug, Serialize)]
pub struct Block {
    /// Of which case.
    pub case: String,
    /// Which repetition.
    pub repetition: usize,
    /// The raw round trip of two cache lines, before and after.
    pub raw: [Latency; 2],
    /// What each subject brought, or why it did not.
    pub runs: Vec<(Subject, Result<Measured, String>)>,
}

impl Block {
    /// The raw round trip, in nanoseconds: the median trip, of the shorter of the two runs.
    #[must_use]
    pub fn raw_ns(&self) -> f64 {
        self.raw[0].p50.min(self.raw[1].p50)
    }

    /// Whether the machine was in its fast state.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.raw_ns() < FAST
    }

    /// A subject's figure.
    #[must_use]
    pub fn figure(&self, subject: Subject, metric: Metric) -> Option<f64> {
        let (_, measured) = self.runs.iter().find(|(other, _)| *other == subject)?;
        metric.of(measured.as_ref().ok()?)
    }
}

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Metric {
    /// Nanoseconds a message.
    PerMessage,
    /// Half took no longer.
    P50,
    /// 99 of a hundred took no longer.
    P99,
    /// 999 of a thousand took no longer.
    P999,
    /// Nanoseconds to attach.
    Attach,
    /// Nanoseconds to open a sender.
    OpenSender,
    /// Nanoseconds to open a receiver.
    OpenReceiver,
    /// Bytes of a lane.
    Bytes,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PerMessage,
        Self::P50,
        Self::P99,
        Self::P999,
        Self::Attach,
        Self::OpenSender,
        Self::OpenReceiver,
        Self::Bytes,
    ];

    /// As tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerMessage => "ns a message",
            Self::P50 => "p50, ns",
            Self::P99 => "p99, ns",
            Self::P999 => "p99.9, ns",
            Self::Attach => "attach, ns",
            Self::OpenSender => "open a sender, ns",
            Self::OpenReceiver => "open a receiver, ns",
            Self::Bytes => "bytes",
        }
    }

    /// Of a run.
    #[must_use]
    pub fn of(self, measured: &Measured) -> Option<f64> {
        let latency = |part: fn(Latency) -> f64| measured.latency.map(part);
        match self {
            Self::PerMessage => measured.ns_per_message,
            Self::P50 => latency(|latency| latency.p50),
            Self::P99 => latency(|latency| latency.p99),
            Self::P999 => latency(|latency| latency.p999),
            Self::Attach => measured.opening.map(|times| times[0]),
            Self::OpenSender => measured.opening.map(|times| times[1]),
            Self::OpenReceiver => measured.opening.map(|times| times[2]),
            Self::Bytes => measured.bytes.map(|bytes| bytes as f64),
        }
    }
}

impl Results {
    /// Whether the machine was in its fast state most of the time.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        2 * self.blocks.iter().filter(|block| block.is_fast()).count() > self.blocks.len()
    }

    /// The blocks of a case.
    pub fn blocks<'a>(&'a self, case: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.case == case)
    }

    /// A subject's figure over all blocks of a case.
    #[must_use]
    pub fn spread(&self, case: &str, subject: Subject, metric: Metric) -> Option<Spread> {
        Spread::of(
            self.blocks(case)
                .filter_map(|block| block.figure(subject, metric))
                .collect(),
        )
    }

    /// The same in raw round trips, of its block each.
    #[must_use]
    pub fn in_round_trips(&self, case: &str, subject: Subject, metric: Metric) -> Option<Spread> {
        Spread::of(
            self.blocks(case)
                .filter_map(|block| Some(block.figure(subject, metric)? / block.raw_ns()))
                .collect(),
        )
    }

    /// The raw round trips of the blocks of a case.
    #[must_use]
    pub fn raw(&self, case: &str) -> Option<Spread> {
        Spread::of(self.blocks(case).map(Block::raw_ns).collect())
    }
}

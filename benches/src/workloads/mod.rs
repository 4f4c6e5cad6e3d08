//! What is done with a transport, one file each. A run has workers: threads, in one process or in one each, that all are ready before
//! the first message is sent. Every wait ends.

mod latency;
mod opening;
mod receiving;
mod throughput;

use crate::clock::{Scale, monotonic_ns};
use crate::lines::Lines;
use crate::payload::Payload;
use crate::statistics::Latency;
use crate::transport::{Failure, Place, Transport, Waiting};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

pub(crate) use throughput::sum_of_numbers;

/// What is measured in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Workload {
    /// As many messages as there is time for.
    Throughput {
        /// Of all senders together.
        messages: u64,
        /// Messages in a batch.
        batch: usize,
    },
    /// A message goes to the other side and comes back, then the next.
    RoundTrip {
        /// Of each pair.
        trips: u64,
        /// Whether the receiving call waits, in the transport's own way.
        blocking: bool,
    },
    /// Messages so far apart that each is alone.
    OneWay {
        /// How many.
        messages: u64,
        /// From one to the next.
        every: Duration,
        /// Whether the receiver sleeps in between.
        asleep: bool,
    },
    /// A lane is filled and then emptied by the same thread.
    Receiving {
        /// How often.
        times: u64,
    },
    /// An end is opened and closed.
    Opening {
        /// How often.
        times: u64,
    },
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Sends; in a round trip, the side that begins.
    Sender,
    /// Receives; in a round trip, the side that answers.
    Receiver,
}

/// A worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// What it does.
    pub role: Role,
    /// Which of those with that role it is.
    pub index: usize,
    /// The core that it runs on; any where there is none.
    pub core: Option<usize>,
}

/// What a worker has to tell.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// When it began, in nanoseconds of the monotonic clock.
    pub started_ns: u64,
    /// When it had done its part.
    pub ended_ns: u64,
    /// Messages that it sent or received, or times that it did what it does.
    pub count: u64,
    /// The sum of their numbers.
    pub sum: u64,
    /// How long each took.
    pub latency: Option<Latency>,
    /// Attaching, opening a sender, opening a receiver; nanoseconds, medians.
    pub opening: Option<[f64; 3]>,
    /// Memory of a lane.
    pub bytes: Option<u64>,
}

/// What a worker knows.
pub(crate) struct Station<'a> {
    pub(crate) place: &'a Place,
    pub(crate) worker: Worker,
    pub(crate) lines: &'a Lines,
    /// Whether every receiver gets every message, and they do not compete.
    pub(crate) all_get_all: bool,
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    /// Whether each worker has a core of its own.
    pub(crate) alone: bool,
    /// Whether threads of the transport itself need a core of a worker's.
    pub(crate) crowded: bool,
    /// Says that the worker is ready, and waits until all are.
    pub(crate) ready: &'a (dyn Fn() -> Result<(), Failure> + Sync),
}

impl Station<'_> {
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            alone: self.alone,
            looks: 0,
            until: None,
        }
    }

    /// The same for a sender that finds no room: room is made by the transport's own threads, where it has some.
    pub(crate) fn patience_to_send(&self) -> Patience {
        Patience {
            alone: self.alone && !self.crowded,
            ..self.patience()
        }
    }
}

/// Between two looks: spins where the other side runs on a core of its own, else lets others run after some looks. The same for all
/// transports.
pub(crate) struct Patience {
    alone: bool,
    looks: u32,
    until: Option<Instant>,
}

const LONGEST: Duration = Duration::from_secs(10);

impl Patience {
    /// Something came.
    #[inline]
    pub(crate) fn renew(&mut self) {
        self.looks = 0;
        self.until = None;
    }

    /// Nothing came.
    #[inline]
    pub(crate) fn pause(&mut self) -> Result<(), Failure> {
        self.looks = self.looks.wrapping_add(1);
        core::hint::spin_loop();
        if !self.alone && self.looks.is_multiple_of(64) {
            std::thread::yield_now();
        }
        if self.looks.is_multiple_of(1 << 14) {
            let until = *self.until.get_or_insert_with(|| Instant::now() + LONGEST);
            if Instant::now() > until {
                return Err(format!("nothing went on for {LONGEST:?}").into());
            }
        }
        Ok(())
    }
}

impl Workload {
    /// What receivers do where nothing is there.
    pub(crate) fn waiting(self) -> Waiting {
        match self {
            Self::OneWay { asleep: true, .. } => Waiting::Asleep,
            Self::RoundTrip { blocking: true, .. } => Waiting::Default,
            _ => Waiting::Polling,
        }
    }

    /// Does a worker's part.
    pub(crate) fn run<P: Payload, T: Transport<P>>(self, hub: &T, station: &Station<'_>) -> Result<Outcome, Failure> {
        match self {
            Self::Throughput { messages, batch } => throughput::run(hub, station, messages, batch),
            Self::RoundTrip { trips, blocking } => latency::round_trip(hub, station, trips, blocking),
            Self::OneWay {
                messages,
                every,
                asleep,
            } => latency::one_way(hub, station, messages, every, asleep),
            Self::Receiving { times } => receiving::run(hub, station, times),
            Self::Opening { times } => opening::run::<P, T>(station, times),
        }
    }
}

/// The time of a part that began with a scale, and what samples in ticks were.
fn timed(scale: Scale, started_ns: u64, samples: &[u64]) -> Outcome {
    Outcome {
        started_ns,
        ended_ns: monotonic_ns(),
        count: samples.len() as u64,
        latency: Latency::of(samples, scale.ns_per_tick()),
        ..Outcome::default()
    }
}

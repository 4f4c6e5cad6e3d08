//! What is measured, with what, and in which sizes.

use crate::run::Cast;
use crate::transports::Kind;
use crate::workloads::Workload;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A transport, between threads or processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Which.
    pub kind: Kind,
    /// Whether its ends are processes.
    pub processes: bool,
    /// Whether receivers wait inside the call, in the transport's own way.
    pub blocking: bool,
}

impl Subject {
    /// As tables call it.
    #[must_use]
    pub fn name(self) -> String {
        match (self.processes, self.kind.between_processes(), self.blocking) {
            (false, true, _) => format!("{} (threads)", self.kind.name()),
            (_, _, true) => format!("{} (blocking)", self.kind.name()),
            _ => self.kind.name().to_owned(),
        }
    }
}

/// Runs that are compared with each other: the same work with each subject, one after the other.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Short, for the command line and the JSON report.
    pub id: String,
    /// For people.
    pub title: String,
    /// The work.
    pub workload: Workload,
    /// Bytes of a message.
    pub bytes: usize,
    /// Senders.
    pub senders: usize,
    /// Receivers.
    pub receivers: usize,
    /// Whether each worker is tied to a core.
    pub pinned: bool,
    /// What takes part.
    pub subjects: Vec<Subject>,
}

impl Case {
    /// Who takes part with this subject.
    #[must_use]
    pub fn cast(&self, subject: Subject) -> Cast {
        Cast {
            senders: self.senders,
            receivers: self.receivers,
            processes: subject.processes,
            pinned: self.pinned,
        }
    }

    /// The work for this subject: who is slow by its nature does less of it.
    #[must_use]
    pub fn workload(&self, subject: Subject) -> Workload {
        match self.workload {
            Workload::Throughput { messages, batch } if subject.kind.is_slow() => Workload::Throughput {
                messages: messages / 8,
                batch,
            },
            Workload::RoundTrip { trips, .. } => Workload::RoundTrip {
                trips,
                blocking: subject.blocking,
            },
            other => other,
        }
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sizes {
    /// Blocks of each case.
    pub repetitions: usize,
    /// Messages of a throughput run.
    pub messages: u64,
    /// Trips of a round-trip run.
    pub trips: u64,
    /// Messages of a one-way run.
    pub one_way: u64,
    /// Messages of a run with sleeping receivers.
    pub wakes: u64,
    /// Fillings of a receiving run, openings of an opening run.
    pub times: u64,
}

impl Sizes {
    /// For figures.
    pub const FULL: Self = Self {
        repetitions: 15,
        messages: 400_000,
        trips: 20_000,
        one_way: 10_000,
        wakes: 200,
        times: 20,
    };

    /// For seeing that everything works.
    pub const QUICK: Self = Self {
        repetitions: 1,
        messages: 16_000,
        trips: 1_000,
        one_way: 1_000,
        wakes: 20,
        times: 3,
    };
}

fn between_processes(kind: Kind) -> Subject {
    Subject {
        kind,
        processes: kind.between_processes(),
        blocking: false,
    }
}

fn between_threads(kind: Kind) -> Subject {
    Subject {
        kind,
        processes: false,
        blocking: false,
    }
}

/// The subjects that a condition admits, but for special ones: between processes where that is possible.
fn subjects(admits: impl Fn(Kind) -> bool) -> Vec<Subject> {
    let admitted = |&kind: &Kind| !kind.is_special() && admits(kind);
    let kinds = Kind::ALL.iter().copied().filter(admitted);
    kinds.map(between_processes).collect()
}

fn is_bare(kind: Kind) -> bool {
    matches!(kind, Kind::BareLine | Kind::BareFutex)
}

/// All cases.
#[must_use]
pub fn cases(sizes: Sizes) -> Vec<Case> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut cases = Vec::new();
    let mut add = |id: &str, title: &str, workload, bytes, (senders, receivers), subjects| {
        cases.push(Case {
            id: id.to_owned(),
            title: title.to_owned(),
            workload,
            bytes,
            senders,
            receivers,
            // With fewer cores than workers, it is better to let the kernel choose.
            pinned: senders + receivers <= cores && !id.starts_with("busy"),
            subjects,
        });
    };
    let throughput = |batch| Workload::Throughput {
        messages: sizes.messages,
        batch,
    };
    for bytes in [8, 64, 256, 960] {
        let mut subjects = subjects(|kind| !kind.is_newest_only());
        // Beside those that connect threads only.
        let in_threads = |&kind: &Kind| {
            let ours = kind.is_ours() && !kind.is_special() && !kind.is_newest_only();
            ours && (bytes == 64 || (bytes == 8 && kind.is_packed()))
        };
        subjects.extend(Kind::ALL.iter().copied().filter(in_threads).map(between_threads));
        if bytes == 960 {
            subjects.extend([Kind::CompactQueueWhole, Kind::CompactSpscWhole].map(between_processes));
        }
        let title = format!("Throughput, one sender and one receiver, {bytes} bytes");
        add(
            &format!("throughput-1-1-{bytes}"),
            &title,
            throughput(1),
            bytes,
            (1, 1),
            subjects,
        );
    }
    for (senders, receivers) in [(2, 1), (1, 2), (2, 2)] {
        let fits = |kind: Kind| {
            !kind.is_newest_only() && (senders == 1 || kind.many_senders()) && (receivers == 1 || kind.many_receivers())
        };
        let title = format!("Throughput, {senders} senders and {receivers} receivers, 64 bytes");
        let id = format!("throughput-{senders}-{receivers}-64");
        add(&id, &title, throughput(1), 64, (senders, receivers), subjects(fits));
    }
    for (batch, bytes) in [(8, 64), (64, 64), (64, 8)] {
        let title = format!("Throughput, one sender and one receiver, {bytes} bytes, batches of {batch}");
        let id = format!("batch-{batch}-{bytes}");
        let mut subjects = subjects(|kind| kind.has_batches() && !kind.is_newest_only());
        subjects.extend([Kind::Packed, Kind::PackedLossy].map(between_threads));
        add(&id, &title, throughput(batch), bytes, (1, 1), subjects);
    }
    for bytes in [8, 64, 960] {
        let fits = |kind: Kind| kind != Kind::BareFutex && (bytes == 64 || kind.is_ours());
        let title = format!("Round trip, {bytes} bytes");
        let trips = Workload::RoundTrip {
            trips: sizes.trips,
            blocking: false,
        };
        let mut subjects = subjects(fits);
        if bytes == 64 {
            subjects.extend([Kind::CompactQueueUntimed, Kind::CompactSpscUntimed].map(between_processes));
        }
        add(&format!("round-trip-{bytes}"), &title, trips, bytes, (1, 1), subjects);
    }
    let one_way = Workload::OneWay {
        messages: sizes.one_way,
        every: Duration::from_micros(5),
        asleep: false,
    };
    let polled = subjects(|kind| kind != Kind::BareFutex);
    add(
        "one-way-64",
        "One way, 64 bytes, a message every 5 us",
        one_way,
        64,
        (1, 1),
        polled,
    );
    let wakes = Workload::OneWay {
        messages: sizes.wakes,
        every: Duration::from_micros(300),
        asleep: true,
    };
    let sleepers = subjects(Kind::has_sleep);
    let title = "Waking a receiver that sleeps, 64 bytes, a message every 300 us";
    add("wake-64", title, wakes, 64, (1, 1), sleepers);
    for bytes in [8, 64, 256, 960] {
        let fits = |kind: Kind| {
            (kind.is_ours() && !kind.is_newest_only())
                || matches!(
                    kind,
                    Kind::Shaq | Kind::ShaqMany | Kind::ArrayQueue | Kind::Rtrb | Kind::PlainRing
                )
        };
        let title = format!("Receiving alone, {bytes} bytes");
        let workload = Workload::Receiving {
            times: 100 * sizes.times,
        };
        add(
            &format!("receiving-{bytes}"),
            &title,
            workload,
            bytes,
            (1, 0),
            subjects(fits),
        );
    }
    let opening = Workload::Opening { times: sizes.times };
    let openers = subjects(|kind| !is_bare(kind) && kind.between_processes());
    add("opening-64", "Attaching and opening", opening, 64, (1, 0), openers);
    let trips = Workload::RoundTrip {
        trips: sizes.trips / 4,
        blocking: false,
    };
    // Each in both ways, where it has both: looking and yielding in turns, and its own blocking call.
    let mut processes = subjects(|kind| !is_bare(kind) && kind.between_processes());
    processes.extend(
        subjects(|kind| !is_bare(kind) && kind.between_processes() && kind.has_sleep())
            .into_iter()
            .map(|subject| Subject {
                blocking: true,
                ..subject
            }),
    );
    let title = format!("Round trip, 64 bytes, {} busy processes on {cores} cores", 2 * cores);
    add("busy-round-trip-64", &title, trips, 64, (cores, cores), processes);
    cases
}

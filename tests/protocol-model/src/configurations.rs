//! What is searched, and what must come out.

use crate::encoding::{Encoding, TIMES_MAX};
use crate::queue::{Bug, Configuration, Queue};
use crate::search::{Outcome, Verdict, Violation, search};

/// How much time a case takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Part of `cargo test`.
    Quick,
    /// Part of the plain run.
    Default,
    /// Only with `--full`.
    Full,
}

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The queue.
    Queue(Configuration),
}

/// One search and its expected verdict.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// How long it takes.
    pub size: Size,
    /// What is searched.
    pub subject: Subject,
    /// The promise that must be found broken; `None` where the protocol must be clean.
    pub expected: Option<Violation>,
}

impl Case {
    /// Searches; at most `limit` states.
    pub fn run(&self, limit: usize) -> Outcome {
        match self.subject {
            Subject::Queue(configuration) => search(&mut Queue::new(configuration), limit),
        }
    }

    /// Whether this outcome is the expected one.
    pub fn holds(&self, outcome: &Outcome) -> bool {
        match (&outcome.verdict, self.expected) {
            (Verdict::Clean, None) => outcome.good > 0,
            (Verdict::Broken(found, _), Some(expected)) => *found == expected,
            _ => false,
        }
    }
}

/// One producer of one message, one consumer, one sweeper, one death, capacity 2: what every configuration varies.
pub const BASE: Configuration = Configuration {
    capacity: 2,
    producers: &[1],
    consumers: 1,
    cells: 1,
    sweepers: 1,
    deaths: 1,
    registrations: [0, 0],
    producer_batch: 1,
    consumer_batch: 1,
    aborts: false,
    resting: false,
    drops: false,
    redelivery_limit: 3,
    start: 0,
    encoding: Encoding {
        marked_position_bits: 3,
        cell_position_bits: 4,
        times_max: TIMES_MAX,
    },
    bug: Bug::None,
};

fn clean(name: &'static str, size: Size, configuration: Configuration) -> Case {
    Case {
        name,
        size,
        subject: Subject::Queue(configuration),
        expected: None,
    }
}

fn planted(name: &'static str, bug: Bug, expected: Violation, configuration: Configuration) -> Case {
    let subject = Subject::Queue(Configuration { bug, ..configuration });
    Case {
        name,
        size: Size::Quick,
        subject,
        expected: Some(expected),
    }
}

/// Every case, in the order of the table.
pub fn all() -> Vec<Case> {
    let mut cases = sound();
    cases.extend(mistaken());
    cases
}

fn sound() -> Vec<Case> {
    use Size::{Default, Full, Quick};
    let sweepers2 = Configuration {
        sweepers: 2,
        deaths: 2,
        ..BASE
    };
    let batch = Configuration {
        producer_batch: 2,
        ..BASE
    };
    let wrap = Encoding {
        marked_position_bits: 3,
        cell_position_bits: 3,
        times_max: TIMES_MAX,
    };
    let edge = Configuration {
        encoding: Encoding::RUNTIME,
        start: (1 << 46) - 1,
        ..BASE
    };
    vec![
        clean(
            "1x1, no death",
            Quick,
            Configuration {
                producers: &[4],
                deaths: 0,
                ..BASE
            },
        ),
        clean(
            "2x1, one death",
            Quick,
            Configuration {
                producers: &[2, 1],
                ..BASE
            },
        ),
        clean(
            "1x2, one death",
            Quick,
            Configuration {
                producers: &[3],
                consumers: 2,
                ..BASE
            },
        ),
        clean(
            "2x1, two deaths",
            Quick,
            Configuration {
                producers: &[2, 1],
                deaths: 2,
                ..BASE
            },
        ),
        clean(
            "2x2, one death",
            Quick,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                ..BASE
            },
        ),
        clean(
            "2x2, two deaths",
            Default,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                deaths: 2,
                ..BASE
            },
        ),
        clean(
            "3x1, two deaths",
            Default,
            Configuration {
                producers: &[1, 1, 1],
                deaths: 2,
                ..BASE
            },
        ),
        clean(
            "1x3, two deaths",
            Default,
            Configuration {
                producers: &[2],
                consumers: 3,
                deaths: 2,
                ..BASE
            },
        ),
        clean(
            "2x1, two sweepers, two deaths",
            Quick,
            Configuration {
                producers: &[1, 1],
                ..sweepers2
            },
        ),
        clean(
            "1x2, two sweepers, two deaths",
            Quick,
            Configuration {
                producers: &[2],
                consumers: 2,
                ..sweepers2
            },
        ),
        clean(
            "2x2, two sweepers, two deaths",
            Full,
            Configuration {
                producers: &[1, 1],
                consumers: 2,
                ..sweepers2
            },
        ),
        clean(
            "batches 1x1, no death",
            Quick,
            Configuration {
                producers: &[5],
                deaths: 0,
                ..batch
            },
        ),
        clean(
            "batches 2x1, two deaths",
            Quick,
            Configuration {
                producers: &[2, 2],
                deaths: 2,
                ..batch
            },
        ),
        clean(
            "batches 2x2, one death",
            Quick,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                ..batch
            },
        ),
        clean(
            "batches 2x2, two deaths",
            Default,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                deaths: 2,
                ..batch
            },
        ),
        clean(
            "batches 3x1, two deaths",
            Default,
            Configuration {
                producers: &[2, 1, 1],
                deaths: 2,
                ..batch
            },
        ),
        clean(
            "batches 2x1, two sweepers, two deaths",
            Default,
            Configuration {
                producers: &[2, 1],
                producer_batch: 2,
                ..sweepers2
            },
        ),
        clean(
            "batches on both sides 1x2, two deaths",
            Default,
            Configuration {
                producers: &[4],
                consumers: 2,
                consumer_batch: 2,
                deaths: 2,
                ..batch
            },
        ),
        clean(
            "batches on both sides 2x2, one death",
            Default,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                consumer_batch: 2,
                ..batch
            },
        ),
        clean(
            "batches on both sides 1x2, two sweepers, two deaths",
            Default,
            Configuration {
                producers: &[3],
                consumers: 2,
                producer_batch: 2,
                consumer_batch: 2,
                ..sweepers2
            },
        ),
        clean(
            "capacity 4, batches of three 2x1, one death",
            Default,
            Configuration {
                capacity: 4,
                producers: &[3, 3],
                producer_batch: 3,
                ..BASE
            },
        ),
        clean(
            "aborts in batches 2x1, two deaths",
            Default,
            Configuration {
                producers: &[2, 2],
                aborts: true,
                deaths: 2,
                consumer_batch: 2,
                ..batch
            },
        ),
        clean(
            "aborts in batches 2x2, one death",
            Default,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                aborts: true,
                consumer_batch: 2,
                ..batch
            },
        ),
        clean(
            "two cells 1x1, one death",
            Quick,
            Configuration {
                producers: &[3],
                cells: 2,
                ..BASE
            },
        ),
        clean(
            "two cells 2x1, two deaths",
            Default,
            Configuration {
                producers: &[2, 1],
                cells: 2,
                deaths: 2,
                ..BASE
            },
        ),
        clean(
            "two cells 1x2, two deaths",
            Default,
            Configuration {
                producers: &[3],
                consumers: 2,
                cells: 2,
                deaths: 2,
                ..BASE
            },
        ),
        clean(
            "two cells 2x2, one death",
            Full,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                cells: 2,
                ..BASE
            },
        ),
        clean(
            "going away 2x2, one death",
            Default,
            Configuration {
                producers: &[2, 2],
                consumers: 2,
                resting: true,
                ..BASE
            },
        ),
        clean(
            "going away, batches 2x1, two deaths",
            Default,
            Configuration {
                producers: &[2, 3],
                resting: true,
                deaths: 2,
                ..batch
            },
        ),
        clean(
            "drop policy 1x2, two deaths",
            Quick,
            Configuration {
                producers: &[3],
                consumers: 2,
                deaths: 2,
                drops: true,
                ..BASE
            },
        ),
        clean(
            "redelivery limit 1x3, two deaths",
            Default,
            Configuration {
                producers: &[1],
                consumers: 3,
                deaths: 2,
                redelivery_limit: 2,
                ..BASE
            },
        ),
        clean(
            "re-registration of producers 2x1, two sweepers, two deaths",
            Default,
            Configuration {
                producers: &[2, 1],
                registrations: [1, 0],
                ..sweepers2
            },
        ),
        clean(
            "re-registration of consumers 1x1, two sweepers, two deaths",
            Default,
            Configuration {
                producers: &[3],
                registrations: [0, 2],
                ..sweepers2
            },
        ),
        clean(
            "re-registration of consumers 1x2, two sweepers, two deaths",
            Full,
            Configuration {
                producers: &[2],
                consumers: 2,
                registrations: [0, 1],
                ..sweepers2
            },
        ),
        clean(
            "re-registration of both 2x2, two deaths",
            Full,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                deaths: 2,
                registrations: [1, 1],
                ..BASE
            },
        ),
        clean(
            "re-registration, live before cells cleared 2x1, two deaths",
            Default,
            Configuration {
                bug: Bug::LiveBeforeCellsCleared,
                producers: &[2, 1],
                registrations: [1, 0],
                ..sweepers2
            },
        ),
        clean(
            "narrow words wrap 2x1, two deaths",
            Quick,
            Configuration {
                producers: &[2, 1],
                deaths: 2,
                start: 7,
                encoding: wrap,
                ..BASE
            },
        ),
        clean(
            "narrow words wrap, batches on both sides 1x2, one death",
            Default,
            Configuration {
                producers: &[5],
                consumers: 2,
                consumer_batch: 2,
                start: 6,
                encoding: wrap,
                aborts: true,
                ..batch
            },
        ),
        clean(
            "the runtime's words at their edge 2x2, one death",
            Default,
            Configuration {
                producers: &[2, 1],
                consumers: 2,
                ..edge
            },
        ),
        clean(
            "the runtime's words at their edge, batches 2x1, two deaths",
            Default,
            Configuration {
                producers: &[2, 2],
                deaths: 2,
                producer_batch: 2,
                ..edge
            },
        ),
    ]
}

fn mistaken() -> Vec<Case> {
    use Violation::{BlockedForEver, SeenBeforePublished, StoreOverTakenSlot, UnflaggedDuplicate};
    let two = Configuration {
        producers: &[2, 1],
        ..BASE
    };
    let batch = Configuration {
        producers: &[2, 2],
        producer_batch: 2,
        ..BASE
    };
    let consumers2 = Configuration {
        producers: &[2],
        consumers: 2,
        ..BASE
    };
    let sweepers2 = Configuration {
        sweepers: 2,
        deaths: 2,
        ..BASE
    };
    let narrow = |marked_position_bits, cell_position_bits, times_max| Encoding {
        marked_position_bits,
        cell_position_bits,
        times_max,
    };
    vec![
        planted(
            "limit: a cell from a whole wrap ago",
            Bug::None,
            StoreOverTakenSlot,
            Configuration {
                producers: &[4, 1],
                encoding: narrow(3, 2, TIMES_MAX),
                ..BASE
            },
        ),
        planted(
            "limit: a marked position half a wrap away",
            Bug::None,
            BlockedForEver,
            Configuration {
                producers: &[3],
                consumers: 2,
                aborts: true,
                encoding: narrow(2, 4, TIMES_MAX),
                ..BASE
            },
        ),
        planted(
            "limit: deliveries counted no further than once",
            Bug::None,
            StoreOverTakenSlot,
            Configuration {
                producers: &[1],
                registrations: [0, 2],
                encoding: narrow(3, 4, 1),
                ..sweepers2
            },
        ),
        planted("mistake: no trying cell", Bug::NoTryingCell, BlockedForEver, two),
        planted(
            "mistake: no trying cell, consumers",
            Bug::NoTryingCell,
            BlockedForEver,
            consumers2,
        ),
        planted(
            "mistake: a live trying ignored",
            Bug::LiveTryingIgnored,
            StoreOverTakenSlot,
            two,
        ),
        planted(
            "mistake: cells read before the cursor",
            Bug::CellsBeforeCursor,
            StoreOverTakenSlot,
            two,
        ),
        planted(
            "mistake: a stale try kept while full",
            Bug::StaleTryKept,
            BlockedForEver,
            batch,
        ),
        planted(
            "mistake: a stale try kept while empty",
            Bug::StaleTryKept,
            BlockedForEver,
            consumers2,
        ),
        planted(
            "mistake: a stale try kept by one who went away",
            Bug::StaleTryKept,
            BlockedForEver,
            Configuration { resting: true, ..two },
        ),
        planted(
            "mistake: a record freed before its sweep",
            Bug::FreedBeforeSweep,
            BlockedForEver,
            Configuration {
                producers: &[1, 1],
                ..sweepers2
            },
        ),
        planted(
            "mistake: a record freed with a cell left",
            Bug::FreedWithCellLeft,
            BlockedForEver,
            two,
        ),
        planted(
            "mistake: a batch published first to last",
            Bug::PublishFirstToLast,
            SeenBeforePublished,
            Configuration {
                producers: &[2],
                deaths: 0,
                ..batch
            },
        ),
        planted(
            "mistake: a batch aborted first to last",
            Bug::AbortFirstToLast,
            BlockedForEver,
            Configuration { aborts: true, ..batch },
        ),
        planted(
            "mistake: an owned batch judged slot by slot",
            Bug::OwnedCheckedFirstToLast,
            SeenBeforePublished,
            batch,
        ),
        planted(
            "mistake: the sweep stores plainly",
            Bug::SweepStoresPlainly,
            StoreOverTakenSlot,
            Configuration {
                producers: &[1],
                consumers: 2,
                ..sweepers2
            },
        ),
        planted(
            "mistake: redelivered without the flag",
            Bug::RedeliveredWithoutFlag,
            UnflaggedDuplicate,
            consumers2,
        ),
        planted(
            "mistake: a cell's generation unchecked",
            Bug::CellGenerationUnchecked,
            StoreOverTakenSlot,
            Configuration {
                producers: &[2],
                registrations: [1, 0],
                ..sweepers2
            },
        ),
        planted(
            "mistake: a tried slot's generation unchecked",
            Bug::TryingGenerationUnchecked,
            StoreOverTakenSlot,
            Configuration {
                producers: &[2],
                registrations: [1, 0],
                ..sweepers2
            },
        ),
        planted(
            "mistake: a taken message's generation unchecked",
            Bug::TakenGenerationUnchecked,
            StoreOverTakenSlot,
            Configuration {
                producers: &[1],
                registrations: [0, 2],
                ..sweepers2
            },
        ),
        planted(
            "mistake: a record freed by a plain store",
            Bug::FreedByPlainStore,
            StoreOverTakenSlot,
            Configuration {
                producers: &[2, 1],
                registrations: [1, 0],
                ..sweepers2
            },
        ),
        planted(
            "mistake: cells kept at registration",
            Bug::CellsKeptAtRegistration,
            BlockedForEver,
            Configuration {
                producers: &[2, 2],
                registrations: [1, 0],
                deaths: 2,
                resting: true,
                ..batch
            },
        ),
        planted(
            "mistake: cells cleared by the sweeper",
            Bug::CellsClearedBySweeper,
            BlockedForEver,
            Configuration {
                producers: &[2],
                registrations: [1, 0],
                ..sweepers2
            },
        ),
        planted(
            "mistake: another's state read after its cell",
            Bug::OtherStateAfterCells,
            SeenBeforePublished,
            Configuration {
                producers: &[2, 1],
                producer_batch: 2,
                ..sweepers2
            },
        ),
        planted(
            "mistake: dead owners ignored",
            Bug::DeadOwnersIgnored,
            SeenBeforePublished,
            Configuration {
                producers: &[2, 1],
                deaths: 2,
                ..batch
            },
        ),
        planted(
            "mistake: the hint moved before the return",
            Bug::HintBeforeReturn,
            BlockedForEver,
            consumers2,
        ),
        planted(
            "mistake: a look ended at the first find",
            Bug::LookEndsAtFirstFind,
            BlockedForEver,
            Configuration {
                producers: &[2],
                consumers: 2,
                consumer_batch: 2,
                ..BASE
            },
        ),
        planted(
            "mistake: the hint trusted at registration",
            Bug::HintTrustedAtRegistration,
            BlockedForEver,
            Configuration {
                producers: &[1],
                registrations: [0, 1],
                ..BASE
            },
        ),
        planted(
            "mistake: a consumer's batch unchecked",
            Bug::ConsumerBatchUnchecked,
            SeenBeforePublished,
            Configuration {
                producers: &[2],
                consumer_batch: 2,
                ..BASE
            },
        ),
    ]
}

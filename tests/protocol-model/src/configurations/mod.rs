//! What is searched, and what must come out.

mod weak;

use crate::encoding::{Encoding, TIMES_MAX};
use crate::memory::Strength;
use crate::queue::{Bug, Configuration, Queue};
use crate::search::{Outcome, Verdict, Violation, search};
use crate::wait::{Barrier, Mistake, Waiting};
use crate::weak::machine::{Machine, Steps};

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
    /// Waiting.
    Waiting(Waiting),
    /// The queue over the weak memory.
    WeakQueue(crate::weak::queue::Queue),
    /// Packed slots over the weak memory.
    WeakPacked(crate::weak::packed::Packed),
    /// Waiting over the weak memory.
    WeakWaiting(crate::weak::waiting::Waiting),
}

impl From<crate::weak::queue::Queue> for Subject {
    fn from(queue: crate::weak::queue::Queue) -> Self {
        Subject::WeakQueue(queue)
    }
}

impl From<crate::weak::packed::Packed> for Subject {
    fn from(packed: crate::weak::packed::Packed) -> Self {
        Subject::WeakPacked(packed)
    }
}

impl From<crate::weak::waiting::Waiting> for Subject {
    fn from(waiting: crate::weak::waiting::Waiting) -> Self {
        Subject::WeakWaiting(waiting)
    }
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
            Subject::Waiting(mut waiting) => search(&mut waiting, limit),
            Subject::WeakQueue(queue) => search(&mut Machine::new(queue, Strength::Weak, Steps::Fused), limit),
            Subject::WeakPacked(packed) => search(&mut Machine::new(packed, Strength::Weak, Steps::Fused), limit),
            Subject::WeakWaiting(waiting) => search(&mut Machine::new(waiting, Strength::Weak, waiting.steps()), limit),
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

/// Narrow words, one sweeper, one death, capacity 2: what every configuration of the queue starts from.
const fn queue(producers: &'static [u8], consumers: usize) -> Configuration {
    Configuration {
        capacity: 2,
        producers,
        consumers,
        cells: 1,
        sweepers: 1,
        deaths: 1,
        registrations: [0, 0],
        producer_batch: 1,
        consumer_batch: 1,
        aborts: false,
        resting: false,
        closing: false,
        put_back: 0,
        drops: false,
        redelivery_limit: 3,
        start: 0,
        encoding: Encoding {
            marked_position_bits: 3,
            cell_position_bits: 4,
            times_max: TIMES_MAX,
        },
        bug: Bug::None,
    }
}

/// How a configuration differs from the plain one.
impl Configuration {
    /// A larger ring, and as many bits as it takes to tell its laps apart on both sides: the capacity's own and two more.
    const fn capacity(self, capacity: u64) -> Self {
        let encoding = Encoding {
            marked_position_bits: capacity.trailing_zeros() + 2,
            ..self.encoding
        };
        Self {
            capacity,
            encoding,
            ..self
        }
    }

    const fn cells(self, cells: usize) -> Self {
        Self { cells, ..self }
    }

    const fn sweepers(self, sweepers: usize) -> Self {
        Self { sweepers, ..self }
    }

    const fn deaths(self, deaths: u8) -> Self {
        Self { deaths, ..self }
    }

    const fn registrations(self, producers: u8, consumers: u8) -> Self {
        Self {
            registrations: [producers, consumers],
            ..self
        }
    }

    const fn batches(self, producer_batch: u8, consumer_batch: u8) -> Self {
        Self {
            producer_batch,
            consumer_batch,
            ..self
        }
    }

    const fn aborts(self) -> Self {
        Self { aborts: true, ..self }
    }

    const fn resting(self) -> Self {
        Self { resting: true, ..self }
    }

    const fn closing(self) -> Self {
        Self { closing: true, ..self }
    }

    const fn put_back(self, put_back: u8) -> Self {
        Self { put_back, ..self }
    }

    const fn drops(self) -> Self {
        Self { drops: true, ..self }
    }

    const fn limit(self, redelivery_limit: u64) -> Self {
        Self {
            redelivery_limit,
            ..self
        }
    }

    const fn bug(self, bug: Bug) -> Self {
        Self { bug, ..self }
    }

    /// Words with these position bits, starting at `start`.
    const fn words(self, marked_position_bits: u32, cell_position_bits: u32, start: u64) -> Self {
        let encoding = Encoding {
            marked_position_bits,
            cell_position_bits,
            ..self.encoding
        };
        Self {
            encoding,
            start,
            ..self
        }
    }

    /// The runtime's words, starting just below where both of its position fields wrap.
    const fn at_the_edge(self) -> Self {
        Self {
            encoding: Encoding::RUNTIME,
            start: (1 << 46) - 1,
            ..self
        }
    }

    const fn times_max(self, times_max: u64) -> Self {
        Self {
            encoding: Encoding {
                times_max,
                ..self.encoding
            },
            ..self
        }
    }
}

/// Both fences, single messages, no kill: what every configuration of waiting starts from.
const fn wait(producers: &'static [u8], consumers: usize) -> Waiting {
    Waiting {
        producers,
        batch: 1,
        consumers,
        busy: false,
        kills: 0,
        tick: false,
        barrier: Barrier::Fences,
        mistake: Mistake::None,
    }
}

/// How a configuration differs from the plain one.
impl Waiting {
    const fn batch(self, batch: u8) -> Self {
        Self { batch, ..self }
    }

    const fn busy(self) -> Self {
        Self { busy: true, ..self }
    }

    const fn kills(self, kills: u8) -> Self {
        Self { kills, ..self }
    }

    const fn tick(self) -> Self {
        Self { tick: true, ..self }
    }

    const fn membarrier(self) -> Self {
        Self {
            barrier: Barrier::Membarrier,
            ..self
        }
    }
}

fn clean(name: &'static str, size: Size, configuration: Configuration) -> Case {
    Case {
        name,
        size,
        subject: Subject::Queue(configuration),
        expected: None,
    }
}

fn planted(name: &'static str, expected: Violation, configuration: Configuration) -> Case {
    Case {
        name,
        size: Size::Quick,
        subject: Subject::Queue(configuration),
        expected: Some(expected),
    }
}

fn waits(name: &'static str, size: Size, waiting: Waiting) -> Case {
    Case {
        name,
        size,
        subject: Subject::Waiting(waiting),
        expected: None,
    }
}

fn oversleeps(name: &'static str, mistake: Mistake, expected: Violation, waiting: Waiting) -> Case {
    let subject = Subject::Waiting(Waiting { mistake, ..waiting });
    Case {
        name,
        size: Size::Quick,
        subject,
        expected: Some(expected),
    }
}

/// Every case, in the order of the table.
pub fn all() -> Vec<Case> {
    [
        sound(),
        limits(),
        mistaken(),
        waiting(),
        waiting_mistaken(),
        weak::all(),
    ]
    .concat()
}

#[rustfmt::skip] // A table, one case a row.
fn sound() -> Vec<Case> {
    use Size::{Default, Full, Quick};
    vec![
        clean("1x1, no death", Quick, queue(&[4], 1).deaths(0)),
        clean("2x1, two deaths", Quick, queue(&[2, 1], 1).deaths(2)),
        clean("1x2, two deaths", Quick, queue(&[3], 2).deaths(2)),
        clean("2x2, one death", Quick, queue(&[2, 1], 2)),
        clean("2x2, two deaths", Default, queue(&[2, 1], 2).deaths(2)),
        clean("2x2, longer, two deaths", Full, queue(&[3, 2], 2).deaths(2)),
        clean("3x1, two deaths", Default, queue(&[2, 1, 1], 1).deaths(2)),
        clean("1x3, two deaths", Default, queue(&[2], 3).deaths(2)),
        clean("2x1, two sweepers, two deaths", Quick, queue(&[2, 1], 1).sweepers(2).deaths(2)),
        clean("1x2, two sweepers, two deaths", Quick, queue(&[2], 2).sweepers(2).deaths(2)),
        clean("2x2, two sweepers, two deaths", Default, queue(&[1, 1], 2).sweepers(2).deaths(2)),
        clean("2x2, longer, two sweepers, two deaths", Full, queue(&[2, 1], 2).sweepers(2).deaths(2)),
        clean("3x1, two sweepers, two deaths", Default, queue(&[1, 1, 1], 1).sweepers(2).deaths(2)),
        clean("1x3, two sweepers, two deaths", Full, queue(&[2], 3).sweepers(2).deaths(2)),
        clean("batches 1x1, no death", Quick, queue(&[5], 1).batches(2, 1).deaths(0)),
        clean("batches 2x1, two deaths", Quick, queue(&[3, 2], 1).batches(2, 1).deaths(2)),
        clean("batches 2x2, two deaths", Default, queue(&[2, 1], 2).batches(2, 1).deaths(2)),
        clean("batches 3x1, two deaths", Default, queue(&[2, 1, 1], 1).batches(2, 1).deaths(2)),
        clean("batches 2x1, two sweepers, two deaths", Quick, queue(&[2, 1], 1).batches(2, 1).sweepers(2).deaths(2)),
        clean("batches on both sides 1x2, two deaths", Quick, queue(&[4], 2).batches(2, 2).deaths(2)),
        clean("batches on both sides 2x2, two deaths", Default, queue(&[2, 2], 2).batches(2, 2).deaths(2)),
        clean("batches on both sides 1x2, two sweepers, two deaths", Default,
            queue(&[3], 2).batches(2, 2).sweepers(2).deaths(2)),
        clean("batches on both sides 2x2, two sweepers, two deaths", Full,
            queue(&[2, 1], 2).batches(2, 2).sweepers(2).deaths(2)),
        clean("capacity 4, batches of three 2x1, two deaths", Quick,
            queue(&[3, 3], 1).capacity(4).batches(3, 1).deaths(2)),
        clean("capacity 4, batches 2x2, two deaths", Full, queue(&[3, 2], 2).capacity(4).batches(3, 3).deaths(2)),
        clean("aborts in batches 2x1, two deaths", Quick, queue(&[3, 2], 1).batches(2, 2).aborts().deaths(2)),
        clean("aborts in batches 2x2, two deaths", Default, queue(&[2, 1], 2).batches(2, 2).aborts().deaths(2)),
        clean("aborts, capacity 4, batches 1x2, one death", Quick, queue(&[5], 2).capacity(4).batches(2, 3).aborts()),
        clean("two cells 1x1, one death", Quick, queue(&[3], 1).cells(2)),
        clean("two cells 2x1, two deaths", Quick, queue(&[2, 1], 1).cells(2).deaths(2)),
        clean("two cells 1x2, two deaths", Default, queue(&[3], 2).cells(2).deaths(2)),
        clean("two cells 2x2, one death", Default, queue(&[2, 1], 2).cells(2)),
        clean("two cells, batches, capacity 4, 2x1, two deaths", Default,
            queue(&[3, 1], 1).capacity(4).cells(2).batches(2, 2).deaths(2)),
        clean("going away 2x2, one death", Default, queue(&[2, 1], 2).resting()),
        clean("going away 2x2, two deaths", Full, queue(&[2, 2], 2).resting().deaths(2)),
        clean("going away, batches 2x1, two deaths", Quick, queue(&[2, 3], 1).batches(2, 1).resting().deaths(2)),
        clean("closing 1x2, two deaths", Quick, queue(&[3], 2).closing().deaths(2)),
        clean("closing 1x2, two sweepers, two deaths", Default, queue(&[2], 2).closing().sweepers(2).deaths(2)),
        clean("closing 1x3, two deaths", Default, queue(&[2], 3).closing().deaths(2)),
        clean("closing, batches 2x2, two deaths", Default, queue(&[2, 1], 2).batches(2, 2).closing().deaths(2)),
        clean("putting back 1x2, two deaths", Quick, queue(&[2], 2).put_back(2).deaths(2)),
        clean("putting back, batches 1x2, two deaths", Quick, queue(&[3], 2).batches(2, 2).put_back(3).deaths(2)),
        clean("putting back, closing 1x2, two deaths", Quick, queue(&[2], 2).put_back(2).closing().deaths(2)),
        clean("putting back, newcomers 1x2, two sweepers", Default,
            queue(&[1], 2).put_back(3).registrations(0, 1).sweepers(2).deaths(2)),
        clean("drop policy 1x2, two deaths", Quick, queue(&[3], 2).drops().deaths(2)),
        clean("redelivery limit 1x3, two deaths", Quick, queue(&[1], 3).limit(2).deaths(2)),
        clean("newcomers 2x1, two deaths", Quick, queue(&[2, 1], 1).registrations(1, 1).deaths(2)),
        clean("newcomers, producers 2x1, two sweepers", Default,
            queue(&[2, 1], 1).registrations(1, 0).sweepers(2).deaths(2)),
        clean("newcomers, consumers 1x1, two sweepers", Quick,
            queue(&[2], 1).registrations(0, 2).sweepers(2).deaths(2)),
        clean("newcomers, consumers 1x2, two sweepers", Default,
            queue(&[2], 2).registrations(0, 1).sweepers(2).deaths(2)),
        clean("newcomers, batches 2x1, two sweepers", Default,
            queue(&[2, 2], 1).batches(2, 2).registrations(1, 1).sweepers(2).deaths(2)),
        clean("newcomers 2x2, two deaths", Full, queue(&[2, 1], 2).registrations(1, 1).deaths(2)),
        clean("narrow words wrap 2x1, two deaths", Quick, queue(&[2, 1], 1).words(3, 3, 7).deaths(2)),
        clean("narrow words wrap, aborts, batches 1x2, one death", Quick,
            queue(&[5], 2).batches(2, 2).aborts().words(3, 3, 6)),
        clean("the runtime's words at their edge 2x2, one death", Quick, queue(&[2, 1], 2).at_the_edge()),
        clean("the runtime's words at their edge, batches 2x1, two deaths", Quick,
            queue(&[2, 2], 1).batches(2, 1).at_the_edge().deaths(2)),
        // No mistake after all: nothing is claimed in between, and a sweep of the old cells finds their slots moved on.
        clean("newcomers live before their cells are cleared 2x1, two sweepers", Default,
            queue(&[2, 1], 1).bug(Bug::LiveBeforeCellsCleared).registrations(1, 0).sweepers(2).deaths(2)),
    ]
}

/// Words so narrow that they lie: each shows what the runtime's widths keep out of reach.
#[rustfmt::skip] // A table, one case a row.
fn limits() -> Vec<Case> {
    use Violation::{BlockedForEver, StoreOverTakenSlot};
    vec![
        planted("limit: a cell from a whole wrap ago", StoreOverTakenSlot, queue(&[4, 1], 1).words(3, 2, 0)),
        planted("limit: a marked position half a wrap away", BlockedForEver, queue(&[3], 2).aborts().words(2, 4, 0)),
        planted("limit: a ring too large for its marked positions", BlockedForEver,
            queue(&[5], 2).capacity(4).batches(2, 3).aborts().words(3, 4, 0)),
        planted("limit: deliveries counted no further than once", StoreOverTakenSlot,
            queue(&[1], 1).registrations(0, 2).times_max(1).sweepers(2).deaths(2)),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn mistaken() -> Vec<Case> {
    use Violation::{
        BlockedForEver, Lost, SeenBeforePublished, StoreOverTakenSlot, TwoHolders, UnflaggedDuplicate,
    };
    let two = queue(&[2, 1], 1);
    let batch = queue(&[2, 2], 1).batches(2, 1);
    let consumers = queue(&[2], 2);
    let crowd = |producers, consumers| queue(producers, consumers).sweepers(2).deaths(2);
    vec![
        planted("mistake: no trying cell", BlockedForEver, two.bug(Bug::NoTryingCell)),
        planted("mistake: no trying cell, consumers", BlockedForEver, consumers.bug(Bug::NoTryingCell)),
        planted("mistake: a live trying ignored", StoreOverTakenSlot, two.bug(Bug::LiveTryingIgnored)),
        planted("mistake: cells read before the cursor", StoreOverTakenSlot, two.bug(Bug::CellsBeforeCursor)),
        planted("mistake: a stale try kept while full", BlockedForEver, batch.bug(Bug::StaleTryKept)),
        planted("mistake: a stale try kept while empty", BlockedForEver, consumers.bug(Bug::StaleTryKept)),
        planted("mistake: a stale try kept by one who went away", BlockedForEver,
            two.resting().bug(Bug::StaleTryKept)),
        planted("mistake: a record freed before its sweep", BlockedForEver,
            crowd(&[1, 1], 1).bug(Bug::FreedBeforeSweep)),
        planted("mistake: a record freed with a cell left", BlockedForEver, two.bug(Bug::FreedWithCellLeft)),
        planted("mistake: a batch published first to last", SeenBeforePublished,
            batch.deaths(0).bug(Bug::PublishFirstToLast)),
        planted("mistake: a batch aborted first to last", BlockedForEver, batch.aborts().bug(Bug::AbortFirstToLast)),
        planted("mistake: an owned batch judged slot by slot", SeenBeforePublished,
            batch.bug(Bug::OwnedCheckedFirstToLast)),
        planted("mistake: the sweep stores plainly", StoreOverTakenSlot, crowd(&[1], 2).bug(Bug::SweepStoresPlainly)),
        planted("mistake: released instead of returned", Lost, consumers.bug(Bug::ReleasedInsteadOfReturned)),
        planted("mistake: taken by a plain store", TwoHolders, queue(&[1], 3).bug(Bug::TakenByPlainStore)),
        planted("mistake: redelivered without the flag", UnflaggedDuplicate,
            consumers.bug(Bug::RedeliveredWithoutFlag)),
        planted("mistake: a cell's generation unchecked", StoreOverTakenSlot,
            crowd(&[2], 1).registrations(1, 0).bug(Bug::CellGenerationUnchecked)),
        planted("mistake: a tried slot's generation unchecked", StoreOverTakenSlot,
            crowd(&[2], 1).registrations(1, 0).bug(Bug::TryingGenerationUnchecked)),
        planted("mistake: a taken message's generation unchecked", StoreOverTakenSlot,
            crowd(&[1], 1).registrations(0, 2).bug(Bug::TakenGenerationUnchecked)),
        planted("mistake: a record freed by a plain store", StoreOverTakenSlot,
            crowd(&[2, 1], 1).registrations(1, 0).bug(Bug::FreedByPlainStore)),
        planted("mistake: cells kept at registration", BlockedForEver,
            batch.registrations(1, 0).deaths(2).resting().bug(Bug::CellsKeptAtRegistration)),
        planted("mistake: cells cleared by the sweeper", BlockedForEver,
            crowd(&[2], 1).registrations(1, 0).bug(Bug::CellsClearedBySweeper)),
        planted("mistake: another's state read after its cell", SeenBeforePublished,
            crowd(&[2, 1], 1).batches(2, 1).bug(Bug::OtherStateAfterCells)),
        planted("mistake: dead owners ignored", SeenBeforePublished,
            queue(&[2, 1], 1).batches(2, 1).deaths(2).bug(Bug::DeadOwnersIgnored)),
        planted("mistake: the hint moved before the return", BlockedForEver, consumers.bug(Bug::HintBeforeReturn)),
        planted("mistake: a look ended at the first find", BlockedForEver,
            consumers.batches(1, 2).bug(Bug::LookEndsAtFirstFind)),
        planted("mistake: the hint trusted at registration", BlockedForEver,
            queue(&[1], 1).registrations(0, 1).bug(Bug::HintTrustedAtRegistration)),
        planted("mistake: the end told without a sweep", BlockedForEver, consumers.closing().bug(Bug::EndWithoutSweep)),
        planted("mistake: the end told without another look", BlockedForEver,
            consumers.closing().bug(Bug::EndWithoutLook)),
        planted("mistake: a count put back below what it was", UnflaggedDuplicate,
            consumers.put_back(1).bug(Bug::PutBackBelow)),
        planted("mistake: a consumer's batch unchecked", SeenBeforePublished,
            queue(&[2], 1).batches(1, 2).bug(Bug::ConsumerBatchUnchecked)),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn waiting() -> Vec<Case> {
    use Size::{Default, Quick};
    vec![
        waits("waiting 2x2, fences", Quick, wait(&[2, 1], 2)),
        waits("waiting 2x2, membarrier", Quick, wait(&[2, 1], 2).membarrier()),
        waits("waiting 2x2, fences, one killed", Quick, wait(&[2, 1], 2).kills(1)),
        waits("waiting 2x2, membarrier, one killed", Quick, wait(&[2, 1], 2).membarrier().kills(1)),
        waits("waiting 2x3, busy consumers, fences", Quick, wait(&[2, 1], 3).busy()),
        waits("waiting 2x3, busy consumers, membarrier", Default, wait(&[2, 1], 3).membarrier().busy()),
        waits("waiting 2x3, busy consumers, two killed", Default, wait(&[2, 1], 3).busy().kills(2)),
        waits("waiting 2x3, busy consumers, membarrier, one killed", Default,
            wait(&[2, 1], 3).membarrier().busy().kills(1)),
        waits("waiting 1x3, busy consumers, batches", Quick, wait(&[3], 3).batch(2).busy()),
        waits("waiting 2x3, busy consumers, batches, one killed", Default, wait(&[2, 2], 3).batch(2).busy().kills(1)),
        // One woken by a batch passes the wake on, so that even one wake a batch suffices.
        waits("waiting 1x3, busy consumers, batches that wake one", Quick,
            Waiting { mistake: Mistake::OneWakeForABatch, ..wait(&[3], 3).batch(3).busy() }),
        waits("waiting 2x2, one killed with a wake in hand, tick", Quick, wait(&[2, 1], 2).kills(1).tick()),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn waiting_mistaken() -> Vec<Case> {
    use Violation::{LostWakeUp, WastedSecondCall};
    let two = wait(&[2, 1], 2);
    vec![
        oversleeps("waiting mistake: no producer's barrier", Mistake::NoProducerBarrier, LostWakeUp, two),
        oversleeps("waiting mistake: no waiter's barrier", Mistake::NoWaiterBarrier, LostWakeUp, two),
        oversleeps("waiting mistake: no membarrier", Mistake::NoWaiterBarrier, LostWakeUp, two.membarrier()),
        oversleeps("waiting mistake: cleared by a plain store", Mistake::ClearedByPlainStore, LostWakeUp, two),
        oversleeps("waiting mistake: the signal read after arming", Mistake::SignalReadAfterArming, LostWakeUp, two),
        oversleeps("waiting mistake: the signal not moved", Mistake::SignalNotMoved, LostWakeUp, two),
        oversleeps("waiting mistake: no ticket", Mistake::NoTicket, LostWakeUp, two),
        oversleeps("waiting mistake: never cleared", Mistake::NeverCleared, WastedSecondCall, two.kills(1)),
        oversleeps("waiting mistake: one wake for a batch, not passed on",
            Mistake::OneWakeForABatchNotPassedOn, LostWakeUp, wait(&[2], 2).batch(2).busy()),
        oversleeps("waiting mistake: a wake not passed on", Mistake::NotPassedOn, LostWakeUp,
            wait(&[1, 1], 2).busy()),
    ]
}

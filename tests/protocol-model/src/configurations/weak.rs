//! What is searched over the weak memory.

use super::{Case, Size, Subject};
use crate::search::Violation;
use crate::weak::packed::{Mistake as Unpacked, Packed};
use crate::weak::queue::{Queue, Site};
use crate::weak::waiting::{Barrier, Mistake as Oversleeping, Waiting};

/// Single messages, nobody dies: what every configuration of the queue starts from.
const fn queue(producers: &'static [u8], consumers: usize) -> Queue {
    Queue {
        capacity: 2,
        producers,
        consumers,
        sweepers: 0,
        producer_batch: 1,
        consumer_batch: 1,
        mortals: 0,
        deaths: 0,
        relaxed: None,
    }
}

/// How a configuration differs from the plain one.
impl Queue {
    /// One of these threads dies, and a process that has seen nothing sweeps.
    const fn dies(self, mortals: u32) -> Self {
        Self {
            sweepers: 1,
            mortals,
            deaths: 1,
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
}

/// Messages one at a time, to these subscribers: reliable, joining, lossy.
const fn packed(messages: u8, [reliable, joining, lossy]: [usize; 3]) -> Packed {
    Packed {
        messages,
        batch: 1,
        reliable,
        joining,
        lossy,
        dies: false,
        mistake: None,
    }
}

/// How a configuration differs from the plain one.
impl Packed {
    const fn batch(self, batch: u8) -> Self {
        Self { batch, ..self }
    }

    const fn dies(self) -> Self {
        Self { dies: true, ..self }
    }

    const fn mistake(self, mistake: Unpacked) -> Self {
        Self {
            mistake: Some(mistake),
            ..self
        }
    }
}

/// Both sides fence, nobody is killed.
const fn waiting(producers: &'static [u8], consumers: usize) -> Waiting {
    Waiting {
        producers,
        consumers,
        busy: false,
        mortals: 0,
        barrier: Barrier::Fences,
        mistake: None,
    }
}

/// How a configuration differs from the plain one.
impl Waiting {
    const fn killed(self, mortals: u32) -> Self {
        Self { mortals, ..self }
    }

    const fn busy(self) -> Self {
        Self { busy: true, ..self }
    }

    const fn with_the_bit(self) -> Self {
        Self {
            barrier: Barrier::FenceBit,
            ..self
        }
    }

    const fn with_membarrier(self) -> Self {
        Self {
            barrier: Barrier::Membarrier,
            ..self
        }
    }

    const fn mistaken(self, mistake: Oversleeping) -> Self {
        Self {
            mistake: Some(mistake),
            ..self
        }
    }
}

fn clean(name: &'static str, size: Size, subject: impl Into<Subject>) -> Case {
    Case {
        name,
        size,
        subject: subject.into(),
        expected: None,
    }
}

fn planted(name: &'static str, expected: Violation, subject: impl Into<Subject>) -> Case {
    Case {
        name,
        size: Size::Quick,
        subject: subject.into(),
        expected: Some(expected),
    }
}

fn relaxed(name: &'static str, site: Site, expected: Violation, queue: Queue) -> Case {
    let relaxed = Some(site);
    planted(name, expected, Queue { relaxed, ..queue })
}

/// An access that could be relaxed, as far as this search reaches.
fn not_needed(name: &'static str, site: Site, queue: Queue) -> Case {
    let relaxed = Some(site);
    clean(name, Size::Default, Queue { relaxed, ..queue })
}

/// Every case, in the order of the table.
pub(super) fn all() -> Vec<Case> {
    [
        queues(),
        orderings_of_queues(),
        packed_slots(),
        mistakes_of_packed_slots(),
        waits(),
        mistakes_of_waits(),
    ]
    .concat()
}

#[rustfmt::skip] // A table, one case a row.
fn queues() -> Vec<Case> {
    use Size::{Default, Full, Quick};
    vec![
        clean("weak queue 1x1", Quick, queue(&[4], 1)),
        clean("weak queue 1x1, batches", Quick, queue(&[4], 1).batches(2, 2)),
        clean("weak queue 2x1", Quick, queue(&[2, 1], 1)),
        clean("weak queue 1x2", Quick, queue(&[3], 2)),
        clean("weak queue 2x2", Quick, queue(&[2, 1], 2)),
        clean("weak queue 1x1, the producer dies", Quick, queue(&[3], 1).dies(0b1)),
        clean("weak queue 2x1, a producer dies", Quick, queue(&[2, 1], 1).dies(0b1)),
        clean("weak queue 2x1, the other producer dies", Quick, queue(&[1, 2], 1).dies(0b1)),
        clean("weak queue 1x2, a consumer dies", Quick, queue(&[2], 2).dies(0b10)),
        clean("weak queue 1x2, batches, a consumer dies", Quick, queue(&[2], 2).batches(2, 2).dies(0b10)),
        clean("weak queue 2x2, a message each, a producer dies", Quick, queue(&[1, 1], 2).dies(0b1)),
        clean("weak queue 2x2, a message each, a consumer dies", Quick, queue(&[1, 1], 2).dies(0b100)),
        clean("weak queue 2x2, a producer dies", Default, queue(&[2, 1], 2).dies(0b1)),
        clean("weak queue 2x2, a consumer dies", Default, queue(&[2, 1], 2).dies(0b100)),
        clean("weak queue 2x2, anybody dies", Full, queue(&[2, 1], 2).dies(0b1111)),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn orderings_of_queues() -> Vec<Case> {
    use Violation::{BlockedForEver, StoreOverTakenSlot, Unordered};
    let producers = queue(&[1, 2], 1).dies(0b1);
    let consumers = queue(&[2], 2).dies(0b10);
    vec![
        relaxed("weak mistake: relaxed publish", Site::Publish, Unordered, queue(&[2, 1], 1)),
        relaxed("weak mistake: relaxed release", Site::Release, Unordered, queue(&[4], 1)),
        relaxed("weak mistake: relaxed consumer load", Site::ReadableLoad, Unordered, queue(&[2, 1], 1)),
        relaxed("weak mistake: relaxed producer load", Site::FreeLoad, Unordered, queue(&[4], 1)),
        relaxed("weak mistake: relaxed trying, producer", Site::ProducerTrying, StoreOverTakenSlot, producers),
        relaxed("weak mistake: relaxed owned, producer", Site::ProducerOwned, StoreOverTakenSlot, producers),
        relaxed("weak mistake: relaxed tail", Site::TailMove, StoreOverTakenSlot, producers),
        relaxed("weak mistake: relaxed trying, consumer", Site::ConsumerTrying, StoreOverTakenSlot, consumers),
        relaxed("weak mistake: relaxed owned, consumer", Site::ConsumerOwned, StoreOverTakenSlot, consumers),
        relaxed("weak mistake: relaxed head", Site::HeadMove, StoreOverTakenSlot, consumers),
        relaxed("weak mistake: relaxed cursor load of the sweep", Site::CursorLoad, StoreOverTakenSlot, producers),
        relaxed("weak mistake: relaxed repair", Site::Replace, Unordered, producers),
        relaxed("weak mistake: relaxed hint", Site::HintMove, BlockedForEver, consumers),
        relaxed("weak mistake: relaxed hint load", Site::HintLoad, BlockedForEver, consumers),
        relaxed("weak mistake: a proof of death that orders nothing", Site::Proof, StoreOverTakenSlot, producers),
        // Not found, within these bounds: what they order is ordered by another access there, or takes more than this to go wrong.
        not_needed("weak queue, relaxed tail load", Site::TailLoad, producers),
        not_needed("weak queue, relaxed clearing, producer", Site::ProducerClear, producers),
        not_needed("weak queue, relaxed head load", Site::HeadLoad, consumers),
        not_needed("weak queue, relaxed freeing of an aborted slot", Site::AbortedFree, producers),
        not_needed("weak queue, relaxed step over", Site::StepOver, producers),
        not_needed("weak queue, relaxed clearing, consumer", Site::ConsumerClear, consumers),
        not_needed("weak queue, relaxed head load for returned ones", Site::ReturnedHead, consumers),
        not_needed("weak queue, relaxed load of a returned one", Site::ReturnedLoad, consumers),
        not_needed("weak queue, relaxed taking", Site::Take, consumers),
        not_needed("weak queue, relaxed load of the dead one's cell", Site::DeadCell, producers),
        not_needed("weak queue, relaxed load of an owned batch", Site::OwnedFirst, producers),
        not_needed("weak queue, relaxed load of a tried slot", Site::TriedLoad, producers),
        not_needed("weak queue, relaxed load of another's state", Site::OtherState, producers),
        not_needed("weak queue, relaxed load of another's cell", Site::OtherCell, producers),
        not_needed("weak queue, relaxed load of a taken one", Site::TakenLoad, consumers),
        not_needed("weak queue, relaxed load of a record", Site::RecordLoad, producers),
        not_needed("weak queue, relaxed declaration of a death", Site::Declare, producers),
        not_needed("weak queue, relaxed freeing of a record", Site::FreeRecord, producers),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn packed_slots() -> Vec<Case> {
    use Size::Quick;
    vec![
        clean("weak packed, reliable", Quick, packed(4, [1, 0, 0])),
        clean("weak packed, two reliable, batches", Quick, packed(4, [2, 0, 0]).batch(2)),
        clean("weak packed, reliable and lossy", Quick, packed(4, [1, 0, 1])),
        clean("weak packed, lossy, batches", Quick, packed(5, [0, 0, 1]).batch(2)),
        clean("weak packed, two lossy", Quick, packed(3, [0, 0, 2])),
        clean("weak packed, joining", Quick, packed(4, [0, 1, 0])),
        clean("weak packed, reliable and joining", Quick, packed(3, [1, 1, 0])),
        clean("weak packed, joining and lossy", Quick, packed(3, [0, 1, 1])),
        clean("weak packed, reliable, the producer dies", Quick, packed(4, [1, 0, 0]).dies()),
        clean("weak packed, lossy, the producer dies", Quick, packed(4, [0, 0, 1]).dies()),
        clean("weak packed, reliable and lossy, batches, the producer dies", Quick, packed(4, [1, 0, 1]).batch(2).dies()),
        clean("weak packed, joining, the producer dies", Quick, packed(4, [0, 1, 0]).dies()),
        // No mistake after all. Nobody but writers reads what is verified, and a writer has the proof of the death of the one before
        // it. What was announced and not verified, nothing was written under.
        clean("weak packed, relaxed verified", Quick, packed(4, [1, 0, 1]).batch(2).dies().mistake(Unpacked::RelaxedVerified)),
        clean("weak packed, a lowered announcement", Quick,
            packed(5, [0, 0, 1]).batch(2).dies().mistake(Unpacked::AnnouncementLowered)),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn mistakes_of_packed_slots() -> Vec<Case> {
    use Violation::{Torn, Unordered};
    let reliable = packed(4, [1, 0, 0]);
    let lossy = packed(5, [0, 0, 1]);
    let joining = packed(4, [0, 1, 0]);
    vec![
        planted("weak packed mistake: relaxed tail, reliable", Unordered, reliable.mistake(Unpacked::RelaxedTail)),
        planted("weak packed mistake: relaxed tail, lossy", Torn, lossy.mistake(Unpacked::RelaxedTail)),
        planted("weak packed mistake: relaxed tail load, reliable", Unordered, reliable.mistake(Unpacked::RelaxedReady)),
        planted("weak packed mistake: relaxed tail load, lossy", Torn, lossy.mistake(Unpacked::RelaxedReady)),
        planted("weak packed mistake: relaxed cursor", Unordered, reliable.mistake(Unpacked::RelaxedCursor)),
        planted("weak packed mistake: relaxed cursor load", Unordered, reliable.mistake(Unpacked::RelaxedCursorLoad)),
        planted("weak packed mistake: an announcement without a fence", Torn, lossy.mistake(Unpacked::AnnouncementUnfenced)),
        planted("weak packed mistake: a successor without a release fence", Torn,
            lossy.batch(2).dies().mistake(Unpacked::NoReleaseFence)),
        planted("weak packed mistake: no full fence", Unordered, joining.mistake(Unpacked::NoFullFence)),
        planted("weak packed mistake: no second look", Unordered, joining.mistake(Unpacked::NoSecondLook)),
        planted("weak packed mistake: a join without a fence", Unordered, joining.mistake(Unpacked::JoinUnfenced)),
        planted("weak packed mistake: no acquire fence", Torn, lossy.mistake(Unpacked::NoAcquireFence)),
        planted("weak packed mistake: a copy taken unchecked", Torn, lossy.mistake(Unpacked::CopyUnchecked)),
        planted("weak packed mistake: a proof of death that orders nothing", Unordered,
            reliable.dies().mistake(Unpacked::UnorderedProof)),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn waits() -> Vec<Case> {
    use Size::{Default, Full, Quick};
    vec![
        clean("weak waiting 1x1, fences", Quick, waiting(&[2], 1)),
        clean("weak waiting 1x1, fences, one killed", Quick, waiting(&[2], 1).killed(0b11)),
        clean("weak waiting 1x1, fences by the bit", Quick, waiting(&[2], 1).with_the_bit()),
        clean("weak waiting 1x1, membarrier", Quick, waiting(&[2], 1).with_membarrier()),
        clean("weak waiting 1x1, membarrier, one killed", Quick, waiting(&[2], 1).with_membarrier().killed(0b11)),
        clean("weak waiting 2x1, membarrier", Quick, waiting(&[1, 1], 1).with_membarrier()),
        clean("weak waiting 1x2, membarrier", Quick, waiting(&[1], 2).with_membarrier()),
        clean("weak waiting 2x1, fences", Default, waiting(&[1, 1], 1)),
        clean("weak waiting 1x2, fences", Default, waiting(&[1], 2)),
        clean("weak waiting 2x1, membarrier, one killed", Default,
            waiting(&[1, 1], 1).with_membarrier().killed(0b111)),
        clean("weak waiting 1x2, membarrier, one killed", Default, waiting(&[1], 2).with_membarrier().killed(0b111)),
        // Not found, within these bounds.
        clean("weak waiting 2x1, relaxed signal load", Default, waiting(&[1, 1], 1).mistaken(Oversleeping::RelaxedSignal)),
        clean("weak waiting 2x1, relaxed bump", Default, waiting(&[1, 1], 1).mistaken(Oversleeping::RelaxedBump)),
        clean("weak waiting 2x1, relaxed announcement", Default,
            waiting(&[1, 1], 1).mistaken(Oversleeping::RelaxedAnnouncement)),
        clean("weak waiting 2x1, relaxed clearing", Default, waiting(&[1, 1], 1).mistaken(Oversleeping::RelaxedClearing)),
        clean("weak waiting 2x2, busy consumers, fences", Full, waiting(&[1, 1], 2).busy()),
        clean("weak waiting 2x2, busy consumers, fences, a producer killed", Full,
            waiting(&[1, 1], 2).busy().killed(0b1)),
        clean("weak waiting 2x2, busy consumers, fences, a consumer killed", Full,
            waiting(&[1, 1], 2).busy().killed(0b100)),
    ]
}

#[rustfmt::skip] // A table, one case a row.
fn mistakes_of_waits() -> Vec<Case> {
    use Oversleeping::{
        ClearedBlindly, NoOthersFences, NoPublishersBarrier, NoSecondLook, NoTicket, NoWaitersBarrier, NotPassedOn,
        SignalNotMoved,
        SignalReadAfterAnnouncement,
    };
    let oversleeps = |name, mistake, waiting: Waiting| planted(name, Violation::LostWakeUp, waiting.mistaken(mistake));
    let two = waiting(&[2], 1);
    vec![
        oversleeps("weak waiting mistake: no publisher's barrier", NoPublishersBarrier, two),
        oversleeps("weak waiting mistake: no waiter's barrier", NoWaitersBarrier, two),
        oversleeps("weak waiting mistake: no waiter's membarrier", NoWaitersBarrier, two.with_membarrier()),
        oversleeps("weak waiting mistake: a membarrier for its caller only", NoOthersFences, two.with_membarrier()),
        oversleeps("weak waiting mistake: no second look", NoSecondLook, two),
        oversleeps("weak waiting mistake: the signal read after announcing", SignalReadAfterAnnouncement, two),
        oversleeps("weak waiting mistake: the signal not moved", SignalNotMoved, two),
        oversleeps("weak waiting mistake: no ticket", NoTicket, two),
        oversleeps("weak waiting mistake: cleared blindly", ClearedBlindly, two),
        Case {
            size: Size::Default,
            ..oversleeps("weak waiting mistake: a wake not passed on", NotPassedOn, waiting(&[1, 1], 2).busy())
        },
    ]
}

//! The queue: `dmxp/src/ring/queue/{produce,consume,sweep}.rs`, access by access.
//!
//! The files here have the source's names, their functions too, and each access the ordering that it has there. [`Site`] names
//! the accesses, so that one at a time can be relaxed. Left out are expiry, the drop policy, aborts by the living, and counters. Handle
//! records are there as far as a sweeper reads them: those of handles that cannot die here always say that they live, and
//! nobody reads them. No record is registered anew.
//!
//! Payloads are plain data: an access to one is checked against all before it.

mod consume;
mod produce;
mod sweep;

use super::machine::{Condition, Protocol, State};
use super::turn::{Step, Turn};
use crate::encoding::{Cell, Encoding, Phase, Sequence};
use crate::memory::Location;
use crate::search::Violation;
use std::sync::atomic::Ordering;

/// Positions here are far below where their fields wrap, so that the low bits are the position.
const WORDS: Encoding = Encoding::RUNTIME;

const TAIL: Location = 0;
const HEAD: Location = 1;
const HINT: Location = 2;
const SEQUENCES: Location = 3;

/// So often a sweeper comes again at once; after that, when it need not wait any more.
const UNFINISHED: u8 = 2;

/// A record's states.
const LIVE: u64 = 1;
const DEAD: u64 = 2;
const FREE: u64 = 0;

const SENT: u64 = 1 << 8;
const DELIVERED: u64 = 2 << 8;
const REDELIVERED: u64 = 3 << 8;

/// The accesses of the source, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// produce::claim looks at the tail.
    TailLoad,
    /// produce::claim looks at the sequence of a slot.
    FreeLoad,
    /// produce::claim says in its cell what it tries.
    ProducerTrying,
    /// produce::claim moves the tail.
    TailMove,
    /// produce::claim says in its cell what it owns.
    ProducerOwned,
    /// produce::claim empties its cell.
    ProducerClear,
    /// produce::publish stores a sequence.
    Publish,
    /// consume::claim looks at the head.
    HeadLoad,
    /// consume::claim looks at the sequence of a slot.
    ReadableLoad,
    /// consume::claim frees an aborted slot.
    AbortedFree,
    /// consume::step_over moves the head.
    StepOver,
    /// consume::claim says in its cell what it tries.
    ConsumerTrying,
    /// consume::claim moves the head.
    HeadMove,
    /// consume::claim says in its cell what it owns.
    ConsumerOwned,
    /// consume::claim empties its cell.
    ConsumerClear,
    /// consume::release_one stores a sequence.
    Release,
    /// consume::take_returned looks at the hint.
    HintLoad,
    /// consume::take_returned looks at the head.
    ReturnedHead,
    /// consume::take_returned looks at a sequence.
    ReturnedLoad,
    /// consume::take_returned takes a message.
    Take,
    /// consume::bump_hint.
    HintMove,
    /// sweep looks at the dead one's cell.
    DeadCell,
    /// sweep looks at a cursor.
    CursorLoad,
    /// sweep_owned looks at the first slot of a batch.
    OwnedFirst,
    /// sweep_trying looks at a slot.
    TriedLoad,
    /// The look at another handle's state, before its cell and after it.
    OtherState,
    /// The look at another handle's cell.
    OtherCell,
    /// sweep_taken looks at a slot.
    TakenLoad,
    /// sweep replaces a sequence.
    Replace,
    /// A record is looked at to see whether its owner is dead.
    RecordLoad,
    /// A record is marked dead.
    Declare,
    /// A record is freed.
    FreeRecord,
    /// Not an access: what the proof of a death brings.
    Proof,
}

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Slots of the ring, 2 or 4.
    pub capacity: u64,
    /// Messages of each producer.
    pub producers: &'static [u8],
    /// Number of consumers.
    pub consumers: usize,
    /// Number of sweepers: processes that have seen nothing when they begin.
    pub sweepers: usize,
    /// Positions a producer claims at once where it still has that many messages.
    pub producer_batch: u8,
    /// Positions a consumer claims at once where that many are readable.
    pub consumer_batch: u8,
    /// The threads that may die, a bit each.
    pub mortals: u32,
    /// How many of them die.
    pub deaths: u8,
    /// The access whose ordering is left out.
    pub relaxed: Option<Site>,
}

/// What a thread keeps between two calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Local {
    /// A producer's messages so far; a sweeper's freed records.
    begun: u8,
    /// A sweeper's passes that left something to do.
    unfinished: u8,
    /// The hint when a consumer last looked through the ring in vain.
    seen: u64,
}

/// What happened to each message, one bit a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    sent: u8,
    delivered: u8,
    redelivered: u8,
}

/// Where a slot stands, seen from a position of a cursor; as in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Behind,
    Free,
    Readable,
    Aborted,
    Passed,
    Ahead,
}

fn standing(word: u64, position: u64) -> Standing {
    let marked = match WORDS.sequence(word) {
        Sequence::Plain(value) => {
            return match value.wrapping_sub(position) as i64 {
                0 => Standing::Free,
                1 => Standing::Readable,
                difference if difference < 0 => Standing::Behind,
                _ => Standing::Ahead,
            };
        }
        Sequence::Aborted(marked) if marked == position => return Standing::Aborted,
        Sequence::Returned(marked, _) | Sequence::Taken(marked, ..) if marked == position => return Standing::Passed,
        Sequence::Aborted(marked) | Sequence::Returned(marked, _) | Sequence::Taken(marked, ..) => marked,
    };
    if marked < position {
        Standing::Behind
    } else {
        Standing::Ahead
    }
}

impl Queue {
    fn handles(&self) -> usize {
        self.producers.len() + self.consumers
    }

    fn phase(&self, handle: usize) -> Phase {
        match handle < self.producers.len() {
            true => Phase::Produce,
            false => Phase::Consume,
        }
    }

    fn handles_of(&self, phase: Phase) -> std::ops::Range<usize> {
        match phase {
            Phase::Produce => 0..self.producers.len(),
            Phase::Consume => self.producers.len()..self.handles(),
        }
    }

    fn mortal(&self, thread: usize) -> bool {
        self.mortals & 1 << thread != 0
    }

    fn slot(&self, position: u64) -> usize {
        (position % self.capacity) as usize
    }

    fn sequence(&self, position: u64) -> Location {
        SEQUENCES + self.slot(position)
    }

    fn cell(&self, handle: usize) -> Location {
        SEQUENCES + self.capacity as usize + handle
    }

    fn record(&self, handle: usize) -> Location {
        self.cell(self.handles()) + handle
    }

    /// The number of a producer's message, from 1 on.
    fn message(&self, producer: usize, begun: u8) -> u8 {
        self.producers[..producer].iter().sum::<u8>() + begun + 1
    }

    /// The order of an access, which the planted mistake would have relaxed.
    fn order(&self, site: Site, order: Ordering) -> Ordering {
        match self.relaxed == Some(site) {
            true => Ordering::Relaxed,
            false => order,
        }
    }

    /// What a thread's program reads and writes.
    fn locations(&self, thread: usize) -> u32 {
        let bit = |location: Location| 1_u32 << location;
        let sequences: u32 = (0..self.capacity).map(|position| bit(self.sequence(position))).sum();
        if thread >= self.handles() {
            return self.swept_locations() | sequences;
        }
        let own = bit(self.cell(thread)) | sequences;
        match self.phase(thread) {
            Phase::Produce => own | bit(TAIL),
            Phase::Consume => own | bit(HEAD) | bit(HINT),
        }
    }

    /// What sweepers read and write apart from the sequences.
    fn swept_locations(&self) -> u32 {
        let mut locations = 0;
        for handle in (0..self.handles()).filter(|handle| self.mortal(*handle)) {
            locations |= 1 << self.record(handle);
            locations |= match self.phase(handle) {
                Phase::Produce => 1 << TAIL,
                Phase::Consume => 1 << HEAD | 1 << HINT,
            };
            for other in self.handles_of(self.phase(handle)) {
                locations |= 1 << self.cell(other);
            }
        }
        locations
    }
}

impl Protocol for Queue {
    type Local = Local;
    type Ledger = Ledger;

    fn values(&self) -> Vec<u64> {
        let mut values = vec![0, 0, 0];
        values.extend(0..self.capacity);
        values.extend(std::iter::repeat_n(0, self.handles()));
        values.extend(std::iter::repeat_n(LIVE, self.handles()));
        values
    }

    fn locals(&self) -> Vec<Local> {
        vec![Local::default(); self.handles() + self.sweepers]
    }

    fn ledger(&self) -> Ledger {
        Ledger::default()
    }

    fn deaths(&self) -> u8 {
        self.deaths
    }

    fn is_mortal(&self, thread: usize) -> bool {
        self.mortal(thread)
    }

    fn run(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if thread >= self.handles() {
            return self.sweep_channel(local, turn);
        }
        match self.phase(thread) {
            Phase::Produce => self.send(thread, local, turn),
            Phase::Consume => self.receive(thread, local, turn),
        }
    }

    fn is_finished(&self, thread: usize, local: &Local) -> bool {
        let budget = match self.producers.get(thread) {
            Some(messages) => *messages,
            None if thread < self.handles() => return false,
            None => self.deaths,
        };
        local.begun >= budget
    }

    fn interest(&self, state: &State<Self>, thread: usize) -> u32 {
        let dead = |handle: &usize| state.is_dead(*handle) && state.memory.newest(self.record(*handle)) != FREE;
        if thread >= self.handles() && state.deaths == 0 && !(0..self.handles()).any(|handle| dead(&handle)) {
            // Nobody is left to be swept.
            return 0;
        }
        self.locations(thread)
    }

    /// A sweeper waits for the living to be done with what they try.
    fn has_waited(&self, state: &State<Self>, _thread: usize) -> bool {
        (0..self.handles())
            .filter(|handle| !state.is_dead(*handle))
            .all(|handle| {
                let cell = state.memory.newest(self.cell(handle));
                !matches!(WORDS.claim(cell), Cell::Trying(..))
            })
    }

    fn note(&self, ledger: &mut Ledger, _thread: usize, event: u64) -> Option<Violation> {
        let messages = event as u8;
        match event & !0xFF {
            SENT => ledger.sent |= messages,
            DELIVERED => {
                if ledger.sent & messages == 0 {
                    return Some(Violation::SeenBeforePublished);
                }
                if (ledger.delivered | ledger.redelivered) & messages != 0 {
                    return Some(Violation::UnflaggedDuplicate);
                }
                ledger.delivered |= messages;
            }
            REDELIVERED => {
                if ledger.sent & messages == 0 {
                    return Some(Violation::SeenBeforePublished);
                }
                ledger.redelivered |= messages;
            }
            event => unreachable!("no event {event:#x} is ever noted"),
        }
        None
    }

    /// Each plain store to a sequence stands directly behind what its thread had claimed the slot with, else somebody was robbed.
    fn may_follow(&self, location: Location, before: u64, value: u64) -> bool {
        let slots = SEQUENCES..SEQUENCES + self.capacity as usize;
        if !slots.contains(&location) {
            return true;
        }
        let Sequence::Plain(value) = WORDS.sequence(value) else {
            // Marks are made by compare-and-swap.
            return true;
        };
        let published = value.wrapping_sub(1);
        if self.sequence(published) == location {
            return before == published;
        }
        let released = value.wrapping_sub(self.capacity);
        match WORDS.sequence(before) {
            Sequence::Plain(before) => before == released + 1,
            Sequence::Aborted(position) | Sequence::Taken(position, ..) => position == released,
            Sequence::Returned(..) => false,
        }
    }

    fn is_good(&self, state: &State<Self>) -> bool {
        let ledger = &state.ledger;
        let newest = |location| state.memory.newest(location);
        let settled = |thread: usize| {
            let own = &state.threads[thread];
            match own.condition {
                Condition::Finished => true,
                Condition::Dead => thread >= self.handles() || newest(self.record(thread)) == FREE,
                // A consumer that looks at an empty ring; it announces nothing.
                Condition::Running => {
                    self.handles_of(Phase::Consume).contains(&thread)
                        && !matches!(WORDS.claim(newest(self.cell(thread))), Cell::Trying(..))
                }
                Condition::Asleep => false,
            }
        };
        let is_empty = |position: u64| {
            let word = WORDS.sequence(newest(self.sequence(position)));
            matches!(word, Sequence::Plain(free) if free >= newest(TAIL))
        };
        ledger.sent & !(ledger.delivered | ledger.redelivered) == 0
            && newest(HEAD) == newest(TAIL)
            && (0..self.capacity).all(is_empty)
            && (0..state.threads.len()).all(settled)
    }
}

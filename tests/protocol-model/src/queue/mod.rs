//! The queue, sweep included, as atomic steps.
//!
//! One file per part: `state` what there is, `producer` and `consumer` the two kinds of handle, `sweeper` the
//! recovery, `process` death and registration. A step is one atomic access to shared memory. Two loads are joined into one
//! step where the first can only make the second useless: a cursor and the sequence under it (if both held one after the
//! other, there was a moment at which both held), and the dead one's cell with its record's state (the cell does not change
//! while the record stays dead). Stores to the payload and the reads of it happen with the store of the owned cell: what
//! can go wrong with them needs two holders of one slot, which is checked when a claim is made.

mod consumer;
mod process;
mod producer;
mod state;
mod sweeper;

use crate::archive::{Pack, Whole};
use crate::encoding::{Cell, Encoding, Phase, Sequence, Status, record_parts};
use crate::search::{Actor, Model, Successor, Violation};
use state::{Claim, Life, Next, State, Sweep, Words};

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// Slots of the ring, 2 or 4.
    pub capacity: u64,
    /// Messages of each producer. A record keeps its budget when another process registers it.
    pub producers: &'static [u8],
    /// Number of consumers.
    pub consumers: usize,
    /// Claim cells per handle.
    pub cells: usize,
    /// Number of sweeping processes.
    pub sweepers: usize,
    /// How many processes die, each at any step.
    pub deaths: u8,
    /// How many producers and how many consumers register a freed record.
    pub registrations: [u8; 2],
    /// Positions a producer claims at once where it still has that many messages.
    pub producer_batch: u8,
    /// Positions a consumer claims at once where that many are readable.
    pub consumer_batch: u8,
    /// Live producers may abort their claims.
    pub aborts: bool,
    /// Handles may go away for ever after "full" or "empty".
    pub resting: bool,
    /// The stream is closed once all producers are done, and consumers that find its end never call again.
    pub closing: bool,
    /// How many messages living consumers put back after a call that failed.
    pub put_back: u8,
    /// A dead consumer's message is dropped instead of delivered again.
    pub drops: bool,
    /// Deliveries begun after which a message is dropped.
    pub redelivery_limit: u64,
    /// The first position.
    pub start: u64,
    /// Widths of the position fields.
    pub encoding: Encoding,
    /// The planted mistake.
    pub bug: Bug,
}

/// Mistakes that can be planted, each to be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The protocol as it is.
    None,
    /// Claims without saying so beforehand.
    NoTryingCell,
    /// The sweep takes a slot although a live handle is trying it.
    LiveTryingIgnored,
    /// The sweep reads the other cells before it reads the cursor.
    CellsBeforeCursor,
    /// A failed claim stays announced while its handle waits.
    StaleTryKept,
    /// A record is freed before its sweep.
    FreedBeforeSweep,
    /// A batch is published from the first slot to the last.
    PublishFirstToLast,
    /// A batch is aborted by its producer from the first slot to the last.
    AbortFirstToLast,
    /// The sweep of an owned batch judges each slot by itself, from the first to the last.
    OwnedCheckedFirstToLast,
    /// The sweep checks, then stores, instead of one compare-and-swap.
    SweepStoresPlainly,
    /// The sweep releases what a dead consumer held, although the channel delivers again.
    ReleasedInsteadOfReturned,
    /// A returned message is taken by a plain store.
    TakenByPlainStore,
    /// A message delivered again does not say so.
    RedeliveredWithoutFlag,
    /// A sweeper does not look whether the cell it read was still the dead one's.
    CellGenerationUnchecked,
    /// A sweeper does not look whether the record is still the dead one's before it takes a tried slot.
    TryingGenerationUnchecked,
    /// A sweeper does not look whether a taken message is still the dead one's.
    TakenGenerationUnchecked,
    /// A record is freed by a plain store.
    FreedByPlainStore,
    /// A process registers a record without clearing its cells.
    CellsKeptAtRegistration,
    /// The sweep reads whether another handle lives after it has read that handle's cell.
    OtherStateAfterCells,
    /// The sweep ignores owned cells of dead handles.
    DeadOwnersIgnored,
    /// The returned hint moves before the messages are given back.
    HintBeforeReturn,
    /// A consumer takes the ring for looked through when it found the first returned message.
    LookEndsAtFirstFind,
    /// A newly registered consumer trusts the hint as it finds it.
    HintTrustedAtRegistration,
    /// A consumer's batch is claimed after a look at its first slot only.
    ConsumerBatchUnchecked,
    /// The sweeper clears the dead one's cells, so that the next process need not.
    CellsClearedBySweeper,
    /// A registering process stores LIVE and clears its cells after that, before its first claim.
    LiveBeforeCellsCleared,
    /// A consumer takes a closed and drained queue for its end, whoever died with a message of it.
    EndWithoutSweep,
    /// A consumer that found nobody dead does not look for returned messages again before it takes the end for one.
    EndWithoutLook,
    /// What is put back counts one delivery less than it had, not as many.
    PutBackBelow,
    /// One sweeper leaves a dead record when it finds one cell that it must come back for, but frees it all the same.
    FreedWithCellLeft,
}

impl Configuration {
    pub(crate) fn slot(&self, position: u64) -> usize {
        (position % self.capacity) as usize
    }

    fn handles(&self) -> std::ops::Range<usize> {
        0..self.producers.len() + self.consumers
    }

    fn phase(&self, handle: usize) -> Phase {
        if handle < self.producers.len() {
            Phase::Produce
        } else {
            Phase::Consume
        }
    }

    fn handles_of(&self, phase: Phase) -> std::ops::Range<usize> {
        match phase {
            Phase::Produce => 0..self.producers.len(),
            Phase::Consume => self.producers.len()..self.handles().end,
        }
    }

    /// The number of a producer's message, counted from 0. Numbers start at 1 and rise with each producer's order.
    fn message(&self, producer: usize, begun: u8) -> u8 {
        self.producers[..producer].iter().sum::<u8>() + begun + 1
    }

    fn producer_of(&self, message: u8) -> usize {
        let mut last = 0;
        self.producers
            .iter()
            .position(|budget| {
                last += budget;
                message <= last
            })
            .expect("every message has a producer")
    }

    /// The word a slot shows while a claimed position has come no further.
    fn stuck(&self, phase: Phase, position: u64) -> u64 {
        match phase {
            Phase::Produce => position,
            Phase::Consume => position + 1,
        }
    }
}

/// The model of one configuration.
pub struct Queue {
    configuration: Configuration,
    words: Words,
}

impl Queue {
    /// The model of `configuration`. Panics where the configuration does not fit the packed state.
    pub fn new(configuration: Configuration) -> Queue {
        assert!(
            configuration.handles().len() <= state::HANDLES,
            "at most {} handles",
            state::HANDLES
        );
        assert!(
            configuration.capacity as usize <= state::SLOTS,
            "at most {} slots",
            state::SLOTS
        );
        assert!(configuration.cells <= state::CELLS, "at most {} cells", state::CELLS);
        assert!(
            configuration.sweepers <= state::SWEEPERS,
            "at most {} sweepers",
            state::SWEEPERS
        );
        assert!(
            configuration.producers.iter().sum::<u8>() <= 8,
            "the ledger has eight bits"
        );
        Queue {
            configuration,
            words: Words::new(),
        }
    }
}

impl Model for Queue {
    type State = State;
    type Archive = Whole;

    fn initial(&self) -> State {
        State::initial(&self.configuration)
    }

    fn successors(&self, state: &State, out: &mut Vec<Successor<State>>) {
        let configuration = &self.configuration;
        for handle in configuration.handles() {
            let mut steps = Steps {
                actor: Actor::Handle(handle),
                out,
            };
            match (state.handles[handle].life, configuration.phase(handle)) {
                (Life::Alive, Phase::Produce) => producer::steps(configuration, state, handle, &mut steps),
                (Life::Alive, Phase::Consume) => consumer::steps(configuration, state, handle, &mut steps),
                (Life::Registering, _) => process::registration(configuration, state, handle, &mut steps),
                (Life::Gone | Life::Resting, _) => {}
            }
        }
        for sweeper in 0..configuration.sweepers {
            if state.sweepers[sweeper].alive {
                let mut steps = Steps {
                    actor: Actor::Sweeper(sweeper),
                    out,
                };
                sweeper::steps(configuration, state, sweeper, &mut steps);
            }
        }
        process::deaths(configuration, state, out);
        process::births(configuration, state, out);
    }

    fn violation(&self, state: &State) -> Option<Violation> {
        state
            .violation
            .or_else(|| self.vanished(state).then_some(Violation::Lost))
    }

    fn good(&self, state: &State) -> bool {
        let configuration = &self.configuration;
        let ledger = &state.ledger;
        let settled = |handle: usize| {
            let own = &state.handles[handle];
            let (_, status) = record_parts(state.records[handle]);
            let done = own.next == Next::Idle && own.holds_nothing();
            match (own.life, configuration.phase(handle)) {
                (Life::Gone, _) => status == Status::Free,
                (Life::Registering, _) => false,
                (Life::Alive, Phase::Produce) => done && own.begun >= configuration.producers[handle],
                (Life::Alive, Phase::Consume) => done && !own.hinted,
                (Life::Resting, _) => done,
            }
        };
        let empty = |slot: usize| {
            matches!(configuration.encoding.sequence(state.sequences[slot]),
            Sequence::Plain(position) if position >= state.tail)
        };
        ledger.sent & !(ledger.delivered | ledger.redelivered | ledger.dropped) == 0
            && state.head == state.tail
            && (0..configuration.capacity as usize).all(empty)
            && configuration.handles().all(settled)
            && state.sweepers.iter().all(|sweeper| sweeper.next == Sweep::Idle)
    }

    fn blocked(&self, _state: &State) -> Violation {
        Violation::BlockedForEver
    }

    fn describe(&self, state: &State) -> String {
        let configuration = &self.configuration;
        let sequence = |word: u64| match configuration.encoding.sequence(word) {
            Sequence::Plain(position) => format!("{position}"),
            Sequence::Aborted(position) => format!("A{position}"),
            Sequence::Returned(position, times) => format!("R{position}x{times}"),
            Sequence::Taken(position, handle, times) => format!("T{position}by{handle}x{times}"),
        };
        let cell = |word: u64| match configuration.encoding.claim(word) {
            Cell::None => "-".to_string(),
            Cell::Trying(_, position, count) => format!("try {position}+{count}"),
            Cell::Owned(_, position, count) => format!("own {position}+{count}"),
        };
        let sequences: Vec<_> = state.sequences[..configuration.capacity as usize]
            .iter()
            .map(|word| sequence(*word))
            .collect();
        let handles: Vec<_> = configuration
            .handles()
            .map(|handle| {
                let cells: Vec<_> = state.cells[handle][..configuration.cells]
                    .iter()
                    .map(|word| cell(*word))
                    .collect();
                let (generation, status) = record_parts(state.records[handle]);
                let own = &state.handles[handle];
                format!(
                    "{:?}/{status:?}{generation} {:?} [{}]",
                    own.life,
                    own.next,
                    cells.join(", ")
                )
            })
            .collect();
        format!(
            "tail {} head {} slots [{}] {}",
            state.tail,
            state.head,
            sequences.join(" "),
            handles.join(" | ")
        )
    }
}

impl Pack for Queue {
    fn pack(&mut self, state: &State, bytes: &mut Vec<u8>) {
        state::pack(&self.configuration, &mut self.words, state, bytes);
    }

    fn unpack(&self, bytes: &[u8]) -> State {
        state::unpack(&self.configuration, &self.words, bytes)
    }
}

impl Queue {
    /// Whether a message was sent, seen by nobody, and is in no slot that anybody will read.
    fn vanished(&self, state: &State) -> bool {
        let ledger = &state.ledger;
        let mut missing = ledger.sent & !(ledger.delivered | ledger.redelivered | ledger.dropped);
        for slot in 0..self.configuration.capacity as usize {
            let message = state.payloads[slot];
            let held = match self.configuration.encoding.sequence(state.sequences[slot]) {
                Sequence::Plain(position) => self.configuration.slot(position) != slot,
                Sequence::Aborted(_) => false,
                Sequence::Returned(..) | Sequence::Taken(..) => true,
            };
            if held && message != 0 {
                missing &= !bit(message);
            }
        }
        missing != 0
    }
}

/// The ledger's bit of a message.
fn bit(message: u8) -> u8 {
    1 << (message - 1)
}

/// The steps one actor may take.
struct Steps<'a> {
    actor: Actor,
    out: &'a mut Vec<Successor<State>>,
}

impl Steps<'_> {
    fn push(&mut self, step: &'static str, state: State) {
        self.out.push(Successor {
            actor: self.actor,
            step: step.into(),
            state,
        });
    }
}

/// Whether a live process other than `handle` holds the slot of `position`.
fn held_by_another(configuration: &Configuration, state: &State, handle: usize, position: u64) -> bool {
    let slot = configuration.slot(position);
    configuration.handles().any(|other| {
        let own = &state.handles[other];
        let mut claimed = own
            .claims
            .iter()
            .flat_map(|claim| claim.position..claim.position + u64::from(claim.count));
        let took = own.next == Next::ReleaseTaken && configuration.slot(own.position) == slot;
        other != handle && own.living() && (took || claimed.any(|held| configuration.slot(held) == slot))
    })
}

//! One state of the queue: the shared words, every process's own variables, and the ledger that judges them.

use crate::encoding::{Status, record};
use crate::queue::Configuration;
use crate::search::Violation;

/// The most handles a configuration may have.
pub(super) const HANDLES: usize = 4;
/// The most cells a handle may have.
pub(super) const CELLS: usize = 2;
/// The most slots a ring may have.
pub(super) const SLOTS: usize = 4;
/// The most sweepers a configuration may have.
pub(super) const SWEEPERS: usize = 2;

/// Everything there is.
#[derive(Clone, Copy)]
pub struct State {
    pub(super) tail: u64,
    pub(super) head: u64,
    pub(super) sequences: [u64; SLOTS],
    pub(super) cells: [[u64; CELLS]; HANDLES],
    pub(super) records: [u32; HANDLES],
    /// The message in each slot; 0 before the first.
    pub(super) payloads: [u8; SLOTS],
    pub(super) handles: [Handle; HANDLES],
    pub(super) sweepers: [Sweeper; SWEEPERS],
    pub(super) ledger: Ledger,
    /// Deaths still to come.
    pub(super) deaths: u8,
    /// Registrations still to come, of producers and of consumers.
    pub(super) registrations: [u8; 2],
    /// Messages still to be put back.
    pub(super) put_back: u8,
    pub(super) violation: Option<Violation>,
}

/// What happened to each message, one bit a message. No process can read it.
#[derive(Clone, Copy, Default)]
pub(super) struct Ledger {
    pub(super) sent: u8,
    pub(super) delivered: u8,
    pub(super) redelivered: u8,
    pub(super) dropped: u8,
    /// Claimed by moving the head over it.
    pub(super) passed: u8,
}

/// Whether a record's process is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// Dead, or never born.
    Gone,
    /// Preparing the record.
    Registering,
    Alive,
    /// Alive, but never calls again: an application that was told "full" or "empty" and went away to do something else.
    Resting,
}

/// What a handle does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Idle,
    /// Look at the slots behind the first one of the batch.
    CheckMore,
    /// Say in the cell what is tried.
    Try,
    /// Move the cursor.
    Claim,
    /// Say in the cell that it worked.
    Own,
    /// The cursor was not where it was: look again at once.
    Retry,
    /// Take back what the cell says.
    Clear,
    /// Publish what is left of the claim in `cell`.
    Publish,
    /// Abort what is left of the claim in `cell`.
    Abort,
    /// Release what is left of the claim in `cell`.
    Release,
    /// Turn the aborted slot under the head into a released one.
    StepOver,
    /// Move the head over a slot that is already done.
    Advance,
    /// Look at slot `offset` for a returned message.
    Look,
    /// Take the returned message at `position`.
    Take,
    /// Release the returned message at `position`.
    ReleaseTaken,
    /// Put what is left of the claim in `cell` back.
    PutBack,
    /// The queue is closed and drained: it is the end if nobody is dead and, which is looked at then (`offset` 1), no hint has moved.
    AtTheEnd,
    /// A registering process clears its cell number `cell`.
    ClearCells,
    /// A registering process stores LIVE.
    GoLive,
}

/// The positions a handle holds through one of its cells; count 0 when it holds none. Shrinks slot by slot as they are
/// published, aborted or released.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) position: u64,
    pub(super) count: u8,
}

/// A process and the one handle it registered.
#[derive(Clone, Copy)]
pub(super) struct Handle {
    pub(super) life: Life,
    pub(super) next: Next,
    pub(super) cell: u8,
    pub(super) position: u64,
    pub(super) count: u8,
    pub(super) offset: u8,
    /// Deliveries begun, of a taken message.
    pub(super) times: u8,
    /// Messages begun, of this record's producers.
    pub(super) begun: u8,
    /// The returned hint has moved since this handle last looked through the whole ring.
    pub(super) hinted: bool,
    pub(super) claims: [Claim; CELLS],
}

/// What a sweeper does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sweep {
    Idle,
    ReadCell,
    /// Owned for producing: does the first slot say that nothing was visible?
    OwnedFirst,
    /// Owned: settle the slot at `offset`.
    OwnedSlot,
    /// Trying: has the cursor passed the slot at `offset`, and is it stuck?
    Cursor,
    /// Trying: the state of another handle's record.
    OtherState,
    /// Trying: a cell of another handle.
    OtherCell,
    /// Trying: is the record still the dead one's?
    StillDead,
    /// Trying: settle the slot at `offset`.
    Settle,
    /// The planted plain store, after its check.
    StorePlainly,
    /// Look at slot `offset` for a message the dead one had taken.
    Taken,
    /// Give that message back.
    GiveBack,
    Hint,
    Free,
    /// The planted late look at another handle's state.
    LateState,
    /// The planted clearing of the dead one's cells.
    ClearCells,
}

/// A sweeping process. Its own handle, if it has one, is one of the handles.
#[derive(Clone, Copy)]
pub(super) struct Sweeper {
    pub(super) alive: bool,
    pub(super) next: Sweep,
    /// Whose record it sweeps, and that record's generation when it was found dead.
    pub(super) target: u8,
    pub(super) generation: u32,
    pub(super) cell: u8,
    /// The dead one's cell as it was read.
    pub(super) word: u64,
    pub(super) offset: u8,
    pub(super) other: u8,
    pub(super) other_cell: u8,
    pub(super) other_live: bool,
    /// The sequence word that is to be replaced.
    pub(super) expected: u64,
}

impl Next {
    /// Whether the handle's `position` still matters; where it does not, it is packed as nothing.
    fn has_position(self) -> bool {
        match self {
            Next::CheckMore | Next::Try | Next::Claim | Next::Own => true,
            Next::StepOver | Next::Advance | Next::Take | Next::ReleaseTaken => true,
            Next::Idle | Next::Retry | Next::Clear | Next::Publish | Next::Abort | Next::Release => false,
            Next::Look | Next::PutBack | Next::AtTheEnd | Next::ClearCells | Next::GoLive => false,
        }
    }
}

impl Handle {
    pub(super) fn newborn(life: Life, begun: u8) -> Handle {
        Handle {
            life,
            next: Next::Idle,
            cell: 0,
            position: 0,
            count: 0,
            offset: 0,
            times: 0,
            begun,
            hinted: false,
            claims: [Claim::default(); CELLS],
        }
    }

    pub(super) fn living(&self) -> bool {
        matches!(self.life, Life::Alive | Life::Resting)
    }

    pub(super) fn holds_nothing(&self) -> bool {
        self.claims.iter().all(|claim| claim.count == 0)
    }

    /// On to `next`, which needs nothing but the cell.
    pub(super) fn proceed(&mut self, next: Next) {
        (self.next, self.count, self.offset) = (next, 0, 0);
    }

    /// Back to idle; the claims stay.
    pub(super) fn rest(&mut self) {
        *self = Handle {
            claims: self.claims,
            hinted: self.hinted,
            ..Handle::newborn(self.life, self.begun)
        };
    }
}

impl Sweeper {
    pub(super) fn idle() -> Sweeper {
        Sweeper {
            alive: true,
            next: Sweep::Idle,
            target: 0,
            generation: 0,
            cell: 0,
            word: 0,
            offset: 0,
            other: 0,
            other_cell: 0,
            other_live: false,
            expected: 0,
        }
    }
}

impl State {
    pub(super) fn initial(configuration: &Configuration) -> State {
        let mut state = State {
            tail: configuration.start,
            head: configuration.start,
            sequences: [0; SLOTS],
            cells: [[0; CELLS]; HANDLES],
            records: [0; HANDLES],
            payloads: [0; SLOTS],
            handles: [Handle::newborn(Life::Gone, 0); HANDLES],
            sweepers: [Sweeper {
                alive: false,
                ..Sweeper::idle()
            }; SWEEPERS],
            ledger: Ledger::default(),
            deaths: configuration.deaths,
            registrations: configuration.registrations,
            put_back: configuration.put_back,
            violation: None,
        };
        for position in configuration.start..configuration.start + configuration.capacity {
            state.sequences[configuration.slot(position)] = position;
        }
        for handle in configuration.handles() {
            state.records[handle] = record(0, Status::Live);
            state.handles[handle].life = Life::Alive;
        }
        for sweeper in 0..configuration.sweepers {
            state.sweepers[sweeper].alive = true;
        }
        state
    }

    /// Notes the first broken promise.
    pub(super) fn break_promise(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }
}

/// The 64-bit words of a search, numbered as they turn up, so that a packed state needs one byte for each.
pub(super) struct Words {
    index: Vec<u16>,
    words: Vec<u64>,
}

impl Words {
    const PLACES: usize = 1 << 12;

    pub(super) fn new() -> Words {
        Words {
            index: vec![0; Words::PLACES],
            words: Vec::new(),
        }
    }

    fn number(&mut self, word: u64) -> u8 {
        let mut place = (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize;
        loop {
            match self.index[place] {
                0 => {
                    assert!(
                        self.words.len() < 256,
                        "more than 256 different words: shrink the configuration"
                    );
                    self.words.push(word);
                    self.index[place] = self.words.len() as u16;
                    return (self.words.len() - 1) as u8;
                }
                number if self.words[usize::from(number) - 1] == word => return (number - 1) as u8,
                _ => place = (place + 1) % Words::PLACES,
            }
        }
    }

    fn word(&self, number: u8) -> u64 {
        self.words[usize::from(number)]
    }
}

const LIVES: [Life; 4] = [Life::Gone, Life::Registering, Life::Alive, Life::Resting];
const NEXTS: [Next; 19] = [
    Next::Idle,
    Next::CheckMore,
    Next::Try,
    Next::Claim,
    Next::Own,
    Next::Retry,
    Next::Clear,
    Next::Publish,
    Next::Abort,
    Next::Release,
    Next::StepOver,
    Next::Advance,
    Next::Look,
    Next::Take,
    Next::ReleaseTaken,
    Next::PutBack,
    Next::AtTheEnd,
    Next::ClearCells,
    Next::GoLive,
];
const SWEEPS: [Sweep; 16] = [
    Sweep::Idle,
    Sweep::ReadCell,
    Sweep::OwnedFirst,
    Sweep::OwnedSlot,
    Sweep::Cursor,
    Sweep::OtherState,
    Sweep::OtherCell,
    Sweep::StillDead,
    Sweep::Settle,
    Sweep::StorePlainly,
    Sweep::Taken,
    Sweep::GiveBack,
    Sweep::Hint,
    Sweep::Free,
    Sweep::LateState,
    Sweep::ClearCells,
];
const VIOLATIONS: [Violation; 6] = [
    Violation::StoreOverTakenSlot,
    Violation::TwoHolders,
    Violation::UnflaggedDuplicate,
    Violation::SeenBeforePublished,
    Violation::OutOfOrder,
    Violation::Lost,
];

/// Packs a state. Sweepers are interchangeable and are therefore sorted.
pub(super) fn pack(configuration: &Configuration, words: &mut Words, state: &State, bytes: &mut Vec<u8>) {
    let start = configuration.start;
    let near = |position: u64| position.wrapping_sub(start) as u8;
    bytes.push(near(state.tail));
    bytes.push(near(state.head));
    for slot in 0..configuration.capacity as usize {
        bytes.push(words.number(state.sequences[slot]));
        bytes.push(state.payloads[slot]);
    }
    for handle in configuration.handles() {
        let own = &state.handles[handle];
        bytes.push(state.records[handle] as u8);
        bytes.push(own.life as u8 | (own.next as u8) << 2 | u8::from(own.hinted) << 7);
        bytes.push(if own.next.has_position() { near(own.position) } else { 0 });
        bytes.push(own.count | own.offset << 4);
        bytes.push(own.begun | own.times << 4);
        let mut held = own.cell;
        for cell in 0..configuration.cells {
            bytes.push(words.number(state.cells[handle][cell]));
            let claim = own.claims[cell];
            held |= claim.count << (2 + 3 * cell);
            bytes.push(if claim.count == 0 { 0 } else { near(claim.position) });
        }
        bytes.push(held);
    }
    let mut sweepers = [[0u8; 8]; SWEEPERS];
    for (packed, sweeper) in sweepers.iter_mut().zip(&state.sweepers).take(configuration.sweepers) {
        *packed = [
            sweeper.next as u8 | u8::from(sweeper.alive) << 7 | u8::from(sweeper.other_live) << 6,
            sweeper.target | sweeper.cell << 4,
            sweeper.generation as u8,
            words.number(sweeper.word),
            sweeper.offset,
            sweeper.other | sweeper.other_cell << 4,
            words.number(sweeper.expected),
            0,
        ];
    }
    sweepers[..configuration.sweepers].sort_unstable();
    for packed in &sweepers[..configuration.sweepers] {
        bytes.extend_from_slice(&packed[..7]);
    }
    let ledger = &state.ledger;
    bytes.extend([
        ledger.sent,
        ledger.delivered,
        ledger.redelivered,
        ledger.dropped,
        ledger.passed,
    ]);
    bytes.push(state.deaths | state.registrations[0] << 2 | state.registrations[1] << 4 | state.put_back << 6);
    let violation = state
        .violation
        .and_then(|violation| VIOLATIONS.iter().position(|known| *known == violation));
    bytes.push(violation.map_or(0, |violation| violation as u8 + 1));
}

/// The state packed into `bytes`.
pub(super) fn unpack(configuration: &Configuration, words: &Words, bytes: &[u8]) -> State {
    let mut bytes = bytes.iter().copied();
    let mut byte = || bytes.next().expect("a packed state holds every field");
    let start = configuration.start;
    let far = |byte: u8| start + u64::from(byte);
    let mut state = State::initial(configuration);
    state.tail = far(byte());
    state.head = far(byte());
    for slot in 0..configuration.capacity as usize {
        state.sequences[slot] = words.word(byte());
        state.payloads[slot] = byte();
    }
    for handle in configuration.handles() {
        state.records[handle] = u32::from(byte());
        let own = &mut state.handles[handle];
        let packed = byte();
        own.life = LIVES[usize::from(packed & 3)];
        own.next = NEXTS[usize::from(packed >> 2 & 31)];
        own.hinted = packed >> 7 != 0;
        own.position = far(byte());
        let packed = byte();
        (own.count, own.offset) = (packed & 15, packed >> 4);
        let packed = byte();
        (own.begun, own.times) = (packed & 15, packed >> 4);
        for cell in 0..configuration.cells {
            state.cells[handle][cell] = words.word(byte());
            own.claims[cell].position = far(byte());
        }
        let held = byte();
        own.cell = held & 3;
        for cell in 0..configuration.cells {
            own.claims[cell].count = held >> (2 + 3 * cell) & 7;
        }
    }
    for sweeper in &mut state.sweepers[..configuration.sweepers] {
        let packed = byte();
        sweeper.next = SWEEPS[usize::from(packed & 63)];
        sweeper.alive = packed >> 7 != 0;
        sweeper.other_live = packed >> 6 & 1 != 0;
        let packed = byte();
        (sweeper.target, sweeper.cell) = (packed & 15, packed >> 4);
        sweeper.generation = u32::from(byte());
        sweeper.word = words.word(byte());
        sweeper.offset = byte();
        let packed = byte();
        (sweeper.other, sweeper.other_cell) = (packed & 15, packed >> 4);
        sweeper.expected = words.word(byte());
    }
    let ledger = &mut state.ledger;
    ledger.sent = byte();
    ledger.delivered = byte();
    ledger.redelivered = byte();
    ledger.dropped = byte();
    ledger.passed = byte();
    let packed = byte();
    state.deaths = packed & 3;
    state.registrations = [packed >> 2 & 3, packed >> 4 & 3];
    state.put_back = packed >> 6;
    state.violation = usize::from(byte()).checked_sub(1).map(|number| VIOLATIONS[number]);
    state
}

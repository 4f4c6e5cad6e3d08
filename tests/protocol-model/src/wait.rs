//! Waiting: nobody sleeps while a message is there for it and nobody is left to wake it.
//!
//! The waiters word is a u32: bit 0 ARMED, bit 1 spare, a ticket above that rises with every announcement.
//!
//! The waiter, a consumer that found nothing:
//! 1. s = signal
//! 2. waiters = (waiters + 4) | ARMED, by compare-and-swap
//! 3. barrier
//! 4. look at the ring again
//! 5. futex_wait(signal, s), which sleeps only while the signal still is s
//! 6. once woken, having taken a message and seeing another behind it: the waker's steps 2 to 5, for one sleeper
//!
//! The waker, a producer that has published n messages:
//! 1. barrier
//! 2. w = waiters; without ARMED, no more
//! 3. signal += 1
//! 4. futex_wake, n sleepers
//! 5. if nobody was woken: waiters = w without ARMED, by compare-and-swap from w
//!
//! Waiting for space is the same with the roles exchanged.
//!
//! Publishing is a store into a buffer of one entry, which the machine drains at any time; read-modify-write operations and
//! barriers drain it first. On the waiter's side a missing barrier lets the second look at the ring happen before the
//! announcement. Positions are claimed in order and published in any order, and only the one under the head can be taken.
//!
//! Of a counter that only rises, the signal or the ticket, all that anybody asks is whether it has moved since it was loaded. So
//! the state holds that answer for each process, and not the counter: a search need not tell apart states whose counters differ.
//! A counter that wraps completely between a load and its use, 2^30 announcements or 2^32 signals, is not reached.
//!
//! A consumer takes one message and may then be busy for ever: one that is busy wakes nobody and takes nothing more, so the
//! messages behind its own need somebody else. What cannot be promised is marked by `wake_lost`: a process that was killed with
//! a wake in its hands. There the tick, at most 50 ms, is what the sleeper has.

use crate::archive::{Pack, Whole};
use crate::search::{Actor, Model, Successor, Violation};

const PRODUCERS: usize = 2;
const CONSUMERS: usize = 3;

/// Who pays for the race between publishing and announcing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// Both sides fence.
    Fences,
    /// The waiter calls membarrier, which drains every producer's buffer; producers do not fence.
    Membarrier,
}

/// Mistakes that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The protocol as it is.
    None,
    /// The producer's barrier is left out.
    NoProducerBarrier,
    /// The waiter's barrier is left out.
    NoWaiterBarrier,
    /// The flag is cleared by a plain store.
    ClearedByPlainStore,
    /// The flag is not cleared at all.
    NeverCleared,
    /// The signal is read after the announcement.
    SignalReadAfterArming,
    /// The announcement does not change the word of an announcement before it.
    NoTicket,
    /// The signal is not moved before the wake.
    SignalNotMoved,
    /// A batch wakes one waiter. No mistake while that one passes the wake on.
    OneWakeForABatch,
    /// A batch wakes one waiter, which does not wake another.
    OneWakeForABatchNotPassedOn,
    /// A woken consumer that finds a further message does not wake another.
    NotPassedOn,
}

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Messages of each producer, at most two producers.
    pub producers: &'static [u8],
    /// Messages a producer publishes at once.
    pub batch: u8,
    /// Number of consumers, at most three.
    pub consumers: usize,
    /// A consumer is busy for ever after its first message.
    pub busy: bool,
    /// How many processes are killed.
    pub kills: u8,
    /// Sleepers wake by themselves.
    pub tick: bool,
    /// Who pays.
    pub barrier: Barrier,
    /// The planted mistake.
    pub mistake: Mistake,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// A producer: claim. A consumer: take what is under the head.
    Start,
    Publish,
    Barrier,
    /// The waker's steps, a producer's or those of a consumer passing a wake on.
    LoadWaiters,
    MoveSignal,
    Wake,
    ClearArmed,
    LoadSignal,
    LookEarly,
    Arm,
    LookAgain,
    Sleep,
    Asleep,
    /// A consumer that was woken and has taken a message.
    LookBehind,
    Busy,
    Gone,
}

const NEXTS: [Next; 16] = [
    Next::Start,
    Next::Publish,
    Next::Barrier,
    Next::LoadWaiters,
    Next::MoveSignal,
    Next::Wake,
    Next::ClearArmed,
    Next::LoadSignal,
    Next::LookEarly,
    Next::Arm,
    Next::LookAgain,
    Next::Sleep,
    Next::Asleep,
    Next::LookBehind,
    Next::Busy,
    Next::Gone,
];

/// A producer or a consumer.
#[derive(Clone, Copy)]
struct Process {
    next: Next,
    /// Messages a producer has begun.
    begun: u8,
    /// The position it claimed.
    position: u8,
    /// Published positions that only this process can see yet.
    buffer: u8,
    /// The signal has moved since this process loaded it.
    signal_moved: bool,
    /// The ticket has moved since this process loaded the waiters word.
    ticket_moved: bool,
    /// Its last call woke nobody, and the ticket has not moved since it loaded the word for that call.
    wasted: bool,
    /// The same, as it was when it loaded the word for the present call.
    wasted_before: bool,
    woken: bool,
    early: bool,
    /// How many producers' buffers a membarrier has drained so far.
    drained: u8,
}

/// Everything there is.
#[derive(Clone, Copy)]
pub struct State {
    tail: u8,
    head: u8,
    published: u8,
    armed: bool,
    processes: [Process; PRODUCERS + CONSUMERS],
    kills: u8,
    wake_lost: bool,
    wasted_twice: bool,
}

impl State {
    fn available(&self) -> bool {
        self.published >> self.head & 1 != 0
    }
}

impl Waiting {
    fn consumers(&self) -> std::ops::Range<usize> {
        PRODUCERS..PRODUCERS + self.consumers
    }

    fn everybody(&self) -> impl Iterator<Item = usize> {
        (0..self.producers.len()).chain(self.consumers())
    }

    /// Whether nothing can happen any more but ticks and deaths.
    fn quiet(&self, state: &State) -> bool {
        let producers = (0..self.producers.len()).all(|number| {
            let own = &state.processes[number];
            own.buffer == 0 && (own.next == Next::Gone || self.done(own, number))
        });
        producers
            && self
                .consumers()
                .all(|number| matches!(state.processes[number].next, Next::Asleep | Next::Busy | Next::Gone))
    }

    fn done(&self, own: &Process, number: usize) -> bool {
        own.next == Next::Start && own.begun >= self.producers[number]
    }

    fn somebody_sleeps(&self, state: &State) -> bool {
        self.consumers()
            .any(|number| state.processes[number].next == Next::Asleep)
    }

    fn producer(&self, state: &State, number: usize, out: &mut Vec<Successor<State>>) {
        let own = &state.processes[number];
        let mut next = *state;
        let after = &mut next.processes[number];
        let count = self.batch.min(self.producers[number].saturating_sub(own.begun));
        let step = match own.next {
            Next::Start => {
                if count == 0 {
                    return;
                }
                after.position = state.tail;
                next.tail += count;
                after.next = Next::Publish;
                "claims"
            }
            Next::Publish => {
                if own.buffer != 0 {
                    return;
                }
                after.buffer = ((1 << count) - 1) << own.position;
                after.begun += count;
                after.position = count;
                let fences = self.barrier == Barrier::Fences && self.mistake != Mistake::NoProducerBarrier;
                after.next = if fences { Next::Barrier } else { Next::LoadWaiters };
                "publishes into its buffer"
            }
            Next::Barrier => {
                if own.buffer != 0 {
                    return;
                }
                after.next = Next::LoadWaiters;
                "passes its barrier"
            }
            _ => return self.wake(state, number, out),
        };
        out.push(Successor {
            actor: Actor::Handle(number),
            step: step.into(),
            state: next,
        });
    }

    /// The waker's steps. Afterwards a producer starts anew; a consumer is busy or starts anew.
    fn wake(&self, state: &State, number: usize, out: &mut Vec<Successor<State>>) {
        let own = &state.processes[number];
        let mut next = *state;
        let after = &mut next.processes[number];
        let actor = Actor::Handle(number);
        let step = match own.next {
            Next::LoadWaiters => {
                after.ticket_moved = false;
                after.wasted_before = own.wasted;
                after.next = if self.mistake == Mistake::SignalNotMoved {
                    Next::Wake
                } else {
                    Next::MoveSignal
                };
                if !state.armed {
                    self.woke(after, number);
                }
                "loads the waiters word"
            }
            Next::MoveSignal => {
                if own.buffer != 0 {
                    return;
                }
                after.next = Next::Wake;
                for waiter in self.consumers() {
                    let waiter = &mut next.processes[waiter];
                    waiter.signal_moved = waiter.has_loaded_signal();
                }
                "moves the signal"
            }
            Next::Wake => {
                let wakes = match (number < PRODUCERS, self.mistake) {
                    (true, Mistake::OneWakeForABatch | Mistake::OneWakeForABatchNotPassedOn) | (false, _) => 1,
                    (true, _) => own.position,
                };
                self.woken_sets(state, wakes, |mut next, woken| {
                    let after = &mut next.processes[number];
                    if woken > 0 {
                        self.woke(after, number);
                    } else {
                        next.wasted_twice |= own.wasted_before;
                        let after = &mut next.processes[number];
                        after.wasted = !own.ticket_moved && self.mistake != Mistake::NoTicket;
                        after.next = Next::ClearArmed;
                        if self.mistake == Mistake::NeverCleared {
                            self.woke(after, number);
                        }
                    }
                    out.push(Successor {
                        actor,
                        step: "calls futex_wake".into(),
                        state: next,
                    });
                });
                return;
            }
            Next::ClearArmed => {
                if own.buffer != 0 {
                    return;
                }
                if !own.ticket_moved || self.mistake == Mistake::ClearedByPlainStore {
                    next.armed = false;
                }
                self.woke(after, number);
                "clears the flag, if the word is the same"
            }
            next => unreachable!("a waker never comes to {next:?}"),
        };
        out.push(Successor {
            actor,
            step: step.into(),
            state: next,
        });
    }

    /// The waker is through.
    fn woke(&self, after: &mut Process, number: usize) {
        after.ticket_moved = false;
        after.wasted_before = false;
        after.position = 0;
        after.next = if number >= PRODUCERS && self.busy {
            Next::Busy
        } else {
            Next::Start
        };
    }

    /// Every choice the kernel has in waking `wakes` sleepers.
    fn woken_sets(&self, state: &State, wakes: u8, mut each: impl FnMut(State, u32)) {
        let sleepers: u32 = self
            .consumers()
            .filter(|number| state.processes[*number].next == Next::Asleep)
            .map(|number| 1 << number)
            .sum();
        let count = sleepers.count_ones().min(u32::from(wakes));
        for set in 0..1u32 << (PRODUCERS + CONSUMERS) {
            if set & !sleepers == 0 && set.count_ones() == count {
                let mut next = *state;
                for number in self.consumers().filter(|number| set >> number & 1 != 0) {
                    next.processes[number].next = Next::Start;
                    next.processes[number].woken = true;
                }
                each(next, count);
            }
        }
    }

    fn consumer(&self, state: &State, number: usize, out: &mut Vec<Successor<State>>) {
        let own = &state.processes[number];
        let mut next = *state;
        let after = &mut next.processes[number];
        let late_signal = self.mistake == Mistake::SignalReadAfterArming;
        let step = match own.next {
            Next::Start if state.available() => {
                next.head += 1;
                let kept = matches!(
                    self.mistake,
                    Mistake::NotPassedOn | Mistake::OneWakeForABatchNotPassedOn
                );
                let passes = own.woken && !kept;
                after.woken = false;
                after.next = match (passes, self.busy) {
                    (true, _) => Next::LookBehind,
                    (false, true) => Next::Busy,
                    (false, false) => Next::Start,
                };
                "takes the message under the head"
            }
            Next::Start => {
                after.woken = false;
                after.next = if late_signal { Next::Arm } else { Next::LoadSignal };
                "finds nothing"
            }
            Next::LookBehind => {
                after.position = 1;
                after.next = Next::LoadWaiters;
                if !state.available() {
                    self.woke(after, number);
                }
                "looks whether there is another message"
            }
            Next::LoadSignal => {
                after.signal_moved = false;
                after.next = match self.mistake {
                    Mistake::NoWaiterBarrier => Next::LookEarly,
                    Mistake::SignalReadAfterArming => Next::LookAgain,
                    _ => Next::Arm,
                };
                "loads the signal"
            }
            Next::LookEarly => {
                after.early = state.available();
                after.next = Next::Arm;
                "looks at the ring again, early"
            }
            Next::Arm => {
                after.next = if self.mistake == Mistake::NoWaiterBarrier {
                    Next::LookAgain
                } else {
                    Next::Barrier
                };
                next.armed = true;
                if self.mistake != Mistake::NoTicket {
                    for other in self.everybody() {
                        let other = &mut next.processes[other];
                        other.ticket_moved = other.has_loaded_waiters();
                        other.wasted = false;
                        other.wasted_before = false;
                    }
                }
                "announces itself"
            }
            Next::Barrier => {
                let through = if late_signal { Next::LoadSignal } else { Next::LookAgain };
                let drained = usize::from(own.drained);
                if self.barrier == Barrier::Fences {
                    after.next = through;
                } else {
                    after.drained += 1;
                    if drained + 1 == self.producers.len() {
                        after.drained = 0;
                        after.next = through;
                    }
                    next.published |= state.processes[drained].buffer;
                    next.processes[drained].buffer = 0;
                }
                "passes its barrier"
            }
            Next::LookAgain => {
                let available = if self.mistake == Mistake::NoWaiterBarrier {
                    own.early
                } else {
                    state.available()
                };
                after.early = false;
                after.next = if available { Next::Start } else { Next::Sleep };
                after.signal_moved &= !available;
                "looks at the ring again"
            }
            Next::Sleep => {
                after.next = if own.signal_moved { Next::Start } else { Next::Asleep };
                after.signal_moved = false;
                "calls futex_wait"
            }
            Next::Asleep => {
                if !self.tick {
                    return;
                }
                after.next = Next::Start;
                after.woken = true;
                "wakes by its tick"
            }
            Next::Busy | Next::Gone => return,
            _ => return self.wake(state, number, out),
        };
        out.push(Successor {
            actor: Actor::Handle(number),
            step: step.into(),
            state: next,
        });
    }

    fn killed(&self, state: &State, number: usize) -> State {
        let own = &state.processes[number];
        let mut next = *state;
        next.kills -= 1;
        let waking = match own.next {
            Next::Barrier => number < PRODUCERS,
            Next::LoadWaiters | Next::MoveSignal | Next::Wake | Next::LookBehind => true,
            _ => false,
        };
        next.wake_lost |= own.woken || waking;
        // A store that has left the program is seen sooner or later, whatever becomes of the process.
        next.processes[number] = Process {
            buffer: own.buffer,
            begun: own.begun,
            ..process()
        };
        next.processes[number].next = Next::Gone;
        next
    }
}

impl Process {
    fn has_loaded_signal(&self) -> bool {
        matches!(
            self.next,
            Next::LookEarly | Next::Arm | Next::Barrier | Next::LookAgain | Next::Sleep
        )
    }

    fn has_loaded_waiters(&self) -> bool {
        matches!(self.next, Next::MoveSignal | Next::Wake | Next::ClearArmed)
    }
}

fn process() -> Process {
    Process {
        next: Next::Start,
        begun: 0,
        position: 0,
        buffer: 0,
        signal_moved: false,
        ticket_moved: false,
        wasted: false,
        wasted_before: false,
        woken: false,
        early: false,
        drained: 0,
    }
}

impl Model for Waiting {
    type State = State;
    type Archive = Whole;

    fn initial(&self) -> State {
        State {
            tail: 0,
            head: 0,
            published: 0,
            armed: false,
            processes: [process(); PRODUCERS + CONSUMERS],
            kills: self.kills,
            wake_lost: false,
            wasted_twice: false,
        }
    }

    fn successors(&self, state: &State, out: &mut Vec<Successor<State>>) {
        for number in 0..self.producers.len() {
            let own = &state.processes[number];
            if own.buffer != 0 {
                let mut next = *state;
                next.published |= own.buffer;
                next.processes[number].buffer = 0;
                out.push(Successor {
                    actor: Actor::Machine(number),
                    step: "drains a store buffer".into(),
                    state: next,
                });
            }
            if own.next != Next::Gone {
                self.producer(state, number, out);
            }
        }
        for number in self.consumers() {
            self.consumer(state, number, out);
        }
        if state.kills > 0 {
            for number in self.everybody() {
                let own = &state.processes[number];
                // A producer that dies with a claim is the queue's affair: here it dies before or after.
                let claimed = number < PRODUCERS && own.next == Next::Publish;
                let finished = number < PRODUCERS && self.done(own, number);
                if !claimed && !finished && own.next != Next::Gone {
                    let actor = Actor::Handle(number);
                    out.push(Successor {
                        actor,
                        step: "is killed".into(),
                        state: self.killed(state, number),
                    });
                }
            }
        }
    }

    fn violation(&self, state: &State) -> Option<Violation> {
        if state.wasted_twice {
            return Some(Violation::WastedSecondCall);
        }
        let lost = self.quiet(state) && state.available() && self.somebody_sleeps(state);
        (lost && !state.wake_lost && !self.tick).then_some(Violation::LostWakeUp)
    }

    fn good(&self, state: &State) -> bool {
        self.quiet(state) && !(self.tick && state.available() && self.somebody_sleeps(state))
    }

    fn blocked(&self, _state: &State) -> Violation {
        Violation::BlockedForEver
    }

    fn describe(&self, state: &State) -> String {
        let processes: Vec<_> = self
            .everybody()
            .map(|number| {
                let own = &state.processes[number];
                let buffer = if own.buffer == 0 {
                    String::new()
                } else {
                    format!(" buffer {:b}", own.buffer)
                };
                format!("{:?}{buffer}", own.next)
            })
            .collect();
        let armed = if state.armed { "armed" } else { "unarmed" };
        format!(
            "published {:b} head {} {armed} | {}",
            state.published,
            state.head,
            processes.join(" | ")
        )
    }
}

impl Pack for Waiting {
    fn pack(&mut self, state: &State, bytes: &mut Vec<u8>) {
        bytes.extend([state.tail, state.head, state.published, u8::from(state.armed)]);
        for number in self.everybody() {
            let own = &state.processes[number];
            bytes.push(own.next as u8 | u8::from(own.woken) << 5 | u8::from(own.early) << 6);
            let answers = [own.signal_moved, own.ticket_moved, own.wasted, own.wasted_before];
            let answers = answers
                .iter()
                .enumerate()
                .map(|(bit, answer)| u8::from(*answer) << bit)
                .sum::<u8>();
            bytes.extend([own.begun | own.drained << 4, own.position | answers << 4, own.buffer]);
        }
        bytes.push(state.kills | u8::from(state.wake_lost) << 6 | u8::from(state.wasted_twice) << 7);
    }

    fn unpack(&self, bytes: &[u8]) -> State {
        let mut bytes = bytes.iter().copied();
        let mut byte = || bytes.next().expect("a packed state holds every field");
        let mut state = self.initial();
        state.tail = byte();
        state.head = byte();
        state.published = byte();
        state.armed = byte() != 0;
        for number in self.everybody() {
            let own = &mut state.processes[number];
            let packed = byte();
            own.next = NEXTS[usize::from(packed & 31)];
            own.woken = packed >> 5 & 1 != 0;
            own.early = packed >> 6 & 1 != 0;
            let packed = byte();
            (own.begun, own.drained) = (packed & 15, packed >> 4);
            let packed = byte();
            own.position = packed & 15;
            own.signal_moved = packed >> 4 & 1 != 0;
            own.ticket_moved = packed >> 5 & 1 != 0;
            own.wasted = packed >> 6 & 1 != 0;
            own.wasted_before = packed >> 7 & 1 != 0;
            own.buffer = byte();
        }
        let packed = byte();
        state.kills = packed & 63;
        state.wake_lost = packed >> 6 & 1 != 0;
        state.wasted_twice = packed >> 7 != 0;
        state
    }
}

//! Programs over a memory, as a model to be searched.
//!
//! # Steps
//!
//! With [`Steps::Fused`] a step of a thread is as many loads as come before its next access that others could notice, and that access.
//! A load can always be made later instead, as long as its thread does nothing else meanwhile: the store that it found can still be
//! found, and carries the same. So every execution is one in which each thread's loads come directly before its next other
//! access. Loads behind which no such access ever comes (a poll without result) are left out: without them the thread has been made to
//! see less, and may find all that it could have found with them.
//!
//! A store, and an access to plain data, can always be made sooner: whatever another thread does first, it can do afterwards to the
//! same effect, since a store does not hide those before it, and takes any free place in modification order. So where a thread's
//! next access is one of these, no other thread moves before it.
//!
//! Neither is so where others' accesses act on a thread without its doing (membarrier), or where a load must find the last store
//! ([`Strength::Sequential`]): there each access is a step of its own ([`Steps::Single`]). That both ways of stepping come to the same
//! ends is tested with the litmus tests and with small configurations of the queue.
//!
//! # Deaths
//!
//! A thread may die between two steps. What it had read since its last other access makes no difference to anybody but those who learn
//! what it had seen, and to them the less it had seen, the more can happen.

use super::turn::{Access, Given, Origin, Step, Turn};
use crate::archive::Fingerprints;
use crate::memory::{Memory, Strength, THREADS};
use crate::search::{Actor, Model, Successor, Violation};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::Ordering;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Loads up to the next other access, and that; stores first.
    Fused,
    /// One access.
    Single,
}

/// The programs of some threads, and what they promise.
pub trait Protocol: Sized {
    /// A thread's variables between two runs of its program.
    type Local: Copy + Eq + Hash + Debug;
    /// What happened, for the promises. No thread can read it.
    type Ledger: Copy + Eq + Hash + Debug;

    /// The first values of the atomic locations.
    fn values(&self) -> Vec<u64>;

    /// The threads' variables at the start, a thread each.
    fn locals(&self) -> Vec<Self::Local>;

    /// The ledger at the start.
    fn ledger(&self) -> Self::Ledger;

    /// How many threads may die.
    fn deaths(&self) -> u8 {
        0
    }

    /// Whether a thread may die.
    fn is_mortal(&self, _thread: usize) -> bool {
        false
    }

    /// Whether it may die after what happened.
    fn may_die_now(&self, _ledger: &Self::Ledger, _thread: usize) -> bool {
        true
    }

    /// One run of a thread's program, from one point where it keeps nothing but its variables to the next.
    fn run(&self, thread: usize, local: &mut Self::Local, turn: &mut Turn<'_>) -> Step<()>;

    /// Whether a thread with these variables is at its end.
    fn is_finished(&self, thread: usize, local: &Self::Local) -> bool;

    /// The locations that a thread may still access, a bit each.
    fn interest(&self, state: &State<Self>, thread: usize) -> u32;

    /// Whether a thread executes acquire fences.
    fn has_acquire_fences(&self, _thread: usize) -> bool {
        false
    }

    /// Whether what a thread has waited for with [`Turn::catch_up`] has come about.
    fn has_waited(&self, _state: &State<Self>, _thread: usize) -> bool {
        true
    }

    /// Locations that count, above the bits below a unit, and of which programs ask no more than whether a value is still the same.
    fn counters(&self) -> Vec<(usize, u64)> {
        Vec::new()
    }

    /// Whether threads call membarrier.
    fn has_membarrier(&self) -> bool {
        false
    }

    /// Writes an event down.
    fn note(&self, ledger: &mut Self::Ledger, thread: usize, event: u64) -> Option<Violation>;

    /// Writes a death down.
    fn note_death(&self, _ledger: &mut Self::Ledger, _thread: usize) {}

    /// Whether a value may follow another one in a location's modification order.
    fn may_follow(&self, _location: usize, _before: u64, _value: u64) -> bool {
        true
    }

    /// What a look at the whole state finds broken.
    fn violation(&self, _state: &State<Self>) -> Option<Violation> {
        None
    }

    /// Whether everything that must end well has done so.
    fn is_good(&self, state: &State<Self>) -> bool;

    /// What is broken where no schedule leads to such a state.
    fn blocked(&self) -> Violation {
        Violation::BlockedForEver
    }
}

/// How a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It can go on.
    Running,
    /// In `futex_wait`.
    Asleep,
    /// At its end.
    Finished,
    /// Killed.
    Dead,
}

/// One thread.
#[derive(Debug)]
pub struct Thread<P: Protocol> {
    /// Its variables.
    pub local: P::Local,
    /// What its accesses gave since.
    results: Vec<Given>,
    /// How it is.
    pub condition: Condition,
}

/// Everything there is.
#[derive(Debug)]
pub struct State<P: Protocol> {
    /// The memory.
    pub memory: Memory,
    /// The threads.
    pub threads: Vec<Thread<P>>,
    /// What happened.
    pub ledger: P::Ledger,
    /// How many may still die.
    pub deaths: u8,
    /// The first broken promise.
    pub broken: Option<Violation>,
}

impl<P: Protocol> Thread<P> {
    fn remember(&mut self, value: u64, origin: Origin) {
        self.results.push(Given { value, origin });
    }
}

// Not derived: `P` itself need not be any of these.
impl<P: Protocol> Clone for Thread<P> {
    fn clone(&self) -> Self {
        Self {
            local: self.local,
            results: self.results.clone(),
            condition: self.condition,
        }
    }
}

impl<P: Protocol> Clone for State<P> {
    fn clone(&self) -> Self {
        Self {
            memory: self.memory.clone(),
            threads: self.threads.clone(),
            ledger: self.ledger,
            deaths: self.deaths,
            broken: self.broken,
        }
    }
}

impl<P: Protocol> Hash for State<P> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
        for thread in &self.threads {
            thread.local.hash(state);
            state.write_usize(thread.results.len() << 8 | thread.condition as usize);
            for given in &thread.results {
                // The same value may be one access's or what a part came to.
                given.hash(state);
            }
        }
        self.ledger.hash(state);
        state.write_u8(self.deaths);
        self.broken.map(|violation| violation as u8).hash(state);
    }
}

impl<P: Protocol> State<P> {
    fn break_promise(&mut self, violation: Violation) {
        self.broken.get_or_insert(violation);
    }

    /// Whether a thread is dead.
    pub fn is_dead(&self, thread: usize) -> bool {
        self.threads[thread].condition == Condition::Dead
    }

    /// Whether no thread can go on.
    pub fn is_quiet(&self) -> bool {
        self.threads.iter().all(|thread| thread.condition != Condition::Running)
    }
}

/// A protocol's programs over a memory.
pub struct Machine<P> {
    protocol: P,
    strength: Strength,
    steps: Steps,
    narrates: bool,
}

/// What following a program came to.
struct Followed {
    /// Something was written down in the ledger.
    noted: bool,
    /// The program ran through without changing its variables.
    idle: bool,
}

impl<P: Protocol> Machine<P> {
    /// The programs of `protocol`.
    pub fn new(protocol: P, strength: Strength, steps: Steps) -> Machine<P> {
        assert!(
            strength == Strength::Weak || steps == Steps::Single,
            "loads that find the last store cannot be put off"
        );
        Machine {
            protocol,
            strength,
            steps,
            narrates: false,
        }
    }

    /// The access that a thread comes to next. The thread has not ended.
    fn next(&self, state: &State<P>, thread: usize) -> Access {
        let own = &state.threads[thread];
        let mut turn = Turn::new(&own.results);
        let mut local = own.local;
        let end = self.protocol.run(thread, &mut local, &mut turn);
        assert!(end.is_err(), "a run that ended was followed already");
        turn.access.expect("a pause has an access")
    }

    /// Follows a thread's program to its next access that is more than a note.
    fn follow(&self, state: &mut State<P>, thread: usize) -> Followed {
        let mut followed = Followed {
            noted: false,
            idle: false,
        };
        loop {
            let own = &mut state.threads[thread];
            let mut turn = Turn::new(&own.results);
            let mut local = own.local;
            match (self.protocol.run(thread, &mut local, &mut turn), turn.access) {
                (Ok(()), _) => {
                    followed.idle = own.local == local;
                    own.local = local;
                    own.results.clear();
                    if self.protocol.is_finished(thread, &local) {
                        own.condition = Condition::Finished;
                        return followed;
                    }
                }
                (Err(_), Some(Access::Note(event))) => {
                    followed.noted = true;
                    own.remember(0, Origin::Other);
                    if let Some(violation) = self.protocol.note(&mut state.ledger, thread, event) {
                        state.break_promise(violation);
                    }
                }
                (Err(_), Some(Access::Sum(first, sum))) => {
                    own.results.truncate(first);
                    own.remember(sum, Origin::Part);
                }
                (Err(_), _) => return followed,
            }
        }
    }

    /// The same state for all that cannot be told apart.
    fn settle(&self, state: &mut State<P>) {
        let mut interest = [0; THREADS];
        let mut fences = 0;
        for (thread, interest) in interest.iter_mut().enumerate().take(state.threads.len()) {
            let own = &state.threads[thread];
            let may_die = state.deaths > 0 && self.protocol.is_mortal(thread);
            match own.condition {
                Condition::Running | Condition::Asleep => {
                    *interest = self.protocol.interest(state, thread);
                    fences |= u32::from(self.protocol.has_acquire_fences(thread)) << thread;
                }
                Condition::Finished => state.memory.bury(thread, may_die || self.protocol.has_membarrier()),
                Condition::Dead => {}
            }
        }
        state.memory.settle(&interest, fences);
        for (location, unit) in self.protocol.counters() {
            self.count_from_zero(state, location, unit);
        }
    }

    /// Of a counter all that anybody can tell is whether two values are the same: it starts again from the oldest that is left.
    fn count_from_zero(&self, state: &mut State<P>, location: usize, unit: u64) {
        let counted = Origin::Location(location as u8);
        let results = state.threads.iter_mut().flat_map(|thread| thread.results.iter_mut());
        let remembered = results
            .filter(|given| given.origin == counted)
            .map(|given| &mut given.value);
        let mut remembered: Vec<&mut u64> = remembered.collect();
        let oldest = state
            .memory
            .values(location)
            .chain(remembered.iter().map(|value| **value))
            .min();
        let base = oldest.unwrap_or(0) / unit * unit;
        if base > 0 {
            remembered.iter_mut().for_each(|value| **value -= base);
            state.memory.lower(location, base);
        }
    }

    fn emit(&self, mut state: State<P>, thread: usize, story: &str, out: &mut Vec<Successor<State<P>>>) {
        self.settle(&mut state);
        out.push(Successor {
            actor: Actor::Handle(thread),
            step: story.to_string().into(),
            state,
        });
    }

    fn tell(&self, story: &str, what: impl FnOnce() -> String) -> String {
        match self.narrates {
            true if story.is_empty() => what(),
            true => format!("{story}, {}", what()),
            false => String::new(),
        }
    }

    /// A thread's steps from here. `story` is what it has done in this step already.
    fn step(&self, state: State<P>, thread: usize, story: &str, out: &mut Vec<Successor<State<P>>>) {
        let access = self.next(&state, thread);
        match access {
            Access::Load(location, order) => {
                for number in state.memory.readable(thread, location) {
                    let mut next = state.clone();
                    let value = next.memory.load(thread, location, number, order);
                    self.go_on(next, thread, value, story, &access, out);
                }
            }
            Access::CompareExchange {
                location,
                expected,
                new,
                success,
                failure,
            } => {
                for number in state.memory.readable(thread, location) {
                    let mut next = state.clone();
                    if state.memory.value(location, number) != expected {
                        next.memory.load(thread, location, number, failure);
                        self.go_on(next, thread, 0, story, &access, out);
                    } else if state.memory.is_exchangeable(location, number) {
                        next.memory.exchange(thread, location, number, new, success);
                        self.check_order(&mut next, location);
                        self.end(next, thread, 1, story, &access, out);
                    }
                }
            }
            Access::Update(location, change, order) => {
                for number in state.memory.readable(thread, location) {
                    if state.memory.is_exchangeable(location, number) {
                        let mut next = state.clone();
                        let value = state.memory.value(location, number);
                        let changed = change.of(value);
                        next.memory.exchange(thread, location, number, changed, order);
                        self.check_order(&mut next, location);
                        self.end(next, thread, value, story, &access, out);
                    }
                }
            }
            Access::Store(location, value, order) => {
                for number in state.memory.places(thread, location) {
                    let mut next = state.clone();
                    next.memory.store(thread, location, number, value, order);
                    self.check_order(&mut next, location);
                    self.end(next, thread, 0, story, &access, out);
                }
            }
            Access::Fence(order) => {
                let mut next = state;
                next.memory.fence(thread, order);
                match order {
                    Ordering::SeqCst => self.end(next, thread, 0, story, &access, out),
                    _ => self.go_on(next, thread, 0, story, &access, out),
                }
            }
            Access::ReadPlain(plain) => {
                let mut next = state;
                let value = next.memory.read(thread, plain).unwrap_or_else(|_| {
                    next.break_promise(Violation::Unordered);
                    0
                });
                self.end(next, thread, u64::from(value), story, &access, out);
            }
            Access::WritePlain(plain, value) => {
                let mut next = state;
                if next.memory.write(thread, plain, value).is_err() {
                    next.break_promise(Violation::Unordered);
                }
                self.end(next, thread, 0, story, &access, out);
            }
            Access::IsDead(other, ordered) => {
                if state.is_dead(other) {
                    let mut next = state.clone();
                    if ordered {
                        next.memory.learn(thread, other);
                    }
                    self.go_on(next, thread, 1, story, &access, out);
                }
                if !state.is_dead(other) || self.steps == Steps::Fused {
                    self.go_on(state, thread, 0, story, &access, out);
                }
            }
            Access::CatchUp => {
                if self.protocol.has_waited(&state, thread) {
                    let mut next = state;
                    next.memory.catch_up(thread);
                    self.go_on(next, thread, 0, story, &access, out);
                }
            }
            Access::FenceIn(other) => {
                let mut next = state;
                // Also of those that are dead or at their end: what they stored is out.
                next.memory.fence(other, Ordering::SeqCst);
                self.end(next, thread, 0, story, &access, out);
            }
            Access::Wait(location, expected) => {
                let mut inside = state;
                inside.memory.enter_kernel(thread);
                for number in inside.memory.readable(thread, location) {
                    let mut next = inside.clone();
                    if next.memory.load(thread, location, number, Ordering::Relaxed) == expected {
                        next.threads[thread].condition = Condition::Asleep;
                        let story = self.tell(story, || "falls asleep".to_string());
                        self.emit(next, thread, &story, out);
                    } else {
                        self.end(next, thread, 0, story, &access, out);
                    }
                }
            }
            Access::Wake(_, count) => self.wake(&state, thread, count, story, &access, out),
            Access::Note(_) | Access::Sum(..) => unreachable!("followed at once"),
        }
    }

    /// Every choice that the kernel has in waking sleepers. One word to sleep on is all there is here.
    fn wake(
        &self,
        state: &State<P>,
        thread: usize,
        count: u32,
        story: &str,
        access: &Access,
        out: &mut Vec<Successor<State<P>>>,
    ) {
        let asleep = |number: &usize| state.threads[*number].condition == Condition::Asleep;
        let sleepers: u32 = (0..state.threads.len()).filter(asleep).map(|number| 1 << number).sum();
        let woken = sleepers.count_ones().min(count);
        for set in (0..1_u32 << state.threads.len()).filter(|set| set & !sleepers == 0 && set.count_ones() == woken) {
            let mut next = state.clone();
            next.memory.enter_kernel(thread);
            for sleeper in (0..state.threads.len()).filter(|number| set & 1 << number != 0) {
                next.memory.enter_kernel(sleeper);
                let own = &mut next.threads[sleeper];
                own.condition = Condition::Running;
                own.remember(1, Origin::Other);
                self.follow(&mut next, sleeper);
            }
            self.end(next, thread, u64::from(woken), story, access, out);
        }
    }

    fn check_order(&self, state: &mut State<P>, location: usize) {
        let values: Vec<u64> = state.memory.values(location).collect();
        let legal = |pair: &[u64]| self.protocol.may_follow(location, pair[0], pair[1]);
        if !values.windows(2).all(legal) {
            state.break_promise(Violation::StoreOverTakenSlot);
        }
    }

    /// After an access that no other thread can notice.
    fn go_on(
        &self,
        mut state: State<P>,
        thread: usize,
        result: u64,
        story: &str,
        access: &Access,
        out: &mut Vec<Successor<State<P>>>,
    ) {
        let story = self.tell(story, || format!("{access:?} gives {result}"));
        state.threads[thread].remember(result, access.origin());
        let followed = self.follow(&mut state, thread);
        if self.steps == Steps::Single
            || followed.noted
            || state.broken.is_some()
            || state.threads[thread].condition == Condition::Finished
        {
            self.emit(state, thread, &story, out);
        } else if !followed.idle {
            self.step(state, thread, &story, out);
        }
    }

    /// After an access that others can notice.
    fn end(
        &self,
        mut state: State<P>,
        thread: usize,
        result: u64,
        story: &str,
        access: &Access,
        out: &mut Vec<Successor<State<P>>>,
    ) {
        let story = self.tell(story, || format!("{access:?} gives {result}"));
        state.threads[thread].remember(result, access.origin());
        self.follow(&mut state, thread);
        self.emit(state, thread, &story, out);
    }

    /// Whether a thread may go first.
    fn goes_first(&self, state: &State<P>, thread: usize) -> bool {
        self.steps == Steps::Fused
            && state.threads[thread].condition == Condition::Running
            && matches!(
                self.next(state, thread),
                Access::Store(..) | Access::ReadPlain(_) | Access::WritePlain(..)
            )
    }

    fn die(&self, state: &State<P>, thread: usize, out: &mut Vec<Successor<State<P>>>) {
        let own = &state.threads[thread];
        let may_die = self.protocol.is_mortal(thread) && self.protocol.may_die_now(&state.ledger, thread);
        if state.deaths == 0 || !may_die || own.condition == Condition::Dead {
            return;
        }
        let mut next = state.clone();
        next.deaths -= 1;
        self.protocol.note_death(&mut next.ledger, thread);
        let dead = &mut next.threads[thread];
        dead.condition = Condition::Dead;
        dead.results.clear();
        dead.local = self.protocol.locals()[thread];
        next.memory.bury(thread, true);
        self.emit(next, thread, "is killed", out);
    }
}

impl<P: Protocol> Model for Machine<P> {
    type State = State<P>;
    type Archive = Fingerprints<State<P>>;

    fn initial(&self) -> State<P> {
        let locals = self.protocol.locals();
        assert!(locals.len() <= THREADS, "at most {THREADS} threads");
        let threads = locals.iter().map(|local| Thread {
            local: *local,
            results: Vec::new(),
            condition: Condition::Running,
        });
        let mut state = State {
            memory: Memory::new(self.strength, &self.protocol.values()),
            threads: threads.collect(),
            ledger: self.protocol.ledger(),
            deaths: self.protocol.deaths(),
            broken: None,
        };
        for thread in 0..state.threads.len() {
            self.follow(&mut state, thread);
        }
        self.settle(&mut state);
        state
    }

    fn successors(&self, state: &State<P>, out: &mut Vec<Successor<State<P>>>) {
        let threads = 0..state.threads.len();
        if let Some(first) = threads.clone().find(|thread| self.goes_first(state, *thread)) {
            self.step(state.clone(), first, "", out);
            self.die(state, first, out);
            return;
        }
        for thread in threads {
            if state.threads[thread].condition == Condition::Running {
                self.step(state.clone(), thread, "", out);
            }
            self.die(state, thread, out);
        }
    }

    fn violation(&self, state: &State<P>) -> Option<Violation> {
        state.broken.or_else(|| self.protocol.violation(state))
    }

    fn good(&self, state: &State<P>) -> bool {
        self.protocol.is_good(state)
    }

    fn blocked(&self, _state: &State<P>) -> Violation {
        self.protocol.blocked()
    }

    fn describe(&self, state: &State<P>) -> String {
        let locations = 0..self.protocol.values().len();
        let words: Vec<String> = locations
            .map(|location| {
                let values: Vec<String> = state
                    .memory
                    .values(location)
                    .map(|value| format!("{value:x}"))
                    .collect();
                values.join("<")
            })
            .collect();
        format!("[{}]", words.join(" "))
    }

    fn narrate(&mut self) {
        self.narrates = true;
    }
}

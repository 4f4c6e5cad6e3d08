//! Which process goes on, which ones sleep and wake, and what time it is.
//!
//! A schedule is a random walk (the next process is any that is ready, and runs for some steps), or follows priorities that change
//! now and then (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs,
//! ASPLOS 2010). In both, time may jump ahead while processes are ready, as where a machine is busy, and a process may be left
//! standing for long.

use crate::arena::{Arena, Deed, KEEPER, Order, PROCESSES, Process, State, WORDS};
use core::panic::Location;
use dmxp::scheduler::{Access, Scheduler};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The longest that a waiter sleeps without looking around.
const TICK_NS: u64 = 40_000_000;

/// What a step takes.
const STEP_NS: u64 = 100;

/// Steps that a call may make after its time is over: what it was in the middle of, and one sweep.
const BEYOND: u64 = 20_000;

/// Steps after which a schedule does not end.
const ENDLESS: u64 = 3_000_000;

/// The longest pause of a waiter that spins: it is interrupted, and there are hundreds of pauses to a tick.
const PAUSE_NS: u64 = 4_000_000;

/// This process's view of the schedule.
pub(crate) struct Turns {
    pub(crate) arena: &'static Arena,
    shows: bool,
    me: AtomicUsize,
    base: AtomicU64,
    len: AtomicU64,
}

static TURNS: OnceLock<Turns> = OnceLock::new();

/// The scheduler of this process and its children.
pub(crate) fn install(arena: &'static Arena, shows: bool) -> &'static Turns {
    TURNS.get_or_init(|| Turns {
        arena,
        shows,
        me: AtomicUsize::new(KEEPER),
        base: AtomicU64::new(0),
        len: AtomicU64::new(0),
    })
}

/// The same.
///
/// # Panics
/// Before it is installed.
pub(crate) fn turns() -> &'static Turns {
    TURNS.get().expect("it is installed")
}

impl Turns {
    /// Which process of the schedule this is.
    pub(crate) fn me(&self) -> usize {
        self.me.load(Ordering::Relaxed)
    }

    /// In a forked child: from now on this is that process.
    pub(crate) fn become_process(&self, index: usize) {
        self.me.store(index, Ordering::Relaxed);
    }

    /// Where the region is mapped.
    pub(crate) fn base(&self) -> u64 {
        self.base.load(Ordering::Relaxed)
    }

    /// Says what this process did.
    pub(crate) fn note(&self, deed: Deed, key: u32, more: u8) {
        self.note_id(deed, key, more, (0, 0));
    }

    /// The same of a message whose id is known, and what was missed before it.
    pub(crate) fn note_id(&self, deed: Deed, key: u32, more: u8, (id, missed): (u64, u64)) {
        if self.shows {
            eprintln!(
                "           p{} {deed:?} {}:{} {more} id {id} missed {missed}",
                self.me(),
                key >> 16,
                key & 0xffff
            );
        }
        self.arena.note_id(self.me(), deed, key, more, (id, missed));
    }

    /// Whether no other process does anything: each has ended, or lets the others end first.
    pub(crate) fn is_alone(&self) -> bool {
        let processes = self.arena.processes.iter().enumerate();
        let mut others = processes.filter(|(index, _)| *index != self.me());
        others.all(|(_, process)| matches!(process.state.get(), State::Gone | State::Staying))
    }

    /// The process has opened what it needs, and comes to its work: from here on it is interrupted more often.
    pub(crate) fn begin_work(&self) {
        let process = &self.arena.processes[self.me()];
        process.has_opened.set(true);
        let is_late = |process: &Process| process.state.get() != State::Gone && !process.has_opened.get();
        while self.arena.together.get() && self.arena.processes.iter().any(is_late) {
            self.fall_asleep(Duration::from_micros(200));
        }
        process.is_working.set(true);
    }

    /// Runs a call that must be over after that time.
    pub(crate) fn within<R>(&self, time: Duration, call: impl FnOnce() -> R) -> R {
        let process = &self.arena.processes[self.me()];
        process.steps_beyond.set(0);
        process.limit.set(self.arena.clock.get() + time.as_nanos() as u64 + 1);
        let answer = call();
        process.limit.set(0);
        answer
    }

    /// Lets the others end before this process does. It has its handles open all the while, and holds nothing.
    pub(crate) fn stay(&self) {
        self.note(Deed::Staying, 0, 0);
        self.arena.processes[self.me()].state.set(State::Staying);
        self.yield_turn();
    }

    /// Gives the turn to the keeper, for good.
    pub(crate) fn leave(&self, order: Order) -> ! {
        self.arena.order.set(order);
        self.arena.ordered.set(self.me());
        self.arena.hand_to(KEEPER);
        if order == Order::Bury {
            // SAFETY: ends the process at once; the keeper has the turn, and waits for the end.
            unsafe { libc::_exit(0) };
        }
        loop {
            // SAFETY: waits for a signal, which kills.
            unsafe { libc::pause() };
        }
    }

    fn fail(&self, reason: &str) -> ! {
        self.arena.complain(reason);
        if self.me() == KEEPER {
            panic!("{reason}");
        }
        self.leave(Order::Fail)
    }

    /// How the scheduler names a word: by its place in the region, which is mapped elsewhere in each process.
    fn name(&self, word: *const u32) -> u64 {
        let address = word.addr() as u64;
        let offset = address.wrapping_sub(self.base());
        if offset < self.len.load(Ordering::Relaxed) {
            offset
        } else {
            (self.me() as u64 + 1) << 56 | address
        }
    }

    /// Goes on with another process, if that is the choice.
    fn yield_turn(&self) {
        let arena = self.arena;
        let me = self.me();
        let next = choose(arena);
        if next != me {
            arena.switches.set(arena.switches.get() + 1);
            arena.hand_to(next);
            arena.await_turn(me);
        }
    }

    fn fall_asleep(&self, time: Duration) {
        let arena = self.arena;
        let process = &arena.processes[self.me()];
        let time = time.as_nanos() as u64;
        if self.me() == KEEPER {
            arena.clock.set(arena.clock.get() + time);
            return;
        }
        let about_to_die = process
            .steps
            .iter()
            .zip(&process.dies_at)
            .any(|(steps, dies_at)| steps.get() + 1 == dies_at.get());
        if about_to_die && arena.once_in(2) {
            // Killed asleep, instead of when it wakes.
            self.leave(Order::Kill);
        }
        arena.sleepers.set(arena.sleepers.get() + 1);
        process.asleep_since.set(arena.sleepers.get());
        process.asleep_at.set(arena.clock.get());
        process.deadline.set(arena.clock.get() + time);
        process.state.set(State::Sleeping);
        self.yield_turn();
    }
}

/// The process that goes on; the keeper if none is left.
pub(crate) fn choose(arena: &Arena) -> usize {
    let mut jumped = false;
    loop {
        let mut next_deadline = u64::MAX;
        let mut ready = [0; PROCESSES];
        let mut count = 0;
        for (index, process) in arena.processes.iter().enumerate() {
            if process.state.get() == State::Sleeping {
                if process.deadline.get() <= arena.clock.get() {
                    process.state.set(State::Ready);
                    if process.count.get() > 0 && process.deadline.get() - process.asleep_at.get() >= TICK_NS {
                        arena.note(index, Deed::Overslept, 0, 0);
                    }
                } else {
                    next_deadline = next_deadline.min(process.deadline.get());
                }
            }
            if process.state.get() == State::Ready {
                ready[count] = index;
                count += 1;
            }
        }
        if next_deadline != u64::MAX && (count == 0 || !jumped && arena.once_in(arena.jumps.get())) {
            arena.clock.set(next_deadline);
            jumped = true;
            continue;
        }
        if count == 0 {
            return KEEPER;
        }
        arena.next_deadline.set(next_deadline);
        let next = choose_of(arena, &mut ready[..count]);
        arena.running.set(next);
        return next;
    }
}

fn choose_of(arena: &Arena, ready: &mut [usize]) -> usize {
    let now = arena.steps.get();
    if arena.once_in(arena.freezes.get()) {
        let frozen = ready[arena.below(ready.len() as u64) as usize];
        let time = 1 << (4 + arena.below(9));
        arena.processes[frozen].frozen_until.set(now + time);
    }
    let is_free = |index: &usize| arena.processes[*index].frozen_until.get() <= now;
    let free: Vec<usize> = ready.iter().copied().filter(is_free).collect();
    let ready = if free.is_empty() { &*ready } else { &free };
    if arena.by_priority.get() {
        if now >= arena.next_change.get() {
            arena.lowest.set(arena.lowest.get() - 1);
            arena.processes[arena.running.get()].priority.set(arena.lowest.get());
            arena.next_change.set(now + 1 + arena.below(2 * arena.mean.get()));
        }
        arena.burst.set((arena.next_change.get() - now).min(64));
        let by_priority = ready.iter().max_by_key(|&&index| arena.processes[index].priority.get());
        *by_priority.expect("some are ready")
    } else {
        let next = ready[arena.below(ready.len() as u64) as usize];
        // Before its work there is much to read in tables and little that others change.
        let slower = if arena.processes[next].is_working.get() { 1 } else { 32 };
        arena.burst.set(arena.below(2 * arena.mean.get() * slower));
        next
    }
}

impl Scheduler for Turns {
    fn step(&self, place: &'static Location<'static>, access: Access) {
        let arena = self.arena;
        let me = self.me();
        arena.clock.set(arena.clock.get() + STEP_NS);
        arena.steps.set(arena.steps.get() + 1);
        if arena.steps.get() > ENDLESS {
            self.fail("the schedule does not end");
        }
        let process = &arena.processes[me];
        if process.limit.get() != 0 && arena.clock.get() > process.limit.get() {
            process.steps_beyond.set(process.steps_beyond.get() + 1);
            if process.steps_beyond.get() > BEYOND {
                self.fail(&format!("process {me} is in a call beyond its bound, at {place}"));
            }
        }
        if self.shows {
            let number = arena.steps.get();
            let time = arena.clock.get() / 1_000;
            eprintln!("{number:7} {time:9} us p{me} {}:{}", place.file(), place.line());
        }
        if me == KEEPER {
            return;
        }
        let seen = (arena.digest.get() ^ (me as u64) << 32 ^ u64::from(place.line())).wrapping_mul(0x100_0000_01b3);
        arena.digest.set(seen ^ arena.clock.get());
        let is_working = process.is_working.get();
        let at_ring = is_working && place.file().contains("/ring/");
        for (stage, comes_to) in [!is_working, is_working, at_ring].into_iter().enumerate() {
            // A death before a load is as good as one before the change that follows.
            if comes_to && access != Access::Load {
                process.steps[stage].set(process.steps[stage].get() + 1);
                if process.steps[stage] == process.dies_at[stage] {
                    self.leave(Order::Kill);
                }
            }
        }
        if arena.clock.get() >= arena.next_deadline.get() || arena.burst.get() == 0 {
            self.yield_turn();
        } else if at_ring || !is_working || !arena.at_rings.get() {
            arena.burst.set(arena.burst.get() - 1);
        }
    }

    fn now_ns(&self) -> u64 {
        self.arena.clock.get()
    }

    fn wait(&self, words: &[(*const u32, u32)], timeout: Duration) {
        let process = &self.arena.processes[self.me()];
        assert!(words.len() <= WORDS, "{} words", words.len());
        for (cell, &(word, expected)) in process.words.iter().zip(words) {
            // SAFETY: the caller borrows the word, an atomic, for longer than this call; an aligned volatile load is as good as a
            // relaxed one, and no other process of the schedule is running.
            if unsafe { word.read_volatile() } != expected {
                return;
            }
            cell.set(self.name(word));
        }
        process.count.set(words.len());
        self.arena.note(self.me(), Deed::FellAsleep, 0, 0);
        self.fall_asleep(timeout);
        process.count.set(0);
    }

    fn wake(&self, word: *const u32, count: u32) -> u32 {
        let name = self.name(word);
        let mut woken = 0;
        while woken < count {
            let sleepers = self.arena.processes.iter().filter(|process| {
                let words = &process.words[..process.count.get()];
                process.state.get() == State::Sleeping && words.iter().any(|cell| cell.get() == name)
            });
            let Some(first) = sleepers.min_by_key(|process| process.asleep_since.get()) else {
                break;
            };
            first.state.set(State::Ready);
            woken += 1;
        }
        if woken > 0 {
            self.arena.burst.set(0);
        }
        woken
    }

    fn sleep(&self, time: Duration) {
        self.fall_asleep(time);
    }

    fn pause(&self) {
        let most = PAUSE_NS >> self.arena.below(16);
        self.fall_asleep(Duration::from_nanos(1 + self.arena.below(most)));
    }

    fn has_membarrier(&self) -> bool {
        self.arena.has_membarrier.get()
    }

    fn mapped(&self, base: *const u8, len: u64) {
        self.base.store(base.addr() as u64, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
    }
}

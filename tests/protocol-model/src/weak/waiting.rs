//! Waiting: `dmxp/src/wait/{event,barrier,until}.rs`, access by access, around the smallest thing that has the ring's
//! properties: positions published in any order and taken in order.
//!
//! Nobody sleeps while a message is there for it and nobody is left to wake it. Sleepers have no tick here. What cannot be promised is
//! marked: a process that was killed with a wake in its hands, which is what the tick is for.
//!
//! A membarrier is a fence in each other thread, one after the other, each at any time after the call began; those that it
//! fences do nothing for it.

use super::machine::{Condition, Protocol, State, Steps};
use super::turn::{Change, Step, Turn};
use crate::memory::Location;
use crate::search::Violation;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

const TAIL: Location = 0;
const HEAD: Location = 1;
const SIGNAL: Location = 2;
const WAITERS: Location = 3;
const PUBLISHED: Location = 4;

const ARMED: u64 = 1;
const FENCE: u64 = 2;
const TICKET: u64 = 4;

const CLAIMED: u64 = 1;
const OWES: u64 = 2;
const PAID: u64 = 3;

/// Who pays for the race between publishing and announcing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// There is no membarrier: both sides fence.
    Fences,
    /// The waiter has no membarrier, and publishers do not know it before they see the bit that says so. They fence by themselves too,
    /// as where nobody has membarrier.
    FenceBit,
    /// The waiter calls membarrier; publishers do not fence.
    Membarrier,
}

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The publisher's barrier.
    NoPublishersBarrier,
    /// The waiter's barrier: its fences, or its call of membarrier and the fence before it.
    NoWaitersBarrier,
    /// The fences in other threads, of a membarrier that only fences its caller.
    NoOthersFences,
    /// The look after the announcement.
    NoSecondLook,
    /// The signal is read after the announcement.
    SignalReadAfterAnnouncement,
    /// The signal is not moved before the wake.
    SignalNotMoved,
    /// The announcement does not count.
    NoTicket,
    /// The announcement is taken back by a plain store.
    ClearedBlindly,
    /// A wake is not passed on.
    NotPassedOn,
    /// The signal is loaded without acquire.
    RelaxedSignal,
    /// The signal is moved without release and acquire.
    RelaxedBump,
    /// The announcement is relaxed.
    RelaxedAnnouncement,
    /// The announcement is taken back without acquire and release.
    RelaxedClearing,
}

/// What a search is about.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Messages of each producer.
    pub producers: &'static [u8],
    /// Number of consumers.
    pub consumers: usize,
    /// A consumer takes one message and is busy for ever.
    pub busy: bool,
    /// The threads of which one is killed, a bit each: anywhere but between a claim and its publication, which is the queue's affair.
    pub mortals: u32,
    /// Who pays.
    pub barrier: Barrier,
    /// The planted mistake.
    pub mistake: Option<Mistake>,
}

/// What a thread keeps between two calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Local {
    /// A producer's messages.
    begun: u8,
    /// A consumer has tried in vain and goes to sleep.
    waits: bool,
    /// A consumer is busy.
    busy: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// Producers that have claimed and not published.
    claimed: u8,
    /// Threads that have a wake in their hands.
    owes: u8,
    /// One of those was killed.
    wake_lost: bool,
}

impl Waiting {
    /// How this is to be searched: a membarrier acts on other threads.
    pub fn steps(&self) -> Steps {
        match self.barrier {
            Barrier::Fences | Barrier::FenceBit => Steps::Fused,
            Barrier::Membarrier => Steps::Single,
        }
    }

    fn messages(&self) -> u64 {
        self.producers.iter().map(|messages| u64::from(*messages)).sum()
    }

    fn threads(&self) -> usize {
        self.producers.len() + self.consumers
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn order(&self, mistake: Mistake, order: Ordering) -> Ordering {
        match self.has(mistake) {
            true => Relaxed,
            false => order,
        }
    }

    fn produce(&self, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        let position = turn.update(TAIL, Change::Add(1), AcqRel)? as usize;
        turn.note(CLAIMED)?;
        turn.store(PUBLISHED + position, 1, Release)?;
        turn.note(OWES)?;
        self.notify(turn)?;
        turn.note(PAID)?;
        local.begun += 1;
        Ok(())
    }

    /// `Event::notify`, of one.
    fn notify(&self, turn: &mut Turn<'_>) -> Step<()> {
        // barrier::light
        if self.barrier != Barrier::Membarrier && !self.has(Mistake::NoPublishersBarrier) {
            turn.fence(SeqCst)?;
        }
        let mut word = turn.load(WAITERS, Relaxed)?;
        if word & FENCE != 0 && !self.has(Mistake::NoPublishersBarrier) {
            turn.fence(SeqCst)?;
            word = turn.load(WAITERS, Relaxed)?;
        }
        if word & ARMED == 0 {
            return Ok(());
        }
        if !self.has(Mistake::SignalNotMoved) {
            let order = self.order(Mistake::RelaxedBump, AcqRel);
            turn.part(|turn| turn.update(SIGNAL, Change::Add(1), order).map(|_| 0))?;
        }
        if turn.wake(SIGNAL, 1)? == 0 {
            let idle = word & !ARMED;
            if self.has(Mistake::ClearedBlindly) {
                return turn.store(WAITERS, idle, Release);
            }
            let order = self.order(Mistake::RelaxedClearing, AcqRel);
            turn.compare_exchange(WAITERS, word, idle, order, Relaxed)?;
        }
        Ok(())
    }

    /// `until`: tries, and then sleeps until there is something.
    fn consume(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        if !local.waits {
            local.waits = !self.take(turn)?;
            local.busy = self.busy && !local.waits;
            return Ok(());
        }
        let mut taken = turn.part(|turn| self.sleep(thread, turn).map(u64::from))? != 0;
        if !taken {
            taken = self.take(turn)?;
        }
        if taken {
            if self.is_more(turn)? && !self.has(Mistake::NotPassedOn) {
                turn.part(|turn| self.notify(turn).map(|()| 0))?;
            }
            local.waits = false;
            local.busy = self.busy;
        }
        turn.note(PAID)
    }

    /// `Event::sleep`; whether the look before it took a message.
    fn sleep(&self, thread: usize, turn: &mut Turn<'_>) -> Step<bool> {
        let mut seen = turn.load(SIGNAL, self.order(Mistake::RelaxedSignal, Acquire))?;
        let ticket = match self.has(Mistake::NoTicket) {
            true => 0,
            false => TICKET,
        };
        let order = self.order(Mistake::RelaxedAnnouncement, SeqCst);
        turn.part(|turn| turn.update(WAITERS, Change::AddAndSet(ticket, ARMED), order).map(|_| 0))?;
        if self.has(Mistake::SignalReadAfterAnnouncement) {
            seen = turn.load(SIGNAL, Acquire)?;
        }
        turn.part(|turn| self.settle(thread, turn).map(|()| 0))?;
        if !self.has(Mistake::NoSecondLook) && self.take(turn)? {
            return Ok(true);
        }
        if turn.wait(SIGNAL, seen)? {
            turn.note(OWES)?;
        }
        Ok(false)
    }

    /// `event::settle`, with `barrier::heavy`.
    fn settle(&self, thread: usize, turn: &mut Turn<'_>) -> Step<()> {
        if self.has(Mistake::NoWaitersBarrier) {
            return Ok(());
        }
        turn.fence(SeqCst)?;
        match self.barrier {
            Barrier::Fences => Ok(()),
            Barrier::FenceBit => {
                turn.update(WAITERS, Change::AddAndSet(0, FENCE), SeqCst)?;
                turn.fence(SeqCst)
            }
            Barrier::Membarrier if self.has(Mistake::NoOthersFences) => Ok(()),
            Barrier::Membarrier => {
                for other in (0..self.threads()).filter(|other| *other != thread) {
                    turn.fence_in(other)?;
                }
                turn.fence(SeqCst)
            }
        }
    }

    fn is_published(&self, position: u64, turn: &mut Turn<'_>) -> Step<bool> {
        Ok(position < self.messages() && turn.load(PUBLISHED + position as usize, Acquire)? == 1)
    }

    fn take(&self, turn: &mut Turn<'_>) -> Step<bool> {
        let taken = turn.part(|turn| {
            loop {
                let head = turn.load(HEAD, Acquire)?;
                if !self.is_published(head, turn)? {
                    return Ok(0);
                }
                if turn.compare_exchange(HEAD, head, head + 1, AcqRel, Relaxed)? {
                    return Ok(1);
                }
            }
        })?;
        Ok(taken != 0)
    }

    fn is_more(&self, turn: &mut Turn<'_>) -> Step<bool> {
        let more = turn.part(|turn| {
            let head = turn.load(HEAD, Acquire)?;
            self.is_published(head, turn).map(u64::from)
        })?;
        Ok(more != 0)
    }
}

impl Protocol for Waiting {
    type Local = Local;
    type Ledger = Ledger;

    fn values(&self) -> Vec<u64> {
        vec![0; PUBLISHED + self.messages() as usize]
    }

    fn locals(&self) -> Vec<Local> {
        vec![Local::default(); self.threads()]
    }

    fn ledger(&self) -> Ledger {
        Ledger::default()
    }

    fn deaths(&self) -> u8 {
        u8::from(self.mortals != 0)
    }

    fn is_mortal(&self, thread: usize) -> bool {
        self.mortals & 1 << thread != 0
    }

    fn may_die_now(&self, ledger: &Ledger, thread: usize) -> bool {
        ledger.claimed & 1 << thread == 0
    }

    fn run(&self, thread: usize, local: &mut Local, turn: &mut Turn<'_>) -> Step<()> {
        match thread < self.producers.len() {
            true => self.produce(local, turn),
            false => self.consume(thread, local, turn),
        }
    }

    fn is_finished(&self, thread: usize, local: &Local) -> bool {
        match self.producers.get(thread) {
            Some(messages) => local.begun >= *messages,
            None => local.busy,
        }
    }

    fn interest(&self, _state: &State<Self>, thread: usize) -> u32 {
        let published: u32 = (0..self.messages())
            .map(|position| 1 << (PUBLISHED as u64 + position))
            .sum();
        // The tail, and the signal as far as producers are concerned, are changed by read-modify-writes alone, and those find the last
        // store; a position has one store.
        match thread < self.producers.len() {
            true => 1 << WAITERS,
            false => 1 << WAITERS | 1 << SIGNAL | 1 << HEAD | published,
        }
    }

    fn counters(&self) -> Vec<(Location, u64)> {
        vec![(SIGNAL, 1), (WAITERS, TICKET)]
    }

    /// Full fences are acquire fences too.
    fn has_acquire_fences(&self, _thread: usize) -> bool {
        true
    }

    fn has_membarrier(&self) -> bool {
        self.barrier == Barrier::Membarrier
    }

    fn note(&self, ledger: &mut Ledger, thread: usize, event: u64) -> Option<Violation> {
        let own = 1 << thread;
        match event {
            CLAIMED => ledger.claimed |= own,
            OWES => {
                ledger.claimed &= !own;
                ledger.owes |= own;
            }
            PAID => ledger.owes &= !own,
            event => unreachable!("no event {event} is ever noted"),
        }
        None
    }

    fn note_death(&self, ledger: &mut Ledger, thread: usize) {
        ledger.wake_lost |= ledger.owes & 1 << thread != 0;
    }

    /// Nothing can happen any more, and somebody sleeps beside a message.
    fn violation(&self, state: &State<Self>) -> Option<Violation> {
        let head = state.memory.newest(HEAD);
        let is_there = head < self.messages() && state.memory.newest(PUBLISHED + head as usize) == 1;
        let sleeps = state.threads.iter().any(|thread| thread.condition == Condition::Asleep);
        (is_there && sleeps && state.is_quiet() && !state.ledger.wake_lost).then_some(Violation::LostWakeUp)
    }

    fn is_good(&self, state: &State<Self>) -> bool {
        state.is_quiet()
    }
}

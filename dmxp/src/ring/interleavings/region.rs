//! Handle records over a ring, as a region has them: threads that register, die, and are recovered.

use super::memory::{CAPACITY, Ring};
use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::queue::consume::Look;
use crate::ring::queue::owners::Owners;
use crate::ring::queue::sweep::{Dead, Swept, sweep};
use crate::ring::queue::{consume, produce};
use crate::ring::word::{Cell, Phase};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, mortal};
use std::sync::{Arc, Mutex, PoisonError};

const FREE: u64 = 0;

/// When messages are published, where they expire.
const OLD: u64 = 1;
const YOUNG: u64 = 2;

fn live(generation: u64) -> u64 {
    generation << 2 | 1
}

fn dead(word: u64) -> u64 {
    word & !3 | 2
}

/// A handle record. Its owner's process is the owner's thread.
pub(super) struct Record {
    phase: Phase,
    state: AtomicU64,
    cells: [AtomicU64; 1],
    /// The state under which the owner died; the kernel's freeing of the lock byte. No step of anybody.
    died: loom::sync::atomic::AtomicU64,
}

/// One delivery of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delivery {
    consumer: usize,
    value: u64,
    flagged: bool,
}

/// What happened, outside of the memory under test: loom's threads take turns on one thread, so that it is exact.
#[derive(Default)]
struct Ledger {
    /// Values whose sending was completed.
    sent: Vec<u64>,
    /// Batches whose producer died on the way: all of it is delivered, or nothing.
    attempted: Vec<Vec<u64>>,
    delivered: Vec<Delivery>,
    /// Values that a consumer read and did not release to the end.
    held: Vec<u64>,
    /// Values that were too old when they were published.
    old: Vec<u64>,
    /// Values that were let go of as expired and counted.
    expired: Vec<u64>,
    /// Values that were put back: they come outside of the order from then on.
    put_back: Vec<u64>,
}

pub(super) struct Region {
    pub(super) ring: Arc<Ring>,
    records: Vec<Record>,
    /// The channel's count of expired messages, where they expire.
    expired: Option<AtomicU64>,
    ledger: Mutex<Ledger>,
}

impl Region {
    /// With a live handle of each of these phases.
    pub(super) fn new(phases: &[Phase]) -> Arc<Self> {
        let records = phases
            .iter()
            .map(|&phase| Record {
                phase,
                state: AtomicU64::new(live(1)),
                cells: [AtomicU64::new(Cell::EMPTY)],
                died: loom::sync::atomic::AtomicU64::new(FREE),
            })
            .collect();
        Arc::new(Self {
            ring: Ring::new(),
            records,
            expired: None,
            ledger: Mutex::default(),
        })
    }

    /// As [`new`](Self::new), of a channel whose messages expire.
    pub(super) fn with_expiry(phases: &[Phase]) -> Arc<Self> {
        let mut region = Arc::into_inner(Self::new(phases)).expect("the only one");
        region.expired = Some(AtomicU64::new(0));
        Arc::new(region)
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `life` as the process of `handle`, which dies after `steps` steps or at the end. Whether it came to the end.
    pub(super) fn die<T>(&self, handle: usize, steps: u32, life: impl FnOnce() -> T) -> bool {
        let state = self.records[handle].state.load(Ordering::Relaxed);
        let ended = mortal::live(steps, life);
        // Release: the kernel frees a lock after all that its owner did.
        self.records[handle].died.store(state, Ordering::Release);
        ended
    }

    /// Takes a free record, as `channel::open::register` does: state last.
    pub(super) fn register(&self, handle: usize, generation: u64) -> bool {
        let record = &self.records[handle];
        if record.state.load(Ordering::Acquire) != FREE {
            return false;
        }
        record.cells[0].store(Cell::EMPTY, Ordering::Relaxed);
        record.state.store(live(generation), Ordering::Release);
        true
    }

    pub(super) fn send(&self, handle: usize, value: u64, count: u32) -> bool {
        self.send_at(YOUNG, handle, value, count)
    }

    /// Sends what is expired from the beginning.
    pub(super) fn send_old(&self, handle: usize, value: u64, count: u32) -> bool {
        self.ledger().old.extend(value..value + u64::from(count));
        self.send_at(OLD, handle, value, count)
    }

    fn send_at(&self, time: u64, handle: usize, value: u64, count: u32) -> bool {
        let values: Vec<_> = (value..value + u64::from(count)).collect();
        let cell = &self.records[handle].cells[0];
        let Some(range) = produce::claim(&*self.ring, cell, count, count) else {
            return false;
        };
        self.ledger().attempted.push(values.clone());
        self.ring.write(range, value);
        if self.expired.is_some() {
            self.ring.date(range, time);
        }
        produce::publish(&*self.ring, range);
        self.ledger().sent.extend(values);
        true
    }

    /// Sends one number the shortest way, as `delivery::queue::Sender` does.
    pub(super) fn send_one(&self, handle: usize, value: u64) -> bool {
        let cell = &self.records[handle].cells[0];
        let Some(first) = produce::claim_one(&*self.ring, cell) else {
            return false;
        };
        self.ledger().attempted.push(vec![value]);
        self.ring.write(Range { first, count: 1 }, value);
        produce::publish_one(&*self.ring, first);
        self.ledger().sent.push(value);
        true
    }

    /// Receives one number the shortest way, as `delivery::queue::Receiver` does. How many there were.
    pub(super) fn receive_one(&self, handle: usize) -> usize {
        let cell = &self.records[handle].cells[0];
        let Ok(first) = consume::readable_head(&*self.ring) else {
            return 0;
        };
        if !consume::claim_head(&*self.ring, cell, first) {
            return 0;
        }
        let value = self.ring.read(first);
        self.deliver(handle, &[value], false);
        consume::release_one(&*self.ring, first);
        self.let_go(&[value]);
        1
    }

    /// Receives what is at the head and not expired, at most `max`, as `delivery::queue::Receiver` claims. How many there were.
    pub(super) fn receive(&self, handle: usize, max: u32) -> usize {
        let cell = &self.records[handle].cells[0];
        let mut expired = 0;
        let range = loop {
            let Some(range) = consume::claim(&*self.ring, cell, 1, max, |position| self.is_old(position), || {}) else {
                return 0;
            };
            if !self.is_old(range.first) {
                break range;
            }
            expired += u64::from(range.count);
            self.let_expire(range);
            if expired >= CAPACITY {
                return 0;
            }
        };
        let values: Vec<_> = range.positions().map(|position| self.ring.read(position)).collect();
        self.deliver(handle, &values, false);
        consume::release(&*self.ring, range);
        self.let_go(&values);
        values.len()
    }

    /// As `delivery::queue::expiry` has it: by the time that lies beside the message, whichever message's it is by now.
    fn is_old(&self, position: u64) -> bool {
        self.expired.is_some() && self.ring.published_at(position).load(Ordering::Relaxed) == OLD
    }

    /// As `delivery::queue::expiry`: counts, then releases.
    fn let_expire(&self, range: Range) {
        let expired = self.expired.as_ref().expect("only what expires is old");
        // Loom fails the test if anybody else is at the slots.
        let values: Vec<_> = range.positions().map(|position| self.ring.read(position)).collect();
        if planted(Bug::ExpiredReleasedBeforeCounted) {
            consume::release(&*self.ring, range);
        }
        expired.fetch_add(u64::from(range.count), Ordering::Relaxed);
        // Without a step in between.
        self.ledger().expired.extend(values);
        if !planted(Bug::ExpiredReleasedBeforeCounted) {
            consume::release(&*self.ring, range);
        }
    }

    /// Receives a returned message that is not expired, if there is one.
    pub(super) fn receive_returned(&self, handle: usize, look: &mut Look) -> bool {
        let Some((position, times)) = consume::take_returned(&*self.ring, handle as u16, look) else {
            return false;
        };
        if self.is_old(position) {
            self.let_expire(Range {
                first: position,
                count: 1,
            });
            return true;
        }
        let value = self.ring.read(position);
        self.deliver(handle, &[value], times > 0);
        consume::release_one(&*self.ring, position);
        self.let_go(&[value]);
        true
    }

    /// Claims at most `max` messages at the head and puts them back, which is no delivery. Whether there were any.
    pub(super) fn put_back(&self, handle: usize, max: u32) -> bool {
        let cell = &self.records[handle].cells[0];
        let Some(range) = consume::claim(&*self.ring, cell, 1, max, |_| false, || {}) else {
            return false;
        };
        for position in range.positions() {
            let value = self.ring.read(position);
            self.ledger().put_back.push(value);
            consume::put_back(&*self.ring, position, 0);
        }
        consume::bump_hint(&*self.ring);
        true
    }

    /// The same with a returned message.
    pub(super) fn put_back_returned(&self, handle: usize, look: &mut Look) -> bool {
        let Some((position, times)) = consume::take_returned(&*self.ring, handle as u16, look) else {
            return false;
        };
        consume::put_back(&*self.ring, position, times);
        consume::bump_hint(&*self.ring);
        true
    }

    fn deliver(&self, consumer: usize, values: &[u64], flagged: bool) {
        let mut ledger = self.ledger();
        ledger.delivered.extend(values.iter().map(|&value| Delivery {
            consumer,
            value,
            flagged,
        }));
        // Of a batch, the last is released first; only of the first it is certain that it is held until the end.
        ledger.held.push(values[0]);
    }

    fn let_go(&self, values: &[u64]) {
        self.ledger().held.retain(|value| *value != values[0]);
    }

    /// Sweeps the dead, in the order of `crate::recovery::sweep_handles`. Whether nothing is left to do.
    pub(super) fn recover(&self) -> bool {
        let mut found = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let word = record.state.load(Ordering::Acquire);
            let declare_dead = || {
                record
                    .state
                    .compare_exchange(word, dead(word), Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
            };
            match word & 3 {
                2 => found.push((index, word)),
                1 if record.died.load(Ordering::Acquire) == word && declare_dead() => found.push((index, dead(word))),
                _ => {}
            }
        }
        let free = |index: usize, state: u64| {
            let record = &self.records[index].state;
            let _ = record.compare_exchange(state, FREE, Ordering::AcqRel, Ordering::Relaxed);
        };
        if planted(Bug::RecordFreedBeforeSweep) {
            found.iter().for_each(|&(index, state)| free(index, state));
        }
        let handle = |&(index, state): &(usize, u64)| DeadHandle {
            region: self,
            index,
            state,
        };
        let dead: Vec<_> = found.iter().map(handle).collect();
        let finished = sweep(&*self.ring, &dead, || true, &mut Swept::default());
        for (handle, _) in dead.iter().zip(&finished).filter(|(_, finished)| **finished) {
            free(handle.index, handle.state);
        }
        finished.into_iter().all(|finished| finished)
    }

    /// After all threads have ended: recovers, and checks that the channel is as good as new and the ledger in balance.
    /// `handles` are a living producer and a living consumer.
    pub(super) fn settle(&self, producer: usize, consumer: usize) {
        self.recover();
        assert!(self.recover(), "a second sweep finds nothing that it has to leave");
        self.drain(consumer);
        self.balance();
        // Nobody is blocked: the ring takes a full lap, and gives it back.
        for lap in 0..2 {
            let first = 1000 + 10 * lap;
            assert!(self.send(producer, first, 2), "the empty ring has no room for a lap");
            assert!(!self.send(producer, first + 5, 1), "more than the ring holds");
            assert_eq!(self.receive(consumer, 2), 2, "a full ring does not give its messages");
        }
        self.balance();
    }

    fn drain(&self, consumer: usize) {
        let mut look = Look::default();
        while self.receive_returned(consumer, &mut look) || self.receive(consumer, 1) > 0 {}
    }

    fn balance(&self) {
        let ledger = self.ledger();
        let times = |value: u64, flagged: bool| {
            let same = |delivery: &&Delivery| delivery.value == value && delivery.flagged == flagged;
            ledger.delivered.iter().filter(same).count()
        };
        let was_delivered = |value: &u64| times(*value, false) + times(*value, true) > 0;
        for value in &ledger.sent {
            if ledger.old.contains(value) {
                assert!(ledger.expired.contains(value), "{value} expired uncounted");
            } else {
                assert!(was_delivered(value), "message {value} was lost");
            }
        }
        for value in &ledger.old {
            assert!(!was_delivered(value), "{value} was delivered though it had expired");
        }
        for value in &ledger.expired {
            assert!(ledger.old.contains(value), "{value} expired in its time");
        }
        if let Some(expired) = &self.expired {
            let counted = expired.load(Ordering::Relaxed);
            assert_eq!(counted, ledger.expired.len() as u64, "the count of what expired");
        }
        for batch in &ledger.attempted {
            let delivered = batch.iter().filter(|value| was_delivered(value)).count();
            assert!(
                delivered == 0 || delivered == batch.len(),
                "part of {batch:?} was delivered"
            );
        }
        for delivery in &ledger.delivered {
            let value = delivery.value;
            assert!(
                ledger.attempted.iter().any(|batch| batch.contains(&value)),
                "{value} was never sent"
            );
            assert!(times(value, false) <= 1, "{value} was delivered twice without a flag");
        }
        for value in &ledger.held {
            let last = ledger.delivered.iter().rfind(|delivery| delivery.value == *value);
            assert!(last.is_some_and(|last| last.flagged), "{value} was not delivered again");
        }
        // What each consumer got unflagged, and nobody had put back, came in the order of sending: a producer's values grow, and share all
        // but the last digit.
        for consumer in 0..self.records.len() {
            for producer in 0..3 {
                let order: Vec<_> = ledger
                    .delivered
                    .iter()
                    .filter(|delivery| delivery.consumer == consumer && !delivery.flagged)
                    .map(|delivery| delivery.value)
                    .filter(|value| value / 10 == producer && !ledger.put_back.contains(value))
                    .collect();
                assert!(
                    order.is_sorted(),
                    "consumer {consumer} received out of order: {order:?}"
                );
            }
        }
    }
}

/// As `crate::recovery::DeadHandle`.
struct DeadHandle<'a> {
    region: &'a Region,
    index: usize,
    state: u64,
}

impl Dead for DeadHandle<'_> {
    fn cells(&self) -> &[AtomicU64] {
        &self.region.records[self.index].cells
    }

    fn phase(&self) -> Phase {
        self.region.records[self.index].phase
    }

    fn handle(&self) -> u16 {
        self.index as u16
    }

    fn is_still_dead(&self) -> bool {
        self.region.records[self.index].state.load(Ordering::Acquire) == self.state
    }

    fn drops(&self) -> bool {
        false
    }

    fn owners(&self, phase: Phase, range: Range) -> Owners {
        let mut owners = Owners::of_range(range);
        for (index, record) in self.region.records.iter().enumerate() {
            if index == self.index || record.phase != phase {
                continue;
            }
            let state = record.state.load(Ordering::Acquire);
            if state == FREE {
                continue;
            }
            let cell = Cell::decode(record.cells[0].load(Ordering::Acquire));
            if record.state.load(Ordering::Acquire) != state {
                owners.doubt();
                continue;
            }
            match cell {
                Cell::Owned(claim) if claim.phase == phase => owners.own(claim),
                Cell::Trying(claim) if claim.phase == phase && state & 3 == 1 => owners.try_for(claim),
                _ => {}
            }
        }
        owners
    }
}

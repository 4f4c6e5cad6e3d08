//! The ring's own source under loom: every interleaving of two or three threads, within a bound on preemptions, and the weak
//! memory orders that the standard allows.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p dmxp --lib` runs it. What it shows beyond `tests/protocol-model`, which
//! searches deaths and sweeps but is sequentially consistent: the orderings suffice, as loom sees unordered access to a payload.
//!
//! Loom runs the main thread first, and lets later loads see older values; it does not move a load before it, unless the other
//! thread's access is the very next one to the word. So in each test the main thread does what the other must not see too early.

use super::memory::RingMemory;
use super::word::Cell as ClaimCell;
use super::{Range, consume, produce};
use crate::sync::AtomicU64;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A ring of two slots with a number as payload.
struct Ring {
    tail: AtomicU64,
    head: AtomicU64,
    hint: AtomicU64,
    sequences: Vec<AtomicU64>,
    payloads: Vec<UnsafeCell<u64>>,
}

const CAPACITY: u64 = 2;

impl RingMemory for Ring {
    fn capacity(&self) -> u64 {
        CAPACITY
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail
    }

    fn head(&self) -> &AtomicU64 {
        &self.head
    }

    fn returned_hint(&self) -> &AtomicU64 {
        &self.hint
    }

    fn sequence(&self, position: u64) -> &AtomicU64 {
        &self.sequences[(position % CAPACITY) as usize]
    }

    fn count_dropped(&self) {}

    fn uncount_dropped(&self) {}
}

impl Ring {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            hint: AtomicU64::new(0),
            sequences: (0..CAPACITY).map(AtomicU64::new).collect(),
            payloads: (0..CAPACITY).map(|_| UnsafeCell::new(0)).collect(),
        })
    }

    fn write(&self, range: Range, value: u64) {
        for (k, position) in range.positions().enumerate() {
            self.payloads[(position % CAPACITY) as usize].with_mut(|payload| {
                // SAFETY: the slot is claimed for writing; loom fails the test if anybody else is at it.
                unsafe { *payload = value + k as u64 };
            });
        }
    }

    fn read(&self, position: u64) -> u64 {
        self.payloads[(position % CAPACITY) as usize].with(|payload| {
            // SAFETY: the slot is claimed for reading; loom fails the test if anybody writes it.
            unsafe { *payload }
        })
    }

    /// Sends `count` numbers from `value` on as one batch; `false` when there is no room.
    fn send(&self, cell: &AtomicU64, value: u64, count: u32) -> bool {
        let Some(range) = produce::claim(self, cell, count, count) else {
            return false;
        };
        self.write(range, value);
        produce::publish(self, range);
        true
    }

    /// Receives what is there, at most `max`.
    fn receive(&self, cell: &AtomicU64, max: u32) -> Vec<u64> {
        let Some(range) = consume::claim(self, cell, 1, max, || {}) else {
            return Vec::new();
        };
        let values = range.positions().map(|position| self.read(position)).collect();
        consume::release(self, range);
        values
    }
}

fn cell() -> AtomicU64 {
    AtomicU64::new(ClaimCell::EMPTY)
}

fn explore(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(test);
}

#[test]
fn two_producers_and_a_consumer_exchange_each_message_once() {
    explore(3, || {
        let ring = Ring::new();
        let senders: Vec<_> = [10, 20]
            .map(|value| {
                let ring = ring.clone();
                thread::spawn(move || assert!(ring.send(&cell(), value, 1), "there is room for both"))
            })
            .into();
        let own = cell();
        let mut received = ring.receive(&own, 2);
        for sender in senders {
            sender.join().unwrap();
        }
        received.extend(ring.receive(&own, 2));
        received.extend(ring.receive(&own, 2));
        received.sort_unstable();
        assert_eq!(received, [10, 20]);
    });
}

#[test]
fn two_consumers_never_get_the_same_message() {
    explore(3, || {
        let ring = Ring::new();
        let own = cell();
        assert!(ring.send(&own, 1, 1) && ring.send(&own, 2, 1));
        let other = {
            let ring = ring.clone();
            thread::spawn(move || ring.receive(&cell(), 1))
        };
        let mut received = ring.receive(&cell(), 1);
        received.extend(other.join().unwrap());
        received.extend(ring.receive(&cell(), 2));
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
    });
}

#[test]
fn a_message_is_read_as_it_was_written() {
    explore(4, || {
        let ring = Ring::new();
        let receiver = {
            let ring = ring.clone();
            thread::spawn(move || ring.receive(&cell(), 1))
        };
        assert!(ring.send(&cell(), 9, 1));
        let mut received = receiver.join().unwrap();
        received.extend(ring.receive(&cell(), 1));
        assert_eq!(received, [9]);
    });
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    explore(4, || {
        let ring = Ring::new();
        let receiver = {
            let ring = ring.clone();
            thread::spawn(move || ring.receive(&cell(), 2))
        };
        assert!(ring.send(&cell(), 7, 2));
        let seen = receiver.join().unwrap();
        assert!(seen.is_empty() || seen == [7, 8], "{seen:?}");
    });
}

#[test]
fn a_slot_is_written_again_only_after_it_was_read() {
    explore(4, || {
        let ring = Ring::new();
        let own = cell();
        assert!(ring.send(&own, 1, 1) && ring.send(&own, 2, 1));
        let sender = {
            let ring = ring.clone();
            thread::spawn(move || ring.send(&cell(), 3, 1))
        };
        assert_eq!(ring.receive(&cell(), 1), [1]);
        let sent = sender.join().unwrap();
        let rest = ring.receive(&cell(), 2);
        assert_eq!(rest, if sent { vec![2, 3] } else { vec![2] });
    });
}

#[test]
fn an_aborted_claim_is_stepped_over() {
    explore(4, || {
        let ring = Ring::new();
        let receiver = {
            let ring = ring.clone();
            thread::spawn(move || ring.receive(&cell(), 1))
        };
        let own = cell();
        let claim = produce::claim(&*ring, &own, 1, 1).expect("room");
        ring.write(claim, 4);
        produce::abort(&*ring, claim);
        assert!(ring.send(&own, 5, 1));
        let mut received = receiver.join().unwrap();
        received.extend(ring.receive(&own, 1));
        assert_eq!(received, [5]);
    });
}

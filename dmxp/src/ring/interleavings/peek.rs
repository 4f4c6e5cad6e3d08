//! A looker reads without claiming, beside those that send and receive: what it takes for a message is one, whole, and the one of the
//! position that was asked for.
//!
//! Here payloads are words, as the looker reads them: loom lets a load of a word give any value that nothing has ordered before it, so
//! that a copy may be torn in every way in which a processor could tear it.

use super::memory::{CAPACITY, cell};
use crate::ring::memory::RingMemory;
use crate::ring::peek::{Found, copy, look, look_again};
use crate::ring::queue::{consume, produce};
use crate::sync::explore::explore;
use crate::sync::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

/// A message is a number and its complement.
struct Ring {
    tail: AtomicU64,
    head: AtomicU64,
    hint: AtomicU64,
    slots: Vec<[AtomicU64; 3]>,
}

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
        &self.slot(position)[0]
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
            slots: (0..CAPACITY)
                .map(|position| [position, 0, 0].map(AtomicU64::new))
                .collect(),
        })
    }

    fn slot(&self, position: u64) -> &[AtomicU64; 3] {
        &self.slots[(position % CAPACITY) as usize]
    }

    /// Sends messages whose numbers follow from their positions; `false` when there is no room.
    fn send(&self) -> bool {
        let Some(range) = produce::claim(self, &cell(), 1, 1) else {
            return false;
        };
        let slot = self.slot(range.first);
        // Relaxed: a producer's plain stores.
        slot[1].store(number(range.first), Ordering::Relaxed);
        slot[2].store(!number(range.first), Ordering::Relaxed);
        produce::publish(self, range);
        true
    }

    /// Receives a message and lets it go.
    fn receive(&self) -> bool {
        let Some(range) = consume::claim(self, &cell(), 1, 1, |_| false, || {}) else {
            return false;
        };
        consume::release(self, range);
        true
    }

    /// What a looker takes for the message of a position.
    fn peek(&self, position: u64) -> Option<Found> {
        look(self, position)?;
        let mut words = [0; 2];
        copy(self.slot(position)[1..].iter(), &mut words);
        let found = look_again(self, position)?;
        assert_eq!(words, [number(position), !number(position)], "another message");
        Some(found)
    }
}

fn number(position: u64) -> u64 {
    position + 10
}

#[test]
pub(super) fn what_is_looked_at_is_of_one_message_though_its_slot_is_used_again() {
    explore(3, || {
        let ring = Ring::new();
        assert!(ring.send() && ring.send());
        let other = {
            let ring = ring.clone();
            thread::spawn(move || assert!(ring.receive() && ring.send()))
        };
        ring.peek(0);
        other.join().unwrap();
        assert_eq!(ring.peek(0), None, "it was received");
        assert_eq!(ring.peek(1), Some(Found::Published));
        assert_eq!(ring.peek(2), Some(Found::Published));
        // Nothing of that changed anything.
        assert!(ring.receive() && ring.receive() && !ring.receive());
    });
}

#[test]
fn what_is_looked_at_is_whole_when_one_receives_and_another_sends() {
    explore(2, || {
        let ring = Ring::new();
        assert!(ring.send() && ring.send());
        let consumer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(ring.receive()))
        };
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || ring.send())
        };
        ring.peek(0);
        ring.peek(2);
        consumer.join().unwrap();
        let sent = producer.join().unwrap();
        assert_eq!(ring.peek(2), sent.then_some(Found::Published));
    });
}

#[test]
fn a_message_that_is_not_published_yet_is_not_there() {
    explore(3, || {
        let ring = Ring::new();
        let other = {
            let ring = ring.clone();
            thread::spawn(move || assert!(ring.send()))
        };
        ring.peek(0);
        other.join().unwrap();
        assert_eq!(ring.peek(0), Some(Found::Published));
    });
}

#[test]
fn a_message_that_is_returned_and_taken_again_is_whole_all_the_while() {
    explore(2, || {
        let ring = Ring::new();
        assert!(ring.send() && ring.send());
        let other = {
            let ring = ring.clone();
            thread::spawn(move || {
                let range = consume::claim(&*ring, &cell(), 1, 1, |_| false, || {}).expect("a message");
                consume::give_back(&*ring, range.first, 0);
                let (position, times) =
                    consume::take_returned(&*ring, 1, &mut consume::Look::default()).expect("the same");
                assert_eq!((position, times), (0, 1));
            })
        };
        assert!(ring.peek(0).is_some(), "it lies there");
        other.join().unwrap();
        assert_eq!(ring.peek(0), Some(Found::Taken { times: 2 }));
    });
}

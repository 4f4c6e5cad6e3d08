//! Broadcast: what reliable subscribers read is not overwritten, whenever they join; what lossy ones take is never torn; and a
//! producer that dies leaves a batch whole or not at all.
//!
//! A message is its position and the complement. Beside each slot lies a cell of loom's that reliable subscribers read and producers
//! write: loom fails a test in which the one is not ordered behind the other.

use crate::ring::Range;
use crate::ring::broadcast::limit::{self, From, Known};
use crate::ring::broadcast::memory::{BroadcastMemory, Limits, Look};
use crate::ring::broadcast::read::{self, Newest, Next, Place};
use crate::ring::broadcast::{begin, body, publish, put, several, single, untouched};
use crate::ring::memory::RingMemory;
use crate::ring::queue::owners::Owners;
use crate::ring::queue::sweep::{Dead, Swept};
use crate::ring::word::{Cell as ClaimCell, Phase};
use crate::sync::explore::{explore, explore_deaths};
use crate::sync::planted::{Bug, finds};
use crate::sync::{AtomicU32, AtomicU64, Ordering, mortal};
use core::cell::Cell;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

const CAPACITY: u64 = 2;
const LIVE: u64 = 1;

/// A subscriber's record, or a producer's.
struct Record {
    state: AtomicU64,
    cursor: AtomicU64,
    cells: [AtomicU64; 1],
    died: loom::sync::atomic::AtomicBool,
}

struct Ring {
    tail: AtomicU64,
    /// Not used by broadcast.
    unused: AtomicU64,
    slots: Vec<[AtomicU64; 3]>,
    borrows: Vec<UnsafeCell<()>>,
    verified: AtomicU64,
    announced: AtomicU64,
    joins: AtomicU32,
    subscribers: Vec<Record>,
    producers: Vec<Record>,
}

impl RingMemory for Ring {
    fn capacity(&self) -> u64 {
        CAPACITY
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail
    }

    fn head(&self) -> &AtomicU64 {
        &self.unused
    }

    fn returned_hint(&self) -> &AtomicU64 {
        &self.unused
    }

    fn sequence(&self, position: u64) -> &AtomicU64 {
        &self.slots[(position % CAPACITY) as usize][0]
    }

    fn count_dropped(&self) {}

    fn uncount_dropped(&self) {}
}

impl BroadcastMemory for Ring {
    fn words(&self, position: u64) -> &[AtomicU64] {
        &self.slots[(position % CAPACITY) as usize]
    }

    fn limits(&self) -> Limits<'_> {
        Limits {
            verified: &self.verified,
            announced: &self.announced,
            joins: &self.joins,
        }
    }

    fn places(&self) -> u32 {
        self.subscribers.len() as u32
    }

    fn look(&self, place: u32) -> Look {
        let record = &self.subscribers[place as usize];
        if record.state.load(Ordering::Acquire) == LIVE {
            Look::Needs(record.cursor.load(Ordering::Acquire))
        } else {
            Look::Nobody
        }
    }
}

impl Ring {
    fn new(subscribers: usize, producers: usize) -> Arc<Self> {
        let records = |count: usize, state: u64| {
            let record = |_| Record {
                state: AtomicU64::new(state),
                cursor: AtomicU64::new(0),
                cells: [AtomicU64::new(ClaimCell::EMPTY)],
                died: loom::sync::atomic::AtomicBool::new(false),
            };
            (0..count).map(record).collect()
        };
        let slot = |position| [untouched(position, CAPACITY), 0, 0].map(AtomicU64::new);
        Arc::new(Self {
            tail: AtomicU64::new(0),
            unused: AtomicU64::new(0),
            slots: (0..CAPACITY).map(slot).collect(),
            borrows: (0..CAPACITY).map(|_| UnsafeCell::new(())).collect(),
            verified: AtomicU64::new(0),
            announced: AtomicU64::new(0),
            joins: AtomicU32::new(0),
            subscribers: records(subscribers, 0),
            producers: records(producers, LIVE),
        })
    }

    /// Nobody may be borrowing what lay there.
    fn write(&self, range: Range) {
        begin(self, range);
        for position in range.positions() {
            self.borrows[(position % CAPACITY) as usize].with_mut(|_| {});
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&position.to_ne_bytes());
            bytes[8..].copy_from_slice(&(!position).to_ne_bytes());
            put(body(self, position), &bytes);
        }
    }

    /// Sends as the one producer, from `next` on; `false` when there is no room.
    fn send_alone(&self, known: &Known, next: &Cell<u64>, count: u32) -> bool {
        let first = next.get();
        if known.room(self, first, (count, count), true).is_none() {
            return false;
        }
        let range = Range { first, count };
        self.write(range);
        publish(self, range, false);
        single::advance(self, range);
        next.set(first + u64::from(count));
        true
    }

    /// Sends as one of several.
    fn send(&self, producer: usize, known: &Known, count: u32) -> bool {
        let cell = &self.producers[producer].cells[0];
        let Some(range) = several::claim(self, known, cell, count, count) else {
            return false;
        };
        self.write(range);
        publish(self, range, false);
        true
    }

    /// The same on a latest ring, or gives the claim up.
    fn send_newest(&self, producer: usize, known: &Known, is_given_up: bool) -> bool {
        let cell = &self.producers[producer].cells[0];
        let Some(range) = several::claim(self, known, cell, 1, 1) else {
            return false;
        };
        if is_given_up {
            several::abort(self, range, true);
        } else {
            self.write(range);
            publish(self, range, true);
        }
        true
    }

    /// Takes a copy of the newest value of a latest ring.
    fn newest(&self) -> Option<u64> {
        for _ in 0..8 {
            match read::newest(self, 0) {
                Newest::Nothing { .. } => return None,
                Newest::Overrun => {}
                Newest::Message(position, word) => {
                    let mut words = [0; 2];
                    read::copy(self, position, 0, &mut words);
                    if read::is_whole(self, position, word) {
                        assert_eq!(words, [position, !position], "torn, or another message");
                        return Some(position);
                    }
                }
            }
        }
        panic!("overwritten more often than anybody writes");
    }

    /// As channel::open::register for a reliable subscriber.
    fn join(&self, index: usize, from: From, alone: bool) -> Place {
        let record = &self.subscribers[index];
        record.cursor.store(limit::guess(self, from), Ordering::Relaxed);
        record.state.store(LIVE, Ordering::Release);
        Place::new(limit::join(self, Some(&record.cursor), from, alone))
    }

    /// Reads the next message in place, and shows the cursor behind it. `None`: there is none.
    fn read(&self, index: usize, place: &Place) -> Option<u64> {
        let range = match place.look(self, 1, 1) {
            Next::Messages(range) => range,
            Next::Nothing => {
                // Positions that were given up are behind it.
                let cursor = &self.subscribers[index].cursor;
                cursor.store(place.needed(), Ordering::Release);
                return None;
            }
            Next::Overrun => panic!("a reliable subscriber was overrun"),
        };
        let borrow = &self.borrows[(range.first % CAPACITY) as usize];
        let mut words = [0; 2];
        borrow.with(|_| read::copy(self, range.first, 0, &mut words));
        assert_eq!(words, [range.first, !range.first], "another message");
        borrow.with(|_| {});
        place.next.set(range.first + 1);
        self.subscribers[index]
            .cursor
            .store(place.next.get(), Ordering::Release);
        Some(range.first)
    }

    /// Takes a copy of the next message there is, as a lossy subscriber.
    fn copy(&self, place: &Place) -> Option<u64> {
        for _ in 0..4 {
            match place.look(self, 1, 1) {
                Next::Nothing => return None,
                Next::Overrun => {
                    place.jump(self, true);
                }
                Next::Messages(range) => {
                    let mut words = [0; 2];
                    read::copy(self, range.first, 0, &mut words);
                    if read::is_whole(self, range.first, range.first + 1) {
                        assert_eq!(words, [range.first, !range.first], "a torn message");
                        place.next.set(range.first + 1);
                        return Some(range.first);
                    }
                }
            }
        }
        None
    }

    /// Sweeps the producers that died, in the order of recovery::sweep_handles.
    fn recover(&self) {
        self.recover_as(false);
    }

    fn recover_as(&self, latest: bool) {
        for (index, record) in self.producers.iter().enumerate() {
            let dead = DeadProducer { ring: self, index };
            // Acquire: the kernel frees a lock after all that its owner did.
            if record.died.load(Ordering::Acquire) {
                several::sweep(self, &dead, latest, &mut Swept::default());
            }
        }
    }
}

/// A producer whose record is not taken by anybody else.
struct DeadProducer<'a> {
    ring: &'a Ring,
    index: usize,
}

impl Dead for DeadProducer<'_> {
    fn cells(&self) -> &[AtomicU64] {
        &self.ring.producers[self.index].cells
    }

    fn phase(&self) -> Phase {
        Phase::Produce
    }

    fn handle(&self) -> u16 {
        self.index as u16
    }

    fn is_still_dead(&self) -> bool {
        true
    }

    fn drops(&self) -> bool {
        false
    }

    fn owners(&self, phase: Phase, range: Range) -> Owners {
        let mut owners = Owners::of_range(range);
        for (index, record) in self.ring.producers.iter().enumerate() {
            if index != self.index {
                match ClaimCell::decode(record.cells[0].load(Ordering::Acquire)) {
                    ClaimCell::Owned(claim) if claim.phase == phase => owners.own(claim),
                    ClaimCell::Trying(claim) if claim.phase == phase => owners.try_for(claim),
                    _ => {}
                }
            }
        }
        owners
    }
}

/// What a subscriber got must be without a gap.
fn in_order(got: &[u64]) {
    assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
}

#[test]
fn what_a_reliable_subscriber_reads_is_not_overwritten() {
    explore(2, || {
        let ring = Ring::new(1, 0);
        let place = ring.join(0, limit::newest(&*ring), true);
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let (known, next) = (Known::default(), Cell::new(0));
                (0..3).filter(|_| ring.send_alone(&known, &next, 1)).count() as u64
            })
        };
        let mut got: Vec<_> = (0..2).filter_map(|_| ring.read(0, &place)).collect();
        let sent = producer.join().unwrap();
        assert!(sent >= CAPACITY);
        got.extend(core::iter::from_fn(|| ring.read(0, &place)));
        assert_eq!(got, (0..sent).collect::<Vec<_>>());
    });
}

fn a_subscriber_joins(from: fn(&Ring) -> From) {
    explore(2, move || {
        let ring = Ring::new(1, 0);
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let (known, next) = (Known::default(), Cell::new(0));
                (0..4).filter(|_| ring.send_alone(&known, &next, 1)).count() as u64
            })
        };
        let place = ring.join(0, from(&ring), true);
        let mut got: Vec<_> = ring.read(0, &place).into_iter().collect();
        let sent = producer.join().unwrap();
        got.extend(core::iter::from_fn(|| ring.read(0, &place)));
        in_order(&got);
        assert!(got.last().is_none_or(|last| last + 1 == sent), "{got:?} of {sent}");
    });
}

#[test]
fn a_subscriber_that_joins_at_the_newest_is_not_overrun() {
    a_subscriber_joins(limit::newest);
}

#[test]
fn a_subscriber_that_joins_at_the_oldest_is_not_overrun() {
    a_subscriber_joins(|_| From::Oldest);
}

#[test]
fn who_sees_a_subscriber_before_it_sends_is_heard() {
    explore(2, || {
        let ring = Ring::new(1, 0);
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let (known, next) = (Known::default(), Cell::new(0));
                assert!(ring.send_alone(&known, &next, 1), "there is room");
                let counted = ring.look(0) != Look::Nobody;
                assert!(ring.send_alone(&known, &next, 1), "there is room");
                counted
            })
        };
        let place = ring.join(0, limit::newest(&*ring), true);
        let counted = producer.join().unwrap();
        let got: Vec<_> = core::iter::from_fn(|| ring.read(0, &place)).collect();
        in_order(&got);
        assert!(!counted || got.last() == Some(&1), "{got:?}");
    });
}

#[test]
fn a_limit_that_is_raised_without_a_fence_is_found() {
    finds(Bug::LimitWithoutFence, || a_subscriber_joins(|_| From::Oldest));
}

#[test]
fn a_limit_that_is_raised_without_a_second_look_is_found() {
    finds(Bug::LimitWithoutSecondLook, || a_subscriber_joins(|_| From::Oldest));
}

fn a_lossy_subscriber_copies() {
    explore(3, || {
        let ring = Ring::new(0, 0);
        let beginning = limit::join(&*ring, None, limit::newest(&*ring), true);
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let (known, next) = (Known::default(), Cell::new(0));
                for _ in 0..3 {
                    assert!(ring.send_alone(&known, &next, 1), "nobody holds it back");
                }
            })
        };
        let place = Place::new(beginning);
        let first = ring.copy(&place);
        let second = ring.copy(&place);
        assert!(second.is_none() || second > first);
        producer.join().unwrap();
        let mut last = second.or(first);
        while let Some(number) = ring.copy(&place) {
            last = Some(number);
        }
        assert_eq!(last, Some(2));
    });
}

#[test]
fn a_lossy_subscriber_never_takes_a_torn_message() {
    a_lossy_subscriber_copies();
}

#[test]
fn writing_without_a_mark_is_found() {
    finds(Bug::BroadcastWithoutMark, a_lossy_subscriber_copies);
}

#[test]
fn two_producers_send_each_message_once() {
    explore(2, || {
        let ring = Ring::new(1, 2);
        let place = ring.join(0, limit::newest(&*ring), false);
        let senders = [0, 1].map(|producer| {
            let ring = ring.clone();
            thread::spawn(move || assert!(ring.send(producer, &Known::default(), 1), "there is room for both"))
        });
        let mut got: Vec<_> = ring.read(0, &place).into_iter().collect();
        for sender in senders {
            sender.join().unwrap();
        }
        got.extend(core::iter::from_fn(|| ring.read(0, &place)));
        assert_eq!(got, [0, 1]);
    });
}

/// A producer dies sending `count`, while the main thread sends as another one, reads, and sweeps.
fn one_of_two_dies(count: u32) {
    explore_deaths(1, move |steps| {
        let ring = Ring::new(1, 2);
        let place = ring.join(0, limit::newest(&*ring), false);
        let mortal = {
            let ring = ring.clone();
            thread::spawn(move || {
                let ended = mortal::live(steps, || ring.send(0, &Known::default(), count));
                ring.producers[0].died.store(true, Ordering::Release);
                ended
            })
        };
        let known = Known::default();
        let mut sent = u64::from(ring.send(1, &known, 1));
        let mut got: Vec<_> = ring.read(0, &place).into_iter().collect();
        ring.recover();
        let ended = mortal.join().unwrap();
        ring.recover();
        got.extend(core::iter::from_fn(|| ring.read(0, &place)));
        // Nobody is blocked: what is sent from now on comes.
        for _ in 0..2 {
            sent += u64::from(ring.send(1, &known, 1));
            got.extend(core::iter::from_fn(|| ring.read(0, &place)));
        }
        assert!(sent >= 2, "the ring is blocked");
        assert!(got.is_sorted());
        // A batch of the dead one is there as a whole or not at all.
        let of_the_dead = got.len() as u64 - sent;
        assert!(of_the_dead == 0 || of_the_dead == u64::from(count), "{got:?}");
        ended
    });
}

#[test]
fn one_of_two_producers_killed_while_it_sends_blocks_nobody() {
    one_of_two_dies(1);
}

#[test]
fn one_of_two_producers_killed_while_it_sends_a_batch_leaves_all_of_it_or_nothing() {
    one_of_two_dies(2);
}

/// On a ring of two slots with one value, two producers give up claims, or publish newer ones, while a reader looks; one of them dies.
fn a_value_stays(given_up: [bool; 2]) {
    explore_deaths(1, move |steps| {
        let ring = Ring::new(0, 2);
        let known = || Known::of(true);
        assert!(ring.send_newest(1, &known(), false));
        let mortal = {
            let ring = ring.clone();
            thread::spawn(move || {
                let ended = mortal::live(steps, || {
                    let known = known();
                    given_up.iter().all(|&given_up| ring.send_newest(0, &known, given_up))
                });
                ring.producers[0].died.store(true, Ordering::Release);
                ended
            })
        };
        assert!(ring.newest().is_some(), "the value is gone");
        let ended = mortal.join().unwrap();
        assert!(ring.newest().is_some(), "the value is gone");
        ring.recover_as(true);
        let newest = ring.newest().expect("the value is gone");
        // Nobody is blocked, however many claims are given up, and what is sent is the newest.
        let known = known();
        for _ in 0..5 {
            assert!(ring.send_newest(1, &known, true), "the ring is blocked");
            assert_eq!(ring.newest(), Some(newest), "the value is gone, or another");
        }
        assert!(ring.send_newest(1, &known, false), "the ring is blocked");
        assert!(ring.newest() > Some(newest), "an older value");
        ended
    });
}

#[test]
fn the_newest_value_stays_however_many_claims_are_given_up() {
    a_value_stays([true, true]);
}

#[test]
fn the_newest_value_stays_when_its_producer_dies_with_the_next() {
    a_value_stays([true, false]);
}

#[test]
fn a_value_that_goes_with_a_claim_is_found() {
    finds(Bug::LatestGivenUp, || a_value_stays([true, true]));
}

#[test]
fn the_place_of_a_single_producer_that_died_is_taken() {
    for count in [1, 2] {
        explore_deaths(2, move |steps| {
            let ring = Ring::new(1, 0);
            let place = ring.join(0, limit::newest(&*ring), true);
            let sent = Arc::new(loom::sync::atomic::AtomicBool::new(false));
            let mortal = {
                let (ring, sent) = (ring.clone(), sent.clone());
                thread::spawn(move || {
                    mortal::live(steps, || {
                        let (known, next) = (Known::default(), Cell::new(0));
                        assert!(ring.send_alone(&known, &next, count));
                        sent.store(true, Ordering::Release);
                    })
                })
            };
            let mut got: Vec<_> = ring.read(0, &place).into_iter().collect();
            let ended = mortal.join().unwrap();
            // The join is the proof of death.
            let next = Cell::new(single::repair(&*ring));
            got.extend(core::iter::from_fn(|| ring.read(0, &place)));
            assert!(got.is_empty() || got.len() as u32 == count, "{got:?}");
            assert!(
                !got.is_empty() || !sent.load(Ordering::Acquire),
                "what was sent is lost"
            );
            assert_eq!(next.get(), got.len() as u64);
            let known = Known::default();
            for _ in 0..3 {
                assert!(ring.send_alone(&known, &next, 1), "the ring is blocked");
                got.extend(ring.read(0, &place));
            }
            in_order(&got);
            assert_eq!(got.len() as u64, next.get());
            ended
        });
    }
}

//! Packed slots: what reliable subscribers read is not overwritten, whenever they join; what lossy ones copy is never torn, though
//! nothing in a slot says so; a producer that dies leaves its last batch whole or not at all, and nothing to repair; and what was
//! sent before a channel was closed is received.
//!
//! A message is its position and the complement. Beside each slot lies a cell of loom's, as in [`broadcast`](super::broadcast).

use crate::ring::broadcast::limit::{self, From};
use crate::ring::broadcast::memory::{Limited, Limits, Look};
use crate::ring::packed::consume::{self, Reader, is_pending, lost};
use crate::ring::packed::memory::Producing;
use crate::ring::packed::produce::Writer;
use crate::sync::explore::{explore, explore_deaths};
use crate::sync::planted::{Bug, finds, planted};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence, mortal};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;

const CAPACITY: u64 = 2;
const LIVE: u64 = 1;
const DEAD: u64 = 2;

struct Ring {
    tail: AtomicU64,
    slots: Vec<[AtomicU64; 2]>,
    borrows: Vec<UnsafeCell<()>>,
    verified: AtomicU64,
    announced: AtomicU64,
    joins: AtomicU32,
    /// State and cursor of each reliable subscriber.
    subscribers: Vec<[AtomicU64; 2]>,
    /// What the producer says of itself, and the flag that ends the stream, where the scenario has an end: the fence that belongs to it
    /// would hide what other fences are for.
    sent: AtomicU64,
    closed: Option<AtomicU32>,
}

impl Limited for Ring {
    fn capacity(&self) -> u64 {
        CAPACITY
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail
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
        let [state, cursor] = &self.subscribers[place as usize];
        if state.load(Ordering::Acquire) == LIVE {
            Look::Needs(cursor.load(Ordering::Acquire))
        } else {
            Look::Nobody
        }
    }
}

impl Producing for Ring {
    fn sent(&self) -> &AtomicU64 {
        &self.sent
    }
}

impl Ring {
    fn new(subscribers: usize) -> Arc<Self> {
        Arc::new(Self::of(subscribers, None))
    }

    fn of(subscribers: usize, closed: Option<AtomicU32>) -> Self {
        let zeros = || [0, 0].map(AtomicU64::new);
        Self {
            tail: AtomicU64::new(0),
            slots: (0..CAPACITY).map(|_| zeros()).collect(),
            borrows: (0..CAPACITY).map(|_| UnsafeCell::new(())).collect(),
            verified: AtomicU64::new(0),
            announced: AtomicU64::new(0),
            joins: AtomicU32::new(0),
            subscribers: (0..subscribers).map(|_| zeros()).collect(),
            sent: AtomicU64::new(0),
            closed,
        }
    }

    fn slot(&self, position: u64) -> &[AtomicU64; 2] {
        &self.slots[(position % CAPACITY) as usize]
    }

    fn borrow(&self, position: u64) -> &UnsafeCell<()> {
        &self.borrows[(position % CAPACITY) as usize]
    }

    /// Sends `count` messages at once; `false` when there is no room, or the stream has ended.
    fn send(&self, writer: &Writer, count: u32) -> bool {
        let first = match writer.free_at_once() {
            Some(first) if count == 1 => first,
            _ if writer.room(self, count, count).is_some() => writer.next(),
            _ => return false,
        };
        writer.find_free();
        writer.intend(self, first + u64::from(count));
        if self.has_ended() {
            writer.desist(self);
            return false;
        }
        for position in first..first + u64::from(count) {
            self.borrow(position).with_mut(|_| {});
            let [value, complement] = self.slot(position);
            value.store(position, Ordering::Relaxed);
            complement.store(!position, Ordering::Relaxed);
        }
        writer.publish(self, first + u64::from(count));
        true
    }

    /// The barrier of a publisher or a waiter, where membarrier is not to be had, and a look at the flag.
    fn has_ended(&self) -> bool {
        self.closed.as_ref().is_some_and(|closed| {
            fence(Ordering::SeqCst);
            closed.load(Ordering::SeqCst) != 0
        })
    }

    /// As open::register for a reliable subscriber.
    fn join(&self, index: usize, from: From) -> Reader {
        let [state, cursor] = &self.subscribers[index];
        cursor.store(limit::guess(self, from), Ordering::Relaxed);
        state.store(LIVE, Ordering::Release);
        Reader::new(limit::join(self, Some(cursor), from, true))
    }

    /// Reads all that is there in place, up to the end of the ring, and shows the cursor behind it.
    fn read(&self, index: usize, reader: &Reader) -> Vec<u64> {
        let there = reader.look(self);
        assert!(there <= CAPACITY, "a reliable subscriber was overrun");
        let first = reader.next();
        let end = first + there.min(CAPACITY - first % CAPACITY);
        let cursor = &self.subscribers[index][1];
        if planted(Bug::PackedCursorTooEarly) {
            consume::show(cursor, end);
        }
        for position in first..end {
            self.borrow(position).with(|_| {});
            let [value, complement] = self.slot(position).each_ref().map(|word| word.load(Ordering::Relaxed));
            assert_eq!([value, complement], [position, !position], "another message");
            self.borrow(position).with(|_| {});
        }
        reader.go_to(end);
        consume::show(cursor, end);
        (first..end).collect()
    }

    /// Takes a copy of what is there, at most two messages, as a lossy subscriber; adds to `missed` what is gone.
    fn copy(&self, reader: &Reader, missed: &mut u64) -> Vec<u64> {
        for _ in 0..4 {
            let first = reader.next();
            let there = reader.look(self).min(2);
            let copies: Vec<_> = (first..first + there)
                .map(|position| self.slot(position).each_ref().map(|word| word.load(Ordering::Relaxed)))
                .collect();
            let lost = lost(self, first);
            *missed += lost;
            if lost >= there {
                reader.go_to(first + lost);
                if lost == 0 {
                    break;
                }
                continue;
            }
            let got: Vec<_> = (first + lost..first + there).collect();
            for (position, copy) in got.iter().zip(&copies[lost as usize..]) {
                assert_eq!(*copy, [*position, !position], "a torn message");
            }
            reader.go_to(first + there);
            return got;
        }
        Vec::new()
    }
}

/// Reads until there is nothing.
fn drain(got: &mut Vec<u64>, mut read: impl FnMut() -> Vec<u64>) {
    loop {
        let more = read();
        if more.is_empty() {
            return;
        }
        got.extend(more);
    }
}

/// A thread that sends `times` batches of `count`; how many messages that were.
fn producer(ring: &Arc<Ring>, times: u32, count: u32) -> thread::JoinHandle<u64> {
    let ring = ring.clone();
    thread::spawn(move || {
        let writer = Writer::new(&*ring);
        let sent = (0..times).filter(|_| ring.send(&writer, count)).count();
        sent as u64 * u64::from(count)
    })
}

pub(super) fn a_reliable_subscriber_reads(count: u32) {
    explore(2, move || {
        let ring = Ring::new(1);
        let reader = ring.join(0, limit::newest(&*ring));
        let producer = producer(&ring, 3, count);
        let mut got = ring.read(0, &reader);
        got.extend(ring.read(0, &reader));
        let sent = producer.join().unwrap();
        assert!(sent >= CAPACITY);
        drain(&mut got, || ring.read(0, &reader));
        assert_eq!(got, (0..sent).collect::<Vec<_>>());
    });
}

#[test]
fn what_a_reliable_subscriber_reads_is_not_overwritten() {
    a_reliable_subscriber_reads(1);
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    a_reliable_subscriber_reads(2);
}

fn a_subscriber_joins(from: fn(&Ring) -> From) {
    explore(2, move || {
        let ring = Ring::new(1);
        let producer = producer(&ring, 4, 1);
        let reader = ring.join(0, from(&ring));
        let start = reader.next();
        let mut got = ring.read(0, &reader);
        let sent = producer.join().unwrap();
        drain(&mut got, || ring.read(0, &reader));
        // What was not there when it joined comes; what it was late for is left out in one piece.
        assert_eq!(got, (start..sent).collect::<Vec<_>>());
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

fn a_lossy_subscriber_copies(preemptions: usize, count: u32) {
    explore(preemptions, move || {
        let ring = Ring::new(0);
        let reader = Reader::new(limit::join(&*ring, None, limit::newest(&*ring), true));
        let producer = producer(&ring, 3, count);
        let start = reader.next();
        let mut missed = 0;
        let mut got = ring.copy(&reader, &mut missed);
        got.extend(ring.copy(&reader, &mut missed));
        let sent = producer.join().unwrap();
        assert_eq!(sent, u64::from(3 * count), "nobody holds it back");
        drain(&mut got, || ring.copy(&reader, &mut missed));
        assert!(got.is_sorted_by(|one, next| one < next), "{got:?}");
        assert_eq!(got.last(), Some(&(sent - 1)), "the last one stays");
        assert_eq!(
            start + missed + got.len() as u64,
            sent,
            "each is received or missed: {got:?}"
        );
    });
}

#[test]
fn a_lossy_subscriber_never_takes_a_torn_message() {
    a_lossy_subscriber_copies(3, 1);
}

#[test]
fn a_lossy_subscriber_never_takes_a_torn_batch() {
    a_lossy_subscriber_copies(2, 2);
}

/// A predecessor has announced how far it would write, and is gone. What is written because of it is refused all the same.
#[test]
fn a_lossy_subscriber_never_takes_what_the_next_producer_tears() {
    explore(3, || {
        let ring = Ring::new(0);
        let first = Writer::new(&*ring);
        assert!(ring.send(&first, 2), "there is room");
        let copier = {
            let ring = ring.clone();
            thread::spawn(move || {
                let reader = Reader::new(limit::join(&*ring, None, From::Position(0), true));
                let mut missed = reader.next();
                let got = ring.copy(&reader, &mut missed);
                assert_eq!(missed + got.len() as u64, reader.next(), "{got:?}");
            })
        };
        assert!(first.room(&*ring, 1, 2).is_some(), "announced and verified");
        drop(first);
        assert_eq!(producer(&ring, 1, 1).join().unwrap(), 1);
        copier.join().unwrap();
    });
}

#[test]
fn a_lossy_subscriber_beside_a_reliable_one() {
    explore(2, || {
        let ring = Ring::new(1);
        let reliable = ring.join(0, limit::newest(&*ring));
        let lossy = Reader::new(limit::join(&*ring, None, limit::newest(&*ring), true));
        let copier = {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut missed = 0;
                ring.copy(&lossy, &mut missed)
            })
        };
        let producer = producer(&ring, 3, 1);
        let mut got = ring.read(0, &reliable);
        let copied = copier.join().unwrap();
        assert!(copied.is_sorted_by(|one, next| one < next), "{copied:?}");
        let sent = producer.join().unwrap();
        drain(&mut got, || ring.read(0, &reliable));
        assert_eq!(got, (0..sent).collect::<Vec<_>>());
    });
}

#[test]
fn a_producer_killed_while_it_sends_leaves_nothing_to_repair() {
    for count in [1, 2] {
        explore_deaths(2, move |steps| {
            let ring = Ring::new(1);
            let reader = ring.join(0, limit::newest(&*ring));
            let sent = Arc::new(loom::sync::atomic::AtomicBool::new(false));
            let mortal = {
                let (ring, sent) = (ring.clone(), sent.clone());
                thread::spawn(move || {
                    mortal::live(steps, || {
                        assert!(ring.send(&Writer::new(&*ring), count));
                        sent.store(true, Ordering::Release);
                    })
                })
            };
            let mut got = ring.read(0, &reader);
            let ended = mortal.join().unwrap();
            // The join is the proof of death.
            let successor = Writer::new(&*ring);
            drain(&mut got, || ring.read(0, &reader));
            assert!(got.is_empty() || got.len() as u32 == count, "{got:?}");
            assert!(
                !got.is_empty() || !sent.load(Ordering::Acquire),
                "what was sent is lost"
            );
            for _ in 0..3 {
                assert!(ring.send(&successor, 1), "the ring is blocked");
                got.extend(ring.read(0, &reader));
            }
            assert_eq!(got, (0..successor.next()).collect::<Vec<_>>());
            ended
        });
    }
}

#[test]
fn a_subscriber_killed_while_it_joins_or_reads_holds_nobody_back_for_ever() {
    explore_deaths(1, |steps| {
        let ring = Ring::new(1);
        let mortal = {
            let ring = ring.clone();
            thread::spawn(move || {
                mortal::live(steps, || {
                    let reader = ring.join(0, From::Oldest);
                    ring.read(0, &reader);
                })
            })
        };
        let writer = Writer::new(&*ring);
        let before = (0..3).filter(|_| ring.send(&writer, 1)).count();
        assert!(before >= 2);
        let ended = mortal.join().unwrap();
        // As recovery does once the death is proven.
        ring.subscribers[0][0].store(DEAD, Ordering::Release);
        for _ in 0..3 {
            assert!(ring.send(&writer, 1), "the ring is blocked");
        }
        ended
    });
}

fn the_stream_ends() {
    explore(3, || {
        let ring = Arc::new(Ring::of(1, Some(AtomicU32::new(0))));
        let reader = ring.join(0, limit::newest(&*ring));
        let producer = producer(&ring, 1, 1);
        let closer = {
            let ring = ring.clone();
            thread::spawn(move || {
                if let Some(closed) = &ring.closed {
                    closed.store(1, Ordering::SeqCst);
                }
            })
        };
        let mut got = ring.read(0, &reader);
        let mut end = None;
        if ring.has_ended() {
            // As the receiver does at the end of a stream: the barrier of a waiter, what the producer is about to do, and the last
            // look.
            fence(Ordering::SeqCst);
            let intended = ring.sent.load(Ordering::Relaxed);
            if !is_pending(&*ring, 0, intended) {
                drain(&mut got, || ring.read(0, &reader));
                end = Some(got.len() as u64);
            }
        }
        let sent = producer.join().unwrap();
        closer.join().unwrap();
        assert!(end.is_none_or(|end| end == sent), "sent after the end");
        drain(&mut got, || ring.read(0, &reader));
        assert_eq!(got.len() as u64, sent);
    });
}

#[test]
fn what_was_sent_before_the_end_is_received() {
    the_stream_ends();
}

#[test]
fn a_relaxed_tail_is_found() {
    finds(Bug::PackedRelaxedTail, || a_reliable_subscriber_reads(1));
}

#[test]
fn a_subscriber_that_does_not_acquire_the_tail_is_found() {
    finds(Bug::PackedRelaxedReady, || a_reliable_subscriber_reads(1));
}

#[test]
fn a_cursor_that_is_shown_too_early_is_found() {
    finds(Bug::PackedCursorTooEarly, || a_reliable_subscriber_reads(1));
}

#[test]
fn copying_without_a_check_is_found() {
    finds(Bug::PackedCopyUnchecked, || a_lossy_subscriber_copies(3, 1));
}

#[test]
fn writing_without_a_fence_is_found() {
    // That of the limit and that of the producer are both left out: `sync::mortal` touches one word at each step, by which any fence
    // that comes after the announcement, whichever thread runs it, orders it here.
    finds(
        Bug::PackedWithoutFence,
        a_lossy_subscriber_never_takes_what_the_next_producer_tears,
    );
    finds(Bug::PackedWithoutFence, || a_lossy_subscriber_copies(3, 1));
}

#[test]
fn a_send_that_is_not_announced_before_the_end_is_looked_for_is_found() {
    finds(Bug::PackedSendUnannounced, the_stream_ends);
}

//! The source of waiting and waking under loom: in every interleaving of up to three threads within a bound on preemptions, and
//! with every value that unordered loads may still see, no thread sleeps while there is something for it and nobody left to wake
//! it; and a killed waiter harms no other.
//!
//! Sleepers have no tick here, so that a lost wake-up is a deadlock. What is waited for is the smallest thing that has the
//! ring's properties: places published in any order, taken in order. Not shown: membarrier, which loom does not know (both
//! sides fence, as on machines without it), and waiters that set `FENCE`; `tests/protocol-model` has membarrier.

use super::{Any, Deadline, Event, WaitStrategy, Waiting, futex, until};
use crate::layout::waiters;
use crate::sync::explore::{explore, explore_deaths};
use crate::sync::mortal::live;
use crate::sync::planted::{Bug, finds};
use crate::sync::{AtomicU32, Ordering};
use loom::thread;
use std::convert::Infallible;
use std::sync::Arc;

const PLACES: usize = 2;

struct Board {
    signal: AtomicU32,
    waiters: AtomicU32,
    published: [AtomicU32; PLACES],
    taken: AtomicU32,
}

impl Board {
    fn new() -> Arc<Self> {
        futex::prepare();
        Arc::new(Self {
            signal: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
            published: [0; PLACES].map(AtomicU32::new),
            taken: AtomicU32::new(0),
        })
    }

    fn event(&self) -> Event<'_> {
        Event {
            signal: &self.signal,
            waiters: &self.waiters,
        }
    }

    /// Publishes a place and wakes one waiter for it.
    fn publish(&self, place: usize) {
        self.publish_batch(place..place + 1);
    }

    /// Publishes places and wakes as many.
    fn publish_batch(&self, places: core::ops::Range<usize>) {
        let count = places.len() as u32;
        for place in places {
            self.published[place].store(1, Ordering::Release);
        }
        self.event().notify(count, false);
    }

    /// Whether the next `count` places are published, the first of them being `taken`.
    fn are_published(&self, taken: u32, count: u32) -> bool {
        let first = taken as usize;
        self.published
            .get(first..first + count as usize)
            .is_some_and(|places| places.iter().all(|place| place.load(Ordering::Acquire) == 1))
    }

    fn try_take(&self, count: u32) -> Option<u32> {
        let mut taken = self.taken.load(Ordering::Acquire);
        while self.are_published(taken, count) {
            match self
                .taken
                .compare_exchange(taken, taken + count, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(taken),
                Err(newer) => taken = newer,
            }
        }
        None
    }

    /// Takes the next `count` places, or waits until they are there.
    fn take(&self, count: u32) -> u32 {
        let end = || self.event_word() & waiters::CLOSED != 0;
        self.wait(count, || self.try_take(count).or_else(|| end().then_some(u32::MAX)))
    }

    fn event_word(&self) -> u32 {
        self.waiters.load(Ordering::SeqCst)
    }

    fn wait(&self, count: u32, attempt: impl FnMut() -> Option<u32>) -> u32 {
        let waiting = Waiting {
            event: self.event(),
            deadline: Deadline::NEVER,
            spinning: WaitStrategy::Sleep.here(),
            several: count > 1,
        };
        let more = || self.are_published(self.taken.load(Ordering::Acquire), 1);
        let Ok(outcome) = until(&waiting, attempt, more, || Ok::<_, Infallible>(()));
        outcome.expect("there is no time limit")
    }
}

/// A thread that publishes.
fn publisher(board: &Arc<Board>, publish: fn(&Board)) -> thread::JoinHandle<()> {
    let board = board.clone();
    thread::spawn(move || publish(&board))
}

/// A thread that takes `count` places.
fn taker(board: &Arc<Board>, count: u32) -> thread::JoinHandle<u32> {
    let board = board.clone();
    thread::spawn(move || board.take(count))
}

#[test]
fn a_waiter_gets_what_is_published_while_it_goes_to_sleep() {
    explore(4, || {
        let board = Board::new();
        let waiter = taker(&board, 1);
        board.publish(0);
        assert_eq!(waiter.join().unwrap(), 0);
    });
}

#[test]
fn a_waiter_gets_one_after_the_other() {
    explore(3, || {
        let board = Board::new();
        let waiter = {
            let board = board.clone();
            thread::spawn(move || [board.take(1), board.take(1)])
        };
        board.publish(0);
        board.publish(1);
        assert_eq!(waiter.join().unwrap(), [0, 1]);
    });
}

/// Two waiters, which get one place each out of what is published.
fn two_waiters(publish: fn(&Board)) {
    explore(1, move || {
        let board = Board::new();
        let (other, publisher) = (taker(&board, 1), publisher(&board, publish));
        let mut got = [board.take(1), other.join().unwrap()];
        publisher.join().unwrap();
        got.sort_unstable();
        assert_eq!(got, [0, 1]);
    });
}

#[test]
fn a_waiter_gets_what_somebody_passing_by_leaves() {
    explore(2, || {
        let board = Board::new();
        let publisher = publisher(&board, |board| {
            board.publish(0);
            board.publish(1);
        });
        let passing = {
            let board = board.clone();
            thread::spawn(move || board.try_take(1))
        };
        let got = board.take(1);
        assert_ne!(passing.join().unwrap(), Some(got));
        publisher.join().unwrap();
    });
}

#[test]
fn two_waiters_get_what_is_published_in_order() {
    two_waiters(|board| {
        board.publish(0);
        board.publish(1);
    });
}

#[test]
fn two_waiters_get_what_is_published_out_of_order() {
    two_waiters(|board| {
        board.publish(1);
        board.publish(0);
    });
}

#[test]
fn two_waiters_share_a_batch() {
    two_waiters(|board| board.publish_batch(0..2));
}

#[test]
fn who_needs_several_does_not_use_up_the_wake_of_another() {
    explore(2, || {
        let board = Board::new();
        let (greedy, modest) = (taker(&board, 2), taker(&board, 1));
        board.publish(0);
        assert_eq!(modest.join().unwrap(), 0);
        // What the other one needs will not come.
        board.event().raise(waiters::CLOSED);
        assert_eq!(greedy.join().unwrap(), u32::MAX);
    });
}

#[test]
fn closing_wakes_everybody() {
    explore(2, || {
        let board = Board::new();
        let both = [taker(&board, 1), taker(&board, 1)];
        board.event().raise(waiters::CLOSED);
        assert_eq!(both.map(|waiter| waiter.join().unwrap()), [u32::MAX; 2]);
    });
}

#[test]
fn a_waiter_killed_at_any_step_harms_no_other() {
    explore_deaths(1, |steps| {
        let board = Board::new();
        let mortal = {
            let board = board.clone();
            thread::spawn(move || {
                let ended = live(steps, || board.take(1));
                if !ended && futex::woken() {
                    // Killed with a wake in its hands: the bound is the others' tick.
                    futex::tick();
                }
                ended
            })
        };
        let publisher = publisher(&board, |board| {
            board.publish(0);
            board.publish(1);
        });
        assert!(board.take(1) <= 1);
        publisher.join().unwrap();
        mortal.join().unwrap()
    });
}

/// Waits for either board, as a set does.
fn wait_for_either<R>(boards: [&Board; 2], attempt: impl FnMut() -> Option<R>) -> R {
    let bell = AtomicU32::new(0);
    let waiting = Waiting {
        event: Any {
            bell: &bell,
            events: boards.map(Board::event).into(),
            sleep: |words: &[(&AtomicU32, u32)], timeout| futex::wait_any(words.iter().copied(), timeout),
        },
        deadline: Deadline::NEVER,
        spinning: WaitStrategy::Sleep.here(),
        several: true,
    };
    let Ok(outcome) = until(&waiting, attempt, || false, || Ok::<_, Infallible>(()));
    outcome.expect("there is no time limit")
}

#[test]
fn a_set_gets_what_is_published_on_either_word() {
    explore(2, || {
        let (one, other) = (Board::new(), Board::new());
        let set = {
            let (one, other) = (one.clone(), other.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    wait_for_either([&one, &other], || one.try_take(1).or_else(|| other.try_take(1)));
                }
            })
        };
        one.publish(0);
        other.publish(0);
        set.join().unwrap();
        assert!(one.try_take(1).is_none() && other.try_take(1).is_none());
    });
}

#[test]
fn a_set_gets_what_two_publish_at_once() {
    explore(2, || {
        let (one, other) = (Board::new(), Board::new());
        let publishers = [
            publisher(&one, |board| board.publish(0)),
            publisher(&other, |board| board.publish(0)),
        ];
        for _ in 0..2 {
            wait_for_either([&one, &other], || one.try_take(1).or_else(|| other.try_take(1)));
        }
        for publisher in publishers {
            publisher.join().unwrap();
        }
    });
}

#[test]
fn a_set_that_takes_nothing_uses_up_no_wake() {
    explore(2, || {
        let (one, other) = (Board::new(), Board::new());
        let waiter = taker(&one, 1);
        let set = {
            let (one, other) = (one.clone(), other.clone());
            // It is woken by the first board, and leaves what is there to others.
            thread::spawn(move || wait_for_either([&one, &other], || other.try_take(1)))
        };
        one.publish(0);
        assert_eq!(waiter.join().unwrap(), 0);
        other.publish(0);
        assert_eq!(set.join().unwrap(), 0);
    });
}

#[test]
fn a_set_killed_at_any_step_harms_no_other() {
    explore_deaths(1, |steps| {
        let (one, other) = (Board::new(), Board::new());
        let mortal = {
            let (one, other) = (one.clone(), other.clone());
            thread::spawn(move || {
                let ended = live(steps, || {
                    wait_for_either([&one, &other], || {
                        let taken = one.taken.load(Ordering::Acquire);
                        (one.are_published(taken, 1) || taken > 0).then_some(())
                    })
                });
                if !ended && futex::woken() {
                    // As for a single waiter: the bound is the others' tick.
                    futex::tick();
                }
                ended
            })
        };
        let publisher = publisher(&one, |board| board.publish(0));
        assert_eq!(one.take(1), 0);
        publisher.join().unwrap();
        mortal.join().unwrap()
    });
}

#[test]
fn a_set_that_uses_up_wakes_is_found() {
    finds(Bug::SetUsesUpWakes, a_set_that_takes_nothing_uses_up_no_wake);
}

#[test]
fn a_publisher_without_a_barrier_is_found() {
    finds(
        Bug::PublisherWithoutBarrier,
        a_waiter_gets_what_is_published_while_it_goes_to_sleep,
    );
}

#[test]
fn a_waiter_without_a_barrier_is_found() {
    finds(
        Bug::WaiterWithoutBarrier,
        a_waiter_gets_what_is_published_while_it_goes_to_sleep,
    );
}

#[test]
fn a_signal_read_after_the_announcement_is_found() {
    finds(
        Bug::SignalReadAfterAnnouncement,
        a_waiter_gets_what_somebody_passing_by_leaves,
    );
}

#[test]
fn an_announcement_cleared_blindly_is_found() {
    finds(Bug::WaitersClearedBlindly, a_waiter_gets_one_after_the_other);
}

#[test]
fn a_wake_that_is_not_passed_on_is_found() {
    finds(Bug::WakeNotPassedOn, two_waiters_get_what_is_published_out_of_order);
}

#[test]
fn an_announcement_that_is_taken_for_granted_is_found() {
    finds(
        Bug::AnnouncementTakenForGranted,
        a_waiter_gets_what_somebody_passing_by_leaves,
    );
}

//! The line under loom: whoever waits in it gets the lock, as often as it comes, and one at a time has it. Sleepers do not wake by
//! themselves here, so that a ring that is missed is a deadlock.
//!
//! The kernel's lock is a word that is changed by read-modify-writes. That what its holders do is ordered by it is the kernel's word, and the lock's here.
//! Deaths are not shown: what they leave is dealt with by time, which loom has not; tests/tests/crowds.rs has them.

use super::{Line, Patience};
use crate::sync::explore::explore;
use crate::sync::planted::{Bug, finds};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::futex;
use loom::thread;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Patience = Patience {
    standstill: Duration::from_secs(1_000),
    whole: Duration::from_secs(1_000),
};

struct Place {
    bell: AtomicU32,
    armed: AtomicU32,
    waiting: AtomicU32,
    kept_until_ns: AtomicU64,
    lock: AtomicU32,
    inside: AtomicU32,
    visits: AtomicU32,
}

impl Place {
    fn new() -> Arc<Self> {
        futex::prepare();
        Arc::new(Self {
            bell: AtomicU32::new(0),
            armed: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            kept_until_ns: AtomicU64::new(0),
            lock: AtomicU32::new(0),
            inside: AtomicU32::new(0),
            visits: AtomicU32::new(0),
        })
    }

    fn visit(&self) {
        let line = Line {
            bell: &self.bell,
            armed: &self.armed,
            waiting: &self.waiting,
            kept_until_ns: &self.kept_until_ns,
        };
        let take = || {
            let taken = self.lock.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
            Ok::<_, Infallible>(taken.is_ok())
        };
        let Ok(entered) = line.enter(take, PATIENCE);
        assert_eq!(entered, Ok(()));
        assert_eq!(self.inside.fetch_add(1, Ordering::Relaxed), 0, "one at a time");
        self.visits.fetch_add(1, Ordering::Relaxed);
        self.inside.fetch_sub(1, Ordering::Relaxed);
        let is_kept = line.keep_turn();
        self.lock.swap(0, Ordering::AcqRel);
        line.ring(is_kept);
    }
}

fn visitor(place: &Arc<Place>, visits: u32) -> thread::JoinHandle<()> {
    let place = place.clone();
    thread::spawn(move || (0..visits).for_each(|_| place.visit()))
}

#[test]
fn two_get_the_lock_as_often_as_they_come() {
    explore(3, || {
        let place = Place::new();
        let other = visitor(&place, 2);
        place.visit();
        other.join().unwrap();
        assert_eq!(place.visits.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn three_get_the_lock_in_turn() {
    explore(1, || {
        let place = Place::new();
        let others = [visitor(&place, 1), visitor(&place, 1)];
        place.visit();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(place.visits.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn a_turn_that_is_kept_for_nobody_is_found() {
    finds(Bug::TurnKeptForNobody, two_get_the_lock_as_often_as_they_come);
}

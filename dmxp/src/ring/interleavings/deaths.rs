//! A producer, a consumer or a sweeper dies at every step; sweepers that run afterwards, and at the same time, put it right.

use super::region::Region;
use crate::ring::queue::consume::Look;
use crate::ring::word::Phase::{Consume, Produce};
use crate::sync::explore::{explore, explore_deaths};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A producer dies sending `count`, while another one sends and the main thread, a consumer, receives and sweeps.
fn a_producer_dies(count: u32) {
    explore_deaths(2, move |steps| {
        let region = Region::new(&[Produce, Produce, Consume]);
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.send(0, 10, count)))
        };
        let living = {
            let region = region.clone();
            thread::spawn(move || region.send(1, 20, 1))
        };
        region.receive(2, 2);
        let ended = mortal.join().unwrap();
        region.recover();
        living.join().unwrap();
        region.settle(1, 2);
        ended
    });
}

#[test]
pub(super) fn a_producer_killed_while_it_sends_blocks_nobody() {
    a_producer_dies(1);
}

#[test]
pub(super) fn a_producer_killed_while_it_sends_a_batch_leaves_all_of_it_or_nothing() {
    a_producer_dies(2);
}

#[test]
pub(super) fn a_ring_with_one_slot_left_is_not_blocked_by_two_who_want_it() {
    explore_deaths(2, |steps| {
        let region = Region::new(&[Produce, Produce, Consume]);
        assert!(region.send(1, 20, 1));
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.send(0, 10, 1)))
        };
        region.send(1, 21, 1);
        region.recover();
        let ended = mortal.join().unwrap();
        region.settle(1, 2);
        ended
    });
}

/// A consumer dies receiving up to `max` of two messages, while another one receives and sweeps.
fn a_consumer_dies(max: u32) {
    explore_deaths(2, move |steps| {
        let region = Region::new(&[Consume, Consume, Produce]);
        assert!(region.send(2, 10, 1) && region.send(2, 11, 1));
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.receive(0, max)))
        };
        region.receive(1, 1);
        region.recover();
        region.receive_returned(1, &mut Look::default());
        let ended = mortal.join().unwrap();
        region.settle(2, 1);
        ended
    });
}

#[test]
pub(super) fn what_a_killed_consumer_held_is_delivered_again() {
    a_consumer_dies(1);
}

#[test]
pub(super) fn the_batch_that_a_killed_consumer_held_is_delivered_again() {
    a_consumer_dies(2);
}

#[test]
pub(super) fn a_returned_message_survives_the_next_reader_too() {
    explore_deaths(2, |steps| {
        let region = Region::new(&[Consume, Consume, Produce, Consume]);
        assert!(region.send(2, 10, 1) && region.send(2, 11, 1));
        // Dies right before it would release: the head has moved, and both are read.
        let mut before = 0;
        loop {
            let trial = Region::new(&[Consume, Produce]);
            assert!(trial.send(1, 10, 1) && trial.send(1, 11, 1));
            if trial.die(0, before + 1, || trial.receive(0, 2)) {
                break;
            }
            before += 1;
        }
        region.die(3, before - 1, || region.receive(3, 2));
        assert!(region.recover());
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.receive_returned(0, &mut Look::default())))
        };
        region.receive_returned(1, &mut Look::default());
        region.recover();
        let ended = mortal.join().unwrap();
        region.settle(2, 1);
        ended
    });
}

/// What the victim of the sweepers was at.
#[derive(Clone, Copy)]
enum Victim {
    Producer,
    Consumer,
}

/// A region in which the victim died after `steps` steps; `None` when that is more than it makes.
fn with_a_victim(victim: Victim, steps: u32) -> (Arc<Region>, bool) {
    let region = match victim {
        Victim::Producer => Region::new(&[Produce, Produce, Consume]),
        Victim::Consumer => Region::new(&[Consume, Produce, Consume]),
    };
    let ended = match victim {
        Victim::Producer => region.die(0, steps, || region.send(0, 10, 2)),
        Victim::Consumer => {
            assert!(region.send(1, 20, 2));
            region.die(0, steps, || region.receive(0, 2))
        }
    };
    (region, ended)
}

/// Calls `scenario` for each step at which the victim can die.
fn for_each_death(victim: Victim, scenario: impl Fn(u32)) {
    for steps in 0.. {
        let ended = Arc::new(AtomicBool::new(false));
        let note = ended.clone();
        explore(0, move || note.store(with_a_victim(victim, steps).1, Ordering::Relaxed));
        scenario(steps);
        if ended.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// The victim is swept while another one, alive, does the same as it did; the sweeper then goes on as a consumer.
fn a_sweep_among_the_living(victim: Victim) {
    for_each_death(victim, |death| {
        explore(2, move || {
            let (region, _) = with_a_victim(victim, death);
            let living = {
                let region = region.clone();
                thread::spawn(move || match victim {
                    Victim::Producer => region.send(1, 20, 1),
                    Victim::Consumer => region.receive(2, 1) > 0,
                })
            };
            region.recover();
            // Steps over what was aborted, or writes where a message was read.
            let _ = match victim {
                Victim::Producer => region.receive(2, 1) > 0,
                Victim::Consumer => region.send(1, 25, 1),
            };
            living.join().unwrap();
            region.settle(1, 2);
        });
    });
}

#[test]
pub(super) fn a_sweeper_leaves_the_claim_of_a_living_producer_alone() {
    a_sweep_among_the_living(Victim::Producer);
}

#[test]
pub(super) fn a_sweeper_leaves_the_claim_of_a_living_consumer_alone() {
    a_sweep_among_the_living(Victim::Consumer);
}

fn a_sweeper_dies(victim: Victim) {
    for_each_death(victim, |death| {
        explore_deaths(1, move |steps| {
            let (region, _) = with_a_victim(victim, death);
            let mortal = {
                let region = region.clone();
                thread::spawn(move || crate::sync::mortal::live(steps, || region.recover()))
            };
            region.recover();
            let ended = mortal.join().unwrap();
            region.settle(1, 2);
            ended
        });
    });
}

#[test]
pub(super) fn a_killed_sweeper_of_a_producer_is_replaced_by_the_next() {
    a_sweeper_dies(Victim::Producer);
}

#[test]
pub(super) fn a_killed_sweeper_of_a_consumer_is_replaced_by_the_next() {
    a_sweeper_dies(Victim::Consumer);
}

fn two_sweepers(victim: Victim) {
    let acted = Arc::new(AtomicBool::new(false));
    for_each_death(victim, |death| {
        let note = acted.clone();
        explore(2, move || {
            let (region, _) = with_a_victim(victim, death);
            let other = {
                let region = region.clone();
                thread::spawn(move || region.recover())
            };
            region.recover();
            // A newcomer takes the record, while the other sweeper may still be at it, and does what it was there for.
            if region.register(0, 2) {
                let acted = match victim {
                    Victim::Producer => region.send(0, 15, 1),
                    Victim::Consumer => region.receive(0, 1) > 0,
                };
                note.fetch_or(acted, Ordering::Relaxed);
            }
            other.join().unwrap();
            region.settle(1, 2);
        });
    });
    assert!(acted.load(Ordering::Relaxed), "the newcomer had nothing to do");
}

#[test]
pub(super) fn two_sweepers_of_a_producer_leave_the_newcomer_in_its_record_alone() {
    two_sweepers(Victim::Producer);
}

#[test]
pub(super) fn two_sweepers_of_a_consumer_leave_the_newcomer_in_its_record_alone() {
    two_sweepers(Victim::Consumer);
}

#[test]
pub(super) fn what_a_killed_consumer_was_putting_back_is_delivered() {
    explore_deaths(2, |steps| {
        let region = Region::new(&[Consume, Consume, Produce]);
        assert!(region.send(2, 10, 1) && region.send(2, 11, 1));
        let mortal = {
            let region = region.clone();
            thread::spawn(move || {
                region.die(0, steps, || {
                    region.put_back(0, 2);
                    region.put_back_returned(0, &mut Look::default());
                })
            })
        };
        region.receive_returned(1, &mut Look::default());
        region.recover();
        let ended = mortal.join().unwrap();
        region.settle(2, 1);
        ended
    });
}

/// What is put back has the count that it had: the next reader's mark is as that of the last, and that of the dead is not.
#[test]
pub(super) fn a_newcomer_that_puts_back_what_the_dead_had_is_not_robbed() {
    explore_deaths(2, |steps| {
        let region = Region::new(&[Consume, Produce, Consume]);
        assert!(region.send(1, 20, 1) && region.put_back(2, 1));
        let ended = region.die(0, steps, || region.receive_returned(0, &mut Look::default()));
        let other = {
            let region = region.clone();
            thread::spawn(move || region.recover())
        };
        region.recover();
        if region.register(0, 2) && region.put_back_returned(0, &mut Look::default()) {
            region.receive_returned(0, &mut Look::default());
        }
        other.join().unwrap();
        region.settle(1, 2);
        ended
    });
}

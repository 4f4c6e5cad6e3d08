//! The shortest way through the ring, one message at a time: among the living, and with a death at every step.

use super::memory::{Ring, cell};
use super::region::Region;
use crate::ring::word::Phase::{Consume, Produce};
use crate::sync::explore::{explore, explore_deaths};
use loom::thread;

#[test]
pub(super) fn a_message_is_read_as_it_was_written() {
    explore(4, || {
        let ring = Ring::new();
        let receiver = {
            let ring = ring.clone();
            thread::spawn(move || ring.receive_one(&cell()))
        };
        assert!(ring.send_one(&cell(), 9), "nobody else sends");
        let received = receiver.join().unwrap().or_else(|| ring.receive_one(&cell()));
        assert_eq!(received, Some(9));
    });
}

#[test]
pub(super) fn a_slot_is_written_again_only_after_it_was_read() {
    explore(4, || {
        let ring = Ring::new();
        let own = cell();
        assert!(ring.send_one(&own, 1) && ring.send_one(&own, 2), "there are two slots");
        let sender = {
            let ring = ring.clone();
            thread::spawn(move || ring.send_one(&cell(), 3))
        };
        assert_eq!(ring.receive_one(&cell()), Some(1));
        let sent = sender.join().unwrap();
        assert_eq!(ring.receive_one(&cell()), Some(2));
        assert_eq!(ring.receive_one(&cell()), sent.then_some(3));
    });
}

#[test]
fn of_two_producers_that_meet_one_sends_and_the_other_says_so() {
    explore(3, || {
        let ring = Ring::new();
        let other = {
            let ring = ring.clone();
            thread::spawn(move || ring.send_one(&cell(), 20))
        };
        let sent = [ring.send_one(&cell(), 10), other.join().unwrap()];
        assert!(sent.contains(&true), "one of them had the tail");
        let own = cell();
        let mut received: Vec<_> = core::iter::from_fn(|| ring.receive_one(&own)).collect();
        received.sort_unstable();
        let expected: Vec<_> = [10, 20]
            .into_iter()
            .zip(sent)
            .filter(|(_, sent)| *sent)
            .map(|(value, _)| value)
            .collect();
        assert_eq!(received, expected);
    });
}

#[test]
fn two_consumers_never_get_the_same_message() {
    explore(3, || {
        let ring = Ring::new();
        let own = cell();
        assert!(ring.send_one(&own, 1) && ring.send_one(&own, 2), "there are two slots");
        let other = {
            let ring = ring.clone();
            thread::spawn(move || ring.receive_one(&cell()))
        };
        let mut received: Vec<_> = ring
            .receive_one(&own)
            .into_iter()
            .chain(other.join().unwrap())
            .collect();
        received.extend(core::iter::from_fn(|| ring.receive_one(&own)));
        received.sort_unstable();
        assert_eq!(received, [1, 2]);
    });
}

#[test]
pub(super) fn a_producer_killed_while_it_sends_blocks_nobody() {
    explore_deaths(2, |steps| {
        let region = Region::new(&[Produce, Produce, Consume]);
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.send_one(0, 10)))
        };
        region.send_one(1, 20);
        let ended = mortal.join().unwrap();
        region.recover();
        region.settle(1, 2);
        ended
    });
}

#[test]
pub(super) fn a_consumer_killed_while_it_receives_loses_nothing() {
    explore_deaths(2, |steps| {
        let region = Region::new(&[Consume, Consume, Produce]);
        assert!(region.send_one(2, 10) && region.send_one(2, 11), "there are two slots");
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.receive_one(0)))
        };
        region.receive_one(1);
        let ended = mortal.join().unwrap();
        region.recover();
        region.settle(2, 1);
        ended
    });
}

//! The living among themselves: each message once, whole, and in slots that nobody else is at.

use super::memory::{Ring, cell};
use crate::ring::queue::produce;
use crate::sync::explore::explore;
use loom::thread;

#[test]
pub(super) fn two_producers_and_a_consumer_exchange_each_message_once() {
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
pub(super) fn two_consumers_never_get_the_same_message() {
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
pub(super) fn a_message_is_read_as_it_was_written() {
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
pub(super) fn a_batch_is_seen_whole_or_not_at_all() {
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
pub(super) fn a_slot_is_written_again_only_after_it_was_read() {
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
pub(super) fn an_aborted_claim_is_stepped_over() {
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

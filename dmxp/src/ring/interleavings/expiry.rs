//! Messages that expired are skipped by two consumers, of which one dies at every step, while another is sent into their slots.
//!
//! What runs here is how ranges are divided and claimed ([`consume::claim`](crate::ring::consume::claim)); the loop around it, which
//! counts and releases what is old, is a likeness of the one in `crate::delivery::queue::expiry`, as the recovery in
//! [`region`](super::region) is one of `crate::recovery`.

use super::region::Region;
use crate::ring::queue::consume::Look;
use crate::ring::word::Phase::{Consume, Produce};
use crate::sync::explore::explore_deaths;
use loom::thread;

/// Two messages fill the ring, the first `old` of them expired; a consumer that asks for up to `max` dies at them. Meanwhile the
/// main thread is another consumer, then a producer that sends into what was freed, then a sweeper.
fn a_consumer_dies_at_expired_messages(old: u32, max: u32) {
    explore_deaths(2, move |steps| {
        let region = Region::with_expiry(&[Consume, Consume, Produce]);
        assert!(region.send_old(2, 10, old));
        assert!(old == 2 || region.send(2, 11, 1));
        let mortal = {
            let region = region.clone();
            thread::spawn(move || region.die(0, steps, || region.receive(0, max)))
        };
        region.receive(1, max);
        region.send(2, 12, 1);
        region.recover();
        region.receive_returned(1, &mut Look::default());
        let ended = mortal.join().unwrap();
        region.settle(2, 1);
        ended
    });
}

#[test]
pub(super) fn a_live_message_behind_an_expired_one_survives_who_dies_skipping() {
    a_consumer_dies_at_expired_messages(1, 2);
}

#[test]
pub(super) fn a_live_message_in_the_slot_of_an_expired_one_is_not_taken_for_it() {
    a_consumer_dies_at_expired_messages(2, 1);
}

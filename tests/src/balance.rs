//! What was sent against what was received, from the ledgers of processes that were killed.

use crate::{Entry, Ledger};
use std::collections::BTreeMap;

/// Everything that is known of what happened to messages.
#[derive(Debug, Default)]
pub struct Balance {
    messages: BTreeMap<(u64, u64), Deliveries>,
    /// How many messages each producer has written down as sent.
    sent: BTreeMap<u64, u64>,
    /// How many messages killed consumers may have copied and not written down.
    copied: u64,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Deliveries {
    unflagged: u64,
    flagged: u64,
    /// The largest count of redeliveries it came with.
    highest: u64,
    /// Deliveries whose consumer has let go of it, and the count of redeliveries it came with.
    finished: u64,
    finished_at: u64,
}

/// A balance that is even.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balanced {
    /// Messages whose sending was written down.
    pub sent: u64,
    /// Messages that were received, however often.
    pub received: u64,
    /// Deliveries with the flag.
    pub flagged: u64,
    /// Messages that were sent and are not there.
    pub lost: u64,
    /// How many could be lost with the copies of killed consumers.
    pub copied: u64,
}

impl Balance {
    /// A delivery whose consumer has let go of the message.
    pub fn received(&mut self, producer: u64, number: u64, redelivered: u64) {
        let entry = Entry {
            producer,
            number,
            redelivered,
        };
        self.delivery(entry, true);
    }

    /// Messages 0 to `count` - 1 of `producer` were sent.
    pub fn sent(&mut self, producer: u64, count: u64) {
        self.sent.insert(producer, count);
    }

    /// The ledger of a consumer that writes a message down before it lets go of it. `killed`: it may have died with the
    /// messages of the last call in its hands.
    ///
    /// # Panics
    /// When it holds a torn message, or messages of one producer out of their order.
    pub fn add_holder(&mut self, entries: &[Entry], killed: bool) {
        let certain = entries.len().saturating_sub(if killed { Ledger::MOST } else { 0 });
        check_order(entries);
        for (index, entry) in entries.iter().enumerate() {
            self.delivery(*entry, index < certain);
        }
    }

    /// The ledger of a killed consumer that copies messages, and writes them down when it has let go of them.
    ///
    /// # Panics
    /// When it holds a torn message, or messages of one producer out of their order, or more than were asked for.
    pub fn add_copier(&mut self, entries: &[Entry]) {
        let mut open = 0;
        let is_call = |entry: &&Entry| entry.producer == Ledger::CALL;
        for entry in entries {
            if is_call(&entry) {
                open = entry.number;
                continue;
            }
            assert_ne!(open, 0, "{entry:?} was not asked for");
            open -= 1;
            self.delivery(*entry, true);
        }
        let messages: Vec<_> = entries.iter().filter(|entry| !is_call(entry)).copied().collect();
        check_order(&messages);
        assert!(open <= Ledger::MOST as u64, "a call copies at most {}", Ledger::MOST);
        self.copied += open;
    }

    fn delivery(&mut self, entry: Entry, finished: bool) {
        let message = self.messages.entry((entry.producer, entry.number)).or_default();
        *if entry.redelivered == 0 {
            &mut message.unflagged
        } else {
            &mut message.flagged
        } += 1;
        message.highest = message.highest.max(entry.redelivered);
        if finished {
            message.finished += 1;
            message.finished_at = message.finished_at.max(entry.redelivered);
        }
    }

    /// Checks all of it. `open`: how many messages a producer that was killed may have sent and not written down.
    ///
    /// # Panics
    /// When a message was lost that no killed consumer can have copied; came twice without its flag; came again although its
    /// consumer had let go of it; or was never sent.
    #[must_use]
    pub fn check(&self, open: u64) -> Balanced {
        let mut result = Balanced {
            received: self.messages.len() as u64,
            copied: self.copied,
            ..Balanced::default()
        };
        let mut lost = Vec::new();
        for (&producer, &count) in &self.sent {
            result.sent += count;
            lost.extend(
                (0..count)
                    .map(|number| (producer, number))
                    .filter(|message| !self.messages.contains_key(message)),
            );
        }
        result.lost = lost.len() as u64;
        assert!(
            result.lost <= self.copied,
            "lost, and at most {} can have been copied by the dead: (producer, number) {lost:?}",
            self.copied
        );
        for ((producer, number), deliveries) in &self.messages {
            let what = format!("message {number} of producer {producer}: {deliveries:?}");
            let known = self.sent.get(producer).is_some_and(|count| *number < count + open);
            assert!(known, "never sent: {what}");
            assert!(deliveries.unflagged <= 1, "twice without its flag: {what}");
            // A consumer whose message comes again is dead. One that goes on after it was not robbed of it.
            assert!(deliveries.finished <= 1, "twice to the end: {what}");
            assert!(
                deliveries.finished == 0 || deliveries.highest == deliveries.finished_at,
                "again after somebody had it to the end: {what}"
            );
            result.flagged += deliveries.flagged;
        }
        result
    }
}

/// Fails on a torn message, and on one that comes unflagged after a later one of its producer.
fn check_order(entries: &[Entry]) {
    let mut last = BTreeMap::<u64, u64>::new();
    for entry in entries {
        assert_ne!(entry.producer, Ledger::TORN, "a torn message");
        if entry.redelivered == 0 {
            let earlier = last.insert(entry.producer, entry.number);
            assert!(
                earlier < Some(entry.number),
                "{entry:?} after number {earlier:?} of its producer"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, redelivered: u64) -> Entry {
        Entry {
            producer: 1,
            number,
            redelivered,
        }
    }

    fn call(most: u64) -> Entry {
        Entry {
            producer: Ledger::CALL,
            number: most,
            redelivered: 0,
        }
    }

    #[test]
    fn a_redelivery_of_what_a_killed_consumer_held_is_even() {
        let mut balance = Balance::default();
        balance.sent(1, 2);
        balance.add_holder(&[entry(0, 0), entry(1, 0)], true);
        balance.add_holder(&[entry(1, 1)], false);
        let found = balance.check(0);
        assert_eq!((found.sent, found.received, found.flagged, found.lost), (2, 2, 1, 0));
    }

    #[test]
    fn copies_of_one_call_may_be_lost_for_each_kill() {
        let mut balance = Balance::default();
        balance.sent(1, 5);
        balance.add_copier(&[call(1), entry(0, 0), call(3), entry(1, 0)]);
        balance.add_holder(&[entry(4, 0)], false);
        let found = balance.check(0);
        assert_eq!((found.lost, found.copied), (2, 2));
    }

    #[test]
    #[should_panic(expected = "lost")]
    fn one_more_than_that_is_lost() {
        let mut balance = Balance::default();
        balance.sent(1, 5);
        balance.add_copier(&[call(1), entry(0, 0), call(3), entry(1, 0)]);
        let _ = balance.check(0);
    }

    #[test]
    #[should_panic(expected = "again after somebody had it to the end")]
    fn a_message_that_comes_again_although_its_consumer_went_on_is_robbery() {
        let mut balance = Balance::default();
        balance.sent(1, 1);
        balance.add_holder(&[entry(0, 0)], false);
        balance.add_holder(&[entry(0, 1)], true);
        let _ = balance.check(0);
    }

    #[test]
    #[should_panic(expected = "twice without its flag")]
    fn a_second_delivery_without_the_flag_is_found() {
        let mut balance = Balance::default();
        balance.sent(1, 1);
        balance.add_holder(&[entry(0, 0)], true);
        balance.add_holder(&[entry(0, 0)], true);
        let _ = balance.check(0);
    }

    #[test]
    #[should_panic(expected = "never sent")]
    fn a_message_that_nobody_sent_is_found() {
        let mut balance = Balance::default();
        balance.sent(1, 1);
        balance.add_holder(&[entry(0, 0), entry(4, 0)], true);
        let _ = balance.check(3);
    }
}

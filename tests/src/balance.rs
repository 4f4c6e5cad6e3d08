//! What was sent against what was received, from the ledgers of processes that were killed.

use crate::{Entry, Ledger};
use std::collections::BTreeMap;

/// Everything that is known of what happened to messages.
#[derive(Debug, Default)]
pub struct Balance {
    /// By producer, in the order of their numbers: there are tens of millions.
    messages: BTreeMap<u64, Vec<Deliveries>>,
    /// How many messages each producer has written down as sent.
    sent: BTreeMap<u64, u64>,
    /// How many messages killed consumers may have copied and not written down.
    copied: u64,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, Default)]
struct Deliveries {
    unflagged: u8,
    flagged: u8,
    /// The largest count of redeliveries it came with.
    highest: u8,
    /// Deliveries whose consumer has let go of it, and the largest count of redeliveries it came with then.
    finished: u8,
    finished_at: u8,
}

impl Deliveries {
    fn any(self) -> bool {
        self.unflagged != 0 || self.flagged != 0
    }
}

/// More messages than any producer sends.
const ENDLESS: u64 = 1 << 32;

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
        assert!(entry.number < ENDLESS, "never sent: {entry:?}");
        let index = entry.number as usize;
        let of_producer = self.messages.entry(entry.producer).or_default();
        if of_producer.len() <= index {
            of_producer.resize(index + 1, Deliveries::default());
        }
        let message = &mut of_producer[index];
        let redelivered = u8::try_from(entry.redelivered).expect("no message can be delivered that often");
        let count = if redelivered == 0 {
            &mut message.unflagged
        } else {
            &mut message.flagged
        };
        *count = count.saturating_add(1);
        message.highest = message.highest.max(redelivered);
        if finished {
            message.finished = message.finished.saturating_add(1);
            message.finished_at = message.finished_at.max(redelivered);
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
            copied: self.copied,
            ..Balanced::default()
        };
        let mut lost = Vec::new();
        for (&producer, &count) in &self.sent {
            result.sent += count;
            let known = self.messages.get(&producer).map_or(&[][..], Vec::as_slice);
            let there = |number: u64| known.get(number as usize).is_some_and(|message| message.any());
            lost.extend(
                (0..count)
                    .filter(|number| !there(*number))
                    .map(|number| (producer, number)),
            );
        }
        result.lost = lost.len() as u64;
        assert!(
            result.lost <= self.copied,
            "lost, and at most {} can have been copied by the dead: (producer, number) {lost:?}",
            self.copied
        );
        for (producer, messages) in &self.messages {
            let sent = self.sent.get(producer).map_or(0, |count| count + open);
            for (number, deliveries) in messages.iter().enumerate().filter(|(_, message)| message.any()) {
                let what = || format!("message {number} of producer {producer}: {deliveries:?}");
                assert!((number as u64) < sent, "never sent: {}", what());
                assert!(deliveries.unflagged <= 1, "twice without its flag: {}", what());
                // A consumer whose message comes again is dead. One that goes on after it was not robbed of it.
                assert!(deliveries.finished <= 1, "twice to the end: {}", what());
                assert!(
                    deliveries.finished == 0 || deliveries.highest == deliveries.finished_at,
                    "again after somebody had it to the end: {}",
                    what()
                );
                result.received += 1;
                result.flagged += u64::from(deliveries.flagged);
            }
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

//! What was sent on a broadcast or latest channel, by message id, against what each subscriber got, from the ledgers of processes
//! that were killed.

use crate::{Ledger, Numbered};
use dmxp::Metadata;
use std::collections::BTreeMap;
use std::path::Path;

/// Something that a process did, as its ledger has it. Times are of [`monotonic_ns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Has subscribed, before that time, with this position as its start or with what comes.
    Subscribed {
        /// The position.
        start: Option<u64>,
        /// The time.
        at_ns: u64,
    },
    /// Is about to send, after that time.
    Sending {
        /// The time.
        at_ns: u64,
    },
    /// Has sent this message, or received it.
    Message {
        /// Who sent it.
        producer: u64,
        /// Its number.
        number: u64,
        /// Its id, one more than its position.
        id: u64,
    },
    /// Missed as many before the next message.
    Missed(u64),
    /// Received a message that was not whole.
    Torn,
    /// Found no newest value, although it had seen one.
    Nothing,
}

const SUBSCRIBED: u64 = u64::MAX;
const SENDING: u64 = u64::MAX - 1;
const MISSED: u64 = u64::MAX - 2;
const TORN: u64 = u64::MAX - 3;
const NOTHING: u64 = u64::MAX - 4;

impl Event {
    fn words(self) -> [u64; 3] {
        match self {
            Self::Subscribed { start, at_ns } => [SUBSCRIBED, start.unwrap_or(u64::MAX), at_ns],
            Self::Sending { at_ns } => [SENDING, 0, at_ns],
            Self::Message { producer, number, id } => [producer, number, id],
            Self::Missed(count) => [MISSED, count, 0],
            Self::Torn => [TORN, 0, 0],
            Self::Nothing => [NOTHING, 0, 0],
        }
    }

    fn of([first, second, third]: [u64; 3]) -> Self {
        match first {
            SUBSCRIBED => Self::Subscribed {
                start: (second != u64::MAX).then_some(second),
                at_ns: third,
            },
            SENDING => Self::Sending { at_ns: third },
            MISSED => Self::Missed(second),
            TORN => Self::Torn,
            NOTHING => Self::Nothing,
            producer => Self::Message {
                producer,
                number: second,
                id: third,
            },
        }
    }

    /// What there is to note of a message that a subscriber got: how many it missed before it, if any, and itself.
    pub fn received(message: &Numbered, metadata: &Metadata) -> impl Iterator<Item = Self> + use<> {
        let missed = (metadata.missed > 0).then_some(Self::Missed(metadata.missed));
        let itself = if message.is_whole() {
            Self::Message {
                producer: message.producer,
                number: message.number,
                id: metadata.message_id,
            }
        } else {
            Self::Torn
        };
        missed.into_iter().chain([itself])
    }

    /// Writes events by one write(2): a process that is killed leaves all of them, or nothing.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn note(ledger: &mut Ledger, events: &[Self]) -> std::io::Result<()> {
        let words: Vec<_> = events.iter().map(|event| event.words()).collect();
        ledger.write_words(&words)
    }

    /// The events of a ledger.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read(path: &Path) -> Vec<Self> {
        Ledger::read_words(path).into_iter().map(Self::of).collect()
    }
}

/// A clock that all processes share, and that does not jump.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to `now`.
    let told = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(told, 0, "a clock");
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// How a subscriber gets its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// All of them.
    Reliable,
    /// As many as it is fast enough for, and how many it missed.
    Lossy,
    /// The newest.
    Latest,
}

/// Everything that was sent on one channel.
#[derive(Debug, Default)]
pub struct Stream {
    /// Producer and number by id.
    messages: Vec<Option<(u64, u64)>>,
    /// How many are known below each id.
    below: Vec<u64>,
    /// When the sending began and the id, by time; then the lowest id of this and all later ones.
    sendings: Vec<(u64, u64)>,
    /// How many messages each producer has written down.
    noted: BTreeMap<u64, u64>,
}

/// From one subscription to the next, by another process.
#[derive(Debug, Default)]
struct Session {
    start: Option<u64>,
    at_ns: u64,
    /// Ids, and how many were missed before.
    got: Vec<(u64, u64)>,
}

fn sessions(events: &[Event]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut missed = 0;
    for &event in events {
        match event {
            Event::Subscribed { start, at_ns } => {
                missed = 0;
                sessions.push(Session {
                    start,
                    at_ns,
                    got: Vec::new(),
                });
            }
            Event::Missed(count) => missed = count,
            Event::Message { id, .. } => {
                let session = sessions.last_mut().expect("a subscription before its messages");
                session.got.push((id, std::mem::take(&mut missed)));
            }
            Event::Torn | Event::Nothing | Event::Sending { .. } => panic!("{event:?} after {:?}", sessions.last()),
        }
    }
    sessions
}

impl Stream {
    /// The ledger of a producer.
    ///
    /// # Panics
    /// When its messages are out of order.
    pub fn add_producer(&mut self, name: u64, events: &[Event]) {
        let (mut at, mut count, mut last) = (0, 0, 0);
        for &event in events {
            match event {
                Event::Sending { at_ns } => at = at_ns,
                Event::Message { producer, number, id } => {
                    assert!(
                        producer == name && number == count && id > last,
                        "{event:?} after {last}"
                    );
                    (count, last) = (count + 1, id);
                    self.sendings.push((at, id));
                    self.put(id, (producer, number));
                }
                other => panic!("{other:?} of a producer"),
            }
        }
        self.noted.insert(name, count);
    }

    /// What a subscriber got is known to have been sent, also if its producer was killed before it wrote it down.
    ///
    /// # Panics
    /// When another message is known under the same id.
    pub fn add_received(&mut self, events: &[Event]) {
        for &event in events {
            if let Event::Message { producer, number, id } = event {
                self.put(id, (producer, number));
            }
        }
    }

    fn put(&mut self, id: u64, message: (u64, u64)) {
        let index = id as usize;
        if self.messages.len() <= index {
            self.messages.resize(index + 1, None);
        }
        let known = self.messages[index].get_or_insert(message);
        assert_eq!(*known, message, "message {id}");
    }

    /// To be called when all is known, before subscribers are checked. `seen`: some subscriber received every message; otherwise the last
    /// call of a killed producer may have sent some that are not known. How many messages are known to have been sent.
    ///
    /// # Panics
    /// When a producer's messages are out of order, twice there, or were never sent.
    pub fn complete(&mut self, seen: bool) -> u64 {
        let mut next: BTreeMap<u64, u64> = BTreeMap::new();
        let mut known = 0;
        self.below.clear();
        for message in &self.messages {
            self.below.push(known);
            if let &Some((producer, number)) = message {
                known += 1;
                let next = next.entry(producer).or_default();
                let noted = self.noted.get(&producer).copied().unwrap_or(0);
                let unknown = !seen && number > *next && *next >= noted;
                assert!(
                    number == *next || unknown,
                    "{number}, not {next}, of producer {producer}"
                );
                *next = number + 1;
            }
        }
        self.below.push(known);
        for (producer, count) in next {
            let noted = self.noted.get(&producer).copied().unwrap_or(0);
            let most = noted + Ledger::MOST as u64;
            assert!((noted..=most).contains(&count), "{count} of {noted} of {producer}");
        }
        self.sendings.sort_unstable();
        let mut lowest = u64::MAX;
        for (_, id) in self.sendings.iter_mut().rev() {
            lowest = lowest.min(*id);
            *id = lowest;
        }
        known
    }

    /// How many messages are known from id `first` to id `last`.
    fn known(&self, first: u64, last: u64) -> u64 {
        if first > last {
            return 0;
        }
        let below = |id: u64| self.below[(id as usize).min(self.below.len() - 1)];
        below(last + 1) - below(first)
    }

    fn last(&self) -> u64 {
        self.messages.len().saturating_sub(1) as u64
    }

    /// The lowest id of those whose sending began after a time.
    fn sent_after(&self, at_ns: u64) -> Option<u64> {
        let after = self.sendings.partition_point(|&(sending, _)| sending <= at_ns);
        self.sendings.get(after).map(|&(_, id)| id)
    }

    /// Checks what the processes of one subscriber got. `given_up`: whether there are positions without a message. `ended`: the last
    /// of them came to the end of the stream. How many messages it got, and how many it was told that it missed.
    ///
    /// # Panics
    /// When that is not what its policy says.
    pub fn check(&self, policy: Policy, events: &[Event], given_up: bool, ended: bool) -> (u64, u64) {
        let (mut received, mut missed_in_all, mut before) = (0, 0, 0);
        for session in sessions(events) {
            let whose = || format!("{policy:?} from {:?} at {}", session.start, session.at_ns);
            let (mut last, mut is_first) = (0, true);
            for &(id, missed) in &session.got {
                match policy {
                    Policy::Latest => assert!(id >= before, "{}: {id} after {before}", whose()),
                    _ => assert!(id > before, "{}: {id} after {before}", whose()),
                }
                // Positions that were not received.
                let gap = match (is_first, session.start) {
                    (true, None) => None,
                    (true, Some(start)) => Some((start + 1, id - 1)),
                    (false, _) => Some((last + 1, id.max(last + 1) - 1)),
                };
                if let Some((from, to)) = gap {
                    let (known, positions) = (self.known(from, to), (to + 1).saturating_sub(from));
                    let exact = !given_up || policy == Policy::Latest;
                    let right = if exact {
                        missed == positions
                    } else {
                        (known..=positions).contains(&missed)
                    };
                    assert!(
                        right,
                        "{}: {missed} missed before {id}, of {positions} with {known} messages",
                        whose()
                    );
                }
                if policy == Policy::Reliable {
                    assert!(is_first || missed == 0, "{}: {missed} missed before {id}", whose());
                }
                (last, is_first, before) = (id, false, id);
                received += 1;
                missed_in_all += missed;
            }
            if policy == Policy::Reliable
                && let Some(&(first, _)) = session.got.first()
                && let Some(owed) = self.sent_after(session.at_ns)
            {
                assert!(first <= owed, "{}: began with {first}, not {owed}", whose());
            }
        }
        if ended {
            assert_eq!(before, self.last(), "{policy:?} at the end");
        }
        (received, missed_in_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, id: u64) -> Event {
        Event::Message {
            producer: 1,
            number,
            id,
        }
    }

    /// Messages with the ids 1, 2, 4 and 5, sent at these times.
    fn stream() -> Stream {
        let mut stream = Stream::default();
        let events: Vec<_> = [1, 2, 4, 5]
            .into_iter()
            .zip(0..)
            .flat_map(|(id, number)| [Event::Sending { at_ns: id }, message(number, id)])
            .collect();
        stream.add_producer(1, &events);
        assert_eq!(stream.complete(true), 4);
        stream
    }

    fn check(policy: Policy, given_up: bool, start: Option<u64>, events: &[Event]) -> (u64, u64) {
        let mut all = vec![Event::Subscribed { start, at_ns: 1 }];
        all.extend(events);
        stream().check(policy, &all, given_up, false)
    }

    #[test]
    fn what_a_policy_allows_is_balanced() {
        let all = [message(1, 2), message(2, 4), message(3, 5)];
        assert_eq!(check(Policy::Reliable, true, None, &all), (3, 0));
        assert_eq!(check(Policy::Reliable, true, Some(1), &all), (3, 0));
        let some = [message(0, 1), Event::Missed(2), message(2, 4)];
        assert_eq!(check(Policy::Lossy, true, None, &some), (2, 2));
        assert_eq!(check(Policy::Latest, true, None, &some), (2, 2));
    }

    #[test]
    #[should_panic(expected = "0 missed before 5, of 2 with 1 messages")]
    fn a_lost_message_is_found() {
        check(Policy::Reliable, true, None, &[message(1, 2), message(3, 5)]);
    }

    #[test]
    #[should_panic(expected = "began with 4, not 2")]
    fn a_late_beginning_is_found() {
        check(Policy::Reliable, true, None, &[message(2, 4), message(3, 5)]);
    }

    #[test]
    #[should_panic(expected = "4 after 4")]
    fn a_message_twice_is_found() {
        check(Policy::Lossy, true, None, &[message(2, 4), message(2, 4)]);
    }

    #[test]
    #[should_panic(expected = "2 after 4")]
    fn an_older_value_is_found() {
        check(Policy::Latest, true, None, &[message(2, 4), message(1, 2)]);
    }

    #[test]
    #[should_panic(expected = "0 missed before 4, of 2 with 1 messages")]
    fn a_wrong_count_is_found() {
        check(Policy::Lossy, true, None, &[message(0, 1), message(2, 4)]);
    }

    #[test]
    #[should_panic(expected = "Torn")]
    fn a_torn_message_is_found() {
        check(Policy::Lossy, true, None, &[Event::Torn]);
    }
}

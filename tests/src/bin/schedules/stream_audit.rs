//! Whether the ledger of a schedule keeps what a broadcast or latest channel promises.
//!
//! Each message has an id, which its send returned and each subscriber was told: both must agree, for all. What a subscriber is owed is
//! decided by ids. A message is *known* if its send said so, or if any subscriber got it.

use crate::arena::{Deed, Event, Policy};
use crate::audit::Audited;
use crate::plan::{Kind, Plan};
use crate::trial::Counted;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Message {
    key: u32,
    /// Where in the ledger its sending began, and had returned.
    begun_at: usize,
    sent_at: Option<usize>,
}

/// All messages that are known, by id.
type Known = BTreeMap<u16, Message>;

/// A subscriber's life, from its opening on.
#[derive(Debug)]
struct Session {
    process: u8,
    policy: Policy,
    /// When it was open.
    joined_at: usize,
    /// The id it got last, 0 for none yet.
    last: u16,
    /// How many it was told that it missed.
    missed: u64,
    /// It gave back what it got last.
    gave_back: bool,
    receiving_since: usize,
    /// Whether that call looks at the newest value, seen before or not.
    looks: bool,
}

/// A producer's life.
#[derive(Debug, Default)]
struct Life {
    opening_since: Option<usize>,
    since: Option<usize>,
    /// From then on it sends nothing, and holds nothing.
    idle_since: Option<usize>,
    until: Option<usize>,
}

/// Reads the ledger in order.
pub(crate) fn audit(plan: &Plan, events: &[Event], left: &Counted) -> Result<Audited, String> {
    let known = know(events)?;
    let mut audited = Audited {
        sent: known.values().filter(|message| message.sent_at.is_some()).count() as u64,
        ..Audited::default()
    };
    let (mut sessions, mut lives) = (BTreeMap::<u8, Session>::new(), BTreeMap::<u8, Life>::new());
    let gave_up = events
        .iter()
        .any(|event| event.deed == Deed::Died || event.deed == Deed::Unsent);
    let mut closed_at = None;
    let mut reopened = false;
    let mut somebody_died = false;
    for (index, event) in events.iter().enumerate() {
        let at = Place {
            plan,
            events,
            known: &known,
            index,
        };
        match event.deed {
            Deed::Joining => {}
            Deed::Joined => {
                let session = Session {
                    process: event.process,
                    policy: match event.more {
                        0 => Policy::Reliable,
                        1 => Policy::Lossy,
                        _ => Policy::Latest,
                    },
                    joined_at: index,
                    last: 0,
                    missed: 0,
                    gave_back: false,
                    receiving_since: index,
                    looks: false,
                };
                sessions.insert(event.process, session);
            }
            Deed::Opening => {
                lives.entry(event.process).or_default().opening_since = Some(index);
                reopened |= closed_at.is_some();
            }
            Deed::Opened => {
                let life = lives.entry(event.process).or_default();
                (life.opening_since, life.since) = (None, Some(index));
            }
            Deed::Staying if !sessions.contains_key(&event.process) => {
                lives.entry(event.process).or_default().idle_since = Some(index);
            }
            Deed::Leaving => lives.entry(event.process).or_default().until = Some(index),
            Deed::Died => {
                somebody_died = true;
                let life = lives.entry(event.process).or_default();
                life.opening_since = None;
                life.until.get_or_insert(index);
            }
            Deed::Closing => {
                closed_at = closed_at.or(Some(index));
                reopened |= lives.values().any(|life| life.opening_since.is_some());
            }
            Deed::GotNothing if !sessions.contains_key(&event.process) => {
                // A second producer was refused.
                lives.entry(event.process).or_default().opening_since = None;
            }
            _ => {
                let Some(session) = sessions.get_mut(&event.process) else {
                    continue;
                };
                match event.deed {
                    Deed::Receiving | Deed::Looking => {
                        session.receiving_since = index;
                        session.looks = event.deed == Deed::Looking;
                    }
                    Deed::Got => {
                        at.check_got(session, event, gave_up)?;
                        audited.received += 1;
                        audited.missed += u64::from(event.missed);
                    }
                    Deed::GivingBack => session.gave_back = true,
                    Deed::GotNothing => at.check_newest(session, session.last)?,
                    Deed::Drained => {
                        let is_quiet = lives.values().all(|life| {
                            let is_over = life.idle_since.or(life.until);
                            let is_there = life.since.is_some() || life.opening_since.is_some();
                            !is_there || is_over.is_some_and(|over| over < session.receiving_since)
                        });
                        if is_quiet {
                            at.check_all(session, session.receiving_since, "waited for several ticks")?;
                        }
                    }
                    Deed::SawEnd => {
                        audited.ends += 1;
                        if closed_at.is_none() {
                            return Err(format!("process {} saw the end, and nobody closes", session.process));
                        }
                        if !reopened {
                            at.check_all(session, index, "was told that the stream is over")?;
                            at.check_none_later(session)?;
                        }
                    }
                    Deed::SawNoProducers => {
                        audited.gone += 1;
                        let since = session.receiving_since;
                        let there = |life: &Life| life.since.is_some_and(|from| from < since) && life.until.is_none();
                        if let Some((index, _)) = lives.iter().find(|(_, life)| there(life)) {
                            return Err(format!(
                                "process {} was told that there are no producers, and process {index} is one",
                                session.process
                            ));
                        }
                        at.check_all(session, since, "was told that there are no producers")?;
                    }
                    _ => {}
                }
            }
        }
    }
    if !somebody_died && left.recovered > 0 {
        return Err(format!("{} handles were recovered, and nobody died", left.recovered));
    }
    Ok(audited)
}

/// Finds out which message has which id. All say the same.
fn know(events: &[Event]) -> Result<Known, String> {
    let mut begun = BTreeMap::new();
    let (mut known, mut ids, mut unsent) = (Known::new(), BTreeMap::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        match event.deed {
            Deed::Sending => drop(begun.insert(event.key, index)),
            Deed::Unsent => unsent.push(event.key),
            Deed::Sent | Deed::Got => {
                let Some(&begun_at) = begun.get(&event.key) else {
                    return Err(format!("{event}: it was never sent"));
                };
                let message = known.entry(event.id).or_insert(Message {
                    key: event.key,
                    begun_at,
                    sent_at: None,
                });
                if event.deed == Deed::Sent {
                    message.sent_at = Some(index);
                }
                if message.key != event.key || *ids.entry(event.key).or_insert(event.id) != event.id || event.id == 0 {
                    return Err(format!("{event}: another message has this id, or this one another id"));
                }
            }
            _ => {}
        }
    }
    match known.values().find(|message| unsent.contains(&message.key)) {
        Some(message) => Err(format!(
            "{}:{} was not sent, and received",
            message.key >> 16,
            message.key & 0xffff
        )),
        None => Ok(known),
    }
}

/// An entry of the ledger, and all around it.
struct Place<'a> {
    plan: &'a Plan,
    events: &'a [Event],
    known: &'a Known,
    index: usize,
}

impl Place<'_> {
    fn check_got(&self, session: &mut Session, event: &Event, gave_up: bool) -> Result<(), String> {
        let id = event.id;
        if core::mem::take(&mut session.gave_back) && id == session.last {
            return Ok(());
        }
        let goes_on = match session.policy {
            Policy::Latest if session.looks => id >= session.last,
            _ => id > session.last,
        };
        if !goes_on {
            return Err(format!("{event}: it has got {} before", session.last));
        }
        session.missed += u64::from(event.missed);
        let between = session.last + 1..id.max(session.last + 1);
        let is_first = session.last == 0;
        match session.policy {
            Policy::Reliable => {
                self.check_owed(session, between.clone(), "comes later")?;
                if event.missed != 0 && !is_first {
                    return Err(format!("{event}: a reliable subscriber missed some"));
                }
            }
            Policy::Lossy if !is_first => {
                let (positions, known) = (between.len(), self.known.range(between.clone()).count());
                let missed = usize::from(event.missed);
                // Positions that were given up count where they lie among missed ones.
                let exact = self.plan.single || !gave_up;
                if missed < known || missed > positions || exact && missed != positions {
                    return Err(format!("{event}: of {positions} positions with {known} messages"));
                }
            }
            Policy::Lossy => {}
            Policy::Latest => self.check_newest(session, id)?,
        }
        session.last = id;
        Ok(())
    }

    /// Whether a reliable subscriber may be without the messages of these ids, not yet or for ever.
    fn check_owed(&self, session: &Session, ids: core::ops::Range<u16>, what: &str) -> Result<(), String> {
        let is_owed = |message: &Message| session.last > 0 || message.begun_at > session.joined_at;
        match self.known.range(ids).find(|(_, message)| is_owed(message)) {
            Some((id, message)) => Err(format!(
                "process {} did not get {}:{}, id {id}, and {what} ({}), behind {}",
                session.process,
                message.key >> 16,
                message.key & 0xffff,
                self.events[self.index],
                session.last
            )),
            None => Ok(()),
        }
    }

    /// Whether all that was sent before `until` has come to a subscriber.
    fn check_all(&self, session: &Session, until: usize, why: &str) -> Result<(), String> {
        // A lossy subscriber that was overrun goes on near the newest: the last ones may be among those that it missed.
        let event = self.events[self.index];
        let missed = if session.policy == Policy::Lossy {
            u64::from(event.missed).saturating_sub(session.missed) as usize
        } else {
            0
        };
        let mut open = self.known.range(session.last + 1..).filter(|(_, message)| {
            message.sent_at.is_some_and(|sent| sent < until)
                && (session.policy == Policy::Latest || session.last > 0 || message.begun_at > session.joined_at)
        });
        match open.nth(missed) {
            Some((id, message)) if !session.gave_back => Err(format!(
                "process {} {why}, and did not get {}:{}, id {id}, behind {}, with {missed} missed",
                session.process,
                message.key >> 16,
                message.key & 0xffff,
                session.last
            )),
            _ => Ok(()),
        }
    }

    /// Nothing is sent behind the end, until a producer opens the stream anew.
    fn check_none_later(&self, session: &Session) -> Result<(), String> {
        let anew = self.events[self.index..]
            .iter()
            .position(|event| event.deed == Deed::Opening);
        let behind = self.index..anew.map_or(self.events.len(), |anew| self.index + anew);
        // A send may be over when the end is seen, and its process not have said so yet.
        let is_behind = |message: &Message| behind.contains(&message.begun_at) && message.sent_at.is_some();
        match self
            .known
            .range(session.last + 1..)
            .find(|(_, message)| is_behind(message))
        {
            Some((_, message)) => Err(format!(
                "{}:{} was sent after process {} was told that the stream is over",
                message.key >> 16,
                message.key & 0xffff,
                session.process
            )),
            None => Ok(()),
        }
    }

    /// The newest value of a latest channel is there as long as no newer one is: an answer is not older than what was sent before the call.
    fn check_newest(&self, session: &Session, answer: u16) -> Result<(), String> {
        if self.plan.kind != Kind::Latest {
            return Ok(());
        }
        let sent_before = |message: &Message| message.sent_at.is_some_and(|sent| sent < session.receiving_since);
        let newest = self.known.iter().rfind(|(_, message)| sent_before(message));
        match newest {
            Some((&id, _)) if id > answer => Err(format!(
                "process {} got {answer} for the newest, and {id} had been sent: {}",
                session.process, self.events[self.index]
            )),
            _ => Ok(()),
        }
    }
}

//! Whether the ledger of a schedule keeps what the channel promises.

use crate::arena::{Deed, Event, UNKNOWN};
use crate::plan::Plan;
use crate::trial::Counted;
use std::collections::BTreeMap;

/// Numbers of a ledger that was found right.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) again: u64,
    pub(crate) letters: u64,
    pub(crate) ends: u64,
    /// Ends because all producers had gone.
    pub(crate) gone: u64,
    pub(crate) missed: u64,
}

/// A message, as the ledger has it so far.
#[derive(Debug, Default)]
struct Message {
    begun: bool,
    /// Where in the ledger the send had returned.
    sent_at: usize,
    sent: bool,
    unsent: bool,
    deliveries: u64,
    letter: bool,
    holder: Option<u8>,
    /// Its last holder died with it: maybe after the release, and before it wrote that down.
    died_with: bool,
    released: bool,
    given_back: bool,
    /// The process that is returning it.
    returning: Option<u8>,
    /// Which entry of the ledger last says that it was returned.
    freed_at: usize,
}

/// A process, as the ledger has it so far.
#[derive(Debug, Default)]
struct Process {
    /// What its call may receive at most, and whether that is released at once.
    receiving: Option<(u8, bool)>,
    /// Where in the ledger that call began.
    receiving_since: Option<usize>,
    is_opening: bool,
    /// Where in the ledger it had a producer, and where it was about to drop that, or died.
    producer_since: Option<usize>,
    producer_until: Option<usize>,
    died_at: Option<usize>,
    /// Where in the ledger its last sleep ended because nobody woke it.
    overslept_at: Option<usize>,
    /// The last message of each producer that it received for the first time.
    last: BTreeMap<u32, u32>,
}

/// Reads the ledger in order.
pub(crate) fn audit(plan: &Plan, events: &[Event], left: &Counted) -> Result<Audited, String> {
    let mut messages: BTreeMap<u32, Message> = BTreeMap::new();
    let mut processes: BTreeMap<u8, Process> = BTreeMap::new();
    let mut audited = Audited::default();
    // Messages that died with the process that was copying them.
    let mut copies = 0;
    // Whether somebody returned messages, knowingly or by its death.
    let mut somebody_died = false;
    // Once a producer is opened behind a call that closed, the flag that a consumer saw may be older than what was sent since.
    let mut closed = false;
    let mut reopened = false;
    let mut opening = 0;
    // Where in the ledger a consumer was told that the stream is over, first.
    let mut first_end = None;
    for (index, event) in events.iter().enumerate() {
        let describe = || format!("{}:{}", event.key >> 16, event.key & 0xffff);
        let process = processes.entry(event.process).or_default();
        match event.deed {
            Deed::Sending => messages.entry(event.key).or_default().begun = true,
            Deed::Sent => {
                let message = messages.entry(event.key).or_default();
                message.sent = true;
                message.sent_at = index;
            }
            Deed::Unsent => {
                let message = messages.entry(event.key).or_default();
                message.unsent = true;
                if message.deliveries > 0 {
                    return Err(format!("{} was delivered and not sent", describe()));
                }
            }
            Deed::Receiving | Deed::Copying => {
                process.receiving = Some((event.more, event.deed == Deed::Copying));
                process.receiving_since = Some(index);
                process.overslept_at = None;
            }
            Deed::Returned => process.receiving = None,
            Deed::Closing => {
                closed = true;
                reopened |= opening > 0;
            }
            Deed::Opening => {
                opening += 1;
                process.is_opening = true;
                reopened |= closed;
            }
            Deed::Opened => {
                opening -= 1;
                process.is_opening = false;
                process.producer_since = Some(index);
            }
            Deed::FellAsleep => process.overslept_at = None,
            Deed::Overslept => process.overslept_at = Some(index),
            Deed::Staying => {}
            Deed::Leaving => process.producer_until = Some(index),
            Deed::Died => {
                process.died_at = Some(index);
                process.producer_until.get_or_insert(index);
                opening -= u64::from(core::mem::take(&mut process.is_opening));
                somebody_died = true;
                if let Some((most, true)) = process.receiving {
                    copies += u64::from(most);
                }
                for message in messages.values_mut() {
                    if message.holder == Some(event.process) || message.returning == Some(event.process) {
                        message.died_with = true;
                        message.holder = None;
                        message.returning = None;
                        message.given_back = true;
                        message.freed_at = index;
                    }
                }
            }
            Deed::Got => {
                let producer = event.key >> 16;
                let message = messages.entry(event.key).or_default();
                if !message.begun || message.unsent {
                    return Err(format!("{} was never sent, and received", describe()));
                }
                if message.released {
                    return Err(format!("{} was released, and received again", describe()));
                }
                if let Some(holder) = message.holder {
                    return Err(format!(
                        "{} is held by process {holder}, and received by another",
                        describe()
                    ));
                }
                if let Some(at) = process.overslept_at.take()
                    && plan.is_plain
                    && message.sent
                    && message.sent_at < at
                {
                    return Err(format!("{} was sent, and its consumer slept on", describe()));
                }
                if event.more != UNKNOWN {
                    if event.more == 0 && message.deliveries > 0 {
                        return Err(format!("{} was received twice, and not flagged", describe()));
                    }
                    if event.more > 0 && !somebody_died && !message.given_back {
                        return Err(format!("{} is flagged, and nobody returned it", describe()));
                    }
                    if event.more == 0 && !plan.priorities {
                        let last = process.last.insert(producer, event.key);
                        if last.is_some_and(|last| last > event.key) {
                            return Err(format!("{} comes after a later message of its producer", describe()));
                        }
                    }
                }
                if let Some(end) = first_end
                    && event.more == 0
                    && message.sent_at > end
                    && process.receiving_since.is_none_or(|since| since > end)
                    && !(reopened || plan.v1)
                {
                    return Err(format!(
                        "{} was sent after a consumer was told that the stream is over",
                        describe()
                    ));
                }
                audited.received += 1;
                audited.again += u64::from(message.deliveries > 0);
                message.deliveries += 1;
                message.holder = Some(event.process);
                message.died_with = false;
                message.returning = None;
            }
            Deed::GotLetter => {
                let message = messages.entry(event.key).or_default();
                if !message.begun || message.unsent {
                    return Err(format!("{} was never sent, and is a dead letter", describe()));
                }
                message.letter = true;
                audited.letters += 1;
                message.holder = Some(event.process);
            }
            Deed::Released => {
                let message = messages.entry(event.key).or_default();
                message.released = true;
                message.holder = None;
            }
            Deed::GivingBack => {
                let message = messages.entry(event.key).or_default();
                message.given_back = true;
                message.holder = None;
                message.returning = Some(event.process);
            }
            Deed::GaveBack => {
                let message = messages.entry(event.key).or_default();
                // Another may have had it, and be returning it now.
                if message.returning == Some(event.process) {
                    message.returning = None;
                    message.freed_at = index;
                }
            }
            Deed::SawNoProducers => {
                audited.gone += 1;
                let since = process.receiving_since.unwrap_or(0);
                check_no_producers(event.process, since, &processes)?;
                check_end(
                    event.process,
                    since,
                    &messages,
                    &processes,
                    (left, copies),
                    &events[index + 1..],
                )?;
            }
            Deed::Joining | Deed::Joined | Deed::Looking | Deed::GotNothing | Deed::Drained => {
                return Err(format!("{:?} on a queue", event.deed));
            }
            Deed::SawEnd => {
                audited.ends += 1;
                first_end = first_end.or(Some(index));
                if reopened || plan.v1 {
                    continue;
                }
                check_end(
                    event.process,
                    index,
                    &messages,
                    &processes,
                    (left, copies),
                    &events[index + 1..],
                )?;
            }
        }
    }
    let lost: Vec<_> = messages
        .iter()
        .filter(|(_, message)| message.sent && message.deliveries == 0 && !message.letter)
        .map(|(key, _)| format!("{}:{}", key >> 16, key & 0xffff))
        .collect();
    let explained = copies + left.dropped + left.expired;
    if lost.len() as u64 > explained {
        return Err(format!(
            "lost {lost:?}: {copies} in copies, {} dropped, {} expired",
            left.dropped, left.expired
        ));
    }
    let returns = somebody_died || messages.values().any(|message| message.given_back);
    if !returns && left.dropped + left.redelivered > 0 {
        return Err(format!(
            "{} dropped and {} delivered again, and nobody returned anything",
            left.dropped, left.redelivered
        ));
    }
    if plan.expiry.is_none() && left.expired > 0 {
        return Err(format!("{} expired, and nothing expires", left.expired));
    }
    if !somebody_died && left.recovered > 0 {
        return Err(format!("{} handles were recovered, and nobody died", left.recovered));
    }
    audited.sent = messages.values().filter(|message| message.sent).count() as u64;
    Ok(audited)
}

/// A process is told that all producers have gone only if none was there all the while it asked.
fn check_no_producers(told: u8, since: usize, processes: &BTreeMap<u8, Process>) -> Result<(), String> {
    let was_there =
        |process: &Process| process.producer_since.is_some_and(|from| from < since) && process.producer_until.is_none();
    if let Some((index, _)) = processes.iter().find(|(_, process)| was_there(process)) {
        return Err(format!(
            "process {told} was told that there are no producers, and process {index} is one"
        ));
    }
    if processes
        .values()
        .all(|process| process.producer_since.is_none() && process.died_at.is_none())
    {
        return Err(format!(
            "process {told} was told that producers have gone, and none had come"
        ));
    }
    Ok(())
}

/// A process that is told that the stream is over has received, or another one held while it asked, all that was sent before `until`; or
/// it is accounted for.
fn check_end(
    told: u8,
    until: usize,
    messages: &BTreeMap<u32, Message>,
    processes: &BTreeMap<u8, Process>,
    (left, copies): (&Counted, u64),
    later: &[Event],
) -> Result<(), String> {
    let comes_again = |key: u32| {
        later
            .iter()
            .any(|event| event.key == key && matches!(event.deed, Deed::Got | Deed::GotLetter))
    };
    let since = processes[&told].receiving_since.unwrap_or(0);
    let open: Vec<_> = messages
        .iter()
        .filter(|(key, message)| {
            let is_held = message.holder.is_some() || message.returning.is_some() || message.freed_at >= since;
            let is_done = message.released || (message.died_with && !comes_again(**key));
            message.sent && message.sent_at < until && !is_done && !message.letter && !is_held
        })
        .map(|(key, _)| format!("{}:{}", key >> 16, key & 0xffff))
        .collect();
    // What the calls of others have in hand.
    let in_hand: u64 = processes
        .iter()
        .filter(|(index, process)| **index != told && process.died_at.is_none_or(|died| died > since))
        .filter_map(|(_, process)| process.receiving)
        .map(|(most, _)| u64::from(most))
        .sum();
    // Counted by the end of the schedule, which is lenient.
    let explained = in_hand + copies + left.dropped + left.expired + left.dead_lettered;
    if open.len() as u64 > explained {
        return Err(format!(
            "process {told} was told that the stream is over, and {open:?} was sent and not received: {in_hand} in other hands, {copies} in \
             copies, {left:?}"
        ));
    }
    Ok(())
}

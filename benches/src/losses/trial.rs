//! One kill. The ends that go on are open before, or, where a transport has one sender or one consumer at a time, take the dead one's place.
//! The first of both kinds of end is the one that may be killed.

use super::ledger::{ENDS, LIMIT, Ledger};
use super::part::Part;
use super::{Killed, Sharing};
use crate::payload::Payload;
use crate::run::{CAPACITY, Process};
use crate::transport::{Failure, Place, Transport, Waiting};
use crate::transports::{Job, Kind};
use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes of a message.
const BYTES: usize = 64;
/// Messages that have come before anything is killed.
const BEFORE: u64 = 2_000;
/// Longest time until then.
const STARTING: Duration = Duration::from_secs(10);
/// How long nothing more must have come for all that comes to be there.
const QUIET: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(2);
/// Longest time that is waited for the moment to kill.
const LOOKING: Duration = Duration::from_secs(2);
/// Shortest time that it goes on before the next look.
const STEP: Duration = Duration::from_micros(50);
/// Where nothing has come for so long at the end of the patience, nothing comes.
const SILENCE: Duration = Duration::from_millis(250);

/// The end that is killed, and the one that goes on.
const VICTIM: usize = 0;
const OTHER: usize = 1;

/// What a trial is about.
#[derive(Clone, Copy)]
pub(super) struct Trial {
    pub(super) kind: Kind,
    pub(super) killed: Killed,
    pub(super) sharing: Sharing,
    pub(super) many_senders: bool,
    pub(super) patience: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// Messages whose send had returned and that nobody got.
    pub(super) lost: u64,
    /// Those of them that the sender sent that was not killed.
    pub(super) lost_of_others: u64,
    /// Messages that were delivered once more and did not say so.
    pub(super) doubled: u64,
    /// Messages that were delivered once more and said so.
    pub(super) flagged: u64,
    /// Whether nothing that was sent after the kill came.
    pub(super) blocked: bool,
}

struct Preparing<'a>(&'a mut Place);

impl Job for Preparing<'_> {
    type Output = Result<Box<dyn Any>, Failure>;

    fn run<P: Payload, T: Transport<P> + 'static>(self) -> Self::Output {
        Ok(Box::new(T::prepare(self.0)?))
    }
}

impl Trial {
    /// Kills once. `None` when the process was never found inside the call.
    pub(super) fn run(self, delay: Duration) -> Result<Option<Outcome>, Failure> {
        static TRIALS: AtomicU64 = AtomicU64::new(0);
        // Nothing but the number itself rests on it.
        let number = TRIALS.fetch_add(1, Ordering::Relaxed);
        let mut place = Place {
            kind: self.kind,
            name: format!("dmxp-losses-{}-{number}", std::process::id()),
            capacity: CAPACITY,
            lanes: 1,
            ends: ENDS,
            spare_cores: Vec::new(),
            waiting: Waiting::Polling,
            descriptors: Vec::new(),
        };
        let _file = Ledger::create(&place)?;
        let ledger = Ledger::attach(&place)?;
        let _prepared = self.kind.dispatch(BYTES, Preparing(&mut place))?;
        let start = |end, index| {
            let part = Part {
                place: place.clone(),
                bytes: BYTES,
                end,
                index,
            };
            let mut process = Process::start("losses-part", &serde_json::to_string(&part)?)?;
            process.expect_ready()?;
            Ok::<_, Failure>(process)
        };
        // Consumers are there before anything is sent.
        let (mut consumers, mut senders) = (Vec::new(), Vec::new());
        let mut victim = None;
        if self.killed == Killed::Consumer {
            victim = Some(start(Killed::Consumer, VICTIM)?);
        }
        if self.killed == Killed::Sender || self.sharing != Sharing::One {
            consumers.push(start(Killed::Consumer, OTHER)?);
        }
        if self.killed == Killed::Sender {
            victim = Some(start(Killed::Sender, VICTIM)?);
        }
        if self.killed == Killed::Consumer || self.many_senders {
            senders.push(start(Killed::Sender, OTHER)?);
        }
        let mut victim = victim.ok_or("nothing to kill")?;
        for process in consumers.iter_mut().chain([&mut victim]).chain(&mut senders) {
            process.go()?;
        }
        self.connect(&ledger, senders.is_empty(), consumers.is_empty())?;
        self.warm_up(&ledger)?;
        sleep(delay);
        // It is stopped wherever it is, and looked at; where it was between two calls, it goes on. The first place that is inside is where
        // it dies.
        let looking = Instant::now();
        loop {
            victim.stop()?;
            if ledger.is_inside(self.killed) {
                break;
            }
            if looking.elapsed() > LOOKING {
                return Ok(None);
            }
            victim.resume()?;
            sleep(STEP + delay / 10);
        }
        victim.kill()?;
        let killed_at = Instant::now();
        // So many have room, and one more may have been on its way: what comes later was sent after the kill, and past what the dead end
        // may keep others from using.
        let old = ledger.last_returned(OTHER) + 2 * CAPACITY as u64;
        if senders.is_empty() {
            let mut successor = start(Killed::Sender, OTHER)?;
            successor.go()?;
            senders.push(successor);
        }
        if consumers.is_empty() {
            let mut successor = start(Killed::Consumer, OTHER)?;
            successor.go()?;
            consumers.push(successor);
        }
        let goes_on = || {
            let newest = ledger.last_returned(OTHER);
            (old + 1..=newest).any(|message| ledger.deliveries(OTHER, OTHER, message).all() > 0)
        };
        let (mut count, mut since) = (ledger.count(OTHER), killed_at);
        let blocked = loop {
            if goes_on() {
                break false;
            }
            let now = ledger.count(OTHER);
            if now != count {
                (count, since) = (now, Instant::now());
            }
            if killed_at.elapsed() >= self.patience {
                // A slow transport may not have come so far.
                break since.elapsed() >= SILENCE;
            }
            sleep(LOOK);
        };
        ledger.stop();
        self.settle(&ledger, killed_at, blocked);
        if !blocked {
            for process in senders.iter_mut().chain(&mut consumers) {
                process.expect_alive()?;
            }
        }
        Ok(Some(self.count(&ledger, blocked)))
    }

    /// Waits until the first message of each sender has come, from where each gets all to each consumer, and lets them go on: some transports
    /// connect their ends only when both have done something.
    fn connect(self, ledger: &Ledger, one_sender: bool, one_consumer: bool) -> Result<(), Failure> {
        let there = |killed, alone| match (self.killed == killed, alone) {
            (true, true) => VICTIM..OTHER,
            (true, false) => VICTIM..ENDS,
            (false, _) => OTHER..ENDS,
        };
        let (senders, consumers) = (there(Killed::Sender, one_sender), there(Killed::Consumer, one_consumer));
        let has_come = |sender| {
            let mut each = consumers
                .clone()
                .map(|consumer| ledger.deliveries(consumer, sender, 1).all() > 0);
            if self.sharing == Sharing::All {
                each.all(|has| has)
            } else {
                each.any(|has| has)
            }
        };
        let started = Instant::now();
        while !senders.clone().all(has_come) {
            if started.elapsed() > STARTING {
                return Err(format!("the first messages have not come in {STARTING:?}").into());
            }
            sleep(LOOK);
        }
        ledger.start();
        Ok(())
    }

    fn warm_up(self, ledger: &Ledger) -> Result<(), Failure> {
        let started = Instant::now();
        let done = || match self.killed {
            Killed::Sender => ledger.last_returned(VICTIM),
            Killed::Consumer => ledger.count(VICTIM),
        };
        while done() < BEFORE {
            if started.elapsed() > STARTING {
                return Err(format!("only {} messages came in {STARTING:?}", done()).into());
            }
            sleep(LOOK);
        }
        Ok(())
    }

    /// Waits until all that was sent has come, or time is up.
    fn settle(self, ledger: &Ledger, killed_at: Instant, blocked: bool) {
        let stopped = Instant::now();
        let received = || (0..ENDS).map(|consumer| ledger.count(consumer)).sum::<u64>();
        let (mut last, mut since) = (received(), Instant::now());
        loop {
            sleep(LOOK);
            let now = received();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            let quiet = since.elapsed() >= QUIET && stopped.elapsed() >= QUIET;
            let late = killed_at.elapsed() >= self.patience && stopped.elapsed() >= self.patience;
            if quiet && (blocked || late || self.count(ledger, blocked).lost == 0) || late {
                return;
            }
        }
    }

    fn count(self, ledger: &Ledger, blocked: bool) -> Outcome {
        // Where each gets all, the one that goes on must have them all.
        let consumers = match self.sharing {
            Sharing::All => OTHER..ENDS,
            Sharing::Competing | Sharing::One => 0..ENDS,
        };
        let mut outcome = Outcome {
            blocked,
            ..Outcome::default()
        };
        for sender in 0..ENDS {
            // What was in its send may have come as well, and more than once.
            let returned = ledger.last_returned(sender);
            for message in 1..=(returned + 1).min(LIMIT - 1) {
                let (mut all, mut flagged) = (0, 0);
                for consumer in consumers.clone() {
                    let deliveries = ledger.deliveries(consumer, sender, message);
                    all += deliveries.all();
                    flagged += deliveries.flagged();
                }
                let lost = u64::from(all == 0 && message <= returned);
                outcome.lost += lost;
                if self.killed == Killed::Consumer || sender == OTHER {
                    outcome.lost_of_others += lost;
                }
                let more = all.saturating_sub(1);
                outcome.flagged += flagged.min(more);
                outcome.doubled += more.saturating_sub(flagged);
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::ledger::number;

    /// Four messages of the victim have been sent, a fifth was on its way: one is lost, one came twice, one came twice and said so.
    fn ledger() -> Result<Ledger, Failure> {
        static LEDGERS: AtomicU64 = AtomicU64::new(0);
        let place = Place {
            kind: Kind::Pipe,
            name: format!(
                "dmxp-test-ledger-{}-{}",
                std::process::id(),
                LEDGERS.fetch_add(1, Ordering::Relaxed)
            ),
            capacity: CAPACITY,
            lanes: 1,
            ends: ENDS,
            spare_cores: Vec::new(),
            waiting: Waiting::Polling,
            descriptors: Vec::new(),
        };
        let _file = Ledger::create(&place)?;
        let ledger = Ledger::attach(&place)?;
        ledger.returned(VICTIM, 4);
        ledger.delivered(VICTIM, number(VICTIM, 1), false)?;
        ledger.delivered(OTHER, number(VICTIM, 2), false)?;
        ledger.delivered(VICTIM, number(VICTIM, 2), false)?;
        ledger.delivered(VICTIM, number(VICTIM, 3), false)?;
        ledger.delivered(OTHER, number(VICTIM, 3), true)?;
        ledger.delivered(OTHER, number(VICTIM, 5), false)?;
        Ok(ledger)
    }

    fn count(sharing: Sharing) -> [u64; 3] {
        let trial = Trial {
            kind: Kind::Pipe,
            killed: Killed::Consumer,
            sharing,
            many_senders: true,
            patience: Duration::from_secs(1),
        };
        let outcome = trial.count(&ledger().expect("a ledger"), false);
        [outcome.lost, outcome.doubled, outcome.flagged]
    }

    #[test]
    fn what_competing_consumers_got_is_counted_together() {
        assert_eq!(count(Sharing::Competing), [1, 1, 1]);
    }

    #[test]
    fn where_each_gets_all_the_one_that_goes_on_must_have_them_all() {
        assert_eq!(count(Sharing::All), [2, 0, 0]);
    }

    #[test]
    fn a_message_that_nobody_sent_is_an_error() {
        let ledger = ledger().expect("a ledger");
        assert!(ledger.delivered(VICTIM, 0, false).is_err());
        assert!(ledger.delivered(VICTIM, u64::MAX, false).is_err());
    }
}

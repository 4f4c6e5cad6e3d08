//! The same points, but the victim is only stopped there, for longer than two ticks, while others use the channel, sweep, recover, and
//! come new: it is alive, so nothing that it holds may be taken from it, and what it goes on with, when it is continued, may
//! harm nobody.

use super::broadcast::Audience;
use super::{Arena, Tally, Victim, points, until_reached};
use dmxp::{Consumer, Error, HolderState, Producer, RecoverOptions, Recovery, Wait};
use dmxp_tests::Numbered;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a victim is stopped: more than two ticks, which are 40 ms each.
const STOP: Duration = Duration::from_millis(180);

/// Longer than a tick: a process that waits for that long sweeps.
const TICK: Duration = Duration::from_millis(50);

/// How long processes that came while the victim was stopped keep what they hold after it goes on: by then it must have finished the step
/// that it was stopped at.
const GOING_ON: Duration = Duration::from_millis(20);

/// How long a victim may take to end: some wait for tenths of a second, and the machine is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// The sender number of messages from this process.
const LIVING: u64 = u64::MAX;

/// Workloads that find the claims of the dead.
fn finds_dead(workload: &str) -> bool {
    matches!(workload, "sweep" | "recover" | "heir" | "mourning")
}

/// Workloads that give back what they have received or claimed.
fn gives_back(workload: &str) -> bool {
    matches!(workload, "returned" | "leak" | "claims")
}

/// Whether a recovery found nothing but perhaps channels that wait for their removal.
fn nobody_died(recovery: &Recovery) -> bool {
    let mut other = recovery.clone();
    other.removed_channels.clear();
    other.is_clean()
}

/// What was sent and received on the channel.
#[derive(Default)]
struct Seen {
    what: String,
    sent: BTreeSet<(u64, u64)>,
    unflagged: BTreeMap<(u64, u64), u32>,
    flagged: BTreeSet<(u64, u64)>,
    probes: u64,
}

impl Seen {
    fn probe(&mut self) -> Numbered {
        self.probes += 1;
        Numbered::new(LIVING, self.probes)
    }

    fn got(&mut self, key: (u64, u64), redelivered: u64) {
        if redelivered == 0 {
            *self.unflagged.entry(key).or_default() += 1;
        } else {
            self.flagged.insert(key);
        }
    }

    fn take(&mut self, message: &Numbered, redelivered: u8) {
        assert!(message.is_whole(), "{}: torn {message:?}", self.what);
        self.got((message.producer, message.number), u64::from(redelivered));
    }

    /// Receives what comes within `wait`, and says whether something did.
    fn receive(&mut self, consumer: &Consumer<Numbered>, wait: Duration) -> bool {
        match consumer.recv_timeout(wait) {
            Ok(message) => self.take(&message, message.metadata().redelivered),
            Err(Error::Timeout) => return false,
            Err(error) => panic!("{}: {error}", self.what),
        }
        true
    }

    /// Sends a message if there is room.
    fn send(&mut self, producer: &Producer<Numbered>) {
        let probe = self.probe();
        match producer.try_send(&probe) {
            Ok(_) => {
                self.sent.insert((LIVING, probe.number));
            }
            Err(Error::Full) => {}
            Err(error) => panic!("{}: {error}", self.what),
        }
    }

    /// What the victim says that it did.
    fn hear(&mut self, incarnation: u64, said: &[String]) {
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |index: usize| words[index].parse::<u64>().expect("a number");
            match words[0] {
                "sent" => {
                    self.sent.insert((incarnation, number(1)));
                }
                "got" => self.got((number(1), number(2)), number(3)),
                _ => {}
            }
        }
    }

    fn check(&self, workload: &str) {
        let what = &self.what;
        for key in &self.sent {
            let there = self.unflagged.contains_key(key) || self.flagged.contains(key);
            assert!(there, "{what}: lost {key:?}");
        }
        for (key, times) in &self.unflagged {
            assert_eq!(*times, 1, "{what}: {key:?} came {times} times unflagged");
            assert!(self.sent.contains(key), "{what}: {key:?} was never sent");
        }
        if !finds_dead(workload) && !gives_back(workload) {
            assert!(self.flagged.is_empty(), "{what}: robbed of {:?}", self.flagged);
        }
    }
}

/// What the attacks showed beside the tally of the kills.
#[derive(Default)]
struct StopTally {
    shared: Tally,
    in_the_way: AtomicU64,
    late: AtomicU64,
}

impl Arena {
    /// Stops a victim at a point, lets it go on, and checks that no process was harmed, itself included.
    ///
    /// `false`: the victim ended before it came to the point. The checks hold all the same.
    fn stop(&mut self, workload: &str, point: &str, pass: u64, tally: &StopTally) -> bool {
        let incarnation = self.incarnation();
        let (producer, consumer) = (
            self.small().with_capacity(4).build_producer().expect("a producer"),
            self.small().build_consumer().expect("a consumer"),
        );
        let what = format!("{workload} stopped at {point}, pass {pass}");
        let mut seen = Seen {
            what: what.clone(),
            ..Seen::default()
        };
        if matches!(workload, "sweep" | "recover") {
            producer.try_send(&Numbered::new(0, 0)).expect("room");
            self.leave_dead();
            // Whatever it had, it had it unflagged.
            seen.got((0, 0), 0);
            seen.sent.insert((0, 0));
        }
        let info = || self.region.region.channel_named("small").expect("the channel");
        let audience = Audience::of(&self.region, workload);
        let before = info();
        let mut victim = Victim::start(&self.region.name, workload, incarnation, point, pass);
        let stopped = victim.stops();
        if stopped {
            self.go_on_beside(&victim, workload, (&producer, &consumer), &mut seen, tally);
        }
        let started = Instant::now();
        while !victim.has_ended() {
            assert!(started.elapsed() < PATIENCE, "{what}: it does not come to its end");
            std::thread::sleep(Duration::from_millis(1));
        }
        let (said, success, trouble) = victim.finish();
        assert!(success, "{what}: {trouble}");
        seen.hear(incarnation, &said);
        if let Some(audience) = audience {
            audience.check(incarnation, &said, &what);
        }
        let recovery = self.region.region.recover(RecoverOptions::new()).expect("a recovery");
        assert!(finds_dead(workload) || nobody_died(&recovery), "{what}: {recovery}");
        while seen.receive(&consumer, Duration::from_millis(1)) {}
        seen.check(workload);
        if !finds_dead(workload) {
            let after = info();
            assert_eq!(after.recovered, before.recovered, "{what}: declared dead");
            assert!(
                after.aborted == before.aborted || gives_back(workload),
                "{what}: robbed of a claim"
            );
        }
        let shared = &tally.shared;
        let total = if stopped { &shared.kills } else { &shared.ended };
        total.fetch_add(1, Ordering::Relaxed);
        shared.sent.fetch_add(seen.sent.len() as u64, Ordering::Relaxed);
        shared
            .received
            .fetch_add(seen.unflagged.len() as u64, Ordering::Relaxed);
        shared.flagged.fetch_add(seen.flagged.len() as u64, Ordering::Relaxed);
        self.check_nothing_is_left(&producer, &consumer, &what);
        stopped
    }

    /// Uses the channel while the victim is stopped, and has it continued meanwhile.
    fn go_on_beside(
        &self,
        victim: &Victim,
        workload: &str,
        (producer, consumer): (&Producer<Numbered>, &Consumer<Numbered>),
        seen: &mut Seen,
        tally: &StopTally,
    ) {
        let region = &self.region.region;
        std::thread::scope(|scope| {
            // Whatever happens below: some of it waits for the victim, which may have the management lock.
            let timer = scope.spawn(|| {
                std::thread::sleep(STOP);
                victim.signal(libc::SIGCONT);
            });
            // One message at a time: the victim's workload wants room.
            for _ in 0..2 {
                seen.send(producer);
                while seen.receive(consumer, TICK) {}
            }
            let blockages = region.blockages().expect("blockages");
            for blockage in blockages {
                let holder = blockage.holder.filter(|holder| holder.pid == victim.pid());
                if let Some(holder) = holder {
                    let what = &seen.what;
                    // Unless this took so long that it goes on by now.
                    let known = matches!(holder.state, HolderState::Stopped | HolderState::Running);
                    assert!(known, "{what}: {holder:?}");
                    tally.in_the_way.fetch_add(1, Ordering::Relaxed);
                }
            }
            let recovery = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
            assert!(
                finds_dead(workload) || nobody_died(&recovery),
                "{}: {recovery}",
                seen.what
            );

            // Newcomers, perhaps in the records of the dead that the victim is about to sweep.
            let (new_producer, new_consumer) = (
                self.small().build_producer().expect("a producer"),
                self.small().build_consumer().expect("a consumer"),
            );
            seen.send(&new_producer);
            let held = new_consumer.try_recv().ok();
            let probe = seen.probe();
            let claim = new_producer.claim_with(&probe, Wait::No).ok();
            tally.late.fetch_add(u64::from(timer.is_finished()), Ordering::Relaxed);
            timer.join().expect("the signal is sent");
            std::thread::sleep(GOING_ON);
            if let Some(claim) = claim {
                claim.publish().expect("a claim of the living");
                seen.sent.insert((LIVING, probe.number));
            }
            if let Some(message) = held {
                seen.take(&message, message.metadata().redelivered);
            }
            while seen.receive(consumer, TICK) {}
        });
    }
}

#[test]
fn a_process_stopped_before_any_access_to_shared_memory_is_not_robbed() {
    let stops_each: usize =
        std::env::var("DMXP_STOPS").map_or(1, |stops| stops.parse().expect("DMXP_STOPS is a number"));
    let mut attacks = VecDeque::new();
    for (index, (point, workloads)) in points().iter().enumerate() {
        for attack in 0..stops_each {
            let (workload, passes) = workloads[(index + attack) % workloads.len()];
            attacks.push_back((workload, point, 1 + attack as u64 * passes / stops_each as u64));
        }
    }
    let planned = attacks.len();
    let queue = Mutex::new(attacks);
    let tally = StopTally::default();
    std::thread::scope(|scope| {
        // They mostly wait.
        for worker in 0..12 {
            let (queue, tally) = (&queue, &tally);
            scope.spawn(move || {
                let mut arena = Arena::new(&format!("stopped-{worker}"), worker % 2 == 1);
                loop {
                    let Some((workload, point, pass)) = queue.lock().expect("no worker panics with it").pop_front()
                    else {
                        break;
                    };
                    let reached = until_reached(&points()[point], (workload, pass), |workload, pass| {
                        arena.stop(workload, point, pass, tally)
                    });
                    assert!(reached, "no victim came to {point}");
                }
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let shared = &tally.shared;
    println!(
        "{} points, {} stops, {} victims ended before their point; {} messages sent, {} received, {} of them again \
         and flagged; {} times the victim was in the way of others; {} times another process came when it went on already",
        points().len(),
        count(&shared.kills),
        count(&shared.ended),
        count(&shared.sent),
        count(&shared.received),
        count(&shared.flagged),
        count(&tally.in_the_way),
        count(&tally.late),
    );
    assert_eq!(
        count(&shared.kills),
        planned as u64,
        "each point as often as it was to be"
    );
    assert!(
        count(&tally.in_the_way) > 0,
        "some victims stop with something in their hands"
    );
}

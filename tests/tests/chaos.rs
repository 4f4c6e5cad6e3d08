//! Four producers and four consumers, in Rust and in Python, killed or stopped at random, while ledgers outside of shared memory
//! are kept and balanced afterwards. They wait in calls, in futures, and in sets for two channels; `chaos_v1.rs` has v1 programs among
//! them.
//!
//! `DMXP_KILLS=2500 cargo test -p dmxp-tests --test chaos -- --nocapture` is the long run, with that many kills in each test; 80
//! unless given.

use dmxp::{Channel, ChannelBuilder, Error, HolderState, Message, RecoverOptions, Wait};
use dmxp_tests::{
    Balance, Draws, Language, Ledger, Numbered, Peer, PeerCommand, Python, Stub, TestRegion, Waits,
    may_make_pid_namespaces,
};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a worker may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than several ticks, which are 40 ms each.
const STOP: Duration = Duration::from_millis(150);

const SLOTS: u64 = 64;

/// What a worker does at the channel; its successor does the same, in either language.
#[derive(Clone, Copy, Debug)]
enum Work {
    Produce(&'static str),
    Hold(&'static str),
    /// Loses what it has copied and not written down when it is killed.
    Copying,
}
use Work::{Copying, Hold, Produce};

/// The empty mode is another one for each call.
const PRODUCERS: [Work; 4] = [Produce("single"), Produce("batch"), Produce("claim-held"), Produce("")];
const HOLDERS: [Work; 4] = [Hold("single"), Hold("batch"), Hold("borrow-held"), Hold("")];

/// Workers whose calls are futures, and those that wait for both channels at once.
const WAITING_PRODUCERS: [Work; 4] = [Produce("future"), Produce("set"), Produce("future"), Produce("set")];
const WAITING_HOLDERS: [Work; 4] = [Hold("set"), Hold("future"), Hold("set"), Hold("")];

impl Work {
    fn mode(self) -> &'static str {
        match self {
            Produce(mode) | Hold(mode) => mode,
            Copying => "copying",
        }
    }

    /// At both channels.
    fn has_set(self) -> bool {
        self.mode() == "set"
    }

    fn is_for_rust(self) -> bool {
        matches!(self.mode(), "set" | "future")
    }
}

struct Worker {
    name: u64,
    work: Work,
    language: Language,
    peer: Peer,
}

/// What the ledgers are balanced from.
struct Past {
    name: u64,
    work: Work,
    killed: bool,
}

struct Field {
    label: &'static str,
    region: TestRegion,
    /// The names of the channels.
    channels: &'static [&'static str],
    ledgers: PathBuf,
    draws: Draws,
    /// Each worker is process 1 of a PID namespace of its own.
    namespaces: bool,
    workers: Vec<Worker>,
    pasts: Vec<Past>,
    /// Started, and come to work before their end; Rust, Python.
    started: [u64; 2],
    worked: [u64; 2],
    killed: u64,
    stops: u64,
    /// Stops of a worker that held something which others waited for.
    in_the_way: u64,
}

/// What a field's living pair beside the workers saw.
#[derive(Default)]
struct Watched {
    waits: Waits,
    balance: Balance,
}

/// Ends the watching pair, also when the test fails.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `None` where there is no Python.
fn python() -> Option<&'static Python> {
    static PYTHON: OnceLock<Option<Python>> = OnceLock::new();
    PYTHON
        .get_or_init(|| Python::build(env!("CARGO_TARGET_TMPDIR"), &[Stub::of::<Numbered>("numbered")]))
        .as_ref()
}

/// A message that this process has received and lets go of.
fn receive(balance: &mut Balance, message: &Message<'_, Numbered>) {
    assert!(message.is_whole(), "torn: {:?}", **message);
    let redelivered = u64::from(message.metadata().redelivered);
    balance.received(message.producer, message.number, redelivered);
}

fn kills() -> u64 {
    std::env::var("DMXP_KILLS").map_or(80, |kills| kills.parse().expect("DMXP_KILLS is a number"))
}

impl Field {
    /// A channel, with slots sized to its messages or the usual ones, and a worker for each of `work`.
    fn new(label: &'static str, namespaces: bool, compact: bool, work: impl IntoIterator<Item = Work>) -> Self {
        let region = TestRegion::new(label, 4 << 20);
        let ledgers = std::env::temp_dir().join(TestRegion::fresh_name(label));
        std::fs::create_dir(&ledgers).expect("a folder for the ledgers");
        let seed = u64::from(std::process::id());
        println!("{label}: seed {seed}");
        let work: Vec<_> = work.into_iter().collect();
        let mut field = Self {
            label,
            region,
            channels: if work.iter().any(|work| work.has_set()) {
                &["numbers", "more"]
            } else {
                &["numbers"]
            },
            ledgers,
            draws: Draws::new(seed, 0),
            namespaces,
            workers: Vec::new(),
            pasts: Vec::new(),
            started: [0; 2],
            worked: [0; 2],
            killed: 0,
            stops: 0,
            in_the_way: 0,
        };
        for name in field.channels {
            let made = field
                .numbers()
                .with_name(*name)
                .with_capacity(SLOTS)
                .with_compact_slots(compact)
                .with_redelivery_limit(12);
            drop(made.build_producer().expect("a channel"));
        }
        for work in work {
            let worker = field.start(work);
            field.workers.push(worker);
        }
        field
    }

    fn numbers(&self) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name("numbers")
    }

    fn ledger(&self, name: u64) -> PathBuf {
        self.ledgers.join(name.to_string())
    }

    fn start(&mut self, work: Work) -> Worker {
        let language = if !work.is_for_rust() && self.draws.truth() && python().is_some() {
            Language::Python
        } else {
            Language::Rust
        };
        let program = match (language, python()) {
            (Language::Python, Some(python)) => python.program("chaos_peer.py"),
            _ => PeerCommand::new(env!("CARGO_BIN_EXE_chaos_peer")),
        };
        self.started[usize::from(language == Language::Python)] += 1;
        let name = self.started.iter().sum();
        let command = match work {
            Produce(_) => "chaos-produce",
            Hold(_) | Copying => "chaos-consume",
        };
        let mut program = program
            .arg(&self.region.name)
            .arg("numbers")
            .arg(command)
            .arg(name)
            .arg(self.ledger(name).display());
        if !work.mode().is_empty() {
            program = program.arg(work.mode());
        }
        let peer = if self.namespaces {
            program.spawn_in_new_pid_namespace()
        } else {
            program.spawn()
        };
        Worker {
            name,
            work,
            language,
            peer,
        }
    }

    fn has_begun(&self, worker: &Worker) -> bool {
        std::fs::metadata(self.ledger(worker.name)).is_ok_and(|data| data.len() > 0)
    }

    /// Waits until a worker has written something down.
    fn let_begin(&mut self, index: usize) {
        let started = Instant::now();
        while !self.has_begun(&self.workers[index]) {
            let worker = &mut self.workers[index];
            let status = worker.peer.wait(Duration::ZERO);
            assert_eq!(status, None, "a {:?} worker: {:?}", worker.language, worker.work);
            assert!(started.elapsed() < PATIENCE, "it comes to work");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn bury(&mut self, worker: &Worker, killed: bool) {
        self.worked[usize::from(worker.language == Language::Python)] += u64::from(self.has_begun(worker));
        self.pasts.push(Past {
            name: worker.name,
            work: worker.work,
            killed,
        });
    }

    /// Kills a worker, at the beginning or at work, and starts its successor.
    fn kill_one(&mut self) {
        let index = self.draws.below(self.workers.len());
        // Many would be killed before they have come to anything: Python takes its time.
        if self.draws.below(3) > 0 {
            self.let_begin(index);
        }
        std::thread::sleep(Duration::from_micros(self.draws.below(20_000) as u64));
        let work = self.workers[index].work;
        self.workers[index].peer.kill();
        let successor = self.start(work);
        let dead = std::mem::replace(&mut self.workers[index], successor);
        self.bury(&dead, true);
        self.killed += 1;
    }

    /// Stops some of the workers at once, often all, for longer than several ticks.
    fn stop_some(&mut self) {
        let all = self.draws.below(2) == 0;
        let stopped: Vec<usize> = (0..self.workers.len()).filter(|_| all || self.draws.truth()).collect();
        for &index in &stopped {
            self.workers[index].peer.stop();
        }
        std::thread::sleep(STOP);
        let blockages = self.region.region.blockages().expect("blockages");
        let stopped_holder = blockages.iter().any(|blockage| {
            let holder = blockage.holder.as_ref();
            holder.is_some_and(|holder| holder.state == HolderState::Stopped)
        });
        self.in_the_way += u64::from(stopped_holder);
        for &index in &stopped {
            self.workers[index].peer.signal(libc::SIGCONT);
        }
        self.stops += 1;
    }

    /// Does `disturb` to the workers while a living pair sends and receives beside them, and says how long it was ever kept
    /// from going on.
    fn watched(&mut self, disturb: impl FnOnce(&mut Self)) -> Watched {
        let done = AtomicBool::new(false);
        let (builder, region) = (self.numbers(), self.region.region.clone());
        let pair = || {
            let (producer, consumer) = (
                builder.build_producer().expect("a producer"),
                builder.build_consumer().expect("a consumer"),
            );
            let (mut watched, mut sent) = (Watched::default(), 0);
            while !done.load(Ordering::Relaxed) {
                let message = Numbered::new(0, sent);
                watched
                    .waits
                    .wait_for(&region, || producer.send_timeout(&message, Waits::PROMISED));
                sent += 1;
                let message = watched
                    .waits
                    .wait_for(&region, || consumer.recv_timeout(Waits::PROMISED));
                receive(&mut watched.balance, &message);
                drop(message);
                // The cores are for the workers.
                std::thread::sleep(Duration::from_micros(200));
            }
            watched.balance.sent(0, sent);
            watched
        };
        std::thread::scope(|scope| {
            let pair = scope.spawn(pair);
            let enough = Enough(&done);
            disturb(self);
            // While the others still receive: the pair sends before it receives.
            drop(enough);
            pair.join().expect("the watching pair")
        })
    }

    /// Kills all workers that are left, as the others were.
    fn end_by_killing(&mut self) {
        for mut worker in std::mem::take(&mut self.workers) {
            worker.peer.kill();
            self.bury(&worker, true);
        }
    }

    /// Closes the channel, and lets the workers come to the end of the stream.
    fn end_by_closing(&mut self) {
        let producer = self.numbers().build_producer().expect("a producer");
        producer.close().expect("a channel to close");
        for mut worker in std::mem::take(&mut self.workers) {
            let status = worker.peer.wait(PATIENCE).expect("an end in time");
            assert!(status.success(), "{:?} in {:?}: {status}", worker.work, worker.language);
            self.bury(&worker, false);
        }
    }

    /// Recovers the region, balances the ledgers, and checks that slots, records and tables are as at the start.
    fn balance(&self, watched: Watched) {
        let region = &self.region.region;
        let recovery = region.recover(RecoverOptions::new()).expect("a recovery");
        let deferred = |channel: &dmxp::ChannelRecovery| channel.deferred > 0;
        assert!(!recovery.channels.iter().any(deferred), "{recovery}");

        let mut balance = watched.balance;
        let anybody_killed = self.pasts.iter().any(|past| past.killed);
        for past in &self.pasts {
            let entries = Ledger::read(&self.ledger(past.name));
            match past.work {
                Produce(_) => {
                    let names = [past.name, past.name + Ledger::MORE];
                    for name in &names[..if past.work.has_set() { 2 } else { 1 }] {
                        let of_name = entries.iter().filter(|entry| entry.producer == *name);
                        balance.sent(*name, of_name.count() as u64);
                    }
                }
                Hold(_) => balance.add_holder(&entries, past.killed),
                Copying => balance.add_copier(&entries),
            }
        }
        let channels: Vec<_> = self
            .channels
            .iter()
            .map(|name| self.numbers().with_name(*name))
            .collect();
        let consumers: Vec<_> = channels
            .iter()
            .map(|channel| channel.build_consumer().expect("a consumer"))
            .collect();
        for consumer in &consumers {
            loop {
                match consumer.try_recv() {
                    Ok(message) => receive(&mut balance, &message),
                    Err(Error::Empty | Error::Closed) => break,
                    Err(error) => panic!("draining: {error}"),
                }
            }
        }
        // The last call of a killed producer may have sent up to that many that it never wrote down.
        let balanced = balance.check(if anybody_killed { Ledger::MOST as u64 } else { 0 });
        let info = region.channel_named("numbers").expect("the channel");
        println!(
            "{}: {} killed, {} times some were stopped ({} times in the way of others); {} Rust and {} Python workers, of which {} and {} came \
             to work; {} messages sent, {} received, {} deliveries flagged, {} lost as copies of at most {}; {} claims stepped over, {} \
             handles recovered, {} messages dropped; the living waited for at most {:.1?}, {} times for more than {:?}, of which {} times \
             behind the dead",
            self.label,
            self.killed,
            self.stops,
            self.in_the_way,
            self.started[0],
            self.started[1],
            self.worked[0],
            self.worked[1],
            balanced.sent,
            balanced.received,
            balanced.flagged,
            balanced.lost,
            balanced.copied,
            info.aborted,
            info.recovered,
            info.dropped,
            watched.waits.longest,
            watched.waits.long,
            Waits::PROMISED,
            watched.waits.behind_dead,
        );
        for name in self.channels {
            assert_eq!(region.channel_named(name).expect("the channel").dropped, 0);
        }
        if self.stops == 0 {
            // The others may wait for a worker that is stopped in the middle of a claim before the dead are swept.
            assert_eq!(
                watched.waits.behind_dead, 0,
                "blocked by the dead for longer than promised"
            );
        }
        let copiers = self.pasts.iter().filter(|past| matches!(past.work, Copying)).count();
        assert!(balanced.lost <= (copiers * Ledger::MOST) as u64);
        if !anybody_killed {
            let robbed = (info.redelivered, info.recovered, balanced.flagged);
            assert_eq!(robbed, (0, 0, 0), "the living keep what they hold");
            assert_eq!((balanced.lost, balanced.sent), (0, balanced.received));
        }

        let lap: Vec<_> = (0..SLOTS).map(|number| Numbered::new(0, number)).collect();
        let mut producers = Vec::new();
        for (channel, consumer) in channels.iter().zip(&consumers) {
            let producer = channel.build_producer().expect("a producer");
            producer.send_batch(&lap, Wait::No).expect("every slot is free");
            let received = consumer.recv_up_to(lap.len(), Wait::No).expect("a lap");
            assert_eq!(received.len(), lap.len());
            producers.push(producer);
        }
        let again = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
        assert!(again.is_clean(), "{again}");
        let tables = region.info();
        let handles = (producers.len() + consumers.len()) as u32;
        assert_eq!((tables.processes, tables.handles), (1, handles));
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.ledgers);
    }
}

fn kill_at_random(label: &'static str, namespaces: bool, compact: bool, work: impl IntoIterator<Item = Work>) {
    let mut field = Field::new(label, namespaces, compact, work);
    let watched = field.watched(|field| (0..kills()).for_each(|_| field.kill_one()));
    field.end_by_killing();
    field.balance(watched);
}

fn stop_and_kill_at_random(label: &'static str, work: impl IntoIterator<Item = Work>) {
    let mut field = Field::new(label, false, true, work);
    let watched = field.watched(|field| {
        for round in 0..kills() {
            field.kill_one();
            if round % 6 == 0 {
                field.stop_some();
            }
        }
    });
    field.end_by_killing();
    field.balance(watched);
}

#[test]
fn killed_at_random_nobody_loses_a_message_or_is_blocked() {
    kill_at_random("chaos", false, false, PRODUCERS.into_iter().chain(HOLDERS));
}

#[test]
fn killed_at_random_in_futures_and_sets_nobody_loses_a_message_or_is_blocked() {
    let work = WAITING_PRODUCERS.into_iter().chain(WAITING_HOLDERS);
    kill_at_random("chaos-waiting", false, false, work);
}

#[test]
fn a_killed_consumer_that_copies_loses_at_most_the_messages_of_one_call() {
    let consumers = [Copying, Hold(""), Copying, Hold("borrow-held")];
    kill_at_random("chaos-copies", false, true, PRODUCERS.into_iter().chain(consumers));
}

#[test]
fn killed_at_random_in_pid_namespaces_of_their_own_nobody_loses_a_message_or_is_blocked() {
    if may_make_pid_namespaces("killed_at_random_in_pid_namespaces_of_their_own_nobody_loses_a_message_or_is_blocked") {
        kill_at_random("chaos-namespaces", true, false, PRODUCERS.into_iter().chain(HOLDERS));
    }
}

#[test]
fn stopped_at_random_nobody_is_robbed() {
    let mut field = Field::new("chaos-stops", false, false, PRODUCERS.into_iter().chain(HOLDERS));
    (0..field.workers.len()).for_each(|index| field.let_begin(index));
    let watched = field.watched(|field| {
        for _ in 0..kills() / 3 {
            std::thread::sleep(Duration::from_micros(field.draws.below(20_000) as u64));
            field.stop_some();
        }
    });
    assert!(field.in_the_way > 0, "a stopped worker holds something now and then");
    // Before the end: a producer that finds the channel closed gives up what it has just claimed.
    let aborted = field.region.region.channel_named("numbers").expect("it").aborted;
    assert_eq!(aborted, 0, "the living keep what they have claimed");
    field.end_by_closing();
    field.balance(watched);
}

#[test]
fn stopped_and_killed_at_random_in_futures_and_sets_nobody_is_robbed_and_nobody_loses_a_message() {
    let work = WAITING_PRODUCERS.into_iter().chain(WAITING_HOLDERS);
    stop_and_kill_at_random("chaos-waiting-both", work);
}

#[test]
fn stopped_and_killed_at_random_nobody_is_robbed_and_nobody_loses_a_message() {
    stop_and_kill_at_random("chaos-both", PRODUCERS.into_iter().chain(HOLDERS));
}

//! Broadcast and latest channels whose producers and subscribers, in Rust, in C and in Python, are killed or stopped at random, while
//! ledgers outside of shared memory are kept and compared afterwards. `chaos.rs` does the same to queues.
//!
//! `DMXP_KILLS=2000 cargo test -p dmxp-tests --test chaos_broadcast -- --nocapture` is the long run, with that many kills in each
//! test; 32 unless given.

use dmxp::{
    Channel, ChannelBuilder, ChannelRecovery, Consumer, Delivery, Error, HolderState, RecoverOptions, Slots, Start,
    Subscription, Wait,
};
use dmxp_tests::{
    CProgram, Draws, Event, Language, Numbered, Peer, PeerCommand, Policy, Python, Stream, Stub, TestRegion, Waits,
    monotonic_ns,
};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a worker may take to start, or to end, or a single producer's successor to send.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than several ticks, which are 40 ms each.
const STOP: Duration = Duration::from_millis(150);

const SLOTS: u64 = 32;

/// What a place at the channel is for, which one process takes after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Publish,
    Subscribe(Policy),
}

/// How workers wait: in calls, in any language; in futures; and in a set, beside a channel on which nothing comes.
const WAYS: [&str; 3] = ["", "future", "set"];

struct Worker {
    work: Work,
    /// A producer's; the next has another.
    name: u64,
    language: Language,
    peer: Peer,
    /// The length of the ledger when it was started.
    begun_at: u64,
}

/// Ends the watching threads, also when the test fails.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each `None` where there is nothing to build it with.
struct Others {
    c: Option<CProgram>,
    python: Option<Python>,
}

struct Field {
    label: &'static str,
    delivery: Delivery,
    single: bool,
    /// Whether the channel admits lossy subscribers. Where it does not, a claim is written in the slot itself.
    lossy: bool,
    /// Whether each worker waits in one of [`WAYS`], and not in calls only.
    ways: bool,
    region: TestRegion,
    ledgers: PathBuf,
    draws: Draws,
    workers: Vec<Worker>,
    /// Names of producers, dead or alive.
    producers: Vec<u64>,
    /// Started, and come to work before their end; in the order of `Language::ALL`.
    started: [u64; 3],
    worked: [u64; 3],
    killed: u64,
    stops: u64,
    /// Stops of a worker that held something which others waited for.
    in_the_way: u64,
}

/// What the living in the test's process did and saw.
struct Watched {
    sent: Vec<Event>,
    received: Vec<Event>,
    consumer: Consumer<Numbered>,
    waits: Waits,
    /// The longest time without a message.
    quiet: Duration,
}

fn kills() -> u64 {
    std::env::var("DMXP_KILLS").map_or(32, |kills| kills.parse().expect("DMXP_KILLS is a number"))
}

/// The workers in other languages, built once.
fn others() -> &'static Others {
    static OTHERS: OnceLock<Others> = OnceLock::new();
    OTHERS.get_or_init(|| {
        let (tmp, stubs) = (env!("CARGO_TARGET_TMPDIR"), [Stub::of::<Numbered>("numbered")]);
        Others {
            c: CProgram::build("chaos_peer", tmp, &stubs),
            python: Python::build(tmp, &stubs),
        }
    })
}

/// A worker, to be started; one in Rust where the language is missing.
fn program(language: Language) -> (Language, PeerCommand) {
    match (language, others()) {
        (Language::C, Others { c: Some(c), .. }) => (language, c.program()),
        (
            Language::Python,
            Others {
                python: Some(python), ..
            },
        ) => (language, python.program("chaos_peer.py")),
        _ => (Language::Rust, PeerCommand::new(env!("CARGO_BIN_EXE_chaos_peer"))),
    }
}

fn file_len(path: &PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

impl Field {
    fn new(label: &'static str, delivery: Delivery, single: bool, lossy: bool) -> Self {
        Self::with(label, delivery, single, lossy, Slots::Usual)
    }

    fn with(label: &'static str, delivery: Delivery, single: bool, lossy: bool, slots: Slots) -> Self {
        // Before any process waits for a worker.
        others();
        let region = TestRegion::new(label, 4 << 20);
        let ledgers = std::env::temp_dir().join(TestRegion::fresh_name(label));
        std::fs::create_dir(&ledgers).expect("a folder for the ledgers");
        let seed = u64::from(std::process::id());
        println!("{label}: seed {seed}");
        let field = Self {
            label,
            delivery,
            single,
            lossy,
            ways: false,
            region,
            ledgers,
            draws: Draws::new(seed, 0),
            workers: Vec::new(),
            producers: Vec::new(),
            started: [0; 3],
            worked: [0; 3],
            killed: 0,
            stops: 0,
            in_the_way: 0,
        };
        let made = field
            .numbers()
            .with_capacity(SLOTS)
            .with_compact_slots(!single)
            .with_delivery(delivery)
            .with_single_producer(single);
        let made = match slots {
            Slots::Packed => made.with_compact_slots(false).with_packed_slots(true),
            _ => made,
        };
        let made = match delivery {
            Delivery::Broadcast => made.with_lossy_subscribers(lossy),
            _ => made,
        };
        drop(made.build_producer().expect("a channel"));
        field
    }

    fn numbers(&self) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name("numbers")
    }

    fn policy(&self) -> Policy {
        match self.delivery {
            Delivery::Latest => Policy::Latest,
            _ => Policy::Reliable,
        }
    }

    /// One producer or three, and five subscribers of the channel's kinds.
    fn fill(&mut self) {
        let producers = if self.single { 1 } else { 3 };
        let subscribers = match self.delivery {
            Delivery::Latest => [Policy::Latest; 5],
            _ if !self.lossy => [Policy::Reliable; 5],
            _ => [
                Policy::Reliable,
                Policy::Lossy,
                Policy::Reliable,
                Policy::Lossy,
                Policy::Reliable,
            ],
        };
        let work = std::iter::repeat_n(Work::Publish, producers).chain(subscribers.map(Work::Subscribe));
        for (index, work) in work.enumerate() {
            let worker = self.start(index, work);
            self.workers.push(worker);
        }
    }

    /// Of a producer by its name, of a subscriber by its index: its successor goes on where it ended.
    fn ledger(&self, work: Work, index: usize, name: u64) -> PathBuf {
        self.ledgers.join(match work {
            Work::Publish => format!("producer-{name}"),
            Work::Subscribe(_) => format!("subscriber-{index}"),
        })
    }

    fn worker_ledger(&self, index: usize) -> PathBuf {
        let worker = &self.workers[index];
        self.ledger(worker.work, index, worker.name)
    }

    fn start(&mut self, index: usize, work: Work) -> Worker {
        let way = if self.ways {
            WAYS[self.draws.below(WAYS.len())]
        } else {
            ""
        };
        let language = match way {
            "" => Language::ALL[self.draws.below(Language::ALL.len())],
            _ => Language::Rust,
        };
        let (language, program) = program(language);
        self.started[language as usize] += 1;
        let name = self.started.iter().sum();
        let ledger = self.ledger(work, index, name);
        let command = program.arg(&self.region.name).arg("numbers");
        let command = match work {
            Work::Publish => {
                self.producers.push(name);
                command.arg("chaos-publish").arg(name).arg(ledger.display())
            }
            Work::Subscribe(policy) => {
                command
                    .arg("chaos-subscribe")
                    .arg(name)
                    .arg(ledger.display())
                    .arg(match policy {
                        Policy::Reliable => "reliable",
                        Policy::Lossy => "lossy",
                        Policy::Latest => "latest",
                    })
            }
        };
        let command = if way.is_empty() { command } else { command.arg(way) };
        let begun_at = file_len(&ledger);
        Worker {
            work,
            name,
            language,
            peer: command.spawn(),
            begun_at,
        }
    }

    fn has_begun(&self, index: usize) -> bool {
        file_len(&self.worker_ledger(index)) > self.workers[index].begun_at
    }

    fn let_begin(&mut self, index: usize) {
        let started = Instant::now();
        while !self.has_begun(index) {
            self.assert_runs(index);
            assert!(
                started.elapsed() < PATIENCE,
                "{:?} in {:?} comes to work",
                self.workers[index].work,
                self.workers[index].language
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A worker that ends by itself has found something wrong.
    fn assert_runs(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let status = worker.peer.wait(Duration::ZERO);
        assert_eq!(
            status, None,
            "{:?} in {:?}, the {}th",
            worker.work, worker.language, worker.name
        );
    }

    fn bury(&mut self, index: usize) {
        self.assert_runs(index);
        self.workers[index].peer.kill();
        self.worked[self.workers[index].language as usize] += u64::from(self.has_begun(index));
        self.killed += 1;
    }

    /// Kills a worker, at the beginning or at work, and starts its successor.
    fn kill_one(&mut self) {
        let index = self.draws.below(self.workers.len());
        if self.draws.below(3) > 0 {
            self.let_begin(index);
        }
        std::thread::sleep(Duration::from_micros(self.draws.below(20_000) as u64));
        self.bury(index);
        let work = self.workers[index].work;
        self.workers[index] = self.start(index, work);
    }

    /// Stops some of the workers at once, often all, for longer than several ticks.
    fn stop_some(&mut self) {
        let all = self.draws.below(3) == 0;
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
        if self.single && self.has_begun(0) {
            let second = self.numbers().build_producer();
            assert!(
                matches!(second, Err(Error::ChannelInUse { .. })),
                "the producer lives: {second:?}"
            );
        }
        for &index in &stopped {
            self.workers[index].peer.signal(libc::SIGCONT);
        }
        self.stops += 1;
    }

    /// Does `disturb` while a living subscriber receives, and, where there may be several, a living producer sends.
    fn watched(&mut self, disturb: impl FnOnce(&mut Self)) -> Watched {
        let (done, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let (builder, region, single) = (self.numbers(), self.region.region.clone(), self.single);
        // Before any producer sends.
        let consumer = builder.build_consumer().expect("a consumer");
        let at_ns = monotonic_ns();
        self.fill();
        let receive = |consumer: Consumer<Numbered>| {
            let mut received = vec![Event::Subscribed { start: None, at_ns }];
            let (mut quiet, mut last) = (Duration::ZERO, Instant::now());
            let bound = if single { PATIENCE } else { Waits::BOUND };
            while !done.load(Ordering::Relaxed) {
                match consumer.recv_timeout(Waits::PROMISED) {
                    Ok(message) => received.extend(Event::received(&message, &message.metadata())),
                    Err(Error::Timeout) if last.elapsed() < bound => continue,
                    Err(error) => panic!("the living get nothing: {error}; {:?}", region.blockages()),
                }
                quiet = quiet.max(last.elapsed());
                last = Instant::now();
            }
            (received, quiet, consumer)
        };
        let send = || {
            let (mut sent, mut waits, mut number) = (Vec::new(), Waits::default(), 0);
            if single {
                return (sent, waits);
            }
            let producer = builder.build_producer().expect("a producer");
            while !over.load(Ordering::Relaxed) {
                let message = Numbered::new(0, number);
                let at_ns = monotonic_ns();
                let id = waits.wait_for(&region, || producer.send_timeout(&message, Waits::PROMISED));
                let producer = 0;
                sent.extend([Event::Sending { at_ns }, Event::Message { producer, number, id }]);
                number += 1;
                // The cores are for the workers.
                std::thread::sleep(Duration::from_micros(200));
            }
            (sent, waits)
        };
        std::thread::scope(|scope| {
            let (done, over) = (Enough(&done), Enough(&over));
            let receive = scope.spawn(move || receive(consumer));
            let send = scope.spawn(send);
            disturb(self);
            // The producer first: it may wait for the subscriber.
            drop(over);
            let (sent, waits) = send.join().expect("the living producer");
            drop(done);
            let (received, quiet, consumer) = receive.join().expect("the living subscriber");
            Watched {
                sent,
                received,
                consumer,
                waits,
                quiet,
            }
        })
    }

    /// Kills all workers that are left, as the others were.
    fn end_by_killing(&mut self) {
        (0..self.workers.len()).for_each(|index| self.bury(index));
    }

    /// Closes the channel, and lets the workers come to the end of the stream.
    fn end_by_closing(&mut self) {
        let closer = match self.delivery {
            Delivery::Broadcast if self.lossy => self.numbers().with_subscription(Subscription::Lossy),
            _ => self.numbers(),
        };
        closer.build_consumer().expect("a consumer").close().expect("a channel");
        for worker in &mut self.workers {
            let status = worker.peer.wait(PATIENCE).expect("an end in time");
            assert!(
                status.success(),
                "{:?} in {:?}, the {}th: {status}",
                worker.work,
                worker.language,
                worker.name
            );
            self.worked[worker.language as usize] += 1;
        }
    }

    /// Recovers the region, compares the ledgers, and checks that slots, records and tables are as at the start.
    fn balance(&self, mut watched: Watched, ended: bool) {
        let region = &self.region.region;
        let recovery = region.recover(RecoverOptions::new()).expect("a recovery");
        let deferred = |channel: &ChannelRecovery| channel.deferred > 0;
        assert!(!recovery.channels.iter().any(deferred), "{recovery}");
        if self.single {
            // What a dead single producer left is dealt with by the next one.
            drop(self.numbers().build_producer().expect("a producer"));
        }
        loop {
            match watched.consumer.try_recv() {
                Ok(message) => watched.received.extend(Event::received(&message, &message.metadata())),
                Err(Error::Empty | Error::Closed) => break,
                Err(error) => panic!("draining: {error}"),
            }
        }
        drop(watched.consumer);

        let mut stream = Stream::default();
        stream.add_producer(0, &watched.sent);
        for &name in &self.producers {
            stream.add_producer(name, &Event::read(&self.ledger(Work::Publish, 0, name)));
        }
        let subscribers: Vec<_> = self
            .workers
            .iter()
            .enumerate()
            .filter_map(|(index, worker)| match worker.work {
                Work::Publish => None,
                Work::Subscribe(policy) => Some((policy, Event::read(&self.worker_ledger(index)))),
            })
            .collect();
        stream.add_received(&watched.received);
        subscribers.iter().for_each(|(_, events)| stream.add_received(events));
        let sent = stream.complete(self.delivery != Delivery::Latest);
        let living = stream.check(self.policy(), &watched.received, !self.single, true);
        let of = |asked: Policy| {
            let ledgers = subscribers.iter().filter(|(policy, _)| *policy == asked);
            ledgers.fold((0, 0), |sum, (policy, events)| {
                let got = stream.check(*policy, events, !self.single, ended);
                (sum.0 + got.0, sum.1 + got.1)
            })
        };
        let (reliable, lossy, latest) = (of(Policy::Reliable), of(Policy::Lossy), of(Policy::Latest));
        let info = region.channel_named("numbers").expect("the channel");
        println!(
            "{}: {} killed, {} times some were stopped ({} times in the way of others); {:?} workers in {:?}, of which {:?} came to \
             work; {sent} messages sent; the living subscriber received {} and missed {}, reliable workers {} and {} between two of them, lossy {} \
             and {}, of the latest {} and {}; {} claims given up, {} handles recovered; the living producer waited for at most {:.1?}, \
             {} times for more than {:?}, of which {} times behind the dead; nothing came for at most {:.1?}",
            self.label,
            self.killed,
            self.stops,
            self.in_the_way,
            self.started,
            Language::ALL,
            self.worked,
            living.0,
            living.1,
            reliable.0,
            reliable.1,
            lossy.0,
            lossy.1,
            latest.0,
            latest.1,
            info.aborted,
            info.recovered,
            watched.waits.longest,
            watched.waits.long,
            Waits::PROMISED,
            watched.waits.behind_dead,
            watched.quiet,
        );
        assert!(sent > 0 && living.0 > 0);
        if self.stops == 0 {
            assert_eq!(
                watched.waits.behind_dead, 0,
                "blocked by the dead for longer than promised"
            );
        }
        if self.killed == 0 {
            assert_eq!(info.recovered, 0, "the living keep what they hold");
        }
        self.check_emptiness();
    }

    /// All slots, records and places are free.
    fn check_emptiness(&self) {
        let region = &self.region.region;
        let consumer = match self.delivery {
            Delivery::Latest => self.numbers(),
            _ => self.numbers().with_start(Start::Newest),
        };
        let consumer = consumer.build_consumer().expect("a consumer");
        let producer = self.numbers().build_producer().expect("a producer");
        let most = if self.delivery == Delivery::Latest {
            SLOTS - 1
        } else {
            SLOTS
        };
        let lap: Vec<_> = (0..most).map(|number| Numbered::new(0, number)).collect();
        let first = producer.send_batch(&lap, Wait::No).expect("every slot is free");
        if self.delivery == Delivery::Latest {
            let newest = consumer.newest().expect("it");
            assert_eq!(newest.metadata().message_id, first + most - 1);
        } else {
            let received = consumer.recv_batch(lap.len(), Wait::No).expect("a lap");
            assert!(
                received
                    .iter()
                    .zip(0..)
                    .all(|(message, number)| message.number == number)
            );
        }
        let again = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
        assert!(again.is_clean(), "{again}");
        let tables = region.info();
        assert_eq!((tables.processes, tables.handles), (1, 2));
        assert!(region.blockages().expect("blockages").is_empty());
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.ledgers);
    }
}

/// With workers that wait in calls, in futures and in sets.
fn waiting(mut field: Field) -> Field {
    field.ways = true;
    let quiet = field.numbers().with_name("quiet").with_capacity(2);
    drop(quiet.build_producer().expect("a channel"));
    field
}

fn kill(mut field: Field) {
    let watched = field.watched(|field| (0..kills()).for_each(|_| field.kill_one()));
    field.end_by_killing();
    field.balance(watched, false);
}

fn stop(mut field: Field) {
    let watched = field.watched(|field| {
        (0..field.workers.len()).for_each(|index| field.let_begin(index));
        for _ in 0..kills() / 4 {
            std::thread::sleep(Duration::from_micros(field.draws.below(20_000) as u64));
            field.stop_some();
        }
    });
    field.end_by_closing();
    field.balance(watched, true);
}

#[test]
fn killed_at_random_among_many_producers_every_subscriber_gets_what_its_policy_says() {
    kill(Field::new("chaos-broadcast", Delivery::Broadcast, false, true));
    kill(Field::new(
        "chaos-broadcast-in-place",
        Delivery::Broadcast,
        false,
        false,
    ));
}

#[test]
fn killed_at_random_behind_one_producer_every_subscriber_gets_what_its_policy_says() {
    kill(Field::new("chaos-single", Delivery::Broadcast, true, true));
    kill(Field::new("chaos-single-in-place", Delivery::Broadcast, true, false));
}

#[test]
fn killed_at_random_at_packed_slots_every_subscriber_gets_what_its_policy_says() {
    let packed = |label, lossy| Field::with(label, Delivery::Broadcast, true, lossy, Slots::Packed);
    kill(packed("chaos-packed", true));
    kill(packed("chaos-packed-in-place", false));
}

#[test]
fn killed_at_random_no_reader_gets_a_torn_value_or_an_older_one() {
    kill(Field::new("chaos-latest", Delivery::Latest, false, true));
    kill(Field::new("chaos-latest-single", Delivery::Latest, true, true));
}

#[test]
fn killed_at_random_in_futures_and_sets_every_subscriber_gets_what_its_policy_says() {
    let field = |label, delivery, single| waiting(Field::new(label, delivery, single, true));
    kill(field("chaos-waiting-many", Delivery::Broadcast, false));
    kill(field("chaos-waiting-single", Delivery::Broadcast, true));
    kill(field("chaos-waiting-latest", Delivery::Latest, false));
}

#[test]
fn stopped_at_random_nobody_is_robbed() {
    for lossy in [true, false] {
        stop(Field::new("chaos-broadcast-stops", Delivery::Broadcast, false, lossy));
        stop(Field::new("chaos-single-stops", Delivery::Broadcast, true, lossy));
    }
}

#[test]
fn stopped_at_random_at_packed_slots_nobody_is_robbed() {
    let label = "chaos-packed-stops";
    for lossy in [true, false] {
        stop(Field::with(label, Delivery::Broadcast, true, lossy, Slots::Packed));
    }
}

#[test]
fn stopped_at_random_no_reader_gets_a_torn_value_or_an_older_one() {
    stop(Field::new("chaos-latest-stops", Delivery::Latest, false, true));
    stop(Field::new("chaos-latest-single-stops", Delivery::Latest, true, true));
}

#[test]
fn stopped_and_killed_at_random_every_subscriber_gets_what_its_policy_says() {
    for lossy in [true, false] {
        let mut field = Field::new("chaos-broadcast-both", Delivery::Broadcast, false, lossy);
        let watched = field.watched(|field| {
            for round in 0..kills() {
                field.kill_one();
                if round % 6 == 0 {
                    field.stop_some();
                }
            }
        });
        field.end_by_killing();
        field.balance(watched, false);
    }
}

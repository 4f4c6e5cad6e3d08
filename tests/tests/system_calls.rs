//! A process killed, or stopped, in any system call that it makes leaves the others unharmed.
//!
//! A session (`src/bin/session.rs`) runs under ptrace(2) and is killed before one of its system calls does anything, in the middle of
//! it, or before it returns; then the ledgers are balanced. Between two system calls `stops.rs` kills.
//!
//! `DMXP_KILLS=1000 cargo test -p dmxp-tests --test system_calls -- --nocapture` is the long run: up to so many of the places of each
//! system call in each workload, at the entry and at the exit; one unless given. `DMXP_STOPS` says the same of stops; unless given, a third of
//! the calls is drawn.

use dmxp::{
    Channel, ChannelBuilder, Consumer, Delivery, Error, HolderState, Producer, RecoverOptions, RegionOptions, Wait,
};
use dmxp_tests::{
    Balance, Draws, Entry, Ledger, Numbered, Passes, Place, Side, TestRegion, Traced, Waits, may_trace, until,
};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const WORKLOADS: [&str; 7] = [
    "conversation",
    "futures",
    "set",
    "broadcast",
    "tables",
    "heir",
    "region",
];

/// The channels with subscribers, in the order of their numbers in the ledger.
const BROADCAST: [&str; 3] = ["news", "solo", "pose"];

/// The sender of the answers.
const ANSWERER: u64 = 1;
/// The sender of messages that are looked for behind a victim's.
const SUCCESSOR: u64 = u64::MAX >> 1;

/// Longer than several ticks.
const STOP: Duration = Duration::from_millis(100);

/// How often a victim is sent again to a place that it did not come to.
const TRIES: usize = 20;

/// What happens to the victim at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Killed,
    Stopped,
}

#[derive(Debug, Default)]
struct Tally {
    harmed: AtomicU64,
    ended: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    flagged: AtomicU64,
    long: AtomicU64,
    in_the_way: AtomicU64,
    longest_ms: AtomicU64,
}

struct Arena {
    region: TestRegion,
    ledgers: PathBuf,
    incarnation: u64,
    /// The attack.
    what: String,
}

/// Ends the answering thread, also when the test fails.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the thread that answers did.
struct Answered {
    producer: Producer<Numbered>,
    consumer: Consumer<Numbered>,
    received: Vec<(Numbered, u8)>,
    sent: u64,
}

impl Arena {
    fn new(label: &str) -> Self {
        let options = RegionOptions::new().size(2 << 20).max_processes(8).max_handles(32);
        let region = TestRegion::with(label, options);
        let ledgers = std::env::temp_dir().join(TestRegion::fresh_name(label));
        std::fs::create_dir(&ledgers).expect("a folder for the ledgers");
        let arena = Self {
            region,
            ledgers,
            incarnation: ANSWERER,
            what: String::new(),
        };
        for name in ["questions", "answers"] {
            drop(arena.queue(name).build_producer().expect("a channel"));
        }
        arena
    }

    fn queue(&self, name: &str) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name(name)
            .with_capacity(4)
    }

    fn broadcast(&self, name: &str) -> ChannelBuilder<Numbered> {
        let delivery = if name == "pose" {
            Delivery::Latest
        } else {
            Delivery::Broadcast
        };
        self.queue(name)
            .with_capacity(8)
            .with_delivery(delivery)
            .with_single_producer(name == "solo")
    }

    fn ledger(&self, name: &str) -> PathBuf {
        self.ledgers.join(name)
    }

    /// A message that a dead process held, and a claim of it.
    fn leave_dead(&self) {
        let channel = |name: &str| self.region.region.channel_named(name).expect("the channel");
        let before = channel("answers").head;
        let peer = self.region.peer(env!("CARGO_BIN_EXE_peer"), "answers", "hold-numbered");
        let mut holder = peer.spawn();
        until("the borrow", || channel("answers").head != before);
        holder.kill();
    }

    fn spawn(&mut self, workload: &str) -> Traced {
        self.incarnation += 1;
        for name in ["sent", "held", "told"] {
            let _ = std::fs::remove_file(self.ledger(name));
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_session"));
        command
            .args([&self.region.name, workload, &self.incarnation.to_string()])
            .arg(&self.ledgers);
        Traced::spawn(command).expect("a victim")
    }

    /// Answers questions, a moment later, and says something by itself now and then.
    fn answer(&self, done: &AtomicBool) -> Answered {
        let mut answered = Answered {
            producer: self.queue("answers").build_producer().expect("a producer"),
            consumer: self.queue("questions").build_consumer().expect("a consumer"),
            received: Vec::new(),
            sent: 0,
        };
        while !done.load(Ordering::Relaxed) {
            match answered.consumer.recv_timeout(Duration::from_millis(10)) {
                Ok(question) => {
                    // Time for the other side to fall asleep.
                    std::thread::sleep(Duration::from_millis(2));
                    answered.received.push((*question, question.metadata().redelivered));
                }
                Err(Error::Timeout) => {}
                Err(error) => panic!("questions: {error}"),
            }
            let answer = Numbered::new(ANSWERER, answered.sent);
            match answered.producer.send_timeout(&answer, Duration::from_millis(1)) {
                Ok(_) => answered.sent += 1,
                Err(Error::Timeout) => {}
                Err(error) => panic!("answers: {error}"),
            }
        }
        answered
    }

    /// Sends a message and receives all that is there before it, and it.
    fn pass_one(
        &self,
        producer: &Producer<Numbered>,
        consumer: &Consumer<Numbered>,
        waits: &mut Waits,
        mut take: impl FnMut(&Numbered, u8),
    ) {
        let probe = Numbered::new(SUCCESSOR, self.incarnation);
        let started = Instant::now();
        let mut sent = false;
        loop {
            assert!(
                started.elapsed() < Waits::BOUND,
                "{}: blocked: {:?}",
                self.what,
                self.region.region.blockages()
            );
            // There may be no room before something is received.
            if !sent {
                sent = producer.send_timeout(&probe, Duration::from_millis(1)).is_ok();
            }
            let message = if sent {
                waits.wait_for(&self.region.region, || consumer.recv_timeout(Waits::PROMISED))
            } else {
                match consumer.recv_timeout(Duration::from_millis(50)) {
                    Ok(message) => message,
                    Err(Error::Timeout) => continue,
                    Err(error) => panic!("receiving: {error}"),
                }
            };
            if message.producer == SUCCESSOR && message.number == self.incarnation {
                return;
            }
            take(&message, message.metadata().redelivered);
        }
    }

    /// What the workload does, up to `place`, where its fate comes; then everything that others may rely on. `false`: the victim ended
    /// before it came there. The checks hold all the same.
    fn attack(&mut self, workload: &str, place: Option<Place>, fate: Fate, tally: &Tally) -> (bool, Passes) {
        let what = format!("{workload}, {fate:?} at {place:?}");
        self.what.clone_from(&what);
        let region = self.region.region.clone();
        let subscribers: Vec<_> = BROADCAST
            .iter()
            .map(|name| (*name, self.broadcast(name).build_consumer().expect("a subscriber")))
            .collect();
        let mut balance = Balance::default();
        let first = self.queue("answers").build_producer().expect("a producer");
        if workload == "heir" {
            first.try_send(&Numbered::new(0, 0)).expect("room");
            self.leave_dead();
            // Whatever the dead one had, it had it unflagged, and had not finished it.
            let held = Entry {
                producer: 0,
                number: 0,
                redelivered: 0,
            };
            balance.add_holder(&[held], true);
            balance.sent(0, 1);
        }
        drop(first);
        let mut victim = self.spawn(workload);
        let done = AtomicBool::new(false);
        let mut waits = Waits::default();
        let (reached, census, answered) = std::thread::scope(|scope| {
            let arena = &*self;
            let enough = Enough(&done);
            let answering = scope.spawn(|| arena.answer(&done));
            let reached = victim.run(place).expect("a traced process");
            let census = victim.passes().clone();
            match fate {
                Fate::Killed => victim.kill(),
                Fate::Stopped => {
                    let aside = reached.then(|| scope.spawn(|| arena.live_aside()));
                    if let Some(aside) = &aside {
                        std::thread::sleep(STOP);
                        // The lock of the region's tables may be the victim's: then the others wait for it.
                        tally
                            .in_the_way
                            .fetch_add(u64::from(!aside.is_finished()), Ordering::Relaxed);
                    }
                    let success = victim.finish().expect("a traced process");
                    assert!(success, "{workload} at {place:?}: the session failed");
                    if let Some(aside) = aside {
                        aside.join().expect("the other channel");
                    }
                }
            }
            // What follows a death, so that it is the answering thread that comes upon what is left, as others do.
            std::thread::sleep(Duration::from_millis(if reached { 5 } else { 0 }));
            drop(enough);
            (reached, census, answering.join().expect("the answering thread"))
        });
        if reached {
            tally.harmed.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.ended.fetch_add(1, Ordering::Relaxed);
        }
        balance.sent(ANSWERER, answered.sent);
        let killed = fate == Fate::Killed;
        let sent = Ledger::read(&self.ledger("sent"));
        balance.sent(self.incarnation, sent.len() as u64);
        balance.add_holder(&Ledger::read(&self.ledger("held")), killed);

        // The living go on, and newcomers.
        let newcomers = (
            self.queue("questions").build_producer().expect("a newcomer"),
            self.queue("answers").build_consumer().expect("a newcomer"),
        );
        let mut taken = answered.received;
        let mut take = |message: &Numbered, redelivered| taken.push((*message, redelivered));
        let started = Instant::now();
        self.pass_one(&newcomers.0, &answered.consumer, &mut waits, &mut take);
        self.pass_one(&answered.producer, &newcomers.1, &mut waits, &mut take);
        self.check_subscribers(subscribers, killed, &mut waits, &what);
        tally
            .longest_ms
            .fetch_max(started.elapsed().as_millis() as u64, Ordering::Relaxed);
        assert_eq!(
            waits.behind_dead, 0,
            "{what}: blocked by the dead for longer than promised"
        );
        tally.long.fetch_add(waits.long, Ordering::Relaxed);

        let recovery = region.recover(RecoverOptions::new());
        let recovery = recovery.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(
            recovery.damaged.is_empty() && recovery.channels.iter().all(|channel| channel.deferred == 0),
            "{what}: {recovery}"
        );
        for consumer in [&answered.consumer, &newcomers.1] {
            loop {
                match consumer.try_recv() {
                    Ok(message) => take(&message, message.metadata().redelivered),
                    Err(Error::Empty) => break,
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        }
        for (message, redelivered) in taken {
            assert!(message.is_whole(), "{what}: torn {message:?}");
            balance.received(message.producer, message.number, u64::from(redelivered));
        }
        let balanced = balance.check(if killed { Ledger::MOST as u64 } else { 0 });
        assert_eq!(balanced.lost, 0, "{what}");
        tally.sent.fetch_add(balanced.sent, Ordering::Relaxed);
        tally.received.fetch_add(balanced.received, Ordering::Relaxed);
        tally.flagged.fetch_add(balanced.flagged, Ordering::Relaxed);
        self.check_nothing_is_left(
            [(&newcomers.0, &answered.consumer), (&answered.producer, &newcomers.1)],
            &what,
        );
        self.check_own_region(&what);
        (reached, census)
    }

    /// Looks, opens a channel that the victim does not use, and uses it. Nobody takes the victim for dead.
    fn live_aside(&self) {
        let blockages = self.region.region.blockages();
        for blockage in blockages.expect("a look beside a stopped process") {
            let holder = blockage.holder.as_ref();
            assert!(
                holder.is_none_or(|holder| holder.state != HolderState::Dead),
                "it lives: {blockage:?}"
            );
        }
        let channel = self.queue("aside").with_capacity(2);
        let producer = channel.build_producer().expect("a producer beside a stopped process");
        let consumer = channel.build_consumer().expect("a consumer beside a stopped process");
        producer.try_send(&Numbered::new(0, 0)).expect("room");
        drop(consumer.recv_timeout(Waits::BOUND).expect("the message"));
    }

    /// Subscribers got everything that the victim says it has sent, in order and whole, and get what a successor sends.
    fn check_subscribers(
        &self,
        subscribers: Vec<(&'static str, Consumer<Numbered>)>,
        killed: bool,
        waits: &mut Waits,
        what: &str,
    ) {
        let told = Ledger::read(&self.ledger("told"));
        for (index, (name, subscriber)) in (0..).zip(subscribers) {
            let told = told.iter().filter(|entry| entry.producer == index).count() as u64;
            let successor = self.broadcast(name).build_producer();
            let successor = successor.unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
            let (mut came, mut newest) = (0, 0);
            self.pass_one(&successor, &subscriber, waits, |message, _| {
                assert!(message.is_whole(), "{what}: {name}: torn {message:?}");
                if message.producer == self.incarnation {
                    assert!(message.number >= newest, "{what}: {name}: backwards");
                    newest = message.number;
                    came += 1;
                }
            });
            if name != "pose" {
                assert!(
                    came >= told && (killed || came == told),
                    "{what}: {name}: {told} sent, {came} came"
                );
            }
        }
    }

    /// Slots, records, lock bytes, tables: all as before.
    fn check_nothing_is_left(&self, pairs: [(&Producer<Numbered>, &Consumer<Numbered>); 2], what: &str) {
        let region = &self.region.region;
        let lap = [0, 1, 2, 3].map(|number| Numbered::new(0, number));
        for (producer, consumer) in pairs {
            producer
                .send_batch(&lap, Wait::No)
                .unwrap_or_else(|error| panic!("{what}: a slot is missing: {error}"));
            let received = consumer.recv_up_to(8, Wait::No).map(|batch| batch.len());
            assert_eq!(received.ok(), Some(4), "{what}");
        }
        let again = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
        assert!(again.is_clean(), "{what}: {again}");
        let info = region.info();
        assert_eq!((info.processes, info.handles), (1, 4), "{what}");
        assert!(region.blockages().expect("blockages").is_empty(), "{what}");
        for channel in region.channels().expect("the channels") {
            let kept = |name: &str| ["questions", "answers"].contains(&name) || BROADCAST.contains(&name);
            if !channel.name.as_deref().is_some_and(kept) {
                region
                    .remove_channel(channel.id, false)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
        let left = region.info();
        assert_eq!(left.channels, 5, "{what}");
        let temporary = self.queue("temporary").with_capacity(2);
        drop(
            temporary
                .build_producer()
                .unwrap_or_else(|error| panic!("{what}: {error}")),
        );
        region
            .remove_channel_named("temporary", false)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(region.info(), left, "{what}: space or tables leak");
    }

    /// The region that a victim may have been making, using or removing: a newcomer has it, and nothing of it stays.
    fn check_own_region(&self, what: &str) {
        let name = format!("{}-own", self.region.name);
        let own = RegionOptions::new().name(&name).size(2 << 20).open_or_create();
        let own = own.unwrap_or_else(|error| panic!("{what}: {error}"));
        let channel = Channel::<Numbered>::builder().with_region(&own).with_name("own");
        let (producer, consumer) = (
            channel
                .build_producer()
                .unwrap_or_else(|error| panic!("{what}: {error}")),
            channel
                .build_consumer()
                .unwrap_or_else(|error| panic!("{what}: {error}")),
        );
        producer.try_send(&Numbered::new(SUCCESSOR, 0)).expect("room");
        let mut waits = Waits::default();
        while waits.wait_for(&own, || consumer.recv_timeout(Waits::PROMISED)).producer != SUCCESSOR {}
        drop((producer, consumer, channel, own));
        RegionOptions::new()
            .name(&name)
            .remove(false)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let files = std::fs::read_dir("/dev/shm").expect("a folder");
        let left: Vec<_> = files
            .filter_map(|file| file.ok()?.file_name().into_string().ok())
            .filter(|file| file.contains(&name))
            .collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.ledgers);
        let _ = RegionOptions::new()
            .name(format!("{}-own", self.region.name))
            .remove(true);
    }
}

/// Calls in which a thread may sleep, or that take the kernel a while.
const SLOW: [libc::c_long; 7] = [
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_membarrier,
    libc::SYS_fcntl,
    libc::SYS_fallocate,
    libc::SYS_munmap,
    libc::SYS_clone3,
];

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |number| {
        number
            .parse()
            .unwrap_or_else(|error| panic!("{variable} is no number: {error}"))
    })
}

/// At most `most` of `passes`, spread over all of them.
fn spread(passes: u64, most: u64, draws: &mut Draws) -> Vec<u64> {
    let count = passes.min(most);
    let mut chosen: Vec<u64> = (0..count)
        .map(|index| {
            let (from, to) = (index * passes / count, (index + 1) * passes / count);
            1 + from + draws.below((to - from) as usize) as u64
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// The places that a workload comes to, as a run to its end shows them, and what is to happen there.
fn plan(workload: &'static str, passes: &Passes, draws: &mut Draws) -> Vec<(&'static str, Place, Fate)> {
    let (kills, stops) = (number("DMXP_KILLS", 1), number("DMXP_STOPS", 0));
    let mut attacks = Vec::new();
    for (side, calls) in [(Side::Entry, &passes.entered), (Side::Exit, &passes.returned)] {
        for (&call, &count) in calls {
            for pass in spread(count, kills, draws) {
                attacks.push((workload, Place { call, pass, side }, Fate::Killed));
                if side == Side::Entry && SLOW.contains(&(call as libc::c_long)) {
                    let side = Side::Within(Duration::from_micros(draws.below(3_000) as u64));
                    attacks.push((workload, Place { call, pass, side }, Fate::Killed));
                }
            }
            // A stop takes its time: the short run draws some.
            if stops > 0 || draws.below(3) == 0 {
                for pass in spread(count, stops.max(1), draws) {
                    attacks.push((workload, Place { call, pass, side }, Fate::Stopped));
                }
            }
        }
    }
    attacks
}

#[test]
fn a_process_killed_or_stopped_in_any_system_call_harms_nobody() {
    if !may_trace() {
        return;
    }
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let tally = Tally::default();
    let mut draws = Draws::new(seed, 1);
    let mut attacks = Vec::new();
    let mut calls = 0;
    {
        let mut arena = Arena::new("calls-census");
        for workload in WORKLOADS {
            let (_, passes) = arena.attack(workload, None, Fate::Stopped, &tally);
            let sleeps = match workload {
                "conversation" | "futures" => Some(libc::SYS_futex),
                "set" => Some(libc::SYS_futex_waitv),
                _ => None,
            };
            if let Some(call) = sleeps {
                let sleeps = passes.entered.get(&(call as u64)).copied().unwrap_or_default();
                assert!(sleeps > 0, "{workload} sleeps: {passes:?}");
            }
            calls += passes.entered.values().sum::<u64>();
            attacks.extend(plan(workload, &passes, &mut draws));
        }
    }
    let planned = attacks.len() as u64;
    println!(
        "{calls} system calls in {} workloads, {planned} attacks",
        WORKLOADS.len()
    );
    let queue = Mutex::new(attacks);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (queue, missed, tally) = (&queue, &missed, &tally);
            scope.spawn(move || {
                let mut arena = Arena::new(&format!("calls-{worker}"));
                loop {
                    let Some((workload, place, fate)) = queue.lock().expect("no worker panics with it").pop() else {
                        break;
                    };
                    // How often threads wait differs from run to run: the first passes are the ones to count on.
                    let places = std::iter::once(place).chain((0..TRIES as u64).map(|tries| Place {
                        pass: (place.pass >> (tries / 2 + 1)).max(1),
                        ..place
                    }));
                    let reached = places
                        .into_iter()
                        .any(|place| arena.attack(workload, Some(place), fate, tally).0);
                    if !reached {
                        let missed = missed.lock();
                        missed.expect("no worker panics with it").push((workload, place, fate));
                    }
                }
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} victims killed or stopped in a system call, {} ended before it; {} messages sent, {} received, {} deliveries flagged; beside \
         {} of those stopped others waited for the lock; {} waits were longer than {:?}, none of them behind the dead; what follows an attack took \
         at most {} ms",
        count(&tally.harmed),
        count(&tally.ended),
        count(&tally.sent),
        count(&tally.received),
        count(&tally.flagged),
        count(&tally.in_the_way),
        count(&tally.long),
        Waits::PROMISED,
        count(&tally.longest_ms),
    );
    let missed = missed.into_inner().expect("no worker panics with it");
    assert!(missed.is_empty(), "victims did not come to {missed:?}");
    assert_eq!(count(&tally.harmed), planned, "each place once");
}

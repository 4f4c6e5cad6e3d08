//! v1 programs and ours on one queue, killed at random, while ledgers outside of shared memory are kept and balanced afterwards.
//!
//! A v1 program leaves no trace when it dies: what it had claimed stays stuck until all v1 programs are stopped and the region is
//! recovered by force (docs/RECOVERY.md). The test does that when the living are blocked, and only behind what is none of ours. It
//! checks that nothing more than that is needed: no message is lost, torn, or twice without its flag, and what our own dead had is
//! passed within the promised time beside v1 programs too.
//!
//! `DMXP_KILLS=1000 cargo test -p dmxp-tests --test chaos_v1 -- --nocapture` is the long run; 30 kills unless given.

use dmxp::{Blocked, Channel, ChannelBuilder, Consumer, Error, HolderState, Producer, RecoverOptions, Wait};
use dmxp_tests::{Balance, Draws, Ledger, Numbered, Peer, PeerCommand, TestRegion, Waits, python};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/v1_peer/v1_peer.py");

/// How long a worker may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

const SLOTS: u64 = 64;

/// How often in a row, each time after [`Waits::PROMISED`], a position is found in the way before it is taken for stuck.
const LOOKS: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    V1Produce,
    V1Consume,
    Produce,
    /// Writes each message down before it lets go of it.
    Hold,
}

impl Work {
    const ALL: [Self; 4] = [Self::V1Produce, Self::V1Consume, Self::Produce, Self::Hold];

    fn is_v1(self) -> bool {
        matches!(self, Self::V1Produce | Self::V1Consume)
    }
}

struct Worker {
    name: u64,
    work: Work,
    peer: Peer,
}

struct Field {
    region: TestRegion,
    ledgers: PathBuf,
    python: PathBuf,
    draws: Draws,
    workers: Vec<Worker>,
    pasts: Vec<(u64, Work)>,
    names: u64,
    killed: [u64; 2],
    /// Blocked by what is none of ours, until the region was recovered by force.
    cures: u64,
    longest: Duration,
}

fn kills() -> u64 {
    std::env::var("DMXP_KILLS").map_or(30, |kills| kills.parse().expect("DMXP_KILLS is a number"))
}

impl Field {
    /// `None` where there is no Python.
    fn new(label: &str) -> Option<Self> {
        let python = python()?;
        let region = TestRegion::new(label, 4 << 20);
        let ledgers = std::env::temp_dir().join(TestRegion::fresh_name(label));
        std::fs::create_dir(&ledgers).expect("a folder for the ledgers");
        let seed = u64::from(std::process::id());
        println!("{label}: seed {seed}");
        let mut field = Self {
            region,
            ledgers,
            python,
            draws: Draws::new(seed, 0),
            workers: Vec::new(),
            pasts: Vec::new(),
            names: 0,
            killed: [0; 2],
            cures: 0,
            longest: Duration::ZERO,
        };
        let made = field
            .numbers()
            .with_channel_id(5)
            .with_capacity(SLOTS)
            .with_v1_peers(true);
        drop(made.build_producer().expect("a channel"));
        for work in Work::ALL.into_iter().chain(Work::ALL) {
            let worker = field.start(work);
            field.workers.push(worker);
        }
        Some(field)
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
        self.names += 1;
        let name = self.names;
        let ledger = self.ledger(name);
        let v1 = |command| {
            PeerCommand::new(&self.python)
                .arg(SCRIPT)
                .arg(self.region.region.path().display())
                .arg(5)
                .arg(command)
                .arg(name)
                .arg("--ledger")
                .arg(ledger.display())
                .arg("--timeout")
                .arg(PATIENCE.as_secs())
        };
        let ours = |command| {
            self.region
                .peer(env!("CARGO_BIN_EXE_chaos_peer"), "numbers", command)
                .arg(name)
                .arg(ledger.display())
        };
        let program = match work {
            Work::V1Produce => v1("work-produce"),
            Work::V1Consume => v1("work-consume"),
            Work::Produce => ours("chaos-produce"),
            Work::Hold => ours("chaos-consume"),
        };
        Worker {
            name,
            work,
            peer: program.spawn(),
        }
    }

    fn has_begun(&self, name: u64) -> bool {
        std::fs::metadata(self.ledger(name)).is_ok_and(|data| data.len() > 0)
    }

    /// Waits until a worker has written something down, while the living go on.
    fn let_begin(&mut self, index: usize, pair: &mut Pair) {
        let started = Instant::now();
        while !self.has_begun(self.workers[index].name) {
            let work = self.workers[index].work;
            let status = self.workers[index].peer.wait(Duration::ZERO);
            assert_eq!(status, None, "a {work:?} worker");
            assert!(started.elapsed() < PATIENCE, "{work:?} comes to work");
            self.go_on(pair);
        }
    }

    fn replace(&mut self, index: usize) {
        let work = self.workers[index].work;
        self.workers[index].peer.kill();
        let successor = self.start(work);
        let dead = std::mem::replace(&mut self.workers[index], successor);
        self.pasts.push((dead.name, dead.work));
    }

    fn kill_one(&mut self, pair: &mut Pair) {
        let index = self.draws.below(self.workers.len());
        self.let_begin(index, pair);
        std::thread::sleep(Duration::from_micros(self.draws.below(10_000) as u64));
        self.killed[usize::from(self.workers[index].work.is_v1())] += 1;
        self.replace(index);
    }

    /// The living send a message and receive one.
    fn go_on(&mut self, pair: &mut Pair) {
        let message = Numbered::new(0, pair.sent);
        let Pair { producer, consumer, .. } = pair;
        self.wait_for(|| producer.send_timeout(&message, Waits::PROMISED));
        let received = self.wait_for(|| consumer.recv_timeout(Waits::PROMISED));
        assert!(received.is_whole(), "torn: {:?}", *received);
        let redelivered = u64::from(received.metadata().redelivered);
        pair.balance.received(received.producer, received.number, redelivered);
        drop(received);
        pair.sent += 1;
    }

    /// Calls `attempt` until it gets on; recovers by force, as the documents say, when something that is none of ours is in its way.
    fn wait_for<T>(&mut self, attempt: impl Fn() -> dmxp::Result<T>) -> T {
        let started = Instant::now();
        let (mut in_the_way, mut looks) = (Vec::new(), 0);
        let mut cures = 0;
        loop {
            match attempt() {
                Ok(got) => {
                    self.longest = self.longest.max(started.elapsed());
                    return got;
                }
                Err(Error::Timeout) if started.elapsed() < Waits::BOUND => {}
                Err(error) => panic!("blocked: {error}; {:?}", self.region.region.blockages()),
            }
            let blockages = self.region.region.blockages().expect("blockages");
            let found: Vec<_> = blockages
                .iter()
                .map(|blockage| {
                    let state = blockage.holder.as_ref().map(|holder| holder.state);
                    (blockage.blocked == Blocked::Consumers, blockage.position, state)
                })
                .collect();
            let same: Vec<_> = found.iter().filter(|what| in_the_way.contains(*what)).collect();
            assert!(
                !same.iter().any(|(_, _, state)| *state == Some(HolderState::Dead)),
                "behind our own dead for longer than promised: {blockages:?}"
            );
            let strange = same.iter().any(|(_, _, state)| state.is_none());
            looks = if strange { looks + 1 } else { 0 };
            in_the_way = found;
            if looks == LOOKS {
                // What the living v1 programs have is theirs as long as nobody forces it.
                self.region.region.recover(RecoverOptions::new()).expect("a recovery");
                self.recover_by_force();
                cures += 1;
                assert!(cures < 20, "it does not help: {blockages:?}");
                (in_the_way, looks) = (Vec::new(), 0);
            }
        }
    }

    /// Stops all v1 programs, recovers, and starts others.
    fn recover_by_force(&mut self) {
        let v1: Vec<usize> = (0..self.workers.len())
            .filter(|&index| self.workers[index].work.is_v1())
            .collect();
        for &index in &v1 {
            self.workers[index].peer.kill();
        }
        let forced = self.region.region.recover(RecoverOptions::new().force(true));
        let forced = forced.expect("a recovery");
        assert!(forced.damaged.is_empty(), "{forced}");
        self.cures += 1;
        v1.into_iter().for_each(|index| self.replace(index));
    }

    fn end(mut self, pair: Pair) {
        for mut worker in std::mem::take(&mut self.workers) {
            worker.peer.kill();
            self.pasts.push((worker.name, worker.work));
        }
        let region = &self.region.region;
        let recovery = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
        let deferred = |channel: &dmxp::ChannelRecovery| channel.deferred > 0;
        assert!(!recovery.channels.iter().any(deferred), "{recovery}");
        let Pair {
            producer,
            consumer,
            mut balance,
            sent,
        } = pair;
        balance.sent(0, sent);
        let mut v1 = [0; 2];
        for &(name, work) in &self.pasts {
            let entries = Ledger::read(&self.ledger(name));
            match work {
                Work::V1Produce | Work::Produce => balance.sent(name, entries.len() as u64),
                Work::V1Consume | Work::Hold => balance.add_holder(&entries, true),
            }
            if work.is_v1() {
                v1[usize::from(work == Work::V1Consume)] += entries.len();
            }
        }
        loop {
            match consumer.try_recv() {
                Ok(message) => {
                    assert!(message.is_whole(), "torn: {:?}", *message);
                    balance.received(
                        message.producer,
                        message.number,
                        u64::from(message.metadata().redelivered),
                    );
                }
                Err(Error::Empty) => break,
                Err(error) => panic!("draining: {error}"),
            }
        }
        // The last call of a killed producer may have sent up to that many that it never wrote down.
        let balanced = balance.check(Ledger::MOST as u64);
        let info = region.channel_named("numbers").expect("the channel");
        println!(
            "{} of ours and {} v1 programs killed, {} recoveries by force; {} messages sent, {} of them by v1 programs, {} received, {} of them by v1 \
             programs, {} deliveries flagged; {} claims stepped over; the living waited for at most {:.1?}",
            self.killed[0],
            self.killed[1],
            self.cures,
            balanced.sent,
            v1[0],
            balanced.received,
            v1[1],
            balanced.flagged,
            info.aborted,
            self.longest,
        );
        assert_eq!((balanced.lost, info.dropped), (0, 0));
        assert!(v1[0] > 0 && v1[1] > 0, "v1 programs take part: {v1:?}");

        let lap: Vec<_> = (0..SLOTS).map(|number| Numbered::new(0, number)).collect();
        producer.send_batch(&lap, Wait::No).expect("every slot is free");
        let received = consumer.recv_up_to(lap.len(), Wait::No).expect("a lap");
        assert_eq!(received.len(), lap.len());
        drop(received);
        let again = region.recover(RecoverOptions::new().force(true)).expect("a recovery");
        assert!(again.is_clean(), "{again}");
        let tables = region.info();
        assert_eq!((tables.processes, tables.handles), (1, 2));
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.ledgers);
    }
}

/// The living, and what they did.
struct Pair {
    producer: Producer<Numbered>,
    consumer: Consumer<Numbered>,
    balance: Balance,
    sent: u64,
}

#[test]
fn v1_programs_killed_at_random_harm_nobody_beyond_what_a_forced_recovery_repairs() {
    let Some(mut field) = Field::new("chaos-v1") else {
        return;
    };
    let channel = field.numbers();
    let mut pair = Pair {
        producer: channel.build_producer().expect("a producer"),
        consumer: channel.build_consumer().expect("a consumer"),
        balance: Balance::default(),
        sent: 0,
    };
    drop(channel);
    for _ in 0..kills() {
        field.kill_one(&mut pair);
        field.go_on(&mut pair);
    }
    field.end(pair);
}

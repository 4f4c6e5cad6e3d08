//! A process killed, or stopped, between any two steps of the protocol leaves the others unharmed.
//!
//! `RUSTFLAGS="--cfg dmxp_stops" cargo test -p dmxp-tests --test stops --target-dir target/stops`: then every access to shared memory
//! and every system call that others can see is a point at which a victim (`src/bin/victim.rs`) stops itself, and is killed. The
//! points come from the facade of atomics; that none is missed is checked against the source. `DMXP_KILLS=100` sets how often a
//! victim is killed at each point (10 unless given), `DMXP_STOPS=10` how often it is only stopped there for a while (once unless
//! given; `stops/stopped.rs`).

#![cfg(dmxp_stops)]

use dmxp::{Channel, ChannelBuilder, Consumer, Error, Producer, RecoverOptions, RegionOptions, Wait};
use dmxp_tests::{Numbered, TestRegion, until};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

#[path = "stops/broadcast.rs"]
mod broadcast;
#[path = "stops/stopped.rs"]
mod stopped;

const WORKLOADS: &[&str] = &[
    "single",
    "batch",
    "claims",
    "returned",
    "sleep",
    "set",
    "wake",
    "futures",
    "many",
    "close",
    "leak",
    "letters",
    "tables",
    "sweep",
    "recover",
    "broadcast",
    "heir",
    "overrun",
    "latest",
    "expire",
    "urgent",
    "line",
    "mourning",
];

/// What a blocked peer may wait after the kernel has freed the dead one's lock, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

/// How often a victim is sent to a point again that it did not come to.
const TRIES: usize = 40;

/// Accesses that no workload comes to: file, text of the line, and why.
const UNREACHED: &[(&str, &str, &str)] = &[
    (
        "region/create.rs",
        "",
        "the region has no name yet: no other process can see it",
    ),
    (
        "region/attach.rs",
        "RecordState::decode(record.state",
        "removing a region only looks",
    ),
    ("region/attach.rs", "pids.push", "removing a region only looks"),
    (
        "delivery/queue/send.rs",
        "let head = handle.ring.head()",
        "len() only looks",
    ),
    (
        "delivery/queue/send.rs",
        "let tail = handle.ring.tail()",
        "len() only looks",
    ),
    ("observe/statistics.rs", "", "statistics() only looks"),
    (
        "message/fixed_vec.rs",
        "self.swap",
        "elements of a message, no shared word",
    ),
    (
        "ring/broadcast/read.rs",
        "None if ring.tail()",
        "only where another publishes between two looks",
    ),
    ("region/presence.rs", "", "a word of this process alone"),
    ("region/looking.rs", "in_vain", "a word of this process alone"),
    (
        "handle/registration.rs",
        "keeps_removed_region",
        "a word of this process alone",
    ),
    ("handle/producers.rs", "", "a consumer that asks for the end only looks"),
    (
        "table/lives.rs",
        ".load(Ordering::",
        "counting peers and naming streams only look",
    ),
    (
        "region/management.rs",
        "lock_holder_pid.load",
        "for the text of an error, after ten seconds",
    ),
    (
        "region/management.rs",
        "RecordState::decode(process.state.load",
        "for the text of an error, after ten seconds",
    ),
    (
        "region/management.rs",
        "process.pid.load",
        "for the text of an error, after ten seconds",
    ),
    (
        "region/management.rs",
        "holder.start_time.load",
        "for the text of an error, after ten seconds",
    ),
    (
        "recovery/tick.rs",
        "record.waiting_ns.load",
        "from 64 processes on, and it only looks",
    ),
    (
        "recovery/tick.rs",
        "record.bereaved.store(1",
        "a dead process whose handle cannot be swept yet",
    ),
    (
        "wait/line.rs",
        "self.kept_until_ns.store(0",
        "an earlier holder that rings between the two looks of this one",
    ),
    (
        "delivery/queue/receive.rs",
        "record.arrivals.load",
        "a producer that died between the handles of its two rings; it only looks",
    ),
    (
        "delivery/queue/redelivery.rs",
        "counter.fetch_add(1",
        "no victim sends what cannot be read; a discarded message is counted and let go of in the same order",
    ),
    ("observe/peek.rs", "", "peek() only looks"),
    ("ring/peek.rs", "", "peek() only looks"),
    (
        "handle/mod.rs",
        "let head = self.ring.head()",
        "a look with every 64th message",
    ),
    (
        "handle/mod.rs",
        "let fill = self.ring.tail()",
        "a look with every 64th message",
    ),
    ("observe/blockage.rs", ".load(Ordering::", "blockages() only looks"),
    ("open/making/wait.rs", "", "those that wait for a maker only look"),
    (
        "open/making/mod.rs",
        "== unmade.ring.generation",
        "a ring that is given up before it is made",
    ),
    (
        "open/making/mod.rs",
        "&& record.state.load(Ordering::Relaxed) == CHANNEL_MAKING",
        "the same",
    ),
    ("handle/obstruction.rs", ".load(Ordering::", "blockages() only looks"),
    ("table/holders.rs", "record.cursor.load", "channels() only looks"),
    (
        "delivery/broadcast/subscribe.rs",
        "record.",
        "a producer that writes while the stream ends",
    ),
    (
        "delivery/packed/receive.rs",
        "record.",
        "a producer that sends while the stream ends",
    ),
    (
        "ring/packed/consume.rs",
        "ring.tail().load(Ordering::Acquire) != began",
        "a producer that sends while the stream ends",
    ),
    (
        "ring/packed/produce.rs",
        "ring.sent().store(sent",
        "a stream that ends while a message is written",
    ),
    ("ring/packed/words.rs", "", "sizes of messages that these are not"),
    ("ring/packed/bare.rs", "", "the ring of the benchmark"),
    (
        "delivery/broadcast/publish.rs",
        "word.store(before",
        "a stream that ends while a message is written",
    ),
    (
        "ring/broadcast/several.rs",
        "cell.store(Cell::EMPTY",
        "a claim that others were faster at",
    ),
    (
        "region/management.rs",
        "match record.state.load",
        "a repair, which `tables` leaves to the living",
    ),
    ("region/management.rs", "waiters.fetch_or(waiters::REMOVED", "a repair"),
    ("region/management.rs", "record.state.store(CHANNEL_FREE", "a repair"),
    (
        "ring/queue/consume.rs",
        "if ring.head().load(Ordering::Acquire) == first",
        "the head moves between two loads",
    ),
    (
        "ring/queue/consume.rs",
        "cell.store(Cell::EMPTY",
        "a claim that others were faster at",
    ),
    (
        "ring/queue/consume.rs",
        "let head = ring.head().load(Ordering::Acquire)",
        "a message returned as often as can be counted",
    ),
    (
        "ring/queue/produce.rs",
        "if moved && ring.tail()",
        "the tail moves between two loads",
    ),
    (
        "ring/queue/produce.rs",
        "cell.store(Cell::EMPTY",
        "a claim that others were faster at",
    ),
    (
        "ring/mapped.rs",
        "fetch_add(1, Ordering::Relaxed)",
        "a message returned as often as can be counted",
    ),
    (
        "ring/mapped.rs",
        "fetch_sub(1, Ordering::Relaxed)",
        "a message returned as often as can be counted",
    ),
    (
        "recovery/sweep.rs",
        "handle.process_generation.load",
        "a dead process whose handle cannot be swept yet",
    ),
    (
        "recovery/sweep.rs",
        "let unchanged = record.state",
        "two handles on the side that died trying",
    ),
    (
        "recovery/sweep.rs",
        "match Cell::decode(cell.load",
        "two handles on the side that died trying",
    ),
    (
        "recovery/sweep.rs",
        "|| record.role.load(Ordering::Relaxed) != role",
        "two handles on the side that died trying",
    ),
    (
        "raw/waiter.rs",
        "",
        "the waiter of sets and of the language bindings only looks",
    ),
    (
        "recovery/sweep.rs",
        "dead.then(|| record.channel_id",
        "a set that ticks beside dead handles: it only looks",
    ),
    (
        "recovery/sweep.rs",
        "let generation = mapping.record(properties.id)",
        "a set that ticks beside dead handles: it only looks",
    ),
    (
        "ring/broadcast/read.rs",
        "let oldest = ring.tail()",
        "a place far away: it only looks",
    ),
    ("wait/event.rs", "seen = self.signal.load", "a planted mistake"),
    ("wait/event.rs", "return self.waiters.store", "a planted mistake"),
    ("wait/event.rs", "fetch_or(FENCE", "a kernel without membarrier"),
    (
        "wait/event.rs",
        "word = self.waiters.load",
        "a kernel without membarrier",
    ),
];

/// A victim: stopped at its point, or at its end.
struct Victim {
    child: Child,
}

impl Victim {
    fn start(region: &str, workload: &str, incarnation: u64, point: &str, pass: u64) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_victim"))
            .args([region, workload, &incarnation.to_string(), point, &pass.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a victim");
        Self { child }
    }

    /// Waits until it has stopped (`true`) or ended (`false`).
    fn stops(&mut self) -> bool {
        let started = Instant::now();
        let pid = self.child.id() as libc::pid_t;
        loop {
            // SAFETY: an all-zero siginfo_t is a valid one.
            let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
            let options = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
            // SAFETY: waits for our own child, and writes `info` only; WNOWAIT leaves its end to be collected by `child`.
            let answer = unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, options) };
            assert_eq!(answer, 0, "waiting for a victim");
            match info.si_code {
                libc::CLD_STOPPED => return true,
                libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => return false,
                _ => assert!(
                    started.elapsed() < Duration::from_secs(30),
                    "the victim neither stops nor ends"
                ),
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill takes two integers; the process is our child and was not waited for, so the number is its own.
        let sent = unsafe { libc::kill(self.pid() as libc::pid_t, signal) };
        assert_eq!(sent, 0, "the victim is there");
    }

    /// Kills it and returns what it said.
    fn kill(mut self) -> Vec<String> {
        let _ = self.child.kill();
        self.finish().0
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a victim").is_some()
    }

    /// What it said, whether it ended well, and what it complained of.
    fn finish(&mut self) -> (Vec<String>, bool, String) {
        let status = self.child.wait().expect("a victim's end");
        let out = self.child.stdout.take().expect("a pipe");
        let mut trouble = String::new();
        let _ = std::io::Read::read_to_string(&mut self.child.stderr.take().expect("a pipe"), &mut trouble);
        (
            BufReader::new(out).lines().map_while(Result::ok).collect(),
            status.success(),
            trouble,
        )
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A region with the channel that is fought over, and living handles to it.
struct Arena {
    region: TestRegion,
    /// Whether its slots are sized to the messages.
    compact: bool,
    next: u64,
}

/// What an attack showed.
#[derive(Default)]
struct Tally {
    kills: AtomicU64,
    ended: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    flagged: AtomicU64,
    longest_ms: AtomicU64,
}

impl Arena {
    fn new(label: &str, compact: bool) -> Self {
        let options = RegionOptions::new().size(12 << 20).max_processes(8).max_handles(32);
        Self {
            region: TestRegion::with(label, options),
            compact,
            next: 0,
        }
    }

    fn small(&self) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name("small")
            .with_compact_slots(self.compact)
    }

    fn incarnation(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// What some workloads come upon: a dead producer's claim and a dead consumer's message.
    fn leave_dead(&self) {
        let peer = |command: &str| self.region.peer(env!("CARGO_BIN_EXE_peer"), "small", command).spawn();
        let head = || self.region.region.channel_named("small").expect("the channel").head;
        let before = head();
        let mut holder = peer("hold-numbered");
        until("the borrow", || head() != before);
        // And one between moving the cursor and saying so, if the source still has that line.
        let produce = include_str!("../../dmxp/src/ring/queue/produce.rs");
        let line = produce
            .lines()
            .position(|line| line.contains("cell.store(Cell::owned("))
            .expect("the line")
            + 1;
        let column = produce
            .lines()
            .nth(line - 1)
            .and_then(|text| text.find("store"))
            .expect("the call")
            + 1;
        let point = format!("dmxp/src/ring/queue/produce.rs:{line}:{column}");
        let mut trying = Victim::start(&self.region.name, "single", u64::MAX - 1, &point, 1);
        assert!(trying.stops(), "it stops after the tail has moved");
        // Both at once: a process that opens a handle sweeps what it finds.
        holder.kill();
        trying.kill();
    }

    /// Kills a victim at a point, and checks everything that others may rely on.
    ///
    /// `false`: the victim ended before it came to the point. The checks hold all the same.
    fn attack(&mut self, workload: &str, point: &str, pass: u64, tally: &Tally) -> bool {
        let incarnation = self.incarnation();
        let (producer, consumer) = (
            self.small().with_capacity(4).build_producer().expect("a producer"),
            self.small().build_consumer().expect("a consumer"),
        );
        // (producer, number): how often received unflagged.
        let mut unflagged = BTreeMap::<(u64, u64), u32>::new();
        let mut flagged = BTreeSet::<(u64, u64)>::new();
        let mut sent = BTreeSet::<(u64, u64)>::new();
        if matches!(workload, "sweep" | "recover") {
            producer.try_send(&Numbered::new(0, 0)).expect("room");
            self.leave_dead();
            // Whatever it had, it had it unflagged.
            unflagged.insert((0, 0), 1);
            sent.insert((0, 0));
        }
        let what = format!("{workload} at {point}, pass {pass}");
        let audience = broadcast::Audience::of(&self.region, workload);
        let mut victim = Victim::start(&self.region.name, workload, incarnation, point, pass);
        let stopped = victim.stops();
        if !stopped {
            tally.ended.fetch_add(1, Ordering::Relaxed);
        }
        let said = victim.kill();
        if stopped {
            tally.kills.fetch_add(1, Ordering::Relaxed);
        }
        for line in &said {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |index: usize| words[index].parse::<u64>().expect("a number");
            match words[0] {
                "sent" => {
                    sent.insert((incarnation, number(1)));
                }
                "got" if number(3) == 0 => *unflagged.entry((number(1), number(2))).or_default() += 1,
                "got" => {
                    flagged.insert((number(1), number(2)));
                }
                _ => {}
            }
        }
        // The living go on: what comes behind is received within the bound.
        let started = Instant::now();
        let probe = Numbered::new(u64::MAX, incarnation);
        let mut take = |message: &Numbered, redelivered: u8| {
            assert!(message.is_whole(), "{what}: torn {message:?}");
            let key = (message.producer, message.number);
            if redelivered == 0 {
                *unflagged.entry(key).or_default() += 1;
            } else {
                flagged.insert(key);
            }
            message.producer == u64::MAX
        };
        // There may be no room for the probe before something is received.
        let mut probed = false;
        loop {
            assert!(started.elapsed() < BOUND, "{what}: blocked");
            if !probed {
                probed = producer.send_timeout(&probe, Duration::from_millis(1)).is_ok();
            }
            match consumer.recv_timeout(Duration::from_millis(if probed { 1_000 } else { 50 })) {
                Ok(message) => {
                    if take(&message, message.metadata().redelivered) {
                        break;
                    }
                }
                Err(Error::Timeout) => {}
                Err(error) => panic!("{what}: {error}"),
            }
        }
        let block = started.elapsed().as_millis() as u64;
        tally.longest_ms.fetch_max(block, Ordering::Relaxed);

        if let Some(audience) = audience {
            audience.check(incarnation, &said, &what);
        }
        if workload == "mourning" {
            // The process that it was to mourn dies with it, a moment later.
            let region = &self.region.region;
            until("its end", || {
                region.recover(RecoverOptions::new()).expect("a recovery");
                region.info().processes == 1
            });
        }
        let recovery = self
            .region
            .region
            .recover(RecoverOptions::new())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(
            recovery.damaged.is_empty() && recovery.channels.iter().all(|channel| channel.deferred == 0),
            "{what}: {recovery}"
        );
        loop {
            match consumer.try_recv() {
                Ok(message) => {
                    take(&message, message.metadata().redelivered);
                }
                Err(Error::Empty) => break,
                Err(error) => panic!("{what}: {error}"),
            }
        }
        for key in &sent {
            assert!(
                unflagged.contains_key(key) || flagged.contains(key),
                "{what}: lost {key:?}; {said:?}"
            );
        }
        for (key, times) in &unflagged {
            assert_eq!(*times, 1, "{what}: {key:?} came {times} times unflagged; {said:?}");
            let known = sent.contains(key) || key.0 == incarnation || key.0 == u64::MAX;
            assert!(known, "{what}: {key:?} was never sent");
        }
        tally.sent.fetch_add(sent.len() as u64, Ordering::Relaxed);
        tally.received.fetch_add(unflagged.len() as u64, Ordering::Relaxed);
        tally.flagged.fetch_add(flagged.len() as u64, Ordering::Relaxed);

        match workload {
            "expire" => self.check_expiring(&said, &what),
            "urgent" => self.check_priorities(&said, &what),
            _ => {}
        }
        self.check_nothing_is_left(&producer, &consumer, &what);
        stopped
    }

    /// What the victim says that it did so, as `put PRODUCER N`.
    fn said(said: &[String], did: &str) -> BTreeSet<(u64, u64)> {
        said.iter()
            .filter_map(|line| line.strip_prefix(did))
            .map(|rest| {
                let numbers: Vec<u64> = rest
                    .split_whitespace()
                    .map(|word| word.parse().expect("a number"))
                    .collect();
                (numbers[0], numbers[1])
            })
            .collect()
    }

    /// Every position of the channel was received, or counted as expired or given up, and all slots are free.
    fn check_expiring(&self, said: &[String], what: &str) {
        let fleeting = Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name("fleeting")
            .with_capacity(4)
            .with_expiry(Duration::from_millis(3));
        let (producer, consumer) = (
            fleeting.build_producer().expect("a producer"),
            fleeting.build_consumer().expect("a consumer"),
        );
        std::thread::sleep(Duration::from_millis(4));
        assert!(matches!(consumer.try_recv(), Err(Error::Empty)), "{what}: too old");
        let had = Self::said(said, "had ").len() as u64;
        let info = self.region.region.channel_named("fleeting").expect("the channel");
        let accounted = had + info.expired + info.aborted;
        // A batch may have been counted by the dead one, or said to be had, and expired once more.
        assert!(
            (info.tail..=info.tail + 4).contains(&accounted),
            "{what}: {had} had of {info:?}"
        );
        let lap = [0, 1, 2, 3].map(|number| Numbered::new(0, number));
        producer
            .send_batch(&lap, Wait::No)
            .unwrap_or_else(|error| panic!("{what}: a slot is missing: {error}"));
    }

    /// What was sent to either ring was received, or is there; and all slots are free.
    fn check_priorities(&self, said: &[String], what: &str) {
        let twofold = Channel::<Numbered>::builder()
            .with_region(&self.region.region)
            .with_name("twofold")
            .with_capacity(2)
            .with_priorities(true);
        let (producer, consumer) = (
            twofold.build_producer().expect("a producer"),
            twofold.build_consumer().expect("a consumer"),
        );
        let mut received = Self::said(said, "had ");
        loop {
            match consumer.try_recv() {
                Ok(message) => {
                    assert!(message.is_whole(), "{what}: torn {:?}", *message);
                    assert_eq!(message.metadata().is_high_priority(), message.producer == 1, "{what}");
                    let again = !received.insert((message.producer, message.number));
                    assert!(!again || message.metadata().redelivered > 0, "{what}: twice, unflagged");
                }
                Err(Error::Empty) => break,
                Err(error) => panic!("{what}: {error}"),
            }
        }
        for key in Self::said(said, "put ") {
            assert!(received.contains(&key), "{what}: lost {key:?}; {said:?}");
        }
        for producer in [&producer, producer.high().expect("it has priorities")] {
            producer
                .send_batch(&[Numbered::new(0, 0), Numbered::new(0, 1)], Wait::No)
                .unwrap_or_else(|error| panic!("{what}: a slot is missing: {error}"));
        }
    }

    /// Slots, records, tables, the management lock: all as before.
    fn check_nothing_is_left(&self, producer: &Producer<Numbered>, consumer: &Consumer<Numbered>, what: &str) {
        let lap = [0, 1, 2, 3].map(|number| Numbered::new(0, number));
        producer
            .send_batch(&lap, Wait::No)
            .unwrap_or_else(|error| panic!("{what}: a slot is missing: {error}"));
        assert_eq!(
            consumer.recv_up_to(8, Wait::No).map(|batch| batch.len()).ok(),
            Some(4),
            "{what}"
        );
        let again = self
            .region
            .region
            .recover(RecoverOptions::new().force(true))
            .expect("a recovery");
        assert!(again.is_clean(), "{what}: {again}");
        let info = self.region.region.info();
        assert_eq!((info.processes, info.handles), (1, 2), "{what}");
        for channel in self.region.region.channels().expect("the channels") {
            if channel.name.as_deref() != Some("small") {
                self.region
                    .region
                    .remove_channel(channel.id, false)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
        let left = self.region.region.info();
        assert_eq!(left.channels, 1, "{what}");
        let temporary = ChannelBuilder::new()
            .with_region(&self.region.region)
            .with_channel_id(0)
            .with_capacity(2);
        drop(
            temporary
                .build_producer()
                .unwrap_or_else(|error| panic!("{what}: {error}")),
        );
        self.region
            .region
            .remove_channel(0, false)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(self.region.region.info(), left, "{what}: space or tables leak");
        assert!(self.region.region.blockages().expect("blockages").is_empty(), "{what}");
    }

    /// The points that a workload passes, and how often.
    fn census(&mut self, workload: &str) -> BTreeMap<String, u64> {
        let incarnation = self.incarnation();
        let (producer, consumer) = (
            self.small().with_capacity(4).build_producer().expect("a producer"),
            self.small().build_consumer().expect("a consumer"),
        );
        // What the workload before has left.
        while consumer.try_recv().is_ok() {}
        if matches!(workload, "sweep" | "recover") {
            producer.try_send(&Numbered::new(0, 0)).expect("room");
            self.leave_dead();
        }
        drop((producer, consumer));
        let audience = broadcast::Audience::of(&self.region, workload);
        let mut victim = Victim::start(&self.region.name, workload, incarnation, "-", 0);
        assert!(!victim.stops(), "{workload}: nothing was armed");
        let (said, success, trouble) = victim.finish();
        assert!(success, "{workload}: {trouble}");
        drop(audience);
        let points = said.iter().filter_map(|line| line.strip_prefix("point "));
        let points = points.map(|line| {
            let (point, passes) = line.rsplit_once(' ').expect("a point and a number");
            (point.to_owned(), passes.parse().expect("a number"))
        });
        points.collect()
    }
}

/// Every access to shared memory in the source: file and line.
fn accesses() -> BTreeSet<(String, u32)> {
    const CALLS: [&str; 11] = [
        ".load(",
        ".store(",
        ".swap(",
        ".compare_exchange(",
        ".fetch_add(",
        ".fetch_sub(",
        ".fetch_and(",
        ".fetch_or(",
        ".fetch_max(",
        ".fetch_update(",
        "sync::point()",
    ];
    // Statics of the process, and what is never compiled in.
    const OTHERS: [&str; 10] = [
        "asynchronous/",
        "os/",
        "raw/shared/",
        "wait/barrier.rs",
        "wait_set/",
        "wait/kernel.rs",
        "wait/interleavings",
        "wait/line/interleavings",
        "sync/",
        "ring/interleavings",
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../dmxp/src");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the source") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !OTHERS.iter().any(|other| name.starts_with(other)) {
                let text = std::fs::read_to_string(&path).expect("a source file");
                for (index, line) in text.lines().enumerate() {
                    let code = line.split("//").next().unwrap_or_default();
                    let own = code.contains("NEXT_RING") || code.contains("wake_loom");
                    if !own && CALLS.iter().any(|call| code.contains(call)) {
                        found.insert((format!("dmxp/src/{name}"), index as u32 + 1));
                    }
                }
            }
        }
    }
    found
}

/// Attacks a point until a victim comes to it. How often threads pass one differs from run to run; the first pass is the one to
/// count on. `false`: none came.
fn until_reached(
    workloads: &[(&'static str, u64)],
    first: (&'static str, u64),
    mut attack: impl FnMut(&str, u64) -> bool,
) -> bool {
    let others = workloads.iter().cycle().map(|(workload, _)| (*workload, 1));
    std::iter::once(first)
        .chain(others.take(TRIES))
        .any(|(workload, pass)| attack(workload, pass))
}

/// Every point that workloads come to: which ones, and how often.
fn points() -> &'static BTreeMap<String, Vec<(&'static str, u64)>> {
    static POINTS: OnceLock<BTreeMap<String, Vec<(&str, u64)>>> = OnceLock::new();
    POINTS.get_or_init(|| {
        let mut arena = Arena::new("stops-census", false);
        let mut workloads_at = BTreeMap::<String, Vec<(&str, u64)>>::new();
        for &workload in WORKLOADS {
            // Twice: in which order threads come to a point differs from run to run.
            for _ in 0..2 {
                for (point, passes) in arena.census(workload) {
                    let at = workloads_at.entry(point).or_default();
                    match at.iter_mut().find(|(known, _)| *known == workload) {
                        Some((_, most)) => *most = passes.max(*most),
                        None => at.push((workload, passes)),
                    }
                }
            }
        }
        workloads_at
    })
}

#[test]
fn a_process_killed_before_any_access_to_shared_memory_harms_nobody() {
    let kills_each: u64 =
        std::env::var("DMXP_KILLS").map_or(10, |kills| kills.parse().expect("DMXP_KILLS is a number"));
    let workloads_at = points();
    let lines = |point: &str| {
        let mut parts = point.rsplitn(3, ':');
        let _column = parts.next();
        let line = parts.next().expect("a line").parse::<u32>().expect("a number");
        (parts.next().expect("a file").to_owned(), line)
    };
    let reached: BTreeSet<_> = workloads_at.keys().map(|point| lines(point)).collect();
    let source = accesses();
    let unknown: Vec<_> = reached.difference(&source).collect();
    assert!(
        unknown.is_empty(),
        "points that the scan of the source does not know: {unknown:?}"
    );
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missed = Vec::new();
    for (file, line) in source.difference(&reached) {
        let text = std::fs::read_to_string(root.join(file)).expect("a source file");
        let code = text
            .lines()
            .nth(*line as usize - 1)
            .unwrap_or_default()
            .trim()
            .to_owned();
        if !UNREACHED
            .iter()
            .any(|(in_file, contains, _)| file.ends_with(in_file) && code.contains(contains))
        {
            missed.push(format!("{file}:{line}: {code}"));
        }
    }
    assert!(missed.is_empty(), "no workload comes to\n{}", missed.join("\n"));

    // One attack: a point, a workload that passes it, and at which pass. Workloads take turns, and passes are spread over all there are.
    let mut attacks = Vec::new();
    for (index, (point, workloads)) in workloads_at.iter().enumerate() {
        for attack in 0..kills_each {
            let (workload, passes) = workloads[(index + attack as usize) % workloads.len()];
            attacks.push((workload, point.clone(), 1 + attack * passes / kills_each));
        }
    }
    println!("{} points, {} attacks", workloads_at.len(), attacks.len());
    let points = workloads_at.len();
    let planned = attacks.len();
    // Those of one point are not made one after the other by one thread.
    let queue = Mutex::new(attacks);
    let tally = Tally::default();
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let (queue, tally, missed) = (&queue, &tally, &missed);
            scope.spawn(move || {
                let mut arena = Arena::new(&format!("stops-{worker}"), worker % 2 == 1);
                loop {
                    let Some((workload, point, pass)) = queue.lock().expect("no worker panics with it").pop() else {
                        break;
                    };
                    let reached = until_reached(&workloads_at[&point], (workload, pass), |workload, pass| {
                        arena.attack(workload, &point, pass, tally)
                    });
                    if !reached {
                        missed.lock().expect("no worker panics with it").push(point);
                    }
                }
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{points} points in {} lines, {planned} attacks, {} kills, {} victims ended before their point; {} messages sent, {} received, \
         {} of them again and flagged; longest block {} ms",
        reached.len(),
        count(&tally.kills),
        count(&tally.ended),
        count(&tally.sent),
        count(&tally.received),
        count(&tally.flagged),
        count(&tally.longest_ms),
    );
    let missed = missed.into_inner().expect("no worker panics with it");
    assert!(missed.is_empty(), "victims did not come to {missed:?}");
    assert_eq!(
        count(&tally.kills),
        planned as u64,
        "each point as often as it was to be"
    );
}

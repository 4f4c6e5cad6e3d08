//! Hundreds of processes: they start together, wait beside each other, and look after each other's deaths, one for all.

use dmxp::{ChannelBuilder, Error, LockBusy, RegionOptions};
use dmxp_tests::{PeerCommand, TestRegion, at_best, lock_file, monotonic_ns, until, within};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The bound on how long a dead process keeps others from going on.
const DEATH: Duration = Duration::from_millis(100);

/// The words of the control area, as docs/MEMORY_LAYOUT.md has them.
const CONTROL_OFFSET: u64 = 56;
const LOCK_HOLDER: u64 = 56;
const ASKED: u64 = 192;
const MANAGEMENT_BYTE: i64 = 0x4000_0000_0000_0000;

fn region(label: &str, processes: u32) -> TestRegion {
    let options = RegionOptions::new().size(8 << 20);
    TestRegion::with(label, options.max_processes(processes).max_handles(2 * processes))
}

fn bytes(region: &TestRegion) -> ChannelBuilder {
    let builder = ChannelBuilder::new().with_region(&region.region).with_name("crowd");
    builder.with_payload_capacity(64).with_capacity(1_024)
}

/// A crowd that says what happens. It is killed when this is dropped.
struct Talking {
    child: Child,
    lines: Receiver<String>,
}

impl Talking {
    fn start(region: &TestRegion, command: &str, count: usize) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crowd"))
            .args([&region.name, command, &count.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a crowd");
        let (said, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        let crowd = Self { child, lines };
        crowd.hear("ready");
        crowd
    }

    fn hear(&self, expected: &str) {
        let line = self.lines.recv_timeout(dmxp_tests::PATIENCE);
        assert_eq!(line.as_deref(), Ok(expected));
    }

    /// Its members: children of the process that was started.
    fn members(&self) -> Vec<libc::pid_t> {
        let list = format!("/proc/{0}/task/{0}/children", self.child.id());
        let list = std::fs::read_to_string(list).expect("a list of children");
        list.split_ascii_whitespace()
            .map(|pid| pid.parse().expect("a number"))
            .collect()
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: two integers; it is a member of a crowd whose parent has not waited for it.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "it is there");
}

/// The region's files, for what the format document says of them.
struct Words {
    file: File,
    locks: File,
    control: u64,
}

impl Words {
    fn of(region: &TestRegion) -> Self {
        let file = File::options().read(true).write(true).open(region.region.path());
        let file = file.expect("the region's file");
        let locks = File::options()
            .read(true)
            .write(true)
            .open(lock_file(region.region.path()));
        let locks = locks.expect("its lock file");
        let mut offset = [0; 8];
        file.read_exact_at(&mut offset, CONTROL_OFFSET).expect("the header");
        let control = u64::from_le_bytes(offset);
        Self { file, locks, control }
    }

    fn asked(&self) -> u64 {
        let mut word = [0; 8];
        self.file
            .read_exact_at(&mut word, self.control + ASKED)
            .expect("a word");
        u64::from_le_bytes(word)
    }

    /// Takes the management lock as the format document says, for as long as this lives.
    fn take_lock(&self) {
        let mut range = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: MANAGEMENT_BYTE,
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: the kernel reads and writes the range only.
        let taken = unsafe { libc::fcntl(self.locks.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) };
        assert_eq!(taken, 0, "nobody else has it");
    }

    fn name_holder(&self, pid: u32) {
        let place = self.control + LOCK_HOLDER;
        self.file.write_all_at(&pid.to_le_bytes(), place).expect("a word");
    }
}

/// How often a process gave up the processor by itself.
fn sleeps_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let sleeps = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    sleeps.and_then(|count| count.trim().parse().ok()).expect("a number")
}

#[test]
fn hundreds_of_processes_that_start_together_all_get_their_turn() {
    let region = region("crowds-start", 512);
    let failures = PeerCommand::new(env!("CARGO_BIN_EXE_crowd"))
        .arg(&region.name)
        .arg("start")
        .arg(300)
        .output();
    assert_eq!(failures.trim(), "0");
    let info = region.region.info();
    assert_eq!((info.processes, info.handles), (1, 0), "all have left");
    assert!(region.region.channel_named("crowd").expect("the channel").is_empty());
}

#[test]
fn a_process_that_waits_for_the_management_lock_sleeps_in_the_kernel() {
    let region = region("crowds-sleep", 8);
    let words = Words::of(&region);
    words.take_lock();
    let started = Instant::now();
    let command = PeerCommand::new(env!("CARGO_BIN_EXE_crowd"))
        .arg(&region.name)
        .arg("start")
        .arg(1);
    let crowd = command.spawn();
    until("the process", || crowd.has_child());
    let child = crowd.children()[0] as u32;
    // It starts, and then waits.
    std::thread::sleep(Duration::from_millis(300));
    let before = sleeps_of(child);
    std::thread::sleep(Duration::from_secs(1));
    let slept = sleeps_of(child) - before;
    let seconds = started.elapsed().as_secs() + 1;
    assert!(
        (1..=60 * seconds).contains(&slept),
        "it slept {slept} times in a second: it polls"
    );
    drop(words);
    assert_eq!(crowd.output().trim(), "0");
}

#[test]
fn the_death_of_a_holder_of_the_management_lock_frees_the_line() {
    let region = region("crowds-holder", 128);
    let words = Words::of(&region);
    words.take_lock();
    let crowd = PeerCommand::new(env!("CARGO_BIN_EXE_crowd"))
        .arg(&region.name)
        .arg("start")
        .arg(50)
        .spawn();
    until("the crowd", || crowd.children().len() == 50);
    std::thread::sleep(Duration::from_millis(200));
    // Some of those in line die or are stopped, whether it is their turn or not.
    let members = crowd.children();
    for &stopped in &members[..5] {
        signal(stopped, libc::SIGSTOP);
    }
    // As when its holder dies: the kernel frees the lock, and nobody rings.
    drop(words);
    std::thread::sleep(Duration::from_millis(300));
    for &stopped in &members[..5] {
        signal(stopped, libc::SIGCONT);
    }
    assert_eq!(crowd.output().trim(), "0");
}

#[test]
fn a_stopped_holder_of_the_management_lock_is_told_from_others() {
    let region = region("crowds-stopped", 16);
    let holder = Talking::start(&region, "wait", 1);
    let words = Words::of(&region);
    words.take_lock();
    let member = holder.members()[0];
    words.name_holder(member as u32);
    signal(member, libc::SIGSTOP);
    let stat = format!("/proc/{member}/stat");
    until("the stop", || {
        std::fs::read_to_string(&stat).expect("it is there").contains(") T ")
    });
    let Err(error) = bytes(&region).build_producer() else {
        panic!("the lock is held");
    };
    let Error::ManagementLockBusy { pid, reason } = &error else {
        panic!("{error}");
    };
    assert_eq!((*pid, *reason), (member as u32, LockBusy::Stopped));
    assert!(error.to_string().contains("which is stopped"), "{error}");
}

#[test]
fn one_of_those_that_wait_asks_for_all() {
    let region = region("crowds-asking", 256);
    drop(bytes(&region).build_producer().expect("a channel"));
    let _waiting = Talking::start(&region, "wait", 100);
    let words = Words::of(&region);
    std::thread::sleep(Duration::from_millis(300));
    let mut asked = BTreeSet::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        asked.insert(words.asked());
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = started.elapsed().as_millis() as usize;
    asked.remove(&0);
    // Each answer holds for 30 ms; one that takes more than 2 ms, on a busy machine, may be given twice.
    assert!(
        (3..=took / 10).contains(&asked.len()),
        "asked {} times in {took} ms",
        asked.len()
    );
}

/// Kills processes that hold a message, one after the other, until one's message comes to one of `count` that wait in time.
fn a_death_is_noticed_beside(count: usize, meanwhile: impl Fn(&TestRegion, &Talking)) {
    let region = region(
        &format!("crowds-death-{count}"),
        (count + 64).next_power_of_two() as u32,
    );
    drop(bytes(&region).build_producer().expect("a channel"));
    let victims = Talking::start(&region, "hold", 10);
    let waiting = Talking::start(&region, "wait", count);
    std::thread::sleep(Duration::from_millis(300));
    let mut victims_left = victims.members();
    at_best(DEATH, "the message of a dead process", || {
        let victim = victims_left.pop().expect("one is left");
        meanwhile(&region, &waiting);
        let killed = Instant::now();
        signal(victim, libc::SIGKILL);
        waiting.hear("got");
        killed.elapsed()
    });
}

#[test]
fn a_death_is_noticed_by_one_that_waits() {
    a_death_is_noticed_beside(1, |_, _| {});
}

#[test]
fn a_death_is_noticed_beside_a_hundred_that_wait() {
    a_death_is_noticed_beside(100, |_, _| {});
}

#[test]
fn a_death_is_noticed_beside_hundreds_that_wait() {
    a_death_is_noticed_beside(400, |_, _| {});
}

/// As if a process had died, or been stopped, between saying that it asks and doing so.
#[test]
fn a_process_that_dies_while_it_asks_is_replaced() {
    a_death_is_noticed_beside(10, |region, _| {
        let words = Words::of(region);
        let place = words.control + ASKED;
        let now = monotonic_ns().to_le_bytes();
        words.file.write_all_at(&now, place).expect("a word");
    });
}

#[test]
fn processes_that_are_stopped_while_they_wait_keep_no_death_from_being_noticed() {
    a_death_is_noticed_beside(80, |_, waiting| {
        // All but a few, wherever they are. What was said to the kernel is not undone by stopping.
        for &member in &waiting.members()[4..] {
            signal(member, libc::SIGSTOP);
        }
    });
}

#[test]
fn a_time_in_the_future_keeps_nobody_from_asking() {
    a_death_is_noticed_beside(5, |region, _| {
        let words = Words::of(region);
        let hour = (monotonic_ns() + 3_600_000_000_000).to_le_bytes();
        for place in [ASKED, ASKED + 8] {
            words.file.write_all_at(&hour, words.control + place).expect("a word");
        }
    });
}

#[test]
fn opening_beside_hundreds_that_wait_takes_milliseconds() {
    let region = region("crowds-opening", 512);
    drop(bytes(&region).build_producer().expect("a channel"));
    let _waiting = Talking::start(&region, "wait", 400);
    std::thread::sleep(Duration::from_millis(300));
    at_best(Duration::from_millis(5), "the slowest of twenty openings", || {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let started = Instant::now();
            drop(bytes(&region).build_producer().expect("a producer"));
            slowest = slowest.max(started.elapsed());
        }
        slowest
    });
}

#[test]
fn looking_at_hundreds_of_channels_and_handles_takes_milliseconds() {
    let options = RegionOptions::new().size(8 << 20).max_handles(2_048);
    let region = TestRegion::with("crowds-looking", options);
    for id in 0..256 {
        let channel = ChannelBuilder::new().with_region(&region.region).with_channel_id(id);
        drop(
            channel
                .with_payload_capacity(8)
                .with_capacity(2)
                .build_producer()
                .expect("a channel"),
        );
    }
    let _holders = Talking::start(&region, "open", 4);
    // Twenty milliseconds with optimisation.
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 60 } else { 20 });
    at_best(bound, "a list of channels", || {
        let started = Instant::now();
        let channels = region.region.channels().expect("a list");
        let took = started.elapsed();
        assert_eq!(channels.len(), 256);
        assert_eq!(
            channels.iter().map(|channel| channel.consumers.len()).sum::<usize>(),
            1_000
        );
        took
    });
    at_best(bound, "statistics", || {
        let started = Instant::now();
        let statistics = region.region.statistics().expect("statistics");
        let took = started.elapsed();
        assert_eq!(
            statistics.iter().map(|channel| channel.handles.len()).sum::<usize>(),
            1_000
        );
        took
    });
    at_best(bound, "info", || {
        let started = Instant::now();
        assert_eq!(region.region.info().handles, 1_000);
        started.elapsed()
    });
}

#[test]
fn a_dead_process_without_claims_is_forgotten_beside_those_that_wait() {
    let region = region("crowds-idle", 128);
    drop(bytes(&region).build_producer().expect("a channel"));
    let waiting = Talking::start(&region, "wait", 70);
    let before = region.region.info().processes;
    signal(waiting.members()[0], libc::SIGKILL);
    within(Duration::from_secs(10), "the record of a process that waited", || {
        region.region.info().processes == before - 1
    });
    assert!(Path::new(region.region.path()).exists());
}

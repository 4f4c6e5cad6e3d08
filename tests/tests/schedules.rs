//! Whole channels of every kind under schedules that a seed draws: processes that are interrupted at any access to shared memory and killed at any,
//! in any number, with a ledger at the end and every slot free again. `src/bin/schedules` is the program that runs them.
//!
//! `RUSTFLAGS="--cfg dmxp_stops" cargo test -p dmxp-tests --test schedules --target-dir target/stops`. `DMXP_SCHEDULES=10000000` sets
//! how many are run (10,000 unless given), from the seed `DMXP_FIRST` on (0). What a seed does depends on nothing else:
//! `DMXP_SEED=17 cargo test ... --test schedules one_seed -- --nocapture` shows its steps.

#![cfg(dmxp_stops)]

use std::process::{Child, Command, Output, Stdio};
use std::thread::available_parallelism;

/// Bugs, the kind of channel that has them, and from which seed on and in how many schedules they must be found.
const PLANTED: &[(&str, &str, u64, u64)] = &[
    // A batch whose first message is readable before the others are.
    ("BatchFirstToLast", "queue", 0, 200),
    // A sweep that does not say that it returned messages.
    ("ReturnsUnannounced", "queue", 0, 200),
    // Handles that were declared dead by a process that died before it swept them.
    ("DeadLeftToTheirSweeper", "queue", 0, 200),
    // A claim that was made before the stream ended and is used behind it.
    ("KeptAfterEnd", "queue", 0, 1_000),
    // A consumer that takes the flag for the end, whatever was sent.
    ("EndWithoutTail", "queue", 0, 1_000),
    // A consumer that takes a closed and drained queue for its end, whoever died with a message of it.
    ("EndUnswept", "queue", 3_000, 2_000),
    // A consumer that does not look at urgent messages again when the stream has ended.
    ("UrgentForgottenAtEnd", "queue", 0, 2_000),
    // A waiter that falls asleep without a look after its announcement.
    ("SleepWithoutLook", "queue", 0, 5_000),
    // A waiter that takes the mark from a channel where somebody died, and does not sweep.
    ("BereavedUnswept", "queue", 0, 500),
    // A consumer that was told once that all producers have gone, and takes that for good when others come.
    ("ArrivalUnnoticed", "packed", 0, 500),
    // A lossy subscriber that cannot see that a message is being overwritten while it copies.
    ("BroadcastWithoutMark", "broadcast", 0, 500),
    // A claim of a latest channel that is given up, and the value that lay in its slot with it.
    ("LatestGivenUp", "latest", 0, 2_000),
    // A lossy subscriber of packed slots that does not look whether it was overrun while it copied.
    ("PackedCopyUnchecked", "packed", 0, 500),
];

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is no number")),
    )
}

fn schedules() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_schedules"));
    program.stdout(Stdio::piped());
    program
}

fn start(first: u64, count: u64, options: &[&str]) -> Child {
    let range = [first.to_string(), count.to_string()];
    let program = schedules().arg("run").args(range).args(options).spawn();
    program.expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs schedules on as many processors as there are, and wants each to succeed.
fn run(first: u64, count: u64, options: &[&str]) -> Vec<String> {
    let workers = (available_parallelism().map_or(1, usize::from) as u64).min(count);
    let share = count.div_ceil(workers);
    let started: Vec<_> = (0..workers)
        .map(|worker| {
            start(
                first + worker * share,
                share.min(count.saturating_sub(worker * share)),
                options,
            )
        })
        .collect();
    let ended: Vec<_> = started
        .into_iter()
        .map(|worker| worker.wait_with_output().expect("it ends"))
        .collect();
    let reports: Vec<_> = ended.iter().map(said).collect();
    println!("{}", reports.concat());
    for (output, report) in ended.iter().zip(&reports) {
        assert!(output.status.success(), "{}: {report}", output.status);
    }
    reports
}

#[test]
fn whole_channels_keep_their_promises_under_any_schedule() {
    run(
        number("DMXP_FIRST").unwrap_or(0),
        number("DMXP_SCHEDULES").unwrap_or(10_000),
        &[],
    );
}

#[test]
fn spinning_waiters_leave_every_slot_free() {
    run(
        number("DMXP_FIRST").unwrap_or(0),
        number("DMXP_SCHEDULES").unwrap_or(10_000) / 20,
        &["--spinning"],
    );
}

#[test]
fn a_seed_replays_exactly() {
    let digest = || {
        let output = start(700, 60, &[]).wait_with_output().expect("it ends");
        let report = said(&output);
        assert!(output.status.success(), "{report}");
        let (_, digest) = report.rsplit_once("digest ").expect("a digest of all steps");
        digest.split(';').next().expect("it").to_owned()
    };
    assert_eq!(digest(), digest());
}

/// The first producer that came to the channel dies when it has a handle on the ring of ordinary messages and none on that of urgent ones.
/// It has come and gone all the same, and consumers that asked are told so.
#[test]
fn a_producer_that_dies_between_its_two_rings_has_gone() {
    let output = start(11_440, 1, &[]).wait_with_output().expect("it ends");
    let report = said(&output);
    assert!(output.status.success(), "{report}");
    assert!(report.contains(" 5 of streams whose producers had gone;"), "{report}");
}

#[test]
fn planted_bugs_are_found() {
    let started: Vec<_> = PLANTED
        .iter()
        .map(|&(bug, kind, first, within)| (bug, start(first, within, &["--kind", kind, "--plant", bug])))
        .collect();
    for (bug, program) in started {
        let output = program.wait_with_output().expect("it ends");
        let report = said(&output);
        let found = report.lines().find(|line| line.starts_with("seed "));
        println!("{bug}: {}", found.unwrap_or("not found"));
        assert_eq!(output.status.code(), Some(1), "{bug} was not found: {report}");
        assert!(found.is_some(), "{bug}: {report}");
    }
}

/// With `DMXP_SEED`, shows the steps of one schedule.
#[test]
fn one_seed() {
    let seed = number("DMXP_SEED").unwrap_or(0);
    let mut program = schedules();
    program.arg("show").arg(seed.to_string());
    if number("DMXP_SEED").is_none() {
        program.stderr(Stdio::null());
    }
    let output = program.spawn().and_then(Child::wait_with_output).expect("it ends");
    println!("{}", said(&output));
    assert!(output.status.success(), "seed {seed}: {}", said(&output));
}

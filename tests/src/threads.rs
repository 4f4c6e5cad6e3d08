//! The threads of a process, and how often they sleep: what a test can count of an idle process. Its processor time it cannot
//! assert, since a machine with other work to do makes each waking several times dearer.

use std::time::{Duration, Instant};

/// The threads of a process, sorted by name and then by id: the names, and how often each has gone to sleep so far.
///
/// # Panics
/// When the process is gone.
#[must_use]
pub fn threads(pid: u32) -> Vec<(String, u64)> {
    let mut found: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/task"))
        .expect("the process runs")
        .filter_map(|task| {
            let status = std::fs::read_to_string(task.expect("an entry").path().join("status")).ok()?;
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.expect("a field").trim().to_owned()
            };
            let id: u32 = field("Pid:").parse().expect("a number");
            let slept = field("voluntary_ctxt_switches:").parse().expect("a number");
            Some(((field("Name:"), id), slept))
        })
        .collect();
    // Not by how often they slept: of threads with the same name that changes between two looks.
    found.sort();
    found.into_iter().map(|((name, _), slept)| (name, slept)).collect()
}

/// Watches a process for three seconds in which it receives nothing, and checks that one of its threads at most sweeps for dead processes,
/// each 40 ms, and that all others sleep.
///
/// # Panics
/// When another thread wakes more often than that, or the sweeping one hardly sleeps: a thread that spins does not sleep at all.
pub fn assert_rests(pid: u32) {
    let (before, started) = (threads(pid), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let after = threads(pid);
    // Looking may take a lock that another process has just then.
    let looks = 2 * started.elapsed().as_millis() as u64 / 40;
    let mut slept: Vec<u64> = before
        .iter()
        .zip(&after)
        .map(|((_, before), (_, after))| after - before)
        .collect();
    println!("slept {slept:?} times in {:?}", started.elapsed());
    slept.sort_unstable();
    let (looker, others) = slept.split_last().expect("a process has a thread");
    assert!((5..=looks).contains(looker), "{slept:?}");
    assert!(others.iter().all(|slept| *slept <= 3), "{slept:?}");
}

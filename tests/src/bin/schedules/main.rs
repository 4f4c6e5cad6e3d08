//! Whole channels under schedules that a seed draws; `tests/schedules.rs` starts this program.
//!
//! `schedules run FIRST COUNT [OPTION]...` runs the schedules of COUNT seeds from FIRST on, one after the other;
//! it prints what happened in them and ends with failure at the first that breaks a promise. `schedules show SEED
//! [OPTION]...` runs one and prints each step and each event. Options: `--spinning` (compact slots, capacity 4, priorities, checksums,
//! limit 0, waiters that spin), `--kind KIND` (queue, broadcast, latest or packed; each seed has one of its own), `--plant BUG` (a bug of `dmxp/src/sync/planted.rs`).
//!
//! Processes are real: forked, and killed by SIGKILL, with the lock bytes that the kernel frees. Only one of them runs at a time: before
//! each access to shared memory it asks the scheduler, which draws the next one, wakes, lets time pass and kills. What they do is drawn
//! too, and written down in memory that is not the library's, from which the promises are checked at the end.
//!
//! - `arena`: that memory; whose turn it is, and the ledger
//! - `scheduler`: the next step, sleep and time
//! - `plan`: what a seed says
//! - `work`, `v1`: what the processes do with a queue
//! - `streams`: the same with broadcast and latest channels, packed ones too
//! - `trial`: one schedule, and what is left of it
//! - `audit`, `stream_audit`: what the ledger must say

#[cfg(dmxp_stops)]
mod arena;
#[cfg(dmxp_stops)]
mod audit;
#[cfg(dmxp_stops)]
mod plan;
#[cfg(dmxp_stops)]
mod scheduler;
#[cfg(dmxp_stops)]
mod stream_audit;
#[cfg(dmxp_stops)]
mod streams;
#[cfg(dmxp_stops)]
mod trial;
#[cfg(dmxp_stops)]
mod v1;
#[cfg(dmxp_stops)]
mod work;

#[cfg(not(dmxp_stops))]
fn main() {
    eprintln!("there is no scheduler in this library: build it with RUSTFLAGS=\"--cfg dmxp_stops\"");
    std::process::exit(2);
}

#[cfg(dmxp_stops)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Instant;

    let mut words = std::env::args().skip(1);
    let (mut numbers, mut options, mut shows) = (Vec::new(), plan::Options::default(), false);
    while let Some(word) = words.next() {
        match word.as_str() {
            "run" => shows = false,
            "show" => shows = true,
            "--spinning" => options.spinning = true,
            "--kind" => options.kind = Some(plan::Kind::named(&words.next().ok_or("--kind KIND")?)?),
            "--plant" => dmxp::plant(&words.next().ok_or("--plant BUG")?),
            number => numbers.push(number.parse::<u64>()?),
        }
    }
    // The schedules end with the test that started them.
    // SAFETY: integers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let (first, count) = match (shows, &numbers[..]) {
        (true, &[seed]) => (seed, 1),
        (false, &[first, count]) => (first, count),
        _ => return Err("usage: schedules run FIRST COUNT | show SEED".into()),
    };
    let arena = arena::Arena::new()?;
    dmxp::scheduler::obey(scheduler::install(arena, shows));
    trial::report_panics(arena);
    let (started, mut tally) = (Instant::now(), trial::Tally::default());
    for seed in first..first + count {
        if let Err(reason) = trial::run(arena, seed, options, &mut tally) {
            println!("{tally}");
            println!("seed {seed}: {reason}");
            std::process::exit(1);
        }
    }
    println!(
        "{tally}; {:.2} ms each",
        started.elapsed().as_secs_f64() * 1e3 / count as f64
    );
    Ok(())
}

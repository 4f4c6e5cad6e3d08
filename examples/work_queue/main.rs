//! A work queue: each job goes to one of several workers, and a job whose worker is killed goes to another. See README.md.

#[path = "../weather/observation.rs"]
mod observation;
#[path = "../weather/records.rs"]
mod records;

use dmxp::{Channel, ChannelBuilder};
use observation::Observation;
use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

/// Observations `first` to `first + count` of the record: what was the highest temperature?
#[dmxp::message]
#[derive(Debug)]
struct Job {
    number: u64,
    first: u32,
    count: u32,
}

/// The answer to a job, and whose it is.
#[dmxp::message]
struct Answer {
    job: u64,
    highest: f64,
    /// 1 if the job had been with another worker before.
    redelivered: u32,
    worker: u32,
}

/// Observations in a job: a week of the three stations.
const WEEK: usize = 3 * 7 * 24;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let role = std::env::args().nth(1);
    let done = match role.as_deref() {
        Some("ask") => ask(),
        Some("work") => work(),
        Some("get-stuck") => get_stuck(),
        _ => Err("usage: work_queue ask|work|get-stuck".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("work_queue: {error}");
            ExitCode::FAILURE
        }
    }
}

fn jobs() -> ChannelBuilder<Job> {
    Channel::<Job>::builder().with_name("jobs").with_capacity(64)
}

fn answers() -> ChannelBuilder<Answer> {
    Channel::<Answer>::builder().with_name("answers").with_capacity(64)
}

/// Puts the jobs into the queue, collects the answers, and compares them with its own.
fn ask() -> Result<(), Box<dyn Error>> {
    let (jobs, answers) = (jobs().build_producer()?, answers().build_consumer()?);
    let records = records::read()?;
    let mut expected = HashMap::new();
    for (number, week) in (0..).zip(records.chunks(WEEK)) {
        expected.insert(number, highest(week));
        let (first, count) = (number as u32 * WEEK as u32, week.len() as u32);
        jobs.send_timeout(&Job { number, first, count }, PATIENCE)?;
    }
    let asked = expected.len();
    let (mut redelivered, mut workers) = (0, Vec::new());
    while !expected.is_empty() {
        let answer = answers.recv_timeout(PATIENCE)?;
        // A worker that dies between its answer and the release of the job leaves both: then a job is answered twice.
        if let Some(expected) = expected.remove(&answer.job)
            && expected != answer.highest
        {
            return Err(format!("job {}: {} is the answer, not {}", answer.job, expected, answer.highest).into());
        }
        redelivered += answer.redelivered;
        workers.push(answer.worker);
    }
    // The workers find that there is no more to do, and end.
    jobs.close()?;
    workers.sort_unstable();
    workers.dedup();
    println!(
        "work_queue: {asked} jobs done by {} workers, {redelivered} of them taken over from a dead one: ok",
        workers.len()
    );
    Ok(())
}

fn work() -> Result<(), Box<dyn Error>> {
    let (jobs, answers) = (jobs().build_consumer()?, answers().build_producer()?);
    let records = records::read()?;
    // The job stays in the channel while it is worked on: should this process be killed, another worker gets it.
    while let Some(job) = jobs.recv_or_end()? {
        let (first, count) = (job.first as usize, job.count as usize);
        let week = records.get(first..first + count).ok_or("a job beyond the records")?;
        // So that there is something left for the others.
        sleep(Duration::from_millis(20));
        let answer = Answer {
            job: job.number,
            highest: highest(week),
            redelivered: u32::from(job.metadata().redelivered > 0),
            worker: std::process::id(),
        };
        answers.send_timeout(&answer, PATIENCE)?;
    }
    Ok(())
}

/// Takes a job and never answers. It is there to be killed.
fn get_stuck() -> Result<(), Box<dyn Error>> {
    let jobs = jobs().build_consumer()?;
    let job = jobs.recv_timeout(PATIENCE)?;
    println!("stuck with {:?}", *job);
    sleep(PATIENCE);
    Err("no process killed this worker".into())
}

fn highest(observations: &[Observation]) -> f64 {
    let temperatures = observations.iter().filter_map(|seen| seen.temperature.copied());
    temperatures.fold(f64::NEG_INFINITY, f64::max)
}

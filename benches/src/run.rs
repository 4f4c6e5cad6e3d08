//! One run: creates what it needs, starts its processes, and puts together what they tell.

use crate::lines::Lines;
use crate::payload::Payload;
use crate::statistics::Latency;
use crate::transport::{Failure, Place, Transport, checked};
use crate::transports::{Job, Kind};
use crate::worker::Task;
use crate::workloads::{Outcome, Role, Worker, Workload, sum_of_numbers};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Messages that have room in each lane.
pub const CAPACITY: usize = 1_024;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// Senders, or sides of round trips that begin.
    pub senders: usize,
    /// Receivers.
    pub receivers: usize,
    /// Whether each is a process of its own, and not a thread.
    pub processes: bool,
    /// Whether each is tied to a core.
    pub pinned: bool,
}

/// What a run has measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Nanoseconds a message, from the first that was sent to the last that was received.
    pub ns_per_message: Option<f64>,
    /// Of single messages or trips.
    pub latency: Option<Latency>,
    /// Attaching, opening a sender, opening a receiver, in nanoseconds.
    pub opening: Option<[f64; 3]>,
    /// Memory of a lane.
    pub bytes: Option<u64>,
}

struct Preparing<'a>(&'a mut Place);

impl Job for Preparing<'_> {
    type Output = Result<Box<dyn Any>, Failure>;

    fn run<P: Payload, T: Transport<P> + 'static>(self) -> Self::Output {
        Ok(Box::new(T::prepare(self.0)?))
    }
}

/// A process of the run; it does not outlive this.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts this program with a command of its own and what that is to do.
    pub(crate) fn start(command: &str, json: &str) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([command, json])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, output })
    }

    /// The next line that it prints. The process ends by itself if there is none.
    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? > 0 {
            return Ok(line);
        }
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut said)?;
        }
        let status = self.child.wait()?;
        Err(format!("a process of the run ended ({status}): {}", said.trim()).into())
    }

    pub(crate) fn expect_ready(&mut self) -> Result<(), Failure> {
        match self.line()?.trim() {
            "ready" => Ok(()),
            other => Err(format!("a process said {other} instead of ready").into()),
        }
    }

    pub(crate) fn go(&mut self) -> Result<(), Failure> {
        let input = self.child.stdin.as_mut().ok_or("no standard input")?;
        Ok(input.write_all(b"go\n")?)
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it (SIGSTOP), and waits until it has stopped.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        self.signal(libc::SIGSTOP)?;
        let mut status = 0;
        // SAFETY: writes the status; a stopped child is not reaped.
        let answer = unsafe { libc::waitpid(self.child.id().cast_signed(), &raw mut status, libc::WUNTRACED) };
        if answer > 0 && libc::WIFSTOPPED(status) {
            return Ok(());
        }
        Err(format!("a process ended by itself (status {status})").into())
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn resume(&mut self) -> Result<(), Failure> {
        self.signal(libc::SIGCONT)
    }

    fn signal(&mut self, signal: libc::c_int) -> Result<(), Failure> {
        // SAFETY: sends a signal to a child that has not been waited for.
        checked(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, "a signal").map(drop)
    }

    /// An error when it has ended.
    pub(crate) fn expect_alive(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(_) => self.line().map(drop),
        }
    }
}

/// Runs a workload once.
///
/// # Errors
/// What went wrong in any of its processes.
pub fn run(kind: Kind, bytes: usize, workload: Workload, cast: Cast) -> Result<Measured, Failure> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    // Nothing but the number itself rests on it.
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let pairs = matches!(workload, Workload::RoundTrip { .. });
    let cores = dmxp::schedule::allowed_cpus()?;
    let workers = |role, count, odd| {
        let cores = &cores;
        (0..count).map(move |index| Worker {
            role,
            index,
            core: cast.pinned.then(|| cores[(2 * index + odd) % cores.len()]),
        })
    };
    // Receivers first: they look before anything is sent.
    let workers: Vec<Worker> = workers(Role::Receiver, cast.receivers, 1)
        .chain(workers(Role::Sender, cast.senders, 0))
        .collect();
    let is_spare = |core: &usize| cast.pinned && workers.iter().all(|worker| worker.core != Some(*core));
    let mut place = Place {
        kind,
        name: format!("dmxp-bench-{}-{number}", std::process::id()),
        capacity: CAPACITY,
        lanes: if pairs { 2 * cast.senders } else { 1 },
        ends: cast.senders.max(cast.receivers),
        spare_cores: cores.iter().copied().filter(is_spare).collect(),
        waiting: workload.waiting(),
        descriptors: Vec::new(),
    };
    let _lines = Lines::create(&place, "counts", cast.receivers.max(1))?;
    let _prepared = kind.dispatch(bytes, Preparing(&mut place))?;

    let task = |workers| Task {
        bytes,
        place: place.clone(),
        workload,
        workers,
        senders: cast.senders,
        receivers: cast.receivers,
        alone: cast.pinned && cast.senders + cast.receivers <= cores.len(),
        crowded: kind.has_threads() && place.spare_cores.is_empty(),
    };
    let tasks: Vec<Task> = if cast.processes {
        workers.iter().map(|&worker| task(vec![worker])).collect()
    } else {
        vec![task(workers.clone())]
    };
    let mut processes: Vec<Process> = tasks
        .iter()
        .map(|task| Process::start("worker", &serde_json::to_string(task)?))
        .collect::<Result<_, _>>()?;
    processes.iter_mut().try_for_each(Process::expect_ready)?;
    processes.iter_mut().try_for_each(Process::go)?;
    let mut outcomes = Vec::new();
    for process in &mut processes {
        outcomes.extend(serde_json::from_str::<Vec<Outcome>>(&process.line()?)?);
    }
    together(kind, workload, cast, &outcomes)
}

fn together(kind: Kind, workload: Workload, cast: Cast, outcomes: &[Outcome]) -> Result<Measured, Failure> {
    let (receivers, senders) = outcomes.split_at(cast.receivers);
    let ns_per_message = match workload {
        Workload::Throughput { messages, .. } => {
            let (count, sum) = receivers.iter().fold((0, 0_u64), |(count, sum), outcome| {
                (count + outcome.count, sum.wrapping_add(outcome.sum))
            });
            let copies = if kind.each_gets_all() { cast.receivers as u64 } else { 1 };
            let expected = sum_of_numbers(messages, cast.senders).wrapping_mul(copies);
            if (count, sum) != (messages * copies, expected) {
                return Err(format!("{count} messages came, of {}, with the sum {sum}", messages * copies).into());
            }
            let started = senders.iter().map(|outcome| outcome.started_ns).min();
            let ended = receivers.iter().map(|outcome| outcome.ended_ns).max();
            match (started, ended) {
                (Some(started), Some(ended)) => Some(ended.saturating_sub(started) as f64 / messages as f64),
                _ => None,
            }
        }
        Workload::Receiving { .. } => outcomes
            .first()
            .map(|outcome| outcome.ended_ns as f64 / outcome.count as f64),
        _ => None,
    };
    // Of several pairs, the slowest counts in each quantile.
    let latency = outcomes
        .iter()
        .filter_map(|outcome| outcome.latency)
        .reduce(|one, other| Latency {
            p50: one.p50.max(other.p50),
            p99: one.p99.max(other.p99),
            p999: one.p999.max(other.p999),
        });
    Ok(Measured {
        ns_per_message,
        latency,
        opening: outcomes.iter().find_map(|outcome| outcome.opening),
        bytes: outcomes.iter().find_map(|outcome| outcome.bytes),
    })
}

//! The processes of a run: this program, started again with a task as its argument. It opens its ends, says `ready`, starts at a line on
//! its standard input, and tells in JSON what came of it. It ends when its parent does, or after a time that no run takes.

use crate::lines::Lines;
use crate::payload::Payload;
use crate::transport::{Failure, Place, Transport};
use crate::transports::Job;
use crate::workloads::{Outcome, Station, Worker, Workload};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Seconds that a process of a run lives at most.
const LONGEST_LIFE: u32 = 20;

/// What one process of a run does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Bytes of a message.
    pub bytes: usize,
    /// Where all ends meet.
    pub place: Place,
    /// What.
    pub workload: Workload,
    /// The workers of this process, each a thread.
    pub workers: Vec<Worker>,
    /// Senders in all processes.
    pub senders: usize,
    /// Receivers in all processes.
    pub receivers: usize,
    /// Whether each worker has a core of its own.
    pub alone: bool,
    /// Whether threads of the transport itself need a core of a worker's.
    pub crowded: bool,
}

/// Does the task that is given as JSON.
///
/// # Errors
/// Whatever went wrong: then the run has no figure.
pub fn main(task: &str) -> Result<(), Failure> {
    // SAFETY: without a handler, the alarm ends the process.
    unsafe { libc::alarm(LONGEST_LIFE) };
    // SAFETY: the signal comes when the parent is gone, and ends the process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let task: Task = serde_json::from_str(task)?;
    let outcomes = task.place.kind.dispatch(task.bytes, Working(&task))?;
    println!("{}", serde_json::to_string(&outcomes)?);
    Ok(())
}

struct Working<'a>(&'a Task);

impl Job for Working<'_> {
    type Output = Result<Vec<Outcome>, Failure>;

    fn run<P: Payload, T: Transport<P>>(self) -> Self::Output {
        let task = self.0;
        let hub = T::attach(&task.place)?;
        let lines = Lines::attach(&task.place, "counts")?;
        let (going, count) = (AtomicBool::new(false), task.workers.len());
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let threads: Vec<_> = task
                .workers
                .iter()
                .map(|&worker| {
                    let (hub, lines, going, tell) = (&hub, &lines, &going, tell.clone());
                    scope.spawn(move || {
                        let ready = || {
                            // Only now: threads that a transport has started meanwhile may run anywhere.
                            if let Some(core) = worker.core {
                                dmxp::schedule::pin_to(&[core])?;
                            }
                            tell.send(true)?;
                            // The end of the process's life bounds this.
                            while !going.load(Ordering::Relaxed) {
                                thread::yield_now();
                            }
                            Ok(())
                        };
                        let station = Station {
                            place: &task.place,
                            worker,
                            lines,
                            all_get_all: task.place.kind.each_gets_all(),
                            senders: task.senders,
                            receivers: task.receivers,
                            alone: task.alone,
                            crowded: task.crowded,
                            ready: &ready,
                        };
                        let outcome = task.workload.run(hub, &station);
                        if outcome.is_err() {
                            // Nobody may listen any more.
                            let _ = tell.send(false);
                        }
                        outcome
                    })
                })
                .collect();
            let all_ready = (0..count).all(|_| told.recv_timeout(Duration::from_secs(15)) == Ok(true));
            if all_ready {
                println!("ready");
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
            }
            // Those who are ready go on in either case: the others' absence ends them.
            going.store(true, Ordering::Relaxed);
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| "a worker panicked")?)
                .collect()
        })
    }
}

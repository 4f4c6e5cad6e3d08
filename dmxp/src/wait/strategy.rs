//! What a call does while it waits.

use crate::schedule;
use core::num::NonZeroUsize;
// The standard library's, under loom too: shared by all handles of the process, and no part of the protocol.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Failed looks before a call goes to sleep: some tens of microseconds where a peer may be running beside us.
const SPINS: u32 = 400;

/// What a call does while it waits, as [`ChannelBuilder::with_wait_strategy`](crate::ChannelBuilder::with_wait_strategy) sets it
/// for a handle. Whatever it is, somebody who died is noticed, and time limits are kept.
///
/// # A single core
/// Where the machine has no other, or the container (its set of processors, or its share of their time), whoever a thread waits for cannot
/// run while it looks. A thread or process that is tied to one core of several ([`schedule::pin_to`], `taskset`) looks all the
/// same, as its peers may run on the others; that nobody it waits for is tied to the same core is for who ties them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitStrategy {
    /// Looks again and again, and never sleeps. The fastest, for a thread that has a core of its own: it takes all of it.
    /// Where there is [a single core](#a-single-core), it lets others run between two looks.
    Spin,
    /// Looks again some hundred times, some tens of microseconds, then sleeps. Where there is
    /// [a single core](#a-single-core), it sleeps at once.
    #[default]
    SpinThenSleep,
    /// Sleeps at once: for cores that others need, and for messages that come seldom.
    Sleep,
}

/// A strategy on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spinning {
    /// Failed looks before going to sleep; `None` for ever.
    pub(super) limit: Option<u32>,
    /// Nobody else can run while this thread does.
    pub(super) alone: bool,
}

impl WaitStrategy {
    pub(crate) fn here(self) -> Spinning {
        let alone = cores() == 1;
        let limit = match self {
            Self::Spin => None,
            Self::SpinThenSleep if !alone => Some(SPINS),
            Self::SpinThenSleep | Self::Sleep => Some(0),
        };
        Spinning { limit, alone }
    }
}

/// On how many cores whoever a thread waits for may run, as [`count_cores`] found when this process first asked.
fn cores() -> usize {
    static CORES: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: a number by itself. Not a OnceLock: a child that was forked while another thread counts would wait for ever.
    match CORES.load(Ordering::Relaxed) {
        0 => {
            let count = count_cores();
            CORES.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// The cores that the kernel lets this process have, wherever the calling thread is tied to.
fn count_cores() -> usize {
    let count = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // On a thread that is tied to nothing: the kernel takes of the set what the container has.
    let unbound = thread::Builder::new().name("dmxp-cores".into()).spawn(move || {
        let all: Vec<usize> = (0..schedule::MOST).collect();
        let _ = schedule::pin_to(&all);
        count()
    });
    // Where no thread can be started, this one's.
    unbound.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(count)
}

impl Spinning {
    /// The same for looks that cost as much as `looks` ordinary ones.
    pub(crate) fn shared_by(self, looks: usize) -> Self {
        let looks = u32::try_from(looks.max(1)).unwrap_or(u32::MAX);
        Self {
            limit: self.limit.map(|limit| limit / looks),
            ..self
        }
    }

    /// Between two looks.
    pub(super) fn pause(self) {
        if self.alone {
            thread::yield_now();
        } else {
            core::hint::spin_loop();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_tied_to_a_core_knows_of_the_others() {
        let allowed = schedule::allowed_cpus().unwrap();
        let all = count_cores();
        assert!(all > 0);
        for cpu in allowed {
            let counted = thread::spawn(move || {
                schedule::pin_to(&[cpu]).unwrap();
                assert_eq!(thread::available_parallelism().unwrap().get(), 1);
                count_cores()
            });
            assert_eq!(counted.join().unwrap(), all);
        }
    }
}

//! What a call does while it waits.

#[cfg(not(loom))]
use crate::os::schedule::cores;
use std::thread;

/// Failed looks before a call goes to sleep: some tens of microseconds where a peer may be running beside us.
const SPINS: u32 = 400;

/// What a call does while it waits, as [`ChannelBuilder::with_wait_strategy`](crate::ChannelBuilder::with_wait_strategy) sets it
/// for a handle. Whatever it is, dead peers are noticed, and time limits are kept.
///
/// # A single core
/// Where the machine has no other, or the container (its set of processors, or its share of their time), the peer that a thread waits
/// for cannot run while it looks. A thread or process that is tied to one core of several
/// ([`pin_to`](crate::schedule::pin_to), `taskset`) looks all the same, as its peers may run on the others; that nobody it waits
/// for is tied to the same core is up to the program that ties them.
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

/// Loom's scenarios do not depend on it.
#[cfg(loom)]
fn cores() -> usize {
    1
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
        #[cfg(dmxp_stops)]
        if let Some(scheduler) = crate::sync::schedule::scheduler() {
            return scheduler.pause();
        }
        if self.alone {
            thread::yield_now();
        } else {
            core::hint::spin_loop();
        }
    }
}

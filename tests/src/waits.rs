//! How long the living wait while others are killed beside them.

use dmxp::{Blocked, Error, HolderState, Region};
use std::time::{Duration, Instant};

/// What a living process saw of waiting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// The longest.
    pub longest: Duration,
    /// Waits that were longer than promised behind the dead, for whatever reason.
    pub long: u64,
    /// Those in which a dead process was in the way for that long.
    pub behind_dead: u64,
}

impl Waits {
    /// How long dead processes keep a living one from going on at most, after the kernel has freed their locks.
    pub const PROMISED: Duration = Duration::from_millis(100);
    /// How long a living process may wait, generously: there are others to wait for, and eight busy processes share the cores.
    pub const BOUND: Duration = Duration::from_secs(30);

    /// Calls `attempt`, which waits for [`PROMISED`](Self::PROMISED), until it has got on.
    ///
    /// # Panics
    /// When it does not get on within [`BOUND`](Self::BOUND), or fails.
    pub fn wait_for<T>(&mut self, region: &Region, attempt: impl Fn() -> dmxp::Result<T>) -> T {
        let dead = || {
            let blockages = region.blockages().expect("blockages").into_iter();
            let dead = blockages.filter(|blockage| {
                let holder = blockage.holder.as_ref();
                holder.is_some_and(|holder| holder.state == HolderState::Dead)
            });
            dead.map(|blockage| (blockage.blocked == Blocked::Consumers, blockage.position))
                .collect::<Vec<_>>()
        };
        let started = Instant::now();
        let mut in_the_way = Vec::new();
        let (mut long, mut behind_dead) = (false, false);
        let got = loop {
            match attempt() {
                Err(Error::Timeout) if started.elapsed() < Self::BOUND => {
                    long = true;
                    let found = dead();
                    behind_dead |= found.iter().any(|position| in_the_way.contains(position));
                    in_the_way = found;
                }
                Err(error) => panic!("the living are blocked: {error}; {:?}", region.blockages()),
                Ok(got) => break got,
            }
        };
        self.long += u64::from(long);
        self.behind_dead += u64::from(behind_dead);
        self.longest = self.longest.max(started.elapsed());
        got
    }
}

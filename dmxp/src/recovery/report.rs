//! Recovery of a whole region on request, with a report.

use crate::error::Result;
use crate::os::clock::instant;
use crate::recovery::sweep::{
    ChannelSwept, SWEEPING_REGION, dead_handles, declare_dead, find_dead, free_processes, sweep_handles, sweep_over,
};
use crate::region::{Management, Mapping, Region};
use crate::ring::mapped::{Place, RingWords};
use crate::ring::memory::RingMemory;
use crate::sync::{AtomicU64, Ordering};
use crate::table::rings::every_ring;
use core::fmt;

/// How [`Region::recover`] goes about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoverOptions {
    dry_run: bool,
    force: bool,
}

impl RecoverOptions {
    /// What dead processes left is repaired; what programs left that know only v1 is not touched.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only looks, and reports what would be done.
    #[must_use]
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.dry_run = yes;
        self
    }

    /// Also repairs positions that are claimed and that no handle explains: what programs left that know only v1, which have
    /// no lock and no claim cells. Nobody can tell whether such a program is dead; **a caller that forces says that none of them is
    /// running**, or its message is taken from under it.
    #[must_use]
    pub fn force(mut self, yes: bool) -> Self {
        self.force = yes;
        self
    }
}

/// What [`Region::recover`] found and did, or would do. `Display` prints it, a line for each process and channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Nothing was done.
    pub dry_run: bool,
    /// Somebody had died while changing the tables; they were repaired, when the management lock was taken.
    pub tables_repaired: bool,
    /// Pids of the processes that died attached, in their own PID namespaces.
    pub dead_processes: Vec<u32>,
    /// The channels on which something was found.
    pub channels: Vec<ChannelRecovery>,
    /// Ids of channels removed by force whose last handle was a dead one's: gone now, and their space is free.
    pub removed_channels: Vec<u32>,
    /// Channels that could not be looked at, with the reason.
    pub damaged: Vec<(u32, String)>,
}

/// What was found on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelRecovery {
    /// Its id.
    pub id: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Producers that died.
    pub dead_producers: u32,
    /// Consumers that died.
    pub dead_consumers: u32,
    /// Claimed and never published positions; consumers step over them.
    pub aborted: u64,
    /// Messages that will be delivered again, flagged.
    pub returned: u64,
    /// Messages dropped: returned too often, or because that is the channel's policy.
    pub dropped: u64,
    /// Dead handles that are not dealt with yet. A living process is in the middle of a claim on the same position;
    /// [`Region::blockages`] names it if it is stopped. Or the tables are forged, and a second was not enough. Try again.
    pub deferred: u32,
}

impl Recovery {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.tables_repaired
            && self.dead_processes.is_empty()
            && self.channels.is_empty()
            && self.removed_channels.is_empty()
            && self.damaged.is_empty()
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("nothing to recover");
        }
        let mut lines = Vec::new();
        if self.dry_run {
            lines.push("nothing was changed; recovery would do this:".to_owned());
        }
        if self.tables_repaired {
            lines.push("tables: repaired after a process that died changing them".to_owned());
        }
        lines.extend(self.dead_processes.iter().map(|pid| format!("process {pid}: dead")));
        for channel in &self.channels {
            let name = channel
                .name
                .as_ref()
                .map_or_else(String::new, |name| format!(" `{name}`"));
            let mut line = format!(
                "channel {}{name}: {} dead producers, {} dead consumers; {} claims aborted, {} messages returned, {} dropped",
                channel.id,
                channel.dead_producers,
                channel.dead_consumers,
                channel.aborted,
                channel.returned,
                channel.dropped
            );
            if channel.deferred > 0 {
                line += &format!("; {} handles left, try again", channel.deferred);
            }
            lines.push(line);
        }
        lines.extend(
            self.removed_channels
                .iter()
                .map(|id| format!("channel {id}: removed before, gone now")),
        );
        lines.extend(
            self.damaged
                .iter()
                .map(|(id, reason)| format!("channel {id}: {reason}")),
        );
        f.write_str(&lines.join("\n"))
    }
}

impl Region {
    /// Repairs at once, for the whole region, what dead processes left, and says what it found. Waiting processes do the same
    /// for their channel each tick; this is for those who want to know, or to see a region clean, and the only way to repair
    /// what v1 programs left ([`RecoverOptions::force`]).
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-recover-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// let recovery = region.recover(dmxp::RecoverOptions::new().dry_run(true))?;
    /// assert_eq!(recovery.to_string(), "nothing to recover");
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ReadOnly`](crate::Error::ReadOnly), [`Error::Forked`](crate::Error::Forked),
    /// [`Error::Evicted`](crate::Error::Evicted); [`Error::ManagementLockBusy`](crate::Error::ManagementLockBusy) after ten
    /// seconds.
    pub fn recover(&self, options: RecoverOptions) -> Result<Recovery> {
        let attachment = &self.attachment;
        attachment.check()?;
        let management = Management::lock(attachment)?;
        let until = instant() + SWEEPING_REGION;
        let mapping = attachment.mapping();
        let mut recovery = Recovery {
            dry_run: options.dry_run,
            tables_repaired: management.repaired,
            ..Recovery::default()
        };
        let deaths = find_dead(attachment)?;
        // Relaxed: released with the state that find_dead acquired, and processes register under the lock that we hold.
        recovery.dead_processes = deaths
            .iter()
            .map(|death| mapping.process(death.index).pid.load(Ordering::Relaxed))
            .collect();
        if !options.dry_run {
            declare_dead(attachment, &deaths);
        }
        for (id, read) in every_ring(mapping) {
            let properties = match read {
                Ok(properties) => properties,
                Err(error) => {
                    recovery.damaged.push((id, error.to_string()));
                    continue;
                }
            };
            let done = if options.dry_run {
                let dead = dead_handles(attachment, &properties, &deaths);
                if dead.is_empty() && !options.force {
                    continue;
                }
                let copy = Copy::of(mapping, properties.place());
                sweep_over(&copy, mapping, &properties, &dead, (options.force, until), |_, _| true)
            } else {
                sweep_handles(attachment, &properties, &deaths, options.force, until)
            };
            if done != ChannelSwept::default() {
                recovery.channels.push(ChannelRecovery {
                    id,
                    name: properties.name,
                    dead_producers: done.producers,
                    dead_consumers: done.consumers,
                    aborted: done.swept.aborted,
                    returned: done.swept.returned,
                    dropped: done.swept.dropped,
                    deferred: done.deferred,
                });
            }
        }
        if !options.dry_run {
            free_processes(attachment);
            recovery.removed_channels = crate::table::removal::purge_removed(&management);
        }
        Ok(recovery)
    }
}

/// The words of a ring at one moment, to try a sweep on.
struct Copy {
    tail: AtomicU64,
    head: AtomicU64,
    hint: AtomicU64,
    sequences: Vec<AtomicU64>,
}

impl Copy {
    fn of(mapping: &Mapping, place: Place) -> Self {
        let ring = RingWords { mapping, place };
        // Acquire: pairs as the same loads of a sweep do, and keeps the cursors before the sequences.
        let copy = |word: &AtomicU64| AtomicU64::new(word.load(Ordering::Acquire));
        Self {
            tail: copy(ring.tail()),
            head: copy(ring.head()),
            hint: copy(ring.returned_hint()),
            // As many as there are slots, of 128 bytes and more each, in the region: no more than the region can be. Packed slots have none.
            sequences: (0..ring.capacity())
                .filter(|_| !place.slots.is_packed())
                .map(|slot| copy(ring.sequence(slot)))
                .collect(),
        }
    }
}

impl RingMemory for Copy {
    fn capacity(&self) -> u64 {
        self.sequences.len() as u64
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail
    }

    fn head(&self) -> &AtomicU64 {
        &self.head
    }

    fn returned_hint(&self) -> &AtomicU64 {
        &self.hint
    }

    fn sequence(&self, position: u64) -> &AtomicU64 {
        &self.sequences[(position % self.capacity()) as usize]
    }

    fn count_dropped(&self) {}

    fn uncount_dropped(&self) {}
}

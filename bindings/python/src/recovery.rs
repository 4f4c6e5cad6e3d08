//! What the dead left, and who waits for whom.

use crate::channel_info::HolderInfo;
use dmxp::{Blocked, Obstacle};
use pyo3::prelude::*;

/// What `Region.recover` found and did, or would do. `str` makes a line of text for each process and channel.
#[pyclass(frozen, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct Recovery(pub(crate) dmxp::Recovery);

#[pymethods]
impl Recovery {
    /// Whether nothing was found.
    #[getter]
    fn is_clean(&self) -> bool {
        self.0.is_clean()
    }

    /// Nothing was done.
    #[getter]
    fn dry_run(&self) -> bool {
        self.0.dry_run
    }

    /// Somebody had died while changing the tables; they were repaired, when the management lock was taken.
    #[getter]
    fn tables_repaired(&self) -> bool {
        self.0.tables_repaired
    }

    /// Pids of the processes that died attached, in their own PID namespaces.
    #[getter]
    fn dead_processes(&self) -> Vec<u32> {
        self.0.dead_processes.clone()
    }

    /// The channels on which something was found, a list of `ChannelRecovery`.
    #[getter]
    fn channels(&self) -> Vec<ChannelRecovery> {
        self.0.channels.iter().map(ChannelRecovery::from).collect()
    }

    /// Ids of channels removed by force whose last handle was a dead one's: gone now, and their space is free.
    #[getter]
    fn removed_channels(&self) -> Vec<u32> {
        self.0.removed_channels.clone()
    }

    /// Channels that could not be looked at: their ids, each with the reason.
    #[getter]
    fn damaged(&self) -> Vec<(u32, String)> {
        self.0.damaged.clone()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<dmxp.Recovery: {}>", self.0)
    }
}

/// What `Region.recover` found on one channel.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct ChannelRecovery {
    /// Its number, 0 to 255.
    id: u32,
    /// Its name, if it has one.
    name: Option<String>,
    /// Producers that died.
    dead_producers: u32,
    /// Consumers that died.
    dead_consumers: u32,
    /// Claimed and never published positions; consumers step over them.
    aborted: u64,
    /// Messages that will be delivered again, flagged.
    returned: u64,
    /// Messages dropped: returned too often, or because that is the channel's policy.
    dropped: u64,
    /// Producers and consumers that died and cannot be dealt with yet: a living process is in the middle of a claim on the same
    /// position. Try again; `Region.blockages` names it if it is stopped.
    deferred: u32,
}

impl From<&dmxp::ChannelRecovery> for ChannelRecovery {
    fn from(found: &dmxp::ChannelRecovery) -> Self {
        Self {
            id: found.id,
            name: found.name.clone(),
            dead_producers: found.dead_producers,
            dead_consumers: found.dead_consumers,
            aborted: found.aborted,
            returned: found.returned,
            dropped: found.dropped,
            deferred: found.deferred,
        }
    }
}

#[pymethods]
impl ChannelRecovery {
    fn __repr__(&self) -> String {
        let Self {
            id,
            name,
            dead_producers,
            dead_consumers,
            aborted,
            returned,
            dropped,
            deferred,
        } = self;
        let name = name.as_ref().map_or_else(|| "None".into(), |name| format!("{name:?}"));
        format!(
            "ChannelRecovery(id={id}, name={name}, dead_producers={dead_producers}, dead_consumers={dead_consumers}, \
             aborted={aborted}, returned={returned}, dropped={dropped}, deferred={deferred})"
        )
    }
}

/// A position of a channel that others cannot get past, and who could change that. `str` says it in words.
#[pyclass(frozen, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct Blockage(pub(crate) dmxp::Blockage);

#[pymethods]
impl Blockage {
    /// The channel's number, 0 to 255.
    #[getter]
    fn channel_id(&self) -> u32 {
        self.0.channel
    }

    /// The channel's name, if it has one.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Who is kept from going on: "consumers", when the message that comes next was claimed and is not published, or
    /// "producers", when the slot that comes next is occupied.
    #[getter]
    fn blocked(&self) -> &'static str {
        match self.0.blocked {
            Blocked::Consumers => "consumers",
            Blocked::Producers => "producers",
        }
    }

    /// The position: the id of the message there, or to be there, less one.
    #[getter]
    fn position(&self) -> u64 {
        self.0.position
    }

    /// What is the matter with it: "writing", a producer has claimed it; "reading", a consumer has; "unread", a message is there
    /// that no consumer has claimed: the channel is full; "returned", a message was returned and waits to be taken again;
    /// "subscriber", a reliable subscriber of a broadcast channel still needs the message there: the slowest, who is `holder`;
    /// "unexplained", it was claimed and no handle says that it did: a program that knows only v1, alive or not, which
    /// `Region.recover(force=True)` is for; or "other".
    #[getter]
    fn obstacle(&self) -> &'static str {
        match self.0.obstacle {
            Obstacle::Writing => "writing",
            Obstacle::Reading => "reading",
            Obstacle::Unread => "unread",
            Obstacle::Returned => "returned",
            Obstacle::Subscriber => "subscriber",
            Obstacle::Unexplained => "unexplained",
            // What a later version may add.
            _ => "other",
        }
    }

    /// Who holds the position, a `HolderInfo`; None where nobody of ours does.
    #[getter]
    fn holder(&self) -> Option<HolderInfo> {
        self.0.holder.as_ref().map(HolderInfo::from)
    }

    /// Seconds that it has been in the way, as far as those who wait have noticed; they look every 40 ms. None when nobody has
    /// waited for as long as that.
    #[getter]
    fn age(&self) -> Option<f64> {
        self.0.age.map(|age| age.as_secs_f64())
    }

    /// Those who wait and have slept for 40 ms at least, a list of `Waiting`.
    #[getter]
    fn waiters(&self) -> Vec<Waiting> {
        self.0.waiters.iter().map(Waiting::from).collect()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<dmxp.Blockage: {}>", self.0)
    }
}

/// Somebody who waits at a `Blockage`.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Debug, PartialEq)]
pub(crate) struct Waiting {
    /// Who, a `HolderInfo`.
    who: HolderInfo,
    /// For how long, in seconds.
    since: f64,
}

impl From<&dmxp::Waiting> for Waiting {
    fn from(waiting: &dmxp::Waiting) -> Self {
        Self {
            who: HolderInfo::from(&waiting.who),
            since: waiting.since.as_secs_f64(),
        }
    }
}

#[pymethods]
impl Waiting {
    fn __repr__(&self) -> String {
        format!("Waiting(who={}, since={:.3})", self.who.__repr__(), self.since)
    }
}

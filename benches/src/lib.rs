//! The benchmark suite: dmxp beside its peers, in one run. `README.md` says how to start it and what is fair about it.
//!
//! `transports` carry messages, one file each; `workloads` is what is done with them; `plan` says which of them are measured in which
//! sizes. A `run` starts a `worker` process, or several, and one measurement is many runs: `results` puts them together, `targets` are
//! what dmxp set itself, and `report` writes all of it down.

pub mod clock;
mod lines;
pub mod losses;
mod machine;
pub mod measure;
pub mod payload;
pub mod plan;
pub mod python;
pub mod report;
pub mod results;
pub mod run;
pub mod scale;
pub mod statistics;
pub mod targets;
pub mod transport;
pub mod transports;
mod vyukov;
pub mod worker;
pub mod workloads;

pub use machine::{pin, round_trip_ns};
pub use vyukov::PlainRing;

//! What is asked of the system and concerns this process alone: time, threads, processors, forks. Nothing here knows of regions.
//!
//! - [`clock`]: timestamps, and clocks that never jump
//! - [`directory`]: waiting for a new name in a directory
//! - [`fork`]: what happens in a forked child
//! - [`thread`]: threads of the library
//! - [`schedule`]: on which processors a thread runs

pub(crate) mod clock;
pub(crate) mod directory;
pub(crate) mod fork;
pub mod schedule;
pub(crate) mod thread;

//! The queue's algorithms: claiming, publishing, releasing, and what is done for a handle that died.
//!
//! - [`produce`], [`consume`]: claiming, publishing, releasing
//! - [`sweep`]: what is done for a handle that died; [`owners`]: what the others' cells say of its positions
//! - `bare`: the same in ordinary memory, for the benchmark of what the algorithms cost

#[cfg(not(loom))]
pub mod bare;
pub(crate) mod consume;
pub(crate) mod owners;
pub(crate) mod produce;
pub(crate) mod sweep;

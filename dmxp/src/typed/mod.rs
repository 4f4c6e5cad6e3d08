//! The handles of Rust programs, for messages of one type and for bytes.
//!
//! - [`builder`]: what to open or create
//! - [`producer`], [`consumer`]: the handles
//! - [`guard`]: claims and the references into their slots, kept together
//! - [`slice`]: the same of stretches of messages in packed slots
//! - `interop`: types of other crates as payloads, with the features `zerocopy` and `bytemuck`
//! - [`thread`]: why handles cannot be shared between threads

pub(crate) mod builder;
pub(crate) mod consumer;
pub(crate) mod guard;
#[cfg(any(feature = "zerocopy", feature = "bytemuck"))]
pub mod interop;
pub(crate) mod producer;
pub(crate) mod slice;
mod thread;

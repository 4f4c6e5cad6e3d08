//! The handles of Rust programs, for messages of one type and for bytes.
//!
//! - [`builder`]: what to open or create
//! - [`producer`], [`consumer`]: the handles
//! - [`guard`]: claims and the references into their slots, kept together
//! - [`slice`]: the same of stretches of messages in packed slots
//! - [`thread`]: why handles cannot be shared between threads

pub(crate) mod builder;
pub(crate) mod consumer;
pub(crate) mod guard;
pub(crate) mod producer;
pub(crate) mod slice;
mod thread;

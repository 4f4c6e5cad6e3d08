//! Channels: named or numbered queues in a region, and the typed handles to them.
//!
//! - [`builder`]: what to open or create
//! - [`request`]: what is asked for, and which of it cannot be had
//! - [`open`]: finding it under the management lock and comparing it, registering the handle; [`create`]: making it
//! - [`delivery`]: who gets a message
//! - [`broadcast`]: what handles do on broadcast and latest channels
//! - [`properties`]: what a channel is, read from its record and checked
//! - [`list`]: listing and removing channels
//! - [`counters`]: what a handle counts; [`statistics`]: for whoever wants to know
//! - [`handle`]: what producers and consumers have in common
//! - [`raw`]: handles over bytes, with claims as values; what the language bindings are built on
//! - [`producer`], [`consumer`]: the handles of Rust programs
//! - [`guard`]: claims and the references into their slots, kept together
//! - [`metadata`]: what comes with each message

pub(crate) mod broadcast;
pub(crate) mod builder;
pub(crate) mod consumer;
pub(crate) mod counters;
mod create;
pub(crate) mod delivery;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod list;
pub(crate) mod metadata;
pub(crate) mod open;
pub(crate) mod producer;
pub(crate) mod properties;
pub mod raw;
mod request;
pub(crate) mod statistics;

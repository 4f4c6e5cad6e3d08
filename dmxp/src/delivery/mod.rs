//! What handles do on each kind of channel.
//!
//! - [`broadcast`]: broadcast and latest channels
//! - [`metadata`]: what comes with each message

pub(crate) mod broadcast;
pub(crate) mod metadata;

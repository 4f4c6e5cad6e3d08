//! What handles do on each kind of channel.
//!
//! - [`broadcast`]: broadcast and latest channels
//! - [`packed`]: channels with packed slots
//! - [`metadata`]: what comes with each message

pub(crate) mod broadcast;
pub(crate) mod metadata;
pub(crate) mod packed;

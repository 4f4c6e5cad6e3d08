//! Typed, zero-copy channels between processes and languages on one machine.

pub mod message;

pub use dmxp_derive::{DmxpMessage, message};
pub use message::{DmxpField, DmxpMessage};

#[doc(hidden)]
pub use message::expansion as __private;

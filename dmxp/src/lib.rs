//! Typed, zero-copy channels between processes and languages on one machine.

pub mod message;

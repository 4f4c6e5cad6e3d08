//! What a message may be made of.

pub mod field;

//! The first version: with room for what may come.

use dmxp::message::{Reserved, Timestamp};

/// What a sensor measured.
#[dmxp::message]
pub(crate) struct Reading {
    time: Timestamp,
    temperature: f64,
    sensor: u32,
    _reserved: Reserved<12>,
}

pub(crate) fn reading() -> Reading {
    Reading {
        time: Timestamp::now(),
        temperature: 21.5,
        sensor: 7,
        _reserved: Reserved::new(),
    }
}

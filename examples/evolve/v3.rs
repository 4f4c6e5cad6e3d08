//! A third version that breaks with the others: the temperature became smaller, and the sensor moved.

use dmxp::message::{Reserved, Timestamp};

/// What a sensor measured.
#[dmxp::message(version = 3)]
pub(crate) struct Reading {
    time: Timestamp,
    temperature: f32,
    sensor: u32,
    _reserved: Reserved<16>,
}

pub(crate) fn reading() -> Reading {
    Reading {
        time: Timestamp::now(),
        temperature: 21.5,
        sensor: 7,
        _reserved: Reserved::new(),
    }
}

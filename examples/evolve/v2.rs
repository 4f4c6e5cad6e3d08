//! The second version: a new field where there were reserved bytes, and a better name for an old one.

use dmxp::message::{Nullable, Reserved, Timestamp};

/// What a sensor measured.
#[dmxp::message(version = 2)]
pub(crate) struct Reading {
    time: Timestamp,
    #[dmxp(alias = "temperature")]
    air_temperature: f64,
    sensor: u32,
    /// Absent in messages of the first version: what was reserved is zero.
    #[dmxp(since = 2, unit = "%")]
    humidity: Nullable<f32>,
    _reserved: Reserved<4>,
}

pub(crate) fn reading() -> Reading {
    Reading {
        time: Timestamp::now(),
        air_temperature: 21.5,
        sensor: 7,
        humidity: Nullable::some(40.0),
        _reserved: Reserved::new(),
    }
}

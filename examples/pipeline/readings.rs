//! What goes from the second stage to the third, and from there to the first.

use dmxp::message::{FixedStr, Nullable, Timestamp};

/// An observation in other units.
#[dmxp::message]
pub(crate) struct Reading {
    pub(crate) time: Timestamp,
    #[dmxp(unit = "degC")]
    pub(crate) temperature: Nullable<f64>,
    pub(crate) station: FixedStr<8>,
}

/// What a station measured in the year.
#[dmxp::message]
#[derive(Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) station: FixedStr<8>,
    pub(crate) readings: u64,
    pub(crate) missing: u64,
    #[dmxp(unit = "degC")]
    pub(crate) lowest: f64,
    #[dmxp(unit = "degC")]
    pub(crate) highest: f64,
}

impl Summary {
    pub(crate) fn new(station: FixedStr<8>) -> Self {
        Self {
            station,
            readings: 0,
            missing: 0,
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
        }
    }

    pub(crate) fn add(&mut self, temperature: Option<f64>) {
        self.readings += 1;
        match temperature {
            None => self.missing += 1,
            Some(degrees) => {
                self.lowest = self.lowest.min(degrees);
                self.highest = self.highest.max(degrees);
            }
        }
    }
}

//! The message: declared here, once, for every language.

use dmxp::message::{FixedStr, Nullable, Timestamp};

/// What a weather station reported for one hour. Instruments fail: what they did not report is missing.
#[dmxp::message]
#[derive(Debug, PartialEq)]
pub(crate) struct Observation {
    /// The hour of the observation.
    pub(crate) time: Timestamp,
    /// Air temperature.
    #[dmxp(unit = "degF")]
    pub(crate) temperature: Nullable<f64>,
    /// Dew point.
    #[dmxp(unit = "degF")]
    pub(crate) dew_point: Nullable<f64>,
    /// Relative humidity.
    #[dmxp(unit = "%")]
    pub(crate) humidity: Nullable<f64>,
    /// Wind speed.
    #[dmxp(unit = "mph")]
    pub(crate) wind_speed: Nullable<f64>,
    /// Speed of the strongest gust.
    #[dmxp(unit = "mph")]
    pub(crate) wind_gust: Nullable<f64>,
    /// Precipitation in the hour.
    #[dmxp(unit = "in")]
    pub(crate) precipitation: Nullable<f64>,
    /// Air pressure at sea level.
    #[dmxp(unit = "mbar")]
    pub(crate) pressure: Nullable<f64>,
    /// Visibility.
    #[dmxp(unit = "mi")]
    pub(crate) visibility: Nullable<f64>,
    /// Where the wind comes from, clockwise from north.
    #[dmxp(unit = "deg")]
    pub(crate) wind_direction: Nullable<u16>,
    /// The station's code: `EWR`, `JFK` or `LGA`.
    pub(crate) station: FixedStr<4>,
}

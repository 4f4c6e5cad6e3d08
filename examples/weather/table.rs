//! Count, mean, minimum and maximum per station, over the observations seen so far.

use crate::observation::Observation;
use dmxp::message::{FixedStr, Nullable, Timestamp};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub(crate) struct Table {
    stations: BTreeMap<FixedStr<4>, Station>,
}

struct Station {
    observations: u64,
    first: Timestamp,
    last: Timestamp,
    temperature: Summary,
    wind_speed: Summary,
    pressure: Summary,
}

/// Missing values are counted and nothing else.
struct Summary {
    present: u64,
    missing: u64,
    /// Added up in the order of the messages: that order decides the last digit, and it is the same in every language.
    sum: f64,
    minimum: f64,
    maximum: f64,
}

impl Table {
    pub(crate) fn add(&mut self, observation: &Observation) {
        let station = self.stations.entry(observation.station).or_insert_with(|| Station {
            observations: 0,
            first: observation.time,
            last: observation.time,
            temperature: Summary::new(),
            wind_speed: Summary::new(),
            pressure: Summary::new(),
        });
        station.observations += 1;
        station.first = station.first.min(observation.time);
        station.last = station.last.max(observation.time);
        station.temperature.add(&observation.temperature);
        station.wind_speed.add(&observation.wind_speed);
        station.pressure.add(&observation.pressure);
    }

    pub(crate) fn observations(&self) -> u64 {
        self.stations.values().map(|station| station.observations).sum()
    }
}

impl Summary {
    fn new() -> Self {
        Self {
            present: 0,
            missing: 0,
            sum: 0.0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
        }
    }

    fn add(&mut self, value: &Nullable<f64>) {
        match value.get() {
            Some(value) => {
                self.present += 1;
                self.sum += value;
                self.minimum = self.minimum.min(*value);
                self.maximum = self.maximum.max(*value);
            }
            None => self.missing += 1,
        }
    }
}

/// The same text as the C and Python consumers print.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, station) in &self.stations {
            writeln!(
                f,
                "{name}: {} observations from {} to {}",
                station.observations, station.first, station.last
            )?;
            writeln!(
                f,
                "  {:<16}  {:>7}  {:>7}  {:>19}  {:>11}  {:>11}",
                "", "present", "missing", "mean", "minimum", "maximum"
            )?;
            for (quantity, summary) in [
                ("temperature degF", &station.temperature),
                ("wind speed mph", &station.wind_speed),
                ("pressure mbar", &station.pressure),
            ] {
                writeln!(
                    f,
                    "  {quantity:<16}  {:>7}  {:>7}  {:>19.12}  {:>11.6}  {:>11.6}",
                    summary.present,
                    summary.missing,
                    summary.sum / summary.present as f64,
                    summary.minimum,
                    summary.maximum
                )?;
            }
        }
        Ok(())
    }
}

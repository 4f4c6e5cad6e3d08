//! A pipeline of three processes, joined by three channels: its first and its last stage. See README.md.

#[path = "../weather/observation.rs"]
mod observation;
mod readings;
#[path = "../weather/records.rs"]
mod records;

use dmxp::{Channel, Consumer, DmxpMessage, Producer};
use observation::Observation;
use readings::{Reading, Summary};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let role = std::env::args().nth(1);
    let done = match role.as_deref() {
        Some("feed") => feed(),
        Some("summarise") => summarise(),
        _ => Err("usage: pipeline feed|summarise".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipeline: {error}");
            ExitCode::FAILURE
        }
    }
}

fn to<T: DmxpMessage>(channel: &str) -> dmxp::Result<Producer<T>> {
    Channel::builder().with_name(channel).build_producer()
}

fn from<T: DmxpMessage>(channel: &str) -> dmxp::Result<Consumer<T>> {
    Channel::builder().with_name(channel).build_consumer()
}

/// The next message; `None` at the end of the stream.
fn next<T: DmxpMessage>(consumer: &Consumer<T>) -> dmxp::Result<Option<dmxp::Message<'_, T>>> {
    match consumer.recv_timeout(PATIENCE) {
        Ok(message) => Ok(Some(message)),
        Err(dmxp::Error::Closed) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stage 1: sends the observations, and compares what comes out at the end with what it has computed by itself.
fn feed() -> Result<(), Box<dyn Error>> {
    let (observations, summaries) = (to::<Observation>("observations")?, from::<Summary>("summaries")?);
    let records = records::read()?;
    let mut expected = BTreeMap::new();
    for observation in &records {
        observations.send_timeout(observation, PATIENCE)?;
        let station = observation.station.as_str()?;
        expected
            .entry(station)
            .or_insert_with(|| Summary::new(dmxp::message::FixedStr::truncated(station)))
            .add(observation.temperature.copied().map(celsius));
    }
    observations.close()?;
    while let Some(summary) = next(&summaries)? {
        println!(
            "{}: {} readings, {} missing, {:.2} to {:.2} degC",
            summary.station, summary.readings, summary.missing, summary.lowest, summary.highest
        );
        if expected.remove(summary.station.as_str()?).as_ref() != Some(&*summary) {
            return Err(format!("{:?} is not what was sent", *summary).into());
        }
    }
    if !expected.is_empty() {
        return Err(format!("nothing came of {:?}", expected.keys()).into());
    }
    println!(
        "pipeline: {} observations through rust, python and rust: ok",
        records.len()
    );
    Ok(())
}

/// As the stage in Python computes it.
fn celsius(fahrenheit: f64) -> f64 {
    (fahrenheit - 32.0) / 1.8
}

/// Stage 3: one summary for each station, when the stream has ended.
fn summarise() -> Result<(), Box<dyn Error>> {
    let (readings, summaries) = (from::<Reading>("readings")?, to::<Summary>("summaries")?);
    let mut stations = BTreeMap::new();
    while let Some(reading) = next(&readings)? {
        stations
            .entry(reading.station.as_str()?.to_owned())
            .or_insert_with(|| Summary::new(reading.station))
            .add(reading.temperature.copied());
    }
    for summary in stations.values() {
        summaries.send_timeout(summary, PATIENCE)?;
    }
    summaries.close()?;
    Ok(())
}

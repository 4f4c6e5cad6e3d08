//! Fan-in: several processes send to one channel, and one receives it all. See README.md.

#[path = "../weather/observation.rs"]
mod observation;
#[path = "../weather/records.rs"]
mod records;

use dmxp::{Channel, ChannelBuilder};
use observation::Observation;
use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["report", station] => report(station),
        ["collect"] => collect(),
        _ => Err("usage: fan_in report <station>, or fan_in collect".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fan_in: {error}");
            ExitCode::FAILURE
        }
    }
}

fn reports() -> ChannelBuilder<Observation> {
    Channel::<Observation>::builder()
        .with_name("reports")
        .with_capacity(256)
}

/// One station: sends what it observed in the year. The stations do not agree on whose turn it is.
fn report(station: &str) -> Result<(), Box<dyn Error>> {
    let producer = reports().build_producer()?;
    for observation in records::read()?.iter().filter(|seen| seen.station == *station) {
        producer.send(observation)?;
    }
    Ok(())
}

/// Receives from all stations, and compares with what is on record: nothing is missing, and each station's are in order.
fn collect() -> Result<(), Box<dyn Error>> {
    let consumer = reports().build_consumer()?;
    let records = records::read()?;
    // For each station, what is still to come.
    let mut expected: HashMap<&str, Vec<&Observation>> = HashMap::new();
    for observation in records.iter().rev() {
        expected
            .entry(observation.station.as_str()?)
            .or_default()
            .push(observation);
    }
    let stations = expected.len();
    for _ in 0..records.len() {
        let received = consumer.recv_timeout(Duration::from_secs(30))?;
        let station = received.station.as_str()?;
        let next = expected.get_mut(station).and_then(Vec::pop);
        if next != Some(&*received) {
            return Err(format!("{:?} follows, and {next:?} should", *received).into());
        }
    }
    println!(
        "fan_in: {} observations of {stations} stations, each in order: ok",
        records.len()
    );
    Ok(())
}

//! Makes the table from the messages, borrowed where they lie. See README.md.

mod observation;
mod table;

use dmxp::Channel;
use observation::Observation;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;
use table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weather_consumer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let consumer = Channel::<Observation>::builder()
        .with_name("weather-rust")
        .build_consumer()?;
    let mut table = Table::default();
    let mut start = None;
    loop {
        match consumer.recv() {
            Ok(observation) => {
                start.get_or_insert_with(Instant::now);
                table.add(&observation);
            }
            Err(dmxp::Error::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let seconds = start
        .ok_or("the stream ended before the first observation")?
        .elapsed()
        .as_secs_f64();
    print!("{table}");
    let observations = table.observations();
    eprintln!(
        "rust: {observations} observations in {seconds:.6} s: {:.0} messages/s",
        observations as f64 / seconds
    );
    Ok(())
}

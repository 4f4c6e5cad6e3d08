//! Replays the observations over the channels named on the command line. See README.md.

mod observation;
mod records;

use dmxp::{Channel, Producer};
use observation::Observation;
use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weather_producer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let channels: Vec<String> = std::env::args().skip(1).collect();
    if channels.is_empty() {
        return Err("usage: weather_producer <channel> [<channel> ...]".into());
    }
    let observations = records::read()?;
    let producers = channels
        .iter()
        .map(|name| Channel::<Observation>::builder().with_name(name).build_producer())
        .collect::<dmxp::Result<Vec<_>>>()?;

    let start = Instant::now();
    // A message goes to one consumer, so everyone gets a channel of their own; and every channel gets a thread, so that no
    // consumer waits for a slower one.
    thread::scope(|scope| {
        let replays: Vec<_> = producers
            .into_iter()
            .map(|producer| scope.spawn(|| replay(producer, &observations)))
            .collect();
        replays
            .into_iter()
            .try_for_each(|replay| replay.join().expect("replay does not panic"))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let sent = observations.len() * channels.len();
    eprintln!(
        "producer: {} observations of {} bytes to {} channels in {seconds:.6} s: {:.0} messages/s",
        observations.len(),
        size_of::<Observation>(),
        channels.len(),
        sent as f64 / seconds
    );
    Ok(())
}

fn replay(producer: Producer<Observation>, observations: &[Observation]) -> dmxp::Result<()> {
    for observation in observations {
        producer.send(observation)?;
    }
    producer.close()
}

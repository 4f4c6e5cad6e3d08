//! Programs built with different versions of a message, on one channel. See README.md.

mod v1;
mod v2;
mod v3;

use dmxp::{Channel, DmxpMessage, RegionOptions};
use std::error::Error;
use std::fmt::Debug;
use std::process::ExitCode;

const CHANNEL: &str = "readings";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["send", "v1"] => send(&v1::reading()),
        ["send", "v2"] => send(&v2::reading()),
        ["send", "v3"] => send(&v3::reading()),
        ["receive", "v1"] => receive::<v1::Reading>(),
        ["receive", "v2"] => receive::<v2::Reading>(),
        ["receive", "v3"] => receive::<v3::Reading>(),
        ["remove"] => remove(),
        _ => Err("usage: evolve send|receive v1|v2|v3, or evolve remove".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evolve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn send<T: DmxpMessage + Debug>(reading: &T) -> Result<(), Box<dyn Error>> {
    let producer = Channel::<T>::builder().with_name(CHANNEL).build_producer()?;
    producer.try_send(reading)?;
    println!("sent {reading:?}");
    Ok(())
}

fn receive<T: DmxpMessage + Debug>() -> Result<(), Box<dyn Error>> {
    let consumer = Channel::<T>::builder().with_name(CHANNEL).build_consumer()?;
    loop {
        match consumer.try_recv() {
            Ok(reading) => println!("received {:?}", *reading),
            Err(dmxp::Error::Empty) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A channel keeps the version it was made with until it is removed.
fn remove() -> Result<(), Box<dyn Error>> {
    let region = RegionOptions::new().open()?;
    region.remove_channel(region.channel_named(CHANNEL)?.id, false)?;
    Ok(())
}

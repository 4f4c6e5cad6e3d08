//! Sends numbered messages over some channels, and tells the rate. See README.md.

mod arguments;
mod rate;

use arguments::Arguments;
use dmxp::{ByteClaim, ChannelBuilder, Producer, RegionOptions};
use rate::Rate;
use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes of a message: its number, little-endian, and zeros.
const PAYLOAD: usize = 64;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("producer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    let producers = arguments
        .channels
        .map(|id| ChannelBuilder::new().with_channel_id(id).build_producer())
        .collect::<dmxp::Result<Vec<_>>>()?;
    println!(
        "producer: {} channels in {}, {} messages each",
        producers.len(),
        RegionOptions::new().path()?.display(),
        arguments.messages
    );

    let mut number = 0_u64;
    loop {
        let start = Instant::now();
        for _ in 0..arguments.messages {
            for producer in &producers {
                let mut slot = claim(producer)?;
                slot[..8].copy_from_slice(&number.to_le_bytes());
                slot.publish()?;
            }
            number += 1;
        }
        let rate = Rate {
            messages: arguments.messages * producers.len() as u64,
            time: start.elapsed(),
        };
        println!("producer: sent {rate}");
        if !arguments.follow {
            return Ok(());
        }
        sleep(Duration::from_secs(1));
    }
}

/// A slot for a message. When it does not come soon, and nobody is there to make room, says so.
fn claim(producer: &Producer<[u8]>) -> dmxp::Result<ByteClaim<'_>> {
    match producer.claim_timeout(PAYLOAD, Duration::from_secs(2)) {
        Err(dmxp::Error::Timeout) if producer.consumers()? == 0 => println!(
            "producer: waiting for a consumer: channel {} is full",
            producer.channel_id()
        ),
        Err(dmxp::Error::Timeout) => {}
        other => return other,
    }
    producer.claim(PAYLOAD)
}

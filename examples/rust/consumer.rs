//! Receives the messages that a producer sends, checks their order, and tells the rate and the latency. See README.md.

mod arguments;
mod latency;
mod rate;

use arguments::Arguments;
use dmxp::{Bytes, ChannelBuilder, Consumer, RegionOptions};
use latency::Latencies;
use rate::Rate;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("consumer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    let consumers = arguments
        .channels
        .map(|id| ChannelBuilder::new().with_channel_id(id).build_consumer())
        .collect::<dmxp::Result<Vec<_>>>()?;
    let mut sequences = vec![Sequence::default(); consumers.len()];
    println!(
        "consumer: {} channels in {}, {} messages each",
        consumers.len(),
        RegionOptions::new().path()?.display(),
        arguments.messages
    );

    loop {
        // The clock starts with the first message: how long its producer took to come is not of interest.
        let first = first_message(&consumers[0])?;
        let start = Instant::now();
        let mut latencies = Latencies::default();
        sequences[0].check(&first)?;
        latencies.add(first.metadata().timestamp());
        drop(first);
        for round in 0..arguments.messages {
            let skip = usize::from(round == 0);
            for (consumer, sequence) in consumers.iter().zip(&mut sequences).skip(skip) {
                let message = consumer.recv()?;
                sequence.check(&message)?;
                latencies.add(message.metadata().timestamp());
            }
        }
        let rate = Rate {
            messages: arguments.messages * consumers.len() as u64,
            time: start.elapsed(),
        };
        println!("consumer: received {rate}");
        println!("consumer: {latencies}");
        if !arguments.follow {
            return Ok(());
        }
    }
}

fn first_message(consumer: &Consumer<[u8]>) -> dmxp::Result<Bytes<'_>> {
    match consumer.recv_timeout(Duration::from_secs(2)) {
        Err(dmxp::Error::Timeout) => println!("consumer: waiting for a producer"),
        other => return other,
    }
    consumer.recv()
}

/// The numbers of one channel's messages: each is one more than the last, or zero when a new producer begins. The very first
/// may be any, because channels outlive processes and an earlier consumer may have stopped half-way.
#[derive(Clone, Default)]
struct Sequence {
    last: Option<u64>,
}

impl Sequence {
    fn check(&mut self, payload: &[u8]) -> Result<(), String> {
        let number = payload
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes))
            .ok_or_else(|| format!("a message of {} bytes has no number", payload.len()))?;
        match self.last {
            Some(last) if number != 0 && number != last.wrapping_add(1) => {
                return Err(format!("message {number} follows message {last}"));
            }
            _ => self.last = Some(number),
        }
        Ok(())
    }
}

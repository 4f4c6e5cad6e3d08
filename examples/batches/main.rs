//! Many messages with one atomic operation. See README.md.

use dmxp::{Channel, ChannelBuilder, Consumer, Producer, Wait};
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

/// A price at which something was traded.
#[dmxp::message]
struct Trade {
    number: u64,
    price: f64,
}

const TRADES: u64 = 1_000_000;
const BATCH: usize = 64;

fn main() -> ExitCode {
    let role = std::env::args().nth(1);
    let done = match role.as_deref() {
        Some("produce") => produce(),
        Some("consume") => consume(),
        _ => Err("usage: batches produce|consume".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("batches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trades(name: &str) -> ChannelBuilder<Trade> {
    Channel::<Trade>::builder().with_name(name).with_capacity(1024)
}

fn produce() -> Result<(), Box<dyn Error>> {
    let single = trades("trades-single").build_producer()?;
    for number in 0..TRADES {
        single.send(&trade(number))?;
    }
    produce_batches(&trades("trades-batched").build_producer()?)?;
    Ok(())
}

fn produce_batches(producer: &Producer<Trade>) -> dmxp::Result<()> {
    for first in (0..TRADES).step_by(BATCH) {
        let count = (TRADES - first).min(BATCH as u64) as usize;
        // All of the slots or none, and consumers see all of the messages or none.
        let mut batch = producer.claim_batch(count, Wait::Forever)?;
        for index in 0..count {
            *batch.get_mut(index) = trade(first + index as u64);
        }
        batch.publish()?;
    }
    Ok(())
}

fn trade(number: u64) -> Trade {
    Trade {
        number,
        price: 100.0 + (number % 100) as f64 / 100.0,
    }
}

fn consume() -> Result<(), Box<dyn Error>> {
    for (how, name, most) in [("singly", "trades-single", 1), ("in batches", "trades-batched", BATCH)] {
        let consumer = trades(name).build_consumer()?;
        let start = wait_for_first(&consumer)?;
        let batches = consume_batches(&consumer, most)?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{how}: {TRADES} messages in {batches} batches, {seconds:.3} s: {:.0} messages/s",
            TRADES as f64 / seconds
        );
    }
    Ok(())
}

fn wait_for_first(consumer: &Consumer<Trade>) -> dmxp::Result<Instant> {
    // Given back, it is delivered again.
    consumer.recv()?.give_back();
    Ok(Instant::now())
}

/// Receives all trades, at most `most` at a time. Returns in how many batches they came.
fn consume_batches(consumer: &Consumer<Trade>, most: usize) -> Result<u64, Box<dyn Error>> {
    let (mut batches, mut received, mut last) = (0, 0, None);
    while received < TRADES {
        // What is there, but at least one.
        let batch = consumer.recv_up_to(most, Wait::Forever)?;
        for trade in batch.iter() {
            // What an interrupted run left comes first; then a producer begins anew.
            if last.is_some_and(|last| trade.number != 0 && trade.number != last + 1) {
                return Err(format!("trade {} follows trade {last:?}", trade.number).into());
            }
            last = Some(trade.number);
        }
        received += batch.len() as u64;
        batches += 1;
    }
    Ok(batches)
}

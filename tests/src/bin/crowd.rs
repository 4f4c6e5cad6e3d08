//! Crowds of processes for the tests: `crowd REGION COMMAND COUNT`. The commands are the functions below.

use dmxp::{ChannelBuilder, Region, RegionOptions, WaitStrategy};
use dmxp_tests::Crowd;
use std::error::Error;
use std::io::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, region, command, count] = &arguments[..] else {
        panic!("crowd REGION COMMAND COUNT");
    };
    let count: usize = count.parse().expect("a number");
    match command.as_str() {
        "start" => start(region, count),
        "wait" => wait(region, count),
        "hold" => hold(region, count),
        "open" => open(region, count),
        other => panic!("there is no command {other}"),
    }
}

fn attach(region: &str) -> dmxp::Result<Region> {
    RegionOptions::new().name(region).open()
}

fn channel(region: &Region) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(region)
        .with_name("crowd")
        .with_payload_capacity(64)
        .with_capacity(1_024)
        .with_wait_strategy(WaitStrategy::Sleep)
}

/// Says that something has happened, in one write.
fn say(what: &str) {
    let _ = std::io::stdout().write_all(format!("{what}\n").as_bytes());
    let _ = std::io::stdout().flush();
}

/// `start`: all open a producer and a consumer at once, send and receive beside each other, and leave. Prints how many failed.
fn start(region: &str, count: usize) {
    let crowd = Crowd::fork(count, |board, number| {
        board.meet(count, 1);
        let region = attach(region)?;
        let (producer, consumer) = (channel(&region).build_producer()?, channel(&region).build_consumer()?);
        board.meet(count, 2);
        for _ in 0..3 {
            producer.send_timeout(number.to_le_bytes(), PATIENCE)?;
            // Each process has sent one more than it has received.
            consumer.recv_timeout(PATIENCE)?;
        }
        Ok(())
    });
    println!("{}", crowd.failures());
}

/// `wait`: each waits for messages. Says "ready" once all do, and "got" for each message.
fn wait(region: &str, count: usize) {
    let crowd = Crowd::fork(count, |board, _| {
        let consumer = channel(&attach(region)?).build_consumer()?;
        board.meet(count, 1);
        loop {
            drop(consumer.recv()?);
            say("got");
        }
    });
    crowd.met(1);
    say("ready");
    let _ = crowd.failures();
}

/// `hold`: each takes a message of its own making, says "ready", and holds it.
fn hold(region: &str, count: usize) {
    let crowd = Crowd::fork(count, |board, _| -> Result<(), Box<dyn Error>> {
        let region = attach(region)?;
        let (producer, consumer) = (channel(&region).build_producer()?, channel(&region).build_consumer()?);
        producer.send(b"held")?;
        let held = consumer.recv_timeout(PATIENCE)?;
        board.meet(count, 1);
        loop {
            std::thread::sleep(PATIENCE);
            core::hint::black_box(&held);
        }
    });
    crowd.met(1);
    say("ready");
    let _ = crowd.failures();
}

/// `open`: each opens a consumer on each of 250 channels, says "ready", and keeps them.
fn open(region: &str, count: usize) {
    let crowd = Crowd::fork(count, |board, _| {
        let region = attach(region)?;
        let consumer = |id| {
            ChannelBuilder::new()
                .with_region(&region)
                .with_channel_id(id)
                .build_consumer()
        };
        let handles = (0..250).map(consumer).collect::<Result<Vec<_>, _>>()?;
        board.meet(count, 1);
        loop {
            std::thread::sleep(PATIENCE);
            core::hint::black_box(&handles);
        }
    });
    crowd.met(1);
    say("ready");
    let _ = crowd.failures();
}

//! Fan-out: one process sends, and every subscriber sees every message, or knows how many it missed. See README.md.

#[path = "../weather/observation.rs"]
mod observation;
#[path = "../weather/records.rs"]
mod records;

use dmxp::{Channel, ChannelBuilder, Delivery, Error as Dmxp, RegionOptions, Subscription};
use observation::Observation;
use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["send", "to", subscribers] => send_to(subscribers),
        ["follow", "temperature"] => follow("temperature", |seen| seen.temperature.copied()),
        ["follow", "wind"] => follow("wind", |seen| seen.wind_speed.copied()),
        ["follow", "rain"] => follow("rain", |seen| seen.precipitation.copied()),
        ["glance"] => glance(),
        _ => {
            Err("usage: fan_out send to <subscribers>, fan_out follow temperature|wind|rain, or fan_out glance".into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fan_out: {error}");
            ExitCode::FAILURE
        }
    }
}

fn weather() -> ChannelBuilder<Observation> {
    Channel::<Observation>::builder()
        .with_name("weather")
        .with_capacity(256)
        .with_delivery(Delivery::Broadcast)
}

/// Sends what is on record when all subscribers are there, and ends the stream.
fn send_to(subscribers: &str) -> Result<(), Box<dyn Error>> {
    let subscribers: usize = subscribers.parse()?;
    let producer = weather().build_producer()?;
    let region = RegionOptions::new().open()?;
    let started = Instant::now();
    // A subscriber sees what is sent from its coming on.
    while region.channel_named("weather")?.consumers.len() < subscribers {
        if started.elapsed() > PATIENCE {
            return Err(format!("{subscribers} subscribers did not come").into());
        }
        sleep(Duration::from_millis(1));
    }
    for observation in &records::read()? {
        // Waits for the slowest of those that follow, and for no other.
        producer.send_timeout(observation, PATIENCE)?;
    }
    producer.close()?;
    Ok(())
}

/// Sees everything: each message is compared with what is on record.
fn follow(what: &str, quantity: impl Fn(&Observation) -> Option<f64>) -> Result<(), Box<dyn Error>> {
    let subscriber = weather().build_consumer()?;
    let mut highest = f64::NEG_INFINITY;
    for (number, expected) in records::read()?.iter().enumerate() {
        // Borrowed in its slot, where the others read it too.
        let received = subscriber.recv_timeout(PATIENCE)?;
        if *received != *expected {
            return Err(format!("message {number} is {:?}, not {expected:?}", *received).into());
        }
        highest = quantity(&received).map_or(highest, |value| highest.max(value));
    }
    if !matches!(subscriber.recv_timeout(PATIENCE), Err(Dmxp::Closed)) {
        return Err("more came than was sent".into());
    }
    println!("{what}: saw every message; the highest was {highest}");
    Ok(())
}

/// Is too slow, holds no other process up, and knows what it missed.
fn glance() -> Result<(), Box<dyn Error>> {
    let subscriber = weather().with_subscription(Subscription::Lossy).build_consumer()?;
    let records = records::read()?;
    let mut seen = 0;
    loop {
        let (id, received) = match subscriber.recv_timeout(PATIENCE) {
            Ok(message) => (message.metadata().message_id, message),
            Err(Dmxp::Closed) => break,
            Err(error) => return Err(error.into()),
        };
        // Ids count from 1.
        if records.get(id as usize - 1) != Some(&*received) {
            return Err(format!("message {id} is {:?}", *received).into());
        }
        seen += 1;
        if seen % 50 == 0 {
            sleep(Duration::from_millis(2));
        }
    }
    let missed = subscriber.missed();
    if seen + missed != records.len() as u64 {
        return Err(format!("saw {seen}, missed {missed}, of {}", records.len()).into());
    }
    println!("glance: saw {seen} and missed {missed}, which is all");
    Ok(())
}

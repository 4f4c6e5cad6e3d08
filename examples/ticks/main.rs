//! Ticks: millions of small records from one process, in packed slots, read as slices. See README.md.

mod summary;
mod tick;

use dmxp::message::Timestamp;
use dmxp::{Channel, ChannelBuilder, Error as Dmxp, RegionOptions, Wait};
use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};
use summary::Summary;
use tick::Tick;

const TICKS: usize = 2_000_000;
/// How many are written and published together.
const AT_A_TIME: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["send", "to", subscribers] => send_to(subscribers),
        ["summarise"] => summarise(),
        _ => Err("usage: ticks send to <subscribers>, or ticks summarise".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ticks: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing but the messages, side by side: 16 bytes each. Two seconds of half a million a second, in 16 MiB.
fn ticks() -> ChannelBuilder<Tick> {
    Channel::<Tick>::builder()
        .with_name("ticks")
        .with_capacity(1 << 20)
        .with_packed_slots(true)
}

/// Sends all when all subscribers are there, and ends the stream.
fn send_to(subscribers: &str) -> Result<(), Box<dyn Error>> {
    let subscribers: usize = subscribers.parse()?;
    let producer = ticks().build_producer()?;
    let region = RegionOptions::new().open()?;
    let started = Instant::now();
    // A subscriber sees what is sent from its coming on.
    while region.channel_named("ticks")?.consumers.len() < subscribers {
        if started.elapsed() > PATIENCE {
            return Err(format!("{subscribers} subscribers did not come").into());
        }
        sleep(Duration::from_millis(1));
    }
    let (mut market, mut sent) = (Market::new(), Summary::new());
    for _ in 0..TICKS / AT_A_TIME {
        // Slots that lie side by side, written where they are read, and published together.
        let mut claim = producer.claim_slice(AT_A_TIME, Wait::For(PATIENCE))?;
        for tick in claim.iter_mut() {
            *tick = market.trade();
        }
        sent.add(&claim);
        claim.publish()?;
    }
    producer.close()?;
    println!("{sent}");
    Ok(())
}

/// Sees everything, as slices.
fn summarise() -> Result<(), Box<dyn Error>> {
    let subscriber = ticks().build_consumer()?;
    let mut received = Summary::new();
    loop {
        // Borrowed where they lie: all that are there, up to the end of the ring.
        match subscriber.recv_slice(usize::MAX, Wait::For(PATIENCE)) {
            Ok(slice) => received.add(&slice),
            Err(Dmxp::Closed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("{received}");
    Ok(())
}

/// Trades at a price that wanders.
struct Market {
    random: u64,
    price: u32,
}

impl Market {
    fn new() -> Self {
        Self {
            random: 0x9E37_79B9_7F4A_7C15,
            price: 10_000,
        }
    }

    fn trade(&mut self) -> Tick {
        // Xorshift: Marsaglia, Journal of Statistical Software 8(14), 2003.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.price = match self.random % 4 {
            0 => self.price + 1,
            1 => (self.price - 1).max(1),
            _ => self.price,
        };
        Tick {
            time: Timestamp::now(),
            price: self.price,
            quantity: 1 + (self.random >> 32) as u32 % 500,
        }
    }
}

//! What compact slots bring: one producer and one consumer on two cores, over a channel with slots of 1,088 bytes and one whose slots
//! are sized to the message. Pairs of runs, interleaved; the ratio of each pair counts.
//!
//! `cargo run --release -p dmxp-benches --bin compact`

use dmxp::{Channel, DmxpMessage, Error, Region, RegionOptions};
use dmxp_benches::{pin, round_trip_ns};
use std::time::Instant;

const MESSAGES: u64 = 1_000_000;
const PAIRS: usize = 21;
const CAPACITY: u64 = 1_024;

#[dmxp::message]
struct Small {
    number: u64,
}

#[dmxp::message]
struct Line {
    number: u64,
    rest: [u64; 7],
}

trait Numbered: DmxpMessage {
    fn new(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Numbered for Small {
    fn new(number: u64) -> Self {
        Self { number }
    }

    fn number(&self) -> u64 {
        self.number
    }
}

impl Numbered for Line {
    fn new(number: u64) -> Self {
        Self {
            number,
            rest: [number; 7],
        }
    }

    fn number(&self) -> u64 {
        self.number
    }
}

/// Nanoseconds a message from the first send to the last receive, metadata and timestamp included.
fn transfer<T: Numbered>(region: &Region, compact: bool) -> dmxp::Result<f64> {
    let builder = Channel::<T>::builder()
        .with_region(region)
        .with_channel_id(0)
        .with_capacity(CAPACITY)
        .with_compact_slots(compact);
    let producer = builder.build_producer()?;
    let consumer = builder.build_consumer()?;
    let took = std::thread::scope(|scope| {
        pin(0);
        let started = Instant::now();
        scope.spawn(move || {
            pin(1);
            for number in 0..MESSAGES {
                let message = T::new(number);
                while let Err(error) = producer.try_send(&message) {
                    assert!(matches!(error, Error::Full), "{error}");
                    core::hint::spin_loop();
                }
            }
        });
        for number in 0..MESSAGES {
            loop {
                match consumer.try_recv() {
                    Ok(message) => {
                        assert_eq!(message.number(), number, "in order");
                        break;
                    }
                    Err(error) => assert!(matches!(error, Error::Empty), "{error}"),
                }
                core::hint::spin_loop();
            }
        }
        started.elapsed()
    });
    drop(consumer);
    region.remove_channel(0, false)?;
    Ok(took.as_nanos() as f64 / MESSAGES as f64)
}

/// First quartile, median and third quartile.
fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| figures[((figures.len() - 1) as f64 * part).round() as usize])
}

fn compare<T: Numbered>(region: &Region) -> dmxp::Result<()> {
    let (mut usual, mut compact, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Which comes first changes from pair to pair.
        let (one, other) = if pair % 2 == 0 {
            let one = transfer::<T>(region, false)?;
            (one, transfer::<T>(region, true)?)
        } else {
            let other = transfer::<T>(region, true)?;
            (transfer::<T>(region, false)?, other)
        };
        usual.push(one);
        compact.push(other);
        ratios.push(one / other);
    }
    let bytes = size_of::<T>();
    for (what, figures) in [
        ("usual slots, ns a message", usual),
        ("compact slots, ns a message", compact),
        ("messages a second, compact to usual", ratios),
    ] {
        let [low, middle, high] = quartiles(figures);
        println!("| {bytes} | {what} | {low:.2} | {middle:.2} | {high:.2} |");
    }
    Ok(())
}

fn main() -> dmxp::Result<()> {
    let name = format!("dmxp-bench-compact-{}", std::process::id());
    let region = RegionOptions::new().name(&name).size(4 << 20).create()?;
    println!("raw round trip of two cache lines: {:.0} ns before", round_trip_ns());
    println!("{PAIRS} pairs of runs, {MESSAGES} messages each, {CAPACITY} slots\n");
    println!("| bytes | | first quartile | median | third quartile |");
    println!("|---|---|---|---|---|");
    let compared = compare::<Small>(&region).and_then(|()| compare::<Line>(&region));
    println!("\nraw round trip: {:.0} ns after", round_trip_ns());
    drop(region);
    RegionOptions::new().name(&name).remove(true)?;
    compared
}

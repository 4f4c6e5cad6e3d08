//! What telling the time costs: dmxp's clock beside the kernel's, in runs that take turns, and a whole message beside both: sent
//! and received in one thread, 64 bytes, copied in and out.
//!
//! `cargo run --release -p dmxp-benches --bin clock`

use dmxp::{Channel, RegionOptions, Wait, now_ns};
use dmxp_benches::pin;
use std::hint::black_box;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const ROUNDS: usize = 4_001;
/// So few that most runs are not interrupted on a busy machine either.
const CALLS: u32 = 500;

#[dmxp::message]
struct Payload {
    words: [u64; 8],
}

/// Nanoseconds a call.
fn cost(mut call: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// First quartile, median and third quartile.
fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| figures[((figures.len() - 1) as f64 * part).round() as usize])
}

fn main() -> dmxp::Result<()> {
    pin(0);
    let region = RegionOptions::new().size(4 << 20).create_anonymous()?;
    let channel = Channel::<Payload>::builder().with_name("clock").with_region(&region);
    let (producer, consumer) = (channel.build_producer()?, channel.build_consumer()?);

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let kernels = cost(|| {
            black_box(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |time| time.as_nanos() as u64),
            );
        });
        let ours = cost(|| {
            black_box(now_ns());
        });
        let message = cost(|| {
            producer
                .send(black_box(&Payload { words: [7; 8] }))
                .expect("there is room");
            black_box(consumer.recv_copy(Wait::No).expect("there is a message"));
        });
        rounds.push((kernels, ours, message));
    }
    println!("{ROUNDS} rounds of {CALLS} calls each\n");
    println!("| | first quartile | median | third quartile |");
    println!("|---|---|---|---|");
    let row = |what: &str, of: fn(&(f64, f64, f64)) -> f64, digits: usize| {
        let [low, middle, high] = quartiles(rounds.iter().map(of).collect());
        println!("| {what} | {low:.digits$} | {middle:.digits$} | {high:.digits$} |");
    };
    row("clock_gettime, ns", |(kernels, _, _)| *kernels, 1);
    row("dmxp's clock, ns", |(_, ours, _)| *ours, 1);
    row("ratio within a round", |(kernels, ours, _)| ours / kernels, 3);
    row("a message sent and received, ns", |(_, _, message)| *message, 1);
    row("message / clock_gettime", |(kernels, _, message)| message / kernels, 3);
    Ok(())
}

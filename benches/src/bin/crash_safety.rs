//! What crash safety costs: dmxp's ring with its claim cells beside a plain Vyukov ring, one producer and one consumer on two cores,
//! 64 bytes a message, copied in and out. Pairs of runs, interleaved; the ratio of each pair counts.
//!
//! `cargo run --release -p dmxp-benches --bin crash_safety`

use dmxp::bare::{BareRing, ClaimCell};
use dmxp_benches::{PlainRing, pin, round_trip_ns};
use std::time::Instant;

const MESSAGES: u64 = 1_000_000;
const PAIRS: usize = 41;
const CAPACITY: usize = 1_024;

/// Nanoseconds a message from the first push to the last pop.
fn transfer(push: impl Fn(&[u8; 64]) -> bool + Sync, pop: impl Fn(&mut [u8; 64]) -> bool) -> f64 {
    std::thread::scope(|scope| {
        pin(0);
        let started = Instant::now();
        scope.spawn(|| {
            pin(1);
            let mut payload = [0; 64];
            for number in 0..MESSAGES {
                payload[..8].copy_from_slice(&number.to_le_bytes());
                while !push(&payload) {
                    core::hint::spin_loop();
                }
            }
        });
        let mut payload = [0; 64];
        for number in 0..MESSAGES {
            while !pop(&mut payload) {
                core::hint::spin_loop();
            }
            assert_eq!(payload[..8], number.to_le_bytes(), "in order");
        }
        started.elapsed().as_nanos() as f64 / MESSAGES as f64
    })
}

fn plain() -> f64 {
    let ring = PlainRing::new(CAPACITY);
    transfer(|payload| ring.push(payload), |payload| ring.pop(payload))
}

fn ours() -> f64 {
    let ring = BareRing::new(CAPACITY);
    let (producer, consumer) = (ClaimCell::default(), ClaimCell::default());
    transfer(
        |payload| ring.push(&producer, payload),
        |payload| ring.pop(&consumer, payload),
    )
}

/// A quantile of sorted figures.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn main() {
    let before = round_trip_ns();
    let (mut plains, mut with_cells, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Which comes first changes from pair to pair.
        let (one, other) = if pair % 2 == 0 {
            let one = plain();
            (one, ours())
        } else {
            let other = ours();
            (plain(), other)
        };
        plains.push(one);
        with_cells.push(other);
        ratios.push(other / one);
    }
    let after = round_trip_ns();
    for figures in [&mut plains, &mut with_cells, &mut ratios] {
        figures.sort_by(f64::total_cmp);
    }
    println!("raw round trip of two cache lines: {before:.0} ns before, {after:.0} ns after");
    println!("{PAIRS} pairs of runs, {MESSAGES} messages of 64 bytes each, {CAPACITY} slots of 1,088 bytes\n");
    println!("| | first quartile | median | third quartile |");
    println!("|---|---|---|---|");
    let row = |what: &str, figures: &[f64], digits: usize| {
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(figures, part));
        println!("| {what} | {low:.digits$} | {middle:.digits$} | {high:.digits$} |");
    };
    row("plain Vyukov ring, ns a message", &plains, 1);
    row("with claim cells, ns a message", &with_cells, 1);
    row("ratio of the pairs", &ratios, 3);
    println!(
        "\ncost of crash safety: {:+.1} % (median)",
        (quantile(&ratios, 0.5) - 1.0) * 100.0
    );
}

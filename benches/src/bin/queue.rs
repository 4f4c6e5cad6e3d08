//! What a message of the queue costs above the ring: dmxp's typed handles beside crossbeam's ArrayQueue, in one thread, where nobody
//! else touches the lines, and between two cores. Pairs of runs, interleaved; the ratio of each pair counts.
//!
//! `cargo run --release -p dmxp-benches --bin queue`; with the name of a row and a number of calls it makes these calls and
//! nothing else, for `perf stat`, `perf record` and callgrind.

use crossbeam_queue::ArrayQueue;
use dmxp::bare::{BareRing, ClaimCell};
use dmxp::{Channel, Consumer, Error, Producer, Region, RegionOptions, Wait};
use dmxp_benches::pin;
use std::hint::black_box;
use std::time::Instant;

const PAIRS: usize = 801;
/// So few that most runs are not interrupted on a busy machine either.
const CALLS: u32 = 500;
const CAPACITY: usize = 1_024;
const TRANSFERS: usize = 41;
const MESSAGES: u64 = 300_000;

#[dmxp::message]
struct Small {
    words: [u64; 8],
}

#[dmxp::message]
struct Large {
    words: [u64; 120],
}

/// Everything that the rows use.
struct Ends {
    small: (Producer<Small>, Consumer<Small>),
    large: (Producer<Large>, Consumer<Large>),
    /// Full, and stays so.
    full: Producer<Small>,
    ring: (BareRing, ClaimCell, ClaimCell),
    peer: ArrayQueue<[u64; 8]>,
    large_peer: ArrayQueue<[u64; 120]>,
    full_peer: ArrayQueue<[u64; 8]>,
}

type Row = (&'static str, fn(&Ends), fn(&Ends));

const SMALL: Small = Small { words: [7; 8] };

fn peer(ends: &Ends) {
    ends.peer.push(black_box([7; 8])).expect("there is room");
    black_box(ends.peer.pop().expect("there is a message"));
}

fn large_peer(ends: &Ends) {
    ends.large_peer.push(black_box([7; 120])).expect("there is room");
    black_box(ends.large_peer.pop().expect("there is a message"));
}

/// What is timed, and what it is compared with.
const ROWS: [Row; 6] = [
    (
        "copied",
        |ends| {
            ends.small.0.try_send(black_box(&SMALL)).expect("there is room");
            black_box(ends.small.1.recv_copy(Wait::No).expect("there is a message"));
        },
        peer,
    ),
    (
        "in-place",
        |ends| {
            let mut slot = ends.small.0.try_claim().expect("there is room");
            slot.words[0] = black_box(7);
            slot.publish().expect("it is ours");
            black_box(ends.small.1.try_recv().expect("there is a message").words[0]);
        },
        peer,
    ),
    (
        "in-place-960",
        |ends| {
            let mut slot = ends.large.0.try_claim().expect("there is room");
            slot.words[0] = black_box(7);
            slot.publish().expect("it is ours");
            black_box(ends.large.1.try_recv().expect("there is a message").words[0]);
        },
        large_peer,
    ),
    (
        "empty",
        |ends| assert!(matches!(black_box(&ends.small.1).try_recv(), Err(Error::Empty))),
        |ends| assert!(black_box(&ends.peer).pop().is_none()),
    ),
    (
        "full",
        |ends| {
            assert!(matches!(
                black_box(&ends.full).try_send(black_box(&SMALL)),
                Err(Error::Full)
            ))
        },
        |ends| assert!(black_box(&ends.full_peer).push(black_box([7; 8])).is_err()),
    ),
    (
        "ring-alone",
        |ends| {
            let (ring, producer, consumer) = &ends.ring;
            assert!(ring.push(producer, black_box(&[7; 64])));
            let mut payload = [0; 64];
            assert!(ring.pop(consumer, &mut payload));
            black_box(payload);
        },
        peer,
    ),
];

fn ends(region: &Region) -> dmxp::Result<Ends> {
    let small = Channel::<Small>::builder()
        .with_region(region)
        .with_name("small")
        .with_capacity(CAPACITY as u64);
    let large = Channel::<Large>::builder()
        .with_region(region)
        .with_name("large")
        .with_capacity(CAPACITY as u64);
    let full = Channel::<Small>::builder()
        .with_region(region)
        .with_name("full")
        .with_capacity(CAPACITY as u64)
        .build_producer()?;
    let full_peer = ArrayQueue::new(CAPACITY);
    for _ in 0..CAPACITY {
        full.try_send(&SMALL)?;
        full_peer.push([7; 8]).expect("there is room");
    }
    Ok(Ends {
        small: (small.build_producer()?, small.build_consumer()?),
        large: (large.build_producer()?, large.build_consumer()?),
        full,
        ring: (BareRing::new(CAPACITY), ClaimCell::default(), ClaimCell::default()),
        peer: ArrayQueue::new(CAPACITY),
        large_peer: ArrayQueue::new(CAPACITY),
        full_peer,
    })
}

/// Nanoseconds a call.
fn cost(ends: &Ends, call: fn(&Ends), calls: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..calls {
        call(ends);
    }
    started.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// Nanoseconds a message between two cores, from the first sent to the last received.
fn transfer(mut send: impl FnMut(u64) -> bool + Send, mut receive: impl FnMut() -> Option<u64>) -> f64 {
    std::thread::scope(|scope| {
        pin(0);
        let started = Instant::now();
        scope.spawn(move || {
            pin(1);
            for number in 0..MESSAGES {
                while !send(number) {
                    core::hint::spin_loop();
                }
            }
        });
        for expected in 0..MESSAGES {
            let number = loop {
                match receive() {
                    Some(number) => break number,
                    None => core::hint::spin_loop(),
                }
            };
            assert_eq!(number, expected, "in order");
        }
        started.elapsed().as_nanos() as f64 / MESSAGES as f64
    })
}

fn transfer_peer() -> f64 {
    let queue = ArrayQueue::new(CAPACITY);
    transfer(
        |number| queue.push([number; 8]).is_ok(),
        || queue.pop().map(|message| message[0]),
    )
}

fn transfer_copied() -> f64 {
    let region = RegionOptions::new().size(4 << 20).create_anonymous().expect("a region");
    let channel = Channel::<Small>::builder()
        .with_region(&region)
        .with_name("between")
        .with_capacity(CAPACITY as u64);
    let (producer, consumer) = (
        channel.build_producer().expect("a producer"),
        channel.build_consumer().expect("a consumer"),
    );
    transfer(
        move |number| producer.try_send(&Small { words: [number; 8] }).is_ok(),
        || consumer.recv_copy(Wait::No).ok().map(|message| message.words[0]),
    )
}

/// First quartile, median and third quartile.
fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| figures[((figures.len() - 1) as f64 * part).round() as usize])
}

fn row(what: &str, pairs: Vec<(f64, f64)>) {
    let [_, ours, _] = quartiles(pairs.iter().map(|pair| pair.0).collect());
    let [_, theirs, _] = quartiles(pairs.iter().map(|pair| pair.1).collect());
    let [low, middle, high] = quartiles(pairs.iter().map(|pair| pair.0 / pair.1).collect());
    println!("| {what} | {ours:.1} | {theirs:.1} | {low:.2} | **{middle:.2}** | {high:.2} |");
}

/// Runs both, by turns first.
fn pairs(count: usize, ours: impl Fn() -> f64, theirs: impl Fn() -> f64) -> Vec<(f64, f64)> {
    (0..count)
        .map(|pair| {
            if pair % 2 == 0 {
                let one = ours();
                (one, theirs())
            } else {
                let other = theirs();
                (ours(), other)
            }
        })
        .collect()
}

fn main() -> dmxp::Result<()> {
    pin(0);
    let region = RegionOptions::new().size(8 << 20).create_anonymous()?;
    let ends = ends(&region)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, calls] = &arguments[..] {
        let calls: u32 = calls.parse().expect("a number of calls");
        let call = ROWS
            .iter()
            .find_map(|(row, ours, theirs)| match name.strip_suffix("-peer") {
                None => (row == name).then_some(ours),
                Some(name) => (*row == name).then_some(theirs),
            })
            .expect("a row's name");
        println!("{:.1} ns", cost(&ends, *call, calls));
        return Ok(());
    }
    println!("| | dmxp, ns | ArrayQueue, ns | ratio: first quartile | median | third quartile |");
    println!("|---|---|---|---|---|---|");
    for (name, ours, theirs) in ROWS {
        row(
            name,
            pairs(PAIRS, || cost(&ends, ours, CALLS), || cost(&ends, theirs, CALLS)),
        );
    }
    row(
        "between cores, copied",
        pairs(TRANSFERS, transfer_copied, transfer_peer),
    );
    Ok(())
}

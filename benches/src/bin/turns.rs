//! What a message costs each end when its slot's lines are with the other core: the sender fills most of a ring while the receiver
//! waits, then the receiver empties it while the sender does. Unlike where both are busy at once, neither takes lines from the other
//! in the middle of a message, so figures hardly differ from run to run, and each end's are its own. Beside rtrb and ArrayQueue, which
//! pass the same 64 bytes and nothing else.
//!
//! `cargo run --release -p dmxp-benches --bin turns`, with a part of a row's name for some rows only; then for `perf record` as well.

use dmxp::{Channel, Consumer, Delivery, Producer, Region, RegionOptions, Wait};
use dmxp_benches::{pin, round_trip_ns};
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const CAPACITY: usize = 1_024;
const MESSAGES: u64 = 768;
/// Messages of a call that passes several.
const BATCH: usize = 64;
const TURNS: u64 = 2_001;
/// Who has to wait for the other lets it have the core now and then: there may be no other.
const LOOKS: u32 = 1 << 16;

#[dmxp::message]
struct Line {
    words: [u64; 8],
}

/// Whose turn it is: even numbers are the sender's. Release and acquire: what was done in a turn is seen in the next.
struct Turn(AtomicU64);

impl Turn {
    fn wait_for(&self, number: u64) {
        let mut looks = 0_u32;
        while self.0.load(Ordering::Acquire) != number {
            looks += 1;
            if looks.is_multiple_of(LOOKS) {
                std::thread::yield_now();
            } else {
                spin_loop();
            }
        }
    }

    fn pass(&self, number: u64) {
        self.0.store(number + 1, Ordering::Release);
    }
}

/// Nanoseconds a message of each turn with this parity, sorted.
fn take_turns(turn: &Turn, parity: u64, calls: u64, mut call: impl FnMut()) -> Vec<f64> {
    let mut figures = Vec::new();
    for number in (0..TURNS).map(|round| 2 * round + parity) {
        turn.wait_for(number);
        let started = Instant::now();
        for _ in 0..calls {
            call();
        }
        figures.push(started.elapsed().as_nanos() as f64 / MESSAGES as f64);
        turn.pass(number);
    }
    figures.sort_by(f64::total_cmp);
    figures
}

fn quartiles(sorted: &[f64]) -> String {
    let [low, middle, high] = [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4]);
    format!("{low:.1}, **{middle:.1}**, {high:.1}")
}

/// A row of the table. Each call passes one message, or [`BATCH`] where the name says so.
fn row(name: &str, only: &str, send: impl FnMut() + Send, receive: impl FnMut()) {
    if !name.contains(only) {
        return;
    }
    let calls = if name.ends_with("a call") {
        MESSAGES / BATCH as u64
    } else {
        MESSAGES
    };
    let turn = Turn(AtomicU64::new(0));
    let (sending, receiving) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            pin(1);
            take_turns(&turn, 0, calls, send)
        });
        pin(0);
        let receiving = take_turns(&turn, 1, calls, receive);
        (sender.join().expect("it only sends"), receiving)
    });
    println!("| {name} | {} | {} |", quartiles(&sending), quartiles(&receiving));
}

fn ends(region: &Region, name: &str, compact: bool) -> dmxp::Result<(Producer<Line>, Consumer<Line>)> {
    let builder = Channel::<Line>::builder()
        .with_region(region)
        .with_name(name)
        .with_capacity(CAPACITY as u64)
        .with_compact_slots(compact);
    let builder = if name.starts_with("SPSC") {
        builder.with_delivery(Delivery::Broadcast).with_single_producer(true)
    } else {
        builder
    };
    let producer = builder.build_producer()?;
    Ok((producer, builder.build_consumer()?))
}

fn main() -> dmxp::Result<()> {
    let only = std::env::args().nth(1).unwrap_or_default();
    let region = RegionOptions::new().size(16 << 20).create_anonymous()?;
    println!("raw round trip of two cache lines: {:.0} ns before\n", round_trip_ns());
    println!("| 64 bytes, ns a message | sending | receiving |");
    println!("|---|---|---|");
    let (mut sender, mut receiver) = rtrb::RingBuffer::<[u64; 8]>::new(CAPACITY);
    row(
        "rtrb",
        &only,
        move || sender.push(black_box([1; 8])).expect("there is room"),
        move || {
            black_box(receiver.pop().expect("there is a message"));
        },
    );
    let (mut sender, mut receiver) = rtrb::RingBuffer::<[u64; 8]>::new(CAPACITY);
    row(
        "rtrb, 64 a call",
        &only,
        move || {
            let chunk = sender.write_chunk_uninit(BATCH).expect("there is room");
            chunk.fill_from_iter(std::iter::repeat_n(black_box([1; 8]), BATCH));
        },
        move || {
            let chunk = receiver.read_chunk(BATCH).expect("there are messages");
            let (first, second) = chunk.as_slices();
            black_box(first.iter().chain(second).map(|line| line[0]).sum::<u64>());
            chunk.commit_all();
        },
    );
    let queue = crossbeam_queue::ArrayQueue::<[u64; 8]>::new(CAPACITY);
    row(
        "ArrayQueue",
        &only,
        || queue.push(black_box([1; 8])).expect("there is room"),
        || {
            black_box(queue.pop().expect("there is a message"));
        },
    );
    for (kind, slots, compact) in [
        ("SPSC", "compact slots", true),
        ("SPSC", "usual slots", false),
        ("queue", "compact slots", true),
        ("queue", "usual slots", false),
    ] {
        let name = format!("{kind}, {slots}, copied");
        let (producer, consumer) = ends(&region, &name, compact)?;
        row(
            &name,
            &only,
            move || {
                producer
                    .try_send(black_box(&Line { words: [1; 8] }))
                    .expect("there is room");
            },
            move || {
                black_box(consumer.recv_copy(Wait::No).expect("there is a message"));
            },
        );
        let name = format!("{kind}, {slots}, in place");
        let (producer, consumer) = ends(&region, &name, compact)?;
        row(
            &name,
            &only,
            move || {
                let mut line = producer.try_claim().expect("there is room");
                line.words[0] = black_box(1);
                line.publish().expect("it is open");
            },
            move || {
                black_box(consumer.try_recv().expect("there is a message").words[0]);
            },
        );
        let name = format!("{kind}, {slots}, copied, 64 a call");
        let (producer, consumer) = ends(&region, &name, compact)?;
        let lines = [(); BATCH].map(|()| Line { words: [1; 8] });
        row(
            &name,
            &only,
            move || {
                let sent = producer.send_batch(black_box(&lines), Wait::No);
                sent.expect("there is room");
            },
            move || {
                let batch = consumer.recv_up_to(BATCH, Wait::No).expect("there are messages");
                assert_eq!(batch.len(), BATCH);
                black_box(batch.iter().map(|line| line.words[0]).sum::<u64>());
            },
        );
    }
    println!("\nraw round trip: {:.0} ns after", round_trip_ns());
    Ok(())
}

//! What a message costs each end when its slot's lines are with the other core: the sender fills most of a ring while the receiver
//! waits, then the receiver empties it while the sender does. Unlike where both are busy at once, neither takes lines from the other
//! in the middle of a message, so figures hardly differ from run to run, and each end's are its own. Beside rtrb and ArrayQueue, which
//! pass the same bytes and nothing else.
//!
//! `cargo run --release -p dmxp-benches --bin turns`, with a part of a row's name for some rows only; then for `perf record` as well.

use dmxp::{Channel, Consumer, Delivery, DmxpMessage, Producer, Region, RegionOptions, Wait};
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
struct Word {
    words: [u64; 1],
}

#[dmxp::message]
struct Line {
    words: [u64; 8],
}

#[dmxp::message]
struct Page {
    words: [u64; 120],
}

/// A message as the rows need it.
trait Message: DmxpMessage + Copy + Send + Sync {
    const FILLED: Self;
    fn first(&mut self) -> &mut u64;
}

macro_rules! message {
    ($name:ident) => {
        impl Message for $name {
            const FILLED: Self = Self {
                words: [1; size_of::<Self>() / 8],
            };

            fn first(&mut self) -> &mut u64 {
                &mut self.words[0]
            }
        }
    };
}

message!(Word);
message!(Line);
message!(Page);

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

fn ends<T: Message>(region: &Region, name: &str, kind: &str) -> dmxp::Result<(Producer<T>, Consumer<T>)> {
    let builder = Channel::<T>::builder()
        .with_region(region)
        .with_name(name)
        .with_capacity(CAPACITY as u64);
    let builder = match kind {
        "packed" => builder.with_packed_slots(true),
        _ => builder.with_compact_slots(kind.ends_with("compact")),
    };
    let builder = if kind.starts_with("SPSC") {
        builder.with_delivery(Delivery::Broadcast).with_single_producer(true)
    } else {
        builder
    };
    let producer = builder.build_producer()?;
    Ok((producer, builder.build_consumer()?))
}

/// The rows of a size: those between threads, and those of dmxp.
fn rows<T: Message>(only: &str) -> dmxp::Result<()> {
    let bytes = size_of::<T>();
    let (mut sender, mut receiver) = rtrb::RingBuffer::<T>::new(CAPACITY);
    row(
        &format!("rtrb, {bytes} bytes"),
        only,
        move || assert!(sender.push(black_box(T::FILLED)).is_ok(), "there is no room"),
        move || {
            black_box(receiver.pop().expect("there is a message"));
        },
    );
    let (mut sender, mut receiver) = rtrb::RingBuffer::<T>::new(CAPACITY);
    row(
        &format!("rtrb, {bytes} bytes, 64 a call"),
        only,
        move || {
            let chunk = sender.write_chunk_uninit(BATCH).expect("there is room");
            chunk.fill_from_iter(std::iter::repeat_n(black_box(T::FILLED), BATCH));
        },
        move || {
            let chunk = receiver.read_chunk(BATCH).expect("there are messages");
            let (first, second) = chunk.as_slices();
            for message in first.iter().chain(second) {
                black_box(message);
            }
            chunk.commit_all();
        },
    );
    let queue = crossbeam_queue::ArrayQueue::<T>::new(CAPACITY);
    row(
        &format!("ArrayQueue, {bytes} bytes"),
        only,
        || assert!(queue.push(black_box(T::FILLED)).is_ok(), "there is no room"),
        || {
            black_box(queue.pop().expect("there is a message"));
        },
    );
    let region = RegionOptions::new().size(64 << 20).create_anonymous()?;
    for kind in ["packed", "SPSC, compact", "SPSC", "queue, compact", "queue"] {
        let name = format!("{kind}, {bytes} bytes, copied");
        let (producer, consumer) = ends::<T>(&region, &name, kind)?;
        row(
            &name,
            only,
            move || {
                producer.try_send(black_box(&T::FILLED)).expect("there is room");
            },
            move || {
                black_box(consumer.recv_copy(Wait::No).expect("there is a message"));
            },
        );
        let name = format!("{kind}, {bytes} bytes, in place");
        let (producer, consumer) = ends::<T>(&region, &name, kind)?;
        row(
            &name,
            only,
            move || {
                let mut message = producer.claim_uninit(Wait::No).expect("there is room").write(T::FILLED);
                *message.first() = black_box(1);
                message.publish().expect("it is open");
            },
            move || {
                black_box(&*consumer.try_recv().expect("there is a message"));
            },
        );
        let name = format!("{kind}, {bytes} bytes, copied, 64 a call");
        let (producer, consumer) = ends::<T>(&region, &name, kind)?;
        let messages = [T::FILLED; BATCH];
        row(
            &name,
            only,
            move || {
                let sent = producer.send_batch(black_box(&messages), Wait::No);
                sent.expect("there is room");
            },
            move || {
                if kind == "packed" {
                    let slice = consumer.recv_slice(BATCH, Wait::No).expect("there are messages");
                    assert_eq!(slice.len(), BATCH);
                    for message in slice.iter() {
                        black_box(message);
                    }
                    return;
                }
                let batch = consumer.recv_up_to(BATCH, Wait::No).expect("there are messages");
                assert_eq!(batch.len(), BATCH);
                for message in batch.iter() {
                    black_box(message);
                }
            },
        );
    }
    Ok(())
}

fn main() -> dmxp::Result<()> {
    let only = std::env::args().nth(1).unwrap_or_default();
    println!("raw round trip of two cache lines: {:.0} ns before\n", round_trip_ns());
    println!("| ns a message | sending | receiving |");
    println!("|---|---|---|");
    rows::<Word>(&only)?;
    rows::<Line>(&only)?;
    rows::<Page>(&only)?;
    println!("\nraw round trip: {:.0} ns after", round_trip_ns());
    Ok(())
}

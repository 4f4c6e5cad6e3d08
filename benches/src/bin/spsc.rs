//! One producer and one reliable subscriber beside rtrb, which passes the same 64 bytes and nothing else: in one thread, where the
//! instructions of both ends count, and between two cores, where the cache lines do. Runs take turns, and the ratio of those that
//! follow each other counts.
//!
//! `cargo run --release -p dmxp-benches --bin spsc`, with a part of a row's name for some rows only

use dmxp::{Channel, Consumer, Delivery, Error, Producer, Region, RegionOptions, Wait};
use dmxp_benches::{pin, round_trip_ns};
use std::hint::black_box;
use std::time::Instant;

const CAPACITY: usize = 1_024;
const BATCH: usize = 64;
/// So few that most runs in one thread are not interrupted on a busy machine either.
const ROUNDS: usize = 1_001;
const CALLS: usize = 512;
const PAIRS: usize = 31;
const MESSAGES: usize = 100_000;

#[dmxp::message]
struct Line {
    words: [u64; 8],
}

/// How one message is passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Copied,
    Borrowed,
    /// 64 at a time, with one call at each end.
    Batches,
}

fn rtrb_sender(mut producer: rtrb::Producer<[u64; 8]>, how: How) -> impl FnMut(&[Line]) -> usize + Send {
    move |messages| {
        if how != How::Batches {
            return usize::from(producer.push(messages[0].words).is_ok());
        }
        let Ok(chunk) = producer.write_chunk_uninit(messages.len()) else {
            return 0;
        };
        chunk.fill_from_iter(messages.iter().map(|message| message.words))
    }
}

fn rtrb_receiver(mut consumer: rtrb::Consumer<[u64; 8]>, how: How) -> impl FnMut(&mut u64) -> usize + Send {
    move |sum| match how {
        How::Copied => match consumer.pop() {
            Ok(words) => {
                *sum += black_box(words)[0];
                1
            }
            Err(_) => 0,
        },
        How::Borrowed => match consumer.read_chunk(1) {
            Ok(chunk) => {
                *sum += black_box(&chunk.as_slices().0[0])[0];
                chunk.commit_all();
                1
            }
            Err(_) => 0,
        },
        How::Batches => {
            let there = consumer.slots().min(BATCH);
            let Ok(chunk) = consumer.read_chunk(there) else {
                return 0;
            };
            let (first, second) = chunk.as_slices();
            for words in first.iter().chain(second) {
                *sum += black_box(words)[0];
            }
            chunk.commit_all();
            there
        }
    }
}

fn dmxp_sender(producer: Producer<Line>, how: How) -> impl FnMut(&[Line]) -> usize + Send {
    move |messages| {
        let sent = if how == How::Batches {
            producer.send_up_to(messages, Wait::No)
        } else {
            producer.try_send(&messages[0]).map(|_| 1)
        };
        match sent {
            Ok(count) => count,
            Err(Error::Full) => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

fn dmxp_receiver(consumer: Consumer<Line>, how: How) -> impl FnMut(&mut u64) -> usize + Send {
    move |sum| {
        let received = match how {
            How::Copied => consumer.recv_copy(Wait::No).map(|line| {
                *sum += black_box(line).words[0];
                1
            }),
            How::Borrowed => consumer.try_recv().map(|line| {
                *sum += black_box(&*line).words[0];
                1
            }),
            How::Batches => consumer.recv_up_to(BATCH, Wait::No).map(|batch| {
                for line in batch.iter() {
                    *sum += black_box(line).words[0];
                }
                batch.len()
            }),
        };
        match received {
            Ok(count) => count,
            Err(Error::Empty) => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

fn lines() -> Vec<Line> {
    (0..BATCH).map(|_| Line { words: [1; 8] }).collect()
}

/// Nanoseconds a message, sent and received by one thread.
fn alone(send: &mut impl FnMut(&[Line]) -> usize, receive: &mut impl FnMut(&mut u64) -> usize, lines: &[Line]) -> f64 {
    let (mut passed, mut sum) = (0, 0);
    let started = Instant::now();
    while passed < CALLS {
        let sent = send(black_box(lines));
        passed += sent;
        assert_eq!(receive(&mut sum), sent, "what is sent is received");
    }
    let took = started.elapsed().as_nanos() as f64;
    assert_eq!(sum as usize, passed, "what is received was sent");
    took / passed as f64
}

/// Looks again, and now and then lets others have the core, where there are any: on a busy machine what is waited for may need it.
fn rest(passed: usize, looks: &mut u32) {
    if passed == 0 {
        *looks += 1;
        if looks.is_multiple_of(4_096) {
            std::thread::yield_now();
        } else {
            core::hint::spin_loop();
        }
    }
}

/// Nanoseconds a message between two threads on two cores.
fn across(mut send: impl FnMut(&[Line]) -> usize + Send, mut receive: impl FnMut(&mut u64) -> usize) -> f64 {
    std::thread::scope(|scope| {
        pin(0);
        let started = Instant::now();
        scope.spawn(move || {
            pin(1);
            let (lines, mut sent, mut looks) = (lines(), 0, 0);
            while sent < MESSAGES {
                let count = send(&lines[..BATCH.min(MESSAGES - sent)]);
                rest(count, &mut looks);
                sent += count;
            }
        });
        let (mut received, mut sum, mut looks) = (0, 0, 0);
        while received < MESSAGES {
            let count = receive(&mut sum);
            rest(count, &mut looks);
            received += count;
        }
        let took = started.elapsed().as_nanos() as f64;
        assert_eq!(sum as usize, MESSAGES, "what is received was sent");
        took / MESSAGES as f64
    })
}

/// First quartile, median and third quartile.
fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| figures[((figures.len() - 1) as f64 * part).round() as usize])
}

fn report(what: &str, figures: &[[f64; 3]]) {
    let median = |of: fn(&[f64; 3]) -> f64| quartiles(figures.iter().map(of).collect())[1];
    let ratios = |of: fn(&[f64; 3]) -> f64| {
        let [low, middle, high] = quartiles(figures.iter().map(of).collect());
        format!("{low:.2}, **{middle:.2}**, {high:.2}")
    };
    println!(
        "| {what} | {:.1} | {:.1} | {} | {:.1} | {} |",
        median(|run| run[0]),
        median(|run| run[1]),
        ratios(|run| run[0] / run[1]),
        median(|run| run[2]),
        ratios(|run| run[0] / run[2]),
    );
}

fn ends(region: &Region, compact: bool) -> dmxp::Result<(Producer<Line>, Consumer<Line>)> {
    let builder = Channel::<Line>::builder()
        .with_region(region)
        .with_channel_id(u32::from(compact))
        .with_capacity(CAPACITY as u64)
        .with_compact_slots(compact)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(true);
    let producer = builder.build_producer()?;
    Ok((producer, builder.build_consumer()?))
}

fn main() -> dmxp::Result<()> {
    let only = std::env::args().nth(1).unwrap_or_default();
    let region = RegionOptions::new().size(4 << 20).create_anonymous()?;
    pin(0);
    // Beside rows of one thread it says nothing, and on a busy machine it takes long.
    let of_two_cores = !only.contains("one thread");
    if of_two_cores {
        println!("raw round trip of two cache lines: {:.0} ns before\n", round_trip_ns());
    }
    println!("| | rtrb, ns | compact slots, ns | times rtrb | usual slots, ns | times rtrb |");
    println!("|---|---|---|---|---|---|");
    for (name, how) in [
        ("copied", How::Copied),
        ("borrowed", How::Borrowed),
        ("64 a call", How::Batches),
    ] {
        let lines = lines();
        let row = format!("{name}, one thread");
        if row.contains(&only) {
            let mut figures = Vec::new();
            let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
            let (mut send, mut receive) = (rtrb_sender(producer, how), rtrb_receiver(consumer, how));
            let (producer, consumer) = ends(&region, true)?;
            let (mut send_compact, mut receive_compact) = (dmxp_sender(producer, how), dmxp_receiver(consumer, how));
            let (producer, consumer) = ends(&region, false)?;
            let (mut send_usual, mut receive_usual) = (dmxp_sender(producer, how), dmxp_receiver(consumer, how));
            for _ in 0..ROUNDS {
                figures.push([
                    alone(&mut send, &mut receive, &lines),
                    alone(&mut send_compact, &mut receive_compact, &lines),
                    alone(&mut send_usual, &mut receive_usual, &lines),
                ]);
            }
            report(&row, &figures);
        }
        let row = format!("{name}, two cores");
        if !row.contains(&only) {
            continue;
        }
        let mut figures = Vec::new();
        for _ in 0..PAIRS {
            let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
            let first = across(rtrb_sender(producer, how), rtrb_receiver(consumer, how));
            let (producer, consumer) = ends(&region, true)?;
            let compact = across(dmxp_sender(producer, how), dmxp_receiver(consumer, how));
            let (producer, consumer) = ends(&region, false)?;
            let usual = across(dmxp_sender(producer, how), dmxp_receiver(consumer, how));
            figures.push([first, compact, usual]);
        }
        report(&row, &figures);
    }
    if of_two_cores {
        println!("\nraw round trip: {:.0} ns after", round_trip_ns());
    }
    Ok(())
}

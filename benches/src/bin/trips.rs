//! What a round trip between two cores is made of: a number that goes there in one cache line and comes back in another; messages of 64
//! bytes in a ring that is laid out as dmxp's queue and gets one of the queue's duties after the other; dmxp, rtrb and ArrayQueue.
//! Threads of one process, whose runs take turns.
//!
//! `cargo run --release -p dmxp-benches --bin trips`, with a part of a row's name for some rows only; then for `perf record` as well.

use dmxp::{Channel, Consumer, Delivery, Error, Producer, Region, RegionOptions, Wait};
use dmxp_benches::pin;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const CAPACITY: usize = 1_024;
const TRIPS: u64 = 2_000;
const ROUNDS: usize = 201;
/// Who has to wait for the other lets it have the core now and then: there may be no other.
const LOOKS: u32 = 1 << 16;

#[dmxp::message]
#[derive(Clone, Copy)]
struct Line {
    words: [u64; 8],
}

#[repr(align(128))]
#[derive(Default)]
struct Word(AtomicU64);

/// Looks until there is an answer.
fn until<R>(mut look: impl FnMut() -> Option<R>) -> R {
    let mut looks = 0_u32;
    loop {
        if let Some(found) = look() {
            return found;
        }
        looks += 1;
        if looks.is_multiple_of(LOOKS) {
            std::thread::yield_now();
        }
    }
}

/// One way of a bare number, or of a message.
trait Way: Send {
    fn send(&mut self, number: u64);
    fn receive(&mut self) -> u64;
}

struct Bare {
    line: Arc<Word>,
    /// What was received last.
    last: u64,
}

impl Way for Bare {
    fn send(&mut self, number: u64) {
        self.line.0.store(number, Ordering::Release);
    }

    fn receive(&mut self) -> u64 {
        self.last += 1;
        until(|| (self.line.0.load(Ordering::Acquire) == self.last).then_some(self.last))
    }
}

/// What the bare ring does beside passing two lines, each with what comes before it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Duty {
    Passes,
    Releases,
    Claims,
    TellsTheTime,
}

#[repr(align(128))]
struct Slot {
    sequence: AtomicU64,
    meta: [AtomicU64; 5],
    payload: Payload,
}

#[repr(align(64))]
#[derive(Default)]
struct Payload([AtomicU64; 8]);

/// Slots of two lines, as compact ones of a queue, that both ends walk through.
struct Ring {
    slots: Vec<Slot>,
    tail: Word,
    head: Word,
}

struct BareRing {
    ring: Arc<Ring>,
    duty: Duty,
    position: u64,
}

impl Way for BareRing {
    fn send(&mut self, number: u64) {
        let (ring, position) = (&self.ring, self.position);
        let slot = &ring.slots[position as usize % CAPACITY];
        if self.duty >= Duty::Claims {
            let moved = ring
                .tail
                .0
                .compare_exchange(position, position + 1, Ordering::SeqCst, Ordering::Relaxed);
            moved.expect("there is one sender");
        }
        for word in slot.payload.0.iter().chain(&slot.meta) {
            word.store(number, Ordering::Relaxed);
        }
        if self.duty >= Duty::TellsTheTime {
            slot.meta[0].store(dmxp::now_ns(), Ordering::Relaxed);
        }
        slot.sequence.store(position + 1, Ordering::Release);
        self.position += 1;
    }

    fn receive(&mut self) -> u64 {
        let (ring, position) = (&self.ring, self.position);
        let slot = &ring.slots[position as usize % CAPACITY];
        until(|| (slot.sequence.load(Ordering::Acquire) == position + 1).then_some(()));
        if self.duty >= Duty::Claims {
            let moved = ring
                .head
                .0
                .compare_exchange(position, position + 1, Ordering::AcqRel, Ordering::Relaxed);
            moved.expect("there is one receiver");
        }
        let words = black_box(slot.payload.0.each_ref().map(|word| word.load(Ordering::Relaxed)));
        if self.duty >= Duty::Releases {
            slot.sequence.store(position + CAPACITY as u64, Ordering::Release);
        }
        self.position += 1;
        words[0]
    }
}

/// One end of a channel of dmxp, the other one is elsewhere.
enum Dmxp {
    Sender(Producer<Line>),
    Receiver(Consumer<Line>),
}

struct Copied(Dmxp);
struct InPlace(Dmxp);

fn found<R>(outcome: dmxp::Result<R>) -> Option<R> {
    match outcome {
        Ok(found) => Some(found),
        Err(Error::Empty) => None,
        Err(error) => panic!("{error}"),
    }
}

impl Way for Copied {
    fn send(&mut self, number: u64) {
        let Dmxp::Sender(producer) = &self.0 else {
            unreachable!()
        };
        producer.try_send(&Line { words: [number; 8] }).expect("there is room");
    }

    fn receive(&mut self) -> u64 {
        let Dmxp::Receiver(consumer) = &self.0 else {
            unreachable!()
        };
        until(|| found(consumer.recv_copy(Wait::No))).words[0]
    }
}

impl Way for InPlace {
    fn send(&mut self, number: u64) {
        let Dmxp::Sender(producer) = &self.0 else {
            unreachable!()
        };
        let mut line = producer.try_claim().expect("there is room");
        line.words[0] = number;
        line.publish().expect("it is open");
    }

    fn receive(&mut self) -> u64 {
        let Dmxp::Receiver(consumer) = &self.0 else {
            unreachable!()
        };
        until(|| found(consumer.try_recv())).words[0]
    }
}

enum Rtrb {
    Sender(rtrb::Producer<Line>),
    Receiver(rtrb::Consumer<Line>),
}

impl Way for Rtrb {
    fn send(&mut self, number: u64) {
        let Self::Sender(producer) = self else { unreachable!() };
        assert!(producer.push(Line { words: [number; 8] }).is_ok());
    }

    fn receive(&mut self) -> u64 {
        let Self::Receiver(consumer) = self else { unreachable!() };
        until(|| consumer.pop().ok()).words[0]
    }
}

impl Way for Arc<crossbeam_queue::ArrayQueue<Line>> {
    fn send(&mut self, number: u64) {
        assert!(self.push(Line { words: [number; 8] }).is_ok());
    }

    fn receive(&mut self) -> u64 {
        until(|| self.pop()).words[0]
    }
}

/// A row of the table: what each of the two threads does in one round trip.
struct Row {
    name: String,
    ask: Box<dyn FnMut(u64) + Send>,
    answer: Box<dyn FnMut() + Send>,
}

impl Row {
    /// `way` makes the two ends of a way.
    fn new<W: Way + 'static>(name: impl Into<String>, mut way: impl FnMut() -> (W, W)) -> Self {
        let ((mut there, mut arrives), (mut back, mut returns)) = (way(), way());
        Self {
            name: name.into(),
            ask: Box::new(move |number| {
                there.send(number);
                assert_eq!(returns.receive(), number);
            }),
            answer: Box::new(move || back.send(arrives.receive())),
        }
    }
}

fn channel(region: &Region, name: &str, single: bool) -> (Dmxp, Dmxp) {
    let builder = Channel::<Line>::builder()
        .with_region(region)
        .with_name(name)
        .with_capacity(CAPACITY as u64)
        .with_compact_slots(true);
    let builder = if single {
        builder.with_delivery(Delivery::Broadcast).with_single_producer(true)
    } else {
        builder
    };
    let ends = builder
        .build_producer()
        .and_then(|producer| Ok((producer, builder.build_consumer()?)));
    let (producer, consumer) = ends.expect("a channel");
    (Dmxp::Sender(producer), Dmxp::Receiver(consumer))
}

fn rows(region: &Region) -> Vec<Row> {
    let mut rows = vec![Row::new("bare cache lines", || {
        let line = Arc::new(Word::default());
        [(); 2]
            .map(|()| Bare {
                line: line.clone(),
                last: 0,
            })
            .into()
    })];
    for (name, duty) in [
        ("bare ring: metadata and 64 bytes, two lines", Duty::Passes),
        ("and the receiver releases the slot", Duty::Releases),
        ("and both claim, with a locked instruction", Duty::Claims),
        ("and the sender tells the time", Duty::TellsTheTime),
    ] {
        rows.push(Row::new(name, || {
            let slot = |position| Slot {
                sequence: AtomicU64::new(position),
                meta: Default::default(),
                payload: Default::default(),
            };
            let slots = (0..CAPACITY as u64).map(slot).collect();
            let (tail, head) = Default::default();
            let ring = Arc::new(Ring { slots, tail, head });
            [(); 2]
                .map(|()| BareRing {
                    ring: ring.clone(),
                    duty,
                    position: 0,
                })
                .into()
        }));
    }
    let mut count = 0;
    let mut name = || {
        count += 1;
        format!("channel-{count}")
    };
    for (kind, single) in [("queue", false), ("SPSC", true)] {
        rows.push(Row::new(format!("dmxp {kind}, copied"), || {
            let (sender, receiver) = channel(region, &name(), single);
            (Copied(sender), Copied(receiver))
        }));
        rows.push(Row::new(format!("dmxp {kind}, in place"), || {
            let (sender, receiver) = channel(region, &name(), single);
            (InPlace(sender), InPlace(receiver))
        }));
    }
    rows.push(Row::new("rtrb", || {
        let (sender, receiver) = rtrb::RingBuffer::new(CAPACITY);
        (Rtrb::Sender(sender), Rtrb::Receiver(receiver))
    }));
    rows.push(Row::new("ArrayQueue", || {
        let queue = Arc::new(crossbeam_queue::ArrayQueue::new(CAPACITY));
        (queue.clone(), queue)
    }));
    rows
}

/// Quartiles and median.
fn quartiles(mut figures: Vec<f64>, digits: usize) -> String {
    figures.sort_by(f64::total_cmp);
    let [low, middle, high] = [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4]);
    format!("{low:.digits$}, **{middle:.digits$}**, {high:.digits$}")
}

fn main() -> dmxp::Result<()> {
    let only = std::env::args().nth(1).unwrap_or_default();
    let region = RegionOptions::new().size(16 << 20).create_anonymous()?;
    let mut rows = rows(&region);
    // The first is what the others are compared with.
    let bare = rows.remove(0);
    rows.retain(|row| row.name.contains(&only));
    rows.insert(0, bare);
    let (names, (mut asks, mut answers)): (Vec<_>, (Vec<_>, Vec<_>)) =
        rows.into_iter().map(|row| (row.name, (row.ask, row.answer))).unzip();
    let count = names.len();
    // Runs, in the order in which both threads have them: another row comes first each time.
    let runs: Vec<usize> = (0..ROUNDS)
        .flat_map(|round| (0..count).map(move |row| (row + round) % count))
        .collect();
    let ready = Word::default();
    let mut figures = vec![Vec::new(); count];
    std::thread::scope(|scope| {
        let (runs, ready) = (&runs, &ready.0);
        scope.spawn(move || {
            pin(1);
            for (number, &row) in (1..).zip(runs) {
                ready.store(number, Ordering::Release);
                (0..TRIPS).for_each(|_| answers[row]());
            }
        });
        pin(0);
        for (number, &row) in (1..).zip(runs) {
            until(|| {
                (ready.load(Ordering::Acquire) == number).then_some(()).or_else(|| {
                    spin_loop();
                    None
                })
            });
            let first = figures[row].len() as u64 * TRIPS + 1;
            let started = Instant::now();
            (first..first + TRIPS).for_each(|number| asks[row](number));
            figures[row].push(started.elapsed().as_nanos() as f64 / TRIPS as f64);
        }
    });
    println!("| 64 bytes there and back | ns | to bare cache lines |");
    println!("|---|---|---|");
    for (name, row) in names.iter().zip(&figures) {
        let ratios = row
            .iter()
            .zip(&figures[0])
            .map(|(figure, bare)| figure / bare)
            .collect();
        println!("| {name} | {} | {} |", quartiles(row.clone(), 0), quartiles(ratios, 2));
    }
    Ok(())
}

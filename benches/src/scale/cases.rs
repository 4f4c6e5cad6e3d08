//! What a crowd of processes does, and what it costs.

use super::crowd::{Board, Crowd, now_ns, sleep_on, spent_by_the_ended_ns, spent_here_ns};
use crate::statistics::quantile;
use crate::transport::Failure;
use dmxp::{ChannelBuilder, Consumer, Error, Producer, Region, RegionOptions, WaitStrategy};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What dmxp's waiters sleep for at most.
const TICK: Duration = Duration::from_millis(40);
/// Messages that each process of a start sends and receives.
const MESSAGES: u64 = 10;
/// Time for a crowd to fall asleep, and for which it is measured then.
const SETTLING: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;
/// For how long those sleep that only stay.
const STAYING: Duration = Duration::from_secs(60);
const DEATHS: usize = 15;
const OPENINGS: usize = 200;
const LOOKS: usize = 11;

const CHANNEL: &str = "scale";
const CAPACITY: u64 = 4_096;

/// A region of its own for one case, removed when dropped. No process is attached to it at first.
pub(super) struct Place(String);

impl Place {
    pub(super) fn new(case: &str, processes: usize, handles: usize) -> Result<Self, Failure> {
        let place = Self(format!("dmxp-scale-{}-{case}", std::process::id()));
        let region = RegionOptions::new()
            .name(&place.0)
            .size(64 << 20)
            .max_processes(processes.next_power_of_two().clamp(64, 4_096) as u32)
            .max_handles(handles.next_power_of_two().clamp(64, 16_384) as u32)
            .create()?;
        drop(place.builder(&region).build_producer()?);
        Ok(place)
    }

    fn open(&self) -> dmxp::Result<Region> {
        RegionOptions::new().name(&self.0).open()
    }

    fn builder(&self, region: &Region) -> ChannelBuilder {
        ChannelBuilder::new()
            .with_region(region)
            .with_name(CHANNEL)
            .with_payload_capacity(64)
            .with_capacity(CAPACITY)
            .with_wait_strategy(WaitStrategy::Sleep)
    }

    fn consumer(&self) -> dmxp::Result<Consumer<[u8]>> {
        self.builder(&self.open()?).build_consumer()
    }

    fn producer(&self) -> dmxp::Result<Producer<[u8]>> {
        self.builder(&self.open()?).build_producer()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = RegionOptions::new().name(&self.0).remove(true);
    }
}

/// Processes that start together.
pub(super) struct Start {
    pub(super) took: Duration,
    /// Beyond what as many processes cost that start and end and do nothing.
    pub(super) spent_each: Duration,
    pub(super) failed: u32,
    pub(super) reason: String,
}

pub(super) fn start(count: usize) -> Result<Start, Failure> {
    let bare = together(count, |board, _| {
        board.pass_gate();
        board.meet(count);
        Ok(())
    })?;
    let place = Place::new("start", count + 1, 2 * count + 2)?;
    let work = |board: &Board, number: usize| {
        board.pass_gate();
        open_send_receive(&place, board, count, number as u64)
    };
    let mut full = together(count, work)?;
    full.spent_each = full.spent_each.saturating_sub(bare.spent_each);
    Ok(full)
}

fn open_send_receive(place: &Place, board: &Board, count: usize, number: u64) -> Result<(), Failure> {
    let region = place.open()?;
    let producer = place.builder(&region).build_producer()?;
    let consumer = place.builder(&region).build_consumer()?;
    board.meet(count);
    for _ in 0..MESSAGES {
        producer.send(number.to_le_bytes())?;
        // Each process has sent one more than it has received: there is one.
        consumer.recv_timeout(Duration::from_secs(60))?;
    }
    Ok(())
}

fn together(count: usize, work: impl Fn(&Board, usize) -> Result<(), Failure>) -> Result<Start, Failure> {
    let before = spent_by_the_ended_ns();
    let crowd = Crowd::fork(count, work)?;
    let started = crowd.start()?;
    crowd.finish()?;
    let took = started.elapsed();
    let board = crowd.board;
    drop(crowd);
    let spent = spent_by_the_ended_ns() - before;
    Ok(Start {
        took,
        spent_each: Duration::from_nanos(spent / count as u64),
        failed: board.failed.load(Ordering::Relaxed),
        reason: board.reason(),
    })
}

/// Waiting processes, and as many that do nothing but sleep on a futex for a tick again and again.
pub(super) struct Idle {
    /// Of one processor, 1 is all of it.
    pub(super) spent: f64,
    pub(super) bare: f64,
    pub(super) ratio: f64,
}

pub(super) fn idle(count: usize) -> Result<Idle, Failure> {
    // One after the other, several times: the machine's state changes, and counts in a ratio only within a round.
    let rounds = (0..ROUNDS).map(|_| idle_once(count)).collect::<Result<Vec<_>, _>>()?;
    let median = |of: fn(&Idle) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        quantile(&figures, 0.5)
    };
    Ok(Idle {
        spent: median(|idle| idle.spent),
        bare: median(|idle| idle.bare),
        ratio: median(|idle| idle.ratio),
    })
}

fn idle_once(count: usize) -> Result<Idle, Failure> {
    let sleepers = Crowd::fork(count, |board, _| {
        board.pass_gate();
        loop {
            sleep_on(&board.silent, 0, TICK);
        }
    })?;
    let bare = spent_in_idleness(&sleepers)?;
    drop(sleepers);
    let place = Place::new("idle", count + 1, count + 2)?;
    let spent = spent_in_idleness(&waiters(&place, count)?)?;
    Ok(Idle {
        spent,
        bare,
        ratio: spent / bare,
    })
}

fn spent_in_idleness(crowd: &Crowd) -> Result<f64, Failure> {
    crowd.start()?;
    std::thread::sleep(SETTLING);
    let (started, before) = (Instant::now(), crowd.spent_ns());
    std::thread::sleep(MEASURED);
    let (took, spent) = (started.elapsed(), crowd.spent_ns() - before);
    check(crowd.board)?;
    Ok(spent as f64 / took.as_nanos() as f64)
}

/// Processes that wait for messages, and say when the last one came.
fn waiters(place: &Place, count: usize) -> Result<Crowd, Failure> {
    Crowd::fork(count, |board, _| {
        let consumer = place.consumer()?;
        board.pass_gate();
        loop {
            consumer.recv()?;
            board.word.store(now_ns(), Ordering::Release);
        }
    })
}

fn check(board: &Board) -> Result<(), Failure> {
    match board.failed.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => Err(format!("{failed} processes failed: {}", board.reason()).into()),
    }
}

/// How long it takes until the message of a killed consumer comes to one of `count` that wait, in milliseconds: all of them, in order.
pub(super) fn deaths(count: usize) -> Result<Vec<f64>, Failure> {
    let place = Place::new("deaths", count + DEATHS + 1, count + 2 * DEATHS + 2)?;
    // They have their messages before anybody waits.
    let mut victims = Crowd::fork(DEATHS, |board, _| {
        let (producer, consumer) = (place.producer()?, place.consumer()?);
        producer.send(1_u64.to_le_bytes())?;
        let held = consumer.recv_timeout(Duration::from_secs(60))?;
        board.pass_gate();
        loop {
            sleep_on(&board.silent, 0, STAYING);
            core::hint::black_box(&held);
        }
    })?;
    victims.start()?;
    check(victims.board)?;
    let waiting = waiters(&place, count)?;
    waiting.start()?;
    std::thread::sleep(SETTLING);
    let mut times = Vec::new();
    for death in 0..DEATHS {
        // At another phase of their ticks each time.
        std::thread::sleep(Duration::from_millis(120 + 7 * death as u64));
        waiting.board.word.store(0, Ordering::Release);
        let killed = now_ns();
        victims.kill(0);
        waiting.wait_for("to get a dead one's message", |board| {
            board.word.load(Ordering::Acquire) != 0
        })?;
        let came = waiting.board.word.load(Ordering::Acquire);
        times.push(came.saturating_sub(killed) as f64 / 1e6);
        check(waiting.board)?;
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Opening and dropping a producer beside `count` waiters, in milliseconds: the median and 99 of 100.
pub(super) fn opening(count: usize) -> Result<(f64, f64), Failure> {
    let place = Place::new("opening", count + 1, count + 2)?;
    let waiting = waiters(&place, count)?;
    waiting.start()?;
    std::thread::sleep(SETTLING);
    let region = place.open()?;
    let mut times = Vec::new();
    for _ in 0..OPENINGS {
        let started = Instant::now();
        drop(place.builder(&region).build_producer()?);
        times.push(started.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(2));
    }
    check(waiting.board)?;
    times.sort_by(f64::total_cmp);
    Ok((quantile(&times, 0.5), quantile(&times, 0.99)))
}

/// What looking takes, in milliseconds of CPU time, medians: it waits for nothing.
pub(super) struct Looking {
    pub(super) channels: f64,
    pub(super) info: f64,
    pub(super) statistics: f64,
}

/// Looking at 256 channels that `count` processes hold open, with 1,000 handles in all or one each if these are more.
pub(super) fn looking(count: usize) -> Result<Looking, Failure> {
    const CHANNELS: usize = 256;
    let each = (1_000 / count).max(1);
    let place = Place::new("looking", count + 1, count * each + 2)?;
    let maker = place.open()?;
    for id in 0..CHANNELS as u32 - 1 {
        let channel = ChannelBuilder::new()
            .with_region(&maker)
            .with_channel_id(id)
            .with_capacity(2);
        drop(channel.with_payload_capacity(8).build_producer()?);
    }
    drop(maker);
    let holders = Crowd::fork(count, |board, number| {
        let region = place.open()?;
        let mut handles = Vec::new();
        for handle in 0..each {
            let id = ((number * each + handle) % (CHANNELS - 1)) as u32;
            let channel = ChannelBuilder::new().with_region(&region).with_channel_id(id);
            handles.push(channel.build_consumer()?);
        }
        board.pass_gate();
        loop {
            sleep_on(&board.silent, 0, STAYING);
        }
    })?;
    holders.start()?;
    check(holders.board)?;
    let region = place.open()?;
    let median = |look: &dyn Fn() -> Result<usize, Error>, expected: usize| -> Result<f64, Failure> {
        let mut times = Vec::new();
        for _ in 0..LOOKS {
            let before = spent_here_ns();
            let found = look()?;
            times.push((spent_here_ns() - before) as f64 / 1e6);
            if found != expected {
                return Err(format!("{found} found and {expected} expected").into());
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(quantile(&times, 0.5))
    };
    let handles = count * each;
    Ok(Looking {
        channels: median(
            &|| Ok(region.channels()?.iter().map(|channel| channel.consumers.len()).sum()),
            handles,
        )?,
        info: median(&|| Ok(region.info().handles as usize), handles)?,
        statistics: median(
            &|| Ok(region.statistics()?.iter().map(|channel| channel.handles.len()).sum()),
            handles,
        )?,
    })
}

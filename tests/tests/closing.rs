//! The end of a stream is told when no dead consumer has a message of it any more, to whatever way of asking.

use dmxp::{Channel, ChannelBuilder, Consumer, Error, Producer, Wait, WaitSet};
use dmxp_tests::{Draws, Numbered, Peer, TestRegion, until};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Generous: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn jobs(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("jobs")
        .with_capacity(8)
}

fn holder(region: &TestRegion) -> Peer {
    let claimed = || region.region.channel_named("jobs").map_or(0, |channel| channel.head);
    let before = claimed();
    let holder = region.peer(env!("CARGO_BIN_EXE_peer"), "jobs", "hold-message").spawn();
    until("the claim", || claimed() > before);
    holder
}

/// A closed channel whose only message was being read by a process that was killed.
fn closed_with_a_job_of_the_dead(label: &str) -> (TestRegion, Producer<[u8]>, Consumer<[u8]>) {
    let region = TestRegion::new(label, 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    producer.send(b"job 100").expect("room");
    let mut worker = holder(&region);
    worker.kill();
    producer.close().expect("it is closed");
    (region, producer, consumer)
}

/// Asks until the job comes; the end must not come before it.
fn expect_job_then_end(mut ask: impl FnMut() -> Result<Vec<u8>, Error>) {
    let deadline = Instant::now() + BOUND;
    loop {
        match ask() {
            Ok(job) => break assert_eq!(job, b"job 100"),
            Err(Error::Empty | Error::Timeout) => assert!(Instant::now() < deadline, "the job never comes"),
            Err(error) => panic!("before the job of the dead: {error}"),
        }
    }
    assert!(matches!(ask(), Err(Error::Closed)));
}

#[test]
fn a_consumer_that_waits_gets_the_job_of_the_dead_before_the_end() {
    let (_region, _producer, consumer) = closed_with_a_job_of_the_dead("closing-recv");
    let job = consumer.recv().expect("the job");
    assert_eq!((&*job, job.metadata().redelivered), (&b"job 100"[..], 1));
    drop(job);
    assert!(consumer.recv_or_end().expect("the end").is_none());
}

#[test]
fn a_consumer_that_polls_gets_the_job_of_the_dead_before_the_end() {
    let (_region, _producer, consumer) = closed_with_a_job_of_the_dead("closing-poll");
    expect_job_then_end(|| consumer.try_recv().map(|job| job.to_vec()));
}

#[test]
fn a_wait_set_and_a_future_get_the_job_of_the_dead_before_the_end() {
    let (_region, _producer, consumer) = closed_with_a_job_of_the_dead("closing-set");
    let mut set = WaitSet::new();
    set.add(&consumer, 7).expect("a new token");
    expect_job_then_end(|| match set.wait(Wait::For(BOUND))?.as_slice() {
        [7] => consumer.try_recv().map(|job| job.to_vec()),
        ready => panic!("{ready:?}"),
    });

    let (region, _producer, consumer) = closed_with_a_job_of_the_dead("closing-future");
    drop(consumer);
    let mut consumer = jobs(&region).build_consumer().expect("a consumer").into_async();
    expect_job_then_end(|| block_on(async { consumer.recv().await.map(|job| job.to_vec()) }));
}

/// Polls until it is ready.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let deadline = Instant::now() + BOUND;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        assert!(Instant::now() < deadline, "the future is never ready");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn messages_of_either_priority_that_the_dead_had_come_before_the_end() {
    for is_urgent in [false, true] {
        let region = TestRegion::new("closing-priorities", 4 << 20);
        let jobs = jobs(&region).with_priorities(true);
        let producer = jobs.build_producer().expect("a producer");
        let consumer = jobs.build_consumer().expect("a consumer");
        let urgent = producer.high().expect("it has priorities");
        let sender = if is_urgent { urgent } else { &producer };
        sender.send(b"job 100").expect("room");
        let claimed = || {
            let channel = region.region.channel_named("jobs").expect("it is there");
            channel.head + channel.high.map_or(0, |high| high.head)
        };
        let mut worker = region.peer(env!("CARGO_BIN_EXE_peer"), "jobs", "hold-message").spawn();
        until("the claim", || claimed() == 1);
        worker.kill();
        producer.close().expect("it is closed");
        expect_job_then_end(|| consumer.try_recv().map(|job| job.to_vec()));
    }
}

#[test]
fn the_end_does_not_wait_for_a_living_consumer() {
    let region = TestRegion::new("closing-alive", 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    producer.send(b"job 100").expect("room");
    let mut worker = holder(&region);
    producer.close().expect("it is closed");
    assert!(matches!(consumer.recv(), Err(Error::Closed)));
    // A consumer that asks again after a death gets what it left.
    worker.kill();
    expect_job_then_end(|| consumer.try_recv().map(|job| job.to_vec()));
}

#[test]
fn consumers_that_are_never_without_messages_look_after_the_dead_too() {
    // More slots than messages in some ticks: the producer must not have to wait, as it would look after the dead then.
    for pause in [
        Duration::from_micros(20),
        Duration::from_micros(300),
        Duration::from_millis(20),
    ] {
        let region = TestRegion::new("closing-busy", 32 << 20);
        let jobs = jobs(&region).with_capacity(1 << 14);
        let producer = jobs.build_producer().expect("a producer");
        let consumer = jobs.build_consumer().expect("a consumer");
        producer.send(b"job 100").expect("room");
        let mut worker = holder(&region);
        producer.send(b"other").expect("room");
        worker.kill();
        let deadline = Instant::now() + BOUND;
        loop {
            // One more is there whenever this consumer asks.
            producer.try_send(b"other").expect("room");
            let message = consumer.try_recv().expect("a message");
            if message.metadata().redelivered == 1 {
                break assert_eq!(&*message, b"job 100");
            }
            drop(message);
            assert!(Instant::now() < deadline, "the job of the dead never comes");
            std::thread::sleep(pause);
        }
    }
}

#[test]
fn every_job_is_done_whichever_worker_is_killed_at_whichever_job() {
    const JOBS: u64 = 60;
    let mut draws = Draws::new(5, 0);
    for _ in 0..12 {
        let region = TestRegion::new("closing-workers", 4 << 20);
        let builder = Channel::<Numbered>::builder()
            .with_region(&region.region)
            .with_name("jobs")
            .with_capacity(64);
        let producer = builder.build_producer().expect("a producer");
        let mut workers: Vec<Peer> = (0..3)
            .map(|_| region.peer(env!("CARGO_BIN_EXE_peer"), "jobs", "work").spawn())
            .collect();
        let at = draws.below(JOBS as usize) as u64;
        for number in 0..JOBS {
            producer.send(&Numbered::new(1, number)).expect("room");
        }
        producer.close().expect("it is closed");
        let taken = || region.region.channel_named("jobs").expect("it is there").head;
        until("the job is taken", || taken() > at);
        workers[0].kill();
        // The others have not been told the end yet.
        let is_before_the_end = taken() < JOBS;
        let mut done: Vec<u64> = workers
            .into_iter()
            .flat_map(|worker| {
                let (lines, _) = worker.ended();
                lines
                    .lines()
                    .map(|line| line.parse().expect("a number"))
                    .collect::<Vec<_>>()
            })
            .collect();
        let consumer = builder.build_consumer().expect("a consumer");
        let left = consumer
            .iter()
            .map(|job| job.expect("a job").number)
            .collect::<Vec<_>>();
        assert!(left.is_empty() || !is_before_the_end, "nobody did {left:?}");
        done.extend(left);
        done.sort_unstable();
        // A worker that is killed between its work and the release has its job done twice.
        assert!(done.len() as u64 <= JOBS + 1, "{done:?}");
        done.dedup();
        assert_eq!(done, (0..JOBS).collect::<Vec<_>>());
    }
}

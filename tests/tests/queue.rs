//! Many messages between many processes: nothing lost, nothing torn, nothing out of order.

use dmxp::{ChannelBuilder, Error};
use dmxp_tests::{PeerCommand, TestRegion, assert_rests, at_best, until};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn peer(region: &TestRegion, channel: &str, command: &str) -> PeerCommand {
    region.peer(env!("CARGO_BIN_EXE_peer"), channel, command)
}

/// What `count` messages of one producer must add up to.
fn expected(count: u64) -> (u64, u64, u64) {
    let sum = (0..count).fold(0_u64, u64::wrapping_add);
    let squares = (0..count).fold(0_u64, |total, number| total.wrapping_add(number.wrapping_mul(number)));
    (count, sum, squares)
}

/// Runs producers and consumers on one channel and returns what each producer's messages add up to.
fn run(label: &str, producers: u64, consumers: u64, each: u64, batch: u64) -> BTreeMap<u64, (u64, u64, u64)> {
    let region = TestRegion::new(label, 16 << 20);
    let consumers: Vec<_> = (0..consumers)
        .map(|_| peer(&region, "numbers", "receive").arg(batch).spawn())
        .collect();
    let producers: Vec<_> = (0..producers)
        .map(|name| peer(&region, "numbers", "send").arg(name).arg(each).arg(batch).spawn())
        .collect();
    for producer in producers {
        let _ = producer.output();
    }
    let channel = region.region.channel_named("numbers").expect("the producers made it");
    assert_eq!(channel.capacity, 1_024);
    // Any handle may end the stream; the type does not matter for that.
    let schema = channel.schema.expect("the channel is typed");
    let closer = ChannelBuilder::new()
        .with_schema(schema)
        .with_region(&region.region)
        .with_name("numbers");
    closer.build_raw_producer().expect("a handle").close().expect("closing");
    let mut totals = BTreeMap::new();
    for consumer in consumers {
        for line in consumer.output().lines() {
            let fields: Vec<u64> = line.split(' ').map(|field| field.parse().expect("a number")).collect();
            let total: &mut (u64, u64, u64) = totals.entry(fields[0]).or_default();
            *total = (
                total.0 + fields[1],
                total.1.wrapping_add(fields[2]),
                total.2.wrapping_add(fields[3]),
            );
        }
    }
    totals
}

#[test]
fn a_million_messages_cross_in_order() {
    assert_eq!(
        run("million", 1, 1, 1_000_000, 1),
        BTreeMap::from([(0, expected(1_000_000))])
    );
}

#[test]
fn four_producers_and_four_consumers_exchange_exactly_what_was_sent() {
    let all = (0..4).map(|name| (name, expected(500_000))).collect();
    assert_eq!(run("four-by-four", 4, 4, 500_000, 1), all);
}

#[test]
fn batches_of_many_sizes_arrive_exactly() {
    let all = (0..2).map(|name| (name, expected(200_000))).collect();
    assert_eq!(run("batches", 2, 2, 200_000, 32), all);
}

#[test]
fn a_million_blocking_round_trips_never_wait_a_second() {
    let region = TestRegion::new("ping-pong", 8 << 20);
    let builder = |name: &str| {
        ChannelBuilder::new()
            .with_region(&region.region)
            .with_name(name)
            .with_capacity(2)
    };
    let answers = builder("answers").build_consumer().expect("a consumer");
    let questions = builder("questions").build_producer().expect("a producer");
    let count = 1_000_000_u64;
    let echo = peer(&region, "questions", "echo").arg(count).arg("answers").spawn();
    let mut longest = Duration::ZERO;
    for number in 0..count {
        let started = Instant::now();
        questions
            .send_timeout(number.to_le_bytes(), Duration::from_secs(60))
            .expect("sending");
        let answer = answers.recv_timeout(Duration::from_secs(60)).expect("an answer");
        assert_eq!(*answer, number.to_le_bytes());
        // The first round trip includes the start of the other process.
        if number > 0 {
            longest = longest.max(started.elapsed());
        }
    }
    let _ = echo.output();
    assert!(
        longest < Duration::from_secs(10),
        "the longest round trip took {longest:?}"
    );
}

#[test]
fn an_idle_blocked_consumer_rests_but_for_the_look_after_the_dead() {
    let region = TestRegion::new("idle", 8 << 20);
    let idle = peer(&region, "quiet", "idle").spawn();
    until("it is there", || region.region.info().handles == 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_rests(idle.pid());
}

#[test]
fn a_timeout_of_50_ms_is_over_after_50_ms() {
    let region = TestRegion::new("timeout", 8 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("small")
        .with_capacity(2);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    let timeout = Duration::from_millis(50);
    let in_vain = |what: &str, call: &dyn Fn() -> dmxp::Result<()>| {
        at_best(Duration::from_millis(150), what, || {
            let started = Instant::now();
            assert!(matches!(call(), Err(Error::Timeout)));
            let took = started.elapsed();
            assert!(took >= timeout, "{took:?}");
            took
        });
    };
    in_vain("receiving", &|| consumer.recv_timeout(timeout).map(drop));
    producer
        .send([1])
        .and_then(|_| producer.send([2]))
        .expect("room for two");
    in_vain("sending", &|| producer.send_timeout([3], timeout).map(drop));
}

#[test]
fn no_system_call_is_made_when_nobody_waits() {
    let region = TestRegion::new("quiet", 8 << 20);
    // The kernel ends the peer with SIGKILL at its first system call.
    let _ = peer(&region, "quiet", "quiet").arg(100_000).output();
    assert_eq!(region.region.channel_named("quiet").expect("the channel").head, 100_001);
}

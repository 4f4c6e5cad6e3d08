//! The lives of peers: how many handles there are on the other side, waiting for them, and the end of a stream whose producers have gone.

use dmxp::{ChannelBuilder, Consumer, DeadConsumers, Delivery, Error, Wait, WaitSet};
use dmxp_tests::{Peer, TestRegion, until};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Generous: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

const PEER: &str = env!("CARGO_BIN_EXE_peer");

fn jobs(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("jobs")
        .with_capacity(8)
}

/// Every kind of channel, by a name for messages of failures. The capacity is 8.
fn kinds(region: &TestRegion) -> Vec<(&'static str, ChannelBuilder)> {
    let named = |name: &'static str| {
        let builder = ChannelBuilder::new().with_region(&region.region).with_name(name);
        (name, builder.with_capacity(8))
    };
    let with = |name, change: fn(ChannelBuilder) -> ChannelBuilder| {
        let (name, builder) = named(name);
        (name, change(builder))
    };
    vec![
        named("queue"),
        with("priorities", |builder| builder.with_priorities(true)),
        with("dropping", |builder| builder.with_dead_consumers(DeadConsumers::Drop)),
        with("compact", |builder| builder.with_payload_capacity(8)),
        with("broadcast", |builder| builder.with_delivery(Delivery::Broadcast)),
        with("single", |builder| {
            builder.with_delivery(Delivery::Broadcast).with_single_producer(true)
        }),
        with("latest", |builder| builder.with_delivery(Delivery::Latest)),
        with("single latest", |builder| {
            builder.with_delivery(Delivery::Latest).with_single_producer(true)
        }),
        with("packed", |builder| {
            builder.with_packed_slots(true).with_payload_capacity(4)
        }),
    ]
}

/// What a consumer without a wait says within the bound, but for "empty".
fn answer(consumer: &Consumer<[u8]>) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + BOUND;
    loop {
        match consumer.try_recv() {
            Err(Error::Empty) => assert!(Instant::now() < deadline, "neither a message nor an end"),
            outcome => return outcome.map(|message| message.to_vec()),
        }
    }
}

#[track_caller]
fn expect_end<T>(outcome: Result<T, Error>) {
    match outcome {
        Err(Error::NoProducers) => {}
        Err(error) => panic!("{error} and not the end"),
        Ok(_) => panic!("a message and not the end"),
    }
}

#[test]
fn handles_on_the_other_side_are_counted_with_their_processes() {
    let region = TestRegion::new("lives-count", 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    assert_eq!(producer.consumers().expect("a number"), 0);
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    assert_eq!(consumer.producer_processes().expect("pids"), [std::process::id()]);
    let mut others = [(); 2].map(|()| region.peer(PEER, "jobs", "idle").spawn());
    assert!(producer.wait_for_consumers(3, Wait::For(BOUND)).expect("they come") == 3);
    let mut pids = producer.consumer_processes().expect("pids");
    pids.sort_unstable();
    let mut expected = vec![std::process::id(), others[0].pid(), others[1].pid()];
    expected.sort_unstable();
    assert_eq!(pids, expected);
    // One that is stopped is there; one that is dead is not, whether or not anybody has noticed.
    others[0].stop();
    assert_eq!(producer.consumers().expect("a number"), 3);
    others[0].kill();
    assert_eq!(producer.consumers().expect("a number"), 2);
    drop(consumer);
    assert_eq!(producer.consumers().expect("a number"), 1);
}

#[test]
fn a_wait_for_peers_ends_when_they_come_and_when_the_time_is_over() {
    let region = TestRegion::new("lives-wait", 4 << 20);
    for (name, channel) in kinds(&region) {
        let producer = channel.build_producer().expect("a producer");
        assert!(
            matches!(producer.wait_for_consumers(1, Wait::No), Err(Error::Timeout)),
            "{name}"
        );
        let started = Instant::now();
        let short = Wait::For(Duration::from_millis(60));
        assert!(
            matches!(producer.wait_for_consumers(1, short), Err(Error::Timeout)),
            "{name}"
        );
        assert!(started.elapsed() >= Duration::from_millis(60), "{name}");
        let consumer = std::thread::scope(|scope| {
            let waits = scope.spawn(|| jobs_come(&channel));
            let consumer = channel.build_consumer().expect("a consumer");
            assert_eq!(waits.join().expect("no panic"), 1, "{name}");
            consumer
        });
        assert_eq!(producer.wait_for_consumers(1, Wait::Forever).expect("one"), 1, "{name}");
        assert_eq!(
            consumer.wait_for_producers(1, Wait::For(BOUND)).expect("one"),
            1,
            "{name}"
        );
        drop(producer);
        assert!(
            matches!(consumer.wait_for_producers(1, Wait::No), Err(Error::Timeout)),
            "{name}"
        );
    }
}

/// Waits for a producer's peer in a thread of its own, with a handle of its own where there may be another.
fn jobs_come(channel: &ChannelBuilder) -> usize {
    match channel.build_producer() {
        Ok(producer) => producer.wait_for_consumers(1, Wait::For(BOUND)).expect("it comes"),
        // One producer at a time.
        Err(Error::ChannelInUse { .. }) => 1,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_wait_for_peers_ends_when_the_channel_is_removed() {
    let region = TestRegion::new("lives-removed", 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    let id = producer.channel_id();
    let (asked, waits) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        asked.send(()).expect("the test is there");
        producer.wait_for_consumers(1, Wait::For(BOUND))
    });
    waits.recv().expect("it begins");
    region.region.remove_channel(id, true).expect("by force");
    assert!(matches!(waiting.join().expect("no panic"), Err(Error::Removed)));
}

#[test]
fn without_the_option_nothing_ends() {
    let region = TestRegion::new("lives-default", 4 << 20);
    let consumer = jobs(&region).build_consumer().expect("a consumer");
    drop(jobs(&region).build_producer().expect("a producer"));
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(120)),
        Err(Error::Timeout)
    ));
}

#[test]
fn the_last_producer_that_goes_is_an_end_on_every_kind_of_channel() {
    let region = TestRegion::new("lives-drop", 16 << 20);
    for (name, channel) in kinds(&region) {
        let consumer = channel
            .clone()
            .with_end_without_producers(true)
            .build_consumer()
            .expect("a consumer");
        // None has come yet.
        assert!(matches!(consumer.try_recv(), Err(Error::Empty)), "{name}");
        let short = Duration::from_millis(60);
        assert!(matches!(consumer.recv_timeout(short), Err(Error::Timeout)), "{name}");
        for _ in 0..3 {
            let producer = channel.build_producer().expect("a producer");
            assert!(matches!(consumer.try_recv(), Err(Error::Empty)), "{name}");
            producer.send(b"job1").expect("room");
            drop(producer);
            assert_eq!(answer(&consumer).expect("the job"), b"job1", "{name}");
            expect_end(answer(&consumer));
            expect_end(consumer.recv());
            expect_end(consumer.try_recv());
            assert!(consumer.recv_or_end().expect("an end").is_none(), "{name}");
            let mut set = WaitSet::new();
            set.add(&consumer, 7).expect("a new token");
            assert_eq!(set.wait(Wait::For(BOUND)).expect("a look"), [7], "{name}");
        }
        if channel.build_producer().is_ok_and(|producer| producer.high().is_ok()) {
            let producer = channel.build_producer().expect("a producer");
            producer.high().expect("priorities").send(b"job2").expect("room");
            drop(producer);
            assert_eq!(answer(&consumer).expect("the job"), b"job2", "{name}");
            expect_end(answer(&consumer));
        }
    }
}

#[test]
fn one_of_several_producers_that_goes_is_no_end() {
    let region = TestRegion::new("lives-several", 4 << 20);
    let ending = jobs(&region).with_end_without_producers(true);
    let consumer = ending.build_consumer().expect("a consumer");
    let first = jobs(&region).build_producer().expect("a producer");
    let mut killed = region.peer(PEER, "jobs", "send-and-hold").arg("job1").spawn();
    assert_eq!(consumer.wait_for_producers(2, Wait::For(BOUND)).expect("two"), 2);
    assert_eq!(answer(&consumer).expect("a job"), b"job1");
    killed.kill();
    until("the death is noticed", || {
        let _ = consumer.recv_timeout(Duration::from_millis(50)).map(drop);
        region.region.channel_named("jobs").expect("it is there").recovered == 1
    });
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    // The next one comes before the last goes.
    let second = jobs(&region).build_producer().expect("a producer");
    drop(first);
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    assert_eq!(consumer.stream().expect("a stream").number, 1);
    drop(second);
    expect_end(consumer.recv());
}

#[test]
fn a_producer_that_was_killed_is_gone_when_its_death_is_proven() {
    let region = TestRegion::new("lives-killed", 16 << 20);
    for (name, channel) in kinds(&region) {
        let consumer = channel
            .clone()
            .with_end_without_producers(true)
            .build_consumer()
            .expect("a consumer");
        let mut killed = region.peer(PEER, name, "send-and-hold").arg("job1").spawn();
        until("the message", || !consumer.is_empty());
        assert_eq!(answer(&consumer).expect("the job"), b"job1", "{name}");
        assert!(matches!(consumer.try_recv(), Err(Error::Empty)), "{name}");
        killed.kill();
        expect_end(consumer.recv_timeout(BOUND));
        // One more, for a consumer that polls, and one for a set.
        for polls in [true, false] {
            let mut killed = region.peer(PEER, name, "send-and-hold").arg("job2").spawn();
            assert_eq!(consumer.wait_for_producers(1, Wait::For(BOUND)).expect("one"), 1);
            assert_eq!(answer_after_an_end(&consumer), b"job2", "{name}");
            killed.kill();
            if polls {
                expect_end(answer(&consumer));
            } else {
                let mut set = WaitSet::new();
                set.add(&consumer, 7).expect("a new token");
                let deadline = Instant::now() + BOUND;
                loop {
                    set.wait(Wait::For(BOUND)).expect("a look");
                    match consumer.try_recv() {
                        Err(Error::Empty) => assert!(Instant::now() < deadline, "{name}: no end"),
                        outcome => break expect_end(outcome),
                    }
                }
            }
        }
    }
}

/// The next message, past the end of the stream before it.
fn answer_after_an_end(consumer: &Consumer<[u8]>) -> Vec<u8> {
    let deadline = Instant::now() + BOUND;
    loop {
        match consumer.try_recv() {
            Ok(message) => return message.to_vec(),
            Err(Error::Empty | Error::NoProducers) => assert!(Instant::now() < deadline, "no message"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_end_comes_after_what_a_dead_consumer_held() {
    let region = TestRegion::new("lives-dead-consumer", 4 << 20);
    let ending = jobs(&region).with_end_without_producers(true);
    for polls in [true, false] {
        let producer = jobs(&region).build_producer().expect("a producer");
        let consumer = ending.build_consumer().expect("a consumer");
        producer.send(b"job 100").expect("room");
        let mut worker = holder(&region);
        drop(producer);
        // A living consumer that holds a message is not waited for, as at the end of a closed stream.
        expect_end(answer(&consumer));
        worker.kill();
        let job = if polls {
            answer(&consumer).expect("the job of the dead")
        } else {
            consumer.recv().expect("the job of the dead").to_vec()
        };
        assert_eq!(job, b"job 100");
        expect_end(consumer.recv());
    }
    // Both die: first the job, then the end.
    let consumer = ending.build_consumer().expect("a consumer");
    let mut killed = region.peer(PEER, "jobs", "send-and-hold").arg("job 101").spawn();
    let mut worker = holder(&region);
    worker.kill();
    killed.kill();
    assert_eq!(answer_after_an_end(&consumer), b"job 101");
    expect_end(consumer.recv_timeout(BOUND));
}

fn holder(region: &TestRegion) -> Peer {
    let claimed = || region.region.channel_named("jobs").map_or(0, |channel| channel.head);
    let before = claimed();
    let holder = region.peer(PEER, "jobs", "hold-message").spawn();
    until("the claim", || claimed() > before);
    holder
}

#[test]
fn a_consumer_that_comes_late_gets_what_was_left_and_the_end() {
    let region = TestRegion::new("lives-late", 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    producer.send_batch(&[b"job1", b"job2"], Wait::No).expect("room");
    drop(producer);
    let consumer = region.peer(PEER, "jobs", "expect-no-producers").output();
    assert_eq!(consumer, "job1\njob2\nno producers\n");
}

#[test]
fn sleeping_consumers_are_woken_by_the_last_producer_that_goes() {
    let region = TestRegion::new("lives-woken", 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    let consumers = [(); 3].map(|()| region.peer(PEER, "jobs", "expect-no-producers").spawn());
    producer.wait_for_consumers(3, Wait::For(BOUND)).expect("they come");
    producer.send(b"the only job").expect("room");
    until("a consumer has it", || producer.is_empty());
    drop(producer);
    let mut said: Vec<_> = consumers.into_iter().map(Peer::output).collect();
    said.sort_unstable();
    assert_eq!(
        said,
        ["no producers\n", "no producers\n", "the only job\nno producers\n"]
    );
}

#[test]
fn a_future_ends_with_the_producers() {
    let region = TestRegion::new("lives-future", 4 << 20);
    let producer = jobs(&region).build_producer().expect("a producer");
    let ending = jobs(&region).with_end_without_producers(true);
    let mut consumer = ending.build_consumer().expect("a consumer").into_async();
    let mut receiving = pin!(consumer.recv());
    assert!(
        receiving
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let woken = std::sync::Arc::new(Flag::default());
    let waker = Waker::from(woken.clone());
    assert!(receiving.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(producer);
    until("the future is woken", || {
        woken.0.load(std::sync::atomic::Ordering::Acquire)
    });
    match receiving.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(outcome) => expect_end(outcome),
        Poll::Pending => panic!("it was woken for nothing"),
    }
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

#[test]
fn a_stream_that_is_begun_anew_is_told_from_one_that_goes_on() {
    let region = TestRegion::new("lives-stream", 16 << 20);
    for (name, channel) in kinds(&region) {
        let consumer = channel.build_consumer().expect("a consumer");
        let of = |number, first_message| {
            let stream = consumer.stream().expect("a stream");
            assert_eq!((stream.number, stream.first_message), (number, first_message), "{name}");
        };
        of(0, 0);
        let producer = channel.build_producer().expect("a producer");
        of(1, 1);
        assert_eq!(producer.send(b"job1").expect("room"), 1, "{name}");
        assert_eq!(producer.stream().expect("a stream").number, 1, "{name}");
        if let Ok(second) = channel.build_producer() {
            of(1, 1);
            drop(second);
        }
        drop(producer);
        of(1, 1);
        // A killed one ends a stream as well, whether or not anybody has noticed.
        let mut killed = region.peer(PEER, name, "send-and-hold").arg("job2").spawn();
        until("the second stream", || consumer.stream().expect("a stream").number == 2);
        of(2, 2);
        until("the claim", || {
            region.region.channel_named(name).expect("it is there").tail >= 2
        });
        killed.kill();
        let producer = channel.build_producer().expect("a producer");
        let stream = consumer.stream().expect("a stream");
        assert_eq!(stream.number, 3, "{name}");
        assert!(stream.first_message >= 3, "{name}: {stream:?}");
        assert!(producer.send(b"job3").expect("room") >= stream.first_message, "{name}");
        // So does closing.
        producer.close().expect("it is closed");
        let second = if channel.build_producer().is_ok() {
            of(4, consumer.stream().expect("a stream").first_message);
            true
        } else {
            false
        };
        assert_eq!(second, !name.starts_with("single") && name != "packed", "{name}");
    }
}

#[test]
fn channels_with_v1_peers_refuse_the_option() {
    let region = TestRegion::new("lives-v1", 4 << 20);
    let v1 = jobs(&region).with_v1_peers(true);
    let ending = v1.clone().with_end_without_producers(true);
    let refusal = ending.build_consumer().map(drop).expect_err("a conflict");
    assert!(matches!(refusal, Error::InvalidArgument { .. }), "{refusal}");
    let _producer = v1.build_producer().expect("a producer");
    let refusal = jobs(&region)
        .with_end_without_producers(true)
        .build_consumer()
        .map(drop)
        .expect_err("programs that nobody sees");
    assert!(refusal.to_string().contains("know only v1"), "{refusal}");
}

#[test]
fn dead_letters_end_with_the_consumers_that_move_them() {
    let region = TestRegion::new("lives-letters", 4 << 20);
    let work = jobs(&region).with_redelivery_limit(0).with_dead_letters("letters");
    let worker = work.build_consumer().expect("a consumer");
    let producer = work.build_producer().expect("a producer");
    let letters = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("letters")
        .with_end_without_producers(true)
        .build_consumer()
        .expect("a consumer");
    assert_eq!(letters.producers().expect("a number"), 1);
    producer.send(b"job1").expect("room");
    worker.recv().expect("the job").give_back();
    assert!(matches!(worker.try_recv(), Err(Error::Empty)));
    drop(producer);
    assert_eq!(answer(&letters).expect("the letter"), b"job1");
    assert!(matches!(letters.try_recv(), Err(Error::Empty)));
    drop(worker);
    expect_end(letters.recv());
}

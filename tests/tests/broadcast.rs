//! Broadcast channels: every subscriber sees every message, as its policy says.

use dmxp::{
    Blockage, Blocked, Channel, ChannelBuilder, Delivery, Error, HolderState, Obstacle, Start, Subscription, Wait,
};
use dmxp_tests::{Draws, Numbered, Peer, PeerCommand, TestRegion, at_best, until};
use std::time::{Duration, Instant};

#[dmxp::message]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tick {
    number: u64,
    square: u64,
    rest: [u64; 6],
}

impl Tick {
    fn new(number: u64) -> Self {
        Self {
            number,
            square: number.wrapping_mul(number),
            rest: [number; 6],
        }
    }

    /// Whether it is the one of that number, and whole.
    fn is(&self, number: u64) -> bool {
        *self == Self::new(number)
    }
}

/// Kinds of channels: whether they have one producer at a time, and whether they admit lossy subscribers.
const KINDS: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

/// A builder for a broadcast channel of ticks.
fn ticks(region: &TestRegion, (single, lossy): (bool, bool), capacity: u64) -> ChannelBuilder<Tick> {
    Channel::<Tick>::builder()
        .with_region(&region.region)
        .with_name("ticks")
        .with_capacity(capacity)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(single)
        .with_lossy_subscribers(lossy)
}

#[test]
fn every_subscriber_gets_every_message_in_order() {
    for kind in KINDS {
        let region = TestRegion::new("broadcast-all", 4 << 20);
        let ticks = ticks(&region, kind, 64).with_compact_slots(true);
        let subscribers: Vec<_> = (0..3).map(|_| ticks.build_consumer().unwrap()).collect();
        let producer = ticks.build_producer().unwrap();
        std::thread::scope(|scope| {
            for subscriber in subscribers {
                scope.spawn(move || {
                    for number in 0..100_000 {
                        assert!(subscriber.recv().unwrap().is(number));
                    }
                    assert!(matches!(subscriber.recv(), Err(Error::Closed)));
                    assert_eq!(subscriber.missed(), 0);
                });
            }
            scope.spawn(move || {
                for number in 0..100_000 {
                    producer.send(&Tick::new(number)).unwrap();
                }
                producer.close().unwrap();
            });
        });
    }
}

#[test]
fn a_full_channel_refuses_and_times_out_as_the_producer_asks() {
    for kind in KINDS {
        let region = TestRegion::new("broadcast-full", 4 << 20);
        let ticks = ticks(&region, kind, 8);
        let producer = ticks.build_producer().unwrap();
        for number in 0..20 {
            producer.send(&Tick::new(number)).expect("nobody holds it back");
        }
        let subscriber = ticks.build_consumer().unwrap();
        for number in 20..28 {
            assert!(!producer.is_full());
            assert_eq!(producer.try_send(&Tick::new(number)).unwrap(), number + 1);
        }
        assert!(producer.is_full());
        assert!(matches!(producer.try_send(&Tick::new(28)), Err(Error::Full)));
        let timeout = Duration::from_millis(20);
        assert!(matches!(
            producer.send_timeout(&Tick::new(28), timeout),
            Err(Error::Timeout)
        ));
        assert!(subscriber.recv().unwrap().is(20));
        assert_eq!(producer.try_send(&Tick::new(28)).unwrap(), 29);
        assert!(matches!(producer.try_send(&Tick::new(29)), Err(Error::Full)));
        drop(subscriber);
        for number in 29..60 {
            producer.try_send(&Tick::new(number)).expect("the subscriber has gone");
        }
    }
}

#[test]
fn a_message_that_is_held_is_not_overwritten() {
    for kind in KINDS {
        let region = TestRegion::new("broadcast-held", 4 << 20);
        let ticks = ticks(&region, kind, 8);
        let producer = ticks.build_producer().unwrap();
        let subscriber = ticks.build_consumer().unwrap();
        for number in 0..8 {
            producer.send(&Tick::new(number)).unwrap();
        }
        let held = subscriber.recv().unwrap();
        for number in 1..8 {
            assert!(subscriber.recv().unwrap().is(number));
        }
        assert!(matches!(producer.try_send(&Tick::new(8)), Err(Error::Full)));
        assert!(matches!(subscriber.recv(), Err(Error::WouldDeadlock)));
        assert!(held.is(0));
        drop(held);
        assert_eq!(producer.try_send(&Tick::new(8)).unwrap(), 9);
        assert!(subscriber.recv().unwrap().is(8));
    }
}

#[test]
fn a_lossy_subscriber_knows_exactly_how_many_it_missed() {
    for single in [true, false] {
        let region = TestRegion::new("broadcast-lossy", 4 << 20);
        let ticks = ticks(&region, (single, true), 8);
        let producer = ticks.build_producer().unwrap();
        let lossy = ticks
            .clone()
            .with_subscription(Subscription::Lossy)
            .build_consumer()
            .unwrap();
        for number in 0..100 {
            producer.send(&Tick::new(number)).expect("nobody holds it back");
        }
        let mut expected = 0;
        let mut received = 0;
        loop {
            match lossy.try_recv() {
                Ok(message) => {
                    expected += message.metadata().missed;
                    assert!(message.is(expected), "{message:?} instead of {expected}");
                    assert_eq!(message.metadata().message_id, expected + 1);
                    expected += 1;
                    received += 1;
                }
                Err(Error::Empty) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(expected, 100);
        assert_eq!(received + lossy.missed(), 100);
        assert!((1..=8).contains(&received), "{received}");
    }
}

#[test]
fn late_joiners_start_where_they_choose() {
    for single in [true, false] {
        let region = TestRegion::new("broadcast-start", 4 << 20);
        let ticks = ticks(&region, (single, true), 16);
        let producer = ticks.build_producer().unwrap();
        for number in 0..100 {
            producer.send(&Tick::new(number)).unwrap();
        }
        for subscription in [Subscription::Reliable, Subscription::Lossy] {
            let ticks = ticks.clone().with_subscription(subscription);
            let open = |start| ticks.clone().with_start(start).build_consumer().unwrap();
            assert!(matches!(open(Start::Newest).try_recv(), Err(Error::Empty)));

            let oldest = open(Start::Oldest);
            let first = oldest.try_recv().unwrap().number;
            assert!((84..=88).contains(&first), "{first}");
            for number in first + 1..100 {
                assert!(oldest.try_recv().unwrap().is(number));
            }
            assert!(matches!(oldest.try_recv(), Err(Error::Empty)));
            assert_eq!(oldest.missed(), 0);

            let middle = open(Start::Position(95));
            assert!(middle.try_recv().unwrap().is(95));

            let gone = open(Start::Position(10));
            let message = gone.try_recv().unwrap();
            assert_eq!(message.number, 10 + message.metadata().missed);
            assert_eq!(gone.missed(), message.metadata().missed);
            assert!(message.number >= 84);
        }
        let coming = ticks.clone().with_start(Start::Position(102)).build_consumer().unwrap();
        for number in 100..104 {
            if number <= 102 {
                assert!(matches!(coming.try_recv(), Err(Error::Empty)));
            }
            producer.send(&Tick::new(number)).unwrap();
        }
        assert!(coming.try_recv().unwrap().is(102));
        assert!(coming.try_recv().unwrap().is(103));
    }
}

#[test]
fn batches_and_claims_arrive_whole() {
    for (single, lossy) in KINDS {
        let region = TestRegion::new("broadcast-batches", 4 << 20);
        let ticks = ticks(&region, (single, lossy), 16);
        let producer = ticks.build_producer().unwrap();
        let reliable = ticks.build_consumer().unwrap();
        let other = if lossy {
            ticks.clone().with_subscription(Subscription::Lossy)
        } else {
            ticks.clone()
        };
        let other = other.build_consumer().unwrap();
        let batch: Vec<_> = (0..16).map(Tick::new).collect();
        assert_eq!(producer.send_batch(&batch, Wait::No).unwrap(), 1);
        assert!(matches!(producer.send_batch(&batch[..1], Wait::No), Err(Error::Full)));
        for consumer in [&reliable, &other] {
            let first = consumer.recv_batch(10, Wait::No).unwrap();
            assert_eq!(first.len(), 10);
            assert!(first.iter().zip(0..).all(|(tick, number)| tick.is(number)));
            let rest = consumer.recv_up_to(10, Wait::No).unwrap();
            assert!(rest.len() == 6 && rest.iter().zip(10..).all(|(tick, number)| tick.is(number)));
        }
        let mut claim = producer.try_claim().unwrap();
        *claim = Tick::new(77);
        assert!(matches!(reliable.try_recv(), Err(Error::Empty)));
        drop(claim);
        let mut claim = producer.try_claim().unwrap();
        *claim = Tick::new(16);
        let id = claim.publish().unwrap();
        assert_eq!(
            id,
            if single { 17 } else { 18 },
            "a claim that is dropped takes no position of a single producer"
        );
        for consumer in [&reliable, &other] {
            assert!(consumer.try_recv().unwrap().is(16));
            assert_eq!(consumer.missed(), 0);
        }
        let mut claims = producer.claim_batch(3, Wait::No).unwrap();
        for index in 0..3 {
            *claims.get_mut(index) = Tick::new(17 + index as u64);
        }
        claims.publish().unwrap();
        for number in 17..20 {
            assert!(reliable.recv_copy(Wait::No).unwrap().is(number));
        }
    }
}

#[test]
fn a_second_producer_is_refused_while_the_first_lives() {
    let region = TestRegion::new("broadcast-second", 4 << 20);
    let ticks = ticks(&region, (true, false), 16);
    let first = ticks.build_producer().unwrap();
    first.send(&Tick::new(0)).unwrap();
    let error = ticks.build_producer().unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(first);
    assert_eq!(ticks.build_producer().unwrap().send(&Tick::new(1)).unwrap(), 2);
}

#[test]
fn bytes_are_broadcast_too() {
    let region = TestRegion::new("broadcast-bytes", 4 << 20);
    let bytes = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(3)
        .with_delivery(Delivery::Broadcast)
        .with_payload_capacity(100)
        .with_checksums(true)
        .with_capacity(4);
    let producer = bytes.build_producer().unwrap();
    let reliable = bytes.build_consumer().unwrap();
    let lossy = bytes
        .clone()
        .with_subscription(Subscription::Lossy)
        .build_consumer()
        .unwrap();
    for len in 0..=100 {
        let payload: Vec<u8> = (0..len).collect();
        producer.send(&payload).unwrap();
        assert_eq!(&reliable.try_recv().unwrap()[..], payload);
        assert_eq!(lossy.receive().unwrap().unwrap(), payload);
    }
    assert!(matches!(producer.send([0; 101]), Err(Error::PayloadTooLarge { .. })));
    assert_eq!(producer.send_batch(&["a", "bc"], Wait::No).unwrap(), 102);
    assert_eq!(&lossy.try_recv().unwrap()[..], b"a");
    assert_eq!(&lossy.try_recv().unwrap()[..], b"bc");
}

/// A builder for a broadcast channel of numbered messages, which peers open.
fn news(region: &TestRegion, (single, lossy): (bool, bool), capacity: u64) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("news")
        .with_capacity(capacity)
        .with_compact_slots(true)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(single)
        .with_lossy_subscribers(lossy)
}

fn peer(region: &TestRegion, command: &str) -> PeerCommand {
    region.peer(env!("CARGO_BIN_EXE_peer"), "news", command)
}

/// Waits until the producer is kept from going on by `holder`, and says how.
fn until_blocked_by(region: &TestRegion, holder: &Peer) -> Blockage {
    let mut found = None;
    until("the subscriber is named", || {
        found = region
            .region
            .blockages()
            .expect("blockages")
            .into_iter()
            .find(|blockage| blockage.holder.as_ref().is_some_and(|found| found.pid == holder.pid()));
        found.is_some()
    });
    let found = found.expect("just found");
    assert_eq!(
        (found.blocked, found.obstacle),
        (Blocked::Producers, Obstacle::Subscriber)
    );
    found
}

#[test]
fn sixteen_subscribers_each_see_what_their_policy_says() {
    const COUNT: u64 = 120_000;
    for single in [true, false] {
        let region = TestRegion::new("broadcast-sixteen", 4 << 20);
        let news = news(&region, (single, true), 256);
        // Makes the channel; the producer comes later.
        drop(news.build_producer().unwrap());
        let reliable: Vec<_> = (0..8)
            .map(|_| peer(&region, "subscribe").arg("reliable").spawn())
            .collect();
        let lossy: Vec<_> = (0..6)
            .map(|_| peer(&region, "subscribe").arg("lossy").spawn())
            .collect();
        let mut holding = peer(&region, "subscribe-holding").arg(1_000).spawn();
        let stopped = peer(&region, "subscribe").arg("reliable").spawn();
        let channel = || region.region.channel_named("news").expect("the channel");
        until("sixteen subscribe", || channel().consumers.len() == 16);
        let producer = peer(&region, "publish").arg(7).arg(COUNT).arg(5).spawn();

        // One holds a message, and all others wait for it until it is dead.
        let text = until_blocked_by(&region, &holding).to_string();
        assert!(text.contains("a subscriber that still needs"), "{text}");
        // Cursors are shown in strides of a sixteenth of the capacity, and batches of up to five messages are not divided.
        let nearly = |position: u64, limit: u64| (limit - 20..=limit).contains(&position);
        until("all but the message that is held are released", || {
            nearly(channel().head, 1_000)
        });
        until("the channel is full", || nearly(channel().tail, 1_256));
        std::thread::sleep(Duration::from_millis(50));
        let tail = channel().tail;
        // Only the tail, which stays, would show that nothing moves any more.
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(channel().tail, tail, "overwritten while it was held");
        assert!(tail <= 1_256);
        let killed = Instant::now();
        holding.kill();
        until("the dead one is evicted", || channel().tail > 1_256);
        println!("went on {:?} after the kill", killed.elapsed());

        // Another one is stopped, and waited for.
        stopped.stop();
        let blockage = until_blocked_by(&region, &stopped);
        let state = blockage.holder.as_ref().map(|holder| holder.state);
        assert_eq!(state, Some(HolderState::Stopped), "{blockage}");
        // What it needs next: its cursor moves no more.
        let needed = blockage.position;
        until("the channel is full again", || nearly(channel().tail, needed + 256));
        std::thread::sleep(Duration::from_millis(200));
        assert!(channel().tail <= needed + 256, "the stopped one was passed over");
        assert_eq!(channel().head, needed);
        stopped.signal(libc::SIGCONT);

        let sent = producer.output();
        assert_eq!(sent.lines().last(), Some(COUNT.to_string().as_str()));
        news.build_producer().unwrap().close().unwrap();
        for subscriber in reliable.into_iter().chain([stopped]) {
            assert_eq!(subscriber.output(), format!("subscribed\n{COUNT} 0 {COUNT}\n"));
        }
        for subscriber in lossy {
            let output = subscriber.output();
            let numbers = output.lines().nth(1).expect("a second line");
            let numbers: Vec<u64> = numbers
                .split(' ')
                .map(|number| number.parse().expect("a number"))
                .collect();
            assert!(numbers[0] > 0);
            assert_eq!(numbers[0] + numbers[1], COUNT, "received and missed");
            println!("a lossy one received {} and missed {}", numbers[0], numbers[1]);
        }
        assert!(channel().consumers.is_empty() && channel().producers.is_empty());
    }
}

#[test]
fn a_killed_producer_loses_nothing_it_has_sent_and_leaves_no_part_of_a_batch() {
    for kind @ (single, _) in KINDS {
        let region = TestRegion::new("broadcast-killed", 4 << 20);
        let news = news(&region, kind, 64);
        let reliable = news.build_consumer().unwrap();
        let mut draws = Draws::new(7, u64::from(single));
        let mut expected = 0;
        for producer in 0..30 {
            let mut victim = peer(&region, "publish").arg(producer).arg(0).arg(7).spawn();
            let mut next = 0;
            let mut take = |timeout| match reliable.recv_timeout(timeout) {
                Ok(message) => {
                    assert!(message.is_whole());
                    assert_eq!((message.producer, message.number), (producer, next));
                    next += 1;
                    expected += 1;
                    true
                }
                Err(Error::Timeout) => false,
                Err(error) => panic!("{error}"),
            };
            // On a busy machine it may not have begun in that time: every other one has.
            if producer % 2 == 0 {
                assert!(take(Duration::from_secs(30)), "it sends");
            }
            let until = Instant::now() + Duration::from_micros(15_000 + draws.below(15_000) as u64);
            while Instant::now() < until {
                take(Duration::from_millis(1));
            }
            victim.kill();
            // Its successor, which sends nothing, repairs what it left.
            until_taken(&news);
            while take(Duration::from_millis(if single { 1 } else { 100 })) {}
            let (said, _) = victim.ended();
            let sent: u64 = said.lines().last().map_or(0, |line| line.parse().expect("a number"));
            assert!(next >= sent, "{sent} were sent, {next} came");
            let mut boundary = 0;
            while boundary < next {
                boundary += 1 + boundary % 7;
            }
            assert_eq!(boundary, next, "part of a batch");
        }
        assert!(expected > 0);
        println!("{expected} messages of 30 killed producers");
    }
}

/// Opens a producer and drops it: at once, though another one was killed a moment ago.
fn until_taken(news: &ChannelBuilder<Numbered>) {
    drop(news.build_producer().expect("a dead one's place can be taken"));
}

#[test]
fn a_position_that_was_sent_meanwhile_is_found_at_once() {
    for single in [true, false] {
        let region = TestRegion::new("broadcast-position", 4 << 20);
        let ticks = ticks(&region, (single, true), 8).with_start(Start::Position(1_000));
        let subscribers = [Subscription::Reliable, Subscription::Lossy]
            .map(|subscription| ticks.clone().with_subscription(subscription).build_consumer().unwrap());
        let producer = ticks.build_producer().unwrap();
        for number in 0..1_006 {
            producer
                .try_send(&Tick::new(number))
                .expect("nobody needs what comes before");
        }
        for subscriber in subscribers {
            for number in 1_000..1_006 {
                assert!(subscriber.try_recv().expect("a message that is there").is(number));
            }
            assert_eq!(subscriber.missed(), 0);
        }
    }
}

#[test]
fn a_producer_that_waits_for_anothers_slot_is_woken_when_it_is_published() {
    let region = TestRegion::new("broadcast-vacated", 4 << 20);
    let ticks = ticks(&region, (false, false), 8);
    let waiting = |give_up: bool| {
        let (slow, fast) = (ticks.build_producer().unwrap(), ticks.build_producer().unwrap());
        let claim = slow.try_claim().unwrap();
        for number in 0..7 {
            fast.try_send(&Tick::new(number)).unwrap();
        }
        assert!(matches!(fast.try_send(&Tick::new(7)), Err(Error::Full)));
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || {
                fast.send_timeout(&Tick::new(7), Duration::from_secs(20)).unwrap();
                Instant::now()
            });
            std::thread::sleep(Duration::from_millis(5));
            let published = Instant::now();
            if give_up {
                drop(claim);
            } else {
                claim.publish().unwrap();
            }
            sender.join().unwrap().saturating_duration_since(published)
        })
    };
    // Without a wake it looks again once in 40 ms, which is here 35 ms later.
    for give_up in [false, true] {
        at_best(Duration::from_millis(20), "the sender that waited", || waiting(give_up));
    }
}

#[test]
fn who_is_told_of_the_end_has_got_what_was_sent_before() {
    for (delivery, single, lossy) in [
        (Delivery::Broadcast, true, true),
        (Delivery::Broadcast, true, false),
        (Delivery::Broadcast, false, true),
        (Delivery::Broadcast, false, false),
        (Delivery::Latest, true, true),
        (Delivery::Latest, false, true),
    ] {
        for round in 0..300 {
            let region = TestRegion::new("broadcast-end", 1 << 20);
            let ticks = Channel::<Tick>::builder()
                .with_region(&region.region)
                .with_name("ticks")
                .with_capacity(16)
                .with_compact_slots(true)
                .with_delivery(delivery)
                .with_single_producer(single)
                .with_lossy_subscribers(lossy);
            let subscriber = ticks.build_consumer().unwrap();
            let closer = match delivery {
                // One that holds no producer back.
                Delivery::Broadcast if lossy => ticks.clone().with_subscription(Subscription::Lossy),
                _ => ticks.clone(),
            };
            let closer = closer.build_consumer().unwrap();
            let producer = ticks.build_producer().unwrap();
            std::thread::scope(|scope| {
                let subscriber = scope.spawn(move || {
                    let mut last = 0;
                    while let Some(message) = subscriber.recv_or_end().unwrap() {
                        last = message.metadata().message_id;
                    }
                    last
                });
                let sender = scope.spawn(move || {
                    let mut last = 0;
                    loop {
                        match producer.try_send(&Tick::new(last)) {
                            Ok(id) => last = id,
                            Err(Error::Full) => {}
                            Err(Error::Closed) => break last,
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
                let until = Instant::now() + Duration::from_micros(100 + round);
                while Instant::now() < until {
                    // So that it holds no producer back where it is a reliable one.
                    let _ = closer.recv_timeout(until.saturating_duration_since(Instant::now()));
                }
                closer.close().unwrap();
                let (sent, received) = (sender.join().unwrap(), subscriber.join().unwrap());
                assert_eq!(sent, received, "{delivery}, single: {single}, lossy: {lossy}");
            });
        }
    }
}

//! Broadcast channels: every subscriber sees every message, as its policy says.

use dmxp::{Channel, ChannelBuilder, Delivery, Error, Start, Subscription, Wait};
use dmxp_tests::TestRegion;
use std::time::Duration;

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

/// A builder for a broadcast channel of ticks.
fn ticks(region: &TestRegion, single: bool, capacity: u64) -> ChannelBuilder<Tick> {
    Channel::<Tick>::builder()
        .with_region(&region.region)
        .with_name("ticks")
        .with_capacity(capacity)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(single)
}

#[test]
fn every_subscriber_gets_every_message_in_order() {
    for single in [true, false] {
        let region = TestRegion::new("broadcast-all", 4 << 20);
        let ticks = ticks(&region, single, 64).with_compact_slots(true);
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
    for single in [true, false] {
        let region = TestRegion::new("broadcast-full", 4 << 20);
        let ticks = ticks(&region, single, 8);
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
    for single in [true, false] {
        let region = TestRegion::new("broadcast-held", 4 << 20);
        let ticks = ticks(&region, single, 8);
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
        let ticks = ticks(&region, single, 8);
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
        let ticks = ticks(&region, single, 16);
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
    for single in [true, false] {
        let region = TestRegion::new("broadcast-batches", 4 << 20);
        let ticks = ticks(&region, single, 16);
        let producer = ticks.build_producer().unwrap();
        let reliable = ticks.build_consumer().unwrap();
        let lossy = ticks
            .clone()
            .with_subscription(Subscription::Lossy)
            .build_consumer()
            .unwrap();
        let batch: Vec<_> = (0..16).map(Tick::new).collect();
        assert_eq!(producer.send_batch(&batch, Wait::No).unwrap(), 1);
        assert!(matches!(producer.send_batch(&batch[..1], Wait::No), Err(Error::Full)));
        for consumer in [&reliable, &lossy] {
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
        for consumer in [&reliable, &lossy] {
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
    let ticks = ticks(&region, true, 16);
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

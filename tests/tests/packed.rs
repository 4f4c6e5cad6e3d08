//! Packed slots: every subscriber sees every message, in slices and one by one, whatever its size; and what a lossy one missed is
//! counted.

use dmxp::{
    Blocked, Channel, ChannelBuilder, Consumer, Delivery, Error, Obstacle, Producer, Slots, Start, Subscription, Wait,
};
use dmxp_tests::{TestRegion, until};
use std::thread;
use std::time::{Duration, Instant};

#[dmxp::message]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    number: u64,
    square: u64,
    inverse: u64,
}

impl Sample {
    fn new(number: u64) -> Self {
        Self {
            number,
            square: number.wrapping_mul(number),
            inverse: !number,
        }
    }
}

/// Not every byte is a value of it.
#[dmxp::message]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Switch {
    on: bool,
}

fn samples(region: &TestRegion, capacity: u64, lossy: bool) -> ChannelBuilder<Sample> {
    Channel::<Sample>::builder()
        .with_region(&region.region)
        .with_name("samples")
        .with_capacity(capacity)
        .with_packed_slots(true)
        .with_lossy_subscribers(lossy)
}

fn numbers(samples: &[Sample]) -> Vec<u64> {
    for sample in samples {
        assert_eq!(*sample, Sample::new(sample.number), "a torn message");
    }
    samples.iter().map(|sample| sample.number).collect()
}

fn send(producer: &Producer<Sample>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(
            producer.try_send(&Sample::new(number)).unwrap(),
            number + 1,
            "ids are positions plus one"
        );
    }
}

/// The next message, copied out.
fn next(consumer: &Consumer<Sample>) -> Option<u64> {
    match consumer.recv_copy(Wait::No) {
        Ok(sample) => Some(numbers(&[sample])[0]),
        Err(Error::Empty) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_subscriber_gets_every_message_in_order() {
    const COUNT: u64 = 200_000;
    for lossy in [false, true] {
        let region = TestRegion::new("packed-all", 4 << 20);
        let samples = samples(&region, 256, lossy);
        let consumers: [_; 4] = std::array::from_fn(|_| samples.build_consumer().unwrap());
        let producer = samples.build_producer().unwrap();
        thread::scope(|scope| {
            for (way, consumer) in consumers.into_iter().enumerate() {
                scope.spawn(move || {
                    let mut next = 0;
                    let mut copies = Vec::new();
                    loop {
                        let got = match way {
                            0 => consumer.recv().map(|sample| numbers(&[*sample])),
                            1 => consumer.recv_copy(Wait::Forever).map(|sample| numbers(&[sample])),
                            2 => consumer.recv_slice(100, Wait::Forever).map(|slice| numbers(&slice)),
                            _ => consumer
                                .recv_slice_copy(&mut copies, 1_000, Wait::Forever)
                                .map(|count| {
                                    assert_eq!(count, copies.len());
                                    numbers(&std::mem::take(&mut copies))
                                }),
                        };
                        match got {
                            Ok(got) => {
                                assert_eq!(got, (next..next + got.len() as u64).collect::<Vec<_>>());
                                next += got.len() as u64;
                            }
                            Err(Error::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    assert_eq!((next, consumer.missed()), (COUNT, 0));
                });
            }
            scope.spawn(move || {
                let mut next = 0;
                while next < COUNT {
                    let batch: Vec<_> = (next..COUNT.min(next + 1 + next % 97)).map(Sample::new).collect();
                    match next % 5 {
                        0 => next = producer.send(&batch[0]).unwrap(),
                        1 => next += producer.send_up_to(&batch, Wait::Forever).unwrap() as u64,
                        2 => {
                            let id = producer.send_batch(&batch, Wait::Forever).unwrap();
                            assert_eq!(id, next + 1);
                            next += batch.len() as u64;
                        }
                        3 => {
                            let mut claim = producer.claim_slice(batch.len(), Wait::Forever).unwrap();
                            assert!(claim.iter().all(|sample| sample.number == 0 && sample.inverse == 0));
                            claim.copy_from_slice(&batch);
                            assert_eq!(claim.publish().unwrap(), next + 1);
                            next += batch.len() as u64;
                        }
                        _ => {
                            let mut claim = producer.claim().unwrap();
                            *claim = batch[0];
                            next = claim.publish().unwrap();
                        }
                    }
                }
                producer.close().unwrap();
            });
        });
    }
}

#[test]
fn messages_of_every_size_arrive_as_they_were_sent() {
    for size in [1, 2, 3, 4, 6, 7, 8, 12, 16, 24, 40, 63, 64, 100, 960_u32] {
        for lossy in [false, true] {
            let region = TestRegion::new("packed-sizes", 4 << 20);
            let bytes = ChannelBuilder::new()
                .with_region(&region.region)
                .with_name("bytes")
                .with_capacity(16)
                .with_payload_capacity(size)
                .with_packed_slots(true)
                .with_lossy_subscribers(lossy);
            let reliable = bytes.build_consumer().unwrap();
            let copying = lossy.then(|| {
                bytes
                    .clone()
                    .with_subscription(Subscription::Lossy)
                    .build_consumer()
                    .unwrap()
            });
            let producer = bytes.build_producer().unwrap();
            assert_eq!(region.region.channel_named("bytes").unwrap().slot_size, size);
            let message = |number: u8| vec![number; size as usize];
            for round in 0..10_u8 {
                producer.send(message(round)).unwrap();
                producer
                    .send_batch(&[message(100 + round), message(200 + round)], Wait::No)
                    .unwrap();
                let mut claim = producer.claim(size as usize).unwrap();
                assert!(claim.iter().all(|&byte| byte == 0));
                claim.fill(50 + round);
                claim.publish().unwrap();
                let expected: Vec<u8> = [round, 100 + round, 200 + round, 50 + round]
                    .into_iter()
                    .flat_map(message)
                    .collect();
                for consumer in copying.iter().chain([&reliable]) {
                    // In two pieces where the ring ends between them.
                    let mut got = Vec::new();
                    while got.len() < expected.len() {
                        let slice = consumer.recv_slice(usize::MAX, Wait::No).unwrap();
                        assert_eq!(slice.len(), slice.message_count() * size as usize);
                        assert_eq!(
                            slice.message_id(),
                            u64::from(round) * 4 + 1 + (got.len() as u32 / size) as u64
                        );
                        got.extend_from_slice(&slice);
                    }
                    assert_eq!(got, expected, "size {size}");
                }
            }
            let wrong = producer.send(vec![0; size as usize + 1]).unwrap_err();
            assert!(
                wrong
                    .to_string()
                    .contains("in the packed slots of this channel each has"),
                "{wrong}"
            );
            producer.send(vec![0; size as usize - 1]).unwrap_err();
        }
    }
}

#[test]
fn a_slice_ends_where_the_ring_ends() {
    let region = TestRegion::new("packed-end", 4 << 20);
    let samples = samples(&region, 8, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..5);
    assert_eq!(numbers(&consumer.recv_slice(100, Wait::No).unwrap()), [0, 1, 2, 3, 4]);
    let batch: Vec<_> = (5..13).map(Sample::new).collect();
    assert_eq!(producer.send_batch(&batch, Wait::No).unwrap(), 6);
    assert_eq!(numbers(&consumer.recv_slice(100, Wait::No).unwrap()), [5, 6, 7]);
    assert_eq!(numbers(&consumer.recv_slice(2, Wait::No).unwrap()), [8, 9]);
    // At least as many as are asked for, but for the end.
    assert_eq!(consumer.recv_batch(3, Wait::No).unwrap().len(), 3);
    assert!(matches!(consumer.recv_slice(100, Wait::No), Err(Error::Empty)));
    // A claim around the end is one slice all the same, and visible at once.
    let mut claim = producer.claim_slice(8, Wait::No).unwrap();
    for (sample, number) in claim.iter_mut().zip(13..) {
        *sample = Sample::new(number);
    }
    assert!(matches!(
        producer.try_send(&Sample::new(0)),
        Err(Error::TooManyClaims { limit: 1 })
    ));
    assert_eq!(next(&consumer), None);
    assert_eq!(claim.publish().unwrap(), 14);
    let mut all = Vec::new();
    assert_eq!(consumer.recv_slice_copy(&mut all, 100, Wait::No).unwrap(), 3);
    assert_eq!(consumer.recv_slice_copy(&mut all, 100, Wait::No).unwrap(), 5);
    assert_eq!(numbers(&all), (13..21).collect::<Vec<_>>());
    // A claim that is dropped was nothing.
    drop(producer.claim_slice(3, Wait::No).unwrap());
    drop(producer.claim().unwrap());
    send(&producer, 21..22);
    assert_eq!(next(&consumer), Some(21));
}

#[test]
fn what_is_held_is_not_overwritten() {
    let region = TestRegion::new("packed-held", 4 << 20);
    let samples = samples(&region, 8, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..8);
    assert!(producer.is_full());
    assert!(matches!(producer.try_send(&Sample::new(8)), Err(Error::Full)));
    let begin = Instant::now();
    let timeout = Duration::from_millis(30);
    assert!(matches!(
        producer.send_timeout(&Sample::new(8), timeout),
        Err(Error::Timeout)
    ));
    assert!(begin.elapsed() >= timeout);
    // Four guards at once, let go of in another order.
    let first = consumer.recv().unwrap();
    let second = consumer.recv_slice(2, Wait::No).unwrap();
    let third = consumer.recv().unwrap();
    assert_eq!((first.number, second.len(), third.number), (0, 2, 3));
    assert_eq!(first.metadata().message_id, 1);
    assert_eq!(third.metadata().message_id, 4);
    assert_eq!(second.message_id(), 2);
    drop(second);
    drop(third);
    assert!(matches!(producer.try_send(&Sample::new(8)), Err(Error::Full)));
    assert_eq!(*first, Sample::new(0));
    drop(first);
    while next(&consumer).is_some_and(|number| number < 6) {}
    send(&producer, 8..12);
    let rest: Vec<_> = std::iter::from_fn(|| next(&consumer)).collect();
    assert_eq!(rest, (7..12).collect::<Vec<_>>());
    // Whoever holds what is in its own way hears of it.
    send(&producer, 12..20);
    let held = consumer.recv_slice(8, Wait::No).unwrap();
    let held_too = consumer.recv_slice(8, Wait::No).unwrap();
    assert_eq!(held.len() + held_too.len(), 8);
    assert!(matches!(consumer.recv(), Err(Error::WouldDeadlock)));
    drop(held);
    // What is given back comes again.
    held_too.give_back();
    assert_eq!(
        numbers(&consumer.recv_slice(8, Wait::No).unwrap()),
        (16..20).collect::<Vec<_>>()
    );
}

#[test]
fn a_producer_that_waits_is_woken_by_the_first_free_slot() {
    let region = TestRegion::new("packed-waits", 4 << 20);
    let samples = samples(&region, 64, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..64);
    thread::scope(|scope| {
        let sender = scope.spawn(move || producer.send(&Sample::new(64)).unwrap());
        let mut blocked = None;
        until("somebody is seen to wait", || {
            let blockages = region.region.blockages().unwrap();
            blocked = blockages
                .into_iter()
                .find(|blockage| blockage.blocked == Blocked::Producers);
            blocked.is_some()
        });
        assert_eq!(next(&consumer), Some(0));
        assert_eq!(sender.join().unwrap(), 65);
        let blocked = blocked.map(|blockage| (blockage.position, blockage.obstacle));
        assert_eq!(blocked, Some((0, Obstacle::Subscriber)));
    });
}

#[test]
fn a_consumer_that_waits_is_woken_by_a_message() {
    let region = TestRegion::new("packed-woken", 4 << 20);
    let samples = samples(&region, 64, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let first = numbers(&consumer.recv_slice(10, Wait::Forever).unwrap());
            let set = consumer.recv_timeout(Duration::from_secs(10)).unwrap().number;
            (first, set)
        });
        thread::sleep(Duration::from_millis(50));
        send(&producer, 0..1);
        thread::sleep(Duration::from_millis(50));
        send(&producer, 1..2);
        assert_eq!(receiver.join().unwrap(), (vec![0], 1));
    });
}

#[test]
fn a_wait_set_hears_of_packed_messages() {
    let region = TestRegion::new("packed-set", 4 << 20);
    let samples = samples(&region, 8, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    let mut set = dmxp::WaitSet::new();
    set.add(&consumer, 7).unwrap();
    assert!(set.wait(Wait::No).unwrap().is_empty());
    send(&producer, 0..1);
    assert_eq!(set.wait(Wait::For(Duration::from_secs(5))).unwrap(), [7]);
    assert_eq!(next(&consumer), Some(0));
    assert_eq!(next(&consumer), None);
    assert!(set.wait(Wait::No).unwrap().is_empty());
    producer.close().unwrap();
    assert_eq!(set.wait(Wait::For(Duration::from_secs(5))).unwrap(), [7]);
}

#[test]
fn a_lossy_subscriber_knows_exactly_how_many_it_missed() {
    let region = TestRegion::new("packed-lossy", 4 << 20);
    let samples = samples(&region, 16, true);
    let lossy = samples
        .clone()
        .with_subscription(Subscription::Lossy)
        .build_consumer()
        .unwrap();
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..4);
    assert_eq!(numbers(&lossy.recv_slice(2, Wait::No).unwrap()), [0, 1]);
    assert_eq!(next(&lossy), Some(2));
    send(&producer, 4..104);
    // Of the last lap, at most a quarter is gone because of what is announced.
    let slice = lossy.recv_slice(100, Wait::No).unwrap();
    let first = slice[0].number;
    assert!((88..=92).contains(&first), "{first}");
    assert_eq!(slice.missed(), first - 3);
    assert_eq!(lossy.missed(), first - 3);
    let mut got = numbers(&slice);
    drop(slice);
    got.extend(std::iter::from_fn(|| next(&lossy)));
    assert_eq!(got, (first..104).collect::<Vec<_>>());
    // One message at a time says it too.
    send(&producer, 104..204);
    let sample = lossy.recv().unwrap();
    assert_eq!(sample.metadata().missed, sample.number - 104);
    assert_eq!(lossy.missed(), first - 3 + sample.number - 104);
}

#[test]
fn a_lossy_subscriber_is_never_given_a_torn_message() {
    const COUNT: u64 = 2_000_000;
    for capacity in [2, 8, 64, 1_024] {
        let region = TestRegion::new("packed-torn", 4 << 20);
        let samples = samples(&region, capacity, true);
        let lossy = samples.clone().with_subscription(Subscription::Lossy);
        let consumers: [_; 2] = std::array::from_fn(|_| lossy.build_consumer().unwrap());
        let producer = samples.build_producer().unwrap();
        thread::scope(|scope| {
            for (way, consumer) in consumers.into_iter().enumerate() {
                scope.spawn(move || {
                    let (mut received, mut next, mut copies) = (0, 0, Vec::new());
                    loop {
                        let got = if way == 0 {
                            consumer
                                .recv_slice(usize::MAX, Wait::Forever)
                                .map(|slice| numbers(&slice))
                        } else {
                            copies.clear();
                            consumer
                                .recv_slice_copy(&mut copies, 7, Wait::Forever)
                                .map(|_| numbers(&copies))
                        };
                        match got {
                            Ok(got) => {
                                assert!(got[0] >= next, "in order");
                                assert_eq!(got, (got[0]..got[0] + got.len() as u64).collect::<Vec<_>>());
                                next = got[0] + got.len() as u64;
                                received += got.len() as u64;
                            }
                            Err(Error::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    assert_eq!(next, COUNT, "the last one stays");
                    assert_eq!(received + consumer.missed(), COUNT);
                });
            }
            scope.spawn(move || {
                send(&producer, 0..COUNT);
                producer.close().unwrap();
            });
        });
    }
}

#[test]
fn a_message_that_is_not_valid_ends_the_slice_before_it_and_is_stepped_over() {
    for lossy in [false, true] {
        let region = TestRegion::new("packed-invalid", 4 << 20);
        let switches = Channel::<Switch>::builder()
            .with_region(&region.region)
            .with_name("switches")
            .with_packed_slots(true)
            .with_lossy_subscribers(lossy);
        let consumer = if lossy {
            switches
                .clone()
                .with_subscription(Subscription::Lossy)
                .build_consumer()
                .unwrap()
        } else {
            switches.build_consumer().unwrap()
        };
        let raw = switches.build_raw_producer().unwrap();
        raw.send_stretch(&[1, 0, 1, 7, 1, 8], 6, Wait::No).unwrap();
        let values = |slice: &[Switch]| slice.iter().map(|switch| switch.on).collect::<Vec<_>>();
        assert_eq!(
            values(&consumer.recv_slice(100, Wait::No).unwrap()),
            [true, false, true]
        );
        match consumer.recv_slice(100, Wait::No) {
            Err(Error::InvalidMessage { message_id, .. }) => assert_eq!(message_id, 4),
            other => panic!("{other:?}"),
        }
        let mut copies = Vec::new();
        assert_eq!(consumer.recv_slice_copy(&mut copies, 100, Wait::No).unwrap(), 1);
        assert_eq!(values(&copies), [true]);
        assert!(matches!(
            consumer.recv_copy(Wait::No),
            Err(Error::InvalidMessage { message_id: 6, .. })
        ));
        assert!(matches!(consumer.recv_copy(Wait::No), Err(Error::Empty)));
        // A batch is refused as a whole, and comes again without the message.
        raw.send_stretch(&[1, 9, 0], 3, Wait::No).unwrap();
        assert!(matches!(
            consumer.recv_up_to(3, Wait::No),
            Err(Error::InvalidMessage { message_id: 8, .. })
        ));
        assert_eq!(consumer.recv_up_to(3, Wait::No).unwrap().len(), 1);
        assert!(!consumer.recv().unwrap().on);
    }
}

#[test]
fn guards_of_the_smallest_messages_are_told_apart() {
    let region = TestRegion::new("packed-bytes", 4 << 20);
    let switches = Channel::<Switch>::builder()
        .with_region(&region.region)
        .with_name("switches")
        .with_packed_slots(true);
    let consumer = switches.build_consumer().unwrap();
    let producer = switches.build_producer().unwrap();
    for number in 0..8 {
        producer.send(&Switch { on: number % 3 == 0 }).unwrap();
    }
    let guards: Vec<_> = (0..8).map(|_| consumer.recv().unwrap()).collect();
    for (number, guard) in guards.iter().enumerate() {
        assert_eq!(guard.on, number % 3 == 0);
        assert_eq!(guard.metadata().message_id, number as u64 + 1);
    }
    assert!(matches!(
        consumer.try_recv(),
        Err(Error::Empty | Error::TooManyClaims { .. })
    ));
}

#[test]
fn late_joiners_start_where_they_choose() {
    let region = TestRegion::new("packed-late", 4 << 20);
    let samples = samples(&region, 16, false);
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..40);
    let from = |start| samples.clone().with_start(start).build_consumer().unwrap();
    let (newest, oldest) = (from(Start::Newest), from(Start::Oldest));
    let (at, gone, ahead) = (
        from(Start::Position(37)),
        from(Start::Position(3)),
        from(Start::Position(42)),
    );
    assert_eq!(next(&newest), None);
    let first = next(&oldest).unwrap();
    assert!((24..=28).contains(&first), "{first}");
    assert_eq!(next(&at), Some(37));
    let first = next(&gone).unwrap();
    assert_eq!(gone.missed(), first - 3);
    // They would hold the producer back.
    drop((oldest, gone));
    send(&producer, 40..44);
    assert_eq!(next(&newest), Some(40));
    assert_eq!(next(&ahead), Some(42));
}

#[test]
fn a_second_producer_is_refused_and_a_successor_goes_on() {
    let region = TestRegion::new("packed-successor", 4 << 20);
    let samples = samples(&region, 16, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    assert!(matches!(samples.build_producer(), Err(Error::ChannelInUse { .. })));
    send(&producer, 0..5);
    drop(producer);
    let producer = samples.build_producer().unwrap();
    send(&producer, 5..9);
    assert_eq!(
        std::iter::from_fn(|| next(&consumer)).collect::<Vec<_>>(),
        (0..9).collect::<Vec<_>>()
    );
}

#[test]
fn the_end_is_exact() {
    let region = TestRegion::new("packed-end-of-stream", 4 << 20);
    let samples = samples(&region, 16, true);
    let consumer = samples.build_consumer().unwrap();
    let lossy = samples
        .clone()
        .with_subscription(Subscription::Lossy)
        .build_consumer()
        .unwrap();
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..3);
    let mut claim = producer.claim_slice(2, Wait::No).unwrap();
    claim[0] = Sample::new(3);
    consumer.close().unwrap();
    assert!(matches!(claim.publish(), Err(Error::Closed)));
    assert!(matches!(producer.try_send(&Sample::new(3)), Err(Error::Closed)));
    assert!(matches!(
        producer.send_batch(&[Sample::new(3)], Wait::Forever),
        Err(Error::Closed)
    ));
    for consumer in [&consumer, &lossy] {
        assert_eq!(consumer.recv_slice(100, Wait::Forever).unwrap().len(), 3);
        assert!(matches!(consumer.recv_slice(100, Wait::Forever), Err(Error::Closed)));
        assert!(matches!(consumer.recv(), Err(Error::Closed)));
        assert!(matches!(
            consumer.recv_slice_copy(&mut Vec::new(), 9, Wait::No),
            Err(Error::Closed)
        ));
    }
    // The next producer opens it again.
    drop(producer);
    send(&samples.build_producer().unwrap(), 3..4);
    assert_eq!(next(&consumer), Some(3));
}

#[test]
fn what_is_sent_while_the_channel_is_closed_is_received_or_refused() {
    for round in 0..300 {
        let region = TestRegion::new("packed-closing", 1 << 20);
        let samples = samples(&region, 1_024, round % 2 == 0);
        let consumer = samples.build_consumer().unwrap();
        let closer = samples.build_consumer().unwrap();
        let producer = samples.build_producer().unwrap();
        let (sent, received) = thread::scope(|scope| {
            let sender = scope.spawn(move || {
                let mut sent = 0;
                loop {
                    match producer.send(&Sample::new(sent)) {
                        Ok(_) => sent += 1,
                        Err(Error::Closed) => return sent,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let receiver = scope.spawn(move || {
                let mut received = 0;
                loop {
                    match consumer.recv_slice(usize::MAX, Wait::Forever) {
                        Ok(slice) => received += slice.len() as u64,
                        Err(Error::Closed) => return received,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let mut seen = 0;
            while seen < round {
                seen += closer.recv_slice(usize::MAX, Wait::Forever).unwrap().len();
            }
            closer.close().unwrap();
            drop(closer);
            (sender.join().unwrap(), receiver.join().unwrap())
        });
        assert_eq!(sent, received);
    }
}

#[test]
fn lists_and_statistics_know_packed_slots() {
    let region = TestRegion::new("packed-lists", 4 << 20);
    let samples = samples(&region, 16, false);
    let consumer = samples.build_consumer().unwrap();
    let producer = samples.build_producer().unwrap();
    send(&producer, 0..10);
    drop(consumer.recv_slice(4, Wait::No).unwrap());
    assert_eq!(next(&consumer), Some(4));
    assert_eq!((producer.len(), consumer.len(), consumer.is_empty()), (5, 5, false));
    let info = region.region.channel_named("samples").unwrap();
    assert_eq!(info.slots(), Slots::Packed);
    assert!(!info.is_compact() && info.single_producer && !info.lossy_subscribers && !info.timestamps);
    assert_eq!(
        (info.delivery, info.slot_size, info.payload_capacity),
        (Delivery::Broadcast, 24, 24)
    );
    assert_eq!((info.tail, info.producers.len(), info.consumers.len()), (10, 1, 1));
    let statistics = region.region.channel_statistics(info.id).unwrap();
    assert_eq!((statistics.sent, statistics.sent_bytes), (10, 240));
    assert_eq!((statistics.received, statistics.received_bytes), (5, 120));
    // They stay when the handles go, and their records are taken anew.
    drop((producer, consumer));
    let _others = (samples.build_consumer().unwrap(), samples.build_producer().unwrap());
    let statistics = region.region.channel_statistics(info.id).unwrap();
    assert_eq!((statistics.sent, statistics.sent_bytes), (10, 240));
    assert_eq!((statistics.received, statistics.received_bytes), (5, 120));
    // Recovery has nothing to do, and says so.
    let recovery = region.region.recover(dmxp::RecoverOptions::default()).unwrap();
    assert!(recovery.channels.is_empty(), "{recovery:?}");
}

#[test]
fn what_packed_slots_cannot_go_with_is_refused() {
    let region = TestRegion::new("packed-conflicts", 4 << 20);
    let samples = || samples(&region, 16, false);
    let refused = |builder: ChannelBuilder<Sample>, why: &str| {
        let error = builder.build_producer().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(samples().with_delivery(Delivery::Queue), "delivery");
    refused(samples().with_delivery(Delivery::Latest), "delivery");
    refused(samples().with_single_producer(false), "several producers");
    refused(samples().with_compact_slots(true), "choose one of the two");
    refused(samples().with_checksums(true), "checksums");
    refused(samples().with_timestamps(true), "timestamps");
    refused(samples().with_priorities(true), "priorities");
    let bytes = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("bytes")
        .with_packed_slots(true);
    assert!(
        bytes
            .build_producer()
            .unwrap_err()
            .to_string()
            .contains("need a payload capacity")
    );
    let producer = samples().build_producer().unwrap();
    let lossy = samples().with_subscription(Subscription::Lossy);
    assert!(lossy.build_consumer().is_err(), "none are admitted");
    let usual = Channel::<Sample>::builder()
        .with_region(&region.region)
        .with_name("samples");
    assert!(usual.clone().with_packed_slots(false).build_consumer().is_err());
    // Whoever says nothing of the slots takes what is there.
    let consumer = usual.build_consumer().unwrap();
    send(&producer, 0..1);
    assert_eq!(next(&consumer), Some(0));
    let other = Channel::<Sample>::builder()
        .with_region(&region.region)
        .with_name("queue");
    let consumer = other.build_consumer().unwrap();
    assert!(matches!(
        consumer.recv_slice(1, Wait::No),
        Err(Error::InvalidArgument { .. })
    ));
    let producer = other.build_producer().unwrap();
    assert!(matches!(
        producer.claim_slice(1, Wait::No),
        Err(Error::InvalidArgument { .. })
    ));
}

//! Latest channels: a reader gets the newest value, whole.

use dmxp::{Channel, ChannelBuilder, Delivery, Error, Wait};
use dmxp_tests::TestRegion;

#[dmxp::message]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pose {
    number: u64,
    rest: [u64; 40],
}

impl Pose {
    fn new(number: u64) -> Self {
        Self {
            number,
            rest: [number.wrapping_mul(0x9E37_79B9_7F4A_7C15); 40],
        }
    }
}

fn poses(region: &TestRegion, single: bool) -> ChannelBuilder<Pose> {
    Channel::<Pose>::builder()
        .with_region(&region.region)
        .with_name("pose")
        .with_delivery(Delivery::Latest)
        .with_single_producer(single)
}

#[test]
fn readers_get_the_newest_value_and_wait_for_a_newer_one() {
    for single in [true, false] {
        let region = TestRegion::new("latest-newest", 4 << 20);
        let poses = poses(&region, single);
        let producer = poses.build_producer().unwrap();
        let early = poses.build_consumer().unwrap();
        assert!(matches!(early.try_recv(), Err(Error::Empty)));
        assert!(matches!(early.newest(), Err(Error::Empty)));
        for number in 0..50 {
            producer.send(&Pose::new(number)).expect("nobody holds it back");
        }
        let late = poses.build_consumer().unwrap();
        for reader in [&early, &late] {
            assert_eq!(*reader.try_recv().unwrap(), Pose::new(49));
            assert!(matches!(reader.try_recv(), Err(Error::Empty)));
            assert_eq!(*reader.newest().unwrap(), Pose::new(49));
            assert!(matches!(reader.try_recv(), Err(Error::Empty)));
        }
        producer.send_batch(&[50, 51, 52].map(Pose::new), Wait::No).unwrap();
        let message = early.try_recv().unwrap();
        assert_eq!((*message, message.metadata().missed), (Pose::new(52), 2));
        drop(producer);
        drop(message);
        assert_eq!(
            *poses.build_consumer().unwrap().recv().unwrap(),
            Pose::new(52),
            "the value stays"
        );
        late.close().unwrap();
        assert_eq!(*late.recv().unwrap(), Pose::new(52));
        assert!(matches!(late.recv(), Err(Error::Closed)));
        assert_eq!(*late.newest().unwrap(), Pose::new(52));
    }
}

#[test]
fn values_are_never_torn_and_never_older_than_the_last_one() {
    for producers in [1, 2] {
        let region = TestRegion::new("latest-torn", 4 << 20);
        let poses = poses(&region, producers == 1).with_capacity(4);
        let readers: Vec<_> = (0..2).map(|_| poses.build_consumer().unwrap()).collect();
        let producers: Vec<_> = (0..producers).map(|_| poses.build_producer().unwrap()).collect();
        std::thread::scope(|scope| {
            for reader in readers {
                scope.spawn(move || {
                    let (mut seen, mut looks, mut id) = (0, 0_u64, 0);
                    while let Some(message) = reader.recv_or_end().unwrap() {
                        assert_eq!(*message, Pose::new(message.number));
                        let metadata = message.metadata();
                        assert!(metadata.message_id > id);
                        assert_eq!(
                            metadata.message_id - id,
                            if looks == 0 {
                                metadata.message_id
                            } else {
                                metadata.missed + 1
                            }
                        );
                        (seen, looks, id) = (message.number, looks + 1, metadata.message_id);
                    }
                    assert!(looks > 0 && seen > 0);
                });
            }
            let senders: Vec<_> = producers
                .into_iter()
                .map(|producer| {
                    scope.spawn(move || {
                        for number in 1..100_000 {
                            producer.send(&Pose::new(number)).unwrap();
                        }
                        producer
                    })
                })
                .collect();
            let producers: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
            producers[0].close().unwrap();
        });
    }
}

#[test]
fn the_newest_value_stays_while_newer_ones_are_being_written() {
    let region = TestRegion::new("latest-stays", 4 << 20);
    let shared = poses(&region, false).with_capacity(4);
    let (first, second) = (shared.build_producer().unwrap(), shared.build_producer().unwrap());
    let reader = shared.build_consumer().unwrap();
    first.send(&Pose::new(7)).unwrap();
    let batch = first.claim_batch(2, Wait::No).unwrap();
    let claim = second.try_claim().unwrap();
    assert!(matches!(first.try_claim(), Err(Error::WouldDeadlock)));
    assert_eq!(*reader.newest().unwrap(), Pose::new(7));
    drop(batch);
    assert!(matches!(first.try_claim(), Err(Error::Full)));
    assert_eq!(*reader.newest().unwrap(), Pose::new(7));
    drop(claim);
    for _ in 0..3 {
        drop(first.try_claim().expect("all before were given up"));
    }
    first.send(&Pose::new(8)).unwrap();
    assert_eq!(*reader.newest().unwrap(), Pose::new(8));
    for single in [true, false] {
        let region = TestRegion::new("latest-batch", 4 << 20);
        let producer = poses(&region, single).with_capacity(4).build_producer().unwrap();
        let batch = [0, 1, 2, 3].map(Pose::new);
        let error = producer.send_batch(&batch, Wait::No).unwrap_err();
        assert!(matches!(error, Error::BatchTooLarge { count: 4, limit: 3 }), "{error}");
        producer.send_batch(&batch[1..], Wait::No).unwrap();
    }
}

#[test]
fn copies_are_the_newest_values_whole_and_count_what_was_missed() {
    for (producers, checksums) in [(1, false), (2, false), (2, true)] {
        let region = TestRegion::new("latest-copies", 4 << 20);
        let poses = poses(&region, producers == 1)
            .with_capacity(4)
            .with_checksums(checksums);
        let reader = poses.build_consumer().unwrap();
        let producers: Vec<_> = (0..producers).map(|_| poses.build_producer().unwrap()).collect();
        let sent = producers.len() as u64 * 20_000;
        std::thread::scope(|scope| {
            let senders: Vec<_> = producers
                .into_iter()
                .map(|producer| {
                    scope.spawn(move || {
                        for number in 1..=20_000 {
                            producer.send(&Pose::new(number)).unwrap();
                        }
                        producer
                    })
                })
                .collect();
            let mut looks = 0;
            let first_seen = {
                let message = reader.recv().unwrap();
                looks += 1;
                message.metadata().message_id
            };
            while first_seen + reader.missed() + looks - 1 < sent {
                let pose = reader.recv_copy(Wait::Forever).unwrap();
                assert_eq!(pose, Pose::new(pose.number));
                looks += 1;
            }
            assert_eq!(
                first_seen + reader.missed() + looks - 1,
                sent,
                "each was seen, or missed"
            );
            assert!(matches!(reader.recv_copy(Wait::No), Err(Error::Empty)));
            drop(senders);
        });
    }
}

#[test]
fn a_copy_leaves_what_is_borrowed_and_counts_for_itself() {
    for single in [true, false] {
        let region = TestRegion::new("latest-borrowed", 4 << 20);
        let poses = poses(&region, single).with_capacity(4);
        let (producer, reader) = (poses.build_producer().unwrap(), poses.build_consumer().unwrap());
        let send = |number| {
            producer.send(&Pose::new(number)).expect("nobody holds it back");
        };
        send(1);
        let borrowed = reader.try_recv().unwrap();
        for number in 2..20 {
            send(number);
            assert_eq!(reader.recv_copy(Wait::No).unwrap(), Pose::new(number));
        }
        assert!(matches!(reader.recv_copy(Wait::No), Err(Error::Empty)));
        assert_eq!(*borrowed, Pose::new(1));
        drop(borrowed);
        // Two are missed before a copy, one before the message that comes next.
        for number in 20..23 {
            send(number);
        }
        assert_eq!(reader.recv_copy(Wait::No).unwrap(), Pose::new(22));
        assert_eq!(reader.missed(), 2);
        for number in 23..25 {
            send(number);
        }
        let message = reader.try_recv().unwrap();
        assert_eq!((*message, message.metadata().missed), (Pose::new(24), 1));
        assert_eq!(reader.missed(), 3);
        drop(message);
        // In place, and given up.
        drop(producer.try_claim().unwrap());
        assert!(matches!(reader.recv_copy(Wait::No), Err(Error::Empty)));
        let mut claim = producer.try_claim().unwrap();
        *claim = Pose::new(25);
        claim.publish().unwrap();
        reader.close().unwrap();
        assert_eq!(reader.recv_copy(Wait::Forever).unwrap(), Pose::new(25));
        assert!(matches!(reader.recv_copy(Wait::Forever), Err(Error::Closed)));
        assert!(matches!(producer.send(&Pose::new(26)), Err(Error::Closed)));
        assert!(matches!(reader.recv_copy(Wait::No), Err(Error::Closed)));
    }
}

#[test]
fn a_reader_that_holds_all_it_can_hold_is_told_so() {
    let region = TestRegion::new("latest-held", 4 << 20);
    let poses = poses(&region, false).with_capacity(4);
    let (producer, reader) = (poses.build_producer().unwrap(), poses.build_consumer().unwrap());
    let mut held = Vec::new();
    for number in 0..8 {
        producer.send(&Pose::new(number)).unwrap();
        held.push(reader.try_recv().unwrap());
    }
    assert!(matches!(reader.recv_copy(Wait::No), Err(Error::TooManyClaims { .. })));
    assert!(matches!(
        reader.recv_copy(Wait::Forever),
        Err(Error::TooManyClaims { .. })
    ));
    for (number, message) in held.iter().enumerate() {
        assert_eq!(**message, Pose::new(number as u64));
    }
}

#[dmxp::message]
#[repr(u8)]
enum Side {
    Buy = 1,
    Sell = 2,
}

#[dmxp::message]
struct Order {
    side: Side,
    rest: [u8; 7],
}

#[test]
fn a_value_that_is_not_valid_is_an_error_and_the_next_one_is_read() {
    let region = TestRegion::new("latest-invalid", 4 << 20);
    let orders = Channel::<Order>::builder()
        .with_region(&region.region)
        .with_name("orders")
        .with_delivery(Delivery::Latest);
    let (producer, reader) = (orders.build_producer().unwrap(), orders.build_consumer().unwrap());
    let raw = producer.as_raw();
    let mut claim = raw.claim(1, 1, Wait::No).unwrap();
    raw.payload_mut(&mut claim, 0)[..8].fill(9);
    raw.publish(claim, |_| 8).unwrap();
    assert!(matches!(
        reader.recv_copy(Wait::No),
        Err(Error::InvalidMessage { message_id: 1, .. })
    ));
    assert!(matches!(reader.recv_copy(Wait::No), Err(Error::Empty)));
    let order = Order {
        side: Side::Sell,
        rest: [0; 7],
    };
    producer.send(&order).unwrap();
    assert!(matches!(reader.recv_copy(Wait::No).unwrap().side, Side::Sell));
}

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

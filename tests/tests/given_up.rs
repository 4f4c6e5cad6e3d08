//! Claims that are given up are no messages, and take no room for ever, whether or not there is a consumer.

use dmxp::{ChannelBuilder, Error, Wait, WaitSet};
use dmxp_tests::{TestRegion, until};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(30);

fn small(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("small")
        .with_capacity(4)
}

#[test]
fn a_channel_full_of_claims_that_were_given_up_has_room() {
    let region = TestRegion::new("given-up", 4 << 20);
    let producer = small(&region).build_producer().expect("a producer");
    for _ in 0..20 {
        drop(producer.try_claim(8).expect("there is room"));
    }
    producer.send_timeout(b"waits", BOUND).expect("there is room");
    for message in ["does not wait", "nor this"] {
        producer.try_send(message).expect("there is room");
    }
    drop(producer.try_claim(8).expect("the last slot"));
    // One that was given up behind messages is no room yet.
    assert!(matches!(producer.try_send(b"too many"), Err(Error::Full)));
    let consumer = small(&region).build_consumer().expect("a consumer");
    for expected in ["waits", "does not wait", "nor this"] {
        assert_eq!(&*consumer.try_recv().expect("a message"), expected.as_bytes());
    }
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    let seen = region.region.channel_named("small").expect("it is there");
    assert_eq!((seen.aborted, seen.head, seen.tail), (21, seen.tail, seen.tail));
}

#[test]
fn batches_waits_and_sets_find_the_room_too() {
    let region = TestRegion::new("given-up-batch", 4 << 20);
    let producer = small(&region).build_producer().expect("a producer");
    let fill = || (0..4).for_each(|_| drop(producer.try_claim(8).expect("there is room")));
    fill();
    let mut set = WaitSet::new();
    set.add(&producer, 3).expect("a new token");
    assert_eq!(set.wait(Wait::For(BOUND)).expect("it is ready"), [3]);
    producer
        .send_batch(&["a", "b", "c"], Wait::For(BOUND))
        .expect("there is room");
    let consumer = small(&region).build_consumer().expect("a consumer");
    for _ in 0..3 {
        drop(consumer.try_recv().expect("a message"));
    }
    fill();
    producer
        .send_batch(&["a", "b", "c", "d"], Wait::No)
        .expect("there is room");
}

#[test]
fn what_a_dead_producer_gave_up_is_room_without_a_consumer() {
    let region = TestRegion::new("given-up-dead", 4 << 20);
    let producer = small(&region).build_producer().expect("a producer");
    for _ in 0..4 {
        let tail = || region.region.channel_named("small").expect("it is there").tail;
        let before = tail();
        let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "small", "hold-claim").spawn();
        until("the claim", || tail() > before);
        holder.kill();
    }
    producer.send_timeout(b"goes on", BOUND).expect("there is room");
}

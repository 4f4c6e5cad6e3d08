//! Claims that are given up are no messages, and take no room for ever, whether or not there is a consumer.

use dmxp::{ChannelBuilder, Delivery, Error, Obstacle, PeekOptions, RecoverOptions, Wait, WaitSet};
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

/// What several producers gave up: claims dropped, and claims of processes that were killed, each more often than there are slots.
#[test]
fn the_newest_value_of_a_latest_channel_stays_however_many_claims_are_given_up() {
    let region = TestRegion::new("given-up-latest", 4 << 20);
    let latest = small(&region).with_delivery(Delivery::Latest);
    let (producer, other) = (
        latest.build_producer().expect("one"),
        latest.build_producer().expect("two"),
    );
    let consumer = latest.build_consumer().expect("a consumer");
    let is_there = |expected: &str| {
        assert_eq!(&*consumer.newest().expect("it stays"), expected.as_bytes());
        let late = latest.build_consumer().expect("a late consumer");
        assert_eq!(&*late.try_recv().expect("a newcomer gets it"), expected.as_bytes());
        let peeked = region
            .region
            .peek_named("small", PeekOptions::new())
            .expect("it can be looked at");
        assert_eq!(
            peeked.messages.last().map(|message| &*message.bytes),
            Some(expected.as_bytes())
        );
    };
    producer.try_send("first").expect("there is room");
    drop(consumer.recv_timeout(BOUND).expect("the value"));
    for _ in 0..10 {
        drop(producer.try_claim(8).expect("there is room"));
        drop(other.try_claim(8).expect("there is room"));
        is_there("first");
    }
    // It was received: it is no news.
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    for _ in 0..6 {
        let tail = || region.region.channel_named("small").expect("it is there").tail;
        let before = tail();
        let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "small", "hold-claim").spawn();
        until("the claim", || tail() > before);
        holder.kill();
        is_there("first");
        region
            .region
            .recover(RecoverOptions::default())
            .expect("the dead are swept");
        is_there("first");
    }
    // Nor does anything hold producers up, and a batch has room for the capacity less one.
    other
        .send_batch(&["a", "b", "second"], Wait::For(BOUND))
        .expect("there is room");
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("news"), b"second");
    is_there("second");
}

/// A reliable subscriber that does not look has not stepped over them: it is named to producers that wait.
#[test]
fn what_was_given_up_before_an_idle_subscriber_is_named() {
    let region = TestRegion::new("given-up-idle", 4 << 20);
    let broadcast = small(&region).with_delivery(Delivery::Broadcast);
    let producer = broadcast.build_producer().expect("a producer");
    let subscriber = broadcast.build_consumer().expect("a subscriber");
    for _ in 0..4 {
        drop(producer.try_claim(8).expect("there is room"));
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || producer.send_timeout(b"at last", BOUND));
        let named = || {
            let blockages = region.region.blockages().expect("it can be looked at");
            blockages.iter().any(|blockage| {
                let holder = blockage.holder.as_ref().map(|holder| holder.pid);
                blockage.obstacle == Obstacle::Subscriber && holder == Some(std::process::id())
            })
        };
        until("the subscriber is named", named);
        assert_eq!(&*subscriber.recv_timeout(BOUND).expect("it steps over"), b"at last");
        waiting.join().expect("it ends").expect("there is room");
    });
}

//! A message that cannot be read costs nobody else theirs: a call that fails is no delivery.

use dmxp::{Channel, ChannelBuilder, ChannelInfo, Consumer, Error, MessageState, PeekOptions, Wait, raw};
use dmxp_tests::{TestRegion, until};
use std::time::Duration;

/// One byte of the two values that a bool has; any other cannot be read.
#[dmxp::message]
struct Switch {
    on: bool,
}

fn switches(region: &TestRegion) -> ChannelBuilder<Switch> {
    Channel::<Switch>::builder()
        .with_region(&region.region)
        .with_name("switches")
        .with_capacity(8)
        .with_redelivery_limit(0)
}

fn send(producer: &raw::Producer, bytes: &[u8]) {
    for &byte in bytes {
        let mut claim = producer.claim(1, 1, Wait::No).expect("room");
        producer.payload_mut(&mut claim, 0)[0] = byte;
        producer.publish(claim, |_| 1).expect("it is sent");
    }
}

fn info(region: &TestRegion) -> ChannelInfo {
    region.region.channel_named("switches").expect("it is there")
}

fn refused(error: Option<Error>) -> u64 {
    match error {
        Some(Error::InvalidMessage { message_id, .. }) => message_id,
        other => panic!("{other:?}"),
    }
}

/// What is left, one at a time: how often each was delivered before, and its value.
fn rest(consumer: &Consumer<Switch>) -> Vec<(u32, bool)> {
    let mut values = Vec::new();
    loop {
        match consumer.try_recv() {
            Ok(message) => values.push((u32::from(message.metadata().redelivered), message.on)),
            Err(Error::Empty) => return values,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_batch_with_an_invalid_message_costs_its_neighbours_nothing() {
    let region = TestRegion::new("refused-batch", 4 << 20);
    let switches = switches(&region);
    let (producer, consumer) = (
        switches.build_raw_producer().expect("a producer"),
        switches.build_consumer().expect("a consumer"),
    );
    send(&producer, &[1, 0, 7, 0, 1]);
    assert_eq!(refused(consumer.recv_up_to(5, Wait::No).err()), 3);
    assert_eq!(rest(&consumer), [(0, true), (0, false), (0, false), (0, true)]);
    let seen = info(&region);
    assert_eq!((seen.dropped, seen.redelivered, seen.head, seen.tail), (1, 0, 5, 5));
    // All slots are free again.
    send(&producer, &[1; 8]);
}

#[test]
fn an_invalid_message_is_set_aside_in_whatever_way_it_is_received() {
    type Way = fn(&Consumer<Switch>) -> Option<Error>;
    let ways: [Way; 4] = [
        |consumer| consumer.try_recv().err(),
        |consumer| consumer.recv_copy(Wait::No).err(),
        |consumer| consumer.recv_up_to(1, Wait::No).err(),
        |consumer| consumer.recv_batch(2, Wait::No).err(),
    ];
    for way in ways {
        let region = TestRegion::new("refused-ways", 4 << 20);
        let switches = switches(&region).with_dead_letters("letters");
        let (producer, consumer) = (
            switches.build_raw_producer().expect("a producer"),
            switches.build_consumer().expect("a consumer"),
        );
        send(&producer, &[9, 1]);
        assert_eq!(refused(way(&consumer)), 1);
        assert_eq!(rest(&consumer), [(0, true)]);
        let seen = info(&region);
        assert_eq!((seen.dead_lettered, seen.dropped), (1, 0));
        // As it was.
        let letters = ChannelBuilder::new()
            .with_region(&region.region)
            .with_name("letters")
            .build_raw_consumer()
            .expect("a consumer");
        let letter = letters.claim(1, 1, Wait::No).expect("the letter");
        assert_eq!(letters.payload(&letter, 0).expect("bytes"), [9]);
        let metadata = letters.metadata(&letter, 0);
        assert!(metadata.is_dead_letter());
        assert_eq!((metadata.message_id, metadata.redelivered), (1, 0));
        letters.release(letter);
    }
}

#[test]
fn what_was_put_back_counts_deaths_and_returns_from_there() {
    let region = TestRegion::new("refused-counts", 4 << 20);
    let switches = switches(&region).with_redelivery_limit(2);
    let (producer, consumer) = (
        switches.build_raw_producer().expect("a producer"),
        switches.build_raw_consumer().expect("a consumer"),
    );
    send(&producer, &[1]);
    let claim = || consumer.claim(1, 1, Wait::No);
    for times in [0, 1, 2] {
        for _ in 0..20 {
            let held = claim().expect("the message");
            assert_eq!(u32::from(consumer.metadata(&held, 0).redelivered), times);
            consumer.put_back(held, None);
        }
        consumer.give_back(claim().expect("the message"));
    }
    assert!(matches!(claim(), Err(Error::Empty)));
    assert_eq!(info(&region).dropped, 1);
    send(&producer, &[1; 8]);
}

#[test]
fn a_death_with_what_was_put_back_returns_it_once() {
    let region = TestRegion::new("refused-dies", 4 << 20);
    let switches = switches(&region).with_redelivery_limit(1);
    let (producer, consumer) = (
        switches.build_raw_producer().expect("a producer"),
        switches.build_consumer().expect("a consumer"),
    );
    send(&producer, &[1, 7]);
    assert_eq!(refused(consumer.recv_up_to(2, Wait::No).err()), 2);
    let peeked = || {
        let peek = region
            .region
            .peek_named("switches", PeekOptions::new())
            .expect("the channel");
        peek.messages[0].state
    };
    assert_eq!(peeked(), MessageState::Returned);
    let mut holder = region
        .peer(env!("CARGO_BIN_EXE_peer"), "switches", "hold-message")
        .spawn();
    until("the claim", || peeked() == MessageState::Claimed);
    holder.kill();
    let message = consumer.recv_timeout(Duration::from_secs(30)).expect("it comes again");
    assert_eq!((message.metadata().redelivered, message.on), (1, true));
}

#[test]
fn dead_letters_can_be_read_on_a_channel_with_checksums() {
    let region = TestRegion::new("refused-checksums", 4 << 20);
    let letters = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("letters")
        .with_checksums(true);
    let letters = letters.build_consumer().expect("a consumer");
    let jobs = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("jobs")
        .with_redelivery_limit(0)
        .with_dead_letters("letters");
    let (producer, consumer) = (
        jobs.build_producer().expect("a producer"),
        jobs.build_consumer().expect("a consumer"),
    );
    producer.send(b"poison").expect("room");
    consumer.try_recv().expect("a message").give_back();
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    let letter = letters.try_recv().expect("the letter");
    assert_eq!((&*letter, letter.metadata().is_dead_letter()), (&b"poison"[..], true));
}

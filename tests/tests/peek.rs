//! Messages are looked at without being consumed: whole, with what a consumer would learn of them, and whatever the others do.

use dmxp::MessageState::{Claimed, Expired, Returned, Waiting};
use dmxp::raw::Wait;
use dmxp::{
    Channel, ChannelBuilder, Delivery, DmxpMessage, Error, MessageState, Peek, PeekFrom, PeekOptions, Peeked, Region,
    RegionOptions,
};
use dmxp_tests::{Draws, Numbered, TestRegion};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

fn bytes(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new().with_region(&region.region).with_name("seen")
}

/// As somebody sees the region who may only look.
fn looking(region: &TestRegion) -> Region {
    let options = RegionOptions::new().name(&region.name);
    options.open_read_only().expect("the region")
}

fn seen(region: &Region, options: PeekOptions) -> Peek {
    region.peek_named("seen", options).expect("the channel")
}

/// Position, state and payload of each message.
fn parts<'a>(peek: &'a Peek) -> Vec<(u64, MessageState, &'a str)> {
    let part = |message: &'a Peeked| {
        let text = std::str::from_utf8(&message.bytes).expect("text");
        (message.position, message.state, text)
    };
    peek.messages.iter().map(part).collect()
}

#[test]
fn what_is_looked_at_stays_and_is_what_the_consumer_gets() {
    let region = TestRegion::new("peek", 2 << 20);
    for compact in [false, true] {
        let name = if compact { "compact" } else { "usual" };
        let channel = Channel::<Numbered>::builder()
            .with_region(&region.region)
            .with_name(name)
            .with_capacity(4)
            .with_compact_slots(compact);
        let (producer, consumer) = (
            channel.build_producer().expect("one"),
            channel.build_consumer().expect("one"),
        );
        for region in [&region.region, &looking(&region)] {
            // Over the end of the ring, too.
            for number in 0..6 {
                producer.send(&Numbered::new(7, number)).expect("room");
                producer.send(&Numbered::new(8, number)).expect("room");
                let first = region.peek_named(name, PeekOptions::new()).expect("the channel");
                let again = region
                    .peek(producer.channel_id(), PeekOptions::new())
                    .expect("the channel");
                assert_eq!(first.messages, again.messages);
                assert_eq!(first.schema.as_ref(), Some(&Numbered::schema()));
                assert_eq!(
                    (first.channel, first.name.as_deref()),
                    (producer.channel_id(), Some(name))
                );
                assert_eq!((first.delivery, first.overwritten), (Delivery::Queue, 0));
                assert_eq!(first.messages.len(), 2);
                for (peeked, sender) in first.messages.iter().zip([7, 8]) {
                    let message = consumer.try_recv().expect("it is still there");
                    assert_eq!(*message, Numbered::new(sender, number));
                    assert_eq!(peeked.bytes, dmxp::message::bytes_of(&*message));
                    assert_eq!(peeked.metadata, message.metadata());
                    assert_eq!(peeked.position, message.metadata().message_id - 1);
                    assert_eq!((peeked.state, peeked.urgent, peeked.intact), (Waiting, false, true));
                }
                let empty = region.peek_named(name, PeekOptions::new()).expect("the channel");
                assert!(empty.messages.is_empty());
                assert_eq!(empty.next, first.next);
            }
        }
    }
}

#[test]
fn what_became_of_a_message_is_said() {
    let region = TestRegion::new("peek-states", 2 << 20);
    let channel = bytes(&region).with_capacity(8);
    let (producer, consumer) = (
        channel.build_producer().expect("one"),
        channel.build_consumer().expect("one"),
    );
    let looking = looking(&region);
    let all = || seen(&looking, PeekOptions::new());
    for text in ["one", "two", "three"] {
        producer.send(text).expect("room");
    }
    let first = consumer.try_recv().expect("a message");
    assert_eq!(
        parts(&all()),
        [(0, Claimed, "one"), (1, Waiting, "two"), (2, Waiting, "three")]
    );
    assert_eq!(all().messages[0].metadata.redelivered, 0);
    let second = consumer.try_recv().expect("a message");
    drop(first);
    assert_eq!(parts(&all()), [(1, Claimed, "two"), (2, Waiting, "three")]);
    second.give_back();
    assert_eq!(parts(&all()), [(1, Returned, "two"), (2, Waiting, "three")]);
    for returns in 1..4 {
        assert_eq!(all().messages[0].metadata.redelivered, returns);
        let again = consumer.try_recv().expect("a message");
        assert_eq!((&*again, again.metadata().redelivered), (&b"two"[..], returns));
        assert_eq!(parts(&all())[0], (1, Claimed, "two"));
        assert_eq!(all().messages[0].metadata, again.metadata());
        again.give_back();
    }
    // A claim that is given up leaves nothing, and one that is not published hides nothing behind it.
    drop(producer.try_claim(3).expect("room"));
    let open = producer.try_claim(4).expect("room");
    producer.send("late").expect("room");
    assert_eq!(
        parts(&all()),
        [(1, Returned, "two"), (2, Waiting, "three"), (5, Waiting, "late")]
    );
    assert_eq!(all().next, 4, "it goes on with what is not published yet");
    open.publish().expect("it is published");
    assert_eq!(parts(&all())[2..], [(4, Waiting, "\0\0\0\0"), (5, Waiting, "late")]);
    assert_eq!(all().next, 6);
}

#[test]
fn a_message_that_expired_is_said_to_have() {
    let region = TestRegion::new("peek-expiry", 2 << 20);
    let channel = bytes(&region).with_capacity(8).with_expiry(Duration::from_millis(200));
    let (producer, consumer) = (
        channel.build_producer().expect("one"),
        channel.build_consumer().expect("one"),
    );
    let looking = looking(&region);
    producer.send("held").expect("room");
    producer.send("returned").expect("room");
    producer.send("old").expect("room");
    let held = consumer.try_recv().expect("a message");
    consumer.try_recv().expect("a message").give_back();
    std::thread::sleep(Duration::from_millis(250));
    producer.send("new").expect("room");
    let peek = seen(&looking, PeekOptions::new());
    // What a consumer has, it keeps.
    let expected = [
        (0, Claimed, "held"),
        (1, Expired, "returned"),
        (2, Expired, "old"),
        (3, Waiting, "new"),
    ];
    assert_eq!(parts(&peek), expected);
    drop(held);
    assert_eq!(consumer.receive().expect("a message"), Some(b"new".to_vec()));
}

#[test]
fn a_call_looks_at_as_many_as_it_was_told_and_the_next_goes_on() {
    let region = TestRegion::new("peek-pages", 2 << 20);
    let channel = bytes(&region).with_capacity(16);
    let (producer, consumer) = (
        channel.build_producer().expect("one"),
        channel.build_consumer().expect("one"),
    );
    let looking = looking(&region);
    let text = |number: u64| format!("message {number}");
    for number in 0..20 {
        producer.send(text(number)).expect("room");
        if number >= 10 {
            drop(consumer.try_recv().expect("a message"));
        }
    }
    let positions = |peek: &Peek| peek.messages.iter().map(|message| message.position).collect::<Vec<_>>();
    let page = |from, limit| seen(&looking, PeekOptions::new().from(from).limit(limit));
    assert_eq!(positions(&page(PeekFrom::Oldest, 3)), [10, 11, 12]);
    assert_eq!(positions(&page(PeekFrom::Newest, 3)), [17, 18, 19]);
    assert_eq!(page(PeekFrom::Newest, 3).next, 20);
    assert_eq!(positions(&page(PeekFrom::Newest, 100)), (10..20).collect::<Vec<_>>());
    assert_eq!(positions(&page(PeekFrom::Position(15), 2)), [15, 16]);
    assert!(positions(&page(PeekFrom::Oldest, 0)).is_empty());
    let mut from = PeekFrom::Oldest;
    let mut found = Vec::new();
    loop {
        let peek = page(from, 3);
        if peek.messages.is_empty() {
            break;
        }
        for message in &peek.messages {
            assert_eq!(message.bytes, text(message.position).into_bytes());
        }
        found.extend(positions(&peek));
        from = PeekFrom::Position(peek.next);
    }
    assert_eq!(found, (10..20).collect::<Vec<_>>());
    // Nothing there yet: the same place, until there is.
    assert_eq!(page(PeekFrom::Position(20), 3).next, 20);
    assert_eq!(page(PeekFrom::Position(u64::MAX), 3).next, u64::MAX);
    producer.send(text(20)).expect("room");
    assert_eq!(positions(&page(PeekFrom::Position(20), 3)), [20]);
}

#[test]
fn urgent_messages_come_first() {
    let region = TestRegion::new("peek-priorities", 4 << 20);
    let channel = bytes(&region).with_capacity(8).with_priorities(true);
    let (producer, consumer) = (
        channel.build_producer().expect("one"),
        channel.build_consumer().expect("one"),
    );
    let looking = looking(&region);
    producer.send("buy").expect("room");
    producer.high().expect("a ring").send("cancel").expect("room");
    producer.send("sell").expect("room");
    let peek = seen(&looking, PeekOptions::new());
    assert_eq!(
        parts(&peek),
        [(0, Waiting, "cancel"), (0, Waiting, "buy"), (1, Waiting, "sell")]
    );
    let urgent = |peek: &Peek| peek.messages.iter().map(|message| message.urgent).collect::<Vec<_>>();
    assert_eq!(urgent(&peek), [true, false, false]);
    assert_eq!(peek.next, 2);
    assert!(peek.messages[0].metadata.is_high_priority() && !peek.messages[1].metadata.is_high_priority());
    let newest = seen(&looking, PeekOptions::new().from(PeekFrom::Newest).limit(2));
    assert_eq!(parts(&newest), [(0, Waiting, "cancel"), (1, Waiting, "sell")]);
    let rest = seen(&looking, PeekOptions::new().from(PeekFrom::Position(1)));
    assert_eq!(parts(&rest), [(1, Waiting, "sell")]);
    let high = looking
        .channel_named("seen")
        .expect("the channel")
        .high
        .expect("a ring");
    let alone = looking
        .peek(high.id, PeekOptions::new().from(PeekFrom::Position(0)))
        .expect("the ring");
    assert_eq!(
        (parts(&alone), urgent(&alone), alone.next),
        (vec![(0, Waiting, "cancel")], vec![true], 1)
    );
    let order: Vec<_> = core::iter::from_fn(|| consumer.receive().expect("no error")).collect();
    assert_eq!(order, [&b"cancel"[..], b"buy", b"sell"]);
}

#[test]
fn what_subscribers_have_read_is_there_until_it_is_overwritten() {
    for (delivery, single) in [
        (Delivery::Broadcast, false),
        (Delivery::Broadcast, true),
        (Delivery::Latest, false),
        (Delivery::Latest, true),
    ] {
        let region = TestRegion::new("peek-broadcast", 2 << 20);
        let channel = bytes(&region)
            .with_capacity(4)
            .with_delivery(delivery)
            .with_single_producer(single);
        let (producer, consumer) = (
            channel.build_producer().expect("one"),
            channel.build_consumer().expect("one"),
        );
        let looking = looking(&region);
        assert!(seen(&looking, PeekOptions::new()).messages.is_empty());
        for number in 0..11_u64 {
            producer.send(number.to_le_bytes()).expect("room");
            drop(consumer.try_recv().expect("a message"));
            let lowest = (number + 1).saturating_sub(4);
            let peek = seen(&looking, PeekOptions::new());
            let found: Vec<_> = peek.messages.iter().map(|message| message.position).collect();
            assert_eq!(found, (lowest..=number).collect::<Vec<_>>());
            for message in &peek.messages {
                assert_eq!(message.bytes, message.position.to_le_bytes());
                assert_eq!(
                    (message.state, message.metadata.message_id),
                    (Waiting, message.position + 1)
                );
            }
            assert_eq!((peek.delivery, peek.next), (delivery, number + 1));
            let newest = seen(&looking, PeekOptions::new().from(PeekFrom::Newest).limit(1));
            assert_eq!(newest.messages, peek.messages[found.len() - 1..]);
        }
        // What is far gone is passed over.
        let late = seen(&looking, PeekOptions::new().from(PeekFrom::Position(2)));
        assert_eq!(late.messages.first().map(|message| message.position), Some(7));
    }
}

#[test]
fn a_removed_channel_is_not_there() {
    let region = TestRegion::new("peek-removed", 2 << 20);
    let channel = bytes(&region).with_channel_id(3).with_capacity(4);
    let producer = channel.build_producer().expect("one");
    producer.send("left").expect("room");
    let looking = looking(&region);
    for id in [4, 255, 256, u32::MAX] {
        let refused = looking.peek(id, PeekOptions::new());
        assert!(matches!(refused, Err(Error::ChannelNotFound { .. })), "{id}");
    }
    let refused = looking.peek_named("unseen", PeekOptions::new());
    assert!(refused.is_err_and(|error| error.to_string().contains("`unseen`")));
    // The handles that are open drain it.
    region.region.remove_channel(3, true).expect("it is removed");
    assert!(matches!(
        looking.peek_named("seen", PeekOptions::new()),
        Err(Error::ChannelNotFound { .. })
    ));
    let peek = looking
        .peek(3, PeekOptions::new())
        .expect("it is still there by its id");
    assert_eq!(parts(&peek), [(0, Waiting, "left")]);
    drop(producer);
    // A newcomer has the room, and nothing of the old one.
    let other = bytes(&region).with_name("other").with_channel_id(3).with_capacity(4);
    let _producer = other.build_producer().expect("one");
    let peek = looking.peek(3, PeekOptions::new()).expect("the other");
    assert_eq!((peek.name.as_deref(), peek.messages.len()), (Some("other"), 0));
}

/// Offsets of docs/MEMORY_LAYOUT.md, of channel 0.
const ENTRY: u64 = 128;
const RECORDS: u64 = 1_024;

fn number(file: &File, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, offset).expect("the region's file");
    u64::from_le_bytes(bytes)
}

fn file(region: &TestRegion) -> File {
    let path = region.region.path();
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("the region's file")
}

/// Where the slots of channel 0 lie.
fn ring(file: &File) -> u64 {
    number(file, number(file, 56) + RECORDS + 40)
}

#[test]
fn bytes_that_no_consumer_would_accept_are_shown_as_such() {
    let region = TestRegion::new("peek-damaged", 2 << 20);
    let channel = bytes(&region).with_channel_id(0).with_capacity(4).with_checksums(true);
    let (producer, consumer) = (
        channel.build_producer().expect("one"),
        channel.build_consumer().expect("one"),
    );
    let looking = looking(&region);
    for text in ["first", "second", "third"] {
        producer.send(text).expect("room");
    }
    let file = file(&region);
    let slot = |position: u64| ring(&file) + position * 1_088;
    let intact = || {
        let peek = seen(&looking, PeekOptions::new());
        peek.messages.iter().map(|message| message.intact).collect::<Vec<_>>()
    };
    assert_eq!(intact(), [true, true, true]);
    file.write_all_at(b"S", slot(1) + 64).expect("a change");
    assert_eq!(intact(), [true, false, true]);
    // A length of more than a slot holds.
    file.write_all_at(&961_u32.to_le_bytes(), slot(2) + 40)
        .expect("a change");
    assert_eq!(intact(), [true, false, false]);
    let peek = seen(&looking, PeekOptions::new());
    assert_eq!(
        (peek.messages[2].bytes.len(), peek.messages[2].metadata.payload_len),
        (960, 961)
    );
    assert_eq!(consumer.receive().expect("a message"), Some(b"first".to_vec()));
    assert!(matches!(consumer.receive(), Err(Error::ChecksumMismatch { .. })));
    assert!(matches!(consumer.receive(), Err(Error::InvalidMessage { .. })));
    // Fewer bytes than the type has.
    let typed = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("typed");
    let producer = typed.build_producer().expect("one");
    producer.send(&Numbered::new(1, 1)).expect("room");
    let control = number(&file, 56);
    let slot = number(&file, control + RECORDS + u64::from(producer.channel_id()) * 512 + 40);
    file.write_all_at(&63_u32.to_le_bytes(), slot + 40).expect("a change");
    let peek = looking.peek_named("typed", PeekOptions::new()).expect("the channel");
    assert_eq!((peek.messages[0].bytes.len(), peek.messages[0].intact), (63, false));
}

/// A word that may be near what is expected, or anything.
fn forged(draws: &mut Draws, was: u64) -> u64 {
    let kind = |kind: u64| 1 << 63 | kind << 60;
    match draws.below(8) {
        0 => draws.word(),
        1 => u64::MAX - draws.below(20) as u64,
        2 => was.wrapping_add(draws.below(40) as u64).wrapping_sub(20),
        3 => draws.below(40) as u64,
        4 => kind(1) | draws.below(40) as u64,
        5 => kind(2) | (draws.below(16) as u64) << 56 | draws.below(40) as u64,
        6 => kind(3) | (draws.word() & ((1 << 18) - 1)) << 42 | draws.below(40) as u64,
        _ => was ^ 1 << draws.below(64),
    }
}

#[test]
fn words_that_lie_end_no_call_badly() {
    for draw in 0..400 {
        let delivery = [Delivery::Queue, Delivery::Broadcast, Delivery::Latest][draw as usize % 3];
        let region = TestRegion::new("peek-hostile", 2 << 20);
        let mut channel = bytes(&region)
            .with_channel_id(0)
            .with_capacity(8)
            .with_payload_capacity(64)
            .with_delivery(delivery);
        if delivery != Delivery::Queue {
            channel = channel.with_single_producer(draw % 2 == 0);
        } else if draw % 2 == 0 {
            channel = channel.with_expiry(Duration::from_millis(1)).with_priorities(true);
        }
        let producer = channel.build_producer().expect("one");
        let _consumer = channel.build_consumer().expect("one");
        for _ in 0..draw % 9 {
            let _ = producer.try_send([7; 20]);
        }
        let file = file(&region);
        let ring = ring(&file);
        let mut words = vec![ENTRY + 128, ENTRY + 256, ENTRY + 264];
        for slot in 0..8 {
            let slot = ring + slot * 128;
            words.extend([slot, slot, slot, slot + 8, slot + 40, slot + 48, slot + 64]);
        }
        let mut draws = Draws::new(draw, 0);
        let looking = looking(&region);
        for _ in 0..60 {
            let word = words[draws.below(words.len())];
            let value = forged(&mut draws, number(&file, word));
            file.write_all_at(&value.to_le_bytes(), word).expect("a change");
            let from = [PeekFrom::Oldest, PeekFrom::Newest, PeekFrom::Position(draws.word())][draws.below(3)];
            let options = PeekOptions::new().from(from).limit(draws.below(20));
            let started = Instant::now();
            for region in [&looking, &region.region] {
                if let Ok(peek) = region.peek(0, options) {
                    assert!(peek.messages.iter().all(|message| message.bytes.len() <= 64));
                }
            }
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{draw}: {:?}",
                started.elapsed()
            );
        }
    }
}

#[test]
fn a_call_ends_however_many_slots_there_are() {
    let region = TestRegion::new("peek-large", 64 << 20);
    let channel = bytes(&region)
        .with_channel_id(0)
        .with_capacity(1 << 18)
        .with_payload_capacity(64);
    let (producer, consumer) = (
        channel.build_producer().expect("one"),
        channel.build_consumer().expect("one"),
    );
    let looking = looking(&region);
    // A returned message, and so many after it that one call does not come to the last of them.
    let count = 200_000_u64;
    for number in 0..count {
        producer.send(number.to_le_bytes()).expect("room");
    }
    consumer.try_recv().expect("a message").give_back();
    let mut from = PeekFrom::Oldest;
    let mut found = 0_u64;
    for _ in 0..10 {
        let peek = seen(&looking, PeekOptions::new().from(from).limit(usize::MAX));
        assert!(peek.messages.len() <= 131_072);
        for message in &peek.messages {
            assert_eq!(message.bytes, found.to_le_bytes());
            found += 1;
        }
        from = PeekFrom::Position(peek.next);
    }
    assert_eq!(found, count);
    // Taken off, all but the last: it is found at once, though what lies before it is looked at too.
    for _ in 0..count - 1 {
        drop(consumer.try_recv().expect("a message"));
    }
    let peek = seen(&looking, PeekOptions::new());
    assert_eq!((peek.messages.len(), peek.messages[0].position), (1, count - 1));
    // A tail and a head from nowhere.
    let file = file(&region);
    for (tail, head) in [(u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (1 << 63, 1 << 62)] {
        file.write_all_at(&tail.to_le_bytes(), ENTRY + 128).expect("a change");
        file.write_all_at(&head.to_le_bytes(), ENTRY + 256).expect("a change");
        for from in [PeekFrom::Oldest, PeekFrom::Newest, PeekFrom::Position(0)] {
            let started = Instant::now();
            seen(&looking, PeekOptions::new().from(from));
            assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        }
    }
}

/// One sends, one receives, as fast as they can, and a third process looks, which may not write: what it sees is whole and at its place,
/// and the consumer gets everything once.
fn beside_full_speed(capacity: u64, delivery: Delivery, single: bool) {
    const COUNT: u64 = 400_000;
    let region = TestRegion::new("peek-speed", 4 << 20);
    let channel = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("seen")
        .with_capacity(capacity)
        .with_delivery(delivery);
    let channel = match delivery {
        Delivery::Queue => channel,
        _ => channel.with_single_producer(single),
    };
    // It keeps the channel open, and closes it in the end.
    let consumer = channel.build_consumer().expect("one");
    let program = env!("CARGO_BIN_EXE_peer");
    let receiver = region.peer(program, "seen", "receive").arg(16).spawn();
    dmxp_tests::until("the receiver is there", || {
        region
            .region
            .channel_named("seen")
            .is_ok_and(|channel| channel.consumers.len() == 2)
    });
    if delivery != Delivery::Queue {
        // Nobody but the receiver holds the producer back.
        drop(consumer);
    }
    let looker = dmxp_tests::PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
        .arg("peek")
        .arg(&region.name)
        .spawn();
    let sender = || region.peer(program, "seen", "send").arg(1).arg(COUNT).arg(3).spawn();
    assert_eq!(sender().output(), "");
    let closing = channel.open_only().build_consumer().expect("one");
    closing.close().expect("closed");
    let received = receiver.output();
    let sum: u64 = (0..COUNT).sum();
    let squares: u64 = (0..COUNT).fold(0, |sum: u64, number| sum.wrapping_add(number * number));
    assert_eq!(received.trim(), format!("1 {COUNT} {sum} {squares}"));
    let said = looker.output();
    let numbers: Vec<u64> = said
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    println!("{capacity} {delivery}: {said}");
    assert!(numbers[0] >= 100_000 && numbers[1] > 0, "{said}");
}

#[test]
fn a_queue_is_looked_at_beside_full_speed() {
    beside_full_speed(4, Delivery::Queue, false);
    beside_full_speed(64, Delivery::Queue, false);
}

#[test]
fn a_broadcast_channel_is_looked_at_beside_full_speed() {
    beside_full_speed(4, Delivery::Broadcast, false);
    beside_full_speed(16, Delivery::Broadcast, true);
}

#[test]
fn a_consumer_without_the_type_receives_and_learns_it() {
    let region = TestRegion::new("peek-untyped", 8 << 20);
    let typed = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("seen");
    for delivery in [Delivery::Queue, Delivery::Broadcast] {
        let typed = typed.clone().with_name(delivery.to_string()).with_delivery(delivery);
        let untyped = ChannelBuilder::new()
            .with_region(&region.region)
            .with_name(delivery.to_string())
            .open_only();
        let producer = typed.build_producer().expect("one");
        let consumer = untyped.build_consumer().expect("one that takes what comes");
        assert_eq!(consumer.as_raw().schema().expect("a schema"), Some(Numbered::schema()));
        assert_eq!(consumer.as_raw().message_size(), Some(64));
        producer.send(&Numbered::new(3, 9)).expect("room");
        producer.send(&Numbered::new(3, 10)).expect("room");
        let message = consumer.try_recv().expect("a message");
        assert_eq!(&*message, dmxp::message::bytes_of(&Numbered::new(3, 9)));
        drop(message);
        // What it sends need not be of the type.
        let refused = untyped
            .build_producer()
            .expect_err("a producer without the type")
            .to_string();
        assert!(refused.contains("untyped bytes was asked for"), "{refused}");
        let next = consumer.as_raw().claim(1, 1, Wait::No).expect("a message");
        assert_eq!(consumer.as_raw().payload(&next, 0).expect("bytes").len(), 64);
        consumer.as_raw().release(next);
    }
    // The first that opens the channel makes it, as one of bytes, to which messages of a type cannot be sent.
    let first = ChannelBuilder::new().with_region(&region.region).with_name("bytes");
    let _consumer = first.build_consumer().expect("one");
    let refused = typed
        .clone()
        .with_name("bytes")
        .build_producer()
        .expect_err("another channel");
    assert!(matches!(refused, Error::ChannelMismatch { .. }), "{refused}");
}

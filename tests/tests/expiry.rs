//! Messages that are too old are skipped and counted, by a clock that cannot be set, and nothing else is lost with them.

use dmxp::{Channel, ChannelBuilder, ChannelInfo, Error, RegionOptions, Wait};
use dmxp_tests::{Numbered, Peer, TestRegion, until, within};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

/// What a blocked peer may wait after another's death, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);
/// Nothing here lives that long; what is to be old is made so in the slot.
const EXPIRY: Duration = Duration::from_secs(600);

/// As docs/MEMORY_LAYOUT.md has them.
const FIRST_RING: u64 = 98_432;
const SLOT: u64 = 1_088;
const TIMESTAMP: u64 = 16;
const PUBLISHED: u64 = 48;

/// The first channel of the region, so that its ring is the first.
fn quotes(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("quotes")
        .with_capacity(8)
}

fn expiring(region: &TestRegion) -> ChannelBuilder {
    quotes(region).with_expiry(EXPIRY)
}

fn info(region: &TestRegion) -> ChannelInfo {
    region.region.channel_named("quotes").expect("it is there")
}

/// A word of the slot that a position falls on, changed without the library's knowledge.
fn change(region: &TestRegion, position: u64, offset: u64, to: impl Fn(u64) -> u64) -> u64 {
    change_in(region, 0, position, offset, to)
}

/// The same in the ring with that number, of those with eight slots each.
fn change_in(region: &TestRegion, ring: u64, position: u64, offset: u64, to: impl Fn(u64) -> u64) -> u64 {
    let file = RegionOptions::new().name(&region.name).path().expect("a path");
    let file = File::options().read(true).write(true).open(file).expect("the region");
    let place = FIRST_RING + (ring * 8 + position % 8) * SLOT + offset;
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, place).expect("the slot");
    let word = to(u64::from_le_bytes(bytes));
    file.write_all_at(&word.to_le_bytes(), place).expect("the slot");
    word
}

/// Makes a message as old as it must be.
fn let_expire(region: &TestRegion, position: u64) {
    change(region, position, PUBLISHED, long_ago);
}

fn long_ago(published: u64) -> u64 {
    published.saturating_sub(EXPIRY.as_nanos() as u64 + 1)
}

fn peer(region: &TestRegion, command: &str) -> Peer {
    region.peer(env!("CARGO_BIN_EXE_peer"), "quotes", command).spawn()
}

#[test]
fn what_is_older_than_the_channel_allows_is_skipped_and_counted() {
    let region = TestRegion::new("expiry-age", 4 << 20);
    let builder = quotes(&region).with_expiry(Duration::from_millis(200));
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send("fresh").expect("room");
    assert_eq!(&*consumer.try_recv().expect("it is young"), b"fresh");
    producer.send("one").expect("room");
    producer.send("two").expect("room");
    thread::sleep(Duration::from_millis(250));
    producer.send("new").expect("room");
    let message = consumer.try_recv().expect("the young one");
    assert_eq!((&*message, message.metadata().message_id), (&b"new"[..], 4));
    drop(message);
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    let info = info(&region);
    assert_eq!((info.expiry, info.expired), (Some(Duration::from_millis(200)), 2));
    assert_eq!((info.dropped, info.aborted, info.redelivered), (0, 0, 0));
}

#[test]
fn the_age_is_no_matter_of_the_time_of_day() {
    let region = TestRegion::new("expiry-clock", 4 << 20);
    let (producer, consumer) = (
        expiring(&region).build_producer().expect("a producer"),
        expiring(&region).build_consumer().expect("a consumer"),
    );
    // As if the time had been set forwards, or back, by a year since the message was sent.
    let year = 365 * 24 * 3_600 * 1_000_000_000_u64;
    producer.send("long ago").expect("room");
    change(&region, 0, TIMESTAMP, |stamp| stamp - year);
    producer.send("to come").expect("room");
    change(&region, 1, TIMESTAMP, |stamp| stamp + year);
    assert_eq!(&*consumer.try_recv().expect("it is young"), b"long ago");
    assert_eq!(&*consumer.try_recv().expect("it is young"), b"to come");
    // The age does come from the time since boot.
    producer.send("old").expect("room");
    let_expire(&region, 2);
    producer.send("from the future").expect("room");
    change(&region, 3, PUBLISHED, |published| published + year);
    assert_eq!(&*consumer.try_recv().expect("no age at all"), b"from the future");
    assert_eq!(info(&region).expired, 1);
}

#[test]
fn a_batch_ends_before_an_expired_message_and_loses_no_other() {
    let region = TestRegion::new("expiry-batch", 4 << 20);
    let numbers = || {
        Channel::<Numbered>::builder()
            .with_region(&region.region)
            .with_name("quotes")
            .with_capacity(8)
            .with_expiry(EXPIRY)
    };
    let (producer, consumer) = (
        numbers().build_producer().expect("a producer"),
        numbers().build_consumer().expect("a consumer"),
    );
    // All ways to be old or not for six messages, from every place in the ring.
    let mut sent = 0;
    let mut expired = 0;
    for old in 0..64_u64 {
        let batch: Vec<Numbered> = (0..6).map(|k| Numbered::new(old, k)).collect();
        producer.send_batch(&batch, Wait::No).expect("room");
        let is_old = |k: u64| old >> k & 1 == 1;
        for k in (0..6).filter(|&k| is_old(k)) {
            let_expire(&region, sent + k);
        }
        sent += 6;
        expired += u64::from(old.count_ones());
        let mut received = Vec::new();
        loop {
            match consumer.recv_up_to(4, Wait::No) {
                Ok(batch) => {
                    let numbers: Vec<u64> = batch.iter().map(|message| message.number).collect();
                    assert!(
                        numbers.windows(2).all(|two| two[1] == two[0] + 1),
                        "{old:b}: {numbers:?}"
                    );
                    assert!(
                        batch
                            .iter()
                            .all(|message| message.is_whole() && message.producer == old)
                    );
                    received.extend(numbers);
                }
                Err(Error::Empty) => break,
                Err(error) => panic!("{old:b}: {error}"),
            }
        }
        let young: Vec<u64> = (0..6).filter(|&k| !is_old(k)).collect();
        assert_eq!(received, young, "{old:b}");
        assert_eq!(info(&region).expired, expired, "{old:b}");
    }
}

#[test]
fn a_batch_of_a_fixed_size_does_not_count_the_expired() {
    let region = TestRegion::new("expiry-fixed", 4 << 20);
    let (producer, consumer) = (
        expiring(&region).build_producer().expect("a producer"),
        expiring(&region).build_consumer().expect("a consumer"),
    );
    let consumer = consumer.as_raw();
    producer.send_batch(&["old", "old", "young"], Wait::No).expect("room");
    let_expire(&region, 0);
    let_expire(&region, 1);
    assert!(matches!(consumer.claim(2, 2, Wait::No), Err(Error::Empty)));
    assert_eq!(info(&region).expired, 2);
    producer.send("younger").expect("room");
    let claim = consumer.claim(2, 2, Wait::No).expect("two that are young");
    assert_eq!(claim.count(), 2);
    consumer.release(claim);
}

#[test]
fn what_a_consumer_has_it_keeps_and_what_it_gives_back_may_be_too_old_to_come_again() {
    let region = TestRegion::new("expiry-held", 4 << 20);
    let (producer, consumer) = (
        expiring(&region).build_producer().expect("a producer"),
        expiring(&region).build_consumer().expect("a consumer"),
    );
    producer.send("held").expect("room");
    let held = consumer.try_recv().expect("it is young");
    let_expire(&region, 0);
    assert_eq!(&*held, b"held");
    held.give_back();
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    assert_eq!((info(&region).expired, info(&region).redelivered), (1, 0));
    // While it is young, it is delivered again.
    producer.send("again").expect("room");
    consumer.try_recv().expect("it is young").give_back();
    let again = consumer.try_recv().expect("it is young still");
    assert_eq!((&*again, again.metadata().redelivered), (&b"again"[..], 1));
    assert_eq!((info(&region).expired, info(&region).redelivered), (1, 1));
}

#[test]
fn a_message_that_was_returned_too_often_is_a_dead_letter_however_old() {
    let region = TestRegion::new("expiry-letters", 4 << 20);
    let builder = expiring(&region).with_redelivery_limit(0).with_dead_letters("letters");
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send("poison").expect("room");
    consumer.try_recv().expect("it is young").give_back();
    // The ring for the dead letters was made before.
    change_in(&region, 1, 0, PUBLISHED, long_ago);
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    assert_eq!((info(&region).expired, info(&region).dead_lettered), (0, 1));
    let letters = ChannelBuilder::new().with_region(&region.region).with_name("letters");
    let letters = letters.build_consumer().expect("the dead letters");
    assert_eq!(&*letters.try_recv().expect("letters do not expire"), b"poison");
}

#[test]
fn a_killed_consumers_messages_come_again_while_they_are_young() {
    let region = TestRegion::new("expiry-killed", 4 << 20);
    let (producer, consumer) = (
        expiring(&region).build_producer().expect("a producer"),
        expiring(&region).build_consumer().expect("a consumer"),
    );
    for (old, position) in [(false, 0), (true, 1)] {
        producer.send("held").expect("room");
        let mut holder = peer(&region, "hold-message");
        until("the borrow", || info(&region).head == position + 1);
        if old {
            let_expire(&region, position);
        }
        holder.kill();
        if old {
            within(BOUND, "the skipping", || {
                assert!(matches!(
                    consumer.recv_timeout(Duration::from_millis(50)),
                    Err(Error::Timeout)
                ));
                info(&region).expired == 1
            });
        } else {
            let again = consumer.recv_timeout(BOUND).expect("the dead one's message");
            assert_eq!(again.metadata().redelivered, 1);
        }
    }
    producer.send("next").expect("room");
    assert_eq!(&*consumer.try_recv().expect("a message"), b"next");
}

#[test]
fn skipping_makes_room_for_who_waits() {
    let region = TestRegion::new("expiry-full", 4 << 20);
    let consumer = expiring(&region).build_consumer().expect("a consumer");
    let producer = expiring(&region).build_producer().expect("a producer");
    for position in 0..8 {
        producer.send("old").expect("room");
        let_expire(&region, position);
    }
    assert!(
        matches!(producer.try_send("x"), Err(Error::Full)),
        "no consumer came by"
    );
    let waiting = thread::spawn(move || producer.send_timeout("new", BOUND).map(|_| producer));
    until("the wait", || {
        let blockages = region.region.blockages().expect("blockages");
        blockages.iter().any(|blockage| !blockage.waiters.is_empty())
    });
    assert!(!waiting.is_finished());
    let started = Instant::now();
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("what was waited with"), b"new");
    assert!(started.elapsed() < BOUND);
    let _ = waiting.join().expect("no panic").expect("room");
    assert_eq!(info(&region).expired, 8);
}

#[test]
fn a_stream_that_ends_with_expired_messages_ends() {
    let region = TestRegion::new("expiry-end", 4 << 20);
    let (producer, consumer) = (
        expiring(&region).build_producer().expect("a producer"),
        expiring(&region).build_consumer().expect("a consumer"),
    );
    producer.send_batch(&["one", "two"], Wait::No).expect("room");
    let_expire(&region, 0);
    let_expire(&region, 1);
    producer.close().expect("it is open");
    assert!(matches!(consumer.recv(), Err(Error::Closed)));
    assert_eq!(info(&region).expired, 2);
}

#[test]
fn a_call_that_does_not_wait_returns_although_all_that_comes_is_old() {
    let region = TestRegion::new("expiry-bound", 4 << 20);
    let builder = quotes(&region).with_expiry(Duration::from_nanos(1));
    let consumer = builder.build_consumer().expect("a consumer");
    let producer = builder.build_producer().expect("a producer");
    let flood = thread::spawn(move || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(500) {
            producer.send_timeout("old", BOUND)?;
        }
        producer.close()
    });
    let mut calls = 0_u64;
    loop {
        match consumer.try_recv() {
            Ok(message) => assert_eq!(&*message, b"old"),
            Err(Error::Empty) => calls += 1,
            Err(Error::Closed) => break,
            Err(error) => panic!("{error}"),
        }
    }
    flood.join().expect("no panic").expect("room");
    assert!(calls > 0);
    let info = info(&region);
    assert!(info.expired > 0);
    assert_eq!(info.head, info.tail);
}

#[test]
fn without_expiry_the_slot_says_nothing_of_it() {
    let region = TestRegion::new("expiry-off", 4 << 20);
    let producer = quotes(&region).build_producer().expect("a producer");
    producer.send("x").expect("room");
    assert_eq!(change(&region, 0, PUBLISHED, |word| word), 0);
    assert_eq!(change(&region, 0, PUBLISHED + 8, |word| word), 0);
    assert_eq!((info(&region).expiry, info(&region).expired), (None, 0));
}

#[test]
fn expiry_is_part_of_the_channel_and_compared_at_open() {
    let region = TestRegion::new("expiry-open", 4 << 20);
    drop(expiring(&region).build_producer().expect("a channel"));
    drop(
        quotes(&region)
            .build_consumer()
            .expect("an option that is left out takes what is there"),
    );
    let other = quotes(&region).with_expiry(Duration::from_millis(1));
    let error = other.build_consumer().unwrap_err();
    assert!(matches!(error, Error::ChannelMismatch { .. }), "{error}");
    for part in ["expiry", "600s", "1ms"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let usual = quotes(&region).with_name("usual");
    drop(usual.build_producer().expect("a channel"));
    let error = usual.with_expiry(EXPIRY).build_producer().unwrap_err();
    assert!(error.to_string().contains("(none)"), "{error}");
    for (builder, says) in [
        (quotes(&region).with_expiry(Duration::ZERO), "give 1 ns to 584 years"),
        (quotes(&region).with_expiry(Duration::MAX), "give 1 ns to 584 years"),
        (expiring(&region).with_v1_peers(true), "v1 programs neither"),
    ] {
        let error = builder.with_name("impossible").build_producer().unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_v1_program_finds_no_channel_there() {
    let region = TestRegion::new("expiry-v1", 4 << 20);
    let capacity = |id: u32| {
        let path = RegionOptions::new().name(&region.name).path().expect("a path");
        let mut bytes = [0; 8];
        let file = File::open(path).expect("the region");
        file.read_exact_at(&mut bytes, 128 + u64::from(id) * 384 + 8)
            .expect("the entry");
        u64::from_le_bytes(bytes)
    };
    drop(
        expiring(&region)
            .with_channel_id(3)
            .build_producer()
            .expect("a channel"),
    );
    drop(
        quotes(&region)
            .with_name("usual")
            .with_channel_id(4)
            .build_producer()
            .expect("a channel"),
    );
    assert_eq!((capacity(3), capacity(4)), (0, 8));
}

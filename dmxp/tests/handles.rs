//! What one process can see of producers and consumers: claims, borrows, batches, the end of a stream, removal.

use dmxp::{Channel, ChannelBuilder, Consumer, Delivery, Error, Producer, Region, RegionOptions, Subscription, Wait};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Scratch {
    name: String,
    region: Region,
}

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "dmxp-handles-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let region = RegionOptions::new()
            .name(&name)
            .size(4 << 20)
            .create()
            .expect("a region");
        Self { name, region }
    }

    fn bytes(&self, capacity: u64) -> ChannelBuilder {
        ChannelBuilder::new()
            .with_region(&self.region)
            .with_name("bytes")
            .with_capacity(capacity)
    }

    fn pair(&self, capacity: u64) -> (Producer<[u8]>, Consumer<[u8]>) {
        let builder = self.bytes(capacity);
        (
            builder.build_producer().expect("a producer"),
            builder.build_consumer().expect("a consumer"),
        )
    }

    fn ticks(&self, capacity: u64) -> (Producer<Tick>, Consumer<Tick>) {
        let builder = Channel::<Tick>::builder()
            .with_region(&self.region)
            .with_name("ticks")
            .with_capacity(capacity);
        (
            builder.build_producer().expect("a producer"),
            builder.build_consumer().expect("a consumer"),
        )
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = RegionOptions::new().name(&self.name).remove(true);
    }
}

#[dmxp::message]
#[derive(PartialEq)]
struct Tick {
    price: f64,
    volume: u64,
}

fn tick(volume: u64) -> Tick {
    Tick {
        price: volume as f64 / 4.0,
        volume,
    }
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Producer<Tick>>();
    is_send::<Consumer<Tick>>();
    is_send::<Producer<[u8]>>();
};

#[test]
fn a_claim_is_written_in_place_and_seen_when_published() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    let mut claim = producer.claim().expect("room");
    assert_eq!(*claim, Tick { price: 0.0, volume: 0 }, "a claim starts as zeros");
    claim.price = 12.5;
    assert!(
        matches!(consumer.try_recv(), Err(Error::Empty)),
        "nothing is visible yet"
    );
    assert_eq!(claim.publish().expect("publishing"), 1);
    let message = consumer.try_recv().expect("the message");
    assert_eq!(*message, Tick { price: 12.5, volume: 0 });
    let meta = message.metadata();
    assert_eq!(
        (meta.message_id, meta.sender_pid, meta.sender_runtime),
        (1, std::process::id(), 1)
    );
    assert_eq!((meta.payload_len, meta.flags, meta.redelivered), (16, 0, 0));
    let age = meta.timestamp().elapsed().expect("not from the future");
    assert!(age < Duration::from_secs(60));
}

#[test]
fn a_dropped_claim_and_a_panic_abort_it() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    drop(producer.claim().expect("room"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut claim = producer.claim().expect("room");
        claim.volume = 1;
        panic!("in the middle of writing");
    }));
    assert!(panicked.is_err());
    producer.send(&tick(3)).expect("room");
    let message = consumer.recv().expect("the third position");
    assert_eq!((message.volume, message.metadata().message_id), (3, 3));
    drop(message);
    // All four slots serve again, twice around.
    for volume in 0..8 {
        producer.try_send(&tick(volume)).expect("room");
        assert_eq!(consumer.try_recv().expect("a message").volume, volume);
    }
}

#[test]
fn a_borrowed_message_keeps_its_slot() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(2);
    producer.send(&tick(1)).expect("room");
    let first = consumer.try_recv().expect("a message");
    producer.try_send(&tick(2)).expect("one slot is left");
    assert!(matches!(producer.try_send(&tick(3)), Err(Error::Full)));
    assert_eq!(first.volume, 1);
    drop(first);
    producer.try_send(&tick(3)).expect("the slot is free again");
}

#[test]
fn the_inline_limit_is_refused_by_name_on_single_and_batch_send() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.pair(4);
    let long = vec![1_u8; 961];
    for error in [
        producer.send(&long).unwrap_err(),
        producer.send_batch(&[&b"short"[..], &long], Wait::No).unwrap_err(),
        producer.send_up_to(&[&b"short"[..], &long], Wait::No).unwrap_err(),
        producer.claim(961).unwrap_err(),
    ] {
        assert!(matches!(error, Error::PayloadTooLarge { len: 961, limit: 960 }));
        assert!(
            error.to_string().contains("961") && error.to_string().contains("960"),
            "{error}"
        );
    }
    assert_eq!(
        consumer.receive().expect("an answer"),
        None,
        "nothing of the batches was sent"
    );
    producer.send(vec![2_u8; 960]).expect("the limit itself fits");
    assert_eq!(
        consumer.receive().expect("an answer").map(|payload| payload.len()),
        Some(960)
    );
}

#[test]
fn a_batch_is_visible_at_once_or_not_at_all() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(8);
    let mut batch = producer.claim_batch(3, Wait::No).expect("room");
    for index in 0..3 {
        batch.get_mut(index).volume = index as u64;
    }
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    batch.publish().expect("publishing");
    let received = consumer.recv_up_to(8, Wait::No).expect("messages");
    assert_eq!(received.iter().map(|tick| tick.volume).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(received.metadata(2).expect("the third").message_id, 3);
    drop(received);

    let six: Vec<Tick> = (0..6).map(tick).collect();
    producer.send_batch(&six, Wait::No).expect("room for six of eight");
    assert!(
        matches!(producer.send_batch(&six, Wait::No), Err(Error::Full)),
        "not for six more: none is sent"
    );
    assert_eq!(producer.len(), 6);
    assert_eq!(producer.send_up_to(&six, Wait::No).expect("room for some"), 2);
    assert!(matches!(
        producer.send_batch(&[tick(0); 9], Wait::No),
        Err(Error::BatchTooLarge { count: 9, limit: 8 })
    ));
    assert!(matches!(
        consumer.recv_batch(9, Wait::No),
        Err(Error::BatchTooLarge { .. })
    ));
    let all = consumer.recv_batch(8, Wait::No).expect("eight together");
    assert_eq!(
        all.iter().map(|tick| tick.volume).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 0, 1]
    );
    drop(all);
    producer.send(&tick(1)).expect("room");
    assert!(matches!(
        consumer.recv_batch(2, Wait::For(Duration::from_millis(20))),
        Err(Error::Timeout)
    ));
    assert_eq!(consumer.len(), 1, "the one that was there is still there");
}

#[test]
fn an_aborted_claim_divides_a_batch_and_loses_nothing() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(8);
    producer.send(&tick(1)).expect("room");
    let claim = producer.claim().expect("room");
    producer.send(&tick(2)).expect("room");
    drop(claim);
    let first = consumer.recv_batch(2, Wait::No).expect("what comes before the gap");
    assert_eq!(first.len(), 1);
    drop(first);
    assert_eq!(consumer.recv_batch(1, Wait::No).expect("what comes after")[0].volume, 2);
}

#[test]
fn a_closed_stream_is_drained_and_then_over_until_it_is_reopened() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    producer.send(&tick(1)).expect("room");
    let claimed_before = producer.claim_with(&tick(2), Wait::No).expect("room");
    producer.close().expect("closing");
    assert!(matches!(producer.send(&tick(3)), Err(Error::Closed)));
    assert_eq!(consumer.recv().expect("the rest").volume, 1);
    assert!(
        matches!(consumer.try_recv(), Err(Error::Empty)),
        "a claim made before the end is still to come"
    );
    claimed_before.publish().expect("what was claimed may be finished");
    assert_eq!(
        consumer
            .iter()
            .map(|tick| tick.expect("a message").volume)
            .collect::<Vec<_>>(),
        [2]
    );
    assert!(matches!(consumer.recv(), Err(Error::Closed)));
    let (again, _) = scratch.ticks(4);
    again.send(&tick(4)).expect("the next producer reopens");
    assert_eq!(consumer.recv().expect("a message").volume, 4);
}

#[test]
fn closing_wakes_everybody_who_waits() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(2);
    let (full, _) = scratch.pair(2);
    full.send([1]).and_then(|_| full.send([2])).expect("room for two");
    let waiting_for_data = std::thread::spawn(move || consumer.recv().map(|_| ()));
    let (blocked, other) = (scratch.bytes(2).build_producer().expect("a producer"), full);
    let waiting_for_space = std::thread::spawn(move || blocked.send([3]));
    std::thread::sleep(Duration::from_millis(100));
    producer.close().expect("closing");
    other.close().expect("closing");
    assert!(matches!(waiting_for_data.join().expect("no panic"), Err(Error::Closed)));
    assert!(matches!(
        waiting_for_space.join().expect("no panic"),
        Err(Error::Closed)
    ));
}

#[test]
fn a_handle_that_would_wait_for_itself_gets_an_error() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(2);
    let claims = (producer.claim().expect("room"), producer.claim().expect("room"));
    assert!(matches!(producer.claim(), Err(Error::WouldDeadlock)));
    assert!(matches!(producer.send(&tick(1)), Err(Error::WouldDeadlock)));
    drop(claims);
    // What was given up is stepped over by the producer that needs the slots.
    producer.send_batch(&[tick(1), tick(2)], Wait::No).expect("room");
    let borrowed = (consumer.recv().expect("a message"), consumer.recv().expect("a message"));
    assert!(matches!(consumer.recv(), Err(Error::WouldDeadlock)));
    drop(borrowed);
}

#[test]
fn the_ninth_claim_of_a_handle_is_refused() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(16);
    let claims: Vec<_> = (0..8).map(|_| producer.claim().expect("a cell")).collect();
    assert!(matches!(producer.claim(), Err(Error::TooManyClaims { limit: 8 })));
    for claim in claims {
        claim.publish().expect("publishing");
    }
    producer.send(&tick(9)).expect("a cell is free again");
    let messages: Vec<_> = (0..8).map(|_| consumer.recv().expect("a message")).collect();
    assert!(matches!(consumer.recv(), Err(Error::TooManyClaims { limit: 8 })));
    drop(messages);
    assert_eq!(consumer.recv().expect("the ninth").volume, 9);
}

#[test]
fn leaked_guards_are_dealt_with_when_their_handle_goes() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    std::mem::forget(producer.claim().expect("room"));
    producer.send(&tick(2)).expect("room");
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    drop(producer);
    let (producer, other) = scratch.ticks(4);
    std::mem::forget(consumer.recv().expect("the leaked claim is stepped over"));
    drop(consumer);
    let again = other.recv().expect("the leaked message comes back");
    assert_eq!((again.volume, again.metadata().redelivered), (2, 1));
    drop(again);
    for volume in 0..8 {
        producer.try_send(&tick(volume)).expect("room");
        assert_eq!(other.try_recv().expect("a message").volume, volume);
    }
}

#[test]
fn a_message_given_back_is_delivered_again_flagged() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    producer.send_batch(&[tick(1), tick(2)], Wait::No).expect("room");
    consumer.recv().expect("a message").give_back();
    for times in 1..=3 {
        let message = consumer.recv().expect("returned messages come first");
        assert_eq!((message.volume, message.metadata().redelivered), (1, times));
        message.give_back();
    }
    drop(consumer.recv().expect("and are released like any other"));
    let second = consumer.recv().expect("the next");
    assert_eq!((second.volume, second.metadata().redelivered), (2, 0));
}

#[test]
fn a_channel_in_use_is_removed_only_by_force() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    let id = producer.channel_id();
    let free = scratch.region.info().free;
    producer.send(&tick(1)).expect("room");
    let error = scratch.region.remove_channel(id, false).unwrap_err();
    assert!(
        matches!(&error, Error::ChannelInUse { pids, .. } if *pids == [std::process::id()]),
        "{error}"
    );
    scratch.region.remove_channel(id, true).expect("force");
    assert!(matches!(producer.send(&tick(2)), Err(Error::Removed)));
    assert_eq!(consumer.recv().expect("what was there is drained").volume, 1);
    assert!(matches!(consumer.recv(), Err(Error::Removed)));
    assert!(matches!(
        scratch.region.channel_named("ticks"),
        Err(Error::ChannelNotFound { .. })
    ));
    // The name serves at once; the space follows with the last handle.
    let (fresh, _) = scratch.ticks(4);
    assert_ne!(fresh.channel_id(), id);
    drop(producer);
    assert!(scratch.region.info().free < free);
    drop(consumer);
    assert_eq!(
        scratch.region.info().free,
        free,
        "one channel was removed, an equal one made"
    );
    assert_eq!(scratch.region.channels().expect("a table").len(), 1);
}

#[test]
fn what_exists_and_what_is_asked_for_are_both_in_the_error() {
    let scratch = Scratch::new();
    let _kept = scratch.pair(8);
    let error = scratch.bytes(16).build_producer().unwrap_err().to_string();
    assert!(error.contains("capacity 8") && error.contains("16"), "{error}");
    let error = scratch
        .bytes(8)
        .with_channel_id(9)
        .build_producer()
        .unwrap_err()
        .to_string();
    assert!(error.contains("id 255") && error.contains('9'), "{error}");
    let error = scratch
        .bytes(8)
        .with_checksums(true)
        .build_producer()
        .unwrap_err()
        .to_string();
    assert!(error.contains("checksums false") && error.contains("true"), "{error}");
    let absent = ChannelBuilder::new()
        .with_region(&scratch.region)
        .with_name("absent")
        .open_only();
    assert!(matches!(absent.build_consumer(), Err(Error::ChannelNotFound { .. })));
    let any = ChannelBuilder::new()
        .with_region(&scratch.region)
        .with_name("bytes")
        .build_consumer();
    assert_eq!(any.expect("left out, the capacity is what exists").capacity(), 8);
    assert!(matches!(
        ChannelBuilder::new().with_region(&scratch.region).build_producer(),
        Err(Error::InvalidArgument { .. })
    ));
    assert!(matches!(
        scratch.bytes(8).with_channel_id(256).build_producer(),
        Err(Error::InvalidArgument { .. })
    ));
}

#[test]
fn a_damaged_payload_is_found_where_checksums_are_asked_for() {
    let scratch = Scratch::new();
    let builder = scratch.bytes(4).with_checksums(true);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer
        .send(b"123456789")
        .and_then(|_| producer.send(b"whole"))
        .expect("room");
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(scratch.region.path())
        .expect("the file");
    // The published check value of CRC-32, in the free tail of the metadata.
    let mut stored = [0; 4];
    file.read_exact_at(&mut stored, 98_432 + 44).expect("the slot");
    assert_eq!(u32::from_le_bytes(stored), 0xCBF4_3926);
    file.write_all_at(b"X", 98_432 + 64).expect("damage");
    assert!(matches!(
        consumer.receive(),
        Err(Error::ChecksumMismatch {
            message_id: 1,
            stored: 0xCBF4_3926,
            ..
        })
    ));
    assert_eq!(consumer.receive().expect("the next is whole"), Some(b"whole".to_vec()));
}

#[test]
fn a_value_that_is_not_valid_is_reported_and_never_lent() {
    #[dmxp::message]
    struct Flagged {
        on: bool,
    }
    let scratch = Scratch::new();
    let builder = Channel::<Flagged>::builder()
        .with_region(&scratch.region)
        .with_name("flags")
        .with_capacity(2);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    let bytes = producer.as_raw();
    let mut claim = bytes.claim(1, 1, Wait::No).expect("room");
    bytes.payload_mut(&mut claim, 0)[0] = 2;
    bytes.publish(claim, |_| 1).expect("publishing");
    producer.send(&Flagged { on: true }).expect("room");
    let error = consumer.recv().unwrap_err();
    assert!(matches!(error, Error::InvalidMessage { message_id: 1, .. }), "{error}");
    assert!(error.to_string().contains("on"), "{error}");
    assert!(consumer.recv().expect("the next").on);
}

#[test]
fn a_message_nobody_wants_is_dropped_and_counted_in_the_end() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(2);
    producer.send(&tick(1)).expect("room");
    for times in 0..=10 {
        let message = consumer.try_recv().expect("delivered once more");
        assert_eq!(message.metadata().redelivered, times);
        message.give_back();
    }
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    assert_eq!(
        scratch
            .region
            .channel(consumer.channel_id())
            .expect("the channel")
            .dropped,
        1
    );
    producer
        .send_batch(&[tick(2), tick(3)], Wait::No)
        .expect("its slot serves again");
}

#[test]
fn a_long_run_of_aborted_positions_is_stepped_over_in_one_call() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.pair(2_048);
    let raw = producer.as_raw();
    raw.abort(raw.claim(2_000, 2_000, Wait::No).expect("room"));
    producer.send(b"behind").expect("room");
    assert_eq!(consumer.receive().expect("an answer"), Some(b"behind".to_vec()));
}

#[test]
fn a_payload_that_panics_or_changes_its_mind_aborts_the_batch() {
    struct Fickle(AtomicU32);
    impl AsRef<[u8]> for Fickle {
        fn as_ref(&self) -> &[u8] {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => b"short",
                1 => &[7; 961],
                _ => panic!("asked too often"),
            }
        }
    }
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.pair(4);
    let fickle = |first| [Fickle(AtomicU32::new(first))];
    let error = producer.send_batch(&fickle(0), Wait::No).unwrap_err();
    assert!(
        matches!(error, Error::PayloadTooLarge { len: 961, limit: 960 }),
        "{error}"
    );
    let panicked = catch_unwind(AssertUnwindSafe(|| producer.send_batch(&fickle(2), Wait::No)));
    assert!(panicked.is_err());
    let raw = producer.as_raw();
    let claim = raw.claim(1, 1, Wait::No).expect("room");
    let panicked = catch_unwind(AssertUnwindSafe(|| raw.publish(claim, |_| panic!("no length"))));
    assert!(panicked.is_err());
    producer.send(b"after").expect("room");
    assert_eq!(consumer.receive().expect("an answer"), Some(b"after".to_vec()));
}

#[test]
fn a_claim_of_another_handle_changes_nothing() {
    let scratch = Scratch::new();
    let builder = scratch.bytes(4);
    let (one, other) = (
        builder.build_producer().expect("a producer"),
        builder.build_producer().expect("a producer"),
    );
    let kept = one.try_claim(1).expect("room");
    let foreign = other.as_raw().claim(1, 1, Wait::No).expect("room");
    let stray = other.as_raw().claim(1, 1, Wait::No).expect("room");
    assert!(catch_unwind(AssertUnwindSafe(|| one.as_raw().abort(foreign))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| one.as_raw().publish(stray, |_| 1))).is_err());
    drop(kept);
    drop(other);
    // All positions were given up: the first by its guard, the others by the handle that had lost track of them.
    let consumer = builder.build_consumer().expect("a consumer");
    one.send(b"third").expect("room");
    assert_eq!(consumer.receive().expect("an answer"), Some(b"third".to_vec()));
}

#[test]
fn a_consumer_that_needs_several_messages_does_not_delay_one_that_needs_one() {
    // A swallowed wake would cost a tick for every second message, each time; a loaded machine may cost some now and then.
    let mut attempts = std::iter::repeat_with(late_beside_one_that_needs_several).take(5);
    assert!(attempts.any(|late| late <= 6));
}

/// How many of 20 messages come late to a consumer that needs one while another waits for several.
fn late_beside_one_that_needs_several() -> u32 {
    let scratch = Scratch::new();
    let (producer, single) = scratch.ticks(64);
    let (_, several) = scratch.ticks(64);
    let waiting = std::thread::spawn(move || {
        several
            .recv_batch(32, Wait::For(Duration::from_secs(2)))
            .map(|batch| batch.len())
    });
    std::thread::sleep(Duration::from_millis(100));
    let receiving = std::thread::spawn(move || {
        let mut slow = 0;
        for _ in 0..20 {
            let message = single.recv_timeout(Duration::from_secs(10)).expect("a message");
            let age = message.metadata().timestamp().elapsed().unwrap_or_default();
            slow += u32::from(age > Duration::from_millis(25));
        }
        slow
    });
    for volume in 0..20 {
        std::thread::sleep(Duration::from_millis(20));
        producer.send(&tick(volume)).expect("room");
    }
    assert!(matches!(waiting.join().expect("no panic"), Err(Error::Timeout)));
    receiving.join().expect("no panic")
}

#[test]
fn waiting_for_what_one_holds_is_noticed_for_batches_and_returned_messages_too() {
    let scratch = Scratch::new();
    let (producer, consumer) = scratch.ticks(4);
    producer.send_batch(&[tick(1), tick(2)], Wait::No).expect("room");
    let held = consumer.recv().expect("a message");
    let soon = Wait::For(Duration::from_secs(10));
    assert!(
        matches!(consumer.recv_batch(4, soon), Err(Error::WouldDeadlock)),
        "position 4 needs the slot of position 0"
    );
    held.give_back();
    let again = consumer.recv().expect("the returned message");
    assert_eq!(again.metadata().redelivered, 1);
    drop(consumer.recv().expect("the second message"));
    assert!(matches!(consumer.recv_batch(4, soon), Err(Error::WouldDeadlock)));
}

#[test]
fn what_a_handle_prints_is_short_and_says_to_what_it_is_a_handle() {
    let scratch = Scratch::new();
    let ticks = |delivery| {
        Channel::<Tick>::builder()
            .with_region(&scratch.region)
            .with_name(format!("{delivery} of ticks"))
            .with_capacity(8)
            .with_delivery(delivery)
    };
    for delivery in [Delivery::Queue, Delivery::Broadcast, Delivery::Latest] {
        let builder = ticks(delivery);
        let producer = format!("{:?}", builder.build_producer().expect("a producer"));
        let consumer = format!("{:?}", builder.build_consumer().expect("a consumer"));
        let name = format!("{delivery} of ticks");
        for (role, said) in [("Producer", producer), ("Consumer", consumer)] {
            assert!(said.len() < 400, "{said}");
            let delivery = format!("delivery: {delivery:?}");
            for part in [role, &scratch.name, &name, "\"Tick\"", "capacity: 8", &delivery] {
                assert!(said.contains(part), "no {part}: {said}");
            }
        }
    }
    let lossy = ticks(Delivery::Broadcast).with_subscription(Subscription::Lossy);
    let said = format!("{:?}", lossy.build_consumer().expect("a subscriber"));
    assert!(said.contains("Lossy"), "{said}");
    let said = format!("{:?}", scratch.bytes(4).build_producer().expect("a producer"));
    assert!(said.len() < 400 && said.contains("bytes"), "{said}");
}

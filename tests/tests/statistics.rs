//! Statistics: what all handles of all processes did, to the message, whether they live, have closed or have died.

use dmxp::{
    Channel, ChannelBuilder, ChannelStatistics, Delivery, Error, ErrorKind, HandleRole, RecoverOptions, RegionOptions,
    Wait,
};
use dmxp_tests::{Numbered, PeerCommand, TestRegion, until};
use std::time::Duration;

const SIZE: u64 = size_of::<Numbered>() as u64;

fn numbered(region: &TestRegion, capacity: u64) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("counted")
        .with_capacity(capacity)
}

fn counted(region: &TestRegion) -> ChannelStatistics {
    let mut all = region.region.statistics().expect("statistics");
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn peer(region: &TestRegion, command: &str) -> PeerCommand {
    region.peer(env!("CARGO_BIN_EXE_peer"), "counted", command)
}

#[test]
fn what_processes_sent_and_received_stays_counted_when_their_handles_are_closed_and_their_places_taken_again() {
    // As many places as handles at once, so that each is taken again.
    let region = TestRegion::with("counted", RegionOptions::new().size(2 << 20).max_handles(4));
    let here = numbered(&region, 64).build_producer().expect("a producer");
    let receivers = [(); 2].map(|()| peer(&region, "receive").arg(7).spawn());
    until("two consumers", || {
        counted(&region)
            .handles
            .iter()
            .filter(|handle| handle.role == HandleRole::Consumer)
            .count()
            == 2
    });
    for name in 1..=3 {
        let _ = peer(&region, "send").arg(name).arg(1_000).arg(3).output();
    }
    here.send(&Numbered::new(4, 0)).expect("room");
    here.close().expect("the end of the stream");
    for receiver in receivers {
        let _ = receiver.output();
    }
    for _ in 0..6 {
        // Opening a producer reopens the stream; each takes the place of a peer.
        drop(numbered(&region, 64).build_producer().expect("a producer"));
    }
    let counted = counted(&region);
    assert_eq!((counted.sent, counted.sent_bytes), (3_001, 3_001 * SIZE));
    assert_eq!((counted.received, counted.received_bytes), (3_001, 3_001 * SIZE));
    assert_eq!((counted.fill, counted.recovered, counted.dropped), (0, 0, 0));
    let [own] = counted.handles.as_slice() else {
        panic!("one handle is open: {:?}", counted.handles)
    };
    assert_eq!((own.role, own.messages, own.bytes), (HandleRole::Producer, 1, SIZE));
    assert_eq!(own.holder.pid, std::process::id());
    // Each of the receivers found the stream at its end.
    assert_eq!(counted.last_error.expect("an error").kind, ErrorKind::Closed);
    assert!((1..=64).contains(&counted.highest_fill), "{}", counted.highest_fill);
}

#[test]
fn what_a_killed_process_sent_is_counted_before_and_after_it_is_swept() {
    let region = TestRegion::with("killed", RegionOptions::new().size(2 << 20).max_handles(2));
    let consumer = numbered(&region, 8).build_consumer().expect("a consumer");
    let mut sender = peer(&region, "send").arg(1).arg(100).arg(1).spawn();
    until("a full channel", || counted(&region).sent == 8);
    let pid = sender.pid();
    let full = counted(&region);
    assert!(
        full.handles
            .iter()
            .any(|handle| handle.holder.pid == pid && handle.messages == 8)
    );
    assert_eq!(full.utilisation(), 1.0);
    sender.kill();
    assert_eq!(counted(&region).sent, 8, "dead and not swept");
    region.region.recover(RecoverOptions::new()).expect("recovery");
    let swept = counted(&region);
    assert_eq!((swept.sent, swept.sent_bytes, swept.recovered), (8, 8 * SIZE, 1));
    assert_eq!(swept.highest_fill, 8);
    assert!(
        swept.handles.iter().all(|handle| handle.holder.pid != pid),
        "{:?}",
        swept.handles
    );
    // Its place is taken again.
    let successor = numbered(&region, 8).build_producer().expect("a producer");
    drop(consumer.recv().expect("a message"));
    successor.send(&Numbered::new(2, 0)).expect("room");
    let after = counted(&region);
    assert_eq!((after.sent, after.received, after.highest_fill), (9, 1, 8));
}

#[test]
fn refusals_empty_polls_errors_and_losses_are_told_apart() {
    let region = TestRegion::new("refused", 2 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("counted")
        .with_capacity(2)
        .with_redelivery_limit(0);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    for _ in 0..3 {
        assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    }
    let soon = Duration::from_millis(1);
    assert!(matches!(consumer.recv_timeout(soon), Err(Error::Timeout)));
    producer.send(b"four").expect("room");
    producer.send(b"sixsix").expect("room");
    for _ in 0..5 {
        assert!(matches!(producer.try_send(b"more"), Err(Error::Full)));
    }
    assert!(matches!(producer.send_timeout(b"more", soon), Err(Error::Timeout)));
    assert!(counted(&region).last_error.is_none());
    assert!(matches!(
        producer.try_send([0; 961]),
        Err(Error::PayloadTooLarge { .. })
    ));
    let error = counted(&region).last_error.expect("an error");
    assert_eq!(error.kind, ErrorKind::PayloadTooLarge);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    assert!(now.as_nanos().abs_diff(u128::from(error.at_ns)) < 60_000_000_000);

    // Given back once more than it may: dropped, and received by no consumer.
    consumer.try_recv().expect("a message").give_back();
    drop(consumer.try_recv().expect("the other message"));
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    drop(producer.try_claim(1).expect("room"));
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));

    let counted = counted(&region);
    assert_eq!((counted.sent, counted.sent_bytes), (2, 10));
    assert_eq!((counted.received, counted.received_bytes), (1, 6));
    assert_eq!((counted.refused, counted.empty), (6, 6));
    assert_eq!((counted.dropped, counted.aborted, counted.highest_fill), (1, 1, 2));
    assert_eq!((counted.drop_rate(), counted.utilisation()), (0.5, 0.0));
}

#[test]
fn every_subscriber_of_a_broadcast_channel_counts_for_itself() {
    let region = TestRegion::new("subscribed", 2 << 20);
    let builder = numbered(&region, 16).with_delivery(Delivery::Broadcast);
    let subscribers = [(); 3].map(|()| builder.build_consumer().expect("a subscriber"));
    let producer = builder.build_producer().expect("a producer");
    for number in 0..10 {
        producer.send(&Numbered::new(1, number)).expect("room");
    }
    let mut claim = producer.claim().expect("room");
    *claim = Numbered::new(1, 10);
    claim.publish().expect("published");
    for (subscriber, count) in subscribers.iter().zip([11, 4, 0]) {
        for _ in 0..count {
            drop(subscriber.recv().expect("a message"));
        }
    }
    let counted = counted(&region);
    assert_eq!((counted.sent, counted.sent_bytes), (11, 11 * SIZE));
    assert_eq!((counted.received, counted.received_bytes), (15, 15 * SIZE));
    let mut each: Vec<u64> = counted
        .handles
        .iter()
        .filter(|handle| handle.role == HandleRole::Consumer)
        .map(|handle| handle.messages)
        .collect();
    each.sort_unstable();
    assert_eq!(each, [0, 4, 11]);
}

#[test]
fn batches_count_each_message_and_highest_fill_is_seen_without_a_full_ring() {
    let region = TestRegion::new("batches", 2 << 20);
    let builder = numbered(&region, 512);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    let messages: Vec<_> = (0..100).map(|number| Numbered::new(1, number)).collect();
    for _ in 0..3 {
        producer.send_batch(&messages, Wait::No).expect("room");
    }
    let mut left = 300;
    while left > 0 {
        left -= consumer.recv_up_to(64, Wait::No).expect("messages").len();
    }
    let counted = counted(&region);
    assert_eq!((counted.sent, counted.received, counted.fill), (300, 300, 0));
    assert_eq!(counted.highest_fill, 300);
}

#[test]
fn who_is_attached_for_reading_only_sees_the_same_numbers() {
    let region = TestRegion::new("watched", 2 << 20);
    let builder = numbered(&region, 8);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    for number in 0..5 {
        producer.send(&Numbered::new(1, number)).expect("room");
    }
    drop(consumer.recv().expect("a message"));
    let watcher = RegionOptions::new()
        .name(&region.name)
        .open_read_only()
        .expect("a region to look at");
    let seen = watcher.statistics().expect("statistics").remove(0);
    assert_eq!((seen.sent, seen.received, seen.fill), (5, 1, 4));
    assert_eq!(seen.handles.len(), 2);
    assert_eq!(watcher.channel_statistics(seen.id).expect("the channel").sent, 5);
}

//! A channel with priorities is two rings under one name: the urgent one is read first, and all that holds of a channel holds of both.

use dmxp::{Channel, ChannelBuilder, ChannelInfo, Delivery, Error, RecoverOptions, Wait, WaitSet, WaitStrategy};
use dmxp_tests::{Numbered, Peer, TestRegion, until};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// What a blocked peer may wait after another's death, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn orders(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("orders")
        .with_capacity(8)
        .with_priorities(true)
}

fn info(region: &TestRegion) -> ChannelInfo {
    region.region.channel_named("orders").expect("it is there")
}

fn urgent(region: &TestRegion) -> ChannelInfo {
    *info(region).high.expect("the ring for urgent messages")
}

fn peer(region: &TestRegion, command: &str) -> Peer {
    region.peer(env!("CARGO_BIN_EXE_peer"), "orders", command).spawn()
}

#[test]
fn urgent_messages_come_first_and_each_priority_in_order() {
    let region = TestRegion::new("prio-order", 4 << 20);
    let (producer, consumer) = (
        orders(&region).build_producer().expect("a producer"),
        orders(&region).build_consumer().expect("a consumer"),
    );
    let high = producer.high().expect("it has priorities");
    producer.send("a").expect("room");
    producer.send("b").expect("room");
    high.send("A").expect("room");
    high.send("B").expect("room");
    assert_eq!((consumer.len(), producer.len(), high.len()), (4, 2, 2));
    let mut received = Vec::new();
    for _ in 0..2 {
        let message = consumer.try_recv().expect("a message");
        let metadata = message.metadata();
        assert!(metadata.is_high_priority());
        assert_eq!((metadata.channel_id, metadata.flags), (high.channel_id(), 8));
        received.push(String::from_utf8(message.to_vec()).expect("text"));
    }
    // What comes meanwhile is first, too.
    assert_eq!(&*consumer.try_recv().expect("a message"), b"a");
    high.send("C").expect("room");
    let message = consumer.try_recv().expect("a message");
    assert_eq!((&*message, message.metadata().message_id), (&b"C"[..], 3));
    drop(message);
    let message = consumer.try_recv().expect("a message");
    assert_eq!((&*message, message.metadata().flags), (&b"b"[..], 0));
    assert_eq!(message.metadata().channel_id, producer.channel_id());
    drop(message);
    assert_eq!(received, ["A", "B"]);
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)) && consumer.is_empty());
}

#[test]
fn a_batch_is_of_one_priority_and_does_not_wait_for_more_urgent_ones() {
    let region = TestRegion::new("prio-batch", 4 << 20);
    let (producer, consumer) = (
        orders(&region).build_producer().expect("a producer"),
        orders(&region).build_consumer().expect("a consumer"),
    );
    let high = producer.high().expect("it has priorities");
    producer.send_batch(&["a", "b", "c"], Wait::No).expect("room");
    high.send_batch(&["A", "B"], Wait::No).expect("room");
    let raw = consumer.as_raw();
    let claim = raw.claim(3, 8, Wait::No).expect("what is urgent is enough");
    assert_eq!(claim.count(), 2);
    // While it is held, the others are received.
    let others = raw.claim(3, 3, Wait::No).expect("the others");
    assert_eq!(raw.payload(&claim, 1).expect("whole"), b"B");
    assert_eq!(raw.payload(&others, 2).expect("whole"), b"c");
    assert!(raw.metadata(&claim, 0).is_high_priority() && !raw.metadata(&others, 0).is_high_priority());
    raw.release(others);
    raw.give_back(claim);
    let again = consumer.try_recv().expect("it was given back");
    assert_eq!((&*again, again.metadata().redelivered), (&b"A"[..], 1));
    assert!(again.metadata().is_high_priority());
}

#[test]
fn each_ring_has_its_own_room() {
    let region = TestRegion::new("prio-room", 4 << 20);
    let producer = orders(&region).build_producer().expect("a producer");
    let high = producer.high().expect("it has priorities");
    while producer.try_send("x").is_ok() {}
    assert_eq!(producer.len(), 8);
    high.try_send("urgent").expect("room");
    assert!(matches!(
        producer.send_timeout("x", Duration::from_millis(20)),
        Err(Error::Timeout)
    ));
    let consumer = orders(&region).build_consumer().expect("a consumer");
    assert_eq!(&*consumer.try_recv().expect("a message"), b"urgent");
}

#[test]
fn a_sleeping_consumer_is_woken_by_either() {
    let region = TestRegion::new("prio-wake", 4 << 20);
    for strategy in [WaitStrategy::Sleep, WaitStrategy::SpinThenSleep] {
        let (there, back) = (
            orders(&region).with_wait_strategy(strategy),
            orders(&region).with_name("back").with_wait_strategy(strategy),
        );
        let (producer, echoes) = (
            there.build_producer().expect("a producer"),
            back.build_consumer().expect("a consumer"),
        );
        let echo = thread::spawn(move || {
            let (consumer, producer) = (there.build_consumer()?, back.build_producer()?);
            while let Some(message) = consumer.recv_or_end()? {
                let reply = if message.metadata().is_high_priority() {
                    producer.high()?
                } else {
                    &producer
                };
                reply.send(&*message)?;
            }
            Ok::<(), Error>(())
        });
        let mut slow = 0;
        for round in 0..600_u32 {
            let started = Instant::now();
            let urgent = round % 3 != 0;
            let producer = if urgent {
                producer.high().expect("it has priorities")
            } else {
                &producer
            };
            producer.send(round.to_le_bytes()).expect("room");
            let echo = echoes.recv_timeout(BOUND).expect("an echo");
            assert_eq!(
                (&*echo, echo.metadata().is_high_priority()),
                (&round.to_le_bytes()[..], urgent)
            );
            // A sleeper that is not woken checks after 40 ms.
            slow += u32::from(started.elapsed() >= Duration::from_millis(35));
        }
        assert!(
            slow < 100,
            "{slow} of 600 echoes came as late as those of sleepers that are not woken"
        );
        producer.close().expect("it is open");
        echo.join().expect("no panic").expect("no error");
        drop(orders(&region).build_producer().expect("it is opened again"));
    }
}

#[test]
fn a_set_waits_for_either_ring_and_notices_deaths_in_both() {
    let region = TestRegion::new("prio-set", 4 << 20);
    let producer = orders(&region).build_producer().expect("a producer");
    producer.high().expect("it has priorities").send("held").expect("room");
    let mut holder = peer(&region, "hold-message");
    until("the borrow", || urgent(&region).head == 1);
    let consumer = orders(&region).build_consumer().expect("a consumer");
    let mut set = WaitSet::new();
    set.add(&consumer, 7).expect("a new token");
    assert!(set.wait(Wait::No).expect("a look").is_empty());
    // What the dead one held is noticed while the set waits.
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        holder.kill();
    });
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [7]);
    killer.join().expect("no panic");
    let again = consumer.try_recv().expect("the dead one's message");
    assert!(again.metadata().is_high_priority() && again.metadata().redelivered == 1);
    drop(again);
    assert!(set.wait(Wait::No).expect("a look").is_empty());
    let sender = thread::spawn(move || {
        for round in 0..40 {
            thread::sleep(Duration::from_millis(2));
            let sender = if round % 2 == 0 { producer.high()? } else { &producer };
            sender.send(b"x")?;
        }
        producer.high()?.close()
    });
    let mut received = 0;
    loop {
        let started = Instant::now();
        assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [7]);
        assert!(started.elapsed() < BOUND);
        match consumer.try_recv() {
            Ok(_) => received += 1,
            Err(Error::Closed) => break,
            Err(error) => panic!("ready, and then {error}"),
        }
    }
    assert_eq!(received, 40);
    sender.join().expect("no panic").expect("room");
}

#[test]
fn the_end_of_the_stream_is_that_of_both_and_exact() {
    let region = TestRegion::new("prio-end", 4 << 20);
    let (producer, consumer) = (
        orders(&region).build_producer().expect("a producer"),
        orders(&region).build_consumer().expect("a consumer"),
    );
    for round in 0..200_u64 {
        // Opened anew each time, which opens the stream anew.
        let senders: Vec<_> = [true, false, true]
            .map(|urgent| {
                let sender = orders(&region).build_producer().expect("a producer");
                thread::spawn(move || {
                    let sender = if urgent {
                        sender.high().expect("it has priorities")
                    } else {
                        &sender
                    };
                    let mut sent = 0_u64;
                    loop {
                        match sender.send_timeout("x", BOUND) {
                            Ok(_) => sent += 1,
                            Err(Error::Closed) => return sent,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .into();
        let closer = producer.high().expect("it has priorities");
        let mut received = 0_u64;
        let closes_at = 20 + round % 40;
        loop {
            match consumer.recv_timeout(BOUND) {
                Ok(_) => received += 1,
                Err(Error::Closed) => break,
                Err(error) => panic!("{error}"),
            }
            if received == closes_at {
                if round % 2 == 0 {
                    producer.close()
                } else {
                    closer.close()
                }
                .expect("it is open");
            }
        }
        let sent: u64 = senders.into_iter().map(|sender| sender.join().expect("no panic")).sum();
        assert_eq!(received, sent, "round {round}");
        assert!(matches!(producer.try_send("x"), Err(Error::Closed)));
        assert!(matches!(closer.try_send("x"), Err(Error::Closed)));
        assert!(info(&region).closed && urgent(&region).closed);
    }
}

#[test]
fn a_producer_killed_with_an_urgent_claim_holds_nobody_up() {
    let region = TestRegion::new("prio-claim", 4 << 20);
    let (producer, consumer) = (
        orders(&region).build_producer().expect("a producer"),
        orders(&region).build_consumer().expect("a consumer"),
    );
    let mut holder = peer(&region, "hold-urgent");
    until("the claim", || urgent(&region).tail == 1);
    producer
        .high()
        .expect("it has priorities")
        .send("urgent")
        .expect("room");
    producer.send("usual").expect("room");
    // The claim is alive: what is behind it waits, the others do not.
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("the other"), b"usual");
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(100)),
        Err(Error::Timeout)
    ));
    let blockages = region.region.blockages().expect("blockages");
    assert_eq!(blockages[0].name.as_deref(), Some("orders"));
    assert_eq!(
        blockages[0].holder.as_ref().map(|holder| holder.pid),
        Some(holder.pid())
    );
    holder.kill();
    let message = consumer.recv_timeout(BOUND).expect("the dead claim is stepped over");
    assert_eq!((&*message, message.metadata().message_id), (&b"urgent"[..], 2));
    assert_eq!(urgent(&region).aborted, 1);
}

#[test]
fn a_waiting_consumer_is_woken_by_who_sweeps_the_urgent_ring() {
    let region = TestRegion::new("prio-swept", 4 << 20);
    let producer = orders(&region).build_producer().expect("a producer");
    producer.high().expect("it has priorities").send("held").expect("room");
    let mut holder = peer(&region, "hold-message");
    until("the borrow", || urgent(&region).head == 1);
    let consumer = orders(&region).build_consumer().expect("a consumer");
    let waiting = thread::spawn(move || consumer.recv_timeout(BOUND).map(|message| message.metadata()));
    thread::sleep(Duration::from_millis(20));
    holder.kill();
    let metadata = waiting.join().expect("no panic").expect("the dead one's message");
    assert!(metadata.is_high_priority());
    assert_eq!((metadata.message_id, metadata.redelivered), (1, 1));
    assert_eq!((urgent(&region).redelivered, info(&region).redelivered), (1, 0));
}

#[test]
fn producers_killed_at_any_moment_leave_both_rings_in_order() {
    let region = TestRegion::new("prio-killed", 4 << 20);
    let builder = || {
        Channel::<Numbered>::builder()
            .with_region(&region.region)
            .with_name("orders")
            .with_capacity(8)
            .with_priorities(true)
    };
    let consumer = builder().build_consumer().expect("a consumer");
    let producer = builder().build_producer().expect("a producer");
    let mut next = BTreeMap::<u64, u64>::new();
    let mut received = 0_u64;
    let mut take = |patience: Duration| match consumer.recv_timeout(patience) {
        Ok(message) => {
            assert!(message.is_whole());
            if message.producer != 0 {
                // Numbers of one producer and priority come one after the other, none twice: no process dies while it holds one.
                let expected = next.entry(message.producer).or_default();
                assert_eq!(message.number, *expected);
                *expected += 1;
                received += 1;
            }
            Some((message.producer, message.metadata().is_high_priority()))
        }
        Err(Error::Timeout) => None,
        Err(error) => panic!("{error}"),
    };
    for kill in 0..24_u64 {
        let mut urging = [peer(&region, "urge"), peer(&region, "urge")];
        let started = Instant::now();
        while take(BOUND).is_none_or(|(sender, _)| sender != u64::from(urging[0].pid())) {
            assert!(started.elapsed() < BOUND, "nothing came");
        }
        let until = Instant::now() + Duration::from_micros(500 + kill * 300);
        while Instant::now() < until {
            take(BOUND);
        }
        urging.iter_mut().for_each(Peer::kill);
        // What they left is dealt with: a message sent now arrives, of both priorities.
        let mut came = [false; 2];
        let mut sent = [false; 2];
        let started = Instant::now();
        while came != [true; 2] {
            assert!(started.elapsed() < BOUND, "blocked: sent {sent:?}, came {came:?}");
            for (which, sent) in sent.iter_mut().enumerate().filter(|(_, sent)| !**sent) {
                let producer = if which == 1 {
                    producer.high().expect("it has priorities")
                } else {
                    &producer
                };
                *sent = producer.try_send(&Numbered::new(0, 0)).is_ok();
            }
            if let Some((0, high)) = take(Duration::from_millis(50)) {
                came[usize::from(high)] = true;
            }
        }
    }
    assert!(received > 1_000, "{received}");
    // The last two may still be there; then nothing is.
    let recover = || region.region.recover(RecoverOptions::new()).expect("a report");
    assert!(recover().damaged.is_empty());
    assert!(recover().is_clean());
    let lap = [0; 8].map(|_| Numbered::new(0, 0));
    producer.send_batch(&lap, Wait::No).expect("no slot is missing");
    producer
        .high()
        .expect("it has priorities")
        .send_batch(&lap, Wait::No)
        .expect("no slot is missing");
}

#[test]
fn urgent_poison_is_a_dead_letter_and_known_as_urgent() {
    let region = TestRegion::new("prio-letters", 4 << 20);
    let builder = orders(&region).with_redelivery_limit(0).with_dead_letters("letters");
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send("usual").expect("room");
    producer
        .high()
        .expect("it has priorities")
        .send("poison")
        .expect("room");
    consumer.try_recv().expect("the urgent one").give_back();
    assert_eq!(&*consumer.try_recv().expect("the other"), b"usual");
    let letters = ChannelBuilder::new().with_region(&region.region).with_name("letters");
    let letters = letters.build_consumer().expect("the dead letters");
    let letter = letters.try_recv().expect("a letter");
    assert_eq!((&*letter, letter.metadata().flags), (&b"poison"[..], 4 + 8));
    assert_eq!(letter.metadata().channel_id, urgent(&region).id);
}

#[test]
fn urgent_messages_expire_as_the_others_do() {
    let region = TestRegion::new("prio-expiry", 4 << 20);
    let builder = orders(&region).with_expiry(Duration::from_millis(50));
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send("old").expect("room");
    producer.high().expect("it has priorities").send("OLD").expect("room");
    thread::sleep(Duration::from_millis(60));
    producer.send("new").expect("room");
    assert_eq!(&*consumer.try_recv().expect("a message"), b"new");
    assert_eq!((info(&region).expired, urgent(&region).expired), (1, 1));
}

#[test]
fn it_is_one_channel_to_who_lists_opens_and_removes() {
    let region = TestRegion::new("prio-one", 4 << 20);
    let free = region.region.info().free;
    let producer = orders(&region).build_producer().expect("a producer");
    let channels = region.region.channels().expect("the channels");
    assert_eq!(channels.len(), 1);
    let high = urgent(&region);
    assert_eq!(
        (high.capacity, high.high_of, high.name.as_deref()),
        (8, Some(info(&region).id), Some("orders"))
    );
    assert!(high.high.is_none() && info(&region).high_of.is_none());
    assert_eq!(region.region.channel(high.id).expect("by its id").high_of, high.high_of);

    // Not by the ring.
    let by_ring = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(high.id);
    for error in [
        by_ring.build_consumer().unwrap_err(),
        region.region.remove_channel(high.id, true).unwrap_err(),
    ] {
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains("the ring for urgent messages of"), "{error}");
    }
    // Held through either ring, it is in use.
    let id = info(&region).id;
    let error = region.region.remove_channel(id, false).unwrap_err();
    assert!(matches!(error, Error::ChannelInUse { .. }), "{error}");
    drop(producer);
    region.region.remove_channel(id, false).expect("nobody has it open");
    assert!(region.region.channels().expect("the channels").is_empty());
    assert!(matches!(
        region.region.channel(high.id),
        Err(Error::ChannelNotFound { .. })
    ));
    assert_eq!(region.region.info().free, free);

    // By its name too, whichever of the rings comes first in the table.
    for id in [Some(200), Some(3), None] {
        let channel = ChannelBuilder::new().with_region(&region.region).with_name("orders");
        let channel = id.map_or(channel.clone(), |id| channel.with_channel_id(id));
        drop(
            channel
                .with_capacity(8)
                .with_priorities(true)
                .build_producer()
                .expect("both rings"),
        );
        region
            .region
            .remove_channel_named("orders", false)
            .expect("nobody has it open");
        assert_eq!(region.region.info().free, free);
    }
}

#[test]
fn removed_by_force_it_ends_for_both_and_its_room_follows_with_the_last_handle() {
    let region = TestRegion::new("prio-forced", 4 << 20);
    let free = region.region.info().free;
    let (producer, consumer) = (
        orders(&region).build_producer().expect("a producer"),
        orders(&region).build_consumer().expect("a consumer"),
    );
    let high = producer.high().expect("it has priorities");
    high.send("last").expect("room");
    let id = info(&region).id;
    region.region.remove_channel(id, true).expect("by force");
    assert!(matches!(high.try_send("x"), Err(Error::Removed)));
    assert!(matches!(producer.try_send("x"), Err(Error::Removed)));
    assert_eq!(&*consumer.try_recv().expect("what is there is drained"), b"last");
    assert!(matches!(consumer.recv(), Err(Error::Removed)));
    // The name is free at once.
    let again = orders(&region).build_producer().expect("another channel of that name");
    assert_ne!(info(&region).id, id);
    again.high().expect("it has priorities").send("new").expect("room");
    assert!(matches!(consumer.try_recv(), Err(Error::Removed)));
    drop(producer);
    drop(consumer);
    drop(again);
    region
        .region
        .remove_channel(info(&region).id, false)
        .expect("nobody has it open");
    assert_eq!(region.region.info().free, free);
}

#[test]
fn priorities_are_part_of_the_channel_and_compared_at_open() {
    let region = TestRegion::new("prio-open", 4 << 20);
    let bytes = |name: &str| ChannelBuilder::new().with_region(&region.region).with_name(name);
    drop(orders(&region).build_producer().expect("a channel"));
    let producer = bytes("orders")
        .build_producer()
        .expect("an option that is left out takes what is there");
    producer.high().expect("it has priorities").send("x").expect("room");
    let error = bytes("orders").with_priorities(false).build_consumer().unwrap_err();
    assert!(
        matches!(error, Error::ChannelMismatch { .. }) && error.to_string().contains("priorities"),
        "{error}"
    );
    let usual = bytes("usual").build_producer().expect("a channel");
    let error = usual.high().map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    assert!(
        error.to_string().contains("`usual`") && error.to_string().contains("no priorities"),
        "{error}"
    );
    let error = bytes("usual").with_priorities(true).build_producer().unwrap_err();
    assert!(matches!(error, Error::ChannelMismatch { .. }), "{error}");
    let error = orders(&region)
        .with_name("v1")
        .with_v1_peers(true)
        .build_producer()
        .unwrap_err();
    assert!(
        error.to_string().contains("v1 programs know of one ring only"),
        "{error}"
    );
    for delivery in [Delivery::Broadcast, Delivery::Latest] {
        let error = orders(&region)
            .with_name("v1")
            .with_delivery(delivery)
            .build_producer()
            .unwrap_err();
        assert!(error.to_string().contains("cannot have priorities"), "{error}");
    }
    assert!(matches!(
        region.region.channel_named("v1"),
        Err(Error::ChannelNotFound { .. })
    ));
}

#[test]
fn a_region_without_room_for_both_rings_gets_neither() {
    let region = TestRegion::new("prio-full", 4 << 20);
    let free = region.region.info().free;
    let large = orders(&region).with_capacity(2_048);
    let error = large.build_producer().unwrap_err();
    assert!(matches!(error, Error::RegionFull { .. }), "{error}");
    assert!(region.region.channels().expect("the channels").is_empty());
    assert_eq!(region.region.info().free, free);
    drop(
        orders(&region)
            .with_capacity(1_024)
            .build_producer()
            .expect("room for two of these"),
    );
}

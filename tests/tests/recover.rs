//! What happens to the messages of dead processes, recovery on request, and blockages.

use dmxp::{
    Blockage, Blocked, Channel, ChannelBuilder, DeadConsumers, Error, HolderState, Obstacle, RecoverOptions, Region,
    RegionOptions, Wait,
};
use dmxp_tests::{Numbered, Peer, TestRegion, until, within};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What a blocked peer may wait after the kernel has freed the dead one's lock, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn small(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new().with_region(&region.region).with_name("small")
}

fn peer(region: &TestRegion, command: &str) -> Peer {
    region.peer(env!("CARGO_BIN_EXE_peer"), "small", command).spawn()
}

/// Lets a process receive a message and kills it while it holds it.
fn kill_a_holder(region: &TestRegion) {
    let before = region.region.channel_named("small").expect("the channel");
    let mut holder = peer(region, "hold-message");
    until("the borrow", || {
        let now = region.region.channel_named("small").expect("the channel");
        now.head > before.head || now.redelivered > before.redelivered
    });
    holder.kill();
}

fn recover(region: &Region) -> dmxp::Recovery {
    region.recover(RecoverOptions::new()).expect("a recovery")
}

#[test]
fn a_poisonous_message_goes_to_the_dead_letters_and_not_to_every_consumer_in_turn() {
    let region = TestRegion::new("poison", 4 << 20);
    let builder = small(&region)
        .with_capacity(4)
        .with_redelivery_limit(2)
        .with_dead_letters("graves");
    let producer = builder.build_producer().expect("a producer");
    producer.send(b"poison").expect("room");
    for _ in 0..3 {
        kill_a_holder(&region);
        recover(&region.region);
    }
    producer.send(b"wholesome").expect("room");
    let consumer = small(&region).build_consumer().expect("a consumer");
    let message = consumer.recv_timeout(BOUND).expect("the next message");
    assert_eq!(&*message, b"wholesome");
    drop(message);
    let graves = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("graves")
        .open_only();
    let letters = graves.build_consumer().expect("the dead letters");
    let letter = letters.try_recv().expect("the dead letter");
    assert_eq!(&*letter, b"poison");
    let metadata = letter.metadata();
    assert!(metadata.is_dead_letter());
    let info = region.region.channel_named("small").expect("the channel");
    assert_eq!(
        (metadata.channel_id, metadata.message_id),
        (info.id, 1),
        "as it was sent"
    );
    assert_eq!((info.dead_lettered, info.dropped, info.redelivered), (1, 0, 2));
    assert_eq!(info.dead_letters.as_deref(), Some("graves"));
}

#[test]
fn a_dead_letter_of_a_typed_channel_is_of_its_type() {
    let region = TestRegion::new("typed-letters", 4 << 20);
    let builder = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("numbers")
        .with_capacity(4)
        .with_redelivery_limit(0)
        .with_dead_letters("lost numbers");
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send(&Numbered::new(1, 7)).expect("room");
    consumer.try_recv().expect("the message").give_back();
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    let letters = Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("lost numbers")
        .open_only()
        .build_consumer()
        .expect("the dead letters");
    let letter = letters.try_recv().expect("the dead letter");
    assert!(letter.is_whole() && letter.number == 7 && letter.metadata().is_dead_letter());
}

#[test]
fn without_room_for_a_dead_letter_the_message_is_dropped_and_counted() {
    let region = TestRegion::new("full-letters", 4 << 20);
    let graves = ChannelBuilder::new().with_region(&region.region).with_name("graves");
    let blocker = graves
        .clone()
        .with_capacity(2)
        .build_producer()
        .expect("the letters' channel");
    blocker.send_batch(&[b"a", b"b"], Wait::No).expect("room for two");
    let builder = small(&region)
        .with_capacity(4)
        .with_redelivery_limit(0)
        .with_dead_letters("graves");
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send(b"unwanted").expect("room");
    consumer.try_recv().expect("the message").give_back();
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    let info = region.region.channel_named("small").expect("the channel");
    assert_eq!((info.dropped, info.dead_lettered), (1, 0));
    producer
        .send_batch(&[b"1", b"2", b"3", b"4"], Wait::No)
        .expect("every slot serves again");
}

#[test]
fn where_the_policy_says_drop_a_message_is_delivered_at_most_once() {
    let region = TestRegion::new("drop", 4 << 20);
    let builder = small(&region).with_capacity(2).with_dead_consumers(DeadConsumers::Drop);
    let producer = builder.build_producer().expect("a producer");
    producer.send(b"held by the dead").expect("room");
    kill_a_holder(&region);
    let report = recover(&region.region);
    assert_eq!(report.channels.len(), 1, "{report}");
    assert_eq!(
        (report.channels[0].dropped, report.channels[0].returned),
        (1, 0),
        "{report}"
    );
    let consumer = small(&region).build_consumer().expect("a consumer");
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    assert_eq!(region.region.channel_named("small").expect("the channel").dropped, 1);
    producer
        .send_batch(&[b"1", b"2"], Wait::No)
        .expect("its slot serves again");
    // What the living give back is delivered again, as ever.
    consumer.try_recv().expect("a message").give_back();
    assert_eq!(consumer.try_recv().expect("it again").metadata().redelivered, 1);
}

#[test]
fn policies_are_part_of_the_channel_and_compared_at_open() {
    let region = TestRegion::new("policies", 4 << 20);
    let made = small(&region)
        .with_capacity(4)
        .with_redelivery_limit(3)
        .with_dead_letters("graves")
        .with_dead_consumers(DeadConsumers::DeliverAgain);
    let _producer = made.build_producer().expect("a producer");
    drop(made.build_consumer().expect("the same is accepted"));
    drop(small(&region).build_consumer().expect("nothing asked is accepted"));
    let refused = [
        small(&region).with_redelivery_limit(4),
        small(&region).with_dead_letters("other"),
        small(&region).with_dead_consumers(DeadConsumers::Drop),
    ];
    for builder in refused {
        assert!(matches!(builder.build_consumer(), Err(Error::ChannelMismatch { .. })));
    }
    let itself = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("loop")
        .with_dead_letters("loop");
    assert!(matches!(itself.build_producer(), Err(Error::InvalidArgument { .. })));
}

#[test]
fn recovery_reports_what_a_dry_run_foretold_and_leaves_nothing() {
    let region = TestRegion::new("report", 4 << 20);
    let producer = small(&region).with_capacity(4).build_producer().expect("a producer");
    let before = region.region.info();
    producer.send(b"borrowed").expect("room");
    let mut reader = peer(&region, "hold-message");
    until("the borrow", || {
        region.region.channel_named("small").expect("it").head == 1
    });
    let mut writer = peer(&region, "hold-claim");
    until("the claim", || {
        region.region.channel_named("small").expect("it").tail == 2
    });
    assert!(recover(&region.region).is_clean(), "the living are left alone");
    let mut pids = vec![reader.pid(), writer.pid()];
    pids.sort_unstable();
    reader.kill();
    writer.kill();

    let bytes = std::fs::read(region.region.path()).expect("the file");
    let foretold = region
        .region
        .recover(RecoverOptions::new().dry_run(true))
        .expect("a dry run");
    let mut dead = foretold.dead_processes.clone();
    dead.sort_unstable();
    assert_eq!(dead, pids);
    let channel = &foretold.channels[0];
    assert_eq!((channel.dead_producers, channel.dead_consumers), (1, 1), "{foretold}");
    assert_eq!(
        (channel.aborted, channel.returned, channel.deferred),
        (1, 1, 0),
        "{foretold}"
    );
    assert!(foretold.to_string().starts_with("nothing was changed"), "{foretold}");
    let after = std::fs::read(region.region.path()).expect("the file");
    let differing = bytes
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .count();
    assert_eq!(differing, 0, "a dry run changes nothing");

    let done = recover(&region.region);
    assert_eq!(done.channels, foretold.channels);
    assert!(recover(&region.region).is_clean(), "once is enough");
    let now = region.region.info();
    assert_eq!((now.handles, now.processes), (before.handles, before.processes));

    let consumer = small(&region).build_consumer().expect("a consumer");
    let message = consumer.try_recv().expect("the returned message");
    assert_eq!((&*message, message.metadata().redelivered), (&b"borrowed"[..], 1));
    drop(message);
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    producer
        .send_batch(&[b"1", b"2", b"3", b"4"], Wait::No)
        .expect("every slot serves again");
    let info = region.region.channel_named("small").expect("it");
    assert_eq!((info.aborted, info.redelivered, info.recovered), (1, 1, 2));
}

/// Does what a v1 program does that moves a cursor and dies: the bytes of the published format, and nothing else.
fn move_cursor(region: &TestRegion, channel: u64, cursor: u64) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(region.region.path())
        .expect("the file");
    let offset = 128 + channel * 384 + cursor;
    let mut word = [0; 8];
    file.read_exact_at(&mut word, offset).expect("the cursor");
    file.write_all_at(&(u64::from_le_bytes(word) + 1).to_le_bytes(), offset)
        .expect("the cursor");
}

#[test]
fn what_a_v1_program_left_is_named_and_repaired_only_by_force() {
    const TAIL: u64 = 128;
    const HEAD: u64 = 256;
    let region = TestRegion::new("force", 4 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(3)
        .with_capacity(4)
        .with_v1_peers(true);
    let (producer, consumer) = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    producer.send(b"claimed by v1").expect("room");
    move_cursor(&region, 3, HEAD);
    move_cursor(&region, 3, TAIL);
    producer.send(b"behind").expect("room");
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(150)),
        Err(Error::Timeout)
    ));
    assert!(
        recover(&region.region).is_clean(),
        "it cannot be known that they are dead"
    );
    let blockages = region.region.blockages().expect("blockages");
    let named: Vec<_> = blockages
        .iter()
        .map(|found| (found.blocked, found.position, found.obstacle))
        .collect();
    assert_eq!(named, [(Blocked::Consumers, 1, Obstacle::Unexplained)]);

    let force = RecoverOptions::new().force(true);
    let foretold = region.region.recover(force.dry_run(true)).expect("a dry run");
    let done = region.region.recover(force).expect("a recovery");
    assert_eq!(done.channels, foretold.channels);
    assert_eq!((done.channels[0].aborted, done.channels[0].returned), (1, 1), "{done}");
    let message = consumer.recv_timeout(BOUND).expect("the message v1 had claimed");
    assert_eq!((&*message, message.metadata().redelivered), (&b"claimed by v1"[..], 1));
    drop(message);
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("the one behind"), b"behind");
    assert!(region.region.recover(force).expect("a recovery").is_clean());
}

#[test]
fn force_leaves_the_claims_of_the_living_alone() {
    let region = TestRegion::new("force-living", 4 << 20);
    let (producer, consumer) = (
        small(&region).with_capacity(4).build_producer().expect("a producer"),
        small(&region).build_consumer().expect("a consumer"),
    );
    producer.send(b"first").expect("room");
    let message = consumer.try_recv().expect("the first");
    let mut claim = producer.try_claim(6).expect("room");
    assert!(
        region
            .region
            .recover(RecoverOptions::new().force(true))
            .expect("a recovery")
            .is_clean()
    );
    claim.copy_from_slice(b"second");
    claim.publish().expect("still ours");
    assert_eq!(&*message, b"first");
    drop(message);
    assert_eq!(&*consumer.try_recv().expect("the second"), b"second");
}

#[test]
fn who_waits_for_whom_is_named_with_pid_and_age() {
    let region = TestRegion::new("blockages", 4 << 20);
    let producer = small(&region).with_capacity(2).build_producer().expect("a producer");
    assert_eq!(region.region.blockages().expect("blockages"), []);
    let mut holder = peer(&region, "hold-claim");
    until("the claim", || {
        region.region.channel_named("small").expect("it").tail == 1
    });
    holder.stop();
    let waiter = peer(&region, "idle");
    let blockage = |blocked| {
        let all = region.region.blockages().expect("blockages");
        all.into_iter().find(|found| found.blocked == blocked)
    };
    until("the wait and the stop", || {
        blockage(Blocked::Consumers).is_some_and(|found| {
            !found.waiters.is_empty()
                && found.age.is_some()
                && found.holder.is_some_and(|holder| holder.state == HolderState::Stopped)
        })
    });
    let found = blockage(Blocked::Consumers).expect("it");
    assert_eq!((found.obstacle, found.position), (Obstacle::Writing, 0));
    assert_eq!(found.holder.as_ref().map(|holder| holder.pid), Some(holder.pid()));
    assert_eq!(found.waiters[0].who.pid, waiter.pid());
    let text = found.to_string();
    assert!(text.contains(&format!("process {} (stopped)", holder.pid())), "{text}");

    // The slot is still the stopped one's when the ring comes round.
    producer.send(b"fills it").expect("room");
    let blocked = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let producer = small(&region).build_producer().expect("a producer");
            producer.send_timeout(b"no room", BOUND)
        });
        until("the producer's wait", || {
            blockage(Blocked::Producers).is_some_and(|found| !found.waiters.is_empty())
        });
        let blocked = blockage(Blocked::Producers).expect("it");
        holder.kill();
        sender.join().expect("the sender").expect("room after the death");
        blocked
    });
    assert_eq!((blocked.obstacle, blocked.position), (Obstacle::Writing, 0));
    assert_eq!(blocked.waiters[0].who.pid, std::process::id());
    within(BOUND, "the end of the blockage", || {
        blockage(Blocked::Consumers).is_none()
    });
}

/// Runs `wait`, which waits, beside the test's own thread until a process is named that keeps that side from going on.
fn named_while<R: Send>(
    region: &TestRegion,
    blocked: Blocked,
    wait: impl FnOnce() -> R + Send,
    end: impl FnOnce(Blockage),
) -> R {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(wait);
        let mut found = None;
        until("the process in the way is named", || {
            let all = region.region.blockages().expect("blockages");
            found = all.into_iter().find(|found| found.blocked == blocked);
            found.as_ref().is_some_and(|found| !found.waiters.is_empty())
        });
        end(found.expect("just found"));
        waiting.join().expect("the waiting thread")
    })
}

#[test]
fn who_keeps_a_batch_from_being_sent_is_named_though_single_slots_are_free() {
    let region = TestRegion::new("batch-sent", 4 << 20);
    let producer = small(&region).with_capacity(4).build_producer().expect("a producer");
    let consumer = small(&region).build_consumer().expect("a consumer");
    // In the first lap, and in a later one.
    for first in [0, 6] {
        producer.send(b"held").expect("room");
        producer.send(b"unread").expect("room");
        let mut holder = peer(&region, "hold-message");
        until("the borrow", || {
            region.region.channel_named("small").expect("it").head == first + 1
        });
        // No producer waits yet: two slots are free.
        assert_eq!(region.region.blockages().expect("blockages"), []);
        let send = || {
            let producer = small(&region).build_producer().expect("a producer");
            producer.send_batch(&[b"batch"; 4], Wait::For(BOUND))
        };
        let make_room = |found: Blockage| {
            assert_eq!((found.obstacle, found.position), (Obstacle::Reading, first));
            assert_eq!(found.holder.map(|holder| holder.pid), Some(holder.pid()));
            assert_eq!(found.waiters[0].who.pid, std::process::id());
            assert!(found.age.is_some());
            holder.kill();
            // What it held is delivered again.
            for _ in 0..2 {
                consumer.recv_timeout(BOUND).expect("held and unread");
            }
        };
        named_while(&region, Blocked::Producers, send, make_room).expect("room for the batch");
        for _ in 0..4 {
            assert_eq!(&*consumer.try_recv().expect("the batch"), b"batch");
        }
        assert_eq!(region.region.blockages().expect("blockages"), []);
    }
}

#[test]
fn who_keeps_a_batch_from_being_received_is_named_though_a_message_is_there() {
    let region = TestRegion::new("batch-received", 4 << 20);
    let producer = small(&region).with_capacity(4).build_producer().expect("a producer");
    producer.send(b"there").expect("room");
    let mut holder = peer(&region, "hold-claim");
    until("the claim", || {
        region.region.channel_named("small").expect("it").tail == 2
    });
    producer.send(b"there too").expect("room");
    assert_eq!(region.region.blockages().expect("blockages"), []);
    let receive = || {
        let consumer = small(&region).build_consumer().expect("a consumer");
        let consumer = consumer.as_raw();
        let claim = consumer.claim(3, 3, Wait::For(BOUND))?;
        consumer.release(claim);
        Ok::<_, Error>(())
    };
    let let_go = |found: Blockage| {
        assert_eq!((found.obstacle, found.position), (Obstacle::Writing, 1));
        assert_eq!(found.holder.map(|holder| holder.pid), Some(holder.pid()));
        assert_eq!(found.waiters[0].who.pid, std::process::id());
        holder.kill();
    };
    // An aborted claim between messages makes it smaller.
    named_while(&region, Blocked::Consumers, receive, let_go).expect("what is before the claim");
}

#[test]
fn looking_needs_no_more_than_a_read_only_region() {
    let region = TestRegion::new("read-only-blockages", 4 << 20);
    let producer = small(&region).with_capacity(2).build_producer().expect("a producer");
    let claim = producer.try_claim(1).expect("room");
    let looker = RegionOptions::new()
        .name(&region.name)
        .open_read_only()
        .expect("a region");
    assert_eq!(looker.blockages().expect("blockages").len(), 1);
    assert!(matches!(looker.recover(RecoverOptions::new()), Err(Error::ReadOnly)));
    drop(claim);
}

//! Channels of hundreds of megabytes: while one is made, everybody else goes on.

use dmxp::{ChannelBuilder, Error, LockBusy, RegionOptions};
use dmxp_tests::{PATIENCE, Peer, TestRegion, until};
use std::thread;
use std::time::{Duration, Instant};

/// Half a gigabyte of slots of 1,088 bytes.
const SLOTS: u64 = 1 << 19;
const BYTES: u64 = SLOTS * 1_088;

fn region(label: &str) -> TestRegion {
    TestRegion::with(label, RegionOptions::new().size(BYTES + (64 << 20)))
}

fn named(region: &TestRegion, name: &str) -> ChannelBuilder {
    ChannelBuilder::new().with_region(&region.region).with_name(name)
}

fn large(region: &TestRegion) -> ChannelBuilder {
    named(region, "large").with_capacity(SLOTS)
}

fn free(region: &TestRegion) -> u64 {
    region.region.info().free
}

/// A process that is stopped while it makes the large channel; one that is faster than this is let go, and its channel removed.
fn stopped_maker(region: &TestRegion) -> Peer {
    let before = free(region);
    for _ in 0..20 {
        let maker = region
            .peer(env!("CARGO_BIN_EXE_peer"), "large", "make")
            .arg(SLOTS)
            .spawn();
        let started = Instant::now();
        while before - free(region) < BYTES {
            assert!(started.elapsed() < PATIENCE, "it takes the place");
            thread::yield_now();
        }
        maker.stop();
        if region.region.channel_named("large").is_err() {
            return maker;
        }
        maker.signal(libc::SIGCONT);
        drop(maker.output());
        region.region.remove_channel_named("large", true).expect("it is there");
    }
    panic!("the channel was always made at once");
}

/// What others do meanwhile.
fn others_go_on(region: &TestRegion) {
    let producer = named(region, "small").build_producer().expect("another channel");
    let consumer = named(region, "small").build_consumer().expect("another channel");
    producer.send(b"on").expect("room");
    assert_eq!(&*consumer.recv_timeout(PATIENCE).expect("a message"), b"on");
    let listed: Vec<_> = region.region.channels().expect("a list");
    assert_eq!(listed.len(), 1, "what is being made is no channel yet");
    drop((producer, consumer));
    region.region.remove_channel_named("small", false).expect("unused");
}

#[test]
fn those_that_want_the_channel_wait_for_its_maker_and_others_do_not() {
    let region = region("large-waits");
    let maker = stopped_maker(&region);
    others_go_on(&region);
    let found = thread::scope(|scope| {
        let opener = scope.spawn(|| large(&region).build_consumer());
        thread::sleep(Duration::from_millis(50));
        assert!(!opener.is_finished(), "it is not made yet");
        others_go_on(&region);
        maker.signal(libc::SIGCONT);
        opener.join().expect("no panic").expect("the maker's channel")
    });
    assert_eq!(&*found.recv_timeout(PATIENCE).expect("its message"), b"made");
    drop(maker.output());
}

#[test]
fn what_a_killed_maker_leaves_is_made_by_the_next() {
    let region = region("large-killed");
    let before = free(&region);
    let mut maker = stopped_maker(&region);
    let (producer, consumer) = thread::scope(|scope| {
        // Both at once: one of them makes it.
        let openers = (
            scope.spawn(|| large(&region).build_producer()),
            scope.spawn(|| large(&region).build_consumer()),
        );
        thread::sleep(Duration::from_millis(20));
        maker.kill();
        let (producer, consumer) = (openers.0.join().expect("no panic"), openers.1.join().expect("no panic"));
        (producer.expect("there is room for one"), consumer.expect("the same"))
    });
    producer.send(b"again").expect("room");
    assert_eq!(&*consumer.recv_timeout(PATIENCE).expect("a message"), b"again");
    drop((producer, consumer));
    region.region.remove_channel_named("large", false).expect("unused");
    assert_eq!(free(&region), before, "nothing is left of either");
}

#[test]
fn a_stopped_maker_is_named() {
    let region = region("large-stopped");
    let maker = stopped_maker(&region);
    let Err(error) = large(&region).build_producer() else {
        panic!("it is not made");
    };
    let Error::ManagementLockBusy { pid, reason } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        (*pid, *reason),
        (maker.inner_pid(), LockBusy::MakingChannel { stopped: true })
    );
    others_go_on(&region);
}

#[test]
fn one_that_is_refused_leaves_no_ring_behind() {
    // Room for one ring, and this channel has two, and a channel for dead letters.
    let region = region("large-refused");
    let before = free(&region);
    for builder in [
        large(&region).with_priorities(true),
        large(&region).with_dead_letters("letters"),
    ] {
        match builder.build_producer() {
            Err(Error::RegionFull { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(free(&region), before);
        assert!(region.region.channels().expect("a list").is_empty());
    }
    // Rings that fit are made without the lock too, all three of them.
    let builder = named(&region, "three").with_capacity(8_192);
    let builder = builder.with_priorities(true).with_dead_letters("letters");
    let producer = builder.build_producer().expect("room");
    producer.high().expect("a ring").send(b"urgent").expect("room");
    let consumer = builder.build_consumer().expect("the same");
    assert_eq!(&*consumer.recv_timeout(PATIENCE).expect("a message"), b"urgent");
}

#[test]
fn a_channel_that_is_made_goes_when_its_id_is_asked_for_as_another() {
    let region = region("large-id");
    let maker = stopped_maker(&region);
    // The highest id was free, so the maker has it.
    thread::scope(|scope| {
        let opener = scope.spawn(|| {
            ChannelBuilder::new()
                .with_region(&region.region)
                .with_channel_id(255)
                .with_name("another")
                .build_producer()
        });
        thread::sleep(Duration::from_millis(50));
        assert!(!opener.is_finished(), "whose it is shows when it is made");
        maker.signal(libc::SIGCONT);
        match opener.join().expect("no panic") {
            Err(Error::ChannelMismatch { property: "name", .. }) => {}
            other => panic!("{other:?}"),
        }
    });
    drop(maker.output());
    until("the maker's channel", || region.region.channel_named("large").is_ok());
}

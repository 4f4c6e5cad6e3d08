//! A process killed at the worst moment does not stop the others.

use dmxp::{ChannelBuilder, Consumer, Error, Producer, Region};
use dmxp_tests::{Peer, TestRegion, status_of_forked, until};
use std::time::Duration;

/// What a blocked peer may wait after the kernel has freed the dead one's lock, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn small_channel(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("small")
        .with_capacity(2)
}

fn ends(region: &TestRegion) -> (Producer<[u8]>, Consumer<[u8]>) {
    let producer = small_channel(region).build_producer().expect("a producer");
    (producer, small_channel(region).build_consumer().expect("a consumer"))
}

/// A process that holds the first position of the channel, and a message behind it.
fn send_behind_a_claim(region: &TestRegion, producer: &Producer<[u8]>) -> Peer {
    let holder = peer(region, "hold-claim");
    until("the claim", || tail(&region.region) == 1);
    producer.send(b"after the claim").expect("the second slot is free");
    holder
}

fn peer(region: &TestRegion, command: &str) -> Peer {
    region.peer(env!("CARGO_BIN_EXE_peer"), "small", command).spawn()
}

fn tail(region: &Region) -> u64 {
    region.channel_named("small").map_or(0, |channel| channel.tail)
}

fn head(region: &Region) -> u64 {
    region.channel_named("small").map_or(0, |channel| channel.head)
}

#[test]
fn a_producer_killed_while_it_holds_a_claim_blocks_nobody() {
    let region = TestRegion::new("dead-claim", 4 << 20);
    let (producer, consumer) = ends(&region);
    let mut holder = send_behind_a_claim(&region, &producer);
    assert!(
        matches!(consumer.recv_timeout(Duration::from_millis(200)), Err(Error::Timeout)),
        "the claim is alive"
    );
    holder.kill();
    let message = consumer.recv_timeout(BOUND).expect("the dead claim is stepped over");
    assert_eq!(&*message, b"after the claim");
    assert_eq!(message.metadata().message_id, 2);
}

#[test]
fn who_polls_in_bursts_goes_on_in_the_second_after_a_death() {
    for polls in [1, 2, 3, 20] {
        let region = TestRegion::new("dead-claim-polls", 4 << 20);
        let (producer, consumer) = ends(&region);
        let mut holder = send_behind_a_claim(&region, &producer);
        let burst = || (0..polls).find_map(|_| consumer.receive().expect("no error"));
        assert_eq!(burst(), None, "the claim is alive");
        holder.kill();
        // Not all polls look at the clock, and the one that sweeps has its answer already.
        let later = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(60));
            burst()
        });
        let found = later.take(2).find_map(|found| found);
        assert_eq!(found.as_deref(), Some(&b"after the claim"[..]), "{polls} polls a burst");
    }
}

#[test]
fn a_message_whose_consumer_was_killed_is_delivered_again() {
    let region = TestRegion::new("dead-borrow", 4 << 20);
    let (producer, consumer) = ends(&region);
    producer.send(b"first").expect("room");
    let mut holder = peer(&region, "hold-message");
    until("the borrow", || head(&region.region) == 1);
    producer.send(b"second").expect("room");
    let second = consumer.recv_timeout(BOUND).expect("the second message");
    assert_eq!((&*second, second.metadata().redelivered), (&b"second"[..], 0));
    drop(second);
    assert!(
        matches!(consumer.recv_timeout(Duration::from_millis(200)), Err(Error::Timeout)),
        "the holder is alive"
    );
    holder.kill();
    let first = consumer.recv_timeout(BOUND).expect("the message of the dead");
    assert_eq!((&*first, first.metadata().redelivered), (&b"first"[..], 1));
    drop(first);
    // Both slots are free again.
    producer
        .try_send(b"third")
        .and_then(|_| producer.try_send(b"fourth"))
        .expect("room for two");
}

#[test]
fn a_producer_blocked_by_a_dead_consumer_goes_on() {
    let region = TestRegion::new("dead-full", 4 << 20);
    let producer = small_channel(&region).build_producer().expect("a producer");
    producer.send(b"one").expect("room");
    let mut holder = peer(&region, "hold-message");
    until("the borrow", || head(&region.region) == 1);
    producer.send(b"two").expect("room");
    assert!(matches!(
        producer.send_timeout(b"three", Duration::from_millis(200)),
        Err(Error::Timeout)
    ));
    holder.kill();
    let consumer = small_channel(&region).build_consumer().expect("a consumer");
    let mut received = Vec::new();
    for _ in 0..2 {
        received.push(consumer.recv_timeout(BOUND).expect("a message").to_vec());
    }
    received.sort();
    assert_eq!(received, [b"one".to_vec(), b"two".to_vec()]);
    producer.send_timeout(b"three", BOUND).expect("room again");
}

#[test]
fn a_stopped_process_is_alive_and_not_robbed() {
    let region = TestRegion::new("stopped", 4 << 20);
    let (producer, consumer) = ends(&region);
    let mut holder = peer(&region, "hold-claim");
    until("the claim", || tail(&region.region) == 1);
    holder.stop();
    producer.send(b"behind").expect("room");
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(400)),
        Err(Error::Timeout)
    ));
    holder.kill();
    assert_eq!(&*consumer.recv_timeout(BOUND).expect("the message behind"), b"behind");
}

#[test]
fn the_places_of_killed_processes_are_taken_again() {
    let options = dmxp::RegionOptions::new().size(4 << 20).max_processes(4).max_handles(4);
    let region = TestRegion::with("places", options);
    drop(small_channel(&region).build_producer().expect("a channel"));
    // Each leaves a process record and a handle record behind; there is room for three at a time.
    for _ in 0..12 {
        let mut idle = peer(&region, "idle");
        until("the consumer", || {
            !region
                .region
                .channel_named("small")
                .expect("the channel")
                .consumers
                .is_empty()
                || idle.wait(Duration::ZERO).is_some()
        });
        idle.kill();
    }
    assert!(region.region.info().processes <= 4);
    let consumer = small_channel(&region).build_consumer().expect("a place is found");
    drop(consumer);
}

#[test]
fn a_fork_child_cannot_use_inherited_handles_and_keeps_nobody_alive() {
    let region = TestRegion::new("fork", 4 << 20);
    let (producer, consumer) = ends(&region);
    producer.send(b"kept").expect("room");
    let message = consumer.try_recv().expect("the message");
    // SAFETY: the child only calls into this library and _exit; no lock of the allocator is held by another thread that it
    // would need, as far as a test can promise that.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused =
            matches!(producer.try_send(b"no"), Err(Error::Forked)) && matches!(consumer.try_recv(), Err(Error::Forked));
        drop(message);
        drop(consumer);
        drop(producer);
        // SAFETY: ends the child at once, without running the test harness's exit handlers.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    assert_eq!(status_of_forked(child), 0, "inherited handles answer with an error");
    // The child's drops touched nothing: the message is still ours, the handles still work.
    assert_eq!(&*message, b"kept");
    drop(message);
    producer.send(b"next").expect("room");
    assert_eq!(&*consumer.try_recv().expect("a message"), b"next");
}

#[test]
fn a_process_whose_descriptors_were_closed_is_evicted_and_declares_nobody_dead() {
    let region = TestRegion::new("daemon", 4 << 20);
    let consumer = small_channel(&region).build_consumer().expect("a consumer");
    let holder = peer(&region, "hold-claim");
    until("the claim", || tail(&region.region) == 1);
    let daemon = peer(&region, "daemonise");
    assert_eq!(daemon.output(), "evicted\n");
    // The living holder's claim is still its own: its slot was not taken from it.
    assert!(matches!(
        consumer.recv_timeout(Duration::from_millis(200)),
        Err(Error::Timeout)
    ));
    drop(holder);
}

#[test]
fn a_forked_child_does_not_keep_its_dead_parent_alive() {
    let region = TestRegion::new("orphan", 4 << 20);
    let (producer, consumer) = ends(&region);
    let mut parent = peer(&region, "fork-holding");
    until("the claim", || tail(&region.region) == 1);
    until("the child", || parent.has_child());
    producer.send(b"behind").expect("the second slot is free");
    let orphan = parent.children();
    parent.kill();
    let message = consumer
        .recv_timeout(BOUND)
        .expect("the dead parent's claim is stepped over");
    assert_eq!(&*message, b"behind");
    for child in orphan {
        // SAFETY: kill takes two integers; the child sleeps for as long as this test may last, so the number is still its own.
        let killed = unsafe { libc::kill(child, libc::SIGKILL) };
        assert_eq!(killed, 0, "the child outlived its parent until now");
    }
}

#[test]
fn a_process_that_lost_its_descriptors_can_attach_again() {
    let region = TestRegion::new("reattach", 4 << 20);
    drop(small_channel(&region).build_producer().expect("a channel"));
    assert_eq!(peer(&region, "reattach").output(), "works\n");
}

#[test]
fn a_panic_is_no_death_and_what_is_given_back_comes_again() {
    let region = TestRegion::new("recovery-panic", 4 << 20);
    let jobs = ChannelBuilder::new().with_region(&region.region).with_name("jobs");
    let (producer, worker) = (jobs.build_producer().unwrap(), jobs.build_consumer().unwrap());
    for job in ["panic", "fail"] {
        producer.send(job).expect("room");
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let job = worker.recv().expect("the first job");
        // Not `panic!`, which would print.
        std::panic::resume_unwind(Box::new(job.len()));
    }));
    assert_eq!(*outcome.expect_err("a panic").downcast::<usize>().expect("a length"), 5);
    worker.try_recv().expect("the second job").give_back();
    let again = worker.try_recv().expect("the second job");
    assert_eq!((&again[..], again.metadata().redelivered), (&b"fail"[..], 1));
}

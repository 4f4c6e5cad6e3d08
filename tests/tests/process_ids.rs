//! Which process is dead does not depend on process ids: they are given again, the same one means another process in each PID namespace, and
//! a killed process keeps its own until its parent waits for it.

use dmxp::{Blocked, Channel, ChannelBuilder, Error, HolderInfo, HolderState, Obstacle, RecoverOptions};
use dmxp_tests::{Numbered, PeerCommand, PidNamespace, TestRegion, may_make_pid_namespaces, until};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What a blocked peer may wait after the kernel has freed the dead one's lock, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

/// Longer than any number of ticks it takes to notice a death.
const LONG: Duration = Duration::from_millis(400);

fn small(region: &TestRegion) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("small")
        .with_capacity(8)
}

fn peer(region: &TestRegion, command: &str) -> PeerCommand {
    region.peer(env!("CARGO_BIN_EXE_peer"), "small", command)
}

fn info(region: &TestRegion) -> dmxp::ChannelInfo {
    region.region.channel_named("small").expect("the channel")
}

/// Deliveries up to now.
fn deliveries(region: &TestRegion) -> u64 {
    info(region).head + info(region).redelivered
}

/// How the holders with this pid are.
fn states(holders: &[HolderInfo], pid: u32) -> Vec<HolderState> {
    let known = holders.iter().filter(|holder| holder.pid == pid);
    known.map(|holder| holder.state).collect()
}

/// Number and count of redeliveries of whatever comes in `LONG`.
fn receive_all(consumer: &dmxp::Consumer<Numbered>) -> BTreeSet<(u64, u8)> {
    let mut received = BTreeSet::new();
    loop {
        match consumer.recv_timeout(LONG) {
            Ok(message) => assert!(received.insert((message.number, message.metadata().redelivered))),
            Err(Error::Timeout) => return received,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn of_two_processes_with_the_same_pid_in_two_namespaces_only_the_dead_one_is_swept() {
    if !may_make_pid_namespaces("of_two_processes_with_the_same_pid_in_two_namespaces_only_the_dead_one_is_swept") {
        return;
    }
    let region = TestRegion::new("same-pid", 4 << 20);
    let producer = small(&region).build_producer().expect("a producer");
    for number in 0..3 {
        producer.send(&Numbered::new(0, number)).expect("room");
    }
    // Each claims a position (3 and 4), and takes a message (0 and 1).
    let hold = |taken| {
        let holder = peer(&region, "hold-numbered").spawn_in_new_pid_namespace();
        until("the borrow", || info(&region).head == taken);
        assert_eq!(holder.inner_pid(), 1);
        holder
    };
    let (mut first, mut second) = (hold(1), hold(2));
    producer.send(&Numbered::new(0, 3)).expect("room");
    for holders in [info(&region).producers, info(&region).consumers] {
        // Process 1 of this namespace is another process: its state is not known.
        assert_eq!(states(&holders, 1), [HolderState::Unknown; 2]);
    }

    first.kill();
    let mut found = states(&info(&region).consumers, 1);
    found.sort_by_key(|state| *state == HolderState::Dead);
    assert_eq!(found, [HolderState::Unknown, HolderState::Dead]);
    let consumer = small(&region).build_consumer().expect("a consumer");
    assert_eq!(receive_all(&consumer), BTreeSet::from([(0, 1), (2, 0)]));
    let blockages = region.region.blockages().expect("blockages");
    let blockage = blockages.iter().find(|found| found.blocked == Blocked::Consumers);
    let blockage = blockage.expect("the living one's claim is in the way");
    assert_eq!((blockage.position, blockage.obstacle), (4, Obstacle::Writing));
    assert_eq!(blockage.holder.as_ref().map(|holder| holder.pid), Some(1));
    assert_eq!((info(&region).aborted, info(&region).recovered), (1, 2));

    second.kill();
    assert_eq!(receive_all(&consumer), BTreeSet::from([(1, 1), (3, 0)]));
    assert_eq!((info(&region).aborted, info(&region).recovered), (2, 4));
}

/// A pid that no process has in a new namespace.
const PID: u32 = 42;

#[test]
fn a_dead_process_is_dead_although_a_stranger_has_its_pid() {
    if !may_make_pid_namespaces("a_dead_process_is_dead_although_a_stranger_has_its_pid") {
        return;
    }
    // Found out by a process of the same namespace, for which the pid is a living one's, and by one of another.
    for inside in [true, false] {
        let region = TestRegion::new("reused-pid", 4 << 20);
        let namespace = PidNamespace::create();
        let producer = small(&region).build_producer().expect("a producer");
        producer.send(&Numbered::new(1, 0)).expect("room");
        let mut holder = namespace.spawn_as(PID, peer(&region, "hold-numbered"));
        until("the borrow", || info(&region).head == 1);
        holder.kill();
        let stranger = namespace.spawn_as(PID, PeerCommand::new("sleep").arg(600));
        assert_eq!(states(&info(&region).consumers, PID), [HolderState::Dead]);
        assert_eq!(states(&info(&region).producers, PID), [HolderState::Dead]);
        producer.send(&Numbered::new(2, 0)).expect("room");
        producer.close().expect("a channel to close");

        let receiver = peer(&region, "receive").arg(1);
        let receiver = if inside {
            namespace.spawn(receiver)
        } else {
            receiver.spawn()
        };
        assert_eq!(receiver.output(), "1 1 0 0\n2 1 0 0\n", "one message of each");
        assert_eq!((info(&region).aborted, info(&region).redelivered), (1, 1));
        assert_eq!(stranger.inner_pid(), PID, "it has the pid for all that time");
    }
}

#[test]
fn a_living_process_with_the_pid_of_a_dead_one_keeps_what_it_holds() {
    if !may_make_pid_namespaces("a_living_process_with_the_pid_of_a_dead_one_keeps_what_it_holds") {
        return;
    }
    let region = TestRegion::new("inherited-pid", 4 << 20);
    let namespace = PidNamespace::create();
    let producer = small(&region).build_producer().expect("a producer");
    for number in 0..2 {
        producer.send(&Numbered::new(0, number)).expect("room");
    }
    // Each claims a position, 2 and 3, and takes a message.
    let mut dead = namespace.spawn_as(PID, peer(&region, "hold-numbered"));
    until("the borrow", || info(&region).head == 1);
    dead.kill();
    let mut heir = namespace.spawn_as(PID, peer(&region, "hold-numbered"));
    until("the heir's borrow", || deliveries(&region) == 2);
    producer.send(&Numbered::new(0, 2)).expect("room");

    let consumer = small(&region).build_consumer().expect("a consumer");
    let received = receive_all(&consumer);
    assert_eq!(received.len(), 1, "the heir has the other one: {received:?}");
    let force = RecoverOptions::new().force(true);
    let recovery = region.region.recover(force).expect("a recovery");
    assert!(recovery.is_clean(), "{recovery}");
    assert_eq!(
        receive_all(&consumer),
        BTreeSet::new(),
        "the heir's claim is in the way"
    );
    assert_eq!((info(&region).aborted, info(&region).recovered), (1, 2));

    heir.kill();
    let heirs = if received.contains(&(0, 1)) { (1, 1) } else { (0, 2) };
    assert_eq!(receive_all(&consumer), BTreeSet::from([heirs, (2, 0)]));
}

#[test]
fn a_killed_process_that_nobody_has_waited_for_is_dead() {
    let region = TestRegion::new("zombie", 4 << 20);
    let (producer, consumer) = (
        small(&region).build_producer().expect("a producer"),
        small(&region).build_consumer().expect("a consumer"),
    );
    producer.send(&Numbered::new(0, 0)).expect("room");
    let holder = peer(&region, "hold-numbered").spawn();
    until("the borrow", || info(&region).head == 1);
    producer.send(&Numbered::new(0, 1)).expect("room");
    holder.signal(libc::SIGKILL);
    until("the death", || holder.state() == 'Z');

    assert_eq!(states(&info(&region).producers, holder.pid()), [HolderState::Dead]);
    assert_eq!(states(&info(&region).consumers, holder.pid()), [HolderState::Dead]);
    let blockages = region.region.blockages().expect("blockages");
    let in_the_way = blockages.iter().find(|found| found.blocked == Blocked::Consumers);
    let in_the_way = in_the_way.and_then(|blockage| blockage.holder.as_ref()).expect("it");
    assert_eq!((in_the_way.pid, in_the_way.state), (holder.pid(), HolderState::Dead));

    let started = Instant::now();
    for expected in [(0, 1), (1, 0)] {
        let message = consumer.recv_timeout(BOUND).expect("a message");
        assert_eq!((message.number, message.metadata().redelivered), expected);
    }
    println!("both messages {:.1?} after the death", started.elapsed());
    assert_eq!(holder.state(), 'Z', "its parent has not waited for it");
    assert_eq!(info(&region).aborted, 1);
    let recovery = region.region.recover(RecoverOptions::new()).expect("a recovery");
    assert!(recovery.is_clean(), "{recovery}");
    assert_eq!(region.region.info().processes, 1);
}

#[test]
fn a_process_whose_first_thread_has_ended_is_alive() {
    let region = TestRegion::new("headless", 4 << 20);
    let (producer, consumer) = (
        small(&region).build_producer().expect("a producer"),
        small(&region).build_consumer().expect("a consumer"),
    );
    producer.send(&Numbered::new(0, 0)).expect("room");
    let mut holder = peer(&region, "outlive-first-thread").spawn();
    until("the borrow", || info(&region).head == 1);
    producer.send(&Numbered::new(0, 1)).expect("room");
    until("the end of its first thread", || holder.state() == 'Z');
    assert_eq!(receive_all(&consumer), BTreeSet::new(), "its claim is in the way");
    assert_eq!(states(&info(&region).consumers, holder.pid()), [HolderState::Unknown]);
    let recovery = region.region.recover(RecoverOptions::new()).expect("a recovery");
    assert!(recovery.is_clean(), "{recovery}");
    holder.kill();
    assert_eq!(receive_all(&consumer), BTreeSet::from([(0, 1), (1, 0)]));
}

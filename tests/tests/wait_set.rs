//! Waiting for many things at once: nothing is missed, every death is noticed, and waiting costs nothing while nothing happens.

use dmxp::{
    ChannelBuilder, Consumer, Delivery, Error, RegionOptions, Subscription, Wait, WaitSet, WaitStrategy, now_ns,
};
use dmxp_tests::{Draws, TestRegion, assert_rests, at_best, filter_calls, status_of_forked, threads, until};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

/// Generous: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

/// More than the kernel waits for in one call, and than a region has room for.
const MANY: usize = 300;

const NOBODY: [u64; 0] = [];

fn channel(region: &TestRegion, name: &str) -> ChannelBuilder {
    ChannelBuilder::new()
        .with_region(&region.region)
        .with_name(name)
        .with_capacity(2)
}

/// Two regions with [`MANY`] channels, in turns, and a consumer for each.
fn many(label: &str) -> ([TestRegion; 2], Vec<Consumer<[u8]>>) {
    let regions = [0, 1].map(|_| TestRegion::with(label, RegionOptions::new().size(8 << 20).max_handles(512)));
    let consumers = (0..MANY).map(|index| {
        let builder = ChannelBuilder::new()
            .with_region(&regions[index % 2].region)
            .with_name(format!("channel-{index}"))
            .with_capacity(8);
        builder.build_consumer().expect("a consumer")
    });
    let consumers = consumers.collect();
    (regions, consumers)
}

fn set_of(consumers: &[Consumer<[u8]>]) -> WaitSet {
    let mut set = WaitSet::new();
    for (consumer, token) in consumers.iter().zip(0..) {
        set.add(consumer, token).expect("a new token");
    }
    set
}

/// Receives what a peer scatters, and checks it against what was to be sent. Returns how long half of the messages took at most.
fn receive_scattered(label: &str, count: u64, seed: u64) -> Duration {
    let (regions, consumers) = many(label);
    let mut set = set_of(&consumers);
    let sender = regions[0]
        .peer(env!("CARGO_BIN_EXE_peer"), "-", "scatter")
        .arg(&regions[1].name)
        .arg(MANY)
        .arg(count)
        .arg(seed)
        .spawn();
    let mut expected = vec![Vec::new(); MANY];
    for number in 0..count {
        expected[Draws::new(seed, number).below(MANY)].push(number);
    }
    let mut received = vec![Vec::new(); MANY];
    let mut took = Vec::new();
    while (took.len() as u64) < count {
        let ready = set.wait(Wait::For(BOUND)).expect("a wait");
        assert!(!ready.is_empty(), "{} of {count} messages came", took.len());
        for token in ready {
            while let Ok(message) = consumers[token as usize].try_recv() {
                let ns = now_ns().saturating_sub(message.metadata().timestamp_ns);
                took.push(Duration::from_nanos(ns));
                let number = message[..].try_into().expect("eight bytes");
                received[token as usize].push(u64::from_le_bytes(number));
            }
        }
    }
    assert_eq!(received, expected);
    drop(sender.output());
    took.sort_unstable();
    let (median, last) = (took[took.len() / 2], took[took.len() - 1]);
    println!("median {median:?}, slowest {last:?}");
    assert!(last < BOUND, "a message took {last:?}");
    median
}

#[test]
fn nothing_is_missed_on_three_hundred_channels_of_two_regions() {
    // Not by the look around that follows each 40 ms.
    at_best(Duration::from_millis(10), "half of the messages", || {
        receive_scattered("set-many", 4_000, 1)
    });
}

/// Makes futex_waitv fail with `ENOSYS` for this thread and those it starts, as a kernel before Linux 5.16 does.
fn without_futex_waitv() {
    let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    filter_calls(libc::SYS_futex_waitv, refuse, libc::SECCOMP_RET_ALLOW);
}

#[test]
fn nothing_is_missed_where_the_kernel_has_no_futex_waitv() {
    let receiver = thread::spawn(|| {
        without_futex_waitv();
        at_best(Duration::from_millis(20), "half of the messages", || {
            receive_scattered("set-old-kernel", 1_000, 2)
        });
    });
    receiver.join().expect("no panic");
}

#[test]
fn a_set_goes_on_when_a_producer_is_killed_on_any_of_its_channels() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::SpinThenSleep, WaitStrategy::Sleep] {
        let region = TestRegion::new("set-dead", 4 << 20);
        let consumers = ["quiet", "small"].map(|name| channel(&region, name).build_consumer().expect("a consumer"));
        let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "small", "hold-claim").spawn();
        until("the claim", || {
            region.region.channel_named("small").expect("it").tail == 1
        });
        let producer = channel(&region, "small").build_producer().expect("a producer");
        producer.send(b"behind the claim").expect("the second slot is free");
        let mut set = WaitSet::new().with_wait_strategy(strategy);
        set.add(&consumers[0], 7).expect("a member");
        set.add(&consumers[1], 9).expect("a member");
        assert_eq!(set.wait(Wait::For(Duration::from_millis(150))).expect("a wait"), NOBODY);
        holder.kill();
        assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [9], "{strategy:?}");
        assert_eq!(
            &*consumers[1].try_recv().expect("the dead claim is stepped over"),
            b"behind the claim"
        );
    }
}

#[test]
fn a_set_that_polls_notices_the_dead_too() {
    let region = TestRegion::new("set-dead-poll", 4 << 20);
    let consumer = channel(&region, "small").build_consumer().expect("a consumer");
    let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "small", "hold-claim").spawn();
    until("the claim", || {
        region.region.channel_named("small").expect("it").tail == 1
    });
    let mut set = WaitSet::new();
    set.add(&consumer, 1).expect("a member");
    assert_eq!(set.wait(Wait::No).expect("a look"), NOBODY);
    holder.kill();
    let started = Instant::now();
    while set.wait(Wait::No).expect("a look").is_empty() {
        assert!(started.elapsed() < BOUND, "no process swept");
    }
}

#[test]
fn a_producer_in_a_set_is_ready_when_there_is_room() {
    let region = TestRegion::new("set-space", 4 << 20);
    let consumer = channel(&region, "small").build_consumer().expect("a consumer");
    let producer = channel(&region, "small").build_producer().expect("a producer");
    let mut set = WaitSet::new();
    set.add(&producer, 1).expect("a member");
    assert_eq!(set.wait(Wait::No).expect("a look"), [1]);
    producer.send([1]).expect("room");
    producer.send([2]).expect("room");
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    let receiver = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let received = consumer.receive();
        (consumer, received)
    });
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [1]);
    let (consumer, received) = receiver.join().expect("no panic");
    assert_eq!(received.expect("no error"), Some(vec![1]));
    producer.send([3]).expect("room");
    consumer.close().expect("no error");
    assert_eq!(
        set.wait(Wait::For(BOUND)).expect("a wait"),
        [1],
        "sending says that it is closed"
    );
}

#[test]
fn subscribers_and_readers_of_the_newest_value_are_ready_when_there_is_something_new_for_them() {
    let region = TestRegion::new("set-broadcast", 4 << 20);
    let news = channel(&region, "news").with_delivery(Delivery::Broadcast);
    let lossy = news.clone().with_subscription(Subscription::Lossy);
    let state = channel(&region, "state").with_delivery(Delivery::Latest);
    let consumers = [&news, &lossy, &state].map(|builder| builder.build_consumer().expect("a consumer"));
    let [sender, setter] = [&news, &state].map(|builder| builder.build_producer().expect("a producer"));
    let mut set = WaitSet::new();
    for (token, consumer) in (0..).zip(&consumers) {
        set.add(consumer, token).expect("a member");
    }
    let soon = Wait::For(Duration::from_millis(60));
    assert_eq!(set.wait(soon).expect("a wait"), NOBODY);
    let delayed = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        setter.send([1]).expect("a latest channel is never full");
        setter
    });
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [2]);
    let setter = delayed.join().expect("no panic");
    sender.send([2]).expect("room");
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [0, 1, 2]);
    for consumer in &consumers {
        assert!(consumer.receive().expect("no error").is_some());
        assert!(consumer.receive().expect("no error").is_none());
    }
    assert_eq!(set.wait(soon).expect("a wait"), NOBODY, "nothing is new");
    set.add(&sender, 3).expect("a member");
    sender.send([3]).expect("room");
    sender.send([4]).expect("room");
    assert_eq!(
        set.wait(soon).expect("a wait"),
        [0, 1],
        "the reliable subscriber keeps the sender waiting"
    );
    assert!(consumers[0].receive().expect("no error").is_some());
    assert!(set.wait(soon).expect("a wait").contains(&3));
    setter.close().expect("no error");
    assert!(
        set.wait(soon).expect("a wait").contains(&2),
        "the end of the stream is news"
    );
}

#[test]
fn descriptors_and_channels_wake_one_set() {
    let region = TestRegion::new("set-descriptors", 4 << 20);
    let consumer = channel(&region, "bytes").build_consumer().expect("a consumer");
    let producer = channel(&region, "bytes").build_producer().expect("a producer");
    let (mut reader, mut writer) = UnixStream::pair().expect("a pair");
    let mut set = WaitSet::new();
    set.add(&consumer, 1).expect("a member");
    set.add_descriptor(&reader, 2).expect("a member");
    assert_eq!(set.len(), 2);
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    let sender = thread::spawn(move || {
        for round in 0..200_u8 {
            thread::sleep(Duration::from_millis(u64::from(round % 3)));
            if round % 2 == 0 {
                writer.write_all(&[round]).expect("room");
            } else {
                producer.send_timeout([round], BOUND).expect("room");
            }
        }
        // The end of the stream makes a descriptor readable as well.
    });
    let mut next = [0_u8, 1];
    while next != [200, 201] {
        let ready = set.wait(Wait::For(BOUND)).expect("a wait");
        assert!(!ready.is_empty(), "{next:?}");
        for token in ready {
            let mut byte = [0];
            if token == 1 {
                match consumer.receive().expect("no error") {
                    Some(bytes) => byte[0] = bytes[0],
                    None => continue,
                }
                assert_eq!(byte[0], next[1]);
                next[1] += 2;
            } else if reader.read(&mut byte).expect("no error") > 0 {
                assert_eq!(byte[0], next[0]);
                next[0] += 2;
            }
        }
    }
    sender.join().expect("no panic");
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [2], "the end");
    assert!(set.remove(2) && !set.remove(2));
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
}

#[test]
fn descriptors_alone_wake_a_set_and_a_file_is_refused() {
    let (reader, mut writer) = UnixStream::pair().expect("a pair");
    let mut set = WaitSet::new();
    set.add_descriptor(&reader, 5).expect("a member");
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    let sender = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        writer.write_all(&[1]).expect("room");
        writer
    });
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [5]);
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [5], "until it is read");
    let _writer = sender.join().expect("no panic");
    let file = std::fs::File::open("/proc/self/exe").expect("a file");
    let refused = set.add_descriptor(&file, 6);
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
}

#[test]
fn a_set_has_descriptors_of_its_own() {
    let (reader, mut writer) = UnixStream::pair().expect("a pair");
    let mut set = WaitSet::new();
    set.add_descriptor(&reader, 5).expect("a member");
    // Its number is given to another file, which nobody has asked the set to watch.
    let number = reader.as_raw_fd();
    drop(reader);
    let (other, mut other_writer) = UnixStream::pair().expect("a pair");
    let reused = [other.as_raw_fd(), other_writer.as_raw_fd()].contains(&number);
    other_writer.write_all(&[1]).expect("room");
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    // What was added is watched still.
    writer.write_all(&[1]).expect("the set has the other end");
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [5]);
    set.add_descriptor(&other, 6)
        .expect("another member, whatever its number");
    let mut ready = set.wait(Wait::For(BOUND)).expect("a wait");
    ready.sort_unstable();
    assert_eq!(ready, [5, 6], "the number was given again: {reused}");
    assert!(set.remove(5));
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [6]);
    // The peer sees the end now that the set has let go.
    let gone = writer.write_all(&[1]).expect_err("nobody has the other end");
    assert_eq!(gone.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn an_interrupt_ends_one_wait() {
    let region = TestRegion::new("set-interrupt", 4 << 20);
    let consumer = channel(&region, "bytes").build_consumer().expect("a consumer");
    for with_channel in [false, true] {
        let mut set = WaitSet::new();
        if with_channel {
            set.add(&consumer, 1).expect("a member");
        }
        let interrupter = set.interrupter();
        interrupter.interrupt();
        assert_eq!(set.wait(Wait::Forever).expect("a wait"), NOBODY);
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            interrupter.interrupt();
        });
        let started = Instant::now();
        assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), NOBODY);
        assert!(started.elapsed() < BOUND);
        other.join().expect("no panic");
        let started = Instant::now();
        assert_eq!(set.wait(Wait::For(Duration::from_millis(70))).expect("a wait"), NOBODY);
        assert!(started.elapsed() >= Duration::from_millis(70), "interrupts are used up");
    }
}

#[test]
fn a_handle_that_is_dropped_leaves_the_set_and_the_channel() {
    let region = TestRegion::new("set-dropped", 4 << 20);
    let consumer = channel(&region, "bytes").build_consumer().expect("a consumer");
    let other = channel(&region, "bytes").build_consumer().expect("a consumer");
    let mut set = WaitSet::new();
    set.add(&consumer, 1).expect("a member");
    let refused = set.add(&other, 1);
    assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
    let dropping = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        drop(consumer);
    });
    assert_eq!(set.wait(Wait::For(Duration::from_millis(200))).expect("a wait"), NOBODY);
    dropping.join().expect("no panic");
    assert_eq!(region.region.info().handles, 1, "the set keeps nothing of it");
    assert!(set.is_empty());
    set.add(&other, 1).expect("the token is free");
    assert!(set.remove(1) && set.is_empty() && !set.remove(1));
}

#[test]
fn what_was_returned_and_the_end_of_a_stream_make_ready() {
    let region = TestRegion::new("set-returned", 4 << 20);
    let consumers = [0, 1].map(|_| channel(&region, "bytes").build_consumer().expect("a consumer"));
    let producer = channel(&region, "bytes").build_producer().expect("a producer");
    let mut set = WaitSet::new();
    set.add(&consumers[1], 1).expect("a member");
    producer.send([1]).expect("room");
    let taken = consumers[0].recv().expect("a message");
    assert_eq!(set.wait(Wait::No).expect("a look"), NOBODY);
    taken.give_back();
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [1]);
    assert_eq!(consumers[1].receive().expect("no error"), Some(vec![1]));
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    let claim = producer.claim(1).expect("room");
    producer.close().expect("no error");
    // The stream ends when that claim does.
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    drop(claim);
    assert_eq!(set.wait(Wait::For(BOUND)).expect("a wait"), [1]);
    assert!(matches!(consumers[1].receive(), Err(Error::Closed)));
    assert_eq!(set.wait(Wait::Forever).expect("a wait"), [1], "each time");
}

#[test]
fn a_consumer_that_blocks_beside_a_set_is_not_kept_from_its_messages() {
    at_best(Duration::from_millis(20), "half of the messages", receive_beside_a_set);
}

/// How long half of the messages take at most to a consumer that blocks beside one in a set.
fn receive_beside_a_set() -> Duration {
    let region = TestRegion::new("set-beside", 4 << 20);
    let builder = || channel(&region, "bytes").with_wait_strategy(WaitStrategy::Sleep);
    let (blocking, in_set) = (
        builder().build_consumer().expect("a consumer"),
        builder().build_consumer().expect("a consumer"),
    );
    let producer = builder().build_producer().expect("a producer");
    let receiver = thread::spawn(move || {
        let mut took = Vec::new();
        while let Ok(message) = blocking.recv_timeout(BOUND) {
            took.push(now_ns().saturating_sub(message.metadata().timestamp_ns));
        }
        took
    });
    let mut set = WaitSet::new().with_wait_strategy(WaitStrategy::Sleep);
    set.add(&in_set, 1).expect("a member");
    let interrupter = set.interrupter();
    let idler = thread::spawn(move || {
        // Woken for each message, and takes none.
        while !set.wait(Wait::For(BOUND)).expect("a wait").is_empty() {
            thread::yield_now();
        }
        drop(in_set);
    });
    for _ in 0..50 {
        producer.send_timeout([0], BOUND).expect("room");
        thread::sleep(Duration::from_millis(3));
    }
    interrupter.interrupt();
    idler.join().expect("no panic");
    producer.close().expect("no error");
    let mut took = receiver.join().expect("no panic");
    took.sort_unstable();
    assert_eq!(took.len(), 50);
    Duration::from_nanos(took[25])
}

#[test]
fn a_set_in_a_forked_child_says_so_and_can_be_dropped() {
    let (_regions, consumers) = many("set-fork");
    let mut set = set_of(&consumers);
    let (reader, _writer) = UnixStream::pair().expect("a pair");
    set.add_descriptor(&reader, 1_000).expect("a member");
    assert_eq!(set.wait(Wait::For(Duration::from_millis(60))).expect("a wait"), NOBODY);
    // SAFETY: the child calls into the library, which is what is tested, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let forked = matches!(set.wait(Wait::Forever), Err(Error::Forked));
        drop(set);
        // SAFETY: no preconditions.
        unsafe { libc::_exit(if forked { 0 } else { 1 }) };
    }
    assert_eq!(
        status_of_forked(child),
        0,
        "the child heard of the fork and came to its end"
    );
}

#[test]
fn an_idle_set_of_three_hundred_channels_rests_but_for_the_look_after_the_dead() {
    let (regions, _consumers) = many("set-idle");
    let idle = regions[0]
        .peer(env!("CARGO_BIN_EXE_peer"), "-", "idle-set")
        .arg(&regions[1].name)
        .arg(MANY)
        .spawn();
    // A thread for each 127 channels more than the first, and one for the descriptor.
    until("it waits", || threads(idle.pid()).len() == MANY.div_ceil(127) + 1);
    thread::sleep(Duration::from_millis(500));
    assert_rests(idle.pid());
}

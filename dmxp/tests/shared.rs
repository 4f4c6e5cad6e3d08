//! Handles that threads share: claims as tokens, and waiting without the lock.

use dmxp::raw::{Consumer, Copied, Producer, ReadClaim, Shared, Token, TokenError, WaitHooks};
use dmxp::{ChannelBuilder, ChannelStatistics, Delivery, Error, ErrorKind, Region, RegionOptions, Subscription, Wait};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Generous: what is waited for comes at once.
const LONG: Wait = Wait::For(Duration::from_secs(60));

/// As C has it.
struct Plain;

impl WaitHooks for Plain {
    type Error = Error;
}

/// A program of one thread, whatever the test runner has beside it.
struct Alone;

impl WaitHooks for Alone {
    type Error = Error;
    fn has_other_threads(&mut self) -> Result<bool, Error> {
        Ok(false)
    }
}

struct Scratch {
    name: String,
    region: Region,
}

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dmxp-shared-{}-{number}", std::process::id());
        let region = RegionOptions::new().name(&name).size(4 << 20).create();
        Self {
            region: region.expect("a region"),
            name,
        }
    }

    fn bytes(&self, capacity: u64) -> ChannelBuilder {
        ChannelBuilder::new()
            .with_region(&self.region)
            .with_name("bytes")
            .with_capacity(capacity)
    }

    fn statistics(&self) -> ChannelStatistics {
        let all = self.region.statistics().expect("the region is whole");
        let bytes = all.into_iter().find(|channel| channel.name.as_deref() == Some("bytes"));
        bytes.expect("the channel exists")
    }

    fn last_error(&self) -> Option<ErrorKind> {
        self.statistics().last_error.map(|error| error.kind)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = RegionOptions::new().name(&self.name).remove(true);
    }
}

fn pair(builder: ChannelBuilder) -> (Shared<Producer>, Shared<Consumer>) {
    let consumer = builder.clone().build_raw_consumer().expect("a consumer");
    let producer = builder.build_raw_producer().expect("a producer");
    (Shared::new(producer), Shared::new(consumer))
}

fn send(producer: &Shared<Producer>, text: &str, wait: Wait) -> Result<u64, Error> {
    let write = |_, slot: &mut [u8]| {
        slot[..text.len()].copy_from_slice(text.as_bytes());
        text.len()
    };
    Ok(producer.send((1, 1), wait, &mut Plain, write)?.0)
}

fn text(consumer: &Consumer, claim: &ReadClaim) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(consumer.payload(claim, 0)?).into_owned())
}

fn receive(consumer: &Shared<Consumer>, wait: Wait) -> Result<(Token, String), Error> {
    consumer.receive(wait, &mut Plain, text)?
}

/// A consumer of eight messages, all that it can have, and more on the channel.
fn all_out(scratch: &Scratch) -> (Shared<Producer>, Shared<Consumer>, Vec<Token>) {
    let (producer, consumer) = pair(scratch.bytes(32));
    for number in 0..16 {
        send(&producer, &number.to_string(), Wait::No).expect("there is room");
    }
    let held = (0..8).map(|_| receive(&consumer, Wait::No).expect("there is one").0);
    let held = held.collect();
    (producer, consumer, held)
}

#[test]
fn a_token_is_good_once_and_for_its_handle_alone() {
    let scratch = Scratch::new();
    let (producer, consumer) = pair(scratch.bytes(8));
    let other = Shared::new(scratch.bytes(8).build_raw_consumer().expect("another"));
    send(&producer, "one", Wait::No).expect("there is room");
    let (token, one) = receive(&consumer, Wait::No).expect("there is one");
    assert_eq!(one, "one");
    assert_eq!(Token::of_words(token.words()), token);
    assert!(matches!(other.release(token), Err(TokenError::Foreign)));
    assert!(matches!(producer.abort(token), Err(TokenError::Foreign)));
    assert!(matches!(consumer.release(Token::default()), Err(TokenError::Empty)));
    assert_eq!(
        consumer.look_at(token, text).expect("it is out").expect("it is read"),
        "one"
    );
    consumer.release(token).expect("it is out");
    assert!(matches!(consumer.release(token), Err(TokenError::Finished)));
    assert!(matches!(consumer.give_back(token), Err(TokenError::Finished)));
    assert!(matches!(consumer.look_at(token, |_, _| ()), Err(TokenError::Finished)));

    // The place is used again, the token is not.
    send(&producer, "two", Wait::No).expect("there is room");
    let (second, _) = receive(&consumer, Wait::No).expect("there is one");
    assert_ne!(second, token);
    assert!(matches!(consumer.release(token), Err(TokenError::Finished)));

    // Whatever C makes of one: words that no handle gave are refused.
    let [handle, claim] = second.words();
    for forged in [claim ^ 1, claim + 16, claim.wrapping_neg(), u64::MAX, 0, 1 << 63] {
        let forged = Token::of_words([handle, forged]);
        assert!(
            matches!(consumer.release(forged), Err(TokenError::Finished)),
            "{forged:?}"
        );
    }
    consumer.give_back(second).expect("it is out");
    assert_eq!(receive(&consumer, Wait::No).expect("it came back").1, "two");
}

#[test]
fn claims_are_written_in_place_and_a_wrong_length_leaves_them() {
    let scratch = Scratch::new();
    let (producer, consumer) = pair(scratch.bytes(8));
    let mut places = Vec::new();
    let lend = |index, lent| places.push((index, lent));
    let token = producer
        .claim_batch(2, 5, Wait::No, &mut Plain, lend)
        .expect("there is room");
    assert_eq!(places.len(), 2);
    for (index, lent) in &places {
        assert_eq!(lent.message_id, *index as u64 + 1);
        assert_eq!(lent.payload.len(), 5);
        // SAFETY: the claim is out, and nobody else uses its slots.
        let payload = unsafe { &mut *lent.payload.as_ptr() };
        assert_eq!(payload, &[0; 5]);
        payload.copy_from_slice(b"hello");
    }
    let too_long = producer.publish(token, |count| {
        assert_eq!(count, 2);
        Ok::<_, TokenError>(|index| (index == 1).then_some(6))
    });
    assert!(matches!(
        too_long,
        Err(TokenError::Runtime(Error::InvalidArgument { .. }))
    ));
    producer
        .publish(token, |_| Ok::<_, TokenError>(|index| (index == 1).then_some(4)))
        .expect("these lengths are possible");
    assert!(matches!(producer.abort(token), Err(TokenError::Finished)));
    assert_eq!(receive(&consumer, Wait::No).expect("there is one").1, "hello");
    assert_eq!(receive(&consumer, Wait::No).expect("there is one").1, "hell");
}

#[test]
fn a_waiting_call_does_not_keep_other_threads_from_the_handle() {
    let scratch = Scratch::new();
    let (producer, consumer) = pair(scratch.bytes(8));
    send(&producer, "held", Wait::No).expect("there is room");
    let (held, _) = receive(&consumer, Wait::No).expect("there is one");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| receive(&consumer, LONG));
        thread::sleep(Duration::from_millis(50));
        consumer.release(held).expect("it is out");
        assert!(matches!(receive(&consumer, Wait::No), Err(Error::Empty)));
        assert_eq!(consumer.with(|consumer| Ok(consumer.len())).expect("not forked"), 0);
        send(&producer, "awaited", Wait::No).expect("there is room");
        assert_eq!(waiting.join().expect("no panic").expect("it was sent").1, "awaited");
    });
}

#[test]
fn threads_share_both_ends_and_each_message_comes_once() {
    const EACH: usize = 2_000;
    let scratch = Scratch::new();
    let (producer, consumer) = pair(scratch.bytes(8));
    let received = thread::scope(|scope| {
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut got = Vec::new();
                    loop {
                        match receive(&consumer, LONG) {
                            Ok((token, text)) => {
                                consumer.release(token).expect("it is out");
                                got.push(text);
                            }
                            Err(Error::Closed) => return got,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let producer = &producer;
                scope.spawn(move || {
                    for number in 0..EACH {
                        send(producer, &format!("{sender} {number}"), LONG).expect("consumers go on");
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
        producer.with(Producer::close).expect("not forked");
        let all = receivers
            .into_iter()
            .flat_map(|receiver| receiver.join().expect("no panic"));
        all.collect::<Vec<_>>()
    });
    assert_eq!(received.len(), 2 * EACH);
    assert_eq!(received.into_iter().collect::<BTreeSet<_>>().len(), 2 * EACH);
}

#[test]
fn a_call_waits_for_another_thread_to_finish_one_of_all_claims() {
    let scratch = Scratch::new();
    let (_producer, consumer, mut held) = all_out(&scratch);
    for (wait, number) in [(LONG, 8), (Wait::Forever, 9)] {
        let first = held.remove(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                consumer.release(first).expect("it is out");
            });
            let (token, text) = receive(&consumer, wait).expect("one is released");
            assert_eq!(text, number.to_string());
            held.push(token);
        });
    }
    assert_eq!(scratch.last_error(), None, "the calls have not failed");

    // One that does not wait, and one whose time is over.
    assert!(matches!(
        receive(&consumer, Wait::No),
        Err(Error::TooManyClaims { limit: 8 })
    ));
    let over = Wait::For(Duration::from_millis(20));
    let start = Instant::now();
    assert!(matches!(receive(&consumer, over), Err(Error::Timeout)));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!(scratch.last_error(), Some(ErrorKind::TooManyClaims));
}

#[test]
fn a_producer_waits_for_another_thread_to_finish_one_of_all_claims() {
    let scratch = Scratch::new();
    let (producer, _consumer) = pair(scratch.bytes(32));
    let claim = |wait| Ok::<_, Error>(producer.claim(1, wait, &mut Plain)?.0);
    let held: Vec<_> = (0..8).map(|_| claim(Wait::No).expect("there is room")).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            producer.abort(held[3]).expect("it is out");
        });
        claim(LONG).expect("one is aborted");
    });
    assert!(matches!(claim(Wait::No), Err(Error::TooManyClaims { .. })));
}

#[test]
fn a_slot_that_the_handle_holds_itself_is_waited_for_if_another_thread_can_release_it() {
    let scratch = Scratch::new();
    let (producer, consumer) = pair(scratch.bytes(2));
    send(&producer, "1", Wait::No).expect("there is room");
    send(&producer, "2", Wait::No).expect("there is room");
    let held = [(); 2].map(|()| receive(&consumer, Wait::No).expect("there is one").0);

    let alone = consumer.receive(LONG, &mut Alone, text);
    assert!(matches!(alone, Err(Error::WouldDeadlock)));
    assert_eq!(scratch.last_error(), Some(ErrorKind::WouldDeadlock), "it is counted");
    assert!(matches!(
        consumer.receive(Wait::No, &mut Alone, text),
        Err(Error::WouldDeadlock)
    ));
    assert!(matches!(receive(&consumer, Wait::No), Err(Error::Empty)), "for now");

    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            consumer.release(held[0]).expect("it is out");
            send(&producer, "3", LONG).expect("there is room");
        });
        assert_eq!(receive(&consumer, LONG).expect("one is sent").1, "3");
    });
}

#[test]
fn a_thread_alone_is_told_at_once_that_all_its_claims_are_out() {
    let scratch = Scratch::new();
    let (_producer, consumer, held) = all_out(&scratch);
    let alone = consumer.receive(Wait::Forever, &mut Alone, text);
    assert!(matches!(alone, Err(Error::TooManyClaims { .. })));
    assert_eq!(scratch.last_error(), Some(ErrorKind::TooManyClaims));
    consumer.release(held[0]).expect("it is out");
    let next = consumer.receive(Wait::Forever, &mut Alone, text);
    assert_eq!(next.expect("there is one").expect("it is read").1, "8");
}

/// Looks after its call every millisecond, and ends it when it is told to.
struct Interrupted<'a> {
    stop: &'a AtomicBool,
    looks: usize,
}

impl WaitHooks for Interrupted<'_> {
    type Error = Stopped;
    fn slice(&self) -> Duration {
        Duration::from_millis(1)
    }
    fn between_sleeps(&mut self) -> Result<(), Stopped> {
        self.looks += 1;
        if self.stop.load(Ordering::Relaxed) {
            Err(Stopped(None))
        } else {
            Ok(())
        }
    }
}

/// By the binding, or by an error of the runtime.
#[derive(Debug)]
struct Stopped(Option<Error>);

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self(Some(error))
    }
}

#[test]
fn a_binding_may_end_a_wait_whatever_is_waited_for() {
    let scratch = Scratch::new();
    let (_producer, consumer, held) = all_out(&scratch);
    let empty = Shared::new(
        scratch
            .bytes(2)
            .with_name("empty")
            .build_raw_consumer()
            .expect("another channel"),
    );
    for consumer in [&consumer, &empty] {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                stop.store(true, Ordering::Relaxed);
            });
            let mut hooks = Interrupted { stop: &stop, looks: 0 };
            let ended = consumer.receive(Wait::Forever, &mut hooks, text);
            assert!(matches!(ended, Err(Stopped(None))));
            assert!(hooks.looks > 0);
        });
    }
    drop(held);
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_event_loop_is_woken_when_a_claim_is_finished_and_no_wake_is_missed() {
    let scratch = Scratch::new();
    let (_producer, consumer, held) = all_out(&scratch);
    let counting = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(counting.clone());
    let woken = || counting.0.load(Ordering::Relaxed);

    assert!(matches!(
        receive(&consumer, Wait::Attempt),
        Err(Error::TooManyClaims { .. })
    ));
    consumer.wake_when_finished(&waker).expect("not forked");
    consumer.wake_when_finished(&waker).expect("not forked");
    assert_eq!(woken(), 0);
    consumer.release(held[0]).expect("it is out");
    assert_eq!(woken(), 1, "once, however often it asked");
    consumer.release(held[1]).expect("it is out");
    assert_eq!(woken(), 1, "for what it asked for");

    // One that was finished between the attempt and the question.
    for _ in 0..2 {
        receive(&consumer, Wait::No).expect("there is one");
    }
    assert!(matches!(
        receive(&consumer, Wait::Attempt),
        Err(Error::TooManyClaims { .. })
    ));
    consumer.release(held[2]).expect("it is out");
    consumer.wake_when_finished(&waker).expect("not forked");
    assert_eq!(woken(), 2);
    assert_eq!(scratch.last_error(), None, "attempts are not counted");
}

#[test]
fn dropping_a_handle_gives_back_what_is_out() {
    let scratch = Scratch::new();
    let (producer, consumer, _held) = all_out(&scratch);
    let (token, _) = producer.claim(1, Wait::No, &mut Plain).expect("there is room");
    let other = Shared::new(scratch.bytes(32).build_raw_consumer().expect("another"));
    drop(consumer);
    drop(producer);
    let mut got: Vec<u32> = Vec::new();
    while let Ok((token, text)) = receive(&other, Wait::No) {
        got.push(text.parse().expect("a number"));
        other.release(token).expect("it is out");
    }
    got.sort_unstable();
    assert_eq!(got, (0..16).collect::<Vec<_>>());
    assert!(matches!(other.release(token), Err(TokenError::Foreign)));
}

fn read(consumer: &Shared<Consumer>, room: usize) -> Result<Copied<String>, Error> {
    match consumer.read(room, Wait::No, &mut Plain, text)? {
        Copied::Read(text) => Ok(Copied::Read(text?)),
        Copied::TooLong(len) => Ok(Copied::TooLong(len)),
    }
}

#[test]
fn a_message_that_is_too_long_for_a_buffer_stays_as_it_is() {
    let scratch = Scratch::new();
    let queue = scratch.bytes(4).with_redelivery_limit(0);
    let broadcast = scratch.bytes(4).with_name("all").with_delivery(Delivery::Broadcast);
    let lossy = broadcast
        .clone()
        .with_name("lossy")
        .with_subscription(Subscription::Lossy);
    let latest = scratch.bytes(4).with_name("latest").with_delivery(Delivery::Latest);
    let urgent = scratch.bytes(4).with_name("urgent").with_priorities(true);
    let packed = scratch
        .bytes(4)
        .with_name("packed")
        .with_payload_capacity(5)
        .with_packed_slots(true);
    for builder in [queue, broadcast, lossy, latest, urgent, packed] {
        let (producer, consumer) = pair(builder);
        for lap in 0..3 {
            assert!(matches!(read(&consumer, 0), Err(Error::Empty)));
            send(&producer, "hello", Wait::No).expect("there is room");
            for room in [0, 4, 0, 4] {
                let copied = read(&consumer, room).expect("there is one");
                assert_eq!(copied, Copied::TooLong(5), "lap {lap} of {consumer:?}");
            }
            let (token, metadata) = consumer
                .receive(Wait::No, &mut Plain, |consumer, claim| {
                    Ok::<_, Error>(consumer.metadata(claim, 0))
                })
                .expect("there is one")
                .expect("it is read");
            assert_eq!((metadata.redelivered, metadata.missed, metadata.payload_len), (0, 0, 5));
            consumer.release(token).expect("it is out");
            send(&producer, "other", Wait::No).expect("there is room");
            assert_eq!(read(&consumer, 5).expect("there is one"), Copied::Read("other".into()));
        }
        producer.with(Producer::close).expect("not forked");
        assert!(matches!(read(&consumer, 5), Err(Error::Closed)));
    }
}

#[test]
fn consumers_that_compete_with_small_buffers_lose_and_mark_nothing() {
    const MESSAGES: usize = 3_000;
    let scratch = Scratch::new();
    let builder = scratch.bytes(8).with_redelivery_limit(0);
    let (producer, consumer) = pair(builder.clone());
    let others = [(); 2].map(|()| Shared::new(builder.clone().build_raw_consumer().expect("another")));
    let received = thread::scope(|scope| {
        let receivers: Vec<_> = [&consumer, &others[0], &others[1]]
            .into_iter()
            .map(|consumer| {
                scope.spawn(move || {
                    let (mut got, mut too_long) = (Vec::new(), 0_usize);
                    loop {
                        // Short ones are read with a buffer of four bytes, longer ones with what they need.
                        let room = if too_long == 0 { 4 } else { too_long };
                        match consumer.read(room, LONG, &mut Plain, text) {
                            Ok(Copied::Read(text)) => {
                                let text = text.expect("it is read");
                                assert!(text.len() <= room);
                                got.push(text);
                                too_long = 0;
                            }
                            Ok(Copied::TooLong(len)) => {
                                assert!(len > room);
                                too_long = len;
                            }
                            Err(Error::Closed) => return got,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for number in 0..MESSAGES {
            let text = format!("{number:0width$}", width = 4 + number % 40);
            send(&producer, &text, LONG).expect("consumers go on");
        }
        producer.with(Producer::close).expect("not forked");
        let all = receivers
            .into_iter()
            .flat_map(|receiver| receiver.join().expect("no panic"));
        all.map(|text| text.parse::<usize>().expect("a number"))
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(received, (0..MESSAGES).collect());
    let info = scratch.statistics();
    assert_eq!((info.received, info.redelivered, info.dropped), (MESSAGES as u64, 0, 0));
}

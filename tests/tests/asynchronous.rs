//! Futures on any executor, with tokio's as the example: a future that is cancelled has taken nothing, and no wake-up is lost.

use dmxp::{AsyncConsumer, AsyncProducer, Channel, ChannelBuilder, Delivery, Error, WaitStrategy};
use dmxp_tests::{Draws, Numbered, TestRegion, status_of_forked, until};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Generous: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime")
}

fn numbered(region: &TestRegion, name: &str, capacity: u64) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name(name)
        .with_capacity(capacity)
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("it came in time")
}

/// Something short that a future is raced against: nothing, some turns of the executor, or some microseconds.
async fn moment(draws: &mut Draws) {
    match draws.below(8) {
        0 => tokio::time::sleep(Duration::from_micros(draws.below(300) as u64)).await,
        turns => {
            for _ in 0..turns / 2 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[test]
fn a_hundred_thousand_cancelled_futures_lose_no_message_and_leave_no_claim() {
    const CHANNELS: usize = 8;
    const CANCELS: u64 = 100_000;
    let region = TestRegion::new("async-cancel", 16 << 20);
    let cancelled = Arc::new(AtomicU64::new(0));

    async fn send(mut producer: AsyncProducer<Numbered>, cancelled: Arc<AtomicU64>, channel: usize) -> u64 {
        let mut draws = Draws::new(11, channel as u64);
        let mut number = 0;
        while cancelled.load(Ordering::Relaxed) < CANCELS {
            let message = Numbered::new(channel as u64, number);
            tokio::select! {
                biased;
                () = moment(&mut draws) => {
                    cancelled.fetch_add(1, Ordering::Relaxed);
                }
                sent = producer.send(&message) => {
                    sent.expect("sent");
                    number += 1;
                }
            }
            if draws.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        producer.get_ref().close().expect("closed");
        number
    }

    async fn receive(mut consumer: AsyncConsumer<Numbered>, cancelled: Arc<AtomicU64>, channel: usize) -> u64 {
        let mut draws = Draws::new(12, channel as u64);
        let mut number = 0;
        loop {
            let received = tokio::select! {
                biased;
                () = moment(&mut draws) => {
                    cancelled.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                received = consumer.recv() => received,
            };
            match received {
                Ok(message) => {
                    assert_eq!(message, Numbered::new(channel as u64, number));
                    number += 1;
                }
                Err(Error::Closed) => return number,
                Err(error) => panic!("{error}"),
            }
        }
    }

    let name = |channel: usize| format!("channel-{channel}");
    runtime().block_on(async {
        let tasks: Vec<_> = (0..CHANNELS)
            .map(|channel| {
                let builder = numbered(&region, &name(channel), 4);
                let consumer = builder.build_consumer().expect("a consumer").into_async();
                let producer = builder.build_producer().expect("a producer").into_async();
                (
                    tokio::spawn(send(producer, cancelled.clone(), channel)),
                    tokio::spawn(receive(consumer, cancelled.clone(), channel)),
                )
            })
            .collect();
        let mut all = 0;
        for (sender, receiver) in tasks {
            let (sent, received) = (sender.await.expect("no panic"), receiver.await.expect("no panic"));
            assert_eq!(sent, received);
            all += sent;
        }
        println!("{all} messages, {} cancels", cancelled.load(Ordering::Relaxed));
        assert!(all > 1_000, "{all} messages passed");
    });
    assert!(cancelled.load(Ordering::Relaxed) >= CANCELS);
    assert_eq!(region.region.blockages().expect("a look"), []);
    for channel in 0..CHANNELS {
        let info = region.region.channel_named(&name(channel)).expect("a channel");
        assert_eq!(info.head, info.tail);
        assert_eq!(info.aborted, 0, "no future claims what it does not send");
    }
}

#[test]
fn futures_can_be_sent_to_other_threads() {
    fn is_send(_: &impl Send) {}
    let region = TestRegion::new("async-send", 4 << 20);
    let builder = numbered(&region, "numbers", 4);
    let mut producer = builder.build_producer().expect("a producer").into_async();
    let mut consumer = builder.build_consumer().expect("a consumer").into_async();
    let message = Numbered::new(0, 0);
    is_send(&producer.send(&message));
    is_send(&consumer.recv());
    is_send(&consumer.recv_ref());
    let builder = ChannelBuilder::new().with_region(&region.region).with_name("bytes");
    let mut producer = builder.build_producer().expect("a producer").into_async();
    let mut consumer = builder.build_consumer().expect("a consumer").into_async();
    is_send(&producer.send(b"bytes"));
    is_send(&consumer.recv());
    is_send(&consumer.recv_ref());
}

#[test]
fn a_stream_gives_what_is_sent_and_ends_where_the_channel_is_closed() {
    let region = TestRegion::new("async-stream", 4 << 20);
    let builder = numbered(&region, "numbers", 4);
    let mut producer = builder.build_producer().expect("a producer").into_async();
    let mut consumer = builder.build_consumer().expect("a consumer").into_async();
    let bytes = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("bytes")
        .with_capacity(4);
    let mut bytes_out = bytes.build_producer().expect("a producer").into_async();
    let mut bytes_in = bytes.build_consumer().expect("a consumer").into_async();
    runtime().block_on(async move {
        let sender = tokio::spawn(async move {
            for number in 0..1_000 {
                in_time(producer.send(&Numbered::new(1, number))).await.expect("sent");
                in_time(bytes_out.send(number.to_le_bytes())).await.expect("sent");
                if number % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            producer.get_ref().close().expect("closed");
            bytes_out.into_inner().close().expect("closed");
        });
        for number in 0..1_000_u64 {
            let message = in_time(next(&mut consumer))
                .await
                .expect("not the end")
                .expect("a message");
            assert_eq!(message, Numbered::new(1, number));
            let bytes = in_time(next(&mut bytes_in))
                .await
                .expect("not the end")
                .expect("a message");
            assert_eq!(bytes, number.to_le_bytes());
        }
        assert!(in_time(next(&mut consumer)).await.is_none());
        assert!(in_time(next(&mut bytes_in)).await.is_none());
        sender.await.expect("no panic");
    });
}

#[test]
fn a_guard_keeps_its_slot_until_it_is_dropped() {
    let region = TestRegion::new("async-guard", 4 << 20);
    let builder = numbered(&region, "numbers", 2);
    let mut producer = builder.build_producer().expect("a producer").into_async();
    let mut consumer = builder.build_consumer().expect("a consumer").into_async();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for number in 0..2 {
            in_time(producer.send(&Numbered::new(0, number))).await.expect("sent");
        }
        let message = in_time(consumer.recv_ref()).await.expect("a message");
        assert_eq!(*message, Numbered::new(0, 0));
        let third = Numbered::new(0, 2);
        let blocked = tokio::time::timeout(Duration::from_millis(100), producer.send(&third)).await;
        assert!(blocked.is_err(), "its slot is still borrowed");
        drop(message);
        in_time(producer.send(&third)).await.expect("sent");
    });
}

#[test]
fn a_waiting_future_goes_on_when_a_producer_is_killed() {
    let region = TestRegion::new("async-dead", 4 << 20);
    let builder = || {
        ChannelBuilder::new()
            .with_region(&region.region)
            .with_name("small")
            .with_capacity(2)
            .with_wait_strategy(WaitStrategy::Sleep)
    };
    let mut consumer = builder().build_consumer().expect("a consumer").into_async();
    let mut holder = region.peer(env!("CARGO_BIN_EXE_peer"), "small", "hold-claim").spawn();
    until("the claim", || {
        region.region.channel_named("small").expect("it").tail == 1
    });
    builder()
        .build_producer()
        .expect("a producer")
        .send(b"behind the claim")
        .expect("the second slot is free");
    runtime().block_on(async {
        let early = tokio::time::timeout(Duration::from_millis(150), consumer.recv()).await;
        assert!(early.is_err(), "the claim is in the way");
        holder.kill();
        assert_eq!(in_time(consumer.recv()).await.expect("a message"), b"behind the claim");
    });
}

#[test]
fn two_tasks_that_compete_get_each_message_once() {
    let region = TestRegion::new("async-compete", 4 << 20);
    let builder = numbered(&region, "numbers", 8);
    let consumers = [0, 1, 2].map(|_| builder.build_consumer().expect("a consumer").into_async());
    let mut producer = builder.build_producer().expect("a producer").into_async();
    runtime().block_on(async {
        let receivers = consumers.map(|mut consumer| {
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                while let Some(message) = in_time(next(&mut consumer)).await {
                    numbers.push(message.expect("a message"));
                }
                numbers
            })
        });
        let sent: Vec<_> = (0..3_000).map(|number| Numbered::new(0, number)).collect();
        for message in &sent {
            in_time(producer.send(message)).await.expect("sent");
        }
        producer.get_ref().close().expect("closed");
        let mut received = Vec::new();
        for receiver in receivers {
            received.extend(receiver.await.expect("no panic"));
        }
        received.sort_unstable_by_key(|message| message.number);
        assert_eq!(received, sent);
    });
}

#[test]
fn a_future_in_a_forked_child_says_so_and_the_child_may_start_anew() {
    let region = TestRegion::new("async-fork", 4 << 20);
    let builder = ChannelBuilder::new().with_region(&region.region).with_name("bytes");
    let mut consumer = builder.build_consumer().expect("a consumer").into_async();
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    // The parent has a reactor, which waits.
    assert!(Pin::new(&mut consumer).poll_next(&mut context).is_pending());
    let name = region.name.clone();
    // SAFETY: the child calls into the library, which is what is tested, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let forked = matches!(
            Pin::new(&mut consumer).poll_next(&mut context),
            std::task::Poll::Ready(Some(Err(Error::Forked)))
        );
        drop(consumer);
        let own = dmxp::RegionOptions::new().name(&name).open().and_then(|region| {
            let builder = ChannelBuilder::new().with_region(&region).with_name("child");
            let mut consumer = builder.build_consumer()?.into_async();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime");
            let producer = builder.build_producer()?;
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                producer.send(b"from the child")
            });
            runtime.block_on(in_time(consumer.recv()))
        });
        let came = own.is_ok_and(|bytes| bytes == b"from the child");
        // SAFETY: no preconditions.
        unsafe { libc::_exit(i32::from(!forked) + 2 * i32::from(!came)) };
    }
    assert_eq!(status_of_forked(child), 0, "1: the fork was not noticed, 2: no message");
    // The parent's goes on.
    let producer = builder.build_producer().expect("a producer");
    runtime().block_on(async {
        producer.send(b"to the parent").expect("room");
        assert_eq!(in_time(consumer.recv()).await.expect("a message"), b"to the parent");
    });
}

#[test]
fn batches_and_claims_wait_in_futures() {
    let region = TestRegion::new("async-batches", 8 << 20);
    runtime().block_on(async {
        let builder = numbered(&region, "numbers", 8);
        let mut consumer = builder.build_consumer().expect("a consumer").into_async();
        let mut producer = builder.build_producer().expect("a producer").into_async();
        assert_eq!(consumer.recv_up_to(0).await.expect("none").len(), 0);
        assert_eq!(producer.send_batch(&[]).await.expect("none"), 0);
        assert_eq!(producer.claim_batch(0).await.expect("none").publish().expect("none"), 0);
        let writer = tokio::spawn(async move {
            let mut number = 0;
            let mut next = || {
                number += 1;
                Numbered::new(0, number)
            };
            for _ in 0..100 {
                // Each more than there is room for now and then.
                producer
                    .send_batch(&[next(), next(), next(), next(), next()])
                    .await
                    .expect("sent");
                producer.send(&next()).await.expect("sent");
                // Guards stay in one poll: a claim is not kept over an await here.
                producer
                    .claim_with(&next())
                    .await
                    .expect("claimed")
                    .publish()
                    .expect("published");
                let mut rest: &[Numbered] = &[next(), next(), next()];
                while !rest.is_empty() {
                    rest = &rest[producer.send_up_to(rest).await.expect("sent")..];
                }
            }
            producer.get_ref().close().expect("closed");
        });
        let mut seen = 0;
        loop {
            let batch = match in_time(consumer.recv_up_to(3)).await {
                Ok(batch) => batch,
                Err(Error::Closed) => break,
                Err(error) => panic!("{error}"),
            };
            for message in &batch {
                seen += 1;
                assert_eq!(message.number, seen);
            }
        }
        assert_eq!(seen, 1000);
        writer.await.expect("it ended");
        let batch = Box::pin(consumer.recv_batch(9)).await;
        assert!(matches!(batch, Err(Error::BatchTooLarge { count: 9, limit: 8 })));
    });
}

#[test]
fn urgent_messages_and_newest_values_in_futures() {
    let region = TestRegion::new("async-urgent", 8 << 20);
    runtime().block_on(async {
        let orders = ChannelBuilder::new()
            .with_region(&region.region)
            .with_name("orders")
            .with_capacity(2);
        let urgent = orders.clone().with_priorities(true);
        let mut producer = urgent.build_producer().expect("a producer").into_async();
        let mut consumer = urgent.build_consumer().expect("a consumer").into_async();
        producer.send("usual").await.expect("sent");
        for _ in 0..2 {
            producer.high().expect("priorities").send("urgent").await.expect("sent");
        }
        // No room for a third urgent one; a usual one has room. It waits until one was received.
        let late = tokio::spawn(async move {
            producer.high().expect("priorities").send("late").await.expect("sent");
            producer
        });
        assert_eq!(in_time(consumer.recv()).await.expect("one"), b"urgent");
        let mut producer = in_time(late).await.expect("sent");
        let mut claim = in_time(producer.claim(5)).await.expect("a claim");
        claim.copy_from_slice(b"place");
        claim.publish().expect("published");
        let batch = in_time(consumer.recv_batch(2)).await.expect("two");
        assert_eq!(batch.iter().collect::<Vec<_>>(), [b"urgent".as_slice(), b"late"]);
        drop(batch);
        let batch = in_time(consumer.recv_up_to(9)).await.expect("two");
        assert_eq!(batch.iter().collect::<Vec<_>>(), [b"usual".as_slice(), b"place"]);
        let plain = orders.with_name("plain").build_producer().expect("a producer");
        assert!(matches!(
            plain.into_async().high().map(drop),
            Err(Error::InvalidArgument { .. })
        ));

        let values = ChannelBuilder::new()
            .with_region(&region.region)
            .with_name("values")
            .with_delivery(Delivery::Latest);
        let mut consumer = values.build_consumer().expect("a consumer").into_async();
        assert!(matches!(consumer.newest().map(drop), Err(Error::Empty)));
        values.build_producer().expect("a producer").send("one").expect("sent");
        assert_eq!(&*consumer.newest().expect("a value"), b"one");
        assert_eq!(&*consumer.newest().expect("the same"), b"one");
    });
}

#[test]
fn a_sink_sends_all_that_it_took_in_order() {
    use futures_sink::Sink;
    let region = TestRegion::new("async-sink", 8 << 20);
    runtime().block_on(async {
        let builder = numbered(&region, "numbers", 4);
        let mut consumer = builder.build_consumer().expect("a consumer").into_async();
        let mut sink = builder.build_producer().expect("a producer").into_async();
        let writer = tokio::spawn(async move {
            for number in 1..=1000 {
                poll_fn(|context| Pin::new(&mut sink).poll_ready(context))
                    .await
                    .expect("ready");
                Pin::new(&mut sink).start_send(Numbered::new(0, number)).expect("taken");
            }
            poll_fn(|context| Pin::new(&mut sink).poll_close(context))
                .await
                .expect("flushed");
            // Closing the sink has not ended the stream.
            sink.send(&Numbered::new(0, 1001)).await.expect("sent");
            sink
        });
        for number in 1..=1001 {
            assert_eq!(in_time(consumer.recv()).await.expect("a message").number, number);
        }
        let mut sink = writer.await.expect("it ended");
        // One more than there is room for is kept; a second is refused until it was flushed, and an end of the stream is told.
        for number in 1..=5 {
            Pin::new(&mut sink).start_send(Numbered::new(0, number)).expect("taken");
        }
        assert!(matches!(
            Pin::new(&mut sink).start_send(Numbered::new(0, 6)),
            Err(Error::Full)
        ));
        assert_eq!(sink.get_ref().len(), 4);
        assert_eq!(consumer.recv().await.expect("a message").number, 1);
        in_time(poll_fn(|context| Pin::new(&mut sink).poll_flush(context)))
            .await
            .expect("flushed");
        for number in 2..=5 {
            assert_eq!(consumer.recv().await.expect("a message").number, number);
        }
        sink.get_ref().close().expect("closed");
        assert!(matches!(
            Pin::new(&mut sink).start_send(Numbered::new(0, 7)),
            Err(Error::Closed)
        ));
    });
}

/// A waker that panics, as a broken executor's may.
struct Panicking(std::sync::atomic::AtomicBool);

impl std::task::Wake for Panicking {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        panic!("a waker that panics, on purpose");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_future_from_being_woken() {
    let region = TestRegion::new("async-panic", 4 << 20);
    let panicking = Arc::new(Panicking(false.into()));
    let mut broken = numbered(&region, "broken", 4)
        .build_consumer()
        .expect("a consumer")
        .into_async();
    let sender = numbered(&region, "broken", 4).build_producer().expect("a producer");
    let waker = std::task::Waker::from(panicking.clone());
    let mut context = std::task::Context::from_waker(&waker);
    {
        let mut waiting = std::pin::pin!(broken.recv());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        sender.send(&Numbered::new(0, 1)).expect("there is room");
        until("the waker panics", || panicking.0.load(Ordering::SeqCst));
    }
    // More than once: the thread that wakes them is there still.
    runtime().block_on(async {
        for round in 0..3_u64 {
            let name = format!("round-{round}");
            let mut consumer = numbered(&region, &name, 4)
                .build_consumer()
                .expect("a consumer")
                .into_async();
            let producer = numbered(&region, &name, 4).build_producer().expect("a producer");
            let sending = tokio::task::spawn_blocking(move || {
                thread::sleep(Duration::from_millis(20));
                producer.send(&Numbered::new(0, round)).expect("there is room");
            });
            let message = in_time(consumer.recv()).await.expect("a message");
            assert_eq!(message.number, round);
            in_time(sending).await.expect("it was sent");
        }
    });
}

//! Batches: empty ones, iteration, and what consumers and producers of bytes have.

use dmxp::{Channel, ChannelBuilder, Delivery, Error, ErrorKind, Region, RegionOptions, Wait};
use std::time::Duration;

#[dmxp::message]
struct Tick {
    number: u64,
}

fn tick(number: u64) -> Tick {
    Tick { number }
}

struct Scratch {
    region: Region,
    name: String,
}

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("batches-{test}-{}", std::process::id());
        let region = RegionOptions::new()
            .name(&name)
            .size(8 << 20)
            .create()
            .expect("a region");
        Self { region, name }
    }

    fn ticks(&self, name: &str) -> ChannelBuilder<Tick> {
        Channel::<Tick>::builder()
            .with_region(&self.region)
            .with_name(name)
            .with_capacity(16)
    }

    fn bytes(&self, name: &str) -> ChannelBuilder {
        ChannelBuilder::new()
            .with_region(&self.region)
            .with_name(name)
            .with_capacity(16)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = RegionOptions::new().name(&self.name).remove(true);
    }
}

/// The builders of every kind of channel.
fn kinds(builder: ChannelBuilder<Tick>) -> [(&'static str, ChannelBuilder<Tick>); 4] {
    let broadcast = builder.clone().with_delivery(Delivery::Broadcast);
    [
        ("queue", builder.clone().with_name("queue")),
        ("broadcast", broadcast.clone().with_name("broadcast")),
        (
            "lossy",
            broadcast
                .with_name("lossy")
                .with_lossy_subscribers(true)
                .with_single_producer(true),
        ),
        ("packed", builder.with_name("packed").with_packed_slots(true)),
    ]
}

#[test]
fn an_empty_batch_is_none_and_waits_for_nothing() -> dmxp::Result<()> {
    let scratch = Scratch::new("empty");
    for (kind, builder) in kinds(scratch.ticks("")) {
        let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
        // Nothing is there, and nobody waits.
        assert_eq!(consumer.recv_up_to(0, Wait::Forever)?.len(), 0, "{kind}");
        assert!(consumer.recv_batch(0, Wait::Forever)?.is_empty(), "{kind}");
        assert_eq!(producer.send_batch(&[], Wait::Forever)?, 0, "{kind}");
        assert_eq!(producer.send_up_to(&[], Wait::Forever)?, 0, "{kind}");
        let mut batch = producer.claim_batch(0, Wait::Forever)?;
        assert!(batch.is_empty() && batch.iter_mut().next().is_none(), "{kind}");
        assert_eq!(batch.publish()?, 0, "{kind}");
        assert!(consumer.is_empty(), "{kind}");
        // Nor is there room.
        assert_eq!(producer.send_up_to(&[tick(7); 16], Wait::No)?, 16, "{kind}");
        assert_eq!(producer.send_batch(&[], Wait::No)?, 0, "{kind}");
        assert_eq!(producer.claim_batch(0, Wait::No)?.publish()?, 0, "{kind}");
        assert_eq!(consumer.recv_up_to(0, Wait::No)?.iter().count(), 0, "{kind}");
        assert_eq!(consumer.len(), 16, "{kind}");
    }
    let packed = scratch.ticks("packed").with_packed_slots(true);
    let (consumer, producer) = (packed.build_consumer()?, packed.build_producer()?);
    let slice = consumer.recv_slice(0, Wait::Forever)?;
    assert_eq!(
        (slice.len(), slice.message_count(), slice.message_id(), slice.missed()),
        (0, 0, 0, 0)
    );
    slice.give_back();
    assert_eq!(consumer.recv_slice_copy(&mut Vec::new(), 0, Wait::Forever)?, 0);
    assert_eq!(producer.claim_slice(0, Wait::Forever)?.publish()?, 0);
    assert_eq!(producer.as_raw().send_stretch(&[], 1, Wait::Forever)?, (0, 0));
    assert_eq!(consumer.as_raw().copy_stretch(&mut [], Wait::Forever)?, (0, 0));
    Ok(())
}

#[test]
fn an_empty_batch_of_bytes_is_none() -> dmxp::Result<()> {
    let scratch = Scratch::new("empty-bytes");
    let builder = scratch.bytes("bytes");
    let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
    let none: [&[u8]; 0] = [];
    assert_eq!(producer.send_batch(&none, Wait::Forever)?, 0);
    assert_eq!(producer.send_up_to(&none, Wait::Forever)?, 0);
    assert_eq!(producer.claim_batch(0, 10, Wait::Forever)?.publish()?, 0);
    assert!(consumer.recv_up_to(0, Wait::Forever)?.is_empty());
    assert!(consumer.recv_batch(0, Wait::Forever)?.is_empty());
    Ok(())
}

#[test]
fn batches_are_written_and_read_in_loops() -> dmxp::Result<()> {
    let scratch = Scratch::new("loops");
    for (kind, builder) in kinds(scratch.ticks("")) {
        let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
        // Across the end of the ring, too.
        for round in 0..5 {
            let mut batch = producer.claim_batch(6, Wait::No)?;
            for (number, tick) in (0..).zip(&mut batch) {
                tick.number = round * 10 + number;
            }
            // All at once, as long as the batch is borrowed.
            let mut all: Vec<&mut Tick> = batch.iter_mut().collect();
            all[0].number += 100;
            all[5].number += 100;
            all[0].number -= 100;
            all[5].number -= 100;
            batch.publish()?;
            let mut seen = Vec::new();
            while seen.len() < 6 {
                let batch = consumer.recv_up_to(100, Wait::No)?;
                for tick in &batch {
                    seen.push(tick.number);
                }
                assert_eq!(batch.iter().rev().count(), batch.len());
                assert_eq!(batch.iter().len(), batch.len());
            }
            assert_eq!(
                seen,
                (0..6).map(|number| round * 10 + number).collect::<Vec<_>>(),
                "{kind}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_batch_can_be_given_back() -> dmxp::Result<()> {
    let scratch = Scratch::new("back");
    let builder = scratch.ticks("ticks");
    let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
    producer.send_batch(&[tick(1), tick(2), tick(3)], Wait::No)?;
    consumer.recv_up_to(2, Wait::No)?.give_back();
    let mut numbers: Vec<u64> = Vec::new();
    for _ in 0..3 {
        let message = consumer.try_recv()?;
        assert_eq!(message.metadata().redelivered > 0, message.number < 3);
        numbers.push(message.number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    let bytes = scratch.bytes("bytes");
    let (consumer, producer) = (bytes.build_consumer()?, bytes.build_producer()?);
    producer.send_batch(&["one", "two"], Wait::No)?;
    consumer.recv_batch(2, Wait::No)?.give_back();
    for _ in 0..2 {
        assert!(consumer.try_recv()?.metadata().redelivered > 0);
    }
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    Ok(())
}

#[test]
fn consumers_of_bytes_have_what_typed_ones_have() -> dmxp::Result<()> {
    let scratch = Scratch::new("bytes");
    let builder = scratch.bytes("bytes");
    let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
    let mut batch = producer.claim_batch(3, 2, Wait::No)?;
    for (number, bytes) in (b'a'..).zip(&mut batch) {
        bytes.fill(number);
    }
    batch.get_mut(1)[1] = b'!';
    let first = batch.publish()?;
    producer.send("longer")?;
    let batch = consumer.recv_up_to(10, Wait::No)?;
    assert_eq!(
        (&batch).into_iter().collect::<Vec<_>>(),
        [b"aa".as_slice(), b"b!", b"cc", b"longer"]
    );
    assert_eq!(
        (&batch[1], batch.get(3).map(<[u8]>::len), batch.get(4)),
        (b"b!".as_slice(), Some(6), None)
    );
    assert_eq!(batch.metadata(2).map(|metadata| metadata.message_id), Some(first + 2));
    assert!(batch.metadata(4).is_none());
    drop(batch);
    assert!(matches!(
        consumer.recv_batch(1, Wait::For(Duration::from_millis(1))),
        Err(Error::Timeout)
    ));
    assert!(matches!(
        consumer.recv_batch(17, Wait::No),
        Err(Error::BatchTooLarge { count: 17, limit: 16 })
    ));
    producer.send_batch(&["one", "two", "three"], Wait::No)?;
    assert_eq!(consumer.recv_copy(Wait::No)?, b"one");
    producer.close()?;
    let rest: dmxp::Result<Vec<Vec<u8>>> = consumer.iter().collect();
    assert_eq!(rest?, [b"two".as_slice(), b"three"]);
    assert!((&consumer).into_iter().next().is_none(), "the stream has ended");

    let packed = scratch.bytes("packed").with_packed_slots(true).with_payload_capacity(4);
    let (consumer, producer) = (packed.build_consumer()?, packed.build_producer()?);
    let mut slice = producer.claim_slice(2, Wait::No)?;
    slice.copy_from_slice(b"onestwos");
    slice.publish()?;
    let batch = consumer.recv_up_to(10, Wait::No)?;
    assert_eq!(batch.iter().collect::<Vec<_>>(), [b"ones", b"twos"]);
    Ok(())
}

#[test]
fn errors_can_be_compared_by_kind() -> dmxp::Result<()> {
    let scratch = Scratch::new("kinds");
    let builder = scratch.bytes("bytes");
    let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
    let kind = |error: Error| (error.kind(), format!("{error:?}"));
    let (empty, said) = kind(consumer.try_recv().unwrap_err());
    assert_eq!(
        (empty, said.as_str()),
        (ErrorKind::Empty, "Empty: the channel is empty")
    );
    let (long, said) = kind(producer.send(vec![0; 961]).unwrap_err());
    assert_eq!(long, ErrorKind::PayloadTooLarge);
    assert_eq!(said, "PayloadTooLarge: payload of 961 bytes; the limit is 960 bytes");
    let missing = scratch.bytes("missing").open_only().build_consumer().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::ChannelNotFound);
    assert_eq!(missing.kind().to_string(), "channel not found");
    assert_ne!(missing.kind(), ErrorKind::RegionNotFound);
    Ok(())
}

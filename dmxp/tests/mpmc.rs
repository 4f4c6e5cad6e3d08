//! The published integration test, by its name: many producers and many consumers of one channel.

use dmxp::{ChannelBuilder, Error, RegionOptions};
use std::thread;

#[test]
fn test_mpmc_integration() -> std::io::Result<()> {
    const PRODUCERS: u64 = 4;
    const MESSAGES: u64 = 5_000;
    let name = format!("mpmc-{}", std::process::id());
    let region = RegionOptions::new().name(&name).size(4 << 20).create()?;
    let channel = ChannelBuilder::new()
        .with_region(&region)
        .with_channel_id(0)
        .with_capacity(64);
    let consumers = [(); 4].map(|()| {
        let consumer = channel.build_consumer().expect("a consumer");
        thread::spawn(move || -> dmxp::Result<Vec<u64>> {
            let mut numbers = Vec::new();
            loop {
                match consumer.recv() {
                    Ok(message) => numbers.push(u64::from_le_bytes(message[..].try_into().expect("a number"))),
                    Err(Error::Closed) => return Ok(numbers),
                    Err(error) => return Err(error),
                }
            }
        })
    });
    let last = channel.build_producer()?;
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let channel = channel.clone();
            thread::spawn(move || -> dmxp::Result<()> {
                let sender = channel.build_producer()?;
                (0..MESSAGES).try_for_each(|number| sender.send((producer * MESSAGES + number).to_le_bytes()).map(drop))
            })
        })
        .collect();
    for producer in producers {
        producer.join().expect("a producer")?;
    }
    last.close()?;
    let mut received = Vec::new();
    for consumer in consumers {
        let numbers = consumer.join().expect("a consumer")?;
        // Of each producer, in order.
        for producer in 0..PRODUCERS {
            let own = numbers.iter().filter(|number| *number / MESSAGES == producer);
            assert!(own.is_sorted());
        }
        received.extend(numbers);
    }
    received.sort_unstable();
    assert!(received.into_iter().eq(0..PRODUCERS * MESSAGES), "each once");
    drop((last, channel, region));
    Ok(RegionOptions::new().name(&name).remove(true)?)
}

#[test]
fn test_mpmc_integration_a_channel_goes_by_its_name() -> dmxp::Result<()> {
    let name = format!("mpmc-named-{}", std::process::id());
    let region = RegionOptions::new().name(&name).size(4 << 20).create()?;
    let channel = ChannelBuilder::new().with_region(&region).with_name("orders");
    let producer = channel.build_producer()?;
    assert!(matches!(
        region.remove_channel_named("orders", false),
        Err(Error::ChannelInUse { .. })
    ));
    assert!(matches!(
        region.remove_channel_named("other", true),
        Err(Error::ChannelNotFound { .. })
    ));
    drop(producer);
    region.remove_channel_named("orders", false)?;
    assert!(region.channels()?.is_empty());
    // Of one that was removed under its users, the name is free at once.
    let producer = channel.build_producer()?;
    region.remove_channel_named("orders", true)?;
    assert!(matches!(
        region.remove_channel_named("orders", true),
        Err(Error::ChannelNotFound { .. })
    ));
    assert!(matches!(producer.send("late"), Err(Error::Removed)));
    drop((producer, channel, region));
    RegionOptions::new().name(&name).remove(true)
}

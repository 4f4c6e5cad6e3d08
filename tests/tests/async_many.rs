//! Hundreds of channels with a future each: one reactor in the process, which costs nothing while nothing happens and keeps nothing.
//! A program of its own, because it counts the threads of the process.

use dmxp::{ChannelBuilder, Region, RegionOptions};
use dmxp_tests::{Draws, TestRegion};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(30);
const CHANNELS: usize = 600;
const MESSAGES: u64 = 6_000;
/// What one thread can sleep on.
const WORDS: usize = 127;

/// The library's threads: their names, and how often they have slept.
fn threads() -> Vec<(String, u64)> {
    let mut threads = dmxp_tests::threads(std::process::id());
    threads.retain(|(name, _)| name.starts_with("dmxp-"));
    threads
}

/// Regions that are removed at the end, whatever it is.
struct Names([String; 3]);

impl Drop for Names {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = RegionOptions::new().name(name).remove(true);
        }
    }
}

#[test]
fn six_hundred_channels_are_waited_for_by_one_reactor_which_rests_when_nothing_comes() {
    let names = Names([0, 1, 2].map(|_| TestRegion::fresh_name("async-many")));
    let regions = names.0.each_ref().map(|name| {
        let options = RegionOptions::new().size(8 << 20).max_handles(512);
        options.name(name).create().expect("a region")
    });
    let builder = |index: usize| {
        let region: &Region = &regions[index % 3];
        ChannelBuilder::new()
            .with_region(region)
            .with_name(format!("channel-{index}"))
            .with_capacity(8)
            .with_compact_slots(true)
            .with_payload_capacity(64)
    };
    let producers: Vec<_> = (0..CHANNELS)
        .map(|index| builder(index).build_producer().expect("a producer"))
        .collect();
    assert_eq!(threads(), [], "there is no thread before a future waits");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let count = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..CHANNELS)
            .map(|index| {
                let mut consumer = builder(index).build_consumer().expect("a consumer").into_async();
                let count = count.clone();
                tokio::spawn(async move {
                    let mut received = Vec::new();
                    while let Ok(bytes) = consumer.recv().await {
                        received.push(u64::from_le_bytes(bytes[..].try_into().expect("eight bytes")));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    received
                })
            })
            .collect();
        let mut expected = vec![Vec::new(); CHANNELS];
        for number in 0..MESSAGES {
            let mut draws = Draws::new(5, number);
            let channel = draws.below(CHANNELS);
            expected[channel].push(number);
            producers[channel]
                .send_timeout(number.to_le_bytes(), BOUND)
                .expect("room");
            if draws.below(20) == 0 {
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
        let started = Instant::now();
        while count.load(Ordering::Relaxed) < MESSAGES {
            assert!(
                started.elapsed() < BOUND,
                "{} of {MESSAGES} came",
                count.load(Ordering::Relaxed)
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // All wait again.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = threads();
        let names: Vec<_> = before.iter().map(|(name, _)| name.as_str()).collect();
        let mut one = vec!["dmxp-reactor"];
        one.extend(vec!["dmxp-sleeper"; (CHANNELS - WORDS).div_ceil(WORDS)]);
        assert_eq!(
            names, one,
            "one reactor, and a thread for each 127 channels that it has no room for"
        );
        let started = Instant::now();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let after = threads();
        // It looks after the dead each 40 ms; nothing else ends its sleep, and nothing the others'.
        let looks = 2 * started.elapsed().as_millis() as u64 / 40;
        for ((name, slept_before), (_, slept)) in before.iter().zip(&after) {
            let slept = slept - slept_before;
            println!("{name} slept {slept} times while 600 futures waited for 3 s");
            let most = if name == "dmxp-reactor" { looks } else { 3 };
            assert!(slept <= most, "{name} slept {slept} times while nothing came");
        }
        for producer in &producers {
            producer.close().expect("closed");
        }
        for (task, expected) in tasks.into_iter().zip(expected) {
            assert_eq!(task.await.expect("no panic"), expected);
        }
    });
    drop(runtime);
    drop(producers);
    std::thread::sleep(Duration::from_millis(300));
    let before = threads();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(threads(), before, "no future waits: no time is used");
    // Nothing of the reactor's keeps the regions attached.
    drop(regions);
    for name in &names.0 {
        let removed = RegionOptions::new().name(name).remove(false);
        assert!(removed.is_ok(), "{removed:?}");
    }
}

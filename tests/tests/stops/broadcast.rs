//! What subscribers see of a broadcasting victim: everything that it had sent, in order, batches whole, and then its successor's.

use super::{BOUND, Victim};
use dmxp::{Channel, ChannelBuilder, Consumer, Delivery, Error};
use dmxp_tests::{Numbered, TestRegion};
use std::time::{Duration, Instant};

/// The sender number of the message that is looked for behind a victim's.
const SUCCESSOR: u64 = u64::MAX;
/// The process that is left dead before the victim starts.
const DEAD: u64 = u64::MAX - 1;

fn channel(region: &TestRegion, name: &str, single: bool) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name(name)
        .with_capacity(8)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(single)
        .with_packed_slots(name == "packed")
}

/// Reliable subscribers of the channels that a workload sends on, opened before the victim comes.
pub(super) struct Audience {
    subscribers: Vec<(&'static str, ChannelBuilder<Numbered>, Consumer<Numbered>)>,
}

impl Audience {
    /// For the workloads that need one. For `heir` it also leaves dead producers: of many, one that had moved the tail and not said
    /// so, and one that was writing; and one alone that was writing.
    pub(super) fn of(region: &TestRegion, workload: &str) -> Option<Self> {
        let names: &[(&str, bool)] = match workload {
            "broadcast" => &[("solo", true), ("news", false), ("packed", true)],
            "heir" => &[("solo", true), ("news", false)],
            _ => return None,
        };
        let subscribers = names.iter().map(|&(name, single)| {
            let channel = channel(region, name, single);
            let subscriber = channel.build_consumer().expect("a subscriber");
            (name, channel, subscriber)
        });
        let audience = Self {
            subscribers: subscribers.collect(),
        };
        if workload == "heir" {
            leave_dead(region);
        }
        Some(audience)
    }

    /// After the victim's death: what came, against what it said, and that a successor is heard.
    pub(super) fn check(self, incarnation: u64, said: &[String], what: &str) {
        for (name, channel, subscriber) in self.subscribers {
            let mut told = said
                .iter()
                .filter_map(|line| line.strip_prefix("told ")?.strip_prefix(name));
            let told: u64 = told
                .next_back()
                .map_or(0, |number| number.trim().parse().expect("a number"));
            let successor = channel
                .build_producer()
                .unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
            let started = Instant::now();
            let (mut next, mut sent) = (0, false);
            loop {
                assert!(started.elapsed() < BOUND, "{what}: {name}: blocked");
                if !sent {
                    let message = Numbered::new(SUCCESSOR, incarnation);
                    sent = successor.send_timeout(&message, Duration::from_millis(1)).is_ok();
                }
                match subscriber.recv_timeout(Duration::from_millis(if sent { 1_000 } else { 50 })) {
                    Ok(message) if message.producer == SUCCESSOR => break,
                    Ok(message) => {
                        assert!(message.is_whole(), "{what}: {name}: torn {message:?}");
                        if message.producer != DEAD {
                            assert_eq!(
                                (message.producer, message.number),
                                (incarnation, next),
                                "{what}: {name}"
                            );
                            next += 1;
                        }
                    }
                    Err(Error::Timeout) => {}
                    Err(error) => panic!("{what}: {name}: {error}"),
                }
            }
            assert!(next >= told, "{what}: {name}: {told} were sent, {next} came");
            assert_ne!(next, 2, "{what}: {name}: part of a batch");
        }
    }
}

fn leave_dead(region: &TestRegion) {
    let at = |file: &str, source: &str, call: &str| {
        let (line, text) = source
            .lines()
            .enumerate()
            .find(|(_, text)| text.contains(call))
            .expect("the line");
        let column = text.find("store").expect("the call") + 1;
        format!("{file}:{}:{column}", line + 1)
    };
    let several = include_str!("../../../dmxp/src/ring/broadcast/several.rs");
    let words = include_str!("../../../dmxp/src/ring/broadcast/mod.rs");
    let owned = at("dmxp/src/ring/broadcast/several.rs", several, "cell.store(Cell::owned(");
    let writing = at(
        "dmxp/src/ring/broadcast/mod.rs",
        words,
        "word.store(u64::from_ne_bytes(*chunk)",
    );
    // A message has eight words. The one alone comes last, as the others go through its channel.
    let points = [(&owned, 1), (&writing, 9), (&writing, 1)];
    let mut dead: Vec<_> = points
        .iter()
        .map(|(point, pass)| {
            let mut victim = Victim::start(&region.name, "heir", DEAD, point, *pass);
            assert!(victim.stops(), "it stops at {point}");
            victim
        })
        .collect();
    // All at once: a process that opens a handle sweeps what it finds.
    while let Some(victim) = dead.pop() {
        victim.kill();
    }
}

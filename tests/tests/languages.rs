//! Rust, C and Python exchange the same bytes, message types included, and refuse the same things.

use dmxp::message::{Open, Reserved, bytes_of};
use dmxp::{Channel, ChannelBuilder, Delivery, DmxpMessage, Wait};
use dmxp_tests::orders::{first, moved, second};
use dmxp_tests::{
    EveryKind, Language, Languages, Numbered, Payloads, Peer, PeerCommand, Stub, TestRegion, digest, until,
};
use std::sync::OnceLock;
use std::time::Duration;

/// A peer at the channel `messages`; `None` where its language is missing.
fn peer(language: Language, region: &TestRegion, command: &str) -> Option<PeerCommand> {
    static LANGUAGES: OnceLock<Languages> = OnceLock::new();
    let languages = LANGUAGES.get_or_init(|| {
        let stubs = [
            Stub::of::<EveryKind>("every_kind"),
            Stub::of::<Numbered>("numbered"),
            Stub::of::<first::Order>("order"),
        ];
        Languages::build(env!("CARGO_BIN_EXE_peer"), env!("CARGO_TARGET_TMPDIR"), &stubs)
    });
    languages.peer(language, &region.name, "messages", command)
}

fn channel<T: DmxpMessage>(region: &TestRegion, name: &str) -> ChannelBuilder<T> {
    Channel::<T>::builder().with_region(&region.region).with_name(name)
}

fn bytes(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new().with_region(&region.region).with_name("messages")
}

/// Messages from each language to each.
const COUNT: usize = 10_000;
/// Few, so that slots are used many times and both ends wait.
const SLOTS: u64 = 64;

/// Every pair of sender and receiver whose languages are there.
fn pairs() -> impl Iterator<Item = (u64, Language, Language)> {
    let pairs = Language::ALL.map(|from| Language::ALL.map(|to| (from, to)));
    (1..)
        .zip(pairs.into_iter().flatten())
        .map(|(seed, (from, to))| (seed, from, to))
}

/// Starts both ends of a pair and compares the digests of what one sent and the other received with the one expected.
fn exchange(
    region: &TestRegion,
    (from, send): (Language, &str),
    (to, receive): (Language, &str),
    seed: u64,
    expected: &str,
) {
    let (Some(sender), Some(receiver)) = (peer(from, region, send), peer(to, region, receive)) else {
        return;
    };
    let mut receiver = receiver.arg(COUNT);
    if receive != "consume" {
        receiver = receiver.arg(seed);
    }
    let receiver = receiver.spawn();
    let sender = sender.arg(COUNT).arg(seed).spawn();
    assert_eq!(sender.output().trim_end(), expected, "sent from {from:?} to {to:?}");
    assert_eq!(
        receiver.output().trim_end(),
        expected,
        "received from {from:?} in {to:?}"
    );
    let info = region.region.channel_named("messages").expect("it is there");
    assert_eq!(
        (info.capacity, info.tail, info.head),
        (SLOTS, COUNT as u64, COUNT as u64)
    );
}

#[test]
fn bytes_of_every_length_are_exact_between_every_pair_of_languages() {
    for (seed, from, to) in pairs() {
        let region = TestRegion::new("bytes", 4 << 20);
        drop(
            bytes(&region)
                .with_capacity(SLOTS)
                .build_consumer()
                .expect("the channel is new"),
        );
        let expected = digest(Payloads::new(seed).take(COUNT));
        exchange(&region, (from, "produce"), (to, "consume"), seed, &expected);
    }
}

#[test]
fn a_message_with_every_kind_of_field_is_exact_between_every_pair_of_languages() {
    for (seed, from, to) in pairs() {
        let region = TestRegion::new("every-kind", 4 << 20);
        let new = channel::<EveryKind>(&region, "messages").with_capacity(SLOTS);
        drop(new.build_consumer().expect("the channel is new"));
        let expected = digest((0..COUNT as u64).map(|i| bytes_of(&EveryKind::drawn(seed, i)).to_vec()));
        exchange(
            &region,
            (from, "send-every-kind"),
            (to, "receive-every-kind"),
            seed,
            &expected,
        );
    }
}

#[test]
fn messages_in_compact_slots_are_exact_between_every_pair_of_languages() {
    for (seed, from, to) in pairs() {
        let region = TestRegion::new("compact", 4 << 20);
        let new = channel::<EveryKind>(&region, "messages").with_capacity(SLOTS);
        // The peers do not say so: they find it in the channel's record.
        let new = new.with_compact_slots(true).build_consumer();
        drop(new.expect("the channel is new"));
        let info = region.region.channel_named("messages").expect("it is there");
        assert_eq!(info.payload_capacity as usize, size_of::<EveryKind>());
        assert!(info.slot_size < 1_088);
        let expected = digest((0..COUNT as u64).map(|i| bytes_of(&EveryKind::drawn(seed, i)).to_vec()));
        exchange(
            &region,
            (from, "send-every-kind"),
            (to, "receive-every-kind"),
            seed,
            &expected,
        );
    }
}

/// Waits until so many consumers have come to the channel.
fn await_consumers(region: &TestRegion, count: usize) {
    until(&format!("{count} peers open the channel"), || {
        region
            .region
            .channel_named("messages")
            .expect("it is there")
            .consumers
            .len()
            >= count
    });
}

#[test]
fn subscribers_of_every_language_get_all_that_a_producer_of_any_language_sends() {
    for (seed, from) in (1..).zip(Language::ALL) {
        for single in [false, true] {
            let region = TestRegion::new("broadcast-languages", 4 << 20);
            // The peers do not say so: they find it in the channel's record.
            let new = bytes(&region)
                .with_capacity(SLOTS)
                .with_delivery(Delivery::Broadcast)
                .with_single_producer(single);
            drop(new.build_consumer().expect("the channel is new"));
            let Some(sender) = peer(from, &region, "produce") else {
                continue;
            };
            let receivers: Vec<_> = Language::ALL
                .into_iter()
                .filter_map(|to| Some((to, peer(to, &region, "follow")?.arg(COUNT).spawn())))
                .collect();
            await_consumers(&region, receivers.len());
            let sender = sender.arg(COUNT).arg(seed).spawn();
            let expected = digest(Payloads::new(seed).take(COUNT));
            assert_eq!(sender.output().trim_end(), expected, "sent from {from:?}");
            for (to, receiver) in receivers {
                let received = receiver.output();
                assert_eq!(received.trim_end(), expected, "received from {from:?} in {to:?}");
            }
        }
    }
}

/// What C and Python subscribers of a channel of few slots say of what Rust sent in bursts: messages received and missed, and
/// the number after the last.
fn subscribed(delivery: Delivery, single: bool, how: &str, count: u64) -> Vec<(Language, [u64; 3])> {
    let region = TestRegion::new("subscribed", 4 << 20);
    let builder = channel::<Numbered>(&region, "messages")
        .with_capacity(16)
        .with_delivery(delivery)
        .with_single_producer(single);
    let builder = match delivery {
        Delivery::Broadcast => builder.with_lossy_subscribers(true),
        _ => builder,
    };
    let producer = builder.build_producer().expect("the channel is new");
    let peers: Vec<_> = [Language::C, Language::Python]
        .into_iter()
        .filter_map(|language| Some((language, peer(language, &region, "follow-numbered")?.arg(how).spawn())))
        .collect();
    await_consumers(&region, peers.len());
    for number in 0..count {
        let _ = producer.send(&Numbered::new(0, number)).expect("they receive");
        if number % 1_000 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    producer.close().expect("it is ours");
    let said = |(language, peer): (Language, Peer)| {
        let numbers: Vec<u64> = peer
            .output()
            .split_whitespace()
            .map(|n| n.parse().expect("a number"))
            .collect();
        (language, numbers.try_into().expect("three numbers"))
    };
    peers.into_iter().map(said).collect()
}

#[test]
fn reliable_subscribers_in_c_and_python_miss_nothing() {
    for single in [false, true] {
        for (language, said) in subscribed(Delivery::Broadcast, single, "reliable", 20_000) {
            assert_eq!(said, [20_000, 0, 20_000], "{language:?}");
        }
    }
}

#[test]
fn lossy_subscribers_in_c_and_python_know_exactly_what_they_missed() {
    for single in [false, true] {
        for (language, [received, missed, next]) in subscribed(Delivery::Broadcast, single, "lossy", 100_000) {
            assert_eq!((received + missed, next), (100_000, 100_000), "{language:?}");
            assert!(
                received > 0 && missed > 0,
                "{language:?} received {received}, missed {missed}"
            );
        }
    }
}

#[test]
fn readers_of_latest_values_in_c_and_python_end_with_the_last_one() {
    for single in [false, true] {
        for (language, [received, missed, next]) in subscribed(Delivery::Latest, single, "latest", 100_000) {
            assert_eq!(next, 100_000, "{language:?}");
            assert!(
                received > 1 && received + missed <= 100_000,
                "{language:?} {received} {missed}"
            );
        }
    }
}

#[test]
fn a_payload_of_961_bytes_is_refused_in_every_language_with_the_limit() {
    let limits = [None, Some(100)];
    for (language, compact) in Language::ALL
        .into_iter()
        .flat_map(|language| limits.map(|limit| (language, limit)))
    {
        let region = TestRegion::new("oversize", 4 << 20);
        let channel = match compact {
            Some(limit) => bytes(&region).with_payload_capacity(limit),
            None => bytes(&region),
        };
        drop(channel.build_consumer().expect("the channel is new"));
        let limit = format!("limit is {} bytes", compact.unwrap_or(960));
        let Some(peer) = peer(language, &region, "oversize") else {
            continue;
        };
        let refusals = peer.output();
        assert_eq!(
            refusals.lines().count(),
            3,
            "{language:?}: alone, in a batch, and claimed:\n{refusals}"
        );
        for refusal in refusals.lines() {
            assert!(
                refusal.contains("961") && refusal.contains(&limit),
                "{language:?}: {refusal}"
            );
        }
        let info = region.region.channel_named("messages").expect("it is there");
        assert_eq!(info.tail, 0, "nothing of the batch was sent");
    }
}

#[test]
fn a_million_messages_cross_from_rust_to_python_in_order() {
    const MILLION: u64 = 1_000_000;
    let region = TestRegion::new("million-python", 4 << 20);
    let (Some(sender), Some(receiver)) = (
        peer(Language::Rust, &region, "send"),
        peer(Language::Python, &region, "receive-numbered"),
    ) else {
        return;
    };
    let receiver = receiver.arg(MILLION).spawn();
    let sender = sender.arg(0).arg(MILLION).arg(1).spawn();
    let _ = sender.output();
    assert_eq!(receiver.output().trim_end(), MILLION.to_string());
    let info = region.region.channel_named("messages").expect("it is there");
    assert_eq!((info.capacity, info.tail, info.head), (1_024, MILLION, MILLION));
}

#[test]
fn programs_built_with_an_older_version_work_on_the_channel_of_a_newer_one() {
    for language in [Language::C, Language::Python] {
        let region = TestRegion::new("newer", 4 << 20);
        let orders = channel::<second::Order>(&region, "messages");
        let answers = channel::<second::Order>(&region, "answers");
        let producer = orders.build_producer().expect("the channel is new");
        let consumer = answers.build_consumer().expect("the channel is new");
        let Some(peer) = peer(language, &region, "answer-order") else {
            continue;
        };
        let peer = peer.arg("answers").spawn();
        let order = second::Order {
            limit_price: 99.5,
            quantity: 7,
            side: Open::from(second::Side::SellShort),
            room: Reserved::default(),
            client: 42,
        };
        producer.send(&order).expect("room");
        assert_eq!(peer.output().trim_end(), "99.5 7 3", "{language:?}");
        let answer = consumer.recv_copy(Wait::No).expect("the peer has answered");
        assert_eq!((answer.limit_price, answer.quantity), (100.5, 8), "{language:?}");
        assert_eq!(
            answer.side, order.side,
            "{language:?} keeps a value that it does not know"
        );
        assert_eq!(answer.client, 0, "{language:?} does not know the field");
    }
}

#[test]
fn programs_built_with_an_incompatible_version_are_refused_naming_field_offsets_and_types() {
    for language in [Language::C, Language::Python] {
        let region = TestRegion::new("incompatible", 4 << 20);
        let created = channel::<moved::Order>(&region, "messages").build_producer();
        let _producer = created.expect("the channel is new");
        let Some(peer) = peer(language, &region, "open-order") else {
            continue;
        };
        let refusals = peer.output();
        for (field, here, there) in [
            ("`price`", "f64 at offset 0 here", "f32 at offset 8 in the channel"),
            ("`quantity`", "u32 at offset 8 here", "u32 at offset 0 in the channel"),
        ] {
            let says = |line: &&str| [field, here, there].iter().all(|part| line.contains(part));
            let times = refusals.lines().filter(says).count();
            assert_eq!(
                times, 2,
                "{language:?}: {field} for a producer and a consumer:\n{refusals}"
            );
        }
    }
}

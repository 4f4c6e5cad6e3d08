//! A program that knows only the published format shares a channel with us.

use dmxp::ChannelBuilder;
use dmxp_tests::{Payloads, PeerCommand, TestRegion, digest, python};
use std::time::Duration;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/v1_peer/v1_peer.py");
const COUNT: usize = 3_000;

fn setup(label: &str) -> (TestRegion, ChannelBuilder) {
    let region = TestRegion::new(label, 8 << 20);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(5)
        .with_capacity(64)
        .with_v1_peers(true);
    (region, builder)
}

fn v1(region: &TestRegion, command: &str) -> Option<PeerCommand> {
    Some(
        PeerCommand::new(python()?)
            .arg(SCRIPT)
            .arg(region.region.path().display())
            .arg(5)
            .arg(command),
    )
}

/// A field of the peer's line of JSON, as text.
fn field<'a>(json: &'a str, name: &str) -> &'a str {
    let value = json
        .split_once(&format!("\"{name}\": "))
        .unwrap_or_else(|| panic!("no {name} in {json}"))
        .1;
    value.split([',', '}']).next().unwrap_or_default().trim_matches('"')
}

#[test]
fn a_v1_program_reads_what_we_write_far_past_the_capacity() {
    let (region, builder) = setup("v1-reads");
    let producer = builder.build_producer().expect("a producer");
    let Some(reader) = v1(&region, "consume") else { return };
    let reader = reader.arg(COUNT).arg("--seed").arg(11).arg("--timeout").arg(60).spawn();
    for payload in Payloads::new(11).take(COUNT) {
        producer
            .send_timeout(&payload, Duration::from_secs(60))
            .expect("room within the bound");
    }
    let report = reader.output();
    assert_eq!(field(&report, "sha256"), digest(Payloads::new(11).take(COUNT)));
    for check in [
        "message_id_ok",
        "channel_id_ok",
        "flags_zero",
        "timestamps_ok",
        "order_ok",
        "payloads_ok",
    ] {
        assert_eq!(field(&report, check), "true", "{check} in {report}");
    }
}

#[test]
fn we_read_what_a_v1_program_writes_far_past_the_capacity() {
    let (region, builder) = setup("v1-writes");
    let consumer = builder.build_consumer().expect("a consumer");
    let Some(writer) = v1(&region, "produce") else { return };
    let writer = writer.arg(COUNT).arg("--seed").arg(12).arg("--timeout").arg(60).spawn();
    let mut received = Vec::new();
    for position in 0..COUNT as u64 {
        let message = consumer
            .recv_timeout(Duration::from_secs(60))
            .expect("a message within the bound");
        assert_eq!(message.metadata().message_id, position + 1);
        assert_eq!(message.metadata().channel_id, 5);
        received.push(message.to_vec());
    }
    assert_eq!(digest(&received), digest(Payloads::new(12).take(COUNT)));
    assert_eq!(field(&writer.output(), "sha256"), digest(received));
}

#[test]
fn a_v1_program_competes_with_our_producers_and_consumers() {
    let (region, builder) = setup("v1-competes");
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    let Some(writer) = v1(&region, "produce") else { return };
    let Some(reader) = v1(&region, "consume") else { return };
    let writer = writer.arg(COUNT).arg("--seed").arg(13).arg("--timeout").arg(60).spawn();
    let reader = reader.arg(COUNT).arg("--timeout").arg(60).spawn();
    let sender = std::thread::spawn(move || {
        for payload in Payloads::new(14).take(COUNT) {
            producer
                .send_timeout(&payload, Duration::from_secs(60))
                .expect("room within the bound");
        }
    });
    // Its half and ours add up to everything: 2 × COUNT ids, each once.
    let mut ours = Vec::new();
    for _ in 0..COUNT {
        ours.push(
            consumer
                .recv_timeout(Duration::from_secs(60))
                .expect("a message")
                .metadata()
                .message_id,
        );
    }
    sender.join().expect("the sender");
    let _ = writer.output();
    let report = reader.output();
    assert_eq!(field(&report, "count"), COUNT.to_string());
    assert!(ours.windows(2).all(|pair| pair[0] < pair[1]), "ids increase");
    assert!(consumer.is_empty());
    let info = region.region.channel(5).expect("the channel");
    assert_eq!((info.tail, info.head), (2 * COUNT as u64, 2 * COUNT as u64));
}

#[test]
fn a_v1_program_finds_the_table_in_order() {
    let (region, builder) = setup("v1-table");
    let _other = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("other")
        .build_producer()
        .expect("a channel");
    let _consumer = builder.build_consumer().expect("a consumer");
    let Some(check) = v1(&region, "check") else { return };
    let report = check.output();
    assert_eq!(field(&report, "channel_count"), "2");
    assert_eq!(field(&report, "active_entries"), "2");
}

//! Channels whose slots are sized to their messages: smaller, and otherwise as any other.

use dmxp::message::Reserved;
use dmxp::{Channel, ChannelBuilder, ChannelInfo, Delivery, Error, RecoverOptions, RegionOptions, Wait};
use dmxp_tests::{Numbered, Payloads, Peer, PeerCommand, TestRegion, python, until};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What a blocked peer may wait after another's death, generously: the promise is 100 ms.
const BOUND: Duration = Duration::from_secs(30);

fn bytes(region: &TestRegion) -> ChannelBuilder {
    ChannelBuilder::new().with_region(&region.region).with_name("small")
}

fn numbers(region: &TestRegion) -> ChannelBuilder<Numbered> {
    Channel::<Numbered>::builder()
        .with_region(&region.region)
        .with_name("numbers")
        .with_compact_slots(true)
}

fn info(region: &TestRegion, channel: &str) -> ChannelInfo {
    region.region.channel_named(channel).expect("it is there")
}

#[test]
fn slots_take_48_bytes_and_the_message_rounded_up_to_64() {
    let region = TestRegion::new("compact-sizes", 4 << 20);
    for (payload, slot) in [
        (1, 64),
        (8, 64),
        (16, 64),
        (17, 128),
        (64, 128),
        (80, 128),
        (81, 192),
        (256, 320),
        (896, 960),
        (912, 960),
        (960, 1_024),
    ] {
        let name = format!("of {payload}");
        let builder = bytes(&region).with_name(&name).with_capacity(16);
        drop(
            builder
                .with_payload_capacity(payload)
                .build_producer()
                .expect("a channel"),
        );
        let info = info(&region, &name);
        assert_eq!((info.payload_capacity, info.slot_size), (payload, slot));
        assert_eq!(info.bytes, 16 * u64::from(slot));
        assert!(info.is_compact());
    }
    drop(numbers(&region).build_consumer().expect("a channel"));
    let typed = info(&region, "numbers");
    assert_eq!((typed.payload_capacity, typed.slot_size), (64, 128));
    drop(bytes(&region).with_name("usual").build_producer().expect("a channel"));
    let usual = info(&region, "usual");
    assert_eq!((usual.payload_capacity, usual.slot_size), (960, 1_088));
    assert!(!usual.is_compact());
}

#[test]
fn slots_of_messages_that_expire_or_are_aligned_above_16_take_16_bytes_more() {
    let region = TestRegion::new("compact-heads", 4 << 20);
    for (payload, slot) in [(1, 128), (64, 128), (65, 192), (960, 1_024)] {
        let name = format!("of {payload}");
        let builder = bytes(&region).with_name(&name).with_expiry(Duration::from_secs(3_600));
        let producer = builder
            .with_payload_capacity(payload)
            .build_producer()
            .expect("a channel");
        assert_eq!(info(&region, &name).slot_size, slot);
        let consumer = bytes(&region).with_name(&name).build_consumer().expect("a consumer");
        let sent = vec![7; payload as usize];
        let _ = producer.send(&sent).expect("room");
        assert_eq!(*consumer.try_recv().expect("a message"), sent, "nothing has expired");
    }
    let aligned = |name: &str, size: u32, align: u32| {
        let schema = format!("struct Wide v1 size {size} align {align} {{ bytes: [u8; {size}] @0 }}");
        let builder = bytes(&region).with_name(name).with_compact_slots(true);
        drop(
            builder
                .with_schema(schema.parse().expect("a schema"))
                .build_producer()
                .expect("a channel"),
        );
        info(&region, name).slot_size
    };
    assert_eq!((aligned("8", 16, 8), aligned("16", 16, 16)), (64, 64));
    assert_eq!((aligned("32", 32, 32), aligned("64", 64, 64)), (128, 128));
    assert_eq!((aligned("80 by 16", 80, 16), aligned("96 by 32", 96, 32)), (128, 192));
}

/// Aligned to more than the payload of a slot with a short head.
#[dmxp::message]
#[repr(align(32))]
struct Wide {
    number: u64,
    words: [u64; 3],
}

#[test]
fn messages_lie_as_they_are_aligned_on_every_kind_of_channel() {
    let region = TestRegion::new("compact-aligned", 4 << 20);
    for (delivery, name) in [
        (Delivery::Queue, "queue"),
        (Delivery::Broadcast, "broadcast"),
        (Delivery::Latest, "latest"),
    ] {
        let builder = Channel::<Wide>::builder()
            .with_region(&region.region)
            .with_name(name)
            .with_capacity(4)
            .with_compact_slots(true)
            .with_delivery(delivery);
        let (producer, consumer) = (
            builder.build_producer().expect("one"),
            builder.build_consumer().expect("one"),
        );
        for number in 0..9 {
            let mut claim = producer.try_claim().expect("room");
            *claim = Wide {
                number,
                words: [!number; 3],
            };
            assert_eq!(std::ptr::from_ref(&*claim).addr() % 32, 0);
            let _ = claim.publish().expect("it is ours");
            let message = consumer.try_recv().expect("a message");
            assert_eq!((message.number, message.words), (number, [!number; 3]));
            assert_eq!(std::ptr::from_ref(&*message).addr() % 32, 0);
        }
    }
}

#[test]
fn neighbours_of_every_length_keep_their_bytes_over_many_laps() {
    for checksums in [false, true] {
        for payload_capacity in [1, 15, 16, 17, 80, 81, 127, 960] {
            let region = TestRegion::new("compact-laps", 4 << 20);
            let builder = bytes(&region)
                .with_capacity(8)
                .with_payload_capacity(payload_capacity)
                .with_checksums(checksums);
            let producer = builder.build_producer().expect("a producer");
            let consumer = builder.build_consumer().expect("a consumer");
            let noise = Payloads::new(u64::from(payload_capacity));
            for lap in 0..50 {
                // Full, so that a write beyond the end of a slot is noticed.
                let of = |k: u64| noise.of_len(8 * lap + k, ((lap + k) % (u64::from(payload_capacity) + 1)) as usize);
                let sent: Vec<Vec<u8>> = (0..8).map(of).collect();
                match lap % 3 {
                    0 => {
                        for one in &sent {
                            let _ = producer.try_send(one).expect("room");
                        }
                    }
                    1 => {
                        let _ = producer.send_batch(&sent, Wait::No).expect("room");
                    }
                    _ => {
                        for one in &sent {
                            let mut claim = producer.claim(one.len()).expect("room");
                            claim.copy_from_slice(one);
                            let _ = claim.publish().expect("it is ours");
                        }
                    }
                }
                assert!(matches!(producer.try_send([]), Err(Error::Full)));
                let received: Vec<Vec<u8>> = (0..8)
                    .map(|_| consumer.try_recv().expect("a message").to_vec())
                    .collect();
                assert_eq!(received, sent, "lap {lap} in slots for {payload_capacity}");
            }
        }
    }
}

#[test]
fn typed_messages_are_sent_and_borrowed_in_place_and_in_batches() {
    let region = TestRegion::new("compact-typed", 4 << 20);
    let builder = numbers(&region).with_capacity(8);
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    for lap in 0..20 {
        let batch: Vec<Numbered> = (0..4).map(|k| Numbered::new(lap, k)).collect();
        let _ = producer.send_batch(&batch, Wait::No).expect("room");
        let mut claim = producer.claim().expect("room");
        *claim = Numbered::new(lap, 4);
        let _ = claim.publish().expect("it is ours");
        for number in 0..5 {
            let message = consumer.try_recv().expect("a message");
            assert_eq!((message.producer, message.number), (lap, number));
            assert!(message.is_whole());
            assert_eq!(std::ptr::from_ref(&*message).addr() % 64, 48);
        }
    }
}

#[test]
fn what_is_larger_than_the_slot_is_refused_with_the_numbers() {
    let region = TestRegion::new("compact-large", 4 << 20);
    let producer = bytes(&region)
        .with_payload_capacity(100)
        .build_producer()
        .expect("a producer");
    let large = |answer: Result<u64, Error>| match answer {
        Err(Error::PayloadTooLarge { len: 101, limit: 100 }) => {}
        other => panic!("{other:?}"),
    };
    large(producer.send([1; 101]));
    large(producer.send_batch(&[vec![1; 100], vec![1; 101]], Wait::No));
    large(producer.claim(101).and_then(dmxp::ByteClaim::publish));
    assert_eq!(info(&region, "small").tail, 0, "nothing was sent");
    let _ = producer.send([1; 100]).expect("what fits is sent");
}

#[test]
fn whoever_opens_the_channel_finds_its_slots_or_is_told_the_difference() {
    let region = TestRegion::new("compact-open", 4 << 20);
    let producer = bytes(&region)
        .with_payload_capacity(100)
        .build_producer()
        .expect("a producer");
    let consumer = bytes(&region)
        .build_consumer()
        .expect("an option that is left out takes what is there");
    let _ = producer.send([7; 100]).expect("room");
    assert_eq!(*consumer.recv().expect("a message"), [7; 100]);
    for (builder, says) in [
        (
            bytes(&region).with_compact_slots(false),
            ["compact slots", "true", "false"],
        ),
        (
            bytes(&region).with_payload_capacity(101),
            ["payload capacity", "100", "101"],
        ),
        (bytes(&region).with_v1_peers(true), ["v1_peers", "false", "true"]),
    ] {
        let error = builder.build_consumer().unwrap_err();
        assert!(matches!(error, Error::ChannelMismatch { .. }), "{error}");
        assert!(says.iter().all(|part| error.to_string().contains(part)), "{error}");
    }
    let usual = bytes(&region).with_name("usual");
    drop(usual.build_producer().expect("a channel"));
    let error = usual.with_payload_capacity(960).build_producer().unwrap_err();
    assert!(error.to_string().contains("compact slots"), "{error}");
}

#[test]
fn slots_that_cannot_be_are_refused_and_make_no_channel() {
    let region = TestRegion::new("compact-impossible", 4 << 20);
    let schema = || {
        "struct Tick v1 size 8 align 8 { price: f64 @0 }"
            .parse()
            .expect("a schema")
    };
    for (builder, says) in [
        (bytes(&region).with_payload_capacity(0), "give 1 to 960 bytes"),
        (bytes(&region).with_payload_capacity(961), "give 1 to 960 bytes"),
        (bytes(&region).with_payload_capacity(u32::MAX), "give 1 to 960 bytes"),
        (bytes(&region).with_compact_slots(true), "need a payload capacity"),
        (
            bytes(&region).with_payload_capacity(8).with_compact_slots(false),
            "slots that are not compact hold 960 bytes",
        ),
        (
            bytes(&region).with_schema(schema()).with_payload_capacity(8),
            "sized to the type",
        ),
        (
            bytes(&region).with_payload_capacity(8).with_v1_peers(true),
            "v1 programs know slots of 1,088 bytes only",
        ),
    ] {
        let error = builder.build_producer().unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(region.region.channels().expect("the channels").is_empty());
}

mod larger {
    use super::*;

    /// `Numbered` as a later version might have it, larger by a field.
    #[dmxp::message]
    #[dmxp(name = "Numbered", version = 2)]
    pub(super) struct Numbered {
        pub(super) producer: u64,
        pub(super) number: u64,
        pub(super) check: [u64; 6],
        #[dmxp(since = 2)]
        pub(super) note: u64,
        pub(super) later: Reserved<8>,
    }
}

#[test]
fn a_version_of_the_message_that_is_larger_than_the_slot_is_refused_with_both_sizes() {
    let region = TestRegion::new("compact-larger", 4 << 20);
    let _producer = numbers(&region).build_producer().expect("a channel");
    let newer = Channel::<larger::Numbered>::builder()
        .with_region(&region.region)
        .with_name("numbers");
    for error in [newer.build_producer().unwrap_err(), newer.build_consumer().unwrap_err()] {
        assert!(matches!(error, Error::SchemaMismatch { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("64 bytes") && said.contains("80 bytes"), "{said}");
    }
}

/// A word of the region's file.
fn word(region: &TestRegion, offset: u64) -> u64 {
    let file = std::fs::File::open(region.region.path()).expect("the file");
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, offset).expect("a word");
    u64::from_le_bytes(bytes)
}

#[test]
fn a_v1_program_sees_an_entry_in_use_and_no_channel_also_after_a_repair() {
    let region = TestRegion::new("compact-v1", 4 << 20);
    let _producer = bytes(&region)
        .with_channel_id(5)
        .with_payload_capacity(8)
        .build_producer()
        .expect("a channel");
    let entry = 128 + 5 * 384;
    let hidden = || {
        assert_eq!(word(&region, entry), 5, "id 5, no flags");
        assert_eq!(word(&region, entry + 8), 0, "no slots");
        let Some(python) = python() else { return };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/v1_peer/v1_peer.py");
        let check = PeerCommand::new(python).arg(script).arg(region.region.path().display());
        let (report, _) = check.arg(5).arg("check").spawn().ended();
        assert!(report.contains("\"not_v1_entries\": 1"), "{report}");
        assert!(report.contains("channel 5 is not a v1 queue"), "{report}");
    };
    hidden();
    // Found so, the table is brought in line with the records.
    let file = std::fs::File::options()
        .write(true)
        .open(region.region.path())
        .expect("the file");
    file.write_all_at(&[1], word(&region, 56) + 12).expect("a mark");
    drop(bytes(&region).with_name("other").build_producer().expect("a channel"));
    hidden();
}

#[test]
fn a_removed_channel_gives_all_its_space_back() {
    let region = TestRegion::new("compact-removed", 2 << 20);
    let free = || region.region.info().free;
    let before = free();
    let capacity = 1_024;
    for _ in 0..3 {
        let builder = bytes(&region).with_channel_id(3).with_capacity(capacity);
        drop(builder.with_payload_capacity(8).build_producer().expect("a channel"));
        assert_eq!(free(), before - 65_536);
        region.region.remove_channel(3, false).expect("nobody holds it");
        assert_eq!(free(), before);
        // And others may have it, with other slots.
        let builder = bytes(&region).with_channel_id(3).with_capacity(capacity);
        drop(builder.build_producer().expect("a channel"));
        assert_eq!(free(), before - 1_114_112);
        region.region.remove_channel(3, false).expect("nobody holds it");
    }
}

#[test]
fn dead_letters_go_to_a_channel_whose_slots_hold_them() {
    let region = TestRegion::new("compact-letters", 4 << 20);
    let with = |letters: &str, name: &str| {
        bytes(&region)
            .with_name(name)
            .with_capacity(4)
            .with_payload_capacity(100)
            .with_redelivery_limit(0)
            .with_dead_letters(letters)
    };
    let spacious = bytes(&region).with_name("spacious");
    drop(spacious.build_producer().expect("a channel"));
    for (name, letters) in [("one", "made with it"), ("two", "spacious")] {
        let producer = with(letters, name).build_producer().expect("a producer");
        let consumer = with(letters, name).build_consumer().expect("a consumer");
        let _ = producer.send([9; 100]).expect("room");
        consumer.recv().expect("a message").give_back();
        assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
        let letters = bytes(&region).with_name(letters).build_consumer().expect("a consumer");
        let letter = letters.try_recv().expect("the letter");
        assert_eq!(*letter, [9; 100]);
        assert!(letter.metadata().is_dead_letter());
    }
    assert_eq!(info(&region, "made with it").slot_size, 192);
    let tight = bytes(&region).with_name("tight").with_payload_capacity(99);
    drop(tight.build_producer().expect("a channel"));
    let error = with("tight", "three").build_producer().unwrap_err();
    assert!(error.to_string().contains("payload capacity"), "{error}");
    assert!(region.region.channel_named("three").is_err());
}

fn peer(region: &TestRegion, command: &str) -> Peer {
    region.peer(env!("CARGO_BIN_EXE_peer"), "small", command).spawn()
}

#[test]
fn what_the_dead_held_in_compact_slots_is_recovered_as_the_dry_run_says() {
    let region = TestRegion::new("compact-dead", 4 << 20);
    let builder = bytes(&region).with_capacity(4).with_payload_capacity(16);
    let producer = builder.build_producer().expect("a producer");
    let consumer = builder.build_consumer().expect("a consumer");
    let _ = producer.send(b"held").expect("room");
    let mut reader = peer(&region, "hold-message");
    until("the borrow", || info(&region, "small").head == 1);
    let mut writer = peer(&region, "hold-claim");
    until("the claim", || info(&region, "small").tail == 2);
    let _ = producer.send(b"behind the claim").expect("room");
    let blocked = consumer.recv_timeout(Duration::from_millis(300));
    assert!(matches!(blocked, Err(Error::Timeout)));
    let blockages = region.region.blockages().expect("blockages");
    assert!(
        blockages
            .iter()
            .any(|blockage| blockage.to_string().contains(&writer.pid().to_string())),
        "{blockages:?}"
    );
    reader.kill();
    writer.kill();
    let recovered = |options| {
        let recovery = region.region.recover(options).expect("a recovery");
        let of = recovery.channels.first().expect("the channel").clone();
        (of.aborted, of.returned)
    };
    assert_eq!(recovered(RecoverOptions::new().dry_run(true)), (1, 1));
    assert_eq!(recovered(RecoverOptions::new()), (1, 1));
    let mut received: Vec<(Vec<u8>, u32)> = (0..2)
        .map(|_| {
            let message = consumer.recv_timeout(BOUND).expect("a message");
            (message.to_vec(), u32::from(message.metadata().redelivered))
        })
        .collect();
    received.sort();
    assert_eq!(received, [(b"behind the claim".to_vec(), 0), (b"held".to_vec(), 1)]);
    // All four slots are free again, for a process that finds the channel by its name.
    for number in 0..4 {
        let _ = producer.try_send([number]).expect("room");
    }
    let again = RegionOptions::new().name(&region.name).open().expect("the region");
    assert_eq!(again.channel_named("small").expect("the channel").len(), 4);
}

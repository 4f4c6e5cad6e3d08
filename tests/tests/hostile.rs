//! Files that are no regions, and regions with forged contents: an error, and nothing worse.

use dmxp::{ChannelBuilder, Error, Region, RegionOptions};
use dmxp_tests::{PATIENCE, Payloads, PeerCommand, TestRegion, make_lock_file, remove_files, until};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

fn open(name: &str) -> Result<Region, Error> {
    RegionOptions::new().name(name).open()
}

/// A copy of a small region with one channel, changed by `change`.
fn changed(label: &str, change: impl FnOnce(&std::fs::File)) -> (TestRegion, String) {
    let original = TestRegion::new(label, 2 << 20);
    let typed = ChannelBuilder::new()
        .with_region(&original.region)
        .with_channel_id(0)
        .with_name("typed")
        .with_capacity(4);
    let schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }"
        .parse()
        .expect("a schema");
    drop(typed.with_schema(schema).build_producer().expect("a channel"));
    let name = TestRegion::fresh_name(label);
    let path = Path::new("/dev/shm").join(&name);
    std::fs::copy(original.region.path(), &path).expect("a copy");
    make_lock_file(&path);
    change(
        &std::fs::File::options()
            .write(true)
            .read(true)
            .open(&path)
            .expect("the copy"),
    );
    (original, name)
}

struct Cleanup(String);

impl Drop for Cleanup {
    fn drop(&mut self) {
        remove_files(&Path::new("/dev/shm").join(&self.0));
    }
}

fn control_offset(file: &std::fs::File) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 56).expect("the header");
    u64::from_le_bytes(bytes)
}

#[test]
fn headers_that_are_not_ours_are_refused_by_name() {
    type Case = (&'static str, u64, &'static [u8], &'static str);
    let cases: [Case; 10] = [
        ("magic", 0, b"NOTDMXP!", "is not a dmxp region"),
        ("version", 8, &[2, 0, 0, 0], "version 2"),
        ("table", 12, &[0, 2, 0, 0], "512 channels"),
        ("state", 24, &[1, 0, 0, 0], "revision"),
        ("revision", 28, &[9, 0, 0, 0], "revision 9"),
        (
            "earlier",
            28,
            &[1, 0, 0, 0],
            "revision 1; this library reads 2: use one version",
        ),
        ("v1-made", 28, &[0, 0, 0, 0], "control area"),
        ("size", 32, &[0, 0, 0, 1, 0, 0, 0, 0], "header says"),
        ("control", 56, &[255; 8], "control area"),
        ("control-size", 64, &[0; 8], "control area"),
    ];
    for (label, offset, bytes, expected) in cases {
        let (_original, name) = changed(label, |file| file.write_all_at(bytes, offset).expect("a change"));
        let cleanup = Cleanup(name);
        for error in [
            open(&cleanup.0).unwrap_err(),
            RegionOptions::new().name(&cleanup.0).open_read_only().unwrap_err(),
        ] {
            assert!(error.to_string().contains(expected), "{label}: {error}");
            assert!(error.to_string().contains(&cleanup.0), "{label}: {error}");
        }
    }
}

#[test]
fn files_of_the_wrong_kind_and_length_are_refused() {
    let (_original, name) = changed("short", |file| file.set_len(1_000).expect("a change"));
    let cleanup = Cleanup(name);
    assert!(matches!(open(&cleanup.0), Err(Error::NotARegion { .. })));
    let (_original, name) = changed("longer", |file| file.set_len(4 << 20).expect("a change"));
    let cleanup = Cleanup(name);
    assert!(matches!(open(&cleanup.0), Err(Error::NotARegion { .. })));
    let (original, name) = changed("link", |_| {});
    let cleanup = Cleanup(name);
    let path = Path::new("/dev/shm").join(&cleanup.0);
    std::fs::remove_file(&path).expect("the copy");
    std::os::unix::fs::symlink(original.region.path(), &path).expect("a link");
    assert!(matches!(open(&cleanup.0), Err(Error::NotARegion { .. })));
    std::fs::remove_file(&path).expect("the link");
    std::fs::create_dir(&path).expect("a directory");
    let refused = open(&cleanup.0);
    std::fs::remove_dir(&path).expect("the directory");
    assert!(refused.is_err());
}

/// What docs/SECURITY.md says under "Limits" of regions that are files.
#[test]
fn shortening_a_file_in_use_kills_its_users_with_sigbus() {
    // Only the peer may have the copy mapped when it is shortened.
    let (_original, name) = changed("truncated", |_| {});
    let cleanup = Cleanup(name);
    let mut peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
        .arg(&cleanup.0)
        .arg("new")
        .arg("consume")
        .arg(1)
        .spawn();
    let waits = || {
        let region = RegionOptions::new()
            .name(&cleanup.0)
            .open_read_only()
            .expect("the copy");
        let channel = region.channel_named("new");
        channel.is_ok_and(|channel| channel.consumers.iter().any(|holder| holder.pid == peer.pid()))
    };
    until("the peer waits", waits);
    let path = Path::new("/dev/shm").join(&cleanup.0);
    let file = std::fs::File::options().write(true).open(&path).expect("the copy");
    file.set_len(4_096).expect("a shorter file");
    let status = peer
        .wait(PATIENCE)
        .expect("the peer touches what is gone at its next look");
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
    // A later opener is told.
    assert!(matches!(open(&cleanup.0), Err(Error::NotARegion { .. })));
}

#[test]
fn records_that_lie_are_errors_and_write_nothing() {
    // Offsets within the control area: header 512 and user locks 512 come first, then the record of channel 0.
    let record = 1_024;
    let cases: [(&str, u64, &[u8]); 9] = [
        ("state", 8, &[7, 0, 0, 0]),
        ("mode", 12, &[9, 0, 0, 0]),
        ("flags", 16, &[0, 0, 0, 128]),
        ("payload-capacity", 20, &[255; 4]),
        ("stride", 24, &[0; 4]),
        ("capacity", 32, &[0, 0, 0, 0, 0, 0, 0, 64]),
        ("ring-offset", 40, &[255; 8]),
        ("ring-len", 48, &[1, 0, 0, 0, 0, 0, 0, 0]),
        ("schema-offset", 56, &[255; 8]),
    ];
    for (label, offset, bytes) in cases {
        let (_original, name) = changed(label, |file| {
            file.write_all_at(bytes, control_offset(file) + record + offset)
                .expect("a change");
        });
        let cleanup = Cleanup(name);
        let region = open(&cleanup.0).expect("the header is sound");
        let before = std::fs::read(region.path()).expect("the file");
        assert!(matches!(region.channel(0), Err(Error::Corrupt { .. })), "{label}");
        let builder = ChannelBuilder::new()
            .with_region(&region)
            .with_channel_id(0)
            .open_only();
        assert!(
            matches!(builder.build_consumer(), Err(Error::Corrupt { .. })),
            "{label}"
        );
        let after = std::fs::read(region.path()).expect("the file");
        let ring_and_tables = 0..control_offset(&std::fs::File::open(region.path()).expect("the file")) as usize;
        assert_eq!(
            before[ring_and_tables.clone()],
            after[ring_and_tables],
            "{label}: the channel was written to"
        );
    }
}

#[test]
fn records_that_lie_of_their_slots_are_errors_and_write_nothing() {
    // Stride, payload capacity, and flags of a channel of two slots for 100 bytes, which has 192, 100 and this.
    const SHORT: u32 = 4_096;
    let cases: [(&str, u32, u32, u32); 19] = [
        ("stride-0", 0, 100, SHORT),
        ("stride-64", 64, 100, SHORT),
        ("stride-smaller", 128, 100, SHORT),
        ("stride-larger", 256, 100, SHORT),
        ("stride-odd", 193, 100, SHORT),
        ("stride-v1", 1_088, 100, SHORT),
        ("stride-huge", 0xFFFF_FFC0, 100, SHORT),
        ("payload-0", 64, 0, SHORT),
        ("payload-larger", 192, 145, SHORT),
        ("payload-other", 192, 80, SHORT),
        ("payload-960", 192, 960, SHORT),
        ("payload-961", 1_088, 961, SHORT),
        ("payload-wraps", 64, 0xFFFF_FFFF, SHORT),
        ("v1-peers", 192, 100, SHORT + 1),
        // With 64 bytes before the payload, or 48 where there must be 64.
        ("long-head-payload-larger", 192, 129, 0),
        ("long-head-stride-64", 64, 16, 0),
        ("long-head-v1-peers", 192, 100, 1),
        ("short-head-usual", 1_088, 960, SHORT),
        ("unknown-head", 192, 100, 2 * SHORT),
    ];
    for (label, stride, payload_capacity, flags) in cases {
        let region = TestRegion::new(label, 2 << 20);
        let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
        let made = builder.clone().with_capacity(2).with_payload_capacity(100);
        drop(made.build_producer().expect("a channel"));
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(region.region.path())
            .expect("the region's file");
        let record = control_offset(&file) + 1_024;
        for (offset, number) in [(16, flags), (20, payload_capacity), (24, stride)] {
            file.write_all_at(&number.to_le_bytes(), record + offset)
                .expect("a change");
        }
        let before = std::fs::read(region.region.path()).expect("the file");
        assert!(
            matches!(region.region.channel(0), Err(Error::Corrupt { .. })),
            "{label}"
        );
        for builder in [builder.clone(), builder.clone().with_payload_capacity(100)] {
            assert!(
                matches!(builder.build_producer(), Err(Error::Corrupt { .. })),
                "{label}"
            );
            assert!(
                matches!(builder.build_consumer(), Err(Error::Corrupt { .. })),
                "{label}"
            );
        }
        let after = std::fs::read(region.region.path()).expect("the file");
        let tables = 0..control_offset(&file) as usize;
        assert_eq!(
            before[tables.clone()],
            after[tables],
            "{label}: the channel was written to"
        );
    }
}

#[test]
fn short_heads_where_messages_expire_or_are_aligned_above_16_are_errors() {
    // Each has the stride that it would have with a short head.
    let region = TestRegion::new("short-heads", 2 << 20);
    let on = |id: u32| ChannelBuilder::new().with_region(&region.region).with_channel_id(id);
    let expiring = on(0).with_payload_capacity(100).with_expiry(Duration::from_secs(3_600));
    let schema = "struct Wide v1 size 64 align 64 { bytes: [u8; 64] @0 }";
    let wide = on(1)
        .with_compact_slots(true)
        .with_schema(schema.parse().expect("a schema"));
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(region.region.path());
    let file = file.expect("the region's file");
    for (id, builder, flags) in [(0_u64, expiring, 16_u32), (1, wide, 0)] {
        drop(builder.build_producer().expect("a channel"));
        let place = control_offset(&file) + 1_024 + id * 512 + 16;
        let mut before = [0; 4];
        file.read_exact_at(&mut before, place).expect("the flags");
        assert_eq!(u32::from_le_bytes(before), flags);
        file.write_all_at(&(flags | 4_096).to_le_bytes(), place)
            .expect("a change");
        for error in [
            builder.build_producer().unwrap_err(),
            builder.build_consumer().unwrap_err(),
        ] {
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        }
    }
}

#[test]
fn compact_slots_that_the_ring_does_not_hold_are_an_error() {
    // The ring is that of two slots of 192 bytes; the rest is in order.
    for (label, capacity, stride, payload_capacity, flags) in [
        ("more-slots", 4_u64, 192_u32, 100_u32, 4_096_u32),
        ("most-slots", 1 << 20, 192, 100, 4_096),
        ("larger-slots", 2, 256, 145, 4_096),
        ("usual-slots", 2, 1_088, 960, 0),
    ] {
        let region = TestRegion::new(label, 2 << 20);
        let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
        let made = builder.clone().with_capacity(2).with_payload_capacity(100);
        drop(made.build_producer().expect("a channel"));
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(region.region.path())
            .expect("the region's file");
        let record = control_offset(&file) + 1_024;
        file.write_all_at(&flags.to_le_bytes(), record + 16).expect("a change");
        file.write_all_at(&payload_capacity.to_le_bytes(), record + 20)
            .expect("a change");
        file.write_all_at(&stride.to_le_bytes(), record + 24).expect("a change");
        file.write_all_at(&capacity.to_le_bytes(), record + 32)
            .expect("a change");
        for error in [
            region.region.channel(0).unwrap_err(),
            builder.build_consumer().unwrap_err(),
        ] {
            assert!(error.to_string().contains("does not hold"), "{label}: {error}");
        }
    }
}

#[test]
fn a_damaged_schema_is_an_error() {
    let (_original, name) = changed("schema", |file| {
        // Four slots from the first ring on, then the schema.
        file.write_all_at(b"\xff\xff\xff", 98_432 + 4 * 1_088 + 5)
            .expect("a change");
    });
    let cleanup = Cleanup(name);
    let error = open(&cleanup.0).expect("the header is sound").channel(0).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn random_damage_to_entries_records_and_slots_never_panics_or_hangs() {
    // Deterministic damage, much of it; each round uses the channel as far as it lets itself be used.
    let noise = Payloads::new(99);
    for round in 0..300_u64 {
        let (_original, name) = changed("noise", |file| {
            let control = control_offset(file);
            for (k, chunk) in noise.of_len(round, 8 * 6).chunks(8).enumerate() {
                let place = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
                let offset = match k {
                    0 | 1 => 128 + place % 384,             // the v1 entry
                    2 | 3 => control + 1_024 + place % 512, // the record
                    4 => control + place % 413_696,         // anywhere in the control area
                    _ => 98_432 + place % (4 * 1_088 + 64), // the ring and the schema
                };
                file.write_all_at(&chunk[..1 + (place >> 32) as usize % 8], offset)
                    .expect("a change");
            }
        });
        let cleanup = Cleanup(name);
        let Ok(region) = open(&cleanup.0) else { continue };
        let _ = region.info();
        let _ = region.channels();
        let builder = ChannelBuilder::new()
            .with_region(&region)
            .with_channel_id(0)
            .open_only();
        let schema = "struct Tick v1 size 8 align 8 { price: f64 @0 }"
            .parse()
            .expect("a schema");
        let builder = builder.with_schema(schema);
        let timeout = std::time::Duration::from_millis(1);
        if let Ok(producer) = builder.build_producer() {
            for _ in 0..6 {
                let _ = producer.send_batch(&[[0_u8; 8]], dmxp::Wait::For(timeout));
            }
            let _ = producer.close();
        }
        if let Ok(consumer) = builder.build_consumer() {
            for _ in 0..6 {
                let _ = consumer.recv_timeout(timeout).map(|message| message.len());
            }
        }
        let _ = region.remove_channel(0, true);
    }
}

#[test]
fn a_read_only_region_can_be_listed_and_not_changed() {
    let region = TestRegion::new("read-only", 2 << 20);
    let builder = ChannelBuilder::new().with_name("seen").with_capacity(4);
    let _producer = builder
        .clone()
        .with_region(&region.region)
        .build_producer()
        .expect("a channel");
    let looker = RegionOptions::new()
        .name(&region.name)
        .open_read_only()
        .expect("a region to look at");
    assert_eq!(looker.channel_named("seen").expect("the channel").capacity, 4);
    assert_eq!(looker.channels().expect("the channels").len(), 1);
    assert!(matches!(
        builder.with_region(&looker).build_consumer(),
        Err(Error::ReadOnly)
    ));
    assert!(matches!(looker.remove_channel(0, true), Err(Error::ReadOnly)));
    // Read-only access registers no process.
    assert_eq!(region.region.info().processes, 1);
}

/// Longest that a call with a time limit of a millisecond may take here, on a slow machine under load.
const BOUND: Duration = Duration::from_secs(30);

fn timed<T>(what: &str, bound: Duration, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let answer = call();
    let took = started.elapsed();
    assert!(took < bound, "{what} took {took:?}");
    answer
}

/// A channel of `capacity` slots, all of them behind the head, and `forge` to fill slots and handle table. It gets the file, the
/// offset of the ring, and that of the table of 1,024 handles.
fn forged(label: &str, capacity: u64, forge: impl FnOnce(&std::fs::File, u64, u64)) -> TestRegion {
    let region = TestRegion::new(label, 100_000 + 512 * 1024 + capacity * 1_088);
    let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
    drop(
        builder
            .with_capacity(capacity)
            .with_redelivery_limit(0)
            .build_producer(),
    );
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(region.region.path())
        .expect("the region's file");
    let control = control_offset(&file);
    let word = |offset: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, offset).expect("a word");
        u64::from_le_bytes(bytes)
    };
    // Tail and head.
    for cursor in [128, 256] {
        file.write_all_at(&capacity.to_le_bytes(), 128 + cursor)
            .expect("a change");
    }
    forge(&file, word(control + 1_024 + 40), control + word(control + 32));
    region
}

#[test]
fn forged_claims_of_the_dead_do_not_hold_a_call_up() {
    let capacity = 512_u64;
    let region = forged("forged-claims", capacity, |file, ring, handles| {
        let put = |offset: u64, word: u64| file.write_all_at(&word.to_le_bytes(), offset).expect("a change");
        // Every message looks claimed and never released.
        for position in 0..capacity {
            put(ring + position * 1_088, position + 1);
        }
        // A thousand dead consumers that have tried them all, eight times, and a last one that says that it owns them.
        let mut generation = [0; 8];
        let control = control_offset(file);
        file.read_exact_at(&mut generation, control + 1_024)
            .expect("the channel's generation");
        for index in 0..1_000 {
            let record = handles + index * 256;
            put(record + 8, 2 << 32);
            put(record + 24, 0);
            put(record + 32, u64::from_le_bytes(generation));
            let kind: u64 = if index == 999 { 2 } else { 1 };
            for cell in 0..8 {
                put(record + 64 + cell * 8, kind << 62 | 1 << 61 | capacity << 46);
            }
            put(record, (index + 9) << 2 | 2);
        }
    });
    let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
    let consumer = timed("opening", BOUND, || builder.build_consumer()).expect("a consumer");
    let limit = Duration::from_millis(1);
    for _ in 0..3 {
        let received = timed("receiving", BOUND, || {
            consumer.recv_timeout(limit).map(|message| message.len())
        });
        assert!(matches!(received, Err(Error::Timeout)), "{received:?}");
    }
    // The thousand are dealt with together, and not each with all the others.
    timed("recovering", BOUND, || {
        until("nothing is left to do", || {
            let recovery = region.region.recover(dmxp::RecoverOptions::new()).expect("a recovery");
            recovery.channels.iter().all(|channel| channel.deferred == 0)
        })
    });
}

#[test]
fn forged_returns_do_not_hold_a_call_up() {
    let capacity = 1 << 16;
    let region = forged("forged-returns", capacity, |file, ring, _| {
        for position in 0..capacity {
            // RETURNED fifteen times.
            let word = 1 << 63 | 2 << 60 | 15 << 56 | position;
            file.write_all_at(&word.to_le_bytes(), ring + position * 1_088)
                .expect("a change");
        }
        file.write_all_at(&[1], 128 + 264).expect("a returned hint");
    });
    let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
    let consumer = builder.build_consumer().expect("a consumer");
    let received = timed("receiving", BOUND / 5, || {
        consumer.try_recv().map(|message| message.len())
    });
    assert!(matches!(received, Err(Error::Empty)), "{received:?}");
}

//! Many processes creating and removing channels at once: the tables stay exact.

use dmxp::{ChannelBuilder, Delivery, Error, RegionOptions};
use dmxp_tests::{PeerCommand, TestRegion, status_of_forked};

/// Header, 256 channels of 16 slots, and the control area fit.
const SIZE: u64 = 98_432 + 256 * 16 * 1_088 + (1 << 20);

#[test]
fn eight_processes_create_all_channels_at_once() {
    for round in 0..50 {
        let region = TestRegion::new(&format!("tables-{round}"), SIZE);
        let creators: Vec<_> = (0..8)
            .map(|k| {
                let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
                    .arg(&region.name)
                    .arg("-")
                    .arg("create");
                peer.arg(k * 32).arg(32).arg(16).spawn()
            })
            .collect();
        for creator in creators {
            let _ = creator.output();
        }
        let channels = region.region.channels().expect("a readable table");
        assert_eq!(channels.len(), 256, "round {round}");
        assert_eq!(region.region.info().channels, 256);
        // Where the rings lie, read from the published table and not from our records.
        let bytes = std::fs::read(region.region.path()).expect("the region's file");
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let mut rings: Vec<(u64, u64)> = (0..256)
            .map(|id| {
                let entry = 128 + id * 384;
                (word(entry + 16), word(entry + 8) * 1_088)
            })
            .collect();
        rings.sort_unstable();
        assert_eq!(rings[0].0, 98_432, "the first ring starts where the format says");
        for pair in rings.windows(2) {
            assert!(
                pair[0].0 + pair[0].1 <= pair[1].0,
                "rings overlap in round {round}: {pair:?}"
            );
        }
        if round == 0 {
            the_257th_is_refused_and_removal_frees(&region);
        }
    }
}

fn the_257th_is_refused_and_removal_frees(region: &TestRegion) {
    let another = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("one more")
        .with_capacity(16);
    assert!(matches!(another.build_producer(), Err(Error::ChannelTableFull)));
    let before = region.region.info().free;
    region.region.remove_channel(77, false).expect("nobody holds it");
    assert_eq!(region.region.info().channels, 255);
    assert_eq!(region.region.info().free, before + 16 * 1_088);
    let producer = another.build_producer().expect("there is room again");
    assert_eq!(producer.channel_id(), 77);
}

#[test]
fn space_is_given_back_to_the_system() {
    use std::os::unix::fs::MetadataExt;
    let region = TestRegion::new("give-back", 32 << 20);
    let blocks = || std::fs::metadata(region.region.path()).expect("the file").blocks();
    let before = blocks();
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(0)
        .with_capacity(8_192);
    drop(builder.build_producer().expect("a channel"));
    assert!(
        blocks() >= before + 8_192 * 1_088 / 512 - 16,
        "the channel's memory is reserved when it is made"
    );
    region.region.remove_channel(0, false).expect("nobody holds it");
    assert!(blocks() <= before + 16, "and given back when it is removed");
}

#[test]
fn a_full_region_says_what_would_do() {
    // The header, 120 default channels and the default control area fit into 128 MiB; the 121st does not.
    let region = TestRegion::new("full", 128 << 20);
    for id in 0..120 {
        drop(
            ChannelBuilder::new()
                .with_region(&region.region)
                .with_channel_id(id)
                .build_producer()
                .expect("room"),
        );
    }
    let error = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(120)
        .build_producer()
        .unwrap_err();
    let Error::RegionFull {
        needed,
        free,
        region_size,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(needed, 1_114_112);
    assert!(free < needed);
    assert!(error.to_string().contains(&region_size.to_string()));
    drop(region);
    let region = TestRegion::new("full-enough", region_size);
    for id in 0..121 {
        drop(
            ChannelBuilder::new()
                .with_region(&region.region)
                .with_channel_id(id)
                .build_producer()
                .expect("room"),
        );
    }
}

#[test]
fn a_region_for_all_default_channels_has_the_size_the_documents_say() {
    let region = TestRegion::new("all", 285_728_768);
    for id in 0..256 {
        drop(
            ChannelBuilder::new()
                .with_region(&region.region)
                .with_channel_id(id)
                .build_producer()
                .expect("room"),
        );
    }
    assert_eq!(region.region.info().channels, 256);
    assert!(region.region.info().free < 4_096);
}

#[test]
fn impossible_capacities_are_refused_with_the_numbers() {
    let region = TestRegion::new("capacities", 4 << 20);
    for capacity in [0, 1, 3, 1 << 21, 1 << 62] {
        let builder = ChannelBuilder::new()
            .with_region(&region.region)
            .with_channel_id(1)
            .with_capacity(capacity);
        let error = builder.build_producer().unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains(&capacity.to_string()), "{error}");
        assert!(error.to_string().contains("1048576"), "{error}");
    }
    // Possible, but not here: the answer has the bytes.
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(1)
        .with_delivery(Delivery::Broadcast)
        .with_capacity(1 << 32);
    let error = builder.build_producer().unwrap_err();
    assert!(
        matches!(error, Error::RegionFull { needed, .. } if needed == 1_088 << 32),
        "{error}"
    );
    assert_eq!(region.region.info().channels, 0);
}

#[test]
fn a_full_file_system_is_an_error_and_not_a_signal() {
    // A region larger than the memory file system can hold: its file is sparse, its channels are not.
    let region = TestRegion::new("no-memory", 1 << 40);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(1)
        .with_delivery(Delivery::Broadcast)
        .with_capacity(1 << 28);
    let error = builder.build_producer().unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
    assert_eq!(region.region.info().channels, 0);
    let builder = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(1)
        .with_capacity(16);
    builder.build_producer().expect("what fits can still be made");
}

#[test]
fn a_region_in_use_is_not_removed_unless_forced() {
    let region = TestRegion::new("in-use", 4 << 20);
    let options = RegionOptions::new().name(&region.name);
    let error = options.remove(false).unwrap_err();
    assert!(
        matches!(&error, Error::RegionInUse { pids, .. } if *pids == [std::process::id()]),
        "{error}"
    );
    options.remove(true).expect("force");
    assert!(matches!(options.open(), Err(Error::RegionNotFound { .. })));
}

#[test]
fn a_refused_opener_leaves_no_channel_behind() {
    let region = TestRegion::with("refused-opener", RegionOptions::new().size(4 << 20).max_handles(2));
    let bytes = |name: &str| ChannelBuilder::new().with_region(&region.region).with_name(name);
    let names = || {
        let channels = region.region.channels().expect("a list").into_iter();
        channels.filter_map(|channel| channel.name).collect::<Vec<_>>()
    };
    let small = bytes("there").with_capacity(16);
    let _producer = small.build_producer().expect("room");
    let before = region.region.info();
    // Its own ring would not fit beside that for dead letters, which is made first.
    let large = bytes("large").with_capacity(2_048).with_dead_letters("letters");
    assert!(matches!(large.build_producer(), Err(Error::RegionFull { .. })));
    assert_eq!(names(), ["there"]);
    // No place is left for the second of its handles.
    let urgent = bytes("urgent").with_capacity(16).with_priorities(true);
    assert!(matches!(
        urgent.build_producer(),
        Err(Error::HandleTableFull { limit: 2 })
    ));
    assert_eq!(names(), ["there"]);
    let after = region.region.info();
    assert_eq!((after.free, after.channels, after.handles), (before.free, 1, 1));
    let _consumer = small.build_consumer().expect("room");
    assert!(matches!(
        bytes("new").with_capacity(16).build_consumer(),
        Err(Error::HandleTableFull { .. })
    ));
    assert_eq!(names(), ["there"]);
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_not_a_signal() {
    let (named, anonymous) = (
        TestRegion::fresh_name("limit"),
        TestRegion::fresh_name("limit-anonymous"),
    );
    // SAFETY: the child calls what a child of a process with threads may, as far as the C library goes: allocation, and system calls.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let limit = libc::rlimit {
            rlim_cur: 1 << 20,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: a valid limit.
        unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
        let is_told = |error: Option<Error>| error.is_some_and(|error| error.to_string().contains("RLIMIT_FSIZE"));
        let told = is_told(RegionOptions::new().name(&named).size(4 << 20).create().err())
            && is_told(
                RegionOptions::new()
                    .name(&anonymous)
                    .size(4 << 20)
                    .create_anonymous()
                    .err(),
            );
        // SAFETY: ends the child here and now.
        unsafe { libc::_exit(i32::from(!told)) };
    }
    assert_eq!(status_of_forked(child), 0);
}

/// While only producers of a channel are open, nobody holds the one for its dead letters.
#[test]
fn dead_letters_are_not_left_without_a_place() {
    let region = TestRegion::new("letters-removed", 4 << 20);
    let jobs = ChannelBuilder::new()
        .with_region(&region.region)
        .with_name("jobs")
        .with_redelivery_limit(0)
        .with_dead_letters("letters");
    let producer = jobs.build_producer().expect("a producer");
    let id = || region.region.channel_named("letters").map(|letters| letters.id);
    let refused = region.region.remove_channel(id().expect("it was made"), false);
    let said = refused.expect_err("letters of `jobs` go there").to_string();
    assert!(said.contains("`letters`") && said.contains("`jobs`"), "{said}");
    region
        .region
        .remove_channel(id().expect("it is there"), true)
        .expect("forced");
    assert!(id().is_err());
    // It is made anew by whoever asks for it.
    let consumer = jobs.build_consumer().expect("a consumer");
    producer.try_send(b"bad").expect("there is room");
    consumer.try_recv().expect("a message").give_back();
    assert!(matches!(consumer.try_recv(), Err(Error::Empty)));
    let letters = ChannelBuilder::new().with_region(&region.region).with_name("letters");
    let letters = letters.build_consumer().expect("it is there");
    assert_eq!(&*letters.try_recv().expect("the letter"), b"bad");
    drop((producer, consumer, letters));
    let jobs = region.region.channel_named("jobs").expect("it is there").id;
    region.region.remove_channel(jobs, false).expect("nobody uses it");
    region
        .region
        .remove_channel(id().expect("it is there"), false)
        .expect("nor this");
}

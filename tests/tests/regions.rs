//! Regions: where they lie, how they are created, how many there may be.

use dmxp::{ChannelBuilder, Error, RegionOptions};
use dmxp_tests::{PeerCommand, TestRegion};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_region_is_private_to_its_user() {
    let region = TestRegion::new("private", 2 << 20);
    let mode = std::fs::metadata(region.region.path())
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_name_that_is_taken_is_not_taken_over() {
    let region = TestRegion::new("taken", 2 << 20);
    let producer = ChannelBuilder::new()
        .with_region(&region.region)
        .with_channel_id(3)
        .with_capacity(2);
    let producer = producer.build_producer().expect("a channel");
    producer.send(b"kept").expect("room");
    let options = RegionOptions::new().name(&region.name);
    let other_size = options.clone().size(4 << 20);
    assert!(matches!(other_size.create(), Err(Error::RegionExists { .. })));
    assert!(matches!(other_size.open_or_create(), Err(Error::RegionMismatch { .. })));
    let same = options.open_or_create().expect("the one that exists");
    assert_eq!(same.info().size, 2 << 20, "its size is as it was made");
    assert_eq!(same.info().processes, 1, "a process attaches once");
    assert_eq!(same.channel(3).expect("the channel").len(), 1);
}

#[test]
fn several_regions_are_several_worlds() {
    let regions: Vec<_> = (0..5)
        .map(|k| TestRegion::new(&format!("world-{k}"), 2 << 20))
        .collect();
    let mut ids: Vec<u128> = regions.iter().map(|region| region.region.info().id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "no two regions have the same id");
    for (k, region) in regions.iter().enumerate() {
        let builder = ChannelBuilder::new()
            .with_region(&region.region)
            .with_channel_id(0)
            .with_capacity(2);
        builder
            .build_producer()
            .expect("a channel")
            .send([k as u8])
            .expect("room");
    }
    for (k, region) in regions.iter().enumerate() {
        let builder = ChannelBuilder::new().with_region(&region.region).with_channel_id(0);
        assert_eq!(
            builder
                .build_consumer()
                .expect("a consumer")
                .receive()
                .expect("an answer"),
            Some(vec![k as u8])
        );
    }
}

#[test]
fn the_environment_names_the_default_region() {
    let directory = std::env::temp_dir().join(TestRegion::fresh_name("directory"));
    std::fs::create_dir(&directory).expect("a directory");
    let name = TestRegion::fresh_name("environment");
    // `-` as region name: the peer uses the default region.
    let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
        .arg("-")
        .arg("0")
        .arg("create")
        .arg(0)
        .arg(1)
        .arg(2);
    let _ = peer.env("DMXP_DIR", &directory).env("DMXP_REGION", &name).output();
    let options = RegionOptions::new().dir(&directory).name(&name);
    let region = options.open().expect("the region is where the environment said");
    assert_eq!(region.info().size, 128 << 20);
    assert_eq!(region.channel(0).expect("the channel").capacity, 2);
    drop(region);
    options.remove(false).expect("nobody is attached");
    std::fs::remove_dir(&directory).expect("nothing is left behind");
}

#[test]
fn of_many_who_create_at_once_one_wins_and_all_attach() {
    for round in 0..20 {
        let name = TestRegion::fresh_name(&format!("race-{round}"));
        let peers: Vec<_> = (0..8)
            .map(|k| {
                let peer = PeerCommand::new(env!("CARGO_BIN_EXE_peer"))
                    .arg("-")
                    .arg("0")
                    .arg("create")
                    .arg(k)
                    .arg(1)
                    .arg(2);
                peer.env("DMXP_REGION", &name).spawn()
            })
            .collect();
        for peer in peers {
            let _ = peer.output();
        }
        let region = RegionOptions::new().name(&name).open().expect("one region");
        assert_eq!(
            region.channels().expect("a table").len(),
            8,
            "all eight found the same region"
        );
        drop(region);
        RegionOptions::new()
            .name(&name)
            .remove(false)
            .expect("nobody is attached");
    }
}

#[test]
fn impossible_regions_are_refused_with_the_numbers() {
    for name in ["", ".hidden", "a/b", "nul\0"] {
        assert!(
            matches!(
                RegionOptions::new().name(name).create(),
                Err(Error::InvalidArgument { .. })
            ),
            "{name:?}"
        );
    }
    let small = RegionOptions::new()
        .name(TestRegion::fresh_name("small"))
        .size(4_096)
        .create()
        .unwrap_err();
    assert!(
        small.to_string().contains("4096") && small.to_string().contains("413696"),
        "{small}"
    );
    let absent = RegionOptions::new()
        .name(TestRegion::fresh_name("absent"))
        .open()
        .unwrap_err();
    assert!(matches!(absent, Error::RegionNotFound { .. }), "{absent}");
    let nowhere = RegionOptions::new().dir("/nowhere").name("x").create().unwrap_err();
    assert!(nowhere.to_string().contains("/nowhere"), "{nowhere}");
}

#[test]
fn a_region_is_not_removed_while_a_process_comes_unless_forced() {
    let name = TestRegion::fresh_name("regions-coming");
    let options = || RegionOptions::new().name(&name).size(4 << 20);
    let done = AtomicBool::new(false);
    /// Ends the others, however it goes.
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let removed = std::thread::scope(|scope| {
        let ends = Ends(&done);
        let remover = || {
            let mut removed = 0;
            while !done.load(Ordering::Relaxed) {
                match options().remove(false) {
                    Ok(()) => removed += 1,
                    Err(Error::RegionInUse { .. } | Error::RegionNotFound { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            removed
        };
        let removers = [scope.spawn(remover), scope.spawn(remover)];
        for round in 0..300_u32 {
            // Between its steps the others may remove what is nobody's yet.
            let Ok(region) = options().open_or_create() else {
                continue;
            };
            let channel = ChannelBuilder::new().with_region(&region).with_channel_id(0);
            let producer = channel.with_capacity(1_024).build_producer().expect("it is in use");
            producer.try_send(round.to_le_bytes()).expect("room");
            assert!(region.is_current(), "round {round}");
        }
        drop(ends);
        removers
            .map(|remover| remover.join().expect("no panic"))
            .iter()
            .sum::<u32>()
    });
    assert!(removed > 0, "they had their turns");
    let _ = options().remove(true);
}

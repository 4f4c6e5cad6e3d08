//! A process that attaches read-only changes nothing: the kernel prevents it.

use dmxp::{Channel, DmxpMessage, Region, RegionOptions};
use dmxp_tests::{Numbered, PeerCommand, TestRegion};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What a process did that wrote where it may only look: nothing, by the hand of the kernel.
fn was_killed((said, status): &(String, ExitStatus)) {
    assert_eq!(status.signal(), Some(libc::SIGSEGV), "{status}: {said}");
    // The file was opened for reading, so that the mapping cannot be made writable either.
    assert_eq!(said, "rights r--s\nmprotect EACCES\n");
}

fn digest(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("the region's bytes");
    let digest = Sha256::digest(&bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A channel with a schema, messages, and handles that are open.
fn fill(region: &Region) -> impl Sized {
    let builder = Channel::<Numbered>::builder()
        .with_region(region)
        .with_name("seen")
        .with_capacity(4);
    let handles = (
        builder.build_producer().expect("a producer"),
        builder.build_consumer().expect("a consumer"),
    );
    for number in 0..3 {
        handles.0.send(&Numbered::new(1, number)).expect("room");
    }
    drop(handles.1.recv().expect("a message"));
    handles
}

#[test]
fn who_writes_through_a_read_only_mapping_is_killed() {
    let region = TestRegion::new("looked-at", 2 << 20);
    let _handles = fill(&region.region);
    let before = digest(File::open(region.region.path()).expect("the file"));
    was_killed(
        &PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
            .arg("write")
            .arg(&region.name)
            .spawn()
            .ended(),
    );
    assert_eq!(digest(File::open(region.region.path()).expect("the file")), before);
}

#[test]
fn who_writes_through_a_read_only_mapping_of_a_region_without_a_name_is_killed() {
    let region = RegionOptions::new().size(2 << 20).create_anonymous().expect("a region");
    let descriptor = region.descriptor().expect("a descriptor");
    let before = digest(File::from(region.descriptor().expect("a descriptor")));
    was_killed(
        &PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
            .inherit(descriptor.as_fd())
            .arg("write")
            .arg(format!("fd:{}", descriptor.as_raw_fd()))
            .spawn()
            .ended(),
    );
    assert_eq!(digest(File::from(region.descriptor().expect("a descriptor"))), before);
}

#[test]
fn looking_at_everything_changes_no_byte() {
    let region = TestRegion::new("unchanged", 2 << 20);
    let _handles = fill(&region.region);
    let expected = format!(
        "1 channels\nseen 2 {}\n1 1\n2 messages\n0 blockages\n",
        Numbered::schema()
    );
    let before = digest(File::open(region.region.path()).expect("the file"));
    let look = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser")).arg("look");
    assert_eq!(look.arg(&region.name).output(), expected);
    assert_eq!(digest(File::open(region.region.path()).expect("the file")), before);
    assert_eq!(region.region.info().processes, 1);

    let anonymous = RegionOptions::new().size(2 << 20).create_anonymous().expect("a region");
    let _handles = fill(&anonymous);
    let descriptor = anonymous.descriptor().expect("a descriptor");
    let bytes = || File::from(anonymous.descriptor().expect("a descriptor"));
    let before = digest(bytes());
    let look = PeerCommand::new(env!("CARGO_BIN_EXE_trespasser"))
        .inherit(descriptor.as_fd())
        .arg("look")
        .arg(format!("fd:{}", descriptor.as_raw_fd()));
    assert_eq!(look.output(), expected);
    assert_eq!(digest(bytes()), before);
}

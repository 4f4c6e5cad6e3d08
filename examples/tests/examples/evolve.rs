//! Versions of a message that go together, and one that does not.

use crate::processes::{LIMIT, Process, Region, example, root};
use std::process::Stdio;

fn evolve(region: &Region, arguments: &[&str]) -> Process {
    let mut command = example("evolve");
    command.args(arguments).stderr(Stdio::piped());
    region.start(command)
}

#[test]
fn the_second_version_reads_the_first() {
    let region = Region::new();
    evolve(&region, &["send", "v1"]).succeed(LIMIT);
    let received = evolve(&region, &["receive", "v2"]).succeed(LIMIT);
    assert!(
        received.contains("air_temperature: 21.5, sensor: 7, humidity: None"),
        "{received}"
    );
}

#[test]
fn the_first_version_reads_the_second() {
    let region = Region::new();
    evolve(&region, &["send", "v2"]).succeed(LIMIT);
    let received = evolve(&region, &["receive", "v1"]).succeed(LIMIT);
    assert!(received.contains("temperature: 21.5, sensor: 7"), "{received}");
}

#[test]
fn the_third_version_is_refused_in_the_words_of_the_readme() {
    let readme = std::fs::read_to_string(root().join("examples/evolve/README.md")).expect("there is a README");
    let region = Region::new();
    evolve(&region, &["send", "v1"]).succeed(LIMIT);
    let errors = evolve(&region, &["receive", "v3"]).fail(LIMIT);
    assert!(
        errors.contains("field `temperature`: f64 at offset 8 in the channel, f32 at offset 8 here"),
        "{errors}"
    );
    for line in errors.lines() {
        assert!(readme.contains(line), "not in the README: {line}");
    }
}

#[test]
fn once_removed_the_channel_takes_the_third_version() {
    let region = Region::new();
    evolve(&region, &["send", "v1"]).succeed(LIMIT);
    evolve(&region, &["remove"]).succeed(LIMIT);
    evolve(&region, &["send", "v3"]).succeed(LIMIT);
}

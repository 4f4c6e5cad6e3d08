//! The suite itself: real processes, every transport that was built, no time asserted.

use serde_json::Value;
use std::process::Command;

/// Runs those cases quickly and returns the JSON report.
fn report(cases: &[&str]) -> Value {
    let directory = std::env::temp_dir().join(format!("dmxp-test-benches-{}-{}", std::process::id(), cases[0]));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmxp-benches"));
    command.args(["--quick", "--no-python", "--out"]).arg(&directory);
    for case in cases {
        command.args(["--only", case]);
    }
    let output = command.output().expect("the suite starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(directory.join("report.json")).expect("a report");
    let chart = std::fs::read_to_string(directory.join("chart.svg")).expect("a chart");
    assert!(chart.starts_with("<svg ") && chart.ends_with("</svg>\n"));
    std::fs::remove_dir_all(&directory).expect("the report's directory can be removed");
    serde_json::from_str(&text).expect("JSON")
}

/// Every subject of every block has measured something.
fn assert_complete(report: &Value, blocks: usize) {
    let found = report["results"]["blocks"].as_array().expect("blocks");
    assert_eq!(found.len(), blocks);
    for block in found {
        assert!(block["raw"][0]["p50"].as_f64().is_some_and(|raw| raw > 0.0), "{block}");
        for run in block["runs"].as_array().expect("runs") {
            assert!(run[1]["Ok"].is_object(), "{}: {run}", block["case"]);
        }
    }
}

#[test]
fn every_transport_delivers_every_message_between_its_ends() {
    let report = report(&["throughput-1-1-64", "throughput-2-1", "throughput-1-2", "batch-8"]);
    assert_complete(&report, 4);
}

#[test]
fn every_transport_brings_messages_back_and_wakes_sleepers() {
    // The slots of 960 bytes are full.
    let report = report(&["round-trip-960", "round-trip-64", "wake", "opening"]);
    // The busy round trip is among them.
    assert_complete(&report, 5);
}

#[test]
fn a_ratio_is_beside_each_target() {
    let report = report(&["receiving"]);
    assert_complete(&report, 4);
    let targets = report["targets"].as_array().expect("targets");
    let reached = targets.iter().find(|target| {
        target["target"]
            .as_str()
            .is_some_and(|text| text.starts_with("receiving in place"))
    });
    let reached = reached.expect("there is such a target");
    // In whichever state the machine is.
    let state = if reached["fast"].is_null() { "slow" } else { "fast" };
    assert!(
        reached[state]["median"].as_f64().is_some_and(|ratio| ratio > 0.0),
        "{reached}"
    );
}

//! The count of lost messages itself: real processes, killed.

use serde_json::Value;
use std::process::Command;

/// Kills twice each and returns the rows of those transports.
fn rows(only: &str) -> Vec<Value> {
    let directory = std::env::temp_dir().join(format!(
        "dmxp-test-losses-{}-{}",
        std::process::id(),
        only.replace(' ', "-")
    ));
    let output = Command::new(env!("CARGO_BIN_EXE_dmxp-benches"))
        .args(["losses", "--times", "2", "--only", only, "--out"])
        .arg(&directory)
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table = std::fs::read_to_string(directory.join("losses.md")).expect("a table");
    assert!(table.starts_with("## Messages lost") && table.contains(only), "{table}");
    let text = std::fs::read_to_string(directory.join("losses.json")).expect("rows");
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(rows.len() % 2, 0, "a sender and a consumer of each: {said}");
    for row in &rows {
        assert_eq!(row["kills"], 2, "{row}");
    }
    rows
}

#[test]
fn a_queue_read_in_place_loses_nothing_and_blocks_nobody() {
    let rows = rows("dmxp queue, compact, in place");
    assert_eq!(rows.len(), 2);
    for row in rows {
        for what in ["blocked", "lost", "stuck", "doubled"] {
            assert_eq!(row[what], 0, "{row}");
        }
    }
}

/// What the kernel passes on byte by byte survives the sender; it says of no message that it came again.
#[test]
fn what_is_in_a_pipe_survives_its_sender() {
    let rows = rows("pipe");
    assert_eq!(
        (&rows[0]["killed"], &rows[1]["killed"]),
        (&"Sender".into(), &"Consumer".into())
    );
    for what in ["blocked", "lost", "doubled", "flagged"] {
        assert_eq!(rows[0][what], 0, "{}", rows[0]);
    }
    assert_eq!(rows[1]["blocked"], 0, "{}", rows[1]);
}

#[test]
fn every_transport_between_processes_can_be_counted() {
    for name in ["shaq", "cloudtoid", "Unix socket pair", "POSIX message queue"] {
        assert!(!rows(name).is_empty(), "{name}");
    }
}

//! The rows that are counted do what they say. Counting them needs valgrind, and is left to `benches/instructions`.

use std::process::{Command, Output};

fn instructions(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_instructions"))
        .args(arguments)
        .env("PATH", "")
        .output()
        .expect("the command starts")
}

#[test]
fn each_row_sends_and_receives() {
    let listed = instructions(&["--list"]);
    let rows = String::from_utf8(listed.stdout).expect("text");
    assert!(rows.lines().count() > 10, "{rows}");
    for row in rows.lines() {
        // More than a channel has room for: what is sent is received.
        let output = instructions(&["rounds", row, "3000"]);
        assert!(
            output.status.success(),
            "{row}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_missing_valgrind_is_told_in_one_line() {
    let output = instructions(&["bare"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.contains("apt-get install valgrind"), "{said}");
}

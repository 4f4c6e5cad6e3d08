//! The command that prints what grows with the number of processes: it works, with real processes, and no time is asserted.

use std::process::Command;

#[test]
fn every_figure_is_printed_for_each_number_of_processes() {
    let output = Command::new(env!("CARGO_BIN_EXE_dmxp-benches"))
        .args(["scale", "2", "20"])
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table = String::from_utf8(output.stdout).expect("text");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows[0], ["processes", "2", "20", "slope"]);
    assert_eq!(rows.len(), 15, "{table}");
    for row in &rows[2..] {
        assert_eq!(row.len(), 4, "{table}");
        for figure in &row[1..3] {
            assert!(figure.parse::<f64>().is_ok(), "{}: {figure}\n{said}", row[0]);
        }
    }
    let failures = rows.iter().find(|row| row[0].ends_with("failures")).expect("a row");
    assert_eq!(failures[1..3], ["0", "0"], "{said}");
}

#[test]
fn a_case_can_be_measured_alone() {
    let output = Command::new(env!("CARGO_BIN_EXE_dmxp-benches"))
        .args(["scale", "--only", "start", "3"])
        .output()
        .expect("the command starts");
    let table = String::from_utf8(output.stdout).expect("text");
    assert_eq!(table.lines().count(), 5, "{table}");
}

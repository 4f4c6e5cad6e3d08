//! The examples of how messages are delivered check their own results, and say so. Here they are run from somewhere else.

use crate::processes::{BUILD_LIMIT, Region, root};
use std::process::Command;

fn run(example: &str) -> String {
    let mut run = Command::new(root().join("examples").join(example).join("run"));
    run.current_dir("/");
    Region::new().start(run).succeed(BUILD_LIMIT)
}

#[test]
fn fan_in_gets_all_of_everyone_in_order() {
    let output = run("fan_in");
    assert!(
        output.ends_with("fan_in: 26115 observations of 3 stations, each in order: ok\n"),
        "{output}"
    );
}

#[test]
fn every_subscriber_of_the_fan_out_sees_all_or_knows_what_it_missed() {
    let output = run("fan_out");
    for quantity in ["temperature", "wind", "rain"] {
        assert!(output.contains(&format!("{quantity}: saw every message")), "{output}");
    }
    assert!(
        output.ends_with("fan_out: 3 subscribers saw all messages, and 1 knows what it missed: ok\n"),
        "{output}"
    );
}

#[test]
fn a_killed_workers_job_is_done_by_another() {
    let output = run("work_queue");
    assert!(
        output.contains("killed a worker, stuck with Job { number: 0,"),
        "{output}"
    );
    assert!(output.contains("work_queue: 52 jobs done by "), "{output}");
    assert!(
        output.ends_with(" 1 of them taken over from a dead one: ok\n"),
        "{output}"
    );
}

#[test]
fn a_pipeline_of_two_languages_changes_nothing_but_the_units() {
    let output = run("pipeline");
    let ends = [
        "pipeline: 26115 observations through rust, python and rust: ok\n",
        "pipeline: python3 is missing: skipping the pipeline\n",
    ];
    assert!(ends.iter().any(|end| output.ends_with(end)), "{output}");
}

#[test]
fn ticks_are_received_as_they_were_sent() {
    let output = run("ticks");
    let subscribers = if output.contains(" is missing: skipping ") {
        "rust"
    } else {
        "rust, numpy"
    };
    assert!(
        output.ends_with(&format!("ticks: all were received by {subscribers}: ok\n")),
        "{output}"
    );
    assert!(
        output.contains("\n2000000 ticks, ") || output.starts_with("2000000 ticks, "),
        "{output}"
    );
}

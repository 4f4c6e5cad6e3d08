//! The main job.

use crate::processes::{BUILD_LIMIT, Region, root};
use std::process::Command;

/// The script compares the tables itself, and chooses its own region; here it is run from somewhere else.
#[test]
fn all_tables_of_the_weather_agree() {
    let mut run = Command::new(root().join("examples/weather/run"));
    run.current_dir("/");
    let output = Region::new().start(run).succeed(BUILD_LIMIT);
    let missing = output.matches(" is missing: skipping ").count();
    let agreeing = output
        .lines()
        .find_map(|line| line.strip_prefix("identical: "))
        .unwrap_or_else(|| panic!("no agreement in {output}"));
    if missing == 0 {
        assert_eq!(agreeing, "rust, c, python, csv");
    }
    // From the CSV, with awk.
    assert!(
        output.contains("EWR: 8703 observations from 2013-01-01T06:00:00Z to 2013-12-30T23:00:00Z"),
        "{output}"
    );
}

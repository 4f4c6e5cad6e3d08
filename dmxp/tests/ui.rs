//! What the derive accepts, and the errors it gives for what it does not.

use std::process::Command;

/// The compiler whose words are in `tests/ui/fail/*.stderr`; others wrap ours in words of their own. After an update:
/// `TRYBUILD=overwrite cargo test -p dmxp --test ui`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn every_refusal_names_its_cure() {
    let compiler = Command::new("rustc")
        .arg("--version")
        .output()
        .expect("rustc runs")
        .stdout;
    let compiler = String::from_utf8_lossy(&compiler);
    if !compiler.starts_with(COMPILER) {
        assert!(
            std::env::var_os("CI").is_none(),
            "the expected errors are those of {COMPILER}x, this is {compiler}"
        );
        println!("skipped: the expected errors are those of {COMPILER}x, this is {compiler}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}

#[test]
fn what_may_be_a_message_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
}

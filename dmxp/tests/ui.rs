//! What the derive accepts, and the errors it gives for what it does not.

use std::process::Command;

/// The compiler whose words are in `tests/ui/fail/*.stderr`; others wrap ours in words of their own. After an update:
/// `TRYBUILD=overwrite cargo test -p dmxp --test ui`.
const COMPILER: &str = "rustc 1.95.";

/// Whether the compiler is the one whose words are expected; another one is skipped, but on CI.
fn has_expected_words() -> bool {
    let compiler = Command::new("rustc")
        .arg("--version")
        .output()
        .expect("rustc runs")
        .stdout;
    let compiler = String::from_utf8_lossy(&compiler);
    let is_expected = compiler.starts_with(COMPILER);
    if !is_expected {
        assert!(
            std::env::var_os("CI").is_none(),
            "the expected errors are those of {COMPILER}x, this is {compiler}"
        );
        println!("skipped: the expected errors are those of {COMPILER}x, this is {compiler}");
    }
    is_expected
}

#[test]
fn every_refusal_names_its_cure() {
    if has_expected_words() {
        let cases = trybuild::TestCases::new();
        cases.compile_fail("tests/ui/fail/*.rs");
    }
}

/// What depends on the type that a generic call is made with is found when code is generated, which takes a case that runs beside it.
#[test]
fn every_refusal_of_a_call_names_its_cure() {
    if has_expected_words() {
        let cases = trybuild::TestCases::new();
        cases.compile_fail("tests/ui/fail_when_built/*.rs");
        cases.pass("tests/ui/pass/crate_path.rs");
    }
}

#[test]
fn what_may_be_a_message_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
}

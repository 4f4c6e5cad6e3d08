//! What the derive accepts, and the errors it gives for what it does not.

#[test]
fn every_refusal_names_its_cure() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}

#[test]
fn what_may_be_a_message_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
}

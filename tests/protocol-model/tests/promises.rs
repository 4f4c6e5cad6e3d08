//! The quick searches, by the promise they check.

use dmxp_protocol_model::configurations::{Case, Size, all};

/// Searches every quick case whose name starts with one of `names` and checks each verdict.
fn check(names: &[&str]) {
    let matches = |case: &Case| case.size == Size::Quick && names.iter().any(|name| case.name.starts_with(name));
    let cases: Vec<Case> = all().into_iter().filter(matches).collect();
    assert!(!cases.is_empty(), "no quick case is named {names:?}");
    for case in cases {
        let outcome = case.run(5_000_000);
        assert!(
            case.holds(&outcome),
            "{}: expected {:?}, found {:#?}",
            case.name,
            case.expected,
            outcome.verdict
        );
    }
}

#[test]
fn a_killed_process_blocks_nobody_and_loses_nothing() {
    check(&["1x", "2x", "redelivery limit", "capacity 4"]);
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    check(&["batches"]);
}

#[test]
fn a_handle_may_hold_one_claim_and_make_another() {
    check(&["two cells"]);
}

#[test]
fn a_dead_consumers_message_is_dropped_where_the_channel_says_so() {
    check(&["drop policy"]);
}

#[test]
fn positions_wrap_in_their_words_without_harm() {
    check(&["narrow words", "the runtime's words"]);
}

#[test]
fn every_planted_mistake_is_caught() {
    check(&["mistake"]);
}

#[test]
fn too_narrow_a_word_is_caught() {
    check(&["limit"]);
}

#[test]
fn a_newcomer_in_a_freed_record_is_never_taken_for_the_dead() {
    check(&["newcomers"]);
}

#[test]
fn one_who_went_away_holds_nobody_up() {
    check(&["going away"]);
}

#[test]
fn an_aborted_batch_is_stepped_over() {
    check(&["aborts"]);
}

#[test]
fn nobody_sleeps_while_a_message_waits_for_it() {
    check(&["waiting "]);
}

#[test]
fn the_queue_holds_over_a_weak_memory() {
    check(&["weak queue"]);
}

#[test]
fn every_planted_ordering_of_the_queue_is_caught() {
    check(&["weak mistake"]);
}

#[test]
fn packed_slots_hold_over_a_weak_memory() {
    check(&["weak packed,"]);
}

#[test]
fn every_planted_mistake_of_packed_slots_is_caught() {
    check(&["weak packed mistake"]);
}

#[test]
fn nobody_sleeps_beside_a_message_over_a_weak_memory() {
    check(&["weak waiting"]);
}

//! Each planted bug makes a named check fail: those of orderings and of batches the checks in `exchange`, those of recovery the
//! ones in `deaths`, those of expiry the ones in `expiry`, those of looking without a claim the ones in `peek`.

use super::{deaths, exchange, expiry, peek, shortest};
use crate::sync::planted::{Bug, finds};

#[test]
fn publishing_before_writing_is_found() {
    finds(Bug::PublishBeforeWrite, exchange::a_message_is_read_as_it_was_written);
}

#[test]
fn a_relaxed_publication_is_found() {
    finds(Bug::RelaxedPublish, exchange::a_message_is_read_as_it_was_written);
}

#[test]
fn a_relaxed_release_is_found() {
    finds(
        Bug::RelaxedRelease,
        exchange::a_slot_is_written_again_only_after_it_was_read,
    );
}

#[test]
fn a_consumer_that_does_not_acquire_is_found() {
    finds(Bug::RelaxedConsumerLoad, exchange::a_message_is_read_as_it_was_written);
}

#[test]
fn bugs_of_ordering_are_found_on_the_shortest_way() {
    finds(Bug::PublishBeforeWrite, shortest::a_message_is_read_as_it_was_written);
    finds(Bug::RelaxedPublish, shortest::a_message_is_read_as_it_was_written);
    finds(Bug::RelaxedConsumerLoad, shortest::a_message_is_read_as_it_was_written);
    finds(
        Bug::RelaxedRelease,
        shortest::a_slot_is_written_again_only_after_it_was_read,
    );
}

#[test]
fn a_batch_published_first_to_last_is_found_among_the_living() {
    finds(Bug::BatchFirstToLast, exchange::a_batch_is_seen_whole_or_not_at_all);
}

#[test]
fn a_batch_published_first_to_last_is_found_by_its_death() {
    finds(
        Bug::BatchFirstToLast,
        deaths::a_producer_killed_while_it_sends_a_batch_leaves_all_of_it_or_nothing,
    );
}

#[test]
fn cells_read_before_the_cursor_are_found() {
    finds(
        Bug::CellsBeforeCursor,
        deaths::a_sweeper_leaves_the_claim_of_a_living_producer_alone,
    );
}

#[test]
fn ignoring_a_live_trying_is_found() {
    finds(
        Bug::LiveTryingIgnored,
        deaths::a_sweeper_leaves_the_claim_of_a_living_producer_alone,
    );
}

#[test]
fn a_trying_that_is_not_taken_back_is_found() {
    finds(
        Bug::TryingNotCleared,
        deaths::a_ring_with_one_slot_left_is_not_blocked_by_two_who_want_it,
    );
}

#[test]
fn a_record_freed_before_its_sweep_is_found() {
    finds(
        Bug::RecordFreedBeforeSweep,
        deaths::a_producer_killed_while_it_sends_blocks_nobody,
    );
}

#[test]
fn a_range_that_spans_expired_messages_and_others_is_found() {
    finds(
        Bug::ExpiredRangeUndivided,
        expiry::a_live_message_behind_an_expired_one_survives_who_dies_skipping,
    );
}

#[test]
fn releasing_what_expired_before_counting_it_is_found() {
    finds(
        Bug::ExpiredReleasedBeforeCounted,
        expiry::a_live_message_behind_an_expired_one_survives_who_dies_skipping,
    );
}

#[test]
fn a_claim_without_a_fence_is_found() {
    finds(
        Bug::ClaimWithoutFence,
        peek::what_is_looked_at_is_of_one_message_though_its_slot_is_used_again,
    );
}

#[test]
fn a_copy_that_is_not_checked_is_found() {
    finds(
        Bug::PeekWithoutSecondLook,
        peek::what_is_looked_at_is_of_one_message_though_its_slot_is_used_again,
    );
}

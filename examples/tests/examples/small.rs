//! The examples of one idea each.

use crate::processes::{LIMIT, Region, example};

#[test]
fn a_claim_that_is_dropped_is_never_received() {
    let region = Region::new();
    let mut produce = example("in_place");
    produce.arg("produce");
    region.start(produce).succeed(LIMIT);
    let mut consume = example("in_place");
    consume.arg("consume");
    let mut consume = region.start(consume);
    let turns: Vec<String> = consume
        .prints(9)
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
        .collect();
    assert_eq!(turns, ["0", "1", "2", "3", "5", "6", "7", "8", "9"]);
}

#[test]
fn batches_arrive_complete_and_in_order() {
    let region = Region::new();
    let mut produce = example("batches");
    produce.arg("produce");
    let mut consume = example("batches");
    consume.arg("consume");
    let produce = region.start(produce);
    let received = region.start(consume).succeed(LIMIT);
    produce.succeed(LIMIT);
    assert_eq!(received.matches(": 1000000 messages in ").count(), 2, "{received}");
}

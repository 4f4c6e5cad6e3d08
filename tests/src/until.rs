//! Waiting for something that another process or thread brings about.

use crate::PATIENCE;
use std::time::{Duration, Instant};

/// Waits until `condition` holds, which is looked at every millisecond.
///
/// # Panics
/// When it does not within [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    within(PATIENCE, what, condition);
}

/// The same where it is part of the promise how long that may take.
///
/// # Panics
/// When it does not hold within `bound`.
#[track_caller]
pub fn within(bound: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < bound, "{what}: not within {bound:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Measures up to ten times until it took less than `bound`: a machine with other work to do makes a wait long now and then, a
/// missed wake-up makes it long each time.
///
/// # Panics
/// When it never took less.
#[track_caller]
pub fn at_best(bound: Duration, what: &str, mut measure: impl FnMut() -> Duration) {
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last >= bound) {
        assert!(took.len() < 10, "{what} took {took:?}, never less than {bound:?}");
        took.push(measure());
    }
}

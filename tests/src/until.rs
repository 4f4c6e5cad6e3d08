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

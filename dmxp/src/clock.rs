//! The clocks: one for metadata, one for ticks.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch.
#[inline]
pub(crate) fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

/// Milliseconds on a clock that never jumps, a few milliseconds coarse and cheap enough for every failed poll.
pub(crate) fn coarse_ms() -> u64 {
    crate::wait::coarse_clock().as_millis() as u64
}

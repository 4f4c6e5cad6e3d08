//! Absolute time limits.

#[cfg(not(loom))]
use crate::os::clock::instant;
use std::time::{Duration, Instant};

/// Loom's scenarios have no time.
#[cfg(loom)]
fn instant() -> Instant {
    Instant::now()
}

/// When a call must return; `None` never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Self = Self(None);

    /// A limit too far away to be counted is none.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(instant().checked_add(timeout))
    }

    /// What is left, at most `longest`; `None` when the time is over.
    pub(crate) fn left(self, longest: Duration) -> Option<Duration> {
        match self.0 {
            None => Some(longest),
            Some(end) => {
                let left = end.saturating_duration_since(instant());
                (!left.is_zero()).then(|| left.min(longest))
            }
        }
    }
}

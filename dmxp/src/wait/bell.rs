//! A futex word of this process, for what is no channel: other threads, and descriptors that are watched by one.

use super::futex;
use crate::sync::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Bell(AtomicU32);

impl Default for Bell {
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

impl Bell {
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// What [`sleep`](Self::sleep) is given, to be read before the last look.
    pub(crate) fn heard(&self) -> u32 {
        // Acquire: pairs with `ring`. A thread that finds it rung sees why.
        self.0.load(Ordering::Acquire)
    }

    /// Wakes the threads that sleep here. What it is about is to be stored before.
    pub(crate) fn ring(&self) {
        // Release: pairs with the acquire in `heard` and Any::sleep.
        self.0.fetch_add(1, Ordering::Release);
        futex::wake(&self.0, u32::MAX);
    }

    /// Sleeps unless it rang since; at most `timeout`, or for no reason.
    pub(crate) fn sleep(&self, heard: u32, timeout: Duration) {
        futex::wait(&self.0, heard, timeout);
    }
}

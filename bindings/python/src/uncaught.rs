//! What becomes of messages that a thread holds when an exception ends it: they are not dealt with, and go back to their channels.
//!
//! `dmxp/uncaught.py` says when an exception ends a thread. A message that the thread received before then, and that is let go after, with
//! the frames of the traceback, is given back instead of released.

use core::cell::Cell;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Which thread received a message, and how many it had received before.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    thread: u64,
    number: u64,
}

/// Whether any thread was ended so. Relaxed: a thread sees its own store, and what another one received comes to it by way of the GIL.
static ANY: AtomicBool = AtomicBool::new(false);

/// By thread, how many messages it had received when an exception ended it.
static ENDED: LazyLock<Mutex<HashMap<u64, u64>>> = LazyLock::new(Mutex::default);

/// Numbers threads; those of the system come again.
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// This thread's number, 0 before it has one, and how many messages it has received.
    static HERE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

impl Origin {
    /// Of a message that this thread receives now.
    #[inline]
    pub(crate) fn here() -> Self {
        let (mut thread, number) = HERE.get();
        if thread == 0 {
            thread = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        HERE.set((thread, number + 1));
        Self { thread, number }
    }

    /// Whether its thread has been ended since.
    #[inline]
    pub(crate) fn failed(self) -> bool {
        ANY.load(Ordering::Relaxed) && self.was_before_the_end()
    }

    #[cold]
    fn was_before_the_end(self) -> bool {
        let ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get(&self.thread).is_some_and(|&received| self.number < received)
    }
}

/// An exception ends this thread: the messages that it holds go back to their channels.
#[pyfunction]
pub(crate) fn _uncaught() {
    let (thread, received) = HERE.get();
    if thread != 0 {
        let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        ended.insert(thread, received);
        ANY.store(true, Ordering::Relaxed);
    }
}

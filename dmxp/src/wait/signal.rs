//! Signals that end a sleep of this thread, for calls that want to know.
//!
//! The system says of each sleep whether a signal handler has ended it. What ran a moment before the thread went to sleep is not noticed:
//! so it is with every system call that a signal interrupts.
//! futex_waitv(2) is begun again by the kernel where the handler has `SA_RESTART`, and says nothing; futex(2) with a time limit always does.

use core::cell::Cell;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody wants to know.
    Off,
    Watching,
    /// A handler has run.
    Came,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Off) };
}

/// While this is there, a signal ends the waits of this thread early, as if their time were over.
pub(crate) struct Watch(());

impl Watch {
    pub(crate) fn new() -> Self {
        STATE.set(State::Watching);
        Self(())
    }

    /// Whether one came.
    pub(crate) fn came(&self) -> bool {
        came()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        STATE.set(State::Off);
    }
}

/// Whether a signal came since somebody watches.
pub(super) fn came() -> bool {
    STATE.get() == State::Came
}

/// A sleep was ended by a signal.
#[cfg(not(loom))]
pub(super) fn note() {
    if STATE.get() == State::Watching {
        STATE.set(State::Came);
    }
}

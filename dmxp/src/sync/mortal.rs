//! Threads of loom tests that die at a chosen step, as a killed process does: nothing of theirs runs afterwards.
//!
//! A step is an access to shared memory or a [`point`](super::point). Death is an unwinding that calls no panic hook; what is
//! tested must not act while it unwinds, that is, own nothing whose `Drop` touches shared memory.

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

struct Death;

loom::lazy_static! {
    /// Touched at each step, so that loom takes every two steps for dependent and tries both orders. By itself it compares an
    /// access only with the last one to the same word, and misses orders. Relaxed: it orders nothing else.
    static ref TURN: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
}

loom::thread_local! {
    /// Steps that the thread still makes; `None` for a thread that does not die.
    static LEFT: Cell<Option<u32>> = Cell::new(None);
}

/// Lives on this thread until `steps` steps are made. `false`: died before the end.
pub(crate) fn live<T>(steps: u32, life: impl FnOnce() -> T) -> bool {
    LEFT.with(|left| left.set(Some(steps)));
    let end = catch_unwind(AssertUnwindSafe(life));
    LEFT.with(|left| left.set(None));
    match end {
        Ok(_) => true,
        Err(cause) if cause.is::<Death>() => false,
        Err(cause) => resume_unwind(cause),
    }
}

/// Called before each step.
pub(super) fn step() {
    TURN.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
    let left = LEFT.with(Cell::get);
    match left {
        None => {}
        Some(0) => resume_unwind(Box::new(Death)),
        Some(left) => LEFT.with(|cell| cell.set(Some(left - 1))),
    }
}

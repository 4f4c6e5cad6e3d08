//! Threads that wait while the interpreter ends.
//!
//! Before Python 3.14 a daemon thread that wants the GIL back after the interpreter began to end is ended by `pthread_exit`,
//! in the middle of Rust frames, which aborts the process. So the last `atexit` function closes a gate, and whoever comes to
//! it afterwards stays there until the process is gone.

use pyo3::prelude::*;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

static CLOSED: AtomicBool = AtomicBool::new(false);
/// Threads between the gate and the GIL.
static RETURNING: AtomicUsize = AtomicUsize::new(0);
/// The thread that ends the interpreter; the gate is open for its other `atexit` functions.
static ENDING: OnceLock<ThreadId> = OnceLock::new();

/// Runs `f` without the GIL.
pub(crate) fn detached<T: Send>(py: Python<'_>, f: impl FnOnce() -> T + Send) -> T {
    let value = py.detach(|| {
        let value = f();
        // SeqCst, here and in `close`: either this thread sees the closed gate, or `close` sees this thread.
        RETURNING.fetch_add(1, Ordering::SeqCst);
        if CLOSED.load(Ordering::SeqCst) && ENDING.get() != Some(&std::thread::current().id()) {
            RETURNING.fetch_sub(1, Ordering::SeqCst);
            loop {
                std::thread::park();
            }
        }
        value
    });
    RETURNING.fetch_sub(1, Ordering::SeqCst);
    value
}

#[pyfunction]
fn close(py: Python<'_>) {
    let _ = ENDING.set(std::thread::current().id());
    CLOSED.store(true, Ordering::SeqCst);
    // Who passed the gate before gets the GIL and is then the interpreter's own affair. In a forked child the count may speak
    // of threads that are not there, hence the limit.
    py.detach(|| {
        let end = Instant::now() + Duration::from_millis(200);
        while RETURNING.load(Ordering::SeqCst) > 0 && Instant::now() < end {
            std::thread::yield_now();
        }
    });
}

pub(crate) fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let atexit = module.py().import("atexit")?;
    atexit.call_method1("register", (wrap_pyfunction!(close, module)?,))?;
    Ok(())
}

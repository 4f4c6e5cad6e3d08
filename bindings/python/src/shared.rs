//! A handle that Python's threads share: the runtime's, with what Python does while a call waits.
//!
//! The runtime's lock is held for the moment of a claim, a publish or a release, never while a thread waits for another process and
//! never while it waits for the GIL: so it may be taken with the GIL held, as deallocation has to.

use crate::errors::{Failure, Result};
use crate::message::Received;
use crate::wakeups::{Loops, Wakeups};
use dmxp::Error;
use dmxp::raw::{self, TokenError, Wait, WaitHooks, Waiter};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest sleep between two looks at signals.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// How long a call may wait, from a `timeout` argument; `default` is what its absence means.
pub(crate) fn wait(timeout: Option<f64>, default: Wait) -> PyResult<Wait> {
    timeout.map_or(Ok(default), |seconds| Ok(Wait::For(duration(seconds)?)))
}

/// From seconds.
pub(crate) fn duration(timeout: f64) -> PyResult<Duration> {
    if timeout.is_nan() || timeout < 0.0 {
        return Err(PyValueError::new_err(format!(
            "timeout {timeout}: give seconds, zero or more"
        )));
    }
    Ok(Duration::try_from_secs_f64(timeout).unwrap_or(Duration::MAX))
}

/// Either end of a channel.
pub(crate) trait Handle: raw::End {
    const NAME: &'static str;
    /// What the binding knows of it.
    type Form: Send + Sync;
}

impl Handle for raw::Producer {
    const NAME: &'static str = "producer";
    type Form = ();
}

impl Handle for raw::Consumer {
    const NAME: &'static str = "consumer";
    type Form = Received;
}

/// A shared handle. Every claim keeps one of these, so that handle and mapping outlive all views of slots.
pub(crate) struct Shared<H: Handle> {
    pub(crate) handle: raw::Shared<H>,
    pub(crate) form: H::Form,
    loops: Loops,
    detached: AtomicBool,
}

impl<H: Handle> Shared<H> {
    /// What is done while a call with the handle waits.
    pub(crate) fn hooks<'a, 'py>(&'a self, py: Python<'py>) -> Hooks<'a, 'py> {
        Hooks {
            py,
            detached: &self.detached,
            name: H::NAME,
        }
    }
}

/// Waits without the GIL, and looks at signals between.
pub(crate) struct Hooks<'a, 'py> {
    py: Python<'py>,
    detached: &'a AtomicBool,
    name: &'static str,
}

impl WaitHooks for Hooks<'_, '_> {
    type Error = Failure;

    fn slice(&self) -> Duration {
        SLICE
    }

    fn sleep<R: Send>(&mut self, sleep: impl FnOnce() -> R + Send) -> R {
        self.py.detach(sleep)
    }

    fn between_sleeps(&mut self) -> Result<()> {
        self.py.check_signals()?;
        if self.detached.load(Ordering::Relaxed) {
            return Err(Failure::Detached(self.name));
        }
        Ok(())
    }

    /// Those that may be running Python code: a library's own release nothing.
    fn has_other_threads(&mut self) -> Result<bool> {
        let threading = self.py.import("threading")?;
        let count: usize = threading.call_method0("active_count")?.extract()?;
        Ok(count > 1)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Runtime(match error {
            TokenError::Runtime(error) => error,
            // Tokens are kept by what finishes them once.
            stale => Error::InvalidArgument {
                what: stale.to_string(),
            },
        })
    }
}

/// A handle as a Python object has it: until it is detached.
pub(crate) struct Attached<H: Handle>(Mutex<Option<Arc<Shared<H>>>>);

impl<H: Handle> Attached<H> {
    pub(crate) fn new(handle: H, form: H::Form) -> Self {
        Self(Mutex::new(Some(Arc::new(Shared {
            handle: raw::Shared::new(handle),
            form,
            loops: Loops::default(),
            detached: AtomicBool::new(false),
        }))))
    }

    fn place(&self) -> MutexGuard<'_, Option<Arc<Shared<H>>>> {
        // Held for a few instructions, and with the GIL: no thread that fork leaves behind can have it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self) -> Result<Arc<Shared<H>>> {
        self.place().clone().ok_or(Failure::Detached(H::NAME))
    }

    /// Calls that need no more than the handle.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&H) -> dmxp::Result<R>) -> Result<R> {
        Ok(self.get()?.handle.with(f)?)
    }

    /// The process ids of the live handles on the other side.
    pub(crate) fn peers(&self, py: Python<'_>) -> Result<Vec<u32>> {
        let shared = self.get()?;
        Ok(py.detach(|| shared.handle.peers())?)
    }

    /// Waits for so many of them.
    pub(crate) fn wait_for_peers(&self, py: Python<'_>, count: usize, wait: Wait) -> Result<usize> {
        let shared = self.get()?;
        shared.handle.wait_for_peers(count, wait, &mut shared.hooks(py))
    }

    /// What the handle waits for.
    pub(crate) fn waiter(&self) -> Result<Waiter> {
        Ok(self.get()?.handle.waiter().clone())
    }

    /// Has `key` noted for an event loop when the handle may be ready, or, `held_up`, when the next of its claims is finished; see
    /// [`Loops::register`].
    pub(crate) fn wake(&self, wakeups: &Wakeups, key: u64, held_up: bool) -> Result<()> {
        let shared = self.get()?;
        match held_up {
            true => shared
                .handle
                .wake_when_finished(&shared.loops.waker(shared.handle.waiter(), wakeups, key)?)?,
            false => shared.loops.register(shared.handle.waiter(), wakeups, key)?,
        }
        Ok(())
    }

    /// Gives the handle up. It goes when the last claim does.
    pub(crate) fn detach(&self) {
        if let Some(shared) = self.place().take() {
            shared.detached.store(true, Ordering::Relaxed);
            // In a forked child nobody waits with it.
            if shared.handle.check().is_ok() {
                shared.loops.wake();
            }
        }
    }
}

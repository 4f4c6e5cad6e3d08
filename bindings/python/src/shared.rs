//! A handle that Python's threads share.
//!
//! The mutex is held for the moment of a claim, a publish or a release, never while a thread waits for another process and
//! never while it waits for the GIL: so it may be taken with the GIL held, as deallocation has to.

use crate::errors::{Failure, Result};
use crate::message::Received;
use crate::wakeups::{Loops, Wakeups};
use dmxp::Error;
use dmxp::raw::{self, Wait, Waiter};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest sleep between two looks at signals.
const SLICE: Duration = Duration::from_millis(50);

/// How long a call may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// From a `timeout` argument; `default` is what its absence means.
    pub(crate) fn new(timeout: Option<f64>, default: Self) -> PyResult<Self> {
        let Some(seconds) = timeout else {
            return Ok(default);
        };
        // What is too far away to be counted is endless.
        let end = Instant::now().checked_add(duration(seconds)?);
        Ok(end.map_or(Self::Endless, Self::Until))
    }

    /// The next sleep; `None` when the time is over.
    pub(crate) fn slice(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Until(end) => {
                let left = end.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| left.min(SLICE))
            }
            Self::Endless => Some(SLICE),
        }
    }
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
pub(crate) trait Handle: Send {
    const NAME: &'static str;
    /// What its calls answer when they would have to wait.
    const NOT_YET: Error;
    /// What the binding knows of it.
    type Form: Send + Sync;
    fn waiter(&self) -> Waiter;
}

impl Handle for raw::Producer {
    const NAME: &'static str = "producer";
    const NOT_YET: Error = Error::Full;
    type Form = ();
    fn waiter(&self) -> Waiter {
        Self::waiter(self)
    }
}

impl Handle for raw::Consumer {
    const NAME: &'static str = "consumer";
    const NOT_YET: Error = Error::Empty;
    type Form = Received;
    fn waiter(&self) -> Waiter {
        Self::waiter(self)
    }
}

/// A handle with its lock. Every claim keeps one of these, so that handle and mapping outlive all views of slots.
pub(crate) struct Shared<H: Handle> {
    handle: Mutex<H>,
    pub(crate) form: H::Form,
    waiter: Waiter,
    loops: Loops,
    detached: AtomicBool,
}

impl<H: Handle> Shared<H> {
    fn new(handle: H, form: H::Form) -> Self {
        Self {
            waiter: handle.waiter(),
            handle: Mutex::new(handle),
            form,
            loops: Loops::default(),
            detached: AtomicBool::new(false),
        }
    }

    /// Fails in a forked child.
    pub(crate) fn check(&self) -> dmxp::Result<()> {
        self.waiter.check()
    }

    /// The handle, for a moment.
    pub(crate) fn lock(&self) -> dmxp::Result<MutexGuard<'_, H>> {
        // First: in a forked child the mutex may be locked by a thread that is not there.
        self.check()?;
        Ok(self.handle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Claims at least `min` with `attempt`, which does not wait and is told whether it counts, as soon as that is possible. Waits without GIL and lock, and looks at
    /// signals between.
    #[inline]
    pub(crate) fn claim<C: Send>(
        &self,
        py: Python<'_>,
        min: usize,
        patience: Patience,
        attempt: impl Fn(&H, Wait) -> dmxp::Result<C> + Sync,
    ) -> Result<C> {
        let wait = match patience {
            Patience::None => Wait::No,
            _ => Wait::Attempt,
        };
        // Not in the match, which would keep the lock to its end.
        let outcome = attempt(&*self.lock()?, wait);
        match outcome {
            Ok(claim) => Ok(claim),
            Err(error) => self.claim_later(py, min, patience, attempt, error),
        }
    }

    /// `claim`, after an attempt that failed.
    #[cold]
    fn claim_later<C: Send>(
        &self,
        py: Python<'_>,
        min: usize,
        patience: Patience,
        attempt: impl Fn(&H, Wait) -> dmxp::Result<C> + Sync,
        error: Error,
    ) -> Result<C> {
        let locked = |lenient: bool, wait: Wait| match attempt(&*self.lock()?, wait) {
            Err(Error::WouldDeadlock) if lenient => Err(H::NOT_YET),
            outcome => outcome,
        };
        let mut outcome = Err(error);
        let mut long_wait = None;
        loop {
            // With the GIL: who holds what this handle waits for may be another thread, which will release it.
            let lenient = matches!(outcome, Err(Error::WouldDeadlock)) && has_other_threads(py)?;
            match (outcome, patience) {
                (Err(Error::WouldDeadlock), Patience::None) if lenient => return Err(H::NOT_YET.into()),
                (Err(Error::WouldDeadlock), _) if lenient => {}
                (Err(Error::Full | Error::Empty), Patience::Until(_) | Patience::Endless)
                | (Err(Error::Timeout), _) => {}
                (outcome, _) => return Ok(outcome?),
            }
            let Some(slice) = patience.slice() else {
                // The last attempt is the one that counts.
                return match locked(lenient, Wait::No) {
                    Err(Error::Full | Error::Empty) => Err(Error::Timeout.into()),
                    outcome => Ok(outcome?),
                };
            };
            let long_wait = long_wait.get_or_insert_with(|| self.waiter.long_wait());
            outcome = py.detach(|| long_wait.wait(min, Wait::For(slice), || locked(lenient, Wait::Attempt)));
            // Not with a claim in hand, which an exception would lose.
            if outcome.is_err() {
                py.check_signals()?;
                if self.detached.load(Ordering::Relaxed) {
                    return Err(Failure::Detached(H::NAME));
                }
            }
        }
    }
}

/// Whether the program has other threads that may be running Python code.
fn has_other_threads(py: Python<'_>) -> PyResult<bool> {
    let count: usize = py.import("threading")?.call_method0("active_count")?.extract()?;
    Ok(count > 1)
}

/// A handle as a Python object has it: until it is detached.
pub(crate) struct Attached<H: Handle>(Mutex<Option<Arc<Shared<H>>>>);

impl<H: Handle> Attached<H> {
    pub(crate) fn new(handle: H, form: H::Form) -> Self {
        Self(Mutex::new(Some(Arc::new(Shared::new(handle, form)))))
    }

    fn place(&self) -> MutexGuard<'_, Option<Arc<Shared<H>>>> {
        // Held for a few instructions, and with the GIL: no thread that fork leaves behind can have it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self) -> Result<Arc<Shared<H>>> {
        self.place().clone().ok_or(Failure::Detached(H::NAME))
    }

    /// Calls that need no more than the handle.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut H) -> dmxp::Result<R>) -> Result<R> {
        let shared = self.get()?;
        let mut handle = shared.lock()?;
        Ok(f(&mut handle)?)
    }

    /// What the handle waits for.
    pub(crate) fn waiter(&self) -> Result<Waiter> {
        Ok(self.get()?.waiter.clone())
    }

    /// Has `key` noted for an event loop when the handle may be ready; see [`Loops::register`].
    pub(crate) fn wake(&self, wakeups: &Wakeups, key: u64) -> Result<()> {
        let shared = self.get()?;
        Ok(shared.loops.register(&shared.waiter, wakeups, key)?)
    }

    /// Gives the handle up. It goes when the last claim does.
    pub(crate) fn detach(&self) {
        if let Some(shared) = self.place().take() {
            shared.detached.store(true, Ordering::Relaxed);
            // In a forked child nobody waits with it.
            if shared.check().is_ok() {
                shared.loops.wake();
            }
        }
    }
}

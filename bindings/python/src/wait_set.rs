//! Waiting for many handles and descriptors at once.

use crate::consumer::Consumer;
use crate::errors::Result;
use crate::producer::Producer;
use crate::shared::{SLICE, wait};
use dmxp::raw::Waiter;
use dmxp::{Error, Interrupter, raw::Wait};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use std::collections::HashMap;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Waits for many consumers, producers and file descriptors at once, of any number of regions.
///
/// >>> orders, cancels = (dmxp.create_consumer(name=name, capacity=8) for name in ("orders", "cancels"))
/// >>> waiting = dmxp.WaitSet()
/// >>> waiting.add(orders)
/// >>> waiting.add(cancels)
/// >>> dmxp.create_producer(name="cancels").send(b"order 7")
/// 1
/// >>> [consumer.channel_name for consumer in waiting.wait()]
/// ['cancels']
/// >>> bytes(cancels.receive())
/// b'order 7'
/// >>> waiting.wait(timeout=0.01)
/// []
///
/// That something is ready is a hint: another consumer of the channel may take the message first, so take it with `receive()` or
/// `try_recv()`. A member stays ready until it is used, one whose stream has ended until it is removed. A set keeps its members
/// alive; one that is detached is in the set no more.
#[pyclass(frozen, module = "dmxp")]
pub(crate) struct WaitSet {
    /// Held by a thread while it waits.
    inner: Mutex<Inner>,
    interrupter: Interrupter,
    /// Calls that want the set while others wait with it: they go first.
    urgent: AtomicUsize,
    /// There are no such calls any more.
    calm: Condvar,
    process: u32,
}

struct Inner {
    set: dmxp::WaitSet,
    members: HashMap<u64, Arc<Py<PyAny>>>,
    next: u64,
}

impl Inner {
    /// The members that are ready. The counts that it clones are our own, not Python's: it needs no GIL.
    fn ready(&mut self, wait: Wait) -> dmxp::Result<Vec<Arc<Py<PyAny>>>> {
        let ready = self.set.wait(wait)?;
        let member = |token| self.members.get(token);
        Ok(ready.iter().filter_map(member).map(Arc::clone).collect())
    }
}

/// What a member waits for.
enum Target {
    Handle(Box<Waiter>),
    Descriptor(RawFd),
}

impl Target {
    fn of(member: &Bound<'_, PyAny>) -> Result<Self> {
        if let Ok(consumer) = member.cast::<Consumer>() {
            return Ok(Self::Handle(Box::new(consumer.get().waiter()?)));
        }
        if let Ok(producer) = member.cast::<Producer>() {
            return Ok(Self::Handle(Box::new(producer.get().waiter()?)));
        }
        let number = match member.extract::<RawFd>() {
            Ok(number) => number,
            Err(_) => member
                .call_method0("fileno")
                .and_then(|number| number.extract())
                .map_err(|_| {
                    PyTypeError::new_err("give a consumer, a producer, a descriptor or what has a fileno()")
                })?,
        };
        if number < 0 {
            return Err(Error::InvalidArgument {
                what: format!("descriptor {number} is not open"),
            }
            .into());
        }
        Ok(Self::Descriptor(number))
    }
}

/// A call for which those who wait with the set step back, until this is dropped.
struct Urgent<'a>(&'a WaitSet);

impl<'a> Urgent<'a> {
    fn of(set: &'a WaitSet) -> Self {
        // SeqCst, and before the interrupt: who waits looks at the number with the set in hand. It sees this call; or the interrupt,
        // which is kept until there is a wait, comes after that look and ends the wait.
        set.urgent.fetch_add(1, Ordering::SeqCst);
        set.interrupter.interrupt();
        Self(set)
    }
}

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        if self.0.urgent.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.calm.notify_all();
        }
    }
}

impl WaitSet {
    /// Does something with the set at once: a thread that waits with it lets go of it, and goes on when that is done. Without the GIL,
    /// which that thread may want.
    fn at_once<R: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Inner) -> R + Send) -> Result<R> {
        self.check()?;
        Ok(py.detach(|| {
            let idle = match self.inner.try_lock() {
                Ok(inner) => Some(inner),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(mut inner) = idle {
                return work(&mut inner);
            }
            let urgent = Urgent::of(self);
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = work(&mut inner);
            // With the set in hand: who has just seen that there are urgent calls is not asleep yet, and would miss the notice.
            drop(urgent);
            outcome
        }))
    }

    /// Waits with the set, after all who want it at once, and gives the members that are ready.
    fn wait_for(&self, timeout: Duration) -> dmxp::Result<Vec<Arc<Py<PyAny>>>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = |_: &mut Inner| self.urgent.load(Ordering::SeqCst) > 0;
        let (mut inner, waited) = self
            .calm
            .wait_timeout_while(inner, timeout, is_busy)
            .unwrap_or_else(PoisonError::into_inner);
        let late = waited.timed_out();
        inner.ready(if late { Wait::No } else { Wait::For(timeout) })
    }

    /// In a forked child a thread that is not there may have the lock.
    fn check(&self) -> Result<()> {
        if self.process == std::process::id() {
            Ok(())
        } else {
            Err(Error::Forked.into())
        }
    }
}

#[pymethods]
impl WaitSet {
    #[new]
    fn new() -> Self {
        let set = dmxp::WaitSet::new();
        Self {
            interrupter: set.interrupter(),
            inner: Mutex::new(Inner {
                set,
                members: HashMap::new(),
                next: 0,
            }),
            urgent: AtomicUsize::new(0),
            calm: Condvar::new(),
            process: std::process::id(),
        }
    }

    /// Adds a consumer, ready when there is a message; a producer, ready when there is room; or a file descriptor, or an object that
    /// has one (`fileno()`), ready when it can be read; the set has a duplicate of it until it is removed. Threads that wait with the set wait for
    /// the new member too, at once.
    ///
    /// Raises `InvalidArgument` for what is a member already, `IoError` for descriptors that cannot be waited for, `Detached`, `Forked`.
    fn add(&self, member: &Bound<'_, PyAny>) -> Result<()> {
        let target = Target::of(member)?;
        let (py, object) = (member.py(), member.clone().unbind());
        self.at_once(py, |inner| {
            if inner.members.values().any(|known| known.is(&object)) {
                return Err(Error::InvalidArgument {
                    what: "it is a member of the set already".into(),
                }
                .into());
            }
            let token = inner.next;
            match target {
                Target::Handle(waiter) => inner.set.add(&*waiter, token)?,
                Target::Descriptor(number) => {
                    // SAFETY: used in this call alone; of a number that is not open, or another's, epoll says what it is.
                    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
                    inner.set.add_descriptor(descriptor, token)?;
                }
            }
            inner.next += 1;
            inner.members.insert(token, Arc::new(object));
            Ok(())
        })?
    }

    /// Takes a member out of the set; threads that wait with it wait for that member no more. Raises `KeyError` when it is none.
    fn remove(&self, member: &Bound<'_, PyAny>) -> Result<()> {
        let object = member.clone().unbind();
        let removed = self.at_once(member.py(), |inner| {
            let token = inner
                .members
                .iter()
                .find(|(_, known)| known.is(&object))
                .map(|(&token, _)| token)?;
            inner.set.remove(token);
            inner.members.remove(&token)
        })?;
        match removed {
            Some(_) => Ok(()),
            None => Err(PyKeyError::new_err("it is not a member of the set").into()),
        }
    }

    /// Waits until a member is ready, forever without `timeout` (seconds), and returns those that are: a list. It is empty when the
    /// time is over. With a timeout of 0 it only looks.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> Result<Vec<Py<PyAny>>> {
        let end = match wait(timeout, Wait::Forever)? {
            // What is too far away to be counted is endless.
            Wait::For(timeout) => Instant::now().checked_add(timeout),
            _ => None,
        };
        loop {
            self.check()?;
            let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
            let ready = match left.is_zero() {
                false => py.detach(|| self.wait_for(left.min(SLICE)))?,
                true => self.at_once(py, |inner| inner.ready(Wait::No))??,
            };
            if !ready.is_empty() || left.is_zero() {
                return Ok(ready.iter().map(|member| member.clone_ref(py)).collect());
            }
            py.check_signals()?;
        }
    }

    /// Members, with descriptors.
    fn __len__(&self, py: Python<'_>) -> Result<usize> {
        self.at_once(py, |inner| inner.set.len())
    }
}

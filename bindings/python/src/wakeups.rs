//! From the runtime's reactor to an event loop: what became ready, behind a descriptor that the loop watches.
//!
//! The reactor's thread never takes the GIL, which a busy program would make it wait for; it notes a key and writes to an eventfd.

use crate::errors::Result;
use dmxp::{Error, Watch, raw::Waiter};
use pyo3::prelude::*;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Wake, Waker};

#[derive(Debug)]
struct Inbox {
    /// An eventfd, readable while there are keys.
    descriptor: File,
    keys: Mutex<Vec<u64>>,
}

impl Inbox {
    fn put(&self, key: u64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.push(key);
        if keys.len() == 1 {
            // The number behind it counts these writes; it never comes near its limit.
            let _ = (&self.descriptor).write_all(&1_u64.to_ne_bytes());
        }
    }
}

/// What became ready for one event loop.
#[pyclass(frozen, name = "_Wakeups", module = "dmxp")]
pub(crate) struct Wakeups(Arc<Inbox>);

#[pymethods]
impl Wakeups {
    #[new]
    fn new() -> Result<Self> {
        // SAFETY: takes integers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            let (context, source) = ("creating an eventfd".into(), io::Error::last_os_error());
            return Err(Error::Io { context, source }.into());
        }
        // SAFETY: the call before has just opened it, for us alone.
        let descriptor = unsafe { File::from_raw_fd(descriptor) };
        let keys = Mutex::default();
        Ok(Self(Arc::new(Inbox { descriptor, keys })))
    }

    /// The descriptor: readable when `take` has something to give.
    fn fileno(&self) -> RawFd {
        self.0.descriptor.as_raw_fd()
    }

    /// The keys of what became ready since.
    fn take(&self) -> Vec<u64> {
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing to read: somebody was faster.
        let _ = (&self.0.descriptor).read(&mut [0; 8]);
        core::mem::take(&mut keys)
    }
}

/// Puts a key into a loop's inbox, if the loop is still there.
struct Note {
    inbox: Weak<Inbox>,
    key: u64,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        if let Some(inbox) = self.inbox.upgrade() {
            inbox.put(self.key);
        }
    }
}

/// The event loops that wait for a handle.
#[derive(Debug, Default)]
pub(crate) struct Loops(Mutex<Vec<(Weak<Inbox>, Waker, Watch)>>);

impl Loops {
    /// Has `key` noted when the handle may be ready, at once if it is.
    pub(crate) fn register(&self, waiter: &Waiter, wakeups: &Wakeups, key: u64) -> dmxp::Result<()> {
        self.with_loop(waiter, wakeups, key, |waker, watch| watch.register(waker))?
    }

    /// What notes `key`.
    pub(crate) fn waker(&self, waiter: &Waiter, wakeups: &Wakeups, key: u64) -> dmxp::Result<Waker> {
        self.with_loop(waiter, wakeups, key, |waker, _| waker.clone())
    }

    fn with_loop<R>(
        &self,
        waiter: &Waiter,
        wakeups: &Wakeups,
        key: u64,
        f: impl FnOnce(&Waker, &Watch) -> R,
    ) -> dmxp::Result<R> {
        waiter.check()?;
        let inbox = Arc::downgrade(&wakeups.0);
        let mut loops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loops.retain(|(known, _, _)| known.strong_count() > 0);
        let index = match loops.iter().position(|(known, _, _)| known.ptr_eq(&inbox)) {
            Some(index) => index,
            None => {
                let note = Arc::new(Note {
                    inbox: inbox.clone(),
                    key,
                });
                loops.push((inbox, note.into(), Watch::new(waiter.clone())));
                loops.len() - 1
            }
        };
        let (_, waker, watch) = &loops[index];
        Ok(f(waker, watch))
    }

    /// Has all of them look.
    pub(crate) fn wake(&self) {
        let loops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loops.iter().for_each(|(_, waker, _)| waker.wake_by_ref());
    }
}

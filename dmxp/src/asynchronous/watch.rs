//! A future that tries, and is woken to try again.

use super::reactor::Reactor;
use crate::error::{Error, Result};
use crate::raw::Waiter;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Relaxed: only that they differ counts.
static NEXT_KEY: AtomicU64 = AtomicU64::new(0);

/// What a handle waits for, and whom to wake.
#[derive(Debug)]
pub(super) struct Interest {
    key: u64,
    waiter: Arc<Waiter>,
    /// While there is one, the reactor has the interest in its set, or is told to; it looks after that.
    waker: Mutex<Option<Waker>>,
}

impl Interest {
    pub(super) fn key(&self) -> u64 {
        self.key
    }

    pub(super) fn waiter(&self) -> &Arc<Waiter> {
        &self.waiter
    }

    /// Puts a waker there, and returns the one before. Wakers are the program's code: none is woken or dropped under the lock.
    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        core::mem::replace(&mut *self.waker.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }

    /// A waker is the program's code: if it panics, what it was to wake may sleep on, and nothing else does. The panic is reported as
    /// any other, by the hook.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.replace(None) {
            // Nothing of this process is seen in the middle of a change by it: the waker was taken out first.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

/// Waits for what a handle waits for, in futures: what [`Waiter`] is for threads. For bindings.
#[derive(Debug)]
pub struct Watch(Arc<Interest>);

impl Watch {
    /// For the handle that gave the waiter. One future at a time: a second one is woken in the place of the first.
    #[must_use]
    pub fn new(waiter: Waiter) -> Self {
        Self(Arc::new(Interest {
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            waiter: Arc::new(waiter),
            waker: Mutex::new(None),
        }))
    }

    /// Has the waker woken when the handle may be ready, at once if it is.
    ///
    /// # Errors
    /// [`Error::Forked`]; [`Error::Io`] when the reactor's thread cannot be started.
    pub fn register(&self, waker: &Waker) -> Result<()> {
        self.0.waiter.check()?;
        let reactor = Reactor::get()?;
        // One that was there has not been woken: the reactor will look, and wakes the new one.
        if self.0.replace(Some(waker.clone())).is_none() {
            reactor.watch(self.0.clone());
        }
        Ok(())
    }

    /// Nobody is to be woken any more.
    pub fn cancel(&self) {
        // In a forked child the lock may be held by a thread that is not there.
        if self.0.waiter.check().is_ok() {
            drop(self.0.replace(None));
        }
    }

    /// Tries; where there is nothing yet, registers the waker.
    pub(super) fn poll<R>(&self, context: &Context<'_>, attempt: impl FnOnce() -> Result<R>) -> Poll<Result<R>> {
        match attempt() {
            Err(Error::Full | Error::Empty) => {}
            outcome => return Poll::Ready(outcome),
        }
        match self.register(context.waker()) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Tries until the attempt gives anything but "full" or "empty".
    pub(super) fn until<R, F: FnMut() -> Result<R>>(&self, attempt: F) -> Until<'_, F> {
        Until { watch: self, attempt }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.cancel();
        Reactor::forget(self.0.key);
    }
}

/// See [`Watch::until`]. Dropped, it leaves no waker behind.
pub(super) struct Until<'a, F> {
    watch: &'a Watch,
    attempt: F,
}

/// Nothing in it is pinned.
impl<F> Unpin for Until<'_, F> {}

impl<R, F: FnMut() -> Result<R>> Future for Until<'_, F> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        let watch = self.watch;
        watch.poll(context, &mut self.attempt)
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        self.watch.cancel();
    }
}

//! A handle in a set.

use crate::raw;
use crate::raw::Waiter;
use crate::typed::consumer::Consumer;
use crate::typed::producer::Producer;
use core::cell::Cell;
use std::sync::Arc;

/// What a [`WaitSet`](crate::WaitSet) can wait for: consumers and producers, of messages or bytes, and what
/// [`raw::Consumer::waiter`] and [`raw::Producer::waiter`] give.
pub trait Waitable: sealed::Sealed {
    /// What the handle waits for, without the handle.
    fn waiter(&self) -> Waiter;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! waitable {
    ($({$($generics:tt)*} $handle:ty: $self:ident => $waiter:expr,)*) => {$(
        impl<$($generics)*> sealed::Sealed for $handle {}

        impl<$($generics)*> Waitable for $handle {
            fn waiter(&$self) -> Waiter {
                $waiter
            }
        }
    )*};
}
waitable! {
    {T: ?Sized} Consumer<T>: self => self.as_raw().waiter(),
    {T: ?Sized} Producer<T>: self => self.as_raw().waiter(),
    {} raw::Consumer: self => raw::Consumer::waiter(self),
    {} raw::Producer: self => raw::Producer::waiter(self),
    {} Waiter: self => self.clone(),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) waiter: Arc<Waiter>,
    pub(super) token: u64,
    /// See [`Waiter::is_ready`].
    seen: Cell<[u64; 2]>,
    /// The handle's record is not this process's any more.
    lost: Cell<bool>,
    /// The region says that the handle waits.
    noted: Cell<bool>,
}

impl Member {
    pub(super) fn new(waiter: Arc<Waiter>, token: u64) -> Self {
        Self {
            waiter,
            token,
            seen: Cell::new([0; 2]),
            lost: Cell::new(false),
            noted: Cell::new(false),
        }
    }

    /// Whether a call with the handle would not find nothing.
    pub(super) fn is_ready(&self) -> bool {
        let mut seen = self.seen.get();
        let ready = self.lost.get() || self.waiter.is_ready(&mut seen);
        self.seen.set(seen);
        ready
    }

    /// Says in the region that the handle waits, and since when. `false` once the handle is evicted.
    pub(super) fn note(&self, registration: &crate::handle::registration::Registration, since_ns: u64) -> bool {
        let noted = self.waiter.note(registration, since_ns);
        self.noted.set(noted);
        self.lost.set(!noted);
        noted
    }

    /// Takes that back.
    pub(super) fn end_note(&self) {
        if self.noted.replace(false) {
            self.waiter.end_note();
        }
    }
}

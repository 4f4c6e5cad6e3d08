//! The atomics that shared memory is made of, in one place, so that the very same source runs several ways: on the processor's
//! atomics, under loom (`--cfg loom`), and with a point before each access (`--cfg dmxp_stops`), at which a process stops itself
//! ([`stops`]) or lets a scheduler choose which process goes on ([`schedule`]).
//!
//! Whatever another process can see goes through here, and so do the system calls that others can see ([`point`]); statics of
//! this process do not. `tests/stops` kills processes at every one of these points.

#[cfg(not(any(loom, dmxp_stops)))]
pub(crate) use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};
#[cfg(any(loom, dmxp_stops))]
pub(crate) use stepping::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};

#[cfg(all(test, loom))]
pub(crate) mod explore;
#[cfg(loom)]
pub(crate) mod mortal;
pub(crate) mod planted;
#[cfg(dmxp_stops)]
pub mod schedule;
#[cfg(any(loom, dmxp_stops))]
mod stepping;
#[cfg(dmxp_stops)]
pub mod stops;

/// A step that others can see and that is no access to memory: a system call.
#[inline(always)]
#[cfg_attr(dmxp_stops, track_caller)]
pub(crate) fn point() {
    #[cfg(dmxp_stops)]
    stepping::pass(core::panic::Location::caller(), stepping::Access::Call);
    #[cfg(loom)]
    mortal::step();
}

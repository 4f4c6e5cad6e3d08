//! Atomics that do something before each access: stop the process there, let a scheduler choose which process goes on, or let a
//! thread of a loom test die.

use super::Ordering;
#[cfg(not(loom))]
use core::sync::atomic as inner;
#[cfg(loom)]
use loom::sync::atomic as inner;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load. Others cannot tell whether it was made.
    Load,
    /// A store or read-modify-write.
    Change,
    /// A system call that others can see.
    Call,
}

#[track_caller]
#[cfg_attr(not(dmxp_stops), expect(unused_variables, reason = "a scheduler is told"))]
fn step(access: Access) {
    #[cfg(dmxp_stops)]
    pass(core::panic::Location::caller(), access);
    #[cfg(loom)]
    super::mortal::step();
}

/// Comes to a point: asks the scheduler, or else stops if this is where the process is to stop.
#[cfg(dmxp_stops)]
pub(super) fn pass(place: &'static core::panic::Location<'static>, access: Access) {
    match super::schedule::scheduler() {
        Some(scheduler) => scheduler.step(place, access),
        None => super::stops::reach(place),
    }
}

/// One integer type's atomic, with the calls that the crate makes.
macro_rules! stepping {
    ($name:ident, $value:ty) => {
        #[derive(Debug)]
        #[repr(transparent)]
        pub(crate) struct $name(inner::$name);

        #[allow(dead_code, reason = "each integer has the same calls, whichever are made")]
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(inner::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                step(Access::Load);
                self.0.load(order)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                step(Access::Change);
                self.0.store(value, order);
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                step(Access::Change);
                self.0.swap(value, order)
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step(Access::Change);
                self.0.compare_exchange(from, to, success, failure)
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                step(Access::Change);
                self.0.fetch_add(value, order)
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                step(Access::Change);
                self.0.fetch_sub(value, order)
            }

            #[track_caller]
            pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                step(Access::Change);
                self.0.fetch_and(value, order)
            }

            #[track_caller]
            pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                step(Access::Change);
                self.0.fetch_or(value, order)
            }

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                step(Access::Change);
                self.0.fetch_update(set, fetch, update)
            }

            #[cfg(not(loom))]
            pub(crate) fn as_ptr(&self) -> *mut $value {
                self.0.as_ptr()
            }
        }
    };
}

stepping!(AtomicU8, u8);
stepping!(AtomicU16, u16);
stepping!(AtomicU32, u32);
stepping!(AtomicU64, u64);

//! Handles belong to one thread at a time. The compiler would find that in some cell inside; it is said here, with what to do.

use super::consumer::Consumer;
use super::producer::Producer;

mod sealed {
    pub trait Sealed {}
}

/// What a handle would need to be shared. None has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared between threads",
    label = "belongs to one thread at a time",
    note = "open one for each thread, from a clone of the builder; a handle can be moved to its thread"
)]
pub trait SharedBetweenThreads: sealed::Sealed {}

// SAFETY: nothing implements the trait, nor can: it is sealed. So no handle is `Sync`.
unsafe impl<T: ?Sized> Sync for Producer<T> where Self: SharedBetweenThreads {}

// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Consumer<T> where Self: SharedBetweenThreads {}

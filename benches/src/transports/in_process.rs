//! What transports between threads share: their lanes live in the one process, and each end of a lane is taken from there.

use crate::transport::Failure;
use std::sync::Mutex;

/// Ends that exist once and are handed to the threads that use them.
pub(crate) struct Ends<E>(Vec<Mutex<Option<E>>>);

impl<E> Ends<E> {
    pub(crate) fn new(ends: impl IntoIterator<Item = E>) -> Self {
        Self(ends.into_iter().map(|end| Mutex::new(Some(end))).collect())
    }

    /// The end of that lane; each can be taken once.
    pub(crate) fn take(&self, lane: usize) -> Result<E, Failure> {
        let mut end = self.0[lane].lock().map_err(|_| "a thread panicked")?;
        end.take().ok_or_else(|| "this end of the lane is taken".into())
    }
}

//! What a binding does while a call waits.

use crate::error::Error;
use crate::os::thread;
use std::time::Duration;

/// What a binding does while a call of a [`Shared`](super::Shared) handle waits: an interpreter lets its lock go, and looks at signals now
/// and then. Only a call that has to wait asks for any of it.
///
/// What is not given does nothing.
pub trait WaitHooks {
    /// What the calls fail with.
    type Error: From<Error>;

    /// The longest sleep without [`between_sleeps`](Self::between_sleeps).
    fn slice(&self) -> Duration {
        Duration::MAX
    }

    /// Runs `sleep`, which may take a [`slice`](Self::slice).
    fn sleep<R: Send>(&mut self, sleep: impl FnOnce() -> R + Send) -> R {
        sleep()
    }

    /// Called when a signal handler has ended a sleep: an error ends the call. The sleep was this thread's.
    ///
    /// # Errors
    /// Whatever ends the call.
    fn signalled(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Called after each sleep that brought nothing: an error ends the call.
    ///
    /// # Errors
    /// Whatever ends the call: a signal, the end of the handle in another thread.
    fn between_sleeps(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Whether there are threads beside this one that may finish claims of the handle. If not, a call that its own claims are in the way
    /// of would wait for ever, and fails. As the system has it unless a binding knows better: any thread of the process that is not the
    /// library's.
    ///
    /// # Errors
    /// Whatever keeps the binding from knowing.
    fn has_other_threads(&mut self) -> Result<bool, Self::Error> {
        Ok(thread::has_others())
    }
}

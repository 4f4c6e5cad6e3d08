//! Looking at rings without a handle, while their channels may be removed.
//!
//! The memory of a removed channel goes back to the system. A page that has gone back is made anew when it is read, and where the file
//! system is full that is a SIGBUS. So a process that looks holds a shared lock on one byte, which a read-only descriptor can have,
//! and memory is given back under an exclusive one. Both are waited for at most so long: what cannot be given back in time stays, until
//! its space is used again.
//!
//! A channel's record says that its memory is about to go before the exclusive lock is taken. So a process that has the shared lock and
//! then finds the channel there can read all of it.

use super::Attachment;
use super::lock_byte::{Access, LockByte};
use super::management::busy;
use crate::error::{Error, Result};
use crate::os::clock::instant;
use crate::os::thread::sleep;
use crate::wait::Waited;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a look waits for a process that gives memory back, a piece at a time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long that process waits for looks to end.
const GIVING_BACK: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_micros(50);

/// How many threads of this process look. Held for as long as the kernel's lock changes: that one is the whole process's.
#[derive(Debug, Default)]
pub(super) struct Looks {
    threads: Mutex<u32>,
    /// The last time, somebody looked for too long while memory was to be given back. A process that can read the file may hold the lock
    /// for ever: each time that is waited for is one in which others wait for the management lock.
    in_vain: AtomicBool,
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, u32> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the memory of a channel that was found there stays.
#[derive(Debug)]
pub(crate) struct Looking<'a>(Option<&'a Attachment>);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        if let Some(attachment) = self.0 {
            let mut looks = attachment.looks().lock();
            *looks -= 1;
            if *looks == 0 {
                // It can only fail after a fork, in the child, where the byte is not held any more.
                let _ = attachment.lock_file().unlock(LockByte::Looks);
            }
        }
    }
}

impl Attachment {
    /// Begins a look at rings. In a forked child, which has no lock, nothing is kept.
    ///
    /// # Errors
    /// [`Error::ManagementLockBusy`] when memory was being given back all the while; [`Error::Io`].
    pub(crate) fn looking(&self) -> Result<Looking<'_>> {
        let mut looks = self.looks().lock();
        if *looks == 0 {
            let lock = self.lock_file();
            match wait_until(PATIENCE, || lock.try_lock(LockByte::Looks, Access::Shared)) {
                Ok(true) => {}
                // The process that gives memory back holds that lock.
                Ok(false) => return Err(busy(self, Waited { turns: 0 })),
                Err(Error::Forked) => return Ok(Looking(None)),
                Err(error) => return Err(error),
            }
        }
        *looks += 1;
        Ok(Looking(Some(self)))
    }

    /// Calls `give_back` while nobody looks. `false`: somebody did, for too long.
    pub(super) fn while_nobody_looks(&self, give_back: impl FnOnce()) -> bool {
        let started = instant();
        // Relaxed, here and below: nothing is read through it.
        let patience = match self.looks().in_vain.load(Ordering::Relaxed) {
            true => Duration::ZERO,
            false => GIVING_BACK,
        };
        // Before the threads of this process, whose lock would be turned into ours.
        let looks = loop {
            let looks = self.looks().lock();
            if *looks == 0 {
                break looks;
            }
            drop(looks);
            if instant() > started + patience {
                self.looks().in_vain.store(true, Ordering::Relaxed);
                return false;
            }
            sleep(PAUSE);
        };
        let lock = self.lock_file();
        let alone = wait_until(patience, || lock.try_lock(LockByte::Looks, Access::Exclusive)).unwrap_or(false);
        self.looks().in_vain.store(!alone, Ordering::Relaxed);
        if alone {
            give_back();
            let _ = lock.unlock(LockByte::Looks);
        }
        drop(looks);
        alone
    }
}

/// Tries until it succeeds, fails, or the time is over, which is `false`.
fn wait_until(patience: Duration, attempt: impl Fn() -> Result<bool>) -> Result<bool> {
    let started = instant();
    loop {
        if attempt()? {
            return Ok(true);
        }
        if instant() > started + patience {
            return Ok(false);
        }
        sleep(PAUSE);
    }
}

//! Threads of the library, which take no signals: those are the program's. And sleep.

use core::mem::MaybeUninit;
use core::ptr;
use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Lets time pass.
pub(crate) fn sleep(time: Duration) {
    #[cfg(dmxp_stops)]
    if let Some(scheduler) = crate::sync::schedule::scheduler() {
        return scheduler.sleep(time);
    }
    std::thread::sleep(time);
}

/// Starts a thread that all signals are blocked for.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the call writes a set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // A thread begins with the mask of the one that starts it.
    // SAFETY: the first set was filled in above, the second is written.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    let started = Builder::new().name(name.into()).spawn(work);
    // SAFETY: the set was filled in by the call above, which fails for an unknown first argument only.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    started
}

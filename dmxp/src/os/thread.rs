//! Threads of the library: they take no signals, which are the program's, and are told from the program's by their names. And sleep.

use core::mem::MaybeUninit;
use core::ptr;
use std::io;
use std::path::Path;
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

/// What threads of the library are called.
pub(crate) const SLEEPER: &str = "dmxp-sleeper";
pub(crate) const DESCRIPTORS: &str = "dmxp-polling";
pub(crate) const REACTOR: &str = "dmxp-reactor";
pub(crate) const CORES: &str = "dmxp-cores";

/// Those that may be there at any time.
const LASTING: [&str; 3] = [SLEEPER, DESCRIPTORS, REACTOR];

// The kernel keeps so much of a name.
const _: () = assert!(SLEEPER.len() < 16 && DESCRIPTORS.len() < 16 && REACTOR.len() < 16);

/// Whether the process has threads besides this one and the library's, as far as can be told: if not at all, it has.
pub(crate) fn has_others() -> bool {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return true;
    };
    let is_the_programs = |task: &Path| {
        // One that has just ended has no name.
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| !LASTING.contains(&name.trim_end()))
    };
    let programs = tasks.flatten().filter(|task| is_the_programs(&task.path()));
    programs.take(2).count() > 1
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

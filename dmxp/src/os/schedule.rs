//! On which processors, and before whom, the kernel runs this thread: for those who want a spinning thread undisturbed.

use crate::error::{Error, Result};
use crate::os::thread;
use core::mem::{MaybeUninit, size_of};
use core::num::NonZeroUsize;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most processors that the kernel's fixed set can name.
const MOST: usize = libc::CPU_SETSIZE as usize;

fn check(answer: libc::c_int, context: impl FnOnce() -> String) -> Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(Error::io(context())(io::Error::last_os_error()))
    }
}

/// The processors that the calling thread may run on, in ascending order.
///
/// # Errors
/// [`Error::Io`].
pub fn allowed_cpus() -> Result<Vec<usize>> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the set has the size that is given, and 0 is this thread.
    let answer = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    check(answer, || "asking on which processors this thread may run".into())?;
    // SAFETY: zeros are a valid set, and the call has filled in what it knows.
    let set = unsafe { set.assume_init() };
    // SAFETY: the numbers are below the size of the set.
    Ok((0..MOST).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect())
}

/// Lets the calling thread, and threads that it starts from now on, run on these processors only. Two threads that exchange
/// messages want two processors of one socket, best not the two halves of one core.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// let cpus = dmxp::schedule::allowed_cpus()?;
/// std::thread::spawn(move || dmxp::schedule::pin_to(&cpus[..1])).join().expect("no panic")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] for a number above 1,023 and for none at all; [`Error::Io`] for processors that do not exist or that
/// the process may not use.
pub fn pin_to(cpus: &[usize]) -> Result<()> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: zeros are a valid set.
    let set = unsafe { set.assume_init_mut() };
    for &cpu in cpus {
        if cpu >= MOST {
            return Err(Error::invalid(format!(
                "processor {cpu}: numbers are 0 to {}",
                MOST - 1
            )));
        }
        // SAFETY: the number is below the size of the set.
        unsafe { libc::CPU_SET(cpu, set) };
    }
    if cpus.is_empty() {
        return Err(Error::invalid("a thread must be allowed at least one processor"));
    }
    // SAFETY: the set has the size that is given, and 0 is this thread.
    let answer = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
    check(answer, || format!("allowing this thread processors {cpus:?} only"))
}

/// Lets the calling thread run before all ordinary ones, and never be interrupted by one of a lower `priority`, 1 to 99
/// (`SCHED_FIFO`); threads that it starts are ordinary again.
///
/// A thread that spins with this priority keeps its processor from everybody else: give it one of its own ([`pin_to`]), or let
/// it sleep.
///
/// # Errors
/// [`Error::InvalidArgument`] for other priorities; [`Error::Io`] where the process lacks the right (`CAP_SYS_NICE`, or a
/// limit: `ulimit -r`).
pub fn set_real_time(priority: u8) -> Result<()> {
    if !(1..=99).contains(&priority) {
        return Err(Error::invalid(format!(
            "real-time priority {priority}: they are 1 to 99"
        )));
    }
    set_policy(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority.into())
}

/// Makes the calling thread an ordinary one again.
///
/// # Errors
/// [`Error::Io`].
pub fn set_ordinary() -> Result<()> {
    set_policy(libc::SCHED_OTHER, 0)
}

fn set_policy(policy: libc::c_int, priority: libc::c_int) -> Result<()> {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the parameters live through the call, which only reads them, and 0 is this thread.
    let answer = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    check(answer, || match priority {
        0 => "making this thread an ordinary one".into(),
        _ => format!("giving this thread real-time priority {priority} (CAP_SYS_NICE or `ulimit -r` allows it)"),
    })
}

/// On how many cores the peers that a thread waits for may run, as [`count_cores`] found when this process first asked.
pub(crate) fn cores() -> usize {
    static CORES: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: a number by itself. Not a OnceLock: a child that was forked while another thread counts would wait for ever.
    match CORES.load(Ordering::Relaxed) {
        0 => {
            let count = count_cores();
            CORES.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// The cores that the kernel lets this process have, wherever the calling thread is tied to.
fn count_cores() -> usize {
    // Several, where the system does not say.
    let count = || std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    // On a thread that is tied to nothing: the kernel takes of the set what the container has.
    let unbound = thread::spawn(thread::CORES, move || {
        let all: Vec<usize> = (0..MOST).collect();
        let _ = pin_to(&all);
        count()
    });
    // Where no thread can be started, this one's.
    unbound.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_tied_to_a_core_knows_of_the_others() {
        let allowed = allowed_cpus().unwrap();
        let all = count_cores();
        assert!(all > 0);
        for cpu in allowed {
            let counted = std::thread::spawn(move || {
                pin_to(&[cpu]).unwrap();
                assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
                count_cores()
            });
            assert_eq!(counted.join().unwrap(), all);
        }
    }
}

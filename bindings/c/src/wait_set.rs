//! Waiting for many handles and descriptors at once.
//!
//! A set of the runtime belongs to one thread at a time. A lock says so where C breaks that rule, and is never waited for: whoever has it
//! may be waiting for as long as it likes.

use crate::argument;
use crate::consumer::dmxp_consumer;
use crate::handle;
use crate::producer::dmxp_producer;
use crate::shared::{interrupted, restarts};
use crate::status::{Failure, Result, answer};
use dmxp::raw::Waiter;
use dmxp::{Error, Interrupter, WaitSet, WaitStrategy};
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Waits for many consumers, producers and file descriptors at once, of any number of regions. One thread at a time may use it; others
/// may interrupt it.
#[derive(Debug)]
pub struct dmxp_wait_set {
    members: Mutex<Members>,
    interrupter: Interrupter,
    process: u32,
}

handle::handle!(dmxp_wait_set, 4, "dmxp_wait_set_create");

#[derive(Debug)]
struct Members {
    set: WaitSet,
    /// With which of those that are ready the next wait begins, where there is no room for all.
    turn: usize,
}

/// The interrupter is used by any thread, and the lock guards the rest.
const _: fn() = || {
    fn thread_safe<T: Send + Sync>() {}
    thread_safe::<dmxp_wait_set>();
};

impl dmxp_wait_set {
    /// The set, for this call alone.
    fn lock(&self) -> Result<MutexGuard<'_, Members>> {
        // In a forked child the lock may be held by a thread that does not exist there.
        if self.process != std::process::id() {
            return Err(Error::Forked.into());
        }
        match self.members.try_lock() {
            Ok(members) => Ok(members),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Failure::invalid(
                "another thread is using the wait set; a set belongs to one thread at a time, and dmxp_wait_set_interrupt ends its wait",
            )),
        }
    }

    fn add(&self, waiter: &Waiter, token: u64) -> Result<()> {
        Ok(self.lock()?.set.add(waiter, token)?)
    }
}

/// Makes an empty set. `strategy` is a dmxp_wait_strategy, of this set alone, those of its members do not count; 0 is
/// DMXP_SPIN_THEN_SLEEP. The result in `out` is given back with dmxp_wait_set_destroy.
///
/// # Safety
/// `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_create(strategy: u32, out: *mut *mut dmxp_wait_set) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
        let strategy = match strategy {
            0 | 2 => WaitStrategy::SpinThenSleep,
            1 => WaitStrategy::Spin,
            3 => WaitStrategy::Sleep,
            other => {
                return Err(Failure::invalid(format!(
                    "`strategy` is {other}; give DMXP_SPIN, DMXP_SPIN_THEN_SLEEP, DMXP_SLEEP, or 0"
                )));
            }
        };
        let set = WaitSet::new().with_wait_strategy(strategy);
        *out = handle::give(dmxp_wait_set {
            interrupter: set.interrupter(),
            members: Mutex::new(Members { set, turn: 0 }),
            process: std::process::id(),
        })?;
        Ok(())
    })
}

/// Adds a consumer, which is ready when there is a message for it, and when its stream has ended. `token` is a number of the caller's
/// choice that no other member has. A consumer that is destroyed is in the set no more.
///
/// # Safety
/// `set` is NULL or a set; `consumer` is NULL or an open consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_add_consumer(
    set: *mut dmxp_wait_set,
    consumer: *const dmxp_consumer,
    token: u64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let set = unsafe { argument::referred(set, "set") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        set.add(consumer.shared.waiter(), token)
    })
}

/// Adds a producer, which is ready when there is room for a message, and when its stream has ended. `token` is a number of the caller's
/// choice that no other member has. A producer that is destroyed is in the set no more.
///
/// # Safety
/// `set` is NULL or a set; `producer` is NULL or an open producer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_add_producer(
    set: *mut dmxp_wait_set,
    producer: *const dmxp_producer,
    token: u64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let set = unsafe { argument::referred(set, "set") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        set.add(producer.shared.waiter(), token)
    })
}

/// Adds a file descriptor, which is ready while it can be read, and when its peer has closed it. `token` is a number of the caller's
/// choice that no other member has. The set has a duplicate of the descriptor until it is removed: the program may close its own. One
/// wait reports at most 64 descriptors; the others come first next time.
///
/// Answers, among others, DMXP_IO for what cannot be waited for, such as a file on disk.
///
/// # Safety
/// `set` is NULL or a set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_add_fd(set: *mut dmxp_wait_set, fd: i32, token: u64) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let set = unsafe { argument::referred(set, "set") }?;
        if fd < 0 {
            return Err(Failure::invalid(format!("descriptor {fd} is not open")));
        }
        // SAFETY: not -1, and used in this call alone; of a number that is not open, or another's, epoll says what it is.
        let descriptor = unsafe { BorrowedFd::borrow_raw(RawFd::from(fd)) };
        Ok(set.lock()?.set.add_descriptor(descriptor, token)?)
    })
}

/// Takes the member with that token out of the set. Answers DMXP_INVALID_ARGUMENT when there is none, or not any more.
///
/// # Safety
/// `set` is NULL or a set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_remove(set: *mut dmxp_wait_set, token: u64) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let set = unsafe { argument::referred(set, "set") }?;
        if set.lock()?.set.remove(token) {
            Ok(())
        } else {
            Err(Failure::invalid(format!(
                "no member of the wait set has the token {token}"
            )))
        }
    })
}

/// Waits until a member is ready: writes the tokens of the first `max` that are to `tokens`, and how many it has written to `count`.
/// Where more are ready, the others come first next time. With DMXP_NO_WAIT it only looks.
///
/// Answers DMXP_OK with a `count` of 0 when the time is over, when there was nothing with DMXP_NO_WAIT, and when the wait was
/// interrupted by dmxp_wait_set_interrupt; DMXP_INTERRUPTED when a signal handler has run, unless dmxp_restart_waits. That a member is ready is a hint: another consumer of the channel may take the message first. So go on with
/// DMXP_NO_WAIT, and where that finds nothing, wait again. A member stays ready until it is used, one whose stream has ended until it
/// is removed.
///
/// # Safety
/// `set` is NULL or a set; `tokens` points to places for `max` results, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_wait(
    set: *mut dmxp_wait_set,
    timeout_ns: i64,
    tokens: *mut u64,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let set = unsafe { argument::referred(set, "set") }?;
        if tokens.is_null() || max == 0 {
            return Err(Failure::invalid(
                "`tokens` is NULL or `max` is 0; there must be room for one token",
            ));
        }
        let mut members = set.lock()?;
        let wait = argument::wait(timeout_ns);
        let mut ready = if restarts() {
            members.set.wait(wait)?
        } else {
            let (ready, signalled) = members.set.wait_or_signal(wait)?;
            if signalled {
                return Err(interrupted());
            }
            ready
        };
        if ready.is_empty() {
            return Ok(());
        }
        let turn = members.turn % ready.len();
        ready.rotate_left(turn);
        ready.truncate(max);
        members.turn = turn + ready.len();
        // SAFETY: the caller's promise.
        unsafe { argument::put_all(ready.into_iter(), tokens, max, count, "tokens") }
    })
}

/// Ends the wait that the set is in, or else the next one it begins. Any thread may call it, and any signal handler: it is
/// async-signal-safe for a set that was made and not destroyed. Several interrupts before a wait end one.
///
/// # Safety
/// `set` is NULL or a set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_interrupt(set: *const dmxp_wait_set) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        unsafe { argument::referred(set, "set") }?.interrupter.interrupt();
        Ok(())
    })
}

/// How many members there are, without those that were destroyed.
///
/// # Safety
/// `set` is NULL or a set; `count` points to a place for the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_len(set: *mut dmxp_wait_set, count: *mut usize) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        *count = unsafe { argument::referred(set, "set") }?.lock()?.set.len();
        Ok(())
    })
}

/// Gives a set back; NULL is allowed. Its members stay what they are.
///
/// # Safety
/// `set` is NULL, or came from dmxp_wait_set_create and was not destroyed before; nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_wait_set_destroy(set: *mut dmxp_wait_set) -> i32 {
    answer(|| {
        drop(handle::take(set, "set")?);
        Ok(())
    })
}

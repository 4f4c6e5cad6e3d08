//! File descriptors in a set. A futex cannot wait for them, so a thread waits in their place, and rings the set's bell.
//!
//! The set itself asks the epoll instance which descriptors are readable, each time it looks. The thread only says when to look: told
//! to watch, it waits until any descriptor is readable, stops watching, and rings. So a descriptor that stays readable wakes it once
//! each time it is told, and no message takes the way through it. It is told before the set's last look, after the set has read its
//! bell: what becomes readable from then on rings a bell that is listened to. The other way round, a thread that turns futexes into a
//! descriptor and a set that waits in epoll, would cost each message that detour.

use super::alarm::Alarm;
use crate::error::{Error, Result};
use crate::os::thread;
use crate::wait::Bell;
use core::ptr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Readable descriptors that one look reports; the kernel begins with the others next time.
const REPORTED: usize = 64;

/// As in sleepers.
const LONG: Duration = Duration::from_secs(3_600);

const IDLE: u8 = 0;
const WATCHING: u8 = 1;
const OVER: u8 = 2;

#[derive(Debug, Default)]
struct Task {
    state: AtomicU8,
    changed: Bell,
}

#[derive(Debug)]
pub(super) struct Descriptors {
    epoll: Arc<OwnedFd>,
    /// Tokens and duplicates of the descriptors, which stay what they are if the program closes its own and opens another file.
    members: Vec<(u64, OwnedFd)>,
    task: Arc<Task>,
    /// Readable when the thread is to end.
    end: Arc<File>,
    thread: Option<JoinHandle<()>>,
}

fn owned(descriptor: libc::c_int, what: &str) -> Result<OwnedFd> {
    if descriptor < 0 {
        return Err(Error::io(what)(io::Error::last_os_error()));
    }
    // SAFETY: the call before has just opened it, for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

impl Descriptors {
    pub(super) fn new(alarm: &Arc<Alarm>) -> Result<Self> {
        // SAFETY: takes an integer.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let epoll = Arc::new(owned(epoll, "creating an epoll instance")?);
        // SAFETY: takes integers.
        let end = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        let end = Arc::new(File::from(owned(end, "creating an eventfd")?));
        let task = Arc::new(Task::default());
        let thread = {
            let (alarm, task, epoll, end) = (alarm.clone(), task.clone(), epoll.clone(), end.clone());
            thread::spawn(thread::DESCRIPTORS, move || watch(&alarm, &task, &epoll, &end))
                .map_err(Error::io("starting a thread that waits for descriptors"))?
        };
        Ok(Self {
            epoll,
            members: Vec::new(),
            task,
            end,
            thread: Some(thread),
        })
    }

    pub(super) fn contains(&self, token: u64) -> bool {
        self.members.iter().any(|(known, _)| *known == token)
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn add(&mut self, descriptor: BorrowedFd<'_>, token: u64) -> Result<()> {
        let number = descriptor.as_raw_fd();
        let own = descriptor
            .try_clone_to_owned()
            .map_err(Error::io(format!("duplicating descriptor {number} for a wait set")))?;
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLRDHUP) as u32,
            u64: token,
        };
        // SAFETY: the kernel reads the event.
        let answer = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                own.as_raw_fd(),
                &raw mut event,
            )
        };
        if answer != 0 {
            let context = format!("adding descriptor {number} to a wait set");
            return Err(Error::io(context)(io::Error::last_os_error()));
        }
        self.members.push((token, own));
        Ok(())
    }

    pub(super) fn remove(&mut self, token: u64) -> bool {
        let Some(index) = self.members.iter().position(|(known, _)| *known == token) else {
            return false;
        };
        let (_, descriptor) = self.members.swap_remove(index);
        let number = descriptor.as_raw_fd();
        // Before it is closed: the file may be open elsewhere, and would stay in.
        // SAFETY: no event is read for a removal.
        unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, number, ptr::null_mut()) };
        true
    }

    /// Appends the tokens of those that are readable, closed by their peer, or broken.
    pub(super) fn look(&self, ready: &mut Vec<u64>) {
        if self.members.is_empty() {
            return;
        }
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; REPORTED];
        // SAFETY: the kernel writes at most as many events as there are.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), REPORTED as i32, 0) };
        let count = usize::try_from(count).unwrap_or(0);
        ready.extend(events.iter().take(count).map(|event| event.u64));
    }

    /// Has the bell ring when one is readable.
    pub(super) fn watch(&self) {
        if self.members.is_empty() {
            return;
        }
        // AcqRel: pairs with the thread's, which stops watching before it rings.
        let told = self
            .task
            .state
            .compare_exchange(IDLE, WATCHING, Ordering::AcqRel, Ordering::Acquire);
        if told.is_ok() {
            self.task.changed.ring();
        }
    }

    /// In a forked child: the thread is not here.
    pub(super) fn forget(&mut self) {
        core::mem::forget(self.thread.take());
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Release: pairs with the thread's acquire.
        self.task.state.store(OVER, Ordering::Release);
        self.task.changed.ring();
        // The first number written to an eventfd always has room.
        let _ = (&*self.end).write_all(&1_u64.to_ne_bytes());
        let _ = thread.join();
    }
}

fn watch(alarm: &Alarm, task: &Task, epoll: &OwnedFd, end: &File) {
    loop {
        let heard = task.changed.heard();
        // Acquire: pairs with the thread that changed it.
        match task.state.load(Ordering::Acquire) {
            OVER => return,
            IDLE => task.changed.sleep(heard, LONG),
            _ => {
                let readable = |descriptor| libc::pollfd {
                    fd: descriptor,
                    events: libc::POLLIN,
                    revents: 0,
                };
                // An epoll instance is readable when it has something to report.
                let mut either = [readable(epoll.as_raw_fd()), readable(end.as_raw_fd())];
                // SAFETY: the kernel writes what it finds into the two entries.
                let count = unsafe { libc::poll(either.as_mut_ptr(), 2, -1) };
                // AcqRel: see `watch` above. Failure: it is over.
                let stopped = count > 0
                    && task
                        .state
                        .compare_exchange(WATCHING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                        .is_ok();
                if stopped {
                    alarm.ring();
                }
            }
        }
    }
}

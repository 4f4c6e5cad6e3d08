//! The thread that waits for all futures of the process: a [`WaitSet`] in which each handle with a pending future is a member. What is
//! ready leaves the set, and the future is woken, looks, and comes back if others were faster.
//!
//! It is started when the first future has to wait, and sleeps while none does. A forked child has none, and starts its own; nothing of
//! its parent's is touched there, whose locks may be held for ever.

use super::watch::Interest;
use crate::error::{Error, Result};
use crate::os::fork::fork_epoch;
use crate::os::thread;
use crate::raw::Wait;
use crate::wait::TICK;
use crate::wait_set::{Interrupter, WaitSet};
use core::ptr;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

enum Command {
    Watch(Arc<Interest>),
    Forget(u64),
}

#[derive(Default)]
struct Commands {
    list: Vec<Command>,
    /// The thread has been interrupted since it last took commands.
    told: bool,
}

pub(super) struct Reactor {
    epoch: u64,
    commands: Mutex<Commands>,
    interrupter: Interrupter,
    /// Another one was faster to become the process's.
    superfluous: AtomicBool,
}

/// The process's reactor, or that of a parent; never freed.
static CURRENT: AtomicPtr<Reactor> = AtomicPtr::new(ptr::null_mut());

/// Whether the process has a reactor, and which.
fn current() -> (*mut Reactor, Option<&'static Reactor>) {
    // Acquire: pairs with the CAS in `get`, behind which the reactor is complete.
    let current = CURRENT.load(Ordering::Acquire);
    // SAFETY: null, or a reactor that `get` has leaked; only shared references to it are ever made.
    let reactor = unsafe { current.as_ref() };
    (current, reactor.filter(|reactor| reactor.epoch == fork_epoch()))
}

impl Reactor {
    /// The process's reactor, started if there is none.
    pub(super) fn get() -> Result<&'static Self> {
        let (before, found) = current();
        if let Some(reactor) = found {
            return Ok(reactor);
        }
        let set = WaitSet::new();
        let reactor: &'static Self = Box::leak(Box::new(Self {
            epoch: fork_epoch(),
            commands: Mutex::default(),
            interrupter: set.interrupter(),
            superfluous: AtomicBool::new(false),
        }));
        reactor.start(set)?;
        let installed = CURRENT.compare_exchange(
            before,
            ptr::from_ref(reactor).cast_mut(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if installed.is_ok() {
            return Ok(reactor);
        }
        // Release: pairs with the acquire in `run`.
        reactor.superfluous.store(true, Ordering::Release);
        reactor.interrupter.interrupt();
        // The other one is of this process: the epoch stays while this thread runs here.
        current().1.ok_or(Error::Forked)
    }

    fn start(&'static self, set: WaitSet) -> Result<()> {
        let watching = Watching {
            set,
            interests: HashMap::new(),
        };
        // Under a scheduler a process has one thread, which makes the reactor's turns between its own.
        #[cfg(dmxp_stops)]
        if crate::sync::schedule::scheduler().is_some() {
            DRIVEN.set(Some(watching));
            return Ok(());
        }
        thread::spawn(thread::REACTOR, move || self.run(watching))
            .map_err(Error::io("starting the thread that wakes futures"))?;
        Ok(())
    }

    /// Has the interest's waker woken when its handle is ready.
    pub(super) fn watch(&self, interest: Arc<Interest>) {
        self.command(Command::Watch(interest));
    }

    /// Tells the reactor, if there is one, that a handle is gone.
    pub(super) fn forget(key: u64) {
        if let Some(reactor) = current().1 {
            reactor.command(Command::Forget(key));
        }
    }

    fn command(&self, command: Command) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.list.push(command);
        if !core::mem::replace(&mut commands.told, true) {
            drop(commands);
            self.interrupter.interrupt();
        }
    }

    fn run(&self, mut watching: Watching) {
        // Acquire: pairs with the store in `get`.
        while !self.superfluous.load(Ordering::Acquire) {
            self.turn(&mut watching, Wait::Forever);
        }
    }

    /// Does what was asked for, waits until something is ready, and wakes.
    fn turn(&self, watching: &mut Watching, wait: Wait) {
        let Watching { set, interests } = watching;
        let commands = {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands.told = false;
            core::mem::take(&mut commands.list)
        };
        for command in commands {
            match command {
                Command::Watch(interest) => {
                    // One that is here already is looked at anyway.
                    if interests.contains_key(&interest.key()) {
                        continue;
                    }
                    match set.add_waiter(interest.waiter().clone(), interest.key()) {
                        Ok(()) => drop(interests.insert(interest.key(), interest)),
                        // The call will say what is wrong.
                        Err(_) => interest.wake(),
                    }
                }
                Command::Forget(key) => {
                    set.remove(key);
                    interests.remove(&key);
                }
            }
        }
        match set.wait(wait) {
            Ok(ready) => {
                for key in ready {
                    set.remove(key);
                    if let Some(interest) = interests.remove(&key) {
                        interest.wake();
                    }
                }
            }
            // The system did not say which processes live. What comes is still seen at the next look.
            Err(_) => std::thread::sleep(TICK),
        }
    }
}

/// What the reactor's thread has.
struct Watching {
    set: WaitSet,
    interests: HashMap<u64, Arc<Interest>>,
}

#[cfg(dmxp_stops)]
thread_local! {
    /// That of a process under a scheduler.
    static DRIVEN: core::cell::Cell<Option<Watching>> = const { core::cell::Cell::new(None) };
}

/// Makes one turn of the reactor of a process under a scheduler, if it has one.
#[cfg(dmxp_stops)]
pub fn drive(wait: Wait) {
    if let (Some(reactor), Some(mut watching)) = (current().1, DRIVEN.take()) {
        reactor.turn(&mut watching, wait);
        DRIVEN.set(Some(watching));
    }
}

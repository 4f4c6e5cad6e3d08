//! A handle that threads share, and the claims it has handed out.
//!
//! A handle of the runtime belongs to one thread at a time, so a lock surrounds it. No call waits for messages or space with
//! the lock held: it looks, gives the lock back, and sleeps outside.
//!
//! Claims stay here. C gets a token: the handle's number and the claim's, neither of which is ever used twice in a process. A
//! token that was used up, or that another handle gave, is not found, and that is an error and nothing worse.

use crate::status::{Failure, Result, dmxp_status};
use dmxp::raw::Waiter;
use dmxp::{Delivery, Error, Wait};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers handles; 0 is none.
static NEXT_HANDLE: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// Numbers threads. The standard library's number costs two atomic operations each time it is asked for.
    static THREAD: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// The number of this thread, which no other has in this process.
fn this_thread() -> u64 {
    THREAD.with(|number| *number)
}

/// What says which claim a struct stands for. Leave it alone; copies of it are good as long as the claim is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct dmxp_token {
    handle: u64,
    claim: u64,
}

impl dmxp_token {
    /// Stands for no claim.
    pub(crate) const NONE: Self = Self { handle: 0, claim: 0 };
}

/// A handle of the runtime, its channel's properties, and its claims.
#[derive(Debug)]
pub(crate) struct Shared<H, C> {
    pub(crate) channel: Channel,
    number: u64,
    waiter: Waiter,
    state: Mutex<State<H, C>>,
}

/// What does not change about a handle's channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel {
    pub(crate) id: u32,
    pub(crate) capacity: u64,
    pub(crate) payload_capacity: usize,
    /// `None` on untyped channels.
    pub(crate) message_size: Option<u32>,
    pub(crate) delivery: Delivery,
}

/// What the lock surrounds.
#[derive(Debug)]
pub(crate) struct State<H, C> {
    pub(crate) handle: H,
    number: u64,
    next: u64,
    /// A handful: the runtime allows eight, and messages that are delivered again beside them.
    held: Vec<Held<C>>,
}

/// A claim that C holds.
#[derive(Debug)]
struct Held<C> {
    number: u64,
    /// Who made it.
    thread: u64,
    claim: C,
}

/// The most messages that one claim can have, whatever the capacity.
const MAX_BATCH: u64 = 32_767;

impl Channel {
    /// The most messages that one claim can have.
    pub(crate) fn largest_batch(&self) -> usize {
        self.capacity.min(MAX_BATCH) as usize
    }

    /// Checks the length of a payload to be sent.
    pub(crate) fn check_len(&self, len: usize) -> Result<()> {
        if len > self.payload_capacity {
            let limit = self.payload_capacity;
            return Err(dmxp::Error::PayloadTooLarge { len, limit }.into());
        }
        match self.message_size {
            Some(size) if size as usize != len => Err(Failure::invalid(format!(
                "payload of {len} bytes; the messages of this channel have {size} bytes"
            ))),
            _ => Ok(()),
        }
    }
}

impl<H, C> Shared<H, C> {
    pub(crate) fn new(handle: H, waiter: Waiter, channel: Channel) -> Self {
        // Relaxed: the number says nothing about other memory.
        let number = NEXT_HANDLE.fetch_add(1, Ordering::Relaxed);
        let state = State {
            handle,
            number,
            next: 1,
            held: Vec::new(),
        };
        Self {
            channel,
            number,
            waiter,
            state: Mutex::new(state),
        }
    }

    /// What the handle waits for.
    pub(crate) fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// The handle, for this call alone.
    pub(crate) fn lock(&self) -> dmxp::Result<MutexGuard<'_, State<H, C>>> {
        // In a forked child the lock may be held by a thread that does not exist there.
        self.waiter.check()?;
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Claims at least `min` with `claim`, which does not wait and is told whether it counts, as soon as that succeeds; gives the handle along, so that the claim can be
    /// finished in the same turn. `not_yet` is what `claim` answers when there is nothing to be had.
    ///
    /// A handle that holds what it waits for has no hope in the runtime. Here another thread may hold it, and let it go.
    ///
    /// In the statistics a call that fails counts once, as one of Rust does: of a wait, only the last attempt counts.
    #[inline]
    pub(crate) fn claim<R>(
        &self,
        min: usize,
        wait: Wait,
        not_yet: fn() -> Error,
        claim: impl Fn(&H, Wait) -> dmxp::Result<R>,
    ) -> dmxp::Result<(MutexGuard<'_, State<H, C>>, R)> {
        let attempt = |counted: Wait| {
            let state = self.lock()?;
            match claim(&state.handle, counted) {
                Ok(claim) => Ok((state, claim)),
                Err(Error::WouldDeadlock) if state.others_hold() => Err(not_yet()),
                Err(error) => Err(error),
            }
        };
        if let Wait::No = wait {
            return attempt(Wait::No);
        }
        self.waiter.wait(min, wait, || attempt(Wait::Attempt)).or_else(|error| {
            attempt(Wait::No).map_err(|again| match again {
                Error::Full | Error::Empty => error,
                again => again,
            })
        })
    }

    /// Whether a token can be this handle's.
    fn check(&self, token: dmxp_token) -> Result<()> {
        let text = match token.handle {
            0 => "empty: nothing was claimed or received into it, or it was finished already",
            handle if handle != self.number => "another handle's",
            _ => return Ok(()),
        };
        Err(Failure::new(dmxp_status::DMXP_STALE, format!("the claim is {text}")))
    }

    /// Finds the claim of a token, lets `check` look at it, and takes it out. If `check` refuses, the claim stays.
    pub(crate) fn take(
        &self,
        token: dmxp_token,
        check: impl FnOnce(&C) -> Result<()>,
    ) -> Result<(MutexGuard<'_, State<H, C>>, C)> {
        self.check(token)?;
        let mut state = self.lock()?;
        let index = state
            .held
            .iter()
            .position(|held| held.number == token.claim)
            .ok_or_else(|| {
                Failure::new(
                    dmxp_status::DMXP_STALE,
                    "the claim was finished already: published, aborted, released or given back",
                )
            })?;
        check(&state.held[index].claim)?;
        let Held { claim, .. } = state.held.swap_remove(index);
        Ok((state, claim))
    }
}

impl<H, C> State<H, C> {
    /// Keeps a claim and gives the token for it.
    pub(crate) fn keep(&mut self, claim: C) -> dmxp_token {
        let number = self.next;
        self.next += 1;
        self.held.push(Held {
            number,
            thread: this_thread(),
            claim,
        });
        dmxp_token {
            handle: self.number,
            claim: number,
        }
    }

    /// Whether other threads than this one have made claims that they may finish.
    #[cold]
    fn others_hold(&self) -> bool {
        let own = this_thread();
        self.held.iter().any(|held| held.thread != own)
    }
}

//! Handles that threads share, for bindings: the lock around a handle, the claims it has handed out, and waiting without the lock.
//!
//! - this file: [`Shared`], what both ends do: lock, wait, finish a claim
//! - [`producer`], [`consumer`]: what each end does
//! - [`claims`]: the claims that are out, and the tokens that stand for them
//! - [`hooks`]: what a binding does while a call waits
//!
//! The lock is held for the moment of an attempt, a look or the end of a claim. A call that waits does so outside: on the channel's event
//! ([`LongWait`](super::LongWait)) or, if all that it could claim with is out, until one of the handle's own claims is finished.

mod claims;
mod consumer;
mod hooks;
mod producer;

use super::{Consumer, Producer, ReadClaim, Wait, Waiter, WriteClaim};
use crate::error::{Error, Result};
use crate::table::delivery::Delivery;
use crate::table::lives::StreamInfo;
use crate::wait::{SignalWatch, TICK};
use claims::Claims;
use core::fmt;
use dmxp_schema::codec::Checks;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

pub use claims::{Token, TokenError};
pub use consumer::Copied;
pub use hooks::WaitHooks;
pub use producer::Lent;

/// Numbers shared handles of this process, from 1 on. Relaxed: the numbers differ, that is all.
static NEXT: AtomicU64 = AtomicU64::new(1);

mod ends {
    use super::{Error, Waiter};
    use core::fmt::Debug;

    /// What [`Shared`](super::Shared) needs to know of an end.
    pub trait Handle: Debug + Send {
        /// What it keeps of a claim that is out.
        type Claim: Debug + Send;
        /// What its calls answer when they would have to wait.
        const NOT_YET: Error;
        fn waits_for(&self) -> Waiter;
    }
}

/// Either end of a channel: [`Producer`] or [`Consumer`].
pub trait End: ends::Handle {}

impl ends::Handle for Producer {
    /// With the bytes of each slot that were handed out.
    type Claim = (WriteClaim, usize);
    const NOT_YET: Error = Error::Full;
    fn waits_for(&self) -> Waiter {
        self.waiter()
    }
}

impl ends::Handle for Consumer {
    type Claim = ReadClaim;
    const NOT_YET: Error = Error::Empty;
    fn waits_for(&self) -> Waiter {
        self.waiter()
    }
}

impl End for Producer {}
impl End for Consumer {}

/// A producer or consumer that threads share. Claims stay here, and whoever made one gets a [`Token`] for it.
///
/// A call that waits holds no lock: other threads go on, and finish their claims. Where all claims of the handle are out, or one of them
/// is in the way, it waits for one of them to be finished, unless there is no other thread that could do so ([`WaitHooks`]).
///
/// Dropping it drops the handle: claims that are still out are aborted, and messages given back.
///
/// In a forked child every call fails with [`Error::Forked`].
pub struct Shared<H: End> {
    number: u64,
    waiter: Waiter,
    /// What must hold in messages that are sent, where any bytes could be wrong.
    checks: Option<Checks>,
    state: Mutex<State<H>>,
    /// A claim was finished.
    finished: Condvar,
}

/// What the lock guards.
struct State<H: End> {
    handle: H,
    claims: Claims<H::Claim>,
    /// Calls that sleep until a claim is finished.
    waiting: usize,
    /// To be woken when one is.
    wakers: Vec<Waker>,
    /// A call failed because of the claims that are out, and none was finished since.
    is_held_up: bool,
}

const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Shared<Producer>>();
    is_shared::<Shared<Consumer>>();
};

impl<H: End> fmt::Debug for Shared<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = f.debug_struct("Shared");
        match self.state.try_lock() {
            Ok(state) => said.field("handle", &state.handle).field("claims", &state.claims),
            Err(_) => said.field("channel", &self.channel_id()),
        };
        said.finish_non_exhaustive()
    }
}

/// Whether a call fails because of claims that are out.
fn is_held_up(error: &Error) -> bool {
    matches!(error, Error::WouldDeadlock | Error::TooManyClaims { .. })
}

impl<H: End> Shared<H> {
    /// Shares a handle.
    #[must_use]
    pub fn new(handle: H) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            number,
            waiter: handle.waits_for(),
            checks: None,
            state: Mutex::new(State {
                claims: Claims::new(number),
                handle,
                waiting: 0,
                wakers: Vec::new(),
                is_held_up: false,
            }),
            finished: Condvar::new(),
        }
    }

    /// What the handle waits for.
    #[must_use]
    pub fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// Fails in a forked child, where nothing may be done with the handle or its slots.
    ///
    /// # Errors
    /// [`Error::Forked`].
    #[inline]
    pub fn check(&self) -> Result<()> {
        self.waiter.check()
    }

    /// The channel's id.
    #[must_use]
    pub fn channel_id(&self) -> u32 {
        self.waiter.properties().id
    }

    /// Slots of the channel.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.waiter.properties().capacity
    }

    /// Bytes of payload a message can have.
    #[must_use]
    pub fn payload_capacity(&self) -> usize {
        self.waiter.properties().slots.payload_capacity as usize
    }

    /// Size of the message type in bytes; `None` on untyped channels.
    #[must_use]
    pub fn message_size(&self) -> Option<u32> {
        let properties = self.waiter.properties();
        properties.is_typed().then_some(properties.message_size)
    }

    /// Which consumers get a message of the channel.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.waiter.properties().delivery
    }

    /// Whether the channel has packed slots.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.waiter.properties().slots.is_packed()
    }

    /// As [`Waiter::peers`].
    ///
    /// # Errors
    /// As there.
    pub fn peers(&self) -> Result<Vec<u32>> {
        self.waiter.peers()
    }

    /// As [`Waiter::stream`].
    ///
    /// # Errors
    /// As there.
    pub fn stream(&self) -> Result<StreamInfo> {
        self.waiter.stream()
    }

    /// As [`Waiter::wait_for_peers`].
    ///
    /// # Errors
    /// As there, and those of `hooks`.
    pub fn wait_for_peers<W: WaitHooks>(&self, count: usize, wait: Wait, hooks: &mut W) -> Result<usize, W::Error> {
        let Some(deadline) = wait.deadline() else {
            return Ok(self.waiter.wait_for_peers(count, wait)?);
        };
        loop {
            let Some(left) = deadline.left(hooks.slice()) else {
                return Ok(self.waiter.wait_for_peers(count, Wait::No)?);
            };
            match hooks.sleep(|| self.waiter.wait_for_peers(count, Wait::For(left))) {
                Err(Error::Timeout) => hooks.between_sleeps()?,
                outcome => return Ok(outcome?),
            }
        }
    }

    #[inline]
    fn lock(&self) -> Result<MutexGuard<'_, State<H>>> {
        // First: in a forked child the lock may be held by a thread that is not there.
        self.check()?;
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `f` with the handle, for what neither waits nor leaves a claim behind.
    ///
    /// # Errors
    /// [`Error::Forked`], and those of `f`.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&H) -> Result<R>) -> Result<R> {
        f(&self.lock()?.handle)
    }

    /// Calls `attempt` until it gives anything but [`Error::Full`] or [`Error::Empty`], or the time is over: for calls that leave no claim
    /// behind. `attempt` needs `min` messages or slots, and uses the handle with the `Wait` that it is given, which never waits.
    ///
    /// In the statistics a call counts once, as one of Rust does: of a wait, only the last attempt.
    ///
    /// # Errors
    /// [`Error::Timeout`], or with [`Wait::No`] what `attempt` answers. [`Error::WouldDeadlock`] and [`Error::TooManyClaims`] where there is
    /// no other thread that could finish the claims in the way, and the second also with `Wait::No`. [`Error::Forked`]; other errors of
    /// `attempt` and of `hooks`.
    #[inline]
    pub fn call<W: WaitHooks, R: Send>(
        &self,
        min: usize,
        wait: Wait,
        hooks: &mut W,
        mut attempt: impl FnMut(&H, Wait) -> Result<R> + Send,
    ) -> Result<R, W::Error> {
        self.until(min, wait, hooks, |state, wait| attempt(&state.handle, wait))
    }

    /// The same with the claims.
    #[inline]
    fn until<W: WaitHooks, R: Send>(
        &self,
        min: usize,
        wait: Wait,
        hooks: &mut W,
        mut attempt: impl FnMut(&mut State<H>, Wait) -> Result<R> + Send,
    ) -> Result<R, W::Error> {
        let first = if wait.is_none() { wait } else { Wait::Attempt };
        match self.attempt(first, &mut attempt) {
            Ok(done) => Ok(done),
            Err(error) => self.until_later(min, wait, hooks, attempt, error),
        }
    }

    #[inline]
    fn attempt<R>(&self, wait: Wait, attempt: &mut impl FnMut(&mut State<H>, Wait) -> Result<R>) -> Result<R> {
        let mut state = self.lock()?;
        let outcome = attempt(&mut state, wait);
        if outcome.as_ref().is_err_and(is_held_up) {
            state.is_held_up = true;
        }
        outcome
    }

    /// [`until`](Self::until), after an attempt that failed.
    #[cold]
    fn until_later<W: WaitHooks, R: Send>(
        &self,
        min: usize,
        wait: Wait,
        hooks: &mut W,
        mut attempt: impl FnMut(&mut State<H>, Wait) -> Result<R> + Send,
        mut error: Error,
    ) -> Result<R, W::Error> {
        let Some(deadline) = wait.deadline() else {
            return Err(match error {
                Error::WouldDeadlock if hooks.has_other_threads()? => H::NOT_YET,
                error => error,
            }
            .into());
        };
        let mut long_wait = None;
        loop {
            let held_up = is_held_up(&error);
            if !held_up && !matches!(error, Error::Full | Error::Empty | Error::Timeout) {
                return Err(error.into());
            }
            if held_up && !hooks.has_other_threads()? {
                // Once more, to be counted; or it was finished in this moment, and the call goes on.
                match self.attempt(Wait::No, &mut attempt) {
                    Err(again @ (Error::Full | Error::Empty)) => {
                        error = again;
                        continue;
                    }
                    outcome => return Ok(outcome?),
                }
            }
            let Some(left) = deadline.left(hooks.slice()) else {
                // The last attempt is the one that counts.
                return match self.attempt(Wait::No, &mut attempt) {
                    Err(error) if is_held_up(&error) || matches!(error, Error::Full | Error::Empty) => {
                        Err(Error::Timeout.into())
                    }
                    outcome => Ok(outcome?),
                };
            };
            let (outcome, signalled) = if held_up {
                (hooks.sleep(|| self.until_finished(left, &mut attempt)), false)
            } else {
                let long_wait = long_wait.get_or_insert_with(|| self.waiter.long_wait());
                let attempt = || self.attempt(Wait::Attempt, &mut attempt);
                hooks.sleep(|| {
                    let watch = SignalWatch::new();
                    let outcome = long_wait.wait(min, Wait::For(left), attempt);
                    (outcome, watch.came())
                })
            };
            match outcome {
                Ok(done) => return Ok(done),
                // Not with a claim in hand, which would be lost.
                Err(again) => {
                    if signalled {
                        hooks.signalled()?;
                    }
                    hooks.between_sleeps()?;
                    error = again;
                }
            }
        }
    }

    /// Attempts again when a claim of this handle was finished, or after a tick: the stream may have ended, and the thread that has the claim
    /// too.
    fn until_finished<R>(
        &self,
        left: Duration,
        attempt: &mut impl FnMut(&mut State<H>, Wait) -> Result<R>,
    ) -> Result<R> {
        let mut state = self.lock()?;
        match attempt(&mut state, Wait::Attempt) {
            Err(error) if is_held_up(&error) => {}
            outcome => return outcome,
        }
        state.waiting += 1;
        let slept = self.finished.wait_timeout(state, left.min(TICK));
        let (mut state, _) = slept.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        attempt(&mut state, Wait::Attempt)
    }

    /// Finishes the claim of a token, unless `check` refuses to.
    fn finish<R, T, E: From<TokenError>>(
        &self,
        token: Token,
        check: impl FnOnce(&H, &H::Claim) -> Result<T, E>,
        finish: impl FnOnce(&H, H::Claim, T) -> R,
    ) -> Result<R, E> {
        token.check(self.number)?;
        let mut state = self.lock().map_err(TokenError::from)?;
        let checked = check(&state.handle, state.claims.get(token)?)?;
        let claim = state.claims.take(token)?;
        let done = finish(&state.handle, claim, checked);
        state.is_held_up = false;
        if state.waiting > 0 {
            self.finished.notify_all();
        }
        if !state.wakers.is_empty() {
            let wakers = core::mem::take(&mut state.wakers);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
        Ok(done)
    }

    /// Has `waker` woken when the next claim of this handle is finished: for event loops, whose calls do not wait, after
    /// [`Error::TooManyClaims`] or [`Error::WouldDeadlock`]. At once, if one was finished since the last call that failed so.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn wake_when_finished(&self, waker: &Waker) -> Result<()> {
        let mut state = self.lock()?;
        if !state.is_held_up {
            drop(state);
            waker.wake_by_ref();
        } else if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        Ok(())
    }
}

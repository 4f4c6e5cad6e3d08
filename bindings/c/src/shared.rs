//! What C gets of a handle that threads share: tokens for its claims. The runtime keeps the claims.

use crate::status::{Failure, Result, answer, dmxp_status};
use dmxp::raw::{Token, TokenError, WaitHooks};
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// The runtime's token, or one that it refuses.
    pub(crate) fn get(self) -> Token {
        Token::of_words([self.handle, self.claim])
    }
}

impl From<Token> for dmxp_token {
    fn from(token: Token) -> Self {
        let [handle, claim] = token.words();
        Self { handle, claim }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Runtime(error) => error.into(),
            stale => Self::new(dmxp_status::DMXP_STALE, stale.to_string()),
        }
    }
}

/// Whether waits go on after a signal. Relaxed: a switch, and nothing beside it.
static RESTART: AtomicBool = AtomicBool::new(false);

/// Says for all threads of the process whether waits go on after a signal handler has run in their thread: 1 for yes, 0 for no, which is what
/// they do unless told otherwise. Those that do not go on answer DMXP_INTERRUPTED, whether the handler has SA_RESTART or not; a wait set with channels goes on after
/// one that has it. As with all calls that
/// signals interrupt, a handler that runs a moment before the thread goes to sleep is not noticed; to end a wait for certain, wait with a set,
/// and have the handler call dmxp_wait_set_interrupt.
#[unsafe(no_mangle)]
pub extern "C" fn dmxp_restart_waits(restart: i32) -> i32 {
    answer(|| {
        if !matches!(restart, 0 | 1) {
            return Err(Failure::invalid(format!(
                "`restart` is {restart}; give 1 for yes, 0 for no"
            )));
        }
        RESTART.store(restart == 1, Ordering::Relaxed);
        Ok(())
    })
}

pub(crate) fn interrupted() -> Failure {
    Failure::of(
        dmxp_status::DMXP_INTERRUPTED,
        c"a signal handler has run while the call waited; call again to go on",
    )
}

pub(crate) fn restarts() -> bool {
    RESTART.load(Ordering::Relaxed)
}

/// C waits until a signal comes, and knows no more of threads than the system.
pub(crate) struct Hooks;

impl WaitHooks for Hooks {
    type Error = Failure;

    fn signalled(&mut self) -> Result<()> {
        if restarts() { Ok(()) } else { Err(interrupted()) }
    }
}

/// An address that a call was given, for its attempts, whichever thread runs them.
#[derive(Clone, Copy)]
pub(crate) struct Address<T>(*mut T);

// SAFETY: an address; what is done with it is justified where it is done.
unsafe impl<T> Send for Address<T> {}
// SAFETY: as for Send.
unsafe impl<T> Sync for Address<T> {}

impl<T> Address<T> {
    pub(crate) fn of(pointer: *mut T) -> Self {
        Self(pointer)
    }

    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

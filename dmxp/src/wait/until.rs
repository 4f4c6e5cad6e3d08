//! The loop around an attempt that does not succeed yet.

use super::strategy::Spinning;
use super::{Deadline, Rest, TICK, signal};
use crate::sync::planted::{Bug, planted};

/// Spins between two looks at the clock.
const LOOKS_AT_THE_CLOCK: u32 = 16;

/// What a call waits for, and how.
pub(crate) struct Waiting<S> {
    pub(crate) event: S,
    pub(crate) deadline: Deadline,
    pub(crate) spinning: Spinning,
    /// Whether the call needs several slots or messages at once.
    pub(crate) several: bool,
}

/// Tries until `attempt` gives something: spins as the strategy says, then sleeps on the event, with a `tick` each tick without
/// result. `Ok(None)`: the time is over, or a signal came for which this thread watches ([`signal`]).
///
/// A waiter that was asleep and got something passes a wake on if there is `more`: publications may come out of order, and then the wake
/// that was meant for the other one is spent already. That publication is seen: it came before its own bump of the signal, that one
/// before the bump that woke us, and the kernel orders a wake before what the woken one does. A later bump wakes for itself.
pub(crate) fn until<S: Rest, R, E>(
    waiting: &Waiting<S>,
    mut attempt: impl FnMut() -> Option<R>,
    more: impl Fn() -> bool,
    mut tick: impl FnMut() -> Result<(), E>,
) -> Result<Option<R>, E> {
    let mut spins = 0_u32;
    let mut look_around = Deadline::after(TICK);
    loop {
        if let Some(outcome) = attempt() {
            return Ok(Some(outcome));
        }
        // An attempt may be long, in a ring with much to step over.
        if spins.is_multiple_of(LOOKS_AT_THE_CLOCK) {
            if waiting.deadline.left(TICK).is_none() {
                break;
            }
            if waiting.spinning.limit.is_none() && look_around.left(TICK).is_none() {
                tick()?;
                look_around = Deadline::after(TICK);
            }
        }
        if waiting.spinning.limit.is_some_and(|limit| spins >= limit) {
            break;
        }
        spins = spins.wrapping_add(1);
        waiting.spinning.pause();
    }
    let mut announced = S::Announced::default();
    while let Some(left) = waiting.deadline.left(TICK) {
        let mut outcome = None;
        waiting.event.sleep(&mut announced, waiting.several, left, || {
            outcome = attempt();
            outcome.is_some()
        });
        if let Some(outcome) = outcome.or_else(&mut attempt) {
            if more() && !planted(Bug::WakeNotPassedOn) {
                waiting.event.pass_on();
            }
            return Ok(Some(outcome));
        }
        tick()?;
        if signal::came() {
            break;
        }
    }
    // A caller that polls with short time limits looks after the dead too. What that finds does not concern a call that has ended.
    let _ = tick();
    Ok(None)
}

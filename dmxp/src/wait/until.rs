//! The loop around an attempt that does not succeed yet.

use super::{Deadline, Event, TICK};
use crate::sync::planted::{Bug, planted};

/// Spins between two looks at the clock.
const LOOKS_AT_THE_CLOCK: u32 = 16;

/// What a call waits for, and how.
pub(crate) struct Waiting<'a> {
    pub(crate) event: Event<'a>,
    pub(crate) deadline: Deadline,
    /// Failed attempts before it goes to sleep.
    pub(crate) spins: u32,
    /// Whether the call needs several slots or messages at once.
    pub(crate) several: bool,
}

/// Tries until `attempt` gives something: spins a little, then sleeps on the event, with a `tick` after each sleep that was in
/// vain. `Ok(None)`: the time is over.
///
/// Who was asleep and got something passes a wake on if there is `more`: publications may come out of order, and then the wake
/// that was meant for the other one is spent already.
pub(crate) fn until<R, E>(
    waiting: &Waiting<'_>,
    mut attempt: impl FnMut() -> Option<R>,
    more: impl Fn() -> bool,
    mut tick: impl FnMut() -> Result<(), E>,
) -> Result<Option<R>, E> {
    for spin in 0..=waiting.spins {
        if let Some(outcome) = attempt() {
            return Ok(Some(outcome));
        }
        core::hint::spin_loop();
        // An attempt may be long, in a ring with much to step over.
        if spin % LOOKS_AT_THE_CLOCK == 0 && waiting.deadline.left(TICK).is_none() {
            break;
        }
    }
    while let Some(left) = waiting.deadline.left(TICK) {
        let mut outcome = None;
        waiting.event.sleep(waiting.several, left, || {
            outcome = attempt();
            outcome.is_some()
        });
        if let Some(outcome) = outcome.or_else(&mut attempt) {
            if more() && !planted(Bug::WakeNotPassedOn) {
                waiting.event.notify(1, false);
            }
            return Ok(Some(outcome));
        }
        tick()?;
    }
    // Whoever polls with short time limits looks after the dead too. What that finds does not concern a call that has ended.
    let _ = tick();
    Ok(None)
}

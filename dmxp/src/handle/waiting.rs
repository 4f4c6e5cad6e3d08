//! Waiting with a handle: the loop, and what is done each tick.

use crate::error::{Error, Result};
use crate::handle::obstruction;
use crate::handle::obstruction::Blocked;
use crate::handle::registration::Registration;
use crate::recovery::tick::look_after;
use crate::table::properties::Properties;
use crate::wait::{Event, TICK, Waiting, until};
use core::borrow::Borrow;
use core::cell::Cell;
use std::sync::Arc;

/// Waits [`until`] `attempt` gives anything but "full" or "empty".
pub(crate) fn wait_for<R>(
    waiting: &Waiting<Event<'_>>,
    mut attempt: impl FnMut() -> Result<R>,
    more: impl Fn() -> bool,
    timer: &SweepTimer<'_, impl Borrow<Cell<Option<u64>>>>,
) -> Result<R> {
    let attempt = || match attempt() {
        Err(Error::Full | Error::Empty) => None,
        outcome => Some(outcome),
    };
    until(waiting, attempt, more, || timer.tick())?.unwrap_or(Err(Error::Timeout))
}

/// Whether a tick has passed since `last`, which is `now` then; `now` is of the coarse clock.
pub(super) fn is_due(now: u64, last: &Cell<Option<u64>>) -> bool {
    match last.get() {
        // The clock is a few milliseconds coarse: without this slack, a sleeper would wait two ticks.
        Some(then) if now.wrapping_sub(then) < TICK.as_millis() as u64 * 3 / 4 => false,
        then => {
            last.set(Some(now));
            then.is_some()
        }
    }
}

/// On which side a waiting handle is.
pub(crate) fn blocked(for_data: bool) -> Blocked {
    if for_data {
        Blocked::Consumers
    } else {
        Blocked::Producers
    }
}

/// What a waiting handle does each tick: says that it waits and for what, and sweeps. `L` is where the last sweep is kept.
#[derive(Debug)]
pub(crate) struct SweepTimer<'a, L: Borrow<Cell<Option<u64>>>> {
    registration: Arc<Registration>,
    properties: &'a Properties,
    /// The other ring of a channel with priorities.
    other: Option<(Arc<Registration>, &'a Properties)>,
    blocked: Blocked,
    last_sweep: L,
    /// Since when it waits, once a tick has passed.
    since_ns: Cell<Option<u64>>,
}

impl<'a, L: Borrow<Cell<Option<u64>>>> SweepTimer<'a, L> {
    pub(crate) fn new(
        registration: Arc<Registration>,
        properties: &'a Properties,
        for_data: bool,
        last_sweep: L,
    ) -> Self {
        if last_sweep.borrow().get().is_none() {
            last_sweep.borrow().set(Some(crate::os::clock::coarse_ms()));
        }
        Self {
            registration,
            properties,
            other: None,
            blocked: blocked(for_data),
            last_sweep,
            since_ns: Cell::new(None),
        }
    }

    /// From now on that ring is swept too, and its handle waits.
    pub(crate) fn look_after(&mut self, registration: Arc<Registration>, properties: &'a Properties) {
        self.other = Some((registration, properties));
    }

    pub(crate) fn tick(&self) -> Result<()> {
        let since = self.since_ns.get().unwrap_or_else(obstruction::now_ns);
        // Without its place the channel may be gone, and another one in its space.
        if !self.registration.note(self.properties, self.blocked, since) {
            return Ok(());
        }
        self.since_ns.set(Some(since));
        let other = self.other.as_ref().map(|(registration, properties)| {
            registration.note(properties, self.blocked, since);
            *properties
        });
        if is_due(crate::os::clock::coarse_ms(), self.last_sweep.borrow()) {
            let attachment = &self.registration.attachment;
            attachment.waits();
            attachment.look_for_file();
            look_after(attachment, core::iter::once(self.properties).chain(other))?;
        }
        Ok(())
    }
}

impl<L: Borrow<Cell<Option<u64>>>> Drop for SweepTimer<'_, L> {
    fn drop(&mut self) {
        if self.since_ns.get().is_some() {
            self.registration.attachment.waits_no_more();
            self.registration.end_note();
            if let Some((registration, _)) = &self.other {
                registration.end_note();
            }
        }
    }
}

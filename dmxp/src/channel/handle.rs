//! What producers and consumers have in common: the registered record, the claims it holds, the checks before each call, and
//! the loop that waits.

use super::properties::Properties;
use crate::error::{Error, Result};
use crate::layout::{CELLS, ROLE_CONSUMER, ROLE_PRODUCER};
use crate::liveness::RecordState;
use crate::region::{Attachment, Management, fork_epoch};
use crate::ring::Range;
use crate::ring::mapped::{MappedRing, ReadClaim, WriteClaim};
use crate::ring::memory::RingMemory;
use crate::ring::word::{MAX_BATCH, Phase};
use crate::wait::{CLOSED, Deadline, Event, REMOVED, TICK};
use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Instant;

/// Which end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Role {
    Producer = ROLE_PRODUCER,
    Consumer = ROLE_CONSUMER,
}

/// Failed looks before a blocking call goes to sleep: some tens of microseconds where a peer may be running beside us.
const SPINS: u32 = 400;
/// Failed polls of a handle between two looks at the clock; see [`Handle::polled_in_vain`].
const POLLS: u32 = 64;

/// Tries until `attempt` gives anything but "full" or "empty": spins a little, then sleeps on `event`, and sweeps after each
/// sleep.
///
/// Who was asleep and got something passes a wake on if there is `more`: publications may come out of order, and then the wake
/// that was meant for the other one is spent already.
pub(super) fn wait_for<R>(
    event: Event<'_>,
    spins: u32,
    deadline: Deadline,
    mut attempt: impl FnMut() -> Result<R>,
    more: impl Fn() -> bool,
    mut sweep: impl FnMut() -> Result<()>,
) -> Result<R> {
    for _ in 0..=spins {
        match attempt() {
            Err(Error::Full | Error::Empty) => core::hint::spin_loop(),
            other => return other,
        }
    }
    loop {
        let Some(left) = deadline.left(TICK) else {
            return Err(Error::Timeout);
        };
        let mut outcome = None;
        event.sleep(left, || {
            let look = attempt();
            let ready = !matches!(look, Err(Error::Full | Error::Empty));
            outcome = ready.then_some(look);
            ready
        });
        match outcome.unwrap_or_else(&mut attempt) {
            Err(Error::Full | Error::Empty) => sweep()?,
            other => {
                if more() {
                    event.notify(1, false);
                }
                return other;
            }
        }
    }
}

/// Sweeps if a tick has passed since `last`.
#[cold]
pub(super) fn sweep_each_tick(
    last: &Cell<Option<Instant>>,
    attachment: &Arc<Attachment>,
    properties: &Properties,
) -> Result<()> {
    let now = Instant::now();
    match last.get() {
        None => last.set(Some(now)),
        Some(then) if now - then >= TICK => {
            last.set(Some(now));
            crate::recovery::sweep_channel(attachment, properties)?;
        }
        Some(_) => {}
    }
    Ok(())
}

/// A registered handle to a queue channel.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) ring: MappedRing,
    pub(crate) properties: Properties,
    pub(crate) index: u32,
    state: u64,
    role: Role,
    epoch: u64,
    spins: u32,
    /// The ranges claimed through each cell and not yet published or released.
    held: RefCell<[Option<Range>; CELLS]>,
    /// Returned messages being read.
    taken: Cell<u32>,
    /// The value of the returned hint when this handle last looked in vain.
    pub(super) hint_seen: Cell<u64>,
    polls: Cell<u32>,
    last_sweep: Cell<Option<Instant>>,
}

impl Handle {
    pub(crate) fn new(ring: MappedRing, index: u32, state: u64, role: Role, properties: Properties) -> Self {
        let alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        Self {
            epoch: ring.attachment().epoch(),
            ring,
            properties,
            index,
            state,
            role,
            spins: if alone { 0 } else { SPINS },
            held: RefCell::default(),
            taken: Cell::new(0),
            hint_seen: Cell::new(0),
            polls: Cell::new(0),
            last_sweep: Cell::new(None),
        }
    }

    /// Fails in a forked child, and when the record is not this handle's any more.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.epoch != fork_epoch() {
            return Err(Error::Forked);
        }
        // Relaxed: the word only changes under us when recovery took this process for dead.
        if self.ring.handle().state.load(Ordering::Relaxed) != self.state {
            return Err(Error::Evicted);
        }
        Ok(())
    }

    /// A cell without a claim.
    #[inline]
    pub(crate) fn free_cell(&self) -> Result<usize> {
        self.held
            .borrow()
            .iter()
            .position(Option::is_none)
            .ok_or(Error::TooManyClaims { limit: CELLS })
    }

    #[inline]
    pub(crate) fn hold(&self, cell: usize, range: Range) {
        self.held.borrow_mut()[cell] = Some(range);
    }

    #[inline]
    pub(crate) fn let_go(&self, cell: usize) {
        self.held.borrow_mut()[cell] = None;
    }

    /// Whether this handle itself holds the slot that `position` will need.
    pub(crate) fn holds_slot_of(&self, position: u64) -> bool {
        let earlier = position.wrapping_sub(self.ring.capacity());
        self.held
            .borrow()
            .iter()
            .flatten()
            .any(|range| earlier.wrapping_sub(range.first) < u64::from(range.count))
    }

    /// Most messages that can ever be claimed at once.
    fn largest_batch(&self) -> usize {
        self.ring.capacity().min(u64::from(MAX_BATCH)) as usize
    }

    /// Checks the size of a batch against what can ever be claimed at once.
    #[inline]
    pub(crate) fn check_batch(&self, count: usize) -> Result<u32> {
        let limit = self.largest_batch();
        match count {
            0 => Err(Error::invalid("a batch of no messages")),
            _ if count > limit => Err(Error::BatchTooLarge { count, limit }),
            _ => Ok(count as u32),
        }
    }

    /// As many messages of a batch as can ever be claimed at once.
    #[inline]
    pub(crate) fn clamp_batch(&self, count: usize) -> u32 {
        count.min(self.largest_batch()) as u32
    }

    /// What consumers wait for.
    #[inline]
    pub(crate) fn data(&self) -> Event<'_> {
        Event {
            signal: &self.ring.entry().signal,
            waiters: &self.ring.record().data_waiters,
        }
    }

    /// What producers wait for.
    #[inline]
    pub(crate) fn space(&self) -> Event<'_> {
        Event {
            signal: &self.ring.record().space_signal,
            waiters: &self.ring.record().space_waiters,
        }
    }

    /// The CLOSED and REMOVED bits.
    #[inline]
    pub(crate) fn ended(&self) -> u32 {
        // SeqCst: see raw::Producer::claim and raw::Consumer::claim.
        self.ring.record().data_waiters.load(Ordering::SeqCst) & (CLOSED | REMOVED)
    }

    /// Tries until `attempt` gives anything but "full" or "empty"; see [`wait_for`].
    pub(crate) fn wait<R>(
        &self,
        event: Event<'_>,
        deadline: Deadline,
        attempt: impl FnMut() -> Result<R>,
        more: impl Fn() -> bool,
    ) -> Result<R> {
        wait_for(event, self.spins, deadline, attempt, more, || self.sweep_each_tick())
    }

    /// Spins of a wait on this handle.
    pub(super) fn spins(&self) -> u32 {
        self.spins
    }

    /// Called by calls that do not wait when they find nothing: whoever polls for a tick without progress sweeps, like
    /// whoever sleeps for one.
    #[inline]
    pub(crate) fn polled_in_vain(&self) {
        let polls = self.polls.get().wrapping_add(1);
        self.polls.set(polls);
        if polls.is_multiple_of(POLLS) {
            // The call itself has its answer already.
            let _ = self.sweep_each_tick();
        }
    }

    #[cold]
    fn sweep_each_tick(&self) -> Result<()> {
        sweep_each_tick(&self.last_sweep, self.ring.attachment(), &self.properties)
    }

    /// Counts messages that were returned too often.
    pub(crate) fn count_dropped(&self, dropped: u64) {
        if dropped > 0 {
            self.ring.record().dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }

    pub(crate) fn took_returned(&self) {
        self.taken.set(self.taken.get() + 1);
    }

    pub(crate) fn let_go_of_returned(&self) {
        self.taken.set(self.taken.get().saturating_sub(1));
    }

    /// Marks the end of the stream, or its removal, for everybody.
    pub(crate) fn close(&self) -> Result<()> {
        self.check()?;
        self.data().raise(CLOSED);
        self.space().raise(0);
        Ok(())
    }

    /// Bookkeeping for a claim that is handed out.
    #[inline]
    pub(crate) fn holding_write(&self, claim: WriteClaim) -> WriteClaim {
        self.hold(claim.cell(), claim.range());
        claim
    }

    /// Bookkeeping for a claim that is handed out.
    #[inline]
    pub(crate) fn holding_read(&self, claim: ReadClaim) -> ReadClaim {
        match claim.cell() {
            Some(cell) => self.hold(cell, claim.range()),
            None => self.took_returned(),
        }
        claim
    }

    /// Bookkeeping for a claim that comes back.
    #[inline]
    pub(crate) fn returning_read(&self, claim: &ReadClaim) {
        match claim.cell() {
            Some(cell) => self.let_go(cell),
            None => self.let_go_of_returned(),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.check().is_err() {
            return;
        }
        let phase = match self.role {
            Role::Producer => Phase::Produce,
            Role::Consumer => Phase::Consume,
        };
        let leaked: Vec<Range> = self.held.borrow().iter().copied().flatten().collect();
        for range in &leaked {
            self.ring.forget(phase, *range);
        }
        if self.taken.get() > 0 {
            self.count_dropped(self.ring.forget_taken(self.index as u16));
        }
        if !leaked.is_empty() || self.taken.get() > 0 {
            self.data().notify(u32::MAX, true);
            self.space().notify(u32::MAX, true);
        }
        let record = self.ring.handle();
        // Release: the slots were dealt with before the record is free.
        let freed = record
            .state
            .compare_exchange(self.state, RecordState::FREE, Ordering::Release, Ordering::Relaxed)
            .is_ok();
        let removed = self.ring.record().data_waiters.load(Ordering::Relaxed) & REMOVED != 0;
        if freed && removed {
            // If the lock is busy, its next holder who opens a channel does this.
            if let Ok(Some(management)) = Management::try_lock(self.ring.attachment()) {
                let _ = super::list::purge_removed(&management);
            }
        }
    }
}

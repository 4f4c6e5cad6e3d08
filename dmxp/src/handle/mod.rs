//! What producers and consumers have in common: the registered record, the claims it holds, the checks before each call, and
//! what a waiting one looks after.

pub(crate) mod counters;
pub(crate) mod held;
pub(crate) mod obstruction;
pub(crate) mod producers;
pub(crate) mod registration;
pub(crate) mod waiting;

use crate::error::{Error, Result};
use crate::handle::producers::{GONE, LOST};
use crate::layout::{CELLS, ROLE_CONSUMER, ROLE_PRODUCER, waiters};
use crate::os::fork::fork_epoch;
use crate::recovery::sweep::sweep_channel;
use crate::recovery::tick::look_after;
use crate::ring::claim::{ReadClaim, WriteClaim};
use crate::ring::mapped::MappedRing;
use crate::ring::memory::RingMemory;
use crate::ring::word::MAX_BATCH;
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::holders::subscription_of;
use crate::table::properties::Properties;
use crate::table::rings::linked;
use crate::wait::{Deadline, Event, Spinning, WaitStrategy, Waiting};
use core::cell::Cell;
use core::fmt;
use held::Held;
use registration::Registration;
use std::sync::Arc;
use waiting::{SweepTimer, is_due, wait_for};

/// Positions between the slot that is written or read and the one whose lines are fetched: a cache-line transfer costs as much as
/// several messages.
const SOON: u64 = 6;
/// Polls without result, of many within one step of the coarse clock, that do not ask it after one that did.
const UNASKED: u8 = 7;

/// Which end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Role {
    Producer = ROLE_PRODUCER,
    Consumer = ROLE_CONSUMER,
}

/// A registered handle to a channel.
pub(crate) struct Handle {
    pub(crate) ring: MappedRing,
    pub(crate) properties: Properties,
    pub(crate) index: u32,
    /// The record's state word while it is this handle's, exclusive-or the fork epoch in which the handle was made.
    state_and_epoch: u64,
    registration: Arc<Registration>,
    role: Role,
    epoch: u64,
    spinning: Spinning,
    /// The claims that are out.
    pub(crate) held: Held,
    last_sweep: Cell<Option<u64>>,
    /// Of calls that do not wait and find nothing: what the coarse clock showed to the last that asked, how many need not ask then, and
    /// how many of these are left.
    polled_at: Cell<u64>,
    pace: Cell<u8>,
    unasked: Cell<u8>,
    /// How many messages lie between two looks ahead, a power of two; and what the coarse clock showed at the last one.
    look_every: Cell<u64>,
    busy_at: Cell<u64>,
    /// The cursor, and the messages counted, at the last look ahead.
    looked: Cell<(u64, u64)>,
    /// Positions below it were free to write, or there to read, at the last look, for this handle alone.
    pub(crate) ready: Cell<u64>,
    /// For the urgent ring of a channel: the other one's place, so that the channel stays as long as this handle.
    _keeps: Option<Arc<Registration>>,
}

/// What it is a handle to: all else that it has is a picture of the region's memory, and takes kilobytes.
impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties = &self.properties;
        let attachment = self.ring.attachment();
        // Of a channel that is gone there may be other bytes.
        let schema = properties.schema(attachment.mapping()).ok().flatten();
        let mut said = f.debug_struct("Handle");
        said.field("role", &self.role)
            .field("region", &attachment.path())
            .field("id", &properties.id)
            .field("name", &properties.name)
            .field("message", &schema.as_ref().map_or("bytes", |schema| schema.name()))
            .field("capacity", &properties.capacity)
            .field("delivery", &properties.delivery);
        let subscription = subscription_of(self.ring.handle());
        if let Some(subscription) = subscription {
            said.field("subscription", &subscription);
        }
        said.finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(ring: MappedRing, index: u32, state: u64, role: Role, properties: Properties) -> Self {
        let registration = Registration::new(ring.attachment().clone(), (index, state), properties.id);
        let epoch = ring.attachment().epoch();
        let look_every = match (role, properties.delivery) {
            (Role::Consumer, Delivery::Queue) => 1,
            _ => counters::LOOK_EVERY,
        };
        Self {
            epoch,
            registration: Arc::new(registration),
            ring,
            properties,
            index,
            state_and_epoch: state ^ epoch,
            role,
            spinning: WaitStrategy::default().here(),
            held: Held::default(),
            last_sweep: Cell::new(None),
            polled_at: Cell::new(0),
            pace: Cell::new(0),
            unasked: Cell::new(0),
            look_every: Cell::new(look_every),
            busy_at: Cell::new(0),
            looked: Cell::new((0, 0)),
            ready: Cell::new(0),
            _keeps: None,
        }
    }

    /// From now on that handle's place is given back after this one's.
    pub(crate) fn keep(&mut self, other: &Self) {
        self._keeps = Some(other.registration.clone());
    }

    /// Whether the record is this handle's: not in a forked child, nor once recovery took this process for dead.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        // Relaxed: the word only changes under us when recovery took this process for dead, and nothing is read through it. In a
        // forked child the epoch is another one, and no longer takes out what was put in.
        self.state_and_epoch ^ fork_epoch() == self.ring.handle().state.load(Ordering::Relaxed)
    }

    /// Fails where [`is_ours`](Self::is_ours) says no.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_ours() { Ok(()) } else { Err(self.lost()) }
    }

    /// Why the record is not this handle's.
    #[cold]
    pub(crate) fn lost(&self) -> Error {
        crate::os::fork::notice_fork();
        if self.epoch == fork_epoch() {
            Error::Evicted
        } else {
            Error::Forked
        }
    }

    /// Whether a claim can be attempted; [`check_claiming`](Self::check_claiming) says why not.
    #[inline]
    pub(crate) fn can_claim(&self) -> bool {
        self.is_ours() && self.held.free().is_some()
    }

    /// Fails where no claim can be attempted, whatever the ring has.
    pub(crate) fn check_claiming(&self) -> Result<()> {
        self.check()?;
        match self.held.free() {
            Some(_) => Ok(()),
            None => Err(Error::TooManyClaims { limit: CELLS }),
        }
    }

    /// Whether this handle itself holds a slot that the `count` positions from `first` on will need.
    #[inline]
    pub(crate) fn holds_slots_of(&self, first: u64, count: u32) -> bool {
        !self.held.is_empty() && self.holds_some_of(first, count)
    }

    fn holds_some_of(&self, first: u64, count: u32) -> bool {
        let earlier = first.wrapping_sub(self.ring.capacity());
        self.held.ranges().any(|held| {
            earlier.wrapping_sub(held.first) < u64::from(held.count)
                || held.first.wrapping_sub(earlier) < u64::from(count)
        })
    }

    /// Most messages that can ever be claimed at once: on a latest channel the value before them stays until they are there.
    #[inline]
    pub(crate) fn largest_batch(&self) -> usize {
        if self.properties.slots.is_packed() {
            return self.ring.capacity().min(u64::from(u32::MAX)) as usize;
        }
        let kept = u64::from(self.properties.delivery == Delivery::Latest);
        (self.ring.capacity() - kept).min(u64::from(MAX_BATCH)) as usize
    }

    /// The sizes of a claim: `min` checked against what can ever be claimed at once, `max` cut to it.
    #[inline(always)]
    pub(crate) fn sizes(&self, min: usize, max: usize) -> Result<(u32, u32)> {
        if (min, max) == (1, 1) {
            return Ok((1, 1));
        }
        let min = self.check_batch(min)?;
        Ok((min, self.clamp_batch(max).max(min)))
    }

    /// Checks the size of a batch against what can ever be claimed at once.
    fn check_batch(&self, count: usize) -> Result<u32> {
        let limit = self.largest_batch();
        match count {
            0 => Err(Error::invalid("a batch of no messages")),
            _ if count > limit => Err(Error::BatchTooLarge { count, limit }),
            _ => Ok(count as u32),
        }
    }

    /// As many messages of a batch as can ever be claimed at once.
    fn clamp_batch(&self, count: usize) -> u32 {
        count.min(self.largest_batch()) as u32
    }

    /// What consumers wait for.
    #[inline]
    pub(crate) fn data(&self) -> Event<'_> {
        self.ring.data()
    }

    /// What producers wait for.
    #[inline]
    pub(crate) fn space(&self) -> Event<'_> {
        Event {
            signal: &self.ring.record().space_signal,
            waiters: &self.ring.record().space_waiters,
        }
    }

    /// The bits that say that the stream is over.
    #[inline]
    pub(crate) fn ended(&self) -> u32 {
        // SeqCst: see raw::Producer::try_claim and raw::Consumer::claim_rest. Pairs with Event::raise.
        self.ring.data().waiters.load(Ordering::SeqCst) & (waiters::CLOSED | waiters::REMOVED)
    }

    /// The same for a consumer: with [`GONE`] where it [asked](Self::end_without_producers) for that end, and the producers have gone, and
    /// [`LOST`] where the region's file has. What the producers published is seen from then on.
    #[inline]
    pub(crate) fn ended_for_consumer(&self) -> u32 {
        match self.ended() {
            0 if self.registration.producers.is_asked() || self.registration.attachment.is_lost() => self.other_end(),
            ended => ended,
        }
    }

    #[inline(never)]
    fn other_end(&self) -> u32 {
        let mapping = self.ring.attachment().mapping();
        let producers = &self.registration.producers;
        if producers.is_asked() && producers.have_gone(mapping, &self.properties) {
            GONE
        } else if self.registration.has_lost_region() {
            LOST
        } else {
            0
        }
    }

    /// From now on this consumer is told when its producers have gone.
    pub(crate) fn end_without_producers(&mut self) {
        self.registration.producers.ask();
    }

    /// Tries until `attempt` gives anything but "full" or "empty": the one loop in which a call waits, whatever the kind of channel.
    /// `min` is what the call needs at once; `other` is the channel's other ring, which is looked after too; `more` says whether
    /// another waiter may find something.
    pub(crate) fn wait<R>(
        &self,
        other: Option<&Self>,
        deadline: Deadline,
        min: u32,
        attempt: impl FnMut() -> Result<R>,
        more: impl Fn() -> bool,
    ) -> Result<R> {
        let event = match self.role {
            Role::Producer => self.space(),
            Role::Consumer => self.data(),
        };
        let waiting = Waiting {
            event,
            deadline,
            spinning: self.spinning,
            several: min > 1,
        };
        let mut timer = SweepTimer::new(
            self.registration.clone(),
            &self.properties,
            self.role == Role::Consumer,
            &self.last_sweep,
        );
        if let Some(other) = other {
            timer.look_after(other.registration.clone(), &other.properties);
        }
        wait_for(&waiting, attempt, more, &timer)
    }

    pub(crate) fn registration(&self) -> &Arc<Registration> {
        &self.registration
    }

    /// From now on this handle waits like that.
    pub(crate) fn set_wait_strategy(&mut self, strategy: WaitStrategy) {
        self.spinning = strategy.here();
    }

    /// How a wait on this handle spins.
    pub(crate) fn spinning(&self) -> Spinning {
        self.spinning
    }

    /// Counts what was sent or received; see [`counters`]. `true` now and then: it is time to [look ahead](Self::look_ahead).
    #[inline(always)]
    pub(crate) fn count(&self, messages: u32, bytes: u64) -> bool {
        self.ring.handle().count(messages, bytes, self.look_every.get())
    }

    /// Looks how far this handle can go on, and a producer of a queue how full it is. A consumer of a queue that is never without
    /// messages sweeps here, as one without does while it waits: nobody else may be there to do it.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_ahead(&self) {
        if self.role == Role::Consumer && self.properties.delivery == Delivery::Queue {
            self.look_at_the_clock_while_busy();
        }
        // For what is fetched early, and for a number that is shown only; see Region::statistics. Head before tail, so that it is not
        // negative.
        let head = self.ring.head().load(Ordering::Acquire);
        let tail = self.ring.tail().load(Ordering::Acquire);
        let capacity = self.ring.capacity();
        let (cursor, ready) = match self.role {
            Role::Consumer => (head, tail),
            Role::Producer => {
                self.ring.handle().count_fill(tail.saturating_sub(head).min(capacity));
                (tail, head.saturating_add(capacity))
            }
        };
        let messages = self.ring.handle().messages.load(Ordering::Relaxed);
        let (cursor_then, messages_then) = self.looked.replace((cursor, messages));
        // Nobody else has moved the cursor since the last look.
        let is_alone = cursor.wrapping_sub(cursor_then) == messages.wrapping_sub(messages_then);
        let moves_alone = is_alone || self.properties.delivery != Delivery::Queue;
        self.ready.set(if moves_alone { ready } else { 0 });
    }

    /// The clock costs as much as a message: a consumer that is fast asks it once in [`counters::LOOK_EVERY`] messages, one that is slow
    /// each time.
    fn look_at_the_clock_while_busy(&self) {
        let now = crate::os::clock::coarse_ms();
        let is_fast = self.busy_at.replace(now) == now;
        let often = if is_fast { self.look_every.get() * 2 } else { 1 };
        self.look_every.set(often.min(counters::LOOK_EVERY));
        self.sweep_if_due(now);
    }

    /// The slot to prefetch: a few messages after `first`, if it waits for this handle already, so that its lines are fetched while the
    /// handle is still here. `ready`: positions below it do. A slot that somebody still writes or reads would lose its lines to us, and
    /// has to get them back. So it would where several handles take turns: then nothing is ready.
    #[inline(always)]
    pub(crate) fn soon(first: u64, ready: u64) -> Option<u64> {
        let soon = first.wrapping_add(SOON);
        (soon < ready).then_some(soon)
    }

    /// Counts a call that fails with this error. Not where it is an attempt of one that goes on after this error.
    #[cold]
    pub(crate) fn failing_call(&self, error: Error, is_counted: bool) -> Error {
        let goes_on = matches!(
            error,
            Error::Full | Error::Empty | Error::Timeout | Error::WouldDeadlock | Error::TooManyClaims { .. }
        );
        if is_counted || !goes_on {
            self.failing(error)
        } else {
            error
        }
    }

    /// Counts a call that fails with this error.
    #[cold]
    pub(crate) fn failing(&self, error: Error) -> Error {
        if self.is_ours() {
            self.ring.handle().count_failure(&error);
        }
        error
    }

    /// Notes that a queue had no room for `min` messages. Without a look at the head where that is known: a producer that polls a full
    /// queue must not take the head's line from the consumers that would make room.
    pub(crate) fn saw_no_room(&self, min: u32) {
        if min == 1 {
            self.ring.handle().count_fill(self.ring.capacity());
        } else {
            self.look_ahead();
        }
    }

    /// Called by calls that do not wait when they find nothing, and whose answer is all that is left to do.
    pub(crate) fn polled_without_result(&self, is_counted: bool) {
        self.polled();
        if is_counted {
            self.ring.handle().count_in_vain();
        }
    }

    /// Called by calls that do not wait when they find nothing: a handle that polls for a tick without progress sweeps, like one that
    /// sleeps for one. The clock costs as much as all else of such a call: of polls that follow each other faster than it advances,
    /// few ask it.
    #[inline]
    pub(crate) fn polled(&self) {
        match self.unasked.get() {
            0 => self.look_at_the_clock(),
            left => self.unasked.set(left - 1),
        }
    }

    #[inline(never)]
    fn look_at_the_clock(&self) {
        let now = crate::os::clock::coarse_ms();
        // As many again as were seen within this step of the clock: a caller that polls a few times and pauses asks at its next poll.
        let in_a_row = self.polled_at.replace(now) == now;
        let pace = if in_a_row {
            (2 * self.pace.get() + 1).min(UNASKED)
        } else {
            0
        };
        self.pace.set(pace);
        self.unasked.set(pace);
        self.sweep_if_due(now);
    }

    /// Sweeps the channel if a tick has passed, for a call that has its answer already.
    fn sweep_if_due(&self, now: u64) {
        if is_due(now, &self.last_sweep) {
            let attachment = self.ring.attachment();
            attachment.look_for_file();
            let other = linked(attachment.mapping(), &self.properties);
            let _ = look_after(attachment, core::iter::once(&self.properties).chain(&other));
        }
    }

    /// Sweeps the ring now. `false`: some of the dead could not be swept yet.
    pub(crate) fn sweep_now(&self) -> Result<bool> {
        sweep_channel(self.ring.attachment(), &self.properties)
    }

    /// Marks the end of the stream, or its removal, for everybody.
    pub(crate) fn close(&self) -> Result<()> {
        self.check()?;
        self.data().raise(waiters::CLOSED);
        self.space().raise(0);
        if let Some((other, _)) = self.properties.partner {
            let record = self.ring.attachment().mapping().record(other);
            let space = Event {
                signal: &record.space_signal,
                waiters: &record.space_waiters,
            };
            space.raise(0);
        }
        Ok(())
    }

    /// Enters a claim that is handed out in the table.
    #[inline(always)]
    pub(crate) fn holding_write(&self, claim: WriteClaim) -> WriteClaim {
        let range = claim.range();
        self.held.hold(range.first, claim.rest());
        let ring = self.ring.view();
        if range.count > 1 {
            for position in range.positions() {
                ring.prefetch_write(position);
            }
        } else if let Some(soon) = Self::soon(range.first, self.ready.get()) {
            ring.prefetch_write(soon);
        }
        claim
    }

    /// Enters a claim that is handed out in the table.
    #[inline(always)]
    pub(crate) fn holding_read(&self, claim: ReadClaim) -> ReadClaim {
        self.held.hold(claim.range().first, claim.rest());
        if !claim.rest().is_returned()
            && let Some(soon) = Self::soon(claim.range().first, self.ready.get())
        {
            self.ring.view().prefetch_take(soon);
        }
        claim
    }
}

//! Handles over bytes, with claims as values. The typed handles and the language bindings are built on these.
//!
//! A claim that is dropped without being published, aborted or released keeps its slots until its handle is dropped; the typed
//! handles and the bindings wrap claims so that this cannot happen by accident.

use super::broadcast::subscriber::not_latest;
use super::delivery::Delivery;
use super::guard::Writing;
use super::handle::{self, Handle, Lookout};
use super::metadata::Metadata;
use super::open::{Opened, OpenedRing};
use super::properties::Properties;
use crate::error::{Error, Result};
use crate::layout::{META_FLAG_DEAD_LETTER, MessageMeta, waiters};
use crate::region::{Attachment, fork_epoch};
use crate::ring::Range;
use crate::ring::broadcast::mapped::{limits, look};
use crate::ring::broadcast::memory::Look;
use crate::ring::broadcast::read::{Newest, newest};
use crate::ring::consume::{is_readable, is_returned};
use crate::ring::mapped::RingWords;
use crate::ring::memory::RingMemory;
use crate::ring::produce::is_writable;
use crate::ring::word::{Phase, Standing, standing};
use crate::sync::{AtomicU64, Ordering};
use crate::wait::{Deadline, Event, Spinning, Waiting};
use core::cell::{Cell, LazyCell};
use dmxp_schema::model::Schema;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(crate) use super::handle::Seat;
pub use crate::ring::mapped::{ReadClaim, WriteClaim};

/// Messages that one attempt takes off the channel because they were returned too often. Each costs a look through the ring;
/// where there are more, the next attempt goes on.
const DISCARDS: usize = 8;

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: the call fails with [`Error::Full`] or [`Error::Empty`].
    No,
    /// At most this long; then the call fails with [`Error::Timeout`].
    For(Duration),
    /// As long as it takes.
    Forever,
}

impl Wait {
    pub(crate) fn deadline(self) -> Option<Deadline> {
        match self {
            Self::No => None,
            Self::For(timeout) => Some(Deadline::after(timeout)),
            Self::Forever => Some(Deadline::NEVER),
        }
    }
}

/// Waits for what a handle waits for, without the handle.
///
/// For bindings whose handles are shared by threads under a lock: the lock must not be held while one of the threads sleeps. And
/// for those who wait for many things at once: [`WaitSet`](crate::WaitSet).
#[derive(Clone, Debug)]
pub struct Waiter {
    attachment: Arc<Attachment>,
    properties: Properties,
    /// The same for the ring for urgent messages, for consumers of a channel that has one.
    high: Option<Box<Waiter>>,
    /// Consumers wait for data, producers for space.
    for_data: bool,
    seat: Weak<Seat>,
    spinning: Spinning,
    epoch: u64,
}

impl Waiter {
    fn new(handle: &Handle, high: Option<&Handle>, for_data: bool) -> Self {
        Self {
            attachment: handle.ring.attachment().clone(),
            properties: handle.properties.clone(),
            high: high.map(|high| Box::new(Self::new(high, None, for_data))),
            for_data,
            seat: Arc::downgrade(handle.seat()),
            spinning: handle.spinning(),
            epoch: handle.ring.attachment().epoch(),
        }
    }

    /// Fails in a forked child, where a lock that another thread of the parent held is never given back. To be called before
    /// the lock is taken.
    ///
    /// # Errors
    /// [`Error::Forked`].
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.epoch == fork_epoch() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Calls `attempt`, which takes the lock and claims `min` messages or slots with [`Wait::No`], until it gives anything but
    /// [`Error::Full`] or [`Error::Empty`], or the time is over. Once, if the handle is dropped already.
    ///
    /// # Errors
    /// [`Error::Timeout`], or with [`Wait::No`] what `attempt` answers; other errors of `attempt`.
    pub fn wait<R>(&self, min: usize, wait: Wait, mut attempt: impl FnMut() -> Result<R>) -> Result<R> {
        if let Wait::No = wait {
            return attempt();
        }
        self.vigil().wait(min, wait, attempt)
    }

    pub(crate) fn event(&self) -> Event<'_> {
        let mapping = self.attachment.mapping();
        let record = mapping.record(self.properties.id);
        if self.for_data {
            Event {
                signal: &mapping.entry(self.properties.id).signal,
                waiters: &record.data_waiters,
            }
        } else {
            Event {
                signal: &record.space_signal,
                waiters: &record.space_waiters,
            }
        }
    }

    fn ring(&self) -> RingWords<'_> {
        RingWords {
            mapping: self.attachment.mapping(),
            place: self.properties.place(),
        }
    }

    /// Whether the channel's place is still this one's. Decides only whether somebody is woken, or looks. Acquire: as in
    /// recovery::sweep_channel.
    fn is_of_its_channel(&self) -> bool {
        let record = self.attachment.mapping().record(self.properties.id);
        record.generation.load(Ordering::Acquire) == self.properties.generation
    }

    /// Whether another who waits may find something too: there is a message at the head of a queue, or room at its tail. On
    /// broadcast and latest channels each publication wakes everybody.
    fn has_more(&self) -> bool {
        match (self.properties.delivery, self.for_data) {
            (Delivery::Queue, true) => {
                is_readable(&self.ring()) || self.high.as_ref().is_some_and(|high| high.has_more())
            }
            (Delivery::Queue, false) => is_writable(&self.ring()),
            (Delivery::Broadcast | Delivery::Latest, _) => false,
        }
    }

    /// Whether a call with the handle would do anything but find nothing: get what it waits for, or hear that the stream is over.
    /// A hint: others may be faster. `seen` is what the one who asks remembers of returned messages, of each
    /// ring; 0 at first.
    pub(crate) fn is_ready(&self, seen: &mut [u64; 2]) -> bool {
        if !self.is_of_its_channel() {
            // The call will say.
            return true;
        }
        // As in Consumer::claim_rest, whose answer it foretells; the order of the looks decides nothing here.
        let listeners = self.attachment.mapping().record(self.properties.listeners());
        let waiters = &listeners.data_waiters;
        let ended = waiters.load(Ordering::Acquire) & (waiters::CLOSED | waiters::REMOVED) != 0;
        if self.properties.delivery != Delivery::Queue {
            return self.is_ready_for_broadcast(ended);
        }
        if self.has_more() {
            return true;
        }
        if !self.for_data {
            return ended;
        }
        let rings = || core::iter::once(self).chain(self.high.as_deref());
        let drained = |waiter: &Self| {
            let ring = waiter.ring();
            ring.tail().load(Ordering::Acquire) == ring.head().load(Ordering::Acquire)
        };
        (ended && rings().all(drained))
            || rings()
                .zip(seen)
                .any(|(waiter, seen)| is_returned(&waiter.ring(), seen))
    }

    /// The same on broadcast and latest channels. A consumer that has taken messages since it found nothing may be told of
    /// those.
    fn is_ready_for_broadcast(&self, ended: bool) -> bool {
        let ring = self.ring();
        if !self.for_data {
            return ended || self.has_room();
        }
        let Some(seat) = self.seat.upgrade() else {
            return true;
        };
        let next = seat.found_nothing_at.load(Ordering::Relaxed);
        let is_over = || ended && ring.tail().load(Ordering::Acquire) <= next;
        if self.properties.delivery == Delivery::Latest {
            return !matches!(newest(&ring, next), Newest::Nothing { .. }) || is_over();
        }
        // Acquire: as in broadcast::read::Place::look.
        let there = standing(ring.sequence(next).load(Ordering::Acquire), next);
        !matches!(there, Standing::Free | Standing::Behind) || is_over()
    }

    /// Whether all reliable subscribers are done with what lies in the slot at the tail.
    fn has_room(&self) -> bool {
        let (ring, mapping) = (self.ring(), self.attachment.mapping());
        // Acquire: as in ring::broadcast::several::claim.
        let tail = ring.tail().load(Ordering::Acquire);
        let record = mapping.record(self.properties.id);
        tail < limits(record).verified.load(Ordering::Acquire)
            || (0..mapping.plan().handles).all(|place| {
                match look(mapping.handle(place), self.properties.id, self.properties.generation) {
                    Look::Needs(cursor) => tail < cursor.saturating_add(self.properties.capacity),
                    Look::Nobody | Look::Changing => true,
                }
            })
    }

    pub(crate) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The other ring of a channel with priorities, which is to be looked after too, and the handle's place there.
    pub(crate) fn urgent(&self) -> Option<(&Properties, Arc<Seat>)> {
        let high = self.high.as_ref()?;
        Some((&high.properties, high.seat()?))
    }

    /// Whether the handle is dropped, and all waits with it have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.seat.strong_count() == 0
    }

    /// The handle's place, kept as long as this is.
    pub(crate) fn seat(&self) -> Option<Arc<Seat>> {
        self.seat.upgrade()
    }

    /// Says in the region that the handle waits, and since when; `false` if it is not this process's any more.
    pub(crate) fn note(&self, seat: &Seat, since_ns: u64) -> bool {
        let blocked = handle::blocked(self.for_data);
        if let Some(high) = &self.high
            && let Some(seat) = high.seat()
        {
            high.note(&seat, since_ns);
        }
        seat.note(&self.properties, blocked, since_ns)
    }

    /// The handle does not wait any more.
    pub(crate) fn end_note(&self) {
        for waiter in core::iter::once(self).chain(self.high.as_deref()) {
            if let Some(seat) = waiter.seat() {
                seat.end_note();
            }
        }
    }

    /// Begins a wait of several calls.
    #[must_use]
    pub fn vigil(&self) -> Vigil<'_> {
        let lookout = |seat| {
            let mut lookout = Lookout::new(seat, &self.properties, self.for_data, Cell::new(None));
            if let Some(high) = &self.high
                && let Some(seat) = high.seat()
            {
                lookout.look_after(seat, &high.properties);
            }
            lookout
        };
        Vigil {
            waiter: self,
            lookout: self.seat.upgrade().map(lookout),
        }
    }
}

/// One wait, in as many calls as it takes: for bindings that must look at other things in between. For
/// [`Region::blockages`](crate::Region::blockages) it waits from the first call until this is dropped, and until then a handle that is
/// dropped meanwhile keeps its place.
#[derive(Debug)]
pub struct Vigil<'a> {
    waiter: &'a Waiter,
    /// `None`: the handle is dropped already.
    lookout: Option<Lookout<'a, Cell<Option<u64>>>>,
}

impl Vigil<'_> {
    /// As [`Waiter::wait`].
    ///
    /// # Errors
    /// As [`Waiter::wait`].
    pub fn wait<R>(&mut self, min: usize, wait: Wait, mut attempt: impl FnMut() -> Result<R>) -> Result<R> {
        let (Some(deadline), Some(lookout)) = (wait.deadline(), &self.lookout) else {
            return attempt();
        };
        let waiter = self.waiter;
        let more = || waiter.is_of_its_channel() && waiter.has_more();
        let waiting = Waiting {
            event: waiter.event(),
            deadline,
            spinning: waiter.spinning,
            several: min > 1,
        };
        handle::wait_for(&waiting, || attempting(&mut attempt), more, lookout)
    }
}

thread_local! {
    /// This thread is in an attempt of a [`Vigil`]: that it finds nothing is no call that failed.
    static ATTEMPT: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn is_an_attempt() -> bool {
    ATTEMPT.get()
}

/// Runs an attempt of a wait.
fn attempting<R>(attempt: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ATTEMPT.set(self.0);
        }
    }
    let _before = Before(ATTEMPT.replace(true));
    attempt()
}

macro_rules! handle_accessors {
    ($name:ident) => {
        impl $name {
            /// The channel's id.
            #[must_use]
            pub fn channel_id(&self) -> u32 {
                self.handle.properties.id
            }

            /// The channel's name, if it has one.
            #[must_use]
            pub fn channel_name(&self) -> Option<&str> {
                self.handle.properties.name.as_deref()
            }

            /// Slots of the channel.
            #[must_use]
            pub fn capacity(&self) -> u64 {
                self.handle.properties.capacity
            }

            /// Bytes of payload a message can have.
            #[must_use]
            pub fn payload_capacity(&self) -> usize {
                self.handle.ring.payload_capacity() as usize
            }

            /// Size of the message type in bytes; `None` on untyped channels.
            #[must_use]
            pub fn message_size(&self) -> Option<u32> {
                self.handle
                    .properties
                    .is_typed()
                    .then_some(self.handle.properties.message_size)
            }

            /// The schema stored with the channel; `None` on untyped channels.
            ///
            /// # Errors
            /// [`Error::Corrupt`] when what is stored is not a schema.
            pub fn schema(&self) -> Result<Option<Schema>> {
                self.handle
                    .properties
                    .schema(self.handle.ring.attachment().mapping())
            }

            /// Messages waiting, among them those claimed and not yet published: on a queue for its consumers, on a broadcast
            /// channel for this subscriber, or, asked by a producer, for the slowest reliable one. On a latest channel 1 when there
            /// is a value that this consumer has not seen.
            #[must_use]
            pub fn len(&self) -> u64 {
                if let Some(publisher) = &self.handle.publisher {
                    return publisher.len(&self.handle.ring);
                }
                if let Some(subscriber) = &self.handle.subscriber {
                    return subscriber.len(&self.handle.ring);
                }
                // Head before tail, which the acquire keeps; nothing is read through either.
                let head = self.handle.ring.head().load(Ordering::Acquire);
                let tail = self.handle.ring.tail().load(Ordering::Acquire);
                let urgent = self.reads_first().map_or(0, Self::len);
                urgent + tail.saturating_sub(head).min(self.capacity())
            }

            /// Whether no message is waiting.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether as many messages are waiting as there are slots: for a producer, that it would have to wait. A latest channel
            /// never is.
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.len() == self.capacity()
            }

            /// Who gets a message of the channel.
            #[must_use]
            pub fn delivery(&self) -> Delivery {
                self.handle.properties.delivery
            }

            /// Ends the stream: sending fails from now on, consumers drain what is there and then get [`Error::Closed`]. The
            /// next producer that is opened reopens it.
            ///
            /// # Errors
            /// [`Error::Forked`], [`Error::Evicted`].
            pub fn close(&self) -> Result<()> {
                self.handle.close()
            }
        }
    };
}
handle_accessors!(Producer);
handle_accessors!(Consumer);

/// A producer of bytes.
#[derive(Debug)]
pub struct Producer {
    handle: Handle,
    message_type: u32,
    /// For urgent messages.
    high: Option<Box<Producer>>,
}

/// A consumer of bytes.
#[derive(Debug)]
pub struct Consumer {
    handle: Handle,
    /// Where messages go that were returned too often.
    dead_letters: Option<Box<Producer>>,
    /// The ring for urgent messages, which is read first.
    high: Option<Box<Consumer>>,
    /// A queue that has no such ring, and no checksums.
    is_plain: bool,
}

impl WriteClaim {
    /// Messages in the claim.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        self.range().count
    }

    /// The id that message `index` will have.
    #[inline]
    #[must_use]
    pub fn message_id(&self, index: u32) -> u64 {
        self.range().first.wrapping_add(u64::from(index)).wrapping_add(1)
    }
}

impl ReadClaim {
    /// Messages in the claim.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        self.range().count
    }

    /// The id of message `index`, which follows from its position.
    #[inline]
    #[must_use]
    pub fn message_id(&self, index: u32) -> u64 {
        self.range().first.wrapping_add(u64::from(index)).wrapping_add(1)
    }
}

impl Producer {
    pub(crate) fn new(opened: Opened, message_type: u32) -> Self {
        let high = opened.high.map(|high| Box::new(Self::to(high.handle, message_type)));
        Self {
            high,
            ..Self::to(opened.ring.handle, message_type)
        }
    }

    fn to(handle: Handle, message_type: u32) -> Self {
        Self {
            handle,
            message_type,
            high: None,
        }
    }

    /// The producer of urgent messages, on a channel with [priorities](crate::ChannelBuilder::with_priorities); once.
    pub fn take_high(&mut self) -> Option<Self> {
        self.high.take().map(|high| *high)
    }

    /// What to answer who asks for the producer of urgent messages where there is none.
    #[must_use]
    pub fn no_priorities(&self) -> Error {
        Error::invalid(format!(
            "channel {} has no priorities: make it with them (with_priorities, priorities)",
            self.handle.properties.label()
        ))
    }

    /// A producer sees its own ring only.
    fn reads_first(&self) -> Option<&Self> {
        None
    }

    /// What this producer waits for: space.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter::new(&self.handle, None, false)
    }

    /// The application's number for the messages that follow, on untyped channels.
    pub fn set_message_type(&mut self, message_type: u32) {
        self.message_type = message_type;
    }

    /// Claims at least `min` and at most `max` slots, with one atomic operation.
    ///
    /// # Errors
    /// [`Error::Full`] or [`Error::Timeout`]; [`Error::BatchTooLarge`] when `min` slots can never be free at once;
    /// [`Error::Closed`], [`Error::Removed`], [`Error::WouldDeadlock`], [`Error::TooManyClaims`], [`Error::Forked`],
    /// [`Error::Evicted`].
    #[inline(always)]
    pub fn claim(&self, min: usize, max: usize, wait: Wait) -> Result<WriteClaim> {
        let handle = &self.handle;
        if let Some(publisher) = &handle.publisher {
            let claim = publisher
                .claim(handle, min, max, wait)
                .map_err(|error| handle.failing(error))?;
            return Ok(claim);
        }
        let min = handle.check_batch(min).map_err(|error| handle.failing(error))?;
        let max = handle.clamp_batch(max).max(min);
        // With `?`, which moves the claim out of the cold call's answer: the answer itself has a place in memory, the claim none.
        Ok(match self.try_claim(min, max) {
            Some(claim) => claim,
            None if matches!(wait, Wait::No) && self.is_just_full(min) => return Err(Error::Full),
            None => self.claim_later(min, max, wait)?,
        })
    }

    /// Whether an attempt gave nothing for no other reason than that the ring is full, which is counted then: all that a call does
    /// that does not wait. It answers in a bit, since an error is large, and who polls would copy it at each step on its way.
    #[inline(never)]
    fn is_just_full(&self, min: u32) -> bool {
        let handle = &self.handle;
        if !handle.can_claim() || handle.ended() != 0 || handle.holds_slots_of(self.tail_seen(), min) {
            return false;
        }
        handle.saw_no_room(min);
        handle.polled_in_vain();
        handle.count_in_vain();
        true
    }

    /// What a call does whose first attempt gave nothing. The caller's fast path carries nothing of it.
    #[cold]
    #[inline(never)]
    fn claim_later(&self, min: u32, max: u32, wait: Wait) -> Result<WriteClaim> {
        let handle = &self.handle;
        let why_not = self.why_not(min);
        if matches!(why_not, Error::Full) && handle.is_ours() {
            handle.saw_no_room(min);
        }
        let outcome = match (why_not, wait.deadline()) {
            (Error::Full, None) => {
                handle.polled_in_vain();
                Err(Error::Full)
            }
            (Error::Full, Some(deadline)) => {
                let attempt = || self.try_claim(min, max).ok_or_else(|| self.why_not(min));
                handle.wait(handle.space(), deadline, min, attempt, || is_writable(&handle.ring))
            }
            (error, _) => Err(error),
        };
        outcome.map_err(|error| handle.failing(error))
    }

    /// `None` for whatever reason; [`why_not`](Self::why_not) finds it.
    #[inline(always)]
    fn try_claim(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let handle = &self.handle;
        if !handle.is_ours() {
            return None;
        }
        let cell = handle.free_cell()?;
        let claim = handle.ring.claim_write(cell, min, max)?;
        // After the claim: a consumer that has seen the flag and then a tail that equals the head tells its user that the
        // stream is over. Tail CAS, flag store, this load and the consumer's two loads are all SeqCst, so either the consumer
        // sees this claim in the tail, or this producer sees the flag and gives the claim up.
        if handle.ended() != 0 {
            self.give_up(claim.range());
            return None;
        }
        Some(handle.holding_write(claim))
    }

    #[cold]
    fn give_up(&self, range: Range) {
        self.handle.ring.forget(Phase::Produce, range);
        self.handle.data().notify(1, self.always());
    }

    #[cold]
    fn why_not(&self, min: u32) -> Error {
        let handle = &self.handle;
        if let Err(error) = handle.check_claiming() {
            return error;
        }
        match handle.ended() {
            0 => {}
            ended => return end_error(ended),
        }
        if handle.holds_slots_of(self.tail_seen(), min) {
            Error::WouldDeadlock
        } else {
            Error::Full
        }
    }

    /// The tail, for what error to give only; as new as the attempt that failed.
    fn tail_seen(&self) -> u64 {
        self.handle.ring.tail().load(Ordering::Acquire)
    }

    #[inline]
    fn always(&self) -> bool {
        self.handle.properties.v1_peers()
    }

    /// The bytes of message `index` of a claim, as many as a slot holds. They contain what an earlier message left there.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    #[must_use]
    pub fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        if let Some(publisher) = &self.handle.publisher {
            return publisher.bytes_mut(&self.handle.ring, claim, index);
        }
        self.handle.ring.bytes_mut(claim, index)
    }

    /// The bytes of message `index` of a claim, to look at what was written.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    #[must_use]
    pub fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        if let Some(publisher) = &self.handle.publisher {
            return publisher.bytes(&self.handle.ring, claim, index);
        }
        self.handle.ring.written(claim, index)
    }

    /// Publishes a claim: all its messages become visible at once. `len` gives the bytes of each.
    ///
    /// # Errors
    /// [`Error::PayloadTooLarge`] when a length exceeds the slot; [`Error::InvalidArgument`] when it differs from the message
    /// size of a typed channel; [`Error::Forked`], [`Error::Evicted`]. The claim is aborted then, if it is still this
    /// handle's; so it is when `len` panics.
    ///
    /// # Panics
    /// When the claim is another handle's.
    #[inline]
    pub fn publish(&self, claim: WriteClaim, len: impl Fn(u32) -> usize) -> Result<()> {
        // Before the guard, whose drop would panic again.
        self.handle.ring.own_write(&claim);
        let mut writing = Writing::of(self, claim);
        let timestamp_ns = crate::clock::now_ns();
        for index in 0..writing.claim().count() {
            let len = len(index);
            self.describe(writing.claim(), index, len, timestamp_ns)?;
        }
        writing.publish_described()
    }

    /// Writes the metadata of message `index` of a claim, whose payload of `len` bytes is there.
    #[inline]
    pub(crate) fn describe(&self, claim: &mut WriteClaim, index: u32, len: usize, timestamp_ns: u64) -> Result<()> {
        let handle = &self.handle;
        self.check_length(len)?;
        if let Some(publisher) = &handle.publisher {
            let payload = &publisher.bytes(&handle.ring, claim, index)[..len];
            let meta = self.meta(claim.message_id(index), payload, timestamp_ns);
            publisher.describe(&handle.ring, claim, index, meta);
            return Ok(());
        }
        let payload = &handle.ring.written(claim, index)[..len];
        let meta = self.meta(claim.message_id(index), payload, timestamp_ns);
        handle.ring.write_meta(claim, index, meta);
        Ok(())
    }

    /// Whether a message of this channel can have so many bytes.
    #[inline]
    pub(super) fn check_length(&self, len: usize) -> Result<()> {
        let typed_size = self.handle.properties.message_size as usize;
        if len > self.handle.ring.payload_capacity() as usize || (typed_size != 0 && len != typed_size) {
            return Err(self.wrong_length(len));
        }
        Ok(())
    }

    #[cold]
    fn wrong_length(&self, len: usize) -> Error {
        let limit = self.handle.ring.payload_capacity() as usize;
        self.handle.failing(match self.handle.properties.message_size {
            0 => Error::PayloadTooLarge { len, limit },
            typed_size => Error::invalid(format!(
                "payload of {len} bytes; messages of this channel have {typed_size}"
            )),
        })
    }

    /// What is said of a message besides its payload. Always inline: its fields go to the slot, and not by way of the stack.
    #[inline(always)]
    pub(super) fn meta(&self, message_id: u64, payload: &[u8], timestamp_ns: u64) -> MessageMeta {
        let handle = &self.handle;
        let checksum = if handle.properties.checksums() {
            crc32fast::hash(payload)
        } else {
            0
        };
        let attachment = handle.ring.attachment();
        MessageMeta {
            message_id,
            timestamp_ns,
            channel_id: handle.properties.id,
            message_type: self.message_type,
            sender_pid: attachment.pid(),
            sender_runtime: attachment.runtime() as u16,
            flags: handle.properties.message_flags(),
            payload_len: payload.len() as u32,
            checksum,
        }
    }

    /// Sends without a claim that others see, where the channel allows that: on broadcast and latest channels. `payload` gives the
    /// bytes of each message, the same each time. `None` on queues.
    #[inline]
    pub(super) fn send_directly<'a>(
        &self,
        sizes: (usize, usize),
        wait: Wait,
        payload: impl Fn(u32) -> &'a [u8],
    ) -> Option<Result<(u64, usize)>> {
        let publisher = self.handle.publisher.as_ref()?;
        let sent = publisher.send(self, &self.handle, sizes, wait, &payload);
        match &sent {
            Ok((_, count)) => {
                let bytes = (0..*count as u32).map(|index| payload(index).len() as u64).sum();
                self.handle.count(*count as u32, bytes);
            }
            Err(_) => return Some(sent.map_err(|error| self.handle.failing(error))),
        }
        Some(sent)
    }

    /// Sends one message on a broadcast or latest channel, whatever it takes.
    #[cold]
    #[inline(never)]
    fn send_one_later(&self, payload: &[u8], wait: Wait) -> Result<u64> {
        match self.send_directly((1, 1), wait, |_| payload) {
            Some(sent) => sent.map(|(id, _)| id),
            None => unreachable!("only queues have none, and their messages take another way"),
        }
    }

    /// Sends one message of these bytes; its id.
    #[inline]
    pub(super) fn send_one(&self, payload: &[u8], wait: Wait) -> Result<u64> {
        self.check_length(payload.len())?;
        if let Some(publisher) = &self.handle.publisher {
            if let Some(id) = publisher.send_at_once(self, &self.handle, payload) {
                self.handle.count(1, payload.len() as u64);
                return Ok(id);
            }
            return self.send_one_later(payload, wait);
        }
        let mut claim = self.claim(1, 1, wait)?;
        // From here to the publication nothing panics or fails that would leave the claim behind: it needs no guard. Nor does it go
        // to a function of its own by reference, so that it stays in registers.
        self.handle.ring.bytes_mut(&mut claim, 0)[..payload.len()].copy_from_slice(payload);
        let id = claim.message_id(0);
        let meta = self.meta(id, payload, crate::clock::now_ns());
        self.handle.ring.write_meta(&mut claim, 0, meta);
        if !self.handle.is_ours() {
            // Nor are the slots ours to give up.
            return Err(self.handle.lost());
        }
        self.publish_ours(claim, payload.len() as u64);
        Ok(id)
    }

    /// Makes a claim visible whose messages are all described. Gives the claim back when it cannot.
    #[inline]
    pub(crate) fn publish_described(&self, claim: WriteClaim) -> Result<(), (WriteClaim, Error)> {
        if let Some(publisher) = &self.handle.publisher {
            let (count, bytes) = (claim.count(), publisher.staged_bytes(&claim));
            publisher.publish_staged(&self.handle, claim)?;
            self.handle.count(count, bytes);
            return Ok(());
        }
        if !self.handle.is_ours() {
            return Err((claim, self.handle.lost()));
        }
        let mut bytes = 0;
        for index in 0..claim.count() {
            bytes += u64::from(self.handle.ring.written_len(&claim, index));
        }
        self.publish_ours(claim, bytes);
        Ok(())
    }

    /// Makes a claim visible whose messages are all described, in a process whose handle this is. `bytes` are those of its payloads.
    #[inline(always)]
    fn publish_ours(&self, claim: WriteClaim, bytes: u64) {
        let handle = &self.handle;
        if handle.properties.expiry_ns != 0 {
            handle.ring.date(claim.range(), crate::clock::boot_ns());
        }
        let (count, cell) = (claim.count(), claim.cell());
        handle.ring.publish(claim);
        handle.let_go(cell);
        handle.count(count, bytes);
        handle.data().notify(count, self.always());
    }

    /// Copies a message of another channel to this one, metadata and all, and marks it as a dead letter.
    #[cold]
    fn put(&self, from: &Consumer, letter: &ReadClaim) -> Result<()> {
        let slot = from.slot(letter, 0);
        let (len, limit) = (slot.len(), self.payload_capacity());
        if len > limit {
            return Err(Error::PayloadTooLarge { len, limit });
        }
        let mut claim = self.claim(1, 1, Wait::No)?;
        let mut meta = from.handle.ring.read_meta(letter, 0);
        meta.flags |= META_FLAG_DEAD_LETTER;
        self.payload_mut(&mut claim, 0)[..len].copy_from_slice(slot);
        self.handle.ring.write_meta(&mut claim, 0, meta);
        self.publish_described(claim).map_err(|(claim, error)| {
            self.abort(claim);
            error
        })
    }

    /// Gives a claim up; consumers never see its messages.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn abort(&self, claim: WriteClaim) {
        if let Some(publisher) = &self.handle.publisher {
            return publisher.abort(&self.handle, claim);
        }
        // In a forked child, or after eviction, the slots are not ours to touch.
        if self.handle.is_ours() {
            let (count, cell) = (claim.count(), claim.cell());
            self.handle.ring.abort(claim);
            self.handle.let_go(cell);
            self.handle.data().notify(count, self.always());
        }
    }
}

impl Consumer {
    pub(crate) fn new(opened: Opened) -> Self {
        let (high, ring) = (opened.high.map(|high| Box::new(Self::of(high))), Self::of(opened.ring));
        Self {
            is_plain: ring.is_plain && high.is_none(),
            high,
            ..ring
        }
    }

    fn of(ring: OpenedRing) -> Self {
        let OpenedRing { handle, dead_letters } = ring;
        Self {
            is_plain: handle.subscriber.is_none() && !handle.properties.checksums(),
            handle,
            dead_letters: dead_letters.map(|handle| Box::new(Producer::to(handle, 0))),
            high: None,
        }
    }

    fn reads_first(&self) -> Option<&Self> {
        self.high.as_deref()
    }

    /// The consumer of the ring that the claim is of.
    #[inline]
    fn that_claimed(&self, claim: &ReadClaim) -> &Self {
        match &self.high {
            Some(high) if high.handle.ring.has_claimed(claim) => high,
            _ => self,
        }
    }

    /// What this consumer waits for: data.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter::new(&self.handle, self.high.as_ref().map(|high| &high.handle), true)
    }

    /// Claims at least `min` and at most `max` messages, with one atomic operation. Urgent messages come first, and what is there
    /// of them is enough: a claim is of one priority. Of each, returned messages come first, one at a time; an aborted claim
    /// between messages, an expired message, and the end of the stream make a claim smaller than `min`.
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::Timeout`]; [`Error::Closed`] when the stream has ended and all of it was claimed;
    /// [`Error::BatchTooLarge`], [`Error::Removed`], [`Error::WouldDeadlock`], [`Error::TooManyClaims`], [`Error::Forked`],
    /// [`Error::Evicted`].
    #[inline(always)]
    pub fn claim(&self, min: usize, max: usize, wait: Wait) -> Result<ReadClaim> {
        let handle = &self.handle;
        if let Some(subscriber) = &handle.subscriber {
            // As below: the claim has no place in memory on its way.
            return Ok(match subscriber.take_at_once(handle, min, max) {
                Some(claim) => claim,
                None => subscriber.claim(handle, min, max, wait)?,
            });
        }
        let min = handle.check_batch(min).map_err(|error| handle.failing(error))?;
        let max = handle.clamp_batch(max).max(min);
        if let Some(high) = &self.high {
            return self
                .claim_by_priority(high, min, max, wait)
                .map_err(|error| handle.failing(error));
        }
        // With `?`, which moves the claim out of the cold call's answer: the answer itself has a place in memory, the claim none.
        Ok(match self.try_claim(min, max) {
            Some(claim) => claim,
            None if matches!(wait, Wait::No) && self.is_just_empty(min) => return Err(Error::Empty),
            None => self.claim_later(min, max, wait)?,
        })
    }

    /// As [`Producer::is_just_full`]. Where the stream has ended, or may have, [`claim_rest`](Self::claim_rest) finds it.
    #[inline(never)]
    fn is_just_empty(&self, min: u32) -> bool {
        let handle = &self.handle;
        // Acquire: which messages this handle holds before the head it knows itself; nothing is read through it.
        if !handle.can_claim()
            || handle.ended() != 0
            || handle.holds_slots_of(handle.ring.head().load(Ordering::Acquire), min)
        {
            return false;
        }
        handle.polled_in_vain();
        handle.count_in_vain();
        true
    }

    /// What a call does whose first attempt gave nothing. The caller's fast path carries nothing of it.
    #[cold]
    #[inline(never)]
    fn claim_later(&self, min: u32, max: u32, wait: Wait) -> Result<ReadClaim> {
        let handle = &self.handle;
        let outcome = match (self.claim_rest(min, max), wait.deadline()) {
            (Err(Error::Empty), None) => {
                handle.polled_in_vain();
                Err(Error::Empty)
            }
            (Err(Error::Empty), Some(deadline)) => {
                let attempt = || self.attempt(min, max);
                handle.wait(handle.data(), deadline, min, attempt, || is_readable(&handle.ring))
            }
            (outcome, _) => outcome,
        };
        outcome.map_err(|error| handle.failing(error))
    }

    /// As [`claim`](Self::claim), on a channel with priorities.
    #[inline(never)]
    fn claim_by_priority(&self, high: &Self, min: u32, max: u32, wait: Wait) -> Result<ReadClaim> {
        let handle = &self.handle;
        match self.try_claim_by_priority(high, min, max) {
            Err(Error::Empty) => {}
            other => return other,
        }
        let Some(deadline) = wait.deadline() else {
            handle.polled_in_vain();
            high.handle.polled_in_vain();
            return Err(Error::Empty);
        };
        let attempt = || self.try_claim_by_priority(high, min, max);
        // Who publishes to the other ring notifies the same event: what came before a consumer's look at it is found, and what comes
        // after it finds the consumer waiting.
        let more = || is_readable(&high.handle.ring) || is_readable(&handle.ring);
        handle.wait_with(Some(&high.handle), handle.data(), deadline, min, attempt, more)
    }

    fn try_claim_by_priority(&self, high: &Self, min: u32, max: u32) -> Result<ReadClaim> {
        let holds_all_urgent = match high.attempt(1, max) {
            Err(Error::Empty | Error::Closed | Error::Removed) => false,
            Err(Error::WouldDeadlock) => true,
            other => return other,
        };
        match self.attempt(min, max) {
            // An urgent message may come yet.
            Err(Error::WouldDeadlock) if !holds_all_urgent => Err(Error::Empty),
            // The end was marked, and is seen from now on: whoever claimed an urgent position before has it in the tail. See
            // Producer::try_claim.
            Err(Error::Closed | Error::Removed) => high.attempt(1, max),
            other => other,
        }
    }

    /// An attempt, and why it failed.
    fn attempt(&self, min: u32, max: u32) -> Result<ReadClaim> {
        match self.try_claim(min, max) {
            Some(claim) => Ok(claim),
            None => self.claim_rest(min, max),
        }
    }

    /// `None` for whatever reason; [`claim_rest`](Self::claim_rest) finds it.
    #[inline(always)]
    fn try_claim(&self, min: u32, max: u32) -> Option<ReadClaim> {
        let handle = &self.handle;
        if !handle.is_ours() {
            return None;
        }
        if handle.ring.may_have_returned(handle.hint_seen.get())
            && let Some(claim) = self.try_returned()
        {
            return Some(claim);
        }
        let cell = handle.free_cell()?;
        Some(handle.holding_read(self.claim_at_head(cell, min, max)?))
    }

    /// Claims a message if this is a queue without priorities or checksums, and one is there. `None` says nothing: ask
    /// [`claim_else`](Self::claim_else). For [`payload_on_queue`](Self::payload_on_queue) and
    /// [`release_on_queue`](Self::release_on_queue), with which the claim stays in registers: it goes to no function of its own
    /// by reference.
    #[inline(always)]
    pub(super) fn claim_on_queue(&self) -> Option<ReadClaim> {
        if !self.is_plain {
            return None;
        }
        self.try_claim(1, 1)
    }

    /// A claim of one, after [`claim_on_queue`](Self::claim_on_queue) gave none: as [`claim`](Self::claim), without trying twice.
    #[inline(always)]
    pub(super) fn claim_else(&self, wait: Wait) -> Result<ReadClaim> {
        if !self.is_plain {
            return self.claim(1, 1, wait);
        }
        if matches!(wait, Wait::No) && self.is_just_empty(1) {
            return Err(Error::Empty);
        }
        self.claim_later(1, 1, wait)
    }

    /// The payload of a claim of [`claim_on_queue`](Self::claim_on_queue); `None` if the length written there exceeds the slot.
    #[inline(always)]
    pub(super) fn payload_on_queue<'a>(&'a self, claim: &'a ReadClaim) -> Option<&'a [u8]> {
        let ring = &self.handle.ring;
        ring.bytes(claim, 0, ring.payload_len(claim, 0))
    }

    /// Releases a claim of [`claim_on_queue`](Self::claim_on_queue) whose message had so many bytes.
    #[inline(always)]
    pub(super) fn release_on_queue(&self, claim: ReadClaim, len: usize) {
        let handle = &self.handle;
        if handle.is_ours() {
            handle.ring.own_read(&claim);
            handle.returning_read(&claim);
            handle.ring.release(claim);
            handle.space().notify(1, false);
            handle.count(1, len as u64);
        }
    }

    /// Counts a call that fails with this error.
    pub(super) fn failing(&self, error: Error) -> Error {
        self.handle.failing(error)
    }

    /// Takes a returned message, if there is one.
    #[cold]
    fn try_returned(&self) -> Option<ReadClaim> {
        let handle = &self.handle;
        let mut seen = handle.hint_seen.get();
        for _ in 0..DISCARDS {
            let Some(claim) = handle.ring.take_returned(handle.index as u16, &mut seen) else {
                break;
            };
            let claim = handle.holding_read(claim);
            if u32::from(claim.times()) <= handle.properties.redelivery_limit {
                if self.has_expired(&claim) {
                    self.let_expire(claim);
                    continue;
                }
                handle.ring.record().redelivered.fetch_add(1, Ordering::Relaxed);
                handle.hint_seen.set(seen);
                return Some(claim);
            }
            self.discard(claim);
        }
        handle.hint_seen.set(seen);
        None
    }

    /// Takes a message that was returned too often off the channel: moves it to the dead letters, or drops it.
    ///
    /// It is held as every taken message is: if this process dies at it, it is returned once more, and the next one who takes
    /// it tries again, as long as the sequence can count. So it may arrive twice, but is not lost. The copy's publication, and the
    /// count, come before the release of the original, which is one.
    #[cold]
    fn discard(&self, claim: ReadClaim) {
        let record = self.handle.ring.record();
        let moved = self
            .dead_letters
            .as_ref()
            .is_some_and(|letters| letters.put(self, &claim).is_ok());
        let counter = if moved { &record.dead_lettered } else { &record.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
        self.let_go(claim);
    }

    #[inline(always)]
    fn claim_at_head(&self, cell: usize, min: u32, max: u32) -> Option<ReadClaim> {
        match self.handle.properties.expiry_ns {
            0 => self.claim_dividing(cell, min, max, |_| false),
            expiry_ns => {
                let claim = self.claim_unexpired(cell, min, max, expiry_ns)?;
                Some(claim)
            }
        }
    }

    /// Claims at the head what is young enough to be delivered, and lets go of what is not. Each round claims a range that is of one
    /// kind, so that nothing has to be given back; who dies in the middle held messages like any other, and they are returned.
    #[inline(never)]
    fn claim_unexpired(&self, cell: usize, min: u32, max: u32, expiry_ns: u64) -> Option<ReadClaim> {
        let ring = &self.handle.ring;
        // Asked when there is a message, and once: what was stale when it was claimed is stale when it is looked at again.
        let now = LazyCell::new(crate::clock::boot_ns);
        let stale = |position| is_older(ring.published_ns(position), expiry_ns, *now);
        let mut expired = 0;
        // A lap at most: producers that send faster than messages expire must not keep a call that has a bound.
        while expired < ring.capacity() {
            let claim = self.claim_dividing(cell, min, max, stale)?;
            if !stale(claim.range().first) {
                return Some(claim);
            }
            expired += u64::from(claim.count());
            self.let_expire(claim);
        }
        None
    }

    /// Whether a returned message is not to be delivered again.
    fn has_expired(&self, claim: &ReadClaim) -> bool {
        let (ring, expiry_ns) = (&self.handle.ring, self.handle.properties.expiry_ns);
        expiry_ns != 0
            && is_older(
                ring.published_ns(claim.range().first),
                expiry_ns,
                crate::clock::boot_ns(),
            )
    }

    /// Releases expired messages. Counted first: who dies in between leaves them to be returned, and expired again.
    fn let_expire(&self, claim: ReadClaim) {
        let expired = &self.handle.ring.record().expired;
        expired.fetch_add(u64::from(claim.count()), Ordering::Relaxed);
        self.let_go(claim);
    }

    #[inline(always)]
    fn claim_dividing(&self, cell: usize, min: u32, max: u32, stale: impl Fn(u64) -> bool) -> Option<ReadClaim> {
        let mut aborted = 0;
        let claim = self.handle.ring.claim_read(cell, min, max, stale, || aborted += 1);
        if aborted > 0 {
            self.stepped_over(aborted);
        }
        claim
    }

    /// There are slots that nobody will release.
    #[cold]
    fn stepped_over(&self, aborted: u32) {
        self.handle
            .ring
            .record()
            .aborted
            .fetch_add(u64::from(aborted), Ordering::Relaxed);
        self.handle.space().notify(aborted, false);
    }

    /// Nothing was claimed: is that the end, or not yet?
    #[cold]
    fn claim_rest(&self, min: u32, max: u32) -> Result<ReadClaim> {
        let handle = &self.handle;
        handle.check_claiming()?;
        let ended = handle.ended();
        // SeqCst: see Producer::try_claim. The flag before the tail is what counts. Of the head, which never passes the tail, an older
        // value only makes the two differ.
        let head = handle.ring.head().load(Ordering::SeqCst);
        if ended != 0 {
            // The flag was read before the tail: see Producer::try_claim. What is left may be less than `min`.
            if handle.ring.tail().load(Ordering::SeqCst) == head {
                return Err(end_error(ended));
            }
            if min > 1 {
                return self.try_claim(1, max).ok_or(Error::Empty);
            }
            return Err(Error::Empty);
        }
        Err(if handle.holds_slots_of(head, min) {
            Error::WouldDeadlock
        } else {
            Error::Empty
        })
    }

    /// The metadata of message `index` of a claim.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    #[must_use]
    pub fn metadata(&self, claim: &ReadClaim, index: u32) -> Metadata {
        let this = self.that_claimed(claim);
        let metadata = Metadata::new(&this.read_meta(claim, index), claim.times());
        match &this.handle.subscriber {
            Some(subscriber) => subscriber.add_missed(metadata, claim, index),
            None => metadata,
        }
    }

    #[inline]
    fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.read_meta(&self.handle.ring, claim, index),
            None => self.handle.ring.read_meta(claim, index),
        }
    }

    /// What the metadata says of a message's length.
    #[inline]
    fn payload_len(&self, claim: &ReadClaim, index: u32) -> u32 {
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.payload_len(&self.handle.ring, claim, index),
            None => self.handle.ring.payload_len(claim, index),
        }
    }

    #[inline]
    fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.bytes(&self.handle.ring, claim, index, len),
            None => self.handle.ring.bytes(claim, index, len),
        }
    }

    /// Has `read` look at the next message, and is done with it, where nothing is in the way; see [`Subscriber::take_at_once`].
    /// `None`, and nothing was done, where anything is different or `read` gives `None`: [`claim`](Self::claim) finds out what.
    #[inline(always)]
    pub(super) fn read_at_once<R>(&self, read: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        let handle = &self.handle;
        let subscriber = handle.subscriber.as_ref()?;
        if handle.properties.checksums() {
            return None;
        }
        let (value, len) = subscriber.read_at_once(handle, read)?;
        handle.count(1, u64::from(len));
        Some(value)
    }

    /// The newest message of a latest channel, whether this consumer has seen it or not.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing was sent yet; [`Error::InvalidArgument`] on other channels; [`Error::TooManyClaims`],
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn claim_newest(&self) -> Result<ReadClaim> {
        match &self.handle.subscriber {
            Some(subscriber) => subscriber.claim_newest(&self.handle),
            None => Err(not_latest()),
        }
    }

    /// How many messages this subscriber missed in all; see [`dmxp::Consumer::missed`](crate::Consumer::missed).
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.handle
            .subscriber
            .as_ref()
            .map_or(0, |subscriber| subscriber.missed())
    }

    /// The payload of message `index` of a claim, in place.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] when the length written there exceeds the slot; [`Error::ChecksumMismatch`].
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline(always)]
    pub fn payload<'a>(&'a self, claim: &'a ReadClaim, index: u32) -> Result<&'a [u8]> {
        let this = self.that_claimed(claim);
        let handle = &this.handle;
        let len = this.payload_len(claim, index);
        let Some(bytes) = this.bytes(claim, index, len) else {
            let error = self.beyond_the_slot(claim.message_id(index), len);
            return Err(handle.failing(error));
        };
        if handle.properties.checksums() {
            let stored = this.read_meta(claim, index).checksum;
            verify(claim.message_id(index), bytes, stored).map_err(|error| handle.failing(error))?;
        }
        Ok(bytes)
    }

    #[cold]
    fn beyond_the_slot(&self, message_id: u64, len: u32) -> Error {
        let limit = self.handle.ring.payload_capacity();
        let reason = format!("its sender says {len} bytes, a slot holds {limit}");
        Error::InvalidMessage { message_id, reason }
    }

    /// The whole slot of message `index` of a claim, checked before.
    #[inline]
    pub(crate) fn slot<'a>(&'a self, claim: &'a ReadClaim, index: u32) -> &'a [u8] {
        let this = self.that_claimed(claim);
        this.bytes(claim, index, this.handle.ring.payload_capacity())
            .unwrap_or_default()
    }

    /// Hands the slots of a claim back to producers.
    ///
    /// # Panics
    /// When the claim is another handle's.
    #[inline(always)]
    pub fn release(&self, claim: ReadClaim) {
        // In a forked child, or after eviction, the slots are not ours to touch.
        let this = self.that_claimed(&claim);
        let handle = &this.handle;
        if handle.is_ours() {
            let limit = handle.ring.payload_capacity();
            let (count, mut bytes) = (claim.count(), 0);
            for index in 0..count {
                bytes += u64::from(this.payload_len(&claim, index).min(limit));
            }
            this.let_go(claim);
            handle.count(count, bytes);
        }
    }

    /// Hands back slots whose messages nobody received, or were counted, in a process whose handle this is.
    #[inline(always)]
    fn let_go(&self, claim: ReadClaim) {
        let count = claim.count();
        self.handle.ring.own_read(&claim);
        if let Some(subscriber) = &self.handle.subscriber {
            return subscriber.release(&self.handle, &claim);
        }
        self.handle.returning_read(&claim);
        self.handle.ring.release(claim);
        self.handle.space().notify(count, false);
    }

    /// Returns the messages of a claim to the channel, to be delivered again, flagged, to whoever comes first; a message that is
    /// returned more often than the channel's limit goes to the dead letters, or is dropped and counted
    /// ([`ChannelInfo::dropped`](crate::ChannelInfo::dropped)). On a broadcast or latest channel the others have the message
    /// anyway: this subscriber gets it once more, if it was the last that it got.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn give_back(&self, claim: ReadClaim) {
        self.give_back_but(claim, u32::MAX);
    }

    /// [`give_back`](Self::give_back), but releases message `bad`, one that cannot be read.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn give_back_but(&self, claim: ReadClaim, bad: u32) {
        let handle = &self.that_claimed(&claim).handle;
        if handle.is_ours() {
            let count = claim.count();
            handle.ring.own_read(&claim);
            if let Some(subscriber) = &handle.subscriber {
                return subscriber.give_back(handle, &claim, bad);
            }
            handle.returning_read(&claim);
            handle.ring.give_back_but(claim, bad);
            handle.data().notify(count, true);
            handle.space().notify(count, false);
        }
    }
}

/// Whether a message published then is older than that. Relaxed: the caller acquired the sequence with which the time was released.
/// A time that has not come yet is no age.
fn is_older(published_ns: &AtomicU64, expiry_ns: u64, now_ns: u64) -> bool {
    now_ns.saturating_sub(published_ns.load(Ordering::Relaxed)) > expiry_ns
}

/// Compares a payload with the checksum stored with it.
fn verify(message_id: u64, payload: &[u8], stored: u32) -> Result<()> {
    match crc32fast::hash(payload) {
        computed if computed == stored => Ok(()),
        computed => Err(Error::ChecksumMismatch {
            message_id,
            stored,
            computed,
        }),
    }
}

pub(super) fn end_error(ended: u32) -> Error {
    if ended & waiters::REMOVED != 0 {
        Error::Removed
    } else {
        debug_assert_eq!(ended, waiters::CLOSED);
        Error::Closed
    }
}

//! Producing bytes.

use super::{Wait, Waiter, WriteClaim};
use crate::delivery::Sender;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::table::delivery::Delivery;
use crate::table::lives::StreamInfo;
use core::fmt;
use core::ptr::NonNull;
use dmxp_schema::model::Schema;

/// A producer of bytes.
// Aligned so that guards find room beside its address; see `typed::guard`.
#[repr(align(16))]
pub struct Producer {
    pub(super) sender: Sender,
    /// The fewest and the most bytes that a message may have: the same on a typed channel, and in packed slots.
    lengths: (u32, u32),
    /// For urgent messages.
    urgent: Option<Box<Producer>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}

handle_accessors!(Producer);

impl Producer {
    /// A producer of a channel's own ring, and of that for urgent messages, where there is one.
    pub(crate) fn new(sender: Sender, urgent: Option<Sender>) -> Self {
        let properties = &sender.handle().properties;
        let most = properties.slots.payload_capacity;
        let lengths = match properties.message_size {
            0 if properties.slots.is_packed() => (most, most),
            0 => (0, most),
            typed => (typed, typed),
        };
        Self {
            lengths,
            sender,
            urgent: urgent.map(|urgent| Box::new(Self::new(urgent, None))),
        }
    }

    #[inline(always)]
    pub(super) fn handle(&self) -> &Handle {
        self.sender.handle()
    }

    /// The producer of urgent messages, on a channel with [priorities](crate::ChannelBuilder::with_priorities); once.
    pub fn take_high(&mut self) -> Option<Self> {
        self.urgent.take().map(|urgent| *urgent)
    }

    /// Error for a producer of urgent messages on a channel without priorities.
    #[must_use]
    pub fn no_priorities(&self) -> Error {
        Error::invalid(format!(
            "channel {} has no priorities: make it with them (with_priorities)",
            self.handle().properties.label()
        ))
    }

    /// Messages that this side sees waiting: those of its own ring.
    fn waiting(&self) -> u64 {
        self.sender.len()
    }

    /// What this producer waits for: space.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter::new(self.handle(), None, false)
    }

    /// The application's number for the messages that follow, on untyped channels.
    pub fn set_message_type(&mut self, message_type: u32) {
        self.sender.meta_mut().set_message_type(message_type);
    }

    /// Claims at least `min` and at most `max` slots, with one atomic operation.
    ///
    /// # Errors
    /// [`Error::Full`] or [`Error::Timeout`]; [`Error::BatchTooLarge`] when `min` slots can never be free at once;
    /// [`Error::Closed`], [`Error::Removed`], [`Error::WouldDeadlock`], [`Error::TooManyClaims`], [`Error::Forked`],
    /// [`Error::Evicted`].
    #[inline(always)]
    pub fn claim(&self, min: usize, max: usize, wait: Wait) -> Result<WriteClaim> {
        let (min, max) = self
            .handle()
            .sizes(min, max)
            .map_err(|error| self.handle().failing(error))?;
        // With `?`, which moves the claim out of the cold call's answer: the answer itself has a place in memory, the claim none.
        Ok(match self.sender.try_claim(min, max) {
            Some(claim) => claim,
            None if wait.is_none() && self.is_just_full(min, wait) => return Err(Error::Full),
            None => self.wait_for(min, wait, || self.sender.try_claim(min, max))?,
        })
    }

    /// Whether an attempt gave nothing for no other reason than that the ring is full: all that a call does that does not wait.
    #[inline(never)]
    fn is_just_full(&self, min: u32, wait: Wait) -> bool {
        let is_just_full = self.sender.is_just_full(min) && !self.handle().registration().has_lost_region();
        if is_just_full {
            self.handle().polled_without_result(wait.is_counted());
        }
        is_just_full
    }

    /// What a call does whose first attempt gave nothing: waits, if it may. The caller's fast path carries nothing of it.
    #[cold]
    #[inline(never)]
    pub(super) fn wait_for<R>(&self, min: u32, wait: Wait, mut attempt: impl FnMut() -> Option<R>) -> Result<R> {
        let (handle, sender) = (self.handle(), &self.sender);
        // Notes how full the channel is, if that is the reason.
        sender.is_just_full(min);
        let outcome = match (sender.why_not(min), wait.deadline()) {
            (Error::Full, None) => {
                handle.polled();
                // There may be room that was made just now.
                attempt().ok_or(Error::Full)
            }
            (Error::Full, Some(deadline)) => {
                let attempt = || {
                    let claimed = attempt().or_else(|| sender.make_room(min).then(&mut attempt).flatten());
                    claimed.ok_or_else(|| sender.why_not(min))
                };
                handle.wait(None, deadline, min, attempt, || sender.has_more())
            }
            (error, _) => Err(error),
        };
        outcome.map_err(|error| handle.failing_call(error, wait.is_counted()))
    }

    /// The bytes of message `index` of a claim, as many as a slot holds. They contain what an earlier message left there.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline(always)]
    #[must_use]
    pub fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        self.sender.payload_mut(claim, index)
    }

    /// The bytes of message `index` of a claim, to look at what was written.
    ///
    /// # Panics
    /// When the claim is another handle's or has no such message.
    #[inline]
    #[must_use]
    pub fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        self.sender.written(claim, index)
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
        self.handle().ring.own_write(&claim);
        let mut writing = Writing::of(self, claim);
        let timestamp_ns = self.sender.meta().now_ns();
        for index in 0..writing.claim().count() {
            let len = len(index);
            self.describe(writing.claim(), index, len, timestamp_ns)?;
        }
        writing.publish()
    }

    /// Writes the metadata of message `index` of a claim, whose payload of `len` bytes is there.
    #[inline(always)]
    pub(crate) fn describe(&self, claim: &mut WriteClaim, index: u32, len: usize, timestamp_ns: u64) -> Result<()> {
        self.check_length(len)?;
        self.sender.describe(claim, index, len, timestamp_ns);
        Ok(())
    }

    /// The time for messages that are published now.
    pub(crate) fn now_ns(&self) -> u64 {
        self.sender.meta().now_ns()
    }

    /// Whether a message of this channel can have so many bytes.
    #[inline(always)]
    pub(crate) fn check_length(&self, len: usize) -> Result<()> {
        if len < self.lengths.0 as usize || len > self.lengths.1 as usize {
            return Err(self.wrong_length(len));
        }
        Ok(())
    }

    #[cold]
    fn wrong_length(&self, len: usize) -> Error {
        let handle = self.handle();
        let limit = self.payload_capacity();
        handle.failing(match handle.properties.message_size {
            0 if self.is_packed() => Error::invalid(format!(
                "payload of {len} bytes; in the packed slots of this channel each has {limit}"
            )),
            0 => Error::PayloadTooLarge { len, limit },
            typed_size => Error::invalid(format!(
                "payload of {len} bytes; messages of this channel have {typed_size}"
            )),
        })
    }

    /// Sends one message of these bytes; its id.
    #[inline(always)]
    pub(crate) fn send_one(&self, payload: &[u8], wait: Wait) -> Result<u64> {
        self.check_length(payload.len())?;
        match self.sender.send_at_once(payload) {
            Some(id) => Ok(id),
            None => self.send_one_later(payload, wait),
        }
    }

    /// The same of a message of the channel's type.
    #[inline(always)]
    pub(crate) fn send_typed(&self, payload: &[u8], wait: Wait) -> Result<u64> {
        // Of a typed channel, both lengths are the message's; the usual way finds out what is wrong elsewhere.
        if self.lengths.0 as usize == payload.len()
            && let Some(id) = self.sender.send_at_once(payload)
        {
            return Ok(id);
        }
        self.send_one_later(payload, wait)
    }

    #[cold]
    #[inline(never)]
    fn send_one_later(&self, payload: &[u8], wait: Wait) -> Result<u64> {
        Ok(self.send_messages(1, 1, wait, |_| payload)?.0)
    }

    /// Sends at least `min` and at most `max` messages, visible at once; the id of the first, and how many: none is (0, 0). `payload` gives
    /// the bytes of each, the same each time.
    pub(crate) fn send_messages<'a>(
        &self,
        min: usize,
        max: usize,
        wait: Wait,
        payload: impl Fn(u32) -> &'a [u8],
    ) -> Result<(u64, usize)> {
        if max == 0 {
            return Ok((0, 0));
        }
        let handle = self.handle();
        let (min, max) = handle.sizes(min, max).map_err(|error| handle.failing(error))?;
        for index in 0..max {
            self.check_length(payload(index).len())?;
        }
        let attempt = || self.sender.try_send(min, max, &payload);
        let (id, count) = match attempt() {
            Some(sent) => sent,
            None if wait.is_none() && self.is_just_full(min, wait) => return Err(Error::Full),
            None => self.wait_for(min, wait, attempt)?,
        };
        Ok((id, count as usize))
    }

    /// Claims `min` to `max` slots, has `write` fill them and say how many bytes each message has, and publishes them. The id
    /// of the first, and how many.
    pub(crate) fn send_with(
        &self,
        min: usize,
        max: usize,
        wait: Wait,
        write: impl Fn(u32, &mut [u8]) -> Result<usize>,
    ) -> Result<(u64, usize)> {
        if max == 0 {
            return Ok((0, 0));
        }
        let mut writing = Writing::of(self, self.claim(min, max, wait)?);
        let timestamp_ns = self.now_ns();
        let (id, count) = (writing.claim().message_id(0), writing.claim().count());
        for index in 0..count {
            let len = write(index, writing.slot(index))?;
            self.describe(writing.claim(), index, len, timestamp_ns)?;
        }
        writing.publish()?;
        Ok((id, count as usize))
    }

    /// Claims one message of `len` bytes to be written in place: where its payload is to go, and the number of the claim's
    /// entry.
    #[inline(always)]
    pub(crate) fn claim_place(&self, len: usize, wait: Wait) -> Result<(NonNull<u8>, usize)> {
        // As in `send_typed`; with `?`, as in `claim`.
        Ok(
            if self.lengths.0 as usize == len
                && let Some(place) = self.sender.claim_at_once()
            {
                (place, 0)
            } else {
                self.claim_place_later(len, wait)?
            },
        )
    }

    #[cold]
    #[inline(never)]
    fn claim_place_later(&self, len: usize, wait: Wait) -> Result<(NonNull<u8>, usize)> {
        self.check_length(len)?;
        let claim = self.claim(1, 1, wait)?;
        self.place_of(claim, len)
    }

    /// Where the payload of a claim of one message is to go, of `len` bytes, and the number of the claim's entry.
    pub(crate) fn place_of(&self, mut claim: WriteClaim, len: usize) -> Result<(NonNull<u8>, usize)> {
        if let Err(error) = self.check_length(len) {
            self.abort(claim);
            return Err(error);
        }
        let place = NonNull::from(self.payload_mut(&mut claim, 0)).cast();
        Ok((place, claim.entry()))
    }

    /// Publishes the claim of an entry, of one message of the `len` bytes it was claimed for; its id. Gives it up where that cannot be
    /// done.
    #[inline(always)]
    pub(crate) fn publish_entry(&self, entry: usize, len: usize) -> Result<u64> {
        // With `?`, as in `claim`.
        Ok(match self.sender.publish_at_once(len) {
            Some(id) => {
                debug_assert!(entry == 0, "there is no other claim");
                id
            }
            None => self.sender.publish_entry(entry, len)?,
        })
    }

    /// Gives the claim of an entry up.
    #[cold]
    pub(crate) fn abort_entry(&self, entry: usize) {
        self.abort(self.sender.claim_of(entry));
    }

    /// Makes a claim visible whose messages are all described. Gives it up where that cannot be done.
    #[inline]
    pub(crate) fn publish_described(&self, claim: WriteClaim) -> Result<()> {
        self.sender.publish(claim)
    }

    /// Gives a claim up; consumers never see its messages.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn abort(&self, claim: WriteClaim) {
        self.sender.abort(claim);
    }
}

/// A claim on the writing side; aborted unless it is published.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    producer: &'a Producer,
    /// `None` once it was published.
    claim: Option<WriteClaim>,
}

impl<'a> Writing<'a> {
    #[inline(always)]
    pub(crate) fn of(producer: &'a Producer, claim: WriteClaim) -> Self {
        Self {
            producer,
            claim: Some(claim),
        }
    }

    /// A claim of nothing.
    pub(crate) fn nothing(producer: &'a Producer) -> Self {
        Self { producer, claim: None }
    }

    #[inline(always)]
    pub(crate) fn claim(&mut self) -> &mut WriteClaim {
        self.claim
            .as_mut()
            .expect("only publishing takes the claim, and it takes the guard with it")
    }

    /// Whether there is no claim.
    pub(crate) fn is_nothing(&self) -> bool {
        self.claim.is_none()
    }

    /// The first `len` bytes of each message's slot, which has so many.
    pub(crate) fn slots(&mut self, len: usize) -> Vec<NonNull<[u8]>> {
        let producer = self.producer;
        let Some(claim) = &mut self.claim else {
            return Vec::new();
        };
        // From one borrow where they lie side by side: a second one of the whole would end the first.
        if let Ok(stretch) = producer.stretch_mut(claim) {
            return stretch.chunks_exact_mut(len).map(NonNull::from).collect();
        }
        let count = claim.count();
        (0..count)
            .map(|index| NonNull::from(&mut producer.payload_mut(claim, index)[..len]))
            .collect()
    }

    /// The bytes of message `index`'s slot.
    #[inline(always)]
    pub(crate) fn slot(&mut self, index: u32) -> &mut [u8] {
        let producer = self.producer;
        producer.payload_mut(self.claim(), index)
    }

    /// Publishes messages that are all described.
    #[inline]
    pub(crate) fn publish(mut self) -> Result<()> {
        match self.claim.take() {
            Some(claim) => self.producer.publish_described(claim),
            None => Ok(()),
        }
    }
}

impl Drop for Writing<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.producer.abort(claim);
        }
    }
}

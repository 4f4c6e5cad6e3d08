//! Producing bytes.

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::{META_FLAG_DEAD_LETTER, MessageMeta};
use crate::open::Opened;
use crate::raw::{Consumer, ReadClaim, Wait, Waiter, WriteClaim, end_error};
use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::queue::produce::is_writable;
use crate::ring::word::Phase;
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::typed::guard::Writing;
use core::fmt;
use dmxp_schema::model::Schema;

/// A producer of bytes.
pub struct Producer {
    pub(super) handle: Handle,
    message_type: u32,
    /// For urgent messages.
    high: Option<Box<Producer>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

handle_accessors!(Producer);

impl Producer {
    pub(crate) fn new(opened: Opened, message_type: u32) -> Self {
        let high = opened.high.map(|high| Box::new(Self::to(high.handle, message_type)));
        Self {
            high,
            ..Self::to(opened.ring.handle, message_type)
        }
    }

    pub(crate) fn to(handle: Handle, message_type: u32) -> Self {
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
        if let Some(sender) = handle.sender() {
            return self.claim_packed(sender, min, max, wait);
        }
        if let Some(publisher) = &handle.publisher {
            // As below.
            return Ok(match publisher.claim_at_once(handle, min, max) {
                Some(claim) => claim,
                None => publisher.claim(handle, min, max, wait)?,
            });
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
    #[inline(always)]
    #[must_use]
    pub fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        if let Some(sender) = self.handle.sender() {
            self.handle.ring.own_write(claim);
            let (size, index) = (sender.ring().size(), index as usize);
            // SAFETY: only this claim leads to them, of which there is one, and it is borrowed uniquely.
            return &mut unsafe { sender.bytes_mut() }[index * size..(index + 1) * size];
        }
        if let Some(publisher) = &self.handle.publisher {
            self.handle.ring.own_write(claim);
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
        if let Some(sender) = self.handle.sender() {
            self.handle.ring.own_write(claim);
            let (size, index) = (sender.ring().size(), index as usize);
            // SAFETY: they are written through the claim only, which is borrowed.
            return &unsafe { sender.bytes() }[index * size..(index + 1) * size];
        }
        if let Some(publisher) = &self.handle.publisher {
            self.handle.ring.own_write(claim);
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
        let timestamp_ns = crate::os::clock::now_ns();
        for index in 0..writing.claim().count() {
            let len = len(index);
            self.describe(writing.claim(), index, len, timestamp_ns)?;
        }
        writing.publish_described()
    }

    /// Writes the metadata of message `index` of a claim, whose payload of `len` bytes is there.
    #[inline(always)]
    pub(crate) fn describe(&self, claim: &mut WriteClaim, index: u32, len: usize, timestamp_ns: u64) -> Result<()> {
        let handle = &self.handle;
        self.check_length(len)?;
        if handle.sender().is_some() {
            return Ok(());
        }
        if let Some(publisher) = &handle.publisher {
            handle.ring.own_write(claim);
            let payload = &publisher.bytes(&handle.ring, claim, index)[..len];
            let meta = self.meta(claim.message_id(index), payload, timestamp_ns);
            publisher.describe(claim.cell(), index, meta);
            return Ok(());
        }
        let payload = &handle.ring.written(claim, index)[..len];
        let meta = self.meta(claim.message_id(index), payload, timestamp_ns);
        handle.ring.write_meta(claim, index, meta);
        Ok(())
    }

    /// Whether a message of this channel can have so many bytes.
    #[inline]
    pub(crate) fn check_length(&self, len: usize) -> Result<()> {
        let properties = &self.handle.properties;
        let (typed_size, most) = (
            properties.message_size as usize,
            properties.slots.payload_capacity as usize,
        );
        if len > most || (typed_size != 0 && len != typed_size) || (properties.slots.is_packed() && len != most) {
            return Err(self.wrong_length(len));
        }
        Ok(())
    }

    #[cold]
    fn wrong_length(&self, len: usize) -> Error {
        let limit = self.payload_capacity();
        self.handle.failing(match self.handle.properties.message_size {
            0 if self.handle.properties.slots.is_packed() => Error::invalid(format!(
                "payload of {len} bytes; in the packed slots of this channel each has {limit}"
            )),
            0 => Error::PayloadTooLarge { len, limit },
            typed_size => Error::invalid(format!(
                "payload of {len} bytes; messages of this channel have {typed_size}"
            )),
        })
    }

    /// What is said of a message besides its payload. Always inline: its fields go to the slot, and not by way of the stack.
    #[inline(always)]
    pub(crate) fn meta(&self, message_id: u64, payload: &[u8], timestamp_ns: u64) -> MessageMeta {
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
    pub(crate) fn send_directly<'a>(
        &self,
        sizes: (usize, usize),
        wait: Wait,
        payload: impl Fn(u32) -> &'a [u8],
    ) -> Option<Result<(u64, usize)>> {
        if let Some(sender) = self.handle.sender() {
            return Some(self.send_each_packed(sender, sizes, wait, payload));
        }
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
    pub(crate) fn send_one(&self, payload: &[u8], wait: Wait) -> Result<u64> {
        if let Some(sender) = self.handle.sender() {
            return self.send_one_packed(sender, payload, wait);
        }
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
        let meta = self.meta(id, payload, crate::os::clock::now_ns());
        self.handle.ring.write_meta(&mut claim, 0, meta);
        if !self.handle.is_ours() {
            // Nor are the slots ours to give up.
            return Err(self.handle.lost());
        }
        self.publish_ours(claim, payload.len() as u64);
        Ok(id)
    }

    /// Publishes a claim of messages of `len` bytes each, which are all written; the id of the first. Aborts it where it cannot.
    #[inline(always)]
    pub(crate) fn publish_alike(&self, mut claim: WriteClaim, len: usize) -> Result<u64> {
        let (id, timestamp_ns) = (claim.message_id(0), crate::os::clock::now_ns());
        for index in 0..claim.count() {
            if let Err(error) = self.describe(&mut claim, index, len, timestamp_ns) {
                self.abort(claim);
                return Err(error);
            }
        }
        self.publish_described(claim).map(|()| id)
    }

    /// Makes a claim visible whose messages are all described. Aborts it where it cannot.
    #[inline]
    pub(crate) fn publish_described(&self, claim: WriteClaim) -> Result<()> {
        if let Some(sender) = self.handle.sender() {
            self.handle.ring.own_write(&claim);
            return sender.publish(&self.handle).map_err(|error| self.handle.failing(error));
        }
        if let Some(publisher) = &self.handle.publisher {
            self.handle.ring.own_write(&claim);
            let bytes = publisher.publish_staged(&self.handle, claim.range(), claim.cell());
            return match bytes {
                Ok(bytes) => {
                    self.handle.count(claim.count(), bytes);
                    Ok(())
                }
                Err(error) => {
                    self.abort(claim);
                    Err(error)
                }
            };
        }
        if !self.handle.is_ours() {
            // Nor are the slots ours to give up.
            return Err(self.handle.lost());
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
            handle.ring.date(claim.range(), crate::os::clock::boot_ns());
        }
        let (count, cell) = (claim.count(), claim.cell());
        handle.ring.publish(claim);
        handle.let_go(cell);
        handle.count(count, bytes);
        handle.data().notify(count, self.always());
    }

    /// Copies a message of another channel to this one, metadata and all, and marks it as a dead letter.
    #[cold]
    pub(crate) fn put(&self, from: &Consumer, letter: &ReadClaim) -> Result<()> {
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
        self.publish_described(claim)
    }

    /// Gives a claim up; consumers never see its messages.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn abort(&self, claim: WriteClaim) {
        if let Some(sender) = self.handle.sender() {
            self.handle.ring.own_write(&claim);
            return sender.abort();
        }
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

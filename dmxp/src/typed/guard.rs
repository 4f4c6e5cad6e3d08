//! Claims and the references into their slots, kept together: the only unsafe code above the ring.
//!
//! A guard owns its claim until it is dropped, published or given back, and hands out references that borrow the guard. What
//! it refers to was validated when the guard was made, so that looking costs no more than a pointer.

use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::message::{DmxpMessage, bytes_of, ref_from_bytes};
use crate::raw::{Consumer, Producer, ReadClaim, Wait, WriteClaim};
use crate::ring::mapped::{copy, view_mut};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

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

    #[inline]
    pub(crate) fn new(producer: &'a Producer, count: usize, wait: Wait) -> Result<Self> {
        Ok(Self::of(producer, producer.claim(count, count, wait)?))
    }

    #[inline(always)]
    pub(crate) fn claim(&mut self) -> &mut WriteClaim {
        self.claim
            .as_mut()
            .expect("only publishing takes the claim, and it takes the guard with it")
    }

    /// The bytes of message `index`'s slot.
    #[inline(always)]
    pub(crate) fn slot(&mut self, index: u32) -> &mut [u8] {
        let producer = self.producer;
        producer.payload_mut(self.claim(), index)
    }

    /// Publishes messages that are all described.
    #[inline]
    pub(crate) fn publish_described(mut self) -> Result<()> {
        match self.claim.take() {
            Some(claim) => self.producer.publish_described(claim),
            None => Ok(()),
        }
    }

    /// Publishes messages of `len` bytes each; the id of the first.
    #[inline(always)]
    pub(crate) fn publish(mut self, len: usize) -> Result<u64> {
        let Some(claim) = self.claim.take() else {
            unreachable!("only publishing takes the claim, and it takes the guard with it")
        };
        self.producer.publish_alike(claim, len)
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

/// The first `len` bytes of message `index`'s slot, filled with zeros.
#[inline(always)]
fn zeroed<'a>(producer: &'a Producer, claim: &'a mut WriteClaim, index: u32, len: usize) -> Result<&'a mut [u8]> {
    let slot = producer.payload_mut(claim, index);
    let limit = slot.len();
    let Some(bytes) = slot.get_mut(..len) else {
        return Err(Error::PayloadTooLarge { len, limit });
    };
    bytes.fill(0);
    Ok(bytes)
}

/// Zeros a slot and views it as a message.
#[inline(always)]
fn zeroed_message<'a, T: DmxpMessage>(
    producer: &'a Producer,
    claim: &'a mut WriteClaim,
    index: u32,
) -> Result<&'a mut T> {
    let bytes = zeroed(producer, claim, index, size_of::<T>())?;
    view_mut(bytes).map_err(|invalid| Error::NoZeroValue {
        reason: invalid.to_string(),
    })
}

/// A claimed slot, written in place. Dropping it aborts the claim: consumers never see it.
pub struct Claim<'a, T> {
    writing: Writing<'a>,
    /// The message in the slot, valid and ours alone while `writing` holds the claim.
    message: NonNull<T>,
}

impl<'a, T: DmxpMessage> Claim<'a, T> {
    #[inline(always)]
    pub(crate) fn zeroed(producer: &'a Producer, wait: Wait) -> Result<Self> {
        let mut claim = producer.claim(1, 1, wait)?;
        // As in Message::of.
        match zeroed_message::<T>(producer, &mut claim, 0).map(NonNull::from) {
            Ok(message) => Ok(Self {
                writing: Writing::of(producer, claim),
                message,
            }),
            Err(error) => {
                producer.abort(claim);
                Err(error)
            }
        }
    }

    pub(crate) fn holding(producer: &'a Producer, message: &T, wait: Wait) -> Result<Self> {
        let mut writing = Writing::new(producer, 1, wait)?;
        let bytes = zeroed(producer, writing.claim(), 0, size_of::<T>())?;
        bytes.copy_from_slice(bytes_of(message));
        let message = NonNull::from(view_mut::<T>(bytes).map_err(|invalid| Error::InvalidArgument {
            what: format!("the message is not valid: {invalid}"),
        })?);
        Ok(Self { writing, message })
    }

    /// Makes the message visible. Returns its id.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    #[inline(always)]
    pub fn publish(self) -> Result<u64> {
        self.writing.publish(size_of::<T>())
    }
}

impl<T: fmt::Debug> fmt::Debug for Claim<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Deref for Claim<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: valid since the guard was made, in a slot that is this claim's alone until the guard goes; the mapping lives
        // as long as the producer, which the guard borrows.
        unsafe { self.message.as_ref() }
    }
}

impl<T> DerefMut for Claim<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`; the guard is borrowed uniquely.
        unsafe { self.message.as_mut() }
    }
}

/// Claimed slots, written in place and published together. Dropping it aborts the claim: consumers never see it.
#[derive(Debug)]
pub struct ClaimBatch<'a, T> {
    writing: Writing<'a>,
    count: u32,
    message: PhantomData<fn(&T)>,
}

impl<'a, T: DmxpMessage> ClaimBatch<'a, T> {
    pub(crate) fn zeroed(producer: &'a Producer, count: usize, wait: Wait) -> Result<Self> {
        let mut writing = Writing::new(producer, count, wait)?;
        let count = writing.claim().count();
        for index in 0..count {
            zeroed_message::<T>(producer, writing.claim(), index)?;
        }
        Ok(Self {
            writing,
            count,
            message: PhantomData,
        })
    }

    /// Messages in the claim, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a claim is never empty")]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The message at `index`, in its slot.
    ///
    /// # Panics
    /// When `index` is not less than [`len`](Self::len).
    #[must_use]
    pub fn get_mut(&mut self, index: usize) -> &mut T {
        assert!(index < self.len(), "message {index} of a claim of {}", self.count);
        let slot = NonNull::from(self.writing.slot(index as u32));
        // SAFETY: the slot is large enough and aligned for T and holds a valid T, as `zeroed` has seen, and only valid values
        // were written since; it is this claim's alone, and borrowed uniquely with the guard.
        unsafe { slot.cast::<T>().as_mut() }
    }

    /// Makes all messages visible at once. Returns the first one's id; the others follow without a gap.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn publish(self) -> Result<u64> {
        self.writing.publish(size_of::<T>())
    }
}

/// A claimed slot for bytes. Dropping it aborts the claim: consumers never see it.
#[derive(Debug)]
pub struct ByteClaim<'a> {
    writing: Writing<'a>,
    /// As [`Claim::message`].
    bytes: NonNull<[u8]>,
}

impl<'a> ByteClaim<'a> {
    pub(crate) fn zeroed(producer: &'a Producer, len: usize, wait: Wait) -> Result<Self> {
        let limit = producer.payload_capacity();
        if len > limit {
            return Err(Error::PayloadTooLarge { len, limit });
        }
        let mut writing = Writing::new(producer, 1, wait)?;
        let bytes = NonNull::from(zeroed(producer, writing.claim(), 0, len)?);
        Ok(Self { writing, bytes })
    }

    /// Makes the message visible. Returns its id.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn publish(self) -> Result<u64> {
        let len = self.len();
        self.writing.publish(len)
    }
}

impl Deref for ByteClaim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: as for `Claim::deref`.
        unsafe { self.bytes.as_ref() }
    }
}

impl DerefMut for ByteClaim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `Claim::deref_mut`.
        unsafe { self.bytes.as_mut() }
    }
}

/// A claim on the reading side; released when dropped.
#[derive(Debug)]
struct Reading<'a> {
    consumer: &'a Consumer,
    /// `None` once it was given back.
    claim: Option<ReadClaim>,
}

impl<'a> Reading<'a> {
    #[inline(always)]
    fn of(consumer: &'a Consumer, claim: ReadClaim) -> Self {
        Self {
            consumer,
            claim: Some(claim),
        }
    }

    #[inline]
    fn new(consumer: &'a Consumer, min: usize, max: usize, wait: Wait) -> Result<Self> {
        Ok(Self::of(consumer, consumer.claim(min, max, wait)?))
    }

    #[inline(always)]
    fn claim(&self) -> &ReadClaim {
        self.claim
            .as_ref()
            .expect("only giving back takes the claim, and no message is looked at after that")
    }

    #[inline(always)]
    fn message<T: DmxpMessage>(&self, index: u32) -> Result<&T> {
        message(self.consumer, self.claim(), index)
    }

    #[inline]
    fn metadata(&self, index: u32) -> Metadata {
        self.consumer.metadata(self.claim(), index)
    }
}

impl Drop for Reading<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.consumer.release(claim);
        }
    }
}

/// Message `index` of a claim, validated.
#[inline(always)]
fn message<'a, T: DmxpMessage>(consumer: &'a Consumer, claim: &'a ReadClaim, index: u32) -> Result<&'a T> {
    ref_from_bytes(consumer.payload(claim, index)?)
        .map_err(|reason| invalid(consumer, claim.message_id(index), &reason))
}

#[cold]
fn invalid(consumer: &Consumer, message_id: u64, reason: &dyn fmt::Display) -> Error {
    consumer.failing(Error::InvalidMessage {
        message_id,
        reason: reason.to_string(),
    })
}

/// Receives a message by copy: copied first, validated then.
#[inline]
pub(crate) fn copy_out<T: DmxpMessage>(consumer: &Consumer, wait: Wait) -> Result<T> {
    if matches!(wait, Wait::No) && consumer.sees_nothing() {
        return Err(Error::Empty);
    }
    // No guards: nothing of the user's runs before the release, and what validates never panics.
    let Some(claim) = consumer.claim_on_queue() else {
        if let Some(message) = consumer.read_at_once(|payload| copy(payload).ok()) {
            return Ok(message);
        }
        return copy_claimed(consumer, consumer.claim_else(wait)?);
    };
    match consumer.payload_on_queue(&claim) {
        Some(payload) if payload.len() == size_of::<T>() => {
            let copied = copy(payload);
            let id = claim.message_id(0);
            consumer.release_on_queue(claim, size_of::<T>());
            copied.map_err(|reason| invalid(consumer, id, &reason))
        }
        _ => copy_claimed(consumer, claim),
    }
}

/// Copies the message of a claim of one and releases it.
#[cold]
fn copy_claimed<T: DmxpMessage>(consumer: &Consumer, claim: ReadClaim) -> Result<T> {
    let copied = match consumer.payload(&claim, 0) {
        Ok(payload) => copy(payload).map_err(|reason| invalid(consumer, claim.message_id(0), &reason)),
        Err(error) => Err(error),
    };
    consumer.release(claim);
    copied
}

/// A message, borrowed in its slot. Dropping it releases the slot.
pub struct Message<'a, T> {
    reading: Reading<'a>,
    /// The message in the slot, valid and unchanging while `reading` holds the claim.
    message: NonNull<T>,
}

impl<'a, T: DmxpMessage> Message<'a, T> {
    #[inline(always)]
    pub(crate) fn claim(consumer: &'a Consumer, wait: Wait) -> Result<Self> {
        if matches!(wait, Wait::No) && consumer.sees_nothing() {
            return Err(Error::Empty);
        }
        let Some(claim) = consumer.claim_on_queue() else {
            return Self::of(consumer, consumer.claim_else(wait)?);
        };
        let payload = consumer.payload_on_queue(&claim);
        match payload
            .and_then(|payload| ref_from_bytes(payload).ok())
            .map(NonNull::from)
        {
            Some(message) => Ok(Self {
                reading: Reading::of(consumer, claim),
                message,
            }),
            // Which finds the same, and says what.
            None => Self::of(consumer, claim),
        }
    }

    pub(crate) fn newest(consumer: &'a Consumer) -> Result<Self> {
        Self::of(consumer, consumer.claim_newest()?)
    }

    /// The message of a claim of one.
    #[inline(never)]
    pub(crate) fn of(consumer: &'a Consumer, claim: ReadClaim) -> Result<Self> {
        // Looked at before the guard is made, which is then written once, where it stays.
        match message(consumer, &claim, 0).map(NonNull::from) {
            Ok(message) => Ok(Self {
                reading: Reading::of(consumer, claim),
                message,
            }),
            Err(error) => {
                consumer.release(claim);
                Err(error)
            }
        }
    }

    /// What came with the message.
    #[must_use]
    #[inline]
    pub fn metadata(&self) -> Metadata {
        self.reading.metadata(0)
    }

    /// Returns the message to the channel, to be delivered again, flagged, to whoever comes first.
    pub fn give_back(mut self) {
        if let Some(claim) = self.reading.claim.take() {
            self.reading.consumer.give_back(claim);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Message<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Deref for Message<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: validated when the guard was made; nobody writes a slot that is claimed for reading, and the guard, which
        // the reference borrows, holds the claim; the mapping lives as long as the consumer, which the guard borrows.
        unsafe { self.message.as_ref() }
    }
}

/// Messages claimed together, borrowed in their slots. Dropping it releases them all.
#[derive(Debug)]
pub struct Batch<'a, T> {
    reading: Reading<'a>,
    count: u32,
    message: PhantomData<fn() -> T>,
}

impl<'a, T: DmxpMessage> Batch<'a, T> {
    pub(crate) fn claim(consumer: &'a Consumer, min: usize, max: usize, wait: Wait) -> Result<Self> {
        let mut reading = Reading::new(consumer, min, max, wait)?;
        let count = reading.claim().count();
        for index in 0..count {
            if let Err(error) = reading.message::<T>(index) {
                if let Some(claim) = reading.claim.take() {
                    consumer.give_back_but(claim, index);
                }
                return Err(error);
            }
        }
        Ok(Self {
            reading,
            count,
            message: PhantomData,
        })
    }

    /// Messages in the batch, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a claim is never empty")]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The message at `index`; `None` when there are not so many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len() {
            return None;
        }
        let slot = NonNull::from(self.reading.consumer.slot(self.reading.claim(), index as u32));
        // SAFETY: length, alignment and value were checked when the guard was made; see `Message::deref` for the rest.
        Some(unsafe { slot.cast::<T>().as_ref() })
    }

    /// What came with the message at `index`; `None` when there are not so many.
    #[must_use]
    pub fn metadata(&self, index: usize) -> Option<Metadata> {
        (index < self.len()).then(|| self.reading.metadata(index as u32))
    }

    /// The messages in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        (0..self.len()).map(|index| self.get(index).expect("index is in range"))
    }
}

impl<T: DmxpMessage> core::ops::Index<usize> for Batch<'_, T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index)
            .unwrap_or_else(|| panic!("message {index} of a batch of {}", self.count))
    }
}

/// Bytes, borrowed in their slot. Dropping it releases the slot.
#[derive(Debug)]
pub struct Bytes<'a> {
    reading: Reading<'a>,
    /// As [`Message::message`].
    bytes: NonNull<[u8]>,
}

impl<'a> Bytes<'a> {
    #[inline(always)]
    pub(crate) fn claim(consumer: &'a Consumer, wait: Wait) -> Result<Self> {
        Self::of(consumer, consumer.claim(1, 1, wait)?)
    }

    pub(crate) fn newest(consumer: &'a Consumer) -> Result<Self> {
        Self::of(consumer, consumer.claim_newest()?)
    }

    /// The message of a claim of one.
    #[inline(always)]
    pub(crate) fn of(consumer: &'a Consumer, claim: ReadClaim) -> Result<Self> {
        // As in Message::of.
        match consumer.payload(&claim, 0).map(NonNull::from) {
            Ok(bytes) => Ok(Self {
                reading: Reading::of(consumer, claim),
                bytes,
            }),
            Err(error) => {
                consumer.release(claim);
                Err(error)
            }
        }
    }

    /// What came with the message.
    #[must_use]
    #[inline]
    pub fn metadata(&self) -> Metadata {
        self.reading.metadata(0)
    }

    /// Returns the message to the channel, to be delivered again, flagged, to whoever comes first.
    pub fn give_back(mut self) {
        if let Some(claim) = self.reading.claim.take() {
            self.reading.consumer.give_back(claim);
        }
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: as for `Message::deref`; any bytes are valid.
        unsafe { self.bytes.as_ref() }
    }
}

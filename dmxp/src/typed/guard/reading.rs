//! Messages that were received, borrowed in their slots or copied out: dropping them releases the slots.

use super::Owner;
use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::message::{DmxpMessage, is_valid, ref_from_bytes};
use crate::raw::{Consumer, ReadClaim, Wait};
use crate::ring::mapped::{copy, copy_into};
use crate::ring::strided::Strided;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::Deref;
use core::ptr::NonNull;

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

    /// Holds nothing.
    fn nothing(consumer: &'a Consumer) -> Self {
        Self { consumer, claim: None }
    }

    fn give_back(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.consumer.give_back(claim);
        }
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

    /// Looks at each message by itself. The first that is no valid `T` is set aside, and named in the error; the others are put back.
    #[cold]
    fn check_each<T: DmxpMessage>(&mut self) -> Result<()> {
        for index in 0..self.claim().count() {
            if let Err(error) = self.message::<T>(index) {
                if let Some(claim) = self.claim.take() {
                    self.consumer.put_back(claim, Some(index));
                }
                return Err(error);
            }
        }
        Ok(())
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
#[inline(always)]
pub(in crate::typed) fn copy_out<T: DmxpMessage>(consumer: &Consumer, wait: Wait) -> Result<T> {
    let mut message = MaybeUninit::<T>::uninit();
    match consumer.read_at_once(|payload| copy_into(payload, &mut message)) {
        // SAFETY: it was copied whole, and found valid.
        Some(()) => Ok(unsafe { message.assume_init() }),
        None => copy_later(consumer, wait),
    }
}

/// The same where the shortest way gave nothing.
#[inline(never)]
fn copy_later<T: DmxpMessage>(consumer: &Consumer, wait: Wait) -> Result<T> {
    if wait.is_none() && consumer.is_just_empty(wait) {
        return Err(Error::Empty);
    }
    copy_claimed(consumer, consumer.claim_one_later(wait)?)
}

/// Copies the message of a claim of one and releases it.
#[cold]
fn copy_claimed<T: DmxpMessage>(consumer: &Consumer, claim: ReadClaim) -> Result<T> {
    let copied = match consumer.payload(&claim, 0) {
        Ok(payload) => copy(payload).map_err(|reason| invalid(consumer, claim.message_id(0), &reason)),
        Err(error) => Err(error),
    };
    match copied {
        Ok(_) => consumer.release(claim),
        Err(_) => consumer.put_back(claim, Some(0)),
    }
    copied
}

/// A message, borrowed in its slot. Dropping it releases the slot.
pub struct Message<'a, T> {
    consumer: Owner<'a, Consumer>,
    /// Where a valid message lies, unchanging while the claim is held.
    message: NonNull<T>,
}

impl<'a, T: DmxpMessage> Message<'a, T> {
    #[inline(always)]
    pub(in crate::typed) fn claim(consumer: &'a Consumer, wait: Wait) -> Result<Self> {
        // With `?`, which moves the guard out of a cold call's answer: the answer itself has a place in memory, the guard none.
        Ok(match consumer.claim_at_once(size_of::<T>()) {
            Some(payload) => {
                // SAFETY: so many bytes lie there, claimed for reading, and are not written while the claim is held.
                let bytes = unsafe { core::slice::from_raw_parts(payload.as_ptr(), size_of::<T>()) };
                if is_valid::<T>(bytes) {
                    Self {
                        consumer: Owner::new(consumer, 0),
                        message: payload.cast(),
                    }
                } else {
                    // Which finds the same, and says what.
                    Self::of(consumer, consumer.claim_of(0))?
                }
            }
            None => Self::claim_later(consumer, wait)?,
        })
    }

    #[inline(never)]
    fn claim_later(consumer: &'a Consumer, wait: Wait) -> Result<Self> {
        if wait.is_none() && consumer.is_just_empty(wait) {
            return Err(Error::Empty);
        }
        Self::of(consumer, consumer.claim_one_later(wait)?)
    }

    pub(in crate::typed) fn newest(consumer: &'a Consumer) -> Result<Self> {
        Self::of(consumer, consumer.claim_newest()?)
    }

    /// The message of a claim of one.
    #[inline(never)]
    pub(crate) fn of(consumer: &'a Consumer, claim: ReadClaim) -> Result<Self> {
        // Looked at before the guard is made, which is then written once, where it stays.
        match message::<T>(consumer, &claim, 0).map(NonNull::from) {
            Ok(message) => Ok(Self {
                consumer: Owner::new(consumer, consumer.entry_of(&claim)),
                message,
            }),
            Err(error) => {
                consumer.put_back(claim, Some(0));
                Err(error)
            }
        }
    }

    /// What came with the message.
    #[must_use]
    #[inline]
    pub fn metadata(&self) -> Metadata {
        let consumer = self.consumer.handle();
        consumer.metadata(&consumer.claim_of(self.consumer.entry()), 0)
    }

    /// Returns the message to the channel, to be delivered again, flagged, to the consumer that comes first.
    pub fn give_back(self) {
        let this = ManuallyDrop::new(self);
        let consumer = this.consumer.handle();
        consumer.give_back(consumer.claim_of(this.consumer.entry()));
    }
}

impl<T> Drop for Message<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.consumer
            .handle()
            .release_entry(self.consumer.entry(), size_of::<T>());
    }
}

impl<T: fmt::Debug> fmt::Debug for Message<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Deref for Message<'_, T> {
    type Target = T;

    #[inline(always)]
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
    /// Where valid messages lie, unchanging while the claim is held.
    messages: Strided,
    message: PhantomData<fn() -> T>,
}

impl<'a, T: DmxpMessage> Batch<'a, T> {
    /// Of a `max` of 0 it is empty, and nothing was waited for.
    pub(crate) fn claim(consumer: &'a Consumer, min: usize, max: usize, wait: Wait) -> Result<Self> {
        if max == 0 {
            return Ok(Self {
                reading: Reading::nothing(consumer),
                count: 0,
                messages: Strided::side_by_side(NonNull::dangling(), 0),
                message: PhantomData,
            });
        }
        Self::of(consumer, consumer.claim(min, max, wait)?)
    }

    pub(crate) fn of(consumer: &'a Consumer, claim: ReadClaim) -> Result<Self> {
        let mut reading = Reading::of(consumer, claim);
        let count = reading.claim().count();
        let messages = consumer.strided(reading.claim(), size_of::<T>());
        let all_valid = |messages: Strided| {
            (0..count).all(|index| {
                // SAFETY: so many bytes lie there, claimed for reading, and are not written while the claim is held.
                is_valid::<T>(unsafe { core::slice::from_raw_parts(messages.at(index), size_of::<T>()) })
            })
        };
        if consumer.has_checksums() || !messages.is_some_and(all_valid) {
            reading.check_each::<T>()?;
        }
        let Some(messages) = messages else {
            // Each had another length a moment ago, and what is claimed does not change.
            return Err(Error::invalid("messages that change while they are received"));
        };
        Ok(Self {
            reading,
            count,
            messages,
            message: PhantomData,
        })
    }

    /// Messages in the batch: at least one, unless none were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether no messages were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message at `index`; `None` when there are not so many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len() {
            return None;
        }
        // SAFETY: length and value were checked when the guard was made, and slots are aligned for the channel's type; see
        // `Message::deref` for the rest.
        Some(unsafe { &*self.messages.at(index as u32).cast::<T>() })
    }

    /// What came with the message at `index`; `None` when there are not so many.
    #[must_use]
    pub fn metadata(&self, index: usize) -> Option<Metadata> {
        (index < self.len()).then(|| self.reading.metadata(index as u32))
    }

    /// The messages in order.
    pub fn iter(&self) -> BatchIter<'_, T> {
        BatchIter {
            batch: self,
            rest: 0..self.len(),
        }
    }

    /// Returns the messages to the channel, to be delivered again, flagged, to the consumers that come first.
    pub fn give_back(mut self) {
        self.reading.give_back();
    }
}

impl<T: DmxpMessage> core::ops::Index<usize> for Batch<'_, T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index)
            .unwrap_or_else(|| panic!("message {index} of a batch of {}", self.count))
    }
}

impl<'b, T: DmxpMessage> IntoIterator for &'b Batch<'_, T> {
    type Item = &'b T;
    type IntoIter = BatchIter<'b, T>;

    fn into_iter(self) -> BatchIter<'b, T> {
        self.iter()
    }
}

/// The messages of a [`Batch`] in order.
#[derive(Clone, Debug)]
pub struct BatchIter<'b, T> {
    batch: &'b Batch<'b, T>,
    rest: core::ops::Range<usize>,
}

impl<'b, T: DmxpMessage> Iterator for BatchIter<'b, T> {
    type Item = &'b T;

    #[inline]
    fn next(&mut self) -> Option<&'b T> {
        self.batch.get(self.rest.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl<T: DmxpMessage> DoubleEndedIterator for BatchIter<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.batch.get(self.rest.next_back()?)
    }
}

impl<T: DmxpMessage> ExactSizeIterator for BatchIter<'_, T> {}

/// Messages of bytes, claimed together and borrowed in their slots. Dropping it releases them all.
#[derive(Debug)]
pub struct ByteBatch<'a> {
    reading: Reading<'a>,
    /// Each in its slot, unchanging while `reading` holds the claim.
    messages: Vec<NonNull<[u8]>>,
}

impl<'a> ByteBatch<'a> {
    /// As [`Batch::claim`].
    pub(crate) fn claim(consumer: &'a Consumer, min: usize, max: usize, wait: Wait) -> Result<Self> {
        if max == 0 {
            return Ok(Self {
                reading: Reading::nothing(consumer),
                messages: Vec::new(),
            });
        }
        Self::of(consumer, consumer.claim(min, max, wait)?)
    }

    pub(crate) fn of(consumer: &'a Consumer, claim: ReadClaim) -> Result<Self> {
        let mut messages = Vec::with_capacity(claim.count() as usize);
        for index in 0..claim.count() {
            match consumer.payload(&claim, index).map(NonNull::from) {
                Ok(payload) => messages.push(payload),
                Err(error) => {
                    consumer.put_back(claim, Some(index));
                    return Err(error);
                }
            }
        }
        Ok(Self {
            reading: Reading::of(consumer, claim),
            messages,
        })
    }

    /// Messages in the batch: at least one, unless none were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no messages were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The message at `index`; `None` when there are not so many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        // SAFETY: as for `Message::deref`; any bytes are valid.
        self.messages.get(index).map(|message| unsafe { message.as_ref() })
    }

    /// What came with the message at `index`; `None` when there are not so many.
    #[must_use]
    pub fn metadata(&self, index: usize) -> Option<Metadata> {
        (index < self.len()).then(|| self.reading.metadata(index as u32))
    }

    /// The messages in order.
    pub fn iter(&self) -> ByteBatchIter<'_> {
        ByteBatchIter {
            batch: self,
            rest: 0..self.len(),
        }
    }

    /// Returns the messages to the channel, to be delivered again, flagged, to the consumers that come first.
    pub fn give_back(mut self) {
        self.reading.give_back();
    }
}

impl core::ops::Index<usize> for ByteBatch<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        self.get(index)
            .unwrap_or_else(|| panic!("message {index} of a batch of {}", self.len()))
    }
}

impl<'b> IntoIterator for &'b ByteBatch<'_> {
    type Item = &'b [u8];
    type IntoIter = ByteBatchIter<'b>;

    fn into_iter(self) -> ByteBatchIter<'b> {
        self.iter()
    }
}

/// The messages of a [`ByteBatch`] in order.
#[derive(Clone, Debug)]
pub struct ByteBatchIter<'b> {
    batch: &'b ByteBatch<'b>,
    rest: core::ops::Range<usize>,
}

impl<'b> Iterator for ByteBatchIter<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        self.batch.get(self.rest.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl DoubleEndedIterator for ByteBatchIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.batch.get(self.rest.next_back()?)
    }
}

impl ExactSizeIterator for ByteBatchIter<'_> {}

/// Bytes, borrowed in their slot. Dropping it releases the slot.
#[derive(Debug)]
pub struct Bytes<'a> {
    reading: Reading<'a>,
    /// In the slot, unchanging while `reading` holds the claim.
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
                consumer.put_back(claim, Some(0));
                Err(error)
            }
        }
    }

    /// The message is not what it should be: it goes where messages go that cannot be read.
    #[cfg(any(feature = "zerocopy", feature = "bytemuck"))]
    pub(crate) fn refuse(mut self, reason: String) -> Error {
        let consumer = self.reading.consumer;
        let Some(claim) = self.reading.claim.take() else {
            return Error::Empty;
        };
        let error = invalid(consumer, claim.message_id(0), &reason);
        consumer.put_back(claim, Some(0));
        error
    }

    /// What came with the message.
    #[must_use]
    #[inline]
    pub fn metadata(&self) -> Metadata {
        self.reading.metadata(0)
    }

    /// Returns the message to the channel, to be delivered again, flagged, to the consumer that comes first.
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

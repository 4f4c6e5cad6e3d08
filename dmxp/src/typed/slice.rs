//! Stretches of messages in packed slots, side by side: borrowed as one slice, and claimed as one.
//!
//! As [`guard`](super::guard), with which it is the only unsafe code above the ring: a guard owns its claim, what it refers to was
//! validated when it was made.

use crate::error::{Error, Result};
use crate::message::{DmxpMessage, ref_from_bytes};
use crate::raw::{Consumer, Producer, ReadClaim, Wait, Writing};
use crate::typed::guard::zero_is_valid;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Messages next to each other, borrowed where they lie; of a lossy subscriber, a copy. Dropping it releases them.
///
/// It derefs to a slice. There is at least one message in it, unless none were asked for.
pub struct Slice<'a, T> {
    consumer: &'a Consumer,
    /// `None` once it was given back, and where none were asked for.
    claim: Option<ReadClaim>,
    /// The messages, valid and unchanging while the claim is held.
    messages: NonNull<[T]>,
}

impl<'a, T: DmxpMessage> Slice<'a, T> {
    #[inline]
    pub(crate) fn claim(consumer: &'a Consumer, max: usize, wait: Wait) -> Result<Self> {
        consumer.check_packed(Some(size_of::<T>()))?;
        if max == 0 {
            return Ok(Self::nothing(consumer));
        }
        let mut claim = consumer.claim(1, max, wait)?;
        if !T::ALWAYS_VALID {
            claim = valid_part::<T>(consumer, claim)?;
        }
        let bytes = NonNull::from(consumer.stretch(&claim)?);
        debug_assert!(bytes.cast::<T>().is_aligned(), "slots are aligned as their messages");
        let messages = NonNull::slice_from_raw_parts(bytes.cast::<T>(), claim.count() as usize);
        Ok(Self {
            consumer,
            claim: Some(claim),
            messages,
        })
    }
}

impl<'a> Slice<'a, u8> {
    pub(crate) fn of_bytes(consumer: &'a Consumer, max: usize, wait: Wait) -> Result<Self> {
        consumer.check_packed(None)?;
        if max == 0 {
            return Ok(Self::nothing(consumer));
        }
        let claim = consumer.claim(1, max, wait)?;
        let messages = NonNull::from(consumer.stretch(&claim)?);
        Ok(Self {
            consumer,
            claim: Some(claim),
            messages,
        })
    }
}

/// The valid messages at the beginning of a claim; the others come next again. If the first is not valid, it is stepped over.
#[inline]
fn valid_part<T: DmxpMessage>(consumer: &Consumer, claim: ReadClaim) -> Result<ReadClaim> {
    let bytes = match consumer.stretch(&claim) {
        Ok(bytes) => bytes,
        Err(error) => {
            consumer.release(claim);
            return Err(error);
        }
    };
    let invalid = bytes
        .chunks_exact(size_of::<T>())
        .enumerate()
        .find_map(|(index, message)| Some((index as u32, T::validate(message).err()?)));
    match invalid {
        None => Ok(claim),
        Some((0, reason)) => {
            let message_id = claim.message_id(0);
            consumer.release(consumer.keep(claim, 1));
            let reason = reason.to_string();
            Err(consumer.failing(Error::InvalidMessage { message_id, reason }))
        }
        Some((valid, _)) => Ok(consumer.keep(claim, valid)),
    }
}

impl<'a, T> Slice<'a, T> {
    fn nothing(consumer: &'a Consumer) -> Self {
        Self {
            consumer,
            claim: None,
            messages: NonNull::from(&[]),
        }
    }

    /// The id of the first message; the others follow without a gap. 0 where none were asked for.
    #[must_use]
    pub fn message_id(&self) -> u64 {
        self.claim.as_ref().map_or(0, |claim| claim.message_id(0))
    }

    /// How many messages there are; of bytes, each has as many as the channel's payload capacity says.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.claim.as_ref().map_or(0, |claim| claim.count() as usize)
    }

    /// How many messages this subscriber missed just before these.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.claim
            .as_ref()
            .map_or(0, |claim| self.consumer.metadata(claim, 0).missed)
    }

    /// Goes back to before the first message, which comes next again: if nothing was received since. Others have the messages anyway.
    pub fn give_back(mut self) {
        if let Some(claim) = self.claim.take() {
            self.consumer.give_back(claim);
        }
    }
}

impl<T> Deref for Slice<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: validated, or of a type that any bytes are valid for, when the guard was made; nobody writes what is claimed for
        // reading, and the guard, which the reference borrows, holds the claim; the mapping lives as long as the consumer, which
        // the guard borrows.
        unsafe { self.messages.as_ref() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Slice<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'a, T> IntoIterator for &'a Slice<'_, T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Drop for Slice<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.consumer.release(claim);
        }
    }
}

/// Copies what is there, at most `max` messages, to the end of `to`; how many.
pub(crate) fn copy_slice<T: DmxpMessage>(
    consumer: &Consumer,
    to: &mut Vec<T>,
    max: usize,
    wait: Wait,
) -> Result<usize> {
    consumer.check_packed(Some(size_of::<T>()))?;
    if max == 0 {
        return Ok(0);
    }
    let max = max.min(usize::try_from(consumer.capacity()).unwrap_or(usize::MAX));
    if T::ALWAYS_VALID {
        to.reserve(max);
        let room = &mut to.spare_capacity_mut()[..max];
        let (_, count) = consumer.copy_stretch_uninit(room, wait)?;
        let len = to.len() + count;
        // SAFETY: `count` messages, at most `max`, were written behind the others, and any bytes are a T.
        unsafe { to.set_len(len) };
        return Ok(count);
    }
    let slice = Slice::<T>::claim(consumer, max, wait)?;
    let count = slice.len();
    to.reserve(count);
    let behind = to.spare_capacity_mut().as_mut_ptr().cast::<T>();
    // SAFETY: room for as many, apart from the ring. A second value with the same bytes does no harm: any valid bytes are a T.
    unsafe { behind.copy_from_nonoverlapping(slice.as_ptr(), count) };
    let len = to.len() + count;
    // SAFETY: they were just written.
    unsafe { to.set_len(len) };
    Ok(count)
}

/// Claimed slots next to each other, written in place as one slice and published together. Dropping it gives the claim up: consumers
/// never see it.
pub struct SliceClaim<'a, T> {
    writing: Writing<'a>,
    /// The messages in their slots, valid and ours alone while `writing` holds the claim.
    messages: NonNull<[T]>,
}

impl<'a> SliceClaim<'a, u8> {
    /// Of messages of bytes, side by side.
    pub(crate) fn of_bytes(producer: &'a Producer, count: usize, wait: Wait) -> Result<Self> {
        producer.check_packed(producer.payload_capacity())?;
        if count == 0 {
            return Ok(Self {
                writing: Writing::nothing(producer),
                messages: NonNull::from(&mut []),
            });
        }
        let mut writing = Writing::of(producer, producer.claim(count, count, wait)?);
        let bytes = producer.stretch_mut(writing.claim())?;
        bytes.fill(0);
        let messages = NonNull::from(bytes);
        Ok(Self { writing, messages })
    }
}

impl<T> SliceClaim<'_, T> {
    /// Makes all messages visible at once. Returns the first one's id; the others follow without a gap. Of no messages, 0.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Removed`] when the stream has ended since the claim; [`Error::Forked`], [`Error::Evicted`].
    pub fn publish(mut self) -> Result<u64> {
        if self.writing.is_nothing() {
            return Ok(0);
        }
        let id = self.writing.claim().message_id(0);
        self.writing.publish().map(|()| id)
    }
}

impl<'a, T: DmxpMessage> SliceClaim<'a, T> {
    pub(crate) fn zeroed(producer: &'a Producer, count: usize, wait: Wait) -> Result<Self> {
        const { zero_is_valid::<T>() };
        producer.check_packed(size_of::<T>())?;
        if count == 0 {
            return Ok(Self {
                writing: Writing::nothing(producer),
                messages: NonNull::from(&mut []),
            });
        }
        let mut writing = Writing::of(producer, producer.claim(count, count, wait)?);
        let bytes = producer.stretch_mut(writing.claim())?;
        bytes.fill(0);
        // Length and alignment; zeros are a valid T. All are alike.
        ref_from_bytes::<T>(&bytes[..size_of::<T>()]).map_err(|invalid| Error::invalid(invalid.to_string()))?;
        let messages = NonNull::slice_from_raw_parts(NonNull::from(bytes).cast::<T>(), count);
        Ok(Self { writing, messages })
    }
}

impl<T> Deref for SliceClaim<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: valid since the guard was made, in slots, or memory of the producer's handle, that are this claim's alone until the
        // guard goes; both live as long as the producer, which the guard borrows.
        unsafe { self.messages.as_ref() }
    }
}

impl<T> DerefMut for SliceClaim<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`; the guard is borrowed uniquely.
        unsafe { self.messages.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for SliceClaim<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

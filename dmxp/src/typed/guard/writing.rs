//! Claims of slots to be written: dropping them gives them up, publishing makes their messages visible.

use super::Owner;
use crate::error::{Error, Result};
use crate::message::DmxpMessage;
use crate::raw::{Producer, Wait, WriteClaim, Writing};
use crate::ring::mapped::view_mut;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// A claim of one message on the writing side; aborted unless it is published.
struct OneClaim<'a, T> {
    producer: Owner<'a, Producer>,
    /// Where the message goes, in the slot or where messages are staged: the claim's alone.
    message: NonNull<T>,
}

impl<'a, T> OneClaim<'a, T> {
    #[inline(always)]
    fn new(producer: &'a Producer, wait: Wait) -> Result<Self> {
        let (payload, entry) = producer.claim_place(size_of::<T>(), wait)?;
        Ok(Self {
            producer: Owner::new(producer, entry),
            message: payload.cast(),
        })
    }

    /// Of a claim that was made before.
    #[cfg(feature = "async")]
    fn of(producer: &'a Producer, claim: WriteClaim) -> Result<Self> {
        let (payload, entry) = producer.place_of(claim, size_of::<T>())?;
        Ok(Self {
            producer: Owner::new(producer, entry),
            message: payload.cast(),
        })
    }

    #[inline(always)]
    fn publish(self, len: usize) -> Result<u64> {
        let this = ManuallyDrop::new(self);
        this.producer.handle().publish_entry(this.producer.entry(), len)
    }
}

impl<T> Drop for OneClaim<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.producer.handle().abort_entry(self.producer.entry());
    }
}

/// A claimed slot, written in place. Dropping it aborts the claim: consumers never see it.
pub struct Claim<'a, T> {
    /// Where a valid message lies, ours alone while the claim is held.
    claim: OneClaim<'a, T>,
}

impl<'a, T: DmxpMessage> Claim<'a, T> {
    #[inline(always)]
    pub(in crate::typed) fn zeroed(producer: &'a Producer, wait: Wait) -> Result<Self> {
        const { zero_is_valid::<T>() };
        let claim = OneClaim::<T>::new(producer, wait)?;
        // SAFETY: so many bytes lie there, as `claim_place` has checked, and the slot is the claim's alone. Zeros are a valid T.
        unsafe { claim.message.as_ptr().write_bytes(0, 1) };
        Ok(Self { claim })
    }

    #[inline(always)]
    pub(in crate::typed) fn holding(producer: &'a Producer, message: &T, wait: Wait) -> Result<Self> {
        let claim = OneClaim::<T>::new(producer, wait)?;
        // SAFETY: as in `zeroed`; a message has no padding, so that its bytes are all there is, and what is copied is a valid T.
        unsafe { claim.message.as_ptr().copy_from_nonoverlapping(message, 1) };
        Ok(Self { claim })
    }

    /// Of one message, which starts from zeros.
    #[cfg(feature = "async")]
    pub(crate) fn of(producer: &'a Producer, claim: WriteClaim) -> Result<Self> {
        const { zero_is_valid::<T>() };
        let claim = OneClaim::<T>::of(producer, claim)?;
        // SAFETY: as in `zeroed`.
        unsafe { claim.message.as_ptr().write_bytes(0, 1) };
        Ok(Self { claim })
    }

    /// Of one message, which starts as this one.
    #[cfg(feature = "async")]
    pub(crate) fn of_message(producer: &'a Producer, claim: WriteClaim, message: &T) -> Result<Self> {
        let claim = OneClaim::<T>::of(producer, claim)?;
        // SAFETY: as in `holding`.
        unsafe { claim.message.as_ptr().copy_from_nonoverlapping(message, 1) };
        Ok(Self { claim })
    }

    /// Makes the message visible. Returns its id.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    #[inline(always)]
    pub fn publish(self) -> Result<u64> {
        self.claim.publish(size_of::<T>())
    }
}

/// Refuses, where it is compiled, claims that start from zeros of a type that has no such value.
pub(in crate::typed) const fn zero_is_valid<T: DmxpMessage>() {
    assert!(
        T::ZERO_IS_VALID,
        "zeros are no valid message of this type, so that a claim cannot start from them: a closed enum in it has no value 0. \
         Claim with the message (`claim_with`), or with memory that you write whole (`claim_uninit`)"
    );
}

impl<T: fmt::Debug> fmt::Debug for Claim<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Deref for Claim<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: valid since the guard was made, in a slot that is this claim's alone until the guard goes; the mapping lives
        // as long as the producer, which the guard borrows.
        unsafe { self.claim.message.as_ref() }
    }
}

impl<T> DerefMut for Claim<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`; the guard is borrowed uniquely.
        unsafe { self.claim.message.as_mut() }
    }
}

/// A claimed slot for a message that is written whole: nothing is put there before. Dropping it aborts the claim.
pub struct UninitClaim<'a, T> {
    claim: OneClaim<'a, T>,
}

impl<'a, T: DmxpMessage> UninitClaim<'a, T> {
    #[inline(always)]
    pub(in crate::typed) fn new(producer: &'a Producer, wait: Wait) -> Result<Self> {
        Ok(Self {
            claim: OneClaim::new(producer, wait)?,
        })
    }

    /// Where the message is to be written. What an earlier message left there is not to be read.
    #[inline(always)]
    pub fn as_uninit(&mut self) -> &mut MaybeUninit<T> {
        // SAFETY: so many bytes lie there, aligned as T, and are this claim's alone; a `MaybeUninit` needs no value.
        unsafe { self.claim.message.cast().as_mut() }
    }

    /// Writes the whole message, which can be changed until it is published.
    #[inline(always)]
    pub fn write(mut self, message: T) -> Claim<'a, T> {
        self.as_uninit().write(message);
        Claim { claim: self.claim }
    }

    /// Says that the message was written through [`as_uninit`](Self::as_uninit).
    ///
    /// # Safety
    /// All of it was, and it is a valid `T`.
    #[inline(always)]
    #[must_use]
    pub unsafe fn assume_init(self) -> Claim<'a, T> {
        Claim { claim: self.claim }
    }
}

impl<T> fmt::Debug for UninitClaim<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UninitClaim")
    }
}

/// The first `len` bytes of message `index`'s slot, filled with zeros.
#[inline(always)]
fn zeroed<'a>(writing: &'a mut Writing<'_>, index: u32, len: usize) -> Result<&'a mut [u8]> {
    let slot = writing.slot(index);
    let limit = slot.len();
    let Some(bytes) = slot.get_mut(..len) else {
        return Err(Error::PayloadTooLarge { len, limit });
    };
    bytes.fill(0);
    Ok(bytes)
}

/// Publishes messages of `len` bytes each; the id of the first.
fn publish_alike(producer: &Producer, mut writing: Writing<'_>, len: usize) -> Result<u64> {
    if writing.is_nothing() {
        return Ok(0);
    }
    let (id, timestamp_ns) = (writing.claim().message_id(0), producer.now_ns());
    for index in 0..writing.claim().count() {
        producer.describe(writing.claim(), index, len, timestamp_ns)?;
    }
    writing.publish().map(|()| id)
}

/// Claimed slots, written in place and published together. Dropping it aborts the claim: consumers never see it.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// # #[dmxp::message]
/// # struct Tick {
/// #     price: f64,
/// #     volume: u64,
/// # }
/// # let name = format!("doc-claim-batch-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// # let ticks = dmxp::Channel::<Tick>::builder().with_region(&region).with_name("ticks");
/// # let (producer, consumer) = (ticks.build_producer()?, ticks.build_consumer()?);
/// let mut batch = producer.claim_batch(3, dmxp::Wait::Forever)?;
/// for (volume, tick) in (1..).zip(&mut batch) {
///     tick.volume = volume;
/// }
/// batch.publish()?;
///
/// let batch = consumer.recv_up_to(10, dmxp::Wait::Forever)?;
/// let mut volume = 0;
/// for tick in &batch {
///     volume += tick.volume;
/// }
/// assert_eq!(volume, 6);
/// # drop(batch);
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
#[derive(Debug)]
pub struct ClaimBatch<'a, T> {
    producer: &'a Producer,
    writing: Writing<'a>,
    count: u32,
    message: PhantomData<fn(&T)>,
}

impl<'a, T: DmxpMessage> ClaimBatch<'a, T> {
    pub(crate) fn zeroed(producer: &'a Producer, count: usize, wait: Wait) -> Result<Self> {
        if count == 0 {
            return Ok(Self {
                producer,
                writing: Writing::nothing(producer),
                count: 0,
                message: PhantomData,
            });
        }
        Self::of(producer, producer.claim(count, count, wait)?)
    }

    pub(crate) fn of(producer: &'a Producer, claim: WriteClaim) -> Result<Self> {
        const { zero_is_valid::<T>() };
        let mut writing = Writing::of(producer, claim);
        let count = writing.claim().count();
        for index in 0..count {
            let bytes = zeroed(&mut writing, index, size_of::<T>())?;
            // Length and alignment; zeros are a valid T.
            view_mut::<T>(bytes).map_err(|invalid| Error::invalid(invalid.to_string()))?;
        }
        Ok(Self {
            producer,
            writing,
            count,
            message: PhantomData,
        })
    }

    /// Messages in the claim.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether no messages were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
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

    /// The messages in order, to be written.
    pub fn iter_mut(&mut self) -> std::vec::IntoIter<&mut T> {
        let slots = self.writing.slots(size_of::<T>());
        let messages = slots.into_iter().map(|slot| {
            // SAFETY: as in `get_mut`; each is another slot, and the guard is borrowed uniquely for as long as all of them.
            unsafe { slot.cast::<T>().as_mut() }
        });
        messages.collect::<Vec<_>>().into_iter()
    }

    /// Makes all messages visible at once. Returns the first one's id; the others follow without a gap. Of no messages, 0.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn publish(self) -> Result<u64> {
        publish_alike(self.producer, self.writing, size_of::<T>())
    }
}

impl<'b, T: DmxpMessage> IntoIterator for &'b mut ClaimBatch<'_, T> {
    type Item = &'b mut T;
    type IntoIter = std::vec::IntoIter<&'b mut T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Claimed slots for messages of bytes, all of one length, published together. Dropping it aborts the claim: consumers never see it.
#[derive(Debug)]
pub struct ByteClaimBatch<'a> {
    producer: &'a Producer,
    writing: Writing<'a>,
    count: u32,
    len: usize,
}

impl<'a> ByteClaimBatch<'a> {
    pub(crate) fn zeroed(producer: &'a Producer, count: usize, len: usize, wait: Wait) -> Result<Self> {
        producer.check_length(len)?;
        let writing = match count {
            0 => Writing::nothing(producer),
            _ => Writing::of(producer, producer.claim(count, count, wait)?),
        };
        let mut batch = Self {
            producer,
            writing,
            count: count as u32,
            len,
        };
        for index in 0..batch.count {
            zeroed(&mut batch.writing, index, len)?;
        }
        Ok(batch)
    }

    /// Messages in the claim.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether no messages were asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message at `index`, in its slot.
    ///
    /// # Panics
    /// When `index` is not less than [`len`](Self::len).
    #[must_use]
    pub fn get_mut(&mut self, index: usize) -> &mut [u8] {
        assert!(index < self.len(), "message {index} of a claim of {}", self.count);
        &mut self.writing.slot(index as u32)[..self.len]
    }

    /// The messages in order, to be written.
    pub fn iter_mut(&mut self) -> std::vec::IntoIter<&mut [u8]> {
        if self.len == 0 {
            return (0..self.count)
                .map(|_| <&mut [u8]>::default())
                .collect::<Vec<_>>()
                .into_iter();
        }
        let slots = self.writing.slots(self.len);
        let messages = slots.into_iter().map(|mut slot| {
            // SAFETY: each is another slot of this claim, which is its alone; the guard is borrowed uniquely for as long as all of them.
            unsafe { slot.as_mut() }
        });
        messages.collect::<Vec<_>>().into_iter()
    }

    /// Makes all messages visible at once. Returns the first one's id; the others follow without a gap. Of no messages, 0.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn publish(self) -> Result<u64> {
        publish_alike(self.producer, self.writing, self.len)
    }
}

impl<'b> IntoIterator for &'b mut ByteClaimBatch<'_> {
    type Item = &'b mut [u8];
    type IntoIter = std::vec::IntoIter<&'b mut [u8]>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// A claimed slot for bytes. Dropping it aborts the claim: consumers never see it.
#[derive(Debug)]
pub struct ByteClaim<'a> {
    producer: &'a Producer,
    writing: Writing<'a>,
    /// In the slot, ours alone while `writing` holds the claim.
    bytes: NonNull<[u8]>,
}

impl<'a> ByteClaim<'a> {
    pub(crate) fn zeroed(producer: &'a Producer, len: usize, wait: Wait) -> Result<Self> {
        let limit = producer.payload_capacity();
        if len > limit {
            return Err(Error::PayloadTooLarge { len, limit });
        }
        Self::of(producer, producer.claim(1, 1, wait)?, len)
    }

    pub(crate) fn of(producer: &'a Producer, claim: WriteClaim, len: usize) -> Result<Self> {
        let mut writing = Writing::of(producer, claim);
        let bytes = NonNull::from(zeroed(&mut writing, 0, len)?);
        Ok(Self {
            producer,
            writing,
            bytes,
        })
    }

    /// Makes the message visible. Returns its id.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Evicted`].
    pub fn publish(self) -> Result<u64> {
        let len = self.len();
        publish_alike(self.producer, self.writing, len)
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

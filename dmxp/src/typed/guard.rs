//! Claims and the references into their slots, kept together.
//!
//! A guard of one message is two words: the handle, with the number of the claim's entry in the lowest bits, and where the message lies.
//! It owns its claim until it is dropped, published or given back, and hands out references that borrow the guard. What it refers to was
//! validated when the guard was made, so that looking costs no more than a pointer.

use crate::delivery::metadata::Metadata;
use crate::error::{Error, Result};
use crate::message::{DmxpMessage, is_valid, ref_from_bytes};
use crate::raw::{Consumer, Producer, ReadClaim, Wait, WriteClaim, Writing};
use crate::ring::mapped::{copy, copy_into, view_mut};
use crate::ring::strided::Strided;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// The handle that has a claim, and in the lowest bits, which are zeros in its address, the number of the claim's entry.
struct Owner<'a, H> {
    tagged: NonNull<H>,
    handle: PhantomData<&'a H>,
}

impl<H> Clone for Owner<'_, H> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Owner<'_, H> {}

impl<'a, H> Owner<'a, H> {
    /// Bits for the numbers of all entries.
    const ENTRY: usize = {
        assert!(align_of::<H>() >= 16, "the lowest four bits of an address are zeros");
        15
    };

    #[inline(always)]
    fn new(handle: &'a H, entry: usize) -> Self {
        debug_assert!(entry <= Self::ENTRY);
        Self {
            // The bits are zeros: `|` sets them, and what is not zero stays so.
            tagged: NonNull::from(handle).map_addr(|address| address | entry & Self::ENTRY),
            handle: PhantomData,
        }
    }

    #[inline(always)]
    fn entry(self) -> usize {
        self.tagged.addr().get() & Self::ENTRY
    }

    #[inline(always)]
    fn handle(self) -> &'a H {
        let address = self.tagged.as_ptr().map_addr(|address| address & !Self::ENTRY);
        // SAFETY: the reference that `new` was given, which is valid for 'a.
        unsafe { &*address }
    }
}

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
    pub(super) fn zeroed(producer: &'a Producer, wait: Wait) -> Result<Self> {
        const { zero_is_valid::<T>() };
        let claim = OneClaim::<T>::new(producer, wait)?;
        // SAFETY: so many bytes lie there, as `claim_place` has checked, and the slot is the claim's alone. Zeros are a valid T.
        unsafe { claim.message.as_ptr().write_bytes(0, 1) };
        Ok(Self { claim })
    }

    #[inline(always)]
    pub(super) fn holding(producer: &'a Producer, message: &T, wait: Wait) -> Result<Self> {
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
pub(super) const fn zero_is_valid<T: DmxpMessage>() {
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
    pub(super) fn new(producer: &'a Producer, wait: Wait) -> Result<Self> {
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
pub(super) fn copy_out<T: DmxpMessage>(consumer: &Consumer, wait: Wait) -> Result<T> {
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
    pub(super) fn claim(consumer: &'a Consumer, wait: Wait) -> Result<Self> {
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

    pub(super) fn newest(consumer: &'a Consumer) -> Result<Self> {
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

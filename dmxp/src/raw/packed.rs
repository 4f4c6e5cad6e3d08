//! What handles over bytes do on channels with packed slots: whole stretches of messages, side by side.

use crate::delivery::packed::Packed;
use crate::delivery::packed::receive::Receiver;
use crate::delivery::packed::send::Sender;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::layout::MessageMeta;
use crate::raw::{Consumer, Producer, ReadClaim, Wait, WriteClaim};
use crate::wait::Event;
use core::mem::MaybeUninit;

impl Handle {
    #[inline(always)]
    pub(crate) fn sender(&self) -> Option<&Sender> {
        match self.packed.as_deref() {
            Some(Packed::Sender(sender)) => Some(sender),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        match self.packed.as_deref() {
            Some(Packed::Receiver(receiver)) => Some(receiver),
            _ => None,
        }
    }

    /// Attempts, and waits where that finds no room, or no message. Counts a call that fails.
    fn attempt_or_wait<R>(
        &self,
        event: Event<'_>,
        min: u32,
        wait: Wait,
        mut attempt: impl FnMut() -> Result<R>,
    ) -> Result<R> {
        let outcome = match (attempt(), wait.deadline()) {
            (Err(error @ (Error::Full | Error::Empty)), None) => {
                self.polled_in_vain();
                Err(error)
            }
            (Err(Error::Full | Error::Empty), Some(deadline)) => self.wait(event, deadline, min, attempt, || false),
            (outcome, _) => outcome,
        };
        outcome.map_err(|error| self.failing(error))
    }

    /// The size of a batch, if it can ever be there at once.
    fn packed_batch(&self, count: usize, limit: u64) -> Result<u32> {
        match u32::try_from(count) {
            Ok(0) => Err(Error::invalid("a batch of no messages")),
            Ok(few) if u64::from(few) <= limit => Ok(few),
            _ => Err(Error::BatchTooLarge {
                count,
                limit: usize::try_from(limit).unwrap_or(usize::MAX),
            }),
        }
    }
}

fn not_packed() -> Error {
    Error::invalid("stretches of messages are for channels with packed slots (with_packed_slots); this one has others")
}

impl Producer {
    /// Fails on channels whose slots are not packed, or not those of messages of `size` bytes.
    pub(crate) fn check_packed(&self, size: usize) -> Result<()> {
        match self.handle.sender() {
            Some(sender) if sender.ring().size() == size => Ok(()),
            Some(_) => self.check_length(size),
            None => Err(not_packed()),
        }
    }

    #[inline(always)]
    pub(crate) fn send_one_packed(&self, sender: &Sender, message: &[u8], wait: Wait) -> Result<u64> {
        if message.len() == sender.ring().size()
            && let Some(id) = sender.send_at_once(&self.handle, message)
        {
            return Ok(id);
        }
        self.send_one_packed_later(sender, message, wait)
    }

    #[cold]
    #[inline(never)]
    fn send_one_packed_later(&self, sender: &Sender, message: &[u8], wait: Wait) -> Result<u64> {
        self.check_length(message.len())?;
        let handle = &self.handle;
        handle.attempt_or_wait(handle.space(), 1, wait, || sender.try_send_one(handle, message))
    }

    /// Sends messages that lie side by side, on a channel with packed slots: at least `min` of them, from the first on, and as many as there
    /// is room for. They become visible at once. The id of the first, and how many.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels, for bytes that are not whole messages, and for none; and those of
    /// [`claim`](Self::claim).
    pub fn send_stretch(&self, messages: &[u8], min: usize, wait: Wait) -> Result<(u64, usize)> {
        let handle = &self.handle;
        let sender = handle.sender().ok_or_else(not_packed)?;
        let size = sender.ring().size();
        if !messages.len().is_multiple_of(size) {
            self.check_length(messages.len() % size)?;
        }
        let count = messages.len() / size;
        let min = handle
            .packed_batch(min.min(count), sender.largest_batch())
            .map_err(|error| handle.failing(error))?;
        let most = usize::try_from(sender.largest_batch()).unwrap_or(usize::MAX);
        let messages = &messages[..count.min(most) * size];
        let attempt = || sender.try_send_all(handle, messages, min);
        let (id, count) = handle.attempt_or_wait(handle.space(), min, wait, attempt)?;
        Ok((id, count as usize))
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.handle.packed.is_some()
    }

    /// The same of messages that lie anywhere.
    pub(crate) fn send_payloads_packed<'a>(
        &self,
        sizes: (usize, usize),
        wait: Wait,
        message: impl Fn(u32) -> &'a [u8],
    ) -> Result<(u64, usize)> {
        let sender = self.handle.sender().ok_or_else(not_packed)?;
        self.send_each_packed(sender, sizes, wait, message)
    }

    /// As [`send_payloads_packed`](Self::send_payloads_packed).
    pub(crate) fn send_each_packed<'a>(
        &self,
        sender: &Sender,
        (min, max): (usize, usize),
        wait: Wait,
        message: impl Fn(u32) -> &'a [u8],
    ) -> Result<(u64, usize)> {
        let handle = &self.handle;
        let min = handle
            .packed_batch(min, sender.largest_batch())
            .map_err(|error| handle.failing(error))?;
        let max = u64::try_from(max).unwrap_or(u64::MAX).min(sender.largest_batch()) as u32;
        for index in 0..max {
            self.check_length(message(index).len())?;
        }
        let attempt = || sender.try_send_each(handle, (min, max), &message);
        let (id, count) = handle.attempt_or_wait(handle.space(), min, wait, attempt)?;
        Ok((id, count as usize))
    }

    pub(crate) fn claim_packed(&self, sender: &Sender, min: usize, max: usize, wait: Wait) -> Result<WriteClaim> {
        let handle = &self.handle;
        let min = handle
            .packed_batch(min, sender.largest_batch())
            .map_err(|error| handle.failing(error))?;
        let max = u64::try_from(max).unwrap_or(u64::MAX).min(sender.largest_batch()) as u32;
        let attempt = || sender.try_claim(handle, min, max.max(min));
        let range = handle.attempt_or_wait(handle.space(), min, wait, attempt)?;
        Ok(handle.ring.writing(range, 0))
    }

    /// The bytes of all messages of a claim on a channel with packed slots, side by side.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn stretch_mut<'a>(&'a self, claim: &'a mut WriteClaim) -> Result<&'a mut [u8]> {
        let sender = self.handle.sender().ok_or_else(not_packed)?;
        self.handle.ring.own_write(claim);
        // SAFETY: only this claim leads to them, of which there is one, and it is borrowed uniquely.
        Ok(unsafe { sender.bytes_mut() })
    }
}

impl Consumer {
    /// Fails on channels whose slots are not packed, or not those of messages of `size` bytes, if it is given.
    #[inline]
    pub(crate) fn check_packed(&self, size: Option<usize>) -> Result<()> {
        match (self.handle.receiver(), size) {
            (Some(receiver), Some(size)) if receiver.ring().size() != size => Err(Error::invalid(format!(
                "messages of {size} bytes from packed slots of {}",
                receiver.ring().size()
            ))),
            (Some(_), _) => Ok(()),
            (None, _) => Err(not_packed()),
        }
    }

    pub(crate) fn claim_packed(&self, receiver: &Receiver, min: usize, max: usize, wait: Wait) -> Result<ReadClaim> {
        let handle = &self.handle;
        let limit = handle.properties.capacity.min(u64::from(u32::MAX));
        let min = handle.packed_batch(min, limit).map_err(|error| handle.failing(error))?;
        let max = u64::try_from(max).unwrap_or(u64::MAX).min(limit) as u32;
        let attempt = || receiver.try_take(handle, min, max.max(min));
        let (cell, range) = handle.attempt_or_wait(handle.data(), min, wait, attempt)?;
        Ok(handle.ring.reading(range, cell))
    }

    /// The bytes of all messages of a claim on a channel with packed slots, side by side: in place for a reliable subscriber, a copy of this
    /// handle's for a lossy one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels.
    ///
    /// # Panics
    /// When the claim is another handle's.
    #[inline]
    pub fn stretch<'a>(&'a self, claim: &'a ReadClaim) -> Result<&'a [u8]> {
        let receiver = self.handle.receiver().ok_or_else(not_packed)?;
        Ok(self.packed_bytes(receiver, claim))
    }

    #[inline]
    pub(crate) fn packed_bytes<'a>(&'a self, receiver: &'a Receiver, claim: &'a ReadClaim) -> &'a [u8] {
        self.handle.ring.own_read(claim);
        let bytes = claim.cell().map(|cell| receiver.bytes(cell)).unwrap_or_default();
        // A claim that was cut keeps what it says.
        &bytes[..bytes.len().min(claim.count() as usize * receiver.ring().size())]
    }

    /// Copies messages of a channel with packed slots, as many as are there and as `to` has room for, and is done with them. The id of the
    /// first, and how many; ids follow each other. For a lossy subscriber it is the only copy.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels, and where there is no room for one; and those of [`claim`](Self::claim).
    pub fn copy_stretch(&self, to: &mut [u8], wait: Wait) -> Result<(u64, usize)> {
        let (to, len) = (to.as_mut_ptr(), to.len());
        // SAFETY: room for so many bytes, borrowed uniquely until this returns.
        unsafe { self.copy_stretch_to(to, len, wait) }
    }

    /// The same to memory that holds nothing yet, for messages of type `T`, of which as many are there afterwards as this says.
    #[inline]
    pub(crate) fn copy_stretch_uninit<T>(&self, to: &mut [MaybeUninit<T>], wait: Wait) -> Result<(u64, usize)> {
        // SAFETY: as in `copy_stretch`.
        unsafe { self.copy_stretch_to(to.as_mut_ptr().cast::<u8>(), size_of_val(to), wait) }
    }

    /// # Safety
    /// `to` is good for writes of `len` bytes.
    unsafe fn copy_stretch_to(&self, to: *mut u8, len: usize, wait: Wait) -> Result<(u64, usize)> {
        let handle = &self.handle;
        let receiver = handle.receiver().ok_or_else(not_packed)?;
        let max = len / receiver.ring().size();
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        if max == 0 {
            return Err(Error::invalid("room for no message"));
        }
        // SAFETY: room for `max` messages.
        let attempt = || unsafe { receiver.try_copy(handle, to, max) };
        let range = handle.attempt_or_wait(handle.data(), 1, wait, attempt)?;
        let bytes = u64::from(range.count) * receiver.ring().size() as u64;
        receiver.ring().handle().count(range.count, bytes);
        Ok((range.first.wrapping_add(1), range.count as usize))
    }

    /// What is said of a message in packed slots.
    pub(crate) fn packed_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        assert!(index < claim.count(), "message {index} of a claim of {}", claim.count());
        MessageMeta {
            message_id: claim.message_id(index),
            channel_id: self.handle.properties.id,
            payload_len: self.handle.properties.slots.payload_capacity,
            ..MessageMeta::default()
        }
    }

    /// The first `count` messages of a claim on a channel with packed slots, if it is the last: the others come next again.
    pub(crate) fn keep(&self, claim: ReadClaim, count: u32) -> ReadClaim {
        match (self.handle.receiver(), claim.cell()) {
            (Some(receiver), Some(cell)) if count < claim.count() => {
                self.handle.ring.own_read(&claim);
                receiver.keep(cell, count);
                let range = receiver.range(cell).unwrap_or_else(|| claim.range());
                self.handle.ring.reading(range, cell)
            }
            _ => claim,
        }
    }
}

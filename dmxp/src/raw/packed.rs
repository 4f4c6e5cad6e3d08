//! What handles over bytes do on channels with packed slots: whole stretches of messages, side by side.

use crate::delivery::packed::{Receiver, Sender};
use crate::error::{Error, Result};
use crate::raw::{Consumer, Producer, ReadClaim, Wait, WriteClaim};
use core::mem::MaybeUninit;

fn not_packed() -> Error {
    Error::invalid("stretches of messages are for channels with packed slots (with_packed_slots); this one has others")
}

impl Producer {
    pub(super) fn packed(&self) -> Result<&Sender> {
        self.sender.as_packed().ok_or_else(not_packed)
    }

    /// Whether the channel has packed slots.
    #[inline]
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.sender.as_packed().is_some()
    }

    /// Fails on channels whose slots are not packed, or not those of messages of `size` bytes.
    pub(crate) fn check_packed(&self, size: usize) -> Result<()> {
        self.packed()?;
        self.check_length(size)
    }

    /// Sends messages that lie side by side, on a channel with packed slots: at least `min` of them, from the first on, and as many as there
    /// is room for. They become visible at once. The id of the first, and how many: none is (0, 0).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels, and for bytes that are not whole messages; and those of [`claim`](Self::claim).
    pub fn send_stretch(&self, messages: &[u8], min: usize, wait: Wait) -> Result<(u64, usize)> {
        let (handle, sender) = (self.handle(), self.packed()?);
        let size = sender.size();
        if !messages.len().is_multiple_of(size) {
            self.check_length(messages.len() % size)?;
        }
        let count = messages.len() / size;
        if count == 0 {
            return Ok((0, 0));
        }
        let (min, max) = handle
            .sizes(min.min(count), count)
            .map_err(|error| handle.failing(error))?;
        let messages = &messages[..max as usize * size];
        let (id, count) = match sender.try_send_stretch(min, messages) {
            Some(sent) => sent,
            None => self.wait_for(min, wait, || sender.try_send_stretch(min, messages))?,
        };
        Ok((id, count as usize))
    }

    /// The bytes of all messages of a claim on a channel with packed slots, side by side.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels.
    ///
    /// # Panics
    /// When the claim is another handle's.
    pub fn stretch_mut<'a>(&'a self, claim: &'a mut WriteClaim) -> Result<&'a mut [u8]> {
        Ok(self.packed()?.stretch_mut(claim))
    }
}

impl Consumer {
    #[inline]
    fn packed(&self) -> Result<&Receiver> {
        self.receiver.as_packed().ok_or_else(not_packed)
    }

    /// Whether the channel has packed slots.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.receiver.as_packed().is_some()
    }

    /// Fails on channels whose slots are not packed, or not those of messages of `size` bytes, if it is given.
    #[inline]
    pub(crate) fn check_packed(&self, size: Option<usize>) -> Result<()> {
        let packed = self.packed()?.size();
        match size {
            Some(size) if size != packed => Err(Error::invalid(format!(
                "messages of {size} bytes from packed slots of {packed}"
            ))),
            _ => Ok(()),
        }
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
        Ok(self.packed()?.stretch(claim))
    }

    /// Copies messages of a channel with packed slots, as many as are there and as `to` has room for, and is done with them. The id of the
    /// first, and how many; ids follow each other. For a lossy subscriber it is the only copy. No room at all gets none: (0, 0).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on other channels, and where there is room, but not for one; and those of [`claim`](Self::claim).
    pub fn copy_stretch(&self, to: &mut [u8], wait: Wait) -> Result<(u64, usize)> {
        let (to, len) = (to.as_mut_ptr(), to.len());
        // SAFETY: room for so many bytes, borrowed uniquely until this returns.
        unsafe { self.copy_stretch_to(to, len, wait) }
    }

    /// The same to memory that holds nothing yet: of that, as much is written as this says.
    #[inline]
    pub(crate) fn copy_stretch_uninit<T>(&self, to: &mut [MaybeUninit<T>], wait: Wait) -> Result<(u64, usize)> {
        // SAFETY: as in `copy_stretch`.
        unsafe { self.copy_stretch_to(to.as_mut_ptr().cast::<u8>(), size_of_val(to), wait) }
    }

    /// # Safety
    /// `to` is good for writes of `len` bytes.
    unsafe fn copy_stretch_to(&self, to: *mut u8, len: usize, wait: Wait) -> Result<(u64, usize)> {
        let receiver = self.packed()?;
        let max = (len / receiver.size()).min(self.handle().largest_batch()) as u32;
        if len == 0 {
            return Ok((0, 0));
        }
        if max == 0 {
            return Err(Error::invalid("room for no message"));
        }
        // SAFETY: room for `max` messages.
        let attempt = || unsafe { receiver.attempt_copy(to, max) };
        let range = match attempt() {
            Ok(range) => range,
            Err(error) => self.wait_after(Err(error), 1, wait, attempt)?,
        };
        Ok((range.first.wrapping_add(1), range.count as usize))
    }

    /// The first `count` messages of a claim on a channel with packed slots, if it is the last: the others come next again.
    pub(crate) fn keep(&self, claim: ReadClaim, count: u32) -> ReadClaim {
        match self.receiver.as_packed() {
            Some(receiver) => receiver.keep(claim, count),
            None => claim,
        }
    }
}

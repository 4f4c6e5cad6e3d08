//! Producing on a channel with packed slots.
//!
//! Messages are written where they will lie, and one store of the tail publishes them. Two kinds of claims are written outside of
//! their slots first: those whose slots lie in two pieces, around the end of the ring, and all of them where lossy subscribers are
//! admitted, which may be reading what is written.

use crate::delivery::end_error;
use crate::delivery::metadata::MetaTemplate;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::ring::Range;
use crate::ring::claim::{Rest, WriteClaim};
use crate::ring::packed::mapped::PackedSlots;
use crate::ring::packed::outside::Outside;
use crate::ring::packed::produce::Writer;
use crate::wait::barrier;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};

/// The producing side of a channel with packed slots. It has one claim at a time, in entry 0 of the handle's table.
#[derive(Debug)]
pub(crate) struct Sender {
    handle: Handle,
    /// What other channels' messages say of themselves; here nobody reads it.
    meta: MetaTemplate,
    slots: PackedSlots,
    writer: Writer,
    /// Waiters run our barriers: the shortest way is for that.
    is_light: bool,
    /// The messages of the claim, where it is not written in its slots.
    outside: Outside,
}

impl Sender {
    /// For a handle that was just registered, under the management lock: no other producer lives.
    pub(crate) fn new(handle: Handle, slots: PackedSlots) -> Self {
        Self {
            meta: MetaTemplate::new(&handle, 0),
            writer: Writer::new(&handle.ring),
            handle,
            slots,
            is_light: barrier::is_light(),
            outside: Outside::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn meta(&self) -> &MetaTemplate {
        &self.meta
    }

    pub(crate) fn meta_mut(&mut self) -> &mut MetaTemplate {
        &mut self.meta
    }

    /// Sends one message, whose length was checked, where nothing is in the way, as nearly always; its id. `None`, and nothing was
    /// done, where anything is; [`try_send`](Self::try_send) finds out what.
    #[inline(always)]
    pub(crate) fn send_at_once(&self, message: &[u8]) -> Option<u64> {
        let handle = &self.handle;
        let position = self.writer.free_at_once()?;
        if !handle.is_ours() {
            return None;
        }
        let id = position.wrapping_add(1);
        self.writer.intend(&handle.ring, id);
        // The barrier, which is light: as in `begin`.
        compiler_fence(Ordering::SeqCst);
        if handle.ended() != 0 {
            self.desist();
            return None;
        }
        if let Some(soon) = self.slots.soon(position)
            && self.writer.is_free(soon)
        {
            self.slots.prefetch_write(soon);
        }
        // SAFETY: the position comes next and may be written, as the writer says, and the length was checked.
        unsafe { self.slots.write(position, message) };
        self.writer.publish(&handle.ring, id);
        handle.data().notify_lightly(u32::MAX);
        Some(id)
    }

    /// How many of `max` messages there is room for, if for `min`. `None` for whatever reason; [`why_not`](Self::why_not) finds it.
    #[inline]
    fn room(&self, min: u32, max: u32) -> Option<u32> {
        let handle = &self.handle;
        if handle.held.has_first() || !handle.is_ours() || handle.ended() != 0 {
            return None;
        }
        let room = self.writer.room(&handle.ring, min, max);
        if self.is_light {
            self.writer.find_free();
        }
        room
    }

    /// Says that `count` messages are about to be sent, and looks whether the stream has ended: either a subscriber that finds the flag
    /// sees what is said, or this producer sees the flag. What [`Handle::ended`] says; unless that is 0, nothing is said any more.
    #[inline]
    fn begin(&self, count: u32) -> u32 {
        let end = self.writer.next().wrapping_add(u64::from(count));
        self.writer.intend(&self.handle.ring, end);
        // Pairs with the barrier in Receiver::end_of_stream.
        barrier::light();
        let ended = self.handle.ended();
        if ended != 0 {
            self.desist();
        }
        ended
    }

    #[cold]
    #[inline(never)]
    fn desist(&self) {
        self.writer.desist(&self.handle.ring);
        // A consumer of a stream that has ended waits for what is about to be sent.
        self.handle.data().notify(u32::MAX, false);
    }

    /// Makes `count` messages visible that are written.
    #[inline]
    fn end(&self, count: u32) {
        let end = self.writer.next().wrapping_add(u64::from(count));
        self.writer.publish(&self.handle.ring, end);
        self.handle.data().notify(u32::MAX, false);
    }

    /// Sends at least `min` and at most `max` messages, whose lengths were checked; the id of the first, and how many. `message` gives
    /// the bytes of each, the same each time. `None` for whatever reason.
    #[inline]
    pub(crate) fn try_send<'a>(&self, min: u32, max: u32, message: impl Fn(u32) -> &'a [u8]) -> Option<(u64, u32)> {
        let count = self.room(min, max)?;
        if self.begin(count) != 0 {
            return None;
        }
        let first = self.writer.next();
        for index in 0..count {
            let position = first.wrapping_add(u64::from(index));
            let message = message(index);
            // What is checked here was checked before, and is said by a callback.
            assert_eq!(message.len(), self.slots.size(), "a message of another size");
            // SAFETY: the positions come next and may be written, as the writer says. Should `message` panic, nothing was
            // published.
            unsafe { self.slots.write(position, message) };
        }
        self.end(count);
        Some((first.wrapping_add(1), count))
    }

    /// The same of messages that lie side by side: whole ones, and as many as can ever be sent at once.
    #[inline]
    pub(crate) fn try_send_stretch(&self, min: u32, messages: &[u8]) -> Option<(u64, u32)> {
        let size = self.slots.size();
        let count = self.room(min, (messages.len() / size) as u32)?;
        if self.begin(count) != 0 {
            return None;
        }
        let first = self.writer.next();
        // SAFETY: as in `try_send`.
        unsafe { self.slots.write_all(first, &messages[..count as usize * size]) };
        self.end(count);
        Some((first.wrapping_add(1), count))
    }

    /// Why an attempt gave nothing.
    #[cold]
    pub(crate) fn why_not(&self) -> Error {
        let handle = &self.handle;
        if let Err(error) = handle.check() {
            return error;
        }
        match handle.ended() {
            0 if handle.held.has_first() => Error::TooManyClaims { limit: 1 },
            0 => Error::Full,
            ended => end_error(&self.handle, ended),
        }
    }

    /// Claims at least `min` and at most `max` positions. They hold whatever was there before. `None` for whatever reason.
    #[inline]
    pub(crate) fn try_claim(&self, min: u32, max: u32) -> Option<WriteClaim> {
        let count = self.room(min, max)?;
        let first = self.writer.next();
        let range = Range { first, count };
        if self.is_outside(range) {
            // SAFETY: whatever was borrowed of it borrowed an earlier claim, which is used up.
            unsafe { self.outside.prepare(self.len_of(range)) };
        }
        let rest = Rest::new(count, 0);
        self.handle.held.hold(first, rest);
        self.writer.bar();
        Some(self.handle.ring.writing((first, rest)))
    }

    /// Claims one message to be written in place where nothing is in the way: where it is to go. The claim has entry 0.
    #[inline(always)]
    pub(crate) fn claim_at_once(&self) -> Option<NonNull<u8>> {
        let position = self.writer.free_at_once()?;
        if self.slots.by_words() || !self.handle.is_ours() || self.handle.ended() != 0 {
            return None;
        }
        self.writer.bar();
        self.handle.held.hold(position, Rest::new(1, 0));
        Some(self.slots.place(position))
    }

    #[inline]
    fn len_of(&self, range: Range) -> usize {
        range.count as usize * self.slots.size()
    }

    /// Whether a claim is written outside of its slots.
    #[inline]
    fn is_outside(&self, range: Range) -> bool {
        self.slots.by_words() || !self.slots.is_in_one_piece(range)
    }

    /// The bytes of a claim's messages, side by side, to be written.
    #[inline]
    pub(crate) fn stretch_mut<'a>(&'a self, claim: &'a mut WriteClaim) -> &'a mut [u8] {
        self.handle.ring.own_write(claim);
        let range = claim.range();
        if self.is_outside(range) {
            // SAFETY: only this claim leads to them, of which there is one, and it is borrowed uniquely.
            unsafe { self.outside.bytes_mut(self.len_of(range)) }
        } else {
            // SAFETY: claimed and not published; no lossy subscribers look; and as above.
            unsafe { self.slots.bytes_mut(range) }
        }
    }

    /// The same, to look at.
    #[inline]
    fn stretch<'a>(&'a self, claim: &'a WriteClaim) -> &'a [u8] {
        self.handle.ring.own_write(claim);
        let range = claim.range();
        if self.is_outside(range) {
            // SAFETY: they are written through the claim only, which is borrowed.
            unsafe { self.outside.bytes(self.len_of(range)) }
        } else {
            // SAFETY: claimed; and as above.
            unsafe { self.slots.bytes(range) }
        }
    }

    /// The bytes of message `index` of a claim, to be written.
    #[inline]
    pub(crate) fn payload_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        let size = self.slots.size();
        &mut self.stretch_mut(claim)[index as usize * size..][..size]
    }

    /// The same, to look at.
    #[inline]
    pub(crate) fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        let size = self.slots.size();
        &self.stretch(claim)[index as usize * size..][..size]
    }

    /// Publishes the claim of an entry, of one message; its id.
    #[inline]
    pub(crate) fn publish_entry(&self, entry: usize) -> Result<u64> {
        let claim = self.handle.ring.writing(self.handle.held.claim(entry));
        let id = claim.message_id(0);
        self.publish(claim).map(|()| id)
    }

    /// Publishes a claim. Gives it up where that cannot be done.
    pub(crate) fn publish(&self, claim: WriteClaim) -> Result<()> {
        let handle = &self.handle;
        handle.ring.own_write(&claim);
        handle.check()?;
        let range = claim.range();
        let ended = self.begin(range.count);
        if ended != 0 {
            self.abort(claim);
            return Err(end_error(&self.handle, ended));
        }
        if self.is_outside(range) {
            // SAFETY: they are written through the claim only, which is here.
            let staged = unsafe { self.outside.bytes(self.len_of(range)) };
            // SAFETY: claimed, and not published yet.
            unsafe { self.slots.write_all(range.first, staged) };
        }
        self.end(range.count);
        self.abort(claim);
        Ok(())
    }

    /// Lets go of a claim, whose positions are those of the next messages if they were not published. Nobody has seen anything of it.
    pub(crate) fn abort(&self, claim: WriteClaim) {
        self.handle.ring.own_write(&claim);
        self.handle.held.let_go(claim.entry());
        if self.is_light {
            self.writer.find_free();
        }
    }

    /// Messages that the slowest reliable subscriber has yet to get.
    pub(crate) fn len(&self) -> u64 {
        self.writer.unread(&self.handle.ring)
    }

    /// Bytes of a message.
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.slots.size()
    }
}

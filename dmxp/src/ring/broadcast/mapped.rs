//! Broadcast over a mapped region: its words, the subscribers' records, and messages outside of slots: staged before they are
//! sent, or copied out.

use super::memory::{BroadcastMemory, Limits, Look};
use super::{put, read};
use crate::layout::{ChannelRecord, HandleRecord, MessageMeta, ROLE_CONSUMER, SUBSCRIPTION_RELIABLE, Slot};
use crate::liveness::RecordState;
use crate::ring::mapped::{MappedRing, View};
use crate::ring::strided::Strided;
use crate::sync::{AtomicU64, Ordering, fence};
use core::cell::{Cell, RefCell, UnsafeCell};
use core::mem::offset_of;
use core::ptr::NonNull;

/// Words of a slot before its metadata.
pub(crate) const META_WORD: usize = offset_of!(Slot, meta) / size_of::<u64>();
/// Words of the metadata.
pub(crate) const META_WORDS: usize = size_of::<MessageMeta>() / size_of::<u64>();

impl BroadcastMemory for MappedRing {
    #[inline]
    fn words(&self, position: u64) -> &[AtomicU64] {
        self.slot_words(position)
    }

    fn limits(&self) -> Limits<'_> {
        limits(self.record())
    }

    fn places(&self) -> u32 {
        self.attachment().mapping().plan().handles
    }

    fn look(&self, place: u32) -> Look {
        // Relaxed: written before this handle's state, which is this process's own.
        let own = self.handle();
        let channel = own.channel_id.load(Ordering::Relaxed);
        let generation = own.channel_generation.load(Ordering::Relaxed);
        look(self.attachment().mapping().handle(place), channel, generation)
    }
}

impl BroadcastMemory for View<'_> {
    #[inline(always)]
    fn words(&self, position: u64) -> &[AtomicU64] {
        self.slot_words(position)
    }

    fn limits(&self) -> Limits<'_> {
        limits(self.ring().record())
    }

    fn places(&self) -> u32 {
        BroadcastMemory::places(self.ring())
    }

    fn look(&self, place: u32) -> Look {
        BroadcastMemory::look(self.ring(), place)
    }
}

/// The limits in a channel's record.
pub(crate) fn limits(record: &ChannelRecord) -> Limits<'_> {
    Limits {
        verified: &record.verified,
        announced: &record.announced,
        joins: &record.joins,
    }
}

/// What a handle record says of a reliable subscriber of a channel. A dead one's needs nothing.
pub(crate) fn look(record: &HandleRecord, channel: u32, generation: u64) -> Look {
    // Acquire: pairs with open::register for the fields, and with the process that declared it dead or freed it: its reads are over then.
    let state = record.state.load(Ordering::Acquire);
    let here = matches!(RecordState::decode(state), RecordState::Live { .. })
        && record.role.load(Ordering::Relaxed) == ROLE_CONSUMER
        && record.subscription.load(Ordering::Relaxed) == SUBSCRIPTION_RELIABLE
        && record.channel_id.load(Ordering::Relaxed) == channel
        && record.channel_generation.load(Ordering::Relaxed) == generation;
    // Acquire: pairs with the release of the subscriber that moved it, whose reads of what lies before are over.
    let cursor = record.cursor.load(Ordering::Acquire);
    // The fields stay before the second look; pairs with the fence in open::register.
    fence(Ordering::Acquire);
    match (record.state.load(Ordering::Relaxed) == state, here) {
        (true, true) => Look::Needs(cursor),
        (true, false) => Look::Nobody,
        (false, _) => Look::Changing,
    }
}

/// Writes a message into the words of its slot, between `begin` and `publish`.
#[inline(always)]
pub(crate) fn write(ring: View<'_>, position: u64, meta: &MessageMeta, payload: &[u8]) {
    let words = ring.words(position);
    if let Some((head, _)) = words.split_first_chunk::<{ META_WORD + META_WORDS }>() {
        for (word, value) in head[META_WORD..].iter().zip(meta_words(meta)) {
            // Relaxed: as in `put`.
            word.store(value, Ordering::Relaxed);
        }
    }
    put(words.get(ring.payload_word()..).unwrap_or_default(), payload);
}

#[inline(always)]
fn meta_words(meta: &MessageMeta) -> [u64; META_WORDS] {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let runtime_and_flags = u32::from(meta.sender_runtime) | u32::from(meta.flags) << 16;
    [
        meta.message_id,
        meta.timestamp_ns,
        pair(meta.channel_id, meta.message_type),
        pair(meta.sender_pid, runtime_and_flags),
        pair(meta.payload_len, meta.checksum),
    ]
}

/// The word of the metadata that holds the payload's length, in its lower half.
const LEN_WORD: usize = offset_of!(MessageMeta, payload_len) / size_of::<u64>();

/// The metadata in the words of a slot that hold it.
pub(crate) fn meta_of(words: [u64; META_WORDS]) -> MessageMeta {
    let [message_id, timestamp_ns, channel_and_type, sender, length_and_checksum] = words;
    MessageMeta {
        message_id,
        timestamp_ns,
        channel_id: channel_and_type as u32,
        message_type: (channel_and_type >> 32) as u32,
        sender_pid: sender as u32,
        sender_runtime: (sender >> 32) as u16,
        flags: (sender >> 48) as u16,
        payload_len: length_and_checksum as u32,
        checksum: (length_and_checksum >> 32) as u32,
    }
}

/// 64 bytes, aligned as a slot is.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Messages of one claim outside of their slots. Kept for the next claim, so that nothing is allocated for each message.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    metas: RefCell<Vec<MessageMeta>>,
    lines: UnsafeCell<Vec<UnsafeCell<Line>>>,
    /// Lines of each message.
    each: Cell<usize>,
}

impl Messages {
    /// Makes room for `count` messages of at most `len` bytes.
    ///
    /// # Safety
    /// Nothing that was borrowed from `self` is used any more.
    #[inline]
    pub(crate) unsafe fn prepare(&self, count: u32, len: u32) {
        self.each.set((len as usize).div_ceil(size_of::<Line>()));
        let needed = self.each.get() * count as usize;
        // SAFETY: the caller says that nobody else has a reference, and this type is not shared between threads.
        let lines = unsafe { &mut *self.lines.get() };
        if lines.len() < needed {
            lines.resize_with(needed, UnsafeCell::default);
        }
        let mut metas = self.metas.borrow_mut();
        if metas.len() < count as usize {
            metas.resize(count as usize, MessageMeta::default());
        }
    }

    /// The lines of message `index`.
    #[inline]
    fn lines(&self, index: u32) -> &[UnsafeCell<Line>] {
        // SAFETY: only `prepare` changes the list, which promises that nothing borrowed is used then, and the type is not shared
        // between threads.
        let lines = unsafe { &*self.lines.get() };
        let first = index as usize * self.each.get();
        lines.get(first..first + self.each.get()).unwrap_or_default()
    }

    /// Copies message `index` out of the slot of `position`, whose word was `seen` to say that it lies there. `false`: it was overwritten
    /// meanwhile.
    ///
    /// # Safety
    /// Nothing that was borrowed of that message is used any more.
    pub(crate) unsafe fn copy_out(&self, ring: &MappedRing, position: u64, seen: u64, index: u32) -> bool {
        let mut words = [0; META_WORDS];
        read::copy(ring, position, META_WORD - 1, &mut words);
        let meta = meta_of(words);
        let mut skip = ring.payload_word() - 1;
        // What is copied of a length that is forged, or of another message, is no more than there is room for.
        for line in self
            .lines(index)
            .iter()
            .take((meta.payload_len as usize).div_ceil(size_of::<Line>()))
        {
            // SAFETY: the caller says that nobody has borrowed it.
            let line = unsafe { &mut *line.get() };
            read::copy(ring, position, skip, &mut line.0);
            skip += line.0.len();
        }
        self.set_meta(index, meta);
        read::is_whole(ring, position, seen)
    }

    /// Copies the payload of `position`, whose word was `seen` to say that it lies there, to the place of the first message. `None`: it was overwritten
    /// meanwhile, its length is none that a slot holds, or there is no [room](Self::prepare) for it.
    ///
    /// # Safety
    /// Nothing that was borrowed from `self` is used any more.
    #[inline(always)]
    pub(crate) unsafe fn copy_payload(&self, ring: View<'_>, position: u64, seen: u64) -> Option<&[u8]> {
        let words = ring.words(position);
        // Relaxed: `is_whole` tells whether it is that message's.
        let len = words.get(META_WORD + LEN_WORD)?.load(Ordering::Relaxed) as u32;
        if len > ring.ring().payload_capacity() {
            return None;
        }
        let first = ring.payload_word();
        let words = words.get(first..first + (len as usize).div_ceil(size_of::<u64>()))?;
        let lines = self.lines(0);
        if size_of_val(words) > size_of_val(lines) {
            return None;
        }
        let start = UnsafeCell::raw_get(lines.as_ptr()).cast::<u64>();
        // SAFETY: so many words lie there, all initialised, in cells that may be written through a shared reference, and nobody else
        // uses them, as the caller says.
        let copy = unsafe { core::slice::from_raw_parts_mut(start, words.len()) };
        read::copy_words(words, copy);
        if !read::is_whole(&ring, position, seen) {
            return None;
        }
        // SAFETY: that many bytes are there, and nobody writes them while they are borrowed, as the caller says.
        Some(unsafe { core::slice::from_raw_parts(start.cast::<u8>(), len as usize) })
    }

    /// Where the messages lie; `None` when there is not room for `count` of `len` bytes.
    pub(crate) fn strided(&self, count: u32, len: usize) -> Option<Strided> {
        // SAFETY: as in `lines`.
        let lines = unsafe { &*self.lines.get() };
        let stride = self.each.get() * size_of::<Line>();
        let fits = len <= stride && self.each.get() * count as usize <= lines.len();
        let base = NonNull::new(UnsafeCell::raw_get(lines.as_ptr()).cast::<u8>())?;
        fits.then(|| Strided::side_by_side(base, stride))
    }

    /// Whether each of `count` messages has `len` bytes.
    pub(crate) fn have_length(&self, count: u32, len: usize) -> bool {
        let metas = self.metas.borrow();
        let metas = metas.get(..count as usize);
        metas.is_some_and(|metas| metas.iter().all(|meta| meta.payload_len as usize == len))
    }

    /// The metadata of message `index`.
    pub(crate) fn meta(&self, index: u32) -> MessageMeta {
        self.metas.borrow()[index as usize]
    }

    /// Sets the metadata of message `index`. Always inline: its fields go there, and not by way of the stack.
    #[inline(always)]
    pub(crate) fn set_meta(&self, index: u32, meta: MessageMeta) {
        self.metas.borrow_mut()[index as usize] = meta;
    }

    /// The first `len` bytes of message `index`; `None` when there is not room for so many.
    ///
    /// # Safety
    /// None of the unsafe calls that write them is made while they are borrowed.
    #[inline]
    pub(crate) unsafe fn bytes(&self, index: u32, len: usize) -> Option<&[u8]> {
        let lines = self.lines(index);
        if len > size_of_val(lines) {
            return None;
        }
        // SAFETY: that many bytes are there, all initialised, and nobody writes them, as the caller says.
        Some(unsafe { core::slice::from_raw_parts(lines.as_ptr().cast::<u8>(), len) })
    }

    /// The first `len` bytes of message `index`, to be written.
    ///
    /// # Safety
    /// Nobody else has borrowed them.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the caller promises what a unique borrow would")]
    pub(crate) unsafe fn bytes_mut(&self, index: u32, len: usize) -> &mut [u8] {
        let lines = self.lines(index);
        assert!(
            len <= size_of_val(lines),
            "{len} bytes of a message outside of its slot"
        );
        let start = UnsafeCell::raw_get(lines.as_ptr()).cast::<u8>();
        // SAFETY: that many bytes are there, all initialised, in cells that may be written through a shared reference; the caller
        // says that they are nobody else's.
        unsafe { core::slice::from_raw_parts_mut(start, len) }
    }
}

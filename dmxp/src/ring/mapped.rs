//! The ring in a mapped region, with the payloads.
//!
//! Claims are values that only this module makes, one for each range that a cursor moved over, and that publishing, aborting
//! and releasing consume. [`MappedRing::reading`] and [`MappedRing::writing`] make them anew of what a handle's table says. References to payloads borrow the claim, which is what keeps them from outliving it.

use super::Range;
use super::claim::{ReadClaim, Rest, WriteClaim};
use super::memory::RingMemory;
use super::prefetch;
use super::strided::Strided;
use super::word::{Phase, Sequence};
use crate::layout::{
    CELLS, ChannelEntry, ChannelRecord, HandleRecord, MessageMeta, SHORT_PAYLOAD_OFFSET, Slot, SlotShape,
};
use crate::message::{DmxpMessage, InvalidValue, copy_from_bytes, is_valid, ref_from_bytes};
use crate::region::{Attachment, Mapping};
use crate::ring::queue::consume::Look;
use crate::ring::queue::{consume, produce};
use crate::sync::{AtomicU64, Ordering};
use crate::wait::Event;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;
use std::sync::Arc;

/// Numbers rings of this process, so that a claim of one cannot be used with another. Relaxed: the numbers differ, that is all.
static NEXT_RING: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

/// Bytes of a cache line.
const LINE: usize = 64;

/// Where a ring lies. [`MappedRing::new`] checks it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) channel: u32,
    pub(crate) offset: u64,
    pub(crate) capacity: u64,
    pub(crate) slots: SlotShape,
    /// Where payloads begin in slots.
    pub(crate) payload_offset: usize,
    /// The channel whose event consumers wait on, and whose end is this one's: itself, but for the urgent ring of a channel with
    /// priorities.
    pub(crate) listeners: u32,
}

/// A queue in a region, as one handle sees it.
#[derive(Debug)]
pub(crate) struct MappedRing {
    attachment: Arc<Attachment>,
    entry: NonNull<ChannelEntry>,
    record: NonNull<ChannelRecord>,
    handle: NonNull<HandleRecord>,
    /// Entry and record of [`Place::listeners`].
    listeners: (NonNull<ChannelEntry>, NonNull<ChannelRecord>),
    slots: NonNull<u8>,
    mask: u64,
    stride: usize,
    payload_offset: usize,
    /// The second line of a slot, or the first where a slot has no other.
    second_line: usize,
    payload_capacity: u32,
    identity: u64,
}

// SAFETY: the pointers lead into the mapping, which the attachment keeps and which is not tied to a thread; what they point to
// is atomic, or a slot reached through a claim that one handle owns.
unsafe impl Send for MappedRing {}

impl RingMemory for MappedRing {
    #[inline]
    fn capacity(&self) -> u64 {
        self.mask + 1
    }

    #[inline]
    fn tail(&self) -> &AtomicU64 {
        &self.entry().tail
    }

    #[inline]
    fn head(&self) -> &AtomicU64 {
        &self.entry().head
    }

    #[inline]
    fn returned_hint(&self) -> &AtomicU64 {
        &self.entry().returned_hint
    }

    #[inline]
    fn sequence(&self, position: u64) -> &AtomicU64 {
        const { assert!(offset_of!(Slot, sequence) == 0) };
        // SAFETY: the slot is in bounds and starts with its sequence, aligned to 64 bytes, which is only used as an atomic.
        unsafe { self.slot(position).cast::<AtomicU64>().as_ref() }
    }

    #[inline(always)]
    fn prefetch_payload(&self, position: u64) {
        prefetch::to_read(self.slot(position).as_ptr().wrapping_add(self.second_line));
    }

    fn count_dropped(&self) {
        self.record().dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn uncount_dropped(&self) {
        self.record().dropped.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MappedRing {
    /// The ring at `place`, seen by the handle with that index; `None` when it does not lie in the region's ring space.
    pub(crate) fn new(attachment: Arc<Attachment>, place: Place, handle: u32) -> Option<Self> {
        let Place {
            channel,
            offset,
            capacity,
            slots,
            payload_offset,
            listeners,
        } = place;
        let len = capacity.checked_mul(u64::from(slots.stride))?;
        // Packed slots have no words of their own, and are not reached from here: of them all, the first 128 bytes are seen, with no
        // payload. Every ring has so many.
        let (stride, payload_capacity, len) = if slots.is_packed() {
            (0, 0, len.max(128))
        } else {
            (slots.stride as usize, slots.payload_capacity, len)
        };
        let fits = slots.is_packed() || payload_offset.checked_add(payload_capacity as usize)? <= stride;
        let is_head = payload_offset >= SHORT_PAYLOAD_OFFSET && payload_offset.is_multiple_of(size_of::<u64>());
        if !capacity.is_power_of_two() || !stride.is_multiple_of(64) || !offset.is_multiple_of(64) || !fits || !is_head
        {
            return None;
        }
        let mapping = attachment.mapping();
        let slots = mapping.ring_space(offset, len)?;
        Some(Self {
            entry: NonNull::from(mapping.entry(channel)),
            record: NonNull::from(mapping.record(channel)),
            handle: NonNull::from(mapping.handle(handle)),
            listeners: (
                NonNull::from(mapping.entry(listeners)),
                NonNull::from(mapping.record(listeners)),
            ),
            slots,
            mask: capacity - 1,
            stride,
            payload_offset,
            second_line: if stride > LINE { LINE } else { 0 },
            payload_capacity,
            identity: NEXT_RING.fetch_add(1, Ordering::Relaxed),
            attachment,
        })
    }

    #[inline]
    pub(crate) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    #[inline]
    pub(crate) fn entry(&self) -> &ChannelEntry {
        // SAFETY: points into the mapping, which the attachment keeps; all atomics.
        unsafe { self.entry.as_ref() }
    }

    #[inline]
    pub(crate) fn record(&self) -> &ChannelRecord {
        // SAFETY: as for `entry`.
        unsafe { self.record.as_ref() }
    }

    /// What consumers wait for, and what says that the stream is over.
    #[inline]
    pub(crate) fn data(&self) -> Event<'_> {
        let (entry, record) = self.listeners;
        // SAFETY: as for `entry`.
        let signal = unsafe { &entry.as_ref().signal };
        // SAFETY: as for `entry`.
        let waiters = unsafe { &record.as_ref().data_waiters };
        Event { signal, waiters }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &HandleRecord {
        // SAFETY: as for `entry`.
        unsafe { self.handle.as_ref() }
    }

    #[inline]
    pub(crate) fn payload_capacity(&self) -> u32 {
        self.payload_capacity
    }

    #[inline]
    fn slot(&self, position: u64) -> NonNull<u8> {
        let index = (position & self.mask) as usize;
        // SAFETY: `index < capacity`, and `new` checked that capacity times stride bytes from `slots` are mapped, and 128 at least.
        unsafe { self.slots.add(index * self.stride) }
    }

    /// A whole slot as words, for callers that write and read it while others may be reading and writing it.
    #[inline]
    pub(crate) fn slot_words(&self, position: u64) -> &[AtomicU64] {
        let start = self.slot(position).cast::<AtomicU64>();
        // SAFETY: the stride is that many words and lies within what `new` checked; words are valid whatever they hold, and may
        // be changed by others.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), self.stride / size_of::<AtomicU64>()) }
    }

    /// Words of a slot before its payload.
    #[inline]
    pub(crate) fn payload_word(&self) -> usize {
        self.payload_offset / size_of::<AtomicU64>()
    }

    #[inline]
    fn meta(&self, position: u64) -> NonNull<MessageMeta> {
        // SAFETY: the metadata follows the sequence within the slot.
        unsafe { self.slot(position).add(offset_of!(Slot, meta)).cast() }
    }

    /// When the message at a position was published, on channels whose messages expire. Stored before the sequence that makes the
    /// message readable, and loaded after it, by a consumer that may be too late to claim it; hence an atomic.
    pub(crate) fn published_ns(&self, position: u64) -> &AtomicU64 {
        let slot = self.slot(position);
        // SAFETY: it follows the metadata within the slot.
        let place = unsafe { slot.add(offset_of!(Slot, published_ns)) };
        // SAFETY: in bounds, as `new` checked; aligned to 8, and only used as an atomic; the mapping lives as long as `self`.
        unsafe { place.cast::<AtomicU64>().as_ref() }
    }

    #[inline]
    fn payload(&self, position: u64) -> NonNull<u8> {
        // SAFETY: payload_capacity bytes from there lie within the stride, as `new` checked.
        unsafe { self.slot(position).add(self.payload_offset) }
    }

    /// The position `index` steps into a range. Panics beyond it: claims are handed out by the count.
    #[inline]
    #[track_caller]
    fn position(range: Range, index: u32) -> u64 {
        if index >= range.count {
            beyond_the_claim(index, range.count);
        }
        range.first.wrapping_add(u64::from(index))
    }

    #[inline]
    fn own_ring(&self, ring: u64) {
        assert!(ring == self.identity, "a claim of another handle");
    }

    /// Whether the claim is this ring's.
    #[inline]
    pub(crate) fn has_claimed(&self, claim: &ReadClaim) -> bool {
        claim.ring == self.identity
    }

    /// Panics when the claim is another handle's; the methods below do so by themselves.
    #[inline]
    pub(crate) fn own_read(&self, claim: &ReadClaim) {
        self.own_ring(claim.ring);
    }

    /// As [`own_read`](Self::own_read).
    #[inline]
    pub(crate) fn own_write(&self, claim: &WriteClaim) {
        self.own_ring(claim.ring);
    }

    /// The claim that an entry of this ring's handle has.
    #[inline(always)]
    pub(crate) fn reading(&self, (first, rest): (u64, Rest)) -> ReadClaim {
        ReadClaim {
            first,
            ring: self.identity,
            rest,
        }
    }

    /// As [`reading`](Self::reading).
    #[inline(always)]
    pub(crate) fn writing(&self, (first, rest): (u64, Rest)) -> WriteClaim {
        WriteClaim {
            first,
            ring: self.identity,
            rest,
        }
    }

    /// The ring with what leads to its slots in registers.
    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_> {
        View {
            ring: self,
            entry: self.entry(),
            slots: self.slots,
            mask: self.mask,
            stride: self.stride,
            payload_offset: self.payload_offset,
        }
    }

    /// A claim cell of this ring's handle.
    #[inline(always)]
    pub(crate) fn cell(&self, entry: usize) -> &AtomicU64 {
        &self.handle().cells[entry % CELLS]
    }

    #[inline(always)]
    pub(crate) fn claim_write(&self, cell: usize, min: u32, max: u32) -> Option<WriteClaim> {
        let range = produce::claim(self, self.cell(cell), min, max)?;
        Some(self.writing((range.first, Rest::new(range.count, cell as u8))))
    }

    #[inline(always)]
    pub(crate) fn claim_read(
        &self,
        cell: usize,
        min: u32,
        max: u32,
        stale: impl Fn(u64) -> bool,
        aborted: impl FnMut(),
    ) -> Option<ReadClaim> {
        let range = consume::claim(self, self.cell(cell), min, max, stale, aborted)?;
        Some(self.reading((range.first, Rest::new(range.count, cell as u8))))
    }

    /// Whether a handle that found nothing when the returned hint was `seen` must look again.
    #[inline]
    pub(crate) fn may_have_returned(&self, seen: u64) -> bool {
        // Relaxed: take_returned acquires what it finds.
        self.returned_hint().load(Ordering::Relaxed) != seen
    }

    /// Takes a returned message into an entry.
    pub(crate) fn take_returned(&self, handle: u16, entry: usize, look: &mut Look) -> Option<ReadClaim> {
        let (first, times) = consume::take_returned(self, handle, look)?;
        Some(self.reading((first, Rest::returned(entry as u8, times))))
    }

    /// The payload bytes of a claimed slot, to be written. They hold whatever an earlier message left there.
    #[inline(always)]
    pub(crate) fn bytes_mut<'a>(&'a self, claim: &'a mut WriteClaim, index: u32) -> &'a mut [u8] {
        self.own_ring(claim.ring);
        let place = self.payload(Self::position(claim.range(), index));
        // SAFETY: in bounds; initialised, being file memory; and nobody else touches a slot between the tail's passing it and
        // its sequence changing, while the claim, which only this ring's publish and abort consume, is borrowed.
        unsafe { core::slice::from_raw_parts_mut(place.as_ptr(), self.payload_capacity as usize) }
    }

    /// The payload bytes of a claimed slot, to be looked at.
    #[inline(always)]
    pub(crate) fn written<'a>(&'a self, claim: &'a WriteClaim, index: u32) -> &'a [u8] {
        self.own_ring(claim.ring);
        let place = self.payload(Self::position(claim.range(), index));
        // SAFETY: as for `bytes_mut`; the claim is borrowed, so nobody in this process writes either.
        unsafe { core::slice::from_raw_parts(place.as_ptr(), self.payload_capacity as usize) }
    }

    /// Writes the metadata of a claimed slot.
    #[inline(always)]
    pub(crate) fn write_meta(&self, claim: &mut WriteClaim, index: u32, meta: MessageMeta) {
        self.own_ring(claim.ring);
        // SAFETY: the claim, which is borrowed uniquely, is on the position.
        unsafe { self.view().describe(Self::position(claim.range(), index), meta) };
    }

    /// Writes when the messages of a claim of this ring are published. Relaxed: the publication that follows is a release.
    pub(crate) fn date(&self, range: Range, now_ns: u64) {
        for position in range.positions() {
            self.published_ns(position).store(now_ns, Ordering::Relaxed);
        }
    }

    /// Bytes of payload of a described message.
    #[inline]
    pub(crate) fn written_len(&self, claim: &WriteClaim, index: u32) -> u32 {
        self.own_ring(claim.ring);
        self.len_at(Self::position(claim.range(), index))
    }

    /// The length in the metadata of a slot that a claim keeps from being written by others.
    #[inline(always)]
    fn len_at(&self, position: u64) -> u32 {
        self.view().len_at(position)
    }

    /// Bytes of payload of a message being read, as its sender has it.
    #[inline(always)]
    pub(crate) fn payload_len(&self, claim: &ReadClaim, index: u32) -> u32 {
        self.own_ring(claim.ring);
        self.len_at(Self::position(claim.range(), index))
    }

    #[inline(always)]
    pub(crate) fn publish(&self, claim: WriteClaim) {
        self.own_ring(claim.ring);
        produce::publish(self, claim.range());
    }

    pub(crate) fn abort(&self, claim: WriteClaim) {
        self.own_ring(claim.ring);
        produce::abort(self, claim.range());
    }

    /// The metadata of a message being read.
    #[inline]
    pub(crate) fn read_meta(&self, claim: &ReadClaim, index: u32) -> MessageMeta {
        self.own_ring(claim.ring);
        let place = self.meta(Self::position(claim.range(), index));
        // SAFETY: in bounds and aligned to 8; all bit patterns are valid; nobody writes a slot between its being readable and
        // its release, which consumes the claim.
        unsafe { place.read() }
    }

    /// The first `len` payload bytes of a message being read; `None` if a slot does not hold that many.
    #[inline(always)]
    pub(crate) fn bytes<'a>(&'a self, claim: &'a ReadClaim, index: u32, len: u32) -> Option<&'a [u8]> {
        self.own_ring(claim.ring);
        if len > self.payload_capacity {
            return None;
        }
        let place = self.payload(Self::position(claim.range(), index));
        // SAFETY: in bounds and initialised; nobody writes while the claim is held, as for `read_meta`.
        Some(unsafe { core::slice::from_raw_parts(place.as_ptr(), len as usize) })
    }

    #[inline(always)]
    pub(crate) fn release(&self, claim: ReadClaim) {
        self.own_ring(claim.ring);
        consume::release(self, claim.range());
    }

    /// Returns messages that were delivered without result: they are delivered again.
    pub(crate) fn give_back(&self, claim: ReadClaim) {
        self.own_ring(claim.ring);
        for position in claim.range().positions() {
            consume::give_back(self, position, claim.times());
        }
    }

    /// Returns messages as they were, which is no delivery. Message `bad` is released instead.
    pub(crate) fn put_back_but(&self, claim: ReadClaim, bad: u32) {
        self.own_ring(claim.ring);
        for (index, position) in claim.range().positions().enumerate() {
            if index as u64 == u64::from(bad) {
                consume::release_one(self, position);
            } else {
                consume::put_back(self, position, claim.times());
            }
        }
        consume::bump_hint(self);
    }

    /// Undoes a claim whose value was lost (leaked by its owner): unpublished positions are aborted, messages returned.
    pub(crate) fn forget(&self, phase: Phase, range: Range) {
        match phase {
            Phase::Produce => produce::abort(self, range),
            Phase::Consume => range.positions().for_each(|position| {
                consume::give_back(self, position, 0);
            }),
        }
    }

    /// Lets go of the messages that this handle took from the returned ones and never released.
    pub(crate) fn forget_taken(&self, handle: u16) {
        for place in 0..self.capacity() {
            // Acquire: pairs with the marking of the slot, before after_taken looks at the head. What we look for is our own.
            let word = self.sequence(place).load(Ordering::Acquire);
            if matches!(Sequence::decode(word), Sequence::Taken { handle: taker, .. } if taker == handle)
                && let Some(next) = consume::after_taken(self, word, false)
            {
                if !matches!(Sequence::decode(next), Sequence::Returned { .. }) {
                    self.count_dropped();
                }
                // Release: as give_back and release_one. A plain store: while this handle lives, nobody else changes its marks.
                self.sequence(place).store(next, Ordering::Release);
            }
        }
        consume::bump_hint(self);
    }
}

/// A ring as a short call uses it. Where its slots lie is copied: what is stored meanwhile, in slots and elsewhere, could otherwise be
/// that, as far as a compiler can tell, and a slot's address would be computed anew at each step.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    ring: &'a MappedRing,
    entry: &'a ChannelEntry,
    slots: NonNull<u8>,
    mask: u64,
    stride: usize,
    payload_offset: usize,
}

impl<'a> View<'a> {
    /// The ring that this is a view of.
    #[inline(always)]
    pub(crate) fn ring(&self) -> &'a MappedRing {
        self.ring
    }

    /// As [`MappedRing::slot_words`].
    #[inline(always)]
    pub(crate) fn slot_words(&self, position: u64) -> &[AtomicU64] {
        let start = self.slot(position).cast::<AtomicU64>();
        // SAFETY: as in MappedRing::slot_words.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), self.stride / size_of::<AtomicU64>()) }
    }

    /// Words of a slot before its payload.
    #[inline(always)]
    pub(crate) fn payload_word(&self) -> usize {
        self.payload_offset / size_of::<AtomicU64>()
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> NonNull<u8> {
        let index = (position & self.mask) as usize;
        // SAFETY: as in MappedRing::slot.
        unsafe { self.slots.add(index * self.stride) }
    }

    /// Where the payload of a position lies. What may be done with it depends on which handle has claimed the position.
    #[inline(always)]
    pub(crate) fn payload(&self, position: u64) -> NonNull<u8> {
        // SAFETY: payload_capacity bytes from there lie within the stride, as `new` checked.
        unsafe { self.slot(position).add(self.payload_offset) }
    }

    /// Where the payloads of the positions from `first` on lie.
    #[inline(always)]
    pub(crate) fn payloads(&self, first: u64) -> Strided {
        Strided {
            // SAFETY: within the first slot, as in `payload`.
            base: unsafe { self.slots.add(self.payload_offset) },
            first,
            mask: self.mask,
            stride: self.stride,
        }
    }

    /// Whether each message of a range that is claimed for reading has `len` bytes, and a slot so many.
    #[inline(always)]
    pub(crate) fn have_length(&self, range: Range, len: usize) -> bool {
        len <= self.ring.payload_capacity as usize
            && range.positions().all(|position| self.len_at(position) as usize == len)
    }

    /// Copies a payload into the slot of a position.
    ///
    /// # Safety
    /// The position is claimed for writing through this ring, nobody else writes there, and the payload is not longer than the
    /// payload capacity.
    #[inline(always)]
    pub(crate) unsafe fn fill(&self, position: u64, payload: &[u8]) {
        let place = self.payload(position);
        // SAFETY: so many bytes lie there, as the caller says; a slot that is claimed for writing overlaps nothing that is borrowed.
        unsafe { place.as_ptr().copy_from_nonoverlapping(payload.as_ptr(), payload.len()) };
    }

    /// Writes the metadata of a position.
    ///
    /// # Safety
    /// The position is claimed for writing through this ring, and nobody else writes there.
    #[inline(always)]
    pub(crate) unsafe fn describe(&self, position: u64, meta: MessageMeta) {
        // SAFETY: the metadata follows the sequence within the slot.
        let place = unsafe { self.slot(position).add(offset_of!(Slot, meta)) };
        // SAFETY: in bounds and aligned to 8; the slot is the caller's.
        unsafe { place.cast::<MessageMeta>().write(meta) };
    }

    /// The length in the metadata of a slot that a claim keeps from being written by others.
    #[inline(always)]
    pub(crate) fn len_at(&self, position: u64) -> u32 {
        const OFFSET: usize = offset_of!(Slot, meta) + offset_of!(MessageMeta, payload_len);
        // SAFETY: within the slot.
        let place = unsafe { self.slot(position).add(OFFSET) };
        // SAFETY: in bounds, aligned to 4, any bit pattern is valid, and nobody else writes it, as the caller says.
        unsafe { place.cast::<u32>().read() }
    }

    /// The payload of a position, as long as its metadata says; `None` if a slot does not hold that many bytes.
    ///
    /// # Safety
    /// The position is claimed for reading through this ring, and stays so while the bytes are borrowed.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, position: u64) -> Option<&[u8]> {
        let len = self.len_at(position);
        if len > self.ring.payload_capacity {
            return None;
        }
        let place = self.payload(position);
        // SAFETY: in bounds and initialised; nobody writes a slot that is claimed for reading.
        Some(unsafe { core::slice::from_raw_parts(place.as_ptr(), len as usize) })
    }

    /// Has the processor fetch the beginning of a slot that will be read soon, while it goes on.
    #[inline(always)]
    pub(crate) fn prefetch_read(&self, position: u64) {
        self.prefetch_slot::<false, false>(position);
    }

    /// The same of a slot that will be read and then handed back by its sequence: no other core keeps that line.
    #[inline(always)]
    pub(crate) fn prefetch_take(&self, position: u64) {
        self.prefetch_slot::<true, false>(position);
    }

    /// The same of a slot that will be written soon: no other core keeps these lines.
    #[inline(always)]
    pub(crate) fn prefetch_write(&self, position: u64) {
        self.prefetch_slot::<true, true>(position);
    }

    /// Sequence and metadata, and what fits beside them or behind them of the payload: two lines at most.
    #[inline(always)]
    fn prefetch_slot<const WRITE_FIRST: bool, const WRITE_SECOND: bool>(&self, position: u64) {
        let slot = self.slot(position).as_ptr();
        let second = slot.wrapping_add(self.ring.second_line);
        if WRITE_FIRST {
            prefetch::to_write(slot);
        } else {
            prefetch::to_read(slot);
        }
        if WRITE_SECOND {
            prefetch::to_write(second);
        } else {
            prefetch::to_read(second);
        }
    }
}

impl RingMemory for View<'_> {
    #[inline(always)]
    fn capacity(&self) -> u64 {
        self.mask + 1
    }

    #[inline(always)]
    fn tail(&self) -> &AtomicU64 {
        &self.entry.tail
    }

    #[inline(always)]
    fn head(&self) -> &AtomicU64 {
        &self.entry.head
    }

    #[inline(always)]
    fn returned_hint(&self) -> &AtomicU64 {
        &self.entry.returned_hint
    }

    #[inline(always)]
    fn sequence(&self, position: u64) -> &AtomicU64 {
        // SAFETY: as in MappedRing::sequence.
        unsafe { self.slot(position).cast::<AtomicU64>().as_ref() }
    }

    #[inline(always)]
    fn prefetch_payload(&self, position: u64) {
        prefetch::to_read(self.slot(position).as_ptr().wrapping_add(self.ring.second_line));
    }

    fn count_dropped(&self) {
        self.ring.count_dropped();
    }

    fn uncount_dropped(&self) {
        self.ring.uncount_dropped();
    }
}

/// Apart, so that the numbers need no place in memory where all is well.
#[cold]
#[track_caller]
fn beyond_the_claim(index: u32, count: u32) -> ! {
    panic!("message {index} of a claim of {count}");
}

/// The words of a ring for those that hold no handle to it: sweepers. `place` was read from a checked channel record.
pub(crate) struct RingWords<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) place: Place,
}

impl RingMemory for RingWords<'_> {
    fn capacity(&self) -> u64 {
        self.place.capacity
    }

    fn tail(&self) -> &AtomicU64 {
        &self.mapping.entry(self.place.channel).tail
    }

    fn head(&self) -> &AtomicU64 {
        &self.mapping.entry(self.place.channel).head
    }

    fn returned_hint(&self) -> &AtomicU64 {
        &self.mapping.entry(self.place.channel).returned_hint
    }

    fn sequence(&self, position: u64) -> &AtomicU64 {
        let slot = position & (self.place.capacity - 1);
        self.mapping
            .word(self.place.offset + slot * u64::from(self.place.slots.stride))
    }

    fn count_dropped(&self) {
        self.mapping
            .record(self.place.channel)
            .dropped
            .fetch_add(1, Ordering::Relaxed);
    }

    fn uncount_dropped(&self) {
        self.mapping
            .record(self.place.channel)
            .dropped
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// Views payload bytes as a message, to be changed in place.
///
/// # Errors
/// [`InvalidValue`] when the length or alignment is not the type's or the bytes are not a valid value.
pub(crate) fn view_mut<T: DmxpMessage>(bytes: &mut [u8]) -> Result<&mut T, InvalidValue> {
    ref_from_bytes::<T>(bytes)?;
    // SAFETY: length, alignment and value are T's, as was just seen, and the bytes are borrowed uniquely. T has no padding, so
    // that writing a T leaves all bytes initialised.
    Ok(unsafe { &mut *bytes.as_mut_ptr().cast::<T>() })
}

/// Copies a message out of payload bytes, and validates the copy: it stays what was validated whatever happens to the slot.
///
/// # Errors
/// [`InvalidValue`] when the length is not the type's or the bytes are not a valid value.
#[inline]
pub(crate) fn copy<T: DmxpMessage>(bytes: &[u8]) -> Result<T, InvalidValue> {
    let mut copy = MaybeUninit::<T>::uninit();
    match copy_into(bytes, &mut copy) {
        // SAFETY: it was copied whole, and found valid.
        Some(()) => Ok(unsafe { copy.assume_init() }),
        // Which says what is wrong.
        None => copy_from_bytes(bytes),
    }
}

/// As [`copy`], to where the message is wanted. `None`: it is not valid, and not to be used.
#[inline(always)]
pub(crate) fn copy_into<T: DmxpMessage>(bytes: &[u8], copy: &mut MaybeUninit<T>) -> Option<()> {
    if bytes.len() != size_of::<T>() {
        return None;
    }
    // SAFETY: the source has size_of::<T>() bytes, the destination too, and they do not overlap.
    unsafe {
        copy.as_mut_ptr()
            .cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), size_of::<T>())
    };
    // SAFETY: all bytes were just written.
    let written = unsafe { core::slice::from_raw_parts(copy.as_ptr().cast::<u8>(), size_of::<T>()) };
    is_valid::<T>(written).then_some(())
}

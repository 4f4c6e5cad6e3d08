//! The mapped bytes of a region, reached through references whose bounds were checked.

use crate::error::{Error, Result};
use crate::layout::{
    ChannelEntry, ChannelRecord, ControlHeader, ControlPlan, FIRST_RING, GlobalHeader, HandleRecord, MAX_CHANNELS,
    PAGE, ProcessRecord,
};
use crate::sync::AtomicU64;
use core::ptr::NonNull;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;

/// A whole region, mapped shared.
///
/// Shared structures are made of atomics, so that references to them are sound whatever other processes do. Slots are reached
/// as raw pointers, through [`crate::ring::mapped`].
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapRaw,
    plan: ControlPlan,
    control_offset: usize,
}

impl Mapping {
    /// Maps `file`, whose length is `len`, for a control area of `plan` at its end.
    pub(crate) fn new(file: &File, len: u64, plan: ControlPlan, writable: bool) -> Result<Self> {
        let size = usize::try_from(len).map_err(|_| Error::invalid("the region is larger than the address space"))?;
        if !len.is_multiple_of(PAGE) || FIRST_RING + plan.size > len {
            return Err(Error::corrupt(format!(
                "{len} bytes cannot hold the header and a control area of {}",
                plan.size
            )));
        }
        let mut options = MmapOptions::new();
        options.len(size);
        let map = if writable {
            options.map_raw(file)
        } else {
            options.map_raw_read_only(file)
        }
        .map_err(Error::io(format!("mapping {len} bytes of the region")))?;
        #[cfg(dmxp_stops)]
        if let Some(scheduler) = crate::sync::schedule::scheduler() {
            scheduler.mapped(map.as_ptr(), len);
        }
        Ok(Self {
            map,
            plan,
            control_offset: size - plan.size as usize,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.map.len() as u64
    }

    pub(crate) fn plan(&self) -> ControlPlan {
        self.plan
    }

    pub(crate) fn control_offset(&self) -> u64 {
        self.control_offset as u64
    }

    /// A reference to a shared structure.
    ///
    /// # Safety
    /// `T` consists of atomics and bytes nobody reads, so that any contents are valid and concurrent change is allowed.
    unsafe fn at<T>(&self, offset: usize) -> &T {
        assert!(offset.is_multiple_of(align_of::<T>()), "misaligned offset {offset}");
        assert!(
            offset
                .checked_add(size_of::<T>())
                .is_some_and(|end| end <= self.map.len()),
            "offset {offset} out of bounds"
        );
        // SAFETY: in bounds by the assertion.
        let place = unsafe { self.map.as_ptr().add(offset) };
        // SAFETY: in bounds and aligned (the mapping starts on a page), mapped for as long as `self` lives, and a valid `T`
        // under concurrent change by the caller's promise.
        unsafe { &*place.cast::<T>() }
    }

    pub(crate) fn header(&self) -> &GlobalHeader {
        // SAFETY: GlobalHeader consists of atomics and private filler.
        unsafe { self.at(0) }
    }

    pub(crate) fn entry(&self, id: u32) -> &ChannelEntry {
        &self.header().entries[id as usize]
    }

    pub(crate) fn control(&self) -> &ControlHeader {
        // SAFETY: ControlHeader consists of atomics and private filler.
        unsafe { self.at(self.control_offset) }
    }

    pub(crate) fn record(&self, id: u32) -> &ChannelRecord {
        assert!(id < MAX_CHANNELS, "channel id {id} out of range");
        let offset = self.plan.channels as usize + id as usize * size_of::<ChannelRecord>();
        // SAFETY: ChannelRecord consists of atomics and private filler.
        unsafe { self.at(self.control_offset + offset) }
    }

    pub(crate) fn process(&self, index: u32) -> &ProcessRecord {
        assert!(index < self.plan.processes, "process index {index} out of range");
        let offset = self.plan.process_table as usize + index as usize * size_of::<ProcessRecord>();
        // SAFETY: ProcessRecord consists of atomics and private filler.
        unsafe { self.at(self.control_offset + offset) }
    }

    pub(crate) fn handle(&self, index: u32) -> &HandleRecord {
        assert!(index < self.plan.handles, "handle index {index} out of range");
        let offset = self.plan.handle_table as usize + index as usize * size_of::<HandleRecord>();
        // SAFETY: HandleRecord consists of atomics and private filler.
        unsafe { self.at(self.control_offset + offset) }
    }

    /// A word of ring space that is only used as an atomic: the sequence of a slot.
    pub(crate) fn word(&self, offset: u64) -> &AtomicU64 {
        // SAFETY: AtomicU64 is valid for any contents and made for concurrent change.
        unsafe { self.at(offset as usize) }
    }

    /// Whether `len` bytes from `offset` lie in the space for rings.
    pub(crate) fn is_ring_space(&self, offset: u64, len: u64) -> bool {
        offset >= FIRST_RING
            && offset
                .checked_add(len)
                .is_some_and(|end| end <= self.control_offset as u64)
    }

    /// The start of `len` bytes of ring space at `offset`; `None` when they are not all ring space.
    pub(crate) fn ring_space(&self, offset: u64, len: u64) -> Option<NonNull<u8>> {
        if !self.is_ring_space(offset, len) {
            return None;
        }
        // SAFETY: in bounds: the ring space ends before the control area, which ends with the mapping.
        NonNull::new(unsafe { self.map.as_mut_ptr().add(offset as usize) })
    }

    /// Copies bytes of ring space out; for what others may be changing, like a stored schema, before it is looked at.
    pub(crate) fn copy_out(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let start = self.ring_space(offset, len as u64)?;
        let mut out = Vec::with_capacity(len);
        for k in 0..len {
            // SAFETY: `k < len`, and all `len` bytes are in bounds.
            let place = unsafe { start.add(k) };
            // SAFETY: mapped and in bounds; volatile, because another process may write at the same time.
            out.push(unsafe { place.as_ptr().read_volatile() });
        }
        Some(out)
    }

    /// Writes bytes into ring space that belongs to a channel being created, under the management lock.
    pub(crate) fn copy_in(&self, offset: u64, bytes: &[u8]) -> Option<()> {
        let start = self.ring_space(offset, bytes.len() as u64)?;
        // SAFETY: in bounds, and `bytes` is ordinary memory of this process, which the mapping does not overlap.
        unsafe { start.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Some(())
    }
}

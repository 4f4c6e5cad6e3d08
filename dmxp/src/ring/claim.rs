//! Claims as values: the positions that one cursor's move covered, and the entry of the handle's table that has them.

use super::Range;
use core::num::NonZeroU64;

/// Positions to write, not visible to anybody yet. Small, as [`ReadClaim`].
#[derive(Debug)]
#[must_use = "a claim keeps its slots until it is published or aborted"]
pub struct WriteClaim {
    pub(super) first: u64,
    pub(super) ring: u64,
    pub(super) rest: Rest,
}

/// Positions to read, still occupied. Three words, which stay in registers.
#[derive(Debug)]
#[must_use = "a claim keeps its slots until it is released"]
pub struct ReadClaim {
    pub(super) first: u64,
    pub(super) ring: u64,
    pub(super) rest: Rest,
}

const _: () = assert!(size_of::<Option<ReadClaim>>() == 24 && size_of::<Option<WriteClaim>>() == 24);

/// The small parts of a claim in one word, from the lowest bit on: count (32 bits), entry (8), times (8), whether it was returned (1).
/// As fields they would be stored one by one and copied together, for which a processor has to wait until all of them have left its
/// store buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest(NonZeroU64);

impl Rest {
    const ENTRY_SHIFT: u32 = 32;
    const TIMES_SHIFT: u32 = 40;
    const RETURNED: u64 = 1 << 48;
    /// Set always.
    const SOME: NonZeroU64 = NonZeroU64::new(1 << 63).expect("a bit");

    /// Of a claim of `count` positions at a cursor, in that entry of the handle's table.
    #[inline(always)]
    pub(crate) fn new(count: u32, entry: u8) -> Self {
        Self(Self::SOME | u64::from(count) | u64::from(entry) << Self::ENTRY_SHIFT)
    }

    /// Of a returned message that was delivered `times` before.
    pub(crate) fn returned(entry: u8, times: u8) -> Self {
        Self(Self::new(1, entry).0 | Self::RETURNED | u64::from(times) << Self::TIMES_SHIFT)
    }

    #[inline(always)]
    pub(crate) fn count(self) -> u32 {
        self.0.get() as u32
    }

    #[inline(always)]
    pub(crate) fn entry(self) -> usize {
        usize::from((self.0.get() >> Self::ENTRY_SHIFT) as u8)
    }

    #[inline(always)]
    pub(crate) fn times(self) -> u8 {
        (self.0.get() >> Self::TIMES_SHIFT) as u8
    }

    /// Whether it is a returned message, which its slot's sequence holds, and not a cell.
    #[inline(always)]
    pub(crate) fn is_returned(self) -> bool {
        self.0.get() & Self::RETURNED != 0
    }
}

/// What came of an attempt to claim a message that fits.
#[derive(Debug)]
#[must_use = "a claim keeps its slots until it is released"]
pub enum Fitting {
    /// It fits, and is claimed.
    Claimed(ReadClaim),
    /// It has so many bytes, and is on the channel as it was.
    TooLong(usize),
}

impl WriteClaim {
    #[inline(always)]
    pub(crate) fn range(&self) -> Range {
        Range {
            first: self.first,
            count: self.rest.count(),
        }
    }

    /// The entry of the handle's table, and the number of its claim cell.
    #[inline(always)]
    pub(crate) fn entry(&self) -> usize {
        self.rest.entry()
    }

    #[inline(always)]
    pub(crate) fn rest(&self) -> Rest {
        self.rest
    }

    /// Messages in the claim.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        self.range().count
    }

    /// The id that message `index` will have.
    #[inline]
    #[must_use]
    pub fn message_id(&self, index: u32) -> u64 {
        self.first.wrapping_add(u64::from(index)).wrapping_add(1)
    }
}

impl ReadClaim {
    #[inline(always)]
    pub(crate) fn range(&self) -> Range {
        Range {
            first: self.first,
            count: self.rest.count(),
        }
    }

    /// The entry of the handle's table.
    #[inline(always)]
    pub(crate) fn entry(&self) -> usize {
        self.rest.entry()
    }

    #[inline(always)]
    pub(crate) fn rest(&self) -> Rest {
        self.rest
    }

    /// How often the message was delivered before.
    #[inline(always)]
    pub(crate) fn times(&self) -> u8 {
        self.rest.times()
    }

    /// Messages in the claim.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u32 {
        self.range().count
    }

    /// The id of message `index`, which follows from its position.
    #[inline]
    #[must_use]
    pub fn message_id(&self, index: u32) -> u64 {
        self.first.wrapping_add(u64::from(index)).wrapping_add(1)
    }
}

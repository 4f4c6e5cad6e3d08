//! The claims that a handle has out: one table for every kind of channel, with an entry for each claim cell.
//!
//! A guard is a pointer to the handle, with the number of the entry in its lowest bits, and one into the slot; where the claim lies, and
//! how long it is, stays here. A returned message takes an entry too, though no cell: its slot's sequence says which handle reads it.

use crate::layout::CELLS;
use crate::ring::Range;
use crate::ring::claim::Rest;
use core::cell::Cell;

/// The ranges claimed and not yet published or released, by entry.
#[derive(Debug)]
pub(crate) struct Held {
    /// Bit n: there is a claim in entry n. Bit n + 8: it is not one of a single position at a cursor. And [`UNUSUAL`]. So the word says
    /// at once whether the shortest way is open: [`NONE`] to claim one message, [`ONLY`] to be done with it.
    entries: Cell<u32>,
    claims: [Entry; CELLS],
}

#[derive(Debug)]
struct Entry {
    first: Cell<u64>,
    rest: Cell<Rest>,
}

/// No claim is held.
const NONE: u32 = 0;
/// Entry 0 has a claim of one position at a cursor, and there is no other.
const ONLY: u32 = 1;
/// The handle or its channel has something that the shortest way does without.
const UNUSUAL: u32 = 1 << 31;
/// All entries.
const ALL: u32 = (1 << CELLS) - 1;

/// An entry without a claim says what it would of a claim of one position at a cursor.
impl Default for Held {
    fn default() -> Self {
        Self {
            entries: Cell::new(UNUSUAL),
            claims: core::array::from_fn(|entry| Entry {
                first: Cell::new(0),
                rest: Cell::new(Rest::new(1, entry as u8)),
            }),
        }
    }
}

impl Held {
    const _TWO_BITS_EACH: () = assert!(2 * CELLS < u32::BITS as usize);

    /// An entry without a claim; its cell has none either.
    #[inline(always)]
    pub(crate) fn free(&self) -> Option<usize> {
        let entry = self.entries.get().trailing_ones() as usize;
        (entry < CELLS).then_some(entry)
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.get() & ALL == 0
    }

    /// Says whether the handle and its channel have nothing but what the shortest way has.
    pub(crate) fn set_usual(&self, is_usual: bool) {
        let unusual = if is_usual { 0 } else { UNUSUAL };
        self.entries.set(self.entries.get() & !UNUSUAL | unusual);
    }

    /// Whether one message can be claimed the shortest way: it is open, and no claim is held.
    #[inline(always)]
    pub(crate) fn can_hold_only(&self) -> bool {
        self.entries.get() == NONE
    }

    /// Whether there is a claim in entry 0, the only one of a handle that has one claim at a time.
    #[inline(always)]
    pub(crate) fn has_first(&self) -> bool {
        self.entries.get() & 1 != 0
    }

    #[inline(always)]
    pub(crate) fn hold(&self, first: u64, rest: Rest) {
        let entry = rest.entry();
        self.claims[entry].first.set(first);
        self.claims[entry].rest.set(rest);
        let is_one_at_a_cursor = rest == Rest::new(1, entry as u8);
        let bits = 1 | u32::from(!is_one_at_a_cursor) << CELLS;
        self.entries.set(self.entries.get() | bits << entry);
    }

    #[inline(always)]
    pub(crate) fn let_go(&self, entry: usize) {
        let entry = entry % CELLS;
        self.claims[entry].rest.set(Rest::new(1, entry as u8));
        let bits = 1 | 1 << CELLS;
        self.entries.set(self.entries.get() & !(bits << entry));
    }

    /// Enters a claim of one position at a cursor in the table of a handle that has no other, in entry 0.
    #[inline(always)]
    pub(crate) fn hold_only(&self, first: u64) {
        debug_assert!(self.can_hold_only());
        self.claims[0].first.set(first);
        self.entries.set(ONLY);
    }

    /// Where the only claim begins. `None` when the shortest way is not open, there are others, or it is not of one position at a cursor.
    #[inline(always)]
    pub(crate) fn only(&self) -> Option<u64> {
        (self.entries.get() == ONLY).then(|| self.claims[0].first.get())
    }

    /// Takes the claim that [`only`](Self::only) gave out of the table.
    #[inline(always)]
    pub(crate) fn let_go_only(&self) {
        debug_assert!(self.only().is_some());
        self.entries.set(NONE);
    }

    /// What is in an entry, which was held once.
    #[inline(always)]
    pub(crate) fn claim(&self, entry: usize) -> (u64, Rest) {
        let claim = &self.claims[entry % CELLS];
        (claim.first.get(), claim.rest.get())
    }

    /// The claims that are out.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (Range, Rest)> {
        let entries = self.entries.get();
        self.claims
            .iter()
            .enumerate()
            .filter(move |(entry, _)| entries & 1 << entry != 0)
            .map(|(_, claim)| {
                let (first, rest) = (claim.first.get(), claim.rest.get());
                (
                    Range {
                        first,
                        count: rest.count(),
                    },
                    rest,
                )
            })
    }

    /// The ranges that are out.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> {
        self.claims().map(|(range, _)| range)
    }
}

//! The claims that a handle has out: one table for every kind of channel, with an entry for each claim cell.
//!
//! A guard is a pointer to the handle and one into the slot, with the number of the entry in its highest bits; where the claim lies, and
//! how long it is, stays here. A returned message takes an entry too, though no cell: its slot's sequence says which handle reads it.

use crate::layout::CELLS;
use crate::ring::Range;
use crate::ring::claim::Rest;
use core::cell::Cell;

/// The ranges claimed and not yet published or released, by entry.
#[derive(Debug)]
pub(crate) struct Held {
    /// Bit n: there is a claim in entry n.
    entries: Cell<u8>,
    claims: [Entry; CELLS],
}

#[derive(Debug)]
struct Entry {
    first: Cell<u64>,
    rest: Cell<Rest>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            first: Cell::new(0),
            rest: Cell::new(Rest::new(1, 0)),
        }
    }
}

/// An entry without a claim says what it would of a claim of one position at a cursor.
impl Default for Held {
    fn default() -> Self {
        let held = Self {
            entries: Cell::default(),
            claims: Default::default(),
        };
        for (entry, claim) in held.claims.iter().enumerate() {
            claim.rest.set(Rest::new(1, entry as u8));
        }
        held
    }
}

impl Held {
    const _ONE_BIT_EACH: () = assert!(CELLS == u8::BITS as usize);

    /// An entry without a claim; its cell has none either.
    #[inline(always)]
    pub(crate) fn free(&self) -> Option<usize> {
        let entry = (!u32::from(self.entries.get())).trailing_zeros() as usize;
        (entry < CELLS).then_some(entry)
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.get() == 0
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
        self.entries.set(self.entries.get() | 1 << entry);
    }

    /// Enters a claim of one position at a cursor in the first free entry.
    #[inline(always)]
    pub(crate) fn hold_one(&self, entry: usize, first: u64) {
        debug_assert_eq!(self.free(), Some(entry));
        self.claims[entry % CELLS].first.set(first);
        // The lowest bit that is not set: that of the first free entry.
        let entries = self.entries.get();
        self.entries.set(entries | entries.wrapping_add(1));
    }

    #[inline(always)]
    pub(crate) fn let_go(&self, entry: usize) {
        self.claims[entry % CELLS].rest.set(Rest::new(1, entry as u8));
        self.let_go_one(entry);
    }

    /// The same of a claim of one position at a cursor.
    #[inline(always)]
    pub(crate) fn let_go_one(&self, entry: usize) {
        self.entries.set(self.entries.get() & !(1 << (entry % CELLS)));
    }

    /// Enters a claim of one position in the table of a handle that has no other.
    #[inline(always)]
    pub(crate) fn hold_only(&self, first: u64) {
        debug_assert!(self.is_empty());
        self.claims[0].first.set(first);
        self.entries.set(1);
    }

    /// The same backwards: where the only claim begins.
    #[inline(always)]
    pub(crate) fn let_go_only(&self) -> u64 {
        debug_assert!(self.entries.get() == 1);
        self.entries.set(0);
        self.claims[0].first.get()
    }

    /// Where the claim of an entry begins.
    #[inline(always)]
    pub(crate) fn first(&self, entry: usize) -> u64 {
        self.claims[entry % CELLS].first.get()
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

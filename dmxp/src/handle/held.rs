//! The claims that a handle has out.

use crate::layout::CELLS;
use crate::ring::Range;
use core::cell::Cell;

/// The ranges claimed through each cell and not yet published or released.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Bit n: there is a claim in cell n.
    pub(super) cells: Cell<u8>,
    ranges: [Cell<Range>; CELLS],
}

impl Held {
    const _ONE_BIT_EACH: () = assert!(CELLS == u8::BITS as usize);

    /// A cell without a claim.
    #[inline]
    pub(super) fn free(&self) -> Option<usize> {
        let cell = self.cells.get().trailing_ones() as usize;
        (cell < CELLS).then_some(cell)
    }

    #[inline]
    pub(super) fn hold(&self, cell: usize, range: Range) {
        self.ranges[cell].set(range);
        self.cells.set(self.cells.get() | 1 << cell);
    }

    #[inline]
    pub(super) fn let_go(&self, cell: usize) {
        self.cells.set(self.cells.get() & !(1 << cell));
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = Range> {
        let cells = self.cells.get();
        let of = move |(cell, range): (usize, &Cell<Range>)| (cells & 1 << cell != 0).then(|| range.get());
        self.ranges.iter().enumerate().filter_map(of)
    }
}

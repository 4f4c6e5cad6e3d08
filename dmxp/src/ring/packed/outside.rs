//! Messages of one claim outside of their slots, side by side as they are there: staged before they are sent, or copied out.

use core::cell::UnsafeCell;

/// 64 bytes, aligned as a ring is.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory for them. Kept for the next claim, so that nothing is allocated for each.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    lines: UnsafeCell<Vec<Line>>,
}

impl Outside {
    /// Room for `len` bytes, which hold whatever was there before.
    ///
    /// # Safety
    /// Nothing that was borrowed from `self` is used any more.
    #[expect(clippy::mut_from_ref, reason = "the caller promises what a unique borrow would")]
    pub(crate) unsafe fn prepare(&self, len: usize) -> &mut [u8] {
        // SAFETY: the caller says that nobody else has a reference, and this type is not shared between threads.
        let lines = unsafe { &mut *self.lines.get() };
        let needed = len.div_ceil(size_of::<Line>());
        if lines.len() < needed {
            lines.resize(needed, Line([0; 64]));
        }
        // SAFETY: as many lines are there, all initialised, and the bytes are borrowed as the lines are.
        unsafe { core::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<u8>(), len) }
    }

    /// The first `len` bytes.
    ///
    /// # Panics
    /// When [`prepare`](Self::prepare) was never asked for so many.
    ///
    /// # Safety
    /// `prepare` is not called while they are borrowed, and what it gave is not used.
    pub(crate) unsafe fn bytes(&self, len: usize) -> &[u8] {
        // SAFETY: only `prepare` and `bytes_mut` give unique references, which are not used, as the caller says.
        let lines = unsafe { &*self.lines.get() };
        assert!(
            len <= size_of_val(lines.as_slice()),
            "{len} bytes outside of their slots"
        );
        // SAFETY: as many bytes are there, all initialised, borrowed as the lines are.
        unsafe { core::slice::from_raw_parts(lines.as_ptr().cast::<u8>(), len) }
    }

    /// The first `len` bytes, to be written.
    ///
    /// # Panics
    /// As [`bytes`](Self::bytes).
    ///
    /// # Safety
    /// Nobody else has borrowed anything of `self`.
    #[expect(clippy::mut_from_ref, reason = "the caller promises what a unique borrow would")]
    pub(crate) unsafe fn bytes_mut(&self, len: usize) -> &mut [u8] {
        // SAFETY: the caller says that nobody else has a reference, and this type is not shared between threads.
        let lines = unsafe { &mut *self.lines.get() };
        assert!(
            len <= size_of_val(lines.as_slice()),
            "{len} bytes outside of their slots"
        );
        // SAFETY: as many bytes are there, all initialised, borrowed as the lines are.
        unsafe { core::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<u8>(), len) }
    }
}

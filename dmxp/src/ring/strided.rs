//! Where the messages of a claim lie.

use core::ptr::NonNull;

/// Messages that lie a stride apart, around the end of a ring: what a batch needs to find any of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strided {
    pub(crate) base: NonNull<u8>,
    /// The slot of the first one, and the bits that count of a slot's number.
    pub(crate) first: u64,
    pub(crate) mask: u64,
    pub(crate) stride: usize,
}

impl Strided {
    /// Messages side by side, not around any end.
    pub(crate) fn side_by_side(base: NonNull<u8>, stride: usize) -> Self {
        Self {
            base,
            first: 0,
            mask: u64::MAX,
            stride,
        }
    }

    /// Where message `index` lies; it has a meaning for those of the claim.
    #[inline(always)]
    pub(crate) fn at(&self, index: u32) -> *mut u8 {
        let slot = self.first.wrapping_add(u64::from(index)) & self.mask;
        self.base
            .as_ptr()
            .wrapping_add((slot as usize).wrapping_mul(self.stride))
    }
}

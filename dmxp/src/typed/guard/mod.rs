//! Claims and the references into their slots, kept together.
//!
//! A guard of one message is two words: the handle, with the number of the claim's entry in the lowest bits, and where the message lies.
//! It owns its claim until it is dropped, published or given back, and hands out references that borrow the guard. What it refers to was
//! validated when the guard was made, so that looking costs no more than a pointer.
//!
//! - `writing`: claims of slots to be written
//! - `reading`: messages that were received

mod reading;
mod writing;

pub(in crate::typed) use reading::copy_out;
pub use reading::{Batch, BatchIter, ByteBatch, ByteBatchIter, Bytes, Message};
pub(in crate::typed) use writing::zero_is_valid;
pub use writing::{ByteClaim, ByteClaimBatch, Claim, ClaimBatch, UninitClaim};

use core::marker::PhantomData;
use core::ptr::NonNull;

/// The handle that has a claim, and in the lowest bits, which are zeros in its address, the number of the claim's entry.
struct Owner<'a, H> {
    tagged: NonNull<H>,
    handle: PhantomData<&'a H>,
}

impl<H> Clone for Owner<'_, H> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Owner<'_, H> {}

impl<'a, H> Owner<'a, H> {
    /// Bits for the numbers of all entries.
    const ENTRY: usize = {
        assert!(align_of::<H>() >= 16, "the lowest four bits of an address are zeros");
        15
    };

    #[inline(always)]
    fn new(handle: &'a H, entry: usize) -> Self {
        debug_assert!(entry <= Self::ENTRY);
        Self {
            // The bits are zeros: `|` sets them, and what is not zero stays so.
            tagged: NonNull::from(handle).map_addr(|address| address | entry & Self::ENTRY),
            handle: PhantomData,
        }
    }

    #[inline(always)]
    fn entry(self) -> usize {
        self.tagged.addr().get() & Self::ENTRY
    }

    #[inline(always)]
    fn handle(self) -> &'a H {
        let address = self.tagged.as_ptr().map_addr(|address| address & !Self::ENTRY);
        // SAFETY: the reference that `new` was given, which is valid for 'a.
        unsafe { &*address }
    }
}

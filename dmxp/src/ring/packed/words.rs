//! Messages as atomic words. A lossy subscriber may be reading what the producer writes: both touch whole words, of the largest power of
//! two that divides a message's size, at most 8 bytes. Slots lie at multiples of the size from a multiple of 64, so that this is their
//! alignment too.

use crate::sync::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// An atomic word.
trait Word {
    type Value: Copy;
    fn store(&self, value: Self::Value);
    fn load(&self) -> Self::Value;
}

macro_rules! word {
    ($($atomic:ty, $value:ty;)*) => {
        $(impl Word for $atomic {
            type Value = $value;

            // Relaxed, both: what makes the words one message is around them.
            #[inline(always)]
            fn store(&self, value: $value) {
                <$atomic>::store(self, value, Ordering::Relaxed);
            }

            #[inline(always)]
            fn load(&self) -> $value {
                <$atomic>::load(self, Ordering::Relaxed)
            }
        })*
    };
}

word! {
    AtomicU8, u8;
    AtomicU16, u16;
    AtomicU32, u32;
    AtomicU64, u64;
}

/// # Safety
/// `len` bytes from `from` on are read, and from `to` on written as `W`s: `to` is aligned to one, `len` a multiple of its size, and
/// what is there is only touched as such, or by nobody else at this time.
#[inline(always)]
unsafe fn put_words<W: Word>(to: *mut u8, from: *const u8, len: usize) {
    for word in 0..len / size_of::<W>() {
        // SAFETY: within `len` bytes, unaligned.
        let value = unsafe { from.cast::<W::Value>().wrapping_add(word).read_unaligned() };
        // SAFETY: within `len` bytes, aligned, and an atomic that is valid whatever it holds.
        let place = unsafe { &*to.cast::<W>().wrapping_add(word) };
        place.store(value);
    }
}

/// # Safety
/// As [`put_words`], the other way round.
#[inline(always)]
unsafe fn take_words<W: Word>(to: *mut u8, from: *const u8, len: usize) {
    for word in 0..len / size_of::<W>() {
        // SAFETY: within `len` bytes, aligned, and an atomic that is valid whatever it holds.
        let value = unsafe { &*from.cast::<W>().wrapping_add(word) }.load();
        // SAFETY: within `len` bytes, unaligned.
        unsafe { to.cast::<W::Value>().wrapping_add(word).write_unaligned(value) };
    }
}

/// Stores messages of `size` bytes each, `len` bytes in all.
///
/// # Safety
/// `from` is good for reads of `len` bytes, a multiple of `size`, which is not 0. `to` is good for writes of as many, aligned as the
/// slots of messages of that size, and touched by others only through this function and [`take`], with that size.
#[inline(always)]
pub(super) unsafe fn put(to: *mut u8, from: *const u8, len: usize, size: usize) {
    let put_words = match size.trailing_zeros() {
        0 => put_words::<AtomicU8>,
        1 => put_words::<AtomicU16>,
        2 => put_words::<AtomicU32>,
        _ => put_words::<AtomicU64>,
    };
    // SAFETY: each word's size divides that of a message, and so the length and the place's alignment.
    unsafe { put_words(to, from, len) };
}

/// Loads messages of `size` bytes each, `len` bytes in all.
///
/// # Safety
/// As [`put`], the other way round.
#[inline(always)]
pub(super) unsafe fn take(to: *mut u8, from: *const u8, len: usize, size: usize) {
    let take_words = match size.trailing_zeros() {
        0 => take_words::<AtomicU8>,
        1 => take_words::<AtomicU16>,
        2 => take_words::<AtomicU32>,
        _ => take_words::<AtomicU64>,
    };
    // SAFETY: as in `put`.
    unsafe { take_words(to, from, len) };
}

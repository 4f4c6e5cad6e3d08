//! Having the processor fetch lines before they are needed, while it goes on.

/// A line that will be read.
#[inline(always)]
pub(crate) fn to_read(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint without effects, whatever the address is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    // Elsewhere there is no stable hint.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// A line that will be written: no other core keeps it.
#[inline(always)]
pub(crate) fn to_write(line: *const u8) {
    // By name: the hint of the intrinsic is compiled to a fetch for reading unless the feature is asked for, and a line that is fetched
    // for reading is asked for once more when it is written.
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint without effects, whatever the address is. Every x86-64 has the instruction, or takes it for none.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

//! The processor's counter of time: the time stamp counter of x86_64, where it deserves trust. Other processors keep to the
//! kernel's clock; on aarch64 that costs little more than the counter itself, which needs a barrier of its own and is coarser.

/// Whether the counter goes at one speed whatever the cores do, and the kernel, which watches that all cores' counters agree,
/// keeps its own time by it.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_trusted() -> bool {
    is_invariant()
        && std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .is_ok_and(|source| source.trim() == "tsc")
}

/// CPUID leaf 0x8000_0007, bit 8 of EDX (Intel's manual, volume 3, "Invariant TSC"; AMD's has the same bit).
#[cfg(target_arch = "x86_64")]
#[allow(unused_unsafe, reason = "an unsafe function until Rust 1.94")]
fn is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const LARGEST_LEAF: u32 = 0x8000_0000;
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    // SAFETY: every processor of this architecture has CPUID, and answers leaves it does not know with its largest basic one.
    let largest = unsafe { __cpuid(LARGEST_LEAF) }.eax;
    // SAFETY: as above.
    largest >= POWER_MANAGEMENT && unsafe { __cpuid(POWER_MANAGEMENT) }.edx & 1 << 8 != 0
}

/// The counter, read when everything before is done: RDTSC by itself may run ahead of loads that are still on their way, by as
/// long as a cache line takes from the other core, and a reply could then be older than its question. LFENCE before it gives
/// the order of a load (as the kernel's `rdtsc_ordered`). After a compare-and-swap, as in a send, it costs next to nothing.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn ticks() -> u64 {
    // SAFETY: part of every processor of this architecture, and touches no memory.
    unsafe { core::arch::x86_64::_mm_lfence() };
    // SAFETY: as above; the kernel lets user space read the counter, from which its own vDSO tells the time.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn is_trusted() -> bool {
    false
}

/// Never asked for where it is not trusted.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn ticks() -> u64 {
    0
}

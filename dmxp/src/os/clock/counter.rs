//! The processor's counter of time: the time stamp counter of x86_64, where it deserves trust. On aarch64 the kernel's clock is
//! asked: its counter would need calibration as well, a barrier (ISB), and measurements that nobody has made yet.

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
#[allow(
    unused_unsafe,
    reason = "safe to call in newer versions of Rust than the oldest supported"
)]
fn is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const LARGEST_LEAF: u32 = 0x8000_0000;
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    // SAFETY: every processor of this architecture has CPUID, and answers leaves it does not know with its largest basic one.
    let largest = unsafe { __cpuid(LARGEST_LEAF) }.eax;
    // SAFETY: as above.
    largest >= POWER_MANAGEMENT && unsafe { __cpuid(POWER_MANAGEMENT) }.edx & 1 << 8 != 0
}

/// The counter, without a fence. RDTSC does not wait for the loads before it, so it can be early by as long as these are on their
/// way, some hundred nanoseconds for a cache line from another core. That is within the microsecond that is promised, and after
/// a claim, which moves the tail by a locked instruction, it has not been seen to be early beyond the claim. A fence would cost
/// more than half as much again.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn ticks() -> u64 {
    // SAFETY: part of every processor of this architecture, and touches no memory; the kernel lets user space read the
    // counter, from which its own vDSO tells the time.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The counter, after all that comes before: with LFENCE in front, RDTSC is ordered as a load is (as the kernel's
/// `rdtsc_ordered`).
#[cfg(target_arch = "x86_64")]
pub(super) fn ordered_ticks() -> u64 {
    // SAFETY: part of every processor of this architecture, and touches no memory.
    unsafe { core::arch::x86_64::_mm_lfence() };
    ticks()
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

/// Never asked for where it is not trusted.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn ordered_ticks() -> u64 {
    0
}

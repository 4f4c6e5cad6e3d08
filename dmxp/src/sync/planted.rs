//! Bugs that tests plant, to see that they are found. Outside loom's tests none is, at compile time and at no cost.

use super::Ordering;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    PublishBeforeWrite,
    RelaxedPublish,
    RelaxedRelease,
    RelaxedConsumerLoad,
    BatchFirstToLast,
    TryingNotCleared,
    CellsBeforeCursor,
    LiveTryingIgnored,
    #[cfg(all(test, loom))]
    RecordFreedBeforeSweep,
}

#[cfg(not(all(test, loom)))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(all(test, loom))]
std::thread_local! {
    // Loom's threads all run on the test's own thread.
    static PLANTED: core::cell::Cell<Option<Bug>> = const { core::cell::Cell::new(None) };
}

#[cfg(all(test, loom))]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Plants a bug in what this test runs from here on.
#[cfg(all(test, loom))]
pub(crate) fn plant(bug: Bug) {
    PLANTED.set(Some(bug));
}

/// The order of an access, which the bug would have relaxed.
#[inline(always)]
pub(crate) fn relaxed_by(bug: Bug, order: Ordering) -> Ordering {
    if planted(bug) { Ordering::Relaxed } else { order }
}

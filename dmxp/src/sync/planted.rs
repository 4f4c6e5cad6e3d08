//! Bugs that tests plant, to see that they are found. Outside of loom's tests and of `--cfg dmxp_stops` none is, at compile time and
//! at no cost.

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
    SignalReadAfterAnnouncement,
    WaitersClearedBlindly,
    WakeNotPassedOn,
    LimitWithoutFence,
    LimitWithoutSecondLook,
    BroadcastWithoutMark,
    LatestGivenUp,
    PackedRelaxedTail,
    PackedRelaxedReady,
    PackedWithoutFence,
    PackedCopyUnchecked,
    PackedSendUnannounced,
    ClaimWithoutFence,
    PeekWithoutSecondLook,
    SetUsesUpWakes,
    ExpiredRangeUndivided,
    ReturnsUnannounced,
    DeadLeftToTheirSweeper,
    UrgentForgottenAtEnd,
    EndWithoutTail,
    EndUnswept,
    KeptAfterEnd,
    SleepWithoutLook,
    TurnKeptForNobody,
    BereavedUnswept,
    ArrivalUnnoticed,
    AnnouncementTakenForGranted,
    #[cfg(all(test, loom))]
    PackedCursorTooEarly,
    #[cfg(all(test, loom))]
    RecordFreedBeforeSweep,
    #[cfg(all(test, loom))]
    ExpiredReleasedBeforeCounted,
    #[cfg(all(test, loom))]
    PublisherWithoutBarrier,
    #[cfg(all(test, loom))]
    WaiterWithoutBarrier,
}

#[cfg(not(any(all(test, loom), dmxp_stops)))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

/// The name of the bug that this process has.
#[cfg(dmxp_stops)]
static PLANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Plants the bug of that name in this process and its children. The first call decides.
#[cfg(dmxp_stops)]
pub fn plant(bug: &str) {
    PLANTED.get_or_init(|| bug.to_owned());
}

#[cfg(dmxp_stops)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get().is_some_and(|planted| *planted == format!("{bug:?}"))
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

/// Runs a check with a bug planted, and wants it to fail.
#[cfg(all(test, loom))]
pub(crate) fn finds(bug: Bug, check: fn()) {
    // Only this test's thread sees the bug, and it ends with the test.
    PLANTED.set(Some(bug));
    assert!(std::panic::catch_unwind(check).is_err(), "{bug:?} was not found");
}

/// The order of an access, which the bug would have relaxed.
#[inline(always)]
pub(crate) fn relaxed_by(bug: Bug, order: Ordering) -> Ordering {
    if planted(bug) { Ordering::Relaxed } else { order }
}

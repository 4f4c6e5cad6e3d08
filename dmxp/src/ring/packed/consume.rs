//! The subscriber's side.

use crate::ring::broadcast::limit::Beginning;
use crate::ring::broadcast::memory::Limited;
use crate::sync::planted::{Bug, planted, relaxed_by};
use crate::sync::{AtomicU64, Ordering, fence};
use core::cell::Cell;

/// Where a subscriber is in its stream.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The position that comes next.
    next: Cell<u64>,
    /// Positions below it can be read the shortest way: what is known to be published, or 0 while that is not the way.
    ready: Cell<u64>,
    /// What is known to be published, while `ready` does not say it.
    set_aside: Cell<u64>,
}

impl Reader {
    pub(crate) fn new(beginning: Beginning) -> Self {
        Self {
            next: Cell::new(beginning.next.max(beginning.skip)),
            ready: Cell::new(0),
            set_aside: Cell::new(0),
        }
    }

    /// The position that comes next.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.get()
    }

    /// Goes on to that position.
    #[inline(always)]
    pub(crate) fn go_to(&self, next: u64) {
        self.next.set(next);
    }

    /// Whether the message of `position` is there, for the shortest way, as is known already.
    #[inline(always)]
    pub(crate) fn is_ready(&self, position: u64) -> bool {
        position < self.ready.get()
    }

    /// The shortest way is for nothing from now on.
    #[inline(always)]
    pub(crate) fn bar(&self) {
        let ready = self.ready.replace(0);
        if ready != 0 {
            self.set_aside.set(ready);
        }
    }

    /// Ends [`bar`](Self::bar).
    #[inline(always)]
    pub(crate) fn unbar(&self) {
        if self.ready.get() == 0 {
            self.ready.set(self.set_aside.get());
        }
    }

    /// How many messages are there, as is known already.
    #[inline]
    pub(crate) fn known(&self) -> u64 {
        self.ready
            .get()
            .max(self.set_aside.get())
            .saturating_sub(self.next.get())
    }

    /// The tail: positions below it are published.
    #[inline(always)]
    fn tail(ring: &impl Limited) -> u64 {
        // Acquire: pairs with the release in Writer::publish; messages are read after it.
        ring.tail().load(relaxed_by(Bug::PackedRelaxedReady, Ordering::Acquire))
    }

    /// Whether there is a message, after a look, for the shortest way. How many at most.
    #[inline(always)]
    pub(crate) fn look_at_once(&self, ring: &impl Limited) -> u64 {
        let tail = Self::tail(ring);
        self.ready.set(tail);
        tail.saturating_sub(self.next.get())
    }

    /// How many messages are there, after a look that does not open the shortest way. More than a lap on a corrupt ring, or where a lossy
    /// subscriber was overrun.
    #[inline]
    pub(crate) fn look(&self, ring: &impl Limited) -> u64 {
        let tail = Self::tail(ring);
        if self.ready.get() == 0 {
            self.set_aside.set(tail);
        } else {
            self.ready.set(tail);
        }
        tail.saturating_sub(self.next.get())
    }
}

/// Shows the producer that nothing below `position` is read any more.
#[inline(always)]
pub(crate) fn show(cursor: &AtomicU64, position: u64) {
    // Release: pairs with the acquire of Limited::look; the reads of what lies before are over.
    cursor.store(position, Ordering::Release);
}

/// How many messages, from `first` on, may have been overwritten while they were copied. To be asked after the copy.
#[inline]
pub(crate) fn lost(ring: &impl Limited, first: u64) -> u64 {
    if planted(Bug::PackedCopyUnchecked) {
        return 0;
    }
    // Pairs with the release fence in Writer::room: a subscriber that read a word of the next lap finds the announcement that allowed it.
    fence(Ordering::Acquire);
    ring.limits()
        .announced
        .load(Ordering::Relaxed)
        .saturating_sub(ring.capacity())
        .saturating_sub(first)
}

/// Whether a producer that began at `began` and has said that it is about to have sent `sent` messages is still at it. To be asked after
/// the flag that closes the channel was seen and the barrier of a waiter was run, and before the tail is looked at for the last
/// time: what is not pending, and not below that tail, is never sent.
pub(crate) fn is_pending(ring: &impl Limited, began: u64, sent: u64) -> bool {
    // Acquire: as in Reader::look.
    ring.tail().load(Ordering::Acquire) != began.wrapping_add(sent)
}

//! The producer's side: one at a time, whose own count of positions is the tail.

use super::memory::Producing;
use crate::ring::broadcast::limit::Known;
use crate::ring::broadcast::memory::Limited;
use crate::sync::planted::{Bug, planted, relaxed_by};
use crate::sync::{Ordering, fence};
use core::cell::Cell;

/// Where the producer is.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The position that comes next: nobody else moves the tail.
    next: Cell<u64>,
    /// Positions below it may be written the shortest way: what is verified, or 0 while that is not the way.
    free_below: Cell<u64>,
    known: Known,
    /// The tail when this producer came, negated: what is added to a position is how many messages it has sent before.
    began: u64,
}

impl Writer {
    /// The next producer of a ring, whose predecessor is gone: the caller has proven that, and holds the management lock.
    pub(crate) fn new(ring: &impl Limited) -> Self {
        // Acquire: with the proof of death comes all that a dead predecessor stored. What it wrote behind its tail is nothing.
        let next = ring.tail().load(Ordering::Acquire);
        Self {
            next: Cell::new(next),
            free_below: Cell::new(0),
            known: Known::of(false),
            began: next.wrapping_neg(),
        }
    }

    /// The position that comes next.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.get()
    }

    /// The next position, if it can be written the shortest way.
    #[inline(always)]
    pub(crate) fn free_at_once(&self) -> Option<u64> {
        let first = self.next.get();
        (first < self.free_below.get()).then_some(first)
    }

    /// Whether a position is known to be free; not while the shortest way is for nothing.
    #[inline(always)]
    pub(crate) fn is_free(&self, position: u64) -> bool {
        position < self.free_below.get()
    }

    /// The shortest way is for what is known to be free from now on.
    #[inline]
    pub(crate) fn find_free(&self) {
        self.free_below.set(self.known.verified());
    }

    /// The shortest way is for nothing from now on.
    #[inline(always)]
    pub(crate) fn bar(&self) {
        self.free_below.set(0);
    }

    /// How many of the `max` positions that come next may be written; `None` when fewer than `min`.
    pub(crate) fn room(&self, ring: &impl Limited, min: u32, max: u32) -> Option<u32> {
        let before = self.known.verified();
        let room = self.known.room(ring, self.next.get(), (min, max), true);
        if self.known.verified() != before && !planted(Bug::PackedWithoutFence) {
            // `announced` was raised before this: by ourselves, or by a predecessor whose `verified` we acquired. The words that are
            // stored from here on come after it. Pairs with the acquire fence in `consume::lost`.
            fence(Ordering::Release);
        }
        room
    }

    /// Says that the messages from the next position to `end` are about to be sent. After it comes the barrier of a publisher and a look at
    /// the closed flag, and then [`publish`](Self::publish) or [`desist`](Self::desist). Either a subscriber that finds the flag, and
    /// runs the barrier of a waiter, finds what is said here, or this producer finds the flag.
    #[inline(always)]
    pub(crate) fn intend(&self, ring: &impl Producing, end: u64) {
        if !planted(Bug::PackedSendUnannounced) {
            // Relaxed: the barrier orders it, and nothing is read through it.
            ring.sent().store(end.wrapping_add(self.began), Ordering::Relaxed);
        }
    }

    /// Takes [`intend`](Self::intend) back.
    pub(crate) fn desist(&self, ring: &impl Producing) {
        let sent = self.next.get().wrapping_add(self.began);
        ring.sent().store(sent, Ordering::Relaxed);
    }

    /// Makes the messages visible that are written, from the next position to `end`.
    #[inline(always)]
    pub(crate) fn publish(&self, ring: &impl Limited, end: u64) {
        self.next.set(end);
        // Release: pairs with the acquire in Reader::look; the messages were written before.
        ring.tail()
            .store(end, relaxed_by(Bug::PackedRelaxedTail, Ordering::Release));
    }

    /// Messages that the slowest reliable subscriber has yet to get.
    pub(crate) fn unread(&self, ring: &impl Limited) -> u64 {
        let next = self.next.get();
        next.saturating_sub(self.known.lowest_cursor(ring, next))
            .min(ring.capacity())
    }
}

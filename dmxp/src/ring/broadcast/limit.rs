//! How far producers may write, and how a subscriber joins without anybody waiting for it.
//!
//! A producer at the end of what is verified looks for the lowest cursor, says how far it is about to go (`announced`), runs a
//! full fence, looks once more, and only then raises `verified`. A subscriber that joins shows its record, runs a full fence, and
//! reads `announced`: either that second look finds the record, or the subscriber finds the announcement, and starts no lower than
//! what may be overwritten because of it. Looks are rare, one in a quarter of a lap, so that the fence costs nothing.

use super::memory::{Limited, Look};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, fence};
use core::cell::{Cell, RefCell};

/// How often a record that changes while it is read is read again. One that goes on changing is forged, or holds for now.
const READINGS: u32 = 16;

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Oldest,
    Position(u64),
}

/// What one producer knows of the limits and of the subscribers, so that it need not ask.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Whether the newest message is to stay until there is a newer one.
    pub(crate) latest: bool,
    verified: Cell<u64>,
    /// The number of joins when `subscribers` was made.
    joins: Cell<Option<u32>>,
    /// Places where reliable subscribers were.
    subscribers: RefCell<Vec<u32>>,
}

impl Known {
    /// Of a producer of a latest channel, or of a broadcast one.
    pub(crate) fn of(latest: bool) -> Self {
        Self {
            latest,
            ..Self::default()
        }
    }

    /// Positions below it may be written, as is known already.
    #[inline]
    pub(crate) fn verified(&self) -> u64 {
        self.verified.get()
    }

    /// How many of the `max` positions from `first`, the tail, on may be written; `None` when fewer than `min`. `single`: nobody
    /// else raises the limits.
    #[inline]
    pub(crate) fn room(&self, ring: &impl Limited, first: u64, (min, max): (u32, u32), single: bool) -> Option<u32> {
        let room = self.verified.get().saturating_sub(first);
        if room >= u64::from(max) {
            return Some(max);
        }
        self.ask(ring, first, (min, max), single)
    }

    #[cold]
    fn ask(&self, ring: &impl Limited, first: u64, (min, max): (u32, u32), single: bool) -> Option<u32> {
        let limits = ring.limits();
        let count = |limit: u64| {
            let room = limit.saturating_sub(first).min(u64::from(max)) as u32;
            (room >= min).then_some(room)
        };
        // Acquire: pairs with the release below. The producer that raised it had acquired the cursors that allowed it.
        let verified = limits.verified.load(Ordering::Acquire);
        self.verified.set(verified);
        if count(verified) == Some(max) {
            return Some(max);
        }
        // A quarter of a lap ahead and no more: what may be overwritten is gone for a subscriber that wants the oldest.
        let step = (ring.capacity() / 4).max(u64::from(max));
        let highest = first.saturating_add(step);
        let Some(candidate) = self.lowest(ring, first).map(|lowest| lowest.min(highest)) else {
            return count(verified);
        };
        if candidate <= verified {
            return count(verified);
        }
        raise(limits.announced, candidate, single);
        // SeqCst: pairs with the fence in `join`.
        if !planted(Bug::LimitWithoutFence) && !planted(Bug::PackedWithoutFence) {
            fence(Ordering::SeqCst);
        }
        let seen_again = if planted(Bug::LimitWithoutSecondLook) {
            Some(candidate)
        } else {
            self.lowest(ring, first)
        };
        let Some(lowest) = seen_again else {
            return count(verified);
        };
        let allowed = candidate.min(lowest);
        if allowed > verified {
            raise(limits.verified, allowed, single);
            self.verified.set(allowed);
        }
        count(allowed.max(verified))
    }

    /// The lowest cursor plus the capacity, as far as the tail is concerned: a cursor beyond it asks for nothing. `None`: it
    /// cannot be told now.
    fn lowest(&self, ring: &impl Limited, tail: u64) -> Option<u64> {
        // Acquire: pairs with the release in `join`; the record that was counted is seen.
        let joins = ring.limits().joins.load(Ordering::Acquire);
        let mut subscribers = self.subscribers.borrow_mut();
        if self.joins.get() != Some(joins) {
            subscribers.clear();
            subscribers.extend((0..ring.places()).filter(|&place| ring.look(place) != Look::Nobody));
            self.joins.set(Some(joins));
        }
        let mut lowest = tail;
        for &place in subscribers.iter() {
            let mut readings = 0;
            loop {
                match ring.look(place) {
                    Look::Nobody => break,
                    Look::Needs(cursor) => {
                        lowest = lowest.min(cursor);
                        break;
                    }
                    Look::Changing if readings < READINGS => readings += 1,
                    Look::Changing => return None,
                }
            }
        }
        Some(lowest.saturating_add(ring.capacity()))
    }

    /// The lowest cursor of a reliable subscriber, and no more than the tail.
    pub(crate) fn lowest_cursor(&self, ring: &impl Limited, tail: u64) -> u64 {
        self.lowest(ring, tail)
            .map_or(tail, |limit| limit.saturating_sub(ring.capacity()))
    }
}

/// Raises a limit. Release: the cursors that allow it were read before.
fn raise(limit: &AtomicU64, to: u64, single: bool) {
    if single {
        // Relaxed: nobody else writes it while this producer lives, and the next one comes by the management lock.
        if limit.load(Ordering::Relaxed) < to {
            limit.store(to, Ordering::Release);
        }
    } else {
        let higher = |found: u64| (found < to).then_some(to);
        // AcqRel: what allowed a value that is replaced is passed on with this one. Failure: it is higher already.
        let _ = limit.fetch_update(Ordering::AcqRel, Ordering::Relaxed, higher);
    }
}

/// A place to read from: positions from `next` on; those below `skip` are passed over, once they are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beginning {
    pub(crate) next: u64,
    pub(crate) skip: u64,
    /// Positions that were asked for and are gone.
    pub(crate) missed: u64,
}

/// The beginning of a subscriber that wants what is sent from now on. To be asked before its record is shown: a producer that sees the
/// record and then sends is heard.
pub(crate) fn newest(ring: &impl Limited) -> From {
    // Acquire: as in `join`. It comes before the release that shows the record: a producer that acquires it claims nothing lower.
    From::Position(ring.tail().load(Ordering::Acquire))
}

/// What a subscriber's cursor must say before its record is shown: no more than where [`join`] will have it begin.
pub(crate) fn guess(ring: &impl Limited, from: From) -> u64 {
    // Acquire, both: as in `join`. Older values are lower, which is safe.
    let gone = ring
        .limits()
        .announced
        .load(Ordering::Acquire)
        .saturating_sub(ring.capacity());
    match from {
        From::Oldest => gone,
        From::Position(position) => position.max(gone),
    }
}

/// Where a subscriber whose record is shown begins. `cursor`: of a reliable one, whom producers must find from now on.
pub(crate) fn join(ring: &impl Limited, cursor: Option<&AtomicU64>, from: From, single: bool) -> Beginning {
    let limits = ring.limits();
    if cursor.is_some() {
        // Release: pairs with the acquire in `lowest`; the record is shown before it is counted.
        limits.joins.fetch_add(1, Ordering::AcqRel);
        // SeqCst: pairs with the fence in `ask`.
        fence(Ordering::SeqCst);
    }
    // Acquire: keeps the tail behind it. It may be older than what is claimed by now; then the subscriber gets what was claimed
    // since, which is protected by what is said in this module's head comment.
    let announced = limits.announced.load(Ordering::Acquire);
    let tail = ring.tail().load(Ordering::Acquire);
    let gone = announced.saturating_sub(ring.capacity());
    let wanted = match from {
        From::Oldest => gone,
        From::Position(position) => position,
    };
    let start = wanted.max(gone);
    if let Some(cursor) = cursor {
        // Release: pairs with the acquire of the producer that looks, as each store of a cursor.
        cursor.store(start, Ordering::Release);
    }
    // A batch that is not published to its first message must not be entered in the middle. It begins at the tail, or after it;
    // or, of several producers, somewhere in the last lap: before that all is published, or the lap could not have begun.
    let next = if start >= tail {
        tail
    } else if single {
        start
    } else {
        tail.saturating_sub(ring.capacity()).min(start)
    };
    let missed = match from {
        From::Position(position) => start - position,
        From::Oldest => 0,
    };
    Beginning {
        next,
        skip: start,
        missed,
    }
}

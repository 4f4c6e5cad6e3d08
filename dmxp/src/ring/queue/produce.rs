//! Producing: claim positions at the tail, write, publish.

use crate::ring::memory::RingMemory;
use crate::ring::word::{Cell, Phase, Sequence, Standing, standing};
use crate::ring::{RETRIES, Range};
use crate::sync::planted::{Bug, planted, relaxed_by};
use crate::sync::{AtomicU64, Ordering, fence};

/// As [`claim`] of one position, where nothing is in the way: the slot at the tail is free, and nobody else is faster. `None` says
/// nothing more, and leaves the cell without a claim.
#[inline(always)]
pub(crate) fn claim_one(ring: &impl RingMemory, cell: &AtomicU64) -> Option<u64> {
    // The orderings and their reasons are those of `claim`.
    let first = ring.tail().load(Ordering::Acquire);
    // Only a free slot has exactly this word.
    if ring.sequence(first).load(Ordering::Acquire) != first {
        return None;
    }
    cell.store(Cell::trying(Phase::Produce, first, 1), Ordering::Release);
    let next = first.wrapping_add(1);
    if ring
        .tail()
        .compare_exchange(first, next, Ordering::SeqCst, Ordering::Relaxed)
        .is_err()
    {
        if !planted(Bug::TryingNotCleared) {
            cell.store(Cell::EMPTY, Ordering::Release);
        }
        return None;
    }
    cell.store(Cell::owned(Phase::Produce, first, 1), owned_order());
    if planted(Bug::PublishBeforeWrite) {
        publish_one(ring, first);
    }
    Some(first)
}

/// Claims at least `min` and at most `max` positions at the tail, or `None` when fewer than `min` slots are free.
///
/// `cell` is a cell of the caller's own handle that holds no live claim. It says `trying` before the tail moves and `owned`
/// after; when nothing is claimed it is empty again, so that no sweeper waits for a handle that waits itself.
#[inline]
pub(crate) fn claim(ring: &impl RingMemory, cell: &AtomicU64, min: u32, max: u32) -> Option<Range> {
    let mut announced = false;
    for _ in 0..RETRIES {
        // Acquire: pairs with the CAS below, so the sequences read next are not older than the tail.
        let first = ring.tail().load(Ordering::Acquire);
        let mut count = 0;
        let mut moved = false;
        while count < max {
            let position = first.wrapping_add(u64::from(count));
            // Acquire: pairs with the release of the slot (consume::release), whose reads must be over before we write.
            match standing(ring.sequence(position).load(Ordering::Acquire), position) {
                Standing::Free => count += 1,
                Standing::Behind => break,
                Standing::Readable | Standing::Aborted | Standing::Passed | Standing::Ahead => {
                    moved = true;
                    break;
                }
            }
        }
        if count < min {
            // The tail moves before the sequence does, and we have acquired the sequence: a tail that has not moved says that
            // the sequence is forged. Acquire: as above.
            if moved && ring.tail().load(Ordering::Acquire) != first {
                continue;
            }
            break;
        }
        // Release, and a release CAS after it: a sweeper that sees the tail moved (sweep::cursor) sees this store (Dead::owner_of). All
        // stores to cells are releases for sweeps, which acquire them: an earlier claim of the cell is done with before.
        cell.store(Cell::trying(Phase::Produce, first, count), Ordering::Release);
        announced = true;
        // SeqCst includes the release that publishes `trying`, and orders the CAS before the caller's look at the closed flag
        // (raw::Producer::try_claim): either the closer's consumers see the tail moved, or this producer sees the flag.
        let next = first.wrapping_add(u64::from(count));
        if ring
            .tail()
            .compare_exchange(first, next, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
        {
            cell.store(Cell::owned(Phase::Produce, first, count), owned_order());
            if planted(Bug::PublishBeforeWrite) {
                publish(ring, Range { first, count });
            }
            return Some(Range { first, count });
        }
    }
    if announced && !planted(Bug::TryingNotCleared) {
        // Release: as for all stores to cells.
        cell.store(Cell::EMPTY, Ordering::Release);
    }
    None
}

/// How the cell is stored when the tail has moved. Release, for sweeps as every store to a cell, and as a fence for those that look
/// without a claim (peek::look_again): a reader of a word that the caller writes from now on sees that the slot was free, as this
/// producer did.
#[inline(always)]
fn owned_order() -> Ordering {
    if planted(Bug::ClaimWithoutFence) {
        return Ordering::Release;
    }
    fence(Ordering::Release);
    Ordering::Relaxed
}

/// Whether the slot at the tail is free. Decides only whether a wake is passed on; acquires as in [`claim`].
pub(crate) fn is_writable(ring: &impl RingMemory) -> bool {
    let tail = ring.tail().load(Ordering::Acquire);
    standing(ring.sequence(tail).load(Ordering::Acquire), tail) == Standing::Free
}

/// Whether one of the `count` positions at the tail finds its slot aborted in the lap before, and nobody has stepped over it. The slots
/// that a producer looks at in any case: the head's line stays with consumers. Acquires as in [`claim`].
pub(crate) fn is_behind_aborted(ring: &impl RingMemory, count: u32) -> bool {
    let tail = ring.tail().load(Ordering::Acquire);
    (0..u64::from(count)).any(|k| {
        let word = ring.sequence(tail.wrapping_add(k)).load(Ordering::Acquire);
        matches!(Sequence::decode(word), Sequence::Aborted { .. })
    })
}

/// Makes a claimed and written range readable, last position first: nothing is visible before the first slot's store.
///
/// The cell stays: an owned cell whose slots have moved on is harmless and free to reuse.
#[inline]
pub(crate) fn publish(ring: &impl RingMemory, range: Range) {
    for position in range.positions().rev() {
        let position = if planted(Bug::BatchFirstToLast) {
            (range.first + range.first + u64::from(range.count) - 1).wrapping_sub(position)
        } else {
            position
        };
        publish_one(ring, position);
    }
}

/// Makes one position readable.
#[inline(always)]
pub(crate) fn publish_one(ring: &impl RingMemory, position: u64) {
    // Release: pairs with the acquire of consume::claim; the payload was written before.
    let order = relaxed_by(Bug::RelaxedPublish, Ordering::Release);
    ring.sequence(position).store(position.wrapping_add(1), order);
}

/// Gives up a claimed range; consumers step over it.
pub(crate) fn abort(ring: &impl RingMemory, range: Range) {
    for position in range.positions().rev() {
        // Release: pairs with the acquire of consume::claim, whose CAS hands the slot on to a later producer.
        ring.sequence(position)
            .store(Sequence::aborted(position), Ordering::Release);
    }
}

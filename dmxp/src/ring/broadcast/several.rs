//! Many producers: claims at the tail by CAS, with the queue's claim cells, and the queue's repair of what a dead one left.
//!
//! Two things differ from the queue. Whether a position may be written is said by the limit and by the slot's word: the
//! position a lap before must be published or aborted, or two producers could write into one slot. And an unpublished position
//! has not one word but two: that of the lap before, and its own number once its writing has begun.

use super::is_unpublished;
use super::limit::Known;
use super::memory::BroadcastMemory;
use crate::ring::memory::RingMemory;
use crate::ring::queue::sweep::{Dead, Owner, Swept};
use crate::ring::word::{Cell, Claim, Phase, Sequence, Standing, standing};
use crate::ring::{RETRIES, Range};
use crate::sync::{AtomicU64, Ordering};

/// Claims at least `min` and at most `max` positions at the tail, or `None` when fewer than `min` may be written. `cell` is as in
/// `produce::claim`.
#[inline(always)]
pub(crate) fn claim(ring: &impl BroadcastMemory, known: &Known, cell: &AtomicU64, min: u32, max: u32) -> Option<Range> {
    let mut announced = false;
    for _ in 0..RETRIES {
        // Acquire: pairs with the CAS below, so that limit and sequences read next are not older than the tail.
        let first = ring.tail().load(Ordering::Acquire);
        let room = known.room(ring, first, (min, max), false).unwrap_or(0);
        let mut count = 0;
        while count < room && is_vacated(ring, first.wrapping_add(u64::from(count))) {
            count += 1;
        }
        if known.latest {
            count = sparing(ring, first, count);
        }
        if count < min {
            // Acquire: as above. What was read may have belonged to positions that others have claimed since; the tail moves before
            // their sequences do, which were acquired: a tail that has not moved says that there is no room.
            if ring.tail().load(Ordering::Acquire) != first {
                continue;
            }
            break;
        }
        // Release, and a release CAS after it: as in produce::claim.
        cell.store(Cell::trying(Phase::Produce, first, count), Ordering::Release);
        announced = true;
        // SeqCst: as in produce::claim, before the caller's look at the closed flag.
        let next = first.wrapping_add(u64::from(count));
        if ring
            .tail()
            .compare_exchange(first, next, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
        {
            // Release: before the publishing stores, which are releases themselves.
            cell.store(Cell::owned(Phase::Produce, first, count), Ordering::Release);
            return Some(Range { first, count });
        }
    }
    if announced {
        // Release: as for all stores to cells.
        cell.store(Cell::EMPTY, Ordering::Release);
    }
    None
}

/// How many of `count` positions from `first`, the tail, on may be written while the newest value is the only one: while others are
/// about to publish a newer one, it stays. Whose claims were all given up since has nothing to wait for.
#[inline]
fn sparing(ring: &impl RingMemory, first: u64, count: u32) -> u32 {
    let mut pending = false;
    for back in 1..=ring.capacity().min(first) {
        let position = first - back;
        // Acquire: as in `is_vacated`. Older words only say that more is pending.
        match standing(ring.sequence(position).load(Ordering::Acquire), position) {
            Standing::Readable if pending => return u64::from(count).min(ring.capacity() - back) as u32,
            Standing::Readable => break,
            Standing::Free | Standing::Behind => pending = true,
            Standing::Aborted | Standing::Passed | Standing::Ahead => {}
        }
    }
    count
}

/// Whether nobody writes the slot of `position` any more for the lap before.
#[inline]
fn is_vacated(ring: &impl RingMemory, position: u64) -> bool {
    // Acquire: pairs with the publication of the lap before, whose words must be in place before ours are.
    let word = ring.sequence(position).load(Ordering::Acquire);
    let before = position.wrapping_sub(ring.capacity());
    matches!(standing(word, before), Standing::Readable | Standing::Aborted)
}

/// Gives up a claimed range; readers step over it.
pub(crate) fn abort(ring: &impl RingMemory, range: Range) {
    for position in range.positions().rev() {
        // Release: pairs with the acquire in `is_vacated`.
        ring.sequence(position)
            .store(Sequence::aborted(position), Ordering::Release);
    }
}

/// As `sweep::sweep`, which has the reasons for each step and its place.
pub(crate) fn sweep(ring: &impl RingMemory, dead: &impl Dead, latest: bool, swept: &mut Swept) -> bool {
    let mut finished = true;
    let mut tried = false;
    for cell in dead.cells() {
        // Acquire: pairs with the handle's releases, as on the queue.
        let cell = Cell::decode(cell.load(Ordering::Acquire));
        if !dead.is_still_dead() {
            return false;
        }
        match cell {
            // Subscribers have no claims.
            Cell::Owned(claim) if claim.phase == Phase::Produce => sweep_owned(ring, claim, latest, swept),
            Cell::Trying(claim) if claim.phase == Phase::Produce && !tried => {
                tried = true;
                finished &= sweep_trying(ring, dead, claim, swept);
            }
            _ => {}
        }
    }
    finished
}

fn cursor(ring: &impl RingMemory) -> u64 {
    // Acquire: pairs with the CAS that moved it; the mover's `trying` and all before it is seen.
    ring.tail().load(Ordering::Acquire)
}

fn sweep_owned(ring: &impl RingMemory, claim: Claim, latest: bool, swept: &mut Swept) {
    let tail = cursor(ring);
    let range = Range {
        first: claim.first(tail),
        count: claim.count,
    };
    // Acquire: as in sweep::sweep_owned. A batch whose first message is published is published.
    if !latest && !is_unpublished(ring.sequence(range.first).load(Ordering::Acquire), range.first) {
        return;
    }
    for position in range.positions().rev() {
        // A forged cell may name positions that nobody has claimed.
        if tail.wrapping_sub(position) as i64 <= 0 {
            continue;
        }
        let word = ring.sequence(position).load(Ordering::Acquire);
        let part_of_half = !latest && position != range.first && word == position.wrapping_add(1);
        if is_unpublished(word, position) || part_of_half {
            swept.aborted += u64::from(replace(ring, position, word));
        }
    }
}

/// Slot by slot: cursor, sequence, the others' cells, the record's state, CAS.
fn sweep_trying(ring: &impl RingMemory, dead: &impl Dead, claim: Claim, swept: &mut Swept) -> bool {
    let mut finished = true;
    let range = Range {
        first: claim.first(cursor(ring)),
        count: claim.count,
    };
    for position in range.positions().rev() {
        if cursor(ring).wrapping_sub(position) as i64 <= 0 {
            continue;
        }
        // Acquire: keeps the cells behind it, and pairs with the release that moved the sequence on, as on the queue.
        let word = ring.sequence(position).load(Ordering::Acquire);
        if !is_unpublished(word, position) {
            continue;
        }
        let owner = dead.owner_of(Phase::Produce, position);
        if !dead.is_still_dead() {
            return false;
        }
        match owner {
            Owner::Owned => {}
            Owner::Unknown => finished = false,
            Owner::Nobody => swept.aborted += u64::from(replace(ring, position, word)),
        }
    }
    finished
}

/// The CAS from exactly what the dead one left: each of the two words of an unpublished position is there once in the ring's life.
fn replace(ring: &impl RingMemory, position: u64, from: u64) -> bool {
    // AcqRel: takes over what the dead producer wrote, and hands the slot to the handle that finds it vacated.
    ring.sequence(position)
        .compare_exchange(from, Sequence::aborted(position), Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

//! Many producers: claims at the tail by CAS, with the queue's claim cells, and the queue's repair of what a dead one left.
//!
//! Two things differ from the queue. Whether a position may be written is said by the limit and by the slot's word: the
//! position a lap before must be published or aborted, or two producers could write into one slot. And an unpublished position
//! has not one word but two: that of the lap before, and its own number once its writing has begun.

use super::is_unpublished;
use super::limit::Known;
use super::memory::BroadcastMemory;
use super::read;
use crate::ring::memory::RingMemory;
use crate::ring::queue::owners::Owner;
use crate::ring::queue::sweep::{Dead, Swept};
use crate::ring::word::{Cell, Claim, MAX_BATCH, Phase, Sequence, Standing, standing};
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
            let spared = sparing(ring, first);
            count = count.min(spared.room.min(u64::from(u32::MAX)) as u32);
            if spared.room < u64::from(min) && !spared.pending {
                announced = true;
                if skip(ring, known, cell, first, spared.room) {
                    continue;
                }
            }
        }
        if count < min {
            // Acquire: as above. What was read may have belonged to positions that others have claimed since; the tail moves before
            // their sequences do, which were acquired: a tail that has not moved says that there is no room.
            if ring.tail().load(Ordering::Acquire) != first {
                continue;
            }
            break;
        }
        announced = true;
        if let Some(range) = move_tail(ring, cell, Range { first, count }) {
            return Some(range);
        }
    }
    if announced {
        // Release: as for all stores to cells.
        cell.store(Cell::EMPTY, Ordering::Release);
    }
    None
}

/// What keeps the newest value of a latest ring where it is.
struct Spared {
    /// How many positions from the tail on may be claimed: those before the slot of the value.
    room: u64,
    /// Whether somebody may yet publish a newer one.
    pending: bool,
}

/// How far producers may go with the value that is the newest at the tail `first`.
#[inline(always)]
fn sparing(ring: &impl RingMemory, first: u64) -> Spared {
    let capacity = ring.capacity();
    let mut pending = false;
    for back in 1..=capacity.min(first) {
        let position = first - back;
        // Acquire: as in `is_vacated`. Older words only say that more is pending.
        match standing(ring.sequence(position).load(Ordering::Acquire), position) {
            Standing::Readable => {
                let room = capacity - back;
                return Spared { room, pending };
            }
            Standing::Free | Standing::Behind => pending = true,
            Standing::Aborted | Standing::Passed | Standing::Ahead => {}
        }
    }
    let room = sparing_kept(ring, first);
    Spared { room, pending }
}

/// The same with a value that lies there under claims of later laps.
#[cold]
#[inline(never)]
fn sparing_kept(ring: &impl RingMemory, first: u64) -> u64 {
    match read::newest_kept(ring, first) {
        // The slot of the value comes again so many positions after the tail.
        Some((value, _)) => value.wrapping_sub(first) & (ring.capacity() - 1),
        None => u64::MAX,
    }
}

/// Leaves out the positions from `first`, the tail, to the slot of the newest value, `room` positions on: nobody will publish a newer one
/// unless somebody goes on, and to write it where the old one lies would lose both with a producer that dies. `false` when that cannot be
/// done now.
#[cold]
#[inline(never)]
fn skip(ring: &impl BroadcastMemory, known: &Known, cell: &AtomicU64, first: u64, room: u64) -> bool {
    let count = room.saturating_add(1).min(ring.capacity()).min(u64::from(MAX_BATCH)) as u32;
    let range = Range { first, count };
    let is_free = known.room(ring, first, (count, count), false).is_some();
    if !is_free || !range.positions().all(|position| is_vacated(ring, position)) {
        return false;
    }
    let Some(range) = move_tail(ring, cell, range) else {
        return false;
    };
    abort(ring, range, true);
    true
}

/// Claims a range at the tail, if it is still there. Else the cell goes on saying that it is tried.
#[inline(always)]
fn move_tail(ring: &impl RingMemory, cell: &AtomicU64, range: Range) -> Option<Range> {
    let Range { first, count } = range;
    // Release, and a release CAS after it: as in produce::claim.
    cell.store(Cell::trying(Phase::Produce, first, count), Ordering::Release);
    // SeqCst: as in produce::claim, before the caller's look at the closed flag.
    let next = first.wrapping_add(u64::from(count));
    ring.tail()
        .compare_exchange(first, next, Ordering::SeqCst, Ordering::Relaxed)
        .ok()?;
    // Release: before the publishing stores, which are releases themselves.
    cell.store(Cell::owned(Phase::Produce, first, count), Ordering::Release);
    Some(range)
}

/// Whether nobody writes the slot of `position` any more for the lap before.
#[inline]
fn is_vacated(ring: &impl RingMemory, position: u64) -> bool {
    // Acquire: pairs with the publication of the lap before, whose words must be in place before ours are.
    let word = ring.sequence(position).load(Ordering::Acquire);
    let before = position.wrapping_sub(ring.capacity());
    matches!(standing(word, before), Standing::Readable | Standing::Aborted)
}

/// Gives up a claimed range; readers step over it. On a `latest` ring values that lie there of an earlier lap stay.
pub(crate) fn abort(ring: &impl RingMemory, range: Range, latest: bool) {
    for position in range.positions().rev() {
        let sequence = ring.sequence(position);
        // Relaxed: what lies there was acquired with `is_vacated`, and only we change it. Release: pairs with the acquire there.
        let word = given_up(ring, sequence.load(Ordering::Relaxed), position, latest);
        sequence.store(word, Ordering::Release);
    }
}

/// The word of a position that is given up while its slot has `word`.
fn given_up(ring: &impl RingMemory, word: u64, position: u64, latest: bool) -> u64 {
    if latest {
        read::given_up(word, position, ring.capacity())
    } else {
        Sequence::aborted(position)
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
                finished &= sweep_trying(ring, dead, claim, latest, swept);
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
            swept.aborted += u64::from(replace(ring, position, word, latest));
        }
    }
}

/// Cursor, sequences, the others' cells, the record's state, CAS, as on the queue.
fn sweep_trying(ring: &impl RingMemory, dead: &impl Dead, claim: Claim, latest: bool, swept: &mut Swept) -> bool {
    let mut finished = true;
    let end = cursor(ring);
    let range = Range {
        first: claim.first(end),
        count: claim.count,
    };
    let stuck: Vec<(u64, u64)> = range
        .positions()
        .rev()
        .filter(|position| end.wrapping_sub(*position) as i64 > 0)
        // Acquire: keeps the cells behind it, and pairs with the release that moved the sequence on, as on the queue.
        .map(|position| (position, ring.sequence(position).load(Ordering::Acquire)))
        .filter(|&(position, word)| is_unpublished(word, position))
        .collect();
    if stuck.is_empty() {
        return true;
    }
    let owners = dead.owners(Phase::Produce, range);
    if !dead.is_still_dead() {
        return false;
    }
    for (position, word) in stuck {
        match owners.of(position) {
            Owner::Owned => {}
            Owner::Unknown => finished = false,
            Owner::Nobody => swept.aborted += u64::from(replace(ring, position, word, latest)),
        }
    }
    finished
}

/// The CAS from exactly what the dead one left: each of the two words of an unpublished position is there once in the ring's life.
fn replace(ring: &impl RingMemory, position: u64, from: u64, latest: bool) -> bool {
    let to = given_up(ring, from, position, latest);
    // AcqRel: takes over what the dead producer wrote, and hands the slot to the handle that finds it vacated.
    ring.sequence(position)
        .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

//! What is done for a handle that died: free the slots its claims left stuck.
//!
//! Any number of processes may do this at once, for the same handle, and may die at it: each act is one CAS on a slot's
//! sequence from exactly the value that the dead handle left. A sweeper may also be so slow that the record is swept, freed
//! and taken by a newcomer under its hands, so nothing read from the record counts until its state was seen to be the dead
//! one's *after* the reading. `tests/protocol-model` shows what happens without each of these checks.

use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::queue::consume;
use crate::ring::queue::owners::{Owner, Owners};
use crate::ring::word::{Cell, Claim, MAX_RETURNS, Phase, Sequence};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, fence};

/// Positions that are looked at together where the whole ring is swept.
const PIECE: u64 = 1 << 15;

/// The record of a dead handle, and the company it died in.
pub(crate) trait Dead {
    /// Its claim cells.
    fn cells(&self) -> &[AtomicU64];
    /// Which cursor it moved.
    fn phase(&self) -> Phase;
    /// Its number, as `TAKEN` sequences have it.
    fn handle(&self) -> u16;
    /// Whether the record is still the dead one's. An acquire load: what was read before stays before.
    fn is_still_dead(&self) -> bool;
    /// Whether the channel drops what its dead consumers held.
    fn drops(&self) -> bool;
    /// What the others say of the positions of a range. Reads each other handle's state first, then its cells, all with acquire: pairs
    /// with its registration, and with its stores to cells.
    fn owners(&self, phase: Phase, range: Range) -> Owners;
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Positions that consumers will step over.
    pub(crate) aborted: u64,
    /// Messages that will be delivered again.
    pub(crate) returned: u64,
    /// Messages that were delivered too often to be delivered again.
    pub(crate) dropped: u64,
}

/// Sweeps what dead handles left, in the order of their numbers. Of each, whether it is finished: `false`: it must be done again, because
/// a live handle is trying the same position, because somebody else has finished it, or because `has_time` said no before its turn.
pub(crate) fn sweep(
    ring: &impl RingMemory,
    dead: &[impl Dead],
    has_time: impl Fn() -> bool,
    swept: &mut Swept,
) -> Vec<bool> {
    let finished = dead
        .iter()
        .map(|one| has_time() && sweep_cells(ring, one, swept))
        .collect();
    if dead.iter().any(|one| one.phase() == Phase::Consume) {
        // Nothing is taken before something was returned, and the hint is bumped in between: a consumer that took one has seen a
        // hint other than 0, before it died, and so do we. Acquire: pairs with bump_hint.
        if ring.returned_hint().load(Ordering::Acquire) != 0 {
            sweep_taken(ring, dead, swept);
        }
        // Whatever was returned, also by a sweeper that died before it came to this: consumers look again.
        if !planted(Bug::ReturnsUnannounced) {
            consume::bump_hint(ring);
        }
    }
    finished
}

/// What the claim cells of a dead handle name.
fn sweep_cells(ring: &impl RingMemory, dead: &impl Dead, swept: &mut Swept) -> bool {
    let mut finished = true;
    let mut tried = false;
    for cell in dead.cells() {
        // Acquire: pairs with the handle's releases; what it stored before the cell is seen. The cell is the last that it stored:
        // its death is behind us (see the ring's head comment), or the record is a newcomer's, which the next line tells.
        let cell = Cell::decode(cell.load(Ordering::Acquire));
        if !dead.is_still_dead() {
            return false;
        }
        match cell {
            Cell::None => {}
            Cell::Owned(claim) => sweep_owned(ring, dead, claim, swept),
            // A handle tries one claim at a time. More are forged, and looking into them costs most of all.
            Cell::Trying(_) if tried => {}
            Cell::Trying(claim) => {
                tried = true;
                finished &= sweep_trying(ring, dead, claim, swept);
            }
        }
    }
    finished
}

fn cursor(ring: &impl RingMemory, phase: Phase) -> u64 {
    // Acquire: pairs with the CAS that moved the cursor; the mover's `trying` and all before it is seen.
    match phase {
        Phase::Produce => ring.tail(),
        Phase::Consume => ring.head(),
    }
    .load(Ordering::Acquire)
}

/// No check of the record is needed from here on: the claim was the dead one's, and the sequences that its positions can be
/// stuck at are nobody else's.
fn sweep_owned(ring: &impl RingMemory, dead: &impl Dead, claim: Claim, swept: &mut Swept) {
    let range = Range {
        first: claim.first(cursor(ring, claim.phase)),
        count: claim.count,
    };
    match claim.phase {
        Phase::Produce => {
            // The first slot is published last: while it is unpublished, the batch never became visible. Acquire: pairs with
            // produce::publish; the dead one's own store is seen in any case, and the CASes below decide.
            if ring.sequence(range.first).load(Ordering::Acquire) != range.first {
                return;
            }
            for position in range.positions().rev() {
                let published = position.wrapping_add(1);
                if abort(ring, position, position) || (position != range.first && abort(ring, position, published)) {
                    swept.aborted += 1;
                }
            }
        }
        Phase::Consume => {
            for position in range.positions().rev() {
                let_go(ring, dead.drops(), position, swept);
            }
        }
    }
}

/// Cursor, sequences, the others' cells, the record's state, CAS. That order, for each position, is what makes it right.
fn sweep_trying(ring: &impl RingMemory, dead: &impl Dead, claim: Claim, swept: &mut Swept) -> bool {
    let mut finished = true;
    let range = Range {
        first: claim.first(cursor(ring, claim.phase)),
        count: claim.count,
    };
    let early = planted(Bug::CellsBeforeCursor).then(|| dead.owners(claim.phase, range));
    // Once for all: a cursor only grows, and what it had not passed then was not the dead one's.
    let end = cursor(ring, claim.phase);
    // Acquire: keeps the cells behind it, and pairs with the release that moved the sequence on. If it is old, the mover may have
    // reused its cell, and then the CAS, which has acquired that cell, finds the sequence moved.
    let is_stuck = |position: &u64| {
        end.wrapping_sub(*position) as i64 > 0
            && ring.sequence(*position).load(Ordering::Acquire) == stuck_at(claim.phase, *position)
    };
    let stuck: Vec<u64> = range.positions().rev().filter(is_stuck).collect();
    if stuck.is_empty() {
        return true;
    }
    let owners = early.unwrap_or_else(|| dead.owners(claim.phase, range));
    if !dead.is_still_dead() {
        return false;
    }
    for position in stuck {
        match (owners.of(position), claim.phase) {
            (Owner::Owned, _) => {}
            (Owner::Unknown, _) if !planted(Bug::LiveTryingIgnored) => finished = false,
            (_, Phase::Produce) => swept.aborted += u64::from(abort(ring, position, position)),
            (_, Phase::Consume) => let_go(ring, dead.drops(), position, swept),
        }
    }
    finished
}

/// Messages that dead handles had taken: one look through the ring for them all.
fn sweep_taken(ring: &impl RingMemory, dead: &[impl Dead], swept: &mut Swept) {
    for place in 0..ring.capacity() {
        // Acquire: pairs with the CAS of take_returned. A newcomer registered before it took, so with its mark comes its state.
        let word = ring.sequence(place).load(Ordering::Acquire);
        let Sequence::Taken { handle, .. } = Sequence::decode(word) else {
            continue;
        };
        if let Ok(index) = dead.binary_search_by_key(&handle, Dead::handle)
            // The word names the record, not its generation. Of one that changed hands nothing is the dead one's any more.
            && dead[index].is_still_dead()
            && let Some(next) = consume::after_taken(ring, word, dead[index].drops())
        {
            match Sequence::decode(next) {
                Sequence::Returned { .. } => swept.returned += u64::from(replace(ring, place, word, next)),
                _ => swept.dropped += u64::from(discard(ring, place, word, next)),
            }
        }
    }
}

/// Deals with whatever a claim that nobody explains, and nobody will, keeps from the others: positions that a cursor has
/// passed and whose sequence never moved on. For programs that write no cells; the caller knows that they are gone.
///
/// `owners` is as in [`Dead`]. Piece by piece: cursor, sequences, cells, CAS, ordered as in [`sweep_trying`].
pub(crate) fn sweep_unexplained(
    ring: &impl RingMemory,
    drops: bool,
    owners: impl Fn(Phase, Range) -> Owners,
    swept: &mut Swept,
) {
    for phase in [Phase::Produce, Phase::Consume] {
        let end = cursor(ring, phase);
        let start = end.saturating_sub(ring.capacity());
        let mut end = end;
        while end > start {
            let count = (end - start).min(PIECE);
            end -= count;
            let range = Range {
                first: end,
                count: count as u32,
            };
            let is_stuck =
                |position: &u64| ring.sequence(*position).load(Ordering::Acquire) == stuck_at(phase, *position);
            let stuck: Vec<u64> = range.positions().rev().filter(is_stuck).collect();
            if stuck.is_empty() {
                continue;
            }
            let owners = owners(phase, range);
            // What was read of the others stays before the CAS: a record that changed hands was left with its claims done, and
            // the CAS must find them so. Pairs with the fence in open::register; elsewhere is_still_dead does it.
            fence(Ordering::Acquire);
            for position in stuck {
                match (owners.of(position), phase) {
                    (Owner::Owned | Owner::Unknown, _) => {}
                    (Owner::Nobody, Phase::Produce) => swept.aborted += u64::from(abort(ring, position, position)),
                    (Owner::Nobody, Phase::Consume) => let_go(ring, drops, position, swept),
                }
            }
        }
    }
    consume::bump_hint(ring);
}

/// The sequence at which a claimed position stays when its claimer dies.
pub(crate) fn stuck_at(phase: Phase, position: u64) -> u64 {
    match phase {
        Phase::Produce => position,
        Phase::Consume => position.wrapping_add(1),
    }
}

fn abort(ring: &impl RingMemory, position: u64, from: u64) -> bool {
    replace(ring, position, from, Sequence::aborted(position))
}

/// A message that a dead consumer had claimed at the head: returned, or dropped where the channel says so.
fn let_go(ring: &impl RingMemory, drops: bool, position: u64, swept: &mut Swept) {
    const { assert!(MAX_RETURNS >= 1) };
    let readable = position.wrapping_add(1);
    if drops {
        let released = position.wrapping_add(ring.capacity());
        swept.dropped += u64::from(discard(ring, position, readable, released));
    } else {
        swept.returned += u64::from(replace(ring, position, readable, Sequence::returned(position, 1)));
    }
}

/// Frees the slot of a message that nobody will have. Counted first: a sweeper may die in between, and a message that is
/// counted twice is better than one that is gone unnoticed.
fn discard(ring: &impl RingMemory, position: u64, from: u64, released: u64) -> bool {
    ring.count_dropped();
    let done = replace(ring, position, from, released);
    if !done {
        ring.uncount_dropped();
    }
    done
}

fn replace(ring: &impl RingMemory, position: u64, from: u64, to: u64) -> bool {
    // AcqRel: takes over what the dead handle had (its publication, its reads and writes of the slot), and hands the slot to
    // the handle that acts on the mark: the acquires of produce::claim, consume::claim and take_returned.
    ring.sequence(position)
        .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

//! What is done for a handle that died: free the slots its claims left stuck.
//!
//! Any number of processes may do this at once, for the same handle, and may die at it: each act is one CAS on a slot's
//! sequence from exactly the value that the dead handle left.

use super::memory::RingMemory;
use super::sync::{AtomicU64, Ordering};
use super::word::{Cell, Claim, MAX_TIMES, Phase, Sequence};
use super::{Range, consume};

/// What the cells of the channel's other handles say of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody names it.
    Nobody,
    /// Another handle owns it.
    Owned,
    /// A live handle is trying it: whether it will own it cannot be known yet.
    LiveTrying,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Positions that consumers will step over.
    pub(crate) aborted: u64,
    /// Messages that will be delivered again.
    pub(crate) returned: u64,
}

/// Sweeps what the handle numbered `handle` left in `cells`. `false`: a live handle is trying the same position; the dead
/// handle's record must stay DEAD, and the sweep be repeated.
///
/// `owner_of` reads the cells of all other handles of the channel, of the same phase, each with acquire, at the time it is
/// called: after the cursor and the sequence, before the CAS. That order is what makes the sweep right.
pub(crate) fn sweep(
    ring: &impl RingMemory,
    cells: &[AtomicU64],
    handle: u16,
    mut owner_of: impl FnMut(Phase, u64) -> Owner,
    swept: &mut Swept,
) -> bool {
    let mut finished = true;
    for cell in cells {
        // Acquire: pairs with the handle's releases; what it stored before the cell is seen.
        match Cell::decode(cell.load(Ordering::Acquire)) {
            Cell::None => {}
            Cell::Owned(claim) => sweep_owned(ring, claim, swept),
            Cell::Trying(claim) => finished &= sweep_trying(ring, claim, &mut owner_of, swept),
        }
    }
    sweep_taken(ring, handle, swept);
    if swept.returned > 0 {
        consume::bump_hint(ring);
    }
    finished
}

fn full_range(ring: &impl RingMemory, claim: Claim) -> (Range, u64) {
    // Acquire: pairs with the CAS that moved the cursor; the mover's `trying` and all before it is seen.
    let cursor = match claim.phase {
        Phase::Produce => ring.tail(),
        Phase::Consume => ring.head(),
    }
    .load(Ordering::Acquire);
    (
        Range {
            first: claim.first(cursor),
            count: claim.count,
        },
        cursor,
    )
}

fn sweep_owned(ring: &impl RingMemory, claim: Claim, swept: &mut Swept) {
    let (range, _) = full_range(ring, claim);
    match claim.phase {
        Phase::Produce => {
            // The first slot is published last: while it is unpublished, the batch never became visible.
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
                if give_back(ring, position) {
                    swept.returned += 1;
                }
            }
        }
    }
}

fn sweep_trying(
    ring: &impl RingMemory,
    claim: Claim,
    owner_of: &mut impl FnMut(Phase, u64) -> Owner,
    swept: &mut Swept,
) -> bool {
    let mut finished = true;
    let (range, _) = full_range(ring, claim);
    for position in range.positions().rev() {
        let (_, cursor) = full_range(ring, claim);
        if cursor.wrapping_sub(position) as i64 <= 0 {
            continue;
        }
        let stuck = match claim.phase {
            Phase::Produce => position,
            Phase::Consume => position.wrapping_add(1),
        };
        if ring.sequence(position).load(Ordering::Acquire) != stuck {
            continue;
        }
        match owner_of(claim.phase, position) {
            Owner::Owned => {}
            Owner::LiveTrying => finished = false,
            Owner::Nobody => match claim.phase {
                Phase::Produce => swept.aborted += u64::from(abort(ring, position, position)),
                Phase::Consume => swept.returned += u64::from(give_back(ring, position)),
            },
        }
    }
    finished
}

fn sweep_taken(ring: &impl RingMemory, handle: u16, swept: &mut Swept) {
    for place in 0..ring.capacity() {
        let word = ring.sequence(place).load(Ordering::Acquire);
        if let Sequence::Taken {
            position,
            handle: taker,
            times,
        } = Sequence::decode(word)
            && taker == handle
            && replace(ring, place, word, Sequence::returned(position, times.min(MAX_TIMES)))
        {
            swept.returned += 1;
        }
    }
}

fn abort(ring: &impl RingMemory, position: u64, from: u64) -> bool {
    replace(ring, position, from, Sequence::aborted(position))
}

fn give_back(ring: &impl RingMemory, position: u64) -> bool {
    replace(
        ring,
        position,
        position.wrapping_add(1),
        Sequence::returned(position, 1),
    )
}

fn replace(ring: &impl RingMemory, position: u64, from: u64, to: u64) -> bool {
    // AcqRel: takes over what the dead handle published, and hands the slot to whoever acts on the mark.
    ring.sequence(position)
        .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

//! Consuming: claim readable positions at the head, read, release. Returned messages come first.

use crate::ring::memory::RingMemory;
use crate::ring::word::{Cell, MAX_BATCH, MAX_RETURNS, Phase, Sequence, Standing, standing, widen};
use crate::ring::{RETRIES, Range};
use crate::sync::planted::{Bug, planted, relaxed_by};
use crate::sync::{AtomicU64, Ordering};

/// The head, if a message lies there that nobody has claimed. Acquire, both: as in [`claim`].
#[inline(always)]
pub(crate) fn readable_head(ring: &impl RingMemory) -> Result<u64, (u64, u64)> {
    let first = ring.head().load(Ordering::Acquire);
    let order = relaxed_by(Bug::RelaxedConsumerLoad, Ordering::Acquire);
    let word = ring.sequence(first).load(order);
    // Only a readable slot has exactly this word.
    if word == first.wrapping_add(1) {
        Ok(first)
    } else {
        Err((first, word))
    }
}

/// Claims the position that [`readable_head`] gave; `false` when another was faster, and the cell is left without a claim.
#[inline(always)]
pub(crate) fn claim_head(ring: &impl RingMemory, cell: &AtomicU64, first: u64) -> bool {
    ring.prefetch_payload(first);
    // The orderings and their reasons are those of `claim`.
    cell.store(Cell::trying(Phase::Consume, first, 1), Ordering::Release);
    let next = first.wrapping_add(1);
    if ring
        .head()
        .compare_exchange(first, next, Ordering::AcqRel, Ordering::Relaxed)
        .is_err()
    {
        if !planted(Bug::TryingNotCleared) {
            cell.store(Cell::EMPTY, Ordering::Release);
        }
        return false;
    }
    cell.store(Cell::owned(Phase::Consume, first, 1), Ordering::Release);
    true
}

/// Claims at least `min` and at most `max` readable positions at the head. `None` when there are fewer.
///
/// A range never spans an aborted position: when one divides the messages that are there, what lies before it counts as
/// enough, however short. Nor does it span stale messages and others, as `stale` has it of a position that was just seen readable:
/// either all of it is stale, and as long as it may be whatever was asked for, or nothing. A consumer that claims them all is the first
/// that could: had the slot changed hands since `stale` looked at it, the head would have moved and the claim failed.
/// `aborted` is called once for each aborted position this call frees.
#[inline]
pub(crate) fn claim(
    ring: &impl RingMemory,
    cell: &AtomicU64,
    min: u32,
    max: u32,
    stale: impl Fn(u64) -> bool,
    mut aborted: impl FnMut(),
) -> Option<Range> {
    let mut announced = false;
    let mut retries = u64::from(RETRIES);
    // Positions without a message, each stepped over once: as many as there are slots, and no more.
    let mut steps = ring.capacity();
    while retries > 0 && steps > 0 {
        // Acquire: pairs with the CAS below; the sequences read next are not older than the head.
        let first = ring.head().load(Ordering::Acquire);
        // Acquire: pairs with produce::publish; the payload is read after it.
        let order = relaxed_by(Bug::RelaxedConsumerLoad, Ordering::Acquire);
        let word = ring.sequence(first).load(order);
        match standing(word, first) {
            Standing::Readable => {}
            Standing::Free | Standing::Behind => break,
            Standing::Aborted => {
                // AcqRel: takes over what the aborting producer (produce::abort) or its sweeper did, and hands the slot to the
                // producer of the next lap (acquire in produce::claim).
                let released = first.wrapping_add(ring.capacity());
                if ring
                    .sequence(first)
                    .compare_exchange(word, released, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
                {
                    aborted();
                }
                let left = if step_over(ring, first) {
                    &mut steps
                } else {
                    &mut retries
                };
                *left -= 1;
                continue;
            }
            Standing::Ahead => {
                // Somebody died, or is delayed, between freeing an aborted slot and moving the head.
                let left = if step_over(ring, first) {
                    &mut steps
                } else {
                    &mut retries
                };
                *left -= 1;
                continue;
            }
            Standing::Passed => {
                retries -= 1;
                // The head passed it before it was marked, and we have acquired the mark: a head that has not moved is forged.
                // Acquire: as above.
                if ring.head().load(Ordering::Acquire) == first {
                    break;
                }
                continue;
            }
        }
        ring.prefetch_payload(first);
        let is_stale = stale(first);
        let (min, max) = if is_stale {
            (1, ring.capacity().min(u64::from(MAX_BATCH)) as u32)
        } else {
            (min, max)
        };
        let mut count = 1;
        let mut divided = false;
        while count < max {
            let position = first.wrapping_add(u64::from(count));
            // Acquire: as above, for each slot of the range.
            match standing(ring.sequence(position).load(Ordering::Acquire), position) {
                Standing::Readable if stale(position) == is_stale || planted(Bug::ExpiredRangeUndivided) => count += 1,
                Standing::Free | Standing::Behind => break,
                Standing::Readable | Standing::Aborted | Standing::Passed | Standing::Ahead => {
                    divided = true;
                    break;
                }
            }
        }
        if count < min && !divided {
            break;
        }
        retries -= 1;
        // Release, then a release CAS: a sweeper that sees the head moved (sweep::cursor) sees this store. Acquire in that CAS: as in
        // the load of the head.
        cell.store(Cell::trying(Phase::Consume, first, count), Ordering::Release);
        announced = true;
        let next = first.wrapping_add(u64::from(count));
        if ring
            .head()
            .compare_exchange(first, next, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            // Release: before the releasing stores of the slots, which are releases themselves.
            cell.store(Cell::owned(Phase::Consume, first, count), Ordering::Release);
            return Some(Range { first, count });
        }
    }
    if announced && !planted(Bug::TryingNotCleared) {
        // Release: as for all stores to cells, see produce::claim.
        cell.store(Cell::EMPTY, Ordering::Release);
    }
    None
}

/// Moves the head past a position; `false` when somebody else did.
fn step_over(ring: &impl RingMemory, position: u64) -> bool {
    // Release: a thread that sees the head past the position (acquire in claim and sweep::cursor) sees that it was aborted or freed, and
    // never takes it for a message that a consumer claimed. Acquire: as in claim.
    ring.head()
        .compare_exchange(position, position.wrapping_add(1), Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

/// Whether a consumer would find something to do at the head: a message that nobody has claimed yet, or a position to step
/// over, behind which there may be one. Decides only whether a wake is passed on; acquires as in [`claim`].
pub(crate) fn is_readable(ring: &impl RingMemory) -> bool {
    let head = ring.head().load(Ordering::Acquire);
    let word = ring.sequence(head).load(Ordering::Acquire);
    matches!(
        standing(word, head),
        Standing::Readable | Standing::Aborted | Standing::Ahead
    )
}

/// Hands claimed positions back to producers.
#[inline]
pub(crate) fn release(ring: &impl RingMemory, range: Range) {
    for position in range.positions().rev() {
        release_one(ring, position);
    }
}

/// Hands one position back to producers, claimed at the head or taken from the returned ones.
#[inline]
pub(crate) fn release_one(ring: &impl RingMemory, position: u64) {
    // Release: our reads are over before a producer, which acquires the sequence (produce::claim), writes.
    let order = relaxed_by(Bug::RelaxedRelease, Ordering::Release);
    ring.sequence(position)
        .store(position.wrapping_add(ring.capacity()), order);
}

/// What a handle remembers of its looks through the ring for returned messages. A new one has looked at nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// The hint with which it has looked through the whole ring.
    pub(crate) seen: u64,
    /// The hint with which it looks now, and the position that comes next.
    hint: u64,
    next: u64,
}

/// Takes one returned message, to be read by `handle`. Returns its position and how often it was delivered before.
///
/// When the hint has not changed since the handle last looked through the ring in vain, it does not look again; when it has not
/// changed since it found something, it looks on from there.
pub(crate) fn take_returned(ring: &impl RingMemory, handle: u16, look: &mut Look) -> Option<(u64, u8)> {
    // Acquire: pairs with bump_hint, called after the slots were marked.
    let hint = ring.returned_hint().load(Ordering::Acquire);
    if hint == look.seen {
        return None;
    }
    // Acquire: pairs with the CAS that moved it. A thread that marked a slot had the head behind it, so with the hint we have one that
    // is past every mark the hint counts.
    let head = ring.head().load(Ordering::Acquire);
    // What was marked since with the same hint, also before the place where the look is, bumps it yet.
    let from = if look.hint == hint {
        head.wrapping_sub(look.next).min(ring.capacity())
    } else {
        ring.capacity()
    };
    look.hint = hint;
    for back in (1..=from).rev() {
        let place = head.wrapping_sub(back);
        // Acquire: pairs with the release in give_back or sweep::replace; the payload is read after it.
        let word = ring.sequence(place).load(Ordering::Acquire);
        if let Sequence::Returned { position, times } = Sequence::decode(word) {
            let position = widen(position, head);
            // Only the position that falls on this slot in the lap before the head; anything else is forged.
            if position != place {
                continue;
            }
            let taken = Sequence::taken(position, handle, times.wrapping_add(1));
            // AcqRel: one handle wins; the acquire is that of the load above, for the winner. Release: pairs with the acquire of
            // sweep_taken, which sees the taker's registration with the mark.
            if ring
                .sequence(place)
                .compare_exchange(word, taken, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                look.next = place.wrapping_add(1);
                return Some((position, times));
            }
        }
    }
    look.seen = hint;
    None
}

/// Whether a returned message is there to be taken. `seen` is the hint with which the caller has looked through the ring. Decides only
/// whether somebody looks; acquires as there.
pub(crate) fn is_returned(ring: &impl RingMemory, seen: &mut u64) -> bool {
    let hint = ring.returned_hint().load(Ordering::Acquire);
    if hint == *seen {
        return false;
    }
    let head = ring.head().load(Ordering::Acquire);
    let found = (1..=ring.capacity()).any(|back| {
        let place = head.wrapping_sub(back);
        let word = ring.sequence(place).load(Ordering::Acquire);
        matches!(Sequence::decode(word), Sequence::Returned { position, .. } if widen(position, head) == place)
    });
    if !found {
        *seen = hint;
    }
    found
}

/// The sequence that a taken message gets when its reader lets go of it unread: returned once more, or released where it was
/// returned too often, or where `drops` says so. `None` when `word` is no taken one.
pub(crate) fn after_taken(ring: &impl RingMemory, word: u64, drops: bool) -> Option<u64> {
    let Sequence::Taken { position, times, .. } = Sequence::decode(word) else {
        return None;
    };
    if times <= MAX_RETURNS && !drops {
        return Some(Sequence::returned(position, times));
    }
    // The head has passed the position by less than a lap: the slot is still occupied. Acquire: pairs with the CAS that moved it;
    // the caller has acquired `word`, and so a head behind the position.
    let head = ring.head().load(Ordering::Acquire);
    Some(widen(position, head).wrapping_add(ring.capacity()))
}

/// Returns a claimed position, to be delivered again to the consumer that comes first. `returns` is how often it was delivered before
/// this time. What was returned as often as a sequence can say is dropped, and counted.
pub(crate) fn give_back(ring: &impl RingMemory, position: u64, returns: u8) {
    if returns < MAX_RETURNS {
        put_back(ring, position, returns + 1);
    } else {
        ring.count_dropped();
        release_one(ring, position);
    }
    bump_hint(ring);
}

/// Marks a claimed position as returned, `times` times in all: as many as before where this was no delivery. Bumping the hint is the
/// caller's.
///
/// That a living consumer leaves the count as it was does no harm to sweepers, which tell one taking from the next by it: a death raises
/// it, and from then on no word of that position has the count that the dead one's had.
pub(crate) fn put_back(ring: &impl RingMemory, position: u64, times: u8) {
    // Release: whatever the holder did with the slot is over; pairs with the acquire of take_returned.
    ring.sequence(position)
        .store(Sequence::returned(position, times), Ordering::Release);
}

/// Tells consumers that something was returned. Comes after the marks.
pub(crate) fn bump_hint(ring: &impl RingMemory) {
    // Release: pairs with the acquire of take_returned, which then sees the marks. Nothing rests on the acquire.
    ring.returned_hint().fetch_add(1, Ordering::AcqRel);
}

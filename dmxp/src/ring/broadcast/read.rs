//! Reading: the next messages of a subscriber, the next that a lossy one can still get, and the newest.

use super::body;
use super::limit::Beginning;
use super::memory::BroadcastMemory;
use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::word::{MAX_LAPS, Sequence, Standing, standing, widen};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, fence};
use core::cell::Cell;

/// Where a subscriber is in its stream.
#[derive(Debug)]
pub(crate) struct Place {
    /// The position that comes next.
    pub(crate) next: Cell<u64>,
    /// Positions below it are passed over.
    pub(crate) skip: Cell<u64>,
}

/// What is at the place where a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These messages, which are published.
    Messages(Range),
    /// Nothing yet.
    Nothing,
    /// A later lap.
    Overrun,
}

impl Place {
    pub(crate) fn new(beginning: Beginning) -> Self {
        Self {
            next: Cell::new(beginning.next),
            skip: Cell::new(beginning.skip),
        }
    }

    /// The lowest position whose message will be read.
    #[inline]
    pub(crate) fn needed(&self) -> u64 {
        self.next.get().max(self.skip.get())
    }

    /// At least `min` and at most `max` published messages, without moving on. A position that was given up divides what
    /// is there: fewer than `min` are enough then.
    #[inline]
    pub(crate) fn look(&self, ring: &impl RingMemory, min: u32, max: u32) -> Next {
        // Positions without a message, each passed once: no more than there are slots.
        let mut steps = ring.capacity();
        let first = loop {
            let position = self.next.get();
            let mut next = position.wrapping_add(1);
            // Acquire: pairs with publish; the message is read after it.
            match standing(ring.sequence(position).load(Ordering::Acquire), position) {
                Standing::Readable if position >= self.skip.get() => break position,
                Standing::Free | Standing::Behind => return Next::Nothing,
                Standing::Ahead | Standing::Passed if position >= self.skip.get() => return Next::Overrun,
                // Not wanted, and gone: so is all that is more than a lap behind.
                Standing::Ahead | Standing::Passed => {
                    // Acquire: as in `jump`.
                    let oldest = ring.tail().load(Ordering::Acquire).saturating_sub(ring.capacity());
                    next = next.max(oldest.min(self.skip.get()));
                }
                // Given up, or not wanted.
                _ => {}
            }
            self.next.set(next);
            steps -= 1;
            if steps == 0 {
                return Next::Nothing;
            }
        };
        let mut count = 1;
        let mut divided = false;
        while count < max && !divided {
            let position = first.wrapping_add(u64::from(count));
            // Acquire: as above, for each slot.
            match standing(ring.sequence(position).load(Ordering::Acquire), position) {
                Standing::Readable => count += 1,
                Standing::Free | Standing::Behind => break,
                Standing::Aborted | Standing::Passed | Standing::Ahead => divided = true,
            }
        }
        if count < min && !divided {
            return Next::Nothing;
        }
        Next::Messages(Range { first, count })
    }

    /// Moves an overrun subscriber to where it is likely to stay ahead for a while: a quarter of the ring before it is overrun
    /// again. How many positions that leaves out.
    pub(crate) fn jump(&self, ring: &impl RingMemory, single: bool) -> u64 {
        let (next, capacity) = (self.next.get(), ring.capacity());
        // Acquire: what is published up to there is seen so.
        let tail = ring.tail().load(Ordering::Acquire);
        let oldest = tail.saturating_sub(capacity).max(next);
        let mut target = oldest.saturating_add((capacity / 4).max(1));
        if single {
            // What a single producer is writing begins at the tail, and has begun if the tail that we see is not old.
            target = target.min(tail.max(next.saturating_add(1)));
        }
        self.skip.set(target);
        // Not into the middle of a batch: see limit::join.
        self.next.set(if single { target } else { oldest });
        target - next
    }
}

/// Copies words of a message that was seen published, from the `skip`th behind its sequence on. What was copied counts when
/// [`is_whole`] says so afterwards, and may be of two messages otherwise.
#[inline]
pub(crate) fn copy(ring: &impl BroadcastMemory, position: u64, skip: usize, copy: &mut [u64]) {
    copy_words(body(ring, position).get(skip..).unwrap_or_default(), copy);
}

/// The same of words of its slot.
#[inline(always)]
pub(crate) fn copy_words(words: &[AtomicU64], copy: &mut [u64]) {
    for (to, from) in copy.iter_mut().zip(words) {
        // Relaxed: `is_whole` tells whether all are of one message.
        *to = from.load(Ordering::Relaxed);
    }
}

/// Whether what was copied of a position since its slot's word was `seen` is still the same message.
#[inline]
pub(crate) fn is_whole(ring: &impl RingMemory, position: u64, seen: u64) -> bool {
    // Pairs with the release fence in `begin`: a thread that read a word of the next lap reads its mark, or a later one.
    fence(Ordering::Acquire);
    ring.sequence(position).load(Ordering::Relaxed) == seen
}

/// What [`newest`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newest {
    /// The message of this position, and the word of its slot that says so.
    Message(u64, u64),
    /// Nothing at `from` or after it. `pending`: somebody is about to publish there.
    Nothing { pending: bool },
    /// It was overwritten under our eyes; there is a newer one.
    Overrun,
}

/// The newest published position, not below `from`.
#[inline]
pub(crate) fn newest(ring: &impl RingMemory, from: u64) -> Newest {
    // SeqCst: with a closed flag that was seen before, as raw::Consumer::claim_rest. Includes the acquire that pairs with those that
    // moved it.
    let tail = ring.tail().load(Ordering::SeqCst);
    let mut pending = false;
    let mut position = tail;
    let lowest = from.max(tail.saturating_sub(ring.capacity()));
    while position > lowest {
        position -= 1;
        // Acquire: pairs with publish.
        match standing(ring.sequence(position).load(Ordering::Acquire), position) {
            Standing::Readable => return Newest::Message(position, position.wrapping_add(1)),
            Standing::Free | Standing::Behind => pending = true,
            Standing::Aborted => {}
            Standing::Passed | Standing::Ahead => return Newest::Overrun,
        }
    }
    // What was seen is older than the lap. Nothing is that, if there is no lap yet.
    if tail >= ring.capacity() && from <= tail - ring.capacity() {
        return newest_before(ring, from, tail, pending);
    }
    Newest::Nothing { pending }
}

/// What [`newest`] finds where nothing is readable in the lap before the tail.
#[cold]
#[inline(never)]
fn newest_before(ring: &impl RingMemory, from: u64, tail: u64, pending: bool) -> Newest {
    match newest_kept(ring, tail) {
        Some((value, word)) if value >= from => Newest::Message(value, word),
        // There may have been one until a newer one was published, which lies behind a tail that has moved. Acquire: as above.
        None if ring.tail().load(Ordering::Acquire) != tail => Newest::Overrun,
        _ => Newest::Nothing { pending },
    }
}

/// Where nothing is readable in the whole lap before the tail of a latest ring: the newest value that lies there all the same, under
/// claims that were made since and not published, and the word of its slot.
#[cold]
#[inline(never)]
pub(crate) fn newest_kept(ring: &impl RingMemory, tail: u64) -> Option<(u64, u64)> {
    let lap = tail.saturating_sub(ring.capacity())..tail;
    let values = lap.filter_map(|position| {
        // Acquire: pairs with the publication of the value; whoever marked the slot since has acquired it.
        let word = ring.sequence(position).load(Ordering::Acquire);
        value_below(word, position, ring.capacity()).map(|value| (value, word))
    });
    values.max()
}

/// The position of the value that a slot of a latest ring holds although `position` was claimed there since, as the slot's word says. It
/// is there until the writing of a later one begins.
pub(crate) fn value_below(word: u64, position: u64, capacity: u64) -> Option<u64> {
    let value = match Sequence::decode(word) {
        Sequence::Plain(readable) => readable.checked_sub(1)?,
        Sequence::Kept { position: marked, laps } => {
            widen(marked, position).checked_sub(u64::from(laps).checked_mul(capacity)?)?
        }
        _ => return None,
    };
    (value < position && (position - value).is_multiple_of(capacity)).then_some(value)
}

/// The word of a position of a latest ring that is given up while its slot has this word: what lies there of an earlier lap stays. A value
/// cannot stay for ever, but for [`MAX_LAPS`].
pub(crate) fn given_up(word: u64, position: u64, capacity: u64) -> u64 {
    match value_below(word, position, capacity).map(|value| (position - value) / capacity) {
        Some(laps) if laps <= MAX_LAPS && !planted(Bug::LatestGivenUp) => Sequence::kept(position, laps),
        _ => Sequence::aborted(position),
    }
}

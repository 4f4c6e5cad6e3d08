//! Reading: the next messages of a subscriber, the next that a lossy one can still get, and the newest.

use super::body;
use super::limit::Beginning;
use super::memory::BroadcastMemory;
use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::word::{Standing, standing};
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

/// Whether what was copied of a position since it was seen published is that message.
#[inline]
pub(crate) fn is_whole(ring: &impl RingMemory, position: u64) -> bool {
    // Pairs with the release fence in `begin`: a thread that read a word of the next lap reads its mark, or a later one.
    fence(Ordering::Acquire);
    ring.sequence(position).load(Ordering::Relaxed) == position.wrapping_add(1)
}

/// What [`newest`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newest {
    /// This message.
    Message(u64),
    /// Nothing at `from` or after it. `pending`: somebody is about to publish there.
    Nothing { pending: bool },
    /// It was overwritten under our eyes; there is a newer one.
    Overrun,
}

/// The newest published position, not below `from`.
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
            Standing::Readable => return Newest::Message(position),
            Standing::Free | Standing::Behind => pending = true,
            Standing::Aborted => {}
            Standing::Passed | Standing::Ahead => return Newest::Overrun,
        }
    }
    Newest::Nothing { pending }
}

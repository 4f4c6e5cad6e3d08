//! One producer at a time: its own count of positions is the tail, and what it stores it stores plainly.
//!
//! It writes the slot, publishes the sequence, and stores the tail last. Where it dies, at most these are left: a slot at the tail
//! half written; a message that is published while the tail does not say so; a batch of which the last messages are published
//! and the first is not. The next producer repairs that before its first message, under the management lock.

use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::word::{MAX_BATCH, Sequence, Standing, standing};
use crate::sync::Ordering;

/// Moves the tail over published positions.
#[inline]
pub(crate) fn advance(ring: &impl RingMemory, range: Range) {
    // Release: a subscriber that joins at this tail finds what lies before it published.
    let end = range.first.wrapping_add(u64::from(range.count));
    ring.tail().store(end, Ordering::Release);
}

/// Deals with what a dead producer left, and says where its successor goes on. Nobody else writes: the caller has proven that,
/// and holds the management lock.
pub(crate) fn repair(ring: &impl RingMemory) -> u64 {
    // Acquire: with the proof of death comes all that the dead one stored; here and below.
    let mut tail = ring.tail().load(Ordering::Acquire);
    let within = ring.capacity().min(u64::from(MAX_BATCH));
    // Up to the last message: what a batch on a latest channel leaves out before its own is nothing by itself.
    let mut end = tail;
    for _ in 0..within {
        let word = ring.sequence(end).load(Ordering::Acquire);
        match standing(word, end) {
            Standing::Readable => {
                end = end.wrapping_add(1);
                tail = end;
            }
            Standing::Aborted => end = end.wrapping_add(1),
            _ => break,
        }
    }
    // The rest of a batch whose first message is not there: its messages were not sent. And the word of a message that was being
    // written, since a thread that sees it takes the writer for alive.
    for position in (0..within).map(|step| tail.wrapping_add(step)) {
        let word = ring.sequence(position).load(Ordering::Acquire);
        if matches!(
            standing(word, position),
            Standing::Readable | Standing::Aborted | Standing::Free
        ) {
            // Not there, and what was there a lap before is overwritten: a word that says both. Release: as each sequence.
            let spoilt = Sequence::aborted(position.wrapping_sub(1));
            ring.sequence(position).store(spoilt, Ordering::Release);
        }
    }
    // Release: as in `advance`.
    ring.tail().store(tail, Ordering::Release);
    tail
}

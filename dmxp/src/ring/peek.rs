//! Looking at a message without claiming it, on a ring of any kind: by copy and recheck, as a seqlock is read.
//!
//! The slot's sequence is loaded ([`look`]), words of the slot are copied ([`copy`]), and the sequence is loaded again
//! ([`look_again`]). What was copied is the message of that position, whole, if both say that this message lies there.
//!
//! Why that is enough. A message lies in its slot unchanged from its publication, which the first load acquires, to its release. Nobody
//! writes there after that but a producer that has claimed the slot for a later position, on a queue after it acquired the release (the
//! sequence was *free*), and on a broadcast ring after it stored the mark of its own position; and between either and the first word
//! that it writes lies a release fence (`produce::claim`, `broadcast::begin`). So a thread that reads one of these words, and then runs an
//! acquire fence, reads in the second look what the writer had seen or stored of the sequence, or something newer; and no sequence
//! newer than that says that the earlier message is there. This is the argument of C11, with the words taken for atomics.
//!
//! Programs that know only v1 are not known to have that fence. On processors which let a store be seen by all others at once or by
//! none (x86-64, AArch64, RISC-V), it is enough that they acquire the sequence before they write, as the format asks of them.

use crate::ring::memory::RingMemory;
use crate::ring::word::{Sequence, Standing, standing};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, fence};

/// What a slot's sequence says of the message of a position, where it lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was published, and since then nobody marked it.
    Published,
    /// It was returned so many times, and is to be delivered again.
    Returned { times: u8 },
    /// It was returned so many times, and is being read again.
    Taken { times: u8 },
}

/// Whether the message of a position lies in its slot.
pub(crate) fn look(ring: &impl RingMemory, position: u64) -> Option<Found> {
    // Acquire: pairs with the release that published it (produce::publish, broadcast::publish), or with one of those that marked it since.
    found(ring.sequence(position).load(Ordering::Acquire), position)
}

/// Copies words of a slot. What was copied counts if [`look_again`] says so afterwards, and may be of two messages otherwise.
pub(crate) fn copy<'a>(words: impl Iterator<Item = &'a AtomicU64>, to: &mut [u64]) {
    for (to, word) in to.iter_mut().zip(words) {
        // Relaxed: see the head comment.
        *to = word.load(Ordering::Relaxed);
    }
}

/// Whether the message of a position still lies in its slot, and so did while it was copied since the first look.
pub(crate) fn look_again(ring: &impl RingMemory, position: u64) -> Option<Found> {
    if planted(Bug::PeekWithoutSecondLook) {
        return Some(Found::Published);
    }
    // Pairs with the release fences in produce::claim and broadcast::begin.
    fence(Ordering::Acquire);
    // Relaxed: after the fence, so that it is no older than what was copied.
    found(ring.sequence(position).load(Ordering::Relaxed), position)
}

fn found(word: u64, position: u64) -> Option<Found> {
    match (standing(word, position), Sequence::decode(word)) {
        (Standing::Readable, _) => Some(Found::Published),
        (Standing::Passed, Sequence::Returned { times, .. }) => Some(Found::Returned { times }),
        (Standing::Passed, Sequence::Taken { times, .. }) => Some(Found::Taken { times }),
        _ => None,
    }
}

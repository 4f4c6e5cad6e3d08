//! Broadcast: a ring that every subscriber reads by itself, and whose slots only producers write.
//!
//! A slot's sequence says what lies there: `p + 1` the message of position `p`; `p` that it is being written; ABORTED(p) that its
//! producer gave it up; anything older, that `p` is not there yet. In a new ring slot `k` has ABORTED(k - capacity).
//!
//! Nothing that a subscriber does goes into slots. A reliable one says in its handle's record from which position on it still
//! needs messages, and a position may be written when it is below the *verified* limit, which no such cursor plus the capacity
//! is below. Lossy ones and readers of latest values are overwritten; they copy a message word by word and look afterwards whether
//! the sequence is still the same. That is why a producer stores `p` before it changes the first word, and why it stores whole
//! words, which are atomic.
//!
//! - [`memory`]: what the algorithms need of the memory
//! - [`limit`]: how far producers may write, and how a subscriber joins
//! - [`single`]: one producer, without a read-modify-write
//! - [`several`]: many producers, with claim cells, and what is done for one that died
//! - [`read`]: the next message, the next one that is still there, and the newest
//! - `mapped`: that memory in a region
//!
//! Orderings. Publication is a release store of a sequence and its look an acquire load, as on the queue. The way back: a
//! subscriber stores its cursor with release behind its reads, the producer that raises the limit acquires it, and the limit goes on from
//! producer to producer by release and acquire. A copy is a seqlock's: `p`, release fence, words; words, acquire fence, sequence.

pub(crate) mod limit;
#[cfg(not(loom))]
pub(crate) mod mapped;
pub(crate) mod memory;
pub(crate) mod read;
pub(crate) mod several;
pub(crate) mod single;

use super::Range;
use super::memory::RingMemory;
use super::word::{Sequence, Standing, standing};
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU64, Ordering, fence};
use memory::BroadcastMemory;

/// The sequence that slot `position` of a new ring has: the position a lap before was nobody's message.
pub(crate) const fn untouched(position: u64, capacity: u64) -> u64 {
    Sequence::aborted(position.wrapping_sub(capacity))
}

/// Whether a slot's word says that nothing was published there for `position` yet.
pub(crate) const fn is_unpublished(word: u64, position: u64) -> bool {
    matches!(standing(word, position), Standing::Free | Standing::Behind)
}

/// Marks claimed positions as being written: a lossy reader that meets one of the words stored afterwards sees that.
#[inline]
pub(crate) fn begin(ring: &impl RingMemory, range: Range) {
    if !planted(Bug::BroadcastWithoutMark) {
        for position in range.positions() {
            // Release: another producer that finds the mark where it wanted to claim finds the tail moved (several::claim).
            ring.sequence(position).store(position, Ordering::Release);
        }
    }
    // Pairs with the acquire fence in read::copy.
    fence(Ordering::Release);
}

/// Makes written positions readable, the last one first: nothing of a batch is visible before all of it is. On a `latest` ring
/// only the last one is, since a subscriber that walks back from the tail would meet that one first.
#[inline]
pub(crate) fn publish(ring: &impl RingMemory, range: Range, latest: bool) {
    // Release, all of them: pairs with the acquires of read.
    let last = range.positions().next_back();
    if latest {
        for position in range.positions().filter(|&position| Some(position) != last) {
            ring.sequence(position)
                .store(Sequence::aborted(position), Ordering::Release);
        }
        if let Some(last) = last {
            ring.sequence(last).store(last.wrapping_add(1), Ordering::Release);
        }
        return;
    }
    for position in range.positions().rev() {
        ring.sequence(position)
            .store(position.wrapping_add(1), Ordering::Release);
    }
}

/// Stores bytes into the words of a slot, which has room for them. Relaxed: between [`begin`] and [`publish`]. The last word is filled
/// up with zeros.
#[inline]
pub(crate) fn put(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    // Cut to one length before the loop, which then needs no look at two.
    let Some((words, after)) = words.split_at_checked(whole.len()) else {
        return;
    };
    for (word, chunk) in words.iter().zip(whole) {
        word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
    }
    if !rest.is_empty()
        && let Some(word) = after.first()
    {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        word.store(u64::from_ne_bytes(last), Ordering::Relaxed);
    }
}

/// The words of a slot behind its sequence.
pub(crate) fn body(ring: &impl BroadcastMemory, position: u64) -> &[AtomicU64] {
    ring.words(position).get(1..).unwrap_or_default()
}

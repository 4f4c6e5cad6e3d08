//! The queue: Vyukov's bounded ring with a sequence number per slot, extended so that any process may die at any step.
//!
//! A slot's sequence says what may be done with it: `p` free for position p, `p+1` readable, `p+capacity` released. A handle
//! first says in a claim cell of its own that it is trying a range, moves the cursor by CAS, then says that it owns the
//! range; a sweeper that finds the handle dead knows from the cell which slots to look at, and repairs each by one CAS on its
//! sequence (`ABORTED` for a producer's, `RETURNED` for a consumer's). Batches publish from the last slot to the first, so
//! that nothing of a batch is visible before all of it is. `tests/protocol-model` checks the protocol exhaustively; change
//! them together.
//!
//! - [`word`]: encodings of sequences and claim cells
//! - [`produce`], [`consume`]: claiming, publishing, releasing
//! - [`sweep`]: what is done for a handle that died
//! - [`memory`]: the words the algorithms work on, so that the same code runs over a mapped region and under loom
//! - [`peek`]: looking at a message without claiming it
//! - [`mapped`]: that memory in a region, with the payloads
//! - [`prefetch`]: lines that will be needed soon
//! - [`strided`]: where the messages of a claim lie
//! - [`broadcast`]: the ring that every subscriber reads by itself
//! - [`packed`]: the same with slots that hold the message and nothing else
//! - `bare`: the same in ordinary memory, for the benchmark of what the algorithms cost
//! - `interleavings`: tests of all this under loom
//!
//! Orderings. Every store to a sequence that hands a slot on is a release, and every load of a sequence that leads to touching
//! the slot is an acquire; these pairs alone carry the payload. The `trying` store comes before the CAS of the cursor, which
//! is a release: a sweeper that sees the cursor moved (acquire) therefore sees at least `trying` in the mover's cell. Cursors
//! move by read-modify-writes only, so a thread that sees one at a position has every mover before it, and not only the last.
//!
//! What a load finds may be old, but nothing is done for it alone: each act is a CAS, which reads the newest value, from a value
//! that the word has once. A CAS that fails is relaxed everywhere: what it found is not used, and a caller that goes on loads anew.
//!
//! All that a dead process did happened before its death was seen: the kernel frees the lock byte after its last access, under
//! the lock that `recovery::find_dead` asks through; a process that learns of a death from a DEAD word acquires it from the one that
//! asked. So a dead handle's cells are read as it left them.

pub(crate) mod broadcast;
#[cfg(not(loom))]
pub(crate) mod claim;
#[cfg(all(test, loom))]
mod interleavings;
#[cfg(not(loom))]
pub(crate) mod mapped;
pub(crate) mod memory;
pub(crate) mod packed;
pub(crate) mod peek;
#[cfg(not(loom))]
pub(crate) mod prefetch;
pub(crate) mod queue;
#[cfg(not(loom))]
pub(crate) mod strided;
pub(crate) mod word;

/// A claimed range: `count` positions from `first` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) count: u32,
}

impl Range {
    #[inline]
    pub(crate) fn positions(self) -> impl DoubleEndedIterator<Item = u64> {
        (0..u64::from(self.count)).map(move |k| self.first.wrapping_add(k))
    }
}

/// How many times a claim starts over because others were faster, before it reports the ring as not ready. Each of them has
/// got something done meanwhile; the bound is for rings that are corrupt.
pub(crate) const RETRIES: u32 = 1 << 10;

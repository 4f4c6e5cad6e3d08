//! Packed slots: one producer at a time, every subscriber gets every message, and a slot is the message and nothing else.
//!
//! Position p lies at slot p mod capacity. The tail is the only word that publishes: one release store makes a message, or a whole
//! batch, visible. So a producer that dies leaves nothing to repair. What it wrote behind the tail was never sent, and its successor
//! begins there.
//!
//! How far the producer may write is said by the limits of broadcast channels ([`limit`](super::broadcast::limit)): below `verified`,
//! which no cursor of a reliable subscriber plus the capacity is below.
//!
//! Lossy subscribers copy, and find out afterwards what of it may have been overwritten. No word of a message says so, since no store
//! of the producer's is needed: a slot is overwritten by the position a lap later, which is below `verified`, hence below
//! `announced`; and `announced` is raised, with a fence behind it, before anything of that stretch is written. A subscriber that copied
//! a word of the next lap therefore finds `announced` above that lap's position. A copy counts when it does not. It may be refused a
//! quarter of a lap earlier than it had to be, which is what the limits announce at a time.
//!
//! - [`produce`]: the producer's side
//! - [`consume`]: the subscriber's side
//! - [`memory`]: what both need of the memory
//! - `words`: messages as atomic words, for rings that admit lossy subscribers
//! - `mapped`: that memory in a region
//! - `outside`: messages outside of their slots
//! - `bare`: the same in ordinary memory, for the benchmark of what the algorithm costs
//!
//! Orderings. The tail is stored with release and loaded with acquire: this pair carries the messages. The way back is that of
//! broadcast: a subscriber stores its cursor with release behind its reads, and the producer that raises the limit acquires it. A copy is a
//! seqlock's whose sequence is `announced`: store, fence, words; words, acquire fence, load. The closing of a channel has a pair of
//! barriers, which [`produce::intend`] and [`consume::is_pending`] describe.

#[cfg(not(loom))]
pub mod bare;
pub(crate) mod consume;
#[cfg(not(loom))]
pub(crate) mod mapped;
pub(crate) mod memory;
#[cfg(not(loom))]
pub(crate) mod outside;
pub(crate) mod produce;
#[cfg(not(loom))]
mod words;

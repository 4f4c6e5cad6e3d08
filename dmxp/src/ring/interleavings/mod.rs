//! The ring's own source under loom: every interleaving of up to three threads within a bound on preemptions, the weak memory
//! orders that the standard allows, and a death at every step.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p dmxp --lib` runs it. What it shows beyond `tests/protocol-model`, which searches more
//! deaths and larger rings but is sequentially consistent and its own source: the orderings suffice, as loom sees unordered
//! access to a payload, and the source does the model's steps. Waiting has its own, in `crate::wait`.
//!
//! By itself loom compares an access only with the last one to the same word; `crate::sync::mortal` makes every two steps of
//! the ring dependent, so that all orders of threads within the bound are tried. The tests of [`exchange`] do not rely on that:
//! there the main thread does what the other must not see too early. Loom takes `SeqCst` accesses for `AcqRel` ones, so that
//! nothing here rests on more, and what does (closing a channel) is not shown here.
//!
//! - [`memory`]: a ring of two slots in loom's memory
//! - [`region`]: handle records over it, with death, recovery as in `crate::recovery`, and the ledger of what was sent and received
//! - [`exchange`]: the living among themselves
//! - [`shortest`]: the way of single messages where nothing is in the way, alive and dying
//! - [`deaths`]: a producer, a consumer or a sweeper dies at every step
//! - [`expiry`]: the same where messages expire, and consumers skip them
//! - [`broadcast`]: the broadcast ring, with subscribers that join, producers that die, and its own planted bugs
//! - [`packed`]: packed slots, the same way
//! - [`peek`]: a reader that looks without claiming, beside a producer and a consumer
//! - [`planted`]: each planted bug makes one of these checks fail

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "loom's cells are not Sync, and its threads do not ask: whether an access is ordered is what is tested"
)]

mod broadcast;
mod deaths;
mod exchange;
mod expiry;
mod memory;
mod packed;
mod peek;
mod planted;
mod region;
mod shortest;

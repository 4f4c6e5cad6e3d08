//! Exhaustive models of the two protocols that a process may die in the middle of: the queue, sweep included, and waiting.
//!
//! A model here is a finite machine of atomic steps. The search ([`search()`]) visits every state that any interleaving can
//! reach, a process dying before any of its steps, and checks in each that no promise is broken; then it checks that from each
//! state some schedule still leads to the good end. A block for ever is a state without one. Every check is shown to bite:
//! [`configurations`] plants one mistake at a time and names the promise that must be found broken.
//!
//! ```text
//! cargo run --release -p dmxp-protocol-model             every configuration but the largest, about a minute
//! cargo run --release -p dmxp-protocol-model -- --full   the largest too
//! cargo run --release -p dmxp-protocol-model -- --trace dead 2x1   those whose names contain either word, with traces
//! cargo test -p dmxp-protocol-model                      the quick ones
//! ```
//!
//! # What is modelled
//!
//! - **The words**, bit for bit ([`encoding`]): marked sequences, claim cells, record states. The position fields are
//!   narrowed, or the first position is put just below the runtime's own wrap, so that the search walks over the edge.
//! - **The queue** ([`queue`]): single and batch claims on both sides, several claims held by one handle, aborts by the living,
//!   failed claims and their cells, the returned hint, redelivery with its count and limit, the drop policy.
//! - **Death** of any process at any step, sweepers included, and **registration** of a freed record by a new process, while
//!   another sweeper may still be in the middle of its predecessor's sweep.
//! - **Going away**: a handle told "full" or "empty" may never call again. It is alive, so nobody may wait for it.
//! - **Waiting** ([`wait`]): announcement, recheck, sleep, wake, clearing, with a store buffer per producer, loads that run ahead
//!   on the waiter's side, killed waiters, and consumers that take one message and are busy from then on.
//!
//! # What is not reached
//!
//! - Weak memory in the queue: its steps are sequentially consistent here. The orderings are argued in the ring's source and
//!   checked under loom. The wait model has store buffers and early loads, which is what its one race is about.
//! - A word whose position field wraps *completely* while somebody sleeps: 2^46 positions for a cell, 2^42 for a marked
//!   sequence. `a cell from a whole wrap ago` shows what would happen, with four-position cells.
//! - More than four handles, two deaths, two sweepers, eight messages. Close and drain, v1 peers, forced recovery, broadcast.
//! - The proof of death (lock bytes) and the management lock: here a dead process is known to be dead, and registrations come
//!   one at a time.
//! - Live processes stopped for ever inside a claim: they are waited for, by design.

pub mod configurations;
pub mod encoding;
pub mod queue;
pub mod search;
pub mod wait;

pub use search::search;

//! Exhaustive models of the protocols that a process may die in the middle of: the queue, sweep included, waiting, and packed slots.
//!
//! A model here is a finite machine of atomic steps. The search ([`search()`]) visits every state that any interleaving can
//! reach, a process dying before any of its steps, and checks in each that no promise is broken; then it checks that from each
//! state some schedule still leads to the good end. A block for ever is a state without one. Every check is shown to bite:
//! [`configurations`] plants one mistake at a time and names the promise that must be found broken.
//!
//! ```text
//! cargo run --release -p dmxp-protocol-model             every configuration but the largest, about two minutes
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
//!   failed claims and their cells, the returned hint, redelivery with its count and limit, the drop policy, messages
//!   that the living put back, and the end of a closed stream.
//! - **Death** of any process at any step, sweepers included, and **registration** of a freed record by a new process, while
//!   another sweeper may still be in the middle of its predecessor's sweep.
//! - **Going away**: a handle told "full" or "empty" may never call again. It is alive, so nobody may wait for it.
//! - **Waiting** ([`wait`]): announcement, recheck, sleep, wake, clearing, passing on, with a store buffer per producer, loads that
//!   run ahead on the waiter's side, killed processes, and consumers that take one message and are busy from then on.
//! - **The memory**, in two ways. [`queue`] and [`wait`] take one step after the other, the first over a memory in which every load
//!   finds the last store. [`weak`] has the queue, packed slots and waiting once more, over the [memory](mod@memory) of C11: each access has
//!   the ordering of the source, and a load may find any store that its thread has not been made to see past. Two texts of one
//!   protocol, because they are about different things: the first has batches, aborts, newcomers, several deaths and narrow words, and
//!   joins accesses where that changes nothing for a memory like its own; the second must not join any.
//!
//! # What the search asks of the protocol beyond the obvious
//!
//! Each of these, left out, is a planted mistake with a trace (`--trace "generation"` and so on).
//!
//! - A sweeper reads the dead record's state again, generation included: after each of its cells, after the cursor and before
//!   the compare-and-swap on a tried slot, and between seeing TAKEN and giving back. A record may have been freed and
//!   registered anew in between, and its new owner is not among "all other handles".
//! - It reads another handle's state before that handle's cells: "dead" must be true of the moment the cell was read.
//! - It frees a record by compare-and-swap, generation included, and never writes a cell. The newcomer clears them.
//! - It honours owned cells of the dead too: whoever owns a batch decides about it as a whole.
//! - A newly registered consumer looks through the ring once, whatever the hint says. A look that found something is not over.
//! - A consumer takes a closed and drained queue for its end when nobody is dead, and looks at the hint again after that.
//! - What a living consumer puts back keeps its count of deliveries.
//! - The redelivery limit is below what the word can count: the count is also what makes TAKEN words differ.
//! - A marked position has at least two bits more than the capacity.
//! - A woken consumer that takes a message and sees another behind it passes the wake on.
//!
//! # What is not reached
//!
//! - `OutOfOrder` is checked in every state, but no planted mistake breaks it first.
//! - Over the weak memory: at most two threads a side, one death, one sweeper; three messages in the queue, and two of waiting,
//!   where each of two consumers then takes one and is busy; with membarrier, three threads; no aborts by the living, no
//!   newcomers. What that memory itself leaves out is said where it is. Of the orderings of the queue, those in `weak mistake:
//!   ...` are shown to be needed; those in `weak queue, relaxed ...` are not missed within these bounds, and stand on their
//!   comments.
//! - A position field that wraps *completely* while a word stays: a handle idle for a multiple of 2^46 positions which then dies
//!   while exactly the aliased position is claimed; a compare-and-swap delayed by 2^42 positions. `limit: a cell from a whole wrap
//!   ago` shows the first, with cells of four positions.
//! - Handles whose cells name both phases; here a handle produces or consumes.
//! - More than four handles, two deaths, two sweepers, eight messages. v1 peers, forced recovery, broadcast.
//! - The proof of death (lock bytes) and the management lock: here a dead process is known to be dead, and registrations come
//!   one at a time.
//! - Live processes stopped for ever inside a claim: they are waited for, by design.

pub mod archive;
pub mod configurations;
pub mod encoding;
pub mod memory;
pub mod queue;
pub mod search;
pub mod wait;
pub mod weak;

pub use search::search;

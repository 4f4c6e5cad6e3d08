//! The C ABI of dmxp: `libdmxp`, described by `include/dmxp.h`, which cbindgen makes from the documentation here.
//!
//! - [`status`]: the codes that functions answer with, and the text of the last error
//! - [`argument`]: reading what C hands over
//! - [`region`]: regions, and the channels in them
//! - [`hand_over`]: regions without a name, and handing them to other processes
//! - [`channel`]: what to open or create, and what a channel is
//! - [`shared`]: a handle that threads share, and the claims it has handed out
//! - [`producer`], [`consumer`]: the two ends of a channel
//! - [`wait_set`]: waiting for many of them
//! - [`recovery`]: what the dead left, and who waits for whom
//! - [`statistics`]: what was sent and received, refused and lost
//! - [`peers`]: the handles on the other side of a channel
//! - [`peek`]: the messages on a channel, without consuming any
//!
//! Everything that C can get wrong and that can be noticed is answered with a code: claims are handed out as numbers that are
//! looked up, never as pointers that are followed; so are handles ([`handle`]): one that was destroyed answers `DMXP_STALE`. No panic crosses
//! into C. What is left to the caller is what C always leaves to the caller: pointers must point to what they are said to point to, and nobody
//! destroys a handle while another thread uses it.

#![expect(
    non_camel_case_types,
    reason = "types and constants have the names that they have in the C header"
)]

mod argument;
pub mod channel;
pub mod consumer;
pub mod hand_over;
mod handle;
pub mod packed;
pub mod peek;
pub mod peers;
pub mod producer;
pub mod recovery;
pub mod region;
pub mod shared;
pub mod statistics;
pub mod status;
pub mod wait_set;

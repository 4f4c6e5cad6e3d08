//! What a region's tables say of its channels: read and checked before anything of it is used. Nothing here opens, sweeps or waits.
//!
//! - [`properties`]: what a channel is
//! - [`delivery`]: which consumers get a message
//! - [`rings`]: which rings a channel has
//! - [`holders`]: the processes that hold a channel open
//! - [`lives`]: which handles of a channel live, and the streams of its producers
//! - [`removal`]: freeing what was removed

pub(crate) mod delivery;
pub(crate) mod holders;
pub(crate) mod lives;
pub(crate) mod properties;
pub(crate) mod removal;
pub(crate) mod rings;

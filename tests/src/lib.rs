//! What the tests between processes share: regions that clean up after themselves, peers that cannot outlive a test, and a
//! generator of payloads that every language can repeat.

mod payload;
mod peer;
mod region;

pub use payload::{Payloads, digest};
pub use peer::{Peer, PeerCommand, python};
pub use region::TestRegion;

use std::time::Duration;

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(240);

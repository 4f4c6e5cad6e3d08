//! What the tests between processes share: regions that clean up after themselves, peers that cannot outlive a test, and a
//! generator of payloads that every language can repeat.

mod draws;
mod every_kind;
mod languages;
mod ledger;
mod numbered;
mod payload;
mod peer;
mod region;

pub use draws::Draws;
pub use every_kind::EveryKind;
pub use languages::{Language, Languages, Stub};
pub use ledger::{Entry, Ledger};
pub use numbered::Numbered;
pub use payload::{Payloads, digest};
pub use peer::{Peer, PeerCommand, python};
pub use region::TestRegion;

use std::time::Duration;

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(240);

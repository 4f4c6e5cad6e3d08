//! What the tests between processes share: regions that clean up after themselves, peers that cannot outlive a test, and a
//! generator of payloads that every language can repeat.

mod balance;
mod block_on;
mod crowd;
mod draws;
mod every_kind;
mod forked;
mod languages;
mod ledger;
mod numbered;
pub mod orders;
mod payload;
mod peer;
mod pid_namespace;
mod region;
mod seccomp;
mod stream;
mod threads;
mod traced;
mod until;
mod waits;

pub use balance::{Balance, Balanced};
pub use block_on::block_on;
pub use crowd::{Board, Crowd};
pub use draws::Draws;
pub use every_kind::EveryKind;
pub use forked::{forked, status_of_forked};
pub use languages::{CProgram, Language, Languages, Python, Stub};
pub use ledger::{Entry, Ledger};
pub use numbered::Numbered;
pub use payload::{Payloads, digest};
pub use peer::{Peer, PeerCommand, python};
pub use pid_namespace::{PidNamespace, may_make_pid_namespaces};
pub use region::{TestRegion, lock_file, make_lock_file, remove_files};
pub use seccomp::{filter_calls, install_filter, statement};
pub use stream::{Event, Policy, Stream, monotonic_ns};
pub use threads::{assert_rests, threads};
pub use traced::{Passes, Place, Side, Traced, count_calls, may_trace};
pub use until::{at_best, until, within};
pub use waits::Waits;

use std::time::Duration;

/// The READMEs of the crates, whose programs are compiled as documentation tests.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../dmxp/README.md")]
    pub struct Dmxp;
    #[doc = include_str!("../../dmxp-derive/README.md")]
    pub struct Derive;
}

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// The programs of docs/WAITING.md, which run as they stand.
#[cfg(doctest)]
#[doc = include_str!("../../docs/WAITING.md")]
pub struct WaitingDocument;

/// The program of docs/SIZING.md.
#[cfg(doctest)]
#[doc = include_str!("../../docs/SIZING.md")]
pub struct SizingDocument;

/// The programs of docs/OBSERVING.md.
#[cfg(doctest)]
#[doc = include_str!("../../docs/OBSERVING.md")]
pub struct ObservingDocument;

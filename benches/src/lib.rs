//! What the benchmarks share: a plain ring to compare with, pinning, and the raw round trip between two cores.

mod machine;
mod vyukov;

pub use machine::{pin, round_trip_ns};
pub use vyukov::PlainRing;

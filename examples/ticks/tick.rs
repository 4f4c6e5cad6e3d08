//! The message: declared here, once, for every language.

use dmxp::message::Timestamp;

/// One trade: 16 bytes, four of them to a cache line.
#[dmxp::message]
pub(crate) struct Tick {
    pub(crate) time: Timestamp,
    /// What one share cost.
    #[dmxp(unit = "cent")]
    pub(crate) price: u32,
    /// How many shares changed hands.
    pub(crate) quantity: u32,
}

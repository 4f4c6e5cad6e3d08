//! Every building block, nested and in arrays, without any trait of ours in scope, in a crate that takes no warning.

#![deny(warnings, missing_docs)]
#![deny(clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

/// A side.
#[derive(Clone, Copy, Debug, PartialEq, dmxp::DmxpMessage)]
#[repr(u8)]
pub enum Side {
    /// Buys.
    Buy = 1,
    /// Sells.
    Sell,
}

/// Negative values.
#[derive(Clone, Copy, Debug, dmxp::DmxpMessage)]
#[repr(i64)]
pub enum Level {
    /// Low.
    Low = i64::MIN,
    /// High.
    High = i64::MAX,
}

/// Flags.
#[derive(Clone, Copy, Debug, dmxp::DmxpMessage)]
#[dmxp(flags)]
#[repr(u64)]
pub enum Quality {
    /// First.
    First = 1,
    /// Last.
    Last = 1 << 63,
}

/// Data.
#[derive(Clone, Copy, Debug, dmxp::DmxpMessage)]
pub enum Reading {
    /// Text.
    Text(dmxp::message::FixedStr<11>),
    /// A struct.
    #[dmxp(tag = 7, name = "Legs")]
    Leg(Leg),
    /// Nothing.
    Offline,
}

/// A nested struct.
#[derive(Clone, Copy, Debug, dmxp::DmxpMessage)]
#[repr(C)]
pub struct Leg {
    /// A closed enum.
    side: Side,
    /// Text.
    symbol: dmxp::message::FixedStr<7>,
    /// A list of closed enums.
    sides: dmxp::message::FixedVec<Side, 6>,
}

/// All of them.
#[derive(Clone, Copy, Debug, dmxp::DmxpMessage)]
#[dmxp(name = "Everything", version = 3)]
#[repr(C, align(64))]
pub struct All {
    /// Scalars.
    a: u64,
    b: i64,
    c: f64,
    d: u32,
    e: i32,
    f: f32,
    g: char,
    h: u16,
    i: i16,
    j: u8,
    k: i8,
    l: bool,
    /// A raw identifier.
    r#type: u8,
    /// Building blocks.
    #[dmxp(since = 2, unit = "ns", alias = "when", alias = "at")]
    time: dmxp::message::Timestamp,
    level: Level,
    open_level: dmxp::message::Open<Level>,
    quality: dmxp::message::Flags<Quality>,
    temperature: dmxp::message::Nullable<f64>,
    reading: dmxp::message::Tagged<Reading>,
    no_reading: dmxp::message::Nullable<dmxp::message::Tagged<Reading>>,
    legs: [Leg; 2],
    _gap: [u8; 2],
    matrix: [[f32; 2]; 2],
    more: dmxp::message::FixedVec<dmxp::message::Nullable<u32>, 3>,
    raw: [u8; 4],
    #[dmxp(since = 3)]
    reserved: dmxp::message::Reserved<8>,
    _pad: [u8; 32],
}

fn is_message<T: dmxp::DmxpMessage>() {}

fn main() {
    is_message::<All>();
}

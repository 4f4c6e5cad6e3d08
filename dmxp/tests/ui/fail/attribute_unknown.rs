//! Unknown attributes, and those that belong elsewhere.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[dmxp(colour = "red", flags)]
#[repr(C)]
struct Tick {
    #[dmxp(version = 2, rename = "x")]
    a: u32,
}

#[derive(DmxpMessage)]
#[dmxp(version = 2)]
#[repr(u8)]
enum Side {
    #[dmxp(tag = 1)]
    Buy,
}

#[derive(DmxpMessage)]
enum Reading {
    #[dmxp(since = 1)]
    Value(u32),
}

fn main() {}

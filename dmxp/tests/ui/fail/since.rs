//! A field cannot be newer than its message.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Tick {
    price: u32,
    #[dmxp(since = 3)]
    size: u32,
}

#[derive(DmxpMessage)]
#[dmxp(version = 2)]
#[repr(C)]
struct Quote {
    bid: u32,
    #[dmxp(since = 3)]
    ask: u32,
}

fn main() {}

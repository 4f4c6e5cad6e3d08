//! Values of attributes of the wrong kind.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[dmxp(name = 5, version = "2", crate = 7)]
#[repr(C)]
struct Tick {
    #[dmxp(since = 0, unit, alias = "two words", name = "1st")]
    a: u32,
    #[dmxp]
    b: u32,
    #[dmxp(since 2)]
    c: u32,
}

#[derive(DmxpMessage)]
#[dmxp(flags = true)]
#[repr(u8)]
enum Quality {
    Stale = 1,
}

#[derive(DmxpMessage)]
enum Reading {
    #[dmxp(tag = 256)]
    Value(u32),
}

fn main() {}

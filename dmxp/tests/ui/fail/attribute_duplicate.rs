//! An attribute says one thing once.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[dmxp(version = 1, version = 2)]
#[dmxp(name = "A")]
#[dmxp(name = "B")]
#[repr(C)]
struct Tick {
    #[dmxp(unit = "m", unit = "s")]
    #[dmxp(since = 1)]
    #[dmxp(since = 1)]
    a: u32,
    #[dmxp(alias = "first", alias = "second")]
    b: u32,
}

fn main() {}

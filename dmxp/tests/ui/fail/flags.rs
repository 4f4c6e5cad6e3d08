//! A flag is a single bit.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[dmxp(flags)]
#[repr(u8)]
enum Quality {
    Good,
    Stale = 2,
    Both = 3,
    Top = 128,
}

fn main() {}

//! Every byte is accounted for: every gap in one compile.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Foo {
    kind: u8,
    price: u32,
    flag: u8,
    time: u64,
    last: u16,
}

#[derive(DmxpMessage)]
#[repr(C, align(64))]
struct Line {
    a: u64,
    _pad: u32,
}

fn main() {}

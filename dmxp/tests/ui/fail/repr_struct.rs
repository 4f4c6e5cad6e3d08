//! The representation of a message is fixed by `repr(C)`.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
struct Missing {
    a: u32,
}

#[derive(DmxpMessage)]
#[repr(align(8))]
struct OnlyAligned {
    a: u64,
}

#[derive(DmxpMessage)]
#[repr(C, packed)]
struct Packed {
    a: u8,
    b: u32,
}

#[derive(DmxpMessage)]
#[repr(transparent)]
struct Transparent {
    a: u32,
}

#[derive(DmxpMessage)]
#[repr(Rust)]
struct Rust {
    a: u32,
}

#[derive(DmxpMessage)]
#[repr(C, align(128))]
struct Aligned {
    a: [u64; 16],
}

fn main() {}

//! Payloads of a tagged union are aligned to at most 8 bytes.

use dmxp::DmxpMessage;
use dmxp::message::Tagged;

#[derive(DmxpMessage)]
#[repr(C, align(16))]
struct Wide {
    a: [u64; 2],
}

#[derive(DmxpMessage)]
enum Reading {
    Wide(Wide),
    Other(u32),
}

#[derive(DmxpMessage)]
#[repr(C)]
struct Uses {
    reading: Tagged<Reading>,
}

fn main() {}

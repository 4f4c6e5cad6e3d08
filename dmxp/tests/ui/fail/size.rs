//! A message fits the inline payload.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Foo {
    bytes: [u8; 1000],
}

fn main() {}

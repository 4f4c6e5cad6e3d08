//! A message has no destructor.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Foo {
    a: u32,
}

impl Drop for Foo {
    fn drop(&mut self) {}
}

fn main() {}

//! What is not a struct with named fields, or an enum whose variants hold at most one value.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Tuple(u32, u32);

#[derive(DmxpMessage)]
#[repr(C)]
struct Unit;

#[derive(DmxpMessage)]
#[repr(C)]
struct Empty {}

#[derive(DmxpMessage)]
#[repr(C)]
union Either {
    a: u32,
    b: f32,
}

#[derive(DmxpMessage)]
enum NoValues {}

#[derive(DmxpMessage)]
#[repr(u8)]
enum Bracketed {
    A(),
    B {},
}

#[derive(DmxpMessage)]
enum Reading {
    Value { celsius: f32 },
    Range(f32, f32),
}

#[derive(DmxpMessage)]
#[dmxp(flags)]
#[repr(u8)]
enum Numbered {
    Value(f32) = 1,
}

fn main() {}

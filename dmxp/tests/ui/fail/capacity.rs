//! Building blocks whose numbers leave padding or hold nothing.

use dmxp::DmxpMessage;
use dmxp::message::{FixedStr, FixedVec, Nullable, Reserved, Tagged};

#[derive(Clone, Copy, DmxpMessage)]
#[repr(C)]
struct Foo {
    odd: FixedVec<u8, 3>,
    inside: Nullable<FixedVec<u8, 5>>,
    rows: [FixedVec<bool, 7>; 2],
    empty: FixedVec<u8, 0>,
    text: FixedStr<0>,
    array: [u16; 0],
    reserved: Reserved<0>,
    union: Tagged<Reading>,
}

#[derive(Clone, Copy, DmxpMessage)]
enum Reading {
    Levels(FixedVec<u8, 3>),
}

fn main() {}

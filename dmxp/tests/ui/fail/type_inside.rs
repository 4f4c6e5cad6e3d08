//! Types that cannot be stored, inside a building block. The first error on a field is ours; the compiler goes on to say that
//! it cannot lay out the struct.

use dmxp::DmxpMessage;
use dmxp::message::{Flags, Nullable};

#[derive(DmxpMessage)]
#[repr(u8)]
enum Side {
    Buy = 1,
}

#[derive(DmxpMessage)]
#[repr(C)]
struct Refused {
    optional: Nullable<String>,
}

fn is_set_of_flags(_: Flags<Side>) {}

fn main() {}

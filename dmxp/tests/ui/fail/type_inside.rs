//! Types that cannot be stored, inside a building block. Not in a message: there the same errors come first, and the compiler
//! goes on to say, in words that change from release to release, that it cannot lay out the struct.

use dmxp::DmxpMessage;
use dmxp::message::{FixedVec, Flags, Nullable, Open, Tagged};

#[derive(DmxpMessage)]
#[repr(u8)]
enum Side {
    Buy = 1,
}

#[derive(DmxpMessage)]
enum Reading {
    Celsius(f32),
}

#[derive(DmxpMessage)]
#[repr(C, align(16))]
struct Wide {
    a: [u64; 2],
}

fn text(_: &Nullable<String>) {}
fn wide(_: &FixedVec<Wide, 4>) {}
fn flags(_: &Flags<Side>) {}
fn open(_: &Open<Reading>) {}
fn tagged(_: &Tagged<Side>) {}

fn main() {}

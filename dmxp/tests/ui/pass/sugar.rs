//! `#[dmxp::message]` adds what is missing, and no more.

#![deny(warnings)]

/// Nothing there.
#[dmxp::message]
struct Bare {
    a: u32,
}

/// A representation and some traits there.
#[dmxp::message(name = "Named")]
#[derive(Clone, Debug, PartialEq)]
#[repr(C, align(16))]
struct Dressed {
    a: u64,
    b: u64,
}

/// An alignment only.
#[dmxp::message]
#[repr(align(8))]
struct Aligned {
    a: [u8; 8],
}

/// All there.
#[dmxp::message]
#[derive(Clone, Copy, Debug, dmxp::DmxpMessage)]
#[repr(C)]
struct Full {
    a: u32,
}

#[dmxp::message]
#[repr(u8)]
enum Side {
    Buy,
    Sell,
}

#[dmxp::message(name = "Data")]
enum Reading {
    Celsius(f32),
}

fn is_message<T: dmxp::DmxpMessage + Copy + std::fmt::Debug>() {}

fn main() {
    is_message::<Bare>();
    is_message::<Dressed>();
    is_message::<Aligned>();
    is_message::<Full>();
    let _ = (Side::Buy, Side::Sell, Reading::Celsius(1.0));
}

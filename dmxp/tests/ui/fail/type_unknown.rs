//! Types of which only the compiler knows that they cannot be stored.

use dmxp::DmxpMessage;

type Name = String;

#[derive(Clone, Copy)]
struct NotDerived {
    a: u32,
}

#[derive(DmxpMessage)]
enum Reading {
    Celsius(f32),
}

#[derive(DmxpMessage)]
#[repr(C)]
struct Refused {
    alias: Name,
    other: NotDerived,
    unwrapped: Reading,
}

fn is_message<T: DmxpMessage>() {}

fn main() {
    is_message::<NotDerived>();
}

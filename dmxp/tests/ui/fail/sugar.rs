//! `#[dmxp::message]` hides no error.

#[dmxp::message(colour = "red")]
struct Unknown {
    a: u32,
}

#[dmxp::message]
#[repr(packed)]
struct Packed {
    a: u8,
    b: u32,
}

#[dmxp::message]
enum Missing {
    A,
}

#[dmxp::message]
struct Foo {
    kind: u8,
    price: u32,
}

fn main() {}

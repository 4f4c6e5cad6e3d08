//! `#[dmxp::message]` on fields that cannot be copied or printed either: the one error is the one that helps.

struct NotDerived {
    _a: u32,
}

#[dmxp::message]
struct Text {
    name: String,
}

#[dmxp::message]
struct Nested {
    other: NotDerived,
}

#[dmxp::message]
enum Reading {
    Name(String),
    Offline,
}

#[dmxp::message]
struct Optional {
    maybe: Option<u32>,
}

fn main() {}

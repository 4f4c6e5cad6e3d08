//! What is aligned to more than a slot is.

#[repr(C, align(128))]
#[derive(Clone, Copy, Debug)]
struct Line([u8; 128]);

#[dmxp::message]
struct Direct {
    line: Line,
}

fn main() {}

//! The representation of an enum is a fixed integer.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
enum Missing {
    A,
    B,
}

#[derive(DmxpMessage)]
#[repr(usize)]
enum Unsigned {
    A,
}

#[derive(DmxpMessage)]
#[repr(isize)]
enum Signed {
    A,
}

#[derive(DmxpMessage)]
#[repr(C)]
enum Foreign {
    A,
}

#[derive(DmxpMessage)]
#[dmxp(flags)]
#[repr(i8)]
enum SignedFlags {
    A = 1,
}

// The uses are no errors of their own.
#[derive(DmxpMessage)]
#[repr(C)]
struct Uses {
    missing: Missing,
    open: dmxp::message::Open<Missing>,
    flags: dmxp::message::Flags<SignedFlags>,
}

fn main() {}

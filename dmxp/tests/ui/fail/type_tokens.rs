//! Types that cannot be stored, whatever their names stand for: all of them in one compile.

use dmxp::DmxpMessage;


#[derive(DmxpMessage)]
#[repr(C)]
struct Refused {
    text: &'static str,
    slice: &'static [u8],
    reference: &'static u32,
    constant: *const u8,
    mutable: *mut u8,
    function: fn(u32) -> u32,
    tuple: (u32, u32),
    unit: (),
    unsigned: usize,
    signed: isize,
    wide: u128,
    wide_signed: i128,
    sizes: [usize; 4],
}

#[derive(DmxpMessage)]
enum Reading {
    Text(&'static str),
}

// The uses are no errors of their own.
#[derive(DmxpMessage)]
#[repr(C)]
struct Uses {
    refused: Refused,
}

fn is_message<T: DmxpMessage>() {}

fn main() {
    is_message::<Refused>();
    let _ = dmxp::message::Tagged::new(Reading::Text("a"));
}

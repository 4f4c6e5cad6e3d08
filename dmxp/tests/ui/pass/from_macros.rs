//! A message that is not `Copy`, has private fields read by nobody in Rust, and is deprecated in part.

#![deny(warnings)]

use dmxp::DmxpMessage;

macro_rules! number {
    () => {
        u32
    };
}

macro_rules! declare {
    ($name:ident, $field:ident: $ty:ty) => {
        #[derive(DmxpMessage)]
        #[repr(C)]
        pub struct $name {
            $field: $ty,
        }
    };
}

declare!(Declared, value: [u16; 4]);

#[derive(DmxpMessage)]
#[repr(C)]
pub struct Tick {
    price: number!(),
    #[deprecated]
    size: u32,
    declared: Declared,
}

#[derive(DmxpMessage)]
#[repr(C)]
struct Never {
    read: u8,
}

fn main() {}

//! Names and earlier names of fields, variants and tags must differ.

use dmxp::DmxpMessage;

#[derive(DmxpMessage)]
#[repr(C)]
struct Tick {
    price: u32,
    #[dmxp(name = "price")]
    cost: u32,
    #[dmxp(alias = "price")]
    value: u32,
    #[dmxp(alias = "amount")]
    size: u32,
    #[dmxp(alias = "amount")]
    quantity: u32,
}

#[derive(DmxpMessage)]
#[repr(u8)]
enum Side {
    Buy,
    #[dmxp(name = "Buy")]
    Sell,
}

#[derive(DmxpMessage)]
enum Reading {
    #[dmxp(tag = 2)]
    Celsius(f32),
    Fahrenheit(f32),
    #[dmxp(tag = 3)]
    Kelvin(f32),
    #[dmxp(tag = 255)]
    Rankine(f32),
    Offline,
}

fn main() {}

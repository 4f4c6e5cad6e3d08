//! Constants, statics and unit structs in scope are no patterns of the expansion.

#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, non_upper_case_globals)]

struct message;
struct bytes;
struct tag;
struct field_0;
struct formatter;
const value: u8 = 1;
const raw: u8 = 1;
static payload: u8 = 1;
static size: u8 = 1;

#[dmxp::message]
struct Tick {
    value: u32,
}

#[dmxp::message]
#[repr(u8)]
enum Side {
    Buy = 1,
}

#[dmxp::message]
enum Reading {
    Celsius(u32),
    Tick(Tick),
    Offline,
}

#[derive(dmxp::DmxpMessage)]
#[dmxp(flags)]
#[repr(u8)]
enum Quality {
    Good = 1,
}

fn main() {
    let reading = dmxp::message::Tagged::new(Reading::Tick(Tick { value: 7 }));
    assert!(matches!(reading.get(), Ok(Some(Reading::Tick(Tick { value: 7 })))));
    assert_eq!(format!("{:?} {:?}", Side::Buy, Reading::Celsius(3)), "Buy Celsius(3)");
}

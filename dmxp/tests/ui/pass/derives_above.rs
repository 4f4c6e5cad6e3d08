//! Derives above `#[dmxp::message]`.

#![deny(warnings)]

#[derive(Clone, PartialEq)]
#[dmxp::message]
struct Tick {
    price: u32,
}

/// All of them, and attributes of the derive.
#[derive(
    Clone, Copy, // and more
    Debug,
    dmxp::DmxpMessage,
)]
#[dmxp::message(version = 2)]
struct Versioned {
    #[dmxp(name = "cost")]
    price: u32,
    #[dmxp(since = 2)]
    size: u32,
}

#[derive(PartialEq, Eq, Hash)] #[derive(Debug)] #[dmxp::message]
#[repr(u8)]
enum Side {
    Buy,
}

#[derive(PartialEq, Debug)]
// Below.
#[dmxp::message]
#[derive(Clone)]
enum Reading {
    Celsius(f32),
}

macro_rules! declare {
    ($name:ident) => {
        #[derive(PartialEq, Clone)]
        #[dmxp::message]
        struct $name {
            value: u8,
        }
    };
}

declare!(Declared);

#[dmxp::message]
struct OfLength {
    bytes: [u8; Self::LENGTH],
}

impl OfLength {
    const LENGTH: usize = 4;
}

fn is_message<T: dmxp::DmxpMessage + Copy + std::fmt::Debug>() {}

fn main() {
    use dmxp::DmxpMessage;
    is_message::<Tick>();
    is_message::<Versioned>();
    is_message::<Declared>();
    is_message::<OfLength>();
    assert_eq!((Versioned::SCHEMA.version, Versioned::SCHEMA.fields[0].name), (2, "cost"));
    assert!(Tick { price: 1 } == Tick { price: 1 } && Declared { value: 1 }.clone().value == 1);
    assert_eq!(Side::Buy, Side::Buy);
    assert_eq!(Reading::Celsius(1.0), Reading::Celsius(1.0));
}

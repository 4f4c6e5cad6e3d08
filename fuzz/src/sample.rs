//! The message of typed channels: small, with the kinds of field that not all bytes are values of.

use dmxp::message::{FixedStr, FixedVec, Nullable, Tagged};

/// A closed enum without the value 0.
#[dmxp::message]
#[derive(PartialEq)]
#[repr(u8)]
pub(crate) enum Side {
    Buy = 1,
    Sell = 2,
}

/// A union, one of whose payloads has bytes that are no value.
#[dmxp::message]
#[derive(PartialEq)]
pub(crate) enum Shape {
    Circle(f32),
    Of(Side),
    Nothing,
}

/// What a channel of the base has instead.
#[dmxp::message]
#[derive(Default)]
pub(crate) struct Other {
    pub(crate) number: u64,
    pub(crate) letter: u32,
    pub(crate) rest: [u8; 4],
}

/// 48 bytes.
#[dmxp::message]
#[derive(PartialEq)]
pub(crate) struct Sample {
    pub(crate) number: u64,
    pub(crate) letter: char,
    pub(crate) shape: Tagged<Shape>,
    pub(crate) items: FixedVec<u16, 3>,
    pub(crate) maybe: Nullable<u16>,
    pub(crate) text: FixedStr<6>,
    pub(crate) truth: bool,
    pub(crate) side: Side,
    pub(crate) sides: [Side; 4],
    pub(crate) rest: [u8; 4],
}

impl Sample {
    pub(crate) fn number(number: u64) -> Self {
        Self {
            number,
            letter: 'x',
            shape: [
                Tagged::new(Shape::Of(Side::Sell)),
                Tagged::new(Shape::Circle(1.5)),
                Tagged::new(Shape::Nothing),
            ][number as usize % 3],
            items: FixedVec::default(),
            maybe: Nullable::default(),
            text: FixedStr::default(),
            truth: number.is_multiple_of(2),
            side: Side::Buy,
            sides: [Side::Buy, Side::Sell, Side::Sell, Side::Buy],
            rest: [9; 4],
        }
    }
}

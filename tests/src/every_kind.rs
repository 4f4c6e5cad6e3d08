//! A message with every kind of field.

use crate::Draws;
use dmxp::message::{FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp};

/// A closed enum. Zero, with which slots start, is none of its values.
#[dmxp::message]
#[derive(PartialEq)]
#[repr(u8)]
pub enum Side {
    /// 1.
    Buy = 1,
    /// 2.
    Sell = 2,
}

/// A closed enum of the widest integer.
#[dmxp::message]
#[derive(PartialEq)]
#[repr(i64)]
pub enum Depth {
    /// The lowest there is.
    Abyss = i64::MIN,
    /// All bits.
    Shelf = -1,
    /// The highest there is.
    Sky = i64::MAX,
}

/// An enum that is stored openly.
#[dmxp::message]
#[derive(PartialEq)]
#[repr(i16)]
pub enum Level {
    /// Negative.
    Low = -3,
    /// Zero.
    None = 0,
    /// Positive.
    High = 3,
}

/// Flags, with bits between them that have no name.
#[dmxp::message(flags)]
#[derive(PartialEq)]
#[repr(u32)]
pub enum Rights {
    /// The lowest bit.
    Read = 1,
    /// Another.
    Write = 4,
    /// The highest bit.
    Own = 1 << 31,
}

/// A nested struct.
#[dmxp::message]
#[derive(PartialEq)]
pub struct Point {
    /// Right.
    pub x: f32,
    /// Up.
    pub y: f32,
}

/// A struct of structs.
#[dmxp::message]
#[derive(PartialEq)]
pub struct Segment {
    /// Its start.
    pub from: Point,
    /// Its end.
    pub to: Point,
    /// Its name.
    pub label: FixedStr<4>,
}

/// A tagged union, with payloads of every size up to the largest.
#[dmxp::message]
#[derive(PartialEq)]
pub enum Shape {
    /// Its radius.
    Circle(f64),
    /// Its ends.
    Line([Point; 2]),
    /// In words.
    Note(FixedStr<12>),
    /// Whose.
    Whose(Side),
    /// Without payload.
    Nothing,
}

/// Every kind of field, in the order of their alignment.
#[dmxp::message]
#[derive(PartialEq)]
#[expect(missing_docs, reason = "the names of the fields say what they are")]
pub struct EveryKind {
    pub unsigned64: u64,
    pub signed64: i64,
    pub float64: f64,
    pub time: Timestamp,
    pub depth: Depth,
    pub shape: Tagged<Shape>,
    pub shapes: [Tagged<Shape>; 2],
    pub maybe_float64: Nullable<f64>,
    pub maybe_times: [Nullable<Timestamp>; 2],
    pub floats: FixedVec<f64, 3>,
    pub unsigned32: u32,
    pub signed32: i32,
    pub float32: f32,
    pub letter: char,
    pub rights: Flags<Rights>,
    pub corner: Point,
    pub segment: Segment,
    pub matrix: [[f32; 3]; 2],
    pub maybe_float32: Nullable<f32>,
    pub maybe_point: Nullable<Point>,
    pub points: FixedVec<Point, 3>,
    pub letters: [char; 2],
    pub unsigned16: u16,
    pub signed16: i16,
    pub level: Open<Level>,
    pub maybe_unsigned16: Nullable<u16>,
    pub samples: FixedVec<u8, 14>,
    pub texts: FixedVec<FixedStr<7>, 2>,
    pub levels: FixedVec<Open<Level>, 3>,
    pub unsigned8: u8,
    pub signed8: i8,
    pub truth: bool,
    pub side: Side,
    pub maybe_side: Nullable<Side>,
    pub maybe_text: Nullable<FixedStr<5>>,
    pub maybe_truth: Nullable<bool>,
    pub raw: [u8; 13],
    pub venue: FixedStr<11>,
    pub names: [FixedStr<4>; 3],
    pub sides: [Side; 3],
    pub switches: [bool; 5],
    pub room: Reserved<12>,
}

impl EveryKind {
    /// Message `i` under `seed`: each field named, in the order of the declaration, as `languages/drawn.h` and
    /// `languages/drawn.py` have it too.
    #[must_use]
    pub fn drawn(seed: u64, i: u64) -> Self {
        let d = &mut Draws::new(seed, i);
        Self {
            unsigned64: d.word(),
            signed64: d.word() as i64,
            float64: d.float64(),
            time: time(d),
            depth: [Depth::Abyss, Depth::Shelf, Depth::Sky][d.below(3)],
            shape: shape(d),
            shapes: d.array(shape),
            maybe_float64: d.nullable(Draws::float64),
            maybe_times: d.array(|d| d.nullable(time)),
            floats: d.vec(Draws::float64),
            unsigned32: d.word() as u32,
            signed32: d.word() as i32,
            float32: d.float32(),
            letter: d.letter(),
            rights: Flags::from_bits(d.word() as u32),
            corner: point(d),
            segment: Segment {
                from: point(d),
                to: point(d),
                label: d.text(),
            },
            matrix: d.array(|d| d.array(Draws::float32)),
            maybe_float32: d.nullable(Draws::float32),
            maybe_point: d.nullable(point),
            points: d.vec(point),
            letters: d.array(Draws::letter),
            unsigned16: d.word() as u16,
            signed16: d.word() as i16,
            level: level(d),
            maybe_unsigned16: d.nullable(|d| d.word() as u16),
            samples: d.vec(|d| d.word() as u8),
            texts: d.vec(Draws::text),
            levels: d.vec(level),
            unsigned8: d.word() as u8,
            signed8: d.word() as i8,
            truth: d.truth(),
            side: side(d),
            maybe_side: d.nullable(side),
            maybe_text: d.nullable(Draws::text),
            maybe_truth: d.nullable(Draws::truth),
            raw: d.array(|d| d.word() as u8),
            venue: d.text(),
            names: d.array(Draws::text),
            sides: d.array(side),
            switches: d.array(Draws::truth),
            room: Reserved::new(),
        }
    }
}

fn time(d: &mut Draws) -> Timestamp {
    Timestamp::from_nanos(d.word() as i64)
}

fn side(d: &mut Draws) -> Side {
    [Side::Buy, Side::Sell][d.below(2)]
}

/// One of 16 values, of which three have a name.
fn level(d: &mut Draws) -> Open<Level> {
    Open::from_raw(d.below(16) as i16 - 8)
}

fn point(d: &mut Draws) -> Point {
    Point {
        x: d.float32(),
        y: d.float32(),
    }
}

fn shape(d: &mut Draws) -> Tagged<Shape> {
    match d.below(6) {
        0 => Tagged::empty(),
        1 => Tagged::new(Shape::Circle(d.float64())),
        2 => Tagged::new(Shape::Line(d.array(point))),
        3 => Tagged::new(Shape::Note(d.text())),
        4 => Tagged::new(Shape::Whose(side(d))),
        _ => Tagged::new(Shape::Nothing),
    }
}

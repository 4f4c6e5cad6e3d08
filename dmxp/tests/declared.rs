//! A declaration in Python is the same as one in Rust: `bindings/python/tests/test_declare.py` makes this very type, and compares it with
//! the same file.

use dmxp::DmxpMessage;
use dmxp::message::{FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Timestamp};
use dmxp::schema::model::Schema;

#[dmxp::message]
#[repr(u8)]
enum Side {
    Buy = 1,
    Sell = 2,
}

#[dmxp::message]
#[repr(i32)]
enum Level {
    Low = -5,
    High = 9,
}

#[dmxp::message(flags)]
#[repr(u16)]
enum Rights {
    Read = 1,
    Write = 2,
}

#[dmxp::message(version = 2)]
struct Point {
    x: f32,
    y: f32,
}

/// All kinds of fields
/// that Python can declare.
#[dmxp::message(version = 2)]
struct Declared {
    /// The "last" one.
    #[dmxp(unit = "EUR", since = 2, alias = "cost")]
    price: f64,
    at: Timestamp,
    count: u64,
    change: i64,
    small: u32,
    negative: i32,
    letter: char,
    point: Point,
    points: FixedVec<Point, 2>,
    maybe: Nullable<f32>,
    maybe_point: Nullable<Point>,
    matrix: [[f32; 3]; 2],
    word: u16,
    short: i16,
    level: Open<Level>,
    rights: Flags<Rights>,
    sides: [Side; 3],
    side: Side,
    byte: u8,
    signed: i8,
    yes: bool,
    name: FixedStr<7>,
    raw: [u8; 5],
    rest: Reserved<7>,
}

#[test]
fn rust_and_python_declare_the_same() {
    let text = include_str!("../../bindings/python/tests/declared.dmxp");
    let schema = Schema::try_from(Declared::SCHEMA).expect("a declaration is a valid schema");
    let expected = format!(
        "# layout {:#018x}\n# schema {:#018x}\n{schema}\n",
        schema.layout_fingerprint(),
        schema.schema_fingerprint()
    );
    assert_eq!(text, expected);
}

//! Single fields of a message, without its type.

mod corpus;

use corpus::{ALL, EVERYTHING, Random, schema};
use dmxp_schema::codec::field::{Enumerant, FieldError, FieldProblem, FieldValue, Record};
use dmxp_schema::codec::{Rfc3339, decode};
use dmxp_schema::model::{Schema, Type};
use serde_json::{Value, json};

/// A message of one field `x`.
fn one(ty: &str, bytes: &[u8], align: u32) -> Schema {
    let size = bytes.len();
    format!("struct A v1 size {size} align {align} {{ x: {ty} @0 }}")
        .parse()
        .unwrap()
}

/// What `read` makes of the field of one type over some bytes.
fn read<T>(ty: &str, align: u32, bytes: &[u8], read: impl Fn(FieldValue<'_>) -> Result<T, FieldError>) -> T {
    let schema = one(ty, bytes, align);
    let record = Record::new(&schema, bytes).unwrap();
    read(record.field("x").unwrap()).unwrap_or_else(|error| panic!("{ty}: {error}"))
}

/// The error that `read` gets.
fn refused<T>(ty: &str, align: u32, bytes: &[u8], read: impl Fn(FieldValue<'_>) -> Result<T, FieldError>) -> String {
    let schema = one(ty, bytes, align);
    let record = Record::new(&schema, bytes).unwrap();
    match read(record.field("x").unwrap()) {
        Ok(_) => panic!("{ty} is read"),
        Err(error) => error.to_string(),
    }
}

/// Offsets and bytes are those of the table in `corpus`, put together by hand.
#[test]
fn every_kind_of_field_is_read_where_the_layout_has_it() {
    let mut bytes = [0u8; 448];
    let mut put = |offset: usize, part: &[u8]| bytes[offset..offset + part.len()].copy_from_slice(part);
    put(0, &[200]); // class
    put(1, &[0xfe]); // register
    put(2, &0xfffe_u16.to_le_bytes()); // lambda
    put(4, &(-300_i16).to_le_bytes()); // Side
    put(6, &[1]); // class_
    put(7, &[2]); // side: Sell
    put(8, &4_000_000_000_u32.to_le_bytes()); // count
    put(12, &(-7_i32).to_le_bytes()); // SIZE
    put(16, &u64::MAX.to_le_bytes()); // u64_value
    put(24, &i64::MIN.to_le_bytes()); // i64_value
    put(32, &0.5_f32.to_le_bytes()); // temperature
    put(36, &0x1f980_u32.to_le_bytes()); // letter
    put(40, &101.25_f64.to_le_bytes()); // price
    put(48, &1_234_567_890_123_456_789_i64.to_le_bytes()); // at
    put(56, &[0, 1, 0xab, 0xff, 5]); // raw
    put(61, b"XETRA"); // venue
    for (index, number) in [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0].into_iter().enumerate() {
        put(72 + 4 * index, &number.to_le_bytes()); // matrix
    }
    put(100, b"long"); // names[1]
    put(112, &3_u16.to_le_bytes()); // samples
    put(114, &[7, 8, 9, 10]);
    put(128, &2_u32.to_le_bytes()); // points
    put(132 + 8, &1.5_f32.to_le_bytes()); // points[1].x
    put(160, &(-2.5_f32).to_le_bytes()); // corner.y
    put(164, &1_u32.to_le_bytes()); // maybe
    put(168, &9.0_f32.to_le_bytes());
    put(184, &[1, 1]); // maybe_side: Buy
    put(192, &(-1_i64).to_le_bytes()); // level: below
    put(200, &(1_u64 << 63 | 3 | 1 << 10).to_le_bytes()); // rights
    put(208, &2_u64.to_le_bytes()); // shape: Line
    put(216 + 12, &8.0_f32.to_le_bytes()); // shape.Line[1].y
    put(256, &99_u64.to_le_bytes()); // shapes[1]: of a later version
    put(280, &1_u64.to_le_bytes()); // levels
    put(288, &12_i64.to_le_bytes());
    put(320, &1_u64.to_le_bytes()); // times[1]
    put(328, &5_i64.to_le_bytes());
    put(336, &[1, 2, 1]); // sides
    put(339, &[0, 1, 0, 0, 1]); // switches
    put(344, &2_u16.to_le_bytes()); // texts
    put(346, b"one");
    put(353, b"two");
    put(360, &1_u16.to_le_bytes()); // deep
    put(362, &1_u16.to_le_bytes());
    put(364, &77_u16.to_le_bytes());
    put(366, &[0, 9]); // _pad

    let schema = schema(&EVERYTHING);
    let record = Record::new(&schema, &bytes).unwrap();
    let field = |path: &str| record.field(path).unwrap_or_else(|error| panic!("{error}"));
    let u = |path: &str| field(path).as_u64().unwrap();
    let i = |path: &str| field(path).as_i64().unwrap();
    let f = |path: &str| field(path).as_f64().unwrap();
    let s = |path: &str| field(path).as_str().unwrap().to_owned();

    assert_eq!(
        (record.name(), record.bytes().len(), record.path()),
        ("EveryKind", 448, String::new())
    );
    assert_eq!(
        (u("class"), i("register"), u("lambda"), i("Side")),
        (200, -2, 0xfffe, -300)
    );
    assert!(field("class_").as_bool().unwrap());
    assert_eq!((s("side"), i("side")), ("Sell".to_owned(), 2));
    assert_eq!((u("count"), i("SIZE")), (4_000_000_000, -7));
    assert_eq!((u("u64_value"), i("i64_value")), (u64::MAX, i64::MIN));
    assert_eq!((f("temperature"), f("price"), f("count")), (0.5, 101.25, 4e9));
    assert_eq!(field("letter").as_char().unwrap(), '🦀');
    assert_eq!(field("at").as_timestamp().unwrap(), 1_234_567_890_123_456_789);
    assert_eq!(field("raw").as_bytes().unwrap(), [0, 1, 0xab, 0xff, 5]);
    assert_eq!(u("raw[2]"), 0xab);
    assert_eq!(s("venue"), "XETRA");
    assert_eq!(field("venue").as_bytes().unwrap(), b"XETRA\0\0\0\0\0\0");
    assert_eq!((f("matrix[0][2]"), f("matrix[1][0]")), (3.0, 4.0));
    assert_eq!((s("names[0]"), s("names[1]")), (String::new(), "long".to_owned()));
    let samples: Vec<u64> = field("samples")
        .elements()
        .unwrap()
        .map(|value| value.as_u64().unwrap())
        .collect();
    assert_eq!(samples, [7, 8, 9]);
    assert_eq!(field("points").elements().unwrap().len(), 2);
    assert_eq!((f("points[1].x"), f("points[1].y"), f("corner.y")), (1.5, 0.0, -2.5));
    assert_eq!(field("corner").as_record().unwrap().field("y").unwrap().offset(), 160);
    assert_eq!(f("maybe"), 9.0);
    assert_eq!(field("maybe").as_option().unwrap().unwrap().offset(), 168);
    assert!(field("maybe_point").is_null() && field("maybe_point").as_option().unwrap().is_none());
    assert_eq!(s("maybe_side"), "Buy");
    let level = Enumerant {
        number: -1,
        name: Some("below"),
    };
    assert_eq!(field("level").as_enum().unwrap(), level);
    let rights = field("rights").as_flags().unwrap();
    assert_eq!(rights.bits(), 1 << 63 | 3 | 1 << 10);
    assert_eq!(rights.names().collect::<Vec<_>>(), ["Read", "Write", "Highest"]);
    assert_eq!(rights.unnamed(), 1 << 10);
    assert_eq!(
        (rights.contains("ReadWrite"), rights.contains("Execute")),
        (Some(true), None)
    );
    let shape = field("shape").as_union().unwrap().unwrap();
    assert_eq!((shape.tag, shape.name(), shape.payload.len()), (2, Some("Line"), 16));
    assert_eq!((f("shape.Line[1].y"), shape.value.unwrap().offset()), (8.0, 216));
    assert!(field("shapes[0]").as_union().unwrap().is_none());
    let unknown = field("shapes[1]").as_union().unwrap().unwrap();
    assert!(unknown.tag == 99 && unknown.variant.is_none() && unknown.value.is_none());
    let level = Enumerant { number: 12, name: None };
    assert_eq!(field("levels[0]").as_enum().unwrap(), level);
    assert!(field("times[0]").is_null());
    assert_eq!(field("times[1]").as_timestamp().unwrap(), 5);
    assert_eq!(
        (s("sides[1]"), s("texts[0]"), s("texts[1]")),
        ("Sell".into(), "one".into(), "two".into())
    );
    let switches: Vec<bool> = field("switches")
        .elements()
        .unwrap()
        .map(|value| value.as_bool().unwrap())
        .collect();
    assert_eq!(switches, [false, true, false, false, true]);
    assert_eq!(u("deep"), 77);
    assert_eq!(field("_pad").as_bytes().unwrap(), [0, 9]);

    assert_eq!(f("temp"), 0.5, "by an earlier name");
    assert_eq!(record.fields().len(), EVERYTHING.fields.len());
    assert_eq!(
        record.to_string(),
        "EveryKind { class: 200, register: -2, lambda: 65534, Side: -300, class_: true, side: Sell, count: 4000000000, SIZE: -7, \
         u64_value: 18446744073709551615, i64_value: -9223372036854775808, temperature: 0.5, letter: '🦀', price: 101.25, \
         at: 2009-02-13T23:31:30.123456789Z, raw: 0x0001abff05, venue: \"XETRA\", matrix: [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], \
         names: [\"\", \"long\", \"\", \"\"], samples: [7, 8, 9], points: [Point { x: 0.0, y: 0.0 }, Point { x: 1.5, y: 0.0 }], \
         corner: Point { x: 0.0, y: -2.5 }, maybe: 9.0, maybe_point: null, maybe_side: Buy, maybe_text: null, level: below, \
         rights: Read | Write | Highest | 0x400, shape: Line([Point { x: 0.0, y: 0.0 }, Point { x: 0.0, y: 8.0 }]), \
         shapes: [null, unknown tag 99 0x00000000000000000000000000000000], levels: [12], \
         times: [null, 1970-01-01T00:00:00.000000005Z], sides: [Buy, Sell, Buy], switches: [false, true, false, false, true], \
         texts: [\"one\", \"two\"], deep: 77, _pad: 0x0009 }"
    );
}

/// The C compiler checks these offsets when the header is compiled (`generated.rs`).
#[test]
fn fields_lie_where_the_golden_header_asserts_them() {
    let header = include_str!("golden/every_kind.h");
    let schema = schema(&EVERYTHING);
    let bytes = [0; 448];
    let record = Record::new(&schema, &bytes).unwrap();
    let asserted: Vec<usize> = header
        .lines()
        .filter_map(|line| line.strip_prefix("DMXP_ASSERT(offsetof(EveryKind, "))
        .map(|line| {
            let number = line.split_once("== ").unwrap().1.split_once(',').unwrap().0;
            number.parse().unwrap()
        })
        .collect();
    assert_eq!(
        record.fields().map(|(_, value)| value.offset()).collect::<Vec<_>>(),
        asserted
    );
}

#[test]
fn numbers_are_read_as_every_type_that_holds_them_and_as_no_other() {
    let max = &u64::MAX.to_le_bytes();
    assert_eq!(read("u64", 8, max, |x| x.as_u64()), u64::MAX);
    assert_eq!(
        refused("u64", 8, max, |x| x.as_i64()),
        "`x` is 18446744073709551615, which as_i64 cannot give exactly; use as_u64"
    );
    assert_eq!(
        refused("u64", 8, max, |x| x.as_f64()),
        "`x` is 18446744073709551615, which as_f64 cannot give exactly; use as_u64"
    );
    assert_eq!(
        refused("i8", 1, &[0xff], |x| x.as_u64()),
        "`x` is -1, which as_u64 cannot give exactly; use as_i64"
    );
    let exact = 1_u64 << 53;
    assert_eq!(read("u64", 8, &exact.to_le_bytes(), |x| x.as_f64()), exact as f64);
    assert!(refused("i64", 8, &(exact + 1).to_le_bytes(), |x| x.as_f64()).ends_with("use as_i64"));
    assert_eq!(
        read("u64", 8, &(1_u64 << 63).to_le_bytes(), |x| x.as_f64()),
        9_223_372_036_854_775_808_u64 as f64
    );
    assert_eq!(read("i8", 1, &[0x80], |x| x.as_f64()), -128.0);
    assert_eq!(
        read("f32", 4, &0.1_f32.to_le_bytes(), |x| x.as_f64()),
        f64::from(0.1_f32)
    );
    assert!(read("f64", 8, &f64::NAN.to_le_bytes(), |x| x.as_f64()).is_nan());
    // A closed enum's number is read even if it is none of its values: the bits of a flag are never negative.
    assert_eq!(read("enum E: i8 { A = 1 }", 1, &[0xfe], |x| x.as_i64()), -2);
    assert_eq!(read("flags F: i8 { A = -128 }", 1, &[0x80], |x| x.as_u64()), 128);
    assert_eq!(
        read("flags F: i8 { A = -128 }", 1, &[0x80], |x| Ok(x
            .as_flags()?
            .to_string())),
        "A"
    );
}

#[test]
fn bytes_that_are_no_value_are_errors_with_what_they_hold() {
    assert_eq!(
        refused("bool", 1, &[7], |x| x.as_bool()),
        "`x`: the bytes hold 7, not 0 or 1, a bool; `bytes` gives them as they are"
    );
    assert_eq!(
        refused("char", 4, &[0, 0xd8, 0, 0], |x| x.as_char()),
        "`x`: the bytes hold 0xd800, not a Unicode scalar value; `bytes` gives them as they are"
    );
    assert_eq!(
        refused("str[4]", 1, b"a\xff\0\0", |x| x.as_str().map(drop)),
        "`x`: the bytes hold 0xff at byte 1, not UTF-8 text; `bytes` gives them as they are"
    );
    assert_eq!(
        read("str[4]", 1, b"a\0\xff\xff", |x| x.as_str().map(str::to_owned)),
        "a"
    );
    assert_eq!(
        refused("vec<u8; 3>", 2, &[4, 0, 1, 2, 3, 0], |x| x.elements().map(drop)),
        "`x`: the bytes hold a count of 4, not at most 3 elements; `bytes` gives them as they are"
    );
    let side = "enum Side: u8 { Buy = 1 }";
    let wrong = "`x`: the bytes hold 9, not a value of enum Side; `bytes` gives them as they are";
    assert_eq!(refused(side, 1, &[9], |x| x.as_enum().map(drop)), wrong);
    assert_eq!(refused(side, 1, &[9], |x| x.as_str().map(str::to_owned)), wrong);
    assert_eq!(
        refused("open enum Side: u8 { Buy = 1 }", 1, &[9], |x| x
            .as_str()
            .map(str::to_owned)),
        wrong
    );
    let shown = |ty, align, bytes: &[u8]| read(ty, align, bytes, |x| Ok(x.to_string()));
    assert_eq!(shown("bool", 1, &[7]), "invalid 0x07");
    assert_eq!(shown(side, 1, &[9]), "invalid 0x09");
    assert_eq!(shown("vec<u8; 2>", 2, &[3, 0, 1, 2]), "invalid 0x03000102");
    assert_eq!(shown("str[2]", 1, &[0xff, 0]), "invalid 0xff00");
    assert_eq!(shown("f32", 4, &0.1_f32.to_le_bytes()), "0.1");
    assert_eq!(shown("flags F: u8 { A = 1 }", 1, &[0]), "0");
}

#[test]
fn errors_say_what_was_asked_what_there_is_and_what_to_do() {
    let schema: Schema =
        "struct Order v1 size 64 align 8 { price: f64 @0, legs: vec<struct Leg v1 size 8 align 4 { ratio: i32 @0, \
        side: enum Side: u8 { Buy = 1 } @4, rest: reserved[3] @5 }; 2> @8, gap: reserved[4] @28, limit: f64? @32, \
        event: union Event size 16 align 8 { Price(f64) = 1, Halted = 2 } @48 }"
            .parse()
            .unwrap();
    let mut bytes = [0; 64];
    bytes[8] = 2;
    bytes[48] = 2;
    let order = Record::new(&schema, &bytes).unwrap();
    let error = |path: &str| order.field(path).unwrap_err().to_string();

    assert_eq!(
        Record::new(&schema, &bytes[1..]).unwrap_err().to_string(),
        "the message has 64 bytes by its schema, 63 were given"
    );
    assert_eq!(
        error("Prise"),
        "struct Order has no field `Prise`; did you mean `price`? It has price, legs, gap, limit, event"
    );
    assert_eq!(
        error("legs[1].quantity"),
        "`legs[1]`: struct Leg has no field `quantity`. It has ratio, side, rest"
    );
    assert_eq!(error("legs[2]"), "`legs` has no element 2; it has 2, counted from 0");
    assert_eq!(
        error("price[0]"),
        "`price` is f64, which element does not read; use as_f64"
    );
    assert_eq!(
        error("price.x"),
        "`price` is f64, which field does not read; use as_f64"
    );
    assert_eq!(
        error("legs.side"),
        "`legs` is vec<struct Leg; 2>, which field does not read; use elements or element"
    );
    assert_eq!(
        error("event.Price"),
        "`event` stores `Halted`, not `Price`; as_union tells what is stored"
    );
    assert_eq!(
        error("event.Halted"),
        "`event`: the variant `Halted` has no payload; as_union tells whether it is stored"
    );
    assert_eq!(
        error("event.Halt"),
        "`event`: union Event has no variant `Halt`; did you mean `Halted`? It has Price, Halted"
    );
    for path in [
        "",
        "legs[",
        "legs[x]",
        "legs..side",
        ".price",
        "price.",
        "[0]",
        "legs[-1]",
    ] {
        assert_eq!(
            error(path),
            format!("{path:?} is no path; write names with `.` between them, and `[number]` behind a list")
        );
    }
    let asked = |outcome: Result<f64, FieldError>| outcome.unwrap_err();
    let wrong = asked(order.field("legs").unwrap().as_f64());
    assert_eq!(wrong.path(), "legs");
    let FieldProblem::Type {
        is,
        asked: method,
        works,
    } = wrong.problem()
    else {
        panic!("{wrong}")
    };
    assert_eq!(
        (is.as_str(), *method, *works),
        ("vec<struct Leg; 2>", "as_f64", "elements or element")
    );
    assert_eq!(
        asked(order.field("limit").unwrap().as_f64()).to_string(),
        "`limit` is absent, as_f64 has nothing to read; ask is_null first, or use as_option"
    );
    let text = order.field("legs[1].side").unwrap().as_str().unwrap_err();
    assert_eq!(text.path(), "legs[1].side");
    assert!(order.field(&"x".repeat(10_000)).unwrap_err().to_string().len() < 300);
    assert_eq!(size_of::<FieldError>(), size_of::<usize>());
}

/// The methods that read a value, by their names.
fn working(value: FieldValue<'_>) -> Vec<&'static str> {
    let outcomes = [
        ("as_u64", value.as_u64().map(drop)),
        ("as_i64", value.as_i64().map(drop)),
        ("as_f64", value.as_f64().map(drop)),
        ("as_bool", value.as_bool().map(drop)),
        ("as_char", value.as_char().map(drop)),
        ("as_timestamp", value.as_timestamp().map(drop)),
        ("as_str", value.as_str().map(drop)),
        ("as_bytes", value.as_bytes().map(drop)),
        ("as_record", value.as_record().map(drop)),
        ("as_enum", value.as_enum().map(drop)),
        ("as_flags", value.as_flags().map(drop)),
        ("as_union", value.as_union().map(drop)),
        ("elements", value.elements().map(drop)),
        ("element", value.element(0).map(drop)),
        ("field", value.field("no_such_field").map(drop)),
    ];
    let is_type = |outcome: &Result<(), FieldError>| matches!(outcome, Err(error) if matches!(error.problem(), FieldProblem::Type { .. }));
    let kept = outcomes.into_iter().filter(|(_, outcome)| !is_type(outcome));
    kept.map(|(name, _)| name).collect()
}

#[test]
fn an_error_names_exactly_the_methods_that_work() {
    let schema = schema(&EVERYTHING);
    // Everything nullable is there.
    let bytes = [1; 448];
    for (field, value) in Record::new(&schema, &bytes).unwrap() {
        let Err(error) = value.as_record().map(drop).and(value.as_bool().map(drop)) else {
            continue;
        };
        let FieldProblem::Type { works, .. } = error.problem() else {
            continue;
        };
        let mut named: Vec<&str> = works
            .split([',', ' '])
            .filter(|word| !["", "or"].contains(word))
            .collect();
        let mut working = working(value);
        named.sort_unstable();
        working.sort_unstable();
        assert_eq!(named, working, "{}: {:?}", field.name, field.ty);
    }
}

/// The two readers were written apart: this one against the older one, which also writes.
fn agree(value: FieldValue<'_>, expected: &Value) {
    let at = || format!("{} is {value}, {expected}", value.path());
    match value.ty() {
        Type::Nullable(_) => {
            let inner = value.as_option().unwrap();
            match (inner, expected.get("$present")) {
                (None, None) => assert!(expected.is_null(), "{}", at()),
                (None, Some(word)) => assert_eq!(word, 0, "{}", at()),
                (Some(inner), Some(word)) if word != 0 && expected.get("$value").is_some() => {
                    agree(inner, &expected["$value"]);
                }
                (Some(inner), _) => agree(inner, expected),
            }
        }
        Type::Struct(_) => {
            for (field, value) in value.as_record().unwrap() {
                match expected.get(&field.name) {
                    Some(expected) => agree(value, expected),
                    None => assert!(value.as_bytes().unwrap().iter().all(|&byte| byte == 0), "{}", at()),
                }
            }
        }
        Type::Array { .. } | Type::Vec { .. } => {
            let items = expected.get("$items").unwrap_or(expected).as_array().unwrap();
            let elements = value.elements().unwrap();
            assert_eq!(elements.len(), items.len(), "{}", at());
            elements.zip(items).for_each(|(element, item)| agree(element, item));
        }
        Type::Union(_) => match value.as_union().unwrap() {
            None => assert!(expected.is_null() || expected["$tag"] == 0, "{}", at()),
            Some(stored) => match (stored.name(), stored.value) {
                (Some(name), Some(value)) => agree(value, &expected[name]),
                (Some(name), None) => assert!(expected[name].is_null(), "{}", at()),
                (None, _) => assert_eq!(json!(stored.tag), expected["$tag"], "{}", at()),
            },
        },
        Type::Flags(_) => {
            let flags = value.as_flags().unwrap();
            let mut list: Vec<Value> = flags.names().map(Value::from).collect();
            list.extend((flags.unnamed() != 0).then(|| flags.unnamed().into()));
            assert_eq!(&Value::Array(list), expected, "{}", at());
        }
        Type::Bytes(_) | Type::Reserved(_) => {
            let hex: String = value
                .as_bytes()
                .unwrap()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(expected, &json!(hex), "{}", at());
        }
        Type::Str(_) => {
            if let Some(text) = expected.as_str() {
                assert_eq!(value.as_str().unwrap(), text);
            }
        }
        Type::Timestamp => {
            let time: jiff::Timestamp = expected.as_str().unwrap().parse().unwrap();
            assert_eq!(i128::from(value.as_timestamp().unwrap()), time.as_nanosecond());
        }
        Type::Char => assert_eq!(json!(value.as_char().unwrap().to_string()), *expected),
        Type::Bool => assert_eq!(json!(value.as_bool().unwrap()), *expected),
        Type::F32 | Type::F64 => {
            if let Some(number) = expected.as_f64() {
                let narrow = *value.ty() == Type::F32;
                let found = value.as_f64().unwrap();
                assert!(found == number || narrow && found as f32 == number as f32, "{}", at());
            }
        }
        Type::Enum(_) | Type::OpenEnum(_) => {
            let found = value.as_enum().unwrap();
            let number = i64::try_from(found.number).map_or(json!(found.number as u64), |number| json!(number));
            assert_eq!(found.name.map_or(number, Value::from), *expected, "{}", at());
        }
        _ => {
            let number = value
                .as_u64()
                .map(Value::from)
                .or_else(|_| value.as_i64().map(Value::from));
            assert_eq!(number.unwrap(), *expected, "{}", at());
        }
    }
}

/// Calls everything there is, and finds every part again by its path.
fn visit(record: Record<'_>, value: FieldValue<'_>, parts: &mut u32) {
    *parts += 1;
    working(value);
    let (bytes, whole) = (value.bytes().as_ptr_range(), record.bytes().as_ptr_range());
    assert!(whole.start <= bytes.start && bytes.end <= whole.end);
    let path = value.path();
    let found = record.field(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!((found.path(), found.to_string()), (path, value.to_string()));
    let mut inner = Vec::new();
    if let Ok(record) = value.as_record() {
        inner.extend(record.fields().map(|(_, value)| value));
        assert_eq!(record.path(), value.path());
    }
    if let Ok(elements) = value.elements() {
        let backwards: Vec<usize> = elements.rev().map(|value| value.offset()).collect();
        assert!(elements.map(|value| value.offset()).eq(backwards.into_iter().rev()));
        inner.extend(elements);
        assert!(value.element(elements.len()).is_err());
    }
    if let Ok(Some(stored)) = value.as_union() {
        inner.extend(stored.value);
    }
    if let Ok(Some(present)) = value.as_option() {
        inner.push(present);
    }
    inner.into_iter().for_each(|value| visit(record, value, parts));
}

#[test]
fn any_bytes_are_read_as_the_json_form_has_them_and_stop_nothing() {
    let mut random = Random(21);
    let (mut parts, mut decoded) = (0, 0);
    let mut check = |schema: &Schema, bytes: &[u8]| {
        let record = Record::new(schema, bytes).unwrap();
        record.fields().for_each(|(_, value)| visit(record, value, &mut parts));
        if let Ok(expected) = decode(schema, bytes) {
            decoded += 1;
            for (field, value) in record {
                match expected.get(&field.name) {
                    Some(expected) => agree(value, expected),
                    None => assert!(matches!(field.ty, Type::Reserved(_))),
                }
            }
            assert!(
                !record.to_string().contains("invalid")
                    || schema.to_string().contains("invalid")
                    || has_raw_text(&expected)
            );
        }
    };
    for seed in 0..600 {
        let schema = Random(seed).schema();
        for _ in 0..4 {
            check(&schema, &random.bytes(schema.size() as usize));
        }
        check(&schema, &vec![0; schema.size() as usize]);
    }
    for descriptor in ALL {
        let schema = corpus::schema(descriptor);
        for _ in 0..20 {
            check(&schema, &random.bytes(schema.size() as usize));
        }
    }
    assert!(parts > 20_000 && decoded > 1_000, "{parts} parts, {decoded} messages");
}

/// Whether a text in it is no UTF-8, which the JSON form writes as bytes and the text form calls invalid.
fn has_raw_text(value: &Value) -> bool {
    value.to_string().contains("$bytes")
}

/// `jiff` reads what is written.
#[test]
fn times_are_written_as_others_read_them() {
    let mut random = Random(22);
    let edges = [
        0,
        -1,
        1,
        i64::MIN,
        i64::MAX,
        951_782_400_000_000_000,
        951_868_800_000_000_000,
    ];
    let drawn: Vec<i64> = (0..2000).map(|_| random.next().cast_signed()).collect();
    let rounded = drawn
        .iter()
        .flat_map(|time| [1_000, 1_000_000, 1_000_000_000].map(|unit| time / unit * unit));
    for time in edges.into_iter().chain(rounded).chain(drawn.iter().copied()) {
        let text = Rfc3339(time).to_string();
        let read: jiff::Timestamp = text.parse().unwrap();
        assert_eq!(read.as_nanosecond(), i128::from(time), "{text}");
    }
}

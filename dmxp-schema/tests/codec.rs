//! Bytes to values and back, exactly.

mod corpus;

use corpus::{ALL, EVERYTHING, Random, schema};
use dmxp_schema::codec::{Checks, decode, encode};
use dmxp_schema::model::Schema;
use serde_json::{Value, json};

fn one(field: &str, size: u32, align: u32) -> Schema {
    format!("struct A v1 size {size} align {align} {{ x: {field} @0 }}")
        .parse()
        .unwrap()
}

/// Bytes to this value and back to the same bytes.
#[track_caller]
fn both_ways(field: &str, align: u32, bytes: &[u8], value: Value) {
    let schema = one(field, bytes.len() as u32, align);
    assert_eq!(decode(&schema, bytes).unwrap(), json!({ "x": value }), "{field}");
    assert_eq!(encode(&schema, &json!({ "x": value })).unwrap(), bytes, "{field}");
}

#[test]
fn every_kind_has_its_documented_json() {
    both_ways("u64", 8, &[0xff; 8], json!(u64::MAX));
    both_ways("i64", 8, &[0, 0, 0, 0, 0, 0, 0, 0x80], json!(i64::MIN));
    both_ways("i16", 2, &[0xfe, 0xff], json!(-2));
    both_ways("f64", 8, &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f], json!(1.0));
    both_ways("f64", 8, &[0, 0, 0, 0, 0, 0, 0, 0x80], json!(-0.0));
    both_ways("f64", 8, &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f], json!("NaN"));
    both_ways(
        "f64",
        8,
        &[1, 0, 0, 0, 0, 0, 0xf8, 0xff],
        json!("NaN:0xfff8000000000001"),
    );
    both_ways("f64", 8, &[0, 0, 0, 0, 0, 0, 0xf0, 0xff], json!("-Infinity"));
    both_ways("f32", 4, &[0xcd, 0xcc, 0xcc, 0x3d], json!(0.1));
    both_ways("f32", 4, &[0, 0, 0x80, 0x7f], json!("Infinity"));
    both_ways("f32", 4, &[1, 0, 0x80, 0x7f], json!("NaN:0x7f800001"));
    both_ways("bool", 1, &[1], json!(true));
    both_ways(
        "char",
        4,
        &[0x80, 0xf9, 0x01, 0],
        json!("🦀").as_str().map(|_| json!("\u{1f980}")).unwrap(),
    );
    both_ways(
        "timestamp",
        8,
        &1_234_567_890_123_456_789_i64.to_le_bytes(),
        json!("2009-02-13T23:31:30.123456789Z"),
    );
    both_ways(
        "timestamp",
        8,
        &(-1_i64).to_le_bytes(),
        json!("1969-12-31T23:59:59.999999999Z"),
    );
    both_ways(
        "timestamp",
        8,
        &i64::MIN.to_le_bytes(),
        json!("1677-09-21T00:12:43.145224192Z"),
    );
    both_ways(
        "timestamp",
        8,
        &i64::MAX.to_le_bytes(),
        json!("2262-04-11T23:47:16.854775807Z"),
    );
    both_ways("[u8; 3]", 1, &[0, 0xab, 0xff], json!("00abff"));
    both_ways("str[4]", 1, b"ab\0\0", json!("ab"));
    both_ways("str[4]", 1, b"abcd", json!("abcd"));
    both_ways("str[4]", 1, b"ab\0c", json!({"$bytes": "61620063"}));
    both_ways("str[2]", 1, &[0xff, 0], json!({"$bytes": "ff00"}));
    both_ways("[i8; 3]", 1, &[1, 0xff, 0], json!([1, -1, 0]));
    both_ways("vec<u8; 3>", 2, &[2, 0, 7, 8, 0, 0], json!([7, 8]));
    both_ways(
        "vec<u8; 3>",
        2,
        &[1, 0, 7, 8, 0, 9],
        json!({"$items": [7], "$spare": "080009"}),
    );
    both_ways("u16?", 2, &[0; 4], json!(null));
    both_ways("u16?", 2, &[1, 0, 5, 0], json!(5));
    both_ways("u16?", 2, &[2, 0, 5, 0], json!({"$present": 2, "$value": 5}));
    both_ways("u16?", 2, &[0, 0, 5, 0], json!({"$present": 0, "$value": "0500"}));
    both_ways("u8??", 1, &[1, 0, 0], json!({"$present": 1, "$value": null}));
    both_ways("enum E: i8 { Minus = -1 }", 1, &[0xff], json!("Minus"));
    both_ways("open enum E: i8 { Minus = -1 }", 1, &[0xfe], json!(-2));
    both_ways(
        "flags F: u8 { A = 1, B = 6 }",
        1,
        &[0b1000_0111],
        json!(["A", "B", 128]),
    );
    both_ways("flags F: u8 { A = 1, B = 6 }", 1, &[0b0000_0010], json!([2]));
    both_ways("flags F: u8 { A = 1, B = 6 }", 1, &[0], json!([]));
    let union = "union U size 6 align 2 { N(u16) = 1, E = 2 }";
    both_ways(union, 2, &[0; 6], json!(null));
    both_ways(union, 2, &[1, 0, 5, 0, 0, 0], json!({"N": 5}));
    both_ways(union, 2, &[2, 0, 0, 0, 0, 0], json!({"E": null}));
    both_ways(union, 2, &[1, 0, 5, 0, 0, 9], json!({"N": 5, "$spare": "0009"}));
    both_ways(
        union,
        2,
        &[9, 0, 5, 0, 0, 0],
        json!({"$tag": 9, "$payload": "05000000"}),
    );
    both_ways("reserved[2]", 1, &[0, 1], json!("0001"));
    assert_eq!(decode(&one("reserved[2]", 2, 1), &[0, 0]).unwrap(), json!({}));
}

#[test]
fn errors_name_the_dotted_path() {
    let schema: Schema = "struct A v1 size 4 align 1 { legs: [struct Leg v1 size 2 align 1 \
        { side: enum Side: u8 { Buy = 1 } @0, on: bool @1 }; 2] @0 }"
        .parse()
        .unwrap();
    let decoded = |bytes: &[u8]| decode(&schema, bytes).unwrap_err().to_string();
    assert_eq!(
        decoded(&[1, 1, 7, 0]),
        "legs[1].side: the bytes hold 7, not a value of enum Side"
    );
    assert_eq!(
        decoded(&[1, 2, 1, 0]),
        "legs[0].on: the bytes hold 2, not 0 or 1, a bool"
    );
    assert_eq!(decoded(&[1]), "the message has 4 bytes by its schema, 1 were given");
    let encoded = |value: Value| encode(&schema, &value).unwrap_err().to_string();
    assert_eq!(
        encoded(json!({})),
        "legs: missing; every field but the reserved ones must be given"
    );
    assert_eq!(
        encoded(json!({"legs": [], "hand": 1})),
        "hand: the schema has no such field"
    );
    assert_eq!(
        encoded(json!({"legs": [1]})),
        "legs: expected a list of 2, found a list of 1"
    );
    assert_eq!(
        encoded(json!({"legs": [{"side": "Buy", "on": true}, {"side": "Bye", "on": true}]})),
        "legs[1].side: expected a value of enum Side: Buy, found the string \"Bye\" of 3 bytes"
    );
    let number = encode(&one("u8", 1, 1), &json!({"x": 256})).unwrap_err().to_string();
    assert_eq!(number, "x: expected an integer from 0 to 255, found the number 256");
    let text = encode(&one("str[2]", 2, 1), &json!({"x": "abc"}))
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "x: expected a string of at most 2 bytes without NUL, found the string \"abc\" of 3 bytes"
    );
    let count = decode(&one("vec<u8; 2>", 4, 2), &[3, 0, 1, 2]).unwrap_err().to_string();
    assert_eq!(count, "x: the bytes hold a count of 3, not at most 2 elements");
}

/// Also through JSON text, and for bytes that mean nothing in particular.
#[test]
fn whatever_decodes_encodes_to_the_same_bytes() {
    let mut random = Random(11);
    let mut decoded = 0;
    let mut check = |schema: &Schema, bytes: &[u8]| {
        if let Ok(value) = decode(schema, bytes) {
            decoded += 1;
            assert_eq!(encode(schema, &value).as_deref(), Ok(bytes), "{value}\n{schema}");
            let text: Value = serde_json::from_str(&value.to_string()).unwrap();
            assert_eq!(encode(schema, &text).as_deref(), Ok(bytes), "{value}\n{schema}");
        }
    };
    for seed in 0..3000 {
        let schema = Random(seed).schema();
        for _ in 0..20 {
            check(&schema, &random.bytes(schema.size() as usize));
        }
        check(&schema, &vec![0; schema.size() as usize]);
    }
    for descriptor in ALL {
        let schema = corpus::schema(descriptor);
        for _ in 0..200 {
            check(&schema, &random.bytes(schema.size() as usize));
        }
    }
    assert!(decoded > 15_000, "only {decoded} messages decoded");
}

/// The message with every kind, filled at random, but with values where not every byte is one.
#[test]
fn the_message_with_every_kind_round_trips() {
    let schema = schema(&EVERYTHING);
    let mut random = Random(12);
    let mut decoded = 0;
    for _ in 0..2000 {
        let mut bytes = random.bytes(448);
        for (at, of) in [(6, 2), (339, 2), (340, 2), (341, 2), (342, 2), (343, 2)] {
            bytes[at] = random.below(of) as u8;
        }
        for at in [7, 185, 336, 337, 338] {
            bytes[at] = 1 + random.below(2) as u8;
        }
        bytes[36..40].copy_from_slice(&(random.below(0xd800) as u32).to_le_bytes());
        bytes[112..114].copy_from_slice(&(random.below(14) as u16).to_le_bytes());
        bytes[128..132].copy_from_slice(&(random.below(4) as u32).to_le_bytes());
        bytes[280..288].copy_from_slice(&random.below(3).to_le_bytes());
        bytes[344..346].copy_from_slice(&(random.below(3) as u16).to_le_bytes());
        for shape in [208, 232, 256] {
            bytes[shape..shape + 8].copy_from_slice(&random.below(4).to_le_bytes());
        }
        let value = decode(&schema, &bytes).unwrap();
        assert_eq!(encode(&schema, &value).unwrap(), bytes);
        decoded += 1;
    }
    assert_eq!(decoded, 2000);
}

/// Two readings of the same rules: what the bytes of a message must hold, and what can be read from them.
#[test]
fn checks_refuse_exactly_what_cannot_be_decoded() {
    let mut random = Random(5);
    let (mut valid, mut invalid) = (0, 0);
    let everything = std::iter::repeat_n(schema(&EVERYTHING), 200);
    for schema in (0..200).map(|seed| Random(seed).schema()).chain(everything) {
        let checks = Checks::of(&schema);
        let zeros = vec![0; schema.size() as usize];
        let samples = (0..40).map(|_| {
            // Small numbers are valid enums, bools and counts more often.
            let bytes = random.bytes(schema.size() as usize);
            let bound = [2, 3, 255][random.below(3) as usize];
            bytes.into_iter().map(|byte| byte % bound).collect()
        });
        for sample in samples.chain([zeros]) {
            let sample: Vec<u8> = sample;
            let (checked, decoded) = (checks.check(&sample), decode(&schema, &sample));
            assert_eq!(
                checked.is_ok(),
                decoded.is_ok(),
                "{schema}\n{sample:?}\n{checked:?}\n{decoded:?}"
            );
            if let (Err(checked), Err(decoded)) = (checked, decoded) {
                assert_eq!(checked.path, decoded.path, "{schema}\n{sample:?}");
                invalid += 1;
            } else {
                valid += 1;
            }
        }
        assert!(checks.check(&[]).is_err());
        if checks.accept_all() {
            assert!(checks.check(&vec![0xff; schema.size() as usize]).is_ok(), "{schema}");
        }
    }
    assert!(valid > 2000 && invalid > 2000, "{valid} valid ones, {invalid} others");
}

#[test]
fn checks_name_the_part() {
    let refused = |text: &str, bytes: &[u8]| {
        let schema: Schema = text.parse().unwrap();
        Checks::of(&schema).check(bytes).unwrap_err().to_string()
    };
    let leg = "struct Leg v1 size 2 align 1 { side: enum Side: i8 { Buy = 1, Sell = -1 } @0, paid: bool @1 }";
    let order = format!("struct Order v1 size 4 align 1 {{ legs: [{leg}; 2] @0 }}");
    assert_eq!(
        refused(&order, &[1, 0, 0xfe, 0]),
        "legs[1].side: -2 is not a value of Side"
    );
    assert_eq!(
        refused(&order, &[1, 0, 0xff, 7]),
        "legs[1].paid: 7 is not a bool, 0 or 1"
    );
    let list = "struct A v1 size 4 align 2 { x: vec<u8; 2> @0 }";
    assert_eq!(refused(list, &[3, 0, 0, 0]), "x: the count is 3, the capacity 2");
    let letter = "struct A v1 size 4 align 4 { x: char @0 }";
    assert_eq!(refused(letter, &[0, 0xd8, 0, 0]), "x: 0xd800 is not a char");
    assert_eq!(refused(letter, &[0]), "1 bytes, the type has 4");
}

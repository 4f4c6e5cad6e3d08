//! Every form of a schema holds all of it, and hostile forms do no harm.

mod corpus;

use corpus::{ALL, EVERYTHING, Random, TICK, schema};
use dmxp_schema::model::{Field, Schema, Struct, Type};
use dmxp_schema::validate::limits;
use dmxp_schema::{binary, fingerprint, json, text};

/// The schemas of the corpus, then random ones.
fn schemas() -> impl Iterator<Item = Schema> {
    ALL.into_iter()
        .map(schema)
        .chain((0..3000).map(|seed| Random(seed).schema()))
}

#[test]
fn fingerprints_of_both_models_are_equal() {
    for descriptor in ALL {
        let schema = schema(descriptor);
        assert_eq!(schema.layout_fingerprint(), fingerprint::layout_of(descriptor));
        assert_eq!(schema.schema_fingerprint(), fingerprint::schema_of(descriptor));
    }
}

/// Computed by hand-written Python from the table in the documentation of `fingerprint`, not by this crate.
#[test]
fn fingerprints_are_those_of_the_documented_stream() {
    const LAYOUT: u64 = fingerprint::layout_of(&TICK);
    const SCHEMA: u64 = fingerprint::schema_of(&TICK);
    assert_eq!(LAYOUT, 0xc270_2b42_2b23_be91);
    assert_eq!(SCHEMA, 0x3c09_9f28_ce46_6573);
}

#[test]
fn notes_are_outside_the_fingerprints_and_names_outside_the_layout() {
    let original = schema(&EVERYTHING);
    let mut noted = original.without_docs().into_root();
    noted.version += 1;
    for field in &mut noted.fields {
        field.unit = "furlong".into();
        field.since = 9;
        field.aliases.clear();
    }
    let noted = Schema::new(noted).unwrap();
    assert_ne!(noted, original);
    assert_eq!(noted.layout_fingerprint(), original.layout_fingerprint());
    assert_eq!(noted.schema_fingerprint(), original.schema_fingerprint());

    let mut renamed = original.clone().into_root();
    renamed.fields[0].name = "another".into();
    let renamed = Schema::new(renamed).unwrap();
    assert_eq!(renamed.layout_fingerprint(), original.layout_fingerprint());
    assert_ne!(renamed.schema_fingerprint(), original.schema_fingerprint());
}

#[test]
fn text_round_trips() {
    for schema in schemas() {
        let line = text::write(&schema);
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(text::parse(&line).as_ref(), Ok(&schema), "{line}");
    }
}

#[test]
fn binary_round_trips() {
    for schema in schemas() {
        let bytes = binary::encode(&schema).unwrap();
        assert_eq!(binary::decode(&bytes).as_ref(), Ok(&schema));
        let mut followed = bytes.clone();
        followed.extend([0xff; 9]);
        assert_eq!(binary::decode_prefix(&followed).unwrap().1, bytes.len());
    }
}

#[test]
fn json_round_trips() {
    for schema in schemas() {
        let text = json::write(&schema);
        assert_eq!(
            json::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}")),
            schema
        );
        let value = serde_json::to_value(&schema).unwrap();
        assert_eq!(serde_json::from_value::<Schema>(value).unwrap(), schema);
    }
}

#[test]
fn syntax_errors_tell_column_expectation_and_finding() {
    for (line, message) in [
        ("", "schema text, column 1: expected `struct`, found the end"),
        (
            "struct 7",
            "schema text, column 8: expected the name of the struct, found `7`",
        ),
        (
            "struct A v1 size 4 align 4 { x u32 @0 }",
            "schema text, column 32: expected `:`, found `u32`",
        ),
        (
            "struct A v1 size 4 align 4 { x: u32 @0",
            "schema text, column 39: expected `,` or `}`, found the end",
        ),
        (
            "struct A v1 size 4 align 4 { x: enum E @0 }",
            "schema text, column 38: expected a definition of enum `E`, here or further left, found its name only",
        ),
        (
            "struct A v1 size 4 align 4 { x: u32 @0 doc \"\\q\" }",
            "schema text, column 45: expected `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t` or `\\u{...}`, found `q`",
        ),
        (
            "struct A v1 size 8 align 4 { x: u32 @0 }",
            "invalid schema: `A`: the parts end at byte 4, the size is 8; every byte must belong to a field",
        ),
        (
            "large struct A v1 size 4 align 4 { x: u32 @0 }",
            "schema text, column 1: expected `large` before messages of more than 960 bytes, and only before those, \
             found a message of 4 bytes with it",
        ),
        (
            "struct A v1 size 8 align 4 { x: u8 @0, y: u32 @4 }",
            "invalid schema: `A.y`: starts at offset 4, the previous field ends at 1: 3 bytes belong to no field; add a \
             reserved field for them",
        ),
    ] {
        assert_eq!(text::parse(line).unwrap_err().to_string(), message, "{line}");
    }
}

/// Truncations, flipped bits, replaced and inserted bytes: an error or a valid schema, never a panic.
#[test]
fn mutated_binary_never_panics() {
    let mut random = Random(7);
    for seed in 0..400 {
        let schema = if seed < ALL.len() as u64 {
            corpus::schema(ALL[seed as usize])
        } else {
            Random(seed).schema()
        };
        let bytes = binary::encode(&schema).unwrap();
        for len in 0..bytes.len().min(600) {
            assert!(binary::decode(&bytes[..len]).is_err());
        }
        for _ in 0..300 {
            let mut mutant = bytes.clone();
            for _ in 0..1 + random.below(4) {
                let at = random.below(mutant.len() as u64) as usize;
                match random.below(3) {
                    0 => mutant[at] ^= 1 << random.below(8),
                    1 => mutant[at] = random.next() as u8,
                    _ => mutant.insert(at, random.next() as u8),
                }
            }
            if random.below(2) == 0 {
                let len = (mutant.len() as u16).to_le_bytes();
                mutant[6..8].copy_from_slice(&len);
            }
            if let Ok(decoded) = binary::decode(&mutant) {
                // Whatever is accepted is a whole schema: every use of it works.
                assert_eq!(text::parse(&text::write(&decoded)).as_ref(), Ok(&decoded));
                assert_eq!(
                    binary::decode(&binary::encode(&decoded).unwrap()).as_ref(),
                    Ok(&decoded)
                );
            }
        }
    }
}

#[test]
fn mutated_text_never_panics() {
    let mut random = Random(8);
    for seed in 0..200 {
        let line: Vec<char> = text::write(&Random(seed).schema()).chars().collect();
        for _ in 0..50 {
            let mut mutant = line.clone();
            for _ in 0..1 + random.below(3) {
                let at = random.below(mutant.len().max(1) as u64) as usize;
                match random.below(3) {
                    0 if mutant.len() > 1 => drop(mutant.remove(at)),
                    1 => mutant[at] = line[random.below(line.len() as u64) as usize],
                    _ => mutant.truncate(at.max(1)),
                }
            }
            let _ = text::parse(&mutant.iter().collect::<String>());
        }
    }
}

/// Each definition holds the previous one twice: 2^n structs from n lines. And one below the other without recursion.
#[test]
fn stacked_definitions_are_refused_without_being_walked() {
    let mut line = "struct Root v1 size 1 align 1 { a: struct S0 v1 size 1 align 1 { x: u8 @0 } @0".to_owned();
    for level in 1..200 {
        let below = level - 1;
        line += &format!(
            ", f{level}: struct S{level} v1 size 1 align 1 {{ a: struct S{below} @0, b: struct S{below} @1 }} @0"
        );
    }
    line += " }";
    let error = text::parse(&line).unwrap_err().to_string();
    assert!(error.contains("at most 16 levels"), "{error}");
}

#[test]
fn deep_nesting_is_refused_in_every_form() {
    let deep = |levels: usize| {
        format!(
            "struct A v1 size 1 align 1 {{ x: {}u8{} @0 }}",
            "[".repeat(levels),
            "; 1]".repeat(levels)
        )
    };
    assert!(text::parse(&deep(14)).is_ok());
    for levels in [15, 100_000] {
        let error = text::parse(&deep(levels)).unwrap_err().to_string();
        assert!(error.contains("at most 16 levels"), "{error}");
    }
    let nullable = format!("struct A v1 size 1 align 1 {{ x: u8{} @0 }}", "?".repeat(100_000));
    assert!(
        text::parse(&nullable)
            .unwrap_err()
            .to_string()
            .contains("at most 16 levels")
    );

    // Kind 18 is nullable: as many levels as bytes.
    let mut bytes = binary::encode(&schema(&TICK)).unwrap();
    bytes.extend([18; 16_000]);
    bytes.truncate(16_384);
    let field = bytes.windows(6).position(|window| window == b"\x05price").unwrap();
    bytes[field + 7..].fill(18);
    let len = (bytes.len() as u16).to_le_bytes();
    bytes[6..8].copy_from_slice(&len);
    let error = binary::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("no deeper nesting than the limit"), "{error}");

    let json = format!(
        "{{\"name\":\"A\",\"size\":1,\"align\":1,\"fields\":[{{\"name\":\"x\",\"offset\":0,\"type\":{}\"u8\"{}}}]}}",
        "{\"nullable\":".repeat(10_000),
        "}".repeat(10_000)
    );
    assert!(json::read(&json).is_err());
}

#[test]
fn limits_hold() {
    let with = |change: &dyn Fn(&mut Struct)| {
        let mut root = schema(&TICK).into_root();
        change(&mut root);
        Schema::new(root).map(drop).map_err(|error| error.to_string())
    };
    let refused = |change: &dyn Fn(&mut Struct), part: &str| {
        let error = with(change).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    assert_eq!(with(&|_| {}), Ok(()));
    refused(&|s| s.name = "x".repeat(129), "129 bytes");
    refused(&|s| s.name = "naïve".into(), "not a name");
    refused(&|s| s.fields[1].name = "price".into(), "used twice");
    refused(&|s| s.fields[1].aliases = vec!["price".into()], "used twice");
    refused(&|s| s.fields[1].offset = 4, "inside the previous field");
    refused(&|s| s.fields[1].offset = 12, "4 bytes belong to no field");
    refused(&|s| s.size = 40, "the parts end at byte 32");
    refused(&|s| s.size = 24, "the parts end at byte");
    refused(&|s| s.align = 4, "at least that of the field, 8");
    refused(&|s| s.align = 12, "a power of two");
    refused(&|s| s.align = 128, "a power of two, at most 64");
    refused(&|s| s.fields[2].ty = Type::Str(u32::MAX), "");
    refused(
        &|s| {
            s.fields[2].ty = Type::Array {
                element: Box::new(Type::U32),
                len: u32::MAX,
            }
        },
        "",
    );
    refused(&|s| s.fields = vec![], "the parts end at byte 0");
    let bytes = Type::Bytes(limits::MAX_SIZE);
    let mut large = Struct {
        name: "Large".into(),
        size: limits::MAX_SIZE,
        ..Struct::default()
    };
    large.fields.push(Field::new("all", 0, bytes));
    let large = Schema::new(large).unwrap();
    assert!(large.is_large());
    assert_eq!(text::parse(&text::write(&large)).as_ref(), Ok(&large));
    assert_eq!(binary::decode(&binary::encode(&large).unwrap()).as_ref(), Ok(&large));
}

#[test]
fn doc_comments_that_do_not_fit_are_left_out() {
    let mut root = schema(&TICK).into_root();
    root.doc = "x".repeat(20_000);
    let wordy = Schema::new(root).unwrap();
    let error = binary::encode(&wordy).unwrap_err().to_string();
    assert!(error.contains("the limit is 16384"), "{error}");
    let bytes = binary::encode_to_fit(&wordy, 4096).unwrap();
    assert_eq!(binary::decode(&bytes).unwrap(), wordy.without_docs());
    assert!(binary::encode_to_fit(&wordy, 20).is_err());
}

//! Verdicts between two schemas, with the text a person reads.

mod corpus;

use corpus::{ALL, Random, schema};
use dmxp_schema::compat::{Verdict, compare};
use dmxp_schema::model::{Schema, Type};

/// Two messages of 16 bytes that differ in what `channel` and `here` say.
fn compared(channel: &str, here: &str) -> (Verdict, String) {
    let parse = |fields: &str| -> Schema { format!("struct M v1 size 16 align 8 {{ {fields} }}").parse().unwrap() };
    let comparison = compare(&parse(channel), &parse(here));
    (comparison.verdict, comparison.to_string())
}

#[track_caller]
fn refused(channel: &str, here: &str, line: &str) {
    let (verdict, text) = compared(channel, here);
    assert_eq!(verdict, Verdict::Incompatible, "{text}");
    assert!(text.lines().any(|found| found.trim() == line), "{text}");
}

#[track_caller]
fn accepted(channel: &str, here: &str, line: &str) {
    let (verdict, text) = compared(channel, here);
    assert_eq!(verdict, Verdict::Compatible, "{text}");
    assert!(text.lines().any(|found| found.trim() == line), "{text}");
}

#[test]
fn equal_schemas_are_identical() {
    for schema in ALL
        .into_iter()
        .map(schema)
        .chain((0..300).map(|seed| Random(seed).schema()))
    {
        let comparison = compare(&schema, &schema.clone());
        assert_eq!(comparison.verdict, Verdict::Identical, "{comparison}");
    }
}

#[test]
fn a_type_change_names_field_offsets_and_types() {
    refused(
        "id: u64 @0, price: f64 @8",
        "id: u64 @0, price: f32 @8, rest: reserved[4] @12",
        "field `price`: f64 at offset 8 in the channel, f32 at offset 8 here (another type)",
    );
    refused(
        "a: u64 @0, name: str[8] @8",
        "a: u64 @0, name: [u8; 8] @8",
        "field `name`: str[8] at offset 8 in the channel, [u8; 8] at offset 8 here (another type)",
    );
}

#[test]
fn a_moved_field_is_refused() {
    refused(
        "a: u64 @0, b: u32 @8, c: u32 @12",
        "a: u64 @0, c: u32 @8, b: u32 @12",
        "field `b`: u32 at offset 8 in the channel, u32 at offset 12 here (moved)",
    );
}

#[test]
fn fields_may_be_appended_into_reserved_bytes_by_either_side() {
    let old = "a: u64 @0, rest: reserved[8] @8";
    let new = "a: u64 @0, b: u32 @8 since 2, rest: reserved[4] @12";
    accepted(
        old,
        new,
        "field `b`: reserved in the channel, u32 at offset 8 here (only the reader knows it, and finds zero)",
    );
    accepted(
        new,
        old,
        "field `b`: u32 at offset 8 in the channel, reserved here (only the writer knows it)",
    );
    refused(
        old,
        "a: u64 @0, s: enum S: u8 { Buy = 1 } @8, rest: reserved[7] @9",
        "field `s`: reserved in the channel, enum S at offset 8 here (only the reader knows it, and zero is not one of its \
         values)",
    );
    accepted(
        old,
        "a: u64 @0, s: enum S: u8 { Off = 0 } @8, rest: reserved[7] @9",
        "field `s`: reserved in the channel, enum S at offset 8 here (only the reader knows it, and finds zero)",
    );
    // Half of the bytes are not reserved.
    refused(
        "a: u64 @0, b: u32 @8, rest: reserved[4] @12",
        "a: u64 @0, c: u64 @8",
        "field `c`: `b`, u32 at offset 8, in the channel, u64 at offset 8 here (the other side has no such field; if it was \
         renamed, name the old name as an alias)",
    );
}

#[test]
fn a_rename_needs_an_alias_on_one_side() {
    let (old, new) = ("a: u64 @0, b: u64 @8", "a: u64 @0, c: u64 @8 alias b");
    accepted(
        old,
        new,
        "field `c`: named `b` in the channel, named `c` here (renamed, known by its alias)",
    );
    accepted(
        new,
        old,
        "field `b`: named `c` in the channel, named `b` here (renamed, known by its alias)",
    );
    assert_eq!(compared(old, "a: u64 @0, c: u64 @8").0, Verdict::Incompatible);
}

#[test]
fn enums_follow_their_kind() {
    let with = |kind: &str, values: &str| format!("a: u64 @0, e: {kind} E: u64 {{ {values} }} @8");
    let closed = |values: &str| with("enum", values);
    let open = |values: &str| with("open enum", values);
    refused(
        &closed("A = 1, B = 2"),
        &closed("A = 1"),
        "value `e.B`: 2 in the channel, nothing here (a closed enum takes only values it knows)",
    );
    accepted(
        &closed("A = 1"),
        &closed("A = 1, B = 2"),
        "value `e.B`: nothing in the channel, 2 here (only the reader knows it)",
    );
    accepted(
        &open("A = 1, B = 2"),
        &open("A = 1"),
        "value `e.B`: 2 in the channel, nothing here (the reader keeps values it does not know)",
    );
    accepted(
        &with("flags", "A = 1, B = 2"),
        &with("flags", "A = 1"),
        "value `e.B`: 2 in the channel, nothing here (the reader keeps values it does not know)",
    );
    refused(
        &open("A = 1"),
        &open("B = 1"),
        "value `e.A`: 1 in the channel, 1, named `B`, here (the same number with another name)",
    );
    refused(
        &open("A = 1"),
        &open("A = 2"),
        "value `e.A`: 1 in the channel, 2 here (the same name with another number)",
    );
    accepted(
        &closed("A = 1"),
        &open("A = 1"),
        "field `e`: closed enum in the channel, open enum here (the reader takes every value)",
    );
    refused(
        &open("A = 1"),
        &closed("A = 1"),
        "field `e`: open enum E of u64 at offset 8 in the channel, closed enum E of u64 at offset 8 here (another type)",
    );
}

#[test]
fn unions_may_grow() {
    let with = |variants: &str| format!("u: union U size 16 align 8 {{ {variants} }} @0");
    let (old, new) = (with("A(u64) = 1"), with("A(u64) = 1, B = 2"));
    accepted(
        &new,
        &old,
        "variant `u.B`: B = 2 in the channel, nothing here (the reader keeps variants it does not know)",
    );
    accepted(
        &old,
        &new,
        "variant `u.B`: nothing in the channel, B = 2 here (only the reader knows it)",
    );
    refused(
        &old,
        &with("A = 1"),
        "variant `u.A`: A(u64) = 1 in the channel, A = 1 here (another payload)",
    );
    refused(
        &old,
        &with("A(i64) = 1"),
        "field `u.A`: u64 at offset 0 in the channel, i64 at offset 0 here (another type)",
    );
}

#[test]
fn differences_inside_nested_types_have_a_path() {
    let with = |ty: &str| format!("legs: [struct Leg v1 size 8 align 8 {{ x: {ty} @0 }}; 2] @0");
    refused(
        &with("u64"),
        &with("timestamp"),
        "field `legs[].x`: u64 at offset 0 in the channel, timestamp at offset 0 here (another type)",
    );
}

#[test]
fn notes_never_stand_in_the_way() {
    let plain = "a: u64 @0, b: u64 @8";
    let noted = "a: u64 @0 since 2 unit \"m\" alias z doc \"Length.\", b: u64 @8";
    accepted(plain, noted, "field `a`: nothing in the channel, in \"m\" here (unit)");
    accepted(
        noted,
        plain,
        "field `a`: \"Length.\" in the channel, nothing here (doc comment)",
    );
}

#[test]
fn size_alignment_and_name_of_the_message_must_be_equal() {
    let a: Schema = "struct A v1 size 8 align 8 { x: u64 @0 }".parse().unwrap();
    let b: Schema = "struct B v1 size 16 align 8 { x: u64 @0, y: u64 @8 }".parse().unwrap();
    assert_eq!(
        compare(&a, &b).describe("here", "in the channel"),
        "the schemas are not compatible, for 3 reasons:\n  \
         message `B`: message `A` here, message `B` in the channel (not the same message)\n  \
         message `B`: 8 bytes aligned to 8 here, 16 bytes aligned to 8 in the channel (size and alignment must be equal)\n  \
         field `y`: nothing here, u64 at offset 8 in the channel (the other side has no such field; if it was renamed, name \
         the old name as an alias)"
    );
}

#[test]
fn what_differs_in_wording_alone_is_compatible_and_not_identical() {
    let line = "message `M`: one wording in the channel, another here (notes inside a type, the order of values or variants, \
                or how reserved bytes are divided and named)";
    for (channel, here) in [
        (
            "a: open enum Side: u8 { Buy = 1 doc \"one\", Sell = 2 } @0, b: reserved[15] @1",
            "a: open enum Side: u8 { Buy = 1 doc \"two\", Sell = 2 } @0, b: reserved[15] @1",
        ),
        (
            "a: open enum Side: u8 { Buy = 1, Sell = 2 } @0, b: reserved[15] @1",
            "a: open enum Side: u8 { Sell = 2, Buy = 1 } @0, b: reserved[15] @1",
        ),
        (
            "a: u64 @0, b: reserved[8] @8",
            "a: u64 @0, b: reserved[4] @8, c: reserved[4] @12",
        ),
        (
            "a: u64 @0, b: struct B v1 size 8 align 8 { c: u64 @0 } @8",
            "a: u64 @0, b: struct B v2 size 8 align 8 { c: u64 @0 } @8",
        ),
    ] {
        accepted(channel, here, line);
    }
}

/// Changing the type of any field to one of the same size is noticed.
#[test]
fn every_changed_field_is_noticed() {
    for seed in 0..500 {
        let schema = Random(seed).schema();
        for index in 0..schema.root().fields.len() {
            let mut root = schema.root().clone();
            let field = &mut root.fields[index];
            let other = if matches!(field.ty, Type::Bytes(_)) {
                Type::Str
            } else {
                Type::Bytes
            };
            if matches!(field.ty, Type::Reserved(_)) {
                continue;
            }
            field.ty = other(field.ty.size());
            if let Ok(changed) = Schema::new(root) {
                assert_eq!(compare(&schema, &changed).verdict, Verdict::Incompatible);
                assert_ne!(schema.layout_fingerprint(), changed.layout_fingerprint());
            }
        }
    }
}

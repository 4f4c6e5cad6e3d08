//! Descriptors say what the compiler does, and every byte of a message belongs to a field.

use std::mem::{align_of, offset_of, size_of};

use dmxp::DmxpMessage;
use dmxp::message::{
    DmxpField, Enumeration, FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, TaggedUnion, Timestamp,
};
use dmxp_schema::descriptor::{IntegerType, StructDescriptor, TypeDescriptor};

/// Who buys
/// and who sells.
#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(u8)]
enum Side {
    /// Buys.
    Buy = 1,
    #[dmxp(name = "Ask")]
    Sell = 200,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(i32)]
enum Level {
    Low = i32::MIN,
    Middle = -1,
    High = i32::MAX,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[dmxp(flags)]
#[repr(u64)]
enum Quality {
    Stale = 1,
    Last = 1 << 63,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
#[repr(C)]
struct Leg {
    side: Side,
    symbol: FixedStr<7>,
    ratio: Nullable<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
enum Reading {
    Celsius(f32),
    /// Much text.
    #[dmxp(name = "Text")]
    Note(FixedStr<13>),
    Offline,
    #[dmxp(tag = 9)]
    Leg(Leg),
}

/// Everything at once.
#[derive(Clone, Copy, Debug, DmxpMessage)]
#[dmxp(name = "Everything", version = 4)]
#[repr(C, align(64))]
struct All {
    long: u64,
    /// Price per unit.
    #[dmxp(unit = "EUR", since = 2, alias = "cost", alias = "value")]
    price: f64,
    time: Timestamp,
    quality: Flags<Quality>,
    maybe: Nullable<f64>,
    level: Level,
    open: Open<Level>,
    letter: char,
    reading: Tagged<Reading>,
    levels: FixedVec<Level, 3>,
    legs: [Leg; 3],
    sides: FixedVec<Side, 4>,
    flag: bool,
    #[dmxp(name = "kind")]
    r#type: i8,
    raw: [u8; 3],
    reserved: Reserved<7>,
    grid: [[u16; 2]; 3],
    nested: Nullable<Nullable<u8>>,
    _gap: u8,
    inner: Nullable<Leg>,
    _pad: [u8; 12],
}

/// Marks what each scalar of the type covers.
fn cover(ty: &TypeDescriptor, at: usize, covered: &mut [u8]) {
    match ty {
        TypeDescriptor::Array { element, len } => {
            (0..*len as usize).for_each(|index| cover(element, at + index * element.size() as usize, covered));
        }
        TypeDescriptor::Vec { element, capacity } => {
            let count = if element.align() < 2 {
                2
            } else {
                element.align() as usize
            };
            covered[at..at + count].iter_mut().for_each(|byte| *byte += 1);
            (0..*capacity as usize)
                .for_each(|index| cover(element, at + count + index * element.size() as usize, covered));
        }
        TypeDescriptor::Nullable(value) => {
            let word = value.align() as usize;
            covered[at..at + word].iter_mut().for_each(|byte| *byte += 1);
            cover(value, at + word, covered);
        }
        TypeDescriptor::Struct(inner) => {
            inner
                .fields
                .iter()
                .for_each(|field| cover(field.ty, at + field.offset as usize, covered));
        }
        // All others are whole: numbers, bytes, and unions, whose payload is an array of words.
        whole => covered[at..at + whole.size() as usize]
            .iter_mut()
            .for_each(|byte| *byte += 1),
    }
}

fn assert_covered_once(schema: &StructDescriptor) {
    let mut covered = vec![0; schema.size as usize];
    schema
        .fields
        .iter()
        .for_each(|field| cover(field.ty, field.offset as usize, &mut covered));
    assert!(covered.iter().all(|times| *times == 1), "{}: {covered:?}", schema.name);
}

#[test]
fn every_byte_belongs_to_exactly_one_field() {
    assert_covered_once(All::SCHEMA);
    assert_covered_once(Leg::SCHEMA);
}

#[test]
fn the_schema_has_the_offsets_of_the_compiler() {
    let expected = [
        ("long", offset_of!(All, long), size_of::<u64>()),
        ("price", offset_of!(All, price), 8),
        ("time", offset_of!(All, time), 8),
        ("quality", offset_of!(All, quality), 8),
        ("maybe", offset_of!(All, maybe), 16),
        ("level", offset_of!(All, level), 4),
        ("open", offset_of!(All, open), 4),
        ("letter", offset_of!(All, letter), 4),
        ("reading", offset_of!(All, reading), 20),
        ("levels", offset_of!(All, levels), 16),
        ("legs", offset_of!(All, legs), 36),
        ("sides", offset_of!(All, sides), 6),
        ("flag", offset_of!(All, flag), 1),
        ("kind", offset_of!(All, r#type), 1),
        ("raw", offset_of!(All, raw), 3),
        ("reserved", offset_of!(All, reserved), 7),
        ("grid", offset_of!(All, grid), 12),
        ("nested", offset_of!(All, nested), 3),
        ("_gap", offset_of!(All, _gap), 1),
        ("inner", offset_of!(All, inner), 14),
        ("_pad", offset_of!(All, _pad), 12),
    ];
    let found: Vec<_> = All::SCHEMA
        .fields
        .iter()
        .map(|field| (field.name, field.offset as usize, field.ty.size() as usize))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        (All::SCHEMA.size as usize, All::SCHEMA.align as usize),
        (size_of::<All>(), align_of::<All>())
    );
    assert_eq!((size_of::<All>(), align_of::<All>()), (192, 64));
}

#[test]
fn every_field_type_is_as_large_and_aligned_as_its_descriptor() {
    fn assert_same<T: DmxpField>() {
        let ty = T::TYPE;
        assert_eq!(
            (ty.size() as usize, ty.align() as usize),
            (size_of::<T>(), align_of::<T>()),
            "{ty:?}"
        );
    }
    assert_same::<u8>();
    assert_same::<i16>();
    assert_same::<f32>();
    assert_same::<u64>();
    assert_same::<bool>();
    assert_same::<char>();
    assert_same::<[[i64; 3]; 2]>();
    assert_same::<Timestamp>();
    assert_same::<FixedStr<5>>();
    assert_same::<Reserved<9>>();
    assert_same::<FixedVec<u8, 4>>();
    assert_same::<FixedVec<u16, 3>>();
    assert_same::<FixedVec<f32, 1>>();
    assert_same::<FixedVec<Nullable<f64>, 5>>();
    assert_same::<FixedVec<FixedVec<u8, 2>, 3>>();
    assert_same::<Nullable<u8>>();
    assert_same::<Nullable<[u16; 3]>>();
    assert_same::<Nullable<u64>>();
    assert_same::<Nullable<Leg>>();
    assert_same::<Nullable<Tagged<Reading>>>();
    assert_same::<Side>();
    assert_same::<Open<Level>>();
    assert_same::<Flags<Quality>>();
    assert_same::<Tagged<Reading>>();
    assert_same::<All>();
}

#[test]
fn attributes_and_doc_comments_reach_the_schema() {
    let schema = All::SCHEMA;
    assert_eq!(
        (schema.name, schema.version, schema.doc),
        ("Everything", 4, "Everything at once.")
    );
    let price = &schema.fields[1];
    assert_eq!((price.doc, price.unit, price.since), ("Price per unit.", "EUR", 2));
    assert_eq!(price.aliases, ["cost", "value"]);
    let long = &schema.fields[0];
    assert_eq!((long.doc, long.unit, long.since, long.aliases), ("", "", 1, &[][..]));
    assert_eq!((Leg::SCHEMA.name, Leg::SCHEMA.version), ("Leg", 1));
}

#[test]
fn enums_are_described_with_their_values() {
    assert_eq!(Side::ENUM.repr, IntegerType::U8);
    assert_eq!(Side::ENUM.doc, "Who buys\nand who sells.");
    let values: Vec<_> = Side::ENUM
        .values
        .iter()
        .map(|value| (value.name, value.value, value.doc))
        .collect();
    assert_eq!(values, [("Buy", 1, "Buys."), ("Ask", 200, "")]);
    let values: Vec<_> = Level::ENUM.values.iter().map(|value| value.value).collect();
    assert_eq!(values, [-2_147_483_648, -1, 2_147_483_647]);
    assert_eq!(Quality::ENUM.values[1].value, 9_223_372_036_854_775_808);
    assert_eq!(Level::VALUES, [Level::Low, Level::Middle, Level::High]);
}

#[test]
fn unions_are_described_with_their_tags() {
    let union = Reading::UNION;
    assert_eq!((union.name, union.size, union.align), ("Reading", 20, 4));
    let variants: Vec<_> = union
        .variants
        .iter()
        .map(|variant| (variant.name, variant.tag, variant.ty))
        .collect();
    assert_eq!(
        variants,
        [
            ("Celsius", 1, Some(&TypeDescriptor::F32)),
            ("Text", 2, Some(&TypeDescriptor::Str(13))),
            ("Offline", 3, None),
            ("Leg", 9, Some(Leg::TYPE)),
        ]
    );
    assert_eq!(union.variants[1].doc, "Much text.");
}

#[test]
fn fingerprints_are_those_of_the_schema() {
    const LAYOUT: u64 = All::LAYOUT_FINGERPRINT;
    assert_eq!(LAYOUT, dmxp_schema::fingerprint::layout_of(All::SCHEMA));
    assert_eq!(
        All::SCHEMA_FINGERPRINT,
        dmxp_schema::fingerprint::schema_of(All::SCHEMA)
    );
    assert_ne!(All::LAYOUT_FINGERPRINT, Leg::LAYOUT_FINGERPRINT);
}

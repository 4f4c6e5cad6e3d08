//! Schemas, stubs and fingerprints that docs/SCHEMA.md quotes.

use super::markdown::{blocks, document, section};
use dmxp::DmxpMessage;
use std::collections::BTreeSet;

/// The messages of docs/SCHEMA.md and docs/tutorial, typed in again.
#[allow(
    unreachable_pub,
    missing_docs,
    reason = "as in the documents, where they are a crate's"
)]
pub(super) mod messages {
    use dmxp::message::{FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp};

    /// What a sensor measured.
    #[dmxp::message]
    pub struct Reading {
        /// When it was measured.
        pub time: Timestamp,
        /// Absent when the sensor failed.
        #[dmxp(unit = "degC")]
        pub temperature: Nullable<f64>,
        /// The sensor's name.
        pub sensor: FixedStr<8>,
    }

    /// Which way.
    #[dmxp::message]
    #[repr(u8)]
    pub enum Side {
        Buy = 1,
        Sell = 2,
    }

    #[dmxp::message]
    #[dmxp(flags)]
    #[repr(u16)]
    pub enum Quality {
        Stale = 1,
        Indicative = 2,
    }

    #[dmxp::message]
    pub struct Leg {
        pub ratio: f32,
        pub symbol: FixedStr<8>,
    }

    #[dmxp::message]
    pub enum Event {
        Price(f64),
        Note(FixedStr<14>),
        Halted,
    }

    #[dmxp::message]
    pub struct Kinds {
        pub id: u64,
        pub price: f64,
        pub time: Timestamp,
        pub maybe: Nullable<f64>,
        pub event: Tagged<Event>,
        pub list: FixedVec<u32, 3>,
        pub leg: Leg,
        pub letter: char,
        pub numbers: [u16; 2],
        pub quality: Flags<Quality>,
        pub side: Side,
        pub open_side: Open<Side>,
        pub name: FixedStr<6>,
        pub raw: [u8; 4],
        pub yes: bool,
        pub maybe_byte: Nullable<u8>,
        pub later: Reserved<11>,
    }
}
use messages::{Kinds, Reading};

#[test]
fn schemas_and_stubs_are_quoted_as_they_are() {
    let document = document("docs/SCHEMA.md");
    let quoted: BTreeSet<String> = blocks(&document, "text")
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| line.starts_with("struct ") && line.ends_with('}'))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        quoted,
        BTreeSet::from([Kinds::schema().to_string(), Reading::schema().to_string()])
    );
    for fingerprint in [Reading::LAYOUT_FINGERPRINT, Reading::SCHEMA_FINGERPRINT] {
        assert!(document.contains(&format!("`{fingerprint:#018x}`")));
    }

    let has_all = |quoted: &str, whole: &str| {
        let whole: BTreeSet<&str> = whole.lines().collect();
        for line in quoted.lines() {
            assert!(whole.contains(line), "not in what is generated: {line}");
        }
    };
    let c = blocks(&section(&document, "### C and C++"), "c");
    has_all(&c[0], &Reading::c_header());
    let python = blocks(&section(&document, "### Python"), "python");
    has_all(&python[0], &Reading::python_module());
    assert!(Reading::c_header().contains("\"Reading.sensor: offset\""));

    let ping: dmxp::schema::model::Schema = "struct Ping v1 size 4 align 4 { sequence: u32 @0 }"
        .parse()
        .expect("a schema");
    let binary = dmxp::schema::binary::encode(&ping).expect("it is small");
    let hex: Vec<String> = binary.iter().map(|byte| format!("{byte:02x}")).collect();
    let binary_form = section(&document, "## Binary form");
    assert_eq!(blocks(&binary_form, "hex")[0].trim(), hex.join(" "));
    assert!(binary_form.contains(&format!("has {} bytes", hex.len())));
    for wrong in [
        "struct Ping v1 size 4 align 4 { sequence: u33 @0 }",
        "struct Ping v1 size 8 align 4 { sequence: u32 @0 }",
    ] {
        let error = wrong.parse::<dmxp::schema::model::Schema>().unwrap_err();
        assert!(document.contains(&error.to_string()), "{error}");
    }
}

#[test]
fn the_documents_own_program_computes_the_fingerprints() {
    let Some(python) = dmxp_tests::python() else { return };
    let document = document("docs/SCHEMA.md");
    let program = &blocks(&section(&document, "## Fingerprints"), "python")[0];
    let printed = dmxp_tests::PeerCommand::new(python).arg("-c").arg(program).output();
    let expected = [Reading::LAYOUT_FINGERPRINT, Reading::SCHEMA_FINGERPRINT].map(|number| format!("{number:#018x}\n"));
    assert_eq!(printed, expected.concat());
}

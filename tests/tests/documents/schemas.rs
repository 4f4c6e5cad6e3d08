//! Schemas, stubs and fingerprints that docs/SCHEMA.md quotes.

use super::markdown::{blocks, document, section};
use dmxp::DmxpMessage;
use dmxp::schema::generate::{self, LANGUAGES};
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
    let header = generate::c::header(&[Reading::schema()]);
    has_all(&c[0], &header);
    let python = blocks(&section(&document, "### Python"), "python");
    has_all(&python[0], &generate::python::module(&[Reading::schema()]));
    assert!(header.contains("\"Reading.sensor: offset\""));

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
fn messages_without_their_type_are_read_as_quoted() {
    use dmxp::schema::codec::field::Record;

    let part = section(&document("docs/SCHEMA.md"), "## Messages without their type");
    let quoted = blocks(&part, "text");
    let schema = Reading::schema();
    // By hand: the time, the presence word, the temperature, the name.
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&1_700_000_000_000_000_000_i64.to_le_bytes());
    bytes[8] = 1;
    bytes[16..24].copy_from_slice(&20.5_f64.to_le_bytes());
    bytes[24..28].copy_from_slice(b"roof");
    let roof = Record::new(&schema, &bytes).expect("32 bytes");
    assert_eq!(quoted[0].trim_end(), roof.to_string());

    let mut hostile = [0; 32];
    hostile[24] = 0xff;
    let hostile = Record::new(&schema, &hostile).expect("32 bytes");
    let number = |field: &str| hostile.field(field).and_then(|value| value.as_f64()).unwrap_err();
    let text = hostile.field("sensor").and_then(|value| value.as_str()).unwrap_err();
    let errors = [number("temprature"), number("sensor"), text, number("temperature")];
    assert_eq!(quoted[1], errors.map(|error| format!("{error}\n")).concat());
}

#[test]
fn the_languages_are_listed_as_the_table_in_the_code_has_them() {
    let part = section(&document("docs/SCHEMA.md"), "## Types of other languages");
    let rows: String = LANGUAGES
        .iter()
        .map(|language| {
            let files = language.outputs.iter();
            let files: Vec<String> = files.map(|output| format!("`.{}`", output.extension)).collect();
            format!("| `{}` | {} | {} |\n", language.name, files.join(", "), language.about)
        })
        .collect();
    let table = format!("| language | files | what is written |\n|---|---|---|\n{rows}\n");
    assert!(part.contains(&table), "docs/SCHEMA.md lacks\n{table}");

    let written: String = LANGUAGES
        .iter()
        .flat_map(|language| language.outputs)
        .map(|output| format!("wrote generated/readings.{}\n", output.extension))
        .collect();
    assert!(
        blocks(&part, "text")[0].ends_with(&written),
        "docs/SCHEMA.md lacks\n{written}"
    );
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

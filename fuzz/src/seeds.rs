//! Inputs to start from, where random bytes would take long to get anywhere.

use crate::base::CHANNELS;
use crate::draw::{framed, whole_channel, written};
use dmxp::DmxpMessage;
use dmxp::message::MAX_MESSAGE_SIZE;
use dmxp_schema::model::Schema;
use dmxp_schema::{binary, codec, json, text};
use dmxp_tests::{EveryKind, Payloads};
use std::collections::BTreeMap;
use std::path::Path;

/// Names of targets, and inputs for them.
///
/// # Panics
/// When a schema below is not one, or the kept corpus cannot be read.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let noise = Payloads::new(2);
    let mut seeds = Vec::new();
    for i in 0..64 {
        let input = noise.of_len(i, 40 + 10 * i as usize);
        seeds.extend([("region", input.clone()), ("live", input)]);
    }
    for channel in CHANNELS {
        seeds.push((
            "region_raw",
            [written(&whole_channel(channel)), noise.of_len(99, 400)].concat(),
        ));
    }

    let mut schemas: Vec<Schema> = [
        "struct Tick v1 size 16 align 8 doc \"A price.\" { price: f64 @0 unit \"EUR\", volume: u64 @8 since 2 alias amount }",
        "struct Small v3 size 1 align 1 { all: reserved[1] @0 }",
        "struct Outer v1 size 12 align 4 { inner: struct Inner v1 size 4 align 4 { a: u32 @0 } @0, maybe: f32? @4 }",
    ]
    .iter()
    .map(|line| line.parse().expect("a schema"))
    .collect();
    let every = Schema::try_from(EveryKind::SCHEMA).expect("the schema of a message");
    schemas.push(every.clone());
    schemas.push(every.without_docs());
    for schema in &schemas {
        for other in &schemas {
            seeds.extend(both(schema, other));
        }
        seeds.push((
            "codec",
            framed(text::write(schema).as_bytes(), b"{\"price\": 1, \"volume\": 2}"),
        ));
    }
    // What one target has found is for the others too.
    schemas.extend(kept_schemas());
    for (schema, next) in schemas.iter().zip(&schemas[1..]) {
        seeds.extend(both(schema, next));
    }
    for schema in &schemas {
        seeds.push(("schema_text", text::write(schema).into_bytes()));
        seeds.push(("schema_json", json::write(schema).into_bytes()));
        let Ok(bytes) = binary::encode(schema) else { continue };
        // A kept schema may be of a message of gigabytes.
        if schema.size() as usize <= MAX_MESSAGE_SIZE {
            let zeros = vec![0; schema.size() as usize];
            if let Ok(value) = codec::decode(schema, &zeros) {
                seeds.push(("codec", framed(&bytes, value.to_string().as_bytes())));
            }
            seeds.push(("codec", framed(&bytes, &zeros)));
        }
        seeds.push(("schema_binary", bytes));
    }
    let bytes = binary::encode(&every).expect("it fits");
    for i in 0..4 {
        let message = dmxp::message::bytes_of(&EveryKind::drawn(1, i)).to_vec();
        let value = codec::decode(&every, &message).expect("a message");
        seeds.push(("codec", framed(&bytes, &message)));
        seeds.push(("codec", framed(&bytes, value.to_string().as_bytes())));
    }
    seeds
}

/// For the comparison of two schemas, unless one is too large for the binary form.
fn both(one: &Schema, other: &Schema) -> Option<(&'static str, Vec<u8>)> {
    let (one, other) = (binary::encode(one).ok()?, binary::encode(other).ok()?);
    Some(("compat", framed(&one, &framed(&other, &[]))))
}

/// The schemas among the kept inputs of all targets that begin with one.
fn kept_schemas() -> Vec<Schema> {
    let read = |bytes: &[u8]| {
        let written = || str::from_utf8(bytes).ok();
        binary::decode(bytes)
            .ok()
            .or_else(|| text::parse(written()?).ok())
            .or_else(|| json::read(written()?).ok())
    };
    let mut found = BTreeMap::new();
    for target in ["schema_text", "schema_binary", "schema_json", "codec", "compat"] {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        for entry in std::fs::read_dir(corpus).expect("the kept corpus") {
            let input = std::fs::read(entry.expect("an entry").path()).expect("an input");
            let whole = read(&input);
            let schema = whole.or_else(|| {
                let (len, rest) = input.split_first_chunk()?;
                read(rest.get(..u16::from_le_bytes(*len).into())?)
            });
            found.extend(schema.map(|schema| (text::write(&schema), schema)));
        }
    }
    found.into_values().collect()
}

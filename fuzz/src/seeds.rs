//! Inputs to start from, where random bytes would take long to get anywhere.

use crate::base::BASE;
use dmxp::DmxpMessage;
use dmxp_schema::model::Schema;
use dmxp_schema::{binary, codec, json, text};
use dmxp_tests::{EveryKind, Payloads};

/// Names of targets, and inputs for them.
///
/// # Panics
/// When a schema below is not one.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let noise = Payloads::new(2);
    let mut seeds = Vec::new();
    for i in 0..64 {
        let input = noise.of_len(i, 40 + 10 * i as usize);
        seeds.extend([("region", input.clone()), ("live", input)]);
    }
    seeds.extend([0_usize, 16, 64].map(|steps| ("region_raw", sparse(&noise.of_len(99, steps)))));

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
        let (line, bytes) = (text::write(schema), binary::encode(schema).expect("it fits"));
        seeds.push(("schema_json", json::write(schema).into_bytes()));
        seeds.push(("codec", framed(&bytes, &vec![0; schema.size() as usize])));
        seeds.push(("codec", framed(line.as_bytes(), b"{\"price\": 1, \"volume\": 2}")));
        for other in &schemas {
            let other = binary::encode(other).expect("it fits");
            seeds.push(("compat", framed(&bytes, &framed(&other, &[]))));
        }
        seeds.extend([("schema_text", line.into_bytes()), ("schema_binary", bytes)]);
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

/// Two bytes of length, the bytes, and what follows.
fn framed(bytes: &[u8], rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("a short form");
    [&len.to_le_bytes(), bytes, rest].concat()
}

/// The base's header, tables' heads and first channel, as pieces of a file of its length, and the steps that follow.
fn sparse(steps: &[u8]) -> Vec<u8> {
    let pages = u16::try_from(BASE.len() / 4_096).expect("a small base");
    let (_, ring) = BASE.ring(0);
    let pieces = [
        (0, 80),
        (128, 32),
        (BASE.control(), 80),
        (BASE.record(0), 240),
        (BASE.process(0), 32),
        (BASE.handle(0), 128),
        (ring, 80),
        (ring + 1_088, 80),
    ];
    let mut seed = vec![1];
    seed.extend(pages.to_le_bytes());
    seed.extend([0, pieces.len() as u8]);
    for (offset, len) in pieces {
        seed.extend((offset as u32).to_le_bytes());
        seed.push(len as u8);
        seed.extend(&BASE.bytes[offset as usize..][..len]);
    }
    seed.extend(steps);
    seed
}

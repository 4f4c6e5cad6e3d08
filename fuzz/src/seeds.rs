//! Inputs to start from, where random bytes would take long to get anywhere.

use crate::base::{BASE, CHANNELS, HANDLES};
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
    for (index, channel) in (0..).zip(CHANNELS) {
        seeds.push(("region_raw", sparse(channel, &noise.of_len(99, 400))));
        for typed in [false, true] {
            for (option, waits) in (0..13).flat_map(|option| [(option, false), (option, true)]) {
                let undamaged = [0, 0];
                let calls = |before: &[u8]| every_call(index, typed, option, waits, before);
                seeds.push(("region", [&undamaged, &*calls(&[])].concat()));
                seeds.push(("live", calls(&undamaged[..1])));
            }
            seeds.push(("region_raw", sparse(channel, &every_call(index, typed, 0, false, &[]))));
        }
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

/// Two bytes of length, the bytes, and what follows.
fn framed(bytes: &[u8], rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("a short form");
    [&len.to_le_bytes(), bytes, rest].concat()
}

/// The steps of a session that opens both ends of a channel, by its index in [`CHANNELS`] and with what an option byte asks for, and does
/// with them all that it can, waiting or not; each after the bytes `before`.
fn every_call(channel: u8, typed: bool, option: u8, waits: bool, before: &[u8]) -> Vec<u8> {
    // Bytes that follow the number of a call: payload, counts, whether to wait.
    let send_takes: [usize; 12] = if typed {
        [1, 1, 0, 1, 1, 1, 3, 0, 0, 0, 1, 0]
    } else {
        [40, 40, 0, 1, 1, 1, 3, 0, 0, 0, 1, 0]
    };
    let receive_takes: [usize; 12] = if typed {
        [0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 4, 3]
    } else {
        [0, 1, 0, 3, 3, 0, 1, 0, 1, 0, 4, 3]
    };
    let call = |step: u8, number: u8, takes: [usize; 12]| {
        let (counts, rest) = if waits { ([3, 3], 3) } else { ([1, 2], 0) };
        let arguments = counts.into_iter().chain(std::iter::repeat(rest));
        let arguments = arguments.take(takes[usize::from(number)]);
        [step, 0, number].into_iter().chain(arguments).collect()
    };
    // By id, and made if it is not there.
    let flags = 4 << 3 | 4 | u8::from(typed);
    let mut steps = vec![vec![0, flags, channel, option], vec![0, flags | 2, channel, option]];
    // Claims are written, looked at, published, aborted, released and given back.
    let sent = [0, 2, 3, 4, 5, 6, 9, 7, 6, 8, 10, 1, 0];
    let received = [0, 1, 2, 3, 4, 11, 7, 5, 11, 6, 11, 9, 8];
    for (send, receive) in sent.into_iter().zip(received) {
        steps.extend([call(6, send, send_takes), call(11, receive, receive_takes)]);
    }
    // Urgent messages, or the end of the channel; who looks, and recovers; one end; a removal; another attachment.
    steps.extend([call(6, 11, send_takes), vec![17], vec![22, channel], vec![23, channel]]);
    steps.extend([
        vec![18, channel, 0],
        vec![16, 0],
        vec![19, channel, 2],
        vec![20, channel, 1],
        vec![21, channel, 0],
    ]);
    steps.into_iter().flat_map(|step| [before, &step].concat()).collect()
}

/// A file of the base's length with one of its channels: the header and the tables' heads, the channel's records, handles and first slots,
/// and its schema, as pieces. Then steps.
fn sparse(channel: u32, steps: &[u8]) -> Vec<u8> {
    let pages = u16::try_from(BASE.len() / 4_096).expect("a small base");
    let (record, (capacity, ring)) = (BASE.record(channel), BASE.ring(channel));
    let stride = u64::from(BASE.number(record + 24));
    let (schema, schema_len) = (BASE.word(record + 56), u64::from(BASE.number(record + 64)));
    let mut pieces = vec![
        (0, 80),
        (128 + 384 * u64::from(channel), 96),
        (BASE.control(), 80),
        (BASE.process(0), 32),
    ];
    // The fields, and those of priorities.
    pieces.extend([(record, 255), (record + 256, 80)]);
    let handles = (0..HANDLES).map(|index| BASE.handle(index));
    let own = handles.filter(|&handle| BASE.number(handle) != 0 && BASE.number(handle + 24) == channel);
    pieces.extend(own.map(|handle| (handle, 204)).take(4));
    pieces.extend((0..capacity.min(4)).map(|slot| (ring + slot * stride, 112)));
    pieces.extend((0..schema_len.min(1_530)).step_by(255).map(|from| (schema + from, 255)));
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

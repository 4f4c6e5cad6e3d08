//! The parsers of schemas, and what works on any schema.

use crate::input::Input;
use dmxp_schema::codec::field::{FieldValue, Record};
use dmxp_schema::compat::{self as compatibility, Verdict};
use dmxp_schema::generate::LANGUAGES;
use dmxp_schema::model::Schema;
use dmxp_schema::{binary, codec as values, json, text};
use serde_json::Value;
use std::hint::black_box;

/// Largest message that is decoded and encoded here.
const LARGEST: u32 = 1 << 16;

/// The text form.
pub fn schema_text(data: &[u8]) {
    let Ok(written) = str::from_utf8(data) else { return };
    match text::parse(written) {
        Ok(schema) => every_form(&schema),
        Err(error) => drop(black_box(error.to_string())),
    }
}

/// The binary form.
pub fn schema_binary(data: &[u8]) {
    match binary::decode(data) {
        Ok(schema) => every_form(&schema),
        Err(error) => drop(black_box(error.to_string())),
    }
    if let Ok((schema, len)) = binary::decode_prefix(data) {
        assert_eq!(
            binary::decode(&data[..len]).as_ref(),
            Ok(&schema),
            "the same bytes, another schema"
        );
    }
}

/// The JSON form.
pub fn schema_json(data: &[u8]) {
    let Ok(written) = str::from_utf8(data) else { return };
    match json::read(written) {
        Ok(schema) => every_form(&schema),
        Err(error) => drop(black_box(error.to_string())),
    }
}

/// What any schema promises: it comes back from each form as it went in, and everything can be made of it.
fn every_form(schema: &Schema) {
    let line = text::write(schema);
    let again = text::parse(&line).unwrap_or_else(|error| panic!("{error}\n{line}"));
    assert_eq!(&again, schema, "by its text form");
    assert_eq!(again.layout_fingerprint(), schema.layout_fingerprint());
    assert_eq!(again.schema_fingerprint(), schema.schema_fingerprint());

    let object = json::write(schema);
    let again = json::read(&object).unwrap_or_else(|error| panic!("{error}\n{object}"));
    assert_eq!(&again, schema, "by its JSON form");

    // Too large for the binary form is an error of its own.
    if let Ok(bytes) = binary::encode(schema) {
        assert_eq!(
            binary::decode(&bytes).as_ref(),
            Ok(schema),
            "by its binary form\n{line}"
        );
    }
    let bare = schema.without_docs();
    assert_eq!(bare.schema_fingerprint(), schema.schema_fingerprint());

    let same = compatibility::compare(schema, schema);
    assert_eq!(same.verdict, Verdict::Identical, "{same}");

    let schemas = [schema.clone()];
    for language in LANGUAGES {
        black_box(language.write(&schemas));
    }
}

/// A schema from the input: two bytes of length and the binary or text form.
fn schema(input: &mut Input<'_>) -> Option<Schema> {
    let len = input.u16();
    let bytes = input.take(len.into());
    binary::decode(bytes)
        .ok()
        .or_else(|| text::parse(str::from_utf8(bytes).ok()?).ok())
}

/// Elements of one list that are looked at.
const ELEMENTS: usize = 16;

/// Reads a part of a message by every method, and what is in it. What is read lies in the message, and its path leads to it.
fn fields(record: Record<'_>, value: FieldValue<'_>) {
    let (part, whole) = (value.bytes().as_ptr_range(), record.bytes().as_ptr_range());
    assert!(whole.start <= part.start && part.end <= whole.end, "{}", value.path());
    let path = value.path();
    let found = record.field(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.path(), path);
    for outcome in [
        value.as_u64().map(drop),
        value.as_i64().map(drop),
        value.as_f64().map(drop),
        value.as_bool().map(drop),
        value.as_char().map(drop),
        value.as_timestamp().map(drop),
        value.as_str().map(drop),
        value.as_bytes().map(drop),
        value.as_enum().map(drop),
        value.as_flags().map(|flags| drop(black_box(flags.to_string()))),
        value.field(&path).map(drop),
    ] {
        if let Err(error) = outcome {
            black_box(error.to_string());
        }
    }
    if let Ok(inner) = value.as_record() {
        inner.fields().for_each(|(_, value)| fields(record, value));
    }
    if let Ok(elements) = value.elements() {
        elements.take(ELEMENTS).for_each(|value| fields(record, value));
        elements.rev().take(1).for_each(|value| fields(record, value));
    }
    if let Ok(Some(stored)) = value.as_union()
        && let Some(payload) = stored.value
    {
        fields(record, payload);
    }
    if let Ok(Some(present)) = value.as_option() {
        fields(record, present);
    }
}

/// Bytes of a message to a value and back, and a value to bytes; its fields one by one.
pub fn codec(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(schema) = schema(&mut input).filter(|schema| schema.size() <= LARGEST) else {
        return;
    };
    let rest = input.rest();
    let mut message = rest.to_vec();
    if values::decode(&schema, &message).is_ok() {
        assert_eq!(
            message.len(),
            schema.size() as usize,
            "a message of the wrong length was decoded"
        );
    }
    if let Ok(record) = Record::new(&schema, &message) {
        assert_eq!(
            message.len(),
            record.bytes().len(),
            "a message of the wrong length is read"
        );
    }
    message.resize(schema.size() as usize, 0);
    let record = Record::new(&schema, &message).unwrap_or_else(|error| panic!("{error}"));
    record.fields().for_each(|(_, value)| fields(record, value));
    black_box(record.to_string());
    match values::decode(&schema, &message) {
        Ok(value) => {
            let back = values::encode(&schema, &value).unwrap_or_else(|error| panic!("{error}\n{value}"));
            assert_eq!(back, message, "{value}");
            let printed: Value = serde_json::from_str(&value.to_string()).expect("a value prints as JSON");
            assert_eq!(values::encode(&schema, &printed).as_ref(), Ok(&message), "{value}");
        }
        Err(error) => drop(black_box(error.to_string())),
    }
    if let Ok(value) = serde_json::from_slice::<Value>(rest) {
        match values::encode(&schema, &value) {
            Ok(bytes) => {
                let decoded = values::decode(&schema, &bytes).unwrap_or_else(|error| panic!("{error}\n{value}"));
                assert_eq!(
                    values::encode(&schema, &decoded).as_ref(),
                    Ok(&bytes),
                    "{value}\n{decoded}"
                );
            }
            Err(error) => drop(black_box(error.to_string())),
        }
    }
}

/// Two schemas, compared both ways.
pub fn compat(data: &[u8]) {
    let mut input = Input::new(data);
    let (Some(writer), Some(reader)) = (schema(&mut input), schema(&mut input)) else {
        return;
    };
    let there = compatibility::compare(&writer, &reader);
    let back = compatibility::compare(&reader, &writer);
    black_box((there.to_string(), back.to_string()));
    assert_eq!(there.is_compatible(), there.first_obstacle().is_none());
    assert_eq!(there.verdict == Verdict::Identical, writer == reader, "{there}");
    assert_eq!(there.verdict == Verdict::Identical, back.verdict == Verdict::Identical);
    if there.is_compatible() {
        assert_eq!(
            (writer.size(), writer.align()),
            (reader.size(), reader.align()),
            "{there}"
        );
    }
}

//! Schemas, in each of their forms and with a flaw now and then; messages of them; and what may become of a schema later.

use dmxp_schema::model::{Enum, EnumValue, Field, Schema, Struct, Type, Variant};
use dmxp_schema::{binary, codec as values, json, text};
use fastrand::Rng;
use serde_json::{Value, json};
use std::sync::Arc;

/// The generator of `dmxp-schema`'s own tests.
#[path = "../../../dmxp-schema/tests/corpus/mod.rs"]
mod corpus;

/// An input for `schema_text`.
#[must_use]
pub fn schema_text(seed: u64) -> Vec<u8> {
    flawed(text::write(&schema(seed)).into_bytes(), seed)
}

/// An input for `schema_binary`.
#[must_use]
pub fn schema_binary(seed: u64) -> Vec<u8> {
    flawed(binary::encode(&schema(seed)).unwrap_or_default(), seed)
}

/// An input for `schema_json`.
#[must_use]
pub fn schema_json(seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    let written = json::write(&schema(seed));
    if random.bool() {
        return flawed(written.into_bytes(), seed);
    }
    let mut value = serde_json::from_str(&written).expect("it was written as JSON");
    replace(&mut value, &mut random);
    value.to_string().into_bytes()
}

/// An input for `codec`: a schema, then a message of it in bytes or JSON.
#[must_use]
pub fn codec(seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    let schema = schema(seed);
    let message = message(&schema, &mut random);
    let message = match values::decode(&schema, &message) {
        Ok(mut value) if random.bool() => {
            if random.bool() {
                replace(&mut value, &mut random);
            }
            value.to_string().into_bytes()
        }
        _ => flawed(message, seed),
    };
    framed(&binary::encode(&schema).unwrap_or_default(), &message)
}

/// An input for `compat`: a schema, and what became of it or another one.
#[must_use]
pub fn compat(seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    let before = schema(seed);
    let mut root = before.clone().into_root();
    for _ in 0..random.u8(1..4) {
        alter(&mut root, &mut random);
    }
    let after = Schema::new(root).unwrap_or_else(|_| schema(seed.wrapping_add(1)));
    let [one, other] = [&before, &after].map(|schema| binary::encode(schema).unwrap_or_default());
    if random.bool() {
        framed(&one, &framed(&other, &[]))
    } else {
        framed(&other, &framed(&one, &[]))
    }
}

fn schema(seed: u64) -> Schema {
    corpus::Random(seed).schema()
}

/// Two bytes of length, the bytes, and what follows.
fn framed(bytes: &[u8], rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&len.to_le_bytes(), &bytes[..len.into()], rest].concat()
}

/// Up to three changes: bytes left out, repeated, moved or replaced.
fn flawed(mut bytes: Vec<u8>, seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(!seed);
    for _ in 0..random.u8(..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        let end = bytes.len().min(at + 1 + random.usize(..8));
        let piece = bytes[at..end].to_vec();
        let to = random.usize(..bytes.len());
        match random.u8(..5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(to..to, piece)),
            2 => bytes[at] = bytes[to],
            3 => bytes[at] = bytes[at].wrapping_add(random.u8(..3)).wrapping_sub(1),
            _ => bytes[at] = random.u8(..),
        }
    }
    bytes
}

/// Puts something else in one place of a JSON value.
fn replace(value: &mut Value, random: &mut Rng) {
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => Vec::new(),
    };
    if let Some(chosen) = random.choice(inner)
        && random.u8(..4) != 0
    {
        return replace(chosen, random);
    }
    if let Value::Object(members) = value
        && random.bool()
    {
        let first = members.keys().next().cloned();
        if let Some(member) = first.and_then(|name| members.remove(&name)) {
            members.extend(random.bool().then(|| ("unknown".to_owned(), member)));
        }
        return;
    }
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(random.i32(..)),
        json!(""),
        json!("é and more than there is room for"),
        json!("NaN"),
        json!("2024-02-30T25:00:00Z"),
        json!("1969-12-31T23:59:59.999999999Z"),
        json!([]),
        json!([value.clone(), value.clone()]),
        json!({}),
        json!({"name": value.clone()}),
    ];
    *value = random.choice(others).expect("one of several");
}

/// A valid message.
fn message(schema: &Schema, random: &mut Rng) -> Vec<u8> {
    let mut message = vec![0; schema.size() as usize];
    fill_struct(schema.root(), &mut message, random);
    message
}

/// The fields of a struct, into bytes that are zero.
fn fill_struct(of: &Struct, bytes: &mut [u8], random: &mut Rng) {
    for field in &of.fields {
        fill(&field.ty, &mut bytes[field.offset as usize..], random);
    }
}

/// A valid value at the start of bytes that are zero.
fn fill(ty: &Type, bytes: &mut [u8], random: &mut Rng) {
    let bytes = &mut bytes[..ty.size() as usize];
    match ty {
        Type::Reserved(_) => {}
        Type::Bool => bytes[0] = random.u8(..2),
        Type::Char => bytes.copy_from_slice(&u32::from(random.char(..)).to_le_bytes()),
        Type::Str(_) => {
            let text = random
                .choice(["", "a", "é", "text\n", "🦀", "twelve bytes"])
                .unwrap_or_default();
            if text.len() <= bytes.len() {
                bytes[..text.len()].copy_from_slice(text.as_bytes());
            }
        }
        Type::Array { element, len } => fill_row(element, *len, bytes, random),
        Type::Vec { element, capacity } => {
            let (count, width) = (random.u32(..=*capacity), Type::count_width(element) as usize);
            bytes[..2].copy_from_slice(&count.to_le_bytes()[..2]);
            fill_row(element, count, &mut bytes[width..], random);
        }
        Type::Nullable(value) if random.bool() => {
            bytes[0] = 1;
            fill(value, &mut bytes[value.align() as usize..], random);
        }
        Type::Nullable(_) => {}
        Type::Struct(inner) => fill_struct(inner, bytes, random),
        Type::Enum(of) => fill_value(of, bytes, random),
        Type::OpenEnum(of) | Type::Flags(of) if random.bool() => fill_value(of, bytes, random),
        Type::Union(of) => {
            if let Some(variant) = random.choice(&of.variants) {
                bytes[0] = variant.tag as u8;
                if let Some(ty) = &variant.ty {
                    fill(ty, &mut bytes[of.align as usize..], random);
                }
            }
        }
        _ => bytes.fill_with(|| if random.bool() { 0 } else { random.u8(..) }),
    }
}

fn fill_row(element: &Type, count: u32, bytes: &mut [u8], random: &mut Rng) {
    let size = element.size() as usize;
    for item in bytes.chunks_exact_mut(size).take(count as usize) {
        fill(element, item, random);
    }
}

fn fill_value(of: &Enum, bytes: &mut [u8], random: &mut Rng) {
    if let Some(value) = random.choice(&of.values) {
        bytes.copy_from_slice(&value.value.to_le_bytes()[..bytes.len()]);
    }
}

/// One change such as authors make, to a field or within it.
fn alter(of: &mut Struct, random: &mut Rng) {
    if of.fields.is_empty() {
        return;
    }
    let index = random.usize(..of.fields.len());
    let field = &mut of.fields[index];
    if random.bool() && alter_type(&mut field.ty, random) {
        return;
    }
    match random.u8(..8) {
        0 => field.name.push('2'),
        1 => {
            let before = field.name.clone();
            field.name.push('2');
            field.aliases.push(before);
        }
        2 => field.ty = Type::Reserved(field.ty.size()),
        3 => field.ty = corpus::Random(random.u64(..)).ty(1, 8),
        4 => {
            field.since += 1;
            field.doc.push('.');
            field.unit.push('m');
        }
        5 => of.name.push('2'),
        // A field more, in the place of reserved bytes or behind the last.
        6 => match of.fields.last_mut() {
            Some(Field { name, ty, .. }) if matches!(ty, Type::Reserved(_)) => {
                *name = "appended".into();
                *ty = Type::Bytes(ty.size());
            }
            _ => {
                of.fields.push(Field::new("appended", of.size, Type::Bytes(of.align)));
                of.size += of.align;
            }
        },
        _ => of.version += 1,
    }
}

/// The same within a type. `false`: there is nothing to change.
fn alter_type(ty: &mut Type, random: &mut Rng) -> bool {
    match ty {
        Type::Array { element, .. } | Type::Vec { element, .. } | Type::Nullable(element) => {
            alter_type(element, random)
        }
        Type::Struct(inner) => {
            alter(Arc::make_mut(inner), random);
            true
        }
        Type::Enum(of) | Type::OpenEnum(of) | Type::Flags(of) => {
            let of = Arc::make_mut(of);
            match random.u8(..4) {
                0 => drop(of.values.pop()),
                1 => of.values.push(EnumValue {
                    name: "Added".into(),
                    value: 101,
                    doc: String::new(),
                }),
                2 => of.values.iter_mut().take(1).for_each(|value| value.name.push('2')),
                _ => of.name.push('2'),
            }
            true
        }
        Type::Union(of) => {
            let of = Arc::make_mut(of);
            match random.u8(..4) {
                0 => drop(of.variants.pop()),
                1 => of.variants.push(Variant {
                    name: "Added".into(),
                    tag: 255,
                    ty: None,
                    doc: String::new(),
                }),
                2 => of
                    .variants
                    .iter_mut()
                    .take(1)
                    .for_each(|variant| variant.name.push('2')),
                _ => {
                    let payload = of.variants.iter_mut().find_map(|variant| variant.ty.as_mut());
                    return payload.is_some_and(|ty| alter_type(ty, random));
                }
            }
            true
        }
        Type::Reserved(len) => {
            *ty = Type::Bytes(*len);
            true
        }
        Type::Bytes(len) => {
            *ty = Type::Str(*len);
            true
        }
        Type::Str(len) => {
            *ty = Type::Reserved(*len);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmxp_schema::compat::Verdict;

    #[test]
    fn drawn_messages_are_valid() {
        for seed in 0..500 {
            let schema = schema(seed);
            let message = message(&schema, &mut Rng::with_seed(seed));
            values::decode(&schema, &message).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{schema}"));
        }
    }

    /// Parsers are to get past the first byte, and to meet flaws.
    #[test]
    fn some_drawn_schemas_are_flawed_and_many_are_not() {
        let text = |seed| text::parse(&String::from_utf8_lossy(&schema_text(seed))).is_ok();
        let binary = |seed| binary::decode(&schema_binary(seed)).is_ok();
        let json = |seed| json::read(&String::from_utf8_lossy(&schema_json(seed))).is_ok();
        for is_schema in [&text as &dyn Fn(u64) -> bool, &binary, &json] {
            let count = (0..500).filter(|&seed| is_schema(seed)).count();
            assert!((50..450).contains(&count), "{count} of 500");
        }
    }

    #[test]
    fn what_becomes_of_a_schema_is_compatible_now_and_then() {
        let verdicts = (0..500).filter_map(|seed| {
            let input = compat(seed);
            let (len, rest) = input.split_first_chunk()?;
            let (one, rest) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
            let other = binary::decode(rest.get(2..)?).ok()?;
            Some(dmxp_schema::compat::compare(&binary::decode(one).ok()?, &other).verdict)
        });
        let found: Vec<_> = verdicts.collect();
        for verdict in [Verdict::Identical, Verdict::Compatible, Verdict::Incompatible] {
            assert!(found.contains(&verdict), "never {verdict}");
        }
    }
}

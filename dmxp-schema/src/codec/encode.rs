//! A JSON value as the bytes of a message.

use serde_json::Value;

use super::error::{CodecError, CodecProblem, Coded, Within, fail};
use super::word::{F32_NAN, F64_NAN, is_zero, mask_of, unsigned};
use crate::model::{Enum, IntegerType, Schema, Struct, Type, Union};

/// Writes the bytes of one message; the inverse of [`decode`](super::decode()).
///
/// # Errors
/// [`CodecError`] names the part that is missing, unknown or does not fit its type.
pub fn encode(schema: &Schema, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![0; schema.size() as usize];
    encode_struct(schema.root(), value, &mut bytes)?;
    Ok(bytes)
}

fn mismatch<T>(expected: impl Into<String>, found: &Value) -> Coded<T> {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let shown: String = text.chars().take(60).collect();
            format!("the string {shown:?} of {} bytes", text.len())
        }
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(map) => format!("an object of {} keys", map.len()),
    };
    fail(CodecProblem::Mismatch {
        expected: expected.into(),
        found,
    })
}

fn encode_struct(s: &Struct, value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let Some(map) = value.as_object() else {
        return mismatch(format!("an object, struct {}", s.name), value);
    };
    if let Some(unknown) = map.keys().find(|key| !s.fields.iter().any(|field| field.name == **key)) {
        return fail(CodecProblem::UnknownField).within(unknown);
    }
    for field in &s.fields {
        let start = field.offset as usize;
        let part = &mut bytes[start..start + field.ty.size() as usize];
        match map.get(&field.name) {
            Some(value) => encode_type(&field.ty, value, part).within(&field.name)?,
            None if matches!(field.ty, Type::Reserved(_)) => {}
            None => return fail(CodecProblem::MissingField).within(&field.name),
        }
    }
    Ok(())
}

/// `bytes` are exactly those of the type, and zero.
fn encode_type(ty: &Type, value: &Value, bytes: &mut [u8]) -> Coded<()> {
    match ty {
        Type::U8 => encode_integer(IntegerType::U8, value, bytes),
        Type::U16 => encode_integer(IntegerType::U16, value, bytes),
        Type::U32 => encode_integer(IntegerType::U32, value, bytes),
        Type::U64 => encode_integer(IntegerType::U64, value, bytes),
        Type::I8 => encode_integer(IntegerType::I8, value, bytes),
        Type::I16 => encode_integer(IntegerType::I16, value, bytes),
        Type::I32 => encode_integer(IntegerType::I32, value, bytes),
        Type::I64 => encode_integer(IntegerType::I64, value, bytes),
        Type::F32 => encode_f32(value, bytes),
        Type::F64 => encode_f64(value, bytes),
        Type::Bool => match value.as_bool() {
            Some(value) => put(bytes, u64::from(value)),
            None => mismatch("true or false", value),
        },
        Type::Char => {
            let mut chars = value.as_str().unwrap_or_default().chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => put(bytes, u32::from(c).into()),
                _ => mismatch("a string of one character", value),
            }
        }
        Type::Timestamp => {
            let time = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            match time.and_then(|time| i64::try_from(time.as_nanosecond()).ok()) {
                Some(nanoseconds) => put(bytes, nanoseconds.cast_unsigned()),
                None => mismatch("an RFC 3339 time between the years 1677 and 2262", value),
            }
        }
        Type::Bytes(_) | Type::Reserved(_) => encode_hex(value, bytes),
        Type::Str(len) => {
            if let Some(raw) = value.get("$bytes") {
                only_keys(value, &["$bytes"])?;
                return encode_hex(raw, bytes).within("$bytes");
            }
            match value.as_str() {
                Some(text) if text.len() <= bytes.len() && !text.contains('\0') => {
                    bytes[..text.len()].copy_from_slice(text.as_bytes());
                    Ok(())
                }
                _ => mismatch(format!("a string of at most {len} bytes without NUL"), value),
            }
        }
        Type::Array { element, len } => match value.as_array() {
            Some(items) if items.len() == *len as usize => encode_items(element, items, bytes),
            _ => mismatch(format!("a list of {len}"), value),
        },
        Type::Vec { element, capacity } => {
            let (list, spare) = match value.get("$items") {
                Some(list) => {
                    only_keys(value, &["$items", "$spare"])?;
                    (list, value.get("$spare"))
                }
                None => (value, None),
            };
            let items = match list.as_array() {
                Some(items) if items.len() <= *capacity as usize => items,
                _ => return mismatch(format!("a list of at most {capacity}"), list),
            };
            let (count, rest) = bytes.split_at_mut(Type::count_width(element) as usize);
            put(count, items.len() as u64)?;
            let (used, unused) = rest.split_at_mut(items.len() * element.size() as usize);
            encode_items(element, items, used)?;
            spare.map_or(Ok(()), |spare| encode_hex(spare, unused).within("$spare"))
        }
        Type::Nullable(inner) => {
            let (word, payload) = bytes.split_at_mut(inner.align() as usize);
            if value.is_null() {
                return Ok(());
            }
            let Some(present) = value.get("$present") else {
                put(word, 1)?;
                return encode_type(inner, value, payload);
            };
            only_keys(value, &["$present", "$value"])?;
            encode_word(present, word).within("$present")?;
            let value = value.get("$value").unwrap_or(&Value::Null);
            if is_zero(word) {
                encode_hex(value, payload)
            } else {
                encode_type(inner, value, payload)
            }
            .within("$value")
        }
        Type::Struct(s) => encode_struct(s, value, bytes),
        Type::Enum(e) => match encode_enum(e, value) {
            Some((found, true)) => put(bytes, found as u64),
            _ => mismatch(format!("a value of enum {}: {}", e.name, names(e)), value),
        },
        Type::OpenEnum(e) => match encode_enum(e, value) {
            Some((found, _)) => put(bytes, found as u64),
            None => mismatch(format!("a number or a value of enum {}: {}", e.name, names(e)), value),
        },
        Type::Flags(e) => {
            let Some(items) = value.as_array() else {
                return mismatch("a list of flags", value);
            };
            let mut bits = 0;
            for (index, item) in items.iter().enumerate() {
                let (_, max) = unsigned(e.repr).range();
                let named = item
                    .as_str()
                    .and_then(|name| e.values.iter().find(|known| known.name == name));
                bits |= match (named, item.as_u64()) {
                    (Some(flag), _) => mask_of(flag.value, e.repr),
                    (None, Some(number)) if i128::from(number) <= max => number,
                    _ => {
                        let expected = format!("a number or a flag of {}: {}", e.name, names(e));
                        return mismatch(expected, item).within(format_args!("[{index}]"));
                    }
                };
            }
            put(bytes, bits)
        }
        Type::Union(u) => encode_union(u, value, bytes),
    }
}

fn encode_items(element: &Type, items: &[Value], bytes: &mut [u8]) -> Coded<()> {
    let parts = bytes.chunks_exact_mut(element.size() as usize);
    for (index, (item, part)) in items.iter().zip(parts).enumerate() {
        encode_type(element, item, part).within(format_args!("[{index}]"))?;
    }
    Ok(())
}

fn encode_union(u: &Union, value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let (word, payload) = bytes.split_at_mut(u.align as usize);
    let expected = || {
        let names: Vec<_> = u.variants.iter().map(|variant| variant.name.as_str()).collect();
        format!(
            "null or an object with one variant of union {}: {}",
            u.name,
            names.join(", ")
        )
    };
    let map = match value {
        Value::Null => return Ok(()),
        Value::Object(map) => map,
        _ => return mismatch(expected(), value),
    };
    if let Some(tag) = map.get("$tag") {
        only_keys(value, &["$tag", "$payload"])?;
        encode_word(tag, word).within("$tag")?;
        return encode_hex(map.get("$payload").unwrap_or(&Value::Null), payload).within("$payload");
    }
    let mut keys = map.keys().filter(|key| *key != "$spare");
    let (Some(name), None) = (keys.next(), keys.next()) else {
        return mismatch(expected(), value);
    };
    let Some(variant) = u.variants.iter().find(|variant| variant.name == *name) else {
        return mismatch(expected(), value).within(name);
    };
    put(word, variant.tag.into())?;
    let (used, unused) = payload.split_at_mut(variant.ty.as_ref().map_or(0, Type::size) as usize);
    match (&variant.ty, &map[name]) {
        (Some(ty), value) => encode_type(ty, value, used).within(name)?,
        (None, Value::Null) => {}
        (None, other) => return mismatch("null, the variant has no payload", other).within(name),
    }
    map.get("$spare")
        .map_or(Ok(()), |spare| encode_hex(spare, unused).within("$spare"))
}

fn encode_integer(ty: IntegerType, value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let (min, max) = ty.range();
    match integer(value) {
        Some(number) if (min..=max).contains(&number) => put(bytes, number as u64),
        _ => mismatch(format!("an integer from {min} to {max}"), value),
    }
}

/// A presence word or a tag, which fills `bytes`.
fn encode_word(value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let ty = match bytes.len() {
        1 => IntegerType::U8,
        2 => IntegerType::U16,
        4 => IntegerType::U32,
        _ => IntegerType::U64,
    };
    encode_integer(ty, value, bytes)
}

fn encode_f64(value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let bits = match value {
        Value::Number(number) => number.as_f64().map(f64::to_bits),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(F64_NAN),
            "Infinity" => Some(f64::INFINITY.to_bits()),
            "-Infinity" => Some(f64::NEG_INFINITY.to_bits()),
            text => nan_bits(text).filter(|&bits| f64::from_bits(bits).is_nan()),
        },
        _ => None,
    };
    bits.map_or_else(|| mismatch(FLOAT, value), |bits| put(bytes, bits))
}

fn encode_f32(value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let bits = match value {
        Value::Number(number) => number
            .as_f64()
            .map(|number| number as f32)
            .filter(|number| number.is_finite())
            .map(f32::to_bits),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(F32_NAN),
            "Infinity" => Some(f32::INFINITY.to_bits()),
            "-Infinity" => Some(f32::NEG_INFINITY.to_bits()),
            text => nan_bits(text)
                .and_then(|bits| u32::try_from(bits).ok())
                .filter(|&bits| f32::from_bits(bits).is_nan()),
        },
        _ => None,
    };
    bits.map_or_else(|| mismatch(FLOAT, value), |bits| put(bytes, bits.into()))
}

const FLOAT: &str = "a number in range, \"NaN\", \"Infinity\", \"-Infinity\" or \"NaN:0x…\" with the bits of a NaN";

fn nan_bits(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("NaN:0x")?, 16).ok()
}

fn encode_hex(value: &Value, bytes: &mut [u8]) -> Coded<()> {
    let digits = value.as_str().map(str::as_bytes).unwrap_or_default();
    let digit = |c: u8| char::from(c).to_digit(16);
    if digits.len() != bytes.len() * 2 || !value.is_string() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return mismatch(format!("a string of {} hexadecimal digits", bytes.len() * 2), value);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0]).unwrap_or(0) << 4 | digit(pair[1]).unwrap_or(0)) as u8;
    }
    Ok(())
}

/// The number meant, and whether it has a name.
fn encode_enum(e: &Enum, value: &Value) -> Option<(i128, bool)> {
    if let Some(name) = value.as_str() {
        return e
            .values
            .iter()
            .find(|known| known.name == name)
            .map(|known| (known.value, true));
    }
    let number = integer(value)?;
    let (min, max) = e.repr.range();
    let known = e.values.iter().any(|known| known.value == number);
    (min..=max).contains(&number).then_some((number, known))
}

fn only_keys(value: &Value, known: &[&str]) -> Coded<()> {
    match value
        .as_object()
        .and_then(|map| map.keys().find(|key| !known.contains(&key.as_str())))
    {
        Some(unknown) => fail(CodecProblem::UnknownField).within(unknown),
        None => Ok(()),
    }
}

fn integer(value: &Value) -> Option<i128> {
    value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
}

fn names(e: &Enum) -> String {
    e.values
        .iter()
        .map(|value| value.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Puts the low bytes of `value`, as many as there are.
fn put(bytes: &mut [u8], value: u64) -> Coded<()> {
    let width = bytes.len();
    bytes.copy_from_slice(&value.to_le_bytes()[..width]);
    Ok(())
}

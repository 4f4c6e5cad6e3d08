//! Bytes of a message to JSON values and back, through the schema alone.
//!
//! The round trip is exact: for every message that decodes, `encode(decode(bytes)) == bytes`, whatever lies in bytes that
//! carry no value. Keys that begin with `$` cannot be names, so they never collide with fields or variants. Objects keep the order
//! of `serde_json::Map`, which is that of the keys; the order of the fields is in the schema.
//!
//! | type | JSON |
//! |---|---|
//! | integers | number; `u64` and `i64` in full (readers that keep doubles lose digits beyond 2^53) |
//! | floats | number; `"NaN"`, `"Infinity"`, `"-Infinity"`; any other NaN as `"NaN:0x…"` with its bits |
//! | bool | `true`, `false`; another byte is an error |
//! | char | string of one character; not a scalar value is an error |
//! | timestamp | RFC 3339 string in UTC, to the nanosecond; zero and negative ones are times too |
//! | bytes | string of hexadecimal digits |
//! | string | string up to the first NUL. If what follows is not all NUL, or the text is not UTF-8: `{"$bytes": "hex of all"}` |
//! | array | list |
//! | vector | list; a count above the capacity is an error. If the unused room is not all zero: `{"$items": […], "$spare": "hex"}` |
//! | nullable | `null` or the value. If the presence word is neither 0 nor 1, or the value itself is a nullable that reads as `null` or as such an object: `{"$present": word, "$value": value}`; absent, but not all zero: `{"$present": 0, "$value": "hex"}` |
//! | struct | object |
//! | closed enum | name; an unknown value is an error |
//! | open enum | name, or the number if it has none |
//! | flags | list of names, then the bits without a name as one number |
//! | union | `{"Variant": value}`, `null` inside for a variant without payload, and `null` for nothing stored (tag 0). If the bytes after the payload are not all zero, `"$spare": "hex"` beside it; an unknown tag: `{"$tag": number, "$payload": "hex"}` |
//! | reserved | left out when all zero, otherwise a string of hexadecimal digits |

use std::fmt;

use serde_json::{Map, Number, Value};

use crate::model::{Enum, IntegerType, Schema, Struct, Type, Union};

/// Bytes that are not a valid message, or a value that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError {
    /// Dotted path to the part, for example `legs[1].side`; empty for the message itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: CodecProblem,
}

/// What is wrong with a part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecProblem {
    /// A message of the wrong length.
    Length {
        /// Size of the message in bytes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Bytes that are no value of their type.
    Invalid {
        /// What they must be.
        expected: String,
        /// What they are.
        found: String,
    },
    /// A JSON value that does not fit the type.
    Mismatch {
        /// What fits.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An object without a field of the struct.
    MissingField,
    /// An object with a key that is no field of the struct.
    UnknownField,
}

impl std::error::Error for CodecError {}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the message"
        } else {
            &self.path
        };
        match &self.problem {
            CodecProblem::Length { expected, found } => {
                write!(f, "{path} has {expected} bytes by its schema, {found} were given")
            }
            CodecProblem::Invalid { expected, found } => write!(f, "{path}: the bytes hold {found}, not {expected}"),
            CodecProblem::Mismatch { expected, found } => write!(f, "{path}: expected {expected}, found {found}"),
            CodecProblem::MissingField => write!(f, "{path}: missing; every field but the reserved ones must be given"),
            CodecProblem::UnknownField => write!(f, "{path}: the schema has no such field"),
        }
    }
}

/// Reads the bytes of one message.
///
/// # Errors
/// [`CodecError`] names the part that is not valid: a wrong length, a bool that is neither 0 nor 1, a char that is none, an
/// unknown value of a closed enum, a count above the capacity.
///
/// ```
/// use dmxp_schema::{codec, model::Schema};
/// use serde_json::json;
///
/// let schema: Schema = "struct Tick v1 size 16 align 8 { price: f64 @0, venue: str[8] @8 }".parse()?;
/// let bytes = codec::encode(&schema, &json!({"price": 101.5, "venue": "XETR"}))?;
/// assert_eq!(bytes[8..], *b"XETR\0\0\0\0");
/// assert_eq!(codec::decode(&schema, &bytes)?, json!({"price": 101.5, "venue": "XETR"}));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode(schema: &Schema, bytes: &[u8]) -> Result<Value, CodecError> {
    let expected = schema.size() as usize;
    if bytes.len() != expected {
        return fail(CodecProblem::Length {
            expected,
            found: bytes.len(),
        });
    }
    decode_struct(schema.root(), bytes)
}

/// Writes the bytes of one message; the inverse of [`decode`].
///
/// # Errors
/// [`CodecError`] names the part that is missing, unknown or does not fit its type.
pub fn encode(schema: &Schema, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![0; schema.size() as usize];
    encode_struct(schema.root(), value, &mut bytes)?;
    Ok(bytes)
}

type Coded<T> = Result<T, CodecError>;

fn fail<T>(problem: CodecProblem) -> Coded<T> {
    Err(CodecError {
        path: String::new(),
        problem,
    })
}

fn invalid<T>(expected: impl Into<String>, found: impl Into<String>) -> Coded<T> {
    fail(CodecProblem::Invalid {
        expected: expected.into(),
        found: found.into(),
    })
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

trait Within<T> {
    fn within(self, part: impl fmt::Display) -> Coded<T>;
}

impl<T> Within<T> for Coded<T> {
    fn within(self, part: impl fmt::Display) -> Self {
        self.map_err(|mut error| {
            error.path = match error.path.chars().next() {
                None => part.to_string(),
                Some('[') => format!("{part}{}", error.path),
                Some(_) => format!("{part}.{}", error.path),
            };
            error
        })
    }
}

// ---- bytes to values ----

fn decode_struct(s: &Struct, bytes: &[u8]) -> Coded<Value> {
    let mut map = Map::new();
    for field in &s.fields {
        let start = field.offset as usize;
        let part = &bytes[start..start + field.ty.size() as usize];
        if matches!(field.ty, Type::Reserved(_)) && is_zero(part) {
            continue;
        }
        map.insert(field.name.clone(), decode_type(&field.ty, part).within(&field.name)?);
    }
    Ok(Value::Object(map))
}

/// `bytes` are exactly those of the type.
fn decode_type(ty: &Type, bytes: &[u8]) -> Coded<Value> {
    Ok(match ty {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => read_word(bytes).into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => read_signed(bytes).into(),
        Type::F32 => decode_f32(f32::from_bits(read_word(bytes) as u32)),
        Type::F64 => decode_f64(f64::from_bits(read_word(bytes))),
        Type::Bool => match bytes[0] {
            0 => false.into(),
            1 => true.into(),
            other => return invalid("0 or 1, a bool", other.to_string()),
        },
        Type::Char => match char::from_u32(read_word(bytes) as u32) {
            Some(c) => c.to_string().into(),
            None => return invalid("a Unicode scalar value", format!("{:#x}", read_word(bytes))),
        },
        Type::Timestamp => jiff::Timestamp::from_nanosecond(read_signed(bytes).into())
            .expect("64 bits of nanoseconds lie between the years 1677 and 2262")
            .to_string()
            .into(),
        Type::Bytes(_) | Type::Reserved(_) => to_hex(bytes).into(),
        Type::Str(_) => {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            match std::str::from_utf8(&bytes[..end]) {
                Ok(text) if is_zero(&bytes[end..]) => text.into(),
                _ => object([("$bytes", to_hex(bytes).into())]),
            }
        }
        Type::Array { element, len } => decode_items(element, *len as usize, bytes)?,
        Type::Vec { element, capacity } => {
            let width = Type::count_width(element) as usize;
            let count = read_word(&bytes[..width]);
            if count > u64::from(*capacity) {
                return invalid(format!("at most {capacity} elements"), format!("a count of {count}"));
            }
            let end = width + count as usize * element.size() as usize;
            let items = decode_items(element, count as usize, &bytes[width..end])?;
            if is_zero(&bytes[end..]) {
                items
            } else {
                object([("$items", items), ("$spare", to_hex(&bytes[end..]).into())])
            }
        }
        Type::Nullable(value) => {
            let (word, payload) = bytes.split_at(value.align() as usize);
            match read_word(word) {
                0 if is_zero(payload) => Value::Null,
                0 => object([("$present", 0.into()), ("$value", to_hex(payload).into())]),
                word => {
                    let value = decode_type(value, payload)?;
                    // A nullable inside this one may read as null, or as an object with the same key.
                    if word == 1 && !value.is_null() && value.get("$present").is_none() {
                        value
                    } else {
                        object([("$present", word.into()), ("$value", value)])
                    }
                }
            }
        }
        Type::Struct(s) => decode_struct(s, bytes)?,
        Type::Enum(e) => match decode_enum(e, bytes) {
            (_, Some(name)) => name.into(),
            (value, None) => return invalid(format!("a value of enum {}", e.name), value.to_string()),
        },
        Type::OpenEnum(e) => match decode_enum(e, bytes) {
            (_, Some(name)) => name.into(),
            (_, None) if e.repr.is_signed() => read_signed(bytes).into(),
            (_, None) => read_word(bytes).into(),
        },
        Type::Flags(e) => decode_flags(e, read_word(bytes)),
        Type::Union(u) => decode_union(u, bytes)?,
    })
}

fn decode_items(element: &Type, count: usize, bytes: &[u8]) -> Coded<Value> {
    let size = element.size() as usize;
    let items = bytes.chunks_exact(size).take(count).enumerate();
    items
        .map(|(index, item)| decode_type(element, item).within(format_args!("[{index}]")))
        .collect::<Coded<Vec<_>>>()
        .map(Value::Array)
}

/// The value, and its name if it has one.
fn decode_enum<'a>(e: &'a Enum, bytes: &[u8]) -> (i128, Option<&'a str>) {
    let value = if e.repr.is_signed() {
        read_signed(bytes).into()
    } else {
        read_word(bytes).into()
    };
    let known = e.values.iter().find(|known| known.value == value);
    (value, known.map(|known| known.name.as_str()))
}

fn decode_flags(e: &Enum, bits: u64) -> Value {
    let mut rest = bits;
    let mut list = Vec::new();
    for value in &e.values {
        let mask = mask_of(value.value, e.repr);
        // A name that covers several bits is listed when all of them are set and some are not named yet.
        if mask & bits == mask && mask & rest != 0 {
            list.push(value.name.as_str().into());
            rest &= !mask;
        }
    }
    if rest != 0 {
        list.push(rest.into());
    }
    Value::Array(list)
}

fn decode_union(u: &Union, bytes: &[u8]) -> Coded<Value> {
    let (word, payload) = bytes.split_at(u.align as usize);
    let tag = read_word(word);
    if tag == 0 && is_zero(payload) {
        return Ok(Value::Null);
    }
    let Some(variant) = u.variants.iter().find(|variant| u64::from(variant.tag) == tag) else {
        return Ok(object([("$tag", tag.into()), ("$payload", to_hex(payload).into())]));
    };
    let size = variant.ty.as_ref().map_or(0, Type::size) as usize;
    let value = match &variant.ty {
        Some(ty) => decode_type(ty, &payload[..size]).within(&variant.name)?,
        None => Value::Null,
    };
    let mut map = Map::new();
    map.insert(variant.name.clone(), value);
    if !is_zero(&payload[size..]) {
        map.insert("$spare".to_owned(), to_hex(&payload[size..]).into());
    }
    Ok(Value::Object(map))
}

fn decode_f64(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_infinite() => infinity(value < 0.0),
        None if value.to_bits() == F64_NAN => "NaN".into(),
        None => format!("NaN:{:#018x}", value.to_bits()).into(),
    }
}

fn decode_f32(value: f32) -> Value {
    if value.is_infinite() {
        return infinity(value < 0.0);
    }
    if value.is_nan() {
        return match value.to_bits() {
            F32_NAN => "NaN".into(),
            bits => format!("NaN:{bits:#010x}").into(),
        };
    }
    // The shortest decimal that means this f32 reads better than the exact one (0.1, not 0.10000000149011612).
    let short: f64 = value.to_string().parse().expect("a float prints as a float");
    let chosen = if (short as f32).to_bits() == value.to_bits() {
        short
    } else {
        value.into()
    };
    Number::from_f64(chosen).map_or(Value::Null, Value::Number)
}

const F64_NAN: u64 = 0x7ff8_0000_0000_0000;
const F32_NAN: u32 = 0x7fc0_0000;

fn infinity(negative: bool) -> Value {
    if negative {
        "-Infinity".into()
    } else {
        "Infinity".into()
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

// ---- values to bytes ----

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

fn unsigned(repr: IntegerType) -> IntegerType {
    match repr.size() {
        1 => IntegerType::U8,
        2 => IntegerType::U16,
        4 => IntegerType::U32,
        _ => IntegerType::U64,
    }
}

/// The bits of a flag; a negative one is its two's complement in the width of the integer.
fn mask_of(value: i128, repr: IntegerType) -> u64 {
    let (_, max) = unsigned(repr).range();
    (value & max) as u64
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// 1 to 8 little-endian bytes.
fn read_word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

fn read_signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * bytes.len() as u32;
    (read_word(bytes) << unused).cast_signed() >> unused
}

/// Puts the low bytes of `value`, as many as there are.
fn put(bytes: &mut [u8], value: u64) -> Coded<()> {
    let width = bytes.len();
    bytes.copy_from_slice(&value.to_le_bytes()[..width]);
    Ok(())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

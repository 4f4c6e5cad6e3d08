//! The bytes of a message as a JSON value.

use serde_json::{Map, Number, Value};

use super::error::{CodecError, CodecProblem, Coded, Within, fail};
use super::field::{Enumerant, FlagSet};
use super::word::{F32_NAN, F64_NAN, is_zero, read_signed, read_word};
use crate::model::{Schema, Struct, Type, Union};

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

fn invalid<T>(expected: impl Into<String>, found: impl Into<String>) -> Coded<T> {
    fail(CodecProblem::Invalid {
        expected: expected.into(),
        found: found.into(),
    })
}

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
        Type::Enum(e) => match Enumerant::of(e, bytes) {
            Enumerant { name: Some(name), .. } => name.into(),
            Enumerant { number, .. } => return invalid(format!("a value of enum {}", e.name), number.to_string()),
        },
        Type::OpenEnum(e) => match Enumerant::of(e, bytes).name {
            Some(name) => name.into(),
            None if e.repr.is_signed() => read_signed(bytes).into(),
            None => read_word(bytes).into(),
        },
        Type::Flags(e) => decode_flags(FlagSet::new(e, read_word(bytes))),
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

fn decode_flags(flags: FlagSet<'_>) -> Value {
    let mut list: Vec<Value> = flags.names().map(Value::from).collect();
    if flags.unnamed() != 0 {
        list.push(flags.unnamed().into());
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

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

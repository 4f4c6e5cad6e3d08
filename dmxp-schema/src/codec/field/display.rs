//! A message as one line of text, for people. Nothing that its bytes may hold stops it.

use std::fmt::{self, Display, Formatter};

use super::flags::FlagSet;
use super::record::Record;
use super::value::{Enumerant, FieldValue};
use crate::codec::rfc3339::Rfc3339;
use crate::codec::word::{is_zero, read_word};
use crate::model::Type;

/// `Tick { price: 101.5, venue: "XETR" }`. Reserved bytes are left out when they are all zero.
impl Display for Record<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let mut separator = " { ";
        for (field, value) in self.fields() {
            if matches!(field.ty, Type::Reserved(_)) && is_zero(value.bytes()) {
                continue;
            }
            write!(f, "{separator}{}: {value}", field.name)?;
            separator = ", ";
        }
        f.write_str(if separator == ", " { " }" } else { " {}" })
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Numbers, `true`, `'c'`, `"text"`, `0x00ff` for bytes, RFC 3339 for timestamps, `[1, 2]`, `null`, `Name { … }` for structs, the name
/// or number of an enum's value, `A | B | 0x80` for flags, `Variant(payload)` for unions. Bytes that are no value of their type are
/// `invalid` and the bytes.
impl Display for FieldValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.ty() {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
                self.write_value(f, self.integer("as_i64"))
            }
            // The shortest text that means this float, not that of the next double.
            Type::F32 => write!(f, "{:?}", f32::from_bits(read_word(self.bytes()) as u32)),
            Type::F64 => write!(f, "{:?}", f64::from_bits(read_word(self.bytes()))),
            Type::Bool => self.write_value(f, self.as_bool()),
            Type::Char => match self.as_char() {
                Ok(c) => write!(f, "{c:?}"),
                Err(_) => self.write_invalid(f),
            },
            Type::Timestamp => match self.as_timestamp() {
                Ok(nanoseconds) => Rfc3339(nanoseconds).fmt(f),
                Err(_) => self.write_invalid(f),
            },
            Type::Str(_) => match self.text() {
                Ok(text) => write!(f, "{text:?}"),
                Err(_) => self.write_invalid(f),
            },
            Type::Bytes(_) | Type::Reserved(_) => hex(f, self.bytes()),
            Type::Array { .. } | Type::Vec { .. } => match self.elements() {
                Ok(elements) => {
                    f.write_str("[")?;
                    for (index, element) in elements.enumerate() {
                        f.write_str(if index == 0 { "" } else { ", " })?;
                        element.fmt(f)?;
                    }
                    f.write_str("]")
                }
                Err(_) => self.write_invalid(f),
            },
            Type::Nullable(value) => match self.nullable(value) {
                Some(value) => value.fmt(f),
                None => f.write_str("null"),
            },
            Type::Struct(_) => self.write_value(f, self.as_record()),
            Type::Enum(e) | Type::OpenEnum(e) => match self.enumerant(e) {
                Enumerant { name: Some(name), .. } => f.write_str(name),
                Enumerant { number, .. } if matches!(self.ty(), Type::OpenEnum(_)) => number.fmt(f),
                _ => self.write_invalid(f),
            },
            Type::Flags(e) => FlagSet::new(e, read_word(self.bytes())).fmt(f),
            Type::Union(u) => match self.variant(u) {
                None => f.write_str("null"),
                Some(stored) => match (stored.name(), stored.value) {
                    (Some(name), Some(value)) => write!(f, "{name}({value})"),
                    (Some(name), None) => f.write_str(name),
                    (None, _) => {
                        write!(f, "unknown tag {} ", stored.tag)?;
                        hex(f, stored.payload)
                    }
                },
            },
        }
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FieldValue<'_> {
    fn write_value<T: Display, E>(&self, f: &mut Formatter<'_>, value: Result<T, E>) -> fmt::Result {
        match value {
            Ok(value) => value.fmt(f),
            Err(_) => self.write_invalid(f),
        }
    }

    fn write_invalid(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("invalid ")?;
        hex(f, self.bytes())
    }
}

fn hex(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

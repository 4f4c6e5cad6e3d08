//! A schema as bytes.

use std::sync::Arc;

use super::{BinaryError, FLAG_LARGE, FORMAT, HEADER, MAGIC, NOTE_ALIASES, NOTE_DOC, NOTE_SINCE, NOTE_UNIT};
use crate::fingerprint::{self as kind, integer_kind};
use crate::model::{Enum, Schema, Struct, Type, Union};
use crate::validate::limits;

/// Writes the binary form. The same schema gives the same bytes, always.
///
/// # Errors
/// [`BinaryError::TooLarge`] if it has more than [`limits::MAX_BINARY`] bytes. [`encode_to_fit`] leaves out doc comments
/// before it gives up.
///
/// ```
/// use dmxp_schema::{binary, model::Schema};
///
/// let schema: Schema = "struct Ping v1 size 4 align 4 { sequence: u32 @0 }".parse()?;
/// let bytes = binary::encode(&schema)?;
/// assert_eq!(&bytes[..4], b"DMXS");
/// assert_eq!(binary::decode(&bytes)?, schema);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode(schema: &Schema) -> Result<Vec<u8>, BinaryError> {
    let mut writer = Writer {
        out: vec![0; HEADER],
        ..Writer::default()
    };
    writer.write_struct(schema.root());
    let mut out = writer.out;
    if out.len() > limits::MAX_BINARY {
        return Err(BinaryError::TooLarge {
            found: out.len(),
            limit: limits::MAX_BINARY,
        });
    }
    let len = u16::try_from(out.len()).expect("the limit is below 2^16");
    out[..4].copy_from_slice(MAGIC);
    out[4] = FORMAT;
    out[5] = if schema.is_large() { FLAG_LARGE } else { 0 };
    out[6..HEADER].copy_from_slice(&len.to_le_bytes());
    Ok(out)
}

/// Writes the binary form, without doc comments if it has more than `room` bytes with them.
///
/// # Errors
/// [`BinaryError::TooLarge`] if it does not fit `room` (or [`limits::MAX_BINARY`], if that is less) even so.
pub fn encode_to_fit(schema: &Schema, room: usize) -> Result<Vec<u8>, BinaryError> {
    let limit = room.min(limits::MAX_BINARY);
    if let Ok(bytes) = encode(schema)
        && bytes.len() <= limit
    {
        return Ok(bytes);
    }
    match encode(&schema.without_docs()) {
        Ok(bytes) if bytes.len() <= limit => Ok(bytes),
        Ok(bytes) => Err(BinaryError::TooLarge {
            found: bytes.len(),
            limit,
        }),
        Err(BinaryError::TooLarge { found, .. }) => Err(BinaryError::TooLarge { found, limit }),
        Err(other) => Err(other),
    }
}

#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    structs: Vec<Arc<Struct>>,
    enums: Vec<Arc<Enum>>,
    unions: Vec<Arc<Union>>,
}

impl Writer {
    fn number(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn count(&mut self, count: usize) {
        self.number(count as u128);
    }

    fn string(&mut self, text: &str) {
        self.count(text.len());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn write_struct(&mut self, s: &Struct) {
        self.string(&s.name);
        self.number(s.version.into());
        self.number(s.size.into());
        self.number(s.align.into());
        self.string(&s.doc);
        self.count(s.fields.len());
        for field in &s.fields {
            self.string(&field.name);
            self.number(field.offset.into());
            self.write_type(&field.ty);
            let note = |present: bool, bit: u8| if present { bit } else { 0 };
            let notes = note(field.since != 1, NOTE_SINCE)
                | note(!field.unit.is_empty(), NOTE_UNIT)
                | note(!field.aliases.is_empty(), NOTE_ALIASES)
                | note(!field.doc.is_empty(), NOTE_DOC);
            self.out.push(notes);
            if notes & NOTE_SINCE != 0 {
                self.number(field.since.into());
            }
            if notes & NOTE_UNIT != 0 {
                self.string(&field.unit);
            }
            if notes & NOTE_ALIASES != 0 {
                self.count(field.aliases.len());
                field.aliases.iter().for_each(|alias| self.string(alias));
            }
            if notes & NOTE_DOC != 0 {
                self.string(&field.doc);
            }
        }
    }

    fn write_type(&mut self, ty: &Type) {
        self.out.push(kind_of(ty));
        match ty {
            Type::Bytes(len) | Type::Str(len) | Type::Reserved(len) => self.number((*len).into()),
            Type::Array { element, len: count }
            | Type::Vec {
                element,
                capacity: count,
            } => {
                self.number((*count).into());
                self.write_type(element);
            }
            Type::Nullable(value) => self.write_type(value),
            Type::Struct(s) => {
                if let Some(index) = self.structs.iter().position(|known| known == s) {
                    return self.count(index + 1);
                }
                self.count(0);
                self.write_struct(s);
                self.structs.push(Arc::clone(s));
            }
            Type::Enum(e) | Type::OpenEnum(e) | Type::Flags(e) => {
                if let Some(index) = self.enums.iter().position(|known| known == e) {
                    return self.count(index + 1);
                }
                self.count(0);
                self.write_enum(e);
                self.enums.push(Arc::clone(e));
            }
            Type::Union(u) => {
                if let Some(index) = self.unions.iter().position(|known| known == u) {
                    return self.count(index + 1);
                }
                self.count(0);
                self.write_union(u);
                self.unions.push(Arc::clone(u));
            }
            _ => {}
        }
    }

    fn write_enum(&mut self, e: &Enum) {
        self.string(&e.name);
        self.out.push(integer_kind(e.repr));
        self.string(&e.doc);
        self.count(e.values.len());
        for value in &e.values {
            self.string(&value.name);
            self.number(((value.value << 1) ^ (value.value >> 127)) as u128);
            self.string(&value.doc);
        }
    }

    fn write_union(&mut self, u: &Union) {
        self.string(&u.name);
        self.number(u.size.into());
        self.number(u.align.into());
        self.string(&u.doc);
        self.count(u.variants.len());
        for variant in &u.variants {
            self.string(&variant.name);
            self.number(variant.tag.into());
            self.out.push(variant.ty.is_some().into());
            if let Some(ty) = &variant.ty {
                self.write_type(ty);
            }
            self.string(&variant.doc);
        }
    }
}

fn kind_of(ty: &Type) -> u8 {
    match ty {
        Type::U8 => kind::KIND_U8,
        Type::U16 => kind::KIND_U16,
        Type::U32 => kind::KIND_U32,
        Type::U64 => kind::KIND_U64,
        Type::I8 => kind::KIND_I8,
        Type::I16 => kind::KIND_I16,
        Type::I32 => kind::KIND_I32,
        Type::I64 => kind::KIND_I64,
        Type::F32 => kind::KIND_F32,
        Type::F64 => kind::KIND_F64,
        Type::Bool => kind::KIND_BOOL,
        Type::Char => kind::KIND_CHAR,
        Type::Timestamp => kind::KIND_TIMESTAMP,
        Type::Bytes(_) => kind::KIND_BYTES,
        Type::Str(_) => kind::KIND_STR,
        Type::Array { .. } => kind::KIND_ARRAY,
        Type::Vec { .. } => kind::KIND_VEC,
        Type::Nullable(_) => kind::KIND_NULLABLE,
        Type::Struct(_) => kind::KIND_STRUCT,
        Type::Enum(_) => kind::KIND_ENUM,
        Type::OpenEnum(_) => kind::KIND_OPEN_ENUM,
        Type::Flags(_) => kind::KIND_FLAGS,
        Type::Union(_) => kind::KIND_UNION,
        Type::Reserved(_) => kind::KIND_RESERVED,
    }
}

//! The binary form: what is stored beside a channel, and therefore what a hostile process may have written.
//!
//! # Format
//! ```text
//! header     "DMXS", format version u8 = 1, flags u8, length u16 (little-endian; of the whole form, header included)
//! flags      bit 0: the message is larger than 960 bytes; other bits are zero
//! body       the message's struct
//! number     unsigned LEB128, in as few bytes as possible; at most 32 bits unless said otherwise
//! string     number of bytes, UTF-8
//! struct     string name, number version, size, align, string doc, number of fields, fields
//! field      string name, number offset, type, u8 notes, then what the notes announce, in this order:
//!            bit 0: number since (otherwise 1); bit 1: string unit; bit 2: number of aliases and strings; bit 3: string doc
//! type       u8 kind (the numbers of the canonical stream of `fingerprint`), then
//!            bytes, str, reserved: length; array: length, type; vec: capacity, type; nullable: type;
//!            struct, the enums, union: definition
//! definition 0 and the struct, enum or union; or n: the n-th definition of that category completed so far, from 1
//! enum       string name, u8 kind of the integer, string doc, number of values; each: string name, value, string doc
//! value      zigzag, then LEB128 of at most 65 bits
//! union      string name, number size, align, string doc, number of variants; each: string name, number tag,
//!            u8 0, or 1 and a type, string doc
//! ```
//!
//! # Hostile input
//! The decoder reads at most [`limits::MAX_BINARY`] bytes, never panics, never recurses deeper than [`limits::MAX_DEPTH`],
//! allocates in proportion to what it has read (counts are not trusted), and validates what it built with
//! [`crate::validate`]: all sizes, offsets and alignments are computed again.

use std::fmt;
use std::sync::Arc;

use crate::fingerprint::{self as kind, integer_kind};
use crate::model::{Enum, EnumValue, Field, IntegerType, Schema, Struct, Type, Union, Variant};
use crate::validate::{InvalidSchema, limits};

const MAGIC: &[u8; 4] = b"DMXS";
const FORMAT: u8 = 1;
const FLAG_LARGE: u8 = 1;
const HEADER: usize = 8;

const NOTE_SINCE: u8 = 1;
const NOTE_UNIT: u8 = 2;
const NOTE_ALIASES: u8 = 4;
const NOTE_DOC: u8 = 8;

/// Why bytes are not a schema, or a schema does not fit into them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryError {
    /// The schema needs more bytes than there may be.
    TooLarge {
        /// Bytes of the binary form.
        found: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// The bytes do not begin with a header of this format.
    Header {
        /// What the header has wrong.
        expected: &'static str,
        /// The bytes found there, as text.
        found: String,
    },
    /// The bytes end too early, or go on after the schema.
    Length {
        /// How many bytes there should be, at least.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A part is not what it must be.
    Malformed {
        /// Position of the part, in bytes from the start.
        position: usize,
        /// What was expected there.
        expected: &'static str,
        /// What was found.
        found: u64,
    },
    /// The bytes are a schema, but not a valid one.
    Invalid(InvalidSchema),
}

impl std::error::Error for BinaryError {}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { found, limit } => write!(
                f,
                "the binary form of the schema has {found} bytes, the limit is {limit}; shorten doc comments or names"
            ),
            Self::Header { expected, found } => {
                write!(f, "not a binary schema: expected {expected}, found {found}")
            }
            Self::Length { expected, found } => {
                write!(f, "binary schema: expected {expected} bytes, found {found}")
            }
            Self::Malformed {
                position,
                expected,
                found,
            } => {
                write!(f, "binary schema, byte {position}: expected {expected}, found {found}")
            }
            Self::Invalid(error) => write!(f, "binary schema: {error}"),
        }
    }
}

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

/// Reads the binary form; `bytes` must be exactly it.
///
/// # Errors
/// [`BinaryError`] tells what is wrong and where. Any bytes at all may be given.
pub fn decode(bytes: &[u8]) -> Result<Schema, BinaryError> {
    let (schema, len) = decode_prefix(bytes)?;
    if len != bytes.len() {
        return Err(BinaryError::Length {
            expected: len,
            found: bytes.len(),
        });
    }
    Ok(schema)
}

/// Reads the binary form at the start of `bytes` and tells how many bytes it has. What follows is not looked at.
///
/// # Errors
/// As [`decode`].
pub fn decode_prefix(bytes: &[u8]) -> Result<(Schema, usize), BinaryError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Err(BinaryError::Length {
            expected: HEADER,
            found: bytes.len(),
        });
    };
    if header[..4] != *MAGIC {
        let found = header[..4].escape_ascii().to_string();
        return Err(BinaryError::Header {
            expected: "the bytes `DMXS`",
            found: format!("`{found}`"),
        });
    }
    if header[4] != FORMAT {
        return Err(BinaryError::Header {
            expected: "format version 1",
            found: header[4].to_string(),
        });
    }
    let flags = header[5];
    if flags & !FLAG_LARGE != 0 {
        return Err(BinaryError::Header {
            expected: "no flags but bit 0",
            found: format!("{flags:#04x}"),
        });
    }
    let len = usize::from(u16::from_le_bytes([header[6], header[7]]));
    if len > limits::MAX_BINARY {
        return Err(BinaryError::TooLarge {
            found: len,
            limit: limits::MAX_BINARY,
        });
    }
    if len > bytes.len() || len < HEADER {
        return Err(BinaryError::Length {
            expected: len.max(HEADER),
            found: bytes.len(),
        });
    }
    let mut reader = Reader {
        bytes: &bytes[..len],
        position: HEADER,
        structs: vec![],
        enums: vec![],
        unions: vec![],
        deepest: 1,
    };
    let root = reader.read_struct(1)?;
    if reader.position != len {
        return Err(BinaryError::Length {
            expected: reader.position,
            found: len,
        });
    }
    let schema = Schema::new(root).map_err(BinaryError::Invalid)?;
    if schema.is_large() != (flags & FLAG_LARGE != 0) {
        return Err(BinaryError::Header {
            expected: "flag bit 0 for messages of more than 960 bytes, and only for those",
            found: format!("flags {flags:#04x} and {} bytes", schema.size()),
        });
    }
    Ok((schema, len))
}

// ---- writing ----

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

// ---- reading ----

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    structs: Known<Struct>,
    enums: Known<Enum>,
    unions: Known<Union>,
    /// The deepest level reached since the definition being read began.
    deepest: u32,
}

/// Definitions read so far, each with the number of levels below its own.
type Known<T> = Vec<(Arc<T>, u32)>;

type Read<T> = Result<T, BinaryError>;

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        // `position` never exceeds the length.
        let rest = &self.bytes[self.position..];
        let Some(taken) = rest.get(..count) else {
            return Err(BinaryError::Length {
                expected: self.position.saturating_add(count),
                found: self.bytes.len(),
            });
        };
        self.position += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    fn malformed<T>(position: usize, expected: &'static str, found: u64) -> Read<T> {
        Err(BinaryError::Malformed {
            position,
            expected,
            found,
        })
    }

    fn leb128(&mut self, bits: u32) -> Read<u128> {
        let start = self.position;
        let mut value: u128 = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            let remaining = bits.saturating_sub(shift);
            if remaining < 7 && part >> remaining != 0 || shift >= bits {
                return Self::malformed(start, "a number of fewer bits", byte.into());
            }
            value |= part << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 7 {
                    return Self::malformed(start, "a number in as few bytes as possible", 0);
                }
                return Ok(value);
            }
        }
    }

    fn number(&mut self) -> Read<u32> {
        Ok(self.leb128(32)? as u32)
    }

    fn string(&mut self) -> Read<String> {
        let start = self.position;
        let len = self.number()? as usize;
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Self::malformed(start, "UTF-8 text", bytes[error.valid_up_to()].into()),
        }
    }

    /// The item takes at least one byte each time, so a forged count ends with the bytes.
    fn list<T>(
        &mut self,
        limit: usize,
        expected: &'static str,
        mut item: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let start = self.position;
        let count = self.number()?;
        if count as usize > limit {
            return Self::malformed(start, expected, count.into());
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn read_struct(&mut self, depth: u32) -> Read<Struct> {
        Ok(Struct {
            name: self.string()?,
            version: self.number()?,
            size: self.number()?,
            align: self.number()?,
            doc: self.string()?,
            fields: self.list(limits::MAX_FIELDS, "no more fields than the limit", |r| {
                r.read_field(depth)
            })?,
        })
    }

    fn read_field(&mut self, depth: u32) -> Read<Field> {
        let name = self.string()?;
        let offset = self.number()?;
        let ty = self.read_type(depth + 1)?;
        let start = self.position;
        let notes = self.byte()?;
        if notes & !(NOTE_SINCE | NOTE_UNIT | NOTE_ALIASES | NOTE_DOC) != 0 {
            return Self::malformed(start, "no notes but those of bits 0 to 3", notes.into());
        }
        let since = if notes & NOTE_SINCE != 0 { self.number()? } else { 1 };
        let unit = if notes & NOTE_UNIT != 0 {
            self.string()?
        } else {
            String::new()
        };
        let aliases = if notes & NOTE_ALIASES != 0 {
            self.list(limits::MAX_ALIASES, "no more aliases than the limit", Self::string)?
        } else {
            Vec::new()
        };
        let doc = if notes & NOTE_DOC != 0 {
            self.string()?
        } else {
            String::new()
        };
        Ok(Field {
            name,
            offset,
            ty,
            since,
            unit,
            aliases,
            doc,
        })
    }

    /// Notes that a part lies at `level`. References can stack definitions, so this is counted and not left to the recursion.
    fn reach(&mut self, level: u32) -> Read<()> {
        if level > limits::MAX_DEPTH {
            return Self::malformed(self.position, "no deeper nesting than the limit", level.into());
        }
        self.deepest = self.deepest.max(level);
        Ok(())
    }

    fn read_type(&mut self, depth: u32) -> Read<Type> {
        let start = self.position;
        self.reach(depth)?;
        Ok(match self.byte()? {
            kind::KIND_U8 => Type::U8,
            kind::KIND_U16 => Type::U16,
            kind::KIND_U32 => Type::U32,
            kind::KIND_U64 => Type::U64,
            kind::KIND_I8 => Type::I8,
            kind::KIND_I16 => Type::I16,
            kind::KIND_I32 => Type::I32,
            kind::KIND_I64 => Type::I64,
            kind::KIND_F32 => Type::F32,
            kind::KIND_F64 => Type::F64,
            kind::KIND_BOOL => Type::Bool,
            kind::KIND_CHAR => Type::Char,
            kind::KIND_TIMESTAMP => Type::Timestamp,
            kind::KIND_BYTES => Type::Bytes(self.number()?),
            kind::KIND_STR => Type::Str(self.number()?),
            kind::KIND_RESERVED => Type::Reserved(self.number()?),
            kind::KIND_ARRAY => {
                let len = self.number()?;
                Type::Array {
                    len,
                    element: Box::new(self.read_type(depth + 1)?),
                }
            }
            kind::KIND_VEC => {
                let capacity = self.number()?;
                Type::Vec {
                    capacity,
                    element: Box::new(self.read_type(depth + 1)?),
                }
            }
            kind::KIND_NULLABLE => Type::Nullable(Box::new(self.read_type(depth + 1)?)),
            kind::KIND_STRUCT => Type::Struct(self.definition(depth, |r| &mut r.structs, |r| r.read_struct(depth))?),
            kind::KIND_ENUM => Type::Enum(self.definition(depth, |r| &mut r.enums, Self::read_enum)?),
            kind::KIND_OPEN_ENUM => Type::OpenEnum(self.definition(depth, |r| &mut r.enums, Self::read_enum)?),
            kind::KIND_FLAGS => Type::Flags(self.definition(depth, |r| &mut r.enums, Self::read_enum)?),
            kind::KIND_UNION => Type::Union(self.definition(depth, |r| &mut r.unions, |r| r.read_union(depth))?),
            other => return Self::malformed(start, "the kind of a type, 1 to 24", other.into()),
        })
    }

    /// A definition is known only when it is complete, so none can contain itself.
    fn definition<T>(
        &mut self,
        depth: u32,
        known: impl Fn(&mut Self) -> &mut Known<T>,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<Arc<T>> {
        let start = self.position;
        let reference = self.number()?;
        if reference == 0 {
            let outside = std::mem::replace(&mut self.deepest, depth);
            let definition = Arc::new(read(self)?);
            let levels = self.deepest - depth;
            known(self).push((Arc::clone(&definition), levels));
            self.deepest = self.deepest.max(outside);
            return Ok(definition);
        }
        let Some((definition, levels)) = known(self).get(reference as usize - 1).cloned() else {
            return Self::malformed(start, "the number of an earlier definition", reference.into());
        };
        self.reach(depth + levels)?;
        Ok(definition)
    }

    fn read_enum(&mut self) -> Read<Enum> {
        let name = self.string()?;
        let start = self.position;
        let repr = match self.byte()? {
            kind::KIND_U8 => IntegerType::U8,
            kind::KIND_U16 => IntegerType::U16,
            kind::KIND_U32 => IntegerType::U32,
            kind::KIND_U64 => IntegerType::U64,
            kind::KIND_I8 => IntegerType::I8,
            kind::KIND_I16 => IntegerType::I16,
            kind::KIND_I32 => IntegerType::I32,
            kind::KIND_I64 => IntegerType::I64,
            other => return Self::malformed(start, "the kind of an integer, 1 to 8", other.into()),
        };
        let doc = self.string()?;
        let values = self.list(limits::MAX_VALUES, "no more values than the limit", |r| {
            let name = r.string()?;
            let zigzag = r.leb128(65)?;
            let value = (zigzag >> 1) as i128 ^ -((zigzag & 1) as i128);
            Ok(EnumValue {
                name,
                value,
                doc: r.string()?,
            })
        })?;
        Ok(Enum {
            name,
            repr,
            doc,
            values,
        })
    }

    fn read_union(&mut self, depth: u32) -> Read<Union> {
        let name = self.string()?;
        let size = self.number()?;
        let align = self.number()?;
        let doc = self.string()?;
        let variants = self.list(limits::MAX_VARIANTS, "no more variants than the limit", |r| {
            let name = r.string()?;
            let tag = r.number()?;
            let start = r.position;
            let ty = match r.byte()? {
                0 => None,
                1 => Some(r.read_type(depth + 1)?),
                other => return Self::malformed(start, "0, or 1 and a payload", other.into()),
            };
            Ok(Variant {
                name,
                tag,
                ty,
                doc: r.string()?,
            })
        })?;
        Ok(Union {
            name,
            size,
            align,
            doc,
            variants,
        })
    }
}

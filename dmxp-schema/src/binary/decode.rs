//! Bytes, which anybody may have written, as a schema.

use std::sync::Arc;

use super::{BinaryError, FLAG_LARGE, FORMAT, HEADER, MAGIC, NOTE_ALIASES, NOTE_DOC, NOTE_SINCE, NOTE_UNIT};
use crate::fingerprint as kind;
use crate::model::{Enum, EnumValue, Field, IntegerType, Schema, Struct, Type, Union, Variant};
use crate::validate::limits;

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

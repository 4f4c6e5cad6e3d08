//! Fingerprints: 64 bits that say whether two schemas are the same.
//!
//! Two of them, both FNV-1a-64 over one canonical stream of bytes:
//!
//! - the **layout** fingerprint covers kinds, offsets, sizes and alignments. Equal means: what the other side wrote may be
//!   read in place.
//! - the **schema** fingerprint adds the names of messages, fields, enums, unions, values and variants, and the values. Equal
//!   means: both sides say the same with it.
//!
//! Neither covers notes: `doc`, `unit`, `alias`, `since` and the message version. A comment or a rename that keeps an alias is
//! no reason to look at every channel twice.
//!
//! ```
//! use dmxp_schema::descriptor::{FieldDescriptor, StructDescriptor, TypeDescriptor};
//! use dmxp_schema::fingerprint;
//!
//! const TICK: StructDescriptor = StructDescriptor {
//!     name: "Tick",
//!     version: 1,
//!     size: 8,
//!     align: 8,
//!     fields: &[FieldDescriptor {
//!         name: "price",
//!         offset: 0,
//!         ty: &TypeDescriptor::F64,
//!         since: 1,
//!         doc: "",
//!         unit: "",
//!         aliases: &[],
//!     }],
//!     doc: "",
//! };
//! // Known to the compiler.
//! const LAYOUT: u64 = fingerprint::layout_of(&TICK);
//! const SCHEMA: u64 = fingerprint::schema_of(&TICK);
//! assert_ne!(LAYOUT, SCHEMA);
//! ```
//!
//! # The canonical stream
//! Numbers are little-endian `u32` unless said otherwise; a name is its length and its bytes. A name and a `value` are
//! there in the schema stream only.
//!
//! | part | bytes |
//! |---|---|
//! | stream | the 16 ASCII bytes `dmxp-layout-fp-1` or `dmxp-schema-fp-1`, then the struct |
//! | struct | name, size, alignment, number of fields, fields |
//! | field | name, offset, type |
//! | type | one byte for the kind (the `KIND_` constants), then what the kind needs: a length, an element type, a definition |
//! | enum | name, one byte for the integer type, and in the schema stream the number of values and per value its name and its value as 16 bytes |
//! | union | name, size, alignment, number of variants; per variant its name, its tag, and one byte 0, or 1 and its type |

use crate::descriptor::{EnumDescriptor, IntegerType, StructDescriptor, TypeDescriptor, UnionDescriptor};
use crate::model::{Enum, Struct, Type, Union};

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

const LAYOUT_STREAM: &[u8] = b"dmxp-layout-fp-1";
const SCHEMA_STREAM: &[u8] = b"dmxp-schema-fp-1";

// One byte per kind. The binary form uses the same numbers; they are part of both formats and never change meaning.
pub(crate) const KIND_U8: u8 = 1;
pub(crate) const KIND_U16: u8 = 2;
pub(crate) const KIND_U32: u8 = 3;
pub(crate) const KIND_U64: u8 = 4;
pub(crate) const KIND_I8: u8 = 5;
pub(crate) const KIND_I16: u8 = 6;
pub(crate) const KIND_I32: u8 = 7;
pub(crate) const KIND_I64: u8 = 8;
pub(crate) const KIND_F32: u8 = 9;
pub(crate) const KIND_F64: u8 = 10;
pub(crate) const KIND_BOOL: u8 = 11;
pub(crate) const KIND_CHAR: u8 = 12;
pub(crate) const KIND_TIMESTAMP: u8 = 13;
pub(crate) const KIND_BYTES: u8 = 14;
pub(crate) const KIND_STR: u8 = 15;
pub(crate) const KIND_ARRAY: u8 = 16;
pub(crate) const KIND_VEC: u8 = 17;
pub(crate) const KIND_NULLABLE: u8 = 18;
pub(crate) const KIND_STRUCT: u8 = 19;
pub(crate) const KIND_ENUM: u8 = 20;
pub(crate) const KIND_OPEN_ENUM: u8 = 21;
pub(crate) const KIND_FLAGS: u8 = 22;
pub(crate) const KIND_UNION: u8 = 23;
pub(crate) const KIND_RESERVED: u8 = 24;

/// Layout fingerprint of a message: equal means one side may borrow what the other wrote.
#[must_use]
pub const fn layout_of(s: &StructDescriptor) -> u64 {
    descriptor::hash_struct(fnv1a_64_continue(OFFSET_BASIS, LAYOUT_STREAM), s, false)
}

/// Schema fingerprint of a message: equal means both sides give the bytes the same names and values.
#[must_use]
pub const fn schema_of(s: &StructDescriptor) -> u64 {
    descriptor::hash_struct(fnv1a_64_continue(OFFSET_BASIS, SCHEMA_STREAM), s, true)
}

/// FNV-1a, 64 bits, of some bytes. The function behind both fingerprints.
///
/// See Fowler, Noll, Vo and Eastlake, *The FNV Non-Cryptographic Hash Algorithm*.
///
/// ```
/// assert_eq!(dmxp_schema::fingerprint::fnv1a_64(b"foobar"), 0x85944171f73967e8);
/// ```
#[must_use]
pub const fn fnv1a_64(bytes: &[u8]) -> u64 {
    fnv1a_64_continue(OFFSET_BASIS, bytes)
}

const fn fnv1a_64_continue(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = hash_byte(hash, bytes[i]);
        i += 1;
    }
    hash
}

const fn hash_byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(PRIME)
}

const fn hash_u32(hash: u64, value: u32) -> u64 {
    fnv1a_64_continue(hash, &value.to_le_bytes())
}

const fn hash_name(hash: u64, name: &[u8], named: bool) -> u64 {
    if !named {
        return hash;
    }
    fnv1a_64_continue(hash_u32(hash, name.len() as u32), name)
}

pub(crate) const fn integer_kind(repr: IntegerType) -> u8 {
    match repr {
        IntegerType::U8 => KIND_U8,
        IntegerType::U16 => KIND_U16,
        IntegerType::U32 => KIND_U32,
        IntegerType::U64 => KIND_U64,
        IntegerType::I8 => KIND_I8,
        IntegerType::I16 => KIND_I16,
        IntegerType::I32 => KIND_I32,
        IntegerType::I64 => KIND_I64,
    }
}

/// Writes the walk over one of the two models. The borrowed and the owned model have the same shape and Rust has no const
/// traits, so the text of the walk is shared instead of its type: the two can never disagree.
macro_rules! walk {
    ($module:ident, [$($constness:tt)?], $Struct:ty, $Type:ident, $Enum:ty, $Union:ty) => {
        mod $module {
            use super::*;

            pub(super) $($constness)? fn hash_struct(mut hash: u64, s: &$Struct, named: bool) -> u64 {
                hash = hash_name(hash, s.name.as_bytes(), named);
                hash = hash_u32(hash, s.size);
                hash = hash_u32(hash, s.align);
                hash = hash_u32(hash, s.fields.len() as u32);
                let mut i = 0;
                while i < s.fields.len() {
                    let field = &s.fields[i];
                    hash = hash_name(hash, field.name.as_bytes(), named);
                    hash = hash_u32(hash, field.offset);
                    hash = hash_type(hash, &field.ty, named);
                    i += 1;
                }
                hash
            }

            pub(super) $($constness)? fn hash_type(hash: u64, ty: &$Type, named: bool) -> u64 {
                match ty {
                    $Type::U8 => hash_byte(hash, KIND_U8),
                    $Type::U16 => hash_byte(hash, KIND_U16),
                    $Type::U32 => hash_byte(hash, KIND_U32),
                    $Type::U64 => hash_byte(hash, KIND_U64),
                    $Type::I8 => hash_byte(hash, KIND_I8),
                    $Type::I16 => hash_byte(hash, KIND_I16),
                    $Type::I32 => hash_byte(hash, KIND_I32),
                    $Type::I64 => hash_byte(hash, KIND_I64),
                    $Type::F32 => hash_byte(hash, KIND_F32),
                    $Type::F64 => hash_byte(hash, KIND_F64),
                    $Type::Bool => hash_byte(hash, KIND_BOOL),
                    $Type::Char => hash_byte(hash, KIND_CHAR),
                    $Type::Timestamp => hash_byte(hash, KIND_TIMESTAMP),
                    $Type::Bytes(len) => hash_u32(hash_byte(hash, KIND_BYTES), *len),
                    $Type::Str(len) => hash_u32(hash_byte(hash, KIND_STR), *len),
                    $Type::Reserved(len) => hash_u32(hash_byte(hash, KIND_RESERVED), *len),
                    $Type::Array { element, len } => {
                        hash_type(hash_u32(hash_byte(hash, KIND_ARRAY), *len), &**element, named)
                    }
                    $Type::Vec { element, capacity } => {
                        hash_type(hash_u32(hash_byte(hash, KIND_VEC), *capacity), &**element, named)
                    }
                    $Type::Nullable(value) => hash_type(hash_byte(hash, KIND_NULLABLE), &**value, named),
                    $Type::Struct(s) => hash_struct(hash_byte(hash, KIND_STRUCT), &**s, named),
                    $Type::Enum(e) => hash_enum(hash_byte(hash, KIND_ENUM), &**e, named),
                    $Type::OpenEnum(e) => hash_enum(hash_byte(hash, KIND_OPEN_ENUM), &**e, named),
                    $Type::Flags(e) => hash_enum(hash_byte(hash, KIND_FLAGS), &**e, named),
                    $Type::Union(u) => hash_union(hash_byte(hash, KIND_UNION), &**u, named),
                }
            }

            pub(super) $($constness)? fn hash_enum(mut hash: u64, e: &$Enum, named: bool) -> u64 {
                hash = hash_name(hash, e.name.as_bytes(), named);
                hash = hash_byte(hash, integer_kind(e.repr));
                if named {
                    hash = hash_u32(hash, e.values.len() as u32);
                    let mut i = 0;
                    while i < e.values.len() {
                        let value = &e.values[i];
                        hash = hash_name(hash, value.name.as_bytes(), named);
                        hash = fnv1a_64_continue(hash, &value.value.to_le_bytes());
                        i += 1;
                    }
                }
                hash
            }

            pub(super) $($constness)? fn hash_union(mut hash: u64, u: &$Union, named: bool) -> u64 {
                hash = hash_name(hash, u.name.as_bytes(), named);
                hash = hash_u32(hash, u.size);
                hash = hash_u32(hash, u.align);
                hash = hash_u32(hash, u.variants.len() as u32);
                let mut i = 0;
                while i < u.variants.len() {
                    let variant = &u.variants[i];
                    hash = hash_name(hash, variant.name.as_bytes(), named);
                    hash = hash_u32(hash, variant.tag);
                    hash = match &variant.ty {
                        Some(ty) => hash_type(hash_byte(hash, 1), ty, named),
                        None => hash_byte(hash, 0),
                    };
                    i += 1;
                }
                hash
            }
        }
    };
}

walk!(descriptor, [const], StructDescriptor, TypeDescriptor, EnumDescriptor, UnionDescriptor);
walk!(owned, [], Struct, Type, Enum, Union);

/// [`layout_of`], for an owned struct.
#[must_use]
pub(crate) fn layout_of_owned(s: &Struct) -> u64 {
    owned::hash_struct(fnv1a_64_continue(OFFSET_BASIS, LAYOUT_STREAM), s, false)
}

/// [`schema_of`], for an owned struct.
#[must_use]
pub(crate) fn schema_of_owned(s: &Struct) -> u64 {
    owned::hash_struct(fnv1a_64_continue(OFFSET_BASIS, SCHEMA_STREAM), s, true)
}

/// A number for one definition of a generated file: equal for the same names, values and layout.
pub(crate) fn of_definition(definition: &crate::generate::Definition<'_>) -> u64 {
    use crate::generate::Definition;
    let start = fnv1a_64_continue(OFFSET_BASIS, SCHEMA_STREAM);
    match definition {
        Definition::Struct(s) => owned::hash_struct(start, s, true),
        Definition::Enum(e) | Definition::Flags(e) => owned::hash_enum(start, e, true),
        Definition::Union(u) => owned::hash_union(start, u, true),
        Definition::Nullable(value) => owned::hash_type(start, value, true),
        Definition::Vec(element, capacity) => owned::hash_type(hash_u32(start, *capacity), element, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the test vectors published with the FNV reference code (draft-eastlake-fnv, appendix C).
    #[test]
    fn fnv1a_64_agrees_with_the_published_vectors() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("b", 0xaf63_df4c_8601_f1a5),
            ("fo", 0x0898_5907_b541_d342),
            ("foo", 0xdcb2_7518_fed9_d577),
            ("foob", 0xdd12_0e79_0c25_12af),
            ("fooba", 0xcac1_65af_a2fe_f40a),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv1a_64(text.as_bytes()), hash, "{text:?}");
        }
    }
}

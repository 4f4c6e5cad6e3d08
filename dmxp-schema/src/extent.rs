//! What a descriptor measures, for the compiler: the limits of [`crate::validate`] and of the binary form that only all the types of a
//! message together exceed. What a derive sees of one type alone is not looked at here.

use crate::binary::HEADER;
use crate::descriptor::{EnumDescriptor, StructDescriptor, TypeDescriptor, UnionDescriptor};
use crate::validate::limits;

/// A limit that a message exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// What there is too much of.
    pub what: &'static str,
    /// How much there is; for levels of nesting, one more than the limit.
    pub found: u32,
    /// How much there may be.
    pub limit: u32,
}

/// The first limit of a whole message that the descriptor exceeds: levels of nesting, parts, bytes of the binary form without doc comments.
///
/// ```
/// use dmxp_schema::descriptor::{FieldDescriptor, StructDescriptor, TypeDescriptor};
/// use dmxp_schema::validate::limit_exceeded;
///
/// const VALUE: FieldDescriptor =
///     FieldDescriptor { name: "value", offset: 0, ty: &TypeDescriptor::F64, since: 1, doc: "", unit: "", aliases: &[] };
/// const TICK: StructDescriptor =
///     StructDescriptor { name: "Tick", version: 1, size: 8, align: 8, fields: &[VALUE], doc: "" };
/// const EXCEEDED: Option<dmxp_schema::validate::Exceeded> = limit_exceeded(&TICK);
/// assert_eq!(EXCEEDED, None);
/// ```
#[must_use]
pub const fn limit_exceeded(message: &'static StructDescriptor) -> Option<Exceeded> {
    let mut walk = Walk::new();
    walk.walk_struct(message, 1);
    if walk.depth > limits::MAX_DEPTH {
        return Some(Exceeded {
            what: "levels of types inside types",
            found: walk.depth,
            limit: limits::MAX_DEPTH,
        });
    }
    if walk.parts > limits::MAX_PARTS {
        return Some(Exceeded {
            what: "fields, types, values and variants in all",
            found: walk.parts,
            limit: limits::MAX_PARTS,
        });
    }
    // Cheaper, and enough for most.
    let mut binary = Binary::new(false);
    binary.write_struct(message);
    if HEADER + binary.len > limits::MAX_BINARY {
        binary = Binary::new(true);
        binary.write_struct(message);
    }
    let found = HEADER + binary.len;
    if found > limits::MAX_BINARY {
        return Some(Exceeded {
            what: "bytes of schema, names and notes but no doc comments",
            found: found as u32,
            limit: limits::MAX_BINARY as u32,
        });
    }
    None
}

/// Counts as [`crate::validate::validate`] does. It stops where a limit is exceeded: a walk is no longer than the limits.
struct Walk {
    parts: u32,
    depth: u32,
}

impl Walk {
    const fn new() -> Self {
        Self { parts: 0, depth: 0 }
    }

    const fn is_over(&self) -> bool {
        self.parts > limits::MAX_PARTS || self.depth > limits::MAX_DEPTH
    }

    const fn walk_struct(&mut self, s: &StructDescriptor, depth: u32) {
        let mut index = 0;
        while index < s.fields.len() && !self.is_over() {
            self.parts += 1;
            self.walk_type(s.fields[index].ty, depth + 1);
            index += 1;
        }
    }

    const fn walk_type(&mut self, ty: &TypeDescriptor, depth: u32) {
        self.parts += 1;
        if depth > self.depth {
            self.depth = depth;
        }
        if self.is_over() {
            return;
        }
        match ty {
            TypeDescriptor::Array { element, .. }
            | TypeDescriptor::Vec { element, .. }
            | TypeDescriptor::Nullable(element) => self.walk_type(element, depth + 1),
            TypeDescriptor::Struct(s) => self.walk_struct(s, depth),
            TypeDescriptor::Enum(e) | TypeDescriptor::OpenEnum(e) | TypeDescriptor::Flags(e) => {
                self.parts = self.parts.saturating_add(e.values.len() as u32);
            }
            TypeDescriptor::Union(u) => {
                let mut index = 0;
                while index < u.variants.len() && !self.is_over() {
                    self.parts += 1;
                    if let Some(ty) = u.variants[index].ty {
                        self.walk_type(ty, depth + 1);
                    }
                    index += 1;
                }
            }
            _ => {}
        }
    }
}

/// Definitions that are told apart; more than a message of 960 bytes can have. Those beyond count each time.
const MAX_KNOWN: usize = 1024;

/// The hashes of the definitions written so far.
#[derive(Clone, Copy)]
struct Known {
    hashes: [u64; MAX_KNOWN],
    count: usize,
}

impl Known {
    const NONE: Self = Self {
        hashes: [0; MAX_KNOWN],
        count: 0,
    };

    const fn position(&self, hash: u64) -> Option<usize> {
        let mut index = 0;
        while index < self.count {
            if self.hashes[index] == hash {
                return Some(index);
            }
            index += 1;
        }
        None
    }

    const fn add(&mut self, hash: u64) {
        if self.count < MAX_KNOWN {
            self.hashes[self.count] = hash;
            self.count += 1;
        }
    }
}

/// Counts and hashes the bytes that [`crate::binary::encode`] writes for a schema without doc comments.
struct Binary {
    len: usize,
    hash: u64,
    /// Whether a definition that was written before is referred to; not while one is hashed.
    refers: bool,
    structs: Known,
    enums: Known,
    unions: Known,
}

impl Binary {
    const fn new(refers: bool) -> Self {
        Self {
            len: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            refers,
            structs: Known::NONE,
            enums: Known::NONE,
            unions: Known::NONE,
        }
    }

    const fn byte(&mut self, byte: u8) {
        self.len += 1;
        self.hash = (self.hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
    }

    const fn number(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    const fn string(&mut self, text: &str) {
        let text = text.as_bytes();
        self.number(text.len() as u128);
        let mut index = 0;
        while index < text.len() {
            self.byte(text[index]);
            index += 1;
        }
    }

    const fn write_struct(&mut self, s: &StructDescriptor) {
        self.string(s.name);
        self.number(s.version as u128);
        self.number(s.size as u128);
        self.number(s.align as u128);
        self.string("");
        self.number(s.fields.len() as u128);
        let mut index = 0;
        while index < s.fields.len() {
            let field = &s.fields[index];
            self.string(field.name);
            self.number(field.offset as u128);
            self.write_type(field.ty);
            self.byte(
                (field.since != 1) as u8 | (!field.unit.is_empty() as u8) << 1 | (!field.aliases.is_empty() as u8) << 2,
            );
            if field.since != 1 {
                self.number(field.since as u128);
            }
            if !field.unit.is_empty() {
                self.string(field.unit);
            }
            if !field.aliases.is_empty() {
                self.number(field.aliases.len() as u128);
                let mut alias = 0;
                while alias < field.aliases.len() {
                    self.string(field.aliases[alias]);
                    alias += 1;
                }
            }
            index += 1;
        }
    }

    const fn write_type(&mut self, ty: &TypeDescriptor) {
        // Which kind it is matters for the hash alone.
        self.byte(kind_of(ty));
        match ty {
            TypeDescriptor::Bytes(len) | TypeDescriptor::Str(len) | TypeDescriptor::Reserved(len) => {
                self.number(*len as u128);
            }
            TypeDescriptor::Array { element, len: count }
            | TypeDescriptor::Vec {
                element,
                capacity: count,
            } => {
                self.number(*count as u128);
                self.write_type(element);
            }
            TypeDescriptor::Nullable(value) => self.write_type(value),
            TypeDescriptor::Struct(s) => {
                let hash = self.hash_of(Definition::Struct(s));
                if let Some(index) = self.structs.position(hash)
                    && self.refers
                {
                    return self.number(index as u128 + 1);
                }
                self.number(0);
                self.write_struct(s);
                self.structs.add(hash);
            }
            TypeDescriptor::Enum(e) | TypeDescriptor::OpenEnum(e) | TypeDescriptor::Flags(e) => {
                let hash = self.hash_of(Definition::Enum(e));
                if let Some(index) = self.enums.position(hash)
                    && self.refers
                {
                    return self.number(index as u128 + 1);
                }
                self.number(0);
                self.write_enum(e);
                self.enums.add(hash);
            }
            TypeDescriptor::Union(u) => {
                let hash = self.hash_of(Definition::Union(u));
                if let Some(index) = self.unions.position(hash)
                    && self.refers
                {
                    return self.number(index as u128 + 1);
                }
                self.number(0);
                self.write_union(u);
                self.unions.add(hash);
            }
            _ => {}
        }
    }

    const fn write_enum(&mut self, e: &EnumDescriptor) {
        self.string(e.name);
        self.byte(e.repr as u8);
        self.string("");
        self.number(e.values.len() as u128);
        let mut index = 0;
        while index < e.values.len() {
            let value = &e.values[index];
            self.string(value.name);
            self.number(((value.value << 1) ^ (value.value >> 127)) as u128);
            self.string("");
            index += 1;
        }
    }

    const fn write_union(&mut self, u: &UnionDescriptor) {
        self.string(u.name);
        self.number(u.size as u128);
        self.number(u.align as u128);
        self.string("");
        self.number(u.variants.len() as u128);
        let mut index = 0;
        while index < u.variants.len() {
            let variant = &u.variants[index];
            self.string(variant.name);
            self.number(variant.tag as u128);
            self.byte(variant.ty.is_some() as u8);
            if let Some(ty) = variant.ty {
                self.write_type(ty);
            }
            self.string("");
            index += 1;
        }
    }

    /// Equal for definitions that are equal but for doc comments.
    const fn hash_of(&self, definition: Definition) -> u64 {
        if !self.refers {
            return 0;
        }
        let mut whole = Self::new(false);
        match definition {
            Definition::Struct(s) => whole.write_struct(s),
            Definition::Enum(e) => whole.write_enum(e),
            Definition::Union(u) => whole.write_union(u),
        }
        whole.hash
    }
}

enum Definition<'a> {
    Struct(&'a StructDescriptor),
    Enum(&'a EnumDescriptor),
    Union(&'a UnionDescriptor),
}

const fn kind_of(ty: &TypeDescriptor) -> u8 {
    match ty {
        TypeDescriptor::U8 => 1,
        TypeDescriptor::U16 => 2,
        TypeDescriptor::U32 => 3,
        TypeDescriptor::U64 => 4,
        TypeDescriptor::I8 => 5,
        TypeDescriptor::I16 => 6,
        TypeDescriptor::I32 => 7,
        TypeDescriptor::I64 => 8,
        TypeDescriptor::F32 => 9,
        TypeDescriptor::F64 => 10,
        TypeDescriptor::Bool => 11,
        TypeDescriptor::Char => 12,
        TypeDescriptor::Timestamp => 13,
        TypeDescriptor::Bytes(_) => 14,
        TypeDescriptor::Str(_) => 15,
        TypeDescriptor::Array { .. } => 16,
        TypeDescriptor::Vec { .. } => 17,
        TypeDescriptor::Nullable(_) => 18,
        TypeDescriptor::Struct(_) => 19,
        TypeDescriptor::Enum(_) => 20,
        TypeDescriptor::OpenEnum(_) => 21,
        TypeDescriptor::Flags(_) => 22,
        TypeDescriptor::Union(_) => 23,
        TypeDescriptor::Reserved(_) => 24,
    }
}

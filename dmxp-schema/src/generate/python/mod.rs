//! A Python module of ctypes classes, and its type stub.
//!
//! The classes lie over the bytes of a message (`Tick.from_buffer(slot)`), nothing is copied. Numbers, structs, unions and
//! arrays of them are fields and are read and written in place. What has a better form in Python is a property over a field
//! whose name begins with `_`: `str`, `bytes`, `bool`, enums, `None` for an absent value, lists for vectors. Every byte is a
//! field, so natural alignment gives exactly the offsets of the schema; sizes, offsets and types are checked on import, also
//! under `python -O`. Works from Python 3.11 on.
//!
//! Whatever is stored is checked first, wherever it is stored: in a field by either of its names, in an element of an array, by a
//! constructor. A value that does not fit raises, and changes nothing. Reading a number is as fast as ctypes is.
//!
//! # What lives here
//! `module` and `stub` write one file each; here is what both say the same way, and `names` has what Python lets things be called.
//! `opening.py` is what each module begins with, so that it needs no package.

use super::definitions::{Definition, Definitions};
use crate::model::{Enum, IntegerType, Schema, Struct, Type};

mod module;
mod names;
mod stub;

pub use module::{class_name, module, module_beside};
pub use stub::stub;

use names::{field_names, value_names};

/// A file in the making, of either kind.
struct File<'a> {
    out: String,
    definitions: &'a Definitions<'a>,
    schemas: &'a [Schema],
    /// The arrays that have classes of their own so far, and their names.
    arrays: Vec<(Type, String)>,
}

impl<'a> File<'a> {
    fn new(definitions: &'a Definitions<'a>, schemas: &'a [Schema]) -> Self {
        Self {
            out: String::new(),
            definitions,
            schemas,
            arrays: Vec::new(),
        }
    }
}

impl File<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref().trim_end());
        self.out.push('\n');
    }

    fn names(&self) -> String {
        self.schemas.iter().map(Schema::name).collect::<Vec<_>>().join(", ")
    }

    /// A field with the name of a class would hide it from the annotations of its neighbours.
    fn struct_members(&self, s: &Struct) -> Vec<String> {
        field_names(s.fields.iter().map(|field| field.name.as_str()), |name| {
            self.definitions.is_taken(name)
        })
    }

    fn ctype(&self, ty: &Type) -> String {
        let integer = |repr: IntegerType| {
            format!(
                "ctypes.c_{}int{}",
                if repr.is_signed() { "" } else { "u" },
                repr.size() * 8
            )
        };
        match ty {
            Type::U8 | Type::Bool => "ctypes.c_uint8".to_owned(),
            Type::U16 => "ctypes.c_uint16".to_owned(),
            Type::U32 | Type::Char => "ctypes.c_uint32".to_owned(),
            Type::U64 => "ctypes.c_uint64".to_owned(),
            Type::I8 => "ctypes.c_int8".to_owned(),
            Type::I16 => "ctypes.c_int16".to_owned(),
            Type::I32 => "ctypes.c_int32".to_owned(),
            Type::I64 | Type::Timestamp => "ctypes.c_int64".to_owned(),
            Type::F32 => "ctypes.c_float".to_owned(),
            Type::F64 => "ctypes.c_double".to_owned(),
            Type::Bytes(len) | Type::Str(len) | Type::Reserved(len) => format!("ctypes.c_uint8 * {len}"),
            Type::Array { element, len } => match &**element {
                inner @ (Type::Array { .. } | Type::Bytes(_) | Type::Str(_) | Type::Reserved(_)) => {
                    format!("({}) * {len}", self.ctype(inner))
                }
                inner => format!("{} * {len}", self.ctype(inner)),
            },
            Type::Vec { element, capacity } => self.definitions.name(Definition::Vec(element, *capacity)).to_owned(),
            Type::Nullable(value) => self.definitions.name(Definition::Nullable(value)).to_owned(),
            Type::Struct(s) => self.definitions.name(Definition::Struct(s)).to_owned(),
            Type::Enum(e) | Type::OpenEnum(e) => integer(e.repr),
            // Flags are masks; a negative one would make no mask.
            Type::Flags(e) => format!("ctypes.c_uint{}", e.repr.size() * 8),
            Type::Union(u) => self.definitions.name(Definition::Union(u)).to_owned(),
        }
    }
}

/// Whether the ctypes field is what a Python program wants to see.
fn is_direct(ty: &Type) -> bool {
    match ty {
        Type::Array { element, .. } => is_direct(element),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => true,
        Type::F32 | Type::F64 | Type::Timestamp | Type::Struct(_) | Type::Union(_) | Type::Reserved(_) => true,
        _ => false,
    }
}

fn enum_members(e: &Enum) -> Vec<String> {
    value_names(e.values.iter().map(|value| value.name.as_str()))
}

fn mask(value: i128, repr: IntegerType) -> i128 {
    value & ((1 << (repr.size() * 8)) - 1)
}

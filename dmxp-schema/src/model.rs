//! The owned form of a schema, the twin of [`crate::descriptor`].
//!
//! The parts ([`Struct`], [`Field`], [`Type`], …) are plain data and may say anything. A [`Schema`] is a struct that passed
//! [`crate::validate`]; whatever reads a `Schema` may rely on its sizes and offsets.

use std::sync::Arc;

#[cfg(feature = "json")]
use serde::{Deserialize, Serialize};

pub use crate::descriptor::IntegerType;
use crate::descriptor::{
    EnumDescriptor, FieldDescriptor, StructDescriptor, TypeDescriptor, UnionDescriptor, VariantDescriptor,
};
use crate::fingerprint;
use crate::validate::{InvalidSchema, limits, validate};

/// A message schema that is known to be valid.
///
/// ```
/// use dmxp_schema::model::{Field, Schema, Struct, Type};
///
/// let schema = Schema::new(Struct {
///     name: "Tick".into(),
///     size: 8,
///     align: 8,
///     fields: vec![Field::new("price", 0, Type::F64)],
///     ..Struct::default()
/// })?;
/// assert_eq!(schema.to_string(), "struct Tick v1 size 8 align 8 { price: f64 @0 }");
/// # Ok::<(), dmxp_schema::validate::InvalidSchema>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    root: Struct,
}

/// A struct: a message, or a struct nested in one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Struct {
    /// Stable name.
    pub name: String,
    /// Version the author gives. A note: outside the fingerprints.
    #[cfg_attr(feature = "json", serde(default = "first_version"))]
    pub version: u32,
    /// Size in bytes.
    pub size: u32,
    /// Alignment in bytes, 1 to 64.
    pub align: u32,
    /// The doc comment. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub doc: String,
    /// Fields in the order of their offsets; they cover every byte.
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Field {
    /// Stable name.
    pub name: String,
    /// Offset in bytes from the start of the struct.
    pub offset: u32,
    /// What is stored there.
    #[cfg_attr(feature = "json", serde(rename = "type"))]
    pub ty: Type,
    /// The message version that introduced the field. A note.
    #[cfg_attr(
        feature = "json",
        serde(default = "first_version", skip_serializing_if = "is_first_version")
    )]
    pub since: u32,
    /// Unit of measure, empty when none is given. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub unit: String,
    /// Earlier names of the field. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub aliases: Vec<String>,
    /// The doc comment. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub doc: String,
}

/// The type of a field; see [`TypeDescriptor`] for what each kind means in memory.
///
/// Definitions are shared: a struct used by two fields may be one allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[allow(missing_docs, reason = "the scalar variants are the names of Rust's scalar types")]
pub enum Type {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    /// One byte, 0 or 1.
    Bool,
    /// A Unicode scalar value in four bytes.
    Char,
    /// `i64` nanoseconds since the Unix epoch, UTC.
    Timestamp,
    /// `N` raw bytes.
    Bytes(u32),
    /// UTF-8 text in `N` bytes, filled with NUL.
    Str(u32),
    /// `len` elements in a row.
    Array {
        /// Element type; not `U8`, that is [`Type::Bytes`].
        element: Box<Type>,
        /// Number of elements.
        len: u32,
    },
    /// A count and room for `capacity` elements.
    Vec {
        /// Element type.
        element: Box<Type>,
        /// Number of elements there is room for.
        capacity: u32,
    },
    /// A presence word, then the value.
    Nullable(Box<Type>),
    /// A nested struct.
    Struct(Arc<Struct>),
    /// A closed enum.
    Enum(Arc<Enum>),
    /// An open enum.
    OpenEnum(Arc<Enum>),
    /// A set of flags.
    Flags(Arc<Enum>),
    /// A tagged union.
    Union(Arc<Union>),
    /// `N` bytes kept at zero for later versions.
    Reserved(u32),
}

/// An enum, closed, open or of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Enum {
    /// Stable name.
    pub name: String,
    /// The integer that is stored.
    pub repr: IntegerType,
    /// The doc comment. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub doc: String,
    /// Values in the order of their declaration.
    pub values: Vec<EnumValue>,
}

/// A named value of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct EnumValue {
    /// Stable name.
    pub name: String,
    /// The value; fits the enum's integer type.
    #[cfg_attr(feature = "json", serde(with = "crate::json::enum_value"))]
    pub value: i128,
    /// The doc comment. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub doc: String,
}

/// A tagged union: a tag as wide as the alignment, the payload after it, zero-filled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Union {
    /// Stable name.
    pub name: String,
    /// Size in bytes, tag included.
    pub size: u32,
    /// Alignment, width of the tag and offset of the payload: 1, 2, 4 or 8.
    pub align: u32,
    /// The doc comment. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub doc: String,
    /// Variants in the order of their declaration.
    pub variants: Vec<Variant>,
}

/// A variant of a tagged union.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Variant {
    /// Stable name.
    pub name: String,
    /// Tag, 1 to 255.
    pub tag: u32,
    /// The payload, `None` for a variant without one.
    #[cfg_attr(
        feature = "json",
        serde(rename = "type", default, skip_serializing_if = "Option::is_none")
    )]
    pub ty: Option<Type>,
    /// The doc comment. A note.
    #[cfg_attr(feature = "json", serde(default, skip_serializing_if = "String::is_empty"))]
    pub doc: String,
}

#[cfg(feature = "json")]
fn first_version() -> u32 {
    1
}

#[cfg(feature = "json")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_first_version(version: &u32) -> bool {
    *version == 1
}

impl Schema {
    /// Checks `root` and wraps it.
    ///
    /// # Errors
    /// [`InvalidSchema`] names the part that breaks a rule of [`crate::validate`].
    pub fn new(root: Struct) -> Result<Self, InvalidSchema> {
        validate(&root)?;
        Ok(Self { root })
    }

    /// The message's struct.
    #[must_use]
    pub fn root(&self) -> &Struct {
        &self.root
    }

    /// Gives the struct back, to change it.
    #[must_use]
    pub fn into_root(self) -> Struct {
        self.root
    }

    /// The message's stable name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.root.name
    }

    /// Size in bytes, at least 1.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.root.size
    }

    /// Alignment in bytes, 1 to 64.
    #[must_use]
    pub fn align(&self) -> u32 {
        self.root.align
    }

    /// Whether the message is too large for the payload of a v1 slot ([`limits::MAX_INLINE_SIZE`]).
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.root.size > limits::MAX_INLINE_SIZE
    }

    /// The layout fingerprint, the same as [`fingerprint::layout_of`] gives for the descriptor.
    #[must_use]
    pub fn layout_fingerprint(&self) -> u64 {
        fingerprint::layout_of_owned(&self.root)
    }

    /// The schema fingerprint, the same as [`fingerprint::schema_of`] gives for the descriptor.
    #[must_use]
    pub fn schema_fingerprint(&self) -> u64 {
        fingerprint::schema_of_owned(&self.root)
    }

    /// The same schema without doc comments, for where there is no room for them. Units, aliases and versions stay.
    #[must_use]
    pub fn without_docs(&self) -> Self {
        let mut root = self.root.clone();
        strip_struct(&mut root);
        Self { root }
    }
}

impl TryFrom<&StructDescriptor> for Schema {
    type Error = InvalidSchema;

    fn try_from(descriptor: &StructDescriptor) -> Result<Self, InvalidSchema> {
        Self::new(Struct::from(descriptor))
    }
}

impl TryFrom<Struct> for Schema {
    type Error = InvalidSchema;

    fn try_from(root: Struct) -> Result<Self, InvalidSchema> {
        Self::new(root)
    }
}

impl Default for Struct {
    /// An empty struct of version 1; not yet a valid schema.
    fn default() -> Self {
        Self {
            name: String::new(),
            version: 1,
            size: 0,
            align: 1,
            doc: String::new(),
            fields: Vec::new(),
        }
    }
}

impl Field {
    /// A field without notes.
    #[must_use]
    pub fn new(name: &str, offset: u32, ty: Type) -> Self {
        Self {
            name: name.to_owned(),
            offset,
            ty,
            since: 1,
            unit: String::new(),
            aliases: Vec::new(),
            doc: String::new(),
        }
    }
}

impl Type {
    /// Size in bytes; `u32::MAX` when it does not fit, which no valid schema contains.
    #[must_use]
    pub fn size(&self) -> u32 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::Char => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Timestamp => 8,
            Self::Bytes(len) | Self::Str(len) | Self::Reserved(len) => *len,
            Self::Array { element, len } => element.size().saturating_mul(*len),
            Self::Vec { element, capacity } => {
                let width = Self::count_width(element);
                let end = element.size().saturating_mul(*capacity).saturating_add(width);
                end.checked_next_multiple_of(width).unwrap_or(u32::MAX)
            }
            Self::Nullable(value) => value.size().saturating_add(value.align()),
            Self::Struct(s) => s.size,
            Self::Enum(e) | Self::OpenEnum(e) | Self::Flags(e) => e.repr.size(),
            Self::Union(u) => u.size,
        }
    }

    /// Alignment in bytes.
    #[must_use]
    pub fn align(&self) -> u32 {
        // A loop, because LLVM 22 turns the recursion through `count_width` into one that forgets the 2 (-O2, -O3).
        let mut least = 1;
        let mut inner = self;
        loop {
            let own = match inner {
                Self::U8 | Self::I8 | Self::Bool | Self::Bytes(_) | Self::Str(_) | Self::Reserved(_) => 1,
                Self::U16 | Self::I16 => 2,
                Self::U32 | Self::I32 | Self::F32 | Self::Char => 4,
                Self::U64 | Self::I64 | Self::F64 | Self::Timestamp => 8,
                Self::Array { element, .. } | Self::Nullable(element) => {
                    inner = element;
                    continue;
                }
                Self::Vec { element, .. } => {
                    least = 2;
                    inner = element;
                    continue;
                }
                Self::Struct(s) => s.align,
                Self::Enum(e) | Self::OpenEnum(e) | Self::Flags(e) => e.repr.size(),
                Self::Union(u) => u.align,
            };
            return own.max(least);
        }
    }

    /// Width in bytes of the count of a fixed vector of `element`; the elements follow at this offset.
    #[must_use]
    pub fn count_width(element: &Type) -> u32 {
        element.align().max(2)
    }
}

impl IntegerType {
    /// The name of the Rust type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }

    /// The integer type of that name, as [`IntegerType::name`] gives it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::U8,
            Self::U16,
            Self::U32,
            Self::U64,
            Self::I8,
            Self::I16,
            Self::I32,
            Self::I64,
        ]
        .into_iter()
        .find(|ty| ty.name() == name)
    }

    /// The smallest and the largest value.
    #[must_use]
    pub const fn range(self) -> (i128, i128) {
        let bits = self.size() * 8;
        if self.is_signed() {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            (0, (1 << bits) - 1)
        }
    }
}

impl From<&StructDescriptor> for Struct {
    fn from(s: &StructDescriptor) -> Self {
        Self {
            name: s.name.to_owned(),
            version: s.version,
            size: s.size,
            align: s.align,
            doc: s.doc.to_owned(),
            fields: s.fields.iter().map(Field::from).collect(),
        }
    }
}

impl From<&FieldDescriptor> for Field {
    fn from(f: &FieldDescriptor) -> Self {
        Self {
            name: f.name.to_owned(),
            offset: f.offset,
            ty: Type::from(f.ty),
            since: f.since,
            unit: f.unit.to_owned(),
            aliases: f.aliases.iter().map(|&alias| alias.to_owned()).collect(),
            doc: f.doc.to_owned(),
        }
    }
}

impl From<&TypeDescriptor> for Type {
    fn from(ty: &TypeDescriptor) -> Self {
        match *ty {
            TypeDescriptor::U8 => Self::U8,
            TypeDescriptor::U16 => Self::U16,
            TypeDescriptor::U32 => Self::U32,
            TypeDescriptor::U64 => Self::U64,
            TypeDescriptor::I8 => Self::I8,
            TypeDescriptor::I16 => Self::I16,
            TypeDescriptor::I32 => Self::I32,
            TypeDescriptor::I64 => Self::I64,
            TypeDescriptor::F32 => Self::F32,
            TypeDescriptor::F64 => Self::F64,
            TypeDescriptor::Bool => Self::Bool,
            TypeDescriptor::Char => Self::Char,
            TypeDescriptor::Timestamp => Self::Timestamp,
            TypeDescriptor::Bytes(len) => Self::Bytes(len),
            TypeDescriptor::Str(len) => Self::Str(len),
            TypeDescriptor::Array { element, len } => Self::Array {
                element: Box::new(element.into()),
                len,
            },
            TypeDescriptor::Vec { element, capacity } => Self::Vec {
                element: Box::new(element.into()),
                capacity,
            },
            TypeDescriptor::Nullable(value) => Self::Nullable(Box::new(value.into())),
            TypeDescriptor::Struct(s) => Self::Struct(Arc::new(s.into())),
            TypeDescriptor::Enum(e) => Self::Enum(Arc::new(e.into())),
            TypeDescriptor::OpenEnum(e) => Self::OpenEnum(Arc::new(e.into())),
            TypeDescriptor::Flags(e) => Self::Flags(Arc::new(e.into())),
            TypeDescriptor::Union(u) => Self::Union(Arc::new(u.into())),
            TypeDescriptor::Reserved(len) => Self::Reserved(len),
        }
    }
}

impl From<&EnumDescriptor> for Enum {
    fn from(e: &EnumDescriptor) -> Self {
        let value = |v: &crate::descriptor::EnumValueDescriptor| EnumValue {
            name: v.name.to_owned(),
            value: v.value,
            doc: v.doc.to_owned(),
        };
        Self {
            name: e.name.to_owned(),
            repr: e.repr,
            doc: e.doc.to_owned(),
            values: e.values.iter().map(value).collect(),
        }
    }
}

impl From<&UnionDescriptor> for Union {
    fn from(u: &UnionDescriptor) -> Self {
        Self {
            name: u.name.to_owned(),
            size: u.size,
            align: u.align,
            doc: u.doc.to_owned(),
            variants: u.variants.iter().map(Variant::from).collect(),
        }
    }
}

impl From<&VariantDescriptor> for Variant {
    fn from(v: &VariantDescriptor) -> Self {
        Self {
            name: v.name.to_owned(),
            tag: v.tag,
            ty: v.ty.map(Type::from),
            doc: v.doc.to_owned(),
        }
    }
}

fn strip_struct(s: &mut Struct) {
    s.doc.clear();
    for field in &mut s.fields {
        field.doc.clear();
        strip_type(&mut field.ty);
    }
}

fn strip_type(ty: &mut Type) {
    match ty {
        Type::Array { element, .. } | Type::Vec { element, .. } => strip_type(element),
        Type::Nullable(value) => strip_type(value),
        Type::Struct(s) => strip_struct(Arc::make_mut(s)),
        Type::Enum(e) | Type::OpenEnum(e) | Type::Flags(e) => {
            let e = Arc::make_mut(e);
            e.doc.clear();
            e.values.iter_mut().for_each(|value| value.doc.clear());
        }
        Type::Union(u) => {
            let u = Arc::make_mut(u);
            u.doc.clear();
            for variant in &mut u.variants {
                variant.doc.clear();
                if let Some(ty) = &mut variant.ty {
                    strip_type(ty);
                }
            }
        }
        _ => {}
    }
}

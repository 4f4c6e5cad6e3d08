//! The borrowed form of a schema: what `#[derive(DmxpMessage)]` writes into a `const`.
//!
//! Everything here is `'static` and const-constructible, so that sizes, offsets and fingerprints are known to the compiler.
//! The owned twin, for schemas that come from a file or a channel, is [`crate::model`].

/// A struct: a message, or a struct nested in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructDescriptor {
    /// Stable name; the Rust identifier unless `#[dmxp(name = "…")]` says otherwise.
    pub name: &'static str,
    /// Version the author gives; 1 unless said otherwise.
    pub version: u32,
    /// Size in bytes.
    pub size: u32,
    /// Alignment in bytes, 1 to 64.
    pub align: u32,
    /// Fields in the order of their offsets; they cover every byte.
    pub fields: &'static [FieldDescriptor],
    /// The doc comment, lines joined by `\n`. A note: outside the fingerprints.
    pub doc: &'static str,
}

/// A field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDescriptor {
    /// Stable name.
    pub name: &'static str,
    /// Offset in bytes from the start of the struct.
    pub offset: u32,
    /// What is stored there.
    pub ty: &'static TypeDescriptor,
    /// The message version that introduced the field; 1 unless `#[dmxp(since = N)]` says otherwise.
    pub since: u32,
    /// The doc comment. A note.
    pub doc: &'static str,
    /// Unit of measure, empty when none is given. A note.
    pub unit: &'static str,
    /// Earlier names of the field. A note.
    pub aliases: &'static [&'static str],
}

/// Integers that can represent an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[allow(missing_docs, reason = "the variants are the names of Rust's integer types")]
pub enum IntegerType {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
}

/// The type of a field. All scalars are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the scalar variants are the names of Rust's scalar types")]
pub enum TypeDescriptor {
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
    /// Four bytes, a Unicode scalar value.
    Char,
    /// `i64` nanoseconds since the Unix epoch, UTC.
    Timestamp,
    /// `N` raw bytes (`[u8; N]`).
    Bytes(u32),
    /// UTF-8 text in `N` bytes, filled with NUL to the end (`FixedStr<N>`); alignment 1.
    Str(u32),
    /// `N` elements in a row (`[T; N]`).
    Array {
        /// Element type.
        element: &'static TypeDescriptor,
        /// Number of elements.
        len: u32,
    },
    /// A count, then room for `capacity` elements (`FixedVec<T, N>`). The count is an unsigned integer of
    /// [`TypeDescriptor::count_width`] bytes at offset 0; the elements follow at that offset.
    Vec {
        /// Element type.
        element: &'static TypeDescriptor,
        /// Number of elements there is room for.
        capacity: u32,
    },
    /// A presence word (0 absent, otherwise present) as wide as the alignment of the value, then the value
    /// (`Nullable<T>`). An absent value is all zeros.
    Nullable(&'static TypeDescriptor),
    /// A nested struct.
    Struct(&'static StructDescriptor),
    /// A closed enum: any other value is invalid.
    Enum(&'static EnumDescriptor),
    /// An open enum (`Open<E>`): unknown values are kept.
    OpenEnum(&'static EnumDescriptor),
    /// A set of flags (`Flags<E>`): the values of the enum are bit masks.
    Flags(&'static EnumDescriptor),
    /// A tagged union (`Tagged<E>`).
    Union(&'static UnionDescriptor),
    /// `N` bytes kept at zero for later versions (`Reserved<N>`).
    Reserved(u32),
}

/// An enum, closed, open or of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumDescriptor {
    /// Stable name.
    pub name: &'static str,
    /// The integer that is stored.
    pub repr: IntegerType,
    /// Values in the order of their declaration.
    pub values: &'static [EnumValueDescriptor],
    /// The doc comment. A note.
    pub doc: &'static str,
}

/// A named value of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumValueDescriptor {
    /// Stable name.
    pub name: &'static str,
    /// The value; fits the enum's integer type.
    pub value: i128,
    /// The doc comment. A note.
    pub doc: &'static str,
}

/// A tagged union: an unsigned tag as wide as the union's alignment at offset 0, the payload after it, zero-filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnionDescriptor {
    /// Stable name.
    pub name: &'static str,
    /// Size in bytes, tag included.
    pub size: u32,
    /// Alignment in bytes, 1 to 8; also the width of the tag and the offset of the payload.
    pub align: u32,
    /// Variants in the order of their declaration. Tag 0 is not used: it says "nothing stored".
    pub variants: &'static [VariantDescriptor],
    /// The doc comment. A note.
    pub doc: &'static str,
}

/// A variant of a tagged union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariantDescriptor {
    /// Stable name.
    pub name: &'static str,
    /// Tag, 1 to 255.
    pub tag: u32,
    /// The payload, `None` for a variant without one.
    pub ty: Option<&'static TypeDescriptor>,
    /// The doc comment. A note.
    pub doc: &'static str,
}

impl IntegerType {
    /// Size in bytes.
    #[must_use]
    pub const fn size(self) -> u32 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::U64 | Self::I64 => 8,
        }
    }

    /// Whether negative values exist.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }
}

impl TypeDescriptor {
    /// `[element; len]`, told apart from raw bytes by the element.
    #[must_use]
    pub const fn array_of(element: &'static TypeDescriptor, len: u32) -> Self {
        match element {
            Self::U8 => Self::Bytes(len),
            _ => Self::Array { element, len },
        }
    }

    /// Size in bytes.
    #[must_use]
    pub const fn size(&self) -> u32 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::Char => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Timestamp => 8,
            Self::Bytes(len) | Self::Str(len) | Self::Reserved(len) => *len,
            Self::Array { element, len } => element.size() * *len,
            Self::Vec { element, capacity } => {
                round_up(Self::count_width(element) + element.size() * *capacity, self.align())
            }
            Self::Nullable(value) => value.align() + value.size(),
            Self::Struct(s) => s.size,
            Self::Enum(e) | Self::OpenEnum(e) | Self::Flags(e) => e.repr.size(),
            Self::Union(u) => u.size,
        }
    }

    /// Alignment in bytes.
    #[must_use]
    pub const fn align(&self) -> u32 {
        // A loop for the reason given in `model::Type::align`.
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
            return if own < least { least } else { own };
        }
    }

    /// Width in bytes of the count of a fixed vector: the alignment of its element, but at least 2.
    #[must_use]
    pub const fn count_width(element: &TypeDescriptor) -> u32 {
        if element.align() < 2 { 2 } else { element.align() }
    }
}

const fn round_up(value: u32, align: u32) -> u32 {
    value.div_ceil(align) * align
}

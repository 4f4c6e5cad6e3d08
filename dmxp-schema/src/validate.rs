//! The rules every schema keeps, whatever form it came from.
//!
//! - Names are ASCII identifiers of at most [`limits::MAX_NAME`] bytes, unique in what contains them; so are aliases.
//! - Fields come in the order of their offsets, each is aligned, none overlap and every byte belongs to exactly one field.
//! - The size is a multiple of the alignment; the alignment is a power of two up to 64 and at least that of each field.
//! - No type is empty: `[T; 0]`, `str[0]` and the like are refused.
//! - The values of an enum fit its integer; names and values are unique. A closed enum has at least one value.
//! - A union is aligned to 1, 2, 4 or 8; its tags are 1 to 255 and unique; each payload fits behind the tag.
//! - What is stored in a nullable, a vector or a union is aligned to at most 8.
//! - Nothing exceeds the [`limits`].

pub use crate::extent::{Exceeded, limit_exceeded};

use std::collections::HashSet;
use std::fmt;

use crate::model::{Enum, Struct, Type, Union};

/// What a schema may measure. They bound the work that a hostile schema can cause.
pub mod limits {
    /// Size of a message that fits the payload of a v1 slot.
    pub const MAX_INLINE_SIZE: u32 = 960;
    /// Size of the largest message there is; those above [`MAX_INLINE_SIZE`] are flagged in the text and binary form.
    pub const MAX_SIZE: u32 = 1 << 30;
    /// Alignment of a message or a nested struct.
    pub const MAX_ALIGN: u32 = 64;
    /// Bytes of the binary form.
    pub const MAX_BINARY: usize = 16 * 1024;
    /// Levels of types inside types; the message itself is level 1.
    pub const MAX_DEPTH: u32 = 16;
    /// Fields of one struct.
    pub const MAX_FIELDS: usize = 512;
    /// Values of one enum.
    pub const MAX_VALUES: usize = 4096;
    /// Variants of one union.
    pub const MAX_VARIANTS: usize = 255;
    /// Aliases of one field.
    pub const MAX_ALIASES: usize = 16;
    /// Bytes of a name.
    pub const MAX_NAME: usize = 128;
    /// Fields, types, values and variants in all, counting a shared definition every time it is used. Keeps the work of a
    /// walk bounded even when definitions are shared many times over.
    pub const MAX_PARTS: u32 = 16 * 1024;
}

/// A schema that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSchema {
    /// Dotted path to the part, for example `Order.legs.side`.
    pub path: String,
    /// Which rule it breaks.
    pub problem: Problem,
}

/// What is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A name is not an ASCII identifier of permitted length.
    Name {
        /// The name.
        found: String,
    },
    /// Two parts of one thing have the same name; an alias counts as a name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Two values of an enum, or two tags of a union, are the same.
    DuplicateValue {
        /// The value.
        value: i128,
    },
    /// More of something than the limit.
    TooMany {
        /// What, for example `fields`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A number outside its range.
    OutOfRange {
        /// What, for example `tag`.
        what: &'static str,
        /// The number.
        found: i128,
        /// Smallest permitted.
        min: i128,
        /// Largest permitted.
        max: i128,
    },
    /// An alignment that is not a power of two, too large, or smaller than that of a part.
    Alignment {
        /// The alignment.
        found: u32,
        /// What it must be.
        expected: &'static str,
        /// The bound that it breaks.
        bound: u32,
    },
    /// A size that is not a multiple of the alignment.
    SizeNotAligned {
        /// The size.
        size: u32,
        /// The alignment.
        align: u32,
    },
    /// A field starts after the end of the previous one: padding.
    Gap {
        /// Where the previous field ends.
        expected: u32,
        /// Where the field starts.
        found: u32,
    },
    /// A field starts before the end of the previous one.
    Overlap {
        /// Where the previous field ends.
        expected: u32,
        /// Where the field starts.
        found: u32,
    },
    /// An offset that is not a multiple of the alignment of the field's type.
    Misaligned {
        /// The offset.
        offset: u32,
        /// The alignment.
        align: u32,
    },
    /// The fields do not end where the struct ends, or a payload does not fit its union.
    Extent {
        /// Where the parts end.
        end: u64,
        /// The size of the whole.
        size: u32,
    },
    /// A type that holds nothing.
    Empty {
        /// What is empty, for example `array`.
        what: &'static str,
    },
    /// An array of `u8`, which has a kind of its own.
    ArrayOfBytes,
}

impl InvalidSchema {
    fn new(problem: Problem) -> Self {
        Self {
            path: String::new(),
            problem,
        }
    }

    fn inside(mut self, name: &str) -> Self {
        // A name that is itself the problem may be anything; it is shown in the problem, quoted and cut.
        let name = if is_identifier(name) { name } else { "?" };
        self.path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{}", self.path)
        };
        self
    }
}

impl std::error::Error for InvalidSchema {}

impl fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid schema: `{}`: {}", self.path, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { found } => {
                let shown: String = found.chars().take(40).collect();
                write!(
                    f,
                    "{shown:?} ({} bytes) is not a name; use 1 to {} ASCII letters, digits and `_`, not starting with a digit",
                    found.len(),
                    limits::MAX_NAME
                )
            }
            Self::DuplicateName { name } => {
                write!(f, "the name `{name}` is used twice; rename one (aliases count too)")
            }
            Self::DuplicateValue { value } => write!(f, "the value {value} is used twice; change one"),
            Self::TooMany { what, found, limit } => write!(f, "{found} {what}; the limit is {limit}"),
            Self::OutOfRange { what, found, min, max } => {
                write!(f, "{what} is {found}; it must be {min} to {max}")
            }
            Self::Alignment { found, expected, bound } => {
                write!(f, "alignment is {found}; it must be {expected} {bound}")
            }
            Self::SizeNotAligned { size, align } => {
                write!(f, "size {size} is not a multiple of the alignment {align}")
            }
            Self::Gap { expected, found } => write!(
                f,
                "starts at offset {found}, the previous field ends at {expected}: {} bytes belong to no field; add a \
                 reserved field for them",
                found - expected
            ),
            Self::Overlap { expected, found } => {
                write!(
                    f,
                    "starts at offset {found}, inside the previous field, which ends at {expected}"
                )
            }
            Self::Misaligned { offset, align } => {
                write!(f, "offset {offset} is not a multiple of the type's alignment {align}")
            }
            Self::Extent { end, size } => {
                write!(
                    f,
                    "the parts end at byte {end}, the size is {size}; every byte must belong to a field"
                )
            }
            Self::Empty { what } => write!(f, "the {what} has no room for anything; it needs at least one element"),
            Self::ArrayOfBytes => write!(f, "an array of `u8` is written as bytes, not as an array"),
        }
    }
}

/// Whether `name` may name a message, a field, an enum, a union, a value or a variant. Also for `const` use in a derive.
#[must_use]
pub const fn is_name(name: &str) -> bool {
    is_identifier(name) && name.len() <= limits::MAX_NAME
}

const fn is_identifier(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes[0].is_ascii_digit() {
        return false;
    }
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_') {
            return false;
        }
        i += 1;
    }
    true
}

/// Checks a message's struct against every rule of this module.
///
/// # Errors
/// The first broken rule, with the path to the part that breaks it.
pub fn validate(root: &Struct) -> Result<(), InvalidSchema> {
    let mut walk = Walk { parts: 0 };
    walk.check_struct(root, 1).map_err(|error| error.inside(&root.name))
}

struct Walk {
    parts: u32,
}

type Checked = Result<(), InvalidSchema>;

fn fail(problem: Problem) -> Checked {
    Err(InvalidSchema::new(problem))
}

fn check_name(name: &str) -> Checked {
    if is_name(name) {
        Ok(())
    } else {
        fail(Problem::Name { found: name.to_owned() })
    }
}

fn check_unique<'a>(names: &mut HashSet<&'a str>, name: &'a str) -> Checked {
    check_name(name)?;
    if names.insert(name) {
        Ok(())
    } else {
        fail(Problem::DuplicateName { name: name.to_owned() })
    }
}

fn check_count(what: &'static str, found: usize, limit: usize) -> Checked {
    if found <= limit {
        Ok(())
    } else {
        fail(Problem::TooMany { what, found, limit })
    }
}

fn check_range(what: &'static str, found: i128, min: i128, max: i128) -> Checked {
    if (min..=max).contains(&found) {
        Ok(())
    } else {
        fail(Problem::OutOfRange { what, found, min, max })
    }
}

/// `align` is a power of two up to `max` and `size` a multiple of it.
fn check_extent(size: u32, align: u32, max: u32) -> Checked {
    if !align.is_power_of_two() || align > max {
        return fail(Problem::Alignment {
            found: align,
            expected: "a power of two, at most",
            bound: max,
        });
    }
    check_range("size", size.into(), 1, limits::MAX_SIZE.into())?;
    if !size.is_multiple_of(align) {
        return fail(Problem::SizeNotAligned { size, align });
    }
    Ok(())
}

/// The words that count, mark presence or tag are at most 8 bytes wide.
fn check_word(ty: &Type) -> Checked {
    if ty.align() <= 8 {
        return Ok(());
    }
    fail(Problem::Alignment {
        found: ty.align(),
        expected: "inside a nullable, a vector or a union, at most",
        bound: 8,
    })
}

impl Walk {
    fn part(&mut self) -> Checked {
        self.parts += 1;
        check_count(
            "parts (shared definitions count every time)",
            self.parts as usize,
            limits::MAX_PARTS as usize,
        )
    }

    fn check_struct(&mut self, s: &Struct, depth: u32) -> Checked {
        check_name(&s.name)?;
        check_extent(s.size, s.align, limits::MAX_ALIGN)?;
        check_count("fields", s.fields.len(), limits::MAX_FIELDS)?;
        let mut names = HashSet::new();
        let mut end: u32 = 0;
        for field in &s.fields {
            (|| {
                self.part()?;
                check_unique(&mut names, &field.name)?;
                self.check_type(&field.ty, depth + 1)?;
                let (size, align) = (field.ty.size(), field.ty.align());
                if align > s.align {
                    return fail(Problem::Alignment {
                        found: s.align,
                        expected: "that of the struct at least that of the field,",
                        bound: align,
                    });
                }
                if field.offset < end {
                    return fail(Problem::Overlap {
                        expected: end,
                        found: field.offset,
                    });
                }
                if field.offset > end {
                    return fail(Problem::Gap {
                        expected: end,
                        found: field.offset,
                    });
                }
                if !field.offset.is_multiple_of(align) {
                    return fail(Problem::Misaligned {
                        offset: field.offset,
                        align,
                    });
                }
                let new_end = u64::from(end) + u64::from(size);
                if new_end > u64::from(s.size) {
                    return fail(Problem::Extent {
                        end: new_end,
                        size: s.size,
                    });
                }
                end += size;
                Ok(())
            })()
            .map_err(|error: InvalidSchema| error.inside(&field.name))?;
        }
        // Aliases after all names, so that the error points at the alias.
        for field in &s.fields {
            (|| {
                check_count("aliases", field.aliases.len(), limits::MAX_ALIASES)?;
                field
                    .aliases
                    .iter()
                    .try_for_each(|alias| check_unique(&mut names, alias))
            })()
            .map_err(|error: InvalidSchema| error.inside(&field.name))?;
        }
        if end != s.size {
            return fail(Problem::Extent {
                end: end.into(),
                size: s.size,
            });
        }
        Ok(())
    }

    fn check_type(&mut self, ty: &Type, depth: u32) -> Checked {
        self.part()?;
        check_count("levels of nesting", depth as usize, limits::MAX_DEPTH as usize)?;
        match ty {
            Type::Bytes(0) => return fail(Problem::Empty { what: "byte array" }),
            Type::Str(0) => return fail(Problem::Empty { what: "string" }),
            Type::Reserved(0) => return fail(Problem::Empty { what: "reserved field" }),
            Type::Array { len: 0, .. } => return fail(Problem::Empty { what: "array" }),
            Type::Vec { capacity: 0, .. } => return fail(Problem::Empty { what: "vector" }),
            Type::Array { element, .. } => {
                if **element == Type::U8 {
                    return fail(Problem::ArrayOfBytes);
                }
                self.check_type(element, depth + 1)?;
            }
            Type::Vec { element, capacity } => {
                self.check_type(element, depth + 1)?;
                check_word(element)?;
                if Type::count_width(element) == 2 {
                    check_range("capacity", (*capacity).into(), 1, u16::MAX.into())?;
                }
            }
            Type::Nullable(value) => {
                self.check_type(value, depth + 1)?;
                check_word(value)?;
            }
            // The name of a nested definition is part of the path only if something in it is wrong.
            Type::Struct(s) => self.check_struct(s, depth)?,
            Type::Enum(e) => {
                if e.values.is_empty() {
                    return fail(Problem::Empty { what: "closed enum" });
                }
                self.check_enum(e)?;
            }
            Type::OpenEnum(e) | Type::Flags(e) => self.check_enum(e)?,
            Type::Union(u) => self.check_union(u, depth)?,
            _ => {}
        }
        check_range("size of the type", ty.size().into(), 1, limits::MAX_SIZE.into())
    }

    fn check_enum(&mut self, e: &Enum) -> Checked {
        check_name(&e.name)?;
        check_count("values", e.values.len(), limits::MAX_VALUES)?;
        let (min, max) = e.repr.range();
        let (mut names, mut values) = (HashSet::new(), HashSet::new());
        for value in &e.values {
            (|| {
                self.part()?;
                check_unique(&mut names, &value.name)?;
                check_range("value", value.value, min, max)?;
                if !values.insert(value.value) {
                    return fail(Problem::DuplicateValue { value: value.value });
                }
                Ok(())
            })()
            .map_err(|error: InvalidSchema| error.inside(&value.name))?;
        }
        Ok(())
    }

    fn check_union(&mut self, u: &Union, depth: u32) -> Checked {
        check_name(&u.name)?;
        check_extent(u.size, u.align, 8)?;
        check_count("variants", u.variants.len(), limits::MAX_VARIANTS)?;
        let (mut names, mut tags) = (HashSet::new(), HashSet::new());
        for variant in &u.variants {
            (|| {
                self.part()?;
                check_unique(&mut names, &variant.name)?;
                check_range("tag", variant.tag.into(), 1, 255)?;
                if !tags.insert(variant.tag) {
                    return fail(Problem::DuplicateValue {
                        value: variant.tag.into(),
                    });
                }
                let Some(ty) = &variant.ty else { return Ok(()) };
                self.check_type(ty, depth + 1)?;
                if ty.align() > u.align {
                    return fail(Problem::Alignment {
                        found: u.align,
                        expected: "that of the union at least that of the payload,",
                        bound: ty.align(),
                    });
                }
                let end = u64::from(u.align) + u64::from(ty.size());
                if end > u64::from(u.size) {
                    return fail(Problem::Extent { end, size: u.size });
                }
                Ok(())
            })()
            .map_err(|error: InvalidSchema| error.inside(&variant.name))?;
        }
        Ok(())
    }
}

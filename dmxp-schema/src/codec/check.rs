//! Whether bytes are a valid message.

use std::fmt;

use super::word::{read_signed, read_word};
use crate::model::{Schema, Struct, Type};

/// What must hold in the bytes of a message, beside their number: made once of a schema, for many messages.
///
/// It says what `T::validate` says of a message in Rust, and is for programs that have no such type. Only parts that can be invalid
/// are looked at: bools, chars, closed enums, and the counts of vectors, wherever they lie. A message without any costs a comparison of
/// its length.
///
/// ```
/// use dmxp_schema::codec::Checks;
/// use dmxp_schema::model::Schema;
///
/// let schema: Schema = "struct Order v1 size 2 align 1 { amount: u8 @0, paid: bool @1 }".parse()?;
/// let checks = Checks::of(&schema);
/// assert!(checks.check(&[200, 1]).is_ok());
/// assert_eq!(checks.check(&[200, 2]).unwrap_err().to_string(), "paid: 2 is not a bool, 0 or 1");
/// assert!(checks.check(&[200]).is_err());
/// # Ok::<(), dmxp_schema::text::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checks {
    size: usize,
    parts: Vec<Part>,
}

/// Bytes that are not a valid message: which part, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMessage {
    /// Dotted path to the part, for example `legs[1].side`; empty for the message itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl std::error::Error for InvalidMessage {}

impl fmt::Display for InvalidMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.problem),
            path => write!(f, "{path}: {}", self.problem),
        }
    }
}

/// A part of a struct that can be invalid.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    at: usize,
    len: usize,
    check: Check,
}

#[derive(Clone, Debug)]
enum Check {
    Bool,
    Char,
    /// A closed enum: its name, whether its values have signs, and the values, as the words that are stored.
    Enum(String, bool, Vec<u64>),
    /// The same of one byte: a bit for each value.
    ByteEnum(String, bool, [u64; 4]),
    Struct(Vec<Part>),
    /// Elements of so many bytes.
    Array(usize, Box<Check>),
    Vec {
        width: usize,
        capacity: u32,
        size: usize,
        /// `None` if every element is valid.
        each: Option<Box<Check>>,
    },
    /// The width of the word before the value.
    Nullable(usize, Box<Check>),
    /// The width of the tag; the variants that can be invalid.
    Union(usize, Vec<(u64, Part)>),
}

impl Checks {
    /// What must hold in messages of a schema.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        Self {
            size: schema.size() as usize,
            parts: parts(schema.root()),
        }
    }

    /// Whether any bytes of the right length are a valid message.
    #[inline]
    #[must_use]
    pub fn accept_all(&self) -> bool {
        self.parts.is_empty()
    }

    /// Checks the bytes of one message.
    ///
    /// # Errors
    /// [`InvalidMessage`] says which part is not valid.
    #[inline]
    pub fn check(&self, message: &[u8]) -> Result<(), InvalidMessage> {
        if message.len() != self.size {
            return wrong(format!("{} bytes, the type has {}", message.len(), self.size));
        }
        if self.parts.is_empty() {
            return Ok(());
        }
        check_parts(&self.parts, message)
    }
}

/// The parts of a struct that can be invalid.
fn parts(s: &Struct) -> Vec<Part> {
    let part = |field: &crate::model::Field| {
        Some(Part {
            name: field.name.clone(),
            at: field.offset as usize,
            len: field.ty.size() as usize,
            check: check_of(&field.ty)?,
        })
    };
    s.fields.iter().filter_map(part).collect()
}

/// `None` if any bytes are valid.
fn check_of(ty: &Type) -> Option<Check> {
    match ty {
        Type::Bool => Some(Check::Bool),
        Type::Char => Some(Check::Char),
        Type::Enum(e) => {
            let all = u64::MAX >> (64 - 8 * e.repr.size());
            let words: Vec<u64> = e.values.iter().map(|value| value.value as u64 & all).collect();
            let (name, signed) = (e.name.clone(), e.repr.is_signed());
            if e.repr.size() > 1 {
                return Some(Check::Enum(name, signed, words));
            }
            let mut bits = [0; 4];
            for word in words {
                bits[word as usize / 64] |= 1 << (word % 64);
            }
            Some(Check::ByteEnum(name, signed, bits))
        }
        Type::Struct(s) => Some(parts(s)).filter(|parts| !parts.is_empty()).map(Check::Struct),
        Type::Array { element, .. } => {
            let each = check_of(element)?;
            Some(Check::Array(element.size() as usize, Box::new(each)))
        }
        Type::Vec { element, capacity } => Some(Check::Vec {
            width: Type::count_width(element) as usize,
            capacity: *capacity,
            size: element.size() as usize,
            each: check_of(element).map(Box::new),
        }),
        Type::Nullable(value) => {
            let check = check_of(value)?;
            Some(Check::Nullable(value.align() as usize, Box::new(check)))
        }
        Type::Union(u) => {
            let width = u.align as usize;
            let variants: Vec<_> = u
                .variants
                .iter()
                .filter_map(|variant| {
                    let ty = variant.ty.as_ref()?;
                    let part = Part {
                        name: variant.name.clone(),
                        at: width,
                        len: ty.size() as usize,
                        check: check_of(ty)?,
                    };
                    Some((u64::from(variant.tag), part))
                })
                .collect();
            (!variants.is_empty()).then_some(Check::Union(width, variants))
        }
        // Texts too: what is no UTF-8 is told when it is read, as in Rust.
        _ => None,
    }
}

#[cold]
fn wrong(problem: String) -> Result<(), InvalidMessage> {
    let path = String::new();
    Err(InvalidMessage { path, problem })
}

/// Puts the name of a part before the path.
fn within(error: InvalidMessage, name: &str) -> InvalidMessage {
    let path = match error.path.chars().next() {
        None => name.to_owned(),
        Some('[') => format!("{name}{}", error.path),
        Some(_) => format!("{name}.{}", error.path),
    };
    InvalidMessage { path, ..error }
}

/// `bytes` are exactly those of the struct.
fn check_parts(parts: &[Part], bytes: &[u8]) -> Result<(), InvalidMessage> {
    parts.iter().try_for_each(|part| part.run(bytes))
}

fn check_each(items: &[u8], size: usize, each: &Check) -> Result<(), InvalidMessage> {
    let mut items = items.chunks_exact(size.max(1)).enumerate();
    items.try_for_each(|(index, item)| each.run(item).map_err(|error| within(error, &format!("[{index}]"))))
}

impl Part {
    #[inline]
    fn run(&self, bytes: &[u8]) -> Result<(), InvalidMessage> {
        self.check
            .run(&bytes[self.at..self.at + self.len])
            .map_err(|error| within(error, &self.name))
    }
}

impl Check {
    /// `bytes` are exactly those of the part.
    fn run(&self, bytes: &[u8]) -> Result<(), InvalidMessage> {
        match self {
            Self::Bool if bytes[0] > 1 => wrong(format!("{} is not a bool, 0 or 1", bytes[0])),
            Self::Bool => Ok(()),
            Self::Char => {
                let word = read_word(bytes);
                match char::from_u32(word as u32) {
                    Some(_) => Ok(()),
                    None => wrong(format!("{word:#x} is not a char")),
                }
            }
            Self::ByteEnum(_, _, values) if values[usize::from(bytes[0]) / 64] >> (bytes[0] % 64) & 1 == 1 => Ok(()),
            Self::Enum(_, _, values) if values.contains(&read_word(bytes)) => Ok(()),
            Self::ByteEnum(name, true, _) | Self::Enum(name, true, _) => {
                wrong(format!("{} is not a value of {name}", read_signed(bytes)))
            }
            Self::ByteEnum(name, false, _) | Self::Enum(name, false, _) => {
                wrong(format!("{} is not a value of {name}", read_word(bytes)))
            }
            Self::Struct(parts) => check_parts(parts, bytes),
            Self::Array(size, each) => check_each(bytes, *size, each),
            Self::Vec {
                width,
                capacity,
                size,
                each,
            } => {
                let (count, items) = bytes.split_at(*width);
                let count = read_word(count);
                if count > u64::from(*capacity) {
                    return wrong(format!("the count is {count}, the capacity {capacity}"));
                }
                match each {
                    Some(each) => check_each(&items[..count as usize * size], *size, each),
                    None => Ok(()),
                }
            }
            Self::Nullable(width, value) => {
                let (present, rest) = bytes.split_at(*width);
                if read_word(present) == 0 {
                    return Ok(());
                }
                value.run(rest)
            }
            Self::Union(width, variants) => {
                let tag = read_word(&bytes[..*width]);
                // A tag that is not known is a newer writer's.
                match variants.iter().find(|(known, _)| *known == tag) {
                    Some((_, part)) => part.run(bytes),
                    None => Ok(()),
                }
            }
        }
    }
}

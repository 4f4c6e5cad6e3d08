//! What can be wrong with what was asked, or with the bytes.

use std::fmt;

use crate::model::{Struct, Type};
use crate::validate::limits;

/// What is looked for when the path of an error is told.
#[derive(Clone, Copy)]
pub(super) enum Target<'t> {
    Type(&'t Type),
    Struct(&'t Struct),
}

/// A field that could not be read. One word, so that results stay small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    path: String,
    problem: FieldProblem,
}

/// Why a field could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldProblem {
    /// More or fewer bytes than the message has.
    Length {
        /// Size of the message in bytes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// A text that is no path.
    Path {
        /// The text, cut if it is long.
        found: String,
    },
    /// A struct without a field, or a union without a variant, of that name.
    NoField {
        /// What it is, for example `struct Leg has no field`.
        within: String,
        /// The name, cut if it is long.
        name: String,
        /// The name that is most like it, if one is.
        nearest: Option<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A list that is shorter.
    NoElement {
        /// The index.
        index: usize,
        /// Number of elements.
        len: usize,
    },
    /// A field that is something else than was asked for.
    Type {
        /// The field's type, as the text form of schemas has it.
        is: String,
        /// The method that was called.
        asked: &'static str,
        /// The methods that read such a field.
        works: &'static str,
    },
    /// A number that does not fit what was asked for.
    OutOfRange {
        /// The number.
        value: i128,
        /// The method that was called.
        asked: &'static str,
        /// A method that reads it.
        works: &'static str,
    },
    /// Bytes that are no value of the field's type.
    Invalid {
        /// What they must be.
        expected: String,
        /// What they are.
        found: String,
    },
    /// A nullable field without a value.
    Absent {
        /// The method that was called.
        asked: &'static str,
    },
    /// A union that stores another variant than was asked for, or nothing.
    OtherVariant {
        /// The variant asked for.
        asked: String,
        /// What is stored.
        stored: String,
    },
    /// A variant that was asked for and has no payload.
    NoPayload {
        /// The variant.
        variant: String,
    },
}

impl FieldError {
    pub(super) fn new(path: String, problem: FieldProblem) -> Self {
        Self(Box::new(Detail { path, problem }))
    }

    /// The path to the part in question, for example `legs[1].side`; empty for the message itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &FieldProblem {
        &self.0.problem
    }
}

impl std::error::Error for FieldError {}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { path, problem } = &*self.0;
        let subject = if path.is_empty() {
            "the message".to_owned()
        } else {
            format!("`{path}`")
        };
        match problem {
            FieldProblem::Length { expected, found } => {
                write!(f, "{subject} has {expected} bytes by its schema, {found} were given")
            }
            FieldProblem::Path { found } => write!(
                f,
                "{found:?} is no path; write names with `.` between them, and `[number]` behind a list"
            ),
            FieldProblem::NoField {
                within,
                name,
                nearest,
                known,
            } => {
                if !path.is_empty() {
                    write!(f, "{subject}: ")?;
                }
                write!(f, "{within} `{}`", name.escape_debug())?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?")?,
                    None => f.write_str(".")?,
                }
                match known.len() {
                    0 => f.write_str(" It has none"),
                    len if len > LISTED => {
                        write!(f, " It has {} and {} more", known[..LISTED].join(", "), len - LISTED)
                    }
                    _ => write!(f, " It has {}", known.join(", ")),
                }
            }
            FieldProblem::NoElement { index, len } => {
                write!(f, "{subject} has no element {index}; it has {len}, counted from 0")
            }
            FieldProblem::Type { is, asked, works } => {
                write!(f, "{subject} is {is}, which {asked} does not read; use {works}")
            }
            FieldProblem::OutOfRange { value, asked, works } => {
                write!(
                    f,
                    "{subject} is {value}, which {asked} cannot give exactly; use {works}"
                )
            }
            FieldProblem::Invalid { expected, found } => write!(
                f,
                "{subject}: the bytes hold {found}, not {expected}; `bytes` gives them as they are"
            ),
            FieldProblem::Absent { asked } => write!(
                f,
                "{subject} is absent, {asked} has nothing to read; ask is_null first, or use as_option"
            ),
            FieldProblem::OtherVariant { asked, stored } => {
                write!(
                    f,
                    "{subject} stores {stored}, not `{asked}`; as_union tells what is stored"
                )
            }
            FieldProblem::NoPayload { variant } => write!(
                f,
                "{subject}: the variant `{variant}` has no payload; as_union tells whether it is stored"
            ),
        }
    }
}

/// So many names are listed in an error.
const LISTED: usize = 16;

impl FieldProblem {
    pub(super) fn path(found: &str) -> Self {
        Self::Path { found: cut(found) }
    }
}

/// The problem of a struct or union that has no such part.
pub(super) fn no_field<'n>(
    definition: String,
    part: &str,
    name: &str,
    known: impl Iterator<Item = &'n str> + Clone,
) -> FieldProblem {
    FieldProblem::NoField {
        within: format!("{definition} has no {part}"),
        name: cut(name),
        nearest: nearest(name, known.clone()).map(str::to_owned),
        known: known.map(str::to_owned).collect(),
    }
}

/// As much of a text of any length as an error shows.
fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The name that a typing error turns into `name`: at most a third of its letters differ, without regard to case.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if name.len() > limits::MAX_NAME {
        return None;
    }
    known
        .map(|known| (distance(name, known), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= name.len().max(known.len()).div_ceil(3) && *distance < name.len())
        .map(|(_, known)| known)
}

/// The least number of bytes to put in, take out or change (V. I. Levenshtein, 1966), without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, of_b) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(!of_a.eq_ignore_ascii_case(&of_b));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The methods of a value that read a type.
pub(super) fn methods(ty: &Type) -> &'static str {
    match ty {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            "as_u64, as_i64 or as_f64"
        }
        Type::F32 | Type::F64 => "as_f64",
        Type::Bool => "as_bool",
        Type::Char => "as_char",
        Type::Timestamp => "as_timestamp, as_u64, as_i64 or as_f64",
        Type::Bytes(_) => "as_bytes, elements or element",
        Type::Reserved(_) => "as_bytes",
        Type::Str(_) => "as_str or as_bytes",
        Type::Array { .. } | Type::Vec { .. } => "elements or element",
        Type::Nullable(value) => methods(value),
        Type::Struct(_) => "as_record or field",
        Type::Enum(_) | Type::OpenEnum(_) => "as_enum, as_str, as_u64, as_i64 or as_f64",
        Type::Flags(_) => "as_flags, as_u64, as_i64 or as_f64",
        Type::Union(_) => "as_union or field",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_a_typing_error_explains() {
        let known = ["price", "volume", "side", "Id"];
        let nearest = |name| nearest(name, known.into_iter());
        assert_eq!(nearest("prise"), Some("price"));
        assert_eq!(nearest("PRICE"), Some("price"));
        assert_eq!(nearest("volum"), Some("volume"));
        assert_eq!(nearest("id"), Some("Id"));
        for unlike in ["temperature", "x", "", &"price".repeat(40)] {
            assert_eq!(nearest(unlike), None, "{unlike}");
        }
    }

    /// The textbook's examples.
    #[test]
    fn the_distance_is_that_of_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("saturday", "sunday"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}

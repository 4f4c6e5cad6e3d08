//! Bytes of a message to JSON values and back, through the schema alone.
//!
//! The round trip is exact: for every message that decodes, `encode(decode(bytes)) == bytes`, whatever lies in bytes that
//! carry no value. Keys that begin with `$` cannot be names, so they never collide with fields or variants. Objects keep the order
//! of `serde_json::Map`, which is that of the keys; the order of the fields is in the schema.
//!
//! | type | JSON |
//! |---|---|
//! | integers | number; `u64` and `i64` in full (readers that keep doubles lose digits beyond 2^53) |
//! | floats | number; `"NaN"`, `"Infinity"`, `"-Infinity"`; any other NaN as `"NaN:0x…"` with its bits |
//! | bool | `true`, `false`; another byte is an error |
//! | char | string of one character; not a scalar value is an error |
//! | timestamp | RFC 3339 string in UTC, to the nanosecond; zero and negative ones are times too |
//! | bytes | string of hexadecimal digits |
//! | string | string up to the first NUL. If what follows is not all NUL, or the text is not UTF-8: `{"$bytes": "hex of all"}` |
//! | array | list |
//! | vector | list; a count above the capacity is an error. If the unused room is not all zero: `{"$items": […], "$spare": "hex"}` |
//! | nullable | `null` or the value. If the presence word is neither 0 nor 1, or the value itself is a nullable that reads as `null` or as such an object: `{"$present": word, "$value": value}`; absent, but not all zero: `{"$present": 0, "$value": "hex"}` |
//! | struct | object |
//! | closed enum | name; an unknown value is an error |
//! | open enum | name, or the number if it has none |
//! | flags | list of names, then the bits without a name as one number |
//! | union | `{"Variant": value}`, `null` inside for a variant without payload, and `null` for nothing stored (tag 0). If the bytes after the payload are not all zero, `"$spare": "hex"` beside it; an unknown tag: `{"$tag": number, "$payload": "hex"}` |
//! | reserved | left out when all zero, otherwise a string of hexadecimal digits |

use std::fmt;

mod decode;
mod encode;
mod word;

pub use decode::decode;
pub use encode::encode;

/// Bytes that are not a valid message, or a value that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError {
    /// Dotted path to the part, for example `legs[1].side`; empty for the message itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: CodecProblem,
}

/// What is wrong with a part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodecProblem {
    /// A message of the wrong length.
    Length {
        /// Size of the message in bytes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Bytes that are no value of their type.
    Invalid {
        /// What they must be.
        expected: String,
        /// What they are.
        found: String,
    },
    /// A JSON value that does not fit the type.
    Mismatch {
        /// What fits.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An object without a field of the struct.
    MissingField,
    /// An object with a key that is no field of the struct.
    UnknownField,
}

impl std::error::Error for CodecError {}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the message"
        } else {
            &self.path
        };
        match &self.problem {
            CodecProblem::Length { expected, found } => {
                write!(f, "{path} has {expected} bytes by its schema, {found} were given")
            }
            CodecProblem::Invalid { expected, found } => write!(f, "{path}: the bytes hold {found}, not {expected}"),
            CodecProblem::Mismatch { expected, found } => write!(f, "{path}: expected {expected}, found {found}"),
            CodecProblem::MissingField => write!(f, "{path}: missing; every field but the reserved ones must be given"),
            CodecProblem::UnknownField => write!(f, "{path}: the schema has no such field"),
        }
    }
}

const F64_NAN: u64 = 0x7ff8_0000_0000_0000;
const F32_NAN: u32 = 0x7fc0_0000;

type Coded<T> = Result<T, CodecError>;

fn fail<T>(problem: CodecProblem) -> Coded<T> {
    Err(CodecError {
        path: String::new(),
        problem,
    })
}

trait Within<T> {
    fn within(self, part: impl fmt::Display) -> Coded<T>;
}

impl<T> Within<T> for Coded<T> {
    fn within(self, part: impl fmt::Display) -> Self {
        self.map_err(|mut error| {
            error.path = match error.path.chars().next() {
                None => part.to_string(),
                Some('[') => format!("{part}{}", error.path),
                Some(_) => format!("{part}.{}", error.path),
            };
            error
        })
    }
}

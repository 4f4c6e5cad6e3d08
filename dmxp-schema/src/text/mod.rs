//! The text form: one line, for people, logs and generated code. It says everything, notes included, and reads back.
//!
//! ```text
//! struct Trade v2 size 24 align 8 doc "An executed order." { price: f64 @0 unit "EUR", quantity: u32 @8 alias qty,
//! side: enum Side: u8 { Buy = 1, Sell = 2 } @12, venue: str[3] @13, at: timestamp @16 since 2 }
//! ```
//! (written on one line; the parser takes any white space).
//!
//! # Grammar
//! ```text
//! schema   = [ "large" ] struct                                  -- "large": over 960 bytes
//! struct   = "struct" name "v"number "size" number "align" number [ doc ] "{" [ field { "," field } ] "}"
//! field    = name ":" type "@" offset [ "since" number ] [ "unit" string ] { "alias" name } [ doc ]
//! doc      = "doc" string
//! type     = base { "?" }                                        -- each "?" is one nullable around it
//! base     = "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "f32" | "f64"
//!          | "bool" | "char" | "timestamp"
//!          | "str" "[" number "]"                                -- text, NUL-filled
//!          | "reserved" "[" number "]"
//!          | "[" type ";" number "]"                             -- "[u8; N]" is raw bytes
//!          | "vec" "<" type ";" number ">"                       -- count and room for so many elements
//!          | struct | "struct" name
//!          | [ "open" ] "enum" name [ values ] | "flags" name [ values ]
//!          | "union" name [ "size" number "align" number [ doc ] "{" [ variant { "," variant } ] "}" ]
//! values   = ":" integer-type [ doc ] "{" [ value { "," value } ] "}"
//! value    = name "=" [ "-" ] number [ doc ]
//! variant  = name [ "(" type ")" ] "=" tag [ doc ]
//! string   = '"' { any character | "\"" | "\\" | "\n" | "\r" | "\t" | "\u{" hex "}" } '"'
//! ```
//! A definition is written where it is first used. A struct, enum or union without its braces means the latest definition of
//! that name, to the left.
//!
//! # What lives here
//! `write` and `parse`, which know only the grammar, and the `token`s it is made of; the rules of a schema are in
//! [`crate::validate`].

use std::fmt;
use std::str::FromStr;

use crate::model::Schema;
use crate::validate::InvalidSchema;

mod parse;
mod token;
mod write;

pub use parse::parse;
pub use write::{type_name, write};

/// A text that is not a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// The text does not follow the grammar.
    Syntax {
        /// Column in characters, counted from 1; line breaks count as one character.
        column: usize,
        /// What could stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The text is a schema, but not a valid one.
    Invalid(InvalidSchema),
}

impl std::error::Error for TextError {}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax {
                column,
                expected,
                found,
            } => {
                write!(f, "schema text, column {column}: expected {expected}, found {found}")
            }
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

/// The text form.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(self))
    }
}

impl FromStr for Schema {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        parse(text)
    }
}

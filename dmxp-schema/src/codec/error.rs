//! What can be wrong with bytes that are turned into JSON, or with JSON that is turned into bytes.

use std::fmt;

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

pub(super) type Coded<T> = Result<T, CodecError>;

pub(super) fn fail<T>(problem: CodecProblem) -> Coded<T> {
    Err(CodecError {
        path: String::new(),
        problem,
    })
}

pub(super) trait Within<T> {
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

//! The error of validation.

use std::fmt;

/// A value that is not valid for its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidValue {
    /// Dotted path to the part, for example `legs[1].side`; empty for the value itself.
    pub path: String,
    /// What was found, for example `7 is not a value of Side`.
    pub reason: String,
}

impl InvalidValue {
    /// The value itself is not valid, for the reason given.
    #[must_use]
    #[cold]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            reason: reason.into(),
        }
    }

    /// The same, seen from the struct that holds the value in `field`.
    #[must_use]
    #[cold]
    pub fn in_field(mut self, field: &str) -> Self {
        // An index follows its field without a dot: `legs[1].side`.
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{field}{dot}{}", self.path);
        self
    }

    /// The same, seen from the list that holds the value at `index`.
    #[must_use]
    #[cold]
    pub fn in_element(self, index: usize) -> Self {
        self.in_field(&format!("[{index}]"))
    }

    /// `bytes` were handed in where a value has `size`.
    #[cold]
    pub(crate) fn wrong_length(bytes: usize, size: usize) -> Self {
        Self::new(format!("{bytes} bytes given for a value of {size} bytes"))
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.path, self.reason)
        }
    }
}

impl std::error::Error for InvalidValue {}

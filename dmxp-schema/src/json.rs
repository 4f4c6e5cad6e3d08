//! The JSON form, for other tools.
//!
//! ```json
//! {"name":"Tick","version":1,"size":16,"align":8,"fields":[
//!   {"name":"price","offset":0,"type":"f64","unit":"EUR"},
//!   {"name":"venue","offset":8,"type":{"str":8}}]}
//! ```
//! A scalar type is its name. The others are an object with one key: `bytes`, `str` and `reserved` with a length, `array`
//! (`element`, `len`), `vec` (`element`, `capacity`), `nullable` with a type, `struct`, `enum`, `open_enum`, `flags`, `union`
//! with a definition, written out every time. Notes that say nothing are left out. Enum values are JSON numbers up to 64 bits:
//! a reader that keeps numbers as doubles loses digits beyond 2^53.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Schema, Struct};
use crate::validate::InvalidSchema;

/// JSON that is not a schema.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or not of the shape of a schema; with line and column.
    Syntax(serde_json::Error),
    /// A schema, but not a valid one.
    Invalid(InvalidSchema),
}

impl std::error::Error for JsonError {}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "schema in JSON: {error}"),
            Self::Invalid(error) => write!(f, "schema in JSON: {error}"),
        }
    }
}

/// Writes the JSON form, indented, without a line break at the end.
///
/// ```
/// use dmxp_schema::{json, model::Schema};
///
/// let schema: Schema = "struct Ping v1 size 4 align 4 { sequence: u32 @0 }".parse()?;
/// assert_eq!(json::read(&json::write(&schema))?, schema);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn write(schema: &Schema) -> String {
    serde_json::to_string_pretty(schema.root()).expect("the keys are strings and enum values have at most 64 bits")
}

/// Reads the JSON form.
///
/// # Errors
/// [`JsonError::Syntax`] with line and column; [`JsonError::Invalid`] if it breaks a rule of [`crate::validate`].
pub fn read(text: &str) -> Result<Schema, JsonError> {
    let root: Struct = serde_json::from_str(text).map_err(JsonError::Syntax)?;
    Schema::new(root).map_err(JsonError::Invalid)
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Struct::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Enum values, kept as `i128` so that `u64` and `i64` both fit, but written as the numbers that every serde format knows.
pub(crate) mod enum_value {
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::{Error as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(value) = i64::try_from(*value) {
            serializer.serialize_i64(value)
        } else if let Ok(value) = u64::try_from(*value) {
            serializer.serialize_u64(value)
        } else {
            Err(S::Error::custom(format_args!(
                "enum value {value} has more than 64 bits"
            )))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        struct Integer;

        impl Visitor<'_> for Integer {
            type Value = i128;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an integer of at most 64 bits")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<i128, E> {
                Ok(value.into())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<i128, E> {
                Ok(value.into())
            }
        }

        deserializer.deserialize_any(Integer)
    }
}

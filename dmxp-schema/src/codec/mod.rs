//! The bytes of messages, read and written through the schema alone.
//!
//! - [`field`] reads single fields in place, without allocation. It is always there.
//! - [`Checks`] says whether bytes are a valid message. So is it.
//! - `decode` and `encode`, with the feature `json`, turn whole messages into JSON values and back.
//!
//! # The JSON form
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
//!
//! # What lives here
//! `decode`, `encode` and their `error`; `field` has a folder of its own; `word` and `rfc3339` are the integers and the times that
//! they share. The forms of *schemas* are elsewhere: [`crate::text`], [`crate::binary`], `json`.

mod check;
#[cfg(feature = "json")]
mod decode;
#[cfg(feature = "json")]
mod encode;
#[cfg(feature = "json")]
mod error;
pub mod field;
mod rfc3339;
mod word;

pub use check::{Checks, InvalidMessage};
#[cfg(feature = "json")]
pub use decode::decode;
#[cfg(feature = "json")]
pub use encode::encode;
#[cfg(feature = "json")]
pub use error::{CodecError, CodecProblem};
pub use rfc3339::Rfc3339;

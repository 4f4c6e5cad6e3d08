//! The fields of a message, read from its bytes in place, through the schema alone.
//!
//! A [`Record`] is a schema over bytes; [`Record::field`] finds a [`FieldValue`], whose `as_…` methods read it. Both borrow, are
//! copied freely and allocate nothing. The JSON forms of the parent module are for whole messages; this is for a few
//! fields of many.
//!
//! ```
//! use dmxp_schema::codec::field::Record;
//! use dmxp_schema::model::Schema;
//!
//! let schema: Schema = "struct Order v1 size 32 align 8 { price: f64 @0, leg: struct Leg v1 size 8 align 4 \
//!     { ratio: i32 @0, side: enum Side: u8 { Buy = 1, Sell = 2 } @4, on: [bool; 3] @5 } @8, \
//!     limit: f64? @16 }"
//!     .parse()?;
//! let mut bytes = [0; 32];
//! bytes[..8].copy_from_slice(&101.5f64.to_le_bytes());
//! bytes[8..12].copy_from_slice(&(-3i32).to_le_bytes());
//! bytes[12..16].copy_from_slice(&[2, 1, 0, 0]);
//!
//! let order = Record::new(&schema, &bytes)?;
//! assert_eq!(order.field("price")?.as_f64()?, 101.5);
//! assert_eq!(order.field("leg")?.field("ratio")?.as_i64()?, -3);
//! assert_eq!(order.field("leg.side")?.as_str()?, "Sell");
//! assert!(order.field("leg.on[0]")?.as_bool()?);
//! assert!(order.field("limit")?.is_null());
//!
//! let error = order.field("leg.rate").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "`leg`: struct Leg has no field `rate`; did you mean `ratio`? It has ratio, side, on"
//! );
//! let error = order.field("leg.on")?.as_bool().unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "`leg.on` is [bool; 3], which as_bool does not read; use elements or element"
//! );
//! assert_eq!(
//!     order.to_string(),
//!     "Order { price: 101.5, leg: Leg { ratio: -3, side: Sell, on: [true, false, false] }, limit: null }"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Bytes that anybody may have written
//! The schema is valid, the bytes need not be: a bool of 7, a count above the capacity, text that is no UTF-8, a tag that no
//! variant has. What is asked for such a part is an error with its path, every other part is read as usual, and nothing is read
//! outside the bytes given. They must not change meanwhile: take a copy of what another process may write.
//!
//! # What lives here
//! `value` has what is read of one field, `list`, `flags` and `variant` what is found in it, `path` the names and indexes that lead
//! to it, `error` what can be wrong, `display` the text of a message. Writing is not here, and neither is JSON.

mod display;
mod error;
mod flags;
mod list;
mod path;
mod record;
mod value;
mod variant;

pub use error::{FieldError, FieldProblem};
pub use flags::{FlagNames, FlagSet};
pub use list::Elements;
pub use record::{Fields, Record};
pub use value::{Enumerant, FieldValue};
pub use variant::StoredVariant;

//! What a message may be made of.
//!
//! A message is a `repr(C)` struct of fields that implement [`DmxpField`]: scalars, `bool`, `char`, arrays, closed enums,
//! other messages, and the building blocks of this module. All of them have one layout on every machine the library runs on,
//! no padding and no pointers, so that any process may read them where they lie.
//!
//! | wanted | stored as |
//! |---|---|
//! | text | [`FixedStr<N>`](FixedStr) |
//! | a list | [`FixedVec<T, N>`](FixedVec) |
//! | an optional value | [`Nullable<T>`](Nullable) |
//! | a point in time | [`Timestamp`] |
//! | an enum that may grow | [`Open<E>`](Open) |
//! | a set of flags | [`Flags<E>`](Flags) |
//! | an enum with data | [`Tagged<E>`](Tagged) |
//! | room for later fields | [`Reserved<N>`](Reserved) |
//!
//! ```
//! use dmxp::DmxpMessage;
//! use dmxp::message::{FixedStr, Nullable, Timestamp};
//!
//! #[derive(Clone, Copy, Debug, DmxpMessage)]
//! #[repr(C)]
//! struct Observation {
//!     time: Timestamp,
//!     temperature: Nullable<f64>,
//!     station: FixedStr<8>,
//! }
//!
//! assert_eq!(Observation::SCHEMA.size, 32);
//! assert_eq!(Observation::SCHEMA.fields[1].name, "temperature");
//! ```

mod bytes;
mod const_text;
mod enumeration;
pub mod field;
mod fixed_str;
mod fixed_vec;
mod flags;
mod invalid_value;
mod nullable;
mod open;
#[cfg(feature = "bytemuck")]
mod pod;
mod reserved;
mod scalar;
mod tagged;
mod timestamp;
mod word;

/// What the derive macro expands to: no part of the public interface.
#[doc(hidden)]
pub mod expansion;

pub use bytes::{bytes_of, copy_from_bytes, ref_from_bytes};
pub(crate) use bytes::{bytes_of_all, is_valid};
pub use enumeration::{Enumeration, Flag};
pub use field::{DmxpField, DmxpMessage, MAX_MESSAGE_ALIGN, MAX_MESSAGE_SIZE};
pub use fixed_str::{FixedStr, FixedStrError};
pub use fixed_vec::{CapacityExceeded, FixedVec};
pub use flags::Flags;
pub use invalid_value::InvalidValue;
pub use nullable::Nullable;
pub use open::{Open, UnknownValue};
pub use reserved::Reserved;
pub use tagged::{Tagged, TaggedUnion, UnknownTag};
pub use timestamp::Timestamp;
pub use word::{Element, NoWord, Word};

#[cfg(target_endian = "big")]
compile_error!("dmxp stores little-endian values in place and needs a little-endian target");

// On some 32-bit targets 8-byte scalars are aligned to 4: structs would be laid out differently than their descriptors say.
const _: () = assert!(
    align_of::<u64>() == 8 && align_of::<i64>() == 8 && align_of::<f64>() == 8,
    "dmxp needs a target that aligns 8-byte scalars to 8 bytes"
);

//! What may be stored in a message.

use dmxp_schema::descriptor::{StructDescriptor, TypeDescriptor};
use dmxp_schema::model::Schema;

pub use super::InvalidValue;
use super::expansion::Expansion;

/// The largest message, in bytes: the payload of a slot.
pub const MAX_MESSAGE_SIZE: usize = 960;

/// The largest alignment of a message, in bytes: the alignment of a slot's payload.
pub const MAX_MESSAGE_ALIGN: usize = 64;

/// A type with a fixed layout, no padding and no pointers, that may be a field of a message.
///
/// Implemented for the scalars, arrays, the building blocks of this module and whatever `#[derive(DmxpMessage)]` accepts.
///
/// # Safety
/// The implementor promises that, wherever `REFUSAL` is `None`,
/// - `TYPE` tells the layout exactly: size, alignment and the place of every part; every byte of `Self` belongs to some part
///   (no padding) and is initialised, whatever value it holds;
/// - `Self` holds no pointer, no reference, nothing that means something in one process only, and has no drop glue and no
///   interior mutability;
/// - `size_of::<Self>()` bytes for which `validate` returns `Ok` are a valid `Self`; if `ALWAYS_VALID`, so are any bytes, and if
///   `ZERO_IS_VALID`, so are zeros.
///
/// The last point lets anyone make a value from bytes. A private field of such a type is therefore no place for an
/// invariant that unsafe code relies on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a message",
    label = "not a fixed-layout field type",
    note = "use `FixedStr<N>` for text, `FixedVec<T, N>` for lists, `Nullable<T>` for optional values, `Timestamp` for times, \
            `Tagged<E>` for enums with data",
    note = "derive `DmxpMessage` for your own structs (with `#[repr(C)]`) and enums (with `#[repr(u8)]` or wider)"
)]
pub unsafe trait DmxpField: Sized + Send + Sync + 'static {
    /// The unsigned integer as wide as this type's alignment. Types aligned to more than 8 bytes name
    /// [`NoWord`](super::NoWord), and cannot be stored in `Nullable`, `FixedVec` or `Tagged`.
    type Word;

    /// The descriptor of the type.
    const TYPE: &'static TypeDescriptor;

    /// Whether every bit pattern is a valid value; then `validate` has nothing to do and is not called.
    const ALWAYS_VALID: bool;

    /// Whether bytes that are all zeros are a valid value, which a claim in place can start from.
    const ZERO_IS_VALID: bool = Self::ALWAYS_VALID;

    /// Why this instance of a generic type must not be stored (say, a `FixedVec` whose capacity would leave padding); `None`
    /// when it may. The derive turns it into an error on the field. A type that is made of others passes on theirs.
    #[doc(hidden)]
    const REFUSAL: Option<&'static str> = None;

    /// Of the type that the functions of the derive belong to: they are this crate's, wherever `#[dmxp(crate = …)]` says that it is.
    #[doc(hidden)]
    const EXPANSION: Expansion = Expansion;

    /// Checks that `bytes`, which are exactly `size_of::<Self>()`, are a valid value.
    ///
    /// # Errors
    /// [`InvalidValue`] tells which part is not valid and why.
    fn validate(bytes: &[u8]) -> Result<(), InvalidValue>;
}

/// A struct that can be sent over a typed channel. Derive it: `#[derive(DmxpMessage)]`.
///
/// # Safety
/// As [`DmxpField`], and `REFUSAL` is `None`; `SCHEMA` is the struct that `TYPE` names, and its size is 1 to
/// [`MAX_MESSAGE_SIZE`] bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a message type",
    note = "add `#[derive(DmxpMessage)]` and `#[repr(C)]` to `{Self}`"
)]
pub unsafe trait DmxpMessage: DmxpField {
    /// The descriptor of the struct.
    const SCHEMA: &'static StructDescriptor;

    /// Fingerprint over kinds, offsets and sizes: equal means one may borrow what the other wrote.
    const LAYOUT_FINGERPRINT: u64;

    /// Fingerprint that adds names and enum values: equal means both say the same.
    const SCHEMA_FINGERPRINT: u64;

    /// The schema, as a value to compare, print and generate from: `dmxp::schema::generate::write("c", &[Tick::schema()])` gives
    /// the type for C and C++; `dmxp::schema::generate::LANGUAGES` lists what else there is.
    ///
    /// # Panics
    /// When the type breaks a limit of [`dmxp_schema::validate`] that the derive cannot see, such as nesting 17 deep.
    /// Opening a channel of such a type is an error, not a panic.
    #[must_use]
    fn schema() -> Schema {
        Schema::try_from(Self::SCHEMA).unwrap_or_else(|error| panic!("`{}`: {error}", Self::SCHEMA.name))
    }
}

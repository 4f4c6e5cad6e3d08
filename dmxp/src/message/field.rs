//! What may be stored in a message.

use dmxp_schema::descriptor::{StructDescriptor, TypeDescriptor};

/// A type with a fixed layout, no padding and no pointers, that may be a field of a message.
///
/// Implemented for the scalars, arrays, the building blocks of this module and whatever `#[derive(DmxpMessage)]` accepts.
///
/// # Safety
/// The implementor promises that
/// - `TYPE` tells the layout exactly: size, alignment and the place of every part; every byte of `Self` belongs to some part
///   (no padding), whatever value it holds;
/// - `Self` holds no pointer, no reference, nothing that means something in one process only, and has no drop glue and no
///   interior mutability;
/// - `size_of::<Self>()` bytes for which `validate` returns `Ok` are a valid `Self`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a message",
    label = "not a fixed-layout field type"
)]
pub unsafe trait DmxpField: Sized + Send + Sync + 'static {
    /// The unsigned integer as wide as this type's alignment. Types aligned to more than 8 bytes name `NoWord`, and cannot be
    /// stored in `Nullable`, `FixedVec` or `Tagged`.
    type Word;

    /// The descriptor of the type.
    const TYPE: &'static TypeDescriptor;

    /// Whether every bit pattern is a valid value; then `validate` has nothing to do and is not called.
    const ALWAYS_VALID: bool;

    /// Checks that `bytes`, which are exactly `size_of::<Self>()`, are a valid value.
    ///
    /// # Errors
    /// [`InvalidValue`] tells which part is not valid and why.
    fn validate(bytes: &[u8]) -> Result<(), InvalidValue>;
}

/// A struct that can be sent over a typed channel. Derive it: `#[derive(DmxpMessage)]`.
///
/// # Safety
/// As [`DmxpField`]; `SCHEMA` is the struct that `TYPE` names, and its size is 1 to 960 bytes.
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
}

/// A value that is not valid for its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidValue {
    /// Dotted path to the part, for example `legs[1].side`; empty for the value itself.
    pub path: String,
    /// What was found, for example `7 is not a value of Side`.
    pub reason: String,
}

//! Enums without data.

use dmxp_schema::descriptor::EnumDescriptor;

use super::field::DmxpField;

mod sealed {
    pub trait Sealed {}
}

/// An integer that can represent an enum: `u8` to `u64`, `i8` to `i64`.
#[doc(hidden)]
pub trait Raw: sealed::Sealed + DmxpField + Copy + Ord + std::hash::Hash + std::fmt::Display {
    /// No bit.
    const ZERO: Self;

    /// The bits, extended with zeros.
    fn to_bits(self) -> u64;

    /// The low bits of `bits`.
    fn from_bits(bits: u64) -> Self;
}

macro_rules! raw {
    ($($integer:ident through $unsigned:ident),*) => {$(
        impl sealed::Sealed for $integer {}

        impl Raw for $integer {
            const ZERO: Self = 0;

            #[inline]
            fn to_bits(self) -> u64 {
                u64::from(self as $unsigned)
            }

            #[inline]
            fn from_bits(bits: u64) -> Self {
                bits as $integer
            }
        }
    )*};
}

raw!(u8 through u8, u16 through u16, u32 through u32, u64 through u64);
raw!(i8 through u8, i16 through u16, i32 through u32, i64 through u64);

/// An enum without data, represented by an integer. Derive it: `#[derive(DmxpMessage)]` on an enum with `#[repr(u8)]` or wider.
///
/// As a field it is closed: a message with any other value is refused. [`Open<E>`](super::Open) keeps values that this version
/// does not know, [`Flags<E>`](super::Flags) is a set of them.
///
/// ```
/// use dmxp::DmxpMessage;
/// use dmxp::message::Enumeration;
///
/// #[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
/// #[repr(u8)]
/// enum Side {
///     Buy = 1,
///     Sell = 2,
/// }
///
/// assert_eq!(Side::from_raw(2), Some(Side::Sell));
/// assert_eq!(Side::from_raw(7), None);
/// assert_eq!(Side::ENUM.values[0].name, "Buy");
/// ```
///
/// # Safety
/// The implementor is represented by `Raw`; `ENUM` names exactly its values; `from_raw` and `into_raw` are the conversions
/// between them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum that can be stored in a message",
    label = "not an enum without data",
    note = "add `#[derive(DmxpMessage)]` and `#[repr(u8)]` (or wider) to `{Self}`; an enum with data is stored as `Tagged<E>`"
)]
pub unsafe trait Enumeration: DmxpField {
    /// The integer that is stored.
    type Raw: Raw;

    /// The descriptor of the enum.
    const ENUM: &'static EnumDescriptor;

    /// All values, in the order of their declaration.
    const VALUES: &'static [Self];

    /// The value stored as `raw`; `None` when there is none.
    fn from_raw(raw: Self::Raw) -> Option<Self>;

    /// The integer that is stored for this value.
    fn into_raw(self) -> Self::Raw;
}

/// An enum whose values are single bits, for [`Flags<E>`](super::Flags). Derive it: `#[derive(DmxpMessage)]` with
/// `#[dmxp(flags)]`.
///
/// # Safety
/// Every value has exactly one bit set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of flags",
    label = "its values are not known to be single bits",
    note = "add `#[dmxp(flags)]` to `{Self}` and give its values single bits: 1, 2, 4, …"
)]
pub unsafe trait Flag: Enumeration {}

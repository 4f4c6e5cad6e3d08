//! Enums that may grow.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::enumeration::{Enumeration, Raw};
use super::field::DmxpField;
use super::scalar::expect_length;

/// A value of `E`, or one that this version of `E` does not know. Every bit pattern is a value.
///
/// ```
/// use dmxp::DmxpMessage;
/// use dmxp::message::Open;
///
/// #[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
/// #[repr(u8)]
/// enum Venue {
///     London = 1,
///     Zurich = 2,
/// }
///
/// assert_eq!(Open::new(Venue::Zurich).get(), Ok(Venue::Zurich));
/// let newer = Open::<Venue>::from_raw(9);
/// assert_eq!(newer.get().unwrap_err().to_string(), "9 is not a value of Venue");
/// assert_eq!(newer.unwrap_or(Venue::London), Venue::London);
/// assert!(Open::new(Venue::Zurich) == Venue::Zurich && newer > Open::new(Venue::Zurich));
/// ```
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct Open<E: Enumeration> {
    raw: E::Raw,
}

/// A number that is no value of an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownValue<R> {
    /// The number.
    pub raw: R,
    /// The enum.
    pub name: &'static str,
}

impl<E: Enumeration> Open<E> {
    /// The value `value`.
    #[must_use]
    pub fn new(value: E) -> Self {
        Self { raw: value.into_raw() }
    }

    /// The value stored as `raw`, known or not.
    #[must_use]
    pub const fn from_raw(raw: E::Raw) -> Self {
        Self { raw }
    }

    /// The number that is stored.
    #[must_use]
    pub const fn raw(self) -> E::Raw {
        self.raw
    }

    /// The value.
    ///
    /// # Errors
    /// [`UnknownValue`] with the number when this version of `E` does not know it.
    pub fn get(self) -> Result<E, UnknownValue<E::Raw>> {
        E::from_raw(self.raw).ok_or(UnknownValue {
            raw: self.raw,
            name: E::ENUM.name,
        })
    }
}

impl<E: Enumeration> Open<E> {
    /// The value; `None` when this version of `E` does not know it.
    #[must_use]
    pub fn known(self) -> Option<E> {
        E::from_raw(self.raw)
    }

    /// Whether this version of `E` knows the value.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.known().is_some()
    }

    /// The value, or `other` where this version of `E` does not know it.
    #[must_use]
    pub fn unwrap_or(self, other: E) -> E {
        self.known().unwrap_or(other)
    }

    /// The value, or what `other` makes of a number that this version of `E` does not know.
    #[must_use]
    pub fn unwrap_or_else(self, other: impl FnOnce(E::Raw) -> E) -> E {
        self.known().unwrap_or_else(|| other(self.raw))
    }

    /// What `change` makes of a value that this version of `E` knows.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(E) -> U) -> Option<U> {
        self.known().map(change)
    }
}

impl<E: Enumeration + Default> Default for Open<E> {
    fn default() -> Self {
        Self::new(E::default())
    }
}

impl<E: Enumeration + Copy> PartialEq<E> for Open<E> {
    fn eq(&self, other: &E) -> bool {
        self.raw == other.into_raw()
    }
}

/// By the numbers.
impl<E: Enumeration> PartialOrd for Open<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Enumeration> Ord for Open<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.raw.cmp(&other.raw)
    }
}

impl<E: Enumeration> Clone for Open<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Enumeration> Copy for Open<E> {}

impl<E: Enumeration> PartialEq for Open<E> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<E: Enumeration> Eq for Open<E> {}

impl<E: Enumeration> Hash for Open<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl<E: Enumeration> From<E> for Open<E> {
    fn from(value: E) -> Self {
        Self::new(value)
    }
}

impl<E: Enumeration> fmt::Debug for Open<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.raw.to_bits();
        // Descriptors hold values as i128; the low 64 bits tell them apart, once both are cut to the width of the integer.
        match E::ENUM
            .values
            .iter()
            .find(|known| E::Raw::from_bits(known.value as u64).to_bits() == bits)
        {
            Some(known) => f.write_str(known.name),
            None => write!(f, "{}({})", E::ENUM.name, self.raw),
        }
    }
}

// SAFETY: transparent over an integer, which has no padding and takes any bits.
#[diagnostic::do_not_recommend]
unsafe impl<E: Enumeration> DmxpField for Open<E> {
    type Word = <E::Raw as DmxpField>::Word;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::OpenEnum(E::ENUM);
    const ALWAYS_VALID: bool = true;

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())
    }
}

impl<R: fmt::Display> fmt::Display for UnknownValue<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a value of {}", self.raw, self.name)
    }
}

impl<R: fmt::Display + fmt::Debug> std::error::Error for UnknownValue<R> {}

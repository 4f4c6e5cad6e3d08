//! Optional values.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::MaybeUninit;

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::bytes::assert_storable;
use super::field::DmxpField;
use super::scalar::expect_length;
use super::word::{Element, Word};

/// A value or nothing: a presence word (0 absent), then the value. An absent value is all zeros.
///
/// ```
/// use dmxp::message::Nullable;
///
/// let mut pressure = Nullable::some(1013.2);
/// assert_eq!(pressure.copied(), Some(1013.2));
/// pressure.set(None);
/// assert!(pressure.is_none());
/// assert_eq!(Nullable::from(Some(3_u8)).map(|value| value + 1), Some(4));
/// assert_eq!(pressure.unwrap_or(1000.0), 1000.0);
/// assert!(Nullable::some(3) > Nullable::none());
/// ```
#[cfg_attr(feature = "zerocopy", derive(zerocopy::Immutable, zerocopy::KnownLayout))]
#[repr(C)]
pub struct Nullable<T: Element> {
    present: T::Word,
    // Always initialised memory: zeros when absent, and a `T`, which has no padding, when present. `MaybeUninit` only says that
    // zeros need not be a valid `T`.
    value: MaybeUninit<T>,
}

impl<T: Element> Nullable<T> {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        assert_storable::<Self>();
        Self {
            present: T::Word::ZERO,
            value: MaybeUninit::zeroed(),
        }
    }

    /// The value `value`.
    #[must_use]
    pub const fn some(value: T) -> Self {
        assert_storable::<Self>();
        Self {
            present: T::Word::ONE,
            value: MaybeUninit::new(value),
        }
    }

    /// Whether there is a value.
    #[must_use]
    #[inline]
    pub fn is_some(&self) -> bool {
        self.present.to_u64() != 0
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// The value, in place.
    #[must_use]
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: a present value is valid: either this process stored it, or it was validated, or any bytes are valid.
        self.is_some().then(|| unsafe { self.value.assume_init_ref() })
    }

    /// The value, in place, to change.
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: as in `get`; and whatever `T` is written leaves all its bytes initialised, because it has no padding.
        self.is_some().then(|| unsafe { self.value.assume_init_mut() })
    }

    /// A copy of the value.
    #[must_use]
    pub fn copied(&self) -> Option<T>
    where
        T: Copy,
    {
        self.get().copied()
    }

    /// Stores `value`; nothing stores zeros.
    pub fn set(&mut self, value: Option<T>) {
        *self = value.into();
    }

    /// Takes the value out and leaves nothing.
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_option()
    }

    /// The value.
    #[must_use]
    pub fn into_option(self) -> Option<T> {
        // SAFETY: as in `get`.
        self.is_some().then(|| unsafe { self.value.assume_init() })
    }

    /// What `change` makes of the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Option<U> {
        self.into_option().map(change)
    }

    /// What `change` makes of the value, which may be nothing.
    pub fn and_then<U>(self, change: impl FnOnce(T) -> Option<U>) -> Option<U> {
        self.into_option().and_then(change)
    }

    /// The value, or `other`.
    pub fn unwrap_or(self, other: T) -> T {
        self.into_option().unwrap_or(other)
    }

    /// The value, or what `other` makes.
    pub fn unwrap_or_else(self, other: impl FnOnce() -> T) -> T {
        self.into_option().unwrap_or_else(other)
    }

    /// The value, or the default of its type.
    pub fn unwrap_or_default(self) -> T
    where
        T: Default,
    {
        self.into_option().unwrap_or_default()
    }

    /// The value.
    ///
    /// # Panics
    /// With this text when there is none.
    #[track_caller]
    pub fn expect(self, text: &str) -> T {
        self.into_option().expect(text)
    }

    /// The value.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn unwrap(self) -> T {
        self.into_option().expect("a `Nullable` with a value")
    }

    /// The value, or `error`.
    ///
    /// # Errors
    /// `error` when there is none.
    pub fn ok_or<E>(self, error: E) -> Result<T, E> {
        self.into_option().ok_or(error)
    }

    /// The value if `wanted` says so.
    #[must_use]
    pub fn filter(self, wanted: impl FnOnce(&T) -> bool) -> Self {
        self.into_option().filter(wanted).into()
    }

    /// This if there is a value, else `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_some() { self } else { other }
    }

    /// Whether there is a value and `wanted` says yes to it.
    pub fn is_some_and(self, wanted: impl FnOnce(T) -> bool) -> bool {
        self.into_option().is_some_and(wanted)
    }

    /// [`get`](Self::get), by the name that [`Option`] has for it.
    #[must_use]
    pub fn as_ref(&self) -> Option<&T> {
        self.get()
    }

    /// [`get_mut`](Self::get_mut), by the name that [`Option`] has for it.
    #[must_use]
    pub fn as_mut(&mut self) -> Option<&mut T> {
        self.get_mut()
    }

    /// Stores `value` and returns what was there.
    pub fn replace(&mut self, value: T) -> Option<T> {
        std::mem::replace(self, Self::some(value)).into_option()
    }

    /// Stores `value`, and gives it in place.
    pub fn insert(&mut self, value: T) -> &mut T {
        *self = Self::some(value);
        self.get_or_insert_with(|| unreachable!("it was just stored"))
    }

    /// The value in place, which is `value` if there was none.
    pub fn get_or_insert(&mut self, value: T) -> &mut T {
        self.get_or_insert_with(|| value)
    }

    /// The value in place, which `make` makes if there was none.
    pub fn get_or_insert_with(&mut self, make: impl FnOnce() -> T) -> &mut T {
        if self.is_none() {
            *self = Self::some(make());
        }
        // SAFETY: present, and as in `get_mut`.
        unsafe { self.value.assume_init_mut() }
    }

    /// The value, if there is one.
    pub fn iter(&self) -> std::option::IntoIter<&T> {
        self.get().into_iter()
    }
}

impl<T: Element + Copy> Clone for Nullable<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element + Copy> Copy for Nullable<T> {}

impl<T: Element> Default for Nullable<T> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T: Element> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        match value {
            Some(value) => Self::some(value),
            None => Self::none(),
        }
    }
}

impl<T: Element> From<T> for Nullable<T> {
    fn from(value: T) -> Self {
        Self::some(value)
    }
}

impl<T: Element> From<Nullable<T>> for Option<T> {
    fn from(value: Nullable<T>) -> Self {
        value.into_option()
    }
}

impl<T: Element + PartialEq> PartialEq for Nullable<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Element + Eq> Eq for Nullable<T> {}

impl<T: Element + Hash> Hash for Nullable<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

/// Nothing comes before any value, as in [`Option`].
impl<T: Element + PartialOrd> PartialOrd for Nullable<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.get().partial_cmp(&other.get())
    }
}

impl<T: Element + Ord> Ord for Nullable<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl<'a, T: Element> IntoIterator for &'a Nullable<T> {
    type Item = &'a T;
    type IntoIter = std::option::IntoIter<&'a T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Element> IntoIterator for Nullable<T> {
    type Item = T;
    type IntoIter = std::option::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_option().into_iter()
    }
}

impl<T: Element + PartialEq> PartialEq<Nullable<T>> for Option<T> {
    fn eq(&self, other: &Nullable<T>) -> bool {
        other == self
    }
}

impl<T: Element + PartialEq> PartialEq<Option<T>> for Nullable<T> {
    fn eq(&self, other: &Option<T>) -> bool {
        self.get() == other.as_ref()
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Nullable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

// SAFETY: `repr(C)` puts the presence word first and the value right behind it, because the word is as wide as the value is
// aligned; the sum is a multiple of that alignment, so nothing follows. All bytes are initialised (see `value`). `T` brings no
// pointers, drop glue or interior mutability. Any bits are memory-safe as long as a present value is valid, which `validate`
// checks.
#[diagnostic::do_not_recommend]
unsafe impl<T: Element> DmxpField for Nullable<T> {
    type Word = T::Word;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Nullable(T::TYPE);
    const ALWAYS_VALID: bool = T::ALWAYS_VALID;
    /// Null.
    const ZERO_IS_VALID: bool = true;
    const REFUSAL: Option<&'static str> = {
        if T::REFUSAL.is_none() && size_of::<Self>() != size_of::<T::Word>() + size_of::<T>() {
            Some("the `Word` of its value is not as wide as its alignment")
        } else {
            T::REFUSAL
        }
    };

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())?;
        let (present, value) = bytes.split_at(size_of::<T::Word>());
        if T::ALWAYS_VALID || present.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            T::validate(value)
        }
    }
}

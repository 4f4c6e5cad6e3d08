//! Enums with data.

use std::fmt;

use dmxp_schema::descriptor::{TypeDescriptor, UnionDescriptor};

use super::InvalidValue;
use super::expansion::Expansion;
use super::field::DmxpField;
use super::fixed_vec::little_endian;
use super::scalar::expect_length;
use super::word::Word;

mod sealed {
    pub trait Sealed {}
}

/// Room for the payload of a [`Tagged`]: an array of words as wide as the union is aligned.
///
/// Words and not a `union` of the variants: all bytes of an integer are always initialised, whatever variant is stored, so that
/// no uninitialised byte can reach another process.
#[doc(hidden)]
pub trait Payload: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The tag before it.
    type Word: Word + DmxpField;

    /// All zeros.
    const EMPTY: Self;

    /// The bytes.
    fn as_bytes(&self) -> &[u8];

    /// The bytes, to change.
    fn as_mut_bytes(&mut self) -> &mut [u8];
}

macro_rules! payloads {
    ($($word:ident),*) => {$(
        impl<const N: usize> sealed::Sealed for [$word; N] {}

        impl<const N: usize> Payload for [$word; N] {
            type Word = $word;

            const EMPTY: Self = [0; N];

            #[inline]
            fn as_bytes(&self) -> &[u8] {
                // SAFETY: the array is `size_of::<Self>()` initialised bytes, borrowed for as long as the result.
                unsafe { std::slice::from_raw_parts(self.as_ptr().cast::<u8>(), size_of::<Self>()) }
            }

            #[inline]
            fn as_mut_bytes(&mut self) -> &mut [u8] {
                // SAFETY: as above, borrowed uniquely; any bytes are valid integers.
                unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast::<u8>(), size_of::<Self>()) }
            }
        }
    )*};
}

payloads!(u8, u16, u32, u64);

/// An enum with data that [`Tagged`] can store. Derive it: `#[derive(DmxpMessage)]` on an enum whose variants hold nothing or one
/// value.
///
/// # Safety
/// `UNION` tells exactly the tags, payload types, size and alignment of `Tagged<Self>`; `Payload` has room for the payload of
/// every variant and its words are as wide as the strictest of them is aligned; if `ALWAYS_VALID`, any bytes are a valid
/// payload of every variant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum that `Tagged` can store",
    label = "not an enum with data that derives `DmxpMessage`",
    note = "add `#[derive(DmxpMessage)]` to `{Self}`; an enum without data is a field by itself"
)]
pub unsafe trait TaggedUnion: Sized + Send + Sync + 'static {
    /// Room for the payload.
    #[doc(hidden)]
    type Payload: Payload;

    /// The descriptor of the union.
    const UNION: &'static UnionDescriptor;

    /// Whether any bytes are valid payloads of every variant.
    const ALWAYS_VALID: bool;

    /// Why this union must not be stored; see [`DmxpField::REFUSAL`].
    #[doc(hidden)]
    const REFUSAL: Option<&'static str> = None;

    /// See [`DmxpField::EXPANSION`].
    #[doc(hidden)]
    const EXPANSION: Expansion = Expansion;

    /// Checks the payload of the variant with this tag; unknown tags have nothing to check.
    ///
    /// # Errors
    /// [`InvalidValue`] tells which part is not valid and why.
    fn validate(tag: u64, payload: &[u8]) -> Result<(), InvalidValue>;

    /// The value whose variant has this tag; `None` when there is no such variant or the payload is not valid for it.
    fn read(tag: u64, payload: &[u8]) -> Option<Self>;

    /// Writes the payload to the start of `payload` and returns the tag.
    fn write(&self, payload: &mut [u8]) -> u8;
}

/// A value of the enum `E`, nothing, or a variant that this version of `E` does not know: a tag as wide as the union is aligned,
/// then room for the largest payload, filled with zeros.
///
/// Tags count from 1 in the order of declaration unless `#[dmxp(tag = N)]` says otherwise; tag 0 says that nothing is stored.
///
/// ```
/// use dmxp::DmxpMessage;
/// use dmxp::message::{FixedStr, Tagged};
///
/// #[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
/// enum Reading {
///     Celsius(f32),
///     Note(FixedStr<12>),
///     Offline,
/// }
///
/// let mut reading = Tagged::new(Reading::Celsius(21.5));
/// assert_eq!(reading.get(), Ok(Some(Reading::Celsius(21.5))));
/// reading.set(Some(Reading::Offline));
/// assert_eq!(reading.tag(), 3);
/// assert_eq!(Tagged::<Reading>::empty().get(), Ok(None));
/// ```
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
#[repr(C)]
pub struct Tagged<E: TaggedUnion> {
    tag: <E::Payload as Payload>::Word,
    payload: E::Payload,
}

/// The tag of a variant that this version of an enum does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTag {
    /// The tag.
    pub tag: u64,
    /// The enum.
    pub name: &'static str,
}

impl<E: TaggedUnion> Tagged<E> {
    /// Nothing: all zeros.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            tag: <E::Payload as Payload>::Word::ZERO,
            payload: E::Payload::EMPTY,
        }
    }

    /// The value `value`.
    #[must_use]
    pub fn new(value: E) -> Self {
        // From zeros, so that what the variant does not fill stays zero.
        let mut tagged = Self::empty();
        let tag = value.write(tagged.payload.as_mut_bytes());
        tagged.tag = Word::truncate(u64::from(tag));
        tagged
    }

    /// A copy of the value; `None` when nothing is stored.
    ///
    /// # Errors
    /// [`UnknownTag`] when this version of `E` does not know the variant.
    pub fn get(&self) -> Result<Option<E>, UnknownTag> {
        let tag = self.tag();
        if tag == 0 {
            return Ok(None);
        }
        match E::read(tag, self.payload.as_bytes()) {
            Some(value) => Ok(Some(value)),
            None => Err(UnknownTag {
                tag,
                name: E::UNION.name,
            }),
        }
    }

    /// Stores `value`; nothing stores zeros.
    pub fn set(&mut self, value: Option<E>) {
        *self = value.map_or_else(Self::empty, Self::new);
    }

    /// The tag; 0 when nothing is stored.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.tag.to_u64()
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tag() == 0
    }

    /// The bytes of the payload, unused ones included.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }

    /// The value in place, if the variant stored is one with this tag and payload type.
    #[must_use]
    pub fn payload_as<T: DmxpField>(&self, tag: u64) -> Option<&T> {
        let variant = E::UNION.variants.iter().find(|variant| u64::from(variant.tag) == tag)?;
        if self.tag() != tag || variant.ty != Some(T::TYPE) {
            return None;
        }
        super::ref_from_bytes(self.payload().get(..size_of::<T>())?).ok()
    }
}

impl<E: TaggedUnion + Copy> Clone for Tagged<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: TaggedUnion + Copy> Copy for Tagged<E> {}

impl<E: TaggedUnion> Default for Tagged<E> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<E: TaggedUnion> From<E> for Tagged<E> {
    fn from(value: E) -> Self {
        Self::new(value)
    }
}

impl<E: TaggedUnion> From<Option<E>> for Tagged<E> {
    fn from(value: Option<E>) -> Self {
        value.map_or_else(Self::empty, Self::new)
    }
}

/// Known values are compared as `E` compares them, unknown ones byte by byte.
impl<E: TaggedUnion + PartialEq> PartialEq for Tagged<E> {
    fn eq(&self, other: &Self) -> bool {
        match (self.get(), other.get()) {
            (Err(mine), Err(theirs)) => mine == theirs && self.payload() == other.payload(),
            (mine, theirs) => mine == theirs,
        }
    }
}

impl<E: TaggedUnion + fmt::Debug> fmt::Debug for Tagged<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Ok(Some(value)) => value.fmt(f),
            Ok(None) => write!(f, "{}(empty)", E::UNION.name),
            Err(unknown) => write!(f, "{}(tag {})", E::UNION.name, unknown.tag),
        }
    }
}

// SAFETY: `repr(C)` puts the tag first and the payload, an array of the same integer, right behind it: no padding, all bytes
// always initialised, no pointers. Any bits are valid integers; `get` hands out a payload only after validation.
#[diagnostic::do_not_recommend]
unsafe impl<E: TaggedUnion> DmxpField for Tagged<E> {
    type Word = <E::Payload as Payload>::Word;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Union(E::UNION);
    const ALWAYS_VALID: bool = E::ALWAYS_VALID;
    /// Empty: no variant has the tag 0.
    const ZERO_IS_VALID: bool = true;
    const REFUSAL: Option<&'static str> = E::REFUSAL;

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())?;
        let (tag, payload) = bytes.split_at(size_of::<Self::Word>());
        if E::ALWAYS_VALID {
            Ok(())
        } else {
            E::validate(little_endian(tag), payload)
        }
    }
}

impl fmt::Display for UnknownTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a tag of {}", self.tag, self.name)
    }
}

impl std::error::Error for UnknownTag {}

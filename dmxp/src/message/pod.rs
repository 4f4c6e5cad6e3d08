//! The traits of `bytemuck` for building blocks, by hand: its derives refuse generic structs that could have padding.
//!
//! They hold where a building block has no byte that belongs to nothing, and where any bytes are safe to look at. What its methods make of
//! bytes that no honest writer leaves behind, a count above the capacity or an unknown tag, is their own business.

use super::enumeration::{Enumeration, Flag};
use super::field::DmxpField;
use super::tagged::{Payload, TaggedUnion};
use super::word::{Element, Word};
use super::{FixedStr, FixedVec, Flags, Nullable, Open, Reserved, Tagged, Timestamp};
use bytemuck::{Pod, Zeroable};

/// A word with an alignment of its own: behind a count of so many bytes, elements of that alignment leave no padding at the end of a
/// [`FixedVec`], whatever its capacity.
pub trait AlignedWord: Word {}

impl AlignedWord for u16 {}
impl AlignedWord for u32 {}
impl AlignedWord for u64 {}

// SAFETY: bytes, any of which are a value.
unsafe impl<const N: usize> Zeroable for FixedStr<N> {}
// SAFETY: transparent over `[u8; N]`.
unsafe impl<const N: usize> Pod for FixedStr<N> {}

// SAFETY: bytes, any of which are a value.
unsafe impl<const N: usize> Zeroable for Reserved<N> {}
// SAFETY: transparent over `[u8; N]`.
unsafe impl<const N: usize> Pod for Reserved<N> {}

// SAFETY: an integer, any of which is a value.
unsafe impl Zeroable for Timestamp {}
// SAFETY: transparent over `i64`.
unsafe impl Pod for Timestamp {}

// SAFETY: an integer, any of which is a value.
unsafe impl<E: Enumeration> Zeroable for Open<E> where E::Raw: Pod {}
// SAFETY: transparent over an integer.
unsafe impl<E: Enumeration> Pod for Open<E> where E::Raw: Pod {}

// SAFETY: an integer, any of which is a value.
unsafe impl<E: Flag> Zeroable for Flags<E> where E::Raw: Pod {}
// SAFETY: transparent over an integer.
unsafe impl<E: Flag> Pod for Flags<E> where E::Raw: Pod {}

// SAFETY: zeros are null.
unsafe impl<T: Element> Zeroable for Nullable<T> {}
// SAFETY: `repr(C)` puts the value right behind a word that is as wide as the value is aligned, and nothing follows. A `T` has no padding
// and takes any bytes, so that it may be there whatever the word says; all bytes are always initialised, as `Nullable` says of its own.
unsafe impl<T: Element + Pod> Pod for Nullable<T> where T::Word: Pod {}

// SAFETY: zeros are no elements.
unsafe impl<T: Element, const N: usize> Zeroable for FixedVec<T, N> {}
// SAFETY: the count is as wide as the elements are aligned, since that is 2 or more, and nothing lies between or behind. Elements have no
// padding and take any bytes; a count above the capacity is read as the capacity; all bytes are always initialised, as `FixedVec` says.
unsafe impl<T: Element + Pod, const N: usize> Pod for FixedVec<T, N> where <T as DmxpField>::Word: AlignedWord {}

// SAFETY: zeros are empty.
unsafe impl<E: TaggedUnion> Zeroable for Tagged<E> {}
// SAFETY: a word and an array of the same word, in `repr(C)`: no padding, and integers take any bytes. What they stand for is checked when
// it is asked for.
unsafe impl<E: TaggedUnion + Copy> Pod for Tagged<E>
where
    E::Payload: Pod,
    <E::Payload as Payload>::Word: Pod,
{
}

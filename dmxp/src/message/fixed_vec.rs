//! Lists of bounded length.

use std::borrow::{Borrow, BorrowMut};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::bytes::assert_storable;
use super::const_text::ConstText;
use super::field::DmxpField;
use super::scalar::{expect_length, length};
use super::word::{Element, Word};

type Count<T> = <<T as DmxpField>::Word as Word>::Count;

/// At most `N` elements, stored in place: a count, then room for `N`. Unused room is zero.
///
/// A count above `N`, which only a broken writer leaves behind, is refused when a message is validated, and read as `N` by
/// the methods here.
///
/// Elements aligned to 1 byte follow a count of 2, so that their capacity must make the total even: `FixedVec<u8, 3>` is
/// refused and names `FixedVec<u8, 4>` as the cure.
///
/// ```
/// use dmxp::message::FixedVec;
///
/// let mut levels = FixedVec::<f32, 4>::from_slice(&[1.0, 2.0])?;
/// levels.push(3.0).unwrap();
/// assert_eq!(*levels, [1.0, 2.0, 3.0]);
/// assert_eq!(levels.iter().sum::<f32>(), 6.0);
/// assert_eq!(levels.remove(0), 1.0);
/// assert_eq!(levels.into_iter().map(|level| level * 2.0).collect::<Vec<_>>(), [4.0, 6.0]);
///
/// let error = FixedVec::<f32, 4>::from_slice(&[0.0; 5]).unwrap_err();
/// assert_eq!(error.to_string(), "5 elements do not fit a FixedVec of capacity 4");
/// # Ok::<(), dmxp::message::CapacityExceeded>(())
/// ```
#[cfg_attr(feature = "zerocopy", derive(zerocopy::Immutable, zerocopy::KnownLayout))]
#[repr(C)]
pub struct FixedVec<T: Element, const N: usize> {
    count: Count<T>,
    // Always initialised memory: constructors fill it with zeros, elements have no padding, and removed ones are zeroed again.
    // `MaybeUninit` only says that zeros need not be a valid `T`. The first `count` (at most `N`) are valid.
    items: [MaybeUninit<T>; N],
}

/// More elements than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapacityExceeded {
    /// Elements there would have been.
    pub length: usize,
    /// Elements there is room for.
    pub capacity: usize,
}

impl<T: Element, const N: usize> FixedVec<T, N> {
    /// Elements there is room for.
    pub const CAPACITY: usize = N;

    /// No elements.
    #[must_use]
    pub const fn new() -> Self {
        assert_storable::<Self>();
        Self {
            count: Count::<T>::ZERO,
            items: [const { MaybeUninit::zeroed() }; N],
        }
    }

    /// A copy of `elements`.
    ///
    /// # Errors
    /// [`CapacityExceeded`] when there are more than `N`.
    pub fn from_slice(elements: &[T]) -> Result<Self, CapacityExceeded>
    where
        T: Copy,
    {
        let mut vec = Self::new();
        vec.extend_from_slice(elements)?;
        Ok(vec)
    }

    /// Number of elements, at most `N`.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        // Compared as u64, so that a forged count cannot wrap.
        self.count.to_u64().min(N as u64) as usize
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room for another element.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == N
    }

    /// The elements.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: `items` has room for `len() <= N` elements, and the first `count` of them are valid: either this process
        // pushed them, or they were validated, or any bytes are valid.
        unsafe { std::slice::from_raw_parts(self.items.as_ptr().cast::<T>(), self.len()) }
    }

    /// The elements, to change.
    #[must_use]
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let len = self.len();
        // SAFETY: as in `as_slice`; and whatever `T` is written leaves all its bytes initialised, because it has no padding.
        unsafe { std::slice::from_raw_parts_mut(self.items.as_mut_ptr().cast::<T>(), len) }
    }

    /// Appends `element`.
    ///
    /// # Errors
    /// `element` itself when there is no room.
    pub fn push(&mut self, element: T) -> Result<(), T> {
        let len = self.len();
        match self.items.get_mut(len) {
            Some(room) => {
                *room = MaybeUninit::new(element);
                self.set_len(len + 1);
                Ok(())
            }
            None => Err(element),
        }
    }

    /// Removes and returns the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        let element = std::mem::replace(&mut self.items[last], MaybeUninit::zeroed());
        self.set_len(last);
        // SAFETY: it was below `len()`, and those are valid.
        Some(unsafe { element.assume_init() })
    }

    /// Appends copies of `elements`: all of them or, on error, none.
    ///
    /// # Errors
    /// [`CapacityExceeded`] when there is no room for all.
    pub fn extend_from_slice(&mut self, elements: &[T]) -> Result<(), CapacityExceeded>
    where
        T: Copy,
    {
        let len = self.len();
        let Some(room) = self.items[len..].get_mut(..elements.len()) else {
            return Err(CapacityExceeded {
                length: len + elements.len(),
                capacity: N,
            });
        };
        for (room, element) in room.iter_mut().zip(elements) {
            *room = MaybeUninit::new(*element);
        }
        self.set_len(len + elements.len());
        Ok(())
    }

    /// Appends what comes, as long as there is room.
    ///
    /// # Errors
    /// The first element that there is no room for; those before it are there.
    pub fn try_extend(&mut self, elements: impl IntoIterator<Item = T>) -> Result<(), T> {
        elements.into_iter().try_for_each(|element| self.push(element))
    }

    /// Elements there is room for beside those that are there.
    #[must_use]
    pub fn remaining_capacity(&self) -> usize {
        N - self.len()
    }

    /// Elements there is room for.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Puts `element` at `index`, and those behind it one further.
    ///
    /// # Errors
    /// `element` itself when there is no room.
    ///
    /// # Panics
    /// When `index` is greater than the number of elements.
    pub fn insert(&mut self, index: usize, element: T) -> Result<(), T> {
        let len = self.len();
        assert!(index <= len, "index {index} in a FixedVec of {len} elements");
        self.push(element)?;
        self[index..].rotate_right(1);
        Ok(())
    }

    /// Removes and returns the element at `index`, and moves those behind it.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&mut self, index: usize) -> T {
        let len = self.len();
        assert!(index < len, "index {index} in a FixedVec of {len} elements");
        self[index..].rotate_left(1);
        self.pop().expect("there are elements")
    }

    /// Removes and returns the element at `index`, and moves the last one there.
    ///
    /// # Panics
    /// When there is none.
    pub fn swap_remove(&mut self, index: usize) -> T {
        let len = self.len();
        assert!(index < len, "index {index} in a FixedVec of {len} elements");
        self.swap(index, len - 1);
        self.pop().expect("there are elements")
    }

    /// Keeps the elements that `wanted` says yes to, in their order.
    pub fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        let mut kept = 0;
        for index in 0..self.len() {
            if wanted(&self[index]) {
                self.swap(kept, index);
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Keeps the first `len` elements, at most. The room of the others is zeroed.
    pub fn truncate(&mut self, len: usize) {
        while self.len() > len {
            self.pop();
        }
    }

    /// Removes all elements and zeroes their room.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    fn set_len(&mut self, len: usize) {
        // `len <= N`, and `REFUSAL` made sure that the count can hold `N`.
        self.count = Count::<T>::truncate(len as u64);
    }
}

impl<T: Element + Copy, const N: usize> Clone for FixedVec<T, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element + Copy, const N: usize> Copy for FixedVec<T, N> {}

impl<T: Element, const N: usize> Default for FixedVec<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element, const N: usize> Deref for FixedVec<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Element, const N: usize> DerefMut for FixedVec<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
}

impl<T: Element, const N: usize> AsRef<[T]> for FixedVec<T, N> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: Element, const N: usize> AsMut<[T]> for FixedVec<T, N> {
    fn as_mut(&mut self) -> &mut [T] {
        self
    }
}

impl<T: Element, const N: usize> Borrow<[T]> for FixedVec<T, N> {
    fn borrow(&self) -> &[T] {
        self
    }
}

impl<T: Element, const N: usize> BorrowMut<[T]> for FixedVec<T, N> {
    fn borrow_mut(&mut self) -> &mut [T] {
        self
    }
}

/// Full.
impl<T: Element, const N: usize> From<[T; N]> for FixedVec<T, N> {
    fn from(elements: [T; N]) -> Self {
        let mut vec = Self::new();
        vec.items = elements.map(MaybeUninit::new);
        vec.set_len(N);
        vec
    }
}

/// The elements of a [`FixedVec`], taken out of it.
#[derive(Debug)]
pub struct IntoIter<T: Element, const N: usize> {
    /// The others, last one first.
    rest: FixedVec<T, N>,
}

impl<T: Element, const N: usize> Iterator for IntoIter<T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.rest.pop()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len(), Some(self.rest.len()))
    }
}

impl<T: Element, const N: usize> ExactSizeIterator for IntoIter<T, N> {}

impl<T: Element, const N: usize> IntoIterator for FixedVec<T, N> {
    type Item = T;
    type IntoIter = IntoIter<T, N>;

    fn into_iter(mut self) -> IntoIter<T, N> {
        self.reverse();
        IntoIter { rest: self }
    }
}

impl<'a, T: Element, const N: usize> IntoIterator for &'a mut FixedVec<T, N> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_mut_slice().iter_mut()
    }
}

impl<'a, T: Element, const N: usize> IntoIterator for &'a FixedVec<T, N> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

impl<T: Element + Copy, const N: usize> TryFrom<&[T]> for FixedVec<T, N> {
    type Error = CapacityExceeded;

    fn try_from(elements: &[T]) -> Result<Self, CapacityExceeded> {
        Self::from_slice(elements)
    }
}

impl<T: Element + fmt::Debug, const N: usize> fmt::Debug for FixedVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<T: Element + PartialEq, const N: usize, const M: usize> PartialEq<FixedVec<T, M>> for FixedVec<T, N> {
    fn eq(&self, other: &FixedVec<T, M>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Element + Eq, const N: usize> Eq for FixedVec<T, N> {}

impl<T: Element + PartialEq, const N: usize> PartialEq<[T]> for FixedVec<T, N> {
    fn eq(&self, other: &[T]) -> bool {
        self.as_slice() == other
    }
}

impl<T: Element + PartialEq, const N: usize, const M: usize> PartialEq<[T; M]> for FixedVec<T, N> {
    fn eq(&self, other: &[T; M]) -> bool {
        self.as_slice() == other
    }
}

impl<T: Element + PartialEq, const N: usize> PartialEq<&[T]> for FixedVec<T, N> {
    fn eq(&self, other: &&[T]) -> bool {
        self.as_slice() == *other
    }
}

impl<T: Element + PartialEq, const N: usize> PartialEq<Vec<T>> for FixedVec<T, N> {
    fn eq(&self, other: &Vec<T>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Element + Hash, const N: usize> Hash for FixedVec<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl<T: Element + PartialOrd, const N: usize, const M: usize> PartialOrd<FixedVec<T, M>> for FixedVec<T, N> {
    fn partial_cmp(&self, other: &FixedVec<T, M>) -> Option<Ordering> {
        self.as_slice().partial_cmp(other.as_slice())
    }
}

impl<T: Element + Ord, const N: usize> Ord for FixedVec<T, N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<T: Element, const N: usize> FixedVec<T, N> {
    /// Bytes after the last element that belong to nothing.
    const PADDING: usize = size_of::<Self>() - size_of::<Count<T>>() - N * size_of::<T>();

    /// What to say of them.
    const PADDED: &'static ConstText = &ConstText::new()
        .text("`FixedVec<_, ")
        .number(N)
        .text(">` has ")
        .bytes(Self::PADDING)
        .text(" of padding at its end; use a capacity of ")
        // Only elements of alignment 1 leave any, and then the size is one short of even.
        .number(N + 1);

    /// Whether the count can hold `N`.
    const COUNTABLE: bool = size_of::<Count<T>>() > 2 || N <= u16::MAX as usize;
}

// SAFETY: `repr(C)` puts the count first and the items right behind it, because the count is at least as wide as they are
// aligned; `REFUSAL` names what would be padded at the end. All bytes are initialised (see `items`). `T` brings no pointers,
// drop glue or interior mutability, and neither does `MaybeUninit`. Any bits are memory-safe as long as the counted items are
// valid, which `validate` checks.
#[diagnostic::do_not_recommend]
unsafe impl<T: Element, const N: usize> DmxpField for FixedVec<T, N> {
    type Word = Count<T>;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Vec {
        element: T::TYPE,
        capacity: length(N),
    };
    /// A count above the capacity is no danger, but it is a broken message, and its receiver should hear of it.
    const ALWAYS_VALID: bool = false;
    /// Empty.
    const ZERO_IS_VALID: bool = true;
    const REFUSAL: Option<&'static str> = {
        if T::REFUSAL.is_some() {
            T::REFUSAL
        } else if N == 0 {
            Some("a `FixedVec` of capacity 0 stores nothing; give it a capacity or remove the field")
        } else if Self::PADDING != 0 {
            Some(Self::PADDED.as_str())
        } else if !Self::COUNTABLE {
            Some("the count of this `FixedVec` is 16 bits wide; its capacity may be at most 65535")
        } else {
            None
        }
    };

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())?;
        let (count, items) = bytes.split_at(size_of::<Count<T>>());
        let count = little_endian(count);
        if count > N as u64 {
            return Err(InvalidValue::new(format!("count {count} is above the capacity {N}")));
        }
        if !T::ALWAYS_VALID {
            for (index, item) in items.chunks_exact(size_of::<T>()).take(count as usize).enumerate() {
                T::validate(item).map_err(|error| error.in_element(index))?;
            }
        }
        Ok(())
    }
}

/// The unsigned number in at most 8 bytes.
pub(super) fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl fmt::Display for CapacityExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} elements do not fit a FixedVec of capacity {}",
            self.length, self.capacity
        )
    }
}

impl std::error::Error for CapacityExceeded {}

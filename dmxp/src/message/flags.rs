//! Sets of flags.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Not, Sub, SubAssign};

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::enumeration::{Enumeration, Flag, Raw};
use super::field::DmxpField;
use super::scalar::expect_length;

/// A set of values of `E`, each of which is a bit. Every bit pattern is a set; bits that this version of `E` does not know are
/// kept.
///
/// ```
/// use dmxp::DmxpMessage;
/// use dmxp::message::Flags;
///
/// #[derive(Clone, Copy, Debug, PartialEq, DmxpMessage)]
/// #[dmxp(flags)]
/// #[repr(u16)]
/// enum Quality {
///     Estimated = 1,
///     Stale = 2,
///     Corrected = 4,
/// }
///
/// let mut quality = Flags::from(Quality::Stale) | Quality::Corrected;
/// assert!(quality.contains(Quality::Stale) && !quality.contains(Quality::Estimated));
/// quality.remove(Quality::Stale);
/// assert_eq!(quality.iter().collect::<Vec<_>>(), [Quality::Corrected]);
/// assert_eq!(Flags::<Quality>::from_bits(0x104).unknown_bits(), 0x100);
///
/// const NONE: Flags<Quality> = Flags::new();
/// let both = Flags::from([Quality::Estimated, Quality::Stale]);
/// assert!((both & Quality::Stale).contains(Quality::Stale) && (both - both) == NONE);
/// assert!(both.contains_all(Flags::from(Quality::Stale)) && both.intersects(!Flags::from(Quality::Stale)));
/// ```
#[cfg_attr(
    feature = "zerocopy",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
#[repr(transparent)]
pub struct Flags<E: Flag> {
    bits: E::Raw,
}

impl<E: Flag> Flags<E> {
    /// No flag.
    #[must_use]
    pub const fn new() -> Self {
        Self { bits: E::Raw::ZERO }
    }

    /// All flags that `E` names.
    #[must_use]
    pub fn all() -> Self {
        Self::from_u64(known_bits::<E>())
    }

    /// The set stored as `bits`, known or not.
    #[must_use]
    pub const fn from_bits(bits: E::Raw) -> Self {
        Self { bits }
    }

    /// The number that is stored.
    #[must_use]
    pub const fn bits(self) -> E::Raw {
        self.bits
    }

    /// The bits that `E` does not name.
    #[must_use]
    pub fn unknown_bits(self) -> E::Raw {
        E::Raw::from_bits(self.bits.to_bits() & !known_bits::<E>())
    }

    /// Whether no bit is set, known or not.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bits.to_bits() == 0
    }

    /// Whether `flag` is in the set.
    #[must_use]
    pub fn contains(self, flag: E) -> bool {
        self.bits.to_bits() & flag.into_raw().to_bits() != 0
    }

    /// Puts `flag` into the set.
    pub fn insert(&mut self, flag: E) {
        *self = Self::from_u64(self.bits.to_bits() | flag.into_raw().to_bits());
    }

    /// Takes `flag` out of the set.
    pub fn remove(&mut self, flag: E) {
        *self = Self::from_u64(self.bits.to_bits() & !flag.into_raw().to_bits());
    }

    /// Puts `flag` into the set, or takes it out.
    pub fn set(&mut self, flag: E, is_set: bool) {
        if is_set {
            self.insert(flag);
        } else {
            self.remove(flag);
        }
    }

    /// Takes `flag` out of the set if it is in it, or else puts it in.
    pub fn toggle(&mut self, flag: E) {
        *self ^= flag;
    }

    /// Takes out all flags, unknown ones too.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Whether all flags that `E` names are in the set.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.contains_all(Self::all())
    }

    /// Whether all bits of `other` are in the set, unknown ones too.
    #[must_use]
    pub fn contains_all(self, other: Self) -> bool {
        (other - self).is_empty()
    }

    /// Whether a bit of `other` is in the set, known or not.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        !(self & other).is_empty()
    }

    /// How many bits are set, known or not.
    #[must_use]
    pub fn len(self) -> usize {
        self.bits.to_bits().count_ones() as usize
    }

    /// The flags in the set that `E` names, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = E> + use<E> {
        E::ENUM
            .values
            .iter()
            .map(|value| E::Raw::from_bits(value.value as u64))
            .filter(move |flag| self.bits.to_bits() & flag.to_bits() != 0)
            .filter_map(E::from_raw)
    }

    fn from_u64(bits: u64) -> Self {
        Self {
            bits: E::Raw::from_bits(bits),
        }
    }
}

/// The bits that `E` names.
fn known_bits<E: Enumeration>() -> u64 {
    E::ENUM.values.iter().fold(0, |bits, value| bits | value.value as u64)
}

impl<E: Flag> Clone for Flags<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Flag> Copy for Flags<E> {}

impl<E: Flag> Default for Flags<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Flag> PartialEq for Flags<E> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl<E: Flag> Eq for Flags<E> {}

/// By the number that is stored.
impl<E: Flag> PartialOrd for Flags<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Flag> Ord for Flags<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bits.cmp(&other.bits)
    }
}

impl<E: Flag> Hash for Flags<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

impl<E: Flag> From<E> for Flags<E> {
    fn from(flag: E) -> Self {
        Self { bits: flag.into_raw() }
    }
}

impl<E: Flag> FromIterator<E> for Flags<E> {
    fn from_iter<I: IntoIterator<Item = E>>(flags: I) -> Self {
        flags.into_iter().fold(Self::new(), |set, flag| set | flag)
    }
}

impl<E: Flag, const N: usize> From<[E; N]> for Flags<E> {
    fn from(flags: [E; N]) -> Self {
        flags.into_iter().collect()
    }
}

impl<E: Flag> Extend<E> for Flags<E> {
    fn extend<I: IntoIterator<Item = E>>(&mut self, flags: I) {
        flags.into_iter().for_each(|flag| self.insert(flag));
    }
}

/// `set OP flag`, `set OP set`, and both with assignment.
macro_rules! operators {
    ($($operator:ident::$method:ident, $assign:ident::$assign_method:ident: |$mine:ident, $theirs:ident| $bits:expr;)*) => {$(
        impl<E: Flag> $operator for Flags<E> {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                let ($mine, $theirs) = (self.bits.to_bits(), other.bits.to_bits());
                Self::from_u64($bits)
            }
        }

        impl<E: Flag> $operator<E> for Flags<E> {
            type Output = Self;

            fn $method(self, flag: E) -> Self {
                $operator::$method(self, Self::from(flag))
            }
        }

        impl<E: Flag> $assign for Flags<E> {
            fn $assign_method(&mut self, other: Self) {
                *self = $operator::$method(*self, other);
            }
        }

        impl<E: Flag> $assign<E> for Flags<E> {
            fn $assign_method(&mut self, flag: E) {
                *self = $operator::$method(*self, flag);
            }
        }
    )*};
}

operators! {
    BitOr::bitor, BitOrAssign::bitor_assign: |mine, theirs| mine | theirs;
    BitAnd::bitand, BitAndAssign::bitand_assign: |mine, theirs| mine & theirs;
    BitXor::bitxor, BitXorAssign::bitxor_assign: |mine, theirs| mine ^ theirs;
    Sub::sub, SubAssign::sub_assign: |mine, theirs| mine & !theirs;
}

/// The flags that `E` names and this set has not.
impl<E: Flag> Not for Flags<E> {
    type Output = Self;

    fn not(self) -> Self {
        Self::all() - self
    }
}

/// The names of the flags, then the unknown bits: `Stale | Corrected | 0x100`.
impl<E: Flag> fmt::Debug for Flags<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits.to_bits();
        let mut separator = "";
        for flag in E::ENUM.values.iter().filter(|flag| bits & flag.value as u64 != 0) {
            write!(f, "{separator}{}", flag.name)?;
            separator = " | ";
        }
        match self.unknown_bits().to_bits() {
            0 if bits == 0 => f.write_str("(none)"),
            0 => Ok(()),
            unknown => write!(f, "{separator}{unknown:#x}"),
        }
    }
}

// SAFETY: transparent over an integer, which has no padding and takes any bits.
#[diagnostic::do_not_recommend]
unsafe impl<E: Flag> DmxpField for Flags<E> {
    type Word = <E::Raw as DmxpField>::Word;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Flags(E::ENUM);
    const ALWAYS_VALID: bool = true;

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())
    }
}

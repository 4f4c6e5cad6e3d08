//! The unsigned integers that count, mark presence and tag: as wide as the alignment of what follows them.

use super::field::DmxpField;

mod sealed {
    pub trait Sealed {}
}

/// An unsigned integer as wide as an alignment: `u8`, `u16`, `u32` or `u64`.
#[diagnostic::on_unimplemented(
    message = "a type aligned to more than 8 bytes cannot be stored in `Nullable`, `FixedVec` or `Tagged`",
    label = "aligned to more than 8 bytes"
)]
pub trait Word: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The count of a [`FixedVec`](super::FixedVec) of elements with this alignment: this word, but at least `u16`.
    type Count: Word;

    /// Nothing: absent, empty, no elements.
    const ZERO: Self;

    /// Present.
    const ONE: Self;

    /// The word with this value, of which only the low bits are kept.
    fn truncate(value: u64) -> Self;

    /// The value.
    fn to_u64(self) -> u64;
}

macro_rules! words {
    ($($word:ident counts with $count:ident),*) => {$(
        impl sealed::Sealed for $word {}

        impl Word for $word {
            type Count = $count;

            const ZERO: Self = 0;
            const ONE: Self = 1;

            #[inline]
            fn truncate(value: u64) -> Self {
                value as $word
            }

            #[inline]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
        }
    )*};
}

words!(u8 counts with u16, u16 counts with u16, u32 counts with u32, u64 counts with u64);

/// The [`DmxpField::Word`] of types aligned to more than 8 bytes: there is none.
#[derive(Clone, Copy, Debug)]
pub struct NoWord(());

/// A field type with a [`Word`], that is, aligned to at most 8 bytes: what `Nullable` and `FixedVec` may hold.
pub trait Element: DmxpField<Word: Word> {}

impl<T: DmxpField<Word: Word>> Element for T {}

//! Scalars and arrays as fields.

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::field::DmxpField;

macro_rules! always_valid {
    ($($scalar:ident is $kind:ident beside $word:ident),* $(,)?) => {$(
        // SAFETY: `$kind` describes exactly `$scalar`, a primitive number: no padding, no pointers, any bits are a value.
        #[diagnostic::do_not_recommend]
        unsafe impl DmxpField for $scalar {
            type Word = $word;

            const TYPE: &'static TypeDescriptor = &TypeDescriptor::$kind;
            const ALWAYS_VALID: bool = true;

            #[inline]
            fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
                expect_length(bytes, size_of::<Self>())
            }
        }
    )*};
}

always_valid! {
    u8 is U8 beside u8,
    u16 is U16 beside u16,
    u32 is U32 beside u32,
    u64 is U64 beside u64,
    i8 is I8 beside u8,
    i16 is I16 beside u16,
    i32 is I32 beside u32,
    i64 is I64 beside u64,
    f32 is F32 beside u32,
    f64 is F64 beside u64,
}

// SAFETY: a `bool` is one byte, 0 or 1, which is what `validate` lets pass.
#[diagnostic::do_not_recommend]
unsafe impl DmxpField for bool {
    type Word = u8;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Bool;
    const ALWAYS_VALID: bool = false;
    const ZERO_IS_VALID: bool = true;

    #[inline]
    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        match bytes {
            [0 | 1] => Ok(()),
            [other] => Err(InvalidValue::new(format!("{other} is not a bool (0 or 1)"))),
            _ => Err(InvalidValue::wrong_length(bytes.len(), 1)),
        }
    }
}

// SAFETY: a `char` is four bytes that hold a Unicode scalar value, which is what `validate` lets pass.
#[diagnostic::do_not_recommend]
unsafe impl DmxpField for char {
    type Word = u32;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Char;
    const ALWAYS_VALID: bool = false;
    const ZERO_IS_VALID: bool = true;

    #[inline]
    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        let Ok(raw) = <[u8; 4]>::try_from(bytes) else {
            return Err(InvalidValue::wrong_length(bytes.len(), 4));
        };
        let raw = u32::from_le_bytes(raw);
        match char::from_u32(raw) {
            Some(_) => Ok(()),
            None => Err(InvalidValue::new(format!("0x{raw:X} is not a Unicode scalar value"))),
        }
    }
}

// SAFETY: an array is its elements in a row with nothing between or after them, so that what holds for `T` holds for it;
// `validate` looks at every element. An empty array is refused.
#[diagnostic::do_not_recommend]
unsafe impl<T: DmxpField, const N: usize> DmxpField for [T; N] {
    type Word = T::Word;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::array_of(T::TYPE, length(N));
    const ALWAYS_VALID: bool = T::ALWAYS_VALID;
    const ZERO_IS_VALID: bool = N == 0 || T::ZERO_IS_VALID;
    const REFUSAL: Option<&'static str> = if N == 0 {
        Some("an array of length 0 stores nothing; remove the field")
    } else {
        T::REFUSAL
    };

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, size_of::<Self>())?;
        if !T::ALWAYS_VALID {
            for (index, element) in bytes.chunks_exact(size_of::<T>()).enumerate() {
                T::validate(element).map_err(|error| error.in_element(index))?;
            }
        }
        Ok(())
    }
}

/// A length as descriptors hold it.
pub(super) const fn length(length: usize) -> u32 {
    assert!(length <= u32::MAX as usize, "the length does not fit 32 bits");
    length as u32
}

/// Refuses bytes that are not as long as the value.
#[inline]
pub(super) fn expect_length(bytes: &[u8], size: usize) -> Result<(), InvalidValue> {
    if bytes.len() == size {
        Ok(())
    } else {
        Err(InvalidValue::wrong_length(bytes.len(), size))
    }
}

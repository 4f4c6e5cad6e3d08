//! From values to bytes and back.

use super::InvalidValue;
use super::field::DmxpField;

/// The bytes of a value.
///
/// ```
/// assert_eq!(dmxp::message::bytes_of(&0x0102_u16), [2, 1]);
/// ```
#[must_use]
#[inline]
pub fn bytes_of<T: DmxpField>(value: &T) -> &[u8] {
    assert_storable::<T>();
    // SAFETY: `value` is a live reference to `size_of::<T>()` bytes, all of them initialised because a `DmxpField` that is not
    // refused has no padding, and nobody writes them while it is borrowed because it has no interior mutability.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
}

/// The bytes of values that lie side by side.
#[inline]
pub(crate) fn bytes_of_all<T: DmxpField>(values: &[T]) -> &[u8] {
    assert_storable::<T>();
    // SAFETY: as in `bytes_of`, for each of them.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) }
}

/// Validates `bytes` and copies the value out of them. They need no alignment.
///
/// # Errors
/// [`InvalidValue`] when there are more or fewer bytes than the value has, or when they are not a valid value.
///
/// ```
/// use dmxp::message::copy_from_bytes;
///
/// assert_eq!(copy_from_bytes::<char>(&[0x41, 0, 0, 0]), Ok('A'));
/// assert!(copy_from_bytes::<bool>(&[2]).is_err());
/// ```
#[inline]
pub fn copy_from_bytes<T: DmxpField>(bytes: &[u8]) -> Result<T, InvalidValue> {
    check::<T>(bytes)?;
    // SAFETY: `check` saw that the bytes are `size_of::<T>()` and a valid `T`; the read is unaligned. A second value with the
    // same bytes does no harm: any valid bytes are a value of a `DmxpField`.
    Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Validates `bytes` and borrows the value in place.
///
/// # Errors
/// [`InvalidValue`] when there are more or fewer bytes than the value has, when they are not aligned for it, or when they are
/// not a valid value.
///
/// ```
/// use dmxp::message::{bytes_of, ref_from_bytes};
///
/// let value = [1.5_f32, 2.5];
/// assert_eq!(ref_from_bytes::<[f32; 2]>(bytes_of(&value)), Ok(&value));
/// ```
#[inline]
pub fn ref_from_bytes<T: DmxpField>(bytes: &[u8]) -> Result<&T, InvalidValue> {
    check::<T>(bytes)?;
    let value = bytes.as_ptr().cast::<T>();
    if !value.is_aligned() {
        let (address, align) = (value.addr(), align_of::<T>());
        return Err(InvalidValue::new(format!(
            "address {address:#x} is not a multiple of the alignment {align}"
        )));
    }
    // SAFETY: the pointer is aligned and covers exactly the borrowed bytes, which `check` saw to be a valid `T`; nobody writes
    // them during the borrow, and `T` has no interior mutability.
    Ok(unsafe { &*value })
}

/// Whether `size_of::<T>()` bytes are a valid value.
#[inline(always)]
pub(crate) fn is_valid<T: DmxpField>(bytes: &[u8]) -> bool {
    assert_storable::<T>();
    debug_assert_eq!(bytes.len(), size_of::<T>());
    T::ALWAYS_VALID || T::validate(bytes).is_ok()
}

#[inline]
fn check<T: DmxpField>(bytes: &[u8]) -> Result<(), InvalidValue> {
    assert_storable::<T>();
    if bytes.len() != size_of::<T>() {
        return Err(InvalidValue::wrong_length(bytes.len(), size_of::<T>()));
    }
    if T::ALWAYS_VALID { Ok(()) } else { T::validate(bytes) }
}

/// What the promises of [`DmxpField`] depend on. Decided by the compiler, once for each `T`.
#[inline]
pub(super) const fn assert_storable<T: DmxpField>() {
    const {
        if let Some(refusal) = T::REFUSAL {
            panic!("{}", refusal);
        }
    }
}

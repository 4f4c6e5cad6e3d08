//! Reading what C hands over: pointers that may be NULL, texts, byte runs, places for results.

use crate::status::{Failure, Result};
use dmxp::Wait;
use std::ffi::{CStr, c_char, c_void};
use std::time::Duration;

fn null(what: &str) -> Failure {
    Failure::invalid(format!("`{what}` is NULL"))
}

/// What a pointer argument points to.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that lives, and that nobody writes, as long as the call runs.
pub(crate) unsafe fn referred<'a, T>(pointer: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(what))
}

/// A place for a result, reset at once so that no failure leaves it as it was.
///
/// # Safety
/// `pointer` is NULL or points to memory of a `T`, initialised or not, that is the call's alone as long as it runs.
pub(crate) unsafe fn result<'a, T: Copy>(pointer: *mut T, reset: T, what: &str) -> Result<&'a mut T> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL, so it points to memory of a T; writing does not read what was there.
    unsafe { pointer.write(reset) };
    // SAFETY: as above, and initialised by now.
    Ok(unsafe { &mut *pointer })
}

/// A struct that the call reads and changes.
///
/// # Safety
/// `pointer` is NULL or points to an initialised `T` that is the call's alone as long as it runs.
pub(crate) unsafe fn changed<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(what))
}

/// An array of `len` values; `len` 0 allows NULL.
///
/// # Safety
/// `pointer` is NULL or points to `len` values that live, and that nobody writes, as long as the call runs.
pub(crate) unsafe fn array<'a, T>(pointer: *const T, len: usize, what: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(what));
    }
    if len
        .checked_mul(size_of::<T>())
        .is_none_or(|bytes| bytes > isize::MAX as usize)
    {
        return Err(Failure::invalid(format!(
            "`{what}`: {len} values are more than memory can hold"
        )));
    }
    // SAFETY: not NULL, within the largest size of an object, and the caller's promise for the rest.
    Ok(unsafe { core::slice::from_raw_parts(pointer, len) })
}

/// A run of `len` bytes; `len` 0 allows NULL.
///
/// # Safety
/// As for [`array`].
pub(crate) unsafe fn bytes<'a>(pointer: *const c_void, len: usize, what: &str) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { array(pointer.cast::<u8>(), len, what) }
}

/// A text; `None` for NULL.
///
/// # Safety
/// `pointer` is NULL or points to bytes that end with a NUL, and that live and do not change as long as the call runs.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so it points to a NUL-terminated text.
    let text = unsafe { CStr::from_ptr(pointer) };
    match text.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Failure::invalid(format!("`{what}` is not UTF-8"))),
    }
}

/// A time to wait in nanoseconds: 0 is not at all, less is for ever.
pub(crate) fn wait(timeout_ns: i64) -> Wait {
    match u64::try_from(timeout_ns) {
        Ok(0) => Wait::No,
        Ok(nanoseconds) => Wait::For(Duration::from_nanos(nanoseconds)),
        Err(_) => Wait::Forever,
    }
}

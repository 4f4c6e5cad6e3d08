//! Reading what C hands over: pointers that may be NULL, texts, byte runs, places for results.

use crate::status::{Failure, Result, dmxp_status};
use dmxp::Wait;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
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

/// Writes a text, NUL included, where there is room for it, and its length without the NUL in any case.
///
/// # Safety
/// `place` is NULL or points to `room` bytes, `len` is NULL or a place for a length; both are the call's alone as long as it
/// runs.
pub(crate) unsafe fn put_text(
    text: String,
    place: *mut c_char,
    room: usize,
    len: &mut usize,
    what: &str,
) -> Result<()> {
    let text = CString::new(text).unwrap_or_default();
    let bytes = text.as_bytes_with_nul();
    *len = bytes.len() - 1;
    if room < bytes.len() {
        return Err(Failure::new(
            dmxp_status::DMXP_BUFFER_TOO_SMALL,
            format!("{what} takes {} bytes, and there is room for {room}", bytes.len()),
        ));
    }
    if place.is_null() {
        return Err(null("text"));
    }
    // SAFETY: `place` has `room` bytes, no fewer than these, and nothing of the library lies there.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast::<u8>(), bytes.len()) };
    Ok(())
}

/// Writes as many of the values as there is room for to `places`, and how many there are in all to `count`.
///
/// # Safety
/// `places` is NULL or points to places for `max` values, `count` is NULL or a place for one; all are the call's alone as long
/// as it runs.
pub(crate) unsafe fn put_all<T: Copy>(
    values: impl ExactSizeIterator<Item = T>,
    places: *mut T,
    max: usize,
    count: &mut usize,
    what: &str,
) -> Result<()> {
    let found = values.len();
    if places.is_null() && max > 0 && found > 0 {
        return Err(null(what));
    }
    for (index, value) in values.take(max).enumerate() {
        // SAFETY: not NULL, since there is a value and room for it; `index` is less than `max`, and the caller promises `max`
        // places.
        let place = unsafe { places.add(index) };
        // SAFETY: one of these places; nothing of the library lies there.
        unsafe { place.write(value) };
    }
    *count = found;
    Ok(())
}

/// A time to wait in nanoseconds: 0 is not at all, less is for ever.
pub(crate) fn wait(timeout_ns: i64) -> Wait {
    match u64::try_from(timeout_ns) {
        Ok(0) => Wait::No,
        Ok(nanoseconds) => Wait::For(Duration::from_nanos(nanoseconds)),
        Err(_) => Wait::Forever,
    }
}

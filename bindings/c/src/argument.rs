//! Reading what C hands over: pointers that may be NULL, texts, byte runs, places for results.
//!
//! Structs that a later version may extend begin with their size, as the program knows it ([`Growing`]). What an older program does
//! not know is zeros for the library, and is not written; what a newer one knows beyond the library's must be zeros, and is written
//! as zeros.

use crate::handle::{Handle, find};
use crate::status::{Failure, Result, dmxp_status};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use dmxp::Wait;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::time::Duration;

fn null(what: &str) -> Failure {
    Failure::invalid(format!("`{what}` is NULL"))
}

/// What a handle stands for. NULL, one that was destroyed, and anything else that is none fail.
///
/// # Safety
/// Nobody destroys the handle while the call runs.
pub(crate) unsafe fn referred<'a, T: Handle>(handle: *const T, what: &str) -> Result<&'a T> {
    find(handle, what)
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

/// The largest size that a struct may say it has: no version will need more, and what was never set is rarely less.
const LARGEST: usize = 4_096;

/// A struct that a later version may extend at its end. It begins with `struct_size`, the size that the program was compiled with.
///
/// # Safety
/// The type is `repr(C)` with the alignment of a `usize` and no padding, all zeros are a valid value, and so is every struct of
/// which some of the last words are zeros.
pub(crate) unsafe trait Growing: Copy {
    /// The type's name in C.
    const NAME: &'static str;
    /// What a result is while there is none.
    fn nothing() -> Self {
        // SAFETY: all zeros are a valid value, as the trait promises.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// Says that structs are [`Growing`], and checks what can be checked of it.
macro_rules! growing {
    ($($name:ident { nothing: $nothing:expr }),+ $(,)?) => { $(
        // SAFETY: repr(C), of integers, arrays of them, and raw pointers, with explicit padding: the size is asserted beside the type.
        unsafe impl $crate::argument::Growing for $name {
            const NAME: &'static str = stringify!($name);
            fn nothing() -> Self {
                $nothing
            }
        }
        $crate::argument::growing!(@layout $name);
    )+ };
    ($($name:ident),+ $(,)?) => { $(
        // SAFETY: as above.
        unsafe impl $crate::argument::Growing for $name {
            const NAME: &'static str = stringify!($name);
        }
        $crate::argument::growing!(@layout $name);
    )+ };
    (@layout $name:ident) => {
        const _: () = assert!(core::mem::offset_of!($name, struct_size) == 0 && align_of::<$name>() == align_of::<usize>());
    };
}
pub(crate) use growing;

/// The size that a struct says it has.
///
/// # Safety
/// `pointer` points to a `T` of any version, of which at least the size is initialised.
unsafe fn size_of_given<T: Growing>(pointer: *const T, what: &str) -> Result<usize> {
    // SAFETY: the struct begins with its size.
    let size = unsafe { pointer.cast::<usize>().read() };
    if (size_of::<usize>()..=LARGEST).contains(&size) && size.is_multiple_of(align_of::<T>()) {
        return Ok(size);
    }
    Err(Failure::invalid(format!(
        "`{what}->struct_size` is {size}, which is no size of a {name}; begin with {init}_INIT, or set it to sizeof({name})",
        name = T::NAME,
        init = T::NAME.to_uppercase(),
    )))
}

/// A struct of any version as this one knows it: with zeros for what it lacks.
///
/// # Safety
/// `pointer` is NULL or points to a `T` of the size that it says, initialised, that nobody writes as long as the call runs.
pub(crate) unsafe fn given<T: Growing>(pointer: *const T, what: &str) -> Result<T> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL; the caller's promise.
    let size = unsafe { size_of_given(pointer, what) }?;
    let known = size.min(size_of::<T>());
    let beyond = pointer.cast::<u8>().wrapping_add(known);
    // SAFETY: the struct has `size` bytes, and these are the last of them.
    let beyond = unsafe { core::slice::from_raw_parts(beyond, size - known) };
    if beyond.iter().any(|&byte| byte != 0) {
        return Err(Failure::invalid(format!(
            "`{what}` has {size} bytes, and sets some beyond the {known} of {} that this library knows: use a newer library",
            T::NAME
        )));
    }
    let mut found = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes of each, which do not overlap: one of them is new.
    unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), found.as_mut_ptr().cast::<u8>(), known) };
    // SAFETY: a struct whose last words may be zeros: sizes are multiples of a word.
    Ok(unsafe { found.assume_init() })
}

/// A place for a result that is a struct of any version.
#[derive(Debug)]
pub(crate) struct Place<'a, T> {
    pointer: *mut T,
    size: usize,
    call: PhantomData<&'a mut T>,
}

impl<T: Growing> Place<'_, T> {
    /// Writes what the program knows of `value`, and zeros beyond. The size stays.
    pub(crate) fn put(&mut self, value: T) {
        let known = self.size.min(size_of::<T>());
        let bytes = self.pointer.cast::<u8>();
        let from = (&raw const value).cast::<u8>();
        // SAFETY: the place has `size` bytes, the value no fewer than `known`, and the place is the call's alone.
        unsafe { ptr::copy_nonoverlapping(from, bytes, known) };
        // SAFETY: these are the last of its `size` bytes.
        unsafe { ptr::write_bytes(bytes.wrapping_add(known), 0, self.size - known) };
        // SAFETY: it begins with its size.
        unsafe { self.pointer.cast::<usize>().write(self.size) };
    }
}

/// A place for a result, reset at once so that no failure leaves it as it was.
///
/// # Safety
/// `pointer` is NULL or points to memory of the size that it says, which is the call's alone as long as it runs.
pub(crate) unsafe fn place<'a, T: Growing>(pointer: *mut T, what: &str) -> Result<Place<'a, T>> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL; the caller's promise.
    let size = unsafe { size_of_given(pointer, what) }?;
    let mut place = Place {
        pointer,
        size,
        call: PhantomData,
    };
    place.put(T::nothing());
    Ok(place)
}

/// Places for results that are structs of any version, one after the other.
#[derive(Debug)]
pub(crate) struct Places<'a, T> {
    first: *mut T,
    step: usize,
    call: PhantomData<&'a mut T>,
}

// SAFETY: an address of places that are the call's alone, as `put` has its caller promise; whichever thread writes them.
unsafe impl<T> Send for Places<'_, T> {}
// SAFETY: as for Send.
unsafe impl<T> Sync for Places<'_, T> {}

impl<T: Growing> Places<'_, T> {
    /// Writes the value at `index`, as [`Place::put`] does.
    ///
    /// # Safety
    /// There are more than `index` places, which are the call's alone.
    pub(crate) unsafe fn put(&self, index: usize, value: T) {
        let pointer = self.first.cast::<u8>().wrapping_add(index * self.step).cast::<T>();
        let (size, call) = (self.step, PhantomData);
        Place { pointer, size, call }.put(value);
    }
}

/// Places for results; the first says the size of each.
///
/// # Safety
/// `first` points to a place that says its size.
pub(crate) unsafe fn places<'a, T: Growing>(first: *mut T, what: &str) -> Result<Places<'a, T>> {
    Ok(Places {
        first,
        // SAFETY: the caller's promise.
        step: unsafe { size_of_given(first, what) }?,
        call: PhantomData,
    })
}

/// As [`put_all`], for structs of any version: the first of the places says the size of each.
///
/// # Safety
/// `first` is NULL or points to places for `max` values, of which the first says the size of each; all are the call's alone as long
/// as it runs.
pub(crate) unsafe fn put_all_growing<T: Growing>(
    values: impl ExactSizeIterator<Item = T>,
    first: *mut T,
    max: usize,
    count: &mut usize,
    what: &str,
) -> Result<()> {
    let found = values.len();
    if max > 0 && !first.is_null() {
        // SAFETY: not NULL, and there is a first place.
        let places = unsafe { places(first, what) }?;
        for (index, value) in values.take(max).enumerate() {
            // SAFETY: `index` is less than `max`, and the caller promises `max` places.
            unsafe { places.put(index, value) };
        }
    } else if max > 0 && found > 0 {
        return Err(null(what));
    }
    *count = found;
    Ok(())
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

/// The same as a time.
pub(crate) fn duration(timeout_ns: i64) -> Duration {
    u64::try_from(timeout_ns).map_or(Duration::MAX, Duration::from_nanos)
}

/// A time to wait in nanoseconds: 0 is not at all, less is for ever.
pub(crate) fn wait(timeout_ns: i64) -> Wait {
    match u64::try_from(timeout_ns) {
        Ok(0) => Wait::No,
        Ok(nanoseconds) => Wait::For(Duration::from_nanos(nanoseconds)),
        Err(_) => Wait::Forever,
    }
}

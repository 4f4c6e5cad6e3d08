//! Batches as numpy arrays.

use crate::errors::Result;
use crate::message::{Place, Reading, fill_buffer};
use core::ffi::c_int;
use core::ptr::NonNull;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The slots of a claim, or their copies, as one stretch of memory, from the first payload to the end of the last one. What lies
/// between two payloads belongs to the claim too, and nobody changes it meanwhile.
#[pyclass(frozen, module = "dmxp._dmxp")]
pub(crate) struct Slots {
    reading: Reading,
    stretch: Place,
}

#[pymethods]
impl Slots {
    /// # Safety
    /// `view` is valid for writing, as Python's buffer protocol has it.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        if let Err(error) = this.reading.check() {
            // SAFETY: `view` is valid for writing.
            unsafe { (*view).obj = core::ptr::null_mut() };
            return Err(error.into());
        }
        // SAFETY: the claim is held for as long as this exists, and the view refers to it.
        unsafe { fill_buffer(slf.as_any(), view, flags, this.stretch.bytes(), true) }
    }
}

/// A read-only array of messages with `size` bytes each, of which `reading` is the claim: over the slots, or copied where they
/// do not follow each other in memory.
pub(crate) fn array<'py>(
    py: Python<'py>,
    reading: Reading,
    places: &[Place],
    size: usize,
    dtype: &Bound<'py, PyAny>,
) -> Result<Bound<'py, PyAny>> {
    let numpy = py.import("numpy")?;
    let Some((stretch, stride)) = stretch(places, size) else {
        let copy = PyBytes::new_with(py, places.len() * size, |copy| {
            for (part, place) in copy.chunks_exact_mut(size).zip(places) {
                // SAFETY: the claim is held, so the bytes are mapped, initialised and written by nobody.
                part.copy_from_slice(unsafe { place.bytes().as_ref() });
            }
            Ok(())
        })?;
        return Ok(numpy.call_method1("frombuffer", (copy, dtype))?);
    };
    let slots = Bound::new(py, Slots { reading, stretch })?;
    // Shape, type, buffer, offset, strides.
    let layout = ((places.len(),), dtype, slots, 0, (stride,));
    Ok(numpy.call_method1("ndarray", layout)?)
}

/// The same of messages side by side, of which `stretch` is all.
pub(crate) fn array_over<'py>(
    py: Python<'py>,
    reading: Reading,
    stretch: Place,
    size: usize,
    dtype: &Bound<'py, PyAny>,
) -> Result<Bound<'py, PyAny>> {
    let count = stretch.bytes().len() / size;
    let slots = Bound::new(py, Slots { reading, stretch })?;
    let layout = ((count,), dtype, slots, 0, (size,));
    Ok(py.import("numpy")?.call_method1("ndarray", layout)?)
}

/// The memory that places of `size` bytes with equal distances span, and the distance.
fn stretch(places: &[Place], size: usize) -> Option<(Place, usize)> {
    let (first, last) = (places.first()?.bytes(), places.last()?.bytes());
    let address = |place: &Place| place.bytes().cast::<u8>().addr().get();
    let stride = match places {
        [first, second, ..] => address(second).checked_sub(address(first))?,
        _ => size,
    };
    let even = places
        .windows(2)
        .all(|pair| address(&pair[0]).checked_add(stride) == Some(address(&pair[1])));
    let len = last
        .cast::<u8>()
        .addr()
        .get()
        .checked_sub(first.cast::<u8>().addr().get())?
        + size;
    (even && stride >= size).then(|| (Place::new(NonNull::slice_from_raw_parts(first.cast(), len)), stride))
}

//! Bytes-like objects that are sent.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The bytes of an object, which stay where they are while this exists.
pub(crate) enum Payload<'py> {
    Bytes(Bound<'py, PyBytes>),
    Buffer(PyUntypedBuffer),
}

impl<'py> Payload<'py> {
    pub(crate) fn new(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err(
                "the payload's bytes do not lie one after another; send bytes(payload)",
            ));
        }
        Ok(Self::Buffer(buffer))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.len_bytes(),
        }
    }

    /// Copies all of it to the start of a slot, which is at least as long.
    pub(crate) fn copy_to(&self, slot: &mut [u8]) {
        let slot = &mut slot[..self.len()];
        match self {
            Self::Bytes(bytes) => slot.copy_from_slice(bytes.as_bytes()),
            Self::Buffer(buffer) => {
                let from = buffer.buf_ptr().cast::<u8>();
                // SAFETY: the exporter keeps len_bytes() contiguous bytes there while the buffer is held. They do not overlap
                // the slot: it was claimed just now, and no view of it has been made. An empty buffer's pointer may be null,
                // which a copy of no bytes allows.
                unsafe { core::ptr::copy_nonoverlapping(from, slot.as_mut_ptr(), slot.len()) };
            }
        }
    }
}

//! Bytes-like objects that are sent.

use core::ffi::c_int;
use core::marker::PhantomData;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The bytes of an object, which stay where they are while this exists.
pub(crate) enum Payload<'py> {
    Bytes(Bound<'py, PyBytes>),
    Buffer(Buffer<'py>),
}

impl<'py> Payload<'py> {
    pub(crate) fn new(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        match object.cast_exact::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.clone())),
            // Contiguous bytes or an exception.
            Err(_) => Buffer::new(object, ffi::PyBUF_SIMPLE).map(Self::Buffer),
        }
    }

    /// The bytes of an object that can be written.
    pub(crate) fn new_writable(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Buffer::new(object, ffi::PyBUF_WRITABLE).map(Self::Buffer)
    }

    /// Overwrites this, which is of [`new_writable`](Self::new_writable), with as many bytes.
    pub(crate) fn overwrite(&self, from: &Payload<'_>, _python: Python<'py>) {
        let (Self::Buffer(to), from) = (self, from.source()) else {
            return;
        };
        let len = from.len.min(self.len());
        if len > 0 {
            // SAFETY: `len` bytes that the buffer lets be written, and as many to read; both stay where they are while their buffers are
            // held. They may overlap.
            unsafe { core::ptr::copy(from.bytes, to.view.buf.cast::<u8>(), len) };
        }
    }

    /// Calls `look` with the bytes.
    pub(crate) fn with<R>(&self, _python: Python<'py>, look: impl FnOnce(&[u8]) -> R) -> R {
        let source = self.source();
        if source.len == 0 {
            return look(&[]);
        }
        // SAFETY: `len` bytes, there as long as `self` is. This thread has the GIL, with which Python writes to objects, and `look` does not
        // run Python.
        look(unsafe { core::slice::from_raw_parts(source.bytes, source.len) })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.view.len.unsigned_abs(),
        }
    }

    /// The bytes, for code without the GIL.
    pub(crate) fn source(&self) -> Source<'_> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.as_bytes().as_ptr(),
            Self::Buffer(buffer) => buffer.view.buf.cast::<u8>().cast_const(),
        };
        Source {
            bytes,
            len: self.len(),
            payload: PhantomData,
        }
    }
}

/// Where the bytes of a payload lie.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    bytes: *const u8,
    len: usize,
    payload: PhantomData<&'a ()>,
}

// SAFETY: the bytes stay where they are while the payload is borrowed, whatever thread reads them. Python code that changes a
// bytearray while another thread sends it may send some of both, as with a socket.
unsafe impl Send for Source<'_> {}
// SAFETY: as for Send.
unsafe impl Sync for Source<'_> {}

impl Source<'_> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Calls `look` with the bytes.
    pub(crate) fn with<R>(&self, _python: Python<'_>, look: impl FnOnce(&[u8]) -> R) -> R {
        if self.len == 0 {
            return look(&[]);
        }
        // SAFETY: as in `Payload::with`.
        look(unsafe { core::slice::from_raw_parts(self.bytes, self.len) })
    }

    /// Copies all of it to the start of a slot, which is at least as long.
    pub(crate) fn copy_to(&self, slot: &mut [u8]) {
        let slot = &mut slot[..self.len];
        // The address of no bytes may be null.
        if !slot.is_empty() {
            // SAFETY: `len` contiguous bytes, there until the payload goes. They do not overlap the slot: it was claimed just
            // now, and no view of it has been made.
            unsafe { core::ptr::copy_nonoverlapping(self.bytes, slot.as_mut_ptr(), slot.len()) };
        }
    }
}

/// A buffer of contiguous bytes. (PyO3's own does not take those of ctypes structures, which have no dimensions.)
pub(crate) struct Buffer<'py> {
    /// In a box, because exporters may let it point into itself.
    view: Box<ffi::Py_buffer>,
    /// Buffers are given back with the GIL held.
    _python: Python<'py>,
}

impl<'py> Buffer<'py> {
    /// The items of an object with dimensions, contiguous.
    pub(crate) fn of_items(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        // numpy exports no records with dates unless they are called bytes.
        let Ok(dtype) = object.getattr(intern!(py, "dtype")) else {
            return Self::new(object, ffi::PyBUF_ND);
        };
        let size: usize = dtype.getattr(intern!(py, "itemsize"))?.extract()?;
        Self::new(
            &object.call_method1(intern!(py, "view"), (format!("V{size}"),))?,
            ffi::PyBUF_ND,
        )
    }

    fn new(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: a live object, and a view to be filled.
        let failed = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
        if failed != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(Self {
            view,
            _python: object.py(),
        })
    }
}

impl Buffer<'_> {
    /// Bytes of an item, at least one.
    pub(crate) fn item_size(&self) -> usize {
        self.view.itemsize.unsigned_abs().max(1)
    }

    /// All of them, side by side, and how many.
    pub(crate) fn all(&self) -> (Source<'_>, usize) {
        let len = self.view.len.unsigned_abs();
        let all = Source {
            bytes: self.view.buf.cast::<u8>().cast_const(),
            len,
            payload: PhantomData,
        };
        (all, len / self.item_size())
    }

    /// The items, for code without the GIL.
    pub(crate) fn items(&self) -> impl Iterator<Item = Source<'_>> {
        let size = self.item_size();
        let start = self.view.buf.cast::<u8>().cast_const();
        (0..self.view.len.unsigned_abs() / size).map(move |index| Source {
            bytes: start.wrapping_add(index * size),
            len: size,
            payload: PhantomData,
        })
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        // SAFETY: filled by PyObject_GetBuffer, and released once.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.view) };
    }
}

//! A slot claimed for writing.

use crate::errors::{Failure, Result, views_exist};
use crate::message::{Place, fill_buffer};
use crate::message_type::MessageType;
use crate::shared::Shared;
use core::ffi::c_int;
use dmxp::raw::{Lent, Producer, Token};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyWeakrefProxy};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A claim on a slot to write; aborted when dropped, unless it was published.
pub(crate) struct Writing {
    shared: Arc<Shared<Producer>>,
    /// `None` once it was published.
    token: Option<Token>,
}

impl Writing {
    pub(crate) fn new(shared: Arc<Shared<Producer>>, token: Token) -> Self {
        Self {
            shared,
            token: Some(token),
        }
    }

    /// Makes the message visible.
    fn publish(mut self) -> Result<()> {
        match self.token.take() {
            Some(token) => self.shared.handle.publish(token, |_| Ok::<_, Failure>(|_| None)),
            None => Ok(()),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            // Fails in a forked child: the slots are the parent's.
            let _ = self.shared.handle.abort(token);
        }
    }
}

struct State {
    /// `None` once the claim was published or aborted.
    writing: Option<Writing>,
    /// The memoryview or ctypes instance of the `with` block.
    view: Option<Py<PyAny>>,
    /// Buffers that lead to the slot.
    exports: usize,
}

/// A slot claimed for writing, to be used with `with`: the message is written in place, published at the end of the block,
/// and aborted by an exception.
///
/// The block gets a writable memoryview of as many zero bytes as were asked for, or a proxy of an instance of the generated
/// class; both lie in the slot, and both are dead after the block.
///
/// >>> producer = dmxp.create_producer(channel_id=100)
/// >>> claim = producer.claim(5)
/// >>> with claim as slot:
/// ...     slot[:] = b"hello"
/// >>> claim.message_id
/// 1
#[pyclass(frozen, weakref, module = "dmxp")]
pub(crate) struct Claim {
    place: Place,
    message_type: Option<Arc<MessageType>>,
    message_id: u64,
    state: Mutex<State>,
}

impl Claim {
    /// A claim on one slot.
    pub(crate) fn new(writing: Writing, slot: Lent, message_type: Option<Arc<MessageType>>) -> Self {
        Self {
            place: Place::new(slot.payload),
            message_type,
            message_id: slot.message_id,
            state: Mutex::new(State {
                writing: Some(writing),
                view: None,
                exports: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the view and takes the claim, which nobody can reach any more then; `None` when it was finished before.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Writing>> {
        // Not under the lock: it gives buffers back.
        let view = self.state().view.take();
        if let Some(view) = view.as_ref().and_then(|view| view.bind(py).cast::<PyMemoryView>().ok()) {
            // A view of this view makes it fail; the count below says the same.
            let _ = view.call_method0("release");
        }
        drop(view);
        let mut state = self.state();
        if state.exports > 0 {
            return Err(views_exist("the message was not sent, and its slot is kept"));
        }
        Ok(state.writing.take())
    }
}

fn finished() -> PyErr {
    PyValueError::new_err("the claim was published or aborted")
}

#[pymethods]
impl Claim {
    /// The id that the message gets.
    #[getter]
    fn message_id(&self) -> u64 {
        self.message_id
    }

    /// Gives the slot up; consumers never see the message.
    ///
    /// Raises `BufferError` when views other than that of the `with` block exist; the slot goes with the last of them.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.take(py).map(drop)
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        {
            let state = this.state();
            if state.writing.is_none() {
                return Err(finished());
            }
            if state.view.is_some() || state.exports > 0 {
                return Err(PyValueError::new_err("the claim is in use by another with block"));
            }
        }
        let (view, given) = match &this.message_type {
            None => {
                let view = PyMemoryView::from(slf.as_any())?.into_any();
                (view.clone(), view)
            }
            Some(message_type) => {
                // A ctypes instance cannot be cut off from its memory. So the block gets a weak proxy, and the instance goes
                // when the block ends.
                let view = message_type.weakly_view(slf.as_any())?;
                let proxy = PyWeakrefProxy::new(&view)?.into_any();
                (view, proxy)
            }
        };
        this.state().view = Some(view.unbind());
        Ok(given)
    }

    /// Publishes the message, or aborts the claim when there is an exception. A message of which views other than that of the
    /// block exist is not published: `BufferError`.
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Result<()> {
        let raised = !kind.is_none();
        match self.take(py) {
            Ok(Some(writing)) if !raised => writing.publish(),
            // Aborted, by the exception or before.
            Ok(_) => Ok(()),
            // Views in the frames that the exception passes; the slot goes with the last of them.
            Err(_) if raised => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn __len__(&self) -> usize {
        self.place.bytes().len()
    }

    fn __repr__(&self) -> String {
        let open = if self.state().writing.is_some() {
            ""
        } else {
            ", finished"
        };
        format!(
            "<dmxp.Claim of message {}: {} bytes{open}>",
            self.message_id,
            self.__len__()
        )
    }

    /// # Safety
    /// `view` is valid for writing, as Python's buffer protocol has it.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let mut state = slf.get().state();
        let outcome = match &state.writing {
            None => Err(finished().into()),
            Some(writing) => writing.shared.handle.check().map_err(Failure::from),
        };
        if let Err(error) = outcome {
            // SAFETY: `view` is valid for writing.
            unsafe { (*view).obj = core::ptr::null_mut() };
            return Err(error.into());
        }
        // SAFETY: the slot is this claim's alone; the export is counted, and the claim is not finished before the count is
        // zero.
        unsafe { fill_buffer(slf.as_any(), view, flags, slf.get().place.bytes(), false)? };
        state.exports += 1;
        Ok(())
    }

    /// # Safety
    /// For Python's buffer protocol, once for each `__getbuffer__` that succeeded.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.state().exports -= 1;
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> core::result::Result<(), PyTraverseError> {
        // The view refers to this claim. Nothing is collected while the lock is held: that needs the GIL.
        if let Ok(state) = self.state.try_lock() {
            visit.call(&state.view)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let view = self.state().view.take();
        drop(view);
    }
}

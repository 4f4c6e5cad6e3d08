//! A slot claimed for writing.

use crate::errors::{Failure, Result, views_exist};
use crate::message::{Place, fill_buffer};
use crate::message_type::MessageType;
use crate::shared::Shared;
use crate::slot::{self, Block};
use core::ffi::c_int;
use dmxp::raw::{Lent, Producer, Token};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyType};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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
    /// What the `with` block got, if it got any.
    view: View,
    /// Buffers that lead to the slot.
    exports: usize,
    /// The block has ended while there were some: the claim is aborted with the last of them.
    ended: bool,
}

/// What a block gets. Weak, as all of it leads to the claim.
enum View {
    None,
    Bytes(Py<PyAny>),
    Message(Weak<Block>),
}

/// A slot claimed for writing, to be used with `with`: the message is written in place, published at the end of the block,
/// and aborted by an exception.
///
/// The block gets a writable memoryview of as many zero bytes as were asked for, or what stands for an instance of the generated
/// class; both lie in the slot. After the block both are cut off, and so is every part of the instance that has got another name: what
/// is done with them raises. A message that is not valid is not sent, and raises `InvalidArgument`.
///
/// `fill(message)` writes all of it at once. A claim is a buffer, as what its block gets: a memoryview or array that is made of it
/// and is there at the end of the block keeps the message from being sent (`BufferError`).
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
                view: View::None,
                exports: 0,
                ended: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the view and takes the claim, which nobody can reach any more then; `None` when it was finished before.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Writing>> {
        // Not under the lock: it gives buffers back.
        let view = core::mem::replace(&mut self.state().view, View::None);
        match &view {
            View::None => {}
            View::Bytes(view) => {
                // A view of this view makes it fail; the count below says the same.
                let _ = view.bind(py).call_method0("release");
            }
            View::Message(block) => {
                if let Some(block) = block.upgrade() {
                    block.end();
                }
            }
        }
        drop(view);
        let mut state = self.state();
        if state.exports > 0 {
            state.ended = true;
            return Err(views_exist("the message was not sent, and its slot is kept"));
        }
        Ok(state.writing.take())
    }
}

impl Claim {
    /// Writes all of the message.
    pub(crate) fn fill(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let class = slf
            .get()
            .message_type
            .as_deref()
            .map(|own| own.class(slf.py()).as_any());
        slot::fill(slf.as_any(), class, message)
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

    /// `Claim[Tick]`, for annotations.
    #[classmethod]
    fn __class_getitem__<'py>(cls: &Bound<'py, PyType>, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("types")?.call_method1("GenericAlias", (cls, message))
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        {
            let state = this.state();
            if state.writing.is_none() {
                return Err(finished());
            }
            if !matches!(state.view, View::None) || state.exports > 0 {
                return Err(PyValueError::new_err("the claim is in use by another with block"));
            }
        }
        let (view, given) = match &this.message_type {
            None => {
                let view = PyMemoryView::from(slf.as_any())?.into_any();
                (View::Bytes(view.clone().unbind()), view)
            }
            Some(message_type) => {
                let block = Arc::<Block>::default();
                let slot = block.slot(&message_type.view(slf.as_any())?)?;
                (View::Message(Arc::downgrade(&block)), slot.into_any())
            }
        };
        this.state().view = view;
        Ok(given)
    }

    /// Writes all of the message: from an instance of its class, or from as many bytes as were claimed.
    ///
    /// >>> producer = dmxp.create_producer(channel_id=100)
    /// >>> claim = producer.claim(5)
    /// >>> claim.fill(b"hello")
    /// >>> with claim as slot:
    /// ...     slot[0] = ord("H")
    /// >>> bytes(dmxp.create_consumer(channel_id=100).recv())
    /// b'Hello'
    #[pyo3(name = "fill")]
    fn fill_with(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::fill(slf, message)
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
            Ok(Some(writing)) if !raised => {
                if let Some(form) = self.message_type.as_deref().filter(|form| !form.checks.accept_all()) {
                    // SAFETY: the slot is this claim's alone, and no view of it is left.
                    form.check_sent(unsafe { self.place.bytes().as_ref() })?;
                }
                writing.publish()
            }
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
        let writing = {
            let mut state = self.state();
            state.exports -= 1;
            if state.ended && state.exports == 0 {
                state.writing.take()
            } else {
                None
            }
        };
        drop(writing);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> core::result::Result<(), PyTraverseError> {
        // The view refers to this claim. Nothing is collected while the lock is held: that needs the GIL.
        if let Ok(state) = self.state.try_lock()
            && let View::Bytes(view) = &state.view
        {
            visit.call(view)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let view = core::mem::replace(&mut self.state().view, View::None);
        drop(view);
    }
}

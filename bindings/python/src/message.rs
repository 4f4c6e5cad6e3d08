//! A message borrowed in its slot, and the views of it.

use crate::errors::{Failure, Result, views_exist};
use crate::lease;
use crate::message_type::MessageType;
use crate::metadata::Metadata;
use crate::shared::Shared;
use crate::uncaught::Origin;
use core::ffi::c_int;
use core::ptr::NonNull;
use dmxp::Error;
use dmxp::raw::{Consumer, ReadClaim, Token};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A claim on messages; released when dropped.
pub(crate) struct Reading {
    shared: Arc<Shared<Consumer>>,
    /// `None` once it was given back.
    token: Option<Token>,
    /// The id of the first message.
    first: u64,
    /// Who received it.
    origin: Origin,
    /// An exception ended a block over it: it goes back to the channel, and not to producers.
    failed: AtomicBool,
}

impl Reading {
    pub(crate) fn new(shared: Arc<Shared<Consumer>>, token: Token, first: u64) -> Self {
        Self {
            shared,
            token: Some(token),
            first,
            origin: Origin::here(),
            failed: AtomicBool::new(false),
        }
    }

    /// Has the messages given back when they are let go.
    pub(crate) fn fail(&self) {
        // Relaxed: it is read by what drops it, which comes later by then.
        self.failed.store(true, Ordering::Relaxed);
    }

    /// What the consumer makes of its messages.
    pub(crate) fn received(&self) -> &Received {
        &self.shared.form
    }

    /// Calls `look` with the handle and the claim.
    fn look_at<R>(&self, look: impl FnOnce(&Consumer, &ReadClaim) -> R) -> Result<R> {
        // Only giving back takes the token, and it takes this with it.
        let token = self.token.unwrap_or_default();
        Ok(self.shared.handle.look_at(token, look)?)
    }

    /// Fails in a forked child.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(self.shared.handle.check()?)
    }

    /// Returns the messages to the channel.
    fn give_back(mut self) -> Result<()> {
        match self.token.take() {
            Some(token) => Ok(self.shared.handle.give_back(token)?),
            None => Ok(()),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            // Fails in a forked child: the slots are the parent's.
            let _ = match *self.failed.get_mut() || self.origin.failed() {
                true => self.shared.handle.give_back(token),
                false => self.shared.handle.release(token),
            };
        }
    }
}

/// What a consumer makes of its messages.
pub(crate) struct Received {
    /// The class it was made with.
    pub(crate) message_type: Option<Arc<MessageType>>,
    /// Other subscribers read the same slots. Instances, which can be written, are then over copies.
    pub(crate) shares_slots: bool,
}

/// What a message has to be.
#[derive(Clone, Copy)]
pub(crate) enum Expected<'a> {
    Bytes,
    /// An item of a dtype, of so many bytes.
    Item(usize),
    Message(&'a MessageType),
}

/// Where a message lies; fails if it cannot be read, or is not what is expected. Such a failure is counted.
#[inline]
pub(crate) fn place(handle: &Consumer, claim: &ReadClaim, index: u32, expected: Expected<'_>) -> dmxp::Result<Place> {
    let payload = handle.payload(claim, index)?;
    let wrong = match expected {
        Expected::Bytes => None,
        Expected::Item(size) if size == payload.len() => None,
        Expected::Item(size) => Some(wrong_length(payload.len(), "an item of the dtype", size)),
        Expected::Message(form) if form.size() != payload.len() => Some(wrong_length(
            payload.len(),
            &format!("a {}", form.quoted()),
            form.size(),
        )),
        Expected::Message(form) => form.checks.check(payload).err().map(|invalid| invalid.to_string()),
    };
    match wrong {
        None => Ok(Place(NonNull::from(payload))),
        Some(reason) => Err(handle.refuse(claim, index, reason)),
    }
}

#[cold]
fn wrong_length(len: usize, what: &str, size: usize) -> String {
    format!("it has {len} bytes, {what} has {size}")
}

/// Where all messages of a claim lie, or the first that cannot be read and why.
pub(crate) fn places(
    handle: &Consumer,
    claim: &ReadClaim,
    expected: Expected<'_>,
) -> core::result::Result<Vec<Place>, (u32, Error)> {
    let place = |index| place(handle, claim, index, expected).map_err(|why| (index, why));
    (0..claim.count()).map(place).collect()
}

/// The bytes of a payload, in its slot or, for a lossy subscriber and on a latest channel, in the copy that the handle keeps for the
/// claim. They are there, and nobody else writes them, while the claim is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonNull<[u8]>);

// SAFETY: a place is an address; what is done with it is justified where it is done.
unsafe impl Send for Place {}
// SAFETY: as for Send.
unsafe impl Sync for Place {}

/// What keeps a message's slot.
pub(crate) enum Hold {
    One(Reading),
    /// A message of a batch.
    Part(Arc<Reading>, u32),
}

impl Hold {
    fn reading(&self) -> &Reading {
        match self {
            Self::One(reading) => reading,
            Self::Part(reading, _) => reading,
        }
    }

    fn index(&self) -> u32 {
        match self {
            Self::One(_) => 0,
            Self::Part(_, index) => *index,
        }
    }
}

struct State {
    /// `None` once the message was released.
    hold: Option<Hold>,
    /// Buffers and instances that lead to the slot.
    views: usize,
    /// A block over the message has ended: it goes with the last view.
    ended: bool,
}

impl State {
    /// Counts one view less. What comes of it is dropped when the lock is not held.
    fn end_view(&mut self) -> Option<Hold> {
        self.views -= 1;
        if self.ended && self.views == 0 {
            self.hold.take()
        } else {
            None
        }
    }
}

/// A message in its slot, whatever Python objects lead to it.
pub(crate) struct Borrowed {
    place: Place,
    /// The consumer's message type.
    message_type: Option<Arc<MessageType>>,
    state: Mutex<State>,
}

impl Borrowed {
    pub(crate) fn new(hold: Hold, place: Place) -> Arc<Self> {
        let message_type = hold.reading().received().message_type.clone();
        let hold = Some(hold);
        let state = Mutex::new(State {
            hold,
            views: 0,
            ended: false,
        });
        Arc::new(Self {
            place,
            message_type,
            state,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a view, and tells whether it has to be of a copy.
    pub(crate) fn add_view(&self) -> PyResult<bool> {
        let mut state = self.state();
        let hold = state.hold.as_ref().ok_or_else(released)?;
        let shares_slots = hold.reading().received().shares_slots;
        state.views += 1;
        Ok(shares_slots)
    }

    /// Counts one view less.
    pub(crate) fn end_view(&self) {
        let hold = self.state().end_view();
        drop(hold);
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Has the message given back when it is let go, with all of its batch.
    pub(crate) fn fail(&self) {
        if let Some(hold) = &self.state().hold {
            hold.reading().fail();
        }
    }
}

/// A message, borrowed in its slot: bytes-like, without a copy.
///
/// The slot goes back to producers when the message and all views of it are gone, or with `release()`. A consumer holds at
/// most 8 messages (or batches) at once.
///
/// >>> consumer = dmxp.create_consumer(channel_id=100)
/// >>> dmxp.create_producer(channel_id=100).send(b"hello")
/// 1
/// >>> with consumer.recv() as message:
/// ...     bytes(message), len(message), message[0], message.metadata.sender_runtime
/// (b'hello', 5, 104, 2)
/// >>> len(message)
/// Traceback (most recent call last):
/// ValueError: the message was released
#[pyclass(frozen, weakref, module = "dmxp")]
pub(crate) struct Message(pub(crate) Arc<Borrowed>);

impl Message {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// Runs `f` on the hold and the bytes.
    fn with<R>(&self, f: impl FnOnce(&Hold, &[u8]) -> R) -> PyResult<R> {
        let state = self.state();
        let hold = state.hold.as_ref().ok_or_else(released)?;
        // SAFETY: the claim is held for as long as `hold` is borrowed, so the bytes are mapped, initialised and written by no
        // other process. Views that Python code might write through are used with the GIL held, which this thread has.
        let bytes = unsafe { self.0.place.0.as_ref() };
        Ok(f(hold, bytes))
    }

    /// Takes the hold to be dropped or given back; fails while views exist.
    fn take(&self, what: &str) -> PyResult<Option<Hold>> {
        let mut state = self.state();
        if state.views > 0 {
            return Err(views_exist(what));
        }
        Ok(state.hold.take())
    }
}

fn released() -> PyErr {
    PyValueError::new_err("the message was released")
}

#[pymethods]
impl Message {
    /// What came with the message, a `Metadata`.
    #[getter]
    fn metadata(&self) -> Result<Metadata> {
        self.with(|hold, _| {
            let metadata = |handle: &Consumer, claim: &ReadClaim| handle.metadata(claim, hold.index());
            Ok(hold.reading().look_at(metadata)?.into())
        })?
    }

    /// Whether the message was released or given back.
    #[getter]
    fn released(&self) -> bool {
        self.state().hold.is_none()
    }

    /// Hands the slot back to producers. Afterwards the message cannot be read. For a message of a batch this happens when
    /// all of the batch are released.
    ///
    /// Raises `BufferError` while views of the message exist; of a batch that was received as instances of a class, while any of
    /// them exists.
    fn release(&self) -> PyResult<()> {
        self.take("the message cannot be released").map(drop)
    }

    /// Returns the message to the channel, to be delivered again, with `metadata.redelivered` counted up, to whoever comes
    /// first.
    ///
    /// Raises `BufferError` while views of the message exist, and `dmxp.InvalidArgument` for a message of a batch, which is
    /// released as a whole.
    fn give_back(&self) -> Result<()> {
        if let Some(Hold::Part(..)) = &self.state().hold {
            let what = "a message of a batch cannot be given back alone; receive it with recv".into();
            return Err(Error::InvalidArgument { what }.into());
        }
        match self.take("the message cannot be given back")? {
            Some(Hold::One(reading)) => reading.give_back(),
            _ => Err(released().into()),
        }
    }

    /// An instance of a generated class over the slot, without a copy. It keeps the slot. Without an argument, of the class
    /// the consumer was made with.
    #[pyo3(signature = (message=None))]
    fn view<'py>(slf: &Bound<'py, Self>, message: Option<&Bound<'py, PyAny>>) -> Result<Bound<'py, PyAny>> {
        let message_type = match (message, &slf.get().0.message_type) {
            (Some(class), Some(own)) if own.is(class) => own.clone(),
            (Some(class), _) => Arc::new(MessageType::new(class)?),
            (None, Some(own)) => own.clone(),
            (None, None) => return Err(PyTypeError::new_err("give a message class: the channel has none").into()),
        };
        slf.get().with(|hold, _| {
            let reading = hold.reading();
            let channel = reading.shared.handle.with(Consumer::schema)?;
            let problem = channel.and_then(|channel| message_type.check_reads(&channel).err());
            if let Some(differences) = problem {
                let channel = reading.shared.handle.channel_id().to_string();
                return Err(Error::SchemaMismatch { channel, differences }.into());
            }
            let expected = Expected::Message(&message_type);
            reading.look_at(|handle, claim| place(handle, claim, hold.index(), expected))??;
            Ok::<_, Failure>(())
        })??;
        Ok(lease::again(slf.py(), slf.get().0.clone(), &message_type)?)
    }

    /// A read-only one-dimensional numpy array over the slot, without a copy. It keeps the slot. Without `dtype`, that of the
    /// consumer's message class, and `uint8` on untyped channels.
    #[pyo3(signature = (dtype=None))]
    fn numpy<'py>(slf: &Bound<'py, Self>, dtype: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let numpy = py.import("numpy")?;
        let dtype = match (dtype, &slf.get().0.message_type) {
            (Some(dtype), _) => dtype,
            (None, Some(own)) => own.dtype(py)?,
            (None, None) => numpy.getattr("uint8")?,
        };
        if slf.get().with(|_, bytes| bytes.is_empty())? {
            // numpy refuses to make an array over nothing.
            return numpy.call_method1("empty", (0, dtype));
        }
        // Through a memoryview: older numpy gives the buffer back at once and keeps a reference to the exporter only.
        numpy.call_method1("frombuffer", (PyMemoryView::from(slf.as_any())?, dtype))
    }

    /// Has it given back when it is let go.
    fn _fail(&self) {
        self.0.fail();
    }

    fn __len__(&self) -> PyResult<usize> {
        self.with(|_, bytes| bytes.len())
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(|_, bytes| PyBytes::new(py, bytes))
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(slf.as_any())?.get_item(index)
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyMemoryView::from(slf.as_any())?.try_iter()?.into_any())
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        PyMemoryView::from(slf.as_any())?.rich_compare(other, pyo3::basic::CompareOp::Eq)
    }

    fn __repr__(&self) -> String {
        match self.with(|hold, bytes| (hold.reading().first + u64::from(hold.index()), bytes.len())) {
            Ok((id, len)) => format!("<dmxp.Message {id}: {len} bytes>"),
            Err(_) => "<dmxp.Message, released>".into(),
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Releases the message, or, with an exception on its way, gives it back to the channel, to be delivered again; of a batch, all of it.
    /// Views may remain then, in the frames that the exception passes: the message goes back with the last of them.
    fn __exit__(
        &self,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_none() {
            return self.release();
        }
        self.0.fail();
        let hold = {
            let mut state = self.state();
            state.ended = true;
            // With views, it goes with the last of them.
            if state.views == 0 { state.hold.take() } else { None }
        };
        drop(hold);
        Ok(())
    }

    /// # Safety
    /// `view` is valid for writing, as Python's buffer protocol has it.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let mut state = this.state();
        let outcome = match &state.hold {
            None => Err(released().into()),
            Some(hold) => hold.reading().check(),
        };
        if let Err(error) = outcome {
            // SAFETY: `view` is valid for writing.
            unsafe { (*view).obj = core::ptr::null_mut() };
            return Err(error.into());
        }
        // SAFETY: as `with`; the export is counted, and the claim is not finished before the count is zero.
        unsafe { fill_buffer(slf.as_any(), view, flags, this.0.place.0, true)? };
        state.views += 1;
        Ok(())
    }

    /// # Safety
    /// For Python's buffer protocol, once for each `__getbuffer__` that succeeded.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.0.end_view();
    }
}

impl Place {
    pub(crate) fn new(bytes: NonNull<[u8]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn of(bytes: &mut [u8]) -> Self {
        Self(NonNull::from(bytes))
    }

    pub(crate) fn bytes(self) -> NonNull<[u8]> {
        self.0
    }
}

/// Fills a view with bytes that `owner` keeps while it is exported.
///
/// # Safety
/// `view` is valid for writing; the bytes stay valid until the view is released, and are nobody else's to write.
pub(crate) unsafe fn fill_buffer(
    owner: &Bound<'_, PyAny>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
    bytes: NonNull<[u8]>,
    readonly: bool,
) -> PyResult<()> {
    let (start, len) = (bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t);
    // SAFETY: `view` and the bytes are as the caller promises; `owner` is a live object, of which the view takes a reference.
    let failed = unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start, len, c_int::from(readonly), flags) };
    if failed != 0 {
        return Err(PyErr::fetch(owner.py()));
    }
    Ok(())
}

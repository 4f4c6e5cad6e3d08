//! Consumers.

use crate::errors::{Failure, Result};
use crate::message::{Hold, Message, Reading};
use crate::message_type::MessageType;
use crate::region::{Target, opening};
use crate::shared::{Attached, Patience, Shared};
use dmxp::raw;
use dmxp::{Error, raw::Wait};
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};
use std::sync::{Arc, Mutex, PoisonError};

/// A consumer, made by `create_consumer`. Threads may share it, one call at a time; a consumer for each is faster.
///
/// >>> producer = dmxp.create_producer(channel_id=100)
/// >>> with dmxp.create_consumer(channel_id=100) as consumer:
/// ...     consumer.receive() is None
/// ...     producer.send_batch([b"one", b"two", b"three"])
/// ...     bytes(consumer.receive())
/// ...     producer.close()
/// ...     for message in consumer:
/// ...         print(bytes(message))
/// True
/// 1
/// b'one'
/// b'two'
/// b'three'
///
/// `receive()` does not wait, `recv()` does. A consumer made with `message=Tick` receives `Tick`s, in place; `recv(Tick)` and
/// `recv(dmxp.Message)` ask for one or the other. `with` ends in `detach()`.
#[pyclass(frozen, weakref, module = "dmxp")]
pub(crate) struct Consumer {
    handle: Attached<raw::Consumer>,
    message_type: Option<Arc<MessageType>>,
    /// Other classes that messages were received as.
    seen: Mutex<Vec<Arc<MessageType>>>,
}

/// Opens a consumer, and creates region and channel if they do not exist.
///
/// >>> producer = dmxp.create_producer(channel_id=100)
/// >>> consumer = dmxp.create_consumer(channel_id=100)
/// >>> producer.send(b"hello")
/// 1
/// >>> bytes(consumer.receive())
/// b'hello'
///
/// The arguments are those of `create_producer`.
#[pyfunction]
#[pyo3(signature = (channel_id=None, *, name=None, message=None, capacity=None, region=None, compact=None, payload_capacity=None, v1_peers=None, checksums=None, dead_consumers=None, redelivery_limit=None, dead_letters=None, open_only=false))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn create_consumer(
    py: Python<'_>,
    channel_id: Option<u32>,
    name: Option<String>,
    message: Option<&Bound<'_, PyAny>>,
    capacity: Option<u64>,
    region: Option<&Bound<'_, PyAny>>,
    compact: Option<bool>,
    payload_capacity: Option<u32>,
    v1_peers: Option<bool>,
    checksums: Option<bool>,
    dead_consumers: Option<String>,
    redelivery_limit: Option<u32>,
    dead_letters: Option<String>,
    open_only: bool,
) -> Result<Consumer> {
    let message_type = message.map(MessageType::new).transpose()?.map(Arc::new);
    let target = Target {
        channel_id,
        name,
        capacity,
        region,
        compact,
        payload_capacity,
        v1_peers,
        checksums,
        dead_consumers,
        redelivery_limit,
        dead_letters,
        open_only,
    };
    let handle = opening(py, target, message_type.as_deref(), |builder| {
        builder.build_raw_consumer()
    })?;
    Ok(Consumer {
        handle: Attached::new(handle),
        message_type,
        seen: Mutex::default(),
    })
}

impl Consumer {
    /// What to make of messages: `None` for a `Message`.
    fn form(&self, py: Python<'_>, class: Option<&Bound<'_, PyAny>>) -> Result<Option<Arc<MessageType>>> {
        let Some(class) = class else {
            return Ok(self.message_type.clone());
        };
        if class.is(Message::type_object(py)) {
            return Ok(None);
        }
        if let Some(own) = self.message_type.as_ref().filter(|own| own.is(class)) {
            return Ok(Some(own.clone()));
        }
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen().iter().find(|known| known.is(class)) {
            return Ok(Some(known.clone()));
        }
        let other = Arc::new(MessageType::new(class)?);
        self.handle.with(|handle| {
            let differences = handle.schema()?.and_then(|channel| other.check_reads(&channel).err());
            differences.map_or(Ok(()), |differences| {
                let channel = handle.channel_id().to_string();
                Err(Error::SchemaMismatch { channel, differences })
            })
        })?;
        seen().push(other.clone());
        Ok(Some(other))
    }

    /// Receives one message.
    fn one<'py>(
        &self,
        py: Python<'py>,
        class: Option<&Bound<'py, PyAny>>,
        patience: Patience,
    ) -> Result<Bound<'py, PyAny>> {
        let form = self.form(py, class)?;
        let shared: Arc<Shared<raw::Consumer>> = self.handle.get()?;
        let claim = shared.claim(py, 1, patience, |handle| handle.claim(1, 1, Wait::No))?;
        let reading = Reading::new(shared, claim);
        let place = reading.place(0, form.as_deref())?;
        let message = Message::new(Hold::One(reading), place, self.message_type.clone());
        finish(py, message, form.as_deref())
    }

    /// Receives messages with one claim.
    fn several<'py>(
        &self,
        py: Python<'py>,
        (min, max): (usize, usize),
        class: Option<&Bound<'py, PyAny>>,
        patience: Patience,
    ) -> Result<Bound<'py, PyList>> {
        let form = self.form(py, class)?;
        let shared: Arc<Shared<raw::Consumer>> = self.handle.get()?;
        let claim = shared.claim(py, min, patience, |handle| handle.claim(min, max, Wait::No))?;
        let reading = Reading::new(shared, claim);
        let mut places = Vec::with_capacity(reading.count() as usize);
        for index in 0..reading.count() {
            match reading.place(index, form.as_deref()) {
                Ok(place) => places.push(place),
                Err(error) => {
                    // The others are not lost with it.
                    reading.give_back_but(index)?;
                    return Err(error.into());
                }
            }
        }
        let reading = Arc::new(reading);
        let list = PyList::empty(py);
        for (index, place) in (0..).zip(places) {
            let hold = Hold::Part(reading.clone(), index);
            let message = Message::new(hold, place, self.message_type.clone());
            list.append(finish(py, message, form.as_deref())?)?;
        }
        Ok(list)
    }
}

/// The Python object for a message: itself, or a ctypes instance over it.
fn finish<'py>(py: Python<'py>, message: Message, form: Option<&MessageType>) -> Result<Bound<'py, PyAny>> {
    let message = Bound::new(py, message)?;
    match form {
        None => Ok(message.into_any()),
        Some(form) => Ok(Message::typed(&message, form)?),
    }
}

#[pymethods]
impl Consumer {
    /// The channel's id.
    #[getter]
    fn channel_id(&self) -> Result<u32> {
        self.handle.with(|handle| Ok(handle.channel_id()))
    }

    /// The channel's name, if it has one.
    #[getter]
    fn channel_name(&self) -> Result<Option<String>> {
        self.handle.with(|handle| Ok(handle.channel_name().map(str::to_owned)))
    }

    /// Slots of the channel.
    #[getter]
    fn capacity(&self) -> Result<u64> {
        self.handle.with(|handle| Ok(handle.capacity()))
    }

    /// Bytes that a message can have.
    #[getter]
    fn payload_capacity(&self) -> Result<usize> {
        self.handle.with(|handle| Ok(handle.payload_capacity()))
    }

    /// The class that this consumer was made with.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyType>> {
        self.message_type.as_ref().map(|own| own.class(py).clone())
    }

    /// Takes a message if there is one, else None, and does not wait; with `timeout` (seconds), waits that long and then
    /// raises `Timeout`.
    ///
    /// The message is borrowed in its slot: a `Message`, or with a generated class an instance of that, over the slot. The
    /// values of an instance are checked where they are read: an unknown value of a closed enum or a bool that is neither 0
    /// nor 1 raises `ValueError` there. Writing to an instance changes nothing but what you read yourself.
    ///
    /// Raises `Closed` when the stream has ended and all of it was received, `InvalidMessage` and `ChecksumMismatch` when a
    /// message cannot be read (it has been taken off the channel), `TooManyClaims` when this consumer holds 8 messages,
    /// `Removed`, `Forked`.
    #[pyo3(signature = (message=None, timeout=None))]
    fn receive<'py>(
        &self,
        py: Python<'py>,
        message: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> Result<Option<Bound<'py, PyAny>>> {
        let patience = Patience::new(timeout, Patience::None)?;
        match self.one(py, message, patience) {
            Err(Failure::Runtime(Error::Empty)) => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Waits for a message, forever without `timeout` (seconds); otherwise as `receive`.
    #[pyo3(signature = (message=None, timeout=None))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        message: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> Result<Bound<'py, PyAny>> {
        self.one(py, message, Patience::new(timeout, Patience::Endless)?)
    }

    /// `recv` that does not wait: raises `Empty` when there is no message.
    #[pyo3(signature = (message=None))]
    fn try_recv<'py>(&self, py: Python<'py>, message: Option<&Bound<'py, PyAny>>) -> Result<Bound<'py, PyAny>> {
        self.one(py, message, Patience::None)
    }

    /// Waits for a message and then takes all that are there, at most `max`, with one atomic claim: a list. The slots are
    /// released together, when all messages and their views are gone.
    ///
    /// A batch with a message that cannot be read is refused as a whole: the others go back to the channel, to be delivered
    /// again.
    #[pyo3(signature = (max, message=None, timeout=None))]
    fn recv_up_to<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        message: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> Result<Bound<'py, PyList>> {
        let patience = Patience::new(timeout, Patience::Endless)?;
        // As many as can ever be claimed at once.
        let most = self.capacity()?.min(crate::producer::MAX_BATCH as u64) as usize;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        self.several(py, (1, max.min(most)), message, patience)
    }

    /// Waits until `count` messages are there and takes them with one atomic claim: a list. It has fewer only where an aborted
    /// claim divides them, for messages that are delivered again, and at the end of the stream. Otherwise as `recv_up_to`.
    ///
    /// Raises `BatchTooLarge` when there can never be so many.
    #[pyo3(signature = (count, message=None, timeout=None))]
    fn recv_batch<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        message: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> Result<Bound<'py, PyList>> {
        let patience = Patience::new(timeout, Patience::Endless)?;
        self.several(py, (count, count), message, patience)
    }

    /// Ends the stream for everybody: sending fails from now on, consumers drain what is there and then get `Closed`.
    fn close(&self) -> Result<()> {
        self.handle.with(|handle| handle.close())
    }

    /// Gives this consumer's place up; messages it has lent out stay until they are gone. What is done with the object
    /// afterwards raises `Detached`.
    fn detach(&self) {
        self.handle.detach();
    }

    /// Messages waiting in the channel.
    fn __len__(&self) -> Result<usize> {
        self.handle.with(|handle| Ok(handle.len() as usize))
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The next message; waits for it. The iteration ends when the stream does.
    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        match self.one(py, None, Patience::Endless) {
            Err(Failure::Runtime(Error::Closed)) => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        self.detach();
    }

    fn __repr__(&self) -> String {
        self.channel_id().map_or_else(
            |_| "<dmxp.Consumer, detached>".into(),
            |id| format!("<dmxp.Consumer of channel {id}>"),
        )
    }
}

//! Consumers.

use crate::array::{array, array_over};
use crate::delivery::{self, Asked};
use crate::errors::{Failure, Result};
use crate::lease;
use crate::message::{self, Borrowed, Expected, Hold, Message, Place, Reading, Received};
use crate::message_type::MessageType;
use crate::peers::StreamInfo;
use crate::region::{Target, opening};
use crate::shared::{Attached, Shared, wait};
use crate::wakeups::Wakeups;
use core::ops::Deref;
use dmxp::raw;
use dmxp::{Delivery, Error, raw::Wait};
use pyo3::PyTypeInfo;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
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
/// A consumer without `message` receives bytes from any channel there is, also from one whose messages have a type, which is the
/// `ChannelInfo.schema` of the channel.
///
/// The arguments are those of `create_producer`, and for broadcast channels two more. Producers wait for a consumer whose
/// `subscription` is "reliable", what it is if left out; one that is "lossy" is overrun, and told how many messages it missed. It begins
/// at the `start`: "newest", with what is sent from now on; "oldest", with the oldest message that no producer may overwrite any more;
/// or at a position, the id less one of its message.
///
/// >>> agency = dmxp.create_producer(name="news", delivery="broadcast", capacity=4)
/// >>> ticker = dmxp.create_consumer(name="news", subscription="lossy")
/// >>> for number in range(100):
/// ...     _ = agency.send(b"%d" % number)
/// >>> messages = ticker.recv_up_to(4)
/// >>> bytes(messages[-1]), len(messages) + ticker.missed
/// (b'99', 100)
///
/// With `end_without_producers=True` the stream ends for this consumer when the last producer has gone, detached or its process proven
/// dead, and all was received: iteration ends, and `recv` raises `NoProducers`, which is a `Closed`. Before the first producer has come
/// there is no end, and the next one after the last begins a new stream (`Consumer.stream`). Channels outlive processes, so that it is
/// off if left out; not on channels with v1 peers.
///
/// >>> consumer = dmxp.create_consumer(name="jobs", end_without_producers=True)
/// >>> with dmxp.create_producer(name="jobs") as producer:
/// ...     producer.send_batch([b"one", b"two"])
/// 1
/// >>> [bytes(job) for job in consumer]
/// [b'one', b'two']
#[pyfunction]
#[pyo3(signature = (channel_id=None, *, name=None, message=None, capacity=None, region=None, compact_slots=None, packed_slots=None, payload_capacity=None, v1_peers=None, checksums=None, dead_consumers=None, redelivery_limit=None, dead_letters=None, expiry=None, priorities=None, delivery=None, single_producer=None, lossy_subscribers=None, timestamps=None, subscription=None, start=None, end_without_producers=false, replace_if_unused=false, keep_removed_region=false, wait_strategy=None, open_only=false))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn create_consumer(
    py: Python<'_>,
    channel_id: Option<u32>,
    name: Option<String>,
    message: Option<&Bound<'_, PyAny>>,
    capacity: Option<u64>,
    region: Option<&Bound<'_, PyAny>>,
    compact_slots: Option<bool>,
    packed_slots: Option<bool>,
    payload_capacity: Option<u32>,
    v1_peers: Option<bool>,
    checksums: Option<bool>,
    dead_consumers: Option<String>,
    redelivery_limit: Option<u32>,
    dead_letters: Option<String>,
    expiry: Option<f64>,
    priorities: Option<bool>,
    delivery: Option<String>,
    single_producer: Option<bool>,
    lossy_subscribers: Option<bool>,
    timestamps: Option<bool>,
    subscription: Option<String>,
    start: Option<&Bound<'_, PyAny>>,
    end_without_producers: bool,
    replace_if_unused: bool,
    keep_removed_region: bool,
    wait_strategy: Option<String>,
    open_only: bool,
) -> Result<Consumer> {
    let message_type = message.map(MessageType::new).transpose()?.map(Arc::new);
    let is_lossy = subscription.as_deref() == Some("lossy");
    let target = Target {
        channel_id,
        name,
        capacity,
        region,
        compact_slots,
        packed_slots,
        payload_capacity,
        v1_peers,
        checksums,
        dead_consumers,
        redelivery_limit,
        dead_letters,
        expiry,
        priorities,
        asked: Asked {
            delivery,
            single_producer,
            lossy_subscribers,
            timestamps,
            subscription,
            start,
            end_without_producers,
        },
        wait_strategy,
        replace_if_unused,
        keep_removed_region,
        open_only,
    };
    let handle = opening(py, target, message_type.as_deref(), |builder| {
        builder.build_raw_consumer()
    })?;
    // A reliable subscriber reads slots that others read too.
    let shares_slots = handle.delivery() == Delivery::Broadcast && !is_lossy;
    Ok(Consumer {
        handle: Attached::new(
            handle,
            Received {
                message_type: message_type.clone(),
                shares_slots,
            },
        ),
        message_type,
        seen: Mutex::default(),
    })
}

impl Consumer {
    pub(crate) fn waiter(&self) -> Result<dmxp::raw::Waiter> {
        self.handle.waiter()
    }

    /// What to make of messages: `None` for a `Message`.
    #[inline]
    fn form(&self, py: Python<'_>, class: Option<&Bound<'_, PyAny>>) -> Result<Option<Form<'_>>> {
        match class {
            None => Ok(self.message_type.as_deref().map(Form::Own)),
            Some(class) => self.asked_form(py, class),
        }
    }

    fn asked_form(&self, py: Python<'_>, class: &Bound<'_, PyAny>) -> Result<Option<Form<'_>>> {
        if class.is(Message::type_object(py)) {
            return Ok(None);
        }
        if let Some(own) = self.message_type.as_deref().filter(|own| own.is(class)) {
            return Ok(Some(Form::Own(own)));
        }
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen().iter().find(|known| known.is(class)) {
            return Ok(Some(Form::Other(known.clone())));
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
        Ok(Some(Form::Other(other)))
    }

    /// Receives one message.
    #[inline]
    fn one<'py>(&self, py: Python<'py>, class: Option<&Bound<'py, PyAny>>, wait: Wait) -> Result<Bound<'py, PyAny>> {
        self.next_or_newest(py, class, Some(wait))
    }

    /// Receives the next message, or, without a time to wait, the newest of a latest channel.
    #[inline]
    fn next_or_newest<'py>(
        &self,
        py: Python<'py>,
        class: Option<&Bound<'py, PyAny>>,
        wait: Option<Wait>,
    ) -> Result<Bound<'py, PyAny>> {
        let form = self.form(py, class)?;
        let expected = form.as_deref().map_or(Expected::Bytes, Expected::Message);
        let shared: Arc<Shared<raw::Consumer>> = self.handle.get()?;
        let look = |handle: &raw::Consumer, claim: &raw::ReadClaim| {
            let place = message::place(handle, claim, 0, expected)?;
            Ok::<_, Error>((place, claim.message_id(0)))
        };
        let seen = match wait {
            Some(wait) => shared.handle.receive(wait, &mut shared.hooks(py), look)?,
            None => shared.handle.newest(look)?,
        };
        let (token, (place, id)) = seen?;
        let reading = Reading::new(shared, token, id);
        match form {
            None => Ok(Bound::new(py, Message(Borrowed::new(Hold::One(reading), place)))?.into_any()),
            Some(form) => Ok(lease::one(py, reading, place, &form)?),
        }
    }

    /// Receives messages, all of which are what is expected.
    fn batch(
        &self,
        py: Python<'_>,
        sizes: (usize, usize),
        wait: Wait,
        expected: Expected<'_>,
        metadata: &mut Option<Vec<dmxp::Metadata>>,
    ) -> Result<(Reading, Vec<Place>)> {
        let shared: Arc<Shared<raw::Consumer>> = self.handle.get()?;
        let look = |handle: &raw::Consumer, claim: &raw::ReadClaim| {
            let places = message::places(handle, claim, expected)?;
            note(handle, claim, metadata);
            Ok::<_, (u32, Error)>((places, claim.message_id(0)))
        };
        // If one cannot be read, the others are not lost with it.
        let seen = shared.handle.receive_batch(sizes, wait, &mut shared.hooks(py), look)?;
        let (token, (places, id)) = seen?;
        Ok((Reading::new(shared, token, id), places))
    }

    /// Receives all messages that are there, at most `max`, from packed slots: as an array over the slots, however many they are.
    fn stretch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        wait: Wait,
        (size, form): (usize, Option<&MessageType>),
        dtype: &Bound<'py, PyAny>,
        metadata: &mut Option<Vec<dmxp::Metadata>>,
    ) -> Result<Bound<'py, PyAny>> {
        let shared: Arc<Shared<raw::Consumer>> = self.handle.get()?;
        let own = shared.handle.payload_capacity();
        if own != size {
            let what = format!("an item of the dtype has {size} bytes, a message of the channel {own}");
            return Err(Error::InvalidArgument { what }.into());
        }
        let look = |handle: &raw::Consumer, claim: &raw::ReadClaim| match handle.stretch(claim) {
            Ok(stretch) => {
                let checks = form.map(|form| &form.checks).filter(|checks| !checks.accept_all());
                if let Some(checks) = checks {
                    for (index, message) in (0..).zip(stretch.chunks_exact(size)) {
                        checks
                            .check(message)
                            .map_err(|invalid| (index, handle.refuse(claim, index, invalid.to_string())))?;
                    }
                }
                note(handle, claim, metadata);
                Ok((Place::new(stretch.into()), claim.message_id(0)))
            }
            Err(error) => Err((u32::MAX, error)),
        };
        let seen = shared
            .handle
            .receive_batch((1, max), wait, &mut shared.hooks(py), look)?;
        let (token, (stretch, id)) = seen?;
        array_over(py, Reading::new(shared, token, id), stretch, size, dtype)
    }

    /// An array of messages, with the metadata of each where there is a place for it.
    fn array_of<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        dtype: Option<&Bound<'py, PyAny>>,
        wait: Wait,
        metadata: &mut Option<Vec<dmxp::Metadata>>,
    ) -> Result<Bound<'py, PyAny>> {
        // Values that numpy is told how to read are its own.
        let form = self.message_type.as_deref().filter(|_| dtype.is_none());
        let (dtype, size) = self.records(py, dtype)?;
        if max == 0 {
            return Ok(py.import("numpy")?.call_method1("empty", (0, dtype))?);
        }
        if self.handle.with(|handle| Ok(handle.is_packed()))? {
            return self.stretch(py, max, wait, (size, form), &dtype, metadata);
        }
        let range = (1, self.at_most(max)?);
        let expected = form.map_or(Expected::Item(size), Expected::Message);
        let (reading, places) = self.batch(py, range, wait, expected, metadata)?;
        array(py, reading, &places, size, &dtype)
    }

    /// As many as can ever be claimed at once.
    fn at_most(&self, max: usize) -> Result<usize> {
        let most = self.capacity()?.min(crate::producer::MAX_BATCH as u64) as usize;
        Ok(max.min(most))
    }

    /// The dtype of an array of messages, and the bytes of one.
    fn records<'py>(&self, py: Python<'py>, dtype: Option<&Bound<'py, PyAny>>) -> Result<(Bound<'py, PyAny>, usize)> {
        let dtype = match (dtype, &self.message_type) {
            (Some(dtype), _) => py.import("numpy")?.call_method1("dtype", (dtype,))?,
            (None, Some(own)) => own.dtype(py)?,
            (None, None) => return Err(PyTypeError::new_err("give a dtype: the channel has no message class").into()),
        };
        let size: usize = dtype.getattr(intern!(py, "itemsize"))?.extract()?;
        if size == 0 || dtype.getattr(intern!(py, "hasobject"))?.is_truthy()? {
            return Err(PyTypeError::new_err(format!("no message is a {dtype}")).into());
        }
        Ok((dtype, size))
    }

    /// Receives messages with one claim.
    fn several<'py>(
        &self,
        py: Python<'py>,
        range: (usize, usize),
        class: Option<&Bound<'py, PyAny>>,
        wait: Wait,
    ) -> Result<Bound<'py, PyList>> {
        let form = self.form(py, class)?;
        let expected = form.as_deref().map_or(Expected::Bytes, Expected::Message);
        let (reading, places) = self.batch(py, range, wait, expected, &mut None)?;
        if let Some(form) = form {
            return Ok(lease::several(py, reading, places, &form)?);
        }
        let reading = Arc::new(reading);
        let list = PyList::empty(py);
        for (index, place) in (0..).zip(places) {
            list.append(Message(Borrowed::new(Hold::Part(reading.clone(), index), place)))?;
        }
        Ok(list)
    }
}

/// Keeps the metadata of the messages of a claim, where there is a place for it.
fn note(handle: &raw::Consumer, claim: &raw::ReadClaim, metadata: &mut Option<Vec<dmxp::Metadata>>) {
    if let Some(metadata) = metadata {
        *metadata = (0..claim.count()).map(|index| handle.metadata(claim, index)).collect();
    }
}

/// The class that messages are to be instances of.
enum Form<'a> {
    /// The consumer's.
    Own(&'a MessageType),
    Other(Arc<MessageType>),
}

impl Deref for Form<'_> {
    type Target = MessageType;

    fn deref(&self) -> &MessageType {
        match self {
            Self::Own(own) => own,
            Self::Other(other) => other,
        }
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

    /// Who gets a message of the channel: "queue", "broadcast" or "latest".
    #[getter]
    fn delivery(&self) -> Result<&'static str> {
        self.handle.with(|handle| Ok(delivery::delivery(handle.delivery())))
    }

    /// How many messages this consumer missed in all. On a broadcast channel: those that were overwritten before a lossy one came to
    /// them, and those before its start that were gone; received and missed messages together are those that were sent, but that a
    /// claim which one of several producers gave up counts as missed if it lies among missed ones. On a latest channel: values that
    /// were replaced before it looked. 0 on queues. `Metadata.missed` tells it for each message.
    #[getter]
    fn missed(&self) -> Result<u64> {
        self.handle.with(|handle| Ok(handle.missed()))
    }

    /// The class that this consumer was made with.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyType>> {
        self.message_type.as_ref().map(|own| own.class(py).clone())
    }

    /// Takes a message if there is one, else None, and does not wait; with `timeout` (seconds), waits that long and then
    /// raises `Timeout`.
    ///
    /// The message is borrowed in its slot: a `Message`, or with a generated class an instance of that, over the slot. Where others
    /// may overwrite the slot, for lossy subscribers and on latest channels, it is a copy; so is an instance on a broadcast channel,
    /// since it can be written, and others read the slot. It is a valid one: a message with an unknown value of a closed enum, or a bool
    /// that is neither 0 nor 1, raises `InvalidMessage`. Do not write to an instance: on a queue
    /// it lies over the slot, and if the message comes back to the channel it is delivered as you left it.
    ///
    /// Raises `Closed` when the stream has ended and all of it was received, `InvalidMessage` and `ChecksumMismatch` when a
    /// message cannot be read (it has been taken off the channel), `TooManyClaims` when this consumer holds 8 messages (with a
    /// timeout, if no other thread could release one), `Removed`, `Forked`.
    #[pyo3(signature = (message=None, timeout=None))]
    fn receive<'py>(
        &self,
        py: Python<'py>,
        message: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> Result<Option<Bound<'py, PyAny>>> {
        let wait = wait(timeout, Wait::No)?;
        match self.one(py, message, wait) {
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
        self.one(py, message, wait(timeout, Wait::Forever)?)
    }

    /// `recv` that does not wait: raises `Empty` when there is no message.
    #[pyo3(signature = (message=None))]
    fn try_recv<'py>(&self, py: Python<'py>, message: Option<&Bound<'py, PyAny>>) -> Result<Bound<'py, PyAny>> {
        self.one(py, message, Wait::No)
    }

    /// `recv` as a coroutine, for asyncio: waits without blocking the event loop. What is cancelled, by a time limit or otherwise,
    /// has taken no message. Any number of tasks may wait, at any number of consumers.
    ///
    /// A message that is kept over an `await` keeps its slot for as long, and producers stop when they have come round to it:
    /// copy it (`bytes(message)`) or let it go before.
    #[pyo3(signature = (message=None))]
    fn recv_async<'py>(slf: &Bound<'py, Self>, message: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("dmxp.aio")?.call_method1("recv", (slf, message))
    }

    /// An attempt of `recv_async`.
    #[pyo3(signature = (message=None))]
    fn _attempt<'py>(&self, py: Python<'py>, message: Option<&Bound<'py, PyAny>>) -> Result<Bound<'py, PyAny>> {
        self.one(py, message, Wait::Attempt)
    }

    fn _wake(&self, wakeups: &Wakeups, key: u64, held_up: bool) -> Result<()> {
        self.handle.wake(wakeups, key, held_up)
    }

    /// The newest message of a latest channel, whether this consumer has seen it or not; None when nothing was sent yet. Does not
    /// wait: `recv` waits for one that is newer than the last.
    ///
    /// >>> poses = dmxp.create_producer(name="pose", delivery="latest")
    /// >>> reader = dmxp.create_consumer(name="pose")
    /// >>> reader.newest() is None
    /// True
    /// >>> for pose in [b"left", b"middle", b"right"]:
    /// ...     _ = poses.send(pose)
    /// >>> bytes(reader.recv()), reader.receive() is None, bytes(reader.newest())
    /// (b'right', True, b'right')
    ///
    /// Raises `InvalidArgument` on other channels, and otherwise what `receive` does.
    #[pyo3(signature = (message=None))]
    fn newest<'py>(&self, py: Python<'py>, message: Option<&Bound<'py, PyAny>>) -> Result<Option<Bound<'py, PyAny>>> {
        match self.next_or_newest(py, message, None) {
            Err(Failure::Runtime(Error::Empty)) => Ok(None),
            outcome => outcome.map(Some),
        }
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
        let wait = wait(timeout, Wait::Forever)?;
        if max == 0 {
            return Ok(PyList::empty(py));
        }
        self.several(py, (1, self.at_most(max)?), message, wait)
    }

    /// `recv_up_to` into a read-only numpy array of records: over the slots, which stay taken while the array or a view of it
    /// exists, or a copy where the batch goes past the ring's end (at most once in `capacity` messages). Without `dtype`, that
    /// of the consumer's message class. A message whose length is not the dtype's raises `InvalidMessage` and has been taken off
    /// the channel; the others go back to it.
    ///
    /// With packed slots the array is always over the slots, of a lossy consumer over a copy, and takes no longer the more messages
    /// there are; it ends where the ring ends. Let it go before the next one: `del`, or leave the function.
    ///
    /// >>> import numpy
    /// >>> options = {"name": "volts", "capacity": 65536, "packed_slots": True, "payload_capacity": 8}
    /// >>> consumer, producer = dmxp.create_consumer(**options), dmxp.create_producer(**options)
    /// >>> producer.send_array(numpy.arange(1000.0))
    /// 1
    /// >>> float(consumer.recv_array(2000, "f8").sum())
    /// 499500.0
    ///
    /// With `metadata=True` it is a pair: the array, and one with the metadata of each message, whose fields are those of `Metadata`.
    #[pyo3(signature = (max, dtype=None, timeout=None, *, metadata=false))]
    fn recv_array<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        dtype: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
        metadata: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let wait = wait(timeout, Wait::Forever)?;
        let mut records = metadata.then(Vec::new);
        let array = self.array_of(py, max, dtype, wait, &mut records)?;
        match records {
            None => Ok(array),
            Some(records) => {
                let records = crate::metadata::records(py, &records)?;
                Ok((array, records).into_pyobject(py)?.into_any())
            }
        }
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
        let wait = wait(timeout, Wait::Forever)?;
        if count == 0 {
            return Ok(PyList::empty(py));
        }
        self.several(py, (count, count), message, wait)
    }

    /// How many producers the channel has: live handles, of any process; those of dead processes are not counted.
    fn producers(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.producer_pids(py)?.len())
    }

    /// The process ids of the channel's producers, one for each handle, as those processes have them.
    fn producer_pids(&self, py: Python<'_>) -> Result<Vec<u32>> {
        self.handle.peers(py)
    }

    /// Waits until the channel has at least `count` producers, and returns how many it has. Raises `Timeout`.
    #[pyo3(signature = (count=1, timeout=None))]
    fn wait_for_producers(&self, py: Python<'_>, count: usize, timeout: Option<f64>) -> Result<usize> {
        self.handle.wait_for_peers(py, count, wait(timeout, Wait::Forever)?)
    }

    /// The channel's newest stream: a `StreamInfo`. A producer that comes to a channel without producers, or to one that was closed, begins
    /// a stream; one that comes while another lives continues it.
    ///
    /// >>> consumer = dmxp.create_consumer(name="jobs")
    /// >>> for _ in range(2):
    /// ...     with dmxp.create_producer(name="jobs") as producer:
    /// ...         _ = producer.send(b"hello")
    /// >>> consumer.stream()
    /// StreamInfo(number=2, first_message=2)
    fn stream(&self) -> Result<StreamInfo> {
        Ok(self.handle.get()?.handle.stream()?.into())
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
    ///
    /// Each message is lent in its slot: `list(consumer)`, which keeps them all, raises `TooManyClaims` for the ninth. Copy them, with
    /// `[bytes(message) for message in consumer]` or `[copy.copy(tick) for tick in consumer]`.
    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        match self.one(py, None, Wait::Forever) {
            Err(Failure::Runtime(Error::Closed | Error::NoProducers)) => Ok(None),
            Err(Failure::Runtime(Error::TooManyClaims { limit })) => Err(Failure::Kept { limit }),
            outcome => outcome.map(Some),
        }
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The next message, as a coroutine; the iteration ends when the stream does.
    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("dmxp.aio")?.call_method1("following", (slf,))
    }

    /// `Consumer[Tick]`, for annotations.
    #[classmethod]
    fn __class_getitem__<'py>(cls: &Bound<'py, PyType>, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("types")?.call_method1("GenericAlias", (cls, message))
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

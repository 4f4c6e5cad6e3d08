//! Producers.

use crate::claim::{Claim, Writing};
use crate::delivery::{self, Asked};
use crate::errors::{Failure, Result};
use crate::message_type::MessageType;
use crate::payload::{Buffer, Payload, Source};
use crate::peers::StreamInfo;
use crate::region::{Target, opening};
use crate::shared::{Attached, wait};
use crate::slot;
use crate::wakeups::Wakeups;
use dmxp::Error;
use dmxp::raw::{self, Wait};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::sync::Arc;

/// The most messages that one claim can have.
pub(crate) const MAX_BATCH: usize = 32_767;

/// A producer, made by `create_producer`. Threads may share it, one call at a time; a producer for each is faster.
///
/// >>> with dmxp.create_producer(channel_id=100) as producer:
/// ...     producer.send(b"hello")
/// ...     producer.send_batch([b"one", b"two"])
/// 1
/// 2
///
/// `with` ends in `detach()`. That does not end the stream, since a channel outlives its users; `close()` does.
#[pyclass(frozen, weakref, module = "dmxp")]
pub(crate) struct Producer {
    handle: Attached<raw::Producer>,
    message_type: Option<Arc<MessageType>>,
    limit: usize,
    /// For urgent messages, where the channel has priorities.
    high: Option<Py<Producer>>,
}

/// Opens a producer, and creates region and channel if they do not exist.
///
/// >>> dmxp.create_producer(channel_id=100).send(b"hello")
/// 1
///
/// Either `channel_id` (0 to 255) or `name` is needed. `message` is a class that dmxp generated: it makes the channel a typed
/// one. `capacity` is a power of two, 1024 if left out and created. `region` is a `Region` or a region's name; the default
/// region if left out. `v1_peers` says that programs that know only the v1 format use the channel too, `checksums` that each
/// message carries a CRC-32. `open_only` creates nothing. What is left out is taken as the channel has it.
///
/// With `compact_slots=True` slots are sized to the type, 48 bytes and its size, rounded up to 64, and not 1,088 bytes each;
/// `payload_capacity`, 1 to 960, does the same for bytes, and says how many a message has at most.
///
/// The messages that a consumer held when it died are delivered again with `dead_consumers="deliver_again"`, what a channel has
/// unless it is told otherwise, and dropped and counted with "drop". `redelivery_limit` says how often a message is delivered
/// again at most, 0 to 12, 10 if left out and created. One that was returned more often, by consumers that died or gave it back,
/// goes to the channel that `dead_letters` names, which is created with this one; without one it is dropped and counted.
///
/// Messages older than `expiry` seconds are not delivered: consumers skip them and count them (`ChannelInfo.expired`). The age counts
/// from the publication, on a clock that nobody sets. Messages do not expire if left out.
///
/// `wait_strategy` says what calls of this handle do while they wait: "spin_then_sleep", what they do if it is left out; "spin", which
/// is the fastest and takes all of a core; "sleep", for messages that come seldom.
///
/// With `priorities=True` the channel has two rings: what is sent with `Producer.high` is received before all others that wait, which
/// may starve.
///
/// `delivery` says who gets a message: one of the consumers ("queue", what a channel is unless it is told otherwise), each of them
/// ("broadcast"), or whoever looks the newest ("latest"). A broadcast or latest channel with `single_producer=True` has one producer
/// at a time, which sends faster and holds one claim at a time; a second one is refused with `ChannelInUse`.
///
/// >>> agency = dmxp.create_producer(name="news", delivery="broadcast")
/// >>> archive, ticker = [dmxp.create_consumer(name="news") for _ in range(2)]
/// >>> agency.send(b"rain")
/// 1
/// >>> bytes(archive.receive()), bytes(ticker.receive())
/// (b'rain', b'rain')
///
/// With `replace_if_unused=True` a channel that exists with other properties, or other messages, is made anew, without what is in it, if
/// nobody has it open; `ChannelInUse` if somebody has. With `keep_removed_region=True` this handle goes on when the region's file is removed
/// or replaced; otherwise it raises `RegionRemoved` then, when it is opened and within 40 ms of waiting.
///
/// Raises `ChannelMismatch` and `SchemaMismatch` when the channel exists and is different, `RegionFull`, `OutOfMemory` and
/// `ChannelTableFull` when it cannot be created, `ChannelNotFound` when it may not be, `InvalidArgument` for impossible ids,
/// names and capacities.
#[pyfunction]
#[pyo3(signature = (channel_id=None, *, name=None, message=None, capacity=None, region=None, compact_slots=None, packed_slots=None, payload_capacity=None, v1_peers=None, checksums=None, dead_consumers=None, redelivery_limit=None, dead_letters=None, expiry=None, priorities=None, delivery=None, single_producer=None, lossy_subscribers=None, timestamps=None, replace_if_unused=false, keep_removed_region=false, wait_strategy=None, open_only=false))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn create_producer(
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
    replace_if_unused: bool,
    keep_removed_region: bool,
    wait_strategy: Option<String>,
    open_only: bool,
) -> Result<Producer> {
    let message_type = message.map(MessageType::new).transpose()?.map(Arc::new);
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
            ..Asked::default()
        },
        wait_strategy,
        replace_if_unused,
        keep_removed_region,
        open_only,
    };
    let handle = opening(py, target, message_type.as_deref(), |builder| {
        builder.build_raw_producer()
    })?;
    Producer::new(py, handle, message_type)
}

impl Producer {
    pub(crate) fn waiter(&self) -> Result<dmxp::raw::Waiter> {
        self.handle.waiter()
    }

    fn new(py: Python<'_>, mut handle: raw::Producer, message_type: Option<Arc<MessageType>>) -> Result<Self> {
        let high = handle
            .take_high()
            .map(|high| Py::new(py, Self::new(py, high, message_type.clone())?).map_err(Failure::from))
            .transpose()?;
        Ok(Self {
            limit: handle.payload_capacity(),
            handle: Attached::new(handle, ()),
            message_type,
            high,
        })
    }

    /// The bytes of an object to send, if the channel takes them.
    fn payload<'py>(&self, object: &Bound<'py, PyAny>) -> Result<Payload<'py>> {
        let py = object.py();
        let Some(own) = &self.message_type else {
            let payload = Payload::new(object)?;
            return match payload.len() {
                len if len > self.limit => Err(Error::PayloadTooLarge { len, limit: self.limit }.into()),
                _ => Ok(payload),
            };
        };
        let class = object.get_type();
        let instance = own.is(&class) || object.is_instance(own.class(py))?;
        // Bytes of the right length are taken for a message, of which one cannot tell; another message is not.
        if !instance && class.hasattr(intern!(py, "SCHEMA"))? {
            return Err(PyTypeError::new_err(format!(
                "the channel carries `{}`, not `{}`",
                own.schema.name(),
                class.name()?
            ))
            .into());
        }
        let payload = Payload::new(object)?;
        if payload.len() != own.size() {
            return Err(PyValueError::new_err(format!(
                "a `{}` has {} bytes, {} were given",
                own.schema.name(),
                own.size(),
                payload.len()
            ))
            .into());
        }
        if !own.checks.accept_all() {
            payload.with(py, |bytes| own.check_sent(bytes))?;
        }
        Ok(payload)
    }

    /// Copies payloads into slots of one claim and publishes it. Returns the first one's id and their count.
    fn write(&self, py: Python<'_>, sources: &[Source<'_>], min: usize, wait: Wait) -> Result<(u64, usize)> {
        // Claimed and published in one go: a claim that had to wait for the GIL would stand in other threads' way.
        let shared = self.handle.get()?;
        let write = |index: usize, slot: &mut [u8]| {
            sources[index].copy_to(slot);
            sources[index].len()
        };
        let sizes = (min, sources.len());
        shared.handle.send(sizes, wait, &mut shared.hooks(py), write)
    }

    /// Copies items that lie side by side into packed slots, and publishes them. Returns the first one's id.
    fn write_all(&self, py: Python<'_>, items: &Buffer<'_>, wait: Wait) -> Result<u64> {
        let (all, count) = items.all();
        if items.item_size() != self.limit {
            return Err(PyValueError::new_err(format!(
                "an item of the array has {} bytes, a message of the channel {}",
                items.item_size(),
                self.limit
            ))
            .into());
        }
        if count == 0 {
            return Ok(0);
        }
        let shared = self.handle.get()?;
        shared.handle.call(count, wait, &mut shared.hooks(py), |handle, wait| {
            let mut claim = handle.claim(count, count, wait)?;
            all.copy_to(handle.stretch_mut(&mut claim)?);
            let id = claim.message_id(0);
            handle.publish(claim, |_| self.limit)?;
            Ok(id)
        })
    }

    fn write_one(&self, payload: &Bound<'_, PyAny>, wait: Wait) -> Result<u64> {
        let held = self.payload(payload)?;
        Ok(self.write(payload.py(), &[held.source()], 1, wait)?.0)
    }

    fn payloads<'py>(&self, messages: &Bound<'py, PyAny>) -> Result<Vec<Payload<'py>>> {
        messages.try_iter()?.map(|message| self.payload(&message?)).collect()
    }
}

/// The message class of an instance, also of one over a slot.
fn class_of<'py>(message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = message.py();
    py.import("dmxp.views")?.call_method1("class_of", (message,))
}

#[pymethods]
impl Producer {
    /// The producer of urgent messages, on a channel with priorities: used like this one, and what it sends is received before all
    /// others that wait. Raises `InvalidArgument` on other channels.
    #[getter]
    fn high(&self, py: Python<'_>) -> Result<Py<Self>> {
        match &self.high {
            Some(high) => Ok(high.clone_ref(py)),
            None => self.handle.with(|handle| Err(handle.no_priorities())),
        }
    }

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
    fn payload_capacity(&self) -> usize {
        self.limit
    }

    /// Who gets a message of the channel: "queue", "broadcast" or "latest".
    #[getter]
    fn delivery(&self) -> Result<&'static str> {
        self.handle.with(|handle| Ok(delivery::delivery(handle.delivery())))
    }

    /// The class that this producer was made with.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyType>> {
        self.message_type.as_ref().map(|own| own.class(py).clone())
    }

    /// Sets `metadata.message_type` of the messages that follow, on untyped channels.
    fn set_message_type(&self, message_type: u32) -> Result<()> {
        if self.message_type.is_some() {
            return Err(PyTypeError::new_err("on a typed channel the message type is the schema's fingerprint").into());
        }
        Ok(self.handle.get()?.handle.set_message_type(message_type)?)
    }

    /// Sends a bytes-like object, or an instance of the channel's class, with one copy, into the slot. Waits for room, forever
    /// without `timeout` (seconds). Returns the message's id.
    ///
    /// Raises `PayloadTooLarge`, `Timeout`, `Closed`, `Removed`, `Forked`; `WouldDeadlock` and `TooManyClaims` when claims of
    /// this producer stand in the way, and there is no other thread that could finish one.
    #[pyo3(signature = (payload, timeout=None))]
    fn send(&self, payload: &Bound<'_, PyAny>, timeout: Option<f64>) -> Result<u64> {
        let wait = wait(timeout, Wait::Forever)?;
        self.write_one(payload, wait)
    }

    /// `send` that does not wait: raises `Full` when there is no room.
    fn try_send(&self, payload: &Bound<'_, PyAny>) -> Result<u64> {
        self.write_one(payload, Wait::No)
    }

    /// `send` as a coroutine, for asyncio: waits without blocking the event loop. What is cancelled has sent nothing.
    fn send_async<'py>(slf: &Bound<'py, Self>, payload: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("dmxp.aio")?.call_method1("send", (slf, payload))
    }

    /// An attempt of `send_async`.
    fn _attempt(&self, payload: &Bound<'_, PyAny>) -> Result<u64> {
        self.write_one(payload, Wait::Attempt)
    }

    fn _wake(&self, wakeups: &Wakeups, key: u64, held_up: bool) -> Result<()> {
        self.handle.wake(wakeups, key, held_up)
    }

    /// Sends all messages or none, with one atomic claim; they become visible at once. Waits for room for all of them. Returns
    /// the first one's id; the others follow without a gap. Of no messages, 0.
    ///
    /// Raises `BatchTooLarge` when there are more than the channel's capacity or 32,767, and what `send` raises.
    #[pyo3(signature = (messages, timeout=None))]
    fn send_batch(&self, py: Python<'_>, messages: &Bound<'_, PyAny>, timeout: Option<f64>) -> Result<u64> {
        let wait = wait(timeout, Wait::Forever)?;
        let payloads = self.payloads(messages)?;
        let sources: Vec<Source<'_>> = payloads.iter().map(Payload::source).collect();
        Ok(self.write(py, &sources, sources.len(), wait)?.0)
    }

    /// `send_batch` of the records of a one-dimensional numpy array, or of any contiguous buffer whose items are messages: of the
    /// channel's class, or on untyped channels of as many bytes as an item has.
    #[pyo3(signature = (array, timeout=None))]
    fn send_array(&self, py: Python<'_>, array: &Bound<'_, PyAny>, timeout: Option<f64>) -> Result<u64> {
        let wait = wait(timeout, Wait::Forever)?;
        let items = Buffer::of_items(array)?;
        let size = items.item_size();
        match &self.message_type {
            Some(own) if own.size() != size => {
                return Err(PyValueError::new_err(format!(
                    "a `{}` has {} bytes, an item of the array {size}",
                    own.schema.name(),
                    own.size()
                ))
                .into());
            }
            None if size > self.limit => {
                let (len, limit) = (size, self.limit);
                return Err(Error::PayloadTooLarge { len, limit }.into());
            }
            _ => {}
        }
        if let Some(own) = self.message_type.as_deref().filter(|own| !own.checks.accept_all()) {
            items
                .items()
                .try_for_each(|item| item.with(py, |bytes| own.check_sent(bytes)))?;
        }
        if self.handle.with(|handle| Ok(handle.is_packed()))? {
            return self.write_all(py, &items, wait);
        }
        let sources: Vec<Source<'_>> = items.items().collect();
        Ok(self.write(py, &sources, sources.len(), wait)?.0)
    }

    /// Sends as many of the messages as there is room for, from the first on, and at least one, for which it waits. Returns
    /// how many.
    #[pyo3(signature = (messages, timeout=None))]
    fn send_up_to(&self, py: Python<'_>, messages: &Bound<'_, PyAny>, timeout: Option<f64>) -> Result<usize> {
        let wait = wait(timeout, Wait::Forever)?;
        let payloads = self.payloads(messages)?;
        if payloads.is_empty() {
            return Ok(0);
        }
        let most = (self.capacity()? as usize).min(MAX_BATCH);
        let sources: Vec<Source<'_>> = payloads.iter().take(most).map(Payload::source).collect();
        Ok(self.write(py, &sources, 1, wait)?.1)
    }

    /// Claims a slot, to write a message in place: `claim(16)` for 16 bytes, `claim(Tick)` for a `Tick`, `claim()` for the
    /// class of the channel, `claim(tick)` for a message that begins as `tick` is. To be used with `with`; see `Claim`. Otherwise all bytes
    /// start as zeros, which is no valid value of some classes (a closed enum without a zero): set such fields.
    ///
    /// Waits for room, forever without `timeout` (seconds). Raises what `send` raises.
    #[pyo3(signature = (what=None, timeout=None))]
    fn claim<'py>(
        &self,
        py: Python<'py>,
        what: Option<&Bound<'py, PyAny>>,
        timeout: Option<f64>,
    ) -> Result<Bound<'py, Claim>> {
        let wait = wait(timeout, Wait::Forever)?;
        // A message to begin with: its class is what is claimed.
        let begin = match what {
            Some(what) if !what.is_instance_of::<PyType>() => Some(what)
                .filter(|what| what.hasattr(intern!(py, "SCHEMA")).unwrap_or_default())
                .map(slot::meant)
                .transpose()?,
            _ => None,
        };
        let class = begin.as_ref().map(class_of).transpose()?;
        let what = class.as_ref().or(what);
        let (len, message_type) = match (what, &self.message_type) {
            (Some(what), own) => match (what.extract::<usize>(), own) {
                (Ok(len), None) => (len, None),
                (Ok(_), Some(own)) => {
                    return Err(PyTypeError::new_err(format!(
                        "the channel carries `{}`; claim that",
                        own.schema.name()
                    ))
                    .into());
                }
                (Err(_), Some(own)) if own.is(what) => (own.size(), Some(own.clone())),
                (Err(_), Some(own)) => {
                    return Err(PyTypeError::new_err(format!(
                        "the channel carries `{}`, not {}",
                        own.schema.name(),
                        what.repr()?
                    ))
                    .into());
                }
                (Err(_), None) => {
                    let message_type = Arc::new(MessageType::new(what)?);
                    (message_type.size(), Some(message_type))
                }
            },
            (None, Some(own)) => (own.size(), Some(own.clone())),
            (None, None) => return Err(PyTypeError::new_err("give a length or a message class").into()),
        };
        if len > self.limit {
            return Err(Error::PayloadTooLarge { len, limit: self.limit }.into());
        }
        let shared = self.handle.get()?;
        let (token, slot) = shared.handle.claim(len, wait, &mut shared.hooks(py))?;
        let claim = Claim::new(Writing::new(shared, token), slot, message_type);
        match begin {
            Some(message) => {
                let claim = Bound::new(py, claim)?;
                Claim::fill(&claim, &message)?;
                Ok(claim)
            }
            None => Ok(Bound::new(py, claim)?),
        }
    }

    /// How many consumers the channel has: live handles, of any process; those of dead processes are not counted.
    fn consumers(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.consumer_pids(py)?.len())
    }

    /// The process ids of the channel's consumers, one for each handle, as those processes have them.
    fn consumer_pids(&self, py: Python<'_>) -> Result<Vec<u32>> {
        self.handle.peers(py)
    }

    /// Waits until the channel has at least `count` consumers, and returns how many it has. Raises `Timeout`.
    ///
    /// >>> producer = dmxp.create_producer(name="jobs")
    /// >>> producer.wait_for_consumers(timeout=0)
    /// Traceback (most recent call last):
    ///     ...
    /// dmxp.errors.Timeout: timed out
    /// >>> consumer = dmxp.create_consumer(name="jobs")  # usually in another process
    /// >>> producer.wait_for_consumers()
    /// 1
    #[pyo3(signature = (count=1, timeout=None))]
    fn wait_for_consumers(&self, py: Python<'_>, count: usize, timeout: Option<f64>) -> Result<usize> {
        self.handle.wait_for_peers(py, count, wait(timeout, Wait::Forever)?)
    }

    /// The channel's newest stream: a `StreamInfo`; see `Consumer.stream`.
    fn stream(&self) -> Result<StreamInfo> {
        Ok(self.handle.get()?.handle.stream()?.into())
    }

    /// Ends the stream: sending fails from now on, consumers drain what is there and then get `Closed`. The next producer that
    /// is opened reopens it.
    fn close(&self) -> Result<()> {
        self.handle.with(|handle| handle.close())
    }

    /// Gives this producer's place up. The stream goes on. What is done with the object afterwards raises `Detached`.
    fn detach(&self) {
        self.handle.detach();
        if let Some(high) = &self.high {
            high.get().detach();
        }
    }

    /// Messages waiting in the channel, among them those claimed and not yet published.
    fn __len__(&self) -> Result<usize> {
        self.handle.with(|handle| Ok(handle.len() as usize))
    }

    fn __bool__(&self) -> bool {
        true
    }

    /// `Producer[Tick]`, for annotations.
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
            |_| "<dmxp.Producer, detached>".into(),
            |id| format!("<dmxp.Producer of channel {id}>"),
        )
    }
}

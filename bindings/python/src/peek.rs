//! The messages on a channel, without consuming any.

use crate::delivery;
use crate::metadata::Metadata;
use dmxp::MessageState;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What `Region.peek` found on a channel.
#[pyclass(frozen, get_all, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct Peek {
    /// The channel's number, 0 to 255.
    channel_id: u32,
    /// Its name, if it has one.
    name: Option<String>,
    /// Who gets a message: "queue", "broadcast" or "latest".
    delivery: &'static str,
    /// The message type in its one-line form, with which the bytes can be decoded; None on untyped channels.
    schema: Option<String>,
    /// The messages, by position, urgent ones before all others: a list of `Peeked`.
    messages: Vec<Py<Peeked>>,
    /// Messages that are left out because a consumer released them, or a producer overwrote them, while they were copied.
    overwritten: u64,
    /// Where to go on, as `start`, to see what is after these messages, also what is sent later: the position after the last that was
    /// looked at, or, before it, the first that was claimed and not yet published. Of the ring for messages that are not urgent.
    next: u64,
}

impl Peek {
    pub(crate) fn new(py: Python<'_>, peek: dmxp::Peek) -> PyResult<Self> {
        let messages = peek.messages.into_iter();
        let messages = messages.map(|message| Py::new(py, Peeked::new(py, message)?));
        Ok(Self {
            channel_id: peek.channel,
            name: peek.name,
            delivery: delivery::delivery(peek.delivery),
            schema: peek.schema.as_ref().map(dmxp_schema::text::write),
            messages: messages.collect::<PyResult<_>>()?,
            overwritten: peek.overwritten,
            next: peek.next,
        })
    }
}

#[pymethods]
impl Peek {
    fn __repr__(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(|| "None".into(), |name| format!("{name:?}"));
        format!(
            "Peek(channel_id={}, name={name}, messages={}, overwritten={}, next={})",
            self.channel_id,
            self.messages.len(),
            self.overwritten,
            self.next
        )
    }
}

/// A message that was looked at, and is still there. `bytes(peeked)` is its payload.
#[pyclass(frozen, get_all, module = "dmxp")]
#[derive(Debug)]
pub(crate) struct Peeked {
    /// Its position in its ring.
    position: u64,
    /// Whether it lies in the ring for urgent messages.
    urgent: bool,
    /// What becomes of it: "waiting", and on a broadcast or latest channel "waiting" until it is overwritten; "returned", to be delivered
    /// again, by a consumer that died or gave it back; "claimed" by a consumer of the queue; or "expired", and the next consumer skips it.
    state: &'static str,
    /// What comes with it, a `Metadata`. `redelivered` says how often it was delivered, and returned, before the delivery that is to come
    /// or goes on.
    metadata: Py<Metadata>,
    /// Its payload, bytes; all that its slot holds where its sender says a length that no slot has.
    payload: Py<PyBytes>,
    /// Whether a consumer would accept these bytes: their length is possible, and that of the channel's type, and on a channel with
    /// checksums theirs is right.
    intact: bool,
}

impl Peeked {
    fn new(py: Python<'_>, message: dmxp::Peeked) -> PyResult<Self> {
        Ok(Self {
            position: message.position,
            urgent: message.urgent,
            state: match message.state {
                MessageState::Waiting => "waiting",
                MessageState::Returned => "returned",
                MessageState::Claimed => "claimed",
                MessageState::Expired => "expired",
                // What a later version may add.
                _ => "other",
            },
            metadata: Py::new(py, Metadata::from(message.metadata))?,
            payload: PyBytes::new(py, &message.bytes).unbind(),
            intact: message.intact,
        })
    }
}

#[pymethods]
impl Peeked {
    fn __bytes__(&self, py: Python<'_>) -> Py<PyBytes> {
        self.payload.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let payload = self.payload.bind(py).repr()?;
        Ok(format!(
            "Peeked(position={}, state={:?}, payload={payload})",
            self.position, self.state
        ))
    }
}

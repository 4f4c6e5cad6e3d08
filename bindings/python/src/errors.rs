//! From the runtime's errors to the exceptions of `dmxp.errors`.

use dmxp::Error;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The exception class of an error.
fn class_of(error: &Error) -> &'static str {
    match error {
        Error::RegionNotFound { .. } => "RegionNotFound",
        Error::RegionExists { .. } => "RegionExists",
        Error::RegionInUse { .. } => "RegionInUse",
        Error::RegionMismatch { .. } => "RegionMismatch",
        Error::RegionRemoved { .. } => "RegionRemoved",
        Error::NotARegion { .. } => "NotARegion",
        Error::InvalidMagic { .. } => "InvalidMagic",
        Error::Corrupt { .. } => "Corrupt",
        Error::InvalidArgument { .. } => "InvalidArgument",
        Error::RegionFull { .. } => "RegionFull",
        Error::OutOfMemory { .. } => "OutOfMemory",
        Error::ChannelTableFull => "ChannelTableFull",
        Error::ProcessTableFull { .. } => "ProcessTableFull",
        Error::HandleTableFull { .. } => "HandleTableFull",
        Error::ChannelNotFound { .. } => "ChannelNotFound",
        Error::ChannelInUse { .. } => "ChannelInUse",
        Error::ChannelMismatch { .. } => "ChannelMismatch",
        Error::SchemaMismatch { .. } => "SchemaMismatch",
        Error::PayloadTooLarge { .. } => "PayloadTooLarge",
        Error::BatchTooLarge { .. } => "BatchTooLarge",
        Error::Full => "Full",
        Error::Empty => "Empty",
        Error::Timeout => "Timeout",
        Error::Closed => "Closed",
        Error::NoProducers => "NoProducers",
        Error::Removed => "Removed",
        Error::Forked => "Forked",
        Error::Evicted => "Evicted",
        Error::WouldDeadlock => "WouldDeadlock",
        Error::TooManyClaims { .. } => "TooManyClaims",
        Error::InvalidMessage { .. } => "InvalidMessage",
        Error::ChecksumMismatch { .. } => "ChecksumMismatch",
        Error::ManagementLockBusy { .. } => "ManagementLockBusy",
        Error::ReadOnly => "ReadOnly",
        Error::SecretMismatch { .. } => "SecretMismatch",
        Error::PeerRefused { .. } => "PeerRefused",
        Error::HandOver { .. } => "HandOver",
        Error::Io { .. } => "IoError",
        _ => "Error",
    }
}

/// An exception of `dmxp.errors`.
fn exception(py: Python<'_>, class: &str, text: String) -> PyErr {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let class = MODULE
        .get_or_try_init(py, || py.import("dmxp.errors").map(Bound::unbind))
        .and_then(|module| module.bind(py).getattr(class));
    match class.and_then(|class| class.call1((text,))) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// Why a call fails: the runtime's error, which becomes an exception only at the border, or an exception.
#[derive(Debug)]
pub(crate) enum Failure {
    Runtime(Error),
    /// The producer, consumer or region of the call was given up.
    Detached(&'static str),
    Python(PyErr),
    /// An iteration met its own messages.
    Kept {
        limit: usize,
    },
}

pub(crate) type Result<T> = core::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Runtime(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| match failure {
            Failure::Runtime(error) => exception(py, class_of(&error), error.text_in(dmxp::Language::Python)),
            Failure::Detached(what) => exception(py, "Detached", format!("this {what} was detached; open a new one")),
            Failure::Python(error) => error,
            Failure::Kept { limit } => {
                let text = format!(
                    "{limit} messages of this consumer are kept, the most it can lend; copy what you keep: \
                     [bytes(message) for message in consumer], or of a message class [copy.copy(message) for message in consumer]"
                );
                exception(py, "TooManyClaims", text)
            }
        })
    }
}

pub(crate) fn views_exist(what: &str) -> PyErr {
    PyBufferError::new_err(format!(
        "{what}: views of it still exist (ctypes instances, memoryviews or arrays); drop them first"
    ))
}

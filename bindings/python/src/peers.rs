//! The streams that producers begin.

use pyo3::prelude::*;

/// What was sent by producers that came one after the other without a moment between them in which there was none.
#[pyclass(frozen, get_all, eq, module = "dmxp")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamInfo {
    /// How many streams the channel has had, this one included: 0 before the first producer. It grows by one when a producer comes to a
    /// channel that has none, or that was closed.
    number: u32,
    /// The id that this stream's first message has, or will have; 1 in the first stream, 0 before it.
    first_message: u64,
}

impl From<dmxp::StreamInfo> for StreamInfo {
    fn from(stream: dmxp::StreamInfo) -> Self {
        Self {
            number: stream.number,
            first_message: stream.first_message,
        }
    }
}

#[pymethods]
impl StreamInfo {
    fn __repr__(&self) -> String {
        format!(
            "StreamInfo(number={}, first_message={})",
            self.number, self.first_message
        )
    }
}

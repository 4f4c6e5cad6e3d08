//! The extension module `dmxp._dmxp`, which the Python package `dmxp` re-exports.
//!
//! - [`producer`], [`consumer`]: the handles
//! - [`message`], [`claim`]: slots borrowed for reading and for writing, and the views into them
//! - [`slot`]: what stands for an instance over a slot, in a block, and is cut off at its end
//! - [`message_type`], [`class_layout`]: the generated ctypes classes
//! - [`uncaught`]: what becomes of messages that are held when an exception ends a thread
//! - [`region`], [`channel_info`]: regions and their channels
//! - [`hand_over`]: passing regions without a name from process to process
//! - [`recovery`]: what the dead left, and who waits for whom
//! - [`statistics`]: what was sent and received, refused and lost
//! - [`peek`]: the messages on a channel, without consuming any
//! - [`shared`]: a handle that Python's threads share, and waiting without the GIL
//! - [`wait_set`]: waiting for many of them
//! - [`wakeups`]: from the runtime's reactor to event loops; `dmxp/aio.py` is what coroutines do with it
//! - [`payload`], [`metadata`], [`errors`]: bytes-like objects, what comes with a message, exceptions
//!
//! Slots are memory that the runtime hands out with a claim, and Python may look at it for as long as it likes: the rule that
//! makes this safe is that a claim is finished only when no buffer export of it is left. Exports are counted in
//! [`message::Message`] and [`claim::Claim`].

mod array;
mod channel_info;
mod claim;
mod class_layout;
mod consumer;
mod delivery;
mod errors;
mod hand_over;
mod lease;
mod message;
mod message_type;
mod metadata;
mod payload;
mod peek;
mod peers;
mod producer;
mod recovery;
mod region;
mod shared;
mod slot;
mod statistics;
mod uncaught;
mod wait_set;
mod wakeups;

#[pyo3::pymodule]
mod _dmxp {
    #[pymodule_export]
    use super::channel_info::{ChannelInfo, HolderInfo};
    #[pymodule_export]
    use super::claim::Claim;
    #[pymodule_export]
    use super::consumer::{Consumer, create_consumer};
    #[pymodule_export]
    use super::hand_over::PeerCredentials;
    #[pymodule_export]
    use super::message::Message;
    #[pymodule_export]
    use super::message_type::_generate;
    #[pymodule_export]
    use super::metadata::Metadata;
    #[pymodule_export]
    use super::peek::{Peek, Peeked};
    #[pymodule_export]
    use super::peers::StreamInfo;
    #[pymodule_export]
    use super::producer::{Producer, create_producer};
    #[pymodule_export]
    use super::recovery::{Blockage, ChannelRecovery, Recovery, Waiting};
    #[pymodule_export]
    use super::region::{Region, RegionInfo};
    #[pymodule_export]
    use super::slot::{_fill, _target, Slot};
    #[pymodule_export]
    use super::statistics::{ChannelStatistics, HandleStatistics, LastError};
    #[pymodule_export]
    use super::uncaught::_uncaught;
    #[pymodule_export]
    use super::wait_set::WaitSet;
    #[pymodule_export]
    use super::wakeups::Wakeups;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

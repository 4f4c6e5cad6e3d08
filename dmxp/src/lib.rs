//! Typed, zero-copy channels between processes and languages on one machine.
//!
//! A message is a struct that derives [`DmxpMessage`]: proven at compile time to have a fixed layout without padding and
//! pointers. A channel carries such messages in a region of shared memory, a file in `/dev/shm`. Producers write
//! messages in their slots, consumers borrow `&T` there; nothing is serialised, and nothing is copied unless asked for.
//!
//! ```
//! use dmxp::Channel;
//!
//! #[dmxp::message]
//! struct Tick {
//!     price: f64,
//!     volume: u64,
//! }
//!
//! # fn main() -> dmxp::Result<()> {
//! # let name = format!("doc-lib-{}", std::process::id());
//! # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
//! let ticks = Channel::<Tick>::builder().with_name("ticks");
//! # let ticks = ticks.with_region(&region);
//! let producer = ticks.build_producer()?;
//! let consumer = ticks.build_consumer()?; // usually in another process
//!
//! producer.send(&Tick { price: 99.5, volume: 10 })?;
//! assert_eq!(consumer.recv()?.price, 99.5);
//! # dmxp::RegionOptions::new().name(&name).remove(true)
//! # }
//! ```
//!
//! # What a program finds where
//!
//! | to | see |
//! |---|---|
//! | make or open a channel, with everything that can be asked for | [`ChannelBuilder`] |
//! | have one consumer get a message, each of them, or each that looks get the newest | [`Delivery`], [`Subscription`], [`Start`] |
//! | send, and write in place | [`Producer`], [`Claim`] |
//! | receive, and read in place | [`Consumer`], [`Message`], [`Metadata`] |
//! | wait: how, how long, for many things | [`WaitStrategy`], [`Wait`], [`WaitSet`] |
//! | wait in an executor | `Consumer::into_async`, with the feature `async` |
//! | have a type of `zerocopy` or `bytemuck` as a payload | `interop`, with the feature of that name |
//! | list channels, see who blocks whom, repair, count | [`Region`] |
//! | see the messages on a channel without consuming them | [`Region::peek`] |
//! | choose where the region lies, its size and who may open it | [`RegionOptions`] |
//!
//! The program that opens a channel first makes it, with what its builder says; see
//! [`ChannelBuilder`](ChannelBuilder#the-first-handle-makes-the-channel).
//!
//! # Layers
//! From the bottom, each using only those below: `sync` (atomics), `layout` (the bytes of the format), `error`, `os` (clocks, forks,
//! threads), `message` (what may be stored), `wait` (futexes), `liveness` (states of records), `region` (files, mapping, space), `ring`
//! (the algorithms), `table` (what a region's tables say), `recovery` (repairing what the dead left), `handle` (registered handles),
//! `delivery` (queue, broadcast, latest), `open` (finding or making a channel), `raw` (handles over bytes), `typed` (handles over
//! messages), `observe` (looking without touching), `wait_set` (many handles at once), `asynchronous` (futures, with the feature
//! `async`). `docs/ARCHITECTURE.md` has the whole picture, `docs/MEMORY_LAYOUT.md` the bytes.

#![cfg_attr(
    loom,
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        unused_macros,
        reason = "only the ring and waiting are built under loom"
    )
)]

#[cfg(all(feature = "async", not(loom)))]
mod asynchronous;
#[cfg(not(loom))]
mod delivery;
#[cfg(not(loom))]
mod error;
pub mod export;
#[cfg(not(loom))]
mod handle;
#[doc(hidden)]
pub mod layout;
#[cfg(not(loom))]
mod liveness;
pub mod message;
#[cfg(not(loom))]
mod observe;
#[cfg(not(loom))]
mod open;
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
pub mod raw;
#[cfg(not(loom))]
mod recovery;
#[cfg(not(loom))]
mod region;
mod ring;
mod sync;
#[cfg(not(loom))]
mod table;
#[cfg(not(loom))]
mod typed;
mod wait;
#[cfg(not(loom))]
mod wait_set;

#[cfg(dmxp_stops)]
#[doc(hidden)]
pub use sync::{planted::plant, schedule as scheduler, stops};

#[cfg(all(dmxp_stops, feature = "async"))]
#[doc(hidden)]
pub use asynchronous::drive_reactor;

pub use dmxp_derive::{DmxpMessage, message};
pub use message::{DmxpField, DmxpMessage};

#[cfg(all(any(feature = "zerocopy", feature = "bytemuck"), not(loom)))]
pub use typed::interop;

#[cfg(all(feature = "async", not(loom)))]
pub use asynchronous::{AsyncConsumer, AsyncHigh, AsyncProducer, Watch};

#[cfg(not(loom))]
pub use {
    delivery::metadata::Metadata,
    error::{Error, ErrorKind, LockBusy, PeerCredentials, Result},
    handle::obstruction::Blocked,
    liveness::HolderState,
    observe::blockage::{Blockage, Obstacle, Waiting},
    observe::list::{ChannelInfo, Slots},
    observe::peek::{MessageState, Peek, PeekFrom, PeekOptions, Peeked},
    observe::statistics::{ChannelStatistics, HandleRole, HandleStatistics, LastError},
    os::schedule,
    raw::Wait,
    recovery::report::{ChannelRecovery, RecoverOptions, Recovery},
    region::{Region, RegionInfo, RegionOptions, Runtime},
    table::delivery::{Delivery, Start, Subscription},
    table::holders::HolderInfo,
    table::lives::StreamInfo,
    table::properties::DeadConsumers,
    typed::builder::{Channel, ChannelBuilder},
    typed::consumer::{Consumer, Iter},
    typed::guard::{
        Batch, BatchIter, ByteBatch, ByteBatchIter, ByteClaim, ByteClaimBatch, Bytes, Claim, ClaimBatch, Message,
        UninitClaim,
    },
    typed::producer::Producer,
    typed::slice::{Slice, SliceClaim},
    wait::WaitStrategy,
    wait_set::{Interrupter, WaitSet, Waitable},
};

#[cfg(not(loom))]
#[doc(hidden)]
pub use {
    error::Language,
    open::options::{ChannelOption, Given, SetBy, channel_options},
    os::clock::now_ns,
    ring::packed::bare as packed_bare,
    ring::queue::bare,
};

/// The schema crate: descriptors, forms, compatibility, generators.
pub use dmxp_schema as schema;

#[doc(hidden)]
pub use message::expansion as __private;

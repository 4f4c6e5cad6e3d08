//! Waiting in futures, on any executor.
//!
//! - [`consumer`], [`producer`]: handles whose calls are futures
//! - [`watch`]: the future: tries, and registers its waker where there is nothing yet
//! - [`reactor`]: the thread that waits for all of them, one a process, and wakes
//!
//! A future claims nothing before the poll in which it is ready, so that one that is dropped has taken nothing.

mod consumer;
mod producer;
mod reactor;
mod watch;

pub use consumer::AsyncConsumer;
pub use producer::{AsyncHigh, AsyncProducer};
#[cfg(dmxp_stops)]
#[doc(hidden)]
pub use reactor::drive as drive_reactor;
#[doc(hidden)]
pub use watch::Watch;

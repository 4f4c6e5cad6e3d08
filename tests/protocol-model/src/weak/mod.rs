//! The protocols over a weak memory.
//!
//! - [`turn`]: how a program is written
//! - [`machine`]: programs over a [memory](crate::memory), as a model to be searched
//! - [`queue`]: the queue, sweep included
//! - [`packed`]: packed slots
//! - [`waiting`]: nobody sleeps beside a message

pub mod machine;
pub mod packed;
pub mod queue;
pub mod turn;
pub mod waiting;

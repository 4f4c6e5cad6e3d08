//! Regions: the shared files that channels live in. Creating, attaching, mapping, and the management lock.
//!
//! - [`options`]: what to create or open, and where
//! - [`create`]: making the file so that nobody ever sees half of one
//! - [`attach`]: checking a file before anything of it is used, and registering this process
//! - [`mapping`]: the mapped bytes, reached through checked references
//! - [`lock_byte`]: byte-range locks that the kernel frees at death
//! - [`fork`]: what happens to attachments in a forked child
//! - [`management`]: the lock under which tables change
//! - [`space`]: where rings go, and the memory behind them

mod attach;
mod create;
mod fork;
mod lock_byte;
mod management;
mod mapping;
mod options;
mod space;

pub(crate) use attach::Attachment;
pub use attach::{Region, RegionInfo};
pub(crate) use fork::{fork_epoch, thread_id};
pub(crate) use lock_byte::LockByte;
pub(crate) use management::Management;
pub(crate) use mapping::Mapping;
pub use options::{RegionOptions, Runtime};
pub(crate) use space::{find as find_space, give_back as give_back_space, reserve as reserve_space};

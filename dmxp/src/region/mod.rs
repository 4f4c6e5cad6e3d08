//! Regions: the shared files that channels live in. Creating, attaching, mapping, and the management lock.
//! The calls that attach take what makes room in the tables as an argument; `open::region` has the public ones.
//!
//! - [`options`]: what to create or open, and where
//! - [`create`]: making the file so that nobody ever sees half of one
//! - [`companion`]: the lock file beside it
//! - [`anonymous`]: regions without a name, in sealed memory
//! - [`hand_over`]: passing such a region to another process over a Unix socket
//! - [`place`]: where a region's file is found
//! - [`presence`]: whether that file is still there
//! - [`verify`]: checking a file before anything of it is used
//! - [`secret`]: what a process must know to attach
//! - [`attach`]: attaching this process, once and with a place in the table
//! - [`mapping`]: the mapped bytes, reached through checked references
//! - [`lock_byte`]: byte-range locks that the kernel frees at death
//! - [`looking`]: looking at rings whose memory may be given back
//! - [`management`]: the lock under which tables change
//! - [`space`]: where rings go, and the memory behind them

mod anonymous;
mod attach;
mod companion;
mod create;
mod hand_over;
mod lock_byte;
mod looking;
mod management;
mod mapping;
mod options;
mod place;
mod presence;
mod secret;
mod space;
mod verify;

pub(crate) use attach::{Attachment, MakeRoom};
pub use attach::{Region, RegionInfo};
pub(crate) use lock_byte::LockByte;
pub(crate) use management::Management;
pub(crate) use mapping::Mapping;
pub use options::{RegionOptions, Runtime};
use place::Place;
pub(crate) use space::{expect_room, find as find_space, reserve as reserve_space};

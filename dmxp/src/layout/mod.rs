//! The memory format: structures, offsets and the numbers that belong to them. Nothing else lives here.
//!
//! Everything is little-endian. The tables in `docs/MEMORY_LAYOUT.md` are checked against this module by a test, and every
//! offset is asserted at compile time. Fields that more than one process may touch at once are atomics; the rest is written
//! under the management lock, or by the one handle that has claimed the slot.

// Under loom atomics have another size, and its tests need the numbers only.
#[cfg(not(loom))]
mod control;
#[cfg(not(loom))]
mod describe;
#[cfg(not(loom))]
mod v1;
pub(crate) mod waiters;

#[cfg(not(loom))]
pub use describe::describe;
#[cfg(not(loom))]
pub(crate) use {control::*, v1::*};

#[cfg(not(target_endian = "little"))]
compile_error!("the dmxp memory format is little-endian; big-endian targets are not supported");

/// Asserts the offset of fields and the size and alignment of a structure at compile time.
macro_rules! assert_layout {
    ($name:ident, size $size:expr, align $align:expr, { $($field:ident @ $offset:expr),+ $(,)? }) => {
        const _: () = {
            assert!(core::mem::size_of::<$name>() == $size);
            assert!(core::mem::align_of::<$name>() == $align);
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)+
        };
    };
}
pub(crate) use assert_layout;

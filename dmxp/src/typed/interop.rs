//! Types of other crates as payloads of channels of bytes, where a crate for such types vouches for them: `zerocopy` or `bytemuck`, with
//! the feature of that name. Written and read in place, with no schema: both sides have to agree on the type.
//!
//! Import the traits of the crate that the type derives its own from:
//!
#![cfg_attr(feature = "zerocopy", doc = "```")]
#![cfg_attr(not(feature = "zerocopy"), doc = "```ignore")]
//! # fn main() -> dmxp::Result<()> {
//! # let name = format!("doc-interop-{}", std::process::id());
//! # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
//! # let bytes = dmxp::ChannelBuilder::new().with_region(&region).with_name("headers");
//! # let (producer, consumer) = (bytes.build_producer()?, bytes.build_consumer()?);
//! use dmxp::Wait;
//! use dmxp::interop::zerocopy::{ClaimAs as _, RecvAs as _};
//! use zerocopy::byteorder::network_endian::{U16, U32};
//! use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//!
//! // Of a crate that knows nothing of dmxp.
//! #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! struct UdpHeader {
//!     ports: [U16; 2],
//!     length_and_checksum: U32,
//! }
//!
//! let mut header = producer.claim_as::<UdpHeader>(Wait::Forever)?; // zeros, in the slot
//! header.ports = [U16::new(53), U16::new(4096)];
//! header.publish()?;
//! assert_eq!(consumer.recv_as::<UdpHeader>(Wait::Forever)?.ports[0].get(), 53);
//! # drop((producer, consumer));
//! # dmxp::RegionOptions::new().name(&name).remove(true)
//! # }
//! ```
//!
//! # What holds for what
//! The features give the building blocks of [`dmxp::message`](macro@crate::message) the traits that hold for them, and `#[dmxp::message(zerocopy)]`,
//! `#[dmxp::message(bytemuck)]` add those of a message. A message has no padding, which the derive proves, so that its bytes may be looked at;
//! whether any bytes are a message depends on its fields.
//!
//! | type | `zerocopy` | `bytemuck` |
//! |---|---|---|
//! | `FixedStr`, `Reserved`, `Timestamp`, `Open`, `Flags` | `FromBytes`, `IntoBytes`, `Immutable`, `KnownLayout` | `Pod` |
//! | `Tagged<E>` | `FromBytes`, `Immutable`, `KnownLayout` | `Pod` if `E` is `Copy` |
//! | `Nullable<T>` | `Immutable`, `KnownLayout` | `Pod` if `T` is, else `Zeroable` |
//! | `FixedVec<T, N>` | `Immutable`, `KnownLayout` | `Pod` if `T` is and is aligned to 2 or more, else `Zeroable` |
//! | message, with the argument `zerocopy` or `bytemuck` | `FromBytes`, `IntoBytes`, `Immutable`, `KnownLayout`, or an error on the field that has not what they need | `Pod`, or an error on the field that is not |
//! | message, with `zerocopy = "try"` or `bytemuck = "no_uninit"` | `TryFromBytes` in the place of `FromBytes` | `NoUninit`, which `bool`, `char` and closed enums are |
//! | closed enum, with either | `TryFromBytes`, `IntoBytes`, `Immutable`, `KnownLayout` | `NoUninit`, `CheckedBitPattern` |
//!
//! What cannot hold, and why:
//! - `IntoBytes` of `Tagged`: its derive, the only way to it, takes generic structs for padded that are not transparent.
//! - `FromBytes` and `IntoBytes` of `Nullable` and `FixedVec`: their room is `MaybeUninit<T>`, since zeros need not be a valid `T`. To
//!   `zerocopy` any bytes are a `MaybeUninit`, so that its derive would let a `bool` of 2 in, and none can be looked at. So a message with
//!   such a field derives only `Immutable` and `KnownLayout`: send it over a typed channel, which validates what it lets in.
//! - `FixedVec<u8, 3>` in `bytemuck`: elements of one byte leave a byte of padding behind an odd capacity, and no bound says "even".
//! - `bool`, `char` and closed enums are not `FromBytes` or `Pod`: some bytes are no value of theirs.

use crate::error::{Error, Result};
use crate::raw::Wait;
use crate::typed::consumer::Consumer;
use crate::typed::guard::{ByteClaim, Bytes};
use crate::typed::producer::Producer;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// A claimed slot of a channel of bytes, written in place as a `T`. Dropping it aborts the claim: consumers never see it.
pub struct Claimed<'a, T> {
    claim: ByteClaim<'a>,
    view: fn(&[u8]) -> Option<&T>,
    view_mut: fn(&mut [u8]) -> Option<&mut T>,
}

impl<T> Claimed<'_, T> {
    /// Makes the message visible. Returns its id.
    ///
    /// # Errors
    /// Those of [`ByteClaim::publish`].
    pub fn publish(self) -> Result<u64> {
        self.claim.publish()
    }
}

impl<T> Deref for Claimed<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        (self.view)(&self.claim).expect("zeros are a value, and only values were written since")
    }
}

impl<T> DerefMut for Claimed<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        (self.view_mut)(&mut self.claim).expect("zeros are a value, and only values were written since")
    }
}

impl<T: fmt::Debug> fmt::Debug for Claimed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A message of a channel of bytes, borrowed in its slot as a `T`. Dropping it releases the slot.
pub struct Received<'a, T> {
    bytes: Bytes<'a>,
    view: fn(&[u8]) -> Option<&T>,
}

impl<'a, T> Received<'a, T> {
    /// The bytes, with what came with the message.
    pub fn bytes(&self) -> &Bytes<'a> {
        &self.bytes
    }

    /// Returns the message to the channel; see [`Bytes::give_back`].
    pub fn give_back(self) {
        self.bytes.give_back();
    }
}

impl<T> Deref for Received<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        (self.view)(&self.bytes).expect("nobody writes a slot that is claimed for reading")
    }
}

impl<T: fmt::Debug> fmt::Debug for Received<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

fn claim<'a, T>(
    producer: &'a Producer<[u8]>,
    wait: Wait,
    view: fn(&[u8]) -> Option<&T>,
    view_mut: fn(&mut [u8]) -> Option<&mut T>,
) -> Result<Claimed<'a, T>> {
    let claim = ByteClaim::zeroed(producer.as_raw(), size_of::<T>(), wait)?;
    if view(&claim).is_none() {
        return Err(Error::invalid(format!(
            "a type aligned to {} bytes; payloads of this channel are not",
            align_of::<T>()
        )));
    }
    Ok(Claimed { claim, view, view_mut })
}

fn receive<'a, T>(consumer: &'a Consumer<[u8]>, wait: Wait, view: fn(&[u8]) -> Option<&T>) -> Result<Received<'a, T>> {
    let bytes = Bytes::claim(consumer.as_raw(), wait)?;
    if view(&bytes).is_some() {
        return Ok(Received { bytes, view });
    }
    let reason = match bytes.len() {
        len if len != size_of::<T>() => format!("{len} bytes; {} has {}", core::any::type_name::<T>(), size_of::<T>()),
        _ if !bytes.as_ptr().cast::<T>().is_aligned() => {
            format!("its payload is not aligned to {} bytes", align_of::<T>())
        }
        _ => format!("its bytes are no {}", core::any::type_name::<T>()),
    };
    Err(bytes.refuse(reason))
}

/// For types that have the traits of the crate `zerocopy`.
#[cfg(feature = "zerocopy")]
pub mod zerocopy {
    use super::{Claimed, Received, Wait, claim, receive};
    use crate::error::Result;
    use crate::typed::consumer::Consumer;
    use crate::typed::producer::Producer;
    use ::zerocopy::{FromZeros, Immutable, IntoBytes, KnownLayout, TryFromBytes};

    /// Claims of a producer of bytes that are written as a type.
    pub trait ClaimAs {
        /// Claims a slot, to write a `T` in place. It starts as zeros.
        ///
        /// # Errors
        /// Those of [`Producer::claim`]; [`Error::Full`](crate::Error::Full), [`Error::Timeout`](crate::Error::Timeout) as `wait` says;
        /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) where payloads are not aligned as `T` is.
        fn claim_as<T>(&self, wait: Wait) -> Result<Claimed<'_, T>>
        where
            T: TryFromBytes + FromZeros + IntoBytes + Immutable + KnownLayout;
    }

    /// Messages of a consumer of bytes that are read as a type.
    pub trait RecvAs {
        /// Waits for a message and borrows it in place as a `T`.
        ///
        /// # Errors
        /// Those of [`Consumer::recv`]; [`Error::Empty`](crate::Error::Empty), [`Error::Timeout`](crate::Error::Timeout) as `wait` says;
        /// [`Error::InvalidMessage`](crate::Error::InvalidMessage) for a message of another length, or whose bytes are no `T`: it goes to
        /// the dead letters then, or is dropped and counted.
        fn recv_as<T>(&self, wait: Wait) -> Result<Received<'_, T>>
        where
            T: TryFromBytes + Immutable + KnownLayout;
    }

    impl ClaimAs for Producer<[u8]> {
        fn claim_as<T>(&self, wait: Wait) -> Result<Claimed<'_, T>>
        where
            T: TryFromBytes + FromZeros + IntoBytes + Immutable + KnownLayout,
        {
            claim(
                self,
                wait,
                |bytes| T::try_ref_from_bytes(bytes).ok(),
                |bytes| T::try_mut_from_bytes(bytes).ok(),
            )
        }
    }

    impl RecvAs for Consumer<[u8]> {
        fn recv_as<T>(&self, wait: Wait) -> Result<Received<'_, T>>
        where
            T: TryFromBytes + Immutable + KnownLayout,
        {
            receive(self, wait, |bytes| T::try_ref_from_bytes(bytes).ok())
        }
    }
}

/// For types that have the traits of the crate `bytemuck`.
#[cfg(feature = "bytemuck")]
pub mod bytemuck {
    use super::{Claimed, Received, Wait, claim, receive};
    use crate::error::Result;
    use crate::typed::consumer::Consumer;
    use crate::typed::producer::Producer;
    use ::bytemuck::{AnyBitPattern, CheckedBitPattern, NoUninit};

    /// Claims of a producer of bytes that are written as a type.
    pub trait ClaimAs {
        /// Claims a slot, to write a `T` in place. It starts as zeros.
        ///
        /// # Errors
        /// Those of [`Producer::claim`]; [`Error::Full`](crate::Error::Full), [`Error::Timeout`](crate::Error::Timeout) as `wait` says;
        /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) where payloads are not aligned as `T` is.
        fn claim_as<T: NoUninit + AnyBitPattern>(&self, wait: Wait) -> Result<Claimed<'_, T>>;
    }

    /// Messages of a consumer of bytes that are read as a type.
    pub trait RecvAs {
        /// Waits for a message and borrows it in place as a `T`.
        ///
        /// # Errors
        /// Those of [`Consumer::recv`]; [`Error::Empty`](crate::Error::Empty), [`Error::Timeout`](crate::Error::Timeout) as `wait` says;
        /// [`Error::InvalidMessage`](crate::Error::InvalidMessage) for a message of another length, or whose bytes are no `T`: it goes to
        /// the dead letters then, or is dropped and counted.
        fn recv_as<T: CheckedBitPattern>(&self, wait: Wait) -> Result<Received<'_, T>>;
    }

    impl ClaimAs for Producer<[u8]> {
        fn claim_as<T: NoUninit + AnyBitPattern>(&self, wait: Wait) -> Result<Claimed<'_, T>> {
            claim(
                self,
                wait,
                |bytes| ::bytemuck::try_from_bytes(bytes).ok(),
                |bytes| ::bytemuck::try_from_bytes_mut(bytes).ok(),
            )
        }
    }

    impl RecvAs for Consumer<[u8]> {
        fn recv_as<T: CheckedBitPattern>(&self, wait: Wait) -> Result<Received<'_, T>> {
            receive(self, wait, |bytes| ::bytemuck::checked::try_from_bytes(bytes).ok())
        }
    }
}

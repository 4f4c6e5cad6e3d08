//! The messages that are sent: 8, 64, 256 and 960 bytes, whose first word is a number or a time.

use core::fmt::Debug;
use dmxp::DmxpMessage;

/// What [`Payload`] asks of a type for one peer's sake.
#[cfg(feature = "iceoryx2")]
pub use iceoryx2::prelude::ZeroCopySend as Portable;

/// What [`Payload`] asks of a type for one peer's sake.
///
/// # Safety
/// None here; iceoryx2's trait, which stands in this one's place when that peer is built, is for types without pointers.
#[cfg(not(feature = "iceoryx2"))]
pub unsafe trait Portable {}

/// A message that every transport can carry: words without padding.
pub trait Payload: DmxpMessage + Portable + Copy + Debug + Send + Sync + 'static {
    /// Its size.
    const BYTES: usize = size_of::<Self>();

    /// A message that carries `number`, and zeros.
    fn numbered(number: u64) -> Self;

    /// What it carries.
    fn number(&self) -> u64;

    /// Changes what it carries.
    fn set_number(&mut self, number: u64);

    /// Its bytes, for those who send bytes.
    fn bytes(&self) -> &[u8] {
        // SAFETY: a message has no padding, so all its bytes are initialised; they live as long as the borrow.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }

    /// The place of its bytes, for those who receive bytes.
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; all bytes are valid in a word.
        unsafe { core::slice::from_raw_parts_mut(core::ptr::from_mut(self).cast(), size_of::<Self>()) }
    }
}

macro_rules! payload {
    ($name:ident, $words:literal) => {
        /// A message of that many words.
        #[dmxp::message]
        #[derive(Debug)]
        pub struct $name {
            words: [u64; $words],
        }

        // SAFETY: an array of words has no pointers.
        unsafe impl Portable for $name {}

        impl Payload for $name {
            fn numbered(number: u64) -> Self {
                let mut words = [0; $words];
                words[0] = number;
                Self { words }
            }

            fn number(&self) -> u64 {
                self.words[0]
            }

            fn set_number(&mut self, number: u64) {
                self.words[0] = number;
            }
        }
    };
}

payload!(Words1, 1);
payload!(Words8, 8);
payload!(Words32, 32);
payload!(Words120, 120);

//! The secret of a region: 128 bits that a process must know to attach. It keeps programs from attaching to a region that is not meant for
//! them; any process that may open the file can read it there.

use super::RegionOptions;
use crate::error::{Error, Result};
use std::path::Path;
use subtle::ConstantTimeEq;

/// Zeros are no secret.
#[derive(Clone, Copy)]
pub(super) struct Secret([u8; 16]);

/// Nothing of it: secrets do not belong into logs.
impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    const NONE: Self = Self([0; 16]);

    pub(super) fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The one that the options give, or none.
    pub(super) fn given(options: &RegionOptions) -> Result<Self> {
        match options.secret {
            None => Ok(Self::NONE),
            Some(secret) if secret.is(Self::NONE) => Err(Error::invalid(
                "a secret of zeros is none (is it filled in?); leave RegionOptions::secret out if there is none",
            )),
            Some(secret) => Ok(secret),
        }
    }

    /// Compares without telling by its time how much is the same.
    fn is(self, other: Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Whether a process that gives `given` may attach to a region that has this one.
    pub(super) fn admit(self, given: Self, path: &Path) -> Result<()> {
        let reason = match (self.is(Self::NONE), given.is(Self::NONE)) {
            _ if self.is(given) => return Ok(()),
            (false, true) => "it has a secret, and none was given (RegionOptions::secret)",
            (true, false) => "it has no secret, and one was given; it may be somebody else's region",
            _ => "its secret is another one than was given; it may be somebody else's region",
        };
        Err(Error::SecretMismatch {
            path: path.to_owned(),
            reason,
        })
    }

    /// As it is stored.
    pub(super) fn words(self) -> [u64; 2] {
        let [low, high] = self.0.as_chunks::<8>().0 else {
            unreachable!("16 bytes are two times eight")
        };
        [u64::from_le_bytes(*low), u64::from_le_bytes(*high)]
    }
}

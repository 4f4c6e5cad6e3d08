//! Which error a call gave, as statistics store it.

use super::Error;
use core::fmt;

/// Which [`Error`] a handle's call gave, without what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum ErrorKind {
    /// [`Error::PayloadTooLarge`].
    PayloadTooLarge = 1,
    /// [`Error::BatchTooLarge`].
    BatchTooLarge = 2,
    /// [`Error::InvalidArgument`].
    InvalidArgument = 3,
    /// [`Error::Closed`].
    Closed = 4,
    /// [`Error::Removed`].
    Removed = 5,
    /// [`Error::WouldDeadlock`].
    WouldDeadlock = 6,
    /// [`Error::TooManyClaims`].
    TooManyClaims = 7,
    /// [`Error::InvalidMessage`].
    InvalidMessage = 8,
    /// [`Error::ChecksumMismatch`].
    ChecksumMismatch = 9,
    /// Any other.
    Other = 10,
    /// [`Error::NoProducers`].
    NoProducers = 11,
}

impl ErrorKind {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::PayloadTooLarge { .. } => Self::PayloadTooLarge,
            Error::BatchTooLarge { .. } => Self::BatchTooLarge,
            Error::InvalidArgument { .. } => Self::InvalidArgument,
            Error::Closed => Self::Closed,
            Error::NoProducers => Self::NoProducers,
            Error::Removed => Self::Removed,
            Error::WouldDeadlock => Self::WouldDeadlock,
            Error::TooManyClaims { .. } => Self::TooManyClaims,
            Error::InvalidMessage { .. } => Self::InvalidMessage,
            Error::ChecksumMismatch { .. } => Self::ChecksumMismatch,
            _ => Self::Other,
        }
    }

    /// What a record says; numbers that nobody writes are `Other`.
    pub(crate) fn stored(number: u32) -> Self {
        match number {
            1 => Self::PayloadTooLarge,
            2 => Self::BatchTooLarge,
            3 => Self::InvalidArgument,
            4 => Self::Closed,
            5 => Self::Removed,
            6 => Self::WouldDeadlock,
            7 => Self::TooManyClaims,
            8 => Self::InvalidMessage,
            9 => Self::ChecksumMismatch,
            11 => Self::NoProducers,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PayloadTooLarge => "payload too large",
            Self::BatchTooLarge => "batch too large",
            Self::InvalidArgument => "invalid argument",
            Self::Closed => "closed",
            Self::Removed => "removed",
            Self::WouldDeadlock => "would deadlock",
            Self::TooManyClaims => "too many claims",
            Self::InvalidMessage => "invalid message",
            Self::ChecksumMismatch => "checksum mismatch",
            Self::Other => "another error",
            Self::NoProducers => "no producers",
        })
    }
}

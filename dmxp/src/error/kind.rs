//! Which error a call gave: what programs compare, and statistics store.

use super::Error;
use core::fmt;

/// Which [`Error`] a call gave, without what it said: to compare.
///
/// Statistics tell the first ten apart; there the others are [`Other`](Self::Other).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Any other, of those that statistics store.
    Other = 10,
    /// [`Error::RegionNotFound`].
    RegionNotFound = 11,
    /// [`Error::RegionExists`].
    RegionExists = 12,
    /// [`Error::RegionInUse`].
    RegionInUse = 13,
    /// [`Error::NotARegion`].
    NotARegion = 14,
    /// [`Error::InvalidMagic`].
    InvalidMagic = 15,
    /// [`Error::Corrupt`].
    Corrupt = 16,
    /// [`Error::RegionFull`].
    RegionFull = 17,
    /// [`Error::OutOfMemory`].
    OutOfMemory = 18,
    /// [`Error::ChannelTableFull`].
    ChannelTableFull = 19,
    /// [`Error::ProcessTableFull`].
    ProcessTableFull = 20,
    /// [`Error::HandleTableFull`].
    HandleTableFull = 21,
    /// [`Error::ChannelNotFound`].
    ChannelNotFound = 22,
    /// [`Error::ChannelInUse`].
    ChannelInUse = 23,
    /// [`Error::ChannelMismatch`].
    ChannelMismatch = 24,
    /// [`Error::SchemaMismatch`].
    SchemaMismatch = 25,
    /// [`Error::Full`].
    Full = 26,
    /// [`Error::Empty`].
    Empty = 27,
    /// [`Error::Timeout`].
    Timeout = 28,
    /// [`Error::Forked`].
    Forked = 29,
    /// [`Error::Evicted`].
    Evicted = 30,
    /// [`Error::ManagementLockBusy`].
    ManagementLockBusy = 31,
    /// [`Error::ReadOnly`].
    ReadOnly = 32,
    /// [`Error::SecretMismatch`].
    SecretMismatch = 33,
    /// [`Error::PeerRefused`].
    PeerRefused = 34,
    /// [`Error::HandOver`].
    HandOver = 35,
    /// [`Error::Io`].
    Io = 36,
    /// [`Error::NoProducers`].
    NoProducers = 37,
    /// [`Error::RegionMismatch`].
    RegionMismatch = 38,
    /// [`Error::RegionRemoved`].
    RegionRemoved = 39,
}

impl ErrorKind {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::PayloadTooLarge { .. } => Self::PayloadTooLarge,
            Error::BatchTooLarge { .. } => Self::BatchTooLarge,
            Error::InvalidArgument { .. } => Self::InvalidArgument,
            Error::Closed => Self::Closed,
            Error::NoProducers => Self::NoProducers,
            Error::RegionMismatch { .. } => Self::RegionMismatch,
            Error::RegionRemoved { .. } => Self::RegionRemoved,
            Error::Removed => Self::Removed,
            Error::WouldDeadlock => Self::WouldDeadlock,
            Error::TooManyClaims { .. } => Self::TooManyClaims,
            Error::InvalidMessage { .. } => Self::InvalidMessage,
            Error::ChecksumMismatch { .. } => Self::ChecksumMismatch,
            Error::RegionNotFound { .. } => Self::RegionNotFound,
            Error::RegionExists { .. } => Self::RegionExists,
            Error::RegionInUse { .. } => Self::RegionInUse,
            Error::NotARegion { .. } => Self::NotARegion,
            Error::InvalidMagic { .. } => Self::InvalidMagic,
            Error::Corrupt { .. } => Self::Corrupt,
            Error::RegionFull { .. } => Self::RegionFull,
            Error::OutOfMemory { .. } => Self::OutOfMemory,
            Error::ChannelTableFull => Self::ChannelTableFull,
            Error::ProcessTableFull { .. } => Self::ProcessTableFull,
            Error::HandleTableFull { .. } => Self::HandleTableFull,
            Error::ChannelNotFound { .. } => Self::ChannelNotFound,
            Error::ChannelInUse { .. } => Self::ChannelInUse,
            Error::ChannelMismatch { .. } => Self::ChannelMismatch,
            Error::SchemaMismatch { .. } => Self::SchemaMismatch,
            Error::Full => Self::Full,
            Error::Empty => Self::Empty,
            Error::Timeout => Self::Timeout,
            Error::Forked => Self::Forked,
            Error::Evicted => Self::Evicted,
            Error::ManagementLockBusy { .. } => Self::ManagementLockBusy,
            Error::ReadOnly => Self::ReadOnly,
            Error::SecretMismatch { .. } => Self::SecretMismatch,
            Error::PeerRefused { .. } => Self::PeerRefused,
            Error::HandOver { .. } => Self::HandOver,
            Error::Io { .. } => Self::Io,
        }
    }

    /// The number that statistics store: the first ten are told apart there, and one more.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::NoProducers => 11,
            other => (other as u32).min(Self::Other as u32),
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
            Self::RegionNotFound => "region not found",
            Self::RegionExists => "region exists",
            Self::RegionInUse => "region in use",
            Self::NotARegion => "not a region",
            Self::InvalidMagic => "invalid magic",
            Self::Corrupt => "corrupt",
            Self::RegionFull => "region full",
            Self::OutOfMemory => "out of memory",
            Self::ChannelTableFull => "channel table full",
            Self::ProcessTableFull => "process table full",
            Self::HandleTableFull => "handle table full",
            Self::ChannelNotFound => "channel not found",
            Self::ChannelInUse => "channel in use",
            Self::ChannelMismatch => "channel mismatch",
            Self::SchemaMismatch => "schema mismatch",
            Self::Full => "full",
            Self::Empty => "empty",
            Self::Timeout => "timeout",
            Self::Forked => "forked",
            Self::Evicted => "evicted",
            Self::ManagementLockBusy => "management lock busy",
            Self::ReadOnly => "read only",
            Self::SecretMismatch => "secret mismatch",
            Self::PeerRefused => "peer refused",
            Self::HandOver => "hand over",
            Self::Io => "system call failed",
            Self::NoProducers => "no producers",
            Self::RegionMismatch => "region mismatch",
            Self::RegionRemoved => "region removed",
        })
    }
}

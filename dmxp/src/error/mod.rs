//! The one error type.
//!
//! - [`kind`]: which error, to compare and as statistics store it
//! - [`lock`]: why the management lock could not be had
//! - [`words`]: what errors name, in the languages of the bindings
//! - [`peer`]: the process at the other end of a socket

pub(crate) mod kind;
mod lock;
mod peer;
mod words;

pub use kind::ErrorKind;
pub use lock::LockBusy;
pub use peer::PeerCredentials;
#[doc(hidden)]
pub use words::Language;

use std::path::PathBuf;

/// What went wrong, what was found, and what to do about it.
#[non_exhaustive]
pub enum Error {
    /// There is no region file at the path.
    RegionNotFound {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// A region of that name exists already.
    RegionExists {
        /// Its file.
        path: PathBuf,
    },
    /// The region cannot be removed while processes are attached.
    RegionInUse {
        /// Its file.
        path: PathBuf,
        /// Pids of the attached processes.
        pids: Vec<u32>,
    },
    /// The region exists with other properties.
    RegionMismatch {
        /// Its file.
        path: PathBuf,
        /// Which property.
        property: &'static str,
        /// What the region has.
        existing: String,
        /// What was asked for.
        asked: String,
    },
    /// The region's file was removed or replaced while this process was attached: newcomers do not find this region.
    RegionRemoved {
        /// Where its file was.
        path: PathBuf,
        /// Whether there is another file now.
        replaced: bool,
    },
    /// The file is not a region this version can use.
    NotARegion {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The first eight bytes are not those of a region.
    InvalidMagic {
        /// The file.
        path: PathBuf,
        /// The number found there.
        found: u64,
    },
    /// Something stored in the region contradicts the format.
    Corrupt {
        /// What, with the numbers.
        what: String,
    },
    /// A name, size, id or count that cannot be.
    InvalidArgument {
        /// Which, what was given, what is allowed.
        what: String,
    },
    /// The region has no room for the channel.
    RegionFull {
        /// Bytes the channel takes.
        needed: u64,
        /// Largest run of free bytes.
        free: u64,
        /// A region size that would do.
        region_size: u64,
    },
    /// `/dev/shm` (or wherever the region lies) cannot back more memory.
    OutOfMemory {
        /// Bytes that were to be reserved.
        needed: u64,
        /// The system's answer.
        source: std::io::Error,
    },
    /// All 256 channels of the region are taken.
    ChannelTableFull,
    /// The table of attached processes is full.
    ProcessTableFull {
        /// Its length.
        limit: u32,
    },
    /// The table of handles is full.
    HandleTableFull {
        /// Its length.
        limit: u32,
    },
    /// No such channel.
    ChannelNotFound {
        /// The name or id asked for.
        channel: String,
    },
    /// The channel has open handles.
    ChannelInUse {
        /// The name or id.
        channel: String,
        /// Pids of the channel's holders.
        pids: Vec<u32>,
    },
    /// The channel exists with other properties.
    ChannelMismatch {
        /// The name or id.
        channel: String,
        /// Which property.
        property: &'static str,
        /// What the channel has.
        existing: String,
        /// What was asked for.
        asked: String,
    },
    /// The channel carries another message type.
    SchemaMismatch {
        /// The name or id.
        channel: String,
        /// Field by field what differs.
        differences: String,
    },
    /// The payload does not fit a slot.
    PayloadTooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes a slot holds.
        limit: usize,
    },
    /// More messages in one batch than can ever be claimed at once.
    BatchTooLarge {
        /// Messages asked for.
        count: usize,
        /// The limit: the channel's capacity, or 32,767.
        limit: usize,
    },
    /// No free slot, and the call does not wait.
    Full,
    /// No message, and the call does not wait.
    Empty,
    /// The time given has passed.
    Timeout,
    /// The stream has ended: `close` was called and everything sent before it was received.
    Closed,
    /// No producer of the channel is left, and all that they sent was received: what a consumer is told that
    /// [asked for it](crate::ChannelBuilder::with_end_without_producers).
    NoProducers,
    /// The channel was removed by force while this handle was open.
    Removed,
    /// The handle came into this process by `fork`; open one of its own here.
    Forked,
    /// The process lost its place in the region (something closed its descriptors, or recovery took it for dead).
    Evicted,
    /// The handle itself holds the slot that it would wait for; release or publish first.
    WouldDeadlock,
    /// The handle holds as many claims as it can.
    TooManyClaims {
        /// The limit.
        limit: usize,
    },
    /// A received message is not a valid value of the type. It has been taken off the channel.
    InvalidMessage {
        /// Its id.
        message_id: u64,
        /// Which part and why.
        reason: String,
    },
    /// A received message's payload differs from its checksum. It has been taken off the channel.
    ChecksumMismatch {
        /// Its id.
        message_id: u64,
        /// The checksum stored.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// Another process holds the management lock and does not give it back, or too many others had their turns before.
    ManagementLockBusy {
        /// The lock's holder, as far as the region knows; 0 nobody at this moment.
        pid: u32,
        /// Which of the two, and how that process is.
        reason: LockBusy,
    },
    /// The region is attached read-only.
    ReadOnly,
    /// The secret given is not the region's.
    SecretMismatch {
        /// Its file.
        path: PathBuf,
        /// Whether it has one, and whether one was given; nothing of what it is.
        reason: &'static str,
    },
    /// A region was to be handed over to, or received from, a process that the policy does not accept.
    PeerRefused {
        /// That process.
        peer: PeerCredentials,
    },
    /// Handing a region over, or receiving one, failed.
    HandOver {
        /// What the peer did.
        reason: String,
    },
    /// A system call failed.
    Io {
        /// What was tried.
        context: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Shorthand used by the whole crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// Which error it is, to compare.
    ///
    /// ```
    /// # fn main() -> dmxp::Result<()> {
    /// # let name = format!("doc-error-kind-{}", std::process::id());
    /// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
    /// # let consumer = dmxp::ChannelBuilder::new().with_region(&region).with_name("bytes").build_consumer()?;
    /// use dmxp::ErrorKind;
    /// let error = consumer.try_recv().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Empty);
    /// assert_eq!(format!("{error:?}"), "Empty: the channel is empty");
    /// # dmxp::RegionOptions::new().name(&name).remove(true)
    /// # }
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::of(self)
    }

    pub(crate) fn io(context: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let context = context.into();
        move |source| Self::Io { context, source }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(crate) fn hand_over(reason: impl Into<String>) -> Self {
        Self::HandOver { reason: reason.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::InvalidArgument { what: what.into() }
    }
}

struct Pids<'a>(&'a [u32]);

impl core::fmt::Display for Pids<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (i, pid) in self.0.iter().enumerate() {
            write!(f, "{}{pid}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::RegionNotFound { path } => write!(
                f,
                "region not found: {} does not exist; start the process that creates it, or check DMXP_DIR and DMXP_REGION",
                path.display()
            ),
            Self::RegionExists { path } => {
                write!(f, "region {} exists already; open it, or remove it first", path.display())
            }
            Self::RegionInUse { path, pids } => write!(
                f,
                "region {} is in use by process {}; stop them, or remove it with force",
                path.display(),
                Pids(pids)
            ),
            Self::RegionMismatch { path, property, existing, asked } => write!(
                f,
                "region {} exists with {property} {existing}, and {asked} was asked for; ask for the same, leave it out, or remove \
                 the region first (replace_if_unused does so where no process is attached)",
                path.display()
            ),
            Self::RegionRemoved { path, replaced } => write!(
                f,
                "region {} was {} while this process was attached: processes that open it now do not meet this one (at a logout \
                 systemd removes a user's files there: RemoveIPC); open the region again, or open handles that stay with the old \
                 one (keep_removed_region)",
                path.display(),
                if *replaced { "replaced by another file" } else { "removed" }
            ),
            Self::NotARegion { path, reason } => write!(f, "{} is not a usable region: {reason}", path.display()),
            Self::InvalidMagic { path, found } => write!(
                f,
                "{} is not a dmxp region: it starts with {found:#018x} instead of {:#018x}; remove the file if nothing else owns it",
                path.display(),
                crate::layout::MAGIC
            ),
            Self::Corrupt { what } => write!(f, "corrupt region: {what}; remove the region and create it anew"),
            Self::InvalidArgument { what } => f.write_str(what),
            Self::RegionFull { needed, free, region_size } => write!(
                f,
                "region full: the channel takes {needed} bytes and the largest free run is {free}; remove a channel, or create \
                 the region with at least {region_size} bytes"
            ),
            Self::OutOfMemory { needed, source } => write!(
                f,
                "no memory for {needed} more bytes of the region ({source}); enlarge or clean the file system it lies on (df -h /dev/shm)"
            ),
            Self::ChannelTableFull => {
                f.write_str("all 256 channels of the region are taken; remove one, or use a second region")
            }
            Self::ProcessTableFull { limit } => write!(
                f,
                "all {limit} places for attached processes are taken; create the region with more (RegionOptions::max_processes)"
            ),
            Self::HandleTableFull { limit } => write!(
                f,
                "all {limit} places for producers and consumers are taken; create the region with more (RegionOptions::max_handles)"
            ),
            Self::ChannelNotFound { channel } => write!(
                f,
                "channel {channel} not found; its creator has not started, or it lies in another region (list them with Region::channels)"
            ),
            Self::ChannelInUse { channel, pids } => {
                write!(f, "channel {channel} is in use by process {}; close its handles, or remove it with force", Pids(pids))
            }
            Self::ChannelMismatch { channel, property, existing, asked } => write!(
                f,
                "channel {channel} exists with {property} {existing}, and {asked} was asked for; ask for the same, leave it out, \
                 or remove the channel first"
            ),
            Self::SchemaMismatch { channel, differences } => {
                write!(f, "channel {channel} carries a different message type: {differences}")
            }
            Self::PayloadTooLarge { len, limit } => {
                write!(f, "payload of {len} bytes; the limit is {limit} bytes")
            }
            Self::BatchTooLarge { count, limit } => {
                write!(f, "batch of {count} messages; at most {limit} can be claimed at once")
            }
            Self::Full => f.write_str("the channel is full"),
            Self::Empty => f.write_str("the channel is empty"),
            Self::Timeout => f.write_str("timed out"),
            Self::Closed => f.write_str("the channel is closed"),
            Self::NoProducers => f.write_str(
                "no producer is left, and all that they sent was received; the next one that is opened begins a new stream",
            ),
            Self::Removed => f.write_str("the channel was removed; open it again"),
            Self::Forked => f.write_str("this handle was inherited by fork; open a new one in this process"),
            Self::Evicted => f.write_str(
                "this process has lost its place in the region (were its file descriptors closed?); open the region again",
            ),
            Self::WouldDeadlock => {
                f.write_str("this handle holds the very slot it would wait for; release or publish it first")
            }
            Self::TooManyClaims { limit } => {
                write!(f, "this handle already holds {limit} claims, the most it can; publish or release one first")
            }
            Self::InvalidMessage { message_id, reason } => write!(f, "message {message_id} is not valid: {reason}"),
            Self::ChecksumMismatch { message_id, stored, computed } => write!(
                f,
                "message {message_id} is damaged: its checksum is {stored:#010x}, its payload gives {computed:#010x}"
            ),
            Self::ManagementLockBusy { pid, reason } => reason.say(*pid, f),
            Self::ReadOnly => f.write_str("the region is attached read-only; open it for writing to do this"),
            Self::SecretMismatch { path, reason } => write!(f, "{} was not attached: {reason}", path.display()),
            Self::PeerRefused { peer } => write!(
                f,
                "the peer, process {} of user {} and group {}, is not accepted; if it should be, give a policy that accepts it",
                peer.pid, peer.uid, peer.gid
            ),
            Self::HandOver { reason } => write!(f, "the region was not handed over: {reason}"),
            Self::Io { context, source } => write!(f, "{context}: {source}"),
        }
    }
}

/// The variant and the text of `Display`: it is what `main() -> dmxp::Result<()>` and `unwrap` print.
impl core::fmt::Debug for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}: {self}", self.kind())
    }
}

/// With the kind that a standard call would have given, and this error inside: `?` in functions that return [`std::io::Result`].
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// fn first(consumer: &dmxp::Consumer<[u8]>) -> std::io::Result<Vec<u8>> {
///     Ok(consumer.try_recv()?.to_vec())
/// }
/// # let name = format!("doc-io-error-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// # let consumer = dmxp::ChannelBuilder::new().with_region(&region).with_name("bytes").build_consumer()?;
/// let error = first(&consumer).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
/// assert!(matches!(error.downcast::<dmxp::Error>(), Ok(dmxp::Error::Empty)));
/// # dmxp::RegionOptions::new().name(&name).remove(true)?;
/// # Ok(())
/// # }
/// ```
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Kind;
        let kind = match &error {
            Error::RegionNotFound { .. } | Error::ChannelNotFound { .. } => Kind::NotFound,
            Error::RegionExists { .. } => Kind::AlreadyExists,
            Error::RegionInUse { .. } | Error::ChannelInUse { .. } => Kind::ResourceBusy,
            Error::Full | Error::Empty | Error::WouldDeadlock => Kind::WouldBlock,
            Error::Timeout => Kind::TimedOut,
            Error::Closed | Error::NoProducers | Error::Removed => Kind::BrokenPipe,
            Error::InvalidArgument { .. } | Error::PayloadTooLarge { .. } | Error::BatchTooLarge { .. } => {
                Kind::InvalidInput
            }
            Error::InvalidMessage { .. }
            | Error::ChecksumMismatch { .. }
            | Error::Corrupt { .. }
            | Error::InvalidMagic { .. }
            | Error::NotARegion { .. } => Kind::InvalidData,
            Error::RegionFull { .. } => Kind::StorageFull,
            Error::OutOfMemory { source, .. } | Error::Io { source, .. } => source.kind(),
            _ => Kind::Other,
        };
        Self::new(kind, error)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::OutOfMemory { source, .. } => Some(source),
            _ => None,
        }
    }
}

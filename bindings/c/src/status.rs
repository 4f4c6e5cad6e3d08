//! The codes that functions answer with, and the text of the last error.

use dmxp::Error;
use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What functions answer. The numbers are fixed; new ones may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum dmxp_status {
    /// Done.
    DMXP_OK = 0,

    /// No free slot, and the call does not wait.
    DMXP_FULL = 1,
    /// No message, and the call does not wait.
    DMXP_EMPTY = 2,
    /// The time given has passed.
    DMXP_TIMEOUT = 3,
    /// The stream has ended: close was called and everything sent before it was received.
    DMXP_CLOSED = 4,
    /// The channel was removed by force while the handle was open.
    DMXP_REMOVED = 5,
    /// The handle was inherited by fork(); open one of its own in this process.
    DMXP_FORKED = 6,
    /// The process lost its place in the region; open the region again.
    DMXP_EVICTED = 7,
    /// The handle itself holds the slot that the call would wait for, and the process has no other thread that could finish the claim;
    /// release or publish first.
    DMXP_WOULD_DEADLOCK = 8,
    /// The handle holds as many claims as it can. A call that waits answers it only where the process has no other thread that could
    /// finish one.
    DMXP_TOO_MANY_CLAIMS = 9,
    /// A signal handler has run in the thread while the call slept; call again to go on. See dmxp_restart_waits.
    DMXP_INTERRUPTED = 10,
    /// No producer is left, and all that they sent was received: what a consumer is told that was opened with
    /// `options->end_without_producers`.
    DMXP_NO_PRODUCERS = 11,

    /// An argument is NULL or cannot be; the text says which and what is allowed.
    DMXP_INVALID_ARGUMENT = 20,
    /// The claim, message or batch is not one that this handle has handed out and not got back.
    DMXP_STALE = 21,
    /// The payload does not fit a slot.
    DMXP_PAYLOAD_TOO_LARGE = 22,
    /// More messages in one batch than can ever be claimed at once.
    DMXP_BATCH_TOO_LARGE = 23,
    /// The message does not fit the buffer; it is still on the channel, as it was.
    DMXP_BUFFER_TOO_SMALL = 24,
    /// A received message is not a valid one of the channel. It has been taken off the channel.
    DMXP_INVALID_MESSAGE = 25,
    /// A received message differs from its checksum. It has been taken off the channel.
    DMXP_CHECKSUM_MISMATCH = 26,

    /// There is no region file at the path.
    DMXP_REGION_NOT_FOUND = 40,
    /// A region of that name exists already.
    DMXP_REGION_EXISTS = 41,
    /// The region cannot be removed while processes are attached.
    DMXP_REGION_IN_USE = 42,
    /// The file is not a region this version can use.
    DMXP_NOT_A_REGION = 43,
    /// The file does not start like a region.
    DMXP_INVALID_MAGIC = 44,
    /// Something stored in the region contradicts the format.
    DMXP_CORRUPT = 45,
    /// The region has no room for the channel.
    DMXP_REGION_FULL = 46,
    /// The file system of the region cannot back more memory.
    DMXP_OUT_OF_MEMORY = 47,
    /// The region is attached read-only.
    DMXP_READ_ONLY = 48,
    /// Another process holds the management lock and does not give it back.
    DMXP_MANAGEMENT_LOCK_BUSY = 49,
    /// The table of attached processes is full.
    DMXP_PROCESS_TABLE_FULL = 50,
    /// The table of producers and consumers is full.
    DMXP_HANDLE_TABLE_FULL = 51,
    /// The secret given is not the region's.
    DMXP_SECRET_MISMATCH = 52,
    /// The policy does not accept the process at the other end of the socket.
    DMXP_PEER_REFUSED = 53,
    /// A region was not handed over, or not received: the peer refused, closed, or speaks of something else.
    DMXP_HAND_OVER = 54,
    /// The region exists with other properties.
    DMXP_REGION_MISMATCH = 55,
    /// The region's file was removed or replaced while the process was attached.
    DMXP_REGION_REMOVED = 56,

    /// No such channel.
    DMXP_CHANNEL_NOT_FOUND = 60,
    /// The channel has open handles.
    DMXP_CHANNEL_IN_USE = 61,
    /// All 256 channels of the region are taken.
    DMXP_CHANNEL_TABLE_FULL = 62,
    /// The channel exists with other properties.
    DMXP_CHANNEL_MISMATCH = 63,
    /// The channel carries another message type; the text says field by field what differs.
    DMXP_SCHEMA_MISMATCH = 64,

    /// A system call failed.
    DMXP_IO = 80,
    /// The library failed in a way that it should not; please report the text.
    DMXP_PANIC = 81,
    /// An error that this version of the C interface has no code for.
    DMXP_OTHER = 82,
}

use dmxp_status::*;

/// Every status and its name. Its codes are compared with the header's by a test in C.
const NAMES: &[(dmxp_status, &CStr)] = &[
    (DMXP_OK, c"DMXP_OK"),
    (DMXP_FULL, c"DMXP_FULL"),
    (DMXP_EMPTY, c"DMXP_EMPTY"),
    (DMXP_TIMEOUT, c"DMXP_TIMEOUT"),
    (DMXP_CLOSED, c"DMXP_CLOSED"),
    (DMXP_REMOVED, c"DMXP_REMOVED"),
    (DMXP_FORKED, c"DMXP_FORKED"),
    (DMXP_EVICTED, c"DMXP_EVICTED"),
    (DMXP_WOULD_DEADLOCK, c"DMXP_WOULD_DEADLOCK"),
    (DMXP_TOO_MANY_CLAIMS, c"DMXP_TOO_MANY_CLAIMS"),
    (DMXP_INTERRUPTED, c"DMXP_INTERRUPTED"),
    (DMXP_NO_PRODUCERS, c"DMXP_NO_PRODUCERS"),
    (DMXP_INVALID_ARGUMENT, c"DMXP_INVALID_ARGUMENT"),
    (DMXP_STALE, c"DMXP_STALE"),
    (DMXP_PAYLOAD_TOO_LARGE, c"DMXP_PAYLOAD_TOO_LARGE"),
    (DMXP_BATCH_TOO_LARGE, c"DMXP_BATCH_TOO_LARGE"),
    (DMXP_BUFFER_TOO_SMALL, c"DMXP_BUFFER_TOO_SMALL"),
    (DMXP_INVALID_MESSAGE, c"DMXP_INVALID_MESSAGE"),
    (DMXP_CHECKSUM_MISMATCH, c"DMXP_CHECKSUM_MISMATCH"),
    (DMXP_REGION_NOT_FOUND, c"DMXP_REGION_NOT_FOUND"),
    (DMXP_REGION_EXISTS, c"DMXP_REGION_EXISTS"),
    (DMXP_REGION_IN_USE, c"DMXP_REGION_IN_USE"),
    (DMXP_NOT_A_REGION, c"DMXP_NOT_A_REGION"),
    (DMXP_INVALID_MAGIC, c"DMXP_INVALID_MAGIC"),
    (DMXP_CORRUPT, c"DMXP_CORRUPT"),
    (DMXP_REGION_FULL, c"DMXP_REGION_FULL"),
    (DMXP_OUT_OF_MEMORY, c"DMXP_OUT_OF_MEMORY"),
    (DMXP_READ_ONLY, c"DMXP_READ_ONLY"),
    (DMXP_MANAGEMENT_LOCK_BUSY, c"DMXP_MANAGEMENT_LOCK_BUSY"),
    (DMXP_PROCESS_TABLE_FULL, c"DMXP_PROCESS_TABLE_FULL"),
    (DMXP_HANDLE_TABLE_FULL, c"DMXP_HANDLE_TABLE_FULL"),
    (DMXP_SECRET_MISMATCH, c"DMXP_SECRET_MISMATCH"),
    (DMXP_PEER_REFUSED, c"DMXP_PEER_REFUSED"),
    (DMXP_HAND_OVER, c"DMXP_HAND_OVER"),
    (DMXP_REGION_MISMATCH, c"DMXP_REGION_MISMATCH"),
    (DMXP_REGION_REMOVED, c"DMXP_REGION_REMOVED"),
    (DMXP_CHANNEL_NOT_FOUND, c"DMXP_CHANNEL_NOT_FOUND"),
    (DMXP_CHANNEL_IN_USE, c"DMXP_CHANNEL_IN_USE"),
    (DMXP_CHANNEL_TABLE_FULL, c"DMXP_CHANNEL_TABLE_FULL"),
    (DMXP_CHANNEL_MISMATCH, c"DMXP_CHANNEL_MISMATCH"),
    (DMXP_SCHEMA_MISMATCH, c"DMXP_SCHEMA_MISMATCH"),
    (DMXP_IO, c"DMXP_IO"),
    (DMXP_PANIC, c"DMXP_PANIC"),
    (DMXP_OTHER, c"DMXP_OTHER"),
];

thread_local! {
    static LAST_ERROR: RefCell<Cow<'static, CStr>> = const { RefCell::new(Cow::Borrowed(c"")) };
}

/// Why a call fails: the code and the text.
#[derive(Debug)]
pub(crate) struct Failure {
    status: dmxp_status,
    text: Cow<'static, CStr>,
}

pub(crate) type Result<T, E = Failure> = core::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(status: dmxp_status, text: impl Into<String>) -> Self {
        let text = CString::new(text.into().replace('\0', "\\0")).unwrap_or_default();
        Self {
            status,
            text: Cow::Owned(text),
        }
    }

    /// Without an allocation.
    pub(crate) fn of(status: dmxp_status, text: &'static CStr) -> Self {
        Self {
            status,
            text: Cow::Borrowed(text),
        }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(DMXP_INVALID_ARGUMENT, text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // Ordinary answers of a busy program: they shall not cost an allocation.
        let (status, text) = match error {
            Error::Full => (DMXP_FULL, c"the channel is full"),
            Error::Empty => (DMXP_EMPTY, c"the channel is empty"),
            Error::Timeout => (DMXP_TIMEOUT, c"timed out"),
            other => return Self::new(status_of(&other), other.text_in(dmxp::Language::C)),
        };
        Self {
            status,
            text: Cow::Borrowed(text),
        }
    }
}

fn status_of(error: &Error) -> dmxp_status {
    match error {
        Error::Full => DMXP_FULL,
        Error::Empty => DMXP_EMPTY,
        Error::Timeout => DMXP_TIMEOUT,
        Error::Closed => DMXP_CLOSED,
        Error::NoProducers => DMXP_NO_PRODUCERS,
        Error::Removed => DMXP_REMOVED,
        Error::Forked => DMXP_FORKED,
        Error::Evicted => DMXP_EVICTED,
        Error::WouldDeadlock => DMXP_WOULD_DEADLOCK,
        Error::TooManyClaims { .. } => DMXP_TOO_MANY_CLAIMS,
        Error::InvalidArgument { .. } => DMXP_INVALID_ARGUMENT,
        Error::PayloadTooLarge { .. } => DMXP_PAYLOAD_TOO_LARGE,
        Error::BatchTooLarge { .. } => DMXP_BATCH_TOO_LARGE,
        Error::InvalidMessage { .. } => DMXP_INVALID_MESSAGE,
        Error::ChecksumMismatch { .. } => DMXP_CHECKSUM_MISMATCH,
        Error::RegionNotFound { .. } => DMXP_REGION_NOT_FOUND,
        Error::RegionExists { .. } => DMXP_REGION_EXISTS,
        Error::RegionInUse { .. } => DMXP_REGION_IN_USE,
        Error::NotARegion { .. } => DMXP_NOT_A_REGION,
        Error::InvalidMagic { .. } => DMXP_INVALID_MAGIC,
        Error::Corrupt { .. } => DMXP_CORRUPT,
        Error::RegionFull { .. } => DMXP_REGION_FULL,
        Error::OutOfMemory { .. } => DMXP_OUT_OF_MEMORY,
        Error::ReadOnly => DMXP_READ_ONLY,
        Error::ManagementLockBusy { .. } => DMXP_MANAGEMENT_LOCK_BUSY,
        Error::ProcessTableFull { .. } => DMXP_PROCESS_TABLE_FULL,
        Error::HandleTableFull { .. } => DMXP_HANDLE_TABLE_FULL,
        Error::SecretMismatch { .. } => DMXP_SECRET_MISMATCH,
        Error::PeerRefused { .. } => DMXP_PEER_REFUSED,
        Error::HandOver { .. } => DMXP_HAND_OVER,
        Error::RegionMismatch { .. } => DMXP_REGION_MISMATCH,
        Error::RegionRemoved { .. } => DMXP_REGION_REMOVED,
        Error::ChannelNotFound { .. } => DMXP_CHANNEL_NOT_FOUND,
        Error::ChannelInUse { .. } => DMXP_CHANNEL_IN_USE,
        Error::ChannelTableFull => DMXP_CHANNEL_TABLE_FULL,
        Error::ChannelMismatch { .. } => DMXP_CHANNEL_MISMATCH,
        Error::SchemaMismatch { .. } => DMXP_SCHEMA_MISMATCH,
        Error::Io { .. } => DMXP_IO,
        _ => DMXP_OTHER,
    }
}

/// Runs what an exported function does: its failure becomes the code, its text the thread's last error. Panics end here.
#[inline]
pub(crate) fn answer(call: impl FnOnce() -> Result<()>) -> i32 {
    // Unwind safety: what a panic can leave behind is a locked handle, whose state is whole between any two steps.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => DMXP_OK as i32,
        Ok(Err(failure)) => remember(failure),
        Err(panic) => remember(Failure::new(
            DMXP_PANIC,
            format!("internal error: {}", panic_text(&*panic)),
        )),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text")
}

fn remember(failure: Failure) -> i32 {
    // A thread that is ending may have no place for the text any more; the code is answered all the same.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = failure.text);
    failure.status as i32
}

/// What went wrong in the last call of this thread that failed, what was found, and what to do about it; an empty text if none
/// has failed. Successful calls leave it as it is. It is never NULL, and valid until the next call of this thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn dmxp_last_error() -> *const c_char {
    LAST_ERROR
        .try_with(|last| last.borrow().as_ptr())
        .unwrap_or(c"".as_ptr())
}

/// The name of a status, such as "DMXP_TIMEOUT"; "unknown status" for a number that is none. It is never NULL, and valid for
/// ever.
#[unsafe(no_mangle)]
pub extern "C" fn dmxp_status_name(status: i32) -> *const c_char {
    NAMES
        .iter()
        .find(|(known, _)| *known as i32 == status)
        .map_or(c"unknown status", |(_, name)| name)
        .as_ptr()
}

/// The version of the library, such as "0.1.0". It is never NULL, and valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn dmxp_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };
    VERSION.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        // SAFETY: never NULL, NUL-terminated, and copied before the next call.
        unsafe { CStr::from_ptr(dmxp_last_error()) }
            .to_string_lossy()
            .into_owned()
    }

    #[test]
    fn a_panic_is_answered_with_a_code_and_its_text() {
        assert_eq!(answer(|| panic!("number {}", 7)), DMXP_PANIC as i32);
        assert_eq!(last_error(), "internal error: number 7");
        assert_eq!(answer(|| Ok(())), 0);
        assert_eq!(
            last_error(),
            "internal error: number 7",
            "success leaves the text alone"
        );
    }

    #[test]
    fn ordinary_answers_have_the_texts_of_the_rust_errors() {
        for error in [Error::Full, Error::Empty, Error::Timeout] {
            let text = error.to_string();
            assert_eq!(Failure::from(error).text.to_str(), Ok(text.as_str()));
        }
    }

    #[test]
    fn texts_belong_to_their_thread() {
        answer(|| Err(Failure::invalid("mine")));
        std::thread::spawn(|| assert_eq!(last_error(), ""))
            .join()
            .expect("no panic");
        assert_eq!(last_error(), "mine");
    }

    #[test]
    fn names_are_unique_and_those_of_the_variants() {
        for (index, (status, name)) in NAMES.iter().enumerate() {
            assert_eq!(name.to_str(), Ok(format!("{status:?}").as_str()));
            assert!(NAMES[..index].iter().all(|(earlier, _)| earlier != status));
        }
    }
}

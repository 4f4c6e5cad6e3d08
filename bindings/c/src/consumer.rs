//! Receiving.

use crate::argument;
use crate::channel::{builder, dmxp_channel_options, dmxp_handle_info, handle_info};
use crate::handle;
use crate::producer::dmxp_batch;
use crate::region::dmxp_region;
use crate::shared::{Address, Hooks, dmxp_token};
use crate::status::{Failure, Result, answer, dmxp_status};
use core::mem::offset_of;
use dmxp::raw::{Consumer, Copied, ReadClaim, Shared};
use dmxp::schema::codec::Checks;
use dmxp::{Error, Metadata};
use std::ffi::c_void;
use std::ptr;

/// What came with a message. A later version may have more of it, at its end: dmxp_message says how much there is.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dmxp_metadata {
    /// Unique in the channel: its position there, counted from 1.
    pub message_id: u64,
    /// When it was sent, nanoseconds since the Unix epoch by its sender's clock.
    pub timestamp_ns: u64,
    /// The channel.
    pub channel_id: u32,
    /// Low half of the sender's schema fingerprint on typed channels, the application's number on others.
    pub message_type: u32,
    /// Its sender's process id, in the sender's PID namespace.
    pub sender_pid: u32,
    /// Its sender's language, a dmxp_runtime.
    pub sender_runtime: u16,
    /// Flag bits of the format: 0 for ordinary messages, DMXP_FLAG_DEAD_LETTER for dead letters, DMXP_FLAG_HIGH for
    /// urgent messages.
    pub flags: u16,
    /// Bytes of payload.
    pub payload_len: u32,
    /// How often it was delivered before, to consumers that did not release it; no more often than the channel's redelivery
    /// limit.
    pub redelivered: u8,
    /// Zeros.
    pub reserved: [u8; 3],
    /// How many messages this consumer missed just before it, because it was overrun; on a latest channel, how many were replaced
    /// before it looked. 0 on queues.
    pub missed: u64,
}

impl From<Metadata> for dmxp_metadata {
    fn from(metadata: Metadata) -> Self {
        Self {
            message_id: metadata.message_id,
            timestamp_ns: metadata.timestamp_ns,
            channel_id: metadata.channel_id,
            message_type: metadata.message_type,
            sender_pid: metadata.sender_pid,
            sender_runtime: metadata.sender_runtime,
            flags: metadata.flags,
            payload_len: metadata.payload_len,
            redelivered: metadata.redelivered,
            reserved: [0; 3],
            missed: metadata.missed,
        }
    }
}

/// A message, borrowed until it is released or given back: in its slot, or, for a lossy subscriber and on a latest channel, as a
/// copy that the consumer keeps. Begin with DMXP_MESSAGE_INIT, or with `struct_size` alone.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_message {
    /// sizeof(dmxp_message), set by the program; it stays as it is.
    pub struct_size: usize,
    /// The payload, aligned as the message type and at least to 16 bytes, in slots that are not compact to 64. Readable until the message is released or given back.
    pub data: *const c_void,
    /// Bytes of payload; on typed channels always the size of the type.
    pub len: usize,
    /// Which claim this is.
    pub token: dmxp_token,
    /// What came with it.
    pub metadata: dmxp_metadata,
}

/// What every version of a message begins with: all that releasing one needs.
#[repr(C)]
struct MessageHead {
    struct_size: usize,
    data: *const c_void,
    len: usize,
    token: dmxp_token,
}

const _: () = assert!(
    offset_of!(MessageHead, token) == offset_of!(dmxp_message, token)
        && offset_of!(MessageHead, data) == offset_of!(dmxp_message, data)
        && size_of::<MessageHead>() == offset_of!(dmxp_message, metadata)
);

/// A consumer.
#[derive(Debug)]
pub struct dmxp_consumer {
    pub(crate) shared: Shared<Consumer>,
    /// What must hold in the messages, as the program knows their type.
    pub(crate) checks: Option<Checks>,
}

handle::handle!(dmxp_consumer, 2, "dmxp_consumer_open");

/// Consumers are used by any thread.
const _: fn() = || {
    fn thread_safe<T: Send + Sync>() {}
    thread_safe::<dmxp_consumer>();
};

impl MessageHead {
    /// The message went back. What came with it is void by that, and stays.
    fn empty(&mut self) {
        (self.data, self.len, self.token) = (ptr::null(), 0, dmxp_token::NONE);
    }
}

// SAFETY: an address, a token and numbers; what is done with the address is justified where it is done.
unsafe impl Send for dmxp_message {}

impl dmxp_consumer {
    /// The payload of a claimed message, if it can be one of the channel.
    fn payload<'a>(&self, consumer: &'a Consumer, claim: &'a ReadClaim, index: u32) -> Result<&'a [u8]> {
        if let Some(checks) = &self.checks {
            return Ok(consumer.valid_payload(claim, index, checks)?);
        }
        let payload = consumer.payload(claim, index)?;
        match consumer.message_size() {
            // A program that knows only v1 may have sent it.
            Some(size) if size as usize != payload.len() => {
                let found = payload.len();
                let reason = format!("it has {found} bytes, the messages of this channel have {size}");
                Err(consumer.refuse(claim, index, reason).into())
            }
            _ => Ok(payload),
        }
    }

    /// A claimed message as C gets to see it, without a token.
    fn message(&self, consumer: &Consumer, claim: &ReadClaim, index: u32) -> Result<dmxp_message> {
        let payload = self.payload(consumer, claim, index)?;
        Ok(dmxp_message {
            struct_size: size_of::<dmxp_message>(),
            data: payload.as_ptr().cast::<c_void>(),
            len: payload.len(),
            metadata: consumer.metadata(claim, index).into(),
            token: dmxp_token::NONE,
        })
    }
}

/// Opens a consumer, and creates the channel if it does not exist and the options allow it. `region` may be NULL for the
/// default region, which is created too. The result in `out` is given back with dmxp_consumer_destroy.
///
/// Answers as dmxp_producer_open.
///
/// # Safety
/// `region` is NULL or an open region; `options` points to options whose texts are NULL or NUL-terminated; `out` points to a
/// place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_open(
    region: *const dmxp_region,
    options: *const dmxp_channel_options,
    out: *mut *mut dmxp_consumer,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
        // SAFETY: the caller's promise.
        let (builder, _, schema) = unsafe { builder(region, options) }?;
        let handle = builder.build_raw_consumer()?;
        let (shared, checks) = (Shared::new(handle), schema.as_ref().map(Checks::of));
        *out = handle::give(dmxp_consumer { shared, checks })?;
        Ok(())
    })
}

/// Waits at most `timeout_ns` for a message and borrows it, in place where no producer can overwrite it meanwhile, that is
/// everywhere but as a lossy subscriber and on a latest channel. Give it back with dmxp_consumer_release when it was dealt
/// with, or with dmxp_consumer_give_back; a consumer holds at most eight, for all its threads together.
///
/// Answers, among others, DMXP_EMPTY (without waiting), DMXP_TIMEOUT, DMXP_CLOSED, DMXP_REMOVED, DMXP_TOO_MANY_CLAIMS,
/// DMXP_WOULD_DEADLOCK; DMXP_INVALID_MESSAGE and DMXP_CHECKSUM_MISMATCH for a message that cannot be read, or is not valid by the
/// schema that the consumer was opened with; it is off the channel now.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `message` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_recv(
    consumer: *mut dmxp_consumer,
    timeout_ns: i64,
    message: *mut dmxp_message,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(message, "message") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        let wait = argument::wait(timeout_ns);
        let look = |handle: &Consumer, claim: &ReadClaim| consumer.message(handle, claim, 0);
        let (token, message) = consumer.shared.receive(wait, &mut Hooks, look)??;
        out.put(dmxp_message {
            token: token.into(),
            ..message
        });
        Ok(())
    })
}

/// Borrows the newest message of a latest channel, whether this consumer has seen it or not, and does not wait. Give it back with
/// dmxp_consumer_release.
///
/// Answers DMXP_EMPTY when nothing was sent yet, DMXP_INVALID_ARGUMENT on other channels, and otherwise as dmxp_consumer_recv.
///
/// # Safety
/// As for dmxp_consumer_recv.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_newest(consumer: *mut dmxp_consumer, message: *mut dmxp_message) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(message, "message") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        let look = |handle: &Consumer, claim: &ReadClaim| consumer.message(handle, claim, 0);
        let (token, message) = consumer.shared.newest(look)??;
        out.put(dmxp_message {
            token: token.into(),
            ..message
        });
        Ok(())
    })
}

/// Hands the slot of a message back to producers, and empties `message`: it was dealt with. Answers DMXP_STALE for a message
/// that went back already or is another consumer's.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `message` is NULL or points to a message that was filled by dmxp_consumer_recv or to
/// zeros. Nobody reads its bytes any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_release(consumer: *mut dmxp_consumer, message: *mut dmxp_message) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let head = unsafe { argument::changed(message.cast::<MessageHead>(), "message") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        consumer.shared.release(head.token.get())?;
        head.empty();
        Ok(())
    })
}

/// Returns a message to the channel, and empties `message`: it is delivered again, with `redelivered` counted up, to whoever
/// comes first. On a broadcast or latest channel the others have it anyway: this consumer gets it once more if it was the last that
/// it got. Answers DMXP_STALE for a message that went back already or is another consumer's.
///
/// # Safety
/// As for dmxp_consumer_release.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_give_back(consumer: *mut dmxp_consumer, message: *mut dmxp_message) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let head = unsafe { argument::changed(message.cast::<MessageHead>(), "message") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        consumer.shared.give_back(head.token.get())?;
        head.empty();
        Ok(())
    })
}

/// Waits at most `timeout_ns` for a message and copies it to `buffer`; its length is written to `len`. A message of more than
/// `room` bytes stays on the channel as it is, neither taken nor marked as delivered before, and DMXP_BUFFER_TOO_SMALL is answered with
/// its length in `len`: call again with a larger buffer. Another consumer of a queue may be faster then.
///
/// Answers otherwise as dmxp_consumer_recv.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `buffer` points to `room` bytes, `len` to a place for the length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_recv_copy(
    consumer: *mut dmxp_consumer,
    buffer: *mut c_void,
    room: usize,
    len: *mut usize,
    timeout_ns: i64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let len = unsafe { argument::result(len, 0, "len") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        if buffer.is_null() && room != 0 {
            return Err(Failure::invalid("`buffer` is NULL"));
        }
        let (wait, place) = (argument::wait(timeout_ns), Address::of(buffer.cast::<u8>()));
        let copied = consumer.shared.read(room, wait, &mut Hooks, |handle, claim| {
            let payload = consumer.payload(handle, claim, 0)?;
            // The length was looked at before; whoever writes to the region may have changed it since.
            if payload.len() > room {
                return Err(Failure::from(Error::InvalidMessage {
                    message_id: claim.message_id(0),
                    reason: "its length changed while it was received".into(),
                }));
            }
            if !payload.is_empty() {
                // SAFETY: `buffer` has `room` bytes, no fewer than these, and is not a slot that this call has just claimed.
                unsafe { ptr::copy_nonoverlapping(payload.as_ptr(), place.get(), payload.len()) };
            }
            Ok(payload.len())
        })?;
        match copied {
            Copied::Read(read) => *len = read?,
            Copied::TooLong(bytes) => {
                *len = bytes;
                return Err(Failure::new(
                    dmxp_status::DMXP_BUFFER_TOO_SMALL,
                    format!(
                        "the message has {bytes} bytes, the buffer {room}; it is still on the channel: give a larger buffer"
                    ),
                ));
            }
        }
        Ok(())
    })
}

/// Waits at most `timeout_ns` for a message and borrows all that are there, at most `max`, in place, in order. Their number
/// is written to `batch`, by which they go back together, with dmxp_consumer_release_batch or dmxp_consumer_give_back_batch,
/// and not one by one. A `max` of 0 waits for nothing: the batch has no messages, and need not go back.
///
/// Answers as dmxp_consumer_recv. A batch with a message that cannot be read is refused as a whole: that message is off the
/// channel, the others go back, to be delivered again. What `messages` says is void then.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `messages` points to places for `max` results, of which the first
/// begins with the size of each, `batch` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_recv_batch(
    consumer: *mut dmxp_consumer,
    messages: *mut dmxp_message,
    max: usize,
    timeout_ns: i64,
    batch: *mut dmxp_batch,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let batch = unsafe { argument::result(batch, dmxp_batch::default(), "batch") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        if max == 0 {
            return Ok(());
        }
        if messages.is_null() {
            return Err(Failure::invalid("`messages` is NULL"));
        }
        // SAFETY: not NULL, and the caller promises a first place.
        let places = unsafe { argument::places(messages, "messages") }?;
        let sizes = (1, max.min(consumer.shared.largest_batch()));
        let wait = argument::wait(timeout_ns);
        let (token, count) = consumer
            .shared
            .receive_batch(sizes, wait, &mut Hooks, |handle, claim| {
                for index in 0..claim.count() {
                    let message = consumer
                        .message(handle, claim, index)
                        .map_err(|failure| (index, failure))?;
                    // SAFETY: a claim has at most `max` messages, and the caller promises `max` places.
                    unsafe { places.put(index as usize, message) };
                }
                Ok(claim.count() as usize)
            })??;
        let token = token.into();
        *batch = dmxp_batch { count, token };
        Ok(())
    })
}

/// Hands the slots of a batch back to producers, and empties `batch`: its messages were dealt with. Answers DMXP_STALE for a
/// batch that went back already or is another consumer's.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `batch` is NULL or points to a batch that was filled by dmxp_consumer_recv_batch or
/// to zeros. Nobody reads the bytes of its messages any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_release_batch(consumer: *mut dmxp_consumer, batch: *mut dmxp_batch) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let batch = unsafe { argument::changed(batch, "batch") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        consumer.shared.release(batch.token.get())?;
        *batch = dmxp_batch::default();
        Ok(())
    })
}

/// Returns the messages of a batch to the channel, and empties `batch`: they are delivered again, with `redelivered` counted
/// up, to whoever comes first. Answers DMXP_STALE for a batch that went back already or is another consumer's.
///
/// # Safety
/// As for dmxp_consumer_release_batch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_give_back_batch(consumer: *mut dmxp_consumer, batch: *mut dmxp_batch) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let batch = unsafe { argument::changed(batch, "batch") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        consumer.shared.give_back(batch.token.get())?;
        *batch = dmxp_batch::default();
        Ok(())
    })
}

/// The consumer's channel.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `out` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_get_info(consumer: *mut dmxp_consumer, out: *mut dmxp_handle_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        let (len, missed) = consumer
            .shared
            .with(|consumer| Ok((consumer.len(), consumer.missed())))?;
        out.put(handle_info(&consumer.shared, len, missed));
        Ok(())
    })
}

/// Ends the stream: sending fails with DMXP_CLOSED from now on, consumers drain what is there and then get DMXP_CLOSED. The
/// next producer that is opened reopens it. The handle is still to be destroyed.
///
/// # Safety
/// `consumer` is NULL or an open consumer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_close(consumer: *mut dmxp_consumer) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        Ok(consumer.shared.with(Consumer::close)?)
    })
}

/// Gives a consumer back; NULL is allowed. The messages that it has borrowed return to the channel, to be delivered again, and
/// their memory must not be touched any more.
///
/// # Safety
/// Nobody uses the consumer any more. One that was destroyed before answers DMXP_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_destroy(consumer: *mut dmxp_consumer) -> i32 {
    answer(|| {
        drop(handle::take(consumer, "consumer")?);
        Ok(())
    })
}

const _: () = assert!(size_of::<dmxp_metadata>() == 48);
argument::growing!(dmxp_message);
const _: () = assert!(size_of::<dmxp_message>() == 88);

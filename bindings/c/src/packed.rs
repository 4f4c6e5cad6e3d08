//! Stretches of messages on channels with packed slots: a pointer and a length.

use crate::argument;
use crate::consumer::dmxp_consumer;
use crate::producer::dmxp_producer;
use crate::shared::{Address, Hooks, dmxp_token};
use crate::status::{Failure, Result, answer};
use dmxp::raw::{Consumer, Producer, ReadClaim, Shared, Token, TokenError};
use dmxp::schema::codec::{Checks, InvalidMessage};
use std::ffi::c_void;
use std::ptr;

/// Messages side by side, borrowed until they are released or given back: where they lie, or, for a lossy subscriber, as a copy that the
/// consumer keeps. Begin with DMXP_STRETCH_INIT, or with `struct_size` alone.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_stretch {
    /// sizeof(dmxp_stretch), set by the program; it stays as it is.
    pub struct_size: usize,
    /// The first message: `count` of them, aligned as an array of the message type. Readable until they are released or given back.
    pub data: *const c_void,
    /// How many.
    pub count: usize,
    /// Bytes of each.
    pub size: usize,
    /// Which claim this is.
    pub token: dmxp_token,
    /// The first one's id; the others follow without a gap.
    pub message_id: u64,
    /// How many messages this consumer missed just before, because it was overrun.
    pub missed: u64,
}

argument::growing!(dmxp_stretch);

impl dmxp_stretch {
    /// They went back. What came with them is void by that, and stays.
    fn empty(&mut self) {
        (self.data, self.count, self.token) = (std::ptr::null(), 0, dmxp_token::NONE);
    }
}

/// Waits at most `timeout_ns` for a message and borrows all that are there, at most `max`, as one stretch: a pointer and a length, on a
/// channel with packed slots. It ends where the ring ends: the rest comes with the next call. It goes back with
/// dmxp_consumer_release_stretch or dmxp_consumer_give_back_stretch.
///
/// Answers as dmxp_consumer_recv, and DMXP_INVALID_ARGUMENT on other channels.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `stretch` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_recv_stretch(
    consumer: *mut dmxp_consumer,
    max: usize,
    timeout_ns: i64,
    stretch: *mut dmxp_stretch,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(stretch, "stretch") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        if max == 0 {
            return Err(Failure::invalid("`max` is 0"));
        }
        // Before anything is taken off another channel.
        if !consumer.shared.is_packed() {
            consumer.shared.check()?;
            return Err(Failure::invalid(
                "stretches are for channels with packed slots; this one has others",
            ));
        }
        let wait = argument::wait(timeout_ns);
        let checks = consumer.checks.as_ref();
        let look = |consumer: &Consumer, claim: &ReadClaim| {
            let bytes = checked(consumer, claim, checks)?;
            let count = claim.count() as usize;
            Ok(dmxp_stretch {
                struct_size: size_of::<dmxp_stretch>(),
                data: bytes.as_ptr().cast::<c_void>(),
                count,
                size: bytes.len() / count,
                token: dmxp_token::NONE,
                message_id: claim.message_id(0),
                missed: consumer.metadata(claim, 0).missed,
            })
        };
        let (token, stretch) = consumer.shared.receive_batch((1, max), wait, &mut Hooks, look)??;
        out.put(dmxp_stretch {
            token: token.into(),
            ..stretch
        });
        Ok(())
    })
}

/// The bytes of a claim, if all its messages are valid; else which is not.
fn checked<'a>(
    consumer: &'a Consumer,
    claim: &'a ReadClaim,
    checks: Option<&Checks>,
) -> Result<&'a [u8], (u32, Failure)> {
    let bytes = consumer.stretch(claim).map_err(|error| (u32::MAX, error.into()))?;
    if let Some(checks) = checks.filter(|checks| !checks.accept_all()) {
        let size = bytes.len() / claim.count() as usize;
        for (index, message) in (0..).zip(bytes.chunks_exact(size.max(1))) {
            let refused = |invalid: InvalidMessage| consumer.refuse(claim, index, invalid.to_string());
            checks
                .check(message)
                .map_err(|invalid| (index, refused(invalid).into()))?;
        }
    }
    Ok(bytes)
}

// SAFETY: addresses and numbers; what is done with them is justified where it is done.
unsafe impl Send for dmxp_stretch {}

/// Releases a stretch, and empties it: its messages were dealt with. Answers DMXP_STALE for one that went back already or is
/// another consumer's.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `stretch` is NULL or points to one that was filled by dmxp_consumer_recv_stretch or to
/// zeros. Nobody reads its bytes any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_release_stretch(
    consumer: *mut dmxp_consumer,
    stretch: *mut dmxp_stretch,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        unsafe { finish(consumer, stretch, Shared::release) }
    })
}

/// Goes back to before a stretch, and empties it: its messages come next again, if nothing was received since.
///
/// # Safety
/// As for dmxp_consumer_release_stretch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_give_back_stretch(
    consumer: *mut dmxp_consumer,
    stretch: *mut dmxp_stretch,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        unsafe { finish(consumer, stretch, Shared::give_back) }
    })
}

/// # Safety
/// As for dmxp_consumer_release_stretch.
unsafe fn finish(
    consumer: *mut dmxp_consumer,
    stretch: *mut dmxp_stretch,
    how: impl FnOnce(&Shared<Consumer>, Token) -> Result<(), TokenError>,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let stretch = unsafe { argument::changed(stretch, "stretch") }?;
    // SAFETY: the caller's promise.
    let consumer = unsafe { argument::referred(consumer, "consumer") }?;
    how(&consumer.shared, stretch.token.get())?;
    stretch.empty();
    Ok(())
}

/// Waits at most `timeout_ns` for a message and copies all that are there, at most as many as `room` bytes hold, to `buffer`, on a
/// channel with packed slots; they are released. Their number is written to `count`. For a lossy subscriber it is the only copy.
///
/// Answers as dmxp_consumer_recv, and DMXP_INVALID_ARGUMENT on other channels and where there is not room for one.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `buffer` points to `room` bytes that are the call's alone, `count` to a place for the number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_copy_stretch(
    consumer: *mut dmxp_consumer,
    buffer: *mut c_void,
    room: usize,
    count: *mut usize,
    timeout_ns: i64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        if buffer.is_null() {
            return Err(Failure::invalid("`buffer` is NULL"));
        }
        let place = Address::of(buffer.cast::<u8>());
        let size = consumer.shared.payload_capacity();
        let checks = consumer.checks.as_ref().filter(|checks| !checks.accept_all());
        if let Some(checks) = checks.filter(|_| consumer.shared.is_packed() && room >= size) {
            // Looked at before they are released.
            let look = |handle: &Consumer, claim: &ReadClaim| {
                let bytes = checked(handle, claim, Some(checks))?;
                // SAFETY: `buffer` has `room` bytes, and the claim has no more; it is not the slots of this call.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place.get(), bytes.len()) };
                Ok(claim.count() as usize)
            };
            let wait = argument::wait(timeout_ns);
            let (token, copied) = consumer
                .shared
                .receive_batch((1, room / size), wait, &mut Hooks, look)??;
            consumer.shared.release(token)?;
            *count = copied;
            return Ok(());
        }
        let copy = |consumer: &Consumer, wait| {
            // SAFETY: not NULL, and the caller promises so many bytes, which are the call's alone and are written only.
            let buffer = unsafe { core::slice::from_raw_parts_mut(place.get(), room) };
            consumer.copy_stretch(buffer, wait)
        };
        let wait = argument::wait(timeout_ns);
        let (_, copied) = consumer.shared.call(1, wait, &mut Hooks, copy)?;
        *count = copied;
        Ok(())
    })
}

/// Copies `count` messages that lie side by side, `count` times the channel's payload capacity in bytes, into a channel with packed
/// slots: all or none, waiting at most `timeout_ns` for room. They become visible at once and have consecutive ids.
///
/// Answers as dmxp_producer_send_batch, and DMXP_INVALID_ARGUMENT on other channels.
///
/// # Safety
/// `producer` is NULL or an open producer; `data` points to the messages, which nobody writes in the meantime.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_send_stretch(
    producer: *mut dmxp_producer,
    data: *const c_void,
    count: usize,
    timeout_ns: i64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        let size = producer.shared.payload_capacity();
        let len = count
            .checked_mul(size)
            .filter(|&len| len <= isize::MAX as usize)
            .ok_or_else(|| Failure::invalid(format!("{count} messages of {size} bytes")))?;
        // SAFETY: the caller's promise.
        let data = unsafe { argument::array(data.cast::<u8>(), len, "data") }?;
        if !producer.shared.accepts_all() {
            let mut messages = data.chunks_exact(size.max(1));
            messages.try_for_each(|message| producer.shared.check_values(message))?;
        }
        let send = |producer: &Producer, wait| producer.send_stretch(data, count, wait);
        let wait = argument::wait(timeout_ns);
        producer.shared.call(count, wait, &mut Hooks, send)?;
        Ok(())
    })
}

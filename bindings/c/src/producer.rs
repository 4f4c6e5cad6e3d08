//! Sending.

use crate::argument;
use crate::channel::{builder, dmxp_channel_options, dmxp_handle_info, handle_info};
use crate::handle;
use crate::region::dmxp_region;
use crate::shared::{Address, Hooks, dmxp_token};
use crate::status::{Failure, Result, answer};
use dmxp::Wait;
use dmxp::raw::{Lent, Producer, Shared};
use dmxp::schema::model::Schema;
use std::ffi::c_void;
use std::ptr;

/// Some bytes, wherever they lie.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_slice {
    /// The first; may be NULL if there are none.
    pub data: *const c_void,
    /// How many.
    pub len: usize,
}

/// A claimed slot, written in place and published or aborted then.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_claim {
    /// Where the payload goes, aligned as the message type and at least to 16 bytes, in slots that are not compact to 64. Writable until the claim is published or aborted.
    pub data: *mut c_void,
    /// The bytes claimed. May be lowered before publishing, on untyped channels.
    pub len: usize,
    /// The id that the message will have.
    pub message_id: u64,
    /// Which claim this is.
    pub token: dmxp_token,
}

/// Slots that were claimed together, to send or to receive, and that are finished together.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dmxp_batch {
    /// How many.
    pub count: usize,
    /// Which claim this is.
    pub token: dmxp_token,
}

/// A producer.
#[derive(Debug)]
pub struct dmxp_producer {
    pub(crate) shared: Shared<Producer>,
    /// The handle for urgent messages, where the channel has priorities.
    high: Option<High>,
    /// It is the one for urgent messages of another, and goes with that.
    belongs: bool,
}

handle::handle!(dmxp_producer, 1, "dmxp_producer_open");

/// The handle of the producer of urgent messages, which goes with this.
#[derive(Debug)]
struct High(*mut dmxp_producer);

// SAFETY: a handle is a number, which any thread may use.
unsafe impl Send for High {}
// SAFETY: as for Send.
unsafe impl Sync for High {}

impl Drop for High {
    fn drop(&mut self) {
        // Nobody else takes it: those that C destroys are others.
        let _ = handle::take(self.0, "high");
    }
}

/// Producers are used by any thread.
const _: fn() = || {
    fn thread_safe<T: Send + Sync>() {}
    thread_safe::<dmxp_producer>();
};

impl dmxp_claim {
    const NONE: Self = Self {
        data: ptr::null_mut(),
        len: 0,
        message_id: 0,
        token: dmxp_token::NONE,
    };

    /// A slot that was claimed, without its token.
    fn of(lent: Lent) -> Self {
        Self {
            data: lent.payload.as_ptr().cast(),
            len: lent.payload.len(),
            message_id: lent.message_id,
            token: dmxp_token::NONE,
        }
    }
}

// SAFETY: an address and a length; what is done with them is justified where it is done.
unsafe impl Sync for dmxp_slice {}

impl dmxp_slice {
    /// # Safety
    /// The bytes are there, and nobody writes them, as long as the call runs.
    unsafe fn bytes<'a>(&self) -> Result<&'a [u8]> {
        // SAFETY: the caller's promise.
        unsafe { argument::bytes(self.data, self.len, "data") }
    }
}

impl dmxp_producer {
    fn new(mut handle: Producer, message_type: u32, schema: Option<&Schema>, belongs: bool) -> Result<Self> {
        let high = match handle.take_high() {
            Some(high) => Some(High(handle::give(Self::new(high, message_type, schema, true)?)?)),
            None => None,
        };
        if message_type != 0 {
            handle.set_message_type(message_type);
        }
        let shared = Shared::new(handle);
        let shared = match schema {
            Some(schema) => shared.checking(schema),
            None => shared,
        };
        Ok(Self { shared, high, belongs })
    }

    /// Sends at least `min` of the payloads. Returns how many.
    ///
    /// # Safety
    /// The payloads' bytes are there, and nobody writes them, as long as the call runs.
    unsafe fn send(&self, payloads: &[dmxp_slice], min: usize, wait: Wait) -> Result<usize> {
        for payload in payloads {
            self.shared.check_length(payload.len)?;
            // SAFETY: the caller's promise.
            let bytes = unsafe { payload.bytes() }?;
            self.shared.check_values(bytes)?;
        }
        let write = |index: usize, slot: &mut [u8]| {
            // SAFETY: the caller's promise. That there are such bytes was checked above.
            let bytes = unsafe { payloads[index].bytes() }.unwrap_or_default();
            slot[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        };
        let sizes = (min, payloads.len());
        Ok(self.shared.send(sizes, wait, &mut Hooks, write)?.1)
    }
}

/// Opens a producer, and creates the channel if it does not exist and the options allow it. `region` may be NULL for the
/// default region, which is created too. The result in `out` is given back with dmxp_producer_destroy.
///
/// Answers, among others, DMXP_CHANNEL_MISMATCH, DMXP_SCHEMA_MISMATCH, DMXP_CHANNEL_NOT_FOUND, DMXP_REGION_FULL,
/// DMXP_OUT_OF_MEMORY, DMXP_CHANNEL_TABLE_FULL, DMXP_HANDLE_TABLE_FULL, DMXP_INVALID_ARGUMENT, and DMXP_CHANNEL_IN_USE for a
/// second producer of a channel that has one at a time.
///
/// # Safety
/// `region` is NULL or an open region; `options` points to options whose texts are NULL or NUL-terminated; `out` points to a
/// place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_open(
    region: *const dmxp_region,
    options: *const dmxp_channel_options,
    out: *mut *mut dmxp_producer,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
        // SAFETY: the caller's promise.
        let (builder, message_type, schema) = unsafe { builder(region, options) }?;
        let producer = builder.build_raw_producer()?;
        *out = handle::give(dmxp_producer::new(producer, message_type, schema.as_ref(), false)?)?;
        Ok(())
    })
}

/// The producer of urgent messages, on a channel with priorities: what it sends is received before all others that wait. It is used
/// as any producer, belongs to `producer` and goes with it: do not destroy it.
///
/// Answers DMXP_INVALID_ARGUMENT where the channel has no priorities.
///
/// # Safety
/// `producer` is NULL or an open producer; `out` points to a place for a pointer, which is good as long as `producer` is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_high(producer: *mut dmxp_producer, out: *mut *mut dmxp_producer) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        let high = producer.high.as_ref().ok_or_else(|| {
            let id = producer.shared.channel_id();
            Failure::invalid(format!(
                "channel {id} has no priorities: make it with `options->priorities` = 1"
            ))
        })?;
        *out = high.0;
        Ok(())
    })
}

/// Copies a message into the channel, waiting at most `timeout_ns` for a free slot.
///
/// Answers, among others, DMXP_FULL (without waiting), DMXP_TIMEOUT, DMXP_CLOSED, DMXP_PAYLOAD_TOO_LARGE; on a typed channel
/// DMXP_INVALID_ARGUMENT for a message that is not valid, such as an enum without such a value: nothing is sent then.
///
/// # Safety
/// `producer` is NULL or an open producer; `data` points to `len` bytes that nobody writes in the meantime.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_send(
    producer: *mut dmxp_producer,
    data: *const c_void,
    len: usize,
    timeout_ns: i64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        let payload = [dmxp_slice { data, len }];
        // SAFETY: the caller's promise.
        unsafe { producer.send(&payload, 1, argument::wait(timeout_ns)) }?;
        Ok(())
    })
}

/// Copies all of `count` messages into the channel or none, waiting at most `timeout_ns` for room. They become visible at once
/// and have consecutive ids. At most the channel's capacity, and 32,767, fit one batch.
///
/// Answers, among others, DMXP_FULL (without waiting), DMXP_TIMEOUT, DMXP_CLOSED, DMXP_PAYLOAD_TOO_LARGE (nothing is sent
/// then), DMXP_BATCH_TOO_LARGE.
///
/// # Safety
/// `producer` is NULL or an open producer; `messages` points to `count` slices, and each of them to its bytes, which nobody
/// writes in the meantime.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_send_batch(
    producer: *mut dmxp_producer,
    messages: *const dmxp_slice,
    count: usize,
    timeout_ns: i64,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        // SAFETY: the caller's promise.
        let messages = unsafe { argument::array(messages, count, "messages") }?;
        // SAFETY: the caller's promise.
        unsafe { producer.send(messages, count, argument::wait(timeout_ns)) }?;
        Ok(())
    })
}

/// Copies as many of `count` messages into the channel as there is room for, from the first on, waiting at most `timeout_ns`
/// for room for one. They become visible at once. The number is written to `sent`.
///
/// Answers as dmxp_producer_send_batch, but never DMXP_BATCH_TOO_LARGE.
///
/// # Safety
/// As for dmxp_producer_send_batch; `sent` points to a place for the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_send_up_to(
    producer: *mut dmxp_producer,
    messages: *const dmxp_slice,
    count: usize,
    timeout_ns: i64,
    sent: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let sent = unsafe { argument::result(sent, 0, "sent") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        // SAFETY: the caller's promise.
        let messages = unsafe { argument::array(messages, count, "messages") }?;
        let most = count.min(producer.shared.largest_batch());
        if most > 0 {
            // SAFETY: the caller's promise.
            *sent = unsafe { producer.send(&messages[..most], 1, argument::wait(timeout_ns)) }?;
        }
        Ok(())
    })
}

/// Claims a slot for a message of `len` bytes, to be written in place, waiting at most `timeout_ns` for a free one. The bytes
/// start as zeros. Finish the claim with dmxp_producer_publish or dmxp_producer_abort; a producer holds at most eight,
/// for all its threads together.
///
/// Messages that others send after this claim are not received before it is finished.
///
/// Answers as dmxp_producer_send, and DMXP_TOO_MANY_CLAIMS, DMXP_WOULD_DEADLOCK.
///
/// # Safety
/// `producer` is NULL or an open producer; `claim` points to a place for the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_claim(
    producer: *mut dmxp_producer,
    len: usize,
    timeout_ns: i64,
    claim: *mut dmxp_claim,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(claim, dmxp_claim::NONE, "claim") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        producer.shared.check_length(len)?;
        let wait = argument::wait(timeout_ns);
        let (token, lent) = producer.shared.claim(len, wait, &mut Hooks)?;
        *out = dmxp_claim {
            token: token.into(),
            ..dmxp_claim::of(lent)
        };
        Ok(())
    })
}

/// Makes a claimed message of `claim->len` bytes visible, and empties `claim`.
///
/// Answers DMXP_STALE for a claim that is finished or another producer's; DMXP_INVALID_ARGUMENT for a length that is not
/// possible and, on a typed channel, for a message that is not valid: the claim stays then.
///
/// # Safety
/// `producer` is NULL or an open producer; `claim` is NULL or points to a claim that was filled by dmxp_producer_claim or to
/// zeros. Nobody writes the claimed bytes any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_publish(producer: *mut dmxp_producer, claim: *mut dmxp_claim) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let claim = unsafe { argument::changed(claim, "claim") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        let (len, token) = (claim.len, claim.token.get());
        producer.shared.publish(token, |_| Ok::<_, Failure>(|_| Some(len)))?;
        *claim = dmxp_claim::NONE;
        Ok(())
    })
}

/// Gives a claim up, and empties `claim`: consumers never see the message. Answers DMXP_STALE for a claim that is finished or
/// another producer's.
///
/// # Safety
/// As for dmxp_producer_publish.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_abort(producer: *mut dmxp_producer, claim: *mut dmxp_claim) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let claim = unsafe { argument::changed(claim, "claim") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        producer.shared.abort(claim.token.get())?;
        *claim = dmxp_claim::NONE;
        Ok(())
    })
}

/// Claims slots for `count` messages of `len` bytes, to be written in place, waiting at most `timeout_ns` until all are free.
/// The bytes start as zeros. Each of `claims` says where its message goes; they are finished together, with
/// dmxp_producer_publish_batch or dmxp_producer_abort_batch, and not one by one.
///
/// Answers as dmxp_producer_claim, and DMXP_BATCH_TOO_LARGE.
///
/// # Safety
/// `producer` is NULL or an open producer; `claims` points to places for `count` results, `batch` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_claim_batch(
    producer: *mut dmxp_producer,
    count: usize,
    len: usize,
    timeout_ns: i64,
    claims: *mut dmxp_claim,
    batch: *mut dmxp_batch,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let batch = unsafe { argument::result(batch, dmxp_batch::default(), "batch") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        if claims.is_null() {
            return Err(Failure::invalid("`claims` is NULL"));
        }
        producer.shared.check_length(len)?;
        let (wait, claims) = (argument::wait(timeout_ns), Address::of(claims));
        let give = |index, lent| {
            let place = claims.get().wrapping_add(index);
            // SAFETY: not NULL; `index` is less than `count`, and the caller promises `count` places.
            unsafe { place.write(dmxp_claim::of(lent)) };
        };
        let claimed = producer.shared.claim_batch(count, len, wait, &mut Hooks, give)?;
        let token = claimed.into();
        *batch = dmxp_batch { count, token };
        Ok(())
    })
}

/// Makes all messages of a batch visible at once, each of `claims[i].len` bytes, and empties `batch`. `claims` may be NULL if
/// all have the length they were claimed with.
///
/// Answers as dmxp_producer_publish.
///
/// # Safety
/// `producer` is NULL or an open producer; `batch` is NULL or points to a batch that was filled by dmxp_producer_claim_batch or
/// to zeros; `claims` is NULL or points to the claims that were filled with it. Nobody writes the claimed bytes any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_publish_batch(
    producer: *mut dmxp_producer,
    claims: *const dmxp_claim,
    batch: *mut dmxp_batch,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let batch = unsafe { argument::changed(batch, "batch") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        producer.shared.publish(batch.token.get(), |count| {
            let claims = match claims.is_null() {
                true => &[][..],
                // The count is the library's own: what C has in `batch` may have been changed.
                // SAFETY: the caller's promise.
                false => unsafe { argument::array(claims, count, "claims") }?,
            };
            let len = |index: usize| claims.get(index).map(|claim: &dmxp_claim| claim.len);
            Ok::<_, Failure>(len)
        })?;
        *batch = dmxp_batch::default();
        Ok(())
    })
}

/// Gives a batch up, and empties `batch`: consumers never see its messages. Answers DMXP_STALE for a batch that is finished or
/// another producer's.
///
/// # Safety
/// `producer` is NULL or an open producer; `batch` is NULL or points to a batch that was filled by dmxp_producer_claim_batch or
/// to zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_abort_batch(producer: *mut dmxp_producer, batch: *mut dmxp_batch) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let batch = unsafe { argument::changed(batch, "batch") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        producer.shared.abort(batch.token.get())?;
        *batch = dmxp_batch::default();
        Ok(())
    })
}

/// The application's number in the metadata of the messages that follow, on untyped channels; on typed ones it is the schema's,
/// and this answers DMXP_INVALID_ARGUMENT.
///
/// # Safety
/// `producer` is NULL or an open producer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_set_message_type(producer: *mut dmxp_producer, message_type: u32) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        if producer.shared.message_size().is_some() {
            return Err(Failure::invalid(
                "the channel is typed: its schema decides the message type",
            ));
        }
        Ok(producer.shared.set_message_type(message_type)?)
    })
}

/// The producer's channel.
///
/// # Safety
/// `producer` is NULL or an open producer; `out` points to a place for the result, which begins with its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_get_info(producer: *mut dmxp_producer, out: *mut dmxp_handle_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        let len = producer.shared.with(|producer| Ok(producer.len()))?;
        out.put(handle_info(&producer.shared, len, 0));
        Ok(())
    })
}

/// Ends the stream: sending fails with DMXP_CLOSED from now on, consumers drain what is there and then get DMXP_CLOSED. The
/// next producer that is opened reopens it. The handle is still to be destroyed.
///
/// # Safety
/// `producer` is NULL or an open producer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_close(producer: *mut dmxp_producer) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        Ok(producer.shared.with(Producer::close)?)
    })
}

/// Gives a producer back; NULL is allowed. Its unfinished claims are aborted, and their memory must not be touched any more.
/// This does not end the stream: channels outlive processes.
///
/// # Safety
/// Nobody uses the producer any more. One that was destroyed before answers DMXP_STALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_destroy(producer: *mut dmxp_producer) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        if !producer.is_null() && unsafe { argument::referred(producer, "producer") }?.belongs {
            return Err(Failure::invalid(
                "this producer of urgent messages belongs to another, and goes with it: destroy that",
            ));
        }
        drop(handle::take(producer, "producer")?);
        Ok(())
    })
}

const _: () = assert!(size_of::<dmxp_slice>() == 16);
const _: () = assert!(size_of::<dmxp_claim>() == 40);
const _: () = assert!(size_of::<dmxp_batch>() == 24);

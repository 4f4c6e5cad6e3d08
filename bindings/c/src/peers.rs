//! The handles on the other side of a channel: how many live, waiting for them, and the streams that producers begin.

use crate::argument;
use crate::consumer::dmxp_consumer;
use crate::producer::dmxp_producer;
use crate::shared::Hooks;
use crate::status::{Result, answer};
use dmxp::raw::{End, Shared};

/// What was sent by producers that came one after the other without a moment between them in which there was none.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dmxp_stream_info {
    /// sizeof(dmxp_stream_info), set by the program.
    pub struct_size: usize,
    /// The id that this stream's first message has, or will have; 1 in the first stream, 0 before it.
    pub first_message: u64,
    /// How many streams the channel has had, this one included: 0 before the first producer. It grows by one when a producer comes to a
    /// channel that has none, or that was closed.
    pub number: u32,
    /// Zero.
    pub reserved: u32,
}

argument::growing!(dmxp_stream_info);
const _: () = assert!(size_of::<dmxp_stream_info>() == 24);

/// # Safety
/// As dmxp_producer_consumers.
unsafe fn peers<H: End>(handle: &Shared<H>, pids: *mut u32, max: usize, count: *mut usize) -> Result<()> {
    // SAFETY: the caller's promise.
    let count = unsafe { argument::result(count, 0, "count") }?;
    let found = handle.peers()?;
    // SAFETY: the caller's promise.
    unsafe { argument::put_all(found.into_iter(), pids, max, count, "pids") }
}

/// # Safety
/// As dmxp_producer_wait_for_consumers.
unsafe fn wait_for_peers<H: End>(handle: &Shared<H>, count: usize, timeout_ns: i64, found: *mut usize) -> Result<()> {
    let mut unasked = 0;
    let found = if found.is_null() { &raw mut unasked } else { found };
    // SAFETY: the caller's promise, or a place of this call.
    let found = unsafe { argument::result(found, 0, "found") }?;
    *found = handle.wait_for_peers(count, argument::wait(timeout_ns), &mut Hooks)?;
    Ok(())
}

/// # Safety
/// As dmxp_producer_stream.
unsafe fn stream<H: End>(handle: &Shared<H>, out: *mut dmxp_stream_info) -> Result<()> {
    // SAFETY: the caller's promise.
    let mut out = unsafe { argument::place(out, "out") }?;
    let stream = handle.stream()?;
    out.put(dmxp_stream_info {
        struct_size: size_of::<dmxp_stream_info>(),
        first_message: stream.first_message,
        number: stream.number,
        reserved: 0,
    });
    Ok(())
}

/// Tells how many consumers the channel has: live handles, of any process. At most `max` of their process ids, one for each handle, are
/// written to `pids`, which may be NULL if `max` is 0, and how many consumers there are in all to `count`.
///
/// Answers DMXP_REMOVED, DMXP_FORKED, DMXP_EVICTED.
///
/// # Safety
/// `producer` is NULL or an open producer; `pids` points to places for `max` numbers; `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_consumers(
    producer: *mut dmxp_producer,
    pids: *mut u32,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        // SAFETY: the caller's promise.
        unsafe { peers(&producer.shared, pids, max, count) }
    })
}

/// Tells how many producers the channel has, as dmxp_producer_consumers does of consumers.
///
/// # Safety
/// `consumer` is NULL or an open consumer; the rest as for dmxp_producer_consumers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_producers(
    consumer: *mut dmxp_consumer,
    pids: *mut u32,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        // SAFETY: the caller's promise.
        unsafe { peers(&consumer.shared, pids, max, count) }
    })
}

/// Waits at most `timeout_ns` until the channel has at least `count` consumers. How many it has is written to `found`, which may be NULL.
/// The call sleeps meanwhile, and is woken when one comes.
///
/// Answers DMXP_TIMEOUT, with DMXP_NO_WAIT at once, and as dmxp_producer_consumers.
///
/// # Safety
/// `producer` is NULL or an open producer; `found` is NULL or points to a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_wait_for_consumers(
    producer: *mut dmxp_producer,
    count: usize,
    timeout_ns: i64,
    found: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        // SAFETY: the caller's promise.
        unsafe { wait_for_peers(&producer.shared, count, timeout_ns, found) }
    })
}

/// Waits until the channel has at least `count` producers, as dmxp_producer_wait_for_consumers does for consumers.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `found` is NULL or points to a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_wait_for_producers(
    consumer: *mut dmxp_consumer,
    count: usize,
    timeout_ns: i64,
    found: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        // SAFETY: the caller's promise.
        unsafe { wait_for_peers(&consumer.shared, count, timeout_ns, found) }
    })
}

/// Tells of the channel's newest stream. A producer that comes to a channel without producers, or to one that was closed, begins a stream;
/// one that comes while another lives continues it.
///
/// Answers DMXP_FORKED, DMXP_EVICTED.
///
/// # Safety
/// `producer` is NULL or an open producer; `out` points to a place for the result, of the size that it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_producer_stream(producer: *mut dmxp_producer, out: *mut dmxp_stream_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let producer = unsafe { argument::referred(producer, "producer") }?;
        // SAFETY: the caller's promise.
        unsafe { stream(&producer.shared, out) }
    })
}

/// Tells of the channel's newest stream, as dmxp_producer_stream does: a consumer that remembers the number tells a stream that was begun
/// anew from one that goes on, and messages with ids below `first_message` are of streams before.
///
/// # Safety
/// `consumer` is NULL or an open consumer; `out` points to a place for the result, of the size that it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_consumer_stream(consumer: *mut dmxp_consumer, out: *mut dmxp_stream_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let consumer = unsafe { argument::referred(consumer, "consumer") }?;
        // SAFETY: the caller's promise.
        unsafe { stream(&consumer.shared, out) }
    })
}

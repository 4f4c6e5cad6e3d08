//! The messages on a channel, without consuming any.

use crate::argument;
use crate::channel::{delivery, name_field};
use crate::consumer::dmxp_metadata;
use crate::handle;
use crate::region::dmxp_region;
use crate::status::{Failure, Result, answer};
use dmxp::{MessageState, Peek, PeekFrom, PeekOptions, Peeked};
use std::ffi::{CString, c_char, c_void};
use std::ptr;

/// Where dmxp_region_peek begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_peek_from {
    /// With the oldest message that is there. On a queue of more than 65,536 slots, no further before the ones that no consumer has
    /// claimed than that.
    DMXP_PEEK_OLDEST = 1,
    /// With the newest, going back: the last messages, as many as the limit says.
    DMXP_PEEK_NEWEST = 2,
    /// At `position`: the `next` of an earlier call, or the id of a message less one. What lies before it is left out, and so are urgent
    /// messages, whose ring has positions of its own: look at that by its id, the `high_id` of the channel.
    DMXP_PEEK_POSITION = 3,
}

/// What becomes of a message that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum dmxp_message_state {
    /// It is there: on a queue, no consumer has claimed it; on a broadcast or latest channel, it was not overwritten, whoever has read
    /// it.
    DMXP_MESSAGE_WAITING = 1,
    /// A consumer that died or gave it back had it; it is delivered again to whoever comes first.
    DMXP_MESSAGE_RETURNED = 2,
    /// A consumer of the queue has claimed it and not released it; or died with it, which the next waiter will notice.
    DMXP_MESSAGE_CLAIMED = 3,
    /// It is older than the channel allows: the next consumer skips it.
    DMXP_MESSAGE_EXPIRED = 4,
    /// What a later version may add.
    DMXP_MESSAGE_OTHER = 5,
}

/// Which messages to look at. Begin with DMXP_PEEK_OPTIONS_INIT, which asks for up to 100 messages from the oldest on.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_peek_options {
    /// sizeof(dmxp_peek_options).
    pub struct_size: usize,
    /// Where to begin if `from` is DMXP_PEEK_POSITION, and 0 otherwise.
    pub position: u64,
    /// A dmxp_peek_from; 0 is DMXP_PEEK_OLDEST.
    pub from: u32,
    /// Most messages to copy; 0 is 100.
    pub limit: u32,
}

/// What was found on a channel, as dmxp_region_peek makes it. Whatever threads do with it, it does not change.
#[derive(Debug)]
pub struct dmxp_peek {
    peek: Peek,
    schema: CString,
}

handle::handle!(dmxp_peek, 6, "dmxp_region_peek or dmxp_region_peek_named");

/// What was found on a channel, in numbers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_peek_info {
    /// sizeof(dmxp_peek_info), set by the program.
    pub struct_size: usize,
    /// Where to go on, as `position` of DMXP_PEEK_POSITION, to see what is after these messages, also what is sent later: the position
    /// after the last that was looked at, or, before it, the first that was claimed and not yet published. Of the ring for messages
    /// that are not urgent.
    pub next: u64,
    /// Messages that are left out because a consumer released them, or a producer overwrote them, while they were copied.
    pub overwritten: u64,
    /// Messages found.
    pub messages: usize,
    /// The channel's number, 0 to 255.
    pub channel_id: u32,
    /// A dmxp_delivery.
    pub delivery: u32,
    /// The channel's name, NUL-terminated; empty if it has none.
    pub name: [c_char; 72],
}

/// A message that was looked at, and is still there.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dmxp_peeked {
    /// sizeof(dmxp_peeked), set by the program in the first of the places.
    pub struct_size: usize,
    /// A copy of the payload, valid until what dmxp_region_peek found is given back; of any alignment. All that the slot holds where the
    /// sender says a length that no slot has.
    pub data: *const c_void,
    /// Bytes of it.
    pub len: usize,
    /// Its position in its ring.
    pub position: u64,
    /// A dmxp_message_state.
    pub state: u32,
    /// 1: it lies in the ring for urgent messages.
    pub urgent: u8,
    /// 1: a consumer would accept these bytes. Their length is possible, and that of the channel's type, and on a channel with checksums
    /// theirs is right.
    pub intact: u8,
    /// Zeros.
    pub reserved: [u8; 2],
    /// What comes with it. `redelivered` says how often it was delivered, and returned, before the delivery that is to come or goes on.
    pub metadata: dmxp_metadata,
}

fn peeked(message: &Peeked) -> dmxp_peeked {
    dmxp_peeked {
        struct_size: size_of::<dmxp_peeked>(),
        data: message.bytes.as_ptr().cast::<c_void>(),
        len: message.bytes.len(),
        position: message.position,
        state: match message.state {
            MessageState::Waiting => dmxp_message_state::DMXP_MESSAGE_WAITING,
            MessageState::Returned => dmxp_message_state::DMXP_MESSAGE_RETURNED,
            MessageState::Claimed => dmxp_message_state::DMXP_MESSAGE_CLAIMED,
            MessageState::Expired => dmxp_message_state::DMXP_MESSAGE_EXPIRED,
            _ => dmxp_message_state::DMXP_MESSAGE_OTHER,
        } as u32,
        urgent: message.urgent.into(),
        intact: message.intact.into(),
        reserved: [0; 2],
        metadata: message.metadata.into(),
    }
}

/// # Safety
/// `options` is NULL or points to options.
unsafe fn read(options: *const dmxp_peek_options) -> Result<PeekOptions> {
    if options.is_null() {
        return Ok(PeekOptions::new());
    }
    // SAFETY: the caller's promise.
    let options = unsafe { argument::given(options, "options") }?;
    let from = match options.from {
        0 => PeekFrom::Oldest,
        from if from == dmxp_peek_from::DMXP_PEEK_OLDEST as u32 => PeekFrom::Oldest,
        from if from == dmxp_peek_from::DMXP_PEEK_NEWEST as u32 => PeekFrom::Newest,
        from if from == dmxp_peek_from::DMXP_PEEK_POSITION as u32 => PeekFrom::Position(options.position),
        from => {
            return Err(Failure::invalid(format!(
                "dmxp_peek_options.from is {from}; give a dmxp_peek_from, 1 to 3, or 0"
            )));
        }
    };
    if options.position != 0 && !matches!(from, PeekFrom::Position(_)) {
        return Err(Failure::invalid(format!(
            "dmxp_peek_options.position is {}, and from is not DMXP_PEEK_POSITION",
            options.position
        )));
    }
    let defaults = PeekOptions::new().from(from);
    Ok(match options.limit {
        0 => defaults,
        limit => defaults.limit(limit as usize),
    })
}

/// Copies the messages that are on a channel, without consuming any: each is whole, and comes with metadata, position and state. `id` may be
/// that of a ring for urgent messages; of a channel with priorities, urgent messages come first. `options` may be NULL. What is found is in
/// `out`, and given back with dmxp_peek_destroy. Changes nothing, waits for nobody, and works on a region opened read-only. What a call
/// does is bounded by the limit, and by 131,072 slots looked at in each ring. Answers DMXP_CHANNEL_NOT_FOUND if there is no such
/// channel.
///
/// # Safety
/// `region` is NULL or an open region; `options` is NULL or points to options; `out` points to a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_region_peek(
    region: *const dmxp_region,
    id: u32,
    options: *const dmxp_peek_options,
    out: *mut *mut dmxp_peek,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { argument::result(out, ptr::null_mut(), "out") }?;
        // SAFETY: the caller's promise.
        let region = unsafe { argument::referred(region, "region") }?.region();
        // SAFETY: the caller's promise.
        let peek = region.peek(id, unsafe { read(options) }?)?;
        let schema = peek.schema.as_ref().map(ToString::to_string).unwrap_or_default();
        let schema = CString::new(schema).unwrap_or_default();
        *out = handle::give(dmxp_peek { peek, schema })?;
        Ok(())
    })
}

/// What was found, in numbers.
///
/// # Safety
/// `peek` is NULL or came from dmxp_region_peek; `out` points to a place for the result, which says its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_peek_get_info(peek: *const dmxp_peek, out: *mut dmxp_peek_info) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let mut out = unsafe { argument::place(out, "out") }?;
        // SAFETY: the caller's promise.
        let peek = &unsafe { argument::referred(peek, "peek") }?.peek;
        out.put(dmxp_peek_info {
            struct_size: size_of::<dmxp_peek_info>(),
            next: peek.next,
            overwritten: peek.overwritten,
            messages: peek.messages.len(),
            channel_id: peek.channel,
            delivery: delivery(peek.delivery) as u32,
            name: name_field(peek.name.as_deref()),
        });
        Ok(())
    })
}

/// The schema of the channel as one line of text, with which the bytes can be decoded; empty on an untyped channel, NULL if `peek` is NULL.
/// Valid until `peek` is given back.
///
/// # Safety
/// `peek` is NULL or came from dmxp_region_peek.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_peek_schema(peek: *const dmxp_peek) -> *const c_char {
    handle::find(peek, "peek").map_or(ptr::null(), |peek| peek.schema.as_ptr())
}

/// Lists the messages that were found, by position, urgent ones before all others: writes the first `max` to `messages` and how many there are
/// in all to `count`. `messages` may be NULL if `max` is 0.
///
/// # Safety
/// `peek` is NULL or came from dmxp_region_peek; `messages` points to places for `max` results, the first of which says the size of each, `count` to a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_peek_list_messages(
    peek: *const dmxp_peek,
    messages: *mut dmxp_peeked,
    max: usize,
    count: *mut usize,
) -> i32 {
    answer(|| {
        // SAFETY: the caller's promise.
        let count = unsafe { argument::result(count, 0, "count") }?;
        // SAFETY: the caller's promise.
        let found = &unsafe { argument::referred(peek, "peek") }?.peek.messages;
        // SAFETY: the caller's promise.
        unsafe { argument::put_all_growing(found.iter().map(peeked), messages, max, count, "messages") }
    })
}

/// Gives back what was found; NULL is allowed.
///
/// # Safety
/// `peek` is NULL, or came from dmxp_region_peek and was not given back before; nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmxp_peek_destroy(peek: *mut dmxp_peek) -> i32 {
    answer(|| {
        drop(handle::take(peek, "peek")?);
        Ok(())
    })
}

argument::growing!(dmxp_peek_options, dmxp_peek_info, dmxp_peeked);
const _: () = assert!(size_of::<dmxp_peek_options>() == 24);
const _: () = assert!(size_of::<dmxp_peek_info>() == 112);
const _: () = assert!(size_of::<dmxp_peeked>() == 88);

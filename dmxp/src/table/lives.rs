//! Which handles of a channel live, and the streams that its producers begin.
//!
//! A handle lives while its record says so, its process's record is the one that it was registered under, and the process holds its lock
//! byte. Of a death that nobody has proven yet the byte tells; once it is proven, the process's record does.

use crate::layout::{ChannelRecord, HandleRecord, ROLE_PRODUCER};
use crate::liveness::RecordState;
use crate::region::{Attachment, Mapping};
use crate::sync::{Ordering, fence};
use crate::table::holders::is_of;
use crate::table::properties::Properties;

/// Times that a reader tries again while a producer is being entered.
const RETRIES: usize = 64;

/// What was sent by producers that came one after the other without a moment between them in which there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// How many streams the channel has had, this one included: 0 before the first producer. It grows by one when a producer comes to a
    /// channel that has none, or that was closed.
    pub number: u32,
    /// The id that this stream's first message has, or will have; 1 in the first stream, 0 before it.
    pub first_message: u64,
}

/// A handle of the channel that its record says lives, and whose process is not proven dead: its place, its state, its process.
fn living<'a>(
    mapping: &'a Mapping,
    properties: &'a Properties,
    role: u32,
) -> impl Iterator<Item = (u32, u64, u32)> + 'a {
    (0..mapping.plan().handles).filter_map(move |index| {
        let record = mapping.handle(index);
        let state = record.state.load(Ordering::Acquire);
        lives(mapping, properties, role, record, state).map(|process| (index, state, process))
    })
}

/// The process of a handle record with that state, if it is of the channel and the role, and not known to be dead.
///
/// The state was loaded with acquire: that pairs with open::register for the fields, and with the process that freed the record, whose
/// messages come before that.
fn lives(mapping: &Mapping, properties: &Properties, role: u32, record: &HandleRecord, state: u64) -> Option<u32> {
    if !matches!(RecordState::decode(state), RecordState::Live { .. })
        || !is_of(record, properties)
        || record.role.load(Ordering::Relaxed) != role
    {
        return None;
    }
    let process = record.process.load(Ordering::Relaxed);
    let registered = record.process_generation.load(Ordering::Relaxed);
    // A record that changed hands meanwhile may have been read half for one channel and half for another. Pairs with the fence in
    // open::register.
    fence(Ordering::Acquire);
    if record.state.load(Ordering::Relaxed) != state || process >= mapping.plan().processes {
        return None;
    }
    // Acquire: pairs with declare_dead, with which comes all that the dead process did, and with the process that freed the record.
    (mapping.process(process).state.load(Ordering::Acquire) == registered).then_some(process)
}

/// The process ids of the handles of that role that live, one for each handle.
pub(crate) fn processes(attachment: &Attachment, properties: &Properties, role: u32) -> Vec<u32> {
    let mapping = attachment.mapping();
    // Each process is asked for once.
    let mut known: Vec<(u32, bool)> = Vec::new();
    let mut is_alive = |process: u32| match known.iter().find(|(index, _)| *index == process) {
        Some(&(_, alive)) => alive,
        None => {
            let alive = attachment.holds_byte(process);
            known.push((process, alive));
            alive
        }
    };
    living(mapping, properties, role)
        .filter(|&(_, _, process)| is_alive(process))
        .map(|(_, _, process)| mapping.process(process).pid.load(Ordering::Relaxed))
        .collect()
}

/// Whether a producer lives beside that at `index`. Under the management lock.
pub(crate) fn other_producer(attachment: &Attachment, properties: &Properties, index: u32) -> bool {
    living(attachment.mapping(), properties, ROLE_PRODUCER)
        .any(|(other, _, process)| other != index && attachment.holds_byte(process))
}

/// A producer that is not proven dead: its place and its state.
pub(crate) fn some_producer(mapping: &Mapping, properties: &Properties) -> Option<(u32, u64)> {
    living(mapping, properties, ROLE_PRODUCER)
        .map(|(index, state, _)| (index, state))
        .next()
}

/// Whether the producer with that place and state is still not proven dead.
pub(crate) fn is_there(mapping: &Mapping, properties: &Properties, (index, state): (u32, u64)) -> bool {
    if index >= mapping.plan().handles {
        return false;
    }
    let record = mapping.handle(index);
    record.state.load(Ordering::Acquire) == state && lives(mapping, properties, ROLE_PRODUCER, record, state).is_some()
}

/// Notes a producer whose record says that it lives; `begins`: the tail at which it begins a stream. Under the management lock.
pub(crate) fn enter_producer(record: &ChannelRecord, begins: Option<u64>) {
    // Odd, whatever a process that died here left. Relaxed here and below: the lock orders writers.
    let arrivals = record.arrivals.load(Ordering::Relaxed) | 1;
    record.arrivals.store(arrivals, Ordering::Relaxed);
    if let Some(tail) = begins {
        // Release: a reader that finds one of these two finds the number odd; pairs with the fence in `stream`.
        record.stream_start.store(tail, Ordering::Release);
        let streams = record.streams.load(Ordering::Relaxed).wrapping_add(1).max(1);
        record.streams.store(streams, Ordering::Release);
    }
    // Release: pairs with the acquires in `stream` and Producers::have_gone. A consumer that finds this number finds the producer's
    // record, and one that finds that this producer has gone finds this number.
    record
        .arrivals
        .store(arrivals.wrapping_add(1).max(2), Ordering::Release);
}

/// The newest stream.
pub(crate) fn stream(record: &ChannelRecord) -> StreamInfo {
    let mut info = StreamInfo::default();
    for _ in 0..RETRIES {
        // Acquire: pairs with the last store in `enter_producer`.
        let arrivals = record.arrivals.load(Ordering::Acquire);
        let number = record.streams.load(Ordering::Acquire);
        let start = record.stream_start.load(Ordering::Acquire);
        let first_message = if number == 0 { 0 } else { start.wrapping_add(1) };
        info = StreamInfo { number, first_message };
        fence(Ordering::Acquire);
        if arrivals.is_multiple_of(2) && record.arrivals.load(Ordering::Relaxed) == arrivals {
            break;
        }
        std::thread::yield_now();
    }
    // A producer that died as it was being entered leaves the number odd until the next one comes: these are its numbers then.
    info
}

//! The processes that hold a channel open, as its handle records have them.

use crate::layout::{HandleRecord, MAX_CHANNELS, SUBSCRIPTION_LOSSY, SUBSCRIPTION_RELIABLE};
use crate::liveness::{self, HolderState, RecordState};
use crate::region::{Attachment, Mapping};
use crate::sync::Ordering;
use crate::table::delivery::Subscription;
use crate::table::properties::Properties;
use core::cell::RefCell;
use std::collections::BTreeMap;

/// A process that holds a channel open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HolderInfo {
    /// Its process.
    pub pid: u32,
    /// The thread that opened the handle.
    pub thread: u32,
    /// When it was opened, nanoseconds since the Unix epoch.
    pub opened_ns: u64,
    /// Whether it runs, as far as this process can see.
    pub state: HolderState,
    /// How a consumer of a broadcast channel subscribes.
    pub subscription: Option<Subscription>,
    /// The position from which on a reliable subscriber needs messages.
    pub position: Option<u64>,
}

impl core::fmt::Display for HolderInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let state = match self.state {
            HolderState::Running | HolderState::Unknown => "",
            HolderState::Stopped => " (stopped)",
            HolderState::Dead => " (dead)",
        };
        write!(f, "{}{state}", self.pid)
    }
}

/// How the processes of a region are, each asked about once: with many handles, that is most of what listing them costs.
pub(crate) struct Owners<'a> {
    attachment: &'a Attachment,
    /// By index of the process record and the state word under which a handle was registered.
    known: RefCell<BTreeMap<(u32, u64), (u32, HolderState)>>,
}

impl<'a> Owners<'a> {
    pub(crate) fn new(attachment: &'a Attachment) -> Self {
        Self {
            attachment,
            known: RefCell::default(),
        }
    }

    /// The owner of a handle record. Relaxed: for info only; the caller has acquired the record's state, the process's is acquired
    /// here. A record that changes hands meanwhile may be taken for its next owner's.
    pub(crate) fn of(&self, record: &HandleRecord) -> HolderInfo {
        let index = record.process.load(Ordering::Relaxed);
        let registered_under = record.process_generation.load(Ordering::Relaxed);
        let mut known = self.known.borrow_mut();
        let (pid, state) = *known
            .entry((index, registered_under))
            .or_insert_with(|| self.look(index, registered_under));
        let subscription = subscription_of(record);
        HolderInfo {
            pid,
            thread: record.thread.load(Ordering::Relaxed),
            opened_ns: record.opened_ns.load(Ordering::Relaxed),
            state,
            subscription,
            position: (subscription == Some(Subscription::Reliable)).then(|| record.cursor.load(Ordering::Relaxed)),
        }
    }

    fn look(&self, index: u32, registered_under: u64) -> (u32, HolderState) {
        let mapping = self.attachment.mapping();
        if index >= mapping.plan().processes {
            return (0, HolderState::Dead);
        }
        let process = mapping.process(index);
        let pid = process.pid.load(Ordering::Relaxed);
        let registered = process.state.load(Ordering::Acquire) == registered_under;
        if registered && self.attachment.holds_byte(index) {
            (pid, liveness::state_of(pid, process.start_time.load(Ordering::Relaxed)))
        } else {
            (pid, HolderState::Dead)
        }
    }
}

/// How a handle subscribes; `None` where it does not. Relaxed: for info only.
pub(crate) fn subscription_of(record: &HandleRecord) -> Option<Subscription> {
    match record.subscription.load(Ordering::Relaxed) {
        SUBSCRIPTION_RELIABLE => Some(Subscription::Reliable),
        SUBSCRIPTION_LOSSY => Some(Subscription::Lossy),
        _ => None,
    }
}

/// The handle records by the channel that they name, so that what asks for all channels reads the table once.
pub(crate) struct HandlesByChannel {
    /// `next_generation` of the control area before they were read: while it stays, no record is taken for another channel.
    generation: u64,
    indices: Vec<Vec<u32>>,
}

impl HandlesByChannel {
    pub(crate) fn read(mapping: &Mapping) -> Self {
        // Acquire: before what follows.
        let generation = mapping.control().next_generation.load(Ordering::Acquire);
        let mut indices = vec![Vec::new(); MAX_CHANNELS as usize];
        for index in 0..mapping.plan().handles {
            let record = mapping.handle(index);
            // Acquire: pairs with open::register, for the channel's id. Free records that were never taken name none.
            let is_taken = record.state.load(Ordering::Acquire) != RecordState::FREE;
            let channel = record.channel_id.load(Ordering::Relaxed) as usize;
            if let Some(of_channel) = indices.get_mut(channel)
                && (is_taken || record.channel_generation.load(Ordering::Relaxed) != 0)
            {
                of_channel.push(index);
            }
        }
        Self { generation, indices }
    }

    /// The records that name the channel, and perhaps some that do not any more; read anew if others may have come.
    pub(crate) fn of(&mut self, mapping: &Mapping, channel: u32) -> &[u32] {
        if mapping.control().next_generation.load(Ordering::Acquire) != self.generation {
            *self = Self::read(mapping);
        }
        self.indices.get(channel as usize).map_or(&[], Vec::as_slice)
    }
}

/// Those of these handle records that hold the channel open, dead ones that were not yet swept included.
pub(crate) fn open_among<'a>(
    mapping: &'a Mapping,
    properties: &'a Properties,
    indices: impl IntoIterator<Item = u32> + 'a,
) -> impl Iterator<Item = &'a HandleRecord> + 'a {
    indices
        .into_iter()
        .map(|index| mapping.handle(index))
        .filter(move |record| {
            // Acquire: pairs with open::register for the fields, and with the process that freed the record. Under the management lock no
            // record gets a new owner, and the answer is exact but for handles that are closed meanwhile.
            RecordState::decode(record.state.load(Ordering::Acquire)) != RecordState::Free && is_of(record, properties)
        })
}

/// The handle records that hold the channel open, dead ones that were not yet swept included.
pub(crate) fn open_handles<'a>(
    mapping: &'a Mapping,
    properties: &'a Properties,
) -> impl Iterator<Item = &'a HandleRecord> + 'a {
    open_among(mapping, properties, 0..mapping.plan().handles)
}

/// The pid of a handle's owner, as its process record has it; 0 where there is none. Relaxed: as in [`Owners::of`].
pub(crate) fn pid_of(mapping: &Mapping, record: &HandleRecord) -> u32 {
    let index = record.process.load(Ordering::Relaxed);
    if index < mapping.plan().processes {
        mapping.process(index).pid.load(Ordering::Relaxed)
    } else {
        0
    }
}

/// Whether a handle record belongs to the channel. Relaxed: as in `recovery::sweep::owner_is_dead`; a caller that acts without a CAS of
/// the state looks at it once more.
pub(crate) fn is_of(record: &HandleRecord, properties: &Properties) -> bool {
    record.channel_id.load(Ordering::Relaxed) == properties.id
        && record.channel_generation.load(Ordering::Relaxed) == properties.generation
}

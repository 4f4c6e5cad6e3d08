//! The processes that hold a channel open, as its handle records have them.

use crate::layout::{HandleRecord, SUBSCRIPTION_LOSSY, SUBSCRIPTION_RELIABLE};
use crate::liveness::{self, HolderState, RecordState};
use crate::region::Attachment;
use crate::sync::Ordering;
use crate::table::delivery::Subscription;
use crate::table::properties::Properties;

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

impl HolderInfo {
    /// The owner of a handle record. Relaxed: for info only; the caller has acquired the record's state, the process's is acquired
    /// here. A record that changes hands meanwhile may be taken for its next owner's.
    pub(crate) fn of(attachment: &Attachment, record: &HandleRecord) -> Self {
        let mapping = attachment.mapping();
        let index = record.process.load(Ordering::Relaxed);
        let (mut pid, mut state) = (0, HolderState::Dead);
        if index < mapping.plan().processes {
            let process = mapping.process(index);
            pid = process.pid.load(Ordering::Relaxed);
            let registered = process.state.load(Ordering::Acquire) == record.process_generation.load(Ordering::Relaxed);
            if registered && attachment.holds_byte(index) {
                state = liveness::state_of(pid, process.start_time.load(Ordering::Relaxed));
            }
        }
        let subscription = subscription_of(record);
        Self {
            pid,
            thread: record.thread.load(Ordering::Relaxed),
            opened_ns: record.opened_ns.load(Ordering::Relaxed),
            state,
            subscription,
            position: (subscription == Some(Subscription::Reliable)).then(|| record.cursor.load(Ordering::Relaxed)),
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

/// A handle that holds a channel open.
pub(crate) struct Holder {
    pub(crate) role: u32,
    pub(crate) info: HolderInfo,
}

pub(crate) fn handles_of<'a>(
    attachment: &'a Attachment,
    properties: &'a Properties,
) -> impl Iterator<Item = Holder> + 'a {
    let mapping = attachment.mapping();
    (0..mapping.plan().handles)
        .map(|index| mapping.handle(index))
        .filter_map(move |record| {
            // Acquire: pairs with open::register for the fields, and with the process that freed the record. Under the management lock no
            // record gets a new owner, and the answer is exact but for handles that are closed meanwhile.
            let state = RecordState::decode(record.state.load(Ordering::Acquire));
            let here = state != RecordState::Free
                && record.channel_id.load(Ordering::Relaxed) == properties.id
                && record.channel_generation.load(Ordering::Relaxed) == properties.generation;
            here.then(|| Holder {
                role: record.role.load(Ordering::Relaxed),
                info: HolderInfo::of(attachment, record),
            })
        })
}

/// The holders of the channel, dead handles that were not yet swept included.
pub(crate) fn holders(attachment: &Attachment, properties: &Properties) -> Vec<HolderInfo> {
    handles_of(attachment, properties).map(|holder| holder.info).collect()
}

/// Whether a handle record belongs to the channel. Relaxed: as in `recovery::sweep::owner_is_dead`; a caller that acts without a CAS of
/// the state looks at it once more.
pub(crate) fn is_of(record: &HandleRecord, properties: &Properties) -> bool {
    record.channel_id.load(Ordering::Relaxed) == properties.id
        && record.channel_generation.load(Ordering::Relaxed) == properties.generation
}

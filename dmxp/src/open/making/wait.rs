//! Waiting for another call that makes the channel.

use crate::error::{Error, LockBusy, Result};
use crate::layout::{CHANNEL_MAKING, ChannelRecord};
use crate::liveness::{self, HolderState};
use crate::os::clock::instant;
use crate::os::thread::sleep;
use crate::region::Attachment;
use crate::sync::Ordering;
use crate::table::removal::maker_lives;
use std::time::Duration;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(5);
/// How long a maker may show no sign of life. One that runs shows some each few milliseconds.
const STANDSTILL: Duration = Duration::from_secs(10);

/// Waits until a ring is made, or its maker has failed or died. Without the lock.
///
/// # Errors
/// [`Error::ManagementLockBusy`] when the maker shows no sign of life for ten seconds; those of [`Attachment::check`].
pub(in crate::open) fn wait_for_maker(attachment: &Attachment, id: u32) -> Result<()> {
    let record = attachment.mapping().record(id);
    // Acquire, here and of the state: pairs with the release in take_record. Relaxed, the sign: that it changes is all it says.
    let generation = record.generation.load(Ordering::Acquire);
    let mut sign = record.created_ns.load(Ordering::Relaxed);
    let mut seen = instant();
    while record.state.load(Ordering::Acquire) == CHANNEL_MAKING
        && record.generation.load(Ordering::Acquire) == generation
        && maker_lives(attachment, record)
    {
        attachment.check()?;
        let now = record.created_ns.load(Ordering::Relaxed);
        if now != sign {
            (sign, seen) = (now, instant());
        } else if instant().saturating_duration_since(seen) > STANDSTILL {
            return Err(stands_still(attachment, record));
        }
        sleep(LOOK);
    }
    Ok(())
}

/// Relaxed, all loads: for the message only.
fn stands_still(attachment: &Attachment, record: &ChannelRecord) -> Error {
    let pid = record.creator_pid.load(Ordering::Relaxed);
    let index = u32::try_from(record.announced.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    let state = if index < attachment.mapping().plan().processes {
        let process = attachment.mapping().process(index);
        liveness::state_of(pid, process.start_time.load(Ordering::Relaxed))
    } else {
        HolderState::Unknown
    };
    Error::ManagementLockBusy {
        pid,
        reason: LockBusy::MakingChannel {
            stopped: state == HolderState::Stopped,
        },
    }
}

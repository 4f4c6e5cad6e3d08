//! Making a large ring without the management lock: to get memory for gigabytes takes seconds, in which others want to open, list and leave.
//!
//! The record is taken under the lock, with place, name and maker ([`Making::begin`]). Then memory is reserved and the slots are written without
//! the lock ([`Making::prepare`]), and under the lock again the ring becomes a channel's ([`create`](mod@super::create)). Whoever wants the same
//! channel waits for it ([`wait`]). What a dead maker leaves is freed by
//! [`purge_removed`](crate::table::removal::purge_removed).

pub(super) mod wait;

use crate::error::{Error, Result};
use crate::handle::counters;
use crate::layout::{CHANNEL_MAKING, ChannelRecord, MAX_CHANNELS, PAYLOAD_OFFSET, Slot, SlotShape};
use crate::open::request::Request;
use crate::region::{Attachment, Management, Mapping, expect_room, find_space, reserve_space};
use crate::ring::broadcast::untouched;
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::properties::{Properties, read_name};
use crate::table::rings::{RingId, RingName};
use core::mem::offset_of;

/// Bytes of ring that are made under the lock: some milliseconds.
const SMALL: u64 = 4 << 20;
/// Bytes that are reserved, and slots that are written, between two signs of life.
const PIECE: u64 = 16 << 20;
const SLOTS: u64 = 1 << 14;

/// What one ring takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) delivery: Delivery,
    pub(super) shape: SlotShape,
    pub(super) capacity: u64,
    pub(super) payload_offset: usize,
    /// With the schema.
    pub(super) len: u64,
}

impl Plan {
    pub(super) fn is_large(&self) -> bool {
        self.len > SMALL
    }

    /// Writes what a new ring's slots have to say. `pace` is called now and then, and ends it with its error.
    pub(super) fn write_slots(&self, mapping: &Mapping, ring: u64, mut pace: impl FnMut() -> Result<()>) -> Result<()> {
        const META: usize = offset_of!(Slot, meta);
        let nothing = &[0_u8; PAYLOAD_OFFSET - META][..self.payload_offset - META];
        // Packed slots have no words of their own, and what lies above the tail is never read.
        let slots_with_words = if self.shape.is_packed() { 0 } else { self.capacity };
        for position in 0..slots_with_words {
            if position % SLOTS == SLOTS - 1 {
                pace()?;
            }
            let slot = ring + self.shape.bytes(position);
            // Metadata of a removed channel must not be taken for this one's; payloads are never read before they are written.
            mapping
                .copy_in(slot + META as u64, nothing)
                .ok_or_else(|| Error::corrupt(format!("no ring space at {ring}")))?;
            // An atomic store: a thread that looks at blockages may still look at the channel that was here before.
            let sequence = match self.delivery {
                Delivery::Queue => position,
                Delivery::Broadcast | Delivery::Latest => untouched(position, self.capacity),
            };
            mapping.word(slot).store(sequence, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A ring that this call makes without the lock.
#[derive(Debug)]
pub(super) struct Unmade {
    channel: Option<String>,
    pub(super) ring: RingId,
    pub(super) plan: Plan,
    pub(super) offset: u64,
}

/// What one call has made so far: it is taken back if the call fails.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// Rings of channels.
    pub(super) made: Vec<Properties>,
    /// Rings that are no channel's yet.
    unmade: Vec<Unmade>,
}

/// Why an opening comes to no end under the lock.
pub(super) enum Halt {
    Failed(Error),
    /// What [`Making`] has as unmade is to be prepared.
    Unprepared,
    /// Another thread makes the channel: its record.
    InMaking(u32),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Making {
    /// The ring that was begun for the channel that `request` means.
    pub(super) fn unmade(&self, request: &Request, name: RingName) -> Option<&Unmade> {
        self.unmade
            .iter()
            .find(|unmade| unmade.channel == request.name && unmade.ring.name == name)
    }

    pub(super) fn is_own(&self, mapping: &Mapping, id: u32) -> bool {
        let generation = mapping.record(id).generation.load(Ordering::Relaxed);
        self.unmade
            .iter()
            .any(|unmade| (unmade.ring.id, unmade.ring.generation) == (id, generation))
    }

    /// Takes back what is there: rings of channels that nobody has open, and those that have become no channel's.
    pub(super) fn take_back(&mut self, management: &Management<'_>) {
        // The main ring first, as in Region::remove_channel.
        for properties in self.made.drain(..).rev() {
            crate::table::removal::free_if_unused(management, &properties);
        }
        self.discard_unmade(management);
    }

    /// Takes back the rings that have become no channel's.
    pub(super) fn discard_unmade(&mut self, management: &Management<'_>) {
        for unmade in self.unmade.drain(..) {
            let record = management.attachment.mapping().record(unmade.ring.id);
            // Relaxed, both: the lock orders them.
            if record.generation.load(Ordering::Relaxed) == unmade.ring.generation
                && record.state.load(Ordering::Relaxed) == CHANNEL_MAKING
            {
                crate::table::removal::free_record(management, unmade.ring.id);
            }
        }
    }

    /// Takes the place and the records of a channel's rings. With an error, what was taken is taken back by [`take_back`](Self::take_back).
    pub(super) fn begin(
        &mut self,
        management: &Management<'_>,
        request: &Request,
        rings: &[RingId],
        plan: Plan,
    ) -> Result<()> {
        for &ring in rings {
            let offset = find_space(management.attachment.mapping(), plan.len)?;
            take_record(management, request, ring, offset, plan.len)?;
            self.unmade.push(Unmade {
                channel: request.name.clone(),
                ring,
                plan,
                offset,
            });
        }
        Ok(())
    }

    /// Gets memory for the rings that were begun, and writes their slots. Without the lock.
    pub(super) fn prepare(&self, attachment: &Attachment) -> Result<()> {
        let mapping = attachment.mapping();
        for unmade in &self.unmade {
            let record = mapping.record(unmade.ring.id);
            let alive = || {
                attachment.check()?;
                // Relaxed: those that wait see it change.
                record.created_ns.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            expect_room(attachment.file()?, unmade.plan.len)?;
            for at in (0..unmade.plan.len).step_by(PIECE as usize) {
                alive()?;
                let len = PIECE.min(unmade.plan.len - at);
                reserve_space(attachment.file()?, unmade.offset + at, len).map_err(|error| match error {
                    Error::OutOfMemory { source, .. } => Error::OutOfMemory {
                        needed: unmade.plan.len,
                        source,
                    },
                    other => other,
                })?;
            }
            unmade.plan.write_slots(mapping, unmade.offset, alive)?;
        }
        Ok(())
    }

    /// Whether the rings of the channel that `request` means have been begun, as `plan` says.
    pub(super) fn has_begun(&self, request: &Request, plan: Plan) -> bool {
        let mut ours = self.unmade.iter().filter(|unmade| unmade.channel == request.name);
        ours.next()
            .is_some_and(|first| first.plan == plan && ours.all(|other| other.plan == plan))
    }

    /// They are a channel's now.
    pub(super) fn has_made(&mut self, request: &Request) {
        self.unmade.retain(|unmade| unmade.channel != request.name);
    }
}

/// Writes into a record that a ring is being made there, by this process.
fn take_record(management: &Management<'_>, request: &Request, ring: RingId, offset: u64, len: u64) -> Result<()> {
    let attachment = management.attachment;
    let registration = attachment.registration()?;
    management.begin_channel(ring.id);
    // Relaxed, all that follows: after the fence in begin_channel, and before the release below.
    let record = attachment.mapping().record(ring.id);
    record.generation.store(ring.generation, Ordering::Relaxed);
    record.flags.store(ring.name.flag(), Ordering::Relaxed);
    record.ring_offset.store(offset, Ordering::Relaxed);
    record.ring_len.store(len, Ordering::Relaxed);
    record.creator_pid.store(attachment.pid(), Ordering::Relaxed);
    record.created_ns.store(0, Ordering::Relaxed);
    // The maker. A broadcast channel has other things there, which begin with zeros: those are no process's state.
    record
        .announced
        .store(u64::from(registration.process), Ordering::Relaxed);
    record.verified.store(registration.state, Ordering::Relaxed);
    write_name(record, request.name.as_deref());
    counters::begin(record);
    // Programs that know only v1 see that the id is taken.
    let entry = attachment.mapping().entry(ring.id);
    entry.channel_id.store(ring.id, Ordering::Relaxed);
    // Release: a process that sees the state without the lock finds the maker.
    record.state.store(CHANNEL_MAKING, Ordering::Release);
    Ok(())
}

pub(super) fn write_name(record: &ChannelRecord, name: Option<&str>) {
    let bytes = name.unwrap_or_default().bytes().chain(core::iter::repeat(0));
    for (place, byte) in record.name.iter().zip(bytes) {
        place.store(byte, Ordering::Relaxed);
    }
}

/// The record of the channel that `request` means, while another call makes it.
pub(super) fn in_making(management: &Management<'_>, request: &Request, making: &Making) -> Option<u32> {
    let mapping = management.attachment.mapping();
    let is_meant = |id: u32| {
        let record = mapping.record(id);
        let has_name = || {
            let is_main = RingName::of_flags(record.flags.load(Ordering::Relaxed)) == RingName::Main;
            is_main && request.name.is_some() && read_name(record, id).is_ok_and(|name| name == request.name)
        };
        // Relaxed: the lock orders it.
        record.state.load(Ordering::Relaxed) == CHANNEL_MAKING
            && (request.id == Some(id) || has_name())
            && !making.is_own(mapping, id)
    };
    (0..MAX_CHANNELS).find(|&id| is_meant(id))
}

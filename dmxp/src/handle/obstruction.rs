//! The position that keeps one side of a channel from going on, and the notes that waiting handles leave of it.
//!
//! Only looks, so nothing is done for what it finds. The acquires are those of a handle that acts: cursors, then sequences, then
//! records with their cells, each as new as what led to it.

use crate::layout::{HandleRecord, ROLE_CONSUMER, ROLE_PRODUCER};
use crate::liveness::RecordState;
use crate::os::clock::coarse_clock;
use crate::region::Mapping;
use crate::ring::broadcast::is_unpublished;
use crate::ring::broadcast::mapped::look;
use crate::ring::broadcast::memory::Look;
use crate::ring::mapped::RingWords;
use crate::ring::memory::RingMemory;
use crate::ring::word::{Cell, MAX_BATCH, Phase, Standing, standing};
use crate::sync::{AtomicU64, Ordering};
use crate::table::delivery::Delivery;
use crate::table::holders::is_of;
use crate::table::properties::Properties;

/// Which end of a channel cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Consumers: the message that comes next was claimed and is not published.
    Consumers,
    /// Producers: the slot that comes next is occupied.
    Producers,
}

/// The position that one side cannot pass, if there is one, and its slot's sequence.
pub(crate) fn obstructed(mapping: &Mapping, properties: &Properties, blocked: Blocked) -> Option<(u64, u64)> {
    if properties.delivery != Delivery::Queue {
        return obstructed_broadcast(mapping, properties, blocked);
    }
    let ring = RingWords {
        mapping,
        place: properties.place(),
    };
    let (next, tail) = match blocked {
        Blocked::Consumers => {
            let head = ring.head().load(Ordering::Acquire);
            (Some(head), ring.tail().load(Ordering::Acquire))
        }
        Blocked::Producers => {
            let tail = ring.tail().load(Ordering::Acquire);
            // The message of the lap before that has the slot.
            (tail.checked_sub(ring.capacity()), tail)
        }
    };
    let in_the_way = |position: u64| {
        let word = ring.sequence(position).load(Ordering::Acquire);
        let obstructed = match (blocked, standing(word, position)) {
            (Blocked::Consumers, standing) => standing == Standing::Free,
            (Blocked::Producers, Standing::Free | Standing::Readable | Standing::Passed) => true,
            (Blocked::Producers, _) => false,
        };
        obstructed.then_some((position, word))
    };
    // What is claimed is below the tail; nothing claimed, nothing to wait for.
    if let Some(found) = next.filter(|&next| next < tail).and_then(in_the_way) {
        return Some(found);
    }
    if next.unwrap_or(0) >= tail {
        return None;
    }
    // A handle that has slept for a tick may need several positions at once, of which the first are free.
    waiting(mapping, properties, blocked).next()?;
    (next.unwrap_or(0)..tail).take(MAX_BATCH as usize).find_map(in_the_way)
}

/// The handles of one side that wait and have slept for a tick, and since when.
pub(crate) fn waiting<'a>(
    mapping: &'a Mapping,
    properties: &'a Properties,
    blocked: Blocked,
) -> impl Iterator<Item = (&'a HandleRecord, u64)> {
    let role = match blocked {
        Blocked::Consumers => ROLE_CONSUMER,
        Blocked::Producers => ROLE_PRODUCER,
    };
    (0..mapping.plan().handles).filter_map(move |index| {
        let record = mapping.handle(index);
        let lives = matches!(
            RecordState::decode(record.state.load(Ordering::Acquire)),
            RecordState::Live { .. }
        );
        let since = record.waiting_since_ns.load(Ordering::Relaxed);
        let here = lives && since != 0 && record.role.load(Ordering::Relaxed) == role && is_of(record, properties);
        here.then_some((record, since))
    })
}

/// The position that one side cannot pass, if there is one, and its slot's sequence.
pub(crate) fn obstructed_broadcast(mapping: &Mapping, properties: &Properties, blocked: Blocked) -> Option<(u64, u64)> {
    let ring = RingWords {
        mapping,
        place: properties.place(),
    };
    let tail = ring.tail().load(Ordering::Acquire);
    let word_of = |position: u64| {
        if properties.slots.is_packed() {
            // Nothing is said of positions but by the tail, and all that is below it is published.
            position.wrapping_add(1)
        } else {
            ring.sequence(position).load(Ordering::Acquire)
        }
    };
    let unpublished = |position: u64| {
        let word = word_of(position);
        is_unpublished(word, position).then_some((position, word))
    };
    match blocked {
        // A single producer claims nothing that others see, and a consumer of the newest value does not wait for a claim.
        Blocked::Consumers if properties.single_producer() || properties.delivery == Delivery::Latest => None,
        Blocked::Consumers => claimed(mapping, properties, tail).filter_map(unpublished).min(),
        Blocked::Producers => {
            let before = tail.checked_sub(ring.capacity());
            if !properties.single_producer()
                && let Some(found) = before.and_then(unpublished)
            {
                return Some(found);
            }
            let (cursor, _) = slowest(mapping, properties)?;
            // A producer that has slept for a tick may need several slots at once, and some are free.
            let someone_waits = || waiting(mapping, properties, blocked).next().is_some();
            let full = before.is_some_and(|before| cursor <= before) || (cursor < tail && someone_waits());
            full.then(|| (cursor, word_of(cursor)))
        }
    }
}

/// The first positions of what producers have claimed, below the tail, finished or not.
fn claimed(mapping: &Mapping, properties: &Properties, tail: u64) -> impl Iterator<Item = u64> {
    handles(mapping)
        .filter(|(_, record)| record.state.load(Ordering::Acquire) != RecordState::FREE && is_of(record, properties))
        .flat_map(|(_, record)| &record.cells)
        .filter_map(move |cell| match Cell::decode(cell.load(Ordering::Acquire)) {
            Cell::Owned(claim) | Cell::Trying(claim) if claim.phase == Phase::Produce => Some(claim.first(tail)),
            _ => None,
        })
        .filter(move |&first| first < tail)
}

/// The lowest cursor of a reliable subscriber, and its handle.
pub(crate) fn slowest(mapping: &Mapping, properties: &Properties) -> Option<(u64, u32)> {
    handles(mapping)
        .filter_map(
            |(index, record)| match look(record, properties.id, properties.generation) {
                Look::Needs(cursor) => Some((cursor, index)),
                Look::Nobody | Look::Changing => None,
            },
        )
        .min()
}

fn handles(mapping: &Mapping) -> impl Iterator<Item = (u32, &HandleRecord)> {
    (0..mapping.plan().handles).map(|index| (index, mapping.handle(index)))
}

/// Where waiters note what they wait for, and since when.
pub(crate) fn notes<'a>(
    mapping: &'a Mapping,
    properties: &Properties,
    blocked: Blocked,
) -> (&'a AtomicU64, &'a AtomicU64) {
    let record = mapping.record(properties.id);
    match blocked {
        Blocked::Consumers => (&record.blocked_head, &record.blocked_head_ns),
        Blocked::Producers => (&record.blocked_tail, &record.blocked_tail_ns),
    }
}

/// Notes what one side of a channel waits for, for [`Region::blockages`]. Called by a handle that has waited for a tick.
pub(crate) fn note(mapping: &Mapping, properties: &Properties, blocked: Blocked) {
    let (position, since) = notes(mapping, properties, blocked);
    match obstructed(mapping, properties, blocked) {
        None => {
            // Relaxed, both: it says nothing of any position. Not written if it is so: many may wait here.
            let is_noted = since.load(Ordering::Relaxed) != 0;
            if is_noted {
                since.store(0, Ordering::Relaxed);
            }
        }
        Some((here, _)) => {
            // Relaxed: only whether they are to be written anew.
            if position.load(Ordering::Relaxed) != here || since.load(Ordering::Relaxed) == 0 {
                // No time stands beside a position it does not belong to, also where this process dies here. Release: pairs
                // with the acquires in look. Several may do this at once; they agree within a tick.
                since.store(0, Ordering::Relaxed);
                position.store(here, Ordering::Release);
                since.store(now_ns(), Ordering::Release);
            }
        }
    }
}

/// Nanoseconds of CLOCK_MONOTONIC, the same for every process of the machine; never 0.
pub(crate) fn now_ns() -> u64 {
    (coarse_clock().as_nanos() as u64).max(1)
}

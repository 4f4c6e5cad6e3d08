//! Who keeps whom from going on where slots are not handed back: on broadcast and latest channels.
//!
//! Only looks, as all of [`blockage`](crate::observe::blockage) does.

use crate::layout::HandleRecord;
use crate::liveness::RecordState;
use crate::observe::blockage::{Blocked, Obstacle, claimer, waiting};
use crate::region::Mapping;
use crate::ring::broadcast::is_unpublished;
use crate::ring::broadcast::mapped::look;
use crate::ring::broadcast::memory::Look;
use crate::ring::mapped::RingWords;
use crate::ring::memory::RingMemory;
use crate::ring::word::{Cell, Phase};
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::holders::is_of;
use crate::table::properties::Properties;

/// The position that one side cannot pass, if there is one, and its slot's sequence.
pub(crate) fn obstructed(mapping: &Mapping, properties: &Properties, blocked: Blocked) -> Option<(u64, u64)> {
    let ring = RingWords {
        mapping,
        place: properties.place(),
    };
    let tail = ring.tail().load(Ordering::Acquire);
    let word_of = |position| ring.sequence(position).load(Ordering::Acquire);
    let unpublished = |position: u64| {
        let word = word_of(position);
        is_unpublished(word, position).then_some((position, word))
    };
    match blocked {
        // A single producer claims nothing that others see, and who wants the newest value does not wait for a claim.
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
            // Who has slept for a tick may need several slots at once, and some are free.
            let someone_waits = || waiting(mapping, properties, blocked).next().is_some();
            let full = before.is_some_and(|before| cursor <= before) || (cursor < tail && someone_waits());
            full.then(|| (cursor, word_of(cursor)))
        }
    }
}

/// Why such a position cannot be passed, and the handle that could change it.
pub(crate) fn cause(
    mapping: &Mapping,
    properties: &Properties,
    blocked: Blocked,
    (position, word): (u64, u64),
) -> (Obstacle, Option<u32>) {
    if blocked == Blocked::Producers && !is_unpublished(word, position) {
        let slowest = slowest(mapping, properties);
        return (Obstacle::Subscriber, slowest.map(|(_, handle)| handle));
    }
    let writer = claimer(mapping, properties, Phase::Produce, position);
    (Obstacle::Writing, writer)
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
fn slowest(mapping: &Mapping, properties: &Properties) -> Option<(u64, u32)> {
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

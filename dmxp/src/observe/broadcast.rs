//! Who keeps whom from going on where slots are not handed back: on broadcast and latest channels.
//!
//! Only looks, as all of [`blockage`](crate::observe::blockage) does.

use crate::handle::obstruction::{Blocked, slowest};
use crate::observe::blockage::{Obstacle, claimer};
use crate::region::Mapping;
use crate::ring::broadcast::is_unpublished;
use crate::ring::word::Phase;
use crate::table::properties::Properties;

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

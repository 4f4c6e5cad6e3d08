//! What is searched over the weak memory.

use super::{Case, Size, Subject};
use crate::search::Violation;
use crate::weak::queue::{Queue, Site};

/// Single messages, nobody dies: what every configuration of the queue starts from.
const fn queue(producers: &'static [u8], consumers: usize) -> Queue {
    Queue {
        capacity: 2,
        producers,
        consumers,
        sweepers: 0,
        producer_batch: 1,
        consumer_batch: 1,
        mortals: 0,
        deaths: 0,
        relaxed: None,
    }
}

impl Queue {
    /// One of these threads dies, and a process that has seen nothing sweeps.
    const fn dies(self, mortals: u32) -> Self {
        Self {
            sweepers: 1,
            mortals,
            deaths: 1,
            ..self
        }
    }

    const fn sweepers(self, sweepers: usize) -> Self {
        Self { sweepers, ..self }
    }

    const fn batches(self, producer_batch: u8, consumer_batch: u8) -> Self {
        Self {
            producer_batch,
            consumer_batch,
            ..self
        }
    }

    const fn relaxed(self, site: Site) -> Self {
        Self {
            relaxed: Some(site),
            ..self
        }
    }
}

fn clean(name: &'static str, size: Size, queue: Queue) -> Case {
    Case {
        name,
        size,
        subject: Subject::WeakQueue(queue),
        expected: None,
    }
}

/// Every case, in the order of the table.
#[rustfmt::skip] // A table, one case a row.
pub(super) fn all() -> Vec<Case> {
    use Size::{Default, Full, Quick};
    vec![
        clean("weak queue 1x1", Quick, queue(&[4], 1)),
        clean("weak queue 2x1", Quick, queue(&[2, 1], 1)),
        clean("weak queue 1x2", Quick, queue(&[3], 2)),
        clean("weak queue 2x2", Quick, queue(&[2, 1], 2)),
        clean("weak queue 1x1, producer dies", Quick, queue(&[3], 1).dies(0b1)),
        clean("weak queue 2x1, producer dies", Quick, queue(&[2, 1], 1).dies(0b1)),
        clean("weak queue 1x2, consumer dies", Quick, queue(&[2], 2).dies(0b10)),
        clean("weak queue 2x2 [1, 1], producer dies", Quick, queue(&[1, 1], 2).dies(0b1)),
        clean("weak queue 2x2 [1, 1], consumer dies", Quick, queue(&[1, 1], 2).dies(0b100)),
        clean("weak queue 2x2 [2, 1], producer dies", Quick, queue(&[2, 1], 2).dies(0b1)),
        clean("weak queue 2x2 [2, 1], consumer dies", Quick, queue(&[2, 1], 2).dies(0b100)),
        clean("weak queue 2x2 [2, 1], any dies", Full, queue(&[2, 1], 2).dies(0b1111)),
    ]
}

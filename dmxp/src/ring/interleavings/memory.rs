//! A ring of two slots in loom's memory.

use crate::ring::Range;
use crate::ring::memory::RingMemory;
use crate::ring::queue::{consume, produce};
use crate::ring::word::Cell as ClaimCell;
use crate::sync::{AtomicU64, Ordering, point};
use loom::cell::UnsafeCell;
use std::sync::Arc;

pub(super) const CAPACITY: u64 = 2;

/// A payload is a number and its complement, written one after the other.
pub(super) struct Ring {
    tail: AtomicU64,
    head: AtomicU64,
    hint: AtomicU64,
    sequences: Vec<AtomicU64>,
    /// When each message was published, on a channel whose messages expire.
    published: Vec<AtomicU64>,
    payloads: Vec<UnsafeCell<[u64; 2]>>,
}

impl RingMemory for Ring {
    fn capacity(&self) -> u64 {
        CAPACITY
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail
    }

    fn head(&self) -> &AtomicU64 {
        &self.head
    }

    fn returned_hint(&self) -> &AtomicU64 {
        &self.hint
    }

    fn sequence(&self, position: u64) -> &AtomicU64 {
        &self.sequences[(position % CAPACITY) as usize]
    }

    fn count_dropped(&self) {}

    fn uncount_dropped(&self) {}
}

impl Ring {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            hint: AtomicU64::new(0),
            sequences: (0..CAPACITY).map(AtomicU64::new).collect(),
            published: (0..CAPACITY).map(|_| AtomicU64::new(0)).collect(),
            payloads: (0..CAPACITY).map(|_| UnsafeCell::new([0; 2])).collect(),
        })
    }

    /// Writes when messages are published, as `MappedRing::date`. Relaxed: the publication that follows is a release.
    pub(super) fn date(&self, range: Range, now: u64) {
        for position in range.positions() {
            self.published_at(position).store(now, Ordering::Relaxed);
        }
    }

    pub(super) fn published_at(&self, position: u64) -> &AtomicU64 {
        &self.published[(position % CAPACITY) as usize]
    }

    /// Writes the numbers from `value` on. A thread may die before each half of each.
    pub(super) fn write(&self, range: Range, value: u64) {
        for (k, position) in range.positions().enumerate() {
            let value = value + k as u64;
            for (half, number) in [value, !value].into_iter().enumerate() {
                point();
                self.payloads[(position % CAPACITY) as usize].with_mut(|payload| {
                    // SAFETY: the slot is claimed for writing; loom fails the test if anybody else is at it.
                    unsafe { (*payload)[half] = number };
                });
            }
        }
    }

    pub(super) fn read(&self, position: u64) -> u64 {
        let [value, complement] = self.payloads[(position % CAPACITY) as usize].with(|payload| {
            // SAFETY: the slot is claimed for reading; loom fails the test if anybody writes it.
            unsafe { *payload }
        });
        assert_eq!(complement, !value, "a torn message");
        value
    }

    /// Sends `count` numbers from `value` on as one batch; `false` when there is no room.
    pub(super) fn send(&self, cell: &AtomicU64, value: u64, count: u32) -> bool {
        let Some(range) = produce::claim(self, cell, count, count) else {
            return false;
        };
        self.write(range, value);
        produce::publish(self, range);
        true
    }

    /// Sends a number the shortest way; `false` when there is no room, or another was faster.
    pub(super) fn send_one(&self, cell: &AtomicU64, value: u64) -> bool {
        let Some(first) = produce::claim_one(self, cell) else {
            return false;
        };
        self.write(Range { first, count: 1 }, value);
        produce::publish_one(self, first);
        true
    }

    /// Receives a number the shortest way.
    pub(super) fn receive_one(&self, cell: &AtomicU64) -> Option<u64> {
        let first = consume::readable_head(self).ok()?;
        if !consume::claim_head(self, cell, first) {
            return None;
        }
        let value = self.read(first);
        consume::release_one(self, first);
        Some(value)
    }

    /// Receives what is there, at most `max`.
    pub(super) fn receive(&self, cell: &AtomicU64, max: u32) -> Vec<u64> {
        let Some(range) = consume::claim(self, cell, 1, max, |_| false, || {}) else {
            return Vec::new();
        };
        let values = range.positions().map(|position| self.read(position)).collect();
        consume::release(self, range);
        values
    }
}

pub(super) fn cell() -> AtomicU64 {
    AtomicU64::new(ClaimCell::EMPTY)
}

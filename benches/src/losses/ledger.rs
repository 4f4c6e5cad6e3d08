//! What became of each message, in memory that the processes of a trial share and that outlives those that are killed. Every word is
//! written by one process only.

use crate::lines::{self, LinesFile};
use crate::transport::{Failure, Place};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Messages of a sender at most.
pub(super) const LIMIT: u64 = 1 << 21;

/// Senders of a trial, and consumers.
pub(super) const ENDS: usize = 2;

/// Bits of a message's number below that of its sender.
const SENDER: u32 = 40;

/// Of a sender or a consumer.
#[repr(C, align(128))]
struct End {
    /// Whether it is inside a send, or inside a receive.
    inside: AtomicU64,
    /// The last message whose send has returned; for a consumer, how many it has noted.
    done: AtomicU64,
}

#[repr(C, align(128))]
struct Head {
    /// Whether senders may send more than their first message.
    started: AtomicU64,
    /// Whether senders are to send no more.
    stop: AtomicU64,
    senders: [End; ENDS],
    consumers: [End; ENDS],
}

const BYTES: usize = size_of::<Head>() + ENDS * ENDS * LIMIT as usize;

/// Deliveries in the lower four bits, those that said that they were not the first in the upper.
#[derive(Clone, Copy)]
pub(super) struct Deliveries(u8);

impl Deliveries {
    pub(super) fn all(self) -> u64 {
        u64::from(self.0 & 15)
    }

    pub(super) fn flagged(self) -> u64 {
        u64::from(self.0 >> 4)
    }
}

pub(super) struct Ledger {
    head: &'static Head,
    deliveries: &'static [AtomicU8],
}

/// The number of a sender's message.
pub(super) fn number(sender: usize, message: u64) -> u64 {
    ((sender as u64) << SENDER) + message
}

impl Ledger {
    pub(super) fn create(place: &Place) -> Result<LinesFile, Failure> {
        lines::create_file(place, "ledger", BYTES as u64)
    }

    pub(super) fn attach(place: &Place) -> Result<Self, Failure> {
        let (start, bytes) = lines::map(place, "ledger")?;
        assert_eq!(bytes, BYTES, "the ledger's size");
        // SAFETY: mapped for good, page-aligned and large enough; zeros are valid atomics.
        let head = unsafe { start.cast::<Head>().as_ref() };
        let first = start.as_ptr().wrapping_add(size_of::<Head>()).cast::<AtomicU8>();
        // SAFETY: the rest of the mapping, which nothing else refers to but in this way.
        let deliveries = unsafe { core::slice::from_raw_parts(first, BYTES - size_of::<Head>()) };
        Ok(Self { head, deliveries })
    }

    /// Whether senders may send more than their first message.
    pub(super) fn has_started(&self) -> bool {
        self.head.started.load(Ordering::Relaxed) != 0
    }

    pub(super) fn start(&self) {
        self.head.started.store(1, Ordering::Relaxed);
    }

    /// Whether senders are to send no more.
    pub(super) fn is_over(&self) -> bool {
        self.head.stop.load(Ordering::Relaxed) != 0
    }

    pub(super) fn stop(&self) {
        self.head.stop.store(1, Ordering::Relaxed);
    }

    /// Around every call of a send. The stores stay in order, which is what a killed process leaves behind.
    pub(super) fn sender_is_inside(&self, sender: usize, inside: bool) {
        self.head.senders[sender].inside.store(inside.into(), Ordering::Release);
    }

    pub(super) fn consumer_is_inside(&self, consumer: usize, inside: bool) {
        self.head.consumers[consumer]
            .inside
            .store(inside.into(), Ordering::Release);
    }

    /// Whether the end that is killed is inside the call, or was.
    pub(super) fn is_inside(&self, killed: super::Killed) -> bool {
        let end = match killed {
            super::Killed::Sender => &self.head.senders[0],
            super::Killed::Consumer => &self.head.consumers[0],
        };
        end.inside.load(Ordering::Acquire) != 0
    }

    /// The send of that message has returned.
    pub(super) fn returned(&self, sender: usize, message: u64) {
        self.head.senders[sender].done.store(message, Ordering::Release);
    }

    /// The last message of the sender whose send has returned.
    pub(super) fn last_returned(&self, sender: usize) -> u64 {
        self.head.senders[sender].done.load(Ordering::Acquire)
    }

    /// The consumer has the message of that number; `again` when that says that it was delivered before.
    pub(super) fn delivered(&self, consumer: usize, number: u64, again: bool) -> Result<(), Failure> {
        let (sender, message) = ((number >> SENDER) as usize, number & ((1 << SENDER) - 1));
        if sender >= ENDS || message == 0 || message >= LIMIT {
            return Err(format!("a message that nobody has sent: {number:x}").into());
        }
        let place = &self.deliveries[index(consumer, sender, message)];
        // Nobody else writes it.
        let before = Deliveries(place.load(Ordering::Relaxed));
        let count = (before.all() + 1).min(15);
        let flagged = (before.flagged() + u64::from(again)).min(15);
        place.store((flagged << 4 | count) as u8, Ordering::Release);
        let done = &self.head.consumers[consumer].done;
        done.store(done.load(Ordering::Relaxed) + 1, Ordering::Release);
        Ok(())
    }

    /// Messages that a consumer has noted.
    pub(super) fn count(&self, consumer: usize) -> u64 {
        self.head.consumers[consumer].done.load(Ordering::Acquire)
    }

    pub(super) fn deliveries(&self, consumer: usize, sender: usize, message: u64) -> Deliveries {
        Deliveries(self.deliveries[index(consumer, sender, message)].load(Ordering::Acquire))
    }
}

fn index(consumer: usize, sender: usize, message: u64) -> usize {
    (consumer * ENDS + sender) * LIMIT as usize + message as usize
}

//! The algorithm of packed slots and nothing around it, for the benchmark of what it costs: a ring in ordinary memory, with one producer
//! and one reliable subscriber.

use super::consume::{Reader, show};
use super::produce::Writer;
use crate::ring::broadcast::limit::{From, join};
use crate::ring::broadcast::memory::{Limited, Limits, Look};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use std::sync::Arc;

/// Most messages between two stores of the cursor, as in channels.
const STRIDE: u64 = 64;

/// A word alone in its 128 bytes.
#[repr(align(128))]
struct Alone(AtomicU64);

impl Alone {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

struct Ring<T> {
    tail: Alone,
    cursor: Alone,
    verified: Alone,
    announced: AtomicU64,
    joins: AtomicU32,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is written by the producer, of which there is one, and read by the subscriber, of which there is one, at different
// times.
unsafe impl<T: Copy + Send> Sync for Ring<T> {}

impl<T> Limited for Ring<T> {
    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn tail(&self) -> &AtomicU64 {
        &self.tail.0
    }

    fn limits(&self) -> Limits<'_> {
        Limits {
            verified: &self.verified.0,
            announced: &self.announced,
            joins: &self.joins,
        }
    }

    fn places(&self) -> u32 {
        1
    }

    fn look(&self, _place: u32) -> Look {
        // Acquire: pairs with `show`.
        Look::Needs(self.cursor.0.load(Ordering::Acquire))
    }
}

impl<T> Ring<T> {
    #[inline]
    fn slot(&self, position: u64) -> *mut T {
        let index = (position & (self.slots.len() as u64 - 1)) as usize;
        self.slots[index].get().cast::<T>()
    }
}

/// The producer of such a ring.
pub struct BareProducer<T> {
    ring: Arc<Ring<T>>,
    writer: Writer,
}

/// Its subscriber.
pub struct BareSubscriber<T> {
    ring: Arc<Ring<T>>,
    reader: Reader,
    shown: Cell<u64>,
}

impl<T> core::fmt::Debug for BareProducer<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("BareProducer").field(&self.writer).finish()
    }
}

impl<T> core::fmt::Debug for BareSubscriber<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("BareSubscriber").field(&self.reader).finish()
    }
}

/// A ring of `capacity` slots, a power of two.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn ring<T: Copy + Send>(capacity: usize) -> (BareProducer<T>, BareSubscriber<T>) {
    assert!(capacity.is_power_of_two() && capacity > 1, "capacity {capacity}");
    let ring = Arc::new(Ring {
        tail: Alone::new(),
        cursor: Alone::new(),
        verified: Alone::new(),
        announced: AtomicU64::new(0),
        joins: AtomicU32::new(0),
        slots: (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
    });
    let reader = Reader::new(join(&*ring, Some(&ring.cursor.0), From::Oldest, true));
    let writer = Writer::new(&*ring);
    let producer = BareProducer {
        ring: ring.clone(),
        writer,
    };
    let shown = Cell::new(0);
    (producer, BareSubscriber { ring, reader, shown })
}

impl<T: Copy + Send> BareProducer<T> {
    /// Sends a message; `false` when the ring is full.
    #[inline]
    pub fn push(&self, message: T) -> bool {
        if self.writer.free_at_once().is_none() {
            if self.writer.room(&*self.ring, 1, 1).is_none() {
                return false;
            }
            self.writer.find_free();
        }
        // SAFETY: the position may be written, as the writer says, and only this producer writes.
        unsafe { self.ring.slot(self.writer.next()).write(message) };
        self.writer.publish(&*self.ring, self.writer.next() + 1);
        true
    }
}

impl<T: Copy + Send> BareSubscriber<T> {
    /// The next message; `None` when there is none.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let position = self.reader.next();
        if self.reader.known() == 0 && self.reader.look(&*self.ring) == 0 {
            if self.shown.get() != position {
                self.show(position);
            }
            return None;
        }
        // SAFETY: published, hence written, and not written again before the cursor is shown above it.
        let message = unsafe { self.ring.slot(position).read() };
        self.reader.go_to(position + 1);
        if position + 1 - self.shown.get() >= STRIDE {
            self.show(position + 1);
        }
        Some(message)
    }

    fn show(&self, position: u64) {
        self.shown.set(position);
        show(&self.ring.cursor.0, position);
    }
}

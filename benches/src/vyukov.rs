//! Vyukov's bounded queue of many producers and many consumers, as published (1024cores.net, "Bounded MPMC queue"), with the slots
//! and the spacing of dmxp's format and without claim cells: whoever dies in it blocks it for ever.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

#[repr(C, align(64))]
struct Slot {
    sequence: AtomicU64,
    meta: [u8; 56],
    payload: UnsafeCell<[u8; 1_024]>,
}

#[repr(align(128))]
struct Alone(AtomicU64);

/// The queue.
pub struct PlainRing {
    tail: Alone,
    head: Alone,
    slots: Box<[Slot]>,
}

// SAFETY: a payload is touched by the one thread that moved a cursor over its slot, until that thread stores the sequence.
unsafe impl Sync for PlainRing {}

impl std::fmt::Debug for PlainRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainRing")
            .field("capacity", &self.slots.len())
            .finish()
    }
}

impl PlainRing {
    /// A queue of `capacity` slots, a power of two.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two() && capacity > 1, "capacity {capacity}");
        let slot = |position| Slot {
            sequence: AtomicU64::new(position as u64),
            meta: [0; 56],
            payload: UnsafeCell::new([0; 1_024]),
        };
        Self {
            tail: Alone(AtomicU64::new(0)),
            head: Alone(AtomicU64::new(0)),
            slots: (0..capacity).map(slot).collect(),
        }
    }

    #[inline]
    fn slot(&self, position: u64) -> &Slot {
        &self.slots[(position & (self.slots.len() as u64 - 1)) as usize]
    }

    /// Sends a payload; `false` when the queue is full.
    ///
    /// # Panics
    /// When it has more than 960 bytes.
    #[inline]
    pub fn push(&self, payload: &[u8]) -> bool {
        assert!(payload.len() <= 960, "{} bytes", payload.len());
        let mut position = self.tail.0.load(Ordering::Relaxed);
        loop {
            let slot = self.slot(position);
            let distance = slot.sequence.load(Ordering::Acquire).wrapping_sub(position) as i64;
            if distance < 0 {
                return false;
            }
            if distance == 0 {
                let next = position + 1;
                match self
                    .tail
                    .0
                    .compare_exchange_weak(position, next, Ordering::Relaxed, Ordering::Relaxed)
                {
                    Ok(_) => {
                        let place = slot.payload.get().cast::<u8>();
                        // SAFETY: the slot is ours until its sequence is stored, and holds more than 960 bytes.
                        unsafe { place.copy_from_nonoverlapping(payload.as_ptr(), payload.len()) };
                        slot.sequence.store(next, Ordering::Release);
                        return true;
                    }
                    Err(now) => position = now,
                }
            } else {
                position = self.tail.0.load(Ordering::Relaxed);
            }
        }
    }

    /// Receives a payload of that length; `false` when the queue is empty.
    ///
    /// # Panics
    /// When it is longer than 960 bytes.
    #[inline]
    pub fn pop(&self, payload: &mut [u8]) -> bool {
        assert!(payload.len() <= 960, "{} bytes", payload.len());
        let mut position = self.head.0.load(Ordering::Relaxed);
        loop {
            let slot = self.slot(position);
            let distance = slot.sequence.load(Ordering::Acquire).wrapping_sub(position + 1) as i64;
            if distance < 0 {
                return false;
            }
            if distance == 0 {
                let next = position + 1;
                match self
                    .head
                    .0
                    .compare_exchange_weak(position, next, Ordering::Relaxed, Ordering::Relaxed)
                {
                    Ok(_) => {
                        let place = slot.payload.get().cast::<u8>();
                        // SAFETY: as in `push`.
                        unsafe { payload.as_mut_ptr().copy_from_nonoverlapping(place, payload.len()) };
                        let released = position + self.slots.len() as u64;
                        slot.sequence.store(released, Ordering::Release);
                        return true;
                    }
                    Err(now) => position = now,
                }
            } else {
                position = self.head.0.load(Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PlainRing;
    use dmxp::bare::{BareRing, ClaimCell};

    #[test]
    fn both_rings_deliver_every_message_in_order() {
        let (plain, ours) = (PlainRing::new(8), BareRing::new(8));
        let exchange = |push: &(dyn Fn(u64) -> bool + Sync), pop: &dyn Fn() -> Option<u64>| {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..20_000).for_each(|number| while !push(number) {}));
                for number in 0..20_000 {
                    let received = loop {
                        if let Some(received) = pop() {
                            break received;
                        }
                    };
                    assert_eq!(received, number);
                }
            });
        };
        exchange(&|number| plain.push(&number.to_le_bytes()), &|| {
            let mut bytes = [0; 8];
            plain.pop(&mut bytes).then(|| u64::from_le_bytes(bytes))
        });
        let (producer, consumer) = (ClaimCell::default(), ClaimCell::default());
        exchange(&|number| ours.push(&producer, &number.to_le_bytes()), &|| {
            let mut bytes = [0; 8];
            ours.pop(&consumer, &mut bytes).then(|| u64::from_le_bytes(bytes))
        });
    }
}

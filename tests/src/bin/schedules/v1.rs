//! A program that knows only the v1 format, as `tests/v1_peer` does: each of its accesses is a step of the schedule.

use crate::arena::Deed;
use crate::plan::CHANNEL;
use crate::scheduler::turns;
use crate::work::{got, name};
use core::panic::Location;
use core::ptr::NonNull;
use dmxp::scheduler::{Access, Scheduler};
use dmxp_tests::Numbered;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

// "v1, fixed" in docs/MEMORY_LAYOUT.md.
const ENTRY: usize = 128 + CHANNEL as usize * 384;
const ENTRY_CAPACITY: usize = ENTRY + 8;
const ENTRY_RING: usize = ENTRY + 16;
const ENTRY_SIGNAL: usize = ENTRY + 24;
const ENTRY_TAIL: usize = ENTRY + 128;
const ENTRY_HEAD: usize = ENTRY + 256;
const SLOT: usize = 1_088;
const SLOT_ID: usize = 8;
const SLOT_CHANNEL: usize = 24;
const SLOT_TYPE: usize = 28;
const SLOT_RUNTIME_AND_FLAGS: usize = 36;
const SLOT_LEN: usize = 40;
const SLOT_PAYLOAD: usize = 64;

/// Looks at a channel that is not there, or a slot whose turn has not come, before it gives up.
const LOOKS: u32 = 12;

/// A queue that has a v1 entry.
pub(crate) struct Peer {
    base: NonNull<u8>,
    capacity: u64,
    ring: usize,
}

impl Peer {
    /// Maps the region; `None` when nobody makes the channel.
    pub(crate) fn open(descriptor: BorrowedFd<'_>) -> Option<Self> {
        let file = File::from(descriptor.try_clone_to_owned().expect("a descriptor"));
        let len = file.metadata().expect("its length").len();
        // SAFETY: a new mapping; no memory in use is touched.
        let base = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                len as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        turns().mapped(base.cast(), len);
        let mut peer = Self {
            base: NonNull::new(base.cast()).expect("it is mapped"),
            capacity: 0,
            ring: 0,
        };
        for _ in 0..LOOKS {
            peer.capacity = peer.word(ENTRY_CAPACITY);
            if peer.capacity != 0 {
                peer.ring = peer.word(ENTRY_RING) as usize;
                return Some(peer);
            }
            turns().sleep(Duration::from_millis(10));
        }
        None
    }

    #[track_caller]
    fn atomic(&self, offset: usize, access: Access) -> &AtomicU64 {
        turns().step(Location::caller(), access);
        // SAFETY: the offsets of v1's words lie in the region, which is mapped for as long as the process lives, and are aligned.
        let place = unsafe { self.base.add(offset) };
        // SAFETY: as above; all processes use these words as atomics.
        unsafe { AtomicU64::from_ptr(place.cast().as_ptr()) }
    }

    #[track_caller]
    fn word(&self, offset: usize) -> u64 {
        self.atomic(offset, Access::Load).load(Ordering::Acquire)
    }

    fn signal(&self) -> &AtomicU32 {
        // SAFETY: as in `atomic`.
        let place = unsafe { self.base.add(ENTRY_SIGNAL) };
        // SAFETY: as in `atomic`.
        unsafe { AtomicU32::from_ptr(place.cast().as_ptr()) }
    }

    fn slot(&self, position: u64) -> usize {
        self.ring + (position % self.capacity) as usize * SLOT
    }

    /// Claims the next position of a counter once its slot's sequence is `ahead` of it.
    fn claim(&self, counter: usize, ahead: u64) -> Option<u64> {
        let mut looks = LOOKS;
        while looks > 0 {
            turns().step(Location::caller(), Access::Load);
            let signal = self.signal().load(Ordering::Acquire);
            let position = self.word(counter);
            let sequence = self.word(self.slot(position));
            if sequence == position + ahead {
                let claimed = self.atomic(counter, Access::Change).compare_exchange(
                    position,
                    position + 1,
                    Ordering::SeqCst,
                    Ordering::Relaxed,
                );
                if claimed.is_ok() {
                    return Some(position);
                }
                continue;
            }
            looks -= 1;
            if sequence >> 63 == 0 && sequence > position + ahead {
                continue;
            }
            if ahead == 1 {
                turns().step(Location::caller(), Access::Call);
                turns().wait(&[(self.signal().as_ptr(), signal)], Duration::from_millis(5));
            } else {
                turns().sleep(Duration::from_millis(1));
            }
        }
        None
    }

    /// A field of a slot that is claimed by this process.
    fn field<T>(&self, offset: usize) -> *mut T {
        // SAFETY: the slot lies in the region, as the entry says.
        unsafe { self.base.add(offset) }.cast().as_ptr()
    }

    /// Writes a field of a slot that is claimed by this process.
    fn fill<T>(&self, offset: usize, value: T) {
        // SAFETY: in the region, aligned as the format says, and nobody else reads or writes the slot.
        unsafe { self.field::<T>(offset).write(value) };
    }

    /// Sends a message; `false` when there is no room.
    pub(crate) fn produce(&self, message: &Numbered) -> bool {
        let Some(position) = self.claim(ENTRY_TAIL, 0) else {
            return false;
        };
        let slot = self.slot(position);
        self.fill(slot + SLOT_ID, position + 1);
        self.fill(slot + SLOT_CHANNEL, CHANNEL);
        self.fill(slot + SLOT_TYPE, 0_u32);
        self.fill(slot + SLOT_RUNTIME_AND_FLAGS, 2_u32);
        self.fill(slot + SLOT_LEN, size_of::<Numbered>() as u32);
        self.fill(slot + SLOT_PAYLOAD, *message);
        self.atomic(slot, Access::Change).store(position + 1, Ordering::Release);
        turns().step(Location::caller(), Access::Change);
        self.signal().fetch_add(1, Ordering::SeqCst);
        turns().step(Location::caller(), Access::Call);
        turns().wake(self.signal().as_ptr(), u32::MAX);
        true
    }

    /// Receives a message, if one comes.
    pub(crate) fn consume(&self) {
        turns().note(Deed::Receiving, 0, 1);
        if let Some(position) = self.claim(ENTRY_HEAD, 1) {
            let slot = self.slot(position);
            // SAFETY: the slot is claimed and holds a message, of plain numbers.
            let message = unsafe { self.field::<Numbered>(slot + SLOT_PAYLOAD).read() };
            got(&message, 0, false);
            self.atomic(slot, Access::Change)
                .store(position + self.capacity, Ordering::Release);
            turns().note(Deed::Released, name(&message), 0);
        }
        turns().note(Deed::Returned, 0, 0);
    }
}

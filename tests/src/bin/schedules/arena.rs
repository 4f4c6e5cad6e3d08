//! The memory that the processes of a schedule share beside the region: whose turn it is, and what they say they did.

use core::fmt;
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Processes of a schedule, the one that starts the others among them.
pub(crate) const PROCESSES: usize = 16;

/// The process that starts the others, kills and buries them, and looks at what is left.
pub(crate) const KEEPER: usize = 0;

/// Words that a process can sleep on.
pub(crate) const WORDS: usize = 4;

const EVENTS: usize = 8_192;

/// What the keeper is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    Nothing,
    /// Kill the process, which stands before an access.
    Kill,
    /// The process has ended.
    Bury,
    /// End the schedule: a promise is broken.
    Fail,
}

/// How a process of a schedule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Not started, ended, or dead.
    Gone,
    Ready,
    Sleeping,
    /// At its end, with its handles open.
    Staying,
}

/// Something that a process says it did, or that was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Deed {
    /// A call begins that may send the message.
    Sending,
    /// That call has returned, and said that it was sent.
    Sent,
    /// The message was not sent, and never will be.
    Unsent,
    /// A call begins that may receive `more` messages.
    Receiving,
    /// The same; it releases them before it returns.
    Copying,
    /// That call has returned; what it received comes before.
    Returned,
    /// The message was received, after `more` deliveries.
    Got,
    /// The message was received from the channel for dead letters.
    GotLetter,
    /// The message was released.
    Released,
    /// The message is being returned to the channel.
    GivingBack,
    /// It is returned.
    GaveBack,
    /// A call begins that closes the channel.
    Closing,
    /// A producer is being opened, which opens the stream anew.
    Opening,
    /// It is open.
    Opened,
    /// A consumer was told that the stream is over.
    SawEnd,
    /// A consumer was told that all producers have gone.
    SawNoProducers,
    /// The process lets the others end first, and sends nothing any more.
    Staying,
    /// A producer's handle is about to be dropped.
    Leaving,
    /// A subscriber is being opened, of the [`Policy`] that is said.
    Joining,
    /// It is open.
    Joined,
    /// A call begins that looks at the newest value.
    Looking,
    /// Nothing came, or there was nothing.
    GotNothing,
    /// A subscriber waited for more, for several ticks, and nothing came.
    Drained,
    /// It sleeps on words.
    FellAsleep,
    /// Nobody woke it for a whole tick.
    Overslept,
    /// The process died.
    Died,
}

/// What a subscriber is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Policy {
    Reliable,
    Lossy,
    Latest,
}

/// An entry of the ledger, in the order in which things happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) deed: Deed,
    pub(crate) process: u8,
    pub(crate) more: u8,
    /// The message: [`key`].
    pub(crate) key: u32,
    /// The message's id on channels that are no queues, 0 where it is not known; and how many were missed just before it.
    pub(crate) id: u16,
    pub(crate) missed: u16,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (producer, number) = (self.key >> 16, self.key & 0xffff);
        write!(f, "p{} {:?} {producer}:{number} {}", self.process, self.deed, self.more)?;
        if (self.id, self.missed) != (0, 0) {
            write!(f, " id {} missed {}", self.id, self.missed)?;
        }
        Ok(())
    }
}

/// A message of a schedule: its producer's number and its own.
pub(crate) const fn key(producer: u64, number: u64) -> u32 {
    (producer as u32) << 16 | number as u32 & 0xffff
}

/// In place of how often a message was delivered before, where the call does not say.
pub(crate) const UNKNOWN: u8 = u8::MAX;

/// What the scheduler knows of a process.
pub(crate) struct Process {
    /// Set by the process that gives its turn to this one.
    turn: AtomicU32,
    pub(crate) state: Cell<State>,
    /// Words slept on, as the scheduler names them; `count` of them.
    pub(crate) words: [Cell<u64>; WORDS],
    pub(crate) count: Cell<usize>,
    /// When it fell asleep, in the order of sleepers, and when it wakes by itself.
    pub(crate) asleep_since: Cell<u64>,
    pub(crate) asleep_at: Cell<u64>,
    pub(crate) deadline: Cell<u64>,
    /// Steps that others may notice: until it was at work, from then on, and those at work that are accesses to rings; and at which of
    /// them it dies (0: at none).
    pub(crate) steps: [Cell<u64>; 3],
    pub(crate) dies_at: [Cell<u64>; 3],
    pub(crate) has_opened: Cell<bool>,
    pub(crate) is_working: Cell<bool>,
    pub(crate) priority: Cell<i64>,
    /// Not chosen while others are ready, until so many steps were made.
    pub(crate) frozen_until: Cell<u64>,
    /// When the call that it is in must be over (0: it is in none), and the steps made since.
    pub(crate) limit: Cell<u64>,
    pub(crate) steps_beyond: Cell<u64>,
}

/// See the module. All zeros are an arena in which nothing has happened.
///
/// Only the process whose turn it is touches any of the cells; turns are handed on by [`Arena::hand_to`], with release and acquire.
pub(crate) struct Arena {
    pub(crate) draws: Cell<u64>,
    pub(crate) clock: Cell<u64>,
    pub(crate) steps: Cell<u64>,
    /// Of every step made: where, by which process, when.
    pub(crate) digest: Cell<u64>,
    /// Steps until the scheduler chooses anew.
    pub(crate) burst: Cell<u64>,
    pub(crate) next_deadline: Cell<u64>,
    pub(crate) running: Cell<usize>,
    pub(crate) sleepers: Cell<u64>,
    pub(crate) next_change: Cell<u64>,
    pub(crate) lowest: Cell<i64>,
    /// The schedule's policy; see the scheduler.
    pub(crate) by_priority: Cell<bool>,
    pub(crate) mean: Cell<u64>,
    /// Whether processes begin their work together.
    pub(crate) together: Cell<bool>,
    /// Whether only accesses to rings count for when the next process is chosen.
    pub(crate) at_rings: Cell<bool>,
    pub(crate) jumps: Cell<u64>,
    pub(crate) freezes: Cell<u64>,
    pub(crate) has_membarrier: Cell<bool>,
    pub(crate) switches: Cell<u64>,
    /// When a process was killed last.
    pub(crate) killed_at: Cell<u64>,
    pub(crate) order: Cell<Order>,
    pub(crate) ordered: Cell<usize>,
    pub(crate) processes: [Process; PROCESSES],
    message: Cell<[u8; 1_024]>,
    message_len: Cell<usize>,
    events: [Cell<Event>; EVENTS],
    written: Cell<usize>,
}

// SAFETY: the cells are touched by one process at a time, and by one thread of it, as said above; `turn` is atomic.
unsafe impl Sync for Arena {}

impl Arena {
    /// An arena that forked children share.
    pub(crate) fn new() -> io::Result<&'static Self> {
        // SAFETY: a new mapping; no memory in use is touched.
        let place = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size_of::<Self>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: page-aligned, as long as an arena, zeros, which are one (0 is the first variant of each enum), and never unmapped.
        Ok(unsafe { &*place.cast::<Self>() })
    }

    /// Forgets all that happened. The turn is the keeper's.
    pub(crate) fn clear(&self, seed: u64) {
        self.draws.set(seed);
        for cell in [
            &self.clock,
            &self.steps,
            &self.digest,
            &self.burst,
            &self.next_deadline,
            &self.sleepers,
            &self.next_change,
            &self.switches,
            &self.killed_at,
        ] {
            cell.set(0);
        }
        self.lowest.set(0);
        self.running.set(KEEPER);
        self.order.set(Order::Nothing);
        self.message_len.set(0);
        self.written.set(0);
        for process in &self.processes {
            process.turn.store(0, Ordering::Relaxed);
            process.reset();
        }
    }

    /// 64 bits (splitmix64).
    pub(crate) fn word(&self) -> u64 {
        let state = self.draws.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.draws.set(state);
        let word = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// 0 to `count` - 1.
    pub(crate) fn below(&self, count: u64) -> u64 {
        self.word() % count
    }

    /// True once in so many times; never for 0.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        times != 0 && self.below(times) == 0
    }

    /// Gives the turn to a process.
    pub(crate) fn hand_to(&self, next: usize) {
        let turn = &self.processes[next].turn;
        // Release: pairs with the acquire in `await_turn`.
        turn.store(1, Ordering::Release);
        // SAFETY: FUTEX_WAKE only uses the address of the word.
        unsafe { libc::syscall(libc::SYS_futex, turn.as_ptr(), libc::FUTEX_WAKE, 1) };
    }

    /// Waits until it is this process's turn.
    pub(crate) fn await_turn(&self, process: usize) {
        while !self.await_turn_briefly(process) {}
    }

    /// The same, at most for some tenths of a second; whether it is.
    pub(crate) fn await_turn_briefly(&self, process: usize) -> bool {
        let turn = &self.processes[process].turn;
        if turn.swap(0, Ordering::Acquire) == 1 {
            return true;
        }
        let timeout = libc::timespec {
            tv_sec: 0,
            tv_nsec: 300_000_000,
        };
        // SAFETY: the word is never unmapped, and the kernel reads the timespec only.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                turn.as_ptr(),
                libc::FUTEX_WAIT,
                0,
                core::ptr::from_ref(&timeout),
            )
        };
        turn.swap(0, Ordering::Acquire) == 1
    }

    /// Writes an entry of the ledger.
    ///
    /// # Panics
    /// When there are too many.
    pub(crate) fn note(&self, process: usize, deed: Deed, key: u32, more: u8) {
        self.note_id(process, deed, key, more, (0, 0));
    }

    /// The same of a message whose id is known, and what was missed before it.
    ///
    /// # Panics
    /// As `note`.
    pub(crate) fn note_id(&self, process: usize, deed: Deed, key: u32, more: u8, (id, missed): (u64, u64)) {
        let index = self.written.get();
        self.events[index].set(Event {
            deed,
            process: process as u8,
            more,
            key,
            id: u16::try_from(id).expect("few messages"),
            missed: u16::try_from(missed).unwrap_or(u16::MAX),
        });
        self.written.set(index + 1);
    }

    /// The ledger.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events[..self.written.get()].iter().map(Cell::get).collect()
    }

    /// Says why the schedule fails; the first reason counts.
    pub(crate) fn complain(&self, reason: &str) {
        if self.message_len.get() == 0 {
            let mut message = self.message.get();
            let len = reason.len().min(message.len());
            message[..len].copy_from_slice(&reason.as_bytes()[..len]);
            self.message.set(message);
            self.message_len.set(len);
        }
    }

    /// Why it fails.
    pub(crate) fn complaint(&self) -> Option<String> {
        let len = self.message_len.get();
        (len > 0).then(|| String::from_utf8_lossy(&self.message.get()[..len]).into_owned())
    }
}

impl Process {
    /// As a process that has not been started.
    pub(crate) fn reset(&self) {
        self.state.set(State::Gone);
        for cell in [
            &self.asleep_at,
            &self.deadline,
            &self.asleep_since,
            &self.frozen_until,
            &self.limit,
            &self.steps_beyond,
        ]
        .into_iter()
        .chain(&self.steps)
        .chain(&self.dies_at)
        {
            cell.set(0);
        }
        self.has_opened.set(false);
        self.is_working.set(false);
        self.count.set(0);
    }
}

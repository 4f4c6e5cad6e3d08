//! How a thread's program is written, and run one access at a time.
//!
//! A program is an ordinary function. Each access to what is shared is a call on its [`Turn`], with `?` behind it. The search runs the
//! function from its start, each time with the results of one access more; where the results end, the call returns [`Pause`] and the
//! function is left. So a thread's state is what it has read so far, and the variables that it keeps between two calls of
//! the function. A program must do the same each time it is given the same results.

use crate::memory::Location;
use std::sync::atomic::Ordering;

/// The program is left here: the next access is the search's to make.
#[derive(Clone, Copy, Debug)]
pub struct Pause;

/// What an access gives, if its turn has come.
pub type Step<T> = Result<T, Pause>;

/// An access to what is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Load(Location, Ordering),
    Store(Location, u64, Ordering),
    CompareExchange {
        location: Location,
        expected: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    },
    /// A read-modify-write that always succeeds.
    Update(Location, Change, Ordering),
    Fence(Ordering),
    ReadPlain(usize),
    WritePlain(usize, u8),
    /// Something for the ledger, which no thread can read.
    Note(u64),
    /// A part of the program is over: its results, from this one on, come to this.
    Sum(usize, u64),
    /// Asks the kernel whether a thread is dead. The flag: whether the answer orders anything.
    IsDead(usize, bool),
    /// Waits until the protocol says that waiting is over, by when every store is seen.
    CatchUp,
    /// A fence in this thread, by the caller's membarrier.
    FenceIn(usize),
    /// `futex_wait` while the word has this value.
    Wait(Location, u64),
    /// `futex_wake` of so many.
    Wake(Location, u32),
}

impl Access {
    /// What the result is.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Access::Load(location, _) | Access::Update(location, ..) => Origin::Location(*location as u8),
            _ => Origin::Other,
        }
    }
}

/// What a read-modify-write makes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds.
    Add(u64),
    /// Adds the first and sets the bits of the second.
    AddAndSet(u64, u64),
}

impl Change {
    pub(super) fn of(self, value: u64) -> u64 {
        match self {
            Change::Add(number) => value + number,
            Change::AddAndSet(number, bits) => (value + number) | bits,
        }
    }
}

/// What an access gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Given {
    pub(super) value: u64,
    pub(super) origin: Origin,
}

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// A value of this location.
    Location(u8),
    /// What a part of the program came to.
    Part,
    /// Anything else.
    Other,
}

/// One run of a program.
pub struct Turn<'a> {
    given: &'a [Given],
    next: usize,
    /// Where the run was left.
    pub(super) access: Option<Access>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(given: &'a [Given]) -> Turn<'a> {
        Turn {
            given,
            next: 0,
            access: None,
        }
    }

    fn make(&mut self, access: Access) -> Step<u64> {
        match self.given.get(self.next) {
            Some(given) => {
                self.next += 1;
                Ok(given.value)
            }
            None => {
                self.access = Some(access);
                Err(Pause)
            }
        }
    }

    /// A part of the program, of which nothing is kept but what it gives.
    pub fn part(&mut self, part: impl FnOnce(&mut Self) -> Step<u64>) -> Step<u64> {
        let first = self.next;
        if let Some(given) = self.given.get(first)
            && given.origin == Origin::Part
        {
            self.next += 1;
            return Ok(given.value);
        }
        let sum = part(self)?;
        self.access = Some(Access::Sum(first, sum));
        Err(Pause)
    }

    /// Loads.
    pub fn load(&mut self, location: Location, order: Ordering) -> Step<u64> {
        self.make(Access::Load(location, order))
    }

    /// Stores.
    pub fn store(&mut self, location: Location, value: u64, order: Ordering) -> Step<()> {
        self.make(Access::Store(location, value, order)).map(|_| ())
    }

    /// Compares and swaps; whether it did. What it found otherwise is not told: no program here uses it.
    pub fn compare_exchange(
        &mut self,
        location: Location,
        expected: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Step<bool> {
        let access = Access::CompareExchange {
            location,
            expected,
            new,
            success,
            failure,
        };
        self.make(access).map(|done| done != 0)
    }

    /// Changes a value; gives the value before.
    pub fn update(&mut self, location: Location, change: Change, order: Ordering) -> Step<u64> {
        self.make(Access::Update(location, change, order))
    }

    /// A fence.
    pub fn fence(&mut self, order: Ordering) -> Step<()> {
        self.make(Access::Fence(order)).map(|_| ())
    }

    /// Reads plain data.
    pub fn read(&mut self, plain: usize) -> Step<u8> {
        self.make(Access::ReadPlain(plain)).map(|value| value as u8)
    }

    /// Writes plain data.
    pub fn write(&mut self, plain: usize, value: u8) -> Step<()> {
        self.make(Access::WritePlain(plain, value)).map(|_| ())
    }

    /// Writes something down in the ledger, in one step with the access before.
    pub fn note(&mut self, event: u64) -> Step<()> {
        self.make(Access::Note(event)).map(|_| ())
    }

    /// Whether a thread is dead, as far as the kernel knows. Of a death whose proof is not waited for, the answer may come late. With
    /// the proof comes all that the dead one had been made to see.
    pub fn is_dead(&mut self, thread: usize) -> Step<bool> {
        self.make(Access::IsDead(thread, true)).map(|dead| dead != 0)
    }

    /// The same from a kernel that orders nothing, which is a planted mistake.
    pub fn is_dead_unordered(&mut self, thread: usize) -> Step<bool> {
        self.make(Access::IsDead(thread, false)).map(|dead| dead != 0)
    }

    /// Comes again later: when what kept this thread from going on is over ([`Protocol::has_waited`]), and old stores are not found any
    /// more. So that a loop which changes something each time is not searched for ever.
    ///
    /// [`Protocol::has_waited`]: super::machine::Protocol::has_waited
    pub fn catch_up(&mut self) -> Step<()> {
        self.make(Access::CatchUp).map(|_| ())
    }

    /// Part of a membarrier: a fence in another thread, wherever that is in its program.
    pub fn fence_in(&mut self, thread: usize) -> Step<()> {
        self.make(Access::FenceIn(thread)).map(|_| ())
    }

    /// Sleeps while the word has this value, until woken. Whether it slept.
    pub fn wait(&mut self, location: Location, value: u64) -> Step<bool> {
        self.make(Access::Wait(location, value)).map(|slept| slept != 0)
    }

    /// Wakes up to so many; how many there were.
    pub fn wake(&mut self, location: Location, count: u32) -> Step<u64> {
        self.make(Access::Wake(location, count))
    }
}

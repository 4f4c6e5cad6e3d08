//! The memory of C11 and C++20 as an operational model: stores kept, and each thread's view of them.
//!
//! Each atomic location has all its stores in modification order. A thread's view says, for each location, the oldest store that
//! the thread may still find: the newest that it has been made to see. A load finds any store from there on. That is how "stale"
//! reads come about, and nothing else is needed for them: no store buffers, no reordered instructions.
//!
//! - **A store** takes any place in modification order behind what its thread has seen, and not only the last one. A release store
//!   carries its thread's view; a relaxed one carries the view that its thread had at its last release fence.
//! - **A load** moves its thread's view of that location. An acquire load takes over the view that the store carries; a relaxed one
//!   keeps it until its thread's next acquire fence.
//! - **A read-modify-write** finds any store that its thread may find and no other read-modify-write has found, and stands directly
//!   behind it in modification order for ever. It carries on what that store carried (release sequences as C++20 has them: of
//!   read-modify-writes only). A compare-and-swap that fails is a load.
//! - **A fence**: release and acquire as above. A sequentially consistent one is both, and takes over and gives what all such fences
//!   before it have given.
//! - **Plain data** have a value and no history, since two accesses of which one is a write must be ordered: whoever reads must have
//!   been made to see the last write, and whoever writes must have been made to see the last write and all reads since. Anything
//!   else is a data race, and an error ([`Race`]).
//! - **The kernel** is a lock that orders its callers: see [`Memory::enter_kernel`].
//!
//! # What that is, and what not
//!
//! This is RC11 (Lahav and others, "Repairing sequential consistency in C/C++11", 2017) in the form of views, as Kang and others
//! have it ("A promising semantics for relaxed-memory concurrency", 2017) without their promises. So:
//!
//! - A load never finds what is stored later in time: no load buffering, nothing out of thin air. RC11 forbids that, and C++ allows
//!   the first, where no acquire, release or fence is in the way.
//! - `SeqCst` on a load, store or read-modify-write means acquire and release here and no more. That is weaker than the language,
//!   so what holds here rests on no such access.
//! - Sequentially consistent fences are ordered as they come in time. RC11 orders two of them only by what the program can tell of
//!   them; the difference shows where a chain of relaxed accesses, through a third thread without fences, leads from one to the
//!   other.
//! - Accesses are of whole words. Consume, and atomics of mixed sizes, do not exist.

mod view;

#[cfg(test)]
mod litmus;

use std::hash::Hash;
use std::sync::atomic::Ordering;
pub(crate) use view::View;

/// The most atomic locations.
pub const LOCATIONS: usize = view::LOCATIONS;
/// The most threads.
pub const THREADS: usize = 6;
/// The most plain locations.
pub const PLAINS: usize = 4;

/// An atomic location's number.
pub type Location = usize;

/// How strong the memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Views, as the head of the module says.
    Weak,
    /// Every load finds the last store, and every access is ordered with all others. To tell mistakes of orderings from others.
    Sequential,
}

/// Two accesses to plain data that nothing orders, one of them a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race;

/// One store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Message {
    value: u64,
    /// What whoever acquires this store has been made to see.
    view: View,
    /// A read-modify-write found the store before this one: nothing can come between the two.
    attached: bool,
}

/// What one thread has been made to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Thread {
    /// Now.
    seen: View,
    /// After an acquire fence. Never below `seen`.
    pending: View,
    /// At its last release fence.
    released: View,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    strength: Strength,
    /// The stores of all locations, one location behind the other, each in modification order.
    messages: Vec<Message>,
    /// Where each location's stores end.
    ends: [u8; LOCATIONS],
    plain: [u8; PLAINS],
    threads: [Thread; THREADS],
    /// What sequentially consistent fences have given.
    fences: View,
    /// What callers of the kernel have given.
    kernel: View,
}

impl Hash for Memory {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.ends);
        for message in &self.messages {
            state.write_u64(message.value << 1 ^ u64::from(message.attached));
            message.view.hash(state);
        }
        state.write(&self.plain);
        self.threads.hash(state);
        self.fences.hash(state);
        self.kernel.hash(state);
    }
}

fn acquires(order: Ordering) -> bool {
    matches!(order, Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst)
}

fn releases(order: Ordering) -> bool {
    matches!(order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
}

impl Memory {
    /// Locations with these values, which everybody has seen.
    pub fn new(strength: Strength, values: &[u64]) -> Memory {
        assert!(values.len() <= LOCATIONS, "at most {LOCATIONS} locations");
        let mut ends = [values.len() as u8; LOCATIONS];
        for (location, end) in ends.iter_mut().enumerate().take(values.len()) {
            *end = location as u8 + 1;
        }
        let message = |value: &u64| Message {
            value: *value,
            view: View::default(),
            attached: false,
        };
        Memory {
            strength,
            messages: values.iter().map(message).collect(),
            ends,
            plain: [0; PLAINS],
            threads: [Thread::default(); THREADS],
            fences: View::default(),
            kernel: View::default(),
        }
    }

    fn start(&self, location: Location) -> usize {
        match location {
            0 => 0,
            _ => usize::from(self.ends[location - 1]),
        }
    }

    fn history(&self, location: Location) -> &[Message] {
        &self.messages[self.start(location)..usize::from(self.ends[location])]
    }

    /// How many locations there are.
    fn locations(&self) -> usize {
        let total = self.messages.len() as u8;
        1 + self.ends.iter().position(|end| *end == total).unwrap_or(0)
    }

    /// The last value in modification order. No thread can ask for it.
    pub fn newest(&self, location: Location) -> u64 {
        self.history(location).last().expect("a location has a store").value
    }

    /// The values of a location that are still kept, in modification order.
    pub fn values(&self, location: Location) -> impl Iterator<Item = u64> {
        self.history(location).iter().map(|message| message.value)
    }

    /// The stores that a thread may find, by number in modification order.
    pub fn readable(&self, thread: usize, location: Location) -> std::ops::Range<u8> {
        let count = self.history(location).len() as u8;
        match self.strength {
            Strength::Weak => self.threads[thread].seen.of(location)..count,
            Strength::Sequential => count - 1..count,
        }
    }

    /// The value of a store.
    pub fn value(&self, location: Location, number: u8) -> u64 {
        self.history(location)[usize::from(number)].value
    }

    /// Whether a read-modify-write may find this store: no other has.
    pub fn is_exchangeable(&self, location: Location, number: u8) -> bool {
        self.history(location)
            .get(usize::from(number) + 1)
            .is_none_or(|next| !next.attached)
    }

    /// The places that a thread's store may take: the numbers that it would have.
    pub fn places(&self, thread: usize, location: Location) -> impl Iterator<Item = u8> + use<> {
        let history = self.history(location);
        let first = self.threads[thread].seen.of(location) + 1;
        let first = match self.strength {
            Strength::Weak => first,
            Strength::Sequential => history.len() as u8,
        };
        let free: Vec<u8> = (first..=history.len() as u8)
            .filter(|place| history.get(usize::from(*place)).is_none_or(|next| !next.attached))
            .collect();
        free.into_iter()
    }

    /// A load that finds store `number`.
    pub fn load(&mut self, thread: usize, location: Location, number: u8, order: Ordering) -> u64 {
        let found = self.history(location)[usize::from(number)];
        let own = &mut self.threads[thread];
        own.seen.raise(location, number);
        own.pending.raise(location, number);
        own.pending.join(&found.view);
        if acquires(order) {
            own.seen.join(&found.view);
        }
        found.value
    }

    /// A store that takes the place `number`.
    pub fn store(&mut self, thread: usize, location: Location, number: u8, value: u64, order: Ordering) {
        self.insert(thread, location, number, value, order, None);
    }

    /// A read-modify-write that finds store `number` and replaces its value.
    pub fn exchange(&mut self, thread: usize, location: Location, number: u8, value: u64, order: Ordering) {
        let carried = self.history(location)[usize::from(number)].view;
        self.load(thread, location, number, order);
        self.insert(thread, location, number + 1, value, order, Some(carried));
    }

    /// Makes a store. `carried` is what the store carries that a read-modify-write has found.
    fn insert(
        &mut self,
        thread: usize,
        location: Location,
        number: u8,
        value: u64,
        order: Ordering,
        carried: Option<View>,
    ) {
        assert!(self.messages.len() < 255, "more stores than a state can number");
        self.for_each_view(|view| view.make_room(location, number));
        let place = self.start(location) + usize::from(number);
        for end in &mut self.ends[location..] {
            *end += 1;
        }
        let own = &mut self.threads[thread];
        own.seen.raise(location, number);
        own.pending.raise(location, number);
        let mut view = if releases(order) { own.seen } else { own.released };
        if let Some(mut carried) = carried {
            carried.make_room(location, number);
            view.join(&carried);
        }
        view.raise(location, number);
        let message = Message {
            value,
            view,
            attached: carried.is_some(),
        };
        self.messages.insert(place, message);
    }

    fn for_each_view(&mut self, mut change: impl FnMut(&mut View)) {
        self.messages.iter_mut().for_each(|message| change(&mut message.view));
        for thread in &mut self.threads {
            change(&mut thread.seen);
            change(&mut thread.pending);
            change(&mut thread.released);
        }
        change(&mut self.fences);
        change(&mut self.kernel);
    }

    /// A fence.
    pub fn fence(&mut self, thread: usize, order: Ordering) {
        let own = &mut self.threads[thread];
        if acquires(order) {
            own.seen = own.pending;
        }
        if order == Ordering::SeqCst {
            self.fences.join(&own.seen);
            own.seen = self.fences;
            own.pending = self.fences;
        }
        if releases(order) {
            own.released = own.seen;
        }
    }

    /// Reads plain data.
    pub fn read(&mut self, thread: usize, plain: usize) -> Result<u8, Race> {
        if self.strength == Strength::Weak && !self.threads[thread].seen.has_write(plain) {
            return Err(Race);
        }
        let Thread { seen, pending, .. } = self.threads[thread];
        self.for_each_view(|view| view.forget_read(plain, thread));
        let own = &mut self.threads[thread];
        (own.seen, own.pending) = (seen, pending);
        own.seen.note_read(plain, thread);
        own.pending.note_read(plain, thread);
        Ok(self.plain[plain])
    }

    /// Writes plain data.
    pub fn write(&mut self, thread: usize, plain: usize, value: u8) -> Result<(), Race> {
        if self.strength == Strength::Weak && !self.threads[thread].seen.has_all(plain) {
            return Err(Race);
        }
        self.for_each_view(|view| view.forget_write(plain));
        let own = &mut self.threads[thread];
        own.seen.note_write(plain);
        own.pending.note_write(plain);
        self.plain[plain] = value;
        Ok(())
    }

    /// Plain data as they are. No thread can ask for them.
    pub fn contents(&self, plain: usize) -> u8 {
        self.plain[plain]
    }

    /// A thread learns all that another one, which is dead, had been made to see.
    pub fn learn(&mut self, thread: usize, dead: usize) {
        let seen = self.threads[dead].seen;
        self.hand(thread, &seen);
    }

    /// A thread finds the last store of each location from now on. It acquires nothing with them.
    pub fn catch_up(&mut self, thread: usize) {
        for location in 0..self.locations() {
            let last = self.history(location).len() as u8 - 1;
            self.threads[thread].seen.raise(location, last);
            self.threads[thread].pending.raise(location, last);
        }
    }

    fn hand(&mut self, thread: usize, view: &View) {
        self.threads[thread].seen.join(view);
        self.threads[thread].pending.join(view);
    }

    /// A thread takes the kernel's lock, does what it came for, and lets go: everything that callers before it had seen is seen by
    /// it, and what it has seen by those after it. No more: the lock is no fence.
    pub fn enter_kernel(&mut self, thread: usize) {
        let given = self.kernel;
        self.hand(thread, &given);
        let seen = self.threads[thread].seen;
        self.kernel.join(&seen);
    }

    /// Takes the thread's views for what they are from now on: no one will ask for more of them.
    pub fn bury(&mut self, thread: usize, keeps_what_it_saw: bool) {
        let seen = self.threads[thread].seen;
        self.threads[thread] = Thread::default();
        if keeps_what_it_saw {
            self.threads[thread].seen = seen;
            self.threads[thread].pending = seen;
        }
    }

    /// Takes as much from every value of a location.
    pub fn lower(&mut self, location: Location, by: u64) {
        let (start, end) = (self.start(location), usize::from(self.ends[location]));
        for message in &mut self.messages[start..end] {
            message.value -= by;
        }
    }

    /// The state that cannot be told from this one and is the same for all such: stores that nobody can find any more are dropped.
    ///
    /// `interest` is, by thread, a bit for each location that the thread may still access. `fences`: a bit for each thread that may
    /// still execute an acquire fence, for which it keeps what relaxed loads found.
    pub fn settle(&mut self, interest: &[u32], fences: u32) {
        if self.strength == Strength::Sequential {
            self.see_everything();
        }
        for (thread, own) in self.threads.iter_mut().enumerate() {
            if fences & 1 << thread == 0 {
                own.pending = own.seen;
            }
        }
        for location in 0..self.locations() {
            let interested = interest
                .iter()
                .zip(&self.threads)
                .filter(|(interest, _)| **interest & 1 << location != 0)
                .map(|(_, thread)| thread.seen.of(location));
            let last = self.history(location).len() as u8 - 1;
            let oldest = interested.min();
            let dropped = oldest.unwrap_or(last);
            if dropped > 0 {
                let start = self.start(location);
                self.messages.drain(start..start + usize::from(dropped));
                for end in &mut self.ends[location..] {
                    *end -= dropped;
                }
                self.for_each_view(|view| view.drop_oldest(location, dropped));
            }
            let start = self.start(location);
            self.messages[start].attached = false;
            if oldest.is_none() {
                self.messages[start].view = View::default();
            }
        }
    }

    fn see_everything(&mut self) {
        let mut everything = View::default();
        for location in 0..self.locations() {
            everything.raise(location, self.history(location).len() as u8 - 1);
        }
        self.for_each_view(|view| *view = everything);
    }
}

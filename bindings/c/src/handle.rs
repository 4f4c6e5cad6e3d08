//! The handles that C has: numbers in the shape of pointers, which are looked up and never followed.
//!
//! Each kind has a table. A handle is a place in it, and the number of the use that the place was given to: it is compared with what stands
//! there, so a handle that was destroyed, is of another kind, or never was one is an error and nothing worse. No two handles of a process are
//! the same. Looking one up takes no lock and no memory, so that a signal handler may do it.

use crate::status::{Failure, Result, dmxp_status};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Bits of a handle that say which place it has.
const PLACE_BITS: u32 = 24;
/// Bits that say which kind it is of.
const KIND_BITS: u32 = 4;
/// Places of the first chunk; each further chunk has twice as many as the one before.
const FIRST: usize = 32;
const CHUNKS: usize = PLACE_BITS as usize - FIRST.trailing_zeros() as usize;

/// What C has handles of.
pub(crate) trait Handle: Sized + Send + Sync + 'static {
    /// Tells the kinds apart.
    const KIND: u64;
    /// What makes one, for errors.
    const MADE_BY: &'static str;
    fn table() -> &'static Table<Self>;
}

struct Place<T> {
    /// The number of the use that the value belongs to; 0: there is none.
    used: AtomicU64,
    /// While it is free: the next free place and 1, or 0.
    next: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// The values of one kind. Its memory is never given back: a handle of long ago still finds a place.
pub(crate) struct Table<T> {
    chunks: [AtomicPtr<Place<T>>; CHUNKS],
    /// Places that were given out once.
    len: AtomicU64,
    /// The first free place and 1, or 0; above it a count of changes, so that a place that came back is told from one that stayed.
    free: AtomicU64,
    /// Uses so far.
    uses: AtomicU64,
}

// SAFETY: values are put in, and taken out, by the one thread that changes `used` of their place, and shared between.
unsafe impl<T: Send + Sync> Sync for Table<T> {}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            len: AtomicU64::new(0),
            free: AtomicU64::new(0),
            uses: AtomicU64::new(0),
        }
    }

    /// The chunk of a place, and its number there.
    fn split(place: usize) -> (usize, usize) {
        let chunk = (place / FIRST + 1).ilog2() as usize;
        (chunk, place - FIRST * ((1 << chunk) - 1))
    }

    /// A place that was given out once; `None` for any other.
    fn place(&self, place: usize) -> Option<&Place<T>> {
        let (chunk, number) = Self::split(place);
        // Acquire: pairs with the exchange in `grown`, behind which the chunk is complete.
        let chunk = self.chunks.get(chunk)?.load(Ordering::Acquire);
        if chunk.is_null() {
            return None;
        }
        // SAFETY: a chunk has as many places as `split` counts on.
        let place = unsafe { chunk.add(number) };
        // SAFETY: a place of a chunk, which is never given back.
        Some(unsafe { &*place })
    }

    /// The same, and its chunk is made if it is the first there.
    fn grown(&self, place: usize) -> Option<&Place<T>> {
        let (chunk, _) = Self::split(place);
        let slot = self.chunks.get(chunk)?;
        if slot.load(Ordering::Acquire).is_null() {
            let empty = || Place {
                used: AtomicU64::new(0),
                next: AtomicU64::new(0),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            };
            let places: Box<[Place<T>]> = (0..FIRST << chunk).map(|_| empty()).collect();
            let places = Box::into_raw(places);
            // AcqRel: pairs with the loads of the chunk.
            let put = slot.compare_exchange(ptr::null_mut(), places.cast(), Ordering::AcqRel, Ordering::Acquire);
            if put.is_err() {
                // SAFETY: another thread was faster, and nobody has seen this one.
                drop(unsafe { Box::from_raw(places) });
            }
        }
        self.place(place)
    }

    /// A place that nobody else has.
    fn claim(&self) -> Option<(usize, &Place<T>)> {
        let mut free = self.free.load(Ordering::Acquire);
        while let Some(index) = (free as u32).checked_sub(1) {
            let place = self.place(index as usize)?;
            let next = place.next.load(Ordering::Relaxed);
            let after = ((free >> 32).wrapping_add(1) << 32) | next;
            // AcqRel: pairs with `release`; what was done with the place before is over.
            match self
                .free
                .compare_exchange_weak(free, after, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some((index as usize, place)),
                Err(found) => free = found,
            }
        }
        let index = self.len.fetch_add(1, Ordering::Relaxed) as usize;
        (index < 1 << PLACE_BITS)
            .then(|| self.grown(index))
            .flatten()
            .map(|place| (index, place))
    }

    fn release(&self, index: usize, place: &Place<T>) {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            place.next.store(free & u64::from(u32::MAX), Ordering::Relaxed);
            let after = ((free >> 32).wrapping_add(1) << 32) | (index as u64 + 1);
            // Release: pairs with `claim`.
            match self
                .free
                .compare_exchange_weak(free, after, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(found) => free = found,
            }
        }
    }
}

/// The use and the place of a handle, if it is of this kind.
fn parts<T: Handle>(handle: *const T) -> Option<(u64, usize)> {
    let bits = handle.addr() as u64;
    let place = (bits & ((1 << PLACE_BITS) - 1)) as usize;
    let kind = (bits >> PLACE_BITS) & ((1 << KIND_BITS) - 1);
    (kind == T::KIND).then_some((bits >> (PLACE_BITS + KIND_BITS), place))
}

/// A handle of a value, which [`take`] takes back.
pub(crate) fn give<T: Handle>(value: T) -> Result<*mut T> {
    let table = T::table();
    let Some((index, place)) = table.claim() else {
        return Err(Failure::invalid("the process has too many handles; destroy some"));
    };
    // 36 bits: more than a process opens. From 1 on.
    let used = table.uses.fetch_add(1, Ordering::Relaxed) + 1;
    // SAFETY: the place is this thread's alone, and has no value to drop.
    unsafe { place.value.get().write(MaybeUninit::new(value)) };
    // Release: pairs with the acquire in `find`.
    place.used.store(used, Ordering::Release);
    let bits = used << (PLACE_BITS + KIND_BITS) | T::KIND << PLACE_BITS | index as u64;
    Ok(ptr::without_provenance_mut(bits as usize))
}

/// What a handle stands for. It is there until it is taken back, which nobody does while the call runs.
pub(crate) fn find<'a, T: Handle>(handle: *const T, what: &str) -> Result<&'a T> {
    if handle.is_null() {
        return Err(Failure::invalid(format!("`{what}` is NULL")));
    }
    let place = parts(handle).and_then(|(used, index)| Some((used, T::table().place(index)?)));
    match place {
        // Acquire: pairs with the release in `give`. 0 is no use.
        Some((used, place)) if used != 0 && place.used.load(Ordering::Acquire) == used => {
            // SAFETY: a value that is put there stays as it is while `used` has its number; nobody takes it back while the call runs.
            let value = unsafe { &*place.value.get() };
            // SAFETY: the value of this use is there since before `used` was stored.
            Ok(unsafe { value.assume_init_ref() })
        }
        _ => Err(stale::<T>(what)),
    }
}

#[cold]
fn stale<T: Handle>(what: &str) -> Failure {
    let text = format!(
        "`{what}` is no handle, or not any more: it was destroyed, or never made by {}",
        T::MADE_BY
    );
    Failure::new(dmxp_status::DMXP_STALE, text)
}

/// Takes the value of a handle, which is stale from then on; nothing for NULL.
pub(crate) fn take<T: Handle>(handle: *mut T, what: &str) -> Result<Option<T>> {
    if handle.is_null() {
        return Ok(None);
    }
    let found = parts(handle).and_then(|(used, index)| Some((used, index, T::table().place(index)?)));
    let Some((used, index, place)) = found.filter(|(used, ..)| *used != 0) else {
        return Err(stale::<T>(what));
    };
    // AcqRel: of two threads that take it, one does.
    if place
        .used
        .compare_exchange(used, 0, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        return Err(stale::<T>(what));
    }
    // SAFETY: of this use, which this thread has just ended: nobody else reads the place before it is released.
    let value = unsafe { place.value.get().read() };
    // SAFETY: a value was there, and what is left behind is not used.
    let value = unsafe { value.assume_init() };
    T::table().release(index, place);
    Ok(Some(value))
}

/// Says that C has handles of a type.
macro_rules! handle {
    ($name:ident, $kind:literal, $made_by:literal) => {
        impl $crate::handle::Handle for $name {
            const KIND: u64 = $kind;
            const MADE_BY: &'static str = $made_by;
            fn table() -> &'static $crate::handle::Table<Self> {
                static TABLE: $crate::handle::Table<$name> = $crate::handle::Table::new();
                &TABLE
            }
        }
    };
}
pub(crate) use handle;

const _: () = assert!(size_of::<usize>() == 8, "a handle has 64 bits");

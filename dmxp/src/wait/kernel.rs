//! Stands in for the kernel under loom: the futex and the barriers.

/// Both sides pay, as where there is no membarrier. A barrier that others run for us is in `tests/protocol-model`.
pub(super) mod barrier {
    use crate::sync::planted::{Bug, planted};
    use crate::sync::{Ordering, fence};

    pub(in crate::wait) fn light() {
        if !planted(Bug::PublisherWithoutBarrier) {
            fence(Ordering::SeqCst);
        }
    }

    pub(in crate::wait) fn heavy() -> bool {
        if !planted(Bug::WaiterWithoutBarrier) {
            fence(Ordering::SeqCst);
        }
        true
    }
}

/// A futex without time limits: a thread that is not woken sleeps for ever, which loom reports.
///
/// The kernel compares the word and lines the sleeper up in one step as others see it, and a waker that finds nobody there is
/// followed by a comparison that sees what it had stored. It promises no other order of memory, and neither does this: the
/// comparison reads the newest value and acquires nothing.
pub(super) mod futex {
    use crate::sync::{AtomicU32, Ordering, point};
    use core::cell::Cell;
    use loom::thread::{self, Thread};
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    pub(in crate::wait) const MOST: usize = 128;

    struct Sleeper {
        word: usize,
        thread: Thread,
        woken: Arc<AtomicBool>,
    }

    loom::lazy_static! {
        /// First come, first woken. No thread is interrupted while it has this.
        static ref SLEEPERS: Mutex<Vec<Sleeper>> = Mutex::new(Vec::new());
    }

    loom::thread_local! {
        static WOKEN: Cell<bool> = Cell::new(false);
    }

    fn address(word: &AtomicU32) -> usize {
        core::ptr::from_ref(word).addr()
    }

    pub(in crate::wait) fn wait(word: &AtomicU32, expected: u32, _: Duration) {
        WOKEN.with(|woken| woken.set(false));
        if word.fetch_add(0, Ordering::Relaxed) != expected {
            return;
        }
        let woken = Arc::new(AtomicBool::new(false));
        SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner).push(Sleeper {
            word: address(word),
            thread: thread::current(),
            woken: woken.clone(),
        });
        while !woken.load(Ordering::Relaxed) {
            thread::park();
        }
        WOKEN.with(|woken| woken.set(true));
    }

    /// As the kernel does it, one word after the other: a sleeper that is woken at one while it lines up at the next has used that wake,
    /// and so has one that is woken at two.
    pub(in crate::wait) fn wait_any<'a>(words: impl IntoIterator<Item = (&'a AtomicU32, u32)>, _: Duration) {
        WOKEN.with(|woken| woken.set(false));
        let woken = Arc::new(AtomicBool::new(false));
        let sleepers = || SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fell_asleep = true;
        for (word, expected) in words {
            if word.fetch_add(0, Ordering::Relaxed) != expected {
                fell_asleep = false;
                break;
            }
            sleepers().push(Sleeper {
                word: address(word),
                thread: thread::current(),
                woken: woken.clone(),
            });
        }
        while fell_asleep && !woken.load(Ordering::Relaxed) {
            thread::park();
        }
        sleepers().retain(|sleeper| !Arc::ptr_eq(&sleeper.woken, &woken));
        WOKEN.with(|here| here.set(fell_asleep));
    }

    pub(in crate::wait) fn wake(word: &AtomicU32, count: u32) -> u32 {
        point();
        rouse(count, |sleeper| sleeper.word == address(word))
    }

    /// Wakes at most `count` of the sleepers there.
    fn rouse(count: u32, there: impl Fn(&Sleeper) -> bool) -> u32 {
        let mut sleepers = SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = 0;
        sleepers.retain(|sleeper| {
            let chosen = woken < count && there(sleeper);
            if chosen {
                woken += 1;
                sleeper.woken.store(true, Ordering::Relaxed);
                sleeper.thread.unpark();
            }
            !chosen
        });
        woken
    }

    /// Whether this thread's last sleep ended by a wake: if it dies now, it takes that along.
    pub(in crate::wait) fn woken() -> bool {
        WOKEN.with(Cell::get)
    }

    /// The time after which every sleeper looks around has passed.
    pub(in crate::wait) fn tick() {
        rouse(u32::MAX, |_| true);
    }

    /// To be called before there are threads: whatever touches the list first is before all others that do.
    pub(in crate::wait) fn prepare() {
        tick();
    }
}

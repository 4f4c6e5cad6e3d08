//! Sleeping on many things at once.
//!
//! The protocol is that of [`Event`], for each of them: signals read and announcements made one after the other, one barrier, one
//! look at everything, and a sleep that ends when any signal is not what was read. A wake that finds this sleeper may be for
//! another one: a waiter for many things may take nothing of this one. So each announcement says `SEVERAL`, and publishers wake
//! all others that sleep there as well; nothing has to be passed on.

use super::event::{Event, Rest, settle};
use super::futex;
use crate::sync::planted::{Bug, planted};
use crate::sync::{AtomicU32, Ordering};
use std::time::Duration;

/// Words beside another one that one thread can sleep on.
pub(crate) const DIRECT: usize = futex::MOST - 1;

/// Things to wait for, and how to sleep on their words.
pub(crate) struct Any<'a, S> {
    /// A futex word of this process that ends the sleep.
    pub(crate) bell: &'a AtomicU32,
    pub(crate) events: Vec<Event<'a>>,
    /// Sleeps while each word, the bell's and the signals in the order of the events, is what stands beside it, or for no longer
    /// than the time given.
    pub(crate) sleep: S,
}

impl<'a, S: Fn(&[(&'a AtomicU32, u32)], Duration)> Rest for Any<'a, S> {
    type Announced = ();

    fn sleep(&self, (): &mut (), _several: bool, timeout: Duration, ready: impl FnOnce() -> bool) {
        // Before all else: a ring because of something that happens from here on is heard. Acquire: pairs with Bell::ring;
        // a thread whose ring is heard here need not ring again.
        let mut words = vec![(self.bell, self.bell.load(Ordering::Acquire))];
        let greedy = !planted(Bug::SetUsesUpWakes);
        words.extend(self.events.iter().map(|event| (event.signal, event.announce(greedy))));
        settle(self.events.iter().copied());
        if !ready() {
            (self.sleep)(&words, timeout);
        }
    }

    fn pass_on(&self) {}
}

/// Sleeps while each word is what stands beside it, at most `timeout`; of [`DIRECT`] words and one more.
pub(crate) fn sleep_on_any(words: &[(&AtomicU32, u32)], timeout: Duration) {
    futex::wait_any(words.iter().copied(), timeout);
}

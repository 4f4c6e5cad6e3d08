//! Threads that sleep for a set on what its own thread has no room for: futex_waitv takes 128 words, a set's thread sleeps on its
//! bell and 127 channels, and each of these threads on 127 more.
//!
//! A sleeper has orders: words, and what each was. When one of them is something else it rings the set's bell, once, and waits for
//! other orders. The set gives orders whenever they differ from those the sleeper has; where they do not, no word has changed since,
//! and the sleeper sleeps on them still, or has yet to fall asleep and will not if one changes. The set reads its bell before it
//! reads the words, so what happens after the words were read rings a bell that is listened to.

use super::alarm::Alarm;
use crate::os::thread;
use crate::raw::Waiter;
use crate::sync::AtomicU32;
use crate::wait::{Bell, DIRECT, sleep_on_any};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Nobody is needed before that; every end of a sleep is followed by a look at the orders.
const LONG: Duration = Duration::from_secs(3_600);

/// Whose signals to sleep on, and what they were.
type Orders = Vec<(Arc<Waiter>, u32)>;

#[derive(Debug, Default)]
struct Post {
    orders: Mutex<Arc<Orders>>,
    /// Rings when there are other orders.
    changed: Bell,
    /// The set is gone.
    over: AtomicBool,
}

#[derive(Debug)]
struct Sleeper {
    post: Arc<Post>,
    told: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

/// All sleepers of a set.
#[derive(Debug, Default)]
pub(super) struct Sleepers(Vec<Sleeper>);

impl Sleepers {
    /// Has these signals slept on. `false`: there is no thread to be had for some of them.
    pub(super) fn order(&mut self, alarm: &Arc<Alarm>, orders: &[(&Arc<Waiter>, u32)]) -> bool {
        let groups = orders.chunks(DIRECT);
        while self.0.len() < groups.len() {
            match Sleeper::start(alarm) {
                Some(sleeper) => self.0.push(sleeper),
                None => return false,
            }
        }
        let groups = groups.chain(core::iter::repeat(&[][..]));
        for (sleeper, group) in self.0.iter_mut().zip(groups) {
            sleeper.order(group);
        }
        true
    }

    /// In a forked child: the threads are not here.
    pub(super) fn forget(&mut self) {
        for sleeper in self.0.drain(..) {
            core::mem::forget(sleeper);
        }
    }
}

impl Sleeper {
    fn start(alarm: &Arc<Alarm>) -> Option<Self> {
        let post = Arc::new(Post::default());
        let (alarm, theirs) = (alarm.clone(), post.clone());
        let thread = thread::spawn(thread::SLEEPER, move || sleep_as_told(&theirs, &alarm)).ok()?;
        Some(Self {
            post,
            told: Arc::default(),
            thread: Some(thread),
        })
    }

    fn order(&mut self, orders: &[(&Arc<Waiter>, u32)]) {
        let same = self.told.len() == orders.len()
            && self
                .told
                .iter()
                .zip(orders)
                .all(|((told, was), (waiter, is))| was == is && Arc::ptr_eq(told, waiter));
        if !same {
            let orders = orders.iter().map(|(waiter, is)| ((*waiter).clone(), *is));
            self.told = Arc::new(orders.collect());
            *self.post.orders.lock().unwrap_or_else(PoisonError::into_inner) = self.told.clone();
            self.post.changed.ring();
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Release: pairs with the acquire in sleep_as_told; the bell would do as well.
        self.post.over.store(true, Ordering::Release);
        self.post.changed.ring();
        if let Some(thread) = self.thread.take() {
            // It does not panic, and ends without waiting for anything.
            let _ = thread.join();
        }
    }
}

fn sleep_as_told(post: &Post, alarm: &Alarm) {
    loop {
        // Before the orders: other ones ring.
        let heard = post.changed.heard();
        // Acquire: pairs with the drop.
        if post.over.load(Ordering::Acquire) {
            return;
        }
        let orders = post.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut words: Vec<(&AtomicU32, u32)> = vec![(post.changed.word(), heard)];
        words.extend(orders.iter().map(|(waiter, was)| (waiter.event().signal, *was)));
        sleep_on_any(&words, LONG);
        // Acquire: pairs with the release of the one that changed it. The set, which hears the bell, sees why.
        let has_changed = |(word, was): &(&AtomicU32, u32)| word.load(crate::sync::Ordering::Acquire) != *was;
        if words[1..].iter().any(has_changed) {
            alarm.ring();
            while post.changed.heard() == heard {
                post.changed.sleep(heard, LONG);
            }
        }
    }
}

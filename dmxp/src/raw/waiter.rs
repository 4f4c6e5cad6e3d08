//! Waiting for what a handle waits for, without the handle.

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::handle::registration::Registration;
use crate::handle::waiting::{SweepTimer, blocked, wait_for};
use crate::layout::{ROLE_CONSUMER, ROLE_PRODUCER, waiters};
use crate::os::fork::fork_epoch;
use crate::raw::Wait;
use crate::region::Attachment;
use crate::ring::broadcast::mapped::{limits, look};
use crate::ring::broadcast::memory::Look;
use crate::ring::broadcast::read::{Newest, newest};
use crate::ring::mapped::RingWords;
use crate::ring::memory::RingMemory;
use crate::ring::queue::consume::{is_readable, is_returned};
use crate::ring::queue::produce::{is_behind_aborted, is_writable};
use crate::ring::word::{Standing, standing};
use crate::sync::Ordering;
use crate::table::delivery::Delivery;
use crate::table::lives;
use crate::table::lives::StreamInfo;
use crate::table::properties::Properties;
use crate::wait::{Event, Spinning, WaitStrategy, Waiting, until};
use core::cell::Cell;
use std::sync::{Arc, Weak};

/// Waits for what a handle waits for, without the handle.
///
/// For bindings whose handles are shared by threads under a lock: the lock must not be held while one of the threads sleeps. And
/// for those who wait for many things at once: [`WaitSet`](crate::WaitSet).
#[derive(Clone, Debug)]
pub struct Waiter {
    attachment: Arc<Attachment>,
    properties: Properties,
    /// The same for the ring for urgent messages, for consumers of a channel that has one.
    high: Option<Box<Waiter>>,
    /// Consumers wait for data, producers for space.
    for_data: bool,
    registration: Weak<Registration>,
    spinning: Spinning,
    /// Of a consumer.
    ends_without_producers: bool,
    keeps_removed_region: bool,
    epoch: u64,
}

impl Waiter {
    pub(crate) fn new(handle: &Handle, high: Option<&Handle>, for_data: bool) -> Self {
        Self {
            attachment: handle.ring.attachment().clone(),
            properties: handle.properties.clone(),
            high: high.map(|high| Box::new(Self::new(high, None, for_data))),
            for_data,
            registration: Arc::downgrade(handle.registration()),
            spinning: handle.spinning(),
            keeps_removed_region: handle.registration().keeps_removed_region(),
            ends_without_producers: handle.registration().producers.is_asked(),
            epoch: handle.ring.attachment().epoch(),
        }
    }

    /// Fails in a forked child, where a lock that another thread of the parent held is never given back. To be called before
    /// the lock is taken.
    ///
    /// # Errors
    /// [`Error::Forked`].
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.epoch == fork_epoch() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    /// Calls `attempt`, which takes the lock and claims `min` messages or slots with [`Wait::Attempt`], until it gives anything but
    /// [`Error::Full`] or [`Error::Empty`], or the time is over. Once, if the handle is dropped already.
    ///
    /// # Errors
    /// [`Error::Timeout`], or with [`Wait::No`] what `attempt` answers; other errors of `attempt`.
    pub fn wait<R>(&self, min: usize, wait: Wait, mut attempt: impl FnMut() -> Result<R>) -> Result<R> {
        if wait.is_none() {
            return attempt();
        }
        self.long_wait().wait(min, wait, attempt)
    }

    pub(crate) fn event(&self) -> Event<'_> {
        let mapping = self.attachment.mapping();
        let record = mapping.record(self.properties.id);
        if self.for_data {
            Event {
                signal: &mapping.entry(self.properties.id).signal,
                waiters: &record.data_waiters,
            }
        } else {
            Event {
                signal: &record.space_signal,
                waiters: &record.space_waiters,
            }
        }
    }

    fn ring(&self) -> RingWords<'_> {
        RingWords {
            mapping: self.attachment.mapping(),
            place: self.properties.place(),
        }
    }

    /// Whether the channel's place is still this one's. Decides only whether somebody is woken, or looks. Acquire: as in
    /// recovery::sweep_channel.
    fn is_of_its_channel(&self) -> bool {
        let record = self.attachment.mapping().record(self.properties.id);
        record.generation.load(Ordering::Acquire) == self.properties.generation
    }

    /// Whether another waiter may find something too: there is a message at the head of a queue, or room at its tail. On
    /// broadcast and latest channels each publication wakes everybody.
    fn has_more(&self) -> bool {
        match (self.properties.delivery, self.for_data) {
            (Delivery::Queue, true) => {
                is_readable(&self.ring()) || self.high.as_ref().is_some_and(|high| high.has_more())
            }
            (Delivery::Queue, false) => is_writable(&self.ring()),
            (Delivery::Broadcast | Delivery::Latest, _) => false,
        }
    }

    /// Whether a call with the handle would do anything but find nothing: get what it waits for, or hear that the stream is over.
    /// A hint: others may be faster. `seen` is what the caller remembers of returned messages, of each
    /// ring; 0 at first.
    pub(crate) fn is_ready(&self, seen: &mut [u64; 2]) -> bool {
        if !self.is_of_its_channel() {
            // The call will say.
            return true;
        }
        // As in Consumer::claim_rest, whose answer it foretells; the order of the looks decides nothing here.
        let listeners = self.attachment.mapping().record(self.properties.listeners());
        let waiters = &listeners.data_waiters;
        let ended = waiters.load(Ordering::Acquire) & (waiters::CLOSED | waiters::REMOVED) != 0
            || self.are_producers_gone()
            || (self.attachment.is_lost() && !self.keeps_removed_region);
        if self.properties.delivery != Delivery::Queue {
            return self.is_ready_for_broadcast(ended);
        }
        if self.has_more() {
            return true;
        }
        if !self.for_data {
            return ended || is_behind_aborted(&self.ring(), 1);
        }
        let rings = || core::iter::once(self).chain(self.high.as_deref());
        let drained = |waiter: &Self| {
            let ring = waiter.ring();
            ring.tail().load(Ordering::Acquire) == ring.head().load(Ordering::Acquire)
        };
        (ended && rings().all(drained))
            || rings()
                .zip(seen)
                .any(|(waiter, seen)| is_returned(&waiter.ring(), seen))
    }

    /// Whether this is a consumer's that asked for that end, and the producers have gone.
    fn are_producers_gone(&self) -> bool {
        self.ends_without_producers
            && self.registration.upgrade().is_some_and(|registration| {
                let producers = &registration.producers;
                producers.have_gone(self.attachment.mapping(), &self.properties)
            })
    }

    /// The process ids of the live handles on the other side of the channel, one for each handle: of a producer's waiter the consumers', of a
    /// consumer's the producers'. Of the dead, also those whose death nobody has noticed yet are left out.
    ///
    /// # Errors
    /// [`Error::Forked`]; [`Error::Evicted`]; [`Error::Removed`]; [`Error::RegionRemoved`].
    pub fn peers(&self) -> Result<Vec<u32>> {
        self.check()?;
        let (mapping, id) = (self.attachment.mapping(), self.properties.id);
        if !self.registration().is_some_and(|registration| registration.is_ours()) {
            return Err(Error::Evicted);
        }
        if mapping.record(id).data_waiters.load(Ordering::Acquire) & waiters::REMOVED != 0 {
            return Err(Error::Removed);
        }
        if self.attachment.is_lost() && !self.keeps_removed_region {
            return Err(self.attachment.lost());
        }
        let role = if self.for_data { ROLE_PRODUCER } else { ROLE_CONSUMER };
        Ok(lives::processes(&self.attachment, &self.properties, role))
    }

    /// Waits until there are at least `count` live handles on the other side, and gives how many there are.
    ///
    /// # Errors
    /// [`Error::Timeout`], with [`Wait::No`] at once; and those of [`peers`](Self::peers).
    pub fn wait_for_peers(&self, count: usize, wait: Wait) -> Result<usize> {
        let attempt = || match self.peers() {
            Ok(peers) if peers.len() < count => None,
            outcome => Some(outcome.map(|peers| peers.len())),
        };
        let Some(deadline) = wait.deadline() else {
            return attempt().unwrap_or(Err(Error::Timeout));
        };
        let waiting = Waiting {
            event: self.event(),
            deadline,
            // A look costs more than a wake.
            spinning: WaitStrategy::Sleep.here(),
            several: true,
        };
        let tick = || {
            self.attachment.look_for_file();
            Ok(())
        };
        until(&waiting, attempt, || false, tick)?.unwrap_or(Err(Error::Timeout))
    }

    /// The newest stream of the channel.
    ///
    /// # Errors
    /// [`Error::Forked`]; [`Error::Evicted`].
    pub fn stream(&self) -> Result<StreamInfo> {
        self.check()?;
        if !self.registration().is_some_and(|registration| registration.is_ours()) {
            return Err(Error::Evicted);
        }
        Ok(lives::stream(self.attachment.mapping().record(self.properties.id)))
    }

    /// The same on broadcast and latest channels. A consumer that has taken messages since it found nothing may be told of
    /// those.
    fn is_ready_for_broadcast(&self, ended: bool) -> bool {
        let ring = self.ring();
        if !self.for_data {
            return ended || self.has_room();
        }
        let Some(registration) = self.registration.upgrade() else {
            return true;
        };
        let next = registration.found_nothing_at.load(Ordering::Relaxed);
        let is_over = || ended && ring.tail().load(Ordering::Acquire) <= next;
        if self.properties.delivery == Delivery::Latest {
            return match newest(&ring, next) {
                // What is claimed may be given up, or come.
                Newest::Nothing { pending } => ended && (!pending || is_over()),
                Newest::Message(..) | Newest::Overrun => true,
            };
        }
        if self.properties.slots.is_packed() {
            // Acquire: as in packed::consume::Reader::look.
            return ring.tail().load(Ordering::Acquire) > next || is_over();
        }
        // Acquire: as in broadcast::read::Place::look.
        let there = standing(ring.sequence(next).load(Ordering::Acquire), next);
        !matches!(there, Standing::Free | Standing::Behind) || is_over()
    }

    /// Whether all reliable subscribers are done with what lies in the slot at the tail.
    fn has_room(&self) -> bool {
        let (ring, mapping) = (self.ring(), self.attachment.mapping());
        // Acquire: as in ring::broadcast::several::claim.
        let tail = ring.tail().load(Ordering::Acquire);
        let record = mapping.record(self.properties.id);
        tail < limits(record).verified.load(Ordering::Acquire)
            || (0..mapping.plan().handles).all(|place| {
                match look(mapping.handle(place), self.properties.id, self.properties.generation) {
                    Look::Needs(cursor) => tail < cursor.saturating_add(self.properties.capacity),
                    Look::Nobody | Look::Changing => true,
                }
            })
    }

    pub(crate) fn attachment(&self) -> &Arc<Attachment> {
        &self.attachment
    }

    pub(crate) fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The other ring of a channel with priorities, which is to be looked after too, and the handle's place there.
    pub(crate) fn urgent(&self) -> Option<(&Properties, Arc<Registration>)> {
        let high = self.high.as_ref()?;
        Some((&high.properties, high.registration()?))
    }

    /// Whether the handle is dropped, and all waits with it have ended.
    pub(crate) fn is_over(&self) -> bool {
        self.registration.strong_count() == 0
    }

    /// The handle's place, kept as long as this is.
    pub(crate) fn registration(&self) -> Option<Arc<Registration>> {
        self.registration.upgrade()
    }

    /// Says in the region that the handle waits, and since when; `false` if it is not this process's any more.
    pub(crate) fn note(&self, registration: &Registration, since_ns: u64) -> bool {
        let side = blocked(self.for_data);
        if let Some(high) = &self.high
            && let Some(registration) = high.registration()
        {
            high.note(&registration, since_ns);
        }
        registration.note(&self.properties, side, since_ns)
    }

    /// The handle does not wait any more.
    pub(crate) fn end_note(&self) {
        for waiter in core::iter::once(self).chain(self.high.as_deref()) {
            if let Some(registration) = waiter.registration() {
                registration.end_note();
            }
        }
    }

    /// Begins a wait of several calls.
    #[must_use]
    pub fn long_wait(&self) -> LongWait<'_> {
        let timer = |registration| {
            let mut timer = SweepTimer::new(registration, &self.properties, self.for_data, Cell::new(None));
            if let Some(high) = &self.high
                && let Some(registration) = high.registration()
            {
                timer.look_after(registration, &high.properties);
            }
            timer
        };
        LongWait {
            waiter: self,
            timer: self.registration.upgrade().map(timer),
        }
    }
}

/// One wait, in as many calls as it takes: for bindings that must look at other things in between. For
/// [`Region::blockages`](crate::Region::blockages) it waits from the first call until this is dropped, and until then a handle that is
/// dropped meanwhile keeps its place.
#[derive(Debug)]
pub struct LongWait<'a> {
    waiter: &'a Waiter,
    /// `None`: the handle is dropped already.
    timer: Option<SweepTimer<'a, Cell<Option<u64>>>>,
}

impl LongWait<'_> {
    /// As [`Waiter::wait`].
    ///
    /// # Errors
    /// As [`Waiter::wait`].
    pub fn wait<R>(&mut self, min: usize, wait: Wait, mut attempt: impl FnMut() -> Result<R>) -> Result<R> {
        let (Some(deadline), Some(timer)) = (wait.deadline(), &self.timer) else {
            return attempt();
        };
        let waiter = self.waiter;
        let more = || waiter.is_of_its_channel() && waiter.has_more();
        let waiting = Waiting {
            event: waiter.event(),
            deadline,
            spinning: waiter.spinning,
            several: min > 1,
        };
        wait_for(&waiting, attempt, more, timer)
    }
}

//! Waiting for many channels at once, and for file descriptors.
//!
//! - [`member`]: a handle in a set
//! - [`sleepers`]: threads for what one call to the kernel has no room for
//! - [`descriptors`]: the thread that watches descriptors
//! - [`alarm`]: what these, and other threads of the program, end a wait with
//! - [`thread`]: how threads of the library are started

mod alarm;
mod descriptors;
mod member;
mod sleepers;

use crate::error::{Error, Result};
use crate::handle::obstruction;
use crate::os::fork::{fork_epoch, install};
use crate::raw::{Wait, Waiter};
use crate::recovery::tick::look_after;
use crate::region::Attachment;
use crate::sync::AtomicU32;
use crate::table::properties::Properties;
use crate::wait::{
    Any, DIRECT, Deadline, Rest, SignalWatch, Spinning, TICK, WaitStrategy, Waiting, sleep_on_any, until,
};
use alarm::Alarm;
use core::cell::{Cell, RefCell};
use descriptors::Descriptors;
use member::Member;
use sleepers::Sleepers;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

pub use alarm::Interrupter;
pub use member::Waitable;

/// How much longer than at a channel a look at the descriptors takes: it is a system call.
const DESCRIPTORS_COST: usize = 16;

/// How long a set sleeps at a time where it could not have a thread for some of its channels.
const WITHOUT_SLEEPER: Duration = Duration::from_millis(1);

/// Waits for any number of channels at once, of any number of regions: consumers that wait for data, producers that wait for space.
/// And for file descriptors that become readable.
///
/// Each member has a token, a number of the caller's choice, and [`wait`](Self::wait) returns the tokens of those that are ready.
/// That is a hint, true when it was looked: another consumer may take the message first. So take with
/// [`try_recv`](crate::Consumer::try_recv) or [`try_send`](crate::Producer::try_send), and go on where it finds nothing. A member
/// stays ready until it is used: also one whose stream is closed, which says so each time until it is removed from the set.
///
/// A set keeps nothing of a handle: drop the handle, and it is in the set no more.
///
/// ```
/// # fn main() -> dmxp::Result<()> {
/// # let name = format!("doc-wait-set-{}", std::process::id());
/// # let region = dmxp::RegionOptions::new().name(&name).size(4 << 20).create()?;
/// # let channel = |name| dmxp::ChannelBuilder::new().with_region(&region).with_name(name).with_capacity(64);
/// let orders = channel("orders").build_consumer()?;
/// let cancels = channel("cancels").build_consumer()?;
/// # channel("cancels").build_producer()?.send(b"order 7")?;
///
/// let mut set = dmxp::WaitSet::new();
/// set.add(&orders, 0)?;
/// set.add(&cancels, 1)?;
/// for token in set.wait(dmxp::Wait::Forever)? {
///     let consumer = [&orders, &cancels][token as usize];
///     while let Some(message) = consumer.receive()? {
///         assert_eq!((token, &message[..]), (1, &b"order 7"[..]));
///     }
/// }
/// # dmxp::RegionOptions::new().name(&name).remove(true)
/// # }
/// ```
///
/// # What it costs, and how long it takes
/// A wait looks at every member, some ten nanoseconds each, and only if none is ready announces itself at each and sleeps. One thread
/// can sleep on 127 channels (`futex_waitv(2)`); for each 127 more the set has a thread that does nothing but sleep and wake this
/// one, and one thread for all descriptors. What comes that way arrives later by one more wake-up of a thread, some ten microseconds.
/// There is no polling, except where the kernel is older than Linux 5.16 or a filter forbids the call: there a set of more than one
/// channel looks once a millisecond.
///
/// What dead processes left on the members' channels is repaired each 40 ms while it waits, as by any handle that waits. While a set
/// sleeps on a channel, each message wakes all that sleep there, and not only one of them.
#[derive(Debug)]
pub struct WaitSet {
    members: Vec<Member>,
    descriptors: Option<Descriptors>,
    sleepers: RefCell<Sleepers>,
    alarm: Arc<Alarm>,
    spinning: Spinning,
    epoch: u64,
    /// When the set last looked for the dead, as [`crate::clock::coarse_ms`] has it.
    last_tick: Cell<Option<u64>>,
}

impl Default for WaitSet {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        // The epoch counts from there. Where it fails, no handle can be opened.
        let _ = install();
        Self {
            members: Vec::new(),
            descriptors: None,
            sleepers: RefCell::default(),
            alarm: Arc::default(),
            spinning: WaitStrategy::default().here(),
            epoch: fork_epoch(),
            last_tick: Cell::new(None),
        }
    }

    /// What the set does while it waits; the strategies of its members do not count. Where it spins for a while first, that is as
    /// long as for a single channel.
    #[must_use]
    pub fn with_wait_strategy(mut self, strategy: WaitStrategy) -> Self {
        self.spinning = strategy.here();
        self
    }

    /// Adds a handle: a consumer, which is ready when there is a message, or a producer, which is when there is room. Either is
    /// ready as well when the stream has ended.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the token is another member's; [`Error::Forked`].
    pub fn add(&mut self, handle: &impl Waitable, token: u64) -> Result<()> {
        self.add_waiter(Arc::new(handle.waiter()), token)
    }

    pub(crate) fn add_waiter(&mut self, waiter: Arc<Waiter>, token: u64) -> Result<()> {
        self.check()?;
        waiter.check()?;
        self.members.retain(|member| !member.waiter.is_over());
        self.check_new(token)?;
        self.members.push(Member::new(waiter, token));
        Ok(())
    }

    /// Adds a file descriptor, which is ready while it can be read, and when its peer has closed it. The set has a duplicate of it until it is
    /// removed: the program may close its own, but the peer sees the end when the set has let go too. One wait reports at most 64 descriptors; the others come first next time.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the token is another member's; [`Error::Io`] for what cannot be waited for, such as a file on
    /// disk, and when the system has no descriptors or threads left; [`Error::Forked`].
    pub fn add_descriptor(&mut self, descriptor: impl AsFd, token: u64) -> Result<()> {
        self.check()?;
        self.check_new(token)?;
        let descriptors = match &mut self.descriptors {
            Some(descriptors) => descriptors,
            none => none.insert(Descriptors::new(&self.alarm)?),
        };
        descriptors.add(descriptor.as_fd(), token)
    }

    /// Takes a member out of the set; `false` when there is none with that token, or not any more.
    pub fn remove(&mut self, token: u64) -> bool {
        if let Some(index) = self.members.iter().position(|member| member.token == token) {
            self.members.swap_remove(index);
            return true;
        }
        self.descriptors
            .as_mut()
            .is_some_and(|descriptors| descriptors.remove(token))
    }

    /// Members, without those whose handles are dropped.
    #[must_use]
    pub fn len(&self) -> usize {
        let handles = self.members.iter().filter(|member| !member.waiter.is_over());
        handles.count() + self.descriptors.as_ref().map_or(0, Descriptors::len)
    }

    /// Whether the set has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What ends a wait from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.alarm.clone())
    }

    /// Waits until a member is ready, and returns the tokens of all that are. None when the time is over, when there was nothing with
    /// [`Wait::No`], and when the wait was interrupted.
    ///
    /// # Errors
    /// [`Error::Forked`]; [`Error::Io`] when the system does not say who is alive. A member whose handle has lost its place in the
    /// region ([`Error::Evicted`]) is ready.
    pub fn wait(&mut self, wait: Wait) -> Result<Vec<u64>> {
        self.wait_for_ready(wait, None)
    }

    /// [`wait`](Self::wait) that ends when a signal handler has run in this thread while it slept, and says so. A handler that ran a moment before
    /// the thread went to sleep is not noticed, and one with `SA_RESTART` is not while the set has channels; one that must be has an
    /// [`Interrupter`].
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_or_signal(&mut self, wait: Wait) -> Result<(Vec<u64>, bool)> {
        let watch = SignalWatch::new();
        let ready = self.wait_for_ready(wait, Some(&watch))?;
        let came = ready.is_empty() && watch.came();
        Ok((ready, came))
    }

    fn wait_for_ready(&mut self, wait: Wait, watch: Option<&SignalWatch>) -> Result<Vec<u64>> {
        self.check()?;
        self.members.retain(|member| !member.waiter.is_over());
        let mut ready = Vec::new();
        let mut look = || {
            ready.clear();
            for member in &self.members {
                if member.is_ready() {
                    ready.push(member.token);
                }
            }
            if let Some(descriptors) = &self.descriptors {
                descriptors.look(&mut ready);
            }
            (!ready.is_empty() || self.alarm.take_interrupt()).then_some(())
        };
        if look().is_none() {
            match wait.deadline() {
                None => self.polled_in_vain()?,
                Some(deadline) if self.members.is_empty() => self.wait_without_channels(deadline, watch, look),
                Some(deadline) => {
                    let costs = self.members.len() + self.descriptors.as_ref().map_or(0, |_| DESCRIPTORS_COST);
                    let waiting = Waiting {
                        event: Nap {
                            set: self,
                            any: Any {
                                bell: self.alarm.bell().word(),
                                events: self.members.iter().map(|member| member.waiter.event()).collect(),
                                sleep: |words: &[(&AtomicU32, u32)], timeout| self.sleep(words, timeout),
                            },
                        },
                        deadline,
                        spinning: self.spinning.shared_by(costs),
                        several: true,
                    };
                    let since = obstruction::now_ns();
                    let outcome = until(&waiting, look, || false, || self.tick(since));
                    self.end_notes();
                    outcome?;
                }
            }
        }
        Ok(ready)
    }

    fn check(&self) -> Result<()> {
        if self.epoch == fork_epoch() {
            Ok(())
        } else {
            Err(Error::Forked)
        }
    }

    fn check_new(&self, token: u64) -> Result<()> {
        let known = self.members.iter().any(|member| member.token == token)
            || self
                .descriptors
                .as_ref()
                .is_some_and(|descriptors| descriptors.contains(token));
        if known {
            return Err(Error::invalid(format!(
                "token {token} is another member's of the wait set"
            )));
        }
        Ok(())
    }

    /// Nobody can die that this would have to notice: it sleeps for as long as it may.
    fn wait_without_channels(
        &self,
        deadline: Deadline,
        watch: Option<&SignalWatch>,
        mut look: impl FnMut() -> Option<()>,
    ) {
        // They have channels that are in the set no more, whose regions would stay attached.
        self.sleepers.borrow_mut().order(&self.alarm, &[]);
        while let Some(left) = deadline.left(Duration::MAX) {
            let heard = self.alarm.bell().heard();
            if let Some(descriptors) = &self.descriptors {
                descriptors.watch();
            }
            if look().is_some() {
                return;
            }
            self.alarm.bell().sleep(heard, left);
            if watch.is_some_and(SignalWatch::came) {
                return;
            }
        }
    }

    /// Sleeps on the bell and the signals of the members.
    fn sleep(&self, words: &[(&AtomicU32, u32)], timeout: Duration) {
        let mut timeout = timeout;
        let (direct, further) = words.split_at(words.len().min(DIRECT + 1));
        let orders: Vec<_> = self.members[direct.len() - 1..]
            .iter()
            .zip(further)
            .map(|(member, &(_, was))| (&member.waiter, was))
            .collect();
        if !self.sleepers.borrow_mut().order(&self.alarm, &orders) {
            timeout = timeout.min(WITHOUT_SLEEPER);
        }
        sleep_on_any(direct, timeout);
    }

    /// A caller that polls looks after the dead too.
    fn polled_in_vain(&self) -> Result<()> {
        let outcome = match self.last_tick.get() {
            None => {
                self.last_tick.set(Some(crate::os::clock::coarse_ms()));
                Ok(())
            }
            Some(_) => self.tick(obstruction::now_ns()),
        };
        self.end_notes();
        outcome
    }

    /// What a waiting set does each tick: says that its members wait, and sweeps.
    fn tick(&self, since_ns: u64) -> Result<()> {
        let now = crate::os::clock::coarse_ms();
        // The clock is a few milliseconds coarse, as in handle::sweep_each_tick.
        let passed = |last| now.wrapping_sub(last) >= TICK.as_millis() as u64 * 3 / 4;
        if !self.last_tick.get().is_none_or(passed) {
            return Ok(());
        }
        self.last_tick.set(Some(now));
        // The places are kept while their channels are swept: else there could be other channels there.
        let mut regions: Vec<(&Arc<Attachment>, Vec<&Properties>)> = Vec::new();
        let mut registrations = Vec::new();
        for member in &self.members {
            let Some(registration) = member.waiter.registration() else {
                continue;
            };
            if member.note(&registration, since_ns) {
                let attachment = member.waiter.attachment();
                let (urgent, place) = member.waiter.urgent().unzip();
                let rings = core::iter::once(member.waiter.properties()).chain(urgent);
                match regions.iter_mut().find(|(known, _)| Arc::ptr_eq(known, attachment)) {
                    Some((_, channels)) => channels.extend(rings),
                    None => regions.push((attachment, rings.collect())),
                }
                registrations.extend(place);
            }
            registrations.push(registration);
        }
        regions.iter().try_for_each(|(attachment, channels)| {
            attachment.waits();
            attachment.look_for_file();
            look_after(attachment, channels.iter().copied())
        })
    }

    /// The members do not wait any more.
    fn end_notes(&self) {
        for member in &self.members {
            member.end_note();
            member.waiter.attachment().waits_no_more();
        }
    }
}

/// Sleeping on the members, with the descriptors watched.
struct Nap<'a, S> {
    set: &'a WaitSet,
    any: Any<'a, S>,
}

impl<'a, S: Fn(&[(&'a AtomicU32, u32)], Duration)> Rest for Nap<'a, S> {
    type Announced = ();

    fn sleep(&self, announced: &mut (), several: bool, timeout: Duration, ready: impl FnOnce() -> bool) {
        self.any.sleep(announced, several, timeout, || {
            // After the bell was read, and before the last look.
            if let Some(descriptors) = &self.set.descriptors {
                descriptors.watch();
            }
            ready()
        });
    }

    fn pass_on(&self) {}
}

impl Drop for WaitSet {
    fn drop(&mut self) {
        if self.check().is_err() {
            self.sleepers.get_mut().forget();
            if let Some(descriptors) = &mut self.descriptors {
                descriptors.forget();
            }
        }
    }
}

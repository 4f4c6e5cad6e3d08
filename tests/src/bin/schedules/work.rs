//! What the processes of a schedule do, and say that they did.

use crate::arena::{Deed, UNKNOWN, key};
use crate::plan::{CHANNEL, Kind, Plan, Role};
use crate::scheduler::{Turns, turns};
use crate::trial::TICKS;
use crate::v1;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use dmxp::scheduler::Scheduler;
use dmxp::{Claim, Consumer, Error, Message, Producer, RecoverOptions, Region, RegionOptions, Wait, WaitSet, Waitable};
use dmxp_tests::{Draws, Numbered};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

/// Guards that a process holds at once.
pub(crate) const HELD: usize = 3;

/// Messages of a batch.
pub(crate) const BATCH: usize = 3;

/// One process of a schedule, in a forked child.
pub(crate) fn work(plan: &Plan, descriptor: BorrowedFd<'_>, role: Role, me: usize) {
    let is_stream = plan.kind != Kind::Queue;
    let mut worker = Worker {
        plan,
        descriptor,
        me,
        draws: Draws::new(plan.seed, me as u64),
        sent: 0,
        set: None,
    };
    match role {
        Role::Produce if is_stream => worker.publish(),
        Role::Consume if is_stream => worker.subscribe(),
        Role::Produce => worker.produce(),
        Role::Consume => worker.consume(),
        Role::Recover => worker.recover(),
        Role::ProduceV1 | Role::ConsumeV1 => {
            let Some(peer) = v1::Peer::open(descriptor) else { return };
            turns().begin_work();
            for _ in 0..plan.calls {
                if role == Role::ProduceV1 {
                    let message = worker.next();
                    turns().note(Deed::Sending, name(&message), 0);
                    let done = if peer.produce(&message) {
                        Deed::Sent
                    } else {
                        Deed::Unsent
                    };
                    turns().note(done, name(&message), 0);
                } else {
                    peer.consume();
                }
            }
        }
    }
}

/// The message's name in the ledger.
pub(crate) fn name(message: &Numbered) -> u32 {
    key(message.producer, message.number)
}

/// What a call gave; `None` for errors that are no surprise.
pub(crate) fn expected<T>(answer: Result<T, Error>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(
            Error::Timeout
            | Error::Full
            | Error::Empty
            | Error::Closed
            | Error::NoProducers
            | Error::WouldDeadlock
            | Error::TooManyClaims { .. },
        ) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The deed of being told an end.
pub(crate) fn end_of(error: &Error) -> Option<Deed> {
    match error {
        Error::Closed => Some(Deed::SawEnd),
        Error::NoProducers => Some(Deed::SawNoProducers),
        _ => None,
    }
}

/// Notes a message that was received.
pub(crate) fn got(message: &Numbered, redelivered: u8, is_letter: bool) {
    assert!(message.is_whole(), "torn: {message:?}");
    let deed = if is_letter { Deed::GotLetter } else { Deed::Got };
    turns().note(deed, name(message), redelivered);
}

/// A waker that says that it was.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls a future for that long, when it is woken; between, this thread makes the turns of the reactor.
pub(crate) fn poll_for<F: Future>(future: F, time: Duration) -> Option<F::Output> {
    let woken = Arc::new(Woken::default());
    let (waker, mut future) = (Waker::from(woken.clone()), pin!(future));
    let until = turns().now_ns() + time.as_nanos() as u64;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        // A consumer that is told of an end before all of the dead are swept is ready, and its attempt finds nothing: other tasks
        // would run now, and time would pass.
        turns().sleep(Duration::from_micros(500));
        while !woken.0.swap(false, Ordering::Relaxed) {
            let now = turns().now_ns();
            if now >= until {
                return None;
            }
            dmxp::drive_reactor(Wait::For(Duration::from_nanos(until - now)));
        }
    }
}

pub(crate) struct Worker<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) descriptor: BorrowedFd<'a>,
    pub(crate) me: usize,
    pub(crate) draws: Draws,
    pub(crate) sent: u64,
    /// What some calls wait by.
    pub(crate) set: Option<WaitSet>,
}

impl Worker<'_> {
    pub(crate) fn turns(&self) -> &'static Turns {
        turns()
    }

    pub(crate) fn region(&self) -> Region {
        RegionOptions::new()
            .attach(self.descriptor)
            .unwrap_or_else(|error| panic!("attaching: {error}"))
    }

    pub(crate) fn next(&mut self) -> Numbered {
        self.sent += 1;
        Numbered::new(self.me as u64, self.sent - 1)
    }

    /// A limit for a call: none at all, shorter than a tick, a few ticks.
    pub(crate) fn limit(&mut self) -> (Wait, Duration) {
        match self.draws.below(4) {
            _ if self.plan.is_busy => (Wait::No, Duration::ZERO),
            0 => (Wait::No, Duration::ZERO),
            1 => {
                let short = Duration::from_micros(1 << self.draws.below(14));
                (Wait::For(short), short)
            }
            _ => {
                let long = Duration::from_millis(100);
                (Wait::For(long), long)
            }
        }
    }

    pub(crate) fn rest(&mut self) {
        if self.draws.below(3) == 0 && !self.plan.is_busy {
            let time = Duration::from_nanos(1 << self.draws.below(26));
            self.turns().sleep(time);
        }
    }

    /// From here on some calls wait by a set that has this handle.
    pub(crate) fn wait_by_set(&mut self, handle: &impl Waitable) {
        if self.plan.sets && self.draws.truth() {
            let mut set = WaitSet::new().with_wait_strategy(self.plan.strategy);
            set.add(handle, 1).expect("a member");
            self.set = Some(set);
        }
    }

    /// Waits by the set, if that is drawn; the call that follows does not wait then.
    pub(crate) fn wait_first(&mut self, wait: Wait, time: Duration) -> Wait {
        let by_set = self.set.is_some() && !matches!(wait, Wait::No) && self.draws.truth();
        let Some(set) = self.set.as_mut().filter(|_| by_set) else {
            return wait;
        };
        // Longer than it takes it is not ready, and never without end.
        let ready = turns().within(time, || set.wait(wait)).expect("a wait of a set");
        assert!(ready.iter().all(|&token| token == 1), "{ready:?}");
        Wait::No
    }

    /// Opens one more consumer and drops it: processes stand in line for the management lock.
    fn open_another(&mut self, region: &Region) {
        if self.plan.opens != 0 && self.draws.below(self.plan.opens as usize) == 0 {
            let another = self.plan.channel(region).build_consumer();
            let another = another.unwrap_or_else(|error| panic!("one more consumer: {error}"));
            drop(another);
        }
    }

    /// Has waited for several ticks while no other process did anything. Then nothing of the dead is left on the channel.
    pub(crate) fn look_for_the_dead(&self, region: &Region) {
        let arena = turns().arena;
        if !turns().is_alone() || arena.clock.get() - arena.killed_at.get() < 150_000_000 {
            return;
        }
        let options = RecoverOptions::new().dry_run(true);
        let left = region
            .recover(options)
            .unwrap_or_else(|error| panic!("recovery: {error}"));
        let is_unswept = |channel: &dmxp::ChannelRecovery| {
            channel.id == CHANNEL && channel.dead_producers + channel.dead_consumers > 0
        };
        // What waits for a living process, as one that stays, is left.
        let is_deferred = |channel: &dmxp::ChannelRecovery| channel.deferred > 0;
        assert!(
            !left
                .channels
                .iter()
                .any(|channel| is_unswept(channel) && !is_deferred(channel)),
            "one that waited for several ticks leaves {left}"
        );
    }

    fn produce(&mut self) {
        let region = self.region();
        self.turns().note(Deed::Opening, 0, 0);
        let producer = self
            .plan
            .channel(&region)
            .build_producer()
            .unwrap_or_else(|error| panic!("a producer: {error}"));
        self.turns().note(Deed::Opened, 0, 0);
        self.turns().begin_work();
        self.wait_by_set(&producer);
        // Urgent or not, for each call; a handle that holds claims is asked all the same.
        let mut claims = Vec::new();
        let mut leaks = false;
        for _ in 0..self.plan.calls {
            self.rest();
            self.open_another(&region);
            let urgent = self.plan.priorities && self.draws.truth();
            let producer = if urgent {
                producer.high().expect("it has priorities")
            } else {
                &producer
            };
            match self.draws.below(8) {
                _ if self.plan.is_single => self.send(producer),
                0..3 => self.send(producer),
                3 => self.send_batch(producer),
                4 => self.claim_batch(producer),
                _ if claims.len() < HELD && self.draws.truth() => self.claim(producer, &mut claims),
                _ if claims.is_empty() => self.send(producer),
                _ => {
                    let index = self.draws.below(claims.len());
                    leaks |= self.finish(claims.remove(index));
                }
            }
        }
        for claim in claims {
            leaks |= self.finish(claim);
        }
        if !leaks && self.draws.truth() {
            self.turns().stay();
        }
        self.close(&producer);
    }

    /// The end of a producer, which may close the channel before.
    pub(crate) fn close(&mut self, producer: &Producer<Numbered>) {
        if self.plan.closes && self.draws.truth() {
            self.turns().note(Deed::Closing, 0, 0);
            producer.close().unwrap_or_else(|error| panic!("closing: {error}"));
            self.turns().note(Deed::Returned, 0, 0);
        }
        self.turns().note(Deed::Leaving, 0, 0);
    }

    fn sent(&self, messages: &[Numbered], count: usize) {
        for (index, message) in messages.iter().enumerate() {
            let deed = if index < count { Deed::Sent } else { Deed::Unsent };
            self.turns().note(deed, name(message), 0);
        }
    }

    fn send(&mut self, producer: &Producer<Numbered>) {
        let message = self.next();
        let (wait, time) = self.limit();
        let wait = self.wait_first(wait, time);
        let turns = self.turns();
        turns.note(Deed::Sending, name(&message), 0);
        let answer = turns.within(time, || match wait {
            Wait::For(time) => producer.send_timeout(&message, time),
            _ => producer.try_send(&message),
        });
        self.sent(&[message], usize::from(expected(answer).is_some()));
    }

    fn send_batch(&mut self, producer: &Producer<Numbered>) {
        let messages: Vec<_> = (0..1 + self.draws.below(BATCH)).map(|_| self.next()).collect();
        let messages = &messages[..messages.len().min(self.plan.capacity as usize)];
        let ((wait, time), turns) = (self.limit(), self.turns());
        for message in messages {
            turns.note(Deed::Sending, name(message), 0);
        }
        let all = self.draws.truth();
        let answer = turns.within(time, || {
            if all {
                producer.send_batch(messages, wait).map(|_| messages.len())
            } else {
                producer.send_up_to(messages, wait)
            }
        });
        self.sent(messages, expected(answer).unwrap_or(0));
    }

    fn claim_batch(&mut self, producer: &Producer<Numbered>) {
        let ((wait, time), turns) = (self.limit(), self.turns());
        let count = 1 + self.draws.below(BATCH.min(self.plan.capacity as usize));
        let answer = turns.within(time, || producer.claim_batch(count, wait));
        let Some(mut batch) = expected(answer) else { return };
        let messages: Vec<_> = (0..count).map(|_| self.next()).collect();
        for (index, message) in messages.iter().enumerate() {
            turns.note(Deed::Sending, name(message), 0);
            *batch.get_mut(index) = *message;
        }
        let published = self.draws.below(4) > 0 && turns.within(Duration::ZERO, || expected(batch.publish())).is_some();
        self.sent(&messages, if published { count } else { 0 });
    }

    fn claim<'a>(&mut self, producer: &'a Producer<Numbered>, claims: &mut Vec<Claim<'a, Numbered>>) {
        let ((wait, time), turns) = (self.limit(), self.turns());
        let answer = turns.within(time, || match wait {
            Wait::For(time) => producer.claim_timeout(time),
            _ => producer.try_claim(),
        });
        if let Some(mut claim) = expected(answer) {
            *claim = self.next();
            claims.push(claim);
        }
    }

    /// Publishes a claim, or gives it up, or leaves it to the handle's end; whether it is left.
    fn finish(&mut self, claim: Claim<'_, Numbered>) -> bool {
        let (message, turns) = (*claim, self.turns());
        let choice = self.draws.below(8);
        match choice {
            0 => {
                drop(claim);
                turns.note(Deed::Unsent, name(&message), 0);
            }
            1 => {
                core::mem::forget(claim);
                turns.note(Deed::Unsent, name(&message), 0);
            }
            _ => {
                turns.note(Deed::Sending, name(&message), 0);
                let published = turns.within(Duration::ZERO, || expected(claim.publish()));
                self.sent(&[message], usize::from(published.is_some()));
            }
        }
        choice == 1
    }

    fn consume(&mut self) {
        let region = self.region();
        let mut consumer = self
            .plan
            .channel(&region)
            .with_end_without_producers(self.plan.ends)
            .build_consumer()
            .unwrap_or_else(|error| panic!("a consumer: {error}"));
        self.turns().begin_work();
        if self.plan.futures && self.draws.truth() {
            consumer = self.copy_by_futures(consumer);
        }
        self.wait_by_set(&consumer);
        let mut held = Vec::new();
        let mut leaked = Vec::new();
        for _ in 0..2 * self.plan.calls {
            self.rest();
            self.open_another(&region);
            let ended = match self.draws.below(8) {
                _ if self.plan.is_single => self.copy(&consumer),
                0..3 if held.len() < HELD => self.receive(&consumer, &mut held),
                3 => self.copy(&consumer),
                4 => self.receive_batch(&consumer),
                _ if held.is_empty() => self.receive(&consumer, &mut held),
                _ => {
                    let index = self.draws.below(held.len());
                    self.let_go(held.remove(index), &mut leaked);
                    false
                }
            };
            if ended && self.draws.below(3) > 0 {
                break;
            }
        }
        for message in held {
            self.let_go(message, &mut leaked);
        }
        let may_outlive = leaked.is_empty() && !self.plan.is_plain && !self.plan.v1;
        if may_outlive && self.turns().is_alone() {
            self.outlive(&region, &consumer);
        }
        if leaked.is_empty() && self.draws.truth() {
            self.turns().stay();
        }
        for &message in &leaked {
            self.turns().note(Deed::GivingBack, message, 0);
        }
        drop(consumer);
        for &message in &leaked {
            self.turns().note(Deed::GaveBack, message, 0);
        }
    }

    /// The last one at work receives all that is there, and finds what the dead left swept.
    fn outlive(&mut self, region: &Region, consumer: &Consumer<Numbered>) {
        loop {
            let turns = self.turns();
            turns.note(Deed::Receiving, 0, 1);
            let answer = turns.within(TICKS, || consumer.recv_timeout(TICKS));
            let is_over = matches!(answer, Err(Error::Timeout));
            let (message, ended) = self.received(answer);
            let received = message.is_some();
            if let Some(message) = message {
                let metadata = message.metadata();
                got(&message, metadata.redelivered, metadata.is_dead_letter());
                let name = name(&message);
                turns.within(Duration::ZERO, || drop(message));
                turns.note(Deed::Released, name, 0);
            }
            turns.note(Deed::Returned, 0, 0);
            if is_over {
                self.look_for_the_dead(region);
            }
            if ended || !received {
                return;
            }
        }
    }

    /// Receives some messages in futures, and comes back with the handle. The reactor's turns are made by this thread.
    fn copy_by_futures(&mut self, consumer: Consumer<Numbered>) -> Consumer<Numbered> {
        let mut consumer = consumer.into_async();
        for _ in 0..self.plan.calls {
            self.rest();
            let ((_, time), turns) = (self.limit(), self.turns());
            turns.note(Deed::Copying, 0, 1);
            let answer = turns.within(time, || poll_for(consumer.recv(), time));
            let (message, ended) = self.received(answer.unwrap_or(Err(Error::Timeout)));
            if let Some(message) = message {
                got(&message, UNKNOWN, false);
                turns.note(Deed::Released, name(&message), 0);
            }
            turns.note(Deed::Returned, 0, 0);
            if ended {
                break;
            }
        }
        consumer.into_inner()
    }

    /// What a receiving call gave, and whether it said that the stream is over.
    fn received<T>(&self, answer: Result<T, Error>) -> (Option<T>, bool) {
        let end = answer.as_ref().err().and_then(end_of);
        if let Some(end) = end {
            self.turns().note(end, 0, 0);
        }
        (expected(answer), end.is_some())
    }

    fn check_limit(&self, redelivered: u8) {
        let limit = self.plan.limit.unwrap_or(10);
        assert!(
            u32::from(redelivered) <= limit,
            "delivered again {redelivered} times, the limit is {limit}"
        );
    }

    fn receive<'a>(&mut self, consumer: &'a Consumer<Numbered>, held: &mut Vec<Message<'a, Numbered>>) -> bool {
        let ((wait, time), turns) = (self.limit(), self.turns());
        turns.note(Deed::Receiving, 0, 1);
        let wait = self.wait_first(wait, time);
        let answer = turns.within(time, || match wait {
            Wait::For(time) => consumer.recv_timeout(time),
            _ => consumer.try_recv(),
        });
        let (message, ended) = self.received(answer);
        if let Some(message) = message {
            let metadata = message.metadata();
            self.check_limit(metadata.redelivered);
            got(&message, metadata.redelivered, metadata.is_dead_letter());
            held.push(message);
        }
        turns.note(Deed::Returned, 0, 0);
        ended
    }

    fn copy(&mut self, consumer: &Consumer<Numbered>) -> bool {
        let ((wait, time), turns) = (self.limit(), self.turns());
        turns.note(Deed::Copying, 0, 1);
        let answer = turns.within(time, || consumer.recv_copy(wait));
        let (message, ended) = self.received(answer);
        if let Some(message) = message {
            got(&message, UNKNOWN, false);
            turns.note(Deed::Released, name(&message), 0);
        }
        turns.note(Deed::Returned, 0, 0);
        ended
    }

    fn receive_batch(&mut self, consumer: &Consumer<Numbered>) -> bool {
        let ((wait, time), turns) = (self.limit(), self.turns());
        let count = 1 + self.draws.below(BATCH.min(self.plan.capacity as usize));
        let all = self.draws.truth();
        turns.note(Deed::Receiving, 0, count as u8);
        let answer = turns.within(time, || {
            if all {
                consumer.recv_batch(count, wait)
            } else {
                consumer.recv_up_to(count, wait)
            }
        });
        let (batch, ended) = self.received(answer);
        let mut names = Vec::new();
        if let Some(batch) = &batch {
            for (index, message) in batch.iter().enumerate() {
                let metadata = batch.metadata(index).expect("there is one");
                self.check_limit(metadata.redelivered);
                got(message, metadata.redelivered, metadata.is_dead_letter());
                names.push(name(message));
            }
        }
        turns.note(Deed::Returned, 0, 0);
        if batch.is_some() {
            self.rest();
            turns.within(Duration::ZERO, || drop(batch));
        }
        for name in names {
            turns.note(Deed::Released, name, 0);
        }
        ended
    }

    /// Releases a message, returns it to the channel, or leaves it to the handle's end.
    fn let_go(&mut self, message: Message<'_, Numbered>, leaked: &mut Vec<u32>) {
        let (name, turns) = (name(&message), self.turns());
        match self.draws.below(10) {
            0 => {
                core::mem::forget(message);
                leaked.push(name);
            }
            1 | 2 => {
                turns.note(Deed::GivingBack, name, 0);
                turns.within(Duration::ZERO, || message.give_back());
                turns.note(Deed::GaveBack, name, 0);
            }
            _ => {
                turns.within(Duration::ZERO, || drop(message));
                turns.note(Deed::Released, name, 0);
            }
        }
    }

    pub(crate) fn recover(&mut self) {
        let region = self.region();
        self.turns().begin_work();
        for _ in 0..1 + self.plan.calls / 2 {
            self.rest();
            let options = match self.draws.below(4) {
                0 => RecoverOptions::new().dry_run(true),
                // Where programs that know only v1 may be running, nobody may force.
                1 if !self.plan.v1 => RecoverOptions::new().force(true),
                2 => {
                    let _ = region.blockages().unwrap_or_else(|error| panic!("blockages: {error}"));
                    continue;
                }
                _ => RecoverOptions::new(),
            };
            region
                .recover(options)
                .unwrap_or_else(|error| panic!("recovery: {error}"));
        }
    }
}

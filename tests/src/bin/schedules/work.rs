//! What the processes of a schedule do, and say that they did.

use crate::arena::{Deed, UNKNOWN, key};
use crate::plan::{Plan, Role};
use crate::scheduler::{Turns, turns};
use crate::v1;
use dmxp::scheduler::Scheduler;
use dmxp::{Claim, Consumer, Error, Message, Producer, RecoverOptions, Region, RegionOptions, Wait};
use dmxp_tests::{Draws, Numbered};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Guards that a process holds at once.
const HELD: usize = 3;

/// Messages of a batch.
const BATCH: usize = 3;

/// One process of a schedule, in a forked child.
pub(crate) fn work(plan: &Plan, descriptor: BorrowedFd<'_>, role: Role, me: usize) {
    let mut worker = Worker {
        plan,
        descriptor,
        me,
        draws: Draws::new(plan.seed, me as u64),
        sent: 0,
    };
    match role {
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
            | Error::WouldDeadlock
            | Error::TooManyClaims { .. },
        ) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Notes a message that was received.
pub(crate) fn got(message: &Numbered, redelivered: u8, is_letter: bool) {
    assert!(message.is_whole(), "torn: {message:?}");
    let deed = if is_letter { Deed::GotLetter } else { Deed::Got };
    turns().note(deed, name(message), redelivered);
}

struct Worker<'a> {
    plan: &'a Plan,
    descriptor: BorrowedFd<'a>,
    me: usize,
    draws: Draws,
    sent: u64,
}

impl Worker<'_> {
    fn turns(&self) -> &'static Turns {
        turns()
    }

    fn region(&self) -> Region {
        RegionOptions::new()
            .attach(self.descriptor)
            .unwrap_or_else(|error| panic!("attaching: {error}"))
    }

    fn next(&mut self) -> Numbered {
        self.sent += 1;
        Numbered::new(self.me as u64, self.sent - 1)
    }

    /// A limit for a call: none at all, shorter than a tick, a few ticks.
    fn limit(&mut self) -> (Wait, Duration) {
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

    fn rest(&mut self) {
        if self.draws.below(3) == 0 && !self.plan.is_busy {
            let time = Duration::from_nanos(1 << self.draws.below(26));
            self.turns().sleep(time);
        }
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
        // Urgent or not, for each call; a handle that holds claims is asked all the same.
        let mut claims = Vec::new();
        let mut leaks = false;
        for _ in 0..self.plan.calls {
            self.rest();
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
        if self.plan.closes && self.draws.truth() {
            self.turns().note(Deed::Closing, 0, 0);
            producer.close().unwrap_or_else(|error| panic!("closing: {error}"));
            self.turns().note(Deed::Returned, 0, 0);
        }
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
        let consumer = self
            .plan
            .channel(&region)
            .build_consumer()
            .unwrap_or_else(|error| panic!("a consumer: {error}"));
        self.turns().begin_work();
        let mut held = Vec::new();
        let mut leaked = Vec::new();
        for _ in 0..2 * self.plan.calls {
            self.rest();
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

    /// What a receiving call gave, and whether it said that the stream is over.
    fn received<T>(&self, answer: Result<T, Error>) -> (Option<T>, bool) {
        let ended = matches!(answer, Err(Error::Closed));
        if ended {
            self.turns().note(Deed::SawEnd, 0, 0);
        }
        (expected(answer), ended)
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

    fn recover(&mut self) {
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

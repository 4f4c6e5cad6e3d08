//! What processes do with broadcast and latest channels, packed ones too, and say that they did.

use crate::arena::{Deed, Policy};
use crate::plan::Kind;
use crate::scheduler::turns;
use crate::trial::TICKS;
use crate::work::{BATCH, HELD, Worker, end_of, expected, name};
use dmxp::scheduler::Scheduler;
use dmxp::{Claim, Consumer, Error, Message, Producer, Region, Start, Subscription, Wait};
use dmxp_tests::Numbered;
use std::time::Duration;

/// Notes a message that was received.
fn got(message: &Numbered, id: u64, missed: u64) {
    assert!(message.is_whole(), "torn: {message:?}");
    turns().note_id(Deed::Got, name(message), 0, (id, missed));
}

/// What a subscriber of a stream has open.
struct Subscriber {
    consumer: Consumer<Numbered>,
    policy: Policy,
}

impl Worker<'_> {
    fn build_publisher(&mut self, region: &Region) -> Option<Producer<Numbered>> {
        self.turns().note(Deed::Opening, 0, 0);
        let producer = match self.plan.channel(region).build_producer() {
            Ok(producer) => Some(producer),
            Err(Error::ChannelInUse { .. }) if self.plan.single => None,
            Err(error) => panic!("a producer: {error}"),
        };
        let opened = producer.as_ref().map_or(Deed::GotNothing, |_| Deed::Opened);
        self.turns().note(opened, 0, 0);
        producer
    }

    pub(crate) fn publish(&mut self) {
        let region = self.region();
        let mut producer = self.build_publisher(&region);
        self.turns().begin_work();
        // Where there is one at a time, the others wait until its place is free.
        for _ in 0..self.plan.calls {
            if producer.is_some() {
                break;
            }
            turns().sleep(Duration::from_millis(5));
            producer = self.build_publisher(&region);
        }
        let Some(producer) = producer else { return };
        self.wait_by_set(&producer);
        let mut claims = Vec::new();
        let most = if self.plan.single { 1 } else { HELD };
        for _ in 0..self.plan.calls {
            self.rest();
            self.open_one_more(&region);
            match self.draws.below(8) {
                _ if self.plan.is_single => self.publish_one(&producer),
                0..3 => self.publish_one(&producer),
                3 => self.publish_batch(&producer),
                4 => self.publish_slice(&producer),
                _ if claims.len() < most && self.draws.truth() => self.claim_one(&producer, &mut claims),
                _ if claims.is_empty() => self.publish_one(&producer),
                _ => {
                    let index = self.draws.below(claims.len());
                    self.end_claim(claims.remove(index));
                }
            }
        }
        for claim in claims {
            self.end_claim(claim);
        }
        if self.draws.truth() {
            self.turns().stay();
        }
        self.close(&producer);
    }

    fn published(&self, messages: &[Numbered], first: Option<u64>) {
        for (index, message) in messages.iter().enumerate() {
            match first {
                Some(first) => turns().note_id(Deed::Sent, name(message), 0, (first + index as u64, 0)),
                None => turns().note(Deed::Unsent, name(message), 0),
            }
        }
    }

    fn publish_one(&mut self, producer: &Producer<Numbered>) {
        let message = self.next();
        let (wait, time) = self.limit();
        let wait = self.wait_first(wait, time);
        let turns = self.turns();
        turns.note(Deed::Sending, name(&message), 0);
        let answer = turns.within(time, || match wait {
            Wait::For(time) => producer.send_timeout(&message, time),
            _ => producer.try_send(&message),
        });
        self.published(&[message], expected(answer));
    }

    /// Messages for a call that sends several.
    fn several(&mut self) -> Vec<Numbered> {
        // On a latest channel the newest value keeps its slot.
        let room = self.plan.capacity as usize - usize::from(self.plan.kind == Kind::Latest);
        let count = 1 + self.draws.below(BATCH.min(room));
        (0..count).map(|_| self.next()).collect()
    }

    fn publish_batch(&mut self, producer: &Producer<Numbered>) {
        let messages = self.several();
        let ((wait, time), turns) = (self.limit(), self.turns());
        for message in &messages {
            turns.note(Deed::Sending, name(message), 0);
        }
        let answer = turns.within(time, || producer.send_batch(&messages, wait));
        self.published(&messages, expected(answer));
    }

    /// Several messages written in place; those of packed slots as a slice.
    fn publish_slice(&mut self, producer: &Producer<Numbered>) {
        let messages = self.several();
        let ((wait, time), turns) = (self.limit(), self.turns());
        let gives_up = self.draws.below(4) == 0;
        for message in &messages {
            turns.note(Deed::Sending, name(message), 0);
        }
        let first = if self.plan.kind == Kind::Packed {
            let claim = turns.within(time, || producer.claim_slice(messages.len(), wait));
            expected(claim).and_then(|mut claim| {
                claim.copy_from_slice(&messages);
                (!gives_up).then(|| claim.publish()).and_then(expected)
            })
        } else {
            let claim = turns.within(time, || producer.claim_batch(messages.len(), wait));
            expected(claim).and_then(|mut claim| {
                for (index, message) in messages.iter().enumerate() {
                    *claim.get_mut(index) = *message;
                }
                (!gives_up).then(|| claim.publish()).and_then(expected)
            })
        };
        self.published(&messages, first);
    }

    fn claim_one<'a>(&mut self, producer: &'a Producer<Numbered>, claims: &mut Vec<Claim<'a, Numbered>>) {
        let ((wait, time), turns) = (self.limit(), self.turns());
        let message = self.next();
        // The message has its place from here on.
        turns.note(Deed::Sending, name(&message), 0);
        let answer = turns.within(time, || match wait {
            Wait::For(time) => producer.claim_timeout(time),
            _ => producer.try_claim(),
        });
        match expected(answer) {
            Some(mut claim) => {
                *claim = message;
                claims.push(claim);
            }
            None => turns.note(Deed::Unsent, name(&message), 0),
        }
    }

    /// Publishes a claim or gives it up.
    fn end_claim(&mut self, claim: Claim<'_, Numbered>) {
        let (message, turns) = (*claim, self.turns());
        if self.draws.below(4) == 0 {
            drop(claim);
            turns.note(Deed::Unsent, name(&message), 0);
        } else {
            let first = turns.within(Duration::ZERO, || expected(claim.publish()));
            self.published(&[message], first);
        }
    }

    fn join(&mut self, region: &Region) -> Subscriber {
        let policy = match self.plan.kind {
            Kind::Latest => Policy::Latest,
            _ if self.plan.lossy && self.draws.truth() => Policy::Lossy,
            _ => Policy::Reliable,
        };
        let mut builder = self.plan.channel(region).with_end_without_producers(self.plan.ends);
        if policy == Policy::Lossy {
            builder = builder.with_subscription(Subscription::Lossy);
        }
        if policy != Policy::Latest && self.draws.truth() {
            builder = builder.with_start(Start::Oldest);
        }
        self.turns().note(Deed::Joining, 0, policy as u8);
        let consumer = builder.build_consumer();
        let consumer = consumer.unwrap_or_else(|error| panic!("a subscriber: {error}"));
        self.turns().note(Deed::Joined, 0, policy as u8);
        Subscriber { consumer, policy }
    }

    /// Joins and leaves again: processes stand in line for the management lock, and producers pass over one that has gone.
    fn open_one_more(&mut self, region: &Region) {
        if self.plan.opens != 0 && self.draws.below(self.plan.opens as usize) == 0 {
            drop(
                self.plan
                    .channel(region)
                    .build_consumer()
                    .unwrap_or_else(|error| panic!("one more subscriber: {error}")),
            );
        }
    }

    pub(crate) fn subscribe(&mut self) {
        let region = self.region();
        let mut subscriber = self.join(&region);
        self.turns().begin_work();
        if self.plan.futures && self.draws.truth() {
            subscriber = self.follow_by_futures(subscriber);
        }
        self.wait_by_set(&subscriber.consumer);
        let mut held = Vec::new();
        for _ in 0..2 * self.plan.calls {
            self.rest();
            self.open_one_more(&region);
            let ended = match self.draws.below(8) {
                0 if subscriber.policy == Policy::Latest => self.look(&subscriber.consumer),
                1 | 2 if self.plan.kind == Kind::Packed => self.read_slice(&subscriber.consumer),
                1 | 2 if subscriber.policy != Policy::Latest => self.read_batch(&subscriber.consumer),
                3..7 if held.len() < HELD => self.read(&subscriber, &mut held),
                _ if held.is_empty() => self.read(&subscriber, &mut held),
                _ => {
                    let message = held.remove(self.draws.below(held.len()));
                    let _: Message<'_, Numbered> = message;
                    false
                }
            };
            if ended && self.draws.below(3) > 0 {
                break;
            }
        }
        drop(held);
        if self.draws.truth() {
            self.turns().stay();
        }
        if self.draws.truth() || self.turns().is_alone() {
            self.read_to_the_end(&region, &subscriber);
        }
    }

    /// What a receiving call gave, and whether it said that the stream is over. What was missed by then is noted with it.
    fn told<T>(&self, consumer: &Consumer<Numbered>, answer: Result<T, Error>) -> (Option<T>, bool) {
        let end = answer.as_ref().err().and_then(end_of);
        if let Some(end) = end {
            turns().note_id(end, 0, 0, (0, consumer.missed()));
        }
        (expected(answer), end.is_some())
    }

    fn nothing(&self, received: bool) {
        if !received {
            turns().note(Deed::GotNothing, 0, 0);
        }
        turns().note(Deed::Returned, 0, 0);
    }

    fn read<'a>(&mut self, subscriber: &'a Subscriber, held: &mut Vec<Message<'a, Numbered>>) -> bool {
        let ((wait, time), turns) = (self.limit(), self.turns());
        turns.note(Deed::Receiving, 0, 1);
        let wait = self.wait_first(wait, time);
        let consumer = &subscriber.consumer;
        let answer = turns.within(time, || match wait {
            Wait::For(time) => consumer.recv_timeout(time),
            _ => consumer.try_recv(),
        });
        let would_deadlock = matches!(answer, Err(Error::WouldDeadlock | Error::TooManyClaims { .. }));
        let (message, ended) = self.told(consumer, answer);
        let received = message.is_some() || ended || would_deadlock;
        if let Some(message) = message {
            let metadata = message.metadata();
            got(&message, metadata.message_id, metadata.missed);
            if subscriber.policy == Policy::Reliable && held.is_empty() && self.draws.below(6) == 0 {
                turns.note_id(Deed::GivingBack, name(&message), 0, (metadata.message_id, 0));
                message.give_back();
            } else {
                held.push(message);
            }
        }
        self.nothing(received);
        ended
    }

    fn look(&mut self, consumer: &Consumer<Numbered>) -> bool {
        let turns = self.turns();
        turns.note(Deed::Looking, 0, 1);
        let message = turns.within(Duration::ZERO, || expected(consumer.newest()));
        if let Some(message) = &message {
            got(message, dmxp::Message::metadata(message).message_id, 0);
        }
        self.nothing(message.is_some());
        false
    }

    fn read_slice(&mut self, consumer: &Consumer<Numbered>) -> bool {
        let ((wait, time), turns) = (self.limit(), self.turns());
        let count = 1 + self.draws.below(self.plan.capacity as usize);
        turns.note(Deed::Receiving, 0, count as u8);
        let wait = self.wait_first(wait, time);
        let answer = turns.within(time, || consumer.recv_slice(count, wait));
        let (slice, ended) = self.told(consumer, answer);
        let received = slice.is_some() || ended;
        if let Some(slice) = slice {
            assert!(
                slice.len() <= count && slice.len() == slice.message_count(),
                "{} messages",
                slice.len()
            );
            for (index, message) in slice.iter().enumerate() {
                let missed = if index == 0 { slice.missed() } else { 0 };
                got(message, slice.message_id() + index as u64, missed);
            }
            self.rest();
            // They lie there unchanged as long as they are held.
            assert!(slice.iter().all(Numbered::is_whole), "torn while it is held");
            turns.within(Duration::ZERO, || drop(slice));
        }
        self.nothing(received);
        ended
    }

    fn read_batch(&mut self, consumer: &Consumer<Numbered>) -> bool {
        let ((wait, time), turns) = (self.limit(), self.turns());
        let count = 1 + self.draws.below(BATCH.min(self.plan.capacity as usize));
        turns.note(Deed::Receiving, 0, count as u8);
        let wait = self.wait_first(wait, time);
        let answer = turns.within(time, || consumer.recv_up_to(count, wait));
        let (batch, ended) = self.told(consumer, answer);
        let received = batch.is_some() || ended;
        if let Some(batch) = batch {
            for (index, message) in batch.iter().enumerate() {
                let metadata = batch.metadata(index).expect("there is one");
                got(message, metadata.message_id, metadata.missed);
            }
            self.rest();
            turns.within(Duration::ZERO, || drop(batch));
        }
        self.nothing(received);
        ended
    }

    /// Receives until nothing comes for several ticks.
    fn read_to_the_end(&mut self, region: &Region, subscriber: &Subscriber) {
        loop {
            let turns = self.turns();
            turns.note(Deed::Receiving, 0, 1);
            let answer = turns.within(TICKS, || subscriber.consumer.recv_timeout(TICKS));
            let is_over = matches!(answer, Err(Error::Timeout));
            let (message, ended) = self.told(&subscriber.consumer, answer);
            let received = message.is_some() || ended;
            if let Some(message) = message {
                let metadata = message.metadata();
                got(&message, metadata.message_id, metadata.missed);
            }
            self.nothing(received);
            if is_over {
                turns.note_id(Deed::Drained, 0, 0, (0, subscriber.consumer.missed()));
                self.look_for_the_dead(region);
            }
            if ended || !received {
                return;
            }
        }
    }

    /// Receives some messages in futures, and comes back with the handle.
    fn follow_by_futures(&mut self, subscriber: Subscriber) -> Subscriber {
        let policy = subscriber.policy;
        let mut consumer = subscriber.consumer.into_async();
        for _ in 0..self.plan.calls {
            self.rest();
            let ((_, time), turns) = (self.limit(), self.turns());
            turns.note(Deed::Receiving, 0, 1);
            let answer = turns.within(time, || crate::work::poll_for(consumer.recv_ref(), time));
            let answer = answer.unwrap_or(Err(Error::Timeout));
            let (message, end) = (answer.as_ref().ok(), answer.as_ref().err());
            let told = message.map(|message| (**message, message.metadata()));
            let end = end.and_then(end_of);
            drop(expected(answer));
            if let Some((message, metadata)) = &told {
                got(message, metadata.message_id, metadata.missed);
            }
            if let Some(end) = end {
                turns.note_id(end, 0, 0, (0, consumer.get_ref().missed()));
            }
            let ended = end.is_some();
            let received = told.is_some() || end.is_some();
            self.nothing(received);
            if ended {
                break;
            }
        }
        Subscriber {
            consumer: consumer.into_inner(),
            policy,
        }
    }
}

//! A program that attaches to a file and uses it for everything the library can do, as the input says.
//!
//! Every call may fail: with an error that prints. None may take longer than [`LIMIT`], whatever is in the file.

use crate::base::{Base, CHANNELS};
use crate::damage::Damage;
use crate::input::Input;
use crate::sample::Sample;
use crate::scratch::Scratch;
use dmxp::raw::{self, ReadClaim, Wait, WriteClaim};
use dmxp::{
    Channel, ChannelBuilder, Consumer, DeadConsumers, Delivery, Error, PeekFrom, PeekOptions, Producer, RecoverOptions,
    Region, RegionOptions, Result, Start, Subscription, WaitSet, WaitStrategy,
};
use dmxp_schema::model::Schema;
use std::fmt::{Debug, Display};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Longest that a call may take. The calls that wait are given less than a millisecond; the rest is for slow machines.
const LIMIT: Duration = Duration::from_secs(5);
/// Steps of a session.
const STEPS: usize = 64;
/// How long a call waits that waits.
const WAIT: Duration = Duration::from_micros(80);

/// A producer and what it has claimed.
enum Sender {
    Bytes(Producer<[u8]>, Vec<WriteClaim>),
    Typed(Producer<Sample>, Vec<WriteClaim>),
}

/// A consumer and what it has claimed.
enum Receiver {
    Bytes(Consumer<[u8]>, Vec<ReadClaim>),
    Typed(Consumer<Sample>, Vec<ReadClaim>),
}

impl Sender {
    fn raw(&mut self) -> (&raw::Producer, &mut Vec<WriteClaim>) {
        match self {
            Self::Bytes(producer, claims) => (producer.as_raw(), claims),
            Self::Typed(producer, claims) => (producer.as_raw(), claims),
        }
    }

    /// Sends in a future.
    fn asynchronously(self) -> Self {
        match self {
            Self::Bytes(producer, claims) => {
                let mut producer = producer.into_async();
                look(poll(producer.send("later")));
                Self::Bytes(producer.into_inner(), claims)
            }
            Self::Typed(producer, claims) => {
                let mut producer = producer.into_async();
                look(poll(producer.send(&Sample::number(4))));
                Self::Typed(producer.into_inner(), claims)
            }
        }
    }
}

impl Receiver {
    fn raw(&mut self) -> (&raw::Consumer, &mut Vec<ReadClaim>) {
        match self {
            Self::Bytes(consumer, claims) => (consumer.as_raw(), claims),
            Self::Typed(consumer, claims) => (consumer.as_raw(), claims),
        }
    }

    /// Receives in a future.
    fn asynchronously(self) -> Self {
        match self {
            Self::Bytes(consumer, claims) => {
                let mut consumer = consumer.into_async();
                look(poll(consumer.recv()));
                Self::Bytes(consumer.into_inner(), claims)
            }
            Self::Typed(consumer, claims) => {
                let mut consumer = consumer.into_async();
                end(poll(consumer.recv_ref()));
                Self::Typed(consumer.into_inner(), claims)
            }
        }
    }
}

/// A process's use of a region.
pub(crate) struct Session<'a> {
    scratch: &'a Scratch,
    /// Steps made so far.
    steps: usize,
    options: RegionOptions,
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    region: Option<Region>,
}

/// Prints what a call gave, so that printing is tried too, and passes a result on.
fn look<T: Debug>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => {
            black_box(format!("{value:?}"));
            Some(value)
        }
        Err(error) => {
            show(&error);
            black_box(format!("{error:?}"));
            None
        }
    }
}

fn show(thing: &dyn Display) {
    black_box(thing.to_string());
}

/// As [`look`], for what cannot be printed or need not be.
fn end<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error| show(&error)).ok()
}

fn wait(input: &mut Input<'_>) -> Wait {
    if input.byte() % 4 == 3 {
        Wait::For(WAIT)
    } else {
        Wait::No
    }
}

/// The result of a future, or that the time was over.
fn poll<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    for _ in 0..2 {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::sleep(WAIT / 2);
    }
    Err(Error::Timeout)
}

impl<'a> Session<'a> {
    pub(crate) fn new(scratch: &'a Scratch) -> Self {
        Self {
            scratch,
            steps: 0,
            options: scratch.options(),
            senders: Vec::new(),
            receivers: Vec::new(),
            region: None,
        }
    }

    /// Attaches and does what the input says. `damaged`: what it says may be to damage the file, which is a copy of this base.
    pub(crate) fn run(mut self, input: &mut Input<'_>, damaged: Option<&Base>) {
        self.timed("attaching", |session| session.region = look(session.options.open()));
        while self.steps < STEPS && !input.is_empty() {
            self.steps += 1;
            match damaged {
                // The top bit: three in four steps keep the file as it is.
                Some(base) if input.byte() >= 192 => Damage::read(input).apply(&self.scratch.file, base),
                _ => self.step(input),
            }
        }
        self.timed("reading", Self::look_only);
        self.timed("detaching", |session| {
            session.senders.clear();
            session.receivers.clear();
            session.region = None;
        });
    }

    fn timed(&mut self, what: &str, call: impl FnOnce(&mut Self)) {
        let started = Instant::now();
        call(self);
        let took = started.elapsed();
        assert!(took < LIMIT, "{what} took {took:?}");
    }

    pub(crate) fn step(&mut self, input: &mut Input<'_>) {
        let kind = input.below(24);
        self.timed(&format!("step {kind}"), |session| match kind {
            0..=5 => session.open(input),
            6..=10 => session.send(input),
            11..=15 => session.receive(input),
            16 => session.close(input),
            17 => session.look_only(),
            _ => session.region_step(kind, input),
        });
    }

    /// Everything about the region as a whole.
    fn region_step(&mut self, kind: usize, input: &mut Input<'_>) {
        let Some(region) = self.region.clone() else {
            // Perhaps the damage since then lets it be opened.
            self.region = end(self.options.open());
            return;
        };
        let channel = input.one_of(&CHANNELS);
        match kind {
            18 | 19 => {
                let flags = input.byte();
                let options = RecoverOptions::new().dry_run(flags & 1 != 0).force(flags & 2 != 0);
                if let Some(recovery) = look(region.recover(options)) {
                    show(&recovery);
                }
            }
            20 => drop(look(region.remove_channel(channel, !input.byte().is_multiple_of(2)))),
            21 => {
                self.senders.clear();
                self.receivers.clear();
                self.region = None;
                drop(region);
                if input.byte() % 4 == 3 {
                    end(self.options.remove(false));
                }
                self.region = look(self.options.open());
            }
            22 => {
                if let Some(channel) = end(region.channel(channel)) {
                    black_box((channel.len(), channel.is_empty()));
                }
                black_box(format!("{:?}", region.info()));
            }
            _ => list(&region, self.steps),
        }
    }

    /// Another attachment, through a read-only mapping.
    fn look_only(&mut self) {
        if let Some(region) = look(self.options.open_read_only()) {
            black_box(format!("{:?}", region.info()));
            list(&region, self.steps);
            assert!(
                region.recover(RecoverOptions::new()).is_err(),
                "a read-only region was recovered"
            );
        }
    }

    fn open(&mut self, input: &mut Input<'_>) {
        let Some(region) = &self.region else { return };
        let (flags, id) = (input.byte(), input.one_of(&CHANNELS));
        if flags & 1 == 0 {
            let builder = asked(ChannelBuilder::new().with_region(region), flags, id);
            let builder = match input.byte() {
                // The channel's own type, known only at run time.
                1 => match region.channel(id).ok().and_then(|channel| channel.schema) {
                    Some(schema) => builder.with_schema(schema),
                    None => builder,
                },
                2 => builder.with_checksums(true),
                3 => builder.with_capacity(4).with_name("new"),
                4 => builder
                    .with_dead_consumers(DeadConsumers::Drop)
                    .with_redelivery_limit(0),
                5 => builder.with_v1_peers(true),
                6 => builder.with_subscription(Subscription::Lossy),
                7 => builder.with_start(Start::Oldest),
                8 => builder.with_start(Start::Position(u64::from(input.byte()))),
                9 => builder.with_delivery(Delivery::Broadcast).with_single_producer(true),
                10 => builder.with_delivery(Delivery::Latest).with_payload_capacity(40),
                11 => builder.with_expiry(Duration::from_nanos(1)),
                12 => builder.with_priorities(true).with_compact_slots(true),
                13 => builder.with_packed_slots(true).with_payload_capacity(8),
                14 => builder
                    .with_packed_slots(true)
                    .with_payload_capacity(3)
                    .with_lossy_subscribers(true),
                _ => builder,
            };
            if flags & 2 == 0 {
                let sender = end(builder.build_producer()).map(|producer| Sender::Bytes(producer, Vec::new()));
                self.senders.extend(sender);
            } else {
                let receiver = end(builder.build_consumer()).map(|consumer| Receiver::Bytes(consumer, Vec::new()));
                self.receivers.extend(receiver);
            }
        } else {
            let builder = asked(Channel::<Sample>::builder().with_region(region), flags, id);
            let builder = match input.byte() {
                1 => builder.with_dead_letters("letters"),
                2 => builder.with_dead_letters("more letters").with_capacity(2),
                3 => builder.with_delivery(Delivery::Broadcast),
                4 => builder.with_delivery(Delivery::Latest).with_compact_slots(true),
                5 => builder.with_subscription(Subscription::Lossy),
                13 => builder.with_packed_slots(true),
                14 => builder.with_packed_slots(true).with_lossy_subscribers(true),
                _ => builder,
            };
            if flags & 2 == 0 {
                let sender = end(builder.build_producer()).map(|producer| Sender::Typed(producer, Vec::new()));
                self.senders.extend(sender);
            } else {
                let receiver = end(builder.build_consumer()).map(|consumer| Receiver::Typed(consumer, Vec::new()));
                self.receivers.extend(receiver);
            }
        }
    }

    fn close(&mut self, input: &mut Input<'_>) {
        let which = input.byte();
        let remove_from = |len: usize| usize::from(which) % len;
        if which.is_multiple_of(2) && !self.senders.is_empty() {
            // With whatever it holds.
            drop(self.senders.swap_remove(remove_from(self.senders.len())));
        } else if !self.receivers.is_empty() {
            drop(self.receivers.swap_remove(remove_from(self.receivers.len())));
        }
    }

    /// Waits for all handles at once, and a descriptor.
    fn wait_for_any(&mut self, input: &mut Input<'_>) {
        let mut set = WaitSet::new().with_wait_strategy(WaitStrategy::Sleep);
        let mut token = 0;
        let mut next = || {
            token += 1;
            token
        };
        for sender in &self.senders {
            end(match sender {
                Sender::Bytes(producer, _) => set.add(producer, next()),
                Sender::Typed(producer, _) => set.add(producer, next()),
            });
        }
        for receiver in &self.receivers {
            end(match receiver {
                Receiver::Bytes(consumer, _) => set.add(consumer, next()),
                Receiver::Typed(consumer, _) => set.add(consumer, next()),
            });
        }
        let pipe = std::io::pipe().ok().filter(|_| input.byte() % 8 == 7);
        if let Some((silent, _)) = &pipe {
            end(set.add_descriptor(silent, 0));
        }
        look(set.wait(wait(input)));
        black_box((set.remove(1), set.remove(0), set.len()));
        look(set.wait(wait(input)));
    }

    fn send(&mut self, input: &mut Input<'_>) {
        if self.senders.is_empty() {
            return;
        }
        let which = input.below(self.senders.len().min(256));
        let kind = input.below(15);
        if kind == 12 {
            let sender = self.senders.swap_remove(which);
            return self.senders.push(sender.asynchronously());
        }
        let sender = &mut self.senders[which];
        match (kind, &mut *sender) {
            (0 | 1, Sender::Bytes(producer, _)) => {
                look(producer.try_send(input.take(40)));
            }
            (2, Sender::Bytes(producer, _)) => {
                look(producer.send_timeout([7; 960], WAIT));
            }
            (3, Sender::Bytes(producer, _)) => {
                look(producer.send_batch(&[b"first", b"other"], wait(input)));
            }
            (4, Sender::Bytes(producer, _)) => {
                look(producer.send_up_to(&[b"one"; 9], wait(input)));
            }
            (5, Sender::Bytes(producer, _)) => {
                if let Some(mut claim) = look(producer.try_claim(input.byte().into())) {
                    claim.fill(9);
                    look(claim.publish());
                }
            }
            (0 | 1, Sender::Typed(producer, _)) => {
                look(producer.try_send(&Sample::number(input.byte().into())));
            }
            (2, Sender::Typed(producer, _)) => {
                look(producer.send_timeout(&Sample::number(2), WAIT));
            }
            (3, Sender::Typed(producer, _)) => {
                let messages = [Sample::number(0), Sample::number(1)];
                look(producer.send_batch(&messages, wait(input)));
            }
            (4, Sender::Typed(producer, _)) => {
                let messages = [0, 1, 2, 3, 4].map(Sample::number);
                look(producer.send_up_to(&messages, wait(input)));
            }
            (5, Sender::Typed(producer, _)) => {
                if let Some(mut claim) = look(producer.claim_with(&Sample::number(5), wait(input))) {
                    claim.truth = !claim.truth;
                    look(claim.publish());
                }
            }
            (6, sender) => {
                let (producer, claims) = sender.raw();
                let (min, max) = (usize::from(input.byte() % 5), usize::from(input.byte() % 12));
                claims.extend(look(producer.claim(min, max, wait(input))));
            }
            (7, sender) => {
                let (producer, claims) = sender.raw();
                if let Some(claim) = claims.pop() {
                    let size = producer.message_size().map_or(11, |size| size as usize);
                    look(producer.publish(claim, |_| size));
                }
            }
            (8, sender) => {
                let (producer, claims) = sender.raw();
                if let Some(claim) = claims.pop() {
                    producer.abort(claim);
                }
            }
            (9, sender) => {
                let (producer, claims) = sender.raw();
                if let Some(claim) = claims.last_mut() {
                    let last = claim.count() - 1;
                    producer.payload_mut(claim, last).fill(0xEE);
                    black_box(
                        producer
                            .written(claim, 0)
                            .iter()
                            .map(|&byte| u32::from(byte))
                            .sum::<u32>(),
                    );
                }
            }
            (10, sender) => {
                let (producer, claims) = sender.raw();
                claims.extend(look(
                    producer
                        .waiter()
                        .wait(1, wait(input), || producer.claim(1, 2, Wait::No)),
                ));
                black_box((producer.len(), producer.is_empty(), producer.is_full()));
                look(producer.schema());
            }
            (13, sender) => {
                let (producer, _) = sender.raw();
                let (count, filling) = (usize::from(input.byte() % 12), input.byte());
                // Whole messages, but for one filling.
                let len = count * producer.payload_capacity() + usize::from(filling == 255);
                look(producer.send_stretch(&vec![filling; len], count / 2, wait(input)));
            }
            (14, Sender::Bytes(producer, claims)) => {
                if let Some(claim) = claims.last_mut()
                    && let Some(bytes) = end(producer.as_raw().stretch_mut(claim))
                {
                    bytes.fill(0xDD);
                }
            }
            (14, Sender::Typed(producer, _)) => {
                let count = 1 + input.byte() % 6;
                if let Some(claim) = end(producer.claim_uninit(wait(input))) {
                    look(claim.write(Sample::number(count.into())).publish());
                }
            }
            (11, Sender::Bytes(producer, _)) => {
                if let Some(high) = end(producer.high()) {
                    look(high.try_send("urgent"));
                }
            }
            (_, sender) => drop(look(sender.raw().0.close())),
        }
    }

    fn receive(&mut self, input: &mut Input<'_>) {
        if self.receivers.is_empty() {
            return;
        }
        let which = input.below(self.receivers.len().min(256));
        let kind = input.below(17);
        if kind == 12 {
            let receiver = self.receivers.swap_remove(which);
            return self.receivers.push(receiver.asynchronously());
        }
        if kind == 13 {
            return self.wait_for_any(input);
        }
        let receiver = &mut self.receivers[which];
        match (kind, &mut *receiver) {
            (0, Receiver::Bytes(consumer, _)) => drop(look(consumer.receive())),
            (1, Receiver::Bytes(consumer, _)) => {
                black_box((end(consumer.newest()).map(|bytes| bytes.len()), consumer.missed()));
                let mut set = WaitSet::new();
                if end(set.add(consumer, 1)).is_some() {
                    look(set.wait(wait(input)));
                }
            }
            (2, Receiver::Bytes(consumer, _)) => {
                if let Some(message) = look(consumer.recv_timeout(WAIT)) {
                    black_box(format!("{:?}", message.metadata()));
                    message.give_back();
                }
            }
            (0, Receiver::Typed(consumer, _)) => drop(look(consumer.try_recv())),
            (1, Receiver::Typed(consumer, _)) => drop(look(consumer.recv_copy(wait(input)))),
            (2, Receiver::Typed(consumer, _)) => drop(look(consumer.recv_timeout(WAIT))),
            (3, Receiver::Typed(consumer, _)) => {
                if let Some(batch) = end(consumer.recv_up_to(9, wait(input))) {
                    black_box(batch.iter().map(|message| format!("{message:?}").len()).sum::<usize>());
                    black_box(format!("{:?}", batch.metadata(batch.len() - 1)));
                }
            }
            (4, Receiver::Typed(consumer, _)) => {
                let count = 1 + usize::from(input.byte() % 8);
                black_box(end(consumer.recv_batch(count, wait(input))).map(|batch| batch.len()));
            }
            (14, Receiver::Bytes(consumer, _)) => {
                let (max, back) = (usize::from(input.byte() % 12), input.byte() % 4 == 3);
                if let Some(slice) = end(consumer.recv_slice(max, wait(input))) {
                    black_box((slice.message_id(), slice.message_count(), slice.missed()));
                    read(None, &slice);
                    if back {
                        slice.give_back();
                    }
                }
            }
            (14, Receiver::Typed(consumer, _)) => {
                let (max, back) = (usize::from(input.byte() % 12), input.byte() % 4 == 3);
                if let Some(slice) = end(consumer.recv_slice(max, wait(input))) {
                    black_box(format!("{slice:?} {} {}", slice.message_id(), slice.missed()));
                    if back {
                        slice.give_back();
                    }
                }
            }
            (15, Receiver::Bytes(consumer, _)) => {
                let mut copies = [0; 100];
                let room = usize::from(input.byte() % 101);
                look(consumer.as_raw().copy_stretch(&mut copies[..room], wait(input)));
                read(None, &copies);
            }
            (15, Receiver::Typed(consumer, _)) => {
                let mut copies = Vec::new();
                let max = usize::from(input.byte() % 12);
                look(consumer.recv_slice_copy(&mut copies, max, wait(input)));
                black_box(format!("{copies:?}"));
            }
            (16, receiver) => {
                let (consumer, claims) = receiver.raw();
                if let Some(bytes) = claims.last().and_then(|claim| end(consumer.stretch(claim))) {
                    read(None, bytes);
                }
            }
            (5, receiver) => {
                let (consumer, claims) = receiver.raw();
                if let Some(claim) = claims.pop() {
                    consumer.release(claim);
                }
            }
            (6, receiver) => {
                let (consumer, claims) = receiver.raw();
                if let Some(claim) = claims.pop() {
                    match input.byte() % 4 {
                        0 => consumer.give_back(claim),
                        bad => consumer.put_back(claim, Some(u32::from(bad) - 1)),
                    }
                }
            }
            (7, receiver) => {
                let (consumer, claims) = receiver.raw();
                if let Some(claim) = claims.last() {
                    decode(consumer, claim);
                }
            }
            (8, receiver) => {
                let (consumer, claims) = receiver.raw();
                claims.extend(look(
                    consumer
                        .waiter()
                        .wait(1, wait(input), || consumer.claim(1, 2, Wait::No)),
                ));
                black_box((consumer.len(), consumer.is_empty()));
            }
            (9, receiver) => {
                let (consumer, claims) = receiver.raw();
                if let Some(claim) = claims.pop() {
                    consumer.give_back(claim);
                }
            }
            (10, receiver) if input.byte() % 4 == 3 => drop(look(receiver.raw().0.close())),
            (_, receiver) => {
                let (consumer, claims) = receiver.raw();
                let (min, max) = (usize::from(input.byte() % 5), usize::from(input.byte() % 12));
                claims.extend(look(consumer.claim(min, max, wait(input))));
            }
        }
    }
}

/// What the flags ask of a channel.
fn asked<T: ?Sized>(builder: ChannelBuilder<T>, flags: u8, id: u32) -> ChannelBuilder<T> {
    let builder = if flags & 4 == 0 { builder.open_only() } else { builder };
    let builder = if flags & 64 == 0 {
        builder
    } else {
        builder.with_wait_strategy(WaitStrategy::Sleep)
    };
    match flags >> 3 & 7 {
        0 => builder.with_name("typed"),
        1 => builder.with_name("bytes"),
        2 => builder.with_name("letters"),
        3 => builder.with_channel_id(id).with_capacity(2),
        _ => builder.with_channel_id(id),
    }
}

/// One of the ways to only look, in turns: they are most of a session's time.
fn list(region: &Region, turn: usize) {
    match turn % 5 {
        0 => {
            for channel in end(region.channels()).unwrap_or_default() {
                if let Some(schema) = channel.schema {
                    show(&schema);
                }
            }
        }
        1 => drop(end(region.channel_named("letters"))),
        2 => look(region.statistics())
            .unwrap_or_default()
            .iter()
            .for_each(|channel| {
                black_box((channel.utilisation(), channel.drop_rate()));
            }),
        3 => look(region.blockages())
            .unwrap_or_default()
            .iter()
            .for_each(|blockage| show(blockage)),
        _ => {
            let from = [PeekFrom::Oldest, PeekFrom::Newest, PeekFrom::Position(turn as u64)];
            let options = PeekOptions::new().from(from[turn / 5 % from.len()]).limit(turn);
            for id in CHANNELS {
                peek(region, id, options);
            }
        }
    }
}

/// The messages that are on a channel, through its schema.
fn peek(region: &Region, id: u32, options: PeekOptions) {
    let Some(found) = look(region.peek(id, options)) else {
        return;
    };
    for message in &found.messages {
        show(&message.state);
        read(found.schema.as_ref(), &message.bytes);
    }
}

/// Bytes of a message, through the schema if there is one.
fn read(schema: Option<&Schema>, bytes: &[u8]) {
    match schema {
        Some(schema) => {
            let decoded = dmxp_schema::codec::decode(schema, bytes);
            black_box(decoded.map_err(|error| error.to_string()).ok());
        }
        None => {
            black_box(bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>());
        }
    }
}

/// The messages of a claim, through the schema that the channel has now.
fn decode(consumer: &raw::Consumer, claim: &ReadClaim) {
    let schema = look(consumer.schema()).flatten();
    for index in 0..claim.count() {
        black_box(format!("{:?}", consumer.metadata(claim, index)));
        match consumer.payload(claim, index) {
            Ok(bytes) => read(schema.as_ref(), bytes),
            Err(error) => show(&error),
        }
    }
}

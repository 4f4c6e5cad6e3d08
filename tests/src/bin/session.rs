//! The process that `tests/system_calls.rs` kills or stops at any of its system calls.
//!
//! `session REGION WORKLOAD NAME LEDGERS`: what it has sent and received goes to ledgers in the folder LEDGERS: to `sent` when a send
//! has returned, to `held` before the message is let go of, to `told` what it has sent on channels with subscribers.

use dmxp::{
    Channel, ChannelBuilder, Consumer, Delivery, Error, Producer, RecoverOptions, Region, RegionOptions, Wait, WaitSet,
};
use dmxp_tests::{Ledger, Numbered, block_on, count_calls};
use std::error::Error as StdError;
use std::path::Path;
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn StdError>>;

/// Longer than a tick, and than the other side takes to answer.
const MOMENT: Duration = Duration::from_millis(60);

struct Session {
    region: Region,
    name: u64,
    next: u64,
    sent: Ledger,
    held: Ledger,
    told: Ledger,
}

/// What a call returns, unless others were in the way.
fn in_time<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(Error::Timeout | Error::Full | Error::Empty) => Ok(None),
        answer => answer.map(Some),
    }
}

impl Session {
    fn channel(&self, name: &str) -> ChannelBuilder<Numbered> {
        Channel::<Numbered>::builder().with_region(&self.region).with_name(name)
    }

    fn ends(&self) -> Outcome<(Producer<Numbered>, Consumer<Numbered>)> {
        Ok((
            self.channel("questions").build_producer()?,
            self.channel("answers").build_consumer()?,
        ))
    }

    fn message(&self) -> Numbered {
        Numbered::new(self.name, self.next)
    }

    fn was_sent(&mut self, count: u64) -> Outcome {
        for number in self.next..self.next + count {
            self.sent.write(self.name, number, 0)?;
        }
        self.next += count;
        Ok(())
    }

    fn hold(&mut self, message: &Numbered, redelivered: u8) -> Outcome {
        if !message.is_whole() {
            self.held.write(Ledger::TORN, Ledger::TORN, 0)?;
            return Err(format!("torn: {message:?}").into());
        }
        Ok(self.held.write(message.producer, message.number, redelivered)?)
    }

    fn ask(&mut self, producer: &Producer<Numbered>, wait: Duration) -> Outcome<bool> {
        let sent = in_time(producer.send_timeout(&self.message(), wait))?.is_some();
        self.was_sent(u64::from(sent))?;
        Ok(sent)
    }

    fn hear(&mut self, consumer: &Consumer<Numbered>) -> Outcome {
        if let Some(message) = in_time(consumer.recv_timeout(MOMENT))? {
            self.hold(&message, message.metadata().redelivered)?;
        }
        Ok(())
    }

    /// Sleeps for an answer and for room, and is woken; claims, batches, and messages that are given back.
    fn conversation(&mut self) -> Outcome {
        let (producer, consumer) = self.ends()?;
        for _ in 0..2 {
            self.ask(&producer, MOMENT)?;
            self.hear(&consumer)?;
        }
        // Full, and then there is room.
        while self.ask(&producer, Duration::ZERO)? {}
        self.ask(&producer, MOMENT)?;
        let batch = [0, 1].map(|more| Numbered::new(self.name, self.next + more));
        if in_time(producer.send_batch(&batch, Wait::For(MOMENT)))?.is_some() {
            self.was_sent(2)?;
        }
        if let Some(batch) = in_time(consumer.recv_up_to(3, Wait::For(MOMENT)))? {
            for index in 0..batch.len() {
                let redelivered = batch.metadata(index).map_or(0, |metadata| metadata.redelivered);
                self.hold(&batch[index], redelivered)?;
            }
        }
        if let Some(message) = in_time(consumer.recv_timeout(MOMENT))? {
            message.give_back();
        }
        self.hear(&consumer)?;
        drop(in_time(producer.try_claim())?);
        let message = self.message();
        if let Some(claim) = in_time(producer.claim_with(&message, Wait::For(MOMENT)))? {
            claim.publish()?;
            self.was_sent(1)?;
        }
        Ok(())
    }

    /// The same in futures: the thread sleeps, and the reactor's wakes it.
    fn futures(&mut self) -> Outcome {
        let (producer, consumer) = self.ends()?;
        let (mut producer, mut consumer) = (producer.into_async(), consumer.into_async());
        for _ in 0..7 {
            let message = self.message();
            if let Some(sent) = block_on(MOMENT, producer.send(&message)) {
                sent?;
                self.was_sent(1)?;
            }
        }
        for _ in 0..2 {
            if let Some(answer) = block_on(MOMENT, consumer.recv_ref()) {
                let answer = answer?;
                self.hold(&answer, answer.metadata().redelivered)?;
            }
        }
        Ok(())
    }

    /// The same with a set: of both sides, then of consumers of several channels.
    fn set(&mut self) -> Outcome {
        let (producer, consumer) = self.ends()?;
        let subscriber = self.delivered("news").build_consumer()?;
        while self.ask(&producer, Duration::ZERO)? {}
        let mut set = WaitSet::new();
        set.add(&producer, 0)?;
        set.add(&consumer, 1)?;
        set.add(&subscriber, 2)?;
        for turn in 0..8 {
            if turn == 2 {
                // There is room most of the time, and an answer now and then.
                set.remove(0);
            }
            for token in set.wait(Wait::For(MOMENT))? {
                match token {
                    0 => {
                        self.ask(&producer, Duration::ZERO)?;
                    }
                    1 => {
                        while let Some(message) = in_time(consumer.try_recv())? {
                            self.hold(&message, message.metadata().redelivered)?;
                        }
                    }
                    _ => drop(in_time(subscriber.try_recv())?),
                }
            }
        }
        Ok(())
    }

    fn delivered(&self, name: &str) -> ChannelBuilder<Numbered> {
        let delivery = if name == "pose" {
            Delivery::Latest
        } else {
            Delivery::Broadcast
        };
        self.channel(name)
            .with_capacity(8)
            .with_delivery(delivery)
            .with_single_producer(name == "solo")
    }

    /// Channels with subscribers: `news` of many producers, `solo` of one, `pose` that shows the newest.
    fn broadcast(&mut self) -> Outcome {
        for (index, name) in (0..).zip(["news", "solo", "pose"]) {
            let producer = self.delivered(name).build_producer()?;
            let subscriber = self.delivered(name).build_consumer()?;
            for number in 0..6 {
                // Full, until the subscribers have read.
                while in_time(producer.send_timeout(&Numbered::new(self.name, number), MOMENT))?.is_none() {
                    drop(in_time(subscriber.try_recv())?);
                }
                self.told.write(index, number, 0)?;
                if number == 2 {
                    drop(in_time(subscriber.recv_timeout(MOMENT))?);
                    drop(in_time(producer.try_claim())?);
                }
            }
        }
        Ok(())
    }

    /// Channels that are made, closed and removed.
    fn tables(&mut self) -> Outcome {
        let extra = |id| {
            ChannelBuilder::new()
                .with_region(&self.region)
                .with_channel_id(id)
                .with_capacity(16)
        };
        let producer = extra(7)
            .with_payload_capacity(960)
            .with_dead_letters("letters")
            .build_producer()?;
        producer.send(b"one")?;
        producer.close()?;
        let consumer = extra(7)
            .with_payload_capacity(960)
            .with_dead_letters("letters")
            .build_consumer()?;
        drop(consumer.recv()?);
        if !matches!(consumer.recv(), Err(Error::Closed)) {
            return Err("the stream has not ended".into());
        }
        drop((producer, consumer));
        self.region.remove_channel(7, false)?;
        let held = extra(8).with_priorities(true).build_consumer()?;
        let _ = self.region.channels()?;
        self.region.remove_channel(8, true)?;
        if !matches!(held.try_recv(), Err(Error::Removed)) {
            return Err("the channel was removed".into());
        }
        let made = self.channel("typed").with_capacity(2).with_compact_slots(true);
        drop(made.build_producer()?);
        Ok(())
    }

    /// Comes upon what the dead left: by opening a handle, by waiting, and by a recovery.
    fn heir(&mut self) -> Outcome {
        let (producer, consumer) = self.ends()?;
        for _ in 0..3 {
            self.hear(&consumer)?;
        }
        self.ask(&producer, MOMENT)?;
        self.region.recover(RecoverOptions::new())?;
        Ok(())
    }

    /// A region of its own: made, used, and removed.
    fn region(&mut self, name: &str) -> Outcome {
        let own = RegionOptions::new()
            .name(format!("{name}-own"))
            .size(2 << 20)
            .open_or_create()?;
        let channel = Channel::<Numbered>::builder().with_region(&own).with_name("own");
        let (producer, consumer) = (channel.build_producer()?, channel.build_consumer()?);
        producer.send(&Numbered::new(0, 0))?;
        drop(consumer.recv()?);
        drop((producer, consumer, channel, own));
        RegionOptions::new().name(format!("{name}-own")).remove(false)?;
        Ok(())
    }
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [region, workload, name, ledgers] = &arguments[..] else {
        return Err("usage: session REGION WORKLOAD NAME LEDGERS".into());
    };
    let ledger = |name: &str| Ledger::append_to(&Path::new(ledgers).join(name));
    let (sent, held, told) = (ledger("sent")?, ledger("held")?, ledger("told")?);
    count_calls();
    let mut session = Session {
        region: RegionOptions::new().name(region).open()?,
        name: name.parse()?,
        next: 0,
        sent,
        held,
        told,
    };
    match workload.as_str() {
        "conversation" => session.conversation(),
        "futures" => session.futures(),
        "set" => session.set(),
        "broadcast" => session.broadcast(),
        "tables" => session.tables(),
        "heir" => session.heir(),
        "region" => session.region(region),
        other => Err(format!("no workload {other}").into()),
    }
}

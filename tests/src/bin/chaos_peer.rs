//! The Rust worker of the chaos tests, as `languages/chaos_peer.py` is the Python one and `languages/chaos_peer.c` that in C;
//! `languages/README.md` has what they share.
//!
//! `chaos_peer REGION CHANNEL chaos-produce NAME LEDGER [single | batch | claim-held]`, or
//! `chaos_peer REGION CHANNEL chaos-consume NAME LEDGER [single | batch | borrow-held | copying]`: works until it is killed, or
//! the channel is closed; without a mode, in another one for each call, but never copying.
//!
//! `chaos_peer REGION CHANNEL chaos-publish NAME LEDGER`, or `chaos_peer REGION CHANNEL chaos-subscribe NAME LEDGER POLICY`, which is
//! `reliable`, `lossy` or `latest`: the same on broadcast and latest channels. A reliable subscriber goes on after the last message of
//! its ledger.
//!
//! A mode more for each command, as the last argument: `future`, whose calls are futures (`chaos_peer/futures.rs`), and `set`, which
//! waits for two channels at once (`chaos_peer/sets.rs`).

use dmxp::{Channel, ChannelBuilder, Consumer, Error, Metadata, Producer, RegionOptions, Start, Subscription, Wait};
use dmxp_tests::{Draws, Event, Ledger, Numbered, monotonic_ns};
use std::error::Error as StdError;
use std::time::Duration;

#[path = "chaos_peer/futures.rs"]
mod futures;
#[path = "chaos_peer/sets.rs"]
mod sets;

type Outcome<T = ()> = Result<T, Box<dyn StdError>>;

const PATIENCE: Duration = Duration::from_secs(60);

struct Worker {
    name: u64,
    ledger: Ledger,
    mode: Option<String>,
    draws: Draws,
}

impl Worker {
    /// The mode that was asked for, or one of `modes`.
    fn mode(&mut self, modes: &[&str]) -> String {
        let drawn = self.draws.below(modes.len());
        self.mode.clone().unwrap_or_else(|| modes[drawn].to_owned())
    }

    fn is(&self, mode: &str) -> bool {
        self.mode.as_deref() == Some(mode)
    }

    /// Time to be killed in.
    fn pause(&mut self) {
        std::thread::sleep(Duration::from_micros(self.draws.below(400) as u64));
    }

    fn produce(&mut self, channel: &ChannelBuilder<Numbered>) -> Outcome {
        if self.is("set") {
            return self.produce_in_set([channel, &channel.clone().with_name("more")]);
        }
        let producer = channel.build_producer()?;
        if self.is("future") {
            return self.produce_in_futures(producer);
        }
        let mut next = 0;
        loop {
            let count = self.send(&producer, next)?;
            for number in next..next + count {
                self.ledger.write(self.name, number, 0)?;
            }
            next += count;
        }
    }

    /// One call; says how many messages it has sent.
    fn send(&mut self, producer: &Producer<Numbered>, next: u64) -> Outcome<u64> {
        match self.mode(&["single", "batch", "claim-held"]).as_str() {
            "single" => {
                producer.send_timeout(&Numbered::new(self.name, next), PATIENCE)?;
                Ok(1)
            }
            "batch" => {
                let count = 1 + self.draws.below(Ledger::MOST) as u64;
                let batch: Vec<_> = (next..next + count)
                    .map(|number| Numbered::new(self.name, number))
                    .collect();
                producer.send_batch(&batch, Wait::For(PATIENCE))?;
                Ok(count)
            }
            "claim-held" => {
                let claim = producer.claim_with(&Numbered::new(self.name, next), Wait::For(PATIENCE))?;
                self.pause();
                claim.publish()?;
                Ok(1)
            }
            other => Err(format!("no mode {other}").into()),
        }
    }

    fn consume(&mut self, channel: &ChannelBuilder<Numbered>) -> Outcome {
        if self.is("set") {
            return self.consume_in_set([channel, &channel.clone().with_name("more")]);
        }
        let consumer = channel.build_consumer()?;
        if self.is("future") {
            return self.consume_in_futures(consumer);
        }
        loop {
            self.receive(&consumer)?;
        }
    }

    /// One call. All but `copying` write a message down before they let go of it.
    fn receive(&mut self, consumer: &Consumer<Numbered>) -> Outcome {
        match self.mode(&["single", "batch", "borrow-held"]).as_str() {
            "single" => {
                let message = consumer.recv_timeout(PATIENCE)?;
                self.write(&message, message.metadata().redelivered)
            }
            "batch" => {
                let batch = consumer.recv_up_to(1 + self.draws.below(Ledger::MOST), Wait::For(PATIENCE))?;
                for (index, message) in batch.iter().enumerate() {
                    self.write(message, batch.metadata(index).ok_or("metadata")?.redelivered)?;
                }
                Ok(())
            }
            "borrow-held" => {
                let message = consumer.recv_timeout(PATIENCE)?;
                self.pause();
                self.write(&message, message.metadata().redelivered)
            }
            "copying" => self.copy(consumer),
            other => Err(format!("no mode {other}").into()),
        }
    }

    fn copy(&mut self, consumer: &Consumer<Numbered>) -> Outcome {
        let most = 1 + self.draws.below(Ledger::MOST);
        self.ledger.write(Ledger::CALL, most as u64, 0)?;
        let batch = consumer.recv_up_to(most, Wait::For(PATIENCE))?;
        let redelivered = |index| batch.metadata(index).map_or(0, |metadata| metadata.redelivered);
        let copies: Vec<_> = (0..batch.len())
            .map(|index| (batch[index], redelivered(index)))
            .collect();
        drop(batch);
        self.pause();
        copies
            .iter()
            .try_for_each(|(message, redelivered)| self.write(message, *redelivered))
    }

    fn publish(&mut self, channel: &ChannelBuilder<Numbered>) -> Outcome {
        let producer = channel.build_producer()?;
        if self.is("future") {
            return self.publish_in_futures(producer);
        }
        if self.is("set") {
            return self.publish_in_set(&producer, &Self::quiet(channel)?);
        }
        let mut next = 0;
        loop {
            let sending = Event::Sending { at_ns: monotonic_ns() };
            Event::note(&mut self.ledger, &[sending])?;
            let (id, count) = self.send_some(&producer, next)?;
            self.note_sent(next, id, count)?;
            next += count;
        }
    }

    fn note_sent(&mut self, next: u64, id: u64, count: u64) -> Outcome {
        let sent = (0..count).map(|index| Event::Message {
            producer: self.name,
            number: next + index,
            id: id + index,
        });
        Ok(Event::note(&mut self.ledger, &sent.collect::<Vec<_>>())?)
    }

    /// A consumer of a queue on which nothing comes.
    fn quiet(channel: &ChannelBuilder<Numbered>) -> Outcome<Consumer<Numbered>> {
        Ok(channel.clone().with_name("quiet").build_consumer()?)
    }

    /// One call; the first id and how many messages.
    fn send_some(&mut self, producer: &Producer<Numbered>, next: u64) -> Outcome<(u64, u64)> {
        let count = 1 + self.draws.below(Ledger::MOST) as u64;
        let message = Numbered::new(self.name, next);
        match self.draws.below(6) {
            0 => Ok((producer.send_timeout(&message, PATIENCE)?, 1)),
            1 => {
                let batch: Vec<_> = (next..next + count)
                    .map(|number| Numbered::new(self.name, number))
                    .collect();
                Ok((producer.send_batch(&batch, Wait::For(PATIENCE))?, count))
            }
            2 => {
                let mut claims = producer.claim_batch(count as usize, Wait::For(PATIENCE))?;
                self.pause();
                for index in 0..count {
                    *claims.get_mut(index as usize) = Numbered::new(self.name, next + index);
                }
                Ok((claims.publish()?, count))
            }
            3 => {
                let claim = producer.claim_with(&message, Wait::For(PATIENCE))?;
                self.pause();
                Ok((claim.publish()?, 1))
            }
            4 => {
                // One that is given up beside one that is not.
                drop(producer.claim_with(&message, Wait::For(PATIENCE))?);
                Ok((producer.send_timeout(&message, PATIENCE)?, 1))
            }
            _ => {
                self.pause();
                Ok((producer.send_timeout(&message, PATIENCE)?, 1))
            }
        }
    }

    fn subscribe(&mut self, channel: ChannelBuilder<Numbered>, policy: &str, last: Option<u64>) -> Outcome {
        let quiet = self.is("set").then(|| Self::quiet(&channel)).transpose()?;
        let (channel, start) = match policy {
            "reliable" => (channel.with_subscription(Subscription::Reliable), last),
            "lossy" => (channel.with_subscription(Subscription::Lossy), None),
            _ => (channel, None),
        };
        let consumer = match start {
            // The message after the last one: its position is the last one's id.
            Some(position) => channel.with_start(Start::Position(position)).build_consumer()?,
            None => channel.build_consumer()?,
        };
        let at_ns = monotonic_ns();
        Event::note(&mut self.ledger, &[Event::Subscribed { start, at_ns }])?;
        let mut seen = last.is_some();
        if self.is("future") {
            return self.follow_in_futures(consumer, policy == "latest", &mut seen);
        }
        if let Some(quiet) = quiet {
            return self.follow_in_set(&consumer, &quiet, policy == "latest");
        }
        loop {
            if policy == "latest" {
                self.look(&consumer, &mut seen)?;
            } else {
                self.follow(&consumer)?;
            }
        }
    }

    /// One call on a broadcast channel. A message is written down before it is let go of.
    fn follow(&mut self, consumer: &Consumer<Numbered>) -> Outcome {
        match self.draws.below(5) {
            0 | 1 => {
                let batch = consumer.recv_up_to(1 + self.draws.below(4 * Ledger::MOST), Wait::For(PATIENCE))?;
                if self.draws.below(4) == 0 {
                    self.pause();
                }
                let got: Vec<_> = batch
                    .iter()
                    .enumerate()
                    .filter_map(|(index, message)| Some((message, batch.metadata(index)?)))
                    .collect();
                self.note(&got)
            }
            2 => {
                let message = consumer.recv_timeout(PATIENCE)?;
                self.pause();
                self.note(&[(&*message, message.metadata())])
            }
            3 => {
                // Let go of in the other order.
                let first = consumer.recv_timeout(PATIENCE)?;
                let second = consumer.try_recv();
                self.pause();
                self.note(&[(&*first, first.metadata())])?;
                match second {
                    Ok(second) => {
                        self.note(&[(&*second, second.metadata())])?;
                        drop(first);
                        Ok(())
                    }
                    Err(Error::Empty | Error::Closed) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            _ => {
                let message = consumer.recv_timeout(PATIENCE)?;
                self.note(&[(&*message, message.metadata())])
            }
        }
    }

    /// One call on a latest channel.
    fn look(&mut self, consumer: &Consumer<Numbered>, seen: &mut bool) -> Outcome {
        let message = if self.draws.below(3) == 0 {
            match consumer.newest() {
                Err(Error::Empty) if *seen => return Ok(Event::note(&mut self.ledger, &[Event::Nothing])?),
                Err(Error::Empty) => return Ok(()),
                other => other?,
            }
        } else {
            consumer.recv_timeout(PATIENCE)?
        };
        *seen = true;
        self.pause();
        self.note(&[(&*message, message.metadata())])
    }

    fn note(&mut self, got: &[(&Numbered, Metadata)]) -> Outcome {
        let received = |(message, metadata): &(&Numbered, Metadata)| Event::received(message, metadata);
        let events: Vec<Event> = got.iter().flat_map(received).collect();
        Ok(Event::note(&mut self.ledger, &events)?)
    }

    fn write(&mut self, message: &Numbered, redelivered: u8) -> Outcome {
        if !message.is_whole() {
            self.ledger.write(Ledger::TORN, Ledger::TORN, 0)?;
            return Err(format!("torn: {message:?}").into());
        }
        self.ledger.write(message.producer, message.number, redelivered)?;
        Ok(())
    }
}

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [region, channel, command, name, ledger, mode @ ..] = &arguments[..] else {
        return Err("usage: chaos_peer REGION CHANNEL COMMAND NAME LEDGER [MODE]".into());
    };
    let region = RegionOptions::new().name(region).open()?;
    let channel = Channel::<Numbered>::builder().with_region(&region).with_name(channel);
    let name = name.parse()?;
    let last_received = || {
        let ledger = Event::read(ledger.as_ref());
        ledger.into_iter().rev().find_map(|event| match event {
            Event::Message { id, .. } => Some(id),
            _ => None,
        })
    };
    let mut worker = Worker {
        name,
        ledger: Ledger::append_to(ledger.as_ref())?,
        mode: mode.first().cloned(),
        draws: Draws::new(name, 0),
    };
    let outcome = match command.as_str() {
        "chaos-produce" => worker.produce(&channel),
        "chaos-consume" => worker.consume(&channel),
        "chaos-publish" => worker.publish(&channel.open_only()),
        "chaos-subscribe" => {
            let policy = worker.mode(&["reliable"]);
            worker.mode = mode.get(1).cloned();
            worker.subscribe(channel.open_only(), &policy, last_received())
        }
        other => Err(format!("no command {other}").into()),
    };
    match outcome {
        // The test has had enough.
        Err(error) if matches!(error.downcast_ref(), Some(Error::Closed)) => Ok(()),
        other => other,
    }
}

//! The Rust worker of the chaos test, as `languages/chaos_peer.py` is the Python one; `languages/README.md` has what they share.
//!
//! `chaos_peer REGION CHANNEL chaos-produce NAME LEDGER [single | batch | claim-held]`, or
//! `chaos_peer REGION CHANNEL chaos-consume NAME LEDGER [single | batch | borrow-held | copying]`: works until it is killed, or
//! the channel is closed; without a mode, in another one for each call, but never copying.

use dmxp::{Channel, ChannelBuilder, Consumer, Error, Producer, RegionOptions, Wait};
use dmxp_tests::{Draws, Ledger, Numbered};
use std::error::Error as StdError;
use std::time::Duration;

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

    /// Time to be killed in.
    fn pause(&mut self) {
        std::thread::sleep(Duration::from_micros(self.draws.below(400) as u64));
    }

    fn produce(&mut self, channel: &ChannelBuilder<Numbered>) -> Outcome {
        let producer = channel.build_producer()?;
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
        let consumer = channel.build_consumer()?;
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
    let mut worker = Worker {
        name,
        ledger: Ledger::append_to(ledger.as_ref())?,
        mode: mode.first().cloned(),
        draws: Draws::new(name, 0),
    };
    let outcome = match command.as_str() {
        "chaos-produce" => worker.produce(&channel),
        "chaos-consume" => worker.consume(&channel),
        other => Err(format!("no command {other}").into()),
    };
    match outcome {
        // The test has had enough.
        Err(error) if matches!(error.downcast_ref(), Some(Error::Closed)) => Ok(()),
        other => other,
    }
}

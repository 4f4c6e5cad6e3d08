//! A worker that waits for several channels at once. It takes and sends what the set has found.

use crate::{Outcome, PATIENCE, Worker};
use dmxp::{ChannelBuilder, Consumer, Error, Metadata, Producer, Wait, WaitSet};
use dmxp_tests::{Event, Ledger, Numbered, monotonic_ns};

/// What a call returns, unless another handle was faster, or the set has found what is of another kind.
fn if_ready<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(Error::Full | Error::Empty) => Ok(None),
        answer => answer.map(Some),
    }
}

fn ready(set: &mut WaitSet) -> Outcome<Vec<u64>> {
    let tokens = set.wait(Wait::For(PATIENCE))?;
    if tokens.is_empty() {
        return Err("nothing was ready in time".into());
    }
    Ok(tokens)
}

impl Worker {
    /// On both channels, under a name for each.
    pub(crate) fn produce_in_set(&mut self, channels: [&ChannelBuilder<Numbered>; 2]) -> Outcome {
        let producers = [channels[0].build_producer()?, channels[1].build_producer()?];
        let names = [self.name, self.name + Ledger::MORE];
        let mut set = WaitSet::new();
        for (producer, token) in producers.iter().zip(0..) {
            set.add(producer, token)?;
        }
        let mut next = [0; 2];
        loop {
            for token in ready(&mut set)? {
                let token = token as usize;
                let count = self.send_if_ready(&producers[token], names[token], next[token])?;
                let count = count.map_or(0, |(_, count)| count);
                for number in next[token]..next[token] + count {
                    self.ledger.write(names[token], number, 0)?;
                }
                next[token] += count;
            }
        }
    }

    /// The id of the first message, and how many.
    fn send_if_ready(&mut self, producer: &Producer<Numbered>, name: u64, next: u64) -> Outcome<Option<(u64, u64)>> {
        let message = Numbered::new(name, next);
        match self.draws.below(3) {
            0 => {
                let count = 1 + self.draws.below(Ledger::MOST) as u64;
                let batch: Vec<_> = (next..next + count).map(|number| Numbered::new(name, number)).collect();
                Ok(if_ready(producer.send_batch(&batch, Wait::No))?.map(|id| (id, count)))
            }
            1 => match if_ready(producer.claim_with(&message, Wait::No))? {
                Some(claim) => {
                    self.pause();
                    Ok(Some((claim.publish()?, 1)))
                }
                None => Ok(None),
            },
            _ => Ok(if_ready(producer.try_send(&message))?.map(|id| (id, 1))),
        }
    }

    pub(crate) fn consume_in_set(&mut self, channels: [&ChannelBuilder<Numbered>; 2]) -> Outcome {
        let consumers = [channels[0].build_consumer()?, channels[1].build_consumer()?];
        let mut set = WaitSet::new();
        for (consumer, token) in consumers.iter().zip(0..) {
            set.add(consumer, token)?;
        }
        loop {
            for token in ready(&mut set)? {
                let most = 1 + self.draws.below(Ledger::MOST);
                let Some(batch) = if_ready(consumers[token as usize].recv_up_to(most, Wait::No))? else {
                    continue;
                };
                if self.draws.below(4) == 0 {
                    self.pause();
                }
                for (index, message) in batch.iter().enumerate() {
                    self.write(message, batch.metadata(index).ok_or("metadata")?.redelivered)?;
                }
            }
        }
    }

    /// Beside the consumer of a channel on which nothing comes.
    pub(crate) fn publish_in_set(&mut self, producer: &Producer<Numbered>, quiet: &Consumer<Numbered>) -> Outcome {
        let mut set = WaitSet::new();
        set.add(producer, 0)?;
        set.add(quiet, 1)?;
        let mut next = 0;
        loop {
            if ready(&mut set)? != [0] {
                return Err("something came on the quiet channel".into());
            }
            Event::note(&mut self.ledger, &[Event::Sending { at_ns: monotonic_ns() }])?;
            if let Some((id, count)) = self.send_if_ready(producer, self.name, next)? {
                self.note_sent(next, id, count)?;
                next += count;
            }
        }
    }

    pub(crate) fn follow_in_set(
        &mut self,
        consumer: &Consumer<Numbered>,
        quiet: &Consumer<Numbered>,
        latest: bool,
    ) -> Outcome {
        let mut set = WaitSet::new();
        set.add(consumer, 0)?;
        set.add(quiet, 1)?;
        loop {
            if ready(&mut set)? != [0] {
                return Err("something came on the quiet channel".into());
            }
            if latest || self.draws.truth() {
                let Some(message) = if_ready(consumer.try_recv())? else {
                    continue;
                };
                self.pause();
                self.note(&[(&*message, message.metadata())])?;
            } else {
                let most = 1 + self.draws.below(4 * Ledger::MOST);
                let Some(batch) = if_ready(consumer.recv_up_to(most, Wait::No))? else {
                    continue;
                };
                let got: Vec<(&Numbered, Metadata)> = batch
                    .iter()
                    .enumerate()
                    .filter_map(|(index, message)| Some((message, batch.metadata(index)?)))
                    .collect();
                self.note(&got)?;
            }
        }
    }
}

//! A worker whose calls are futures. Some are dropped before they are ready.

use crate::{Outcome, PATIENCE, Worker};
use dmxp::{AsyncConsumer, AsyncProducer, Consumer, Error, Producer};
use dmxp_tests::{Event, Ledger, Numbered, block_on, monotonic_ns};
use std::time::Duration;

/// What a future comes to, within the time that any call has.
fn in_time<T>(future: impl Future<Output = dmxp::Result<T>>) -> Outcome<T> {
    Ok(block_on(PATIENCE, future).ok_or("a future in time")??)
}

impl Worker {
    pub(crate) fn produce_in_futures(&mut self, producer: Producer<Numbered>) -> Outcome {
        let mut producer = producer.into_async();
        let mut next = 0;
        loop {
            let (_, count) = self.send_in_future(&mut producer, next)?;
            for number in next..next + count {
                self.ledger.write(self.name, number, 0)?;
            }
            next += count;
        }
    }

    pub(crate) fn publish_in_futures(&mut self, producer: Producer<Numbered>) -> Outcome {
        let mut producer = producer.into_async();
        let mut next = 0;
        loop {
            Event::note(&mut self.ledger, &[Event::Sending { at_ns: monotonic_ns() }])?;
            let (id, count) = self.send_in_future(&mut producer, next)?;
            self.note_sent(next, id, count)?;
            next += count;
        }
    }

    /// The id of the first message, and how many were sent: none when the future was dropped.
    fn send_in_future(&mut self, producer: &mut AsyncProducer<Numbered>, next: u64) -> Outcome<(u64, u64)> {
        let message = Numbered::new(self.name, next);
        let count = 1 + self.draws.below(Ledger::MOST) as u64;
        match self.draws.below(5) {
            0 => {
                let moment = Duration::from_micros(self.draws.below(300) as u64);
                match block_on(moment, producer.send(&message)) {
                    Some(id) => Ok((id?, 1)),
                    None => Ok((0, 0)),
                }
            }
            1 => {
                let batch: Vec<_> = (next..next + count)
                    .map(|number| Numbered::new(self.name, number))
                    .collect();
                Ok((in_time(producer.send_batch(&batch))?, count))
            }
            2 => {
                let claim = in_time(producer.claim_with(&message))?;
                self.pause();
                Ok((claim.publish()?, 1))
            }
            3 => {
                let mut claims = in_time(producer.claim_batch(count as usize))?;
                self.pause();
                for index in 0..count {
                    *claims.get_mut(index as usize) = Numbered::new(self.name, next + index);
                }
                Ok((claims.publish()?, count))
            }
            _ => Ok((in_time(producer.send(&message))?, 1)),
        }
    }

    pub(crate) fn consume_in_futures(&mut self, consumer: Consumer<Numbered>) -> Outcome {
        let mut consumer = consumer.into_async();
        loop {
            if self.draws.truth() {
                let most = 1 + self.draws.below(Ledger::MOST);
                let batch = in_time(consumer.recv_up_to(most))?;
                for (index, message) in batch.iter().enumerate() {
                    self.write(message, batch.metadata(index).ok_or("metadata")?.redelivered)?;
                }
                continue;
            }
            // Some are dropped before a message comes.
            let moment = Duration::from_micros(self.draws.below(3_000) as u64);
            if let Some(message) = block_on(moment, consumer.recv_ref()) {
                let message = message?;
                self.pause();
                self.write(&message, message.metadata().redelivered)?;
            }
        }
    }

    pub(crate) fn follow_in_futures(&mut self, consumer: Consumer<Numbered>, latest: bool, seen: &mut bool) -> Outcome {
        let mut consumer = consumer.into_async();
        loop {
            if latest {
                self.look_in_future(&mut consumer, seen)?;
            } else if self.draws.truth() {
                let batch = in_time(consumer.recv_up_to(1 + self.draws.below(4 * Ledger::MOST)))?;
                let got: Vec<_> = batch
                    .iter()
                    .enumerate()
                    .filter_map(|(index, message)| Some((message, batch.metadata(index)?)))
                    .collect();
                self.note(&got)?;
            } else {
                let moment = Duration::from_micros(self.draws.below(3_000) as u64);
                if let Some(message) = block_on(moment, consumer.recv_ref()) {
                    let message = message?;
                    self.pause();
                    self.note(&[(&*message, message.metadata())])?;
                }
            }
        }
    }

    fn look_in_future(&mut self, consumer: &mut AsyncConsumer<Numbered>, seen: &mut bool) -> Outcome {
        let message = if self.draws.below(3) == 0 {
            match consumer.newest() {
                Err(Error::Empty) if *seen => return Ok(Event::note(&mut self.ledger, &[Event::Nothing])?),
                Err(Error::Empty) => return Ok(()),
                other => other?,
            }
        } else {
            in_time(consumer.recv_ref())?
        };
        *seen = true;
        self.pause();
        self.note(&[(&*message, message.metadata())])
    }
}

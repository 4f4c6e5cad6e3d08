//! rtrb: a wait-free ring of one sender and one receiver, between threads.

use super::in_process::Ends;
use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use rtrb::{Consumer, CopyToUninit, Producer, RingBuffer};

pub(crate) struct Rtrb<P> {
    producers: Ends<Producer<P>>,
    consumers: Ends<Consumer<P>>,
}

impl<P: Payload> Transport<P> for Rtrb<P> {
    type Sender = Producer<P>;
    type Receiver = Consumer<P>;
    type Prepared = ();

    fn prepare(_: &mut Place) -> Result<(), Failure> {
        Ok(())
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        let (producers, consumers): (Vec<_>, Vec<_>) =
            (0..place.lanes).map(|_| RingBuffer::new(place.capacity)).unzip();
        Ok(Self {
            producers: Ends::new(producers),
            consumers: Ends::new(consumers),
        })
    }

    fn sender(&self, lane: usize) -> Result<Producer<P>, Failure> {
        self.producers.take(lane)
    }

    fn receiver(&self, lane: usize) -> Result<Consumer<P>, Failure> {
        self.consumers.take(lane)
    }
}

impl<P: Payload> Sender<P> for Producer<P> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        Ok(self.push(*message).is_ok())
    }

    fn try_send_batch(&mut self, messages: &[P]) -> Result<usize, Failure> {
        let Ok(mut chunk) = self.write_chunk_uninit(messages.len()) else {
            return Ok(0);
        };
        let (first, second) = chunk.as_mut_slices();
        let (before, after) = messages.split_at(first.len());
        before.copy_to_uninit(first);
        after.copy_to_uninit(second);
        // SAFETY: all slots of the chunk were written.
        unsafe { chunk.commit_all() };
        Ok(messages.len())
    }
}

impl<P: Payload> Receiver<P> for Consumer<P> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        if max == 1 {
            return Ok(match self.pop() {
                Ok(message) => {
                    visit(&message);
                    1
                }
                Err(_) => 0,
            });
        }
        let there = self.slots().min(max);
        let chunk = self.read_chunk(there)?;
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).for_each(visit);
        chunk.commit_all();
        Ok(there)
    }
}

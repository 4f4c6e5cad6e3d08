//! crossbeam's `ArrayQueue`: a bounded queue of many senders and many receivers, between threads.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

pub(crate) struct ArrayQueues<P>(Vec<Arc<ArrayQueue<P>>>);

pub(crate) struct End<P>(Arc<ArrayQueue<P>>);

impl<P: Payload> Transport<P> for ArrayQueues<P> {
    type Sender = End<P>;
    type Receiver = End<P>;
    type Prepared = ();

    fn prepare(_: &mut Place) -> Result<(), Failure> {
        Ok(())
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        let queues = (0..place.lanes).map(|_| Arc::new(ArrayQueue::new(place.capacity)));
        Ok(Self(queues.collect()))
    }

    fn sender(&self, lane: usize) -> Result<End<P>, Failure> {
        Ok(End(Arc::clone(&self.0[lane])))
    }

    fn receiver(&self, lane: usize) -> Result<End<P>, Failure> {
        Ok(End(Arc::clone(&self.0[lane])))
    }
}

impl<P: Payload> Sender<P> for End<P> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        Ok(self.0.push(*message).is_ok())
    }
}

impl<P: Payload> Receiver<P> for End<P> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        for received in 0..max {
            match self.0.pop() {
                Some(message) => visit(&message),
                None => return Ok(received),
            }
        }
        Ok(max)
    }
}

//! The plain Vyukov ring, between threads: what dmxp's ring would be without its claim cells.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use crate::vyukov::PlainRing;
use core::marker::PhantomData;
use std::sync::Arc;

pub(crate) struct PlainRings<P> {
    rings: Vec<Arc<PlainRing>>,
    message: PhantomData<fn(P)>,
}

pub(crate) struct End(Arc<PlainRing>);

impl<P: Payload> Transport<P> for PlainRings<P> {
    type Sender = End;
    type Receiver = End;
    type Prepared = ();

    fn prepare(_: &mut Place) -> Result<(), Failure> {
        Ok(())
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self {
            rings: (0..place.lanes)
                .map(|_| Arc::new(PlainRing::new(place.capacity)))
                .collect(),
            message: PhantomData,
        })
    }

    fn sender(&self, lane: usize) -> Result<End, Failure> {
        Ok(End(Arc::clone(&self.rings[lane])))
    }

    fn receiver(&self, lane: usize) -> Result<End, Failure> {
        Ok(End(Arc::clone(&self.rings[lane])))
    }
}

impl<P: Payload> Sender<P> for End {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        Ok(self.0.push(message.bytes()))
    }
}

impl<P: Payload> Receiver<P> for End {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        let mut message = P::numbered(0);
        for received in 0..max {
            if !self.0.pop(message.bytes_mut()) {
                return Ok(received);
            }
            visit(&message);
        }
        Ok(max)
    }
}

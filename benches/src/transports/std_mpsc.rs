//! The standard library's bounded channel, between threads.

use super::in_process::Ends;
use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use std::sync::mpsc;
use std::time::Duration;

pub(crate) struct StdMpsc<P> {
    senders: Vec<mpsc::SyncSender<P>>,
    receivers: Ends<mpsc::Receiver<P>>,
}

impl<P: Payload> Transport<P> for StdMpsc<P> {
    type Sender = mpsc::SyncSender<P>;
    type Receiver = mpsc::Receiver<P>;
    type Prepared = ();

    fn prepare(_: &mut Place) -> Result<(), Failure> {
        Ok(())
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..place.lanes).map(|_| mpsc::sync_channel(place.capacity)).unzip();
        Ok(Self {
            senders,
            receivers: Ends::new(receivers),
        })
    }

    fn sender(&self, lane: usize) -> Result<mpsc::SyncSender<P>, Failure> {
        Ok(self.senders[lane].clone())
    }

    fn receiver(&self, lane: usize) -> Result<mpsc::Receiver<P>, Failure> {
        self.receivers.take(lane)
    }
}

impl<P: Payload> Sender<P> for mpsc::SyncSender<P> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        match mpsc::SyncSender::try_send(self, *message) {
            Ok(()) => Ok(true),
            Err(mpsc::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::TrySendError::Disconnected(_)) => Err("the receiver is gone".into()),
        }
    }
}

impl<P: Payload> Receiver<P> for mpsc::Receiver<P> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        for received in 0..max {
            match self.try_recv() {
                Ok(message) => visit(&message),
                Err(_) => return Ok(received),
            }
        }
        Ok(max)
    }

    fn receive_blocking(&mut self, mut visit: impl FnMut(&P)) -> Result<(), Failure> {
        visit(&self.recv_timeout(Duration::from_secs(10))?);
        Ok(())
    }
}

//! cloudtoid-interprocess: a ring of bytes in shared memory, with any number of senders, and receivers that compete for a lock. Messages
//! are copied in and out.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use cloudtoid_interprocess::{Error, Options, Publisher, Subscriber};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) struct Cloudtoid(Place);

/// The directory of the queues' files, and an end of each: a queue goes when its last end does.
pub(crate) struct Prepared {
    ends: Vec<Subscriber>,
    directory: PathBuf,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.ends.clear();
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("{}: {error}", self.directory.display());
        }
    }
}

fn directory(place: &Place) -> PathBuf {
    PathBuf::from("/dev/shm").join(format!("{}-cloudtoid", place.name))
}

fn options<P: Payload>(place: &Place, lane: usize) -> Options {
    // A message has a header of eight bytes, and all are multiples of eight.
    let capacity = place.capacity * (P::BYTES + 8).next_multiple_of(8);
    Options::new(format!("{}-{lane}", place.name), capacity).with_path(directory(place))
}

impl<P: Payload> Transport<P> for Cloudtoid {
    type Sender = Publisher;
    type Receiver = Subscriber;
    type Prepared = Prepared;

    fn prepare(place: &mut Place) -> Result<Prepared, Failure> {
        let directory = directory(place);
        std::fs::create_dir(&directory)?;
        let mut prepared = Prepared {
            ends: Vec::new(),
            directory,
        };
        for lane in 0..place.lanes {
            prepared.ends.push(Subscriber::open(&options::<P>(place, lane))?);
        }
        Ok(prepared)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.clone()))
    }

    fn sender(&self, lane: usize) -> Result<Publisher, Failure> {
        Ok(Publisher::open(&options::<P>(&self.0, lane))?)
    }

    fn receiver(&self, lane: usize) -> Result<Subscriber, Failure> {
        Ok(Subscriber::open(&options::<P>(&self.0, lane))?)
    }
}

impl<P: Payload> Sender<P> for Publisher {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        match Publisher::try_send(self, message.bytes()) {
            Ok(()) => Ok(true),
            Err(Error::Full) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl<P: Payload> Receiver<P> for Subscriber {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        let mut message = P::numbered(0);
        for received in 0..max {
            match self.try_recv_into(message.bytes_mut())? {
                Some(bytes) if bytes == P::BYTES => visit(&message),
                Some(bytes) => return Err(format!("{bytes} of {} bytes", P::BYTES).into()),
                None => return Ok(received),
            }
        }
        Ok(max)
    }

    fn receive_blocking(&mut self, mut visit: impl FnMut(&P)) -> Result<(), Failure> {
        let bytes = self
            .recv_timeout(Duration::from_secs(10))?
            .ok_or("nothing came for 10 s")?;
        let mut message = P::numbered(0);
        let room = message.bytes_mut();
        if bytes.len() != room.len() {
            return Err(format!("{} of {} bytes", bytes.len(), room.len()).into());
        }
        room.copy_from_slice(&bytes);
        visit(&message);
        Ok(())
    }
}

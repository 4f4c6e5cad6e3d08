//! shaq, the shared-memory rings of the Solana validator: one sender and one receiver, or many of both. As with dmxp, every message, or
//! batch, is made visible when it is sent, and its room is given back when it was received.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use ::shaq::{mpmc, spsc};
use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Rings of one sender and one receiver.
pub(crate) struct Spsc(Place);

/// Rings of many.
pub(crate) struct Mpmc(Place);

/// The files; they go when this does.
pub(crate) struct Prepared(Vec<PathBuf>);

impl Drop for Prepared {
    fn drop(&mut self) {
        for path in &self.0 {
            if let Err(error) = std::fs::remove_file(path) {
                eprintln!("{}: {error}", path.display());
            }
        }
    }
}

fn path(place: &Place, lane: usize) -> PathBuf {
    PathBuf::from("/dev/shm").join(format!("{}-shaq-{lane}", place.name))
}

fn open(place: &Place, lane: usize) -> Result<File, Failure> {
    Ok(OpenOptions::new().read(true).write(true).open(path(place, lane))?)
}

/// Makes the files of all lanes.
fn create(place: &Place, create: impl Fn(&File) -> Result<(), Failure>) -> Result<Prepared, Failure> {
    let mut prepared = Prepared(Vec::new());
    for lane in 0..place.lanes {
        let path = path(place, lane);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        prepared.0.push(path);
        create(&file)?;
    }
    Ok(prepared)
}

fn failure(error: ::shaq::error::Error) -> Failure {
    format!("shaq: {error:?}").into()
}

fn file_bytes(place: &Place) -> Option<u64> {
    std::fs::metadata(path(place, 0)).ok().map(|file| file.len())
}

impl<P: Payload> Transport<P> for Spsc {
    type Sender = spsc::Producer<P>;
    type Receiver = spsc::Consumer<P>;
    type Prepared = Prepared;

    fn prepare(place: &mut Place) -> Result<Prepared, Failure> {
        let bytes = spsc::minimum_file_size::<P>(place.capacity).next_multiple_of(4_096);
        create(place, |file| {
            // SAFETY: nobody else knows the file yet; messages are words, which mean the same in every process.
            unsafe { spsc::Producer::<P>::create(file, bytes) }
                .map(drop)
                .map_err(failure)
        })
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.clone()))
    }

    fn sender(&self, lane: usize) -> Result<spsc::Producer<P>, Failure> {
        // SAFETY: each run has one sender a lane where this is used, and the one of `prepare` is gone.
        unsafe { spsc::Producer::join(&open(&self.0, lane)?) }.map_err(failure)
    }

    fn receiver(&self, lane: usize) -> Result<spsc::Consumer<P>, Failure> {
        // SAFETY: each run has one receiver a lane where this is used.
        unsafe { spsc::Consumer::join(&open(&self.0, lane)?) }.map_err(failure)
    }

    fn bytes_per_lane(&self) -> Option<u64> {
        file_bytes(&self.0)
    }
}

impl<P: Payload> Sender<P> for spsc::Producer<P> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        Ok(self.try_write(*message).is_ok())
    }

    fn try_send_batch(&mut self, messages: &[P]) -> Result<usize, Failure> {
        let mut batch = self.write_batch();
        let written = messages.iter().take_while(|message| batch.try_write(**message).is_ok());
        Ok(written.count())
    }
}

impl<P: Payload> Receiver<P> for spsc::Consumer<P> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        if max == 1 {
            return Ok(match self.try_read() {
                Some(message) => {
                    visit(&message);
                    1
                }
                None => 0,
            });
        }
        let max = NonZeroUsize::new(max).ok_or("a batch of none")?;
        let Some(batch) = self.try_reserve_read_batch(max) else {
            return Ok(0);
        };
        batch.iter().for_each(visit);
        Ok(batch.len())
    }
}

impl<P: Payload> Transport<P> for Mpmc {
    type Sender = mpmc::Producer<P>;
    type Receiver = mpmc::Consumer<P>;
    type Prepared = Prepared;

    fn prepare(place: &mut Place) -> Result<Prepared, Failure> {
        let bytes = mpmc::minimum_file_size::<P>(place.capacity).next_multiple_of(4_096);
        create(place, |file| {
            // SAFETY: nobody else knows the file yet; messages are words, which mean the same in every process.
            unsafe { mpmc::Producer::<P>::create(file, bytes) }
                .map(drop)
                .map_err(failure)
        })
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.clone()))
    }

    fn sender(&self, lane: usize) -> Result<mpmc::Producer<P>, Failure> {
        // SAFETY: all ends of a run use the same type.
        unsafe { mpmc::Producer::join(&open(&self.0, lane)?) }.map_err(failure)
    }

    fn receiver(&self, lane: usize) -> Result<mpmc::Consumer<P>, Failure> {
        // SAFETY: all ends of a run use the same type.
        unsafe { mpmc::Consumer::join(&open(&self.0, lane)?) }.map_err(failure)
    }

    fn bytes_per_lane(&self) -> Option<u64> {
        file_bytes(&self.0)
    }
}

impl<P: Payload> Sender<P> for mpmc::Producer<P> {
    #[inline]
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        Ok(self.try_write(*message).is_ok())
    }

    fn try_send_batch(&mut self, messages: &[P]) -> Result<usize, Failure> {
        Ok(if self.try_write_slice(messages) {
            messages.len()
        } else {
            0
        })
    }
}

impl<P: Payload> Receiver<P> for mpmc::Consumer<P> {
    #[inline]
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        if max == 1 {
            return Ok(match Self::try_reserve_read(self) {
                Some(message) => {
                    visit(message.as_ref());
                    1
                }
                None => 0,
            });
        }
        let max = NonZeroUsize::new(max).ok_or("a batch of none")?;
        let Some(batch) = self.try_reserve_read_batch(max) else {
            return Ok(0);
        };
        batch.iter().for_each(visit);
        Ok(batch.len())
    }
}

//! POSIX message queues (mq_overview(7)): one system call a message at each end. The queue holds as many messages as the kernel allows,
//! at most those of the run.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport, Waiting, checked};
use std::ffi::CString;
use std::io;

pub(crate) struct MessageQueue(Place);

/// The queues; they go when this does.
pub(crate) struct Prepared(Vec<CString>);

pub(crate) struct Queue(libc::mqd_t);

impl Drop for Prepared {
    fn drop(&mut self) {
        for name in &self.0 {
            // SAFETY: reads the name.
            unsafe { libc::mq_unlink(name.as_ptr()) };
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { libc::mq_close(self.0) };
    }
}

fn name(place: &Place, lane: usize) -> Result<CString, Failure> {
    Ok(CString::new(format!("/{}-{lane}", place.name))?)
}

fn open(place: &Place, lane: usize) -> Result<Queue, Failure> {
    let flags = libc::O_RDWR
        | if place.waiting != Waiting::Polling {
            0
        } else {
            libc::O_NONBLOCK
        };
    let name = name(place, lane)?;
    // SAFETY: reads the name.
    let queue = unsafe { libc::mq_open(name.as_ptr(), flags) };
    checked(queue, "opening a message queue").map(Queue)
}

impl<P: Payload> Transport<P> for MessageQueue {
    type Sender = Queue;
    type Receiver = Queue;
    type Prepared = Prepared;

    fn prepare(place: &mut Place) -> Result<Prepared, Failure> {
        let mut prepared = Prepared(Vec::new());
        for lane in 0..place.lanes {
            let name = name(place, lane)?;
            // SAFETY: zeros are a valid structure of numbers.
            let mut attributes: libc::mq_attr = unsafe { core::mem::zeroed() };
            attributes.mq_msgsize = libc::c_long::try_from(P::BYTES)?;
            attributes.mq_maxmsg = libc::c_long::try_from(place.capacity)?;
            loop {
                let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
                let mode: libc::mode_t = 0o600;
                // SAFETY: reads the name and the attributes.
                let queue = unsafe { libc::mq_open(name.as_ptr(), flags, mode, &raw const attributes) };
                if queue >= 0 {
                    drop(Queue(queue));
                    break;
                }
                // More than fs.mqueue.msg_max, or than the limit of bytes: half as many may do.
                let error = io::Error::last_os_error();
                attributes.mq_maxmsg /= 2;
                if attributes.mq_maxmsg == 0 {
                    return Err(error.into());
                }
            }
            prepared.0.push(name);
        }
        Ok(prepared)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.clone()))
    }

    fn sender(&self, lane: usize) -> Result<Queue, Failure> {
        open(&self.0, lane)
    }

    fn receiver(&self, lane: usize) -> Result<Queue, Failure> {
        open(&self.0, lane)
    }
}

/// `None` when the call would have had to wait.
fn done(answer: isize) -> Result<Option<()>, Failure> {
    if answer >= 0 {
        return Ok(Some(()));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error.into()),
    }
}

impl<P: Payload> Sender<P> for Queue {
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        let bytes = message.bytes();
        // SAFETY: reads the message's bytes.
        let answer = unsafe { libc::mq_send(self.0, bytes.as_ptr().cast(), bytes.len(), 0) };
        Ok(done(answer as isize)?.is_some())
    }
}

impl Queue {
    fn receive<P: Payload>(&self, mut visit: impl FnMut(&P)) -> Result<Option<()>, Failure> {
        let mut message = P::numbered(0);
        let bytes = message.bytes_mut();
        // SAFETY: writes the message's bytes, and all messages of the queue have so many.
        let answer = unsafe { libc::mq_receive(self.0, bytes.as_mut_ptr().cast(), bytes.len(), core::ptr::null_mut()) };
        let done = done(answer)?;
        if done.is_some() {
            visit(&message);
        }
        Ok(done)
    }
}

impl<P: Payload> Receiver<P> for Queue {
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        for received in 0..max {
            if self.receive(&mut visit)?.is_none() {
                return Ok(received);
            }
        }
        Ok(max)
    }

    fn receive_blocking(&mut self, visit: impl FnMut(&P)) -> Result<(), Failure> {
        self.receive(visit)?.ok_or_else(|| "nothing came".into())
    }
}

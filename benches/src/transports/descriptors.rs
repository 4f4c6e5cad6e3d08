//! What goes through the kernel by a descriptor: a pipe, and a pair of Unix sockets that keep messages apart (`SOCK_SEQPACKET`). One
//! system call a message at each end. Both hold the messages of the run's capacity, as far as the kernel allows.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport, Waiting, checked};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Pipes.
pub(crate) struct Pipe(Vec<(i32, i32)>);

/// Pairs of connected sockets.
pub(crate) struct SocketPair(Vec<(i32, i32)>);

/// Takes two descriptors that the kernel made, and tells the others of the run.
fn adopt(place: &mut Place, kept: &mut Vec<OwnedFd>, [receiving, sending]: [i32; 2]) {
    for descriptor in [receiving, sending] {
        // SAFETY: it was just made, and nobody else owns it.
        kept.push(unsafe { OwnedFd::from_raw_fd(descriptor) });
    }
    place.descriptors.push((receiving, sending));
}

impl<P: Payload> Transport<P> for Pipe {
    type Sender = Descriptor;
    type Receiver = Descriptor;
    type Prepared = Vec<OwnedFd>;

    fn prepare(place: &mut Place) -> Result<Vec<OwnedFd>, Failure> {
        let flags = if place.waiting != Waiting::Polling {
            0
        } else {
            libc::O_NONBLOCK
        };
        let mut kept = Vec::new();
        for _ in 0..place.lanes {
            let mut ends = [0; 2];
            // SAFETY: writes two descriptors.
            checked(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) }, "making a pipe")?;
            adopt(place, &mut kept, ends);
            let bytes = libc::c_int::try_from(place.capacity * P::BYTES)?;
            // SAFETY: changes the size of our pipe only; the default of 64 KiB is what remains if it is refused.
            unsafe { libc::fcntl(ends[1], libc::F_SETPIPE_SZ, bytes) };
        }
        Ok(kept)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.descriptors.clone()))
    }

    fn sender(&self, lane: usize) -> Result<Descriptor, Failure> {
        Ok(Descriptor(self.0[lane].1))
    }

    fn receiver(&self, lane: usize) -> Result<Descriptor, Failure> {
        Ok(Descriptor(self.0[lane].0))
    }
}

impl<P: Payload> Transport<P> for SocketPair {
    type Sender = Descriptor;
    type Receiver = Descriptor;
    type Prepared = Vec<OwnedFd>;

    fn prepare(place: &mut Place) -> Result<Vec<OwnedFd>, Failure> {
        let flags = if place.waiting != Waiting::Polling {
            0
        } else {
            libc::SOCK_NONBLOCK
        };
        let mut kept = Vec::new();
        for _ in 0..place.lanes {
            let mut ends = [0; 2];
            let kind = libc::SOCK_SEQPACKET | flags;
            // SAFETY: writes two descriptors.
            let answer = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
            checked(answer, "making a pair of sockets")?;
            adopt(place, &mut kept, ends);
            // A message takes about 1 KiB of the buffer beside its bytes; refused is what exceeds net.core.wmem_max.
            let bytes = libc::c_int::try_from(place.capacity * (P::BYTES + 1_024))?;
            let len = size_of::<libc::c_int>() as libc::socklen_t;
            // SAFETY: reads an integer.
            unsafe {
                libc::setsockopt(
                    ends[1],
                    libc::SOL_SOCKET,
                    libc::SO_SNDBUF,
                    (&raw const bytes).cast(),
                    len,
                )
            };
        }
        Ok(kept)
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self(place.descriptors.clone()))
    }

    fn sender(&self, lane: usize) -> Result<Descriptor, Failure> {
        Ok(Descriptor(self.0[lane].1))
    }

    fn receiver(&self, lane: usize) -> Result<Descriptor, Failure> {
        Ok(Descriptor(self.0[lane].0))
    }
}

/// An end; it is closed when the process ends.
pub(crate) struct Descriptor(i32);

/// How many bytes were moved; `None` when the call would have had to wait.
fn moved(answer: isize, bytes: usize) -> Result<Option<()>, Failure> {
    if usize::try_from(answer) == Ok(bytes) {
        return Ok(Some(()));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        _ if answer >= 0 => Err(format!("{answer} of {bytes} bytes").into()),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error.into()),
    }
}

impl<P: Payload> Sender<P> for Descriptor {
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        let bytes = message.bytes();
        // SAFETY: reads the message's bytes.
        let answer = unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
        Ok(moved(answer, bytes.len())?.is_some())
    }
}

impl Descriptor {
    fn read<P: Payload>(&self, mut visit: impl FnMut(&P)) -> Result<Option<()>, Failure> {
        let mut message = P::numbered(0);
        let bytes = message.bytes_mut();
        // SAFETY: writes the message's bytes.
        let answer = unsafe { libc::read(self.0, bytes.as_mut_ptr().cast(), bytes.len()) };
        let done = moved(answer, bytes.len())?;
        if done.is_some() {
            visit(&message);
        }
        Ok(done)
    }
}

impl<P: Payload> Receiver<P> for Descriptor {
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        for received in 0..max {
            if self.read(&mut visit)?.is_none() {
                return Ok(received);
            }
        }
        Ok(max)
    }

    fn receive_blocking(&mut self, visit: impl FnMut(&P)) -> Result<(), Failure> {
        self.read(visit)?.ok_or_else(|| "nothing came".into())
    }
}

//! ZeroMQ over Unix sockets (`ipc:`), push and pull: each process has ZeroMQ's own thread beside the ones that are measured.

use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use ::zmq::{Context, DONTWAIT, Error, PULL, PUSH, Socket};

pub(crate) struct ZeroMq {
    context: Context,
    place: Place,
}

/// The sockets' files; they go when this does.
pub(crate) struct Prepared(Vec<String>);

impl Drop for Prepared {
    fn drop(&mut self) {
        for path in &self.0 {
            // Gone already where the receiver had time to clean up.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn path(place: &Place, lane: usize) -> String {
    format!("/tmp/{}-{lane}.zmq", place.name)
}

impl ZeroMq {
    fn socket(&self, kind: ::zmq::SocketType) -> Result<Socket, Failure> {
        let socket = self.context.socket(kind)?;
        // Messages wait at both ends.
        let half = i32::try_from(self.place.capacity / 2)?;
        socket.set_sndhwm(half)?;
        socket.set_rcvhwm(half)?;
        socket.set_rcvtimeo(10_000)?;
        socket.set_linger(0)?;
        Ok(socket)
    }
}

impl<P: Payload> Transport<P> for ZeroMq {
    type Sender = Socket;
    type Receiver = Socket;
    type Prepared = Prepared;

    fn prepare(place: &mut Place) -> Result<Prepared, Failure> {
        Ok(Prepared((0..place.lanes).map(|lane| path(place, lane)).collect()))
    }

    fn attach(place: &Place) -> Result<Self, Failure> {
        Ok(Self {
            context: Context::new(),
            place: place.clone(),
        })
    }

    fn sender(&self, lane: usize) -> Result<Socket, Failure> {
        let socket = self.socket(PUSH)?;
        socket.connect(&format!("ipc://{}", path(&self.place, lane)))?;
        Ok(socket)
    }

    fn receiver(&self, lane: usize) -> Result<Socket, Failure> {
        let socket = self.socket(PULL)?;
        socket.bind(&format!("ipc://{}", path(&self.place, lane)))?;
        Ok(socket)
    }
}

impl<P: Payload> Sender<P> for Socket {
    fn try_send(&mut self, message: &P) -> Result<bool, Failure> {
        match self.send(message.bytes(), DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Error::EAGAIN | Error::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Receives one message; `None` when there is none.
fn receive<P: Payload>(socket: &Socket, flags: i32, mut visit: impl FnMut(&P)) -> Result<Option<()>, Failure> {
    let mut message = P::numbered(0);
    match socket.recv_into(message.bytes_mut(), flags) {
        Ok(_) => {
            visit(&message);
            Ok(Some(()))
        }
        Err(Error::EAGAIN | Error::EINTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl<P: Payload> Receiver<P> for Socket {
    fn try_receive(&mut self, max: usize, mut visit: impl FnMut(&P)) -> Result<usize, Failure> {
        for received in 0..max {
            if receive(self, DONTWAIT, &mut visit)?.is_none() {
                return Ok(received);
            }
        }
        Ok(max)
    }

    fn receive_blocking(&mut self, visit: impl FnMut(&P)) -> Result<(), Failure> {
        receive(self, 0, visit)?.ok_or_else(|| "nothing came for 10 s".into())
    }
}

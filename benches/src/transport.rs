//! What carries messages from one end to another: dmxp's channels and their peers, behind one pair of traits, so that every workload
//! does the same to each of them. Everything is resolved at compile time: no transport pays for an indirect call.

use crate::payload::Payload;
use crate::transports::Kind;
use serde::{Deserialize, Serialize};
use std::error::Error;

/// What went wrong in a run; the run then has no figure.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Where both ends of a run find each other. It is handed from process to process as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    /// What carries the messages.
    pub kind: Kind,
    /// A name that nothing else uses.
    pub name: String,
    /// Messages that have room in each lane.
    pub capacity: usize,
    /// One-way connections: one for throughput, two for a round trip, and two more for each further pair.
    pub lanes: usize,
    /// Ends at each side of a lane.
    pub ends: usize,
    /// Cores that no worker is tied to, for threads of the transport itself; none where workers run on any core.
    pub spare_cores: Vec<usize>,
    /// What receivers do where nothing is there.
    pub waiting: Waiting,
    /// Descriptors that the processes inherit, receiving and sending end of each lane.
    pub descriptors: Vec<(i32, i32)>,
}

/// What a receiver does where nothing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// The call returns, and the workload decides.
    Polling,
    /// The call waits in the transport's own way, as it does where nothing else is asked for.
    Default,
    /// The call sleeps in the kernel.
    Asleep,
}

/// One way to send messages of type `P`.
pub trait Transport<P: Payload>: Sized + Sync {
    /// Sends.
    type Sender: Sender<P>;
    /// Receives.
    type Receiver: Receiver<P>;
    /// Lives as long as the run, in the process that starts it; takes away what was created.
    type Prepared: 'static;

    /// Creates what must be there before a process attaches.
    fn prepare(place: &mut Place) -> Result<Self::Prepared, Failure>;

    /// Once in each process.
    fn attach(place: &Place) -> Result<Self, Failure>;

    /// Opens a sending end, in the thread that uses it.
    fn sender(&self, lane: usize) -> Result<Self::Sender, Failure>;

    /// Opens a receiving end, in the thread that uses it.
    fn receiver(&self, lane: usize) -> Result<Self::Receiver, Failure>;

    /// What a lane takes of memory, with both ends open, if that can be told.
    fn bytes_per_lane(&self) -> Option<u64> {
        None
    }
}

/// A sending end.
pub trait Sender<P: Payload> {
    /// Sends without waiting; `false` when there is no room.
    fn try_send(&mut self, message: &P) -> Result<bool, Failure>;

    /// Sends all messages at once, or none; transports without batches send one after the other, and tell how many.
    fn try_send_batch(&mut self, messages: &[P]) -> Result<usize, Failure> {
        for (sent, message) in messages.iter().enumerate() {
            if !self.try_send(message)? {
                return Ok(sent);
            }
        }
        Ok(messages.len())
    }
}

/// A receiving end.
pub trait Receiver<P: Payload> {
    /// Messages that one call is meant to show, though they were sent one by one: where a call is dear and a message is not.
    const AT_ONCE: usize = 1;

    /// Shows `visit` at most `max` messages that are there, and tells how many.
    fn try_receive(&mut self, max: usize, visit: impl FnMut(&P)) -> Result<usize, Failure>;

    /// The same for one message, and whether the transport says of it that it was delivered before.
    fn try_receive_flagged(&mut self, mut visit: impl FnMut(&P, bool)) -> Result<usize, Failure> {
        self.try_receive(1, |message| visit(message, false))
    }

    /// Waits until a message comes and shows it; transports that cannot sleep have no such call.
    fn receive_blocking(&mut self, _visit: impl FnMut(&P)) -> Result<(), Failure> {
        Err("this transport has no blocking receive".into())
    }
}

/// One descriptor, made by the first process and inherited by the others.
pub(crate) fn checked(answer: libc::c_int, what: &str) -> Result<libc::c_int, Failure> {
    if answer >= 0 {
        Ok(answer)
    } else {
        Err(format!("{what}: {}", std::io::Error::last_os_error()).into())
    }
}

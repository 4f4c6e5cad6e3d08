//! What a process of a trial does: it sends until it is told to stop, or receives until it is killed, and notes in the ledger what it does.

use super::Killed;
use super::ledger::{LIMIT, Ledger, number};
use crate::payload::Payload;
use crate::transport::{Failure, Place, Receiver, Sender, Transport};
use crate::transports::Job;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Seconds that a process of a trial lives at most.
const LONGEST_LIFE: u32 = 60;

/// Between two messages of a sender that has sent most of what it may.
const SLOWLY: Duration = Duration::from_micros(200);

/// One process of a trial.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) place: Place,
    /// Bytes of a message.
    pub(super) bytes: usize,
    /// Which end it is: one of those of which some are killed.
    pub(super) end: Killed,
    /// Which of them; the first is the one that is killed.
    pub(super) index: usize,
}

/// Does the part that is given as JSON.
///
/// # Errors
/// Whatever went wrong in it.
pub fn main(part: &str) -> Result<(), Failure> {
    // SAFETY: without a handler, the alarm ends the process.
    unsafe { libc::alarm(LONGEST_LIFE) };
    // SAFETY: the signal comes when the parent is gone, and ends the process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let part: Part = serde_json::from_str(part)?;
    part.place.kind.dispatch(part.bytes, Doing(&part))
}

struct Doing<'a>(&'a Part);

impl Job for Doing<'_> {
    type Output = Result<(), Failure>;

    fn run<P: Payload, T: Transport<P>>(self) -> Self::Output {
        let part = self.0;
        let hub = T::attach(&part.place)?;
        let ledger = Ledger::attach(&part.place)?;
        match part.end {
            Killed::Sender => {
                let sender = hub.sender(0)?;
                begin()?;
                send(sender, &ledger, part.index)
            }
            Killed::Consumer => {
                let receiver = hub.receiver(0)?;
                begin()?;
                receive(receiver, &ledger, part.index)
            }
        }
    }
}

/// Says that this end is open, and waits for the word.
fn begin() -> Result<(), Failure> {
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

fn send<P: Payload>(mut sender: impl Sender<P>, ledger: &Ledger, index: usize) -> Result<(), Failure> {
    let mut message = P::numbered(0);
    for each in 1..LIMIT {
        message.set_number(number(index, each));
        loop {
            while ledger.is_over() {
                // Some transports keep what they have not passed on yet in their sender's process, until this one is killed.
                std::thread::sleep(Duration::from_millis(10));
            }
            // The first has shown that all are connected; at the end, the rest of the ledger must last.
            if each > LIMIT / 2 || each == 2 && !ledger.has_started() {
                std::thread::sleep(SLOWLY);
                if each == 2 {
                    continue;
                }
            }
            ledger.sender_is_inside(index, true);
            let sent = sender.try_send(&message)?;
            if sent {
                ledger.returned(index, each);
            }
            ledger.sender_is_inside(index, false);
            if sent {
                break;
            }
            std::thread::yield_now();
        }
    }
    Err("the ledger is full".into())
}

fn receive<P: Payload>(mut receiver: impl Receiver<P>, ledger: &Ledger, index: usize) -> Result<(), Failure> {
    loop {
        let mut wrong = None;
        ledger.consumer_is_inside(index, true);
        let received = receiver.try_receive_flagged(|message, again| {
            wrong = ledger.delivered(index, message.number(), again).err();
        })?;
        ledger.consumer_is_inside(index, false);
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if received == 0 {
            std::thread::yield_now();
        }
    }
}

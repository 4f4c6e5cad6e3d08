//! What receiving alone takes, without another core: a lane is filled, then emptied, and the emptying is timed. It shows whether the
//! cost depends on the size of the message.

use super::{Outcome, Station};
use crate::clock::monotonic_ns;
use crate::payload::Payload;
use crate::transport::{Failure, Receiver, Sender, Transport};
use std::hint::black_box;

/// So few that messages of all sizes are in the nearest cache.
const MESSAGES: u64 = 32;

pub(super) fn run<P: Payload, T: Transport<P>>(hub: &T, station: &Station<'_>, times: u64) -> Result<Outcome, Failure> {
    let (mut sender, mut receiver) = (hub.sender(0)?, hub.receiver(0)?);
    (station.ready)()?;
    let mut message = P::numbered(0);
    let mut took = 0;
    for _ in 0..times {
        for number in 0..MESSAGES {
            message.set_number(number);
            if !sender.try_send(black_box(&message))? {
                return Err("there is no room".into());
            }
        }
        let started = monotonic_ns();
        for _ in 0..MESSAGES {
            let visit = |message: &P| {
                black_box(message);
            };
            if receiver.try_receive(1, visit)? == 0 {
                return Err("a message is missing".into());
            }
        }
        took += monotonic_ns() - started;
    }
    Ok(Outcome {
        started_ns: 0,
        ended_ns: took,
        count: times * MESSAGES,
        ..Outcome::default()
    })
}

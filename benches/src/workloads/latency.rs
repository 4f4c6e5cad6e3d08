//! How long single messages take: there and back, or one way.

use super::{Outcome, Role, Station, timed};
use crate::clock::{Scale, monotonic_ns, ticks};
use crate::payload::Payload;
use crate::transport::{Failure, Receiver, Sender, Transport};
use std::hint::black_box;
use std::time::Duration;

/// The part of the messages that come first and are not counted.
const WARM_UP: u64 = 10;

/// The number of the message after the last one.
const END: u64 = u64::MAX;

/// Waits for one message and returns its number.
#[inline]
fn next<P: Payload>(receiver: &mut impl Receiver<P>, station: &Station<'_>, blocking: bool) -> Result<u64, Failure> {
    let mut patience = station.patience();
    let mut number = 0;
    if blocking {
        receiver.receive_blocking(|message: &P| number = black_box(message).number())?;
        return Ok(number);
    }
    while receiver.try_receive(1, |message: &P| number = black_box(message).number())? == 0 {
        patience.pause()?;
    }
    Ok(number)
}

#[inline]
fn send<P: Payload>(sender: &mut impl Sender<P>, message: &P, station: &Station<'_>) -> Result<(), Failure> {
    let mut patience = station.patience_to_send();
    while !sender.try_send(black_box(message))? {
        patience.pause()?;
    }
    Ok(())
}

/// Each trip is timed by the counter, once a trip: the end of one is the start of the next.
pub(super) fn round_trip<P: Payload, T: Transport<P>>(
    hub: &T,
    station: &Station<'_>,
    trips: u64,
    blocking: bool,
) -> Result<Outcome, Failure> {
    let (there, back) = (2 * station.worker.index, 2 * station.worker.index + 1);
    let all = trips + trips / WARM_UP;
    let mut message = P::numbered(0);
    if station.worker.role == Role::Receiver {
        let mut receiver = hub.receiver(there)?;
        let mut sender = hub.sender(back)?;
        (station.ready)()?;
        for _ in 0..all {
            message.set_number(next(&mut receiver, station, blocking)?);
            send(&mut sender, &message, station)?;
        }
        // The last answer may need this process, until the other has it.
        while next(&mut receiver, station, blocking)? != END {}
        return Ok(Outcome::default());
    }
    let mut receiver = hub.receiver(back)?;
    let mut sender = hub.sender(there)?;
    let mut samples = Vec::with_capacity(all as usize);
    (station.ready)()?;
    let (scale, started_ns) = (Scale::start(), monotonic_ns());
    let mut before = ticks();
    for number in 1..=all {
        message.set_number(number);
        send(&mut sender, &message, station)?;
        let answer = next(&mut receiver, station, blocking)?;
        if answer != number {
            return Err(format!("{answer} came back instead of {number}").into());
        }
        let now = ticks();
        samples.push(now - before);
        before = now;
    }
    let outcome = timed(scale, started_ns, &samples[(all - trips) as usize..]);
    message.set_number(END);
    send(&mut sender, &message, station)?;
    // Stays until the other has had the time to see it.
    std::thread::sleep(Duration::from_millis(5));
    Ok(outcome)
}

/// A message carries the time of its sending.
pub(super) fn one_way<P: Payload, T: Transport<P>>(
    hub: &T,
    station: &Station<'_>,
    messages: u64,
    every: Duration,
    asleep: bool,
) -> Result<Outcome, Failure> {
    let all = messages + messages / WARM_UP;
    if station.worker.role == Role::Sender {
        let mut sender = hub.sender(0)?;
        let mut message = P::numbered(0);
        (station.ready)()?;
        let pause = every.as_nanos() as u64;
        let mut next = monotonic_ns() + pause;
        for _ in 0..all {
            if asleep {
                std::thread::sleep(every);
            } else {
                while monotonic_ns() < next {
                    core::hint::spin_loop();
                }
                // Whoever was late does not hurry afterwards.
                next = monotonic_ns().max(next) + pause;
            }
            message.set_number(ticks());
            send(&mut sender, &message, station)?;
        }
        message.set_number(END);
        send(&mut sender, &message, station)?;
        // The last one may need this process.
        std::thread::sleep(Duration::from_millis(5));
        return Ok(Outcome::default());
    }
    let mut receiver = hub.receiver(0)?;
    let mut samples = Vec::with_capacity(all as usize);
    (station.ready)()?;
    let (scale, started_ns) = (Scale::start(), monotonic_ns());
    loop {
        let sent = next(&mut receiver, station, asleep)?;
        if sent == END {
            break;
        }
        // Counters of two cores may differ by some ticks.
        samples.push(ticks().saturating_sub(sent));
    }
    // Where only the newest message is there, some may have been overwritten.
    Ok(timed(scale, started_ns, &samples[samples.len() / WARM_UP as usize..]))
}

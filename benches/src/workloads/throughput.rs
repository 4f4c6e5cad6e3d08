//! As many messages as possible, from any number of senders to any number of receivers. Receivers that compete know from each other's
//! counts when all has come; each has a line of its own for its count, and writes it when it finds nothing.

use super::{Outcome, Role, Station};
use crate::clock::monotonic_ns;
use crate::payload::Payload;
use crate::transport::{Failure, Receiver, Sender, Transport};
use std::hint::black_box;
use std::sync::atomic::Ordering;

/// The numbers of a sender's messages begin here.
fn first(sender: usize) -> u64 {
    1 + ((sender as u64) << 40)
}

/// The sum of all numbers that are sent.
pub(crate) fn sum_of_numbers(messages: u64, senders: usize) -> u64 {
    let each = messages / senders as u64;
    (0..senders)
        .map(|sender| each * (2 * first(sender) + each - 1) / 2)
        .fold(0, u64::wrapping_add)
}

pub(super) fn run<P: Payload, T: Transport<P>>(
    hub: &T,
    station: &Station<'_>,
    messages: u64,
    batch: usize,
) -> Result<Outcome, Failure> {
    match station.worker.role {
        Role::Sender => send(hub, station, messages / station.senders as u64, batch),
        Role::Receiver => receive(hub, station, messages, batch),
    }
}

fn send<P: Payload, T: Transport<P>>(
    hub: &T,
    station: &Station<'_>,
    messages: u64,
    batch: usize,
) -> Result<Outcome, Failure> {
    let mut sender = hub.sender(0)?;
    let first = first(station.worker.index);
    let mut patience = station.patience_to_send();
    let mut batches = vec![P::numbered(0); batch];
    (station.ready)()?;
    let started_ns = monotonic_ns();
    let mut sent = 0;
    if batch == 1 {
        let mut message = P::numbered(0);
        while sent < messages {
            message.set_number(first + sent);
            while !sender.try_send(black_box(&message))? {
                patience.pause()?;
            }
            patience.renew();
            sent += 1;
        }
    }
    while sent < messages {
        let count = batch.min((messages - sent) as usize);
        for (message, number) in batches[..count].iter_mut().zip(first + sent..) {
            message.set_number(number);
        }
        let mut done = 0;
        while done < count {
            match sender.try_send_batch(black_box(&batches[done..count]))? {
                0 => patience.pause()?,
                more => {
                    patience.renew();
                    done += more;
                }
            }
        }
        sent += count as u64;
    }
    let ended_ns = monotonic_ns();
    // A sender that goes takes away what some transports still have to deliver.
    let received = || {
        let counts = station.lines.all()[..station.receivers].iter();
        counts.map(|line| line.number.load(Ordering::Relaxed)).sum::<u64>()
    };
    let copies = if station.all_get_all {
        station.receivers as u64
    } else {
        1
    };
    let all = messages * station.senders as u64 * copies;
    while received() < all {
        std::thread::yield_now();
        patience.pause()?;
    }
    Ok(Outcome {
        started_ns,
        ended_ns,
        count: sent,
        ..Outcome::default()
    })
}

fn receive<P: Payload, T: Transport<P>>(
    hub: &T,
    station: &Station<'_>,
    messages: u64,
    batch: usize,
) -> Result<Outcome, Failure> {
    let mut receiver = hub.receiver(0)?;
    let at_once = batch.max(<T::Receiver as Receiver<P>>::AT_ONCE);
    let lines = &station.lines.all()[..station.receivers];
    let mine = &lines[station.worker.index].number;
    let mut patience = station.patience();
    (station.ready)()?;
    let started_ns = monotonic_ns();
    let (mut count, mut sum) = (0, 0_u64);
    loop {
        let visit = |message: &P| sum = sum.wrapping_add(black_box(message).number());
        let received = receiver.try_receive(at_once, visit)?;
        if received > 0 {
            count += received as u64;
            patience.renew();
            if count < messages {
                continue;
            }
        }
        // Nothing rests on the order of counts; a later look sees them.
        mine.store(count, Ordering::Relaxed);
        let counts = lines.iter().map(|line| line.number.load(Ordering::Relaxed));
        if count == messages || (!station.all_get_all && counts.sum::<u64>() == messages) {
            break;
        }
        patience.pause()?;
    }
    Ok(Outcome {
        started_ns,
        ended_ns: monotonic_ns(),
        count,
        sum,
        ..Outcome::default()
    })
}

//! What it takes to come and go: attaching to what another process has made, and opening an end.

use super::{Outcome, Station};
use crate::clock::monotonic_ns;
use crate::payload::Payload;
use crate::statistics::Spread;
use crate::transport::{Failure, Transport};

pub(super) fn run<P: Payload, T: Transport<P>>(station: &Station<'_>, times: u64) -> Result<Outcome, Failure> {
    (station.ready)()?;
    let (mut attached, mut sending, mut receiving) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = None;
    for _ in 0..times {
        let before = monotonic_ns();
        let hub = T::attach(station.place)?;
        let attach = monotonic_ns();
        let sender = hub.sender(0)?;
        let sender_opened = monotonic_ns();
        let receiver = hub.receiver(0)?;
        let receiver_opened = monotonic_ns();
        bytes = hub.bytes_per_lane();
        drop((sender, receiver));
        attached.push((attach - before) as f64);
        sending.push((sender_opened - attach) as f64);
        receiving.push((receiver_opened - sender_opened) as f64);
    }
    let medians = [attached, sending, receiving].map(|times| Spread::of(times).map_or(0.0, |spread| spread.median));
    Ok(Outcome {
        count: times,
        opening: Some(medians),
        bytes,
        ..Outcome::default()
    })
}

//! Writing and reading messages where they lie, in shared memory. See README.md.

use dmxp::message::{FixedVec, Timestamp};
use dmxp::{Channel, ChannelBuilder};
use std::error::Error;
use std::process::ExitCode;

/// One turn of a scanner.
#[dmxp::message]
struct Scan {
    time: Timestamp,
    /// Number of the turn.
    turn: u64,
    /// Distances, one for each angle that gave an echo.
    #[dmxp(unit = "m")]
    distances: FixedVec<f32, 200>,
    _reserved: dmxp::message::Reserved<4>,
}

fn main() -> ExitCode {
    let role = std::env::args().nth(1);
    let done = match role.as_deref() {
        Some("produce") => produce(),
        Some("consume") => consume(),
        _ => Err("usage: in_place produce|consume".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("in_place: {error}");
            ExitCode::FAILURE
        }
    }
}

fn scans() -> ChannelBuilder<Scan> {
    Channel::<Scan>::builder().with_name("scans").with_capacity(16)
}

fn produce() -> Result<(), Box<dyn Error>> {
    let producer = scans().build_producer()?;
    for turn in 0..10 {
        // A slot of the channel, all zeros, and ours until it is published.
        let mut scan = producer.claim()?;
        scan.time = Timestamp::now();
        scan.turn = turn;
        for angle in 0..=turn {
            let distance = 1.0 + 0.25 * angle as f32;
            scan.distances.push(distance).map_err(|_| "more than 200 echoes")?;
        }
        if turn == 4 {
            // Dropped and not published: no consumer ever sees it.
            println!("turn {turn}: something is wrong with it, dropped");
            continue;
        }
        println!("turn {turn}: written at {:p}", &raw const *scan);
        scan.publish()?;
    }
    Ok(())
}

fn consume() -> Result<(), Box<dyn Error>> {
    let consumer = scans().build_consumer()?;
    loop {
        // A reference into the slot; dropping it gives the slot back.
        let scan = consumer.recv()?;
        let nearest = scan.distances.as_slice().iter().copied().fold(f32::INFINITY, f32::min);
        println!(
            "turn {} of {}: {} echoes, the nearest at {nearest} m; message {}, read at {:p}",
            scan.turn,
            scan.time,
            scan.distances.len(),
            scan.metadata().message_id,
            &raw const *scan
        );
    }
}

//! What one send and receive takes in instructions, counted by callgrind: the same on every machine of an architecture, busy or not, with
//! the same compiler. Both ends are in one thread.
//!
//! `benches/instructions`, with parts of rows' names for some rows only; `--json` for programs; `--list` names the rows. `rounds ROW
//! NUMBER` makes so many rounds of one row and nothing else, for callgrind with other options.
//!
//! Each row runs twice under callgrind, with N and with 2N rounds. The difference is N rounds exactly: starting, opening and ending are the
//! same in both. The clock is taken out: what `now_ns` costs is counted the same way in a row of its own and subtracted as often as the row
//! asks for the time. What is done once in some milliseconds of real time is not counted at all, so that nothing depends on how long a run
//! takes: asking the kernel's clock, and a handle's look ahead, which sweeps for the dead once a tick.

use dmxp::bare::{BareRing, ClaimCell};
use dmxp::{Channel, ChannelBuilder, Delivery, DmxpMessage, RegionOptions, Wait, now_ns};
use serde::Serialize;
use std::error::Error;
use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

type Failure = Box<dyn Error>;

/// Rounds of the shorter run. A round of the longest row takes a thousand instructions.
const ROUNDS: u64 = 20_000;
const CAPACITY: usize = 1_024;
/// What is not counted, in both manglings of names: what renews the line between the processor's counter and the kernel's clock, and what a
/// handle does now and then. Neither calls the other.
const UNCOUNTED: [&str; 2] = ["*dmxp::os::clock::Clock*::read", "*dmxp::handle::Handle*::look_ahead"];

#[dmxp::message]
struct Sample {
    value: f64,
}

#[dmxp::message]
struct Small {
    words: [u64; 8],
}

#[dmxp::message]
struct Large {
    words: [u64; 120],
}

/// What is counted: a line in `ROWS` and the function that it calls.
struct Row {
    name: &'static str,
    /// How often a round asks for the time.
    timestamps: u64,
    /// Opens what a round needs. Rounds are called by a pointer, so that nothing of one is shared with the next.
    open: fn() -> Result<Round, Failure>,
}

/// One send and receive.
type Round = Box<dyn Fn()>;

/// What the clock costs; it is not a row of the table.
const CLOCK: Row = Row {
    name: "clock",
    timestamps: 0,
    open: clock,
};

const ROWS: &[Row] = &[
    row("bare ring, 64 bytes", 0, bare_ring),
    row("queue, copied, 64 bytes", 1, || copied(queue(false))),
    row("queue, in place, 64 bytes", 1, || in_place(queue(false))),
    row("queue, in place, 960 bytes", 1, || in_place_large(queue(false))),
    row("queue, compact, copied, 64 bytes", 1, || copied(queue(true))),
    row("queue, compact, in place, 64 bytes", 1, || in_place(queue(true))),
    row("queue, compact, in place, 960 bytes", 1, || in_place_large(queue(true))),
    row("SPSC, copied, 64 bytes", 1, || copied(spsc(false))),
    row("SPSC, in place, 64 bytes", 1, || in_place(spsc(false))),
    row("SPSC, compact, copied, 64 bytes", 1, || copied(spsc(true))),
    row("SPSC, compact, in place, 64 bytes", 1, || in_place(spsc(true))),
    row("queue, compact, 64 messages of 64 bytes a call", 1, || {
        batch(queue(true))
    }),
    row("SPSC, compact, 64 messages of 64 bytes a call", 1, || batch(spsc(true))),
    row("broadcast, compact, copied, 64 bytes", 1, || copied(broadcast())),
    row("broadcast, compact, in place, 64 bytes", 1, || in_place(broadcast())),
    row("latest, compact, copied, 64 bytes", 1, || copied(latest())),
    row("packed, copied, 8 bytes", 0, packed),
];

const fn row(name: &'static str, timestamps: u64, open: fn() -> Result<Round, Failure>) -> Row {
    Row { name, timestamps, open }
}

fn queue<T: DmxpMessage>(compact: bool) -> ChannelBuilder<T> {
    Channel::builder().with_compact_slots(compact)
}

fn broadcast<T: DmxpMessage>() -> ChannelBuilder<T> {
    queue(true).with_delivery(Delivery::Broadcast)
}

fn spsc<T: DmxpMessage>(compact: bool) -> ChannelBuilder<T> {
    queue(compact)
        .with_delivery(Delivery::Broadcast)
        .with_single_producer(true)
}

fn latest<T: DmxpMessage>() -> ChannelBuilder<T> {
    queue(true).with_delivery(Delivery::Latest)
}

/// A region of its own, with the channel.
fn of_region<T: DmxpMessage>(builder: ChannelBuilder<T>) -> Result<ChannelBuilder<T>, Failure> {
    let region = RegionOptions::new().size(4 << 20).create_anonymous()?;
    Ok(builder
        .with_region(&region)
        .with_name("counted")
        .with_capacity(CAPACITY as u64))
}

fn clock() -> Result<Round, Failure> {
    Ok(Box::new(|| {
        black_box(now_ns());
    }))
}

fn bare_ring() -> Result<Round, Failure> {
    let ring = BareRing::new(CAPACITY);
    let (producer, consumer) = (ClaimCell::default(), ClaimCell::default());
    Ok(Box::new(move || {
        assert!(ring.push(&producer, black_box(&[7; 64])));
        let mut payload = [0; 64];
        assert!(ring.pop(&consumer, &mut payload));
        black_box(payload);
    }))
}

fn copied(builder: ChannelBuilder<Small>) -> Result<Round, Failure> {
    const SMALL: Small = Small { words: [7; 8] };
    let builder = of_region(builder)?;
    let (producer, consumer) = (builder.build_producer()?, builder.build_consumer()?);
    Ok(Box::new(move || {
        producer.try_send(black_box(&SMALL)).expect("there is room");
        black_box(consumer.recv_copy(Wait::No).expect("there is a message"));
    }))
}

fn packed() -> Result<Round, Failure> {
    let builder = of_region(Channel::<Sample>::builder().with_packed_slots(true))?;
    let (consumer, producer) = (builder.build_consumer()?, builder.build_producer()?);
    Ok(Box::new(move || {
        let sample = Sample { value: black_box(7.0) };
        producer.try_send(&sample).expect("there is room");
        black_box(consumer.recv_copy(Wait::No).expect("there is a message").value);
    }))
}

fn in_place(builder: ChannelBuilder<Small>) -> Result<Round, Failure> {
    let builder = of_region(builder)?;
    let (producer, consumer) = (builder.build_producer()?, builder.build_consumer()?);
    Ok(Box::new(move || {
        let mut slot = producer.try_claim().expect("there is room");
        slot.words[0] = black_box(7);
        slot.publish().expect("it is ours");
        black_box(consumer.try_recv().expect("there is a message").words[0]);
    }))
}

fn batch(builder: ChannelBuilder<Small>) -> Result<Round, Failure> {
    const MESSAGES: [Small; 64] = [Small { words: [7; 8] }; 64];
    let builder = of_region(builder)?;
    let (producer, consumer) = (builder.build_producer()?, builder.build_consumer()?);
    Ok(Box::new(move || {
        producer
            .send_batch(black_box(&MESSAGES), Wait::No)
            .expect("there is room");
        let batch = consumer
            .recv_up_to(MESSAGES.len(), Wait::No)
            .expect("there are messages");
        for message in batch.iter() {
            black_box(message.words[0]);
        }
    }))
}

fn in_place_large(builder: ChannelBuilder<Large>) -> Result<Round, Failure> {
    let builder = of_region(builder)?;
    let (producer, consumer) = (builder.build_producer()?, builder.build_consumer()?);
    Ok(Box::new(move || {
        let mut slot = producer.try_claim().expect("there is room");
        slot.words[0] = black_box(7);
        slot.publish().expect("it is ours");
        black_box(consumer.try_recv().expect("there is a message").words[0]);
    }))
}

/// Instructions of a whole run of this program, told by callgrind.
fn count(name: &str, rounds: u64) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // Counting goes off where such a function is entered, and on where it is left. That option alone would begin with off.
        .args(UNCOUNTED.map(|function| format!("--toggle-collect={function}")))
        .arg("--collect-atstart=yes")
        .arg(std::env::current_exe()?)
        .args(["rounds", name, &rounds.to_string()])
        // What the environment holds lies on the stack and moves it.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            format!("valgrind does not start ({error}); it is in the package of that name: apt-get install valgrind")
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(collected) if output.status.success() => Ok(collected),
        _ => Err(format!("{name}: {}\n{said}", output.status).into()),
    }
}

/// Instructions of one round, the clock included.
fn per_round(row: &Row) -> Result<f64, Failure> {
    let (once, twice) = (count(row.name, ROUNDS)?, count(row.name, 2 * ROUNDS)?);
    Ok(twice.saturating_sub(once) as f64 / ROUNDS as f64)
}

/// A line of the table.
#[derive(Serialize)]
struct Counted {
    name: &'static str,
    /// Without the clock.
    instructions: f64,
    /// Of the clock, beside them.
    clock: f64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    if let [rounds, name, number] = arguments
        && rounds == "rounds"
    {
        let mut rows = ROWS.iter().chain([&CLOCK]);
        let row = rows.find(|row| row.name == name);
        let row = row.ok_or_else(|| format!("there is no row {name}; --list names them"))?;
        let (round, number): (Round, u64) = ((row.open)()?, number.parse()?);
        (0..number).for_each(|_| round());
        return Ok(());
    }
    let (mut json, mut list, mut parts) = (false, false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--json" => json = true,
            "--list" => list = true,
            option if option.starts_with('-') => {
                return Err(
                    format!("there is no option {option}; usage: instructions [--json] [--list] [PART...]").into(),
                );
            }
            part => parts.push(part),
        }
    }
    let wanted = |row: &&Row| parts.is_empty() || parts.iter().any(|part| row.name.contains(part));
    let rows: Vec<&Row> = ROWS.iter().filter(wanted).collect();
    if list {
        rows.iter().for_each(|row| println!("{}", row.name));
        return Ok(());
    }
    if rows.is_empty() {
        return Err("no row has such a name; --list names them".into());
    }
    let clock = per_round(&CLOCK)?;
    if !json {
        println!("| one send and receive, in one thread | instructions | and the clock |");
        println!("|---|---|---|");
    }
    let mut all = Vec::new();
    for row in rows {
        let clock = clock * row.timestamps as f64;
        let instructions = per_round(row)? - clock;
        if !json {
            println!("| {} | **{instructions:.0}** | {clock:.0} |", row.name);
        }
        all.push(Counted {
            name: row.name,
            instructions,
            clock,
        });
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(())
}

//! What is lost when a process is killed: messages whose `send` had returned and that nobody got. `dmxp-benches losses` (`benches/losses`)
//! kills a sender inside a send, and one of two consumers inside a receive, again and again, and counts what came of every message.
//!
//! `trial` is one kill and what follows; `part` is what its processes do; `ledger` is where they note it, in memory that outlives them;
//! `table` puts trials together and writes them down. README.md says what each column means.

mod ledger;
mod part;
mod table;
mod trial;

use crate::transport::Failure;
use crate::transports::Kind;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

pub use part::main as part;
pub use table::{Row, markdown, read};

const HELP: &str = "\
Kills senders inside a send and consumers inside a receive, and counts the messages that are lost with them.

usage: dmxp-benches losses [options]
  --times N            kills of each kind (100)
  --patience SECONDS   how long a message may take to come (1)
  --only PART          transports whose name contains PART; may be repeated
  --out DIRECTORY      where losses.json and losses.md go; a report that is there gets the table too (target/benchmarks)
";

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Killed {
    /// A sender, inside a send; another one goes on.
    Sender,
    /// A consumer, inside a receive; another one goes on.
    Consumer,
}

impl Killed {
    /// As tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Consumer => "consumer",
        }
    }
}

/// How consumers share what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sharing {
    /// Each message goes to one of them.
    Competing,
    /// Each gets all.
    All,
    /// There is one, and another may take its place.
    One,
}

/// How consumers of a transport share, and whether it has several senders at a time; `None` where nothing is to be counted.
fn semantics(kind: Kind) -> Option<(Sharing, bool)> {
    #[cfg(feature = "iceoryx2")]
    if kind == Kind::Iceoryx2 {
        return Some((Sharing::All, true));
    }
    #[cfg(feature = "aeron")]
    if kind == Kind::Aeron {
        return Some((Sharing::All, true));
    }
    if !kind.between_processes() || kind.is_newest_only() {
        return None;
    }
    // Slots of another size are recovered by the same code; packed ones have nothing to recover.
    if kind.is_special() || (kind.is_ours() && !kind.form().compact) {
        return None;
    }
    let sharing = match kind {
        _ if kind.each_gets_all() => Sharing::All,
        _ if kind.many_receivers() => Sharing::Competing,
        _ => Sharing::One,
    };
    Some((sharing, kind.many_senders()))
}

/// The command.
///
/// # Errors
/// Those of its arguments and of writing; a transport that fails is in the table.
pub fn main(arguments: &[String]) -> Result<(), Failure> {
    let (mut times, mut patience, mut only) = (100, Duration::from_secs(1), Vec::new());
    let mut directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/benchmarks");
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--times" => times = value()?.parse()?,
            "--patience" => patience = Duration::from_secs_f64(value()?.parse()?),
            "--only" => only.push(value()?.clone()),
            "--out" => directory = value()?.into(),
            "--help" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("there is no option {other}\n\n{HELP}").into()),
        }
    }
    let wanted = |kind: &Kind| only.is_empty() || only.iter().any(|part| kind.name().contains(part.as_str()));
    let mut rows = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(wanted) {
        let Some((sharing, many_senders)) = semantics(kind) else {
            continue;
        };
        for killed in [Killed::Sender, Killed::Consumer] {
            let row = table::row(kind, killed, sharing, many_senders, times, patience);
            eprintln!("{}", table::line(&row));
            rows.push(row);
        }
    }
    table::write(&rows, &directory)?;
    print!("{}", markdown(&rows));
    eprintln!("written to {}", directory.canonicalize()?.display());
    Ok(())
}

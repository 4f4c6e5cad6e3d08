//! What was asked for on the command line.

use std::ops::Range;

/// Channels with an id are numbered from 0 by those who choose it; named ones get theirs from the other end.
const MOST_CHANNELS: u32 = 256;

/// `[channels [messages]] [--follow]`; `--auto-exit`, which needs not be said, is the opposite of `--follow`.
pub(crate) struct Arguments {
    /// Ids of the channels to use.
    pub(crate) channels: Range<u32>,
    /// Messages of a round on each channel.
    pub(crate) messages: u64,
    /// Whether to go on after the first round.
    pub(crate) follow: bool,
}

impl Arguments {
    pub(crate) fn parse() -> Result<Self, String> {
        let usage = |what: &str| format!("{what}; usage: [channels [messages]] [--follow], 4 and 1000 if left out");
        let (flags, numbers): (Vec<_>, Vec<_>) =
            std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
        let known = ["--auto-exit", "--follow"];
        if let Some(unknown) = flags.iter().find(|flag| !known.contains(&flag.as_str())) {
            return Err(usage(&format!("unknown option {unknown}")));
        }
        if flags.iter().any(|flag| *flag != flags[0]) {
            return Err(usage("either --auto-exit or --follow"));
        }
        if numbers.len() > 2 {
            return Err(usage("too many arguments"));
        }
        let number = |index: usize, default: u64, most: u64| match numbers.get(index).map(|text| text.parse()) {
            None => Ok(default),
            Some(Ok(number)) if (1..=most).contains(&number) => Ok(number),
            Some(_) => Err(usage(&format!("{:?} is not a number from 1 to {most}", numbers[index]))),
        };
        Ok(Self {
            channels: 0..number(0, 4, u64::from(MOST_CHANNELS))? as u32,
            messages: number(1, 1000, u64::MAX)?,
            follow: flags.first().is_some_and(|flag| flag == "--follow"),
        })
    }
}

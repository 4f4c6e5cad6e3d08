//! What was asked for on the command line.

use std::ops::Range;

/// The id of the first channel. Named channels get the lowest ids that are free, so the low ones may be taken.
const FIRST_CHANNEL: u32 = 100;
const MOST_CHANNELS: u32 = 156;

/// `[channels [messages]] [--auto-exit]`
pub(crate) struct Arguments {
    /// Ids of the channels to use.
    pub(crate) channels: Range<u32>,
    /// Messages of a round on each channel.
    pub(crate) messages: u64,
    /// Whether to end after one round.
    pub(crate) auto_exit: bool,
}

impl Arguments {
    pub(crate) fn parse() -> Result<Self, String> {
        let usage = |what: &str| format!("{what}; usage: [channels [messages]] [--auto-exit], 4 and 1000 if left out");
        let (flags, numbers): (Vec<_>, Vec<_>) =
            std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
        if let Some(unknown) = flags.iter().find(|flag| *flag != "--auto-exit") {
            return Err(usage(&format!("unknown option {unknown}")));
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
            channels: FIRST_CHANNEL..FIRST_CHANNEL + number(0, 4, u64::from(MOST_CHANNELS))? as u32,
            messages: number(1, 1000, u64::MAX)?,
            auto_exit: !flags.is_empty(),
        })
    }
}

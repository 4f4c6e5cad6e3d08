//! One change to the bytes of a region: a field of a structure of the format, and what it gets.

use crate::base::{Base, CHANNELS};
use crate::input::Input;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where.
#[derive(Clone, Copy, Debug)]
enum Place {
    Header { field: u8 },
    Entry { channel: u32, field: u8 },
    Control { field: u8 },
    Record { channel: u32, field: u8 },
    Process { index: u32, field: u8 },
    Handle { index: u32, field: u8 },
    Cell { index: u32, cell: u8 },
    Slot { channel: u32, slot: u8, field: u8 },
    Payload { channel: u32, slot: u8, offset: u16 },
    Schema { channel: u32, offset: u16 },
    Anywhere { offset: u32 },
}

/// What. Widths are in bytes.
#[derive(Clone, Copy, Debug)]
enum Value {
    Number {
        value: u64,
        width: usize,
    },
    /// The word that is there, plus this.
    Step {
        by: i8,
        width: usize,
    },
    /// The word of another place.
    Copied {
        from: Place,
        width: usize,
    },
}

/// A change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    place: Place,
    value: Value,
}

impl Place {
    fn read(input: &mut Input<'_>) -> Self {
        let kind = input.below(13);
        match kind {
            0 => Self::Header { field: input.byte() },
            1 => Self::Entry {
                channel: input.one_of(&CHANNELS),
                field: input.byte(),
            },
            2 => Self::Control { field: input.byte() },
            3 | 4 => Self::Record {
                channel: input.one_of(&CHANNELS),
                field: input.byte(),
            },
            5 => Self::Process {
                index: input.byte().into(),
                field: input.byte(),
            },
            6 => Self::Handle {
                index: input.byte().into(),
                field: input.byte(),
            },
            7 => Self::Cell {
                index: input.byte().into(),
                cell: input.byte(),
            },
            8 | 9 => Self::Slot {
                channel: input.one_of(&CHANNELS),
                slot: input.byte(),
                field: input.byte(),
            },
            10 => Self::Payload {
                channel: input.one_of(&CHANNELS),
                slot: input.byte(),
                offset: input.u16(),
            },
            11 => Self::Schema {
                channel: input.one_of(&CHANNELS),
                offset: input.u16(),
            },
            _ => Self::Anywhere { offset: input.u32() },
        }
    }

    fn offset(self, base: &Base) -> u64 {
        let field = |structure: &str, index: u8| {
            let fields = base.fields(structure);
            fields[usize::from(index) % fields.len()]
        };
        let slot_of = |channel: u32, slot: u8| base.slot(channel, slot.into());
        let offset = match self {
            Self::Header { field: index } => field("GlobalHeader", index),
            Self::Entry { channel, field: index } => 128 + u64::from(channel) * 384 + field("ChannelEntry", index),
            Self::Control { field: index } => base.control() + field("ControlHeader", index),
            Self::Record { channel, field: index } => base.record(channel) + field("ChannelRecord", index),
            Self::Process {
                index: process,
                field: index,
            } => base.process(process) + field("ProcessRecord", index),
            Self::Handle {
                index: handle,
                field: index,
            } => base.handle(handle) + field("HandleRecord", index),
            // The cells are the last of its fields.
            Self::Cell { index, cell } => base.handle(index) + 64 + u64::from(cell % 8) * 8,
            Self::Slot {
                channel,
                slot,
                field: 0..128,
            } => slot_of(channel, slot),
            Self::Slot {
                channel,
                slot,
                field: index,
            } => slot_of(channel, slot) + 8 + field("MessageMeta", index),
            Self::Payload { channel, slot, offset } => slot_of(channel, slot) + 48 + u64::from(offset) % 976,
            Self::Schema { channel, offset } => base.schema(channel) + u64::from(offset) % 1_500,
            Self::Anywhere { offset } => u64::from(offset),
        };
        offset % (base.len() - 8)
    }
}

impl Value {
    fn read(input: &mut Input<'_>) -> Self {
        let number = |value, width| Self::Number { value, width };
        match input.below(10) {
            0 => number(input.u64(), 8),
            1 => number(input.u32().into(), 4),
            2 => number(input.byte().into(), 1),
            3 => number(input.byte().into(), 4),
            4 => {
                let numbers = [
                    u64::MAX,
                    1 << 63,
                    i64::MAX as u64,
                    1 << 32,
                    1 << 42,
                    (1 << 46) - 1,
                    98_432,
                    u64::MAX - 3,
                    0,
                ];
                number(input.one_of(&numbers), input.one_of(&[8, 4]))
            }
            5 => Self::Step {
                by: input.byte().cast_signed(),
                width: input.one_of(&[8, 4]),
            },
            6 => number(mark(input), 8),
            7 => number(cell(input), 8),
            // A record's state: a generation, and whether its owner lives.
            8 => number(u64::from(input.byte()) << 2 | u64::from(input.byte() % 4), 8),
            _ => Self::Copied {
                from: Place::read(input),
                width: input.one_of(&[8, 4]),
            },
        }
    }
}

/// A marked slot sequence: kind, times, handle and position.
fn mark(input: &mut Input<'_>) -> u64 {
    let (kind, times) = (u64::from(input.byte() % 8), u64::from(input.byte() % 16));
    let (handle, position) = (u64::from(input.byte()), position(input));
    1 << 63 | kind << 60 | times << 56 | handle << 42 | position & ((1 << 42) - 1)
}

/// A claim cell: kind, phase, count and position.
fn cell(input: &mut Input<'_>) -> u64 {
    let (kind, phase) = (u64::from(input.byte() % 4), u64::from(input.byte() % 2));
    let (count, position) = (input.one_of(&[1_u64, 2, 4, 8, 9, 100, 32_767, 0]), position(input));
    kind << 62 | phase << 61 | count << 46 | position & ((1 << 46) - 1)
}

/// A position: a small one, mostly.
fn position(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        255 => input.u64(),
        small => u64::from(small) % 32,
    }
}

impl Damage {
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        Self {
            place: Place::read(input),
            value: Value::read(input),
        }
    }

    /// Changes the file of a copy of `base`, whether it is mapped or not. What lies beyond a shortened file stays as it is.
    pub(crate) fn apply(self, file: &File, base: &Base) {
        let offset = self.place.offset(base);
        let (value, width) = match self.value {
            Value::Number { value, width } => (value, width),
            Value::Step { by, width } => (word_at(file, offset).wrapping_add_signed(by.into()), width),
            Value::Copied { from, width } => (word_at(file, from.offset(base)), width),
        };
        file.write_all_at(&value.to_le_bytes()[..width], offset)
            .expect("the scratch file can be written");
    }
}

fn word_at(file: &File, offset: u64) -> u64 {
    let mut word = [0; 8];
    file.read_exact_at(&mut word, offset)
        .expect("damage lies within the base");
    u64::from_le_bytes(word)
}

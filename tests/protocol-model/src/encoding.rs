//! The words of the protocol, bit for bit: slot sequences, claim cells, handle record states.
//!
//! The layout is the runtime's. Only the widths of the two position fields are parameters, so that a search of a dozen
//! positions can walk past the point where they wrap; every other field sits where the runtime has it.

use std::cmp::Ordering;

const MARKED: u64 = 1 << 63;
const SEQUENCE_KIND_SHIFT: u32 = 60;
const SEQUENCE_KIND_MASK: u64 = 0b111;
const TIMES_SHIFT: u32 = 56;
const HANDLE_SHIFT: u32 = 42;
const HANDLE_MASK: u64 = (1 << 14) - 1;
const ABORTED: u64 = 1;
const RETURNED: u64 = 2;
const TAKEN: u64 = 3;

const CELL_KIND_SHIFT: u32 = 62;
const CELL_PHASE_SHIFT: u32 = 61;
const CELL_COUNT_SHIFT: u32 = 46;
const CELL_COUNT_MASK: u64 = (1 << 15) - 1;

/// The largest number of deliveries a marked sequence can count.
pub const TIMES_MAX: u64 = 15;

/// Widths of the position fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Bits of the position in a marked sequence word; 42 in the runtime.
    pub marked_position_bits: u32,
    /// Bits of the position in a claim cell; 46 in the runtime.
    pub cell_position_bits: u32,
    /// The count at which a marked sequence stops counting deliveries; [`TIMES_MAX`] in the runtime.
    pub times_max: u64,
}

/// A slot's sequence word, taken apart. Positions of marked words are the low bits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// p: free for p; p + 1: readable; p + capacity: released.
    Plain(u64),
    /// The claim of this position came to nothing; consumers step over it.
    Aborted(u64),
    /// A dead consumer held this message: position, deliveries begun.
    Returned(u64, u64),
    /// A consumer took a returned message: position, its handle, deliveries begun.
    Taken(u64, u64, u64),
}

/// Which cursor a claim moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The tail.
    Produce,
    /// The head.
    Consume,
}

/// A claim cell, taken apart. Positions are the low bits only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing is claimed through this cell.
    None,
    /// The cursor may or may not have been moved over these positions by this handle: phase, first position, count.
    Trying(Phase, u64, u64),
    /// The cursor was moved over these positions by this handle.
    Owned(Phase, u64, u64),
}

/// What a handle record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody's; may be registered.
    Free,
    /// A process registered it.
    Live,
    /// Its process was proven dead; to be swept.
    Dead,
}

impl Encoding {
    /// The runtime's widths.
    pub const RUNTIME: Encoding = Encoding {
        marked_position_bits: 42,
        cell_position_bits: 46,
        times_max: TIMES_MAX,
    };

    /// The word for an aborted position.
    pub fn aborted(&self, position: u64) -> u64 {
        MARKED | ABORTED << SEQUENCE_KIND_SHIFT | low(position, self.marked_position_bits)
    }

    /// The word for a message given back, `times` deliveries having been begun.
    pub fn returned(&self, position: u64, times: u64) -> u64 {
        let times = times.min(self.times_max);
        MARKED | RETURNED << SEQUENCE_KIND_SHIFT | times << TIMES_SHIFT | low(position, self.marked_position_bits)
    }

    /// The word for a returned message which `handle` has taken.
    pub fn taken(&self, position: u64, handle: u64, times: u64) -> u64 {
        assert!(handle <= HANDLE_MASK, "handle {handle} does not fit its 14 bits");
        let times = times.min(self.times_max);
        MARKED
            | TAKEN << SEQUENCE_KIND_SHIFT
            | times << TIMES_SHIFT
            | handle << HANDLE_SHIFT
            | low(position, self.marked_position_bits)
    }

    /// Takes a slot's sequence word apart. Panics on a marked word of no known kind, which nothing may ever store.
    pub fn sequence(&self, word: u64) -> Sequence {
        if word & MARKED == 0 {
            return Sequence::Plain(word);
        }
        let position = low(word, self.marked_position_bits);
        let times = (word >> TIMES_SHIFT) & TIMES_MAX;
        match (word >> SEQUENCE_KIND_SHIFT) & SEQUENCE_KIND_MASK {
            ABORTED => Sequence::Aborted(position),
            RETURNED => Sequence::Returned(position, times),
            TAKEN => Sequence::Taken(position, (word >> HANDLE_SHIFT) & HANDLE_MASK, times),
            kind => panic!("sequence word {word:#x} has unknown kind {kind}"),
        }
    }

    /// Where the position of a marked word lies, seen from `position`: the signed difference of the low bits.
    pub fn compare_marked(&self, marked: u64, position: u64) -> Ordering {
        let ahead = low(marked.wrapping_sub(position), self.marked_position_bits);
        match ahead {
            0 => Ordering::Equal,
            _ if ahead < 1 << (self.marked_position_bits - 1) => Ordering::Greater,
            _ => Ordering::Less,
        }
    }

    /// The newest full position at or before `cursor` with the low bits of a marked word.
    pub fn position_of_marked(&self, marked: u64, cursor: u64) -> u64 {
        cursor - low(cursor.wrapping_sub(marked), self.marked_position_bits)
    }

    /// The word of a claim cell.
    pub fn cell(&self, cell: Cell) -> u64 {
        let (kind, phase, position, count) = match cell {
            Cell::None => return 0,
            Cell::Trying(phase, position, count) => (1, phase, position, count),
            Cell::Owned(phase, position, count) => (2, phase, position, count),
        };
        assert!(count <= CELL_COUNT_MASK, "a claim of {count} does not fit its 15 bits");
        let phase = u64::from(phase == Phase::Consume);
        kind << CELL_KIND_SHIFT
            | phase << CELL_PHASE_SHIFT
            | count << CELL_COUNT_SHIFT
            | low(position, self.cell_position_bits)
    }

    /// Takes a claim cell apart.
    pub fn claim(&self, word: u64) -> Cell {
        let phase = if (word >> CELL_PHASE_SHIFT) & 1 == 0 {
            Phase::Produce
        } else {
            Phase::Consume
        };
        let count = (word >> CELL_COUNT_SHIFT) & CELL_COUNT_MASK;
        let position = low(word, self.cell_position_bits);
        match word >> CELL_KIND_SHIFT {
            0 => Cell::None,
            1 => Cell::Trying(phase, position, count),
            2 => Cell::Owned(phase, position, count),
            kind => panic!("claim cell {word:#x} has unknown kind {kind}"),
        }
    }

    /// The newest full position at or before `cursor` with the low bits of a claim.
    pub fn position_of_claim(&self, claimed: u64, cursor: u64) -> u64 {
        cursor - low(cursor.wrapping_sub(claimed), self.cell_position_bits)
    }

    /// Whether a claim of `count` positions from `first` covers `position`, as far as its low bits can tell.
    pub fn covers(&self, first: u64, count: u64, position: u64) -> bool {
        low(position.wrapping_sub(first), self.cell_position_bits) < count
    }
}

/// A handle record's state word: the generation above two bits of status.
pub fn record(generation: u32, status: Status) -> u32 {
    generation << 2 | status as u32
}

/// Takes a handle record's state word apart.
pub fn record_parts(word: u32) -> (u32, Status) {
    let status = match word & 3 {
        0 => Status::Free,
        1 => Status::Live,
        2 => Status::Dead,
        _ => panic!("record state {word:#x} has unknown status 3"),
    };
    (word >> 2, status)
}

fn low(value: u64, bits: u32) -> u64 {
    value & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected words are written out by hand from the table in RING.md, field by field.
    #[test]
    fn every_word_is_laid_out_as_the_format_says() {
        let words = Encoding::RUNTIME;
        assert_eq!(words.aborted(5), 0x9000_0000_0000_0005);
        assert_eq!(words.returned(5, 3), 0xA300_0000_0000_0005);
        assert_eq!(words.taken(5, 1, 3), 0xB300_0400_0000_0005);
        assert_eq!(words.taken((1 << 42) + 5, (1 << 14) - 1, 15), 0xBFFF_FC00_0000_0005);
        assert_eq!(words.cell(Cell::Trying(Phase::Produce, 5, 1)), 0x4000_4000_0000_0005);
        assert_eq!(words.cell(Cell::Owned(Phase::Consume, 5, 2)), 0xA000_8000_0000_0005);
        assert_eq!(
            words.cell(Cell::Owned(Phase::Produce, (1 << 46) - 1, 32_767)),
            0x9FFF_FFFF_FFFF_FFFF
        );
        assert_eq!(record(3, Status::Dead), 0b1110);
    }

    #[test]
    fn every_word_comes_back_as_it_went_in() {
        for words in [
            Encoding::RUNTIME,
            Encoding {
                marked_position_bits: 3,
                cell_position_bits: 4,
                times_max: 15,
            },
        ] {
            for position in [0, 1, 6] {
                assert_eq!(words.sequence(words.aborted(position)), Sequence::Aborted(position));
                assert_eq!(
                    words.sequence(words.returned(position, 2)),
                    Sequence::Returned(position, 2)
                );
                assert_eq!(
                    words.sequence(words.taken(position, 9, 2)),
                    Sequence::Taken(position, 9, 2)
                );
                for cell in [
                    Cell::Trying(Phase::Produce, position, 3),
                    Cell::Owned(Phase::Consume, position, 3),
                ] {
                    assert_eq!(words.claim(words.cell(cell)), cell);
                }
            }
        }
    }
}

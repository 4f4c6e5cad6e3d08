//! The words of the protocol: slot sequences and claim cells.

/// Most messages one claim can cover: 15 bits of a claim cell.
pub(crate) const MAX_BATCH: u32 = (1 << 15) - 1;
/// Most times a message is returned; one more and it is dropped and counted. The count in a sequence has four bits and must
/// never stand still: a slow sweeper tells one taking from the next by it. Channels set a lower limit for deliveries; what
/// is left above it are attempts to move the message to the dead letters.
pub(crate) const MAX_RETURNS: u8 = 14;
const TIMES_MASK: u8 = 15;

const MARKED: u64 = 1 << 63;
const KIND_SHIFT: u32 = 60;
const TIMES_SHIFT: u32 = 56;
const HANDLE_SHIFT: u32 = 42;
const HANDLE_MASK: u64 = (1 << 14) - 1;
const SEQUENCE_POSITION: u64 = (1 << HANDLE_SHIFT) - 1;
const ABORTED: u64 = 1;
const RETURNED: u64 = 2;
const TAKEN: u64 = 3;
const KEPT: u64 = 4;
/// Most laps that a value is kept.
pub(crate) const MAX_LAPS: u64 = HANDLE_MASK;

const CELL_KIND_SHIFT: u32 = 62;
const CELL_PHASE_SHIFT: u32 = 61;
const CELL_COUNT_SHIFT: u32 = 46;
const CELL_POSITION: u64 = (1 << CELL_COUNT_SHIFT) - 1;
const TRYING: u64 = 1;
const OWNED: u64 = 2;

/// The sequence word of a slot, decoded. Marked words hold the low 42 bits of their position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// As in v1: p free for p, p+1 readable, p+capacity released.
    Plain(u64),
    /// The producer that had claimed the position gave up or died; consumers step over it.
    Aborted { position: u64 },
    /// The consumer that had claimed the position died or let go; to be delivered again.
    Returned { position: u64, times: u8 },
    /// A returned message that a handle is reading.
    Taken { position: u64, handle: u16, times: u8 },
    /// On a latest ring: as `Aborted`, before anything was written there: what lies in the slot is the value of so many laps before.
    Kept { position: u64, laps: u16 },
    /// No value the protocol writes.
    Forged,
}

impl Sequence {
    #[inline]
    pub(crate) const fn decode(word: u64) -> Self {
        if word & MARKED == 0 {
            return Self::Plain(word);
        }
        let position = word & SEQUENCE_POSITION;
        let times = (word >> TIMES_SHIFT) as u8 & TIMES_MASK;
        let handle = (word >> HANDLE_SHIFT & HANDLE_MASK) as u16;
        match word >> KIND_SHIFT & 7 {
            ABORTED => Self::Aborted { position },
            RETURNED => Self::Returned { position, times },
            TAKEN => Self::Taken {
                position,
                handle,
                times,
            },
            KEPT => Self::Kept { position, laps: handle },
            _ => Self::Forged,
        }
    }

    pub(crate) const fn aborted(position: u64) -> u64 {
        MARKED | ABORTED << KIND_SHIFT | position & SEQUENCE_POSITION
    }

    pub(crate) const fn returned(position: u64, times: u8) -> u64 {
        MARKED | RETURNED << KIND_SHIFT | Self::times_bits(times) | position & SEQUENCE_POSITION
    }

    pub(crate) const fn taken(position: u64, handle: u16, times: u8) -> u64 {
        let handle = (handle as u64 & HANDLE_MASK) << HANDLE_SHIFT;
        MARKED | TAKEN << KIND_SHIFT | Self::times_bits(times) | handle | position & SEQUENCE_POSITION
    }

    /// `laps`: at most [`MAX_LAPS`].
    pub(crate) const fn kept(position: u64, laps: u64) -> u64 {
        MARKED | KEPT << KIND_SHIFT | (laps & MAX_LAPS) << HANDLE_SHIFT | position & SEQUENCE_POSITION
    }

    const fn times_bits(times: u8) -> u64 {
        ((times & TIMES_MASK) as u64) << TIMES_SHIFT
    }
}

/// Where a slot stands, seen from a position of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The slot is still busy with an earlier lap.
    Behind,
    /// Free for this position.
    Free,
    /// This position's message can be read.
    Readable,
    /// This position was aborted.
    Aborted,
    /// This position's message was returned, or is being read again: the head has passed it.
    Passed,
    /// The slot has moved on to a later lap.
    Ahead,
}

/// Reads a sequence word as seen from `position`. A word nobody writes counts as `Behind`: nothing is ever done with it.
#[inline]
pub(crate) const fn standing(word: u64, position: u64) -> Standing {
    let marked = match Sequence::decode(word) {
        Sequence::Plain(value) => {
            return match value.wrapping_sub(position) as i64 {
                0 => Standing::Free,
                1 => Standing::Readable,
                difference if difference < 0 => Standing::Behind,
                _ => Standing::Ahead,
            };
        }
        Sequence::Forged => return Standing::Behind,
        Sequence::Aborted { position: marked } | Sequence::Kept { position: marked, .. } => {
            match distance(marked, position) {
                0 => return Standing::Aborted,
                _ => marked,
            }
        }
        Sequence::Returned { position: marked, .. } | Sequence::Taken { position: marked, .. } => {
            match distance(marked, position) {
                0 => return Standing::Passed,
                _ => marked,
            }
        }
    };
    if distance(marked, position) < 0 {
        Standing::Behind
    } else {
        Standing::Ahead
    }
}

/// How far a 42-bit position lies from a full one, as a signed number of 42 bits.
const fn distance(marked: u64, position: u64) -> i64 {
    let shift = 64 - HANDLE_SHIFT;
    ((marked << shift).wrapping_sub(position << shift) as i64) >> shift
}

/// The full position that a marked word's 42 bits stand for, near `near`.
pub(crate) const fn widen(marked: u64, near: u64) -> u64 {
    near.wrapping_add_signed(distance(marked, near))
}

/// Which cursor a claim moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Produce,
    Consume,
}

/// A claim cell, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Nothing claimed.
    None,
    /// About to move the cursor over these positions.
    Trying(Claim),
    /// Has moved the cursor over these positions.
    Owned(Claim),
}

/// A range of positions in a claim cell; `position` is the low 46 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) phase: Phase,
    pub(crate) position: u64,
    pub(crate) count: u32,
}

impl Claim {
    /// Whether the claim covers `position`.
    pub(crate) const fn covers(&self, position: u64) -> bool {
        (position.wrapping_sub(self.position) & CELL_POSITION) < self.count as u64
    }

    /// The claim's first position in full, near a cursor.
    pub(crate) const fn first(&self, near: u64) -> u64 {
        let shift = 64 - CELL_COUNT_SHIFT;
        near.wrapping_add_signed(((self.position << shift).wrapping_sub(near << shift) as i64) >> shift)
    }
}

impl Cell {
    pub(crate) const EMPTY: u64 = 0;

    #[inline]
    pub(crate) const fn decode(word: u64) -> Self {
        let phase = if word >> CELL_PHASE_SHIFT & 1 == 0 {
            Phase::Produce
        } else {
            Phase::Consume
        };
        let count = (word >> CELL_COUNT_SHIFT) as u32 & MAX_BATCH;
        let claim = Claim {
            phase,
            position: word & CELL_POSITION,
            count,
        };
        match word >> CELL_KIND_SHIFT {
            TRYING if count > 0 => Self::Trying(claim),
            OWNED if count > 0 => Self::Owned(claim),
            _ => Self::None,
        }
    }

    #[inline]
    pub(crate) const fn trying(phase: Phase, position: u64, count: u32) -> u64 {
        Self::encode(TRYING, phase, position, count)
    }

    #[inline]
    pub(crate) const fn owned(phase: Phase, position: u64, count: u32) -> u64 {
        Self::encode(OWNED, phase, position, count)
    }

    const fn encode(kind: u64, phase: Phase, position: u64, count: u32) -> u64 {
        kind << CELL_KIND_SHIFT
            | (phase as u64) << CELL_PHASE_SHIFT
            | (count as u64) << CELL_COUNT_SHIFT
            | position & CELL_POSITION
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn v1_reads_every_marked_word_as_not_ready() {
        for word in [
            Sequence::aborted(7),
            Sequence::returned(7, 1),
            Sequence::taken(7, 3, 2),
            Sequence::kept(7, 1),
        ] {
            // A v1 reader waits for equality with p + 1, a v1 writer for equality with p; no such position has the top bit.
            assert!(word >= 1 << 63);
        }
    }

    #[test]
    fn words_come_back_as_they_went_in() {
        for position in [0, 1, 1 << 41, (1 << 42) - 1] {
            assert_eq!(
                Sequence::decode(Sequence::aborted(position)),
                Sequence::Aborted { position }
            );
            for laps in [1, (1 << 14) - 1] {
                let word = Sequence::kept(position, u64::from(laps));
                assert_eq!(Sequence::decode(word), Sequence::Kept { position, laps });
            }
            for times in [1, 15] {
                let word = Sequence::returned(position, times);
                assert_eq!(Sequence::decode(word), Sequence::Returned { position, times });
                for handle in [0, 1, (1 << 14) - 1] {
                    let word = Sequence::taken(position, handle, times);
                    assert_eq!(
                        Sequence::decode(word),
                        Sequence::Taken {
                            position,
                            handle,
                            times
                        }
                    );
                }
            }
            for phase in [Phase::Produce, Phase::Consume] {
                for count in [1, MAX_BATCH] {
                    let claim = Claim { phase, position, count };
                    assert_eq!(Cell::decode(Cell::trying(phase, position, count)), Cell::Trying(claim));
                    assert_eq!(Cell::decode(Cell::owned(phase, position, count)), Cell::Owned(claim));
                }
            }
        }
        assert_eq!(Cell::decode(Cell::EMPTY), Cell::None);
    }

    #[test]
    fn standing_tells_laps_apart_even_where_42_bits_wrap() {
        let position = (1 << 42) + 1;
        assert_eq!(standing(position, position), Standing::Free);
        assert_eq!(standing(position + 1, position), Standing::Readable);
        assert_eq!(standing(position - 3, position), Standing::Behind);
        assert_eq!(standing(position + 4, position), Standing::Ahead);
        assert_eq!(standing(Sequence::aborted(position), position), Standing::Aborted);
        assert_eq!(standing(Sequence::aborted(position - 4), position), Standing::Behind);
        assert_eq!(standing(Sequence::aborted(position + 4), position), Standing::Ahead);
        assert_eq!(
            standing(Sequence::taken(position - 4, 0, 1), position),
            Standing::Behind
        );
        assert_eq!(standing(Sequence::returned(position, 1), position), Standing::Passed);
        assert_eq!(standing(Sequence::returned(position + 4, 1), position), Standing::Ahead);
        assert_eq!(widen(1, (1 << 42) - 2), position);
    }

    #[test]
    fn claims_cover_their_range_even_where_46_bits_wrap() {
        let start = (1 << 46) - 1;
        let Cell::Owned(claim) = Cell::decode(Cell::owned(Phase::Consume, start, 3)) else {
            panic!()
        };
        assert!(claim.covers(start) && claim.covers(start + 2) && !claim.covers(start + 3) && !claim.covers(start - 1));
        assert_eq!(claim.first((1 << 46) + 5), start);
    }
}

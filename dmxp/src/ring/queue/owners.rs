//! Which positions of a range the claim cells of other handles name.
//!
//! A sweep asks for all positions of a dead handle's claim at once: a claim can have tens of thousands, and there are as many handles.

use crate::ring::Range;
use crate::ring::word::Claim;

/// What the cells of the channel's other handles say of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody names it.
    Nobody,
    /// Another handle owns it, or did before it died.
    Owned,
    /// A live handle is trying it, or a record changed while it was read: it cannot be known yet.
    Unknown,
}

/// The same of each position of a range: two bits a position.
#[derive(Debug)]
pub(crate) struct Owners {
    range: Range,
    owned: Vec<u64>,
    unknown: Vec<u64>,
    /// Of a position that nobody owns nothing is known.
    unsure: bool,
}

impl Owners {
    pub(crate) fn of_range(range: Range) -> Self {
        let words = range.count.div_ceil(u64::BITS) as usize;
        Self {
            range,
            owned: vec![0; words],
            unknown: vec![0; words],
            unsure: false,
        }
    }

    /// Something could not be read that may name any position.
    pub(crate) fn doubt(&mut self) {
        self.unsure = true;
    }

    /// Another handle owns these positions.
    pub(crate) fn own(&mut self, claim: Claim) {
        mark(&mut self.owned, self.range, claim);
    }

    /// A live handle is trying these positions.
    pub(crate) fn try_for(&mut self, claim: Claim) {
        mark(&mut self.unknown, self.range, claim);
    }

    /// Of a position of the range.
    pub(crate) fn of(&self, position: u64) -> Owner {
        let index = position.wrapping_sub(self.range.first) as usize;
        let is_in = |bits: &[u64]| bits.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 != 0);
        match () {
            () if is_in(&self.owned) => Owner::Owned,
            () if self.unsure || is_in(&self.unknown) => Owner::Unknown,
            () => Owner::Nobody,
        }
    }
}

/// Sets the bits of those positions of the range that the claim covers.
fn mark(bits: &mut [u64], range: Range, claim: Claim) {
    let offset = claim.first(range.first).wrapping_sub(range.first) as i64;
    let start = offset.clamp(0, i64::from(range.count)) as usize;
    let end = offset
        .saturating_add(i64::from(claim.count))
        .clamp(0, i64::from(range.count)) as usize;
    let mut at = start;
    while at < end {
        let (word, bit) = (at / 64, at % 64);
        let count = (64 - bit).min(end - at);
        bits[word] |= (u64::MAX >> (64 - count)) << bit;
        at += count;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ring::word::Phase;

    #[test]
    fn a_position_is_owned_exactly_where_a_claim_covers_it() {
        // Around the place where the 46 bits of a cell wrap, too.
        for first in [0, 1_000, (1 << 46) - 150] {
            let range = Range { first, count: 300 };
            for (start, count) in [
                (0_i64, 1),
                (-5, 5),
                (-5, 6),
                (63, 1),
                (63, 2),
                (64, 64),
                (7, 250),
                (299, 9),
                (300, 4),
                (-20, 900),
            ] {
                let position = first.wrapping_add_signed(start) & ((1 << 46) - 1);
                let claim = Claim {
                    phase: Phase::Consume,
                    position,
                    count,
                };
                let mut owners = Owners::of_range(range);
                owners.own(claim);
                for place in range.positions() {
                    let expected = if claim.covers(place) {
                        Owner::Owned
                    } else {
                        Owner::Nobody
                    };
                    assert_eq!(owners.of(place), expected, "{first} {start} {count} {place}");
                }
            }
        }
    }

    #[test]
    fn owned_beats_tried_and_doubt_beats_nobody() {
        let claim = |position| Claim {
            phase: Phase::Produce,
            position,
            count: 2,
        };
        let mut owners = Owners::of_range(Range { first: 10, count: 4 });
        owners.own(claim(10));
        owners.try_for(claim(11));
        let of = |owners: &Owners| [10, 11, 12, 13].map(|position| owners.of(position));
        assert_eq!(of(&owners), [Owner::Owned, Owner::Owned, Owner::Unknown, Owner::Nobody]);
        owners.doubt();
        assert_eq!(
            of(&owners),
            [Owner::Owned, Owner::Owned, Owner::Unknown, Owner::Unknown]
        );
    }
}

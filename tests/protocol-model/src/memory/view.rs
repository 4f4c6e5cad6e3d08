//! What somebody has been made to see.

/// The most atomic locations.
pub(super) const LOCATIONS: usize = 16;
/// Bits of each plain location: the last write, and each thread's reads since.
const PLAIN_BITS: u32 = 8;
const WRITE: u32 = 1;
const ALL: u32 = (1 << PLAIN_BITS) - 1;

/// For each location, the number of the oldest store that may still be found; for each plain one, which of the last accesses are
/// not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    oldest: [u8; LOCATIONS],
    unseen: u32,
}

impl std::hash::Hash for View {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let (low, high) = self.oldest.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of sixteen"));
        state.write_u64(word(low));
        state.write_u64(word(high));
        state.write_u32(self.unseen);
    }
}

impl View {
    pub(super) fn of(&self, location: usize) -> u8 {
        self.oldest[location]
    }

    pub(super) fn raise(&mut self, location: usize, number: u8) {
        self.oldest[location] = self.oldest[location].max(number);
    }

    pub(super) fn join(&mut self, other: &View) {
        for (own, other) in self.oldest.iter_mut().zip(other.oldest) {
            *own = (*own).max(other);
        }
        self.unseen &= other.unseen;
    }

    /// A store takes the place `number`: those from there on move up.
    pub(super) fn make_room(&mut self, location: usize, number: u8) {
        if self.oldest[location] >= number {
            self.oldest[location] += 1;
        }
    }

    /// The first `count` stores are gone.
    pub(super) fn drop_oldest(&mut self, location: usize, count: u8) {
        self.oldest[location] = self.oldest[location].saturating_sub(count);
    }

    pub(super) fn has_write(&self, plain: usize) -> bool {
        self.unseen & WRITE << shift(plain) == 0
    }

    /// Whether the last write and all reads since are seen.
    pub(super) fn has_all(&self, plain: usize) -> bool {
        self.unseen & ALL << shift(plain) == 0
    }

    pub(super) fn forget_read(&mut self, plain: usize, thread: usize) {
        self.unseen |= (WRITE << 1 << thread) << shift(plain);
    }

    pub(super) fn note_read(&mut self, plain: usize, thread: usize) {
        self.unseen &= !((WRITE << 1 << thread) << shift(plain));
    }

    /// There is a new write, and there are no reads since.
    pub(super) fn forget_write(&mut self, plain: usize) {
        self.unseen = self.unseen & !(ALL << shift(plain)) | WRITE << shift(plain);
    }

    pub(super) fn note_write(&mut self, plain: usize) {
        self.unseen &= !(ALL << shift(plain));
    }
}

fn shift(plain: usize) -> u32 {
    PLAIN_BITS * plain as u32
}

//! The states that a search has seen.
//!
//! [`Whole`] keeps every state, packed into equally many bytes. [`Fingerprints`] keeps 128 bits of each and the states themselves
//! only until their turn comes: for states that are large, and of which there are fewer. Two of a hundred million states share a
//! fingerprint with a probability of 10^-23.

use crate::search::Model;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// The states seen, numbered in the order in which they turned up.
pub trait Archive<M: Model> {
    /// How many there are.
    fn count(&self) -> usize;

    /// Bytes in use.
    fn bytes(&self) -> usize;

    /// The number of this state, new or known.
    fn intern(&mut self, model: &mut M, state: &M::State) -> u32;

    /// The state of this number. Each is asked for once, in the order of the numbers.
    fn take(&mut self, model: &M, number: usize) -> M::State;
}

/// A model whose states fit into equally many bytes each.
pub trait Pack: Model {
    /// Appends the state's bytes, equally many for every state.
    fn pack(&mut self, state: &Self::State, bytes: &mut Vec<u8>);

    /// The state whose bytes these are.
    fn unpack(&self, bytes: &[u8]) -> Self::State;
}

/// All states, packed one behind the other, with an open-addressing index over them.
#[derive(Default)]
pub struct Whole {
    stride: usize,
    packed: Vec<u8>,
    /// Where a state is packed to be looked up.
    scratch: Vec<u8>,
    index: Index,
}

impl<M: Pack> Archive<M> for Whole {
    fn count(&self) -> usize {
        self.packed.len().checked_div(self.stride).unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        self.packed.capacity() + self.index.bytes()
    }

    fn intern(&mut self, model: &mut M, state: &M::State) -> u32 {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        model.pack(state, &mut bytes);
        if self.stride == 0 {
            self.stride = bytes.len();
        }
        let stride = self.stride;
        assert_eq!(bytes.len(), stride, "every state packs to equally many bytes");
        let count = self.packed.len() / stride;
        let known = |number: usize| &self.packed[number * stride..(number + 1) * stride];
        let number = self.index.intern(
            hash(&bytes),
            count,
            |number| known(number) == bytes,
            |number| hash(known(number)),
        );
        if number as usize == count {
            self.packed.extend_from_slice(&bytes);
        }
        self.scratch = bytes;
        number
    }

    fn take(&mut self, model: &M, number: usize) -> M::State {
        model.unpack(&self.packed[number * self.stride..(number + 1) * self.stride])
    }
}

/// The fingerprints of all states, and those states that have not had their turn.
pub struct Fingerprints<S> {
    seen: Vec<[u64; 2]>,
    waiting: VecDeque<S>,
    index: Index,
}

impl<S> Default for Fingerprints<S> {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            waiting: VecDeque::new(),
            index: Index::default(),
        }
    }
}

impl<M: Model> Archive<M> for Fingerprints<M::State>
where
    M::State: Hash,
{
    fn count(&self) -> usize {
        self.seen.len()
    }

    fn bytes(&self) -> usize {
        16 * self.seen.capacity() + size_of::<M::State>() * self.waiting.capacity() + self.index.bytes()
    }

    fn intern(&mut self, _model: &mut M, state: &M::State) -> u32 {
        let mut hasher = Fingerprint::default();
        state.hash(&mut hasher);
        let print = hasher.lanes;
        let seen = &self.seen;
        let number = self.index.intern(
            print[0],
            seen.len(),
            |number| seen[number] == print,
            |number| seen[number][0],
        );
        if number as usize == self.seen.len() {
            self.seen.push(print);
            self.waiting.push_back(state.clone());
        }
        number
    }

    fn take(&mut self, _model: &M, _number: usize) -> M::State {
        self.waiting.pop_front().expect("each state is taken once")
    }
}

/// Two hashes side by side.
struct Fingerprint {
    lanes: [u64; 2],
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            lanes: [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344],
        }
    }
}

impl Fingerprint {
    fn mix(&mut self, word: u64) {
        for (lane, multiplier) in self
            .lanes
            .iter_mut()
            .zip([0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93])
        {
            *lane = (lane.rotate_left(5) ^ word).wrapping_mul(multiplier);
            *lane ^= *lane >> 32;
        }
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.lanes[0]
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }
}

/// An open-addressing index from hashes to numbers.
#[derive(Default)]
struct Index {
    /// Upper half: part of the hash; lower half: the state's number plus one; 0 where empty.
    places: Vec<u64>,
}

impl Index {
    fn bytes(&self) -> usize {
        8 * self.places.capacity()
    }

    /// The number with this hash that is the `same`, or `count`, the next one, which is noted as having it.
    fn intern(&mut self, hash: u64, count: usize, same: impl Fn(usize) -> bool, hash_of: impl Fn(usize) -> u64) -> u32 {
        if self.places.len() * 2 <= count * 3 {
            self.grow(count, hash_of);
        }
        let mask = self.places.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let entry = self.places[place];
            if entry == 0 {
                assert!(count < u32::MAX as usize, "more states than 32 bits can number");
                self.places[place] = (hash >> 32) << 32 | (count as u64 + 1);
                return count as u32;
            }
            if entry >> 32 == hash >> 32 {
                let number = (entry as u32 - 1) as usize;
                if same(number) {
                    return number as u32;
                }
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self, count: usize, hash_of: impl Fn(usize) -> u64) {
        let length = (self.places.len() * 2).max(1024);
        self.places = vec![0; length];
        for number in 0..count {
            let hash = hash_of(number);
            let mut place = hash as usize & (length - 1);
            while self.places[place] != 0 {
                place = (place + 1) & (length - 1);
            }
            self.places[place] = (hash >> 32) << 32 | (number as u64 + 1);
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    hash ^ hash >> 32
}

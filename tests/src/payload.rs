//! Payloads that every language can repeat: splitmix64, as `tests/v1_peer` and the C and Python peers have it.

use sha2::{Digest, Sha256};

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
/// The sizes at which copies and formats go wrong, sent first.
const EDGES: [usize; 8] = [0, 1, 47, 48, 63, 64, 959, 960];

fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What the words of message `i` under `seed` follow from.
pub(crate) fn state(seed: u64, i: u64) -> u64 {
    mix(seed.wrapping_add((i + 1).wrapping_mul(GAMMA)))
}

/// Word `j` of a message.
pub(crate) fn word(state: u64, j: u64) -> u64 {
    mix(state.wrapping_add((j + 2).wrapping_mul(GAMMA)))
}

/// The payloads of one sender: payload `i` follows from the seed and `i`.
#[derive(Clone, Debug)]
pub struct Payloads {
    seed: u64,
    next: u64,
}

impl Payloads {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    /// Payload `i`.
    #[must_use]
    pub fn at(&self, i: u64) -> Vec<u8> {
        let s = state(self.seed, i);
        let len = usize::try_from(i)
            .ok()
            .and_then(|i| EDGES.get(i).copied())
            .unwrap_or_else(|| (mix(s.wrapping_add(GAMMA)) % 961) as usize);
        self.bytes(s, len)
    }

    /// `len` bytes that follow from the seed and `i`.
    #[must_use]
    pub fn of_len(&self, i: u64, len: usize) -> Vec<u8> {
        self.bytes(state(self.seed, i), len)
    }

    fn bytes(&self, s: u64, len: usize) -> Vec<u8> {
        (0..).flat_map(|j| word(s, j).to_le_bytes()).take(len).collect()
    }
}

impl Iterator for Payloads {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let payload = self.at(self.next);
        self.next += 1;
        Some(payload)
    }
}

/// SHA-256, as hexadecimal text, over each payload's length (u32, little-endian) and bytes.
pub fn digest<P: AsRef<[u8]>>(payloads: impl IntoIterator<Item = P>) -> String {
    let mut hash = Sha256::new();
    for payload in payloads {
        let payload = payload.as_ref();
        hash.update(u32::try_from(payload.len()).expect("payloads are short").to_le_bytes());
        hash.update(payload);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_those_the_v1_peer_was_published_with() {
        // From the independent Python program's own table.
        assert_eq!(
            digest(Payloads::new(0).take(8)),
            "4bcbdbf782397ab7c4f1d22d8539d90427f1f7a13a1904abd5252905d2b590c8"
        );
        assert_eq!(
            digest(Payloads::new(7).take(5000)),
            "8572c4db4392e326d475a04c873ef62e9da24ab5a8101e085297f47106779067"
        );
    }
}

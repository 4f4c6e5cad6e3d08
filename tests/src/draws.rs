//! Random values that every language can repeat; `languages/README.md` tells how each kind is drawn.

use crate::payload;
use dmxp::message::{Element, FixedStr, FixedVec, Nullable};

/// The characters of texts: one to four bytes each.
const CHARACTERS: [char; 8] = ['a', 'Z', '7', ' ', 'é', 'ß', '水', '🌊'];

/// The values of one message, drawn one after the other.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
    next: u64,
}

impl Draws {
    /// Those of message `i` under `seed`.
    #[must_use]
    pub fn new(seed: u64, i: u64) -> Self {
        let state = payload::state(seed, i);
        Self { state, next: 0 }
    }

    /// 64 bits, of which integers take the low ones.
    pub fn word(&mut self) -> u64 {
        self.next += 1;
        payload::word(self.state, self.next - 1)
    }

    /// 0 to `count` - 1.
    pub fn below(&mut self, count: usize) -> usize {
        (self.word() % count as u64) as usize
    }

    /// The lowest bit.
    pub fn truth(&mut self) -> bool {
        self.word() & 1 == 1
    }

    /// Any number but NaN, whose bits do not survive every language's arithmetic.
    pub fn float32(&mut self) -> f32 {
        let value = f32::from_bits(self.word() as u32);
        if value.is_nan() {
            f32::INFINITY.copysign(value)
        } else {
            value
        }
    }

    /// Any number but NaN.
    pub fn float64(&mut self) -> f64 {
        let value = f64::from_bits(self.word());
        if value.is_nan() {
            f64::INFINITY.copysign(value)
        } else {
            value
        }
    }

    /// Any Unicode scalar value.
    pub fn letter(&mut self) -> char {
        let code = self.below(0x11_0000) as u32;
        // The 2,048 surrogates are none; those before them stand in.
        char::from_u32(code).unwrap_or_else(|| char::from_u32(code - 0x800).expect("no surrogate"))
    }

    /// At most `N` bytes of text, often all of them.
    pub fn text<const N: usize>(&mut self) -> FixedStr<N> {
        let room = self.below(N + 1);
        let mut text = String::new();
        loop {
            let character = CHARACTERS[self.below(CHARACTERS.len())];
            if text.len() + character.len_utf8() > room {
                return FixedStr::new(&text).expect("it fits, and has no NUL");
            }
            text.push(character);
        }
    }

    /// Elements one after the other.
    pub fn array<T, const N: usize>(&mut self, mut element: impl FnMut(&mut Self) -> T) -> [T; N] {
        core::array::from_fn(|_| element(self))
    }

    /// A count and as many elements.
    pub fn vec<T: Element + Copy, const N: usize>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> T,
    ) -> FixedVec<T, N> {
        let elements: Vec<T> = (0..self.below(N + 1)).map(|_| element(self)).collect();
        FixedVec::from_slice(&elements).expect("at most N")
    }

    /// Nothing, or a value.
    pub fn nullable<T: Element>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Nullable<T> {
        self.truth().then(|| value(self)).into()
    }
}

//! The fuzzer's bytes, read as numbers. When they end, everything is zero.

/// A reader of bytes.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `count` bytes, or as many as are left.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    fn word<const N: usize>(&mut self) -> [u8; N] {
        let mut word = [0; N];
        let taken = self.take(N);
        word[..taken.len()].copy_from_slice(taken);
        word
    }

    pub(crate) fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.word())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.word())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.word())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.word())
    }

    /// A number below `bound`, which is 1 to 256, from one byte.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

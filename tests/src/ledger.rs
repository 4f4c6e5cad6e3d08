//! What processes that may be killed have done, written down outside of shared memory.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A file of entries, one for each message sent or received.
#[derive(Debug)]
pub struct Ledger(File);

/// A message that was sent, or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Who sent it.
    pub producer: u64,
    /// Its number.
    pub number: u64,
    /// How often it was delivered before.
    pub redelivered: u64,
}

impl Ledger {
    /// In place of a producer: the message was torn.
    pub const TORN: u64 = u64::MAX;
    /// In place of a producer: a call begins that may copy as many messages as the number says.
    pub const CALL: u64 = u64::MAX - 1;
    /// Added to the name of a producer for what it sends on the second channel.
    pub const MORE: u64 = 1 << 32;
    /// Messages that one call of a worker sends or receives at most.
    pub const MOST: usize = 4;

    /// Opens a ledger for more entries.
    ///
    /// # Errors
    /// Those of opening a file.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        File::options().create(true).append(true).open(path).map(Self)
    }

    /// Writes an entry by one write(2): a process that is killed leaves all of it, or nothing.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn write(&mut self, producer: u64, number: u64, redelivered: u8) -> io::Result<()> {
        self.write_words(&[[producer, number, u64::from(redelivered)]])
    }

    /// The entries of a ledger, in their order; none where there is no file.
    ///
    /// # Panics
    /// When it cannot be read, or does not hold whole entries.
    #[must_use]
    pub fn read(path: &Path) -> Vec<Entry> {
        let entries = Self::read_words(path).into_iter();
        entries
            .map(|[producer, number, redelivered]| Entry {
                producer,
                number,
                redelivered,
            })
            .collect()
    }

    /// Writes entries of three words by one write(2).
    pub(crate) fn write_words(&mut self, entries: &[[u64; 3]]) -> io::Result<()> {
        let bytes: Vec<u8> = entries.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        self.0.write_all(&bytes)
    }

    /// The entries of three words that a ledger has.
    pub(crate) fn read_words(path: &Path) -> Vec<[u64; 3]> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        };
        assert!(bytes.len().is_multiple_of(24), "whole entries in {}", path.display());
        let word = |chunk: &[u8], at: usize| u64::from_le_bytes(chunk[at..at + 8].try_into().expect("eight bytes"));
        let entries = bytes.chunks(24);
        entries
            .map(|chunk| [word(chunk, 0), word(chunk, 8), word(chunk, 16)])
            .collect()
    }
}

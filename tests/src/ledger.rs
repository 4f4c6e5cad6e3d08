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
    /// Messages that one call of a worker sends or receives at most.
    pub const MOST: usize = 4;

    /// Opens a ledger for more entries.
    ///
    /// # Errors
    /// Those of opening a file.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        File::options().create(true).append(true).open(path).map(Self)
    }

    /// Writes an entry by one write(2): who is killed leaves all of it, or nothing.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn write(&mut self, producer: u64, number: u64, redelivered: u8) -> io::Result<()> {
        let mut entry = [0; 24];
        entry[..8].copy_from_slice(&producer.to_le_bytes());
        entry[8..16].copy_from_slice(&number.to_le_bytes());
        entry[16..].copy_from_slice(&u64::from(redelivered).to_le_bytes());
        self.0.write_all(&entry)
    }

    /// The entries of a ledger, in their order; none where there is no file.
    ///
    /// # Panics
    /// When it cannot be read, or does not hold whole entries.
    #[must_use]
    pub fn read(path: &Path) -> Vec<Entry> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        };
        assert!(bytes.len().is_multiple_of(24), "whole entries in {}", path.display());
        let word = |chunk: &[u8], at: usize| u64::from_le_bytes(chunk[at..at + 8].try_into().expect("eight bytes"));
        bytes
            .chunks(24)
            .map(|chunk| Entry {
                producer: word(chunk, 0),
                number: word(chunk, 8),
                redelivered: word(chunk, 16),
            })
            .collect()
    }
}

//! The binary form: what is stored beside a channel, and therefore what a hostile process may have written.
//!
//! # Format
//! ```text
//! header     "DMXS", format version u8 = 1, flags u8, length u16 (little-endian; of the whole form, header included)
//! flags      bit 0: the message is larger than 960 bytes; other bits are zero
//! body       the message's struct
//! number     unsigned LEB128, in as few bytes as possible; at most 32 bits unless said otherwise
//! string     number of bytes, UTF-8
//! struct     string name, number version, size, align, string doc, number of fields, fields
//! field      string name, number offset, type, u8 notes, then what the notes announce, in this order:
//!            bit 0: number since (otherwise 1); bit 1: string unit; bit 2: number of aliases and strings; bit 3: string doc
//! type       u8 kind (the numbers of the canonical stream of `fingerprint`), then
//!            bytes, str, reserved: length; array: length, type; vec: capacity, type; nullable: type;
//!            struct, the enums, union: definition
//! definition 0 and the struct, enum or union; or n: the n-th definition of that category completed so far, from 1
//! enum       string name, u8 kind of the integer, string doc, number of values; each: string name, value, string doc
//! value      zigzag, then LEB128 of at most 65 bits
//! union      string name, number size, align, string doc, number of variants; each: string name, number tag,
//!            u8 0, or 1 and a type, string doc
//! ```
//!
//! # Hostile input
//! The decoder reads at most [`limits::MAX_BINARY`] bytes, never panics, never recurses deeper than [`limits::MAX_DEPTH`],
//! allocates in proportion to what it has read (counts are not trusted), and validates what it built with
//! [`crate::validate`]: all sizes, offsets and alignments are computed again.
//!
//! # What lives here
//! `encode` and `decode`, which know only the format; the numbers of the kinds are in [`crate::fingerprint`].
//!
//! [`limits::MAX_BINARY`]: crate::validate::limits::MAX_BINARY
//! [`limits::MAX_DEPTH`]: crate::validate::limits::MAX_DEPTH

use std::fmt;

use crate::validate::InvalidSchema;

mod decode;
mod encode;

pub use decode::{decode, decode_prefix};
pub use encode::{encode, encode_to_fit};

const MAGIC: &[u8; 4] = b"DMXS";
const FORMAT: u8 = 1;
const FLAG_LARGE: u8 = 1;
pub(crate) const HEADER: usize = 8;

const NOTE_SINCE: u8 = 1;
const NOTE_UNIT: u8 = 2;
const NOTE_ALIASES: u8 = 4;
const NOTE_DOC: u8 = 8;

/// Why bytes are not a schema, or a schema does not fit into them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryError {
    /// The schema needs more bytes than there may be.
    TooLarge {
        /// Bytes of the binary form.
        found: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// The bytes do not begin with a header of this format.
    Header {
        /// What the header has wrong.
        expected: &'static str,
        /// The bytes found there, as text.
        found: String,
    },
    /// The bytes end too early, or go on after the schema.
    Length {
        /// How many bytes there should be, at least.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A part is not what it must be.
    Malformed {
        /// Position of the part, in bytes from the start.
        position: usize,
        /// What was expected there.
        expected: &'static str,
        /// What was found.
        found: u64,
    },
    /// The bytes are a schema, but not a valid one.
    Invalid(InvalidSchema),
}

impl std::error::Error for BinaryError {}

impl fmt::Display for BinaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { found, limit } => write!(
                f,
                "the binary form of the schema has {found} bytes, the limit is {limit}; shorten doc comments or names"
            ),
            Self::Header { expected, found } => {
                write!(f, "not a binary schema: expected {expected}, found {found}")
            }
            Self::Length { expected, found } => {
                write!(f, "binary schema: expected {expected} bytes, found {found}")
            }
            Self::Malformed {
                position,
                expected,
                found,
            } => {
                write!(f, "binary schema, byte {position}: expected {expected}, found {found}")
            }
            Self::Invalid(error) => write!(f, "binary schema: {error}"),
        }
    }
}

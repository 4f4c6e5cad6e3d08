//! Text of bounded length.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::{FromStr, Utf8Error};

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::field::DmxpField;
use super::scalar::{expect_length, length};

/// UTF-8 text of at most `N` bytes, filled with NUL to the end.
///
/// The text ends at the first NUL or after `N` bytes. Every bit pattern is a value; what another process wrote may not be
/// UTF-8, so that [`as_str`](Self::as_str) can fail.
///
/// ```
/// use dmxp::message::FixedStr;
///
/// let station: FixedStr<8> = "KSFO".parse()?;
/// assert_eq!(station, "KSFO");
/// assert_eq!(station.to_string(), "KSFO");
///
/// const HOME: FixedStr<8> = FixedStr::from_static("LSZH");
/// assert_eq!(HOME.as_str(), Ok("LSZH"));
///
/// use std::fmt::Write;
/// let mut gate = FixedStr::<8>::EMPTY;
/// write!(gate, "{}{}", 'B', 42).unwrap();
/// assert_eq!(gate, "B42");
/// assert!(gate.push_str(" and more").is_err());
///
/// let error = FixedStr::<8>::new("San Francisco").unwrap_err();
/// assert_eq!(error.to_string(), "a text of 13 bytes does not fit a FixedStr of 8 bytes");
/// # Ok::<(), dmxp::message::FixedStrError>(())
/// ```
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "zerocopy",
    derive(
        zerocopy::FromBytes,
        zerocopy::IntoBytes,
        zerocopy::Immutable,
        zerocopy::KnownLayout,
        zerocopy::Unaligned
    )
)]
#[repr(transparent)]
pub struct FixedStr<const N: usize> {
    bytes: [u8; N],
}

/// A text that a [`FixedStr`] cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixedStrError {
    /// The text is longer than there is room.
    TooLong {
        /// Length of the text in bytes.
        length: usize,
        /// Bytes there is room for.
        capacity: usize,
    },
    /// The text contains a NUL, which would end it.
    ContainsNul {
        /// Byte position of the first NUL.
        position: usize,
        /// Length of the text in bytes.
        length: usize,
        /// Bytes there is room for.
        capacity: usize,
    },
}

impl<const N: usize> FixedStr<N> {
    /// The empty text.
    pub const EMPTY: Self = Self { bytes: [0; N] };

    /// Bytes there is room for.
    pub const CAPACITY: usize = N;

    /// The text `text`.
    ///
    /// # Errors
    /// [`FixedStrError`] when `text` is longer than `N` bytes or contains a NUL.
    pub const fn new(text: &str) -> Result<Self, FixedStrError> {
        let text = text.as_bytes();
        if text.len() > N {
            return Err(FixedStrError::TooLong {
                length: text.len(),
                capacity: N,
            });
        }
        let mut bytes = [0; N];
        let mut position = 0;
        while position < text.len() {
            if text[position] == 0 {
                return Err(FixedStrError::ContainsNul {
                    position,
                    length: text.len(),
                    capacity: N,
                });
            }
            bytes[position] = text[position];
            position += 1;
        }
        Ok(Self { bytes })
    }

    /// The text `text`, for constants: in a `const`, a text that does not fit is a compile error.
    ///
    /// # Panics
    /// When `text` is longer than `N` bytes or contains a NUL.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        match Self::new(text) {
            Ok(text) => text,
            Err(FixedStrError::TooLong { .. }) => panic!("the text is longer than the FixedStr"),
            Err(FixedStrError::ContainsNul { .. }) => panic!("the text contains a NUL"),
        }
    }

    /// As much of `text` as fits: cut before a NUL, and so that no character is split.
    #[must_use]
    pub fn truncated(text: &str) -> Self {
        let text = text.split('\0').next().unwrap_or_default();
        let end = (0..=text.len().min(N))
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        let mut bytes = [0; N];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self { bytes }
    }

    /// The text.
    ///
    /// # Errors
    /// [`Utf8Error`] when another process wrote bytes that are not UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.as_bytes())
    }

    /// The text, with `U+FFFD` in the place of bytes that are not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Appends `text`: all of it or, on error, nothing.
    ///
    /// # Errors
    /// [`FixedStrError`] when there is no room for it, or when it contains a NUL.
    pub fn push_str(&mut self, text: &str) -> Result<(), FixedStrError> {
        let (len, capacity) = (self.len(), N);
        let length = len + text.len();
        if let Some(position) = text.bytes().position(|byte| byte == 0) {
            let position = len + position;
            return Err(FixedStrError::ContainsNul {
                position,
                length,
                capacity,
            });
        }
        let Some(room) = self.bytes.get_mut(len..length) else {
            return Err(FixedStrError::TooLong { length, capacity });
        };
        room.copy_from_slice(text.as_bytes());
        // What another process left behind its NUL must not come to light.
        self.bytes[length..].fill(0);
        Ok(())
    }

    /// Appends a character.
    ///
    /// # Errors
    /// Those of [`push_str`](Self::push_str).
    pub fn push(&mut self, character: char) -> Result<(), FixedStrError> {
        self.push_str(character.encode_utf8(&mut [0; 4]))
    }

    /// Removes all text.
    pub fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    /// The bytes before the first NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(N);
        &self.bytes[..end]
    }

    /// Length of the text in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<const N: usize> Default for FixedStr<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Bytes that are not UTF-8 show as `U+FFFD`.
impl<const N: usize> fmt::Display for FixedStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Ok(text) => f.pad(text),
            Err(_) => f.pad(&String::from_utf8_lossy(self.as_bytes())),
        }
    }
}

impl<const N: usize> fmt::Debug for FixedStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Ok(text) => fmt::Debug::fmt(text, f),
            Err(_) => write!(f, "\"{}\"", self.as_bytes().escape_ascii()),
        }
    }
}

impl<const N: usize, const M: usize> PartialEq<FixedStr<M>> for FixedStr<N> {
    fn eq(&self, other: &FixedStr<M>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for FixedStr<N> {}

impl<const N: usize, const M: usize> PartialOrd<FixedStr<M>> for FixedStr<N> {
    fn partial_cmp(&self, other: &FixedStr<M>) -> Option<std::cmp::Ordering> {
        Some(self.as_bytes().cmp(other.as_bytes()))
    }
}

impl<const N: usize> Ord for FixedStr<N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize> Hash for FixedStr<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const N: usize> PartialEq<str> for FixedStr<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for FixedStr<N> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<String> for FixedStr<N> {
    fn eq(&self, other: &String) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<FixedStr<N>> for str {
    fn eq(&self, other: &FixedStr<N>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<FixedStr<N>> for &str {
    fn eq(&self, other: &FixedStr<N>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<FixedStr<N>> for String {
    fn eq(&self, other: &FixedStr<N>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// The bytes, and not the text, which need not be UTF-8.
impl<const N: usize> AsRef<[u8]> for FixedStr<N> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// As keys of maps, texts are found by their bytes.
impl<const N: usize> Borrow<[u8]> for FixedStr<N> {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Fails where there is no room for a part; the parts before it are written.
impl<const N: usize> fmt::Write for FixedStr<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}

impl<const N: usize> TryFrom<String> for FixedStr<N> {
    type Error = FixedStrError;

    fn try_from(text: String) -> Result<Self, FixedStrError> {
        Self::new(&text)
    }
}

impl<const N: usize> TryFrom<&str> for FixedStr<N> {
    type Error = FixedStrError;

    fn try_from(text: &str) -> Result<Self, FixedStrError> {
        Self::new(text)
    }
}

impl<const N: usize> FromStr for FixedStr<N> {
    type Err = FixedStrError;

    fn from_str(text: &str) -> Result<Self, FixedStrError> {
        Self::new(text)
    }
}

// SAFETY: transparent over `[u8; N]`, which has no padding and takes any bits.
#[diagnostic::do_not_recommend]
unsafe impl<const N: usize> DmxpField for FixedStr<N> {
    type Word = u8;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Str(length(N));
    const ALWAYS_VALID: bool = true;
    const REFUSAL: Option<&'static str> = if N == 0 {
        Some("`FixedStr<0>` stores nothing; give it a capacity or remove the field")
    } else {
        None
    };

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, N)
    }
}

impl fmt::Display for FixedStrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, capacity } => {
                write!(
                    f,
                    "a text of {length} bytes does not fit a FixedStr of {capacity} bytes"
                )
            }
            Self::ContainsNul {
                position,
                length,
                capacity,
            } => write!(
                f,
                "a text of {length} bytes has a NUL at byte {position}, which would end it in a FixedStr of {capacity} bytes"
            ),
        }
    }
}

impl std::error::Error for FixedStrError {}

//! Room for later fields.

use dmxp_schema::descriptor::TypeDescriptor;

use super::InvalidValue;
use super::field::DmxpField;
use super::scalar::{expect_length, length};

/// `N` bytes kept at zero, for fields that later versions of the message may add.
///
/// They are zero when created. What a newer version wrote there is kept, and ignored.
///
/// ```
/// use dmxp::message::Reserved;
///
/// assert!(Reserved::<12>::new().is_zero());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
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
pub struct Reserved<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> Reserved<N> {
    /// `N` zeros.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N] }
    }

    /// Whether all bytes are zero, that is, no newer version wrote here.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.bytes
    }
}

impl<const N: usize> Default for Reserved<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> std::fmt::Debug for Reserved<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_zero() {
            write!(f, "Reserved({N} zeros)")
        } else {
            f.debug_tuple("Reserved").field(&self.bytes).finish()
        }
    }
}

// SAFETY: transparent over `[u8; N]`, which has no padding and takes any bits.
#[diagnostic::do_not_recommend]
unsafe impl<const N: usize> DmxpField for Reserved<N> {
    type Word = u8;

    const TYPE: &'static TypeDescriptor = &TypeDescriptor::Reserved(length(N));
    const ALWAYS_VALID: bool = true;
    const REFUSAL: Option<&'static str> = if N == 0 {
        Some("`Reserved<0>` stores nothing; remove the field")
    } else {
        None
    };

    fn validate(bytes: &[u8]) -> Result<(), InvalidValue> {
        expect_length(bytes, N)
    }
}

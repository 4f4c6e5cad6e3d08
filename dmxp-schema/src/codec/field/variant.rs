//! What a tagged union stores.

use super::value::FieldValue;
use crate::model::{Union, Variant};

/// What a tagged union stores, if it stores something.
#[derive(Clone, Copy, Debug)]
pub struct StoredVariant<'a> {
    /// The tag, not 0.
    pub tag: u64,
    /// The variant of that tag; `None` if the schema has none: the writer is newer.
    pub variant: Option<&'a Variant>,
    /// The payload; `None` if the variant has none or is not known.
    pub value: Option<FieldValue<'a>>,
    /// All bytes behind the tag.
    pub payload: &'a [u8],
}

impl<'a> StoredVariant<'a> {
    /// The variant's name; `None` if the schema has none of that tag.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.variant.map(|variant| variant.name.as_str())
    }
}

/// The variant with that tag.
pub(super) fn stored(u: &Union, tag: u64) -> Option<&Variant> {
    u.variants.iter().find(|variant| u64::from(variant.tag) == tag)
}

//! The elements of an array, a vector or raw bytes.

use std::fmt;

use super::record::Message;
use super::value::FieldValue;
use crate::model::Type;

/// The element of raw bytes, which the schema does not have as a type of its own.
pub(super) static BYTE: Type = Type::U8;

/// The elements of an array, of a vector (those that count) or of raw bytes.
#[derive(Clone, Copy)]
pub struct Elements<'a> {
    message: Message<'a>,
    element: &'a Type,
    /// Where the next one begins in the message.
    offset: usize,
    len: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn within(message: Message<'a>, element: &'a Type, offset: usize, len: usize) -> Self {
        Self {
            message,
            element,
            offset,
            len,
        }
    }

    /// The type of each.
    #[must_use]
    pub fn element_type(&self) -> &'a Type {
        self.element
    }

    /// The one at `index`, counted from what is left of the iteration; `None` if there are not so many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<FieldValue<'a>> {
        (index < self.len).then(|| {
            let offset = self.offset + index * self.element.size() as usize;
            FieldValue::within(self.message, self.element, offset)
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = FieldValue<'a>;

    fn next(&mut self) -> Option<FieldValue<'a>> {
        self.nth(0)
    }

    fn nth(&mut self, index: usize) -> Option<FieldValue<'a>> {
        let found = self.get(index);
        let passed = self.len.min(index.saturating_add(1));
        self.offset += passed * self.element.size() as usize;
        self.len -= passed;
        found
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let last = self.get(self.len.checked_sub(1)?);
        self.len -= 1;
        last
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}
